//! What those who lead see and may do, and what is left of a case when its time is over.

use std::time::Duration;

use tonic::{Code, Response};
use urgence::grpc::wire;
use wire::case_entry::Said;
use wire::{CaseState, ClockKind, DataCategory, Nature, Verification};

use crate::calls::{
    ANA, AUDITOR, BO, Caller, FRENCH, LEAD, Stage, assert_error, assert_fields, assert_forbidden,
    between_ms, delivered, ended, held,
};
use crate::messages::{Named, asking, ending};
use crate::service::{Service, urgent};
use crate::support::redis::TestRedis;
use crate::support::wait::eventually;

const PATIENCE: Duration = Duration::from_secs(20);
/// What was said is kept for two seconds, and for three where somebody pretended to be an authority.
const SHORT: &str = "[retention]\ndisclosed = \"2s\"\nnot_disclosed = \"2s\"\nfraud = \"3s\"\n";

async fn status(caller: &Caller) -> wire::DeskStatus {
    let status = caller.oversight().get_status(caller.by(wire::GetStatusRequest {})).await;
    let mut desks = status.unwrap().into_inner().desks;
    assert_eq!(desks.len(), 1);
    desks.remove(0)
}

#[tokio::test]
async fn get_status() {
    let stage = Stage::open();
    let (ana, auditor, portal) = (stage.caller(ANA), stage.caller(AUDITOR), stage.caller(FRENCH));
    let empty = status(&auditor).await;
    assert_eq!((&*empty.desk, empty.authorities, &*empty.not_durable), ("main", Some(3), ""));
    assert!(empty.bands.is_empty() && empty.incidents.is_empty() && empty.next_wake_in.is_none());
    let policy = ana.desk().get_policy(ana.by(wire::GetPolicyRequest::default())).await.unwrap();
    assert_eq!(empty.policy, policy.into_inner().policy);

    held(&stage, &ana).await;
    ended(&stage, &ana).await;
    let waiting = portal.submits(asking(&[DataCategory::Subscriber])).await;
    let mut routine = asking(&[DataCategory::Subscriber]);
    routine.request.as_mut().unwrap().emergency.as_mut().unwrap().nature = Nature::Routine.into();
    portal.submits(routine).await;
    let now = status(&stage.caller(LEAD)).await;
    let figures: Vec<_> = now
        .bands
        .iter()
        .map(|band| (band.band, band.waiting, band.unanswered, band.overdue))
        .collect();
    assert_eq!(figures, [(1, 1, 2, 0), (3, 1, 1, 0)]);
    let next = now.next_wake_in.unwrap().seconds;
    assert!((170..=180).contains(&next), "the next rung is three minutes after acceptance: {next}");
    assert_eq!(now.overdue_wakes, 0);
    let accepted = ana.sees(&waiting).await.case.unwrap().accepted_at;
    assert!((0..60_000).contains(&between_ms(&accepted, &now.now)));
    eventually("the wait grows, and the readers keep up", PATIENCE, async || {
        let now = status(&auditor).await;
        let oldest = now.bands[0].oldest_unanswered.unwrap();
        let outbox = now.outbox_age.unwrap();
        oldest.seconds >= 1 && (outbox.seconds, outbox.nanos) == (0, 0)
    })
    .await;

    stage.redis.command(&["CONFIG", "SET", "appendfsync", "no"]);
    // A new connection looks at the settings at once.
    stage.redis.command(&["CLIENT", "KILL", "TYPE", "normal"]);
    eventually("it says why nothing new is accepted", PATIENCE, async || {
        let status = auditor.by(wire::GetStatusRequest {});
        let status = auditor.oversight().get_status(status).await.map(Response::into_inner);
        status.is_ok_and(|status| status.desks[0].not_durable.contains("appendfsync"))
    })
    .await;
    let redis = TestRedis::start();
    let unlisted = Service::on(&redis, &[]);
    assert_eq!(status(&Caller::of(&unlisted, LEAD)).await.authorities, None);
}

#[tokio::test]
async fn set_legal_hold() {
    let stage = Stage::open();
    let (ana, lead, portal) = (stage.caller(ANA), stage.caller(LEAD), stage.caller(FRENCH));
    let case = held(&stage, &ana).await.case();
    let shown = portal.is_shown(&case.0).await;
    assert_forbidden(lead.tries(case.legal_hold(false)).await, "NOTHING_TO_CHANGE");
    let other = |other: &mut wire::SetLegalHoldRequest| other.reason = "Other".to_owned();
    let kept = lead.does_once(case.legal_hold(true), other).await;
    assert_eq!(kept.legal_hold_by, "lea");
    let reason = "A court may ask for it.".to_owned();
    let entry = wire::LegalHoldEntry { is_held: true, reason };
    assert!(lead.sees(&case.0).await.entries[0].said == Some(Said::LegalHold(entry)));
    assert!(portal.is_shown(&case.0).await == shown, "it is the desk's own");
    assert_forbidden(lead.tries(case.legal_hold(true)).await, "NOTHING_TO_CHANGE");
    let free = lead.does_once(case.legal_hold(false), other).await;
    assert_eq!(free.legal_hold_by, "");
    let bad = wire::SetLegalHoldRequest { reason: "x".repeat(5_001), ..case.legal_hold(true) };
    assert_fields(lead.tries(bad).await, &["reason: TOO_LONG"]);
    // A hold may also be set when the case has ended.
    let over = ended(&stage, &ana).await.case();
    lead.does_once(over.legal_hold(true), other).await;
}

/// Waits until what was said in the case is gone; the tombstone.
async fn purged(desk: &Caller, name: &str) -> wire::DeskServiceGetResponse {
    let what = format!("{name} is purged");
    eventually(&what, PATIENCE, async || desk.sees(name).await.case.unwrap().purged_at.is_some())
        .await;
    desk.sees(name).await
}

#[tokio::test]
async fn what_was_said_is_purged_and_a_tombstone_stays() {
    let stage = Stage::with(SHORT);
    let (ana, portal) = (stage.caller(ANA), stage.caller(FRENCH));
    let message = asking(&[DataCategory::Subscriber]);
    let mine = ana.claims(&portal.submits(message.clone()).await).await;
    let case = mine.case();
    portal.does(case.inform()).await;
    ana.does(case.verify(Verification::ChannelVerified)).await;
    let last = ana.does(mine.no_data()).await;
    let key =
        format!("{{urgence:main}}:case:{}", mine.name.rsplit('/').next().unwrap().replace('-', ""));
    assert_eq!(redis_fields(&stage.redis, &key).len(), 6, "the request, the response, two entries");

    let left = purged(&ana, &mine.name).await;
    assert!(left.request.is_none() && left.response.is_none() && left.entries.is_empty());
    let tombstone = left.case.unwrap();
    let purge_at = last.ended.as_ref().unwrap().purge_at;
    assert!(between_ms(&purge_at, &tombstone.purged_at) >= 0);
    assert_eq!((tombstone.state(), tombstone.ended), (CaseState::NoData, last.ended));
    assert_eq!((tombstone.authority, tombstone.accepted_at), (last.authority, last.accepted_at));
    assert_eq!(tombstone.first_response.unwrap().responder, "purged");
    assert_eq!(redis_fields(&stage.redis, &key), ["state", "version"]);
    let shown = portal.is_shown(&mine.name).await;
    assert!(shown.request.is_none() && shown.response.is_none() && shown.entries.is_empty());
    // When the desk came to it is the desk's own.
    assert_eq!(shown.case.as_ref().unwrap().purged_at, purge_at);

    // One request, one case, also after its end.
    let again = portal.intake().submit(portal.by(message.clone())).await.unwrap().into_inner();
    assert!(again.replayed && again.case == shown.case);
    let other = wire::SubmitRequest { request_id: message.request_id.clone(), ..urgent("other") };
    let reused = portal.intake().submit(portal.by(other)).await;
    assert_error(reused, Code::AlreadyExists, "REQUEST_ID_REUSED");
    let listed =
        wire::IntakeServiceListRequest { authority: "fr-pnij".to_owned(), ..Default::default() };
    let listed = portal.intake().list(portal.by(listed)).await.unwrap().into_inner();
    assert_eq!(listed.cases, std::slice::from_ref(shown.case.as_ref().unwrap()));
    // Nobody finds it by its target any more, and nothing can be done to it.
    let mut alike = asking(&[DataCategory::Subscriber]);
    alike.request.as_mut().unwrap().targets = message.request.unwrap().targets;
    let alike = portal.submits(alike).await;
    assert!(ana.sees(&alike).await.case.unwrap().likely_duplicates.is_empty());
    let lead = stage.caller(LEAD);
    assert_forbidden(lead.tries(case.legal_hold(true)).await, "CASE_ENDED");
    assert_forbidden(portal.tries(case.preserve()).await, "CASE_ENDED");
    assert_forbidden(ana.tries(case.verify(Verification::SuspectedFraud)).await, "CASE_ENDED");
    assert_eq!(stage.service.metric("urgence_purged_total").await, 1.0);
}

fn redis_fields(redis: &TestRedis, key: &str) -> Vec<String> {
    let mut fields: Vec<_> = redis.command(&["HKEYS", key]).lines().map(str::to_owned).collect();
    fields.sort();
    fields
}

#[tokio::test]
async fn what_is_still_needed_is_not_purged() {
    let stage = Stage::with(SHORT);
    let (ana, bo, portal) = (stage.caller(ANA), stage.caller(BO), stage.caller(FRENCH));
    let lead = stage.caller(LEAD);
    let on_hold = ended(&stage, &ana).await.case();
    lead.does(on_hold.legal_hold(true)).await;
    let preserved = ended(&stage, &ana).await.case();
    portal.does(preserved.preserve()).await;
    // Nobody has confirmed the first disclosure; of the second all is settled.
    let unconfirmed = delivered(&stage, &ana).await.case();
    let settled = delivered(&stage, &ana).await.case();
    portal.does(settled.confirm_delivery(1)).await;
    ana.does(settled.settle(ClockKind::UserNotice)).await;
    let open = held(&stage, &ana).await.case();
    let fraud = held(&stage, &ana).await;
    ana.does(fraud.end(ending(wire::Outcome::FraudConfirmed))).await;
    bo.does(fraud.case().approve(1)).await;

    let left = purged(&ana, &settled.0).await;
    let disclosure = &left.case.unwrap().disclosures[0];
    assert_eq!((&*disclosure.proposed_by, &*disclosure.approved_by), ("purged", "purged"));
    assert_eq!(disclosure.manifest.as_ref().unwrap().items, 1, "the record keeps what went out");
    // Ended last and kept longest: by then all others would have been purged.
    let left = purged(&ana, &fraud.name).await;
    assert_eq!(left.case.unwrap().state(), CaseState::Fraud);
    let is_kept = async |case: &Named| {
        let seen = ana.sees(&case.0).await;
        seen.case.unwrap().purged_at.is_none() && seen.request.is_some()
    };
    for case in [&on_hold, &preserved, &unconfirmed, &open] {
        assert!(is_kept(case).await);
    }
    // Once the hold is lifted, its time is over.
    lead.does(on_hold.legal_hold(false)).await;
    purged(&ana, &on_hold.0).await;
}
