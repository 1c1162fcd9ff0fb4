//! The ten minutes after an attack: 2,000 requests, and among them other people's lives.

use std::collections::{BTreeMap, BTreeSet};

use tokio::task::JoinSet;
use urgence::core::Event;
use urgence::grpc::wire;

use crate::stage::{ANA, FRENCH, GERMAN, HEAD, Stage, by, id_of, in_progress, request};

const REQUESTS: u64 = 2_000;
const MINUTES: u64 = 10;
/// Every hundredth request is about somebody else.
const OTHERS: u64 = REQUESTS / 100;
/// How many cases the desk can answer in a minute.
const ANSWERED_PER_MINUTE: usize = 40;

fn is_other(index: u64) -> bool {
    index % 100 == 99
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
    let mut oversight = stage.oversight().await;
    let status = oversight.get_status(by(HEAD, wire::GetStatusRequest {})).await.unwrap();
    let incident = status.into_inner().desks[0].incidents[0].clone();
    let figures = incident.figures.unwrap();
    assert_eq!((figures.cases, figures.unanswered), (u32::try_from(REQUESTS - OTHERS).unwrap(), 0));
    let close = wire::CloseIncidentRequest {
        request_id: "close".to_owned(),
        incident: "attack".to_owned(),
        ..Default::default()
    };
    let closed = desk.close_incident(by(HEAD, close)).await.unwrap().into_inner();
    assert!(closed.incident.unwrap().closed_at.is_some());
    check_record(&stage, &names).await;
}

async fn open_incident(stage: &Stage) {
    let open = wire::OpenIncidentRequest {
        request_id: "open".to_owned(),
        incident: "attack".to_owned(),
        tag: "attack of the evening".to_owned(),
        facts: "Three places; the hotline of the ministry is open.".to_owned(),
        ..Default::default()
    };
    let mut desk = stage.responders().await;
    let opened = desk.open_incident(by(HEAD, open)).await.unwrap().into_inner();
    let figures = opened.incident.unwrap().figures.unwrap();
    // Those of the first minute that still wait have joined.
    let first = REQUESTS / MINUTES * 99 / 100;
    let waiting = first - ANSWERED_PER_MINUTE as u64 + 1;
    assert!((waiting - 2..=first).contains(&figures.cases.into()), "{figures:?}");
}

/// As many people as there are take the next cases and answer them.
async fn answer(
    desk: &mut wire::desk_service_client::DeskServiceClient<tonic::transport::Channel>,
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
        desk.respond(by(ANA, in_progress("r", &case.name, epoch))).await.unwrap();
        let release = wire::ReleaseClaimRequest {
            request_id: "release".to_owned(),
            name: case.name.clone(),
            epoch,
        };
        desk.release_claim(by(ANA, release)).await.unwrap();
        let index = names[&case.name];
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
