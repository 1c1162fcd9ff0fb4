//! The ten minutes after an attack: 2,000 requests, and among them other people's lives; and the four hours in
//! which they are answered for good, or not.

use std::collections::{BTreeMap, BTreeSet};

use tokio::task::JoinSet;
use urgence::core::Event;
use urgence::grpc::wire;

use crate::stage::{ANA, BO, FRENCH, GERMAN, HEAD, Stage, by, id_of, in_progress, request};

type Desk = wire::desk_service_client::DeskServiceClient<tonic::transport::Channel>;

const REQUESTS: u64 = 2_000;
const MINUTES: u64 = 10;
/// Every hundredth request is about somebody else.
const OTHERS: u64 = REQUESTS / 100;
const FACTS: &str = "Three places; the hotline of the ministry is open.";
const MORE_FACTS: &str = "A fourth place: the theatre.";
/// How many cases the desk can answer in a minute.
const ANSWERED_PER_MINUTE: usize = 40;

fn is_other(index: u64) -> bool {
    index % 100 == 99
}

/// How many cases of the attack are of these last digits.
fn about_it(digits: std::ops::Range<u64>) -> u32 {
    let is_meant = |index: &u64| !is_other(*index) && digits.contains(&(index % 10));
    u32::try_from((0..REQUESTS).filter(is_meant).count()).unwrap()
}

/// What comes in: about the attack, with the incident's name, or about a missing child elsewhere.
fn arriving(index: u64) -> tonic::Request<wire::SubmitRequest> {
    let categories = [wire::DataCategory::Subscriber];
    let id = format!("r-{index}");
    let target = format!("account-{index}");
    if is_other(index) {
        let nature = wire::Nature::MissingChild;
        return by(GERMAN, request("de-bka", &id, nature, &target, &categories));
    }
    let nature = wire::Nature::ThreatToLife;
    let mut message = request("fr-pnij", &id, nature, &target, &categories);
    if let Some(request) = &mut message.request {
        request.incident_reference = "Attack of the  evening".to_owned();
    }
    by(FRENCH, message)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_surge_is_taken_in_whole_and_starves_nobody() {
    let stage = Stage::open().await;
    let (portal, mut desk) = (stage.portal().await, stage.responders().await);
    let mut names = BTreeMap::new();
    let mut answered = BTreeSet::new();
    let mut others_answered_at = BTreeMap::new();
    for minute in 0..MINUTES {
        stage.at(minute).await;
        if minute == 1 {
            open_incident(&stage).await;
        }
        let mut calls = JoinSet::new();
        for index in minute * REQUESTS / MINUTES..(minute + 1) * REQUESTS / MINUTES {
            let mut portal = portal.clone();
            calls.spawn(async move {
                let submitted = portal.submit(arriving(index)).await;
                (index, submitted.expect("an emergency is never refused").into_inner())
            });
        }
        for (index, submitted) in calls.join_all().await {
            assert!(!submitted.replayed);
            assert_eq!(names.insert(submitted.case.unwrap().name, index), None, "one case each");
        }
        answer(&mut desk, minute, &names, &mut answered, &mut others_answered_at).await;
    }
    assert_eq!(names.len() as u64, REQUESTS);

    // The flood is over; the desk goes on.
    let mut minute = MINUTES;
    while (answered.len() as u64) < REQUESTS {
        stage.at(minute).await;
        answer(&mut desk, minute, &names, &mut answered, &mut others_answered_at).await;
        minute += 1;
        assert!(minute < 4 * 60, "answered within hours");
    }
    // Nobody else's child had to wait for the attack.
    assert_eq!(others_answered_at.len() as u64, OTHERS);
    let latest = others_answered_at.values().max().unwrap();
    assert!(*latest < MINUTES + 2, "the last of the others was answered at minute {latest}");

    // The incident tells how it stands, and every case of it was promised and measured by itself.
    let (nothing, soon, later, open) =
        (about_it(0..1), about_it(1..4), about_it(4..5), about_it(5..10));
    let all = wire::IncidentFigures {
        cases: u32::try_from(REQUESTS - OTHERS).unwrap(),
        ended: nothing,
        ended_within_share: nothing,
        ended_within_objective: nothing,
        ..incident(&stage).await.figures.unwrap()
    };
    assert_eq!((all.cases, all.unanswered), (nothing + soon + later + open, 0));
    assert_eq!(incident(&stage).await.figures.unwrap(), all);
    assert!(minute < 85, "time is left to end some within 90 minutes");
    end(&mut desk, &names, 1..4).await;
    stage.at(180).await;
    end(&mut desk, &names, 4..5).await;
    // Each that came in the ten minutes has had its four hours by now.
    stage.at(4 * 60 + MINUTES + 1).await;
    let late = wire::IncidentFigures {
        ended: nothing + soon + later,
        ended_within_share: nothing + soon,
        ended_within_objective: nothing + soon + later,
        overdue: open,
        overdue_share: open,
        ..all
    };
    assert_eq!(incident(&stage).await.figures.unwrap(), late);
    end(&mut desk, &names, 5..6).await;
    let ended_late = about_it(5..6);
    let late = wire::IncidentFigures {
        ended: late.ended + ended_late,
        overdue: open - ended_late,
        overdue_share: open - ended_late,
        ..late
    };
    assert_eq!(incident(&stage).await.figures.unwrap(), late);

    let case = names.iter().find(|(_, index)| **index == 8).map(|(name, _)| name.clone()).unwrap();
    let told = format!("{FACTS}\n\n{MORE_FACTS}");
    assert_eq!(facts(&mut desk, &case).await, told);
    let members = usize::try_from(open - ended_late).unwrap();
    assert!(waiting(&mut desk, wire::CaseFilter::IncidentQueue).await.contains(&case));
    assert_eq!(waiting(&mut desk, wire::CaseFilter::IncidentQueue).await.len(), members);
    let close = wire::CloseIncidentRequest {
        request_id: "close".to_owned(),
        incident: "attack".to_owned(),
        ..Default::default()
    };
    let closed = desk.close_incident(by(HEAD, close)).await.unwrap().into_inner();
    assert!(closed.incident.unwrap().closed_at.is_some());
    // What is left waits with all others, and those who work on it still know what it is about.
    assert!(waiting(&mut desk, wire::CaseFilter::IncidentQueue).await.is_empty());
    let ordinary = waiting(&mut desk, wire::CaseFilter::Queue).await;
    assert!(ordinary.contains(&case));
    assert_eq!(ordinary.len(), members + usize::try_from(OTHERS).unwrap());
    assert_eq!(facts(&mut desk, &case).await, told);
    let ended = names.iter().find(|(_, index)| **index == 1).map(|(name, _)| name.clone()).unwrap();
    assert_eq!(facts(&mut desk, &ended).await, "");
    let result = incident(&stage).await;
    assert!(result.closed_at.is_some() && result.figures.unwrap() == late);
    check_record(&stage, &names).await;
}

async fn open_incident(stage: &Stage) {
    let open = wire::OpenIncidentRequest {
        request_id: "open".to_owned(),
        incident: "attack".to_owned(),
        tag: "attack of the evening".to_owned(),
        facts: FACTS.to_owned(),
        ..Default::default()
    };
    let mut desk = stage.responders().await;
    let opened = desk.open_incident(by(HEAD, open)).await.unwrap().into_inner();
    let figures = opened.incident.unwrap().figures.unwrap();
    // Those of the first minute have joined: those that still wait, and those that were answered for good.
    let first = REQUESTS / MINUTES * 99 / 100;
    assert_eq!(u64::from(figures.cases), first, "{figures:?}");
    assert!(figures.ended > 0, "{figures:?}");
    let add = wire::AddIncidentFactsRequest {
        request_id: "add".to_owned(),
        incident: "attack".to_owned(),
        facts: MORE_FACTS.to_owned(),
        ..Default::default()
    };
    let added = desk.add_incident_facts(by(BO, add)).await.unwrap().into_inner();
    assert_eq!(added.incident.unwrap().facts, "");
}

/// The incident as oversight sees it.
async fn incident(stage: &Stage) -> wire::Incident {
    let mut oversight = stage.oversight().await;
    let status = oversight.get_status(by(HEAD, wire::GetStatusRequest {})).await.unwrap();
    status.into_inner().desks[0].incidents[0].clone()
}

/// The facts that a responder reads with a case.
async fn facts(desk: &mut Desk, name: &str) -> String {
    let get = wire::DeskServiceGetRequest { name: name.to_owned() };
    desk.get(by(ANA, get)).await.unwrap().into_inner().incident_facts
}

/// The cases of a queue.
async fn waiting(desk: &mut Desk, filter: wire::CaseFilter) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut page_token = String::new();
    loop {
        let page_size = 20;
        let filter = filter.into();
        let list =
            wire::DeskServiceListRequest { filter, page_size, page_token, ..Default::default() };
        let listed = desk.list(by(ANA, list)).await.unwrap().into_inner();
        names.extend(listed.cases.into_iter().map(|case| case.name));
        page_token = listed.next_page_token;
        if page_token.is_empty() {
            return names;
        }
    }
}

/// Brings the cases about the attack of these last digits to their end.
async fn end(desk: &mut Desk, names: &BTreeMap<String, u64>, digits: std::ops::Range<u64>) {
    let meant =
        names.iter().filter(|(_, index)| !is_other(**index) && digits.contains(&(**index % 10)));
    for (name, _) in meant {
        let name = name.clone();
        let claim = wire::ClaimRequest { request_id: "end".to_owned(), name: name.clone() };
        let claimed = desk.claim(by(ANA, claim)).await.unwrap().into_inner();
        let propose = wire::ProposeOutcomeRequest {
            request_id: "propose".to_owned(),
            name: name.clone(),
            epoch: claimed.case.unwrap().claim.unwrap().epoch,
            ending: Some(wire::Ending {
                outcome: wire::Outcome::NoSuchAccount.into(),
                ..Default::default()
            }),
            message: "There is no such account.".to_owned(),
            ..Default::default()
        };
        let proposed = desk.propose_outcome(by(ANA, propose)).await.unwrap().into_inner();
        let proposal = proposed.case.unwrap().proposal.unwrap().number;
        let request_id = "approve".to_owned();
        let approve = wire::ApproveOutcomeRequest { request_id, name, proposal };
        let approved = desk.approve_outcome(by(BO, approve)).await.unwrap().into_inner();
        assert!(approved.case.unwrap().ended.is_some());
    }
}

/// There is nothing to be found.
fn no_data(name: &str, epoch: u64) -> wire::RespondRequest {
    let answer = wire::respond_request::Answer::NoData(wire::NoDataAnswer {});
    wire::RespondRequest { answer: Some(answer), ..in_progress("r", name, epoch) }
}

/// As many people as there are take the next cases and answer them.
async fn answer(
    desk: &mut Desk,
    minute: u64,
    names: &BTreeMap<String, u64>,
    answered: &mut BTreeSet<String>,
    others_answered_at: &mut BTreeMap<u64, u64>,
) {
    for turn in 0..ANSWERED_PER_MINUTE {
        let claim = wire::ClaimNextRequest {
            request_id: format!("c-{minute}-{turn}"),
            ..Default::default()
        };
        let claimed = desk.claim_next(by(ANA, claim)).await.unwrap().into_inner();
        let Some(case) = claimed.case else { return };
        if case.first_response.is_some() {
            // Answered before, and taken up again by its next clock.
            continue;
        }
        let epoch = case.claim.unwrap().epoch;
        let index = names[&case.name];
        if index.is_multiple_of(10) {
            desk.respond(by(ANA, no_data(&case.name, epoch))).await.unwrap();
        } else {
            desk.respond(by(ANA, in_progress("r", &case.name, epoch))).await.unwrap();
            let release = wire::ReleaseClaimRequest {
                request_id: "release".to_owned(),
                name: case.name.clone(),
                epoch,
            };
            desk.release_claim(by(ANA, release)).await.unwrap();
        }
        if is_other(index) {
            others_answered_at.insert(index, minute);
        }
        assert!(answered.insert(case.name), "each is answered once");
    }
}

/// Every case has its clock from the instant it was accepted, and no rung was missed or fired twice.
async fn check_record(stage: &Stage, names: &BTreeMap<String, u64>) {
    let by_case = stage.events().await;
    for name in names.keys() {
        let events = &by_case[&id_of(name)];
        let accepted =
            events.iter().filter(|event| matches!(event, Event::Accepted { .. })).count();
        let responded =
            events.iter().filter(|event| matches!(event, Event::Responded { .. })).count();
        assert_eq!((accepted, responded), (1, 1), "{name}");
        let late = events.iter().any(|event| {
            matches!(event, Event::RungFired(rung) | Event::RungQuieted(rung) if rung.is_late())
        });
        assert!(!late, "{name}");
    }
}
