//! What no authority may see: a case that the desk suspects looks, byte for byte, like one that is
//! merely not verified yet. The desk sees everything.

use std::collections::HashSet;
use std::time::Duration;

use prost::Message as _;
use urgence::grpc::wire;
use wire::case_event::Event;
use wire::intake_service_watch_request::Scope;
use wire::intake_service_watch_response::Message;
use wire::{DataCategory, Outcome, Protection, RefusalReason, Verification};

use crate::calls::{ANA, BO, Caller, FRENCH, GERMAN, JURIST, LEAD, Stage, delivered, held};
use crate::messages::{Held, Named, asking, ending, fresh, not_held, of_authority, rejected};
use crate::record::changes;
use crate::service::{Directory, fast_policy};
use crate::support::wait::eventually;

const PATIENCE: Duration = Duration::from_secs(20);

type At = Option<prost_types::Timestamp>;

/// Takes an instant away and leaves that there was one.
fn blank(at: &mut At) {
    if let Some(at) = at {
        *at = prost_types::Timestamp::default();
    }
}

/// The same for how long something took.
fn blank_duration(took: &mut Option<prost_types::Duration>) {
    if let Some(took) = took {
        *took = prost_types::Duration::default();
    }
}

/// The case without its name, its times and what its own request makes different.
fn bare(mut case: wire::CaseStatus) -> wire::CaseStatus {
    case.name.clear();
    case.request_digest.clear();
    let mut instants = vec![&mut case.accepted_at, &mut case.asked_at];
    instants.extend([&mut case.withdrawal_requested_at, &mut case.purged_at]);
    for clock in &mut case.clocks {
        instants.extend([&mut clock.started_at, &mut clock.target_at, &mut clock.limit_at]);
        instants.extend([&mut clock.stopped_at, &mut clock.paused_since]);
    }
    if let Some(response) = &mut case.first_response {
        instants.extend([&mut response.at, &mut response.expected_at]);
        blank_duration(&mut response.waited);
    }
    instants.extend(case.ended.as_mut().map(|ended| &mut ended.at));
    instants.into_iter().for_each(blank);
    case
}

/// What Get shows, in bytes, without names and times.
async fn shown(portal: &Caller, name: &str) -> Vec<u8> {
    let mut shown = portal.is_shown(name).await;
    shown.case = shown.case.map(bare);
    shown.request = None;
    // The record names the case, its times and its texts, and is signed; the rest is compared.
    let says =
        |line: &&str| ["authority ", "kind ", "punctuality "].iter().any(|it| line.starts_with(it));
    let record: Vec<&str> = shown.first_response_record.lines().filter(says).collect();
    shown.first_response_record = record.join("\n");
    for entry in &mut shown.entries {
        blank(&mut entry.at);
        if let Some(wire::case_entry::Said::Update(update)) = &mut entry.said {
            blank(&mut update.expected_at);
        }
    }
    shown.encode_to_vec()
}

/// What a list shows of the case.
async fn listed(portal: &Caller, name: &str) -> Vec<u8> {
    let list =
        wire::IntakeServiceListRequest { authority: "fr-pnij".to_owned(), ..Default::default() };
    let listed = portal.intake().list(portal.by(list)).await.unwrap().into_inner().cases;
    let case = listed.into_iter().find(|case| case.name == name).unwrap();
    bare(case).encode_to_vec()
}

/// Follows the case from now on until it ends: every message, in bytes, without names and times.
async fn told(portal: &Caller, name: &str) -> tokio::task::JoinHandle<Vec<Vec<u8>>> {
    let scope = Some(Scope::Name(name.to_owned()));
    let watch = wire::IntakeServiceWatchRequest { scope, ..Default::default() };
    let mut stream = portal.intake().watch(portal.by(watch)).await.unwrap().into_inner();
    tokio::spawn(async move {
        let mut told = Vec::new();
        loop {
            let mut message = stream.message().await.unwrap().expect("it ends with the case");
            message.resume_token.clear();
            let mut is_over = false;
            match message.message.as_mut().unwrap() {
                Message::Heartbeat(_) => continue,
                Message::Snapshot(case) => *case = bare(case.clone()),
                Message::SnapshotEnd(_) => {}
                Message::Change(change) => {
                    change.name.clear();
                    blank(&mut change.at);
                    for event in &mut change.events {
                        let event = event.event.as_mut().unwrap();
                        is_over |= matches!(event, Event::Ended(_));
                        bare_event(event);
                    }
                }
            }
            told.push(message.encode_to_vec());
            if is_over {
                return told;
            }
        }
    })
}

fn bare_event(event: &mut Event) {
    match event {
        Event::Accepted(event) => {
            blank(&mut event.target_at);
            blank(&mut event.limit_at);
        }
        Event::ClockStarted(event) => {
            blank(&mut event.target_at);
            blank(&mut event.limit_at);
        }
        Event::ClockResumed(event) => blank_duration(&mut event.paused_for),
        Event::Responded(event) => blank_duration(&mut event.waited),
        Event::Ended(event) => blank_duration(&mut event.took),
        _ => {}
    }
}

/// Everything that the desk may do for itself while it suspects a case.
async fn suspect(stage: &Stage, mine: &Held, other: &str) -> Held {
    let (ana, bo, jurist) = (stage.caller(ANA), stage.caller(BO), stage.caller(JURIST));
    let case = mine.case();
    for finding in
        [Verification::ChannelVerified, Verification::Failed, Verification::SuspectedFraud]
    {
        bo.does(case.verify(finding)).await;
    }
    ana.does(case.conflict(DataCategory::Subscriber)).await;
    jurist.does(case.lift(DataCategory::Subscriber)).await;
    ana.does(case.link(other)).await;
    let press = wire::ReclassifyRequest {
        protection: Protection::Press.into(),
        ..case.reclassify(wire::Nature::Unspecified)
    };
    bo.does(press).await;
    bo.does(case.reclassify(wire::Nature::Routine)).await;
    stage.caller(LEAD).does(case.legal_hold(true)).await;
    ana.does(mine.propose(&[not_held(DataCategory::Subscriber)])).await;
    ana.does(mine.release()).await;
    let again = bo.claims(&mine.name).await;
    let back = bo.does(again.hand_over("ana")).await;
    let id = mine.name.rsplit('/').next().unwrap();
    bo.does(case.acknowledge(&format!("{id}/first-response/0/0"))).await;
    Held { epoch: back.claim.unwrap().epoch, ..mine.clone() }
}

/// Suspends the authority, or reinstates it.
async fn suspend(stage: &Stage, is_suspended: bool) {
    let lea = stage.caller(LEAD);
    let (request_id, authority) = (fresh(), "fr-pnij".to_owned());
    if is_suspended {
        let reason = wire::SuspensionReason::Anomaly.into();
        let suspend =
            wire::SuspendAuthorityRequest { request_id, authority, reason, ..Default::default() };
        lea.oversight().suspend_authority(lea.by(suspend)).await.unwrap();
    } else {
        let reinstate =
            wire::ReinstateAuthorityRequest { request_id, authority, ..Default::default() };
        lea.oversight().reinstate_authority(lea.by(reinstate)).await.unwrap();
    }
}

/// A case with everything that the desk finds out by comparing and counting: an officer whom nobody
/// knows, another authority that asks about the same target, an incident, and an authority that is
/// suspended when it asks and again later. With it what a watch tells of it from the beginning.
async fn flagged(stage: &Stage) -> (String, tokio::task::JoinHandle<Vec<Vec<u8>>>) {
    let (ana, bo, portal) = (stage.caller(ANA), stage.caller(BO), stage.caller(FRENCH));
    let mut message = asking(&[DataCategory::Subscriber]);
    let request = message.request.as_mut().unwrap();
    "new@police.example".clone_into(&mut request.requester.as_mut().unwrap().official_email);
    let tag = "Harbour".to_owned();
    request.incident_reference.clone_from(&tag);
    let mut alike = of_authority(message.clone(), "de-bka", "DE");
    alike.request_id = fresh();
    suspend(stage, true).await;
    let name = portal.submits(message).await;
    let stream = told(&portal, &name).await;
    suspend(stage, false).await;

    stage.caller(GERMAN).submits(alike).await;
    let incident = fresh();
    let open =
        wire::OpenIncidentRequest { request_id: fresh(), incident, tag, ..Default::default() };
    ana.desk().open_incident(ana.by(open)).await.unwrap();
    use wire::Risk::{AuthoritySuspended, NewOfficer, TargetAcrossAuthorities};
    let risks = [AuthoritySuspended, NewOfficer, TargetAcrossAuthorities];
    bo.does(Named(name.clone()).verify(Verification::ChannelVerified)).await;
    suspend(stage, true).await;
    eventually("the desk has found it all", PATIENCE, async || {
        let case = ana.sees(&name).await.case.unwrap();
        risks.iter().all(|risk| case.risks().any(|found| found == *risk))
            && !case.likely_duplicates.is_empty()
            && !case.incident.is_empty()
            && case.verification() == Verification::Unverified
    })
    .await;
    suspend(stage, false).await;
    (name, stream)
}

/// Has the promise of the outcome wait for the answer to a question.
fn paused(case: &Held) -> wire::PauseClockRequest {
    let reason = wire::PauseReason::AwaitingInformation.into();
    wire::PauseClockRequest { reason, ..case.pause(wire::ClockKind::Completion) }
}

/// Lives through two cases that differ in what the desk thinks of them.
async fn compare(stage: &Stage, has_answered: bool) {
    let (ana, bo, portal) = (stage.caller(ANA), stage.caller(BO), stage.caller(FRENCH));
    // The officer who sends the other is known.
    portal.submits(asking(&[DataCategory::Subscriber])).await;
    let (second, second_told) = flagged(stage).await;
    let first = portal.submits(asking(&[DataCategory::Subscriber])).await;
    let streams = (told(&portal, &first).await, second_told);
    let honest = ana.sees(&first).await.case.unwrap();
    assert!(honest.risks.is_empty() && honest.likely_duplicates.is_empty());
    assert!(honest.incident.is_empty());
    let plain = ana.claims(&first).await;
    let suspected = ana.claims(&second).await;
    let suspected = suspect(stage, &suspected, &first).await;
    let same = async |what: &str| {
        assert_eq!(shown(&portal, &first).await, shown(&portal, &second).await, "{what}");
        assert_eq!(listed(&portal, &first).await, listed(&portal, &second).await, "{what}");
    };
    same("suspected").await;
    if has_answered {
        for case in [&plain, &suspected] {
            ana.does(case.in_progress()).await;
            ana.does(case.update()).await;
            ana.does(case.ask()).await;
            ana.does(paused(case)).await;
            portal.does(case.case().inform()).await;
            portal.does(case.case().preserve()).await;
        }
        same("worked on").await;
    }
    ana.does(suspected.end(ending(Outcome::FraudConfirmed))).await;
    same("about to be found a fraud").await;
    bo.does(suspected.case().approve(2)).await;
    // The other is refused as one that could not be verified; its second proposal too.
    ana.does(plain.propose(&[not_held(DataCategory::Subscriber)])).await;
    ana.does(plain.end(rejected(RefusalReason::RequesterNotVerified))).await;
    bo.does(plain.case().approve(2)).await;
    same("ended").await;
    let (plain, suspected) = (streams.0.await.unwrap(), streams.1.await.unwrap());
    assert!(plain.len() >= 3, "a snapshot, its end and what happened");
    assert_eq!(plain, suspected, "what a watch tells");
    // The desk knows the one from the other.
    let states = [&first, &second].map(|name| ana.sees(name));
    let [first, second] = states.map(|state| async { state.await.case.unwrap().state() });
    assert_eq!(first.await, wire::CaseState::Rejected);
    assert_eq!(second.await, wire::CaseState::Fraud);
}

#[tokio::test]
async fn a_suspected_case_looks_like_any_other_that_is_answered() {
    compare(&Stage::open(), true).await;
}

#[tokio::test]
async fn a_suspected_case_looks_like_any_other_that_is_not() {
    compare(&Stage::open(), false).await;
}

fn of_nature(nature: wire::Nature) -> wire::SubmitRequest {
    let mut message = asking(&[DataCategory::Subscriber]);
    message.request.as_mut().unwrap().emergency.as_mut().unwrap().nature = nature.into();
    message
}

/// Lives through everything that can happen to cases, as far as people have a part in it.
async fn live_through_everything(stage: &Stage) {
    let (ana, bo, portal) = (stage.caller(ANA), stage.caller(BO), stage.caller(FRENCH));
    // Left alone, a rung keeps quiet for its claim, and then the claim is lost.
    let left_alone = held(stage, &ana).await;
    let suspected = held(stage, &ana).await;
    let case = suspect(stage, &suspected, &left_alone.name).await;
    ana.does(case.renew()).await;
    ana.does(case.in_progress()).await;
    ana.does(case.update()).await;
    ana.does(case.ask()).await;
    ana.does(paused(&case)).await;
    portal.does(case.case().inform()).await;
    portal.does(case.case().preserve()).await;
    portal.does(case.case().preserve()).await;
    portal.does(case.case().withdraw()).await;
    let declined =
        wire::ConfirmWithdrawalRequest { is_declined: true, ..case.confirm_withdrawal() };
    ana.does(declined).await;
    let raised = portal.submits(of_nature(wire::Nature::Routine)).await;
    bo.does(Named(raised).reclassify(wire::Nature::Kidnapping)).await;
    flagged(stage).await;
    let sent = delivered(stage, &ana).await.case();
    portal.does(sent.confirm_delivery(1)).await;
    ana.does(sent.settle(wire::ClockKind::UserNotice)).await;
    let mut alike = asking(&[DataCategory::Subscriber]);
    portal.submits(alike.clone()).await;
    alike.request_id.push('x');
    let alike = portal.submits(alike).await;
    let (desk, incident) = (String::new(), "flood".to_owned());
    let open = wire::OpenIncidentRequest {
        request_id: fresh(),
        incident: incident.clone(),
        natures: vec![wire::Nature::MissingChild.into()],
        ..Default::default()
    };
    ana.desk().open_incident(ana.by(open)).await.unwrap();
    let close = wire::CloseIncidentRequest { request_id: fresh(), desk, incident };
    ana.desk().close_incident(ana.by(close)).await.unwrap();
    assert!(ana.sees(&alike).await.case.unwrap().incident.is_empty());
}

/// The desk, for its part, is told of every event that there is.
#[tokio::test]
async fn the_desk_is_told_of_everything() {
    use wire::desk_service_watch_response::Message;
    let directory = Directory::new();
    let quick = std::fs::read_to_string(fast_policy(&directory, "4s")).unwrap();
    let stage = Stage::with_policy(&format!("{quick}\n[retention]\ndisclosed = \"1s\"\n"));
    let ana = stage.caller(ANA);
    let watch = ana.by(wire::DeskServiceWatchRequest::default());
    let mut stream = ana.desk().watch(watch).await.unwrap().into_inner();
    live_through_everything(&stage).await;
    let kinds = || -> HashSet<_> {
        let events = changes(&stage.redis).into_iter().flat_map(|change| change.events);
        events.map(|event| std::mem::discriminant(&event)).collect()
    };
    eventually(
        "each of the 44 but a page from memory has happened",
        Duration::from_secs(20),
        async || kinds().len() == 43,
    )
    .await;
    let recorded = changes(&stage.redis);
    let mut told = Vec::new();
    while told.len() < recorded.len() {
        let message = stream.message().await.unwrap().unwrap().message.unwrap();
        let Message::Change(change) = message else { continue };
        assert!(change.events.iter().all(|event| event.event.is_some()));
        told.push((change.name, change.version, change.events.len()));
    }
    let wanted = recorded.iter().map(|change| {
        (format!("desks/main/cases/{}", change.case), change.version, change.events.len())
    });
    assert_eq!(told, wanted.collect::<Vec<_>>());
}
