//! Clocks that people move, clocks that run out while a test looks on, pages that people have seen,
//! and the policy that says all of it.

use std::time::Duration;

use tonic::Code;
use urgence::core::{ClockKind as Kind, Event, Mark, Punctuality};
use urgence::grpc::wire;
use wire::case_entry::Said;
use wire::{ClockKind, DataCategory, Instrument, Nature, PauseReason, Settlement};

use crate::calls::{
    ANA, BO, Caller, FRENCH, JURIST, Stage, assert_error, assert_fields, assert_forbidden,
    between_ms, clock, delivered, ended, find_clock, held, ms, promise, running,
};
use crate::messages::{Named, asking, disclosed, seconds};
use crate::record::changes;
use crate::service::{Directory, Service, fast_policy};
use crate::support::redis::TestRedis;
use crate::support::wait::eventually;

const PATIENCE: Duration = Duration::from_secs(30);

/// Everything that has happened, in order.
fn events(redis: &TestRedis) -> Vec<Event> {
    changes(redis).into_iter().flat_map(|change| change.events).collect()
}

/// The offsets in seconds of the rungs of this clock that have fired, and what each meant.
fn fired(redis: &TestRedis, clock: Kind) -> Vec<(u64, Option<Mark>)> {
    let rung = |event| match event {
        Event::RungFired(rung) if rung.clock == clock => Some((rung.offset.as_secs(), rung.mark)),
        _ => None,
    };
    events(redis).into_iter().filter_map(rung).collect()
}

#[tokio::test]
async fn pause_and_resume() {
    let stage = Stage::open();
    let (ana, bo, portal) = (stage.caller(ANA), stage.caller(BO), stage.caller(FRENCH));
    let mut order = asking(&[DataCategory::Subscriber]);
    order.request.as_mut().unwrap().instrument = Instrument::EmergencyProductionOrder.into();
    let case = ana.claims(&portal.submits(order).await).await;
    let before = ana.does(case.in_progress()).await;
    use ClockKind::{Completion, EEvidence, EEvidenceEmergency, Progress};
    assert_eq!(running(&before.clocks), [Progress, Completion, EEvidenceEmergency]);
    for kind in 1..=13 {
        let kind = ClockKind::try_from(kind).unwrap();
        if ![Completion, EEvidence, EEvidenceEmergency].contains(&kind) {
            assert_forbidden(ana.tries(case.pause(kind)).await, "CLOCK_NOT_PAUSABLE");
        }
    }
    assert_forbidden(ana.tries(case.pause(EEvidence)).await, "CLOCK_NOT_RUNNING");
    assert_forbidden(ana.tries(case.resume(Completion)).await, "CLOCK_NOT_PAUSED");
    assert_error(bo.tries(case.pause(Completion)).await, Code::Aborted, "EPOCH_OVER");
    assert_forbidden(ana.tries(case.pause(Completion)).await, "PAUSE_UNFOUNDED");
    ana.does(case.case().conflict(DataCategory::Subscriber)).await;

    for kind in [Completion, EEvidenceEmergency] {
        let other = |other: &mut wire::PauseClockRequest| other.note = "Other".to_owned();
        let paused = ana.does_once(case.pause(kind), other).await;
        let still = clock(&paused.clocks, kind);
        assert!(still.paused_since.is_some() && still.stopped_at.is_none());
        assert_eq!(still.pause_reason(), PauseReason::ConflictReview);
        assert_forbidden(ana.tries(case.pause(kind)).await, "CLOCK_NOT_RUNNING");
        let note =
            wire::ClockEntry { clock: kind.into(), reason: "The court looks at it.".to_owned() };
        let said = ana.sees(&case.name).await.entries.pop().unwrap().said;
        assert!(said == Some(Said::Clock(note)));
        let shown = portal.is_shown(&case.name).await;
        assert!(shown.entries.is_empty(), "why is the desk's own");
        assert_eq!(clock(&shown.case.unwrap().clocks, kind), still);

        assert_error(bo.tries(case.resume(kind)).await, Code::Aborted, "EPOCH_OVER");
        let other = |other: &mut wire::ResumeClockRequest| other.clock = EEvidence.into();
        let resumed = ana.does_once(case.resume(kind), other).await;
        let on = clock(&resumed.clocks, kind);
        assert!(on.paused_since.is_none() && on.pause_reason() == PauseReason::Unspecified);
        let Some(Event::ClockResumed { paused_for, .. }) = events(&stage.redis).pop() else {
            panic!("the clock goes on")
        };
        let paused_ms = i64::try_from(paused_for.as_millis()).unwrap();
        assert!(paused_ms > 0);
        for (was, is) in [(&still.target_at, &on.target_at), (&still.limit_at, &on.limit_at)] {
            assert_eq!(between_ms(was, is), paused_ms, "later by exactly the pause");
        }
        assert_eq!(on.started_at, still.started_at);
        assert_forbidden(ana.tries(case.resume(kind)).await, "CLOCK_NOT_PAUSED");
        // What somebody waits for has not moved.
        assert_eq!(clock(&resumed.clocks, Progress), clock(&before.clocks, Progress));
    }
    let note = "x".repeat(5_001);
    let bad =
        wire::PauseClockRequest { epoch: 0, clock: 99, reason: 99, note, ..case.pause(Completion) };
    let wanted =
        ["epoch: REQUIRED", "clock: UNKNOWN_VALUE", "reason: UNKNOWN_VALUE", "note: TOO_LONG"];
    assert_fields(ana.tries(bad).await, &wanted);
    let bad = wire::ResumeClockRequest { epoch: 0, clock: 99, ..case.resume(Completion) };
    assert_fields(ana.tries(bad).await, &["epoch: REQUIRED", "clock: UNKNOWN_VALUE"]);
    let over = ended(&stage, &ana).await;
    assert_forbidden(ana.tries(over.pause(Completion)).await, "CASE_ENDED");
    assert_forbidden(ana.tries(over.resume(Completion)).await, "CASE_ENDED");
}

#[tokio::test]
async fn a_clock_that_stands_still_pages_nobody_until_it_goes_on() {
    let completion = promise("completion.emergency", "2s", "3s");
    let stage = Stage::with(&[completion, promise("clocks.progress", "2s", "3s")].concat());
    let ana = stage.caller(ANA);
    let case = held(&stage, &ana).await;
    ana.does(case.case().conflict(DataCategory::Subscriber)).await;
    ana.does(case.pause(ClockKind::Completion)).await;
    ana.does(case.in_progress()).await;
    let redis = &stage.redis;
    eventually("a word about the work is overdue", PATIENCE, async || {
        fired(redis, Kind::Progress).len() >= 2
    })
    .await;
    let wanted = [(2, Some(Mark::Target)), (3, Some(Mark::Limit))];
    assert_eq!(fired(redis, Kind::Progress)[..2], wanted);
    assert_eq!(fired(redis, Kind::Completion), [], "its target has passed meanwhile");
    ana.does(case.resume(ClockKind::Completion)).await;
    eventually("the outcome is overdue", PATIENCE, async || {
        fired(redis, Kind::Completion).len() >= 2
    })
    .await;
    assert_eq!(fired(redis, Kind::Completion)[..2], wanted);
    let marks = "urgence_clock_marks_total{clock=\"completion\",threshold=\"limit\"}";
    eventually("it is counted", PATIENCE, async || stage.service.metric(marks).await == 1.0).await;
}

#[tokio::test]
async fn a_delivery_that_nobody_confirms_shows_after_its_limit() {
    let stage = Stage::with(&promise("clocks.delivery-confirmation", "1s", "2s"));
    let (ana, portal) = (stage.caller(ANA), stage.caller(FRENCH));
    let case = delivered(&stage, &ana).await;
    let id = case.name.rsplit('/').next().unwrap();
    let page = |offset: u64| format!("{id}/delivery-confirmation/0/{offset}");
    let is_paged = |contact: &str, offset: u64| {
        let lines = stage.service.log().into_iter();
        let mut lines =
            lines.filter_map(|line| serde_json::from_str::<serde_json::Value>(&line).ok());
        lines.any(|line| {
            line["page.key"] == page(offset) && line["page.contacts"].as_str() == Some(contact)
        })
    };
    eventually("somebody is told", PATIENCE, async || {
        is_paged("desk", 1_000) && is_paged("shift-lead", 2_000)
    })
    .await;
    let marks = "urgence_clock_marks_total{clock=\"delivery-confirmation\",threshold=\"limit\"}";
    eventually("it is counted", PATIENCE, async || stage.service.metric(marks).await == 1.0).await;
    let now = ana.sees(&case.name).await.case.unwrap();
    let overdue = clock(&now.clocks, ClockKind::DeliveryConfirmation);
    assert!(overdue.stopped_at.is_none() && overdue.is_overdue);
    let shown = portal.is_shown(&case.name).await.case.unwrap();
    assert!(clock(&shown.clocks, ClockKind::DeliveryConfirmation).is_overdue);
    assert_eq!(between_ms(&now.disclosures[0].at, &overdue.limit_at), 2_000);
    // The page is seen, and then the authority says that it has arrived: late, and for good.
    ana.does(case.case().acknowledge(&page(2_000))).await;
    let confirmed = portal.does(case.case().confirm_delivery(1)).await;
    let stopped = clock(&confirmed.clocks, ClockKind::DeliveryConfirmation);
    assert!(ms(&stopped.stopped_at) >= ms(&stopped.limit_at));
    let is_breached = |event: &Event| {
        let (clock, punctuality) = (Kind::DeliveryConfirmation, Punctuality::Breached);
        *event == Event::ClockStopped { clock, punctuality }
    };
    assert!(events(&stage.redis).iter().any(is_breached));
}

#[tokio::test]
async fn a_question_that_nobody_answers_is_not_forgotten() {
    let stage = Stage::with(&promise("clocks.question", "1s", "2s"));
    let (ana, portal) = (stage.caller(ANA), stage.caller(FRENCH));
    let case = held(&stage, &ana).await;
    ana.does(case.need_information()).await;
    let reason = PauseReason::AwaitingInformation.into();
    ana.does(wire::PauseClockRequest { reason, ..case.pause(ClockKind::Completion) }).await;
    ana.does(case.release()).await;
    eventually("the desk is told", PATIENCE, async || {
        fired(&stage.redis, Kind::Question).len() >= 2
    })
    .await;
    let wanted = [(1, Some(Mark::Target)), (2, Some(Mark::Limit))];
    assert_eq!(fired(&stage.redis, Kind::Question)[..2], wanted);
    let shown = portal.is_shown(&case.name).await.case.unwrap();
    let question = clock(&shown.clocks, ClockKind::Question);
    assert!(question.is_overdue && question.started_at == shown.asked_at);
    let told = portal.does(case.case().inform()).await;
    assert!(clock(&told.clocks, ClockKind::Question).stopped_at.is_some());
    let completion = clock(&told.clocks, ClockKind::Completion);
    assert!(completion.paused_since.is_none(), "what stood still for the answer goes on with it");
}

#[tokio::test]
async fn a_term_ends_and_has_broken_nothing() {
    let term =
        promise("clocks.preservation", "1s", "2s").replace("limit", "extension = \"1s\"\nlimit");
    let stage = Stage::with(&term);
    let (ana, portal) = (stage.caller(ANA), stage.caller(FRENCH));
    let case = ended(&stage, &ana).await.case();
    portal.does(case.preserve()).await;
    let kept = async || portal.is_shown(&case.0).await.case.unwrap();
    let term = async || *clock(&kept().await.clocks, ClockKind::Preservation);
    eventually("the term is over", PATIENCE, async || term().await.stopped_at.is_some()).await;
    let over = term().await;
    assert_eq!(over.stopped_at, over.limit_at);
    let (clock, punctuality) = (Kind::Preservation, Punctuality::WithinLimit);
    assert!(events(&stage.redis).contains(&Event::ClockStopped { clock, punctuality }));
    // What is over is not extended: another call starts another term.
    let again = portal.does(case.preserve()).await;
    let again = find_clock(&again.clocks, ClockKind::Preservation).unwrap();
    assert!(!again.is_extended && ms(&again.started_at) > ms(&over.limit_at));
}

#[tokio::test]
async fn settle_clock() {
    let stage = Stage::open();
    let (ana, portal) = (stage.caller(ANA), stage.caller(FRENCH));
    let mut order = asking(&[DataCategory::Subscriber]);
    order.request.as_mut().unwrap().is_without_validation = true;
    let case = Named(portal.submits(order).await);
    let not_settled = ana.tries(case.settle(ClockKind::Completion)).await;
    assert_forbidden(not_settled, "CLOCK_NOT_SETTLED");
    assert_forbidden(ana.tries(case.settle(ClockKind::UserNotice)).await, "CLOCK_NOT_RUNNING");

    let other = |other: &mut wire::SettleClockRequest| other.reason = "Other".to_owned();
    let settled = ana.does_once(case.settle(ClockKind::ExPostValidation), other).await;
    let validated = clock(&settled.clocks, ClockKind::ExPostValidation);
    assert!(validated.stopped_at.is_some() && validated.settlement() == Settlement::Kept);
    let reason = "The letter is out.".to_owned();
    let entry = wire::ClockEntry { clock: ClockKind::ExPostValidation.into(), reason };
    assert!(ana.sees(&case.0).await.entries[0].said == Some(Said::Clock(entry)));
    let shown = portal.is_shown(&case.0).await;
    assert!(shown.entries.is_empty(), "it sees that the clock has stopped, and not why");
    assert_eq!(
        clock(&shown.case.unwrap().clocks, ClockKind::ExPostValidation),
        clock(&settled.clocks, ClockKind::ExPostValidation)
    );
    let again = ana.tries(case.settle(ClockKind::ExPostValidation)).await;
    assert_forbidden(again, "CLOCK_NOT_RUNNING");

    // A duty that begins with the disclosure goes on after the end; how it is settled is recorded.
    for settlement in [Settlement::Kept, Settlement::Waived, Settlement::Failed] {
        let mine = delivered(&stage, &ana).await;
        let settle = wire::SettleClockRequest {
            settlement: settlement.into(),
            ..mine.case().settle(ClockKind::UserNotice)
        };
        let settled = ana.does_once(settle, other).await;
        assert_eq!(running(&settled.clocks), [ClockKind::DeliveryConfirmation]);
        let how = events(&stage.redis).into_iter().rev().find_map(|event| match event {
            Event::ClockSettled { clock: Kind::UserNotice, settlement, .. } => Some(settlement),
            _ => None,
        });
        let names = [urgence::core::Settlement::Kept, urgence::core::Settlement::Waived];
        let wanted = names.get(settlement as usize - 1);
        assert_eq!(how, Some(*wanted.unwrap_or(&urgence::core::Settlement::Failed)));
    }
    // The authority was asked on another way whether the data arrived.
    let mine = delivered(&stage, &ana).await.case();
    let settled = ana.does_once(mine.settle(ClockKind::DeliveryConfirmation), other).await;
    assert_eq!(running(&settled.clocks), [ClockKind::UserNotice]);
    assert_eq!(settled.state(), wire::CaseState::Delivered, "it has not said so itself");
    assert_eq!(portal.does(mine.confirm_delivery(1)).await.state(), wire::CaseState::Closed);
    // The order not to tell the person concerned was lifted: from now on they must be told.
    let silenced = not_to_be_told(&stage, &ana, 86_400).await;
    let by_anybody = ana.tries(silenced.settle(ClockKind::NonDisclosure)).await;
    assert_forbidden(by_anybody, "LEGAL_REVIEWER_NEEDED");
    let jurist = stage.caller(JURIST);
    let settled = jurist.does_once(silenced.settle(ClockKind::NonDisclosure), other).await;
    assert_eq!(running(&settled.clocks), [ClockKind::UserNotice, ClockKind::DeliveryConfirmation]);
    // Without a disclosure there is nothing that a validation could still make lawful.
    let mut order = asking(&[DataCategory::Subscriber]);
    order.request.as_mut().unwrap().is_without_validation = true;
    let moot = ana.claims(&portal.submits(order).await).await;
    ana.does(moot.no_data()).await;
    let late = ana.tries(moot.case().settle(ClockKind::ExPostValidation)).await;
    assert_forbidden(late, "CLOCK_NOT_RUNNING");

    let reason = "x".repeat(5_001);
    let bad = wire::SettleClockRequest {
        clock: 99,
        settlement: 99,
        reason,
        ..case.settle(ClockKind::Reply)
    };
    let wanted = ["clock: UNKNOWN_VALUE", "settlement: UNKNOWN_VALUE", "reason: TOO_LONG"];
    assert_fields(ana.tries(bad).await, &wanted);
}

/// A case whose data went out while nobody may be told for some seconds yet.
async fn not_to_be_told(stage: &Stage, responder: &Caller, seconds: i64) -> Named {
    let now: i64 = stage.redis.command(&["TIME"]).lines().next().unwrap().parse().unwrap();
    let until = Some(prost_types::Timestamp { seconds: now + seconds, nanos: 0 });
    let mut message = asking(&[DataCategory::Subscriber]);
    let legal_basis = "Code".to_owned();
    let non_disclosure = wire::NonDisclosure { is_requested: true, legal_basis, until };
    message.request.as_mut().unwrap().non_disclosure = Some(non_disclosure);
    let mine = responder.claims(&stage.caller(FRENCH).submits(message).await).await;
    responder.does(mine.case().verify(wire::Verification::CallbackConfirmed)).await;
    responder.does(mine.propose(&[disclosed(DataCategory::Subscriber)])).await;
    let end = stage.caller(BO).does(mine.case().approve(1)).await;
    assert_eq!(clock(&end.clocks, ClockKind::NonDisclosure).limit_at, until);
    mine.case()
}

#[tokio::test]
async fn nobody_is_told_while_the_authority_forbids_it() {
    let stage = Stage::open();
    let (ana, portal) = (stage.caller(ANA), stage.caller(FRENCH));
    let mine = not_to_be_told(&stage, &ana, 4).await;
    let end = ana.sees(&mine.0).await.case.unwrap();
    use ClockKind::{DeliveryConfirmation, NonDisclosure, UserNotice};
    assert_eq!(running(&end.clocks), [NonDisclosure, DeliveryConfirmation]);
    let until = clock(&end.clocks, NonDisclosure).limit_at;
    let clocks = async || ana.sees(&mine.0).await.case.unwrap().clocks;
    eventually("the person may be told", PATIENCE, async || {
        running(&clocks().await) == [UserNotice, DeliveryConfirmation]
    })
    .await;
    let clocks = clocks().await;
    let notice = clock(&clocks, UserNotice);
    assert_eq!(notice.started_at, until, "from the instant on, however late it was seen");
    let shown = portal.is_shown(&mine.0).await.case.unwrap();
    assert!(find_clock(&shown.clocks, UserNotice).is_none(), "that duty is the desk's own");
}

#[tokio::test]
async fn acknowledge_page() {
    let stage = Stage::open();
    let (bo, portal) = (stage.caller(BO), stage.caller(FRENCH));
    let case = Named(portal.submits(asking(&[DataCategory::Subscriber])).await);
    let other = portal.submits(asking(&[DataCategory::Subscriber])).await;
    let id = case.0.rsplit('/').next().unwrap();
    let other_id = other.rsplit('/').next().unwrap();
    let shown = portal.is_shown(&case.0).await;
    let key = format!("{id}/first-response/0/0");
    let alter = |other: &mut wire::AcknowledgePageRequest| other.key.push('0');
    let seen = bo.does_once(case.acknowledge(&key), alter).await;
    let acknowledgement = seen.acknowledgement.as_ref().unwrap();
    assert_eq!((&*acknowledgement.key, &*acknowledgement.by), (&*key, "bo"));
    assert!(acknowledgement.at.is_some());
    assert_eq!(running(&seen.clocks), [ClockKind::FirstResponse, ClockKind::Completion]);
    assert!(portal.is_shown(&case.0).await == shown, "it stops no clock and is not told");

    for nobody in [
        format!("{id}/first-response/0/180000"),
        format!("{id}/first-response/0/1"),
        format!("{id}/first-response/1/0"),
        format!("{id}/reply/0/0"),
        format!("{id}/completion/0/7200000"),
        format!("{other_id}/first-response/0/0"),
    ] {
        assert_forbidden(bo.tries(case.acknowledge(&nobody)).await, "PAGE_NOT_FOUND");
    }
    for bad in ["first-response/0/0", "page", &format!("{key}/1"), &format!("{id}/lunch/0/0")] {
        assert_fields(bo.tries(case.acknowledge(bad)).await, &["key: BAD_FORMAT"]);
    }
    let over = ended(&stage, &bo).await.case();
    let key = format!("{}/first-response/0/0", over.0.rsplit('/').next().unwrap());
    bo.does(over.acknowledge(&key)).await;
}

#[tokio::test]
async fn get_policy() {
    let stage = Stage::open();
    let ana = stage.caller(ANA);
    let get = async |desk: &str| {
        let get = wire::GetPolicyRequest { desk: desk.to_owned(), ..Default::default() };
        ana.desk().get_policy(ana.by(get)).await.map(tonic::Response::into_inner)
    };
    let policy = get("").await.unwrap();
    assert!(policy == get("desks/main").await.unwrap());
    let name = stage.caller(FRENCH).submits(asking(&[DataCategory::Subscriber])).await;
    assert_eq!(ana.sees(&name).await.case.unwrap().policy, policy.policy);
    assert_eq!(policy.lease, Some(seconds(300)));
    assert_eq!((policy.bands.len(), policy.promises.len()), (13, 26));
    let band =
        |nature: Nature| policy.bands.iter().find(|found| found.nature() == nature).unwrap().band;
    assert_eq!(
        (band(Nature::Kidnapping), band(Nature::MissingChild), band(Nature::Routine)),
        (0, 1, 3)
    );
    let promise = |clock: ClockKind, is_emergency: bool| {
        let is_it =
            |found: &&wire::Promise| found.clock() == clock && found.is_emergency == is_emergency;
        policy.promises.iter().find(is_it).unwrap()
    };
    let first = promise(ClockKind::FirstResponse, true);
    assert_eq!((first.target, first.limit), (Some(seconds(1_200)), Some(seconds(1_800))));
    let rungs: Vec<_> = first.rungs.iter().map(|rung| rung.offset.unwrap().seconds / 60).collect();
    assert_eq!(rungs, [0, 3, 7, 12, 17, 20, 25, 28, 30]);
    assert_eq!(first.rungs[1].contacts, ["desk", "shift-lead"]);
    assert!(first.rungs[3].is_quieted_by_claim && !first.rungs[4].is_quieted_by_claim);
    assert_eq!(
        (first.repeat_every, &first.repeat_contacts[..]),
        (Some(seconds(180)), &["all".to_owned()][..])
    );
    // A reply is promised as quickly as the first response.
    let reply = promise(ClockKind::Reply, true);
    assert!(reply.rungs == first.rungs && reply.limit == first.limit);
    assert_eq!(promise(ClockKind::Completion, false).limit, Some(seconds(10 * 86_400)));
    assert_fields(get("night").await, &["desk: UNKNOWN_VALUE"]);
    let days = |days: i64| Some(seconds(days * 86_400));
    let kept = wire::Retention { disclosed: days(365), not_disclosed: days(90), fraud: days(730) };
    assert_eq!(policy.retention, Some(kept));
    for (clock, extension) in [
        (ClockKind::Preservation, days(90)),
        (ClockKind::EEvidencePreservation, days(30)),
        (ClockKind::Completion, None),
    ] {
        assert_eq!(promise(clock, true).extension, extension, "{clock:?}");
    }

    // Another policy has another address.
    let directory = Directory::new();
    let file = fast_policy(&directory, "60s");
    let key = format!("{}/fingerprint.key", stage.directory.path());
    let own = ["--data-dir", directory.path(), "--fingerprint-key", &key];
    let quick = Service::on(&stage.redis, &[&["--policy", &file], own.as_slice()].concat());
    let bo = Caller::of(&quick, BO);
    let other = bo.desk().get_policy(bo.by(wire::GetPolicyRequest::default())).await.unwrap();
    assert_ne!(other.into_inner().policy, policy.policy);
    // What an open case was accepted under is shown by a process that never had it in force.
    let of = async |policy: &str| {
        let get = wire::GetPolicyRequest { policy: policy.to_owned(), ..Default::default() };
        bo.desk().get_policy(bo.by(get)).await.map(tonic::Response::into_inner)
    };
    assert_eq!(of(&policy.policy).await.unwrap(), policy);
    for nobodys in ["0123456789abcdef0123456789abcdef", "0", "é"] {
        assert_fields(of(nobodys).await, &["policy: UNKNOWN_VALUE"]);
    }
}
