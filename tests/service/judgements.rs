//! What people at the desk find out about a case. No authority is told.

use std::time::Duration;

use tonic::Code;
use urgence::grpc::wire;
use wire::case_entry::Said;
use wire::{CaseState, ClockKind, ConflictStance, DataCategory, Nature, Protection, Verification};

use crate::calls::{
    ANA, BO, FRENCH, GERMAN, JURIST, NO_CASE, Stage, assert_error, assert_fields, assert_forbidden,
    between_ms, clock, ended, held, in_progress,
};
use crate::messages::{Named, asking, not_held, of_authority};
use crate::support::wait::eventually;

const PATIENCE: Duration = Duration::from_secs(20);
const MINUTE_MS: i64 = 60 * 1_000;

async fn asked_about(stage: &Stage, nature: Nature) -> Named {
    let mut message = asking(&[DataCategory::Subscriber, DataCategory::Traffic]);
    let request = message.request.as_mut().unwrap();
    request.emergency.as_mut().unwrap().nature = nature.into();
    Named(stage.caller(FRENCH).submits(message).await)
}

#[tokio::test]
async fn reclassify_raises_by_one_person() {
    let stage = Stage::open();
    let (ana, portal) = (stage.caller(ANA), stage.caller(FRENCH));
    let case = asked_about(&stage, Nature::Routine).await;
    assert_forbidden(ana.tries(case.reclassify(Nature::Routine)).await, "NOTHING_TO_CHANGE");
    let other = |other: &mut wire::ReclassifyRequest| other.reason = "Other".to_owned();
    let raised = ana.does_once(case.reclassify(Nature::MissingChild), other).await;
    assert_eq!((raised.nature(), raised.band), (Nature::MissingChild, 1));
    let promised = clock(&raised.clocks, ClockKind::FirstResponse);
    assert_eq!(promised.started_at, raised.accepted_at);
    assert_eq!(between_ms(&promised.started_at, &promised.target_at), 20 * MINUTE_MS);
    assert_eq!(between_ms(&promised.started_at, &promised.limit_at), 30 * MINUTE_MS);
    let entry = wire::ReclassificationEntry {
        nature: Nature::MissingChild.into(),
        protection: 0,
        reason: "They have just called.".to_owned(),
    };
    let said = &ana.sees(&case.0).await.entries[0];
    assert!(said.said == Some(Said::Reclassification(entry)) && said.by == "ana");
    let shown = portal.is_shown(&case.0).await;
    assert!(shown.entries.is_empty() && shown.case.unwrap().nature() == Nature::MissingChild);

    let (nature, reason) = (99, "x".repeat(5_001));
    let bad = wire::ReclassifyRequest {
        nature,
        protection: 99,
        reason,
        ..case.reclassify(Nature::Routine)
    };
    let wanted = ["nature: UNKNOWN_VALUE", "protection: UNKNOWN_VALUE", "reason: TOO_LONG"];
    assert_fields(ana.tries(bad).await, &wanted);
    let over = ended(&stage, &ana).await.case();
    assert_forbidden(ana.tries(over.reclassify(Nature::Kidnapping)).await, "CASE_ENDED");
}

#[tokio::test]
async fn reclassify_lowers_by_two_and_keeps_the_deadline() {
    let stage = Stage::open();
    let (ana, bo, portal) = (stage.caller(ANA), stage.caller(BO), stage.caller(FRENCH));
    let case = asked_about(&stage, Nature::MissingChild).await;
    let before = ana.sees(&case.0).await.case.unwrap();
    let other = |other: &mut wire::ReclassifyRequest| other.reason = "Other".to_owned();
    let proposed = ana.does_once(case.reclassify(Nature::Routine), other).await;
    let lowering = proposed.lowering.as_ref().unwrap();
    assert_eq!((lowering.nature(), &*lowering.proposed_by), (Nature::Routine, "ana"));
    assert_eq!((proposed.nature(), proposed.band), (Nature::MissingChild, 1));
    assert_forbidden(ana.tries(case.reclassify(Nature::Routine)).await, "SECOND_PERSON_NEEDED");
    let told = portal.is_shown(&case.0).await.case.unwrap();
    assert_eq!(told.nature(), Nature::MissingChild, "a proposal is the desk's own");

    let lowered = bo.does_once(case.reclassify(Nature::Routine), other).await;
    assert_eq!((lowered.nature(), lowered.band), (Nature::Routine, 3));
    assert!(lowered.lowering.is_none());
    assert_eq!(lowered.clocks, before.clocks, "no deadline has moved");
}

#[tokio::test]
async fn a_protection_is_noted_by_anybody_and_taken_away_by_nobody() {
    let stage = Stage::open();
    let (bo, portal) = (stage.caller(BO), stage.caller(FRENCH));
    let case = asked_about(&stage, Nature::MissingChild).await;
    let press = || wire::ReclassifyRequest {
        protection: Protection::Press.into(),
        ..case.reclassify(Nature::Unspecified)
    };
    let shown = portal.is_shown(&case.0).await;
    let other = |other: &mut wire::ReclassifyRequest| other.nature = Nature::BombThreat.into();
    let noted = bo.does_once(press(), other).await;
    assert_eq!(noted.protections().collect::<Vec<_>>(), [Protection::Press]);
    assert_eq!(noted.nature(), Nature::MissingChild);
    assert_forbidden(bo.tries(press()).await, "NOTHING_TO_CHANGE");
    assert!(portal.is_shown(&case.0).await == shown);
    // With a change of the nature, both happen.
    let kidnapping = wire::ReclassifyRequest {
        protection: Protection::PrivilegedProfession.into(),
        ..case.reclassify(Nature::Kidnapping)
    };
    let noted = bo.does(kidnapping).await;
    assert_eq!((noted.protections.len(), noted.nature()), (2, Nature::Kidnapping));
}

#[tokio::test]
async fn record_verification() {
    let stage = Stage::open();
    let (ana, portal) = (stage.caller(ANA), stage.caller(FRENCH));
    let mine = in_progress(&stage, &ana).await;
    let case = mine.case();
    let other = |other: &mut wire::RecordVerificationRequest| other.note = "Other".to_owned();
    use Verification::{
        AgencyVerified, CallbackConfirmed, ChannelVerified, Failed, SuspectedFraud,
    };
    let findings = [ChannelVerified, AgencyVerified, SuspectedFraud, Failed, CallbackConfirmed];
    for (count, finding) in findings.into_iter().enumerate() {
        let found = ana.does_once(case.verify(finding), other).await;
        assert_eq!(found.verification(), finding);
        assert_eq!(found.state(), CaseState::Collecting);
        let entries = ana.sees(&mine.name).await.entries;
        let is_callback = finding == CallbackConfirmed;
        let entry = wire::VerificationEntry {
            finding: finding.into(),
            callback_phone_id: if is_callback { "switchboard" } else { "" }.to_owned(),
            note: "We spoke to the officer.".to_owned(),
        };
        assert!(entries.len() == count + 1 && entries[count].by == "ana");
        assert!(entries[count].said == Some(Said::Verification(entry)));
        // Until the call-back, whatever was found, the authority is shown that it is being verified.
        let shown = portal.is_shown(&mine.name).await;
        let wanted =
            if is_callback { CaseState::Collecting } else { CaseState::AwaitingVerification };
        assert!(shown.case.unwrap().state() == wanted && shown.entries.is_empty());
    }
    // Finding again what was surpassed takes the call-back away from nobody.
    let again = ana.does(case.verify(AgencyVerified)).await;
    assert_eq!(again.verification(), CallbackConfirmed);
    // A number that nobody registered, and one of another authority.
    for number in ["mobile", "lagezentrum"] {
        let callback_phone_id = number.to_owned();
        let call =
            wire::RecordVerificationRequest { callback_phone_id, ..case.verify(CallbackConfirmed) };
        assert_forbidden(ana.tries(call).await, "CALLBACK_NUMBER_UNKNOWN");
    }
    // A fraud is often found late.
    let over = ended(&stage, &ana).await.case();
    assert_eq!(ana.does(over.verify(SuspectedFraud)).await.state(), CaseState::NoData);

    for (finding, wanted) in [
        (0, vec!["finding: REQUIRED"]),
        (99, vec!["finding: UNKNOWN_VALUE"]),
        (Verification::Unverified.into(), vec!["finding: OUT_OF_RANGE"]),
        (CallbackConfirmed.into(), vec!["callback_phone_id: REQUIRED"]),
    ] {
        let note = "x".repeat(5_001);
        let bad = wire::RecordVerificationRequest { finding, note, ..case.verify(Failed) };
        assert_fields(ana.tries(bad).await, &[wanted, vec!["note: TOO_LONG"]].concat());
    }
}

#[tokio::test]
async fn record_conflict() {
    let stage = Stage::open();
    let (ana, bo, jurist) = (stage.caller(ANA), stage.caller(BO), stage.caller(JURIST));
    let case = asked_about(&stage, Nature::MissingChild).await;
    let (subscriber, traffic) = (DataCategory::Subscriber, DataCategory::Traffic);
    assert_forbidden(
        ana.tries(case.conflict(DataCategory::Content)).await,
        "CATEGORY_NOT_REQUESTED",
    );
    assert_forbidden(jurist.tries(case.lift(traffic)).await, "CONFLICT_NOT_RECORDED");

    let other = |other: &mut wire::RecordConflictRequest| other.decision = "Other".to_owned();
    let case_now = ana.does_once(case.conflict(traffic), other).await;
    let conflict = &case_now.conflicts[0];
    assert_eq!((conflict.category(), conflict.stance()), (traffic, ConflictStance::Stands));
    assert_eq!((&*conflict.third_country, &*conflict.recorded_by), ("US", "ana"));
    assert!(conflict.recorded_at.is_some() && conflict.lifted_by.is_empty());
    let sent = case.conflict(traffic);
    let entry = wire::ConflictEntry {
        category: sent.category,
        stance: sent.stance,
        conflict: sent.conflict,
        decision: sent.decision,
    };
    assert!(ana.sees(&case.0).await.entries[0].said == Some(Said::Conflict(entry)));
    assert_forbidden(bo.tries(case.conflict(traffic)).await, "NOTHING_TO_CHANGE");
    assert_forbidden(ana.tries(case.lift(traffic)).await, "SECOND_PERSON_NEEDED");
    assert_forbidden(bo.tries(case.lift(traffic)).await, "LEGAL_REVIEWER_NEEDED");
    let lifted = jurist.does_once(case.lift(traffic), other).await;
    assert_eq!(lifted.conflicts[0].stance(), ConflictStance::Lifted);
    assert_eq!(&*lifted.conflicts[0].lifted_by, "jo");
    assert_eq!((&*lifted.conflicts[0].third_country, lifted.conflicts.len()), ("US", 1));
    assert_forbidden(jurist.tries(case.lift(traffic)).await, "CONFLICT_NOT_RECORDED");
    // Who found it may find it again.
    let again = ana.does(case.conflict(traffic)).await;
    assert_eq!(again.conflicts[0].stance(), ConflictStance::Stands);
    assert!(stage.caller(FRENCH).is_shown(&case.0).await.entries.is_empty());

    // Another country's law is a conflict of its own; with two, lifting says whose.
    let mut swiss = case.conflict(traffic);
    swiss.conflict.as_mut().unwrap().third_country = "CH".to_owned();
    assert_eq!(ana.does(swiss.clone()).await.conflicts.len(), 2);
    assert_forbidden(jurist.tries(case.lift(traffic)).await, "CONFLICT_NOT_RECORDED");
    let lift = wire::RecordConflictRequest { conflict: swiss.conflict, ..case.lift(traffic) };
    let left = jurist.does(lift).await.conflicts;
    let stands: Vec<_> = left.iter().filter(|it| it.stance() == ConflictStance::Stands).collect();
    assert_eq!((stands.len(), &*stands[0].third_country), (1, "US"));
    let unsaid = wire::RecordConflictRequest { decision: String::new(), ..case.lift(traffic) };
    assert_fields(jurist.tries(unsaid).await, &["decision: REQUIRED"]);

    let mine = ana.claims(&case.0).await;
    ana.does(mine.in_progress()).await;
    ana.does(mine.propose(&[not_held(subscriber)])).await;
    bo.does(case.approve(1)).await;
    assert_forbidden(ana.tries(case.conflict(subscriber)).await, "CATEGORY_DECIDED");
    let over = ended(&stage, &ana).await.case();
    assert_forbidden(ana.tries(over.conflict(subscriber)).await, "CASE_ENDED");
}

#[tokio::test]
async fn a_conflict_is_told_in_full() {
    let stage = Stage::open();
    let ana = stage.caller(ANA);
    let case = asked_about(&stage, Nature::MissingChild).await;
    let mut bad = case.conflict(DataCategory::Subscriber);
    (bad.category, bad.stance, bad.decision) = (99, 99, "x".repeat(5_001));
    bad.conflict = Some(wire::ConflictOfLaw {
        law_title: "x".repeat(501),
        provisions: vec!["x".repeat(201); 21],
        third_country: "us".to_owned(),
        nature_of_conflict: "x".repeat(5_001),
        why_applicable: "x".repeat(5_001),
        link_to_third_country: "x".repeat(5_001),
        consequences: "x".repeat(5_001),
        storage_location: "x".repeat(501),
        controller_entity: "x".repeat(501),
        alternatives: vec![String::new()],
    });
    let too_long = (0..20).map(|index| format!("conflict.provisions[{index}]: TOO_LONG"));
    let too_long: Vec<String> = too_long.collect();
    let mut wanted = vec!["category: UNKNOWN_VALUE", "stance: UNKNOWN_VALUE"];
    wanted.extend([
        "conflict.why_applicable: TOO_LONG",
        "conflict.link_to_third_country: TOO_LONG",
        "conflict.consequences: TOO_LONG",
        "conflict.storage_location: TOO_LONG",
        "conflict.controller_entity: TOO_LONG",
        "conflict.provisions: TOO_MANY",
    ]);
    wanted.extend(too_long.iter().map(String::as_str));
    wanted.extend([
        "conflict.alternatives[0]: REQUIRED",
        "conflict.law_title: TOO_LONG",
        "conflict.nature_of_conflict: TOO_LONG",
        "conflict.third_country: BAD_FORMAT",
        "decision: TOO_LONG",
    ]);
    assert_fields(ana.tries(bad).await, &wanted);
}

#[tokio::test]
async fn link_duplicate() {
    let stage = Stage::open();
    let (ana, portal) = (stage.caller(ANA), stage.caller(FRENCH));
    let case = asked_about(&stage, Nature::MissingChild).await;
    let german = of_authority(asking(&[DataCategory::Subscriber]), "de-bka", "DE");
    let theirs = stage.caller(GERMAN).submits(german).await;
    let shown = portal.is_shown(&case.0).await;
    let other = |other: &mut wire::LinkDuplicateRequest| other.reason = "Other".to_owned();
    let linked = ana.does_once(case.link(&theirs), other).await;
    assert_eq!(linked.linked_cases, std::slice::from_ref(&theirs));
    let entry = wire::LinkEntry { case: theirs.clone(), reason: "The same child.".to_owned() };
    assert!(ana.sees(&case.0).await.entries[0].said == Some(Said::Link(entry)));
    // The other case is another's, and neither authority is told.
    assert!(ana.sees(&theirs).await.case.unwrap().linked_cases.is_empty());
    assert!(portal.is_shown(&case.0).await == shown);

    for same in [&theirs, &case.0] {
        assert_forbidden(ana.tries(case.link(same)).await, "NOTHING_TO_CHANGE");
    }
    let nowhere = ana.tries(case.link(NO_CASE)).await;
    assert_error(nowhere, Code::NotFound, "CASE_NOT_FOUND");
    let reason = "x".repeat(5_001);
    let bad = wire::LinkDuplicateRequest { reason, ..case.link("elsewhere") };
    assert_fields(ana.tries(bad).await, &["other: BAD_FORMAT", "reason: TOO_LONG"]);
    let over = ended(&stage, &ana).await.case();
    assert_forbidden(ana.tries(over.link(&theirs)).await, "CASE_ENDED");
}

#[tokio::test]
async fn requests_about_the_same_target_are_shown_to_the_desk_alone() {
    let stage = Stage::open();
    let (ana, portal) = (stage.caller(ANA), stage.caller(FRENCH));
    let mut french = asking(&[DataCategory::Subscriber]);
    french.request.as_mut().unwrap().targets[0].value = "somebody".to_owned();
    let german = wire::SubmitRequest {
        request_id: "german".to_owned(),
        ..of_authority(french.clone(), "de-bka", "DE")
    };
    let mine = portal.submits(french).await;
    let shown = portal.is_shown(&mine).await;
    let theirs = stage.caller(GERMAN).submits(german).await;
    let alike = async |name: &str| ana.sees(name).await.case.unwrap().likely_duplicates;
    eventually("each is shown the other", PATIENCE, async || {
        alike(&mine).await == [theirs.clone()] && alike(&theirs).await == [mine.clone()]
    })
    .await;
    assert!(portal.is_shown(&mine).await == shown);
    // A third about somebody else is not among them.
    let third = held(&stage, &ana).await;
    assert!(alike(&third.name).await.is_empty());
}
