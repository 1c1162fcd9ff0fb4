//! What an authority does after it has asked, and what it is told.

use tonic::Code;
use urgence::core::Event;
use urgence::grpc::wire;
use wire::case_entry::Said;
use wire::{CaseState, ClockKind, DataCategory, Instrument, Nature};

use crate::calls::{
    ANA, Caller, FRENCH, GERMAN, Stage, assert_error, assert_fields, assert_forbidden, between_ms,
    clock, delivered, ended, find_clock, held, in_progress, ms, running,
};
use crate::messages::{Named, asking, of_authority, seconds};
use crate::record::changes;
use crate::service::Service;
use crate::support::redis::TestRedis;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// The only entry of a case, as both sides see it: the authority does not see its version.
async fn only_entry(portal: &Caller, desk: &Caller, name: &str) -> wire::CaseEntry {
    let case = desk.sees(name).await;
    let (shown, seen) = (portal.is_shown(name).await.entries, case.entries);
    assert_eq!((shown.len(), seen.len()), (1, 1));
    assert!((2..=case.case.unwrap().version).contains(&seen[0].version), "the change that said it");
    assert_eq!(shown[0].version, 0);
    assert!(wire::CaseEntry { version: 0, ..seen[0].clone() } == shown[0]);
    assert_eq!(shown[0].by, "portal-fr");
    shown[0].clone()
}

#[tokio::test]
async fn provide_information() {
    let stage = Stage::open();
    let (ana, portal) = (stage.caller(ANA), stage.caller(FRENCH));
    let name = portal.submits(asking(&[DataCategory::Subscriber])).await;
    let case = Named(name.clone());
    let before = portal.is_shown(&name).await.case.unwrap();
    let other = |other: &mut wire::ProvideInformationRequest| other.message = "Other".to_owned();
    let after = portal.does_once(case.inform(), other).await;
    assert_eq!(after, before, "nobody had asked, so nothing is owed for it");
    let message = "It is the second account.".to_owned();
    let entry = only_entry(&portal, &ana, &name).await;
    assert!(entry.said == Some(Said::Information(wire::InformationEntry { message })));

    // Asked, and released: while the authority owes the answer there is nothing to claim.
    let held = ana.claims(&name).await;
    ana.does(held.need_information()).await;
    let asked = ana.does(held.release()).await;
    assert_eq!(running(&asked.clocks), [ClockKind::Question, ClockKind::Completion]);
    let queue = || async {
        let queue = wire::DeskServiceListRequest::default();
        ana.desk().list(ana.by(queue)).await.unwrap().into_inner().cases
    };
    assert!(queue().await.is_empty());
    let told = portal.does_once(case.inform(), other).await;
    assert!(told.asked_at.is_none() && told.state() == CaseState::AwaitingVerification);
    let reply = clock(&told.clocks, ClockKind::Reply);
    assert!(reply.stopped_at.is_none());
    assert_eq!(running(&told.clocks), [ClockKind::Reply, ClockKind::Completion]);
    assert_eq!(between_ms(&reply.started_at, &reply.target_at), 20 * 60 * 1_000);
    assert_eq!(between_ms(&reply.started_at, &reply.limit_at), 30 * 60 * 1_000);
    let waiting = queue().await;
    assert_eq!((waiting.len(), waiting[0].state()), (1, CaseState::Collecting));
    let was_asked = |event| match event {
        Event::InformationProvided { was_asked, .. } => Some(was_asked),
        _ => None,
    };
    let events = changes(&stage.redis).into_iter().flat_map(|change| change.events);
    assert_eq!(events.filter_map(was_asked).collect::<Vec<_>>(), [false, true]);

    for (message, wanted) in
        [("x".repeat(20_001), "message: TOO_LONG"), (" \n".to_owned(), "message: REQUIRED")]
    {
        let name = "no case".to_owned();
        let bad = wire::ProvideInformationRequest { name, message, ..case.inform() };
        assert_fields(portal.tries(bad).await, &["name: BAD_FORMAT", wanted]);
    }
    let over = ended(&stage, &ana).await.case();
    assert_forbidden(portal.tries(over.inform()).await, "CASE_ENDED");
}

#[tokio::test]
async fn withdraw() {
    let stage = Stage::open();
    let (ana, portal) = (stage.caller(ANA), stage.caller(FRENCH));
    let mine = held(&stage, &ana).await;
    let case = mine.case();
    let other = |other: &mut wire::WithdrawRequest| other.reason = "Other".to_owned();
    let shown = portal.does_once(case.withdraw(), other).await;
    assert!(shown.withdrawal_requested_at.is_some() && shown.ended.is_none());
    // It may have been somebody else: until a person has made sure, everything goes on.
    assert_eq!(shown.state(), CaseState::Received);
    assert_eq!(running(&shown.clocks), [ClockKind::FirstResponse, ClockKind::Completion]);
    let seen = ana.sees(&mine.name).await.case.unwrap();
    assert_eq!(seen.withdrawal_requested_at, shown.withdrawal_requested_at);
    assert!(seen.claim.is_some());
    let entry = only_entry(&portal, &ana, &mine.name).await;
    let reason = "The child is home.".to_owned();
    assert!(entry.said == Some(Said::Withdrawal(wire::WithdrawalEntry { reason })));

    assert_forbidden(portal.tries(case.withdraw()).await, "NOTHING_TO_CHANGE");
    let (request_id, reason) = ("x".repeat(129), "x".repeat(5_001));
    let bad = wire::WithdrawRequest { request_id, reason, ..case.withdraw() };
    assert_fields(portal.tries(bad).await, &["request_id: BAD_FORMAT", "reason: TOO_LONG"]);
    let over = ended(&stage, &ana).await.case();
    assert_forbidden(portal.tries(over.withdraw()).await, "CASE_ENDED");
}

#[tokio::test]
async fn request_preservation() {
    let stage = Stage::open();
    let (ana, portal) = (stage.caller(ANA), stage.caller(FRENCH));
    let other = |other: &mut wire::RequestPreservationRequest| other.reason = "Other".to_owned();
    // Freezing is not disclosing: it waits for nobody's answer, and not for the end of a case.
    for mine in [held(&stage, &ana).await, ended(&stage, &ana).await] {
        let case = mine.case();
        let kept = portal.does_once(case.preserve(), other).await;
        let first = *clock(&kept.clocks, ClockKind::Preservation);
        assert!(!first.is_extended && first.stopped_at.is_none());
        assert_eq!(between_ms(&first.started_at, &first.target_at), 83 * DAY_MS);
        assert_eq!(between_ms(&first.started_at, &first.limit_at), 90 * DAY_MS);
        let entry = only_entry(&portal, &ana, &mine.name).await;
        let reason = "An order will follow.".to_owned();
        assert!(entry.said == Some(Said::Preservation(wire::PreservationEntry { reason })));

        let kept = portal.does_once(case.preserve(), other).await;
        let second = clock(&kept.clocks, ClockKind::Preservation);
        assert!(second.is_extended && second.started_at == first.started_at);
        assert_eq!(between_ms(&first.limit_at, &second.limit_at), 90 * DAY_MS);
        assert_forbidden(portal.tries(case.preserve()).await, "ALREADY_EXTENDED");
    }
    // An e-Evidence preservation order has a term of its own, which runs from the start.
    let mut order = asking(&[DataCategory::Subscriber]);
    order.request.as_mut().unwrap().instrument = Instrument::PreservationOrder.into();
    let case = Named(portal.submits(order).await);
    let kind = ClockKind::EEvidencePreservation;
    let before = *clock(&portal.is_shown(&case.0).await.case.unwrap().clocks, kind);
    assert_eq!(between_ms(&before.started_at, &before.limit_at), 60 * DAY_MS);
    let kept = portal.does_once(case.preserve(), other).await;
    assert!(find_clock(&kept.clocks, ClockKind::Preservation).is_none());
    let after = clock(&kept.clocks, kind);
    assert_eq!(between_ms(&before.limit_at, &after.limit_at), 30 * DAY_MS);
    assert_forbidden(portal.tries(case.preserve()).await, "ALREADY_EXTENDED");

    let (name, reason) = (String::new(), "x".repeat(5_001));
    let bad = wire::RequestPreservationRequest { name, reason, ..case.preserve() };
    assert_fields(portal.tries(bad).await, &["name: REQUIRED", "reason: TOO_LONG"]);
}

#[tokio::test]
async fn confirm_delivery() {
    let stage = Stage::open();
    let (ana, portal) = (stage.caller(ANA), stage.caller(FRENCH));
    let mine = delivered(&stage, &ana).await;
    let case = mine.case();
    let before = portal.is_shown(&mine.name).await.case.unwrap();
    assert_eq!(before.state(), CaseState::Delivered);
    assert_eq!((before.disclosures[0].number, before.disclosures.len()), (1, 1));
    assert!(before.disclosures[0].confirmed_at.is_none());
    assert_eq!(running(&before.clocks), [ClockKind::DeliveryConfirmation]);
    assert_forbidden(portal.tries(case.confirm_delivery(2)).await, "DISCLOSURE_NOT_FOUND");

    let other = |other: &mut wire::ConfirmDeliveryRequest| other.note = "Other".to_owned();
    let after = portal.does_once(case.confirm_delivery(1), other).await;
    assert_eq!(after.state(), CaseState::Closed);
    assert!(ms(&after.disclosures[0].confirmed_at) >= ms(&after.disclosures[0].at));
    assert!(running(&after.clocks).is_empty());
    let said = portal.is_shown(&mine.name).await.entries.pop().unwrap().said;
    let note = "All of it can be read.".to_owned();
    assert!(said == Some(Said::Delivery(wire::DeliveryEntry { number: 1, note })));

    assert_forbidden(portal.tries(case.confirm_delivery(1)).await, "NOTHING_TO_CHANGE");
    let nothing = in_progress(&stage, &ana).await.case();
    assert_forbidden(portal.tries(nothing.confirm_delivery(1)).await, "DISCLOSURE_NOT_FOUND");
    let note = "x".repeat(5_001);
    let bad = wire::ConfirmDeliveryRequest { note, ..case.confirm_delivery(0) };
    assert_fields(portal.tries(bad).await, &["disclosure: REQUIRED", "note: TOO_LONG"]);
}

#[tokio::test]
async fn list_data_categories() {
    let told = r#"
[data.subscriber]
held = true
kept_for = "365d"
description = "name and address"

[data.live_location]
held = false
"#;
    let stage = Stage::with(told);
    let portal = stage.caller(FRENCH);
    for desk in ["", "main", "desks/main"] {
        let list = wire::ListDataCategoriesRequest { desk: desk.to_owned() };
        let listed = portal.intake().list_data_categories(portal.by(list)).await.unwrap();
        let subscriber = wire::Holding {
            category: DataCategory::Subscriber.into(),
            is_held: true,
            kept_for: Some(seconds(365 * 86_400)),
            description: "name and address".to_owned(),
        };
        let live_location = wire::Holding {
            category: DataCategory::LiveLocation.into(),
            ..wire::Holding::default()
        };
        assert_eq!(listed.into_inner().holdings, [subscriber, live_location]);
    }
    let list = wire::ListDataCategoriesRequest { desk: "night".to_owned() };
    let listed = portal.intake().list_data_categories(portal.by(list)).await;
    assert_fields(listed, &["desk: UNKNOWN_VALUE"]);
    let ana = stage.caller(ANA);
    let list = wire::ListDataCategoriesRequest::default();
    let denied = ana.intake().list_data_categories(ana.by(list)).await;
    assert_error(denied, Code::PermissionDenied, "ROLE_MISSING");

    let untold = Stage::open();
    let portal = untold.caller(FRENCH);
    let list = wire::ListDataCategoriesRequest::default();
    let listed = portal.intake().list_data_categories(portal.by(list)).await.unwrap();
    assert!(listed.into_inner().holdings.is_empty(), "what is not said is not made up");
}

#[tokio::test]
async fn only_those_of_the_registry_may_ask_and_only_about_what_it_says() {
    let stage = Stage::open();
    let submit = |authority: &'static str, nature: Nature| {
        let stage = &stage;
        async move {
            let mut message = of_authority(asking(&[DataCategory::Subscriber]), authority, "GB");
            let request = message.request.as_mut().unwrap();
            request.emergency.as_mut().unwrap().nature = nature.into();
            let portal = stage.caller("portal; roles=portal");
            let submitted = portal.intake().submit(portal.by(message)).await;
            submitted.map(|submitted| submitted.into_inner().case.unwrap().name)
        }
    };
    let unknown = submit("nobody", Nature::MissingChild).await;
    assert_error(unknown, Code::NotFound, "AUTHORITY_UNKNOWN");
    let other = submit("gb-missing", Nature::BombThreat).await;
    assert_error(other, Code::PermissionDenied, "NATURE_NOT_ALLOWED");
    submit("gb-missing", Nature::MissingChild).await.unwrap();
    // Where an authority is, the registry knows better than its message.
    let name = submit("fr-pnij", Nature::BombThreat).await.unwrap();
    assert_eq!(stage.caller(ANA).sees(&name).await.case.unwrap().country, "FR");
    assert_eq!(stage.redis.command(&["ZCARD", "{urgence:main}:cases"]), "2");
    // Whose portal it is comes before what the registry holds.
    let german = stage.caller(GERMAN);
    let submitted = german.intake().submit(german.by(asking(&[DataCategory::Subscriber]))).await;
    assert_error(submitted, Code::NotFound, "CASE_NOT_FOUND");
}

#[tokio::test]
async fn without_a_registry_everybody_may_ask_and_nobody_is_called_back() {
    let redis = TestRedis::start();
    let service = Service::on(&redis, &[]);
    let (portal, ana) = (Caller::of(&service, FRENCH), Caller::of(&service, ANA));
    let case = Named(portal.submits(asking(&[DataCategory::Subscriber])).await);
    let verified = ana.tries(case.verify(wire::Verification::CallbackConfirmed)).await;
    assert_forbidden(verified, "CALLBACK_NUMBER_UNKNOWN");
}
