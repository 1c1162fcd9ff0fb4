//! How long what was said is kept, and what is left of it.

use urgence::core::outcome::RetentionClass;
use urgence::core::projection::{project, wake_at};
use urgence::core::{
    ClockKind, ClockState, Command, DataCategory, Decision, Deed, Disposition, Ending, Event,
    Finding, FirstResponseKind, Memory, Nature, PageKey, Policy, Proposed, Refusal, RefusalReason,
    Settlement, Stance, State, Timestamp, decide,
};

use crate::make::{
    Story, act, approve, at, by_category, called_back, days, intake_with, just_before, minutes,
    page, policy,
};

const DAY: u64 = 24 * 60;

/// People whose names occur nowhere else.
const ANA: &str = "ana.7f3a";
const BO: &str = "bo.7f3a";
const PORTAL: &str = "portal.7f3a";

/// A case that ended without a disclosure at minute 2.
fn ended() -> Story {
    let mut story = Story::held(Nature::MissingChild, 1);
    story.act("ana", at(2), Deed::Respond(1, FirstResponseKind::NoData));
    story
}

/// A case to which everything has been done that leaves a name, closed at minute 4.
fn closed() -> Story {
    let mut story = Story::with(Nature::MissingChild, |s| {
        s.incident_reference = "Paris".to_owned();
    });
    let subscriber = DataCategory::Subscriber;
    let other = urgence::core::CaseId::derive(&"de-bka".parse().unwrap(), &"r-2".parse().unwrap());
    let conflict = |stance| Deed::RecordConflict(subscriber, "US".parse().ok(), stance);
    let clock = ClockKind::FirstResponse;
    let key = PageKey { case: story.case.id, clock, cycle: 0, offset: minutes(0) };
    story.command_of_nobody(&Command::Sort(crate::likely_duplicates::found(&["de-bka"])), at(1));
    story.act(ANA, at(1), Deed::Claim);
    story.act(BO, at(1), Deed::AcknowledgePage(key));
    story.act(BO, at(1), Deed::LinkDuplicate(other, "de-bka".parse().unwrap()));
    story.act(BO, at(1), Deed::RecordVerification(called_back("fr-pnij")));
    story.act(BO, at(1), conflict(Stance::Stands));
    story.act("lea", at(1), conflict(Stance::Lifted));
    story.act(ANA, at(2), Deed::Reclassify(Some(Nature::Routine), None));
    let proposed = by_category(&[(subscriber, Disposition::Disclosed)]);
    story.act(ANA, at(2), Deed::ProposeOutcome(1, proposed));
    story.act(BO, at(3), approve(1));
    story.act(PORTAL, at(4), Deed::ConfirmDelivery(1));
    let settled = Deed::SettleClock(ClockKind::UserNotice, Settlement::Waived);
    story.act(BO, at(4), settled);
    story
}

#[test]
fn what_was_said_is_kept_for_as_long_as_the_outcome_demands() {
    for (mut story, purge_at) in [(ended(), at(2) + days(90)), (closed(), at(3) + days(365))] {
        assert_eq!(wake_at(&story.case), Some(purge_at));
        assert_eq!(story.wake(just_before(purge_at)), []);
        let state = story.case.state();
        assert_eq!(story.wake(purge_at), [Event::Purged]);
        assert_eq!(story.case.purged_at, Some(purge_at));
        assert_eq!(wake_at(&story.case), None, "nothing will ever happen to it again");
        assert!(project(&story.case).is_purged);
        assert_eq!(story.case.state(), state, "reports count it still");
    }
}

#[test]
fn a_tombstone_holds_no_person_no_fingerprint_and_no_memory() {
    let mut story = closed();
    let before = format!("{:?}", story.case);
    for name in [ANA, BO, "lea"] {
        assert!(before.contains(name), "{name}");
    }
    let disclosed = story.case.disclosures.clone();
    story.wake(at(400 * DAY));
    let case = &story.case;
    let after = format!("{case:?}");
    for name in [ANA, BO, PORTAL, "lea"] {
        assert!(!after.contains(name), "{name} in {after}");
    }
    assert_eq!(case.memory, Memory::default());
    assert!(case.facts.fingerprints.is_empty() && case.facts.incident_tag.is_none());
    assert!(case.conflicts.is_empty() && case.linked.is_empty());
    assert!(case.likely_duplicates.is_empty() && case.pages.is_empty());
    // What reports count by is left.
    assert_eq!(case.facts.categories, [DataCategory::Subscriber].into());
    assert_eq!(case.facts.targets, 1);
    let kept = &case.disclosures[0];
    assert_eq!((kept.items, kept.bytes), (disclosed[0].items, disclosed[0].bytes));
    assert_eq!(kept.confirmed_at, Some(at(4)));
    assert_eq!(case.waited(at(500 * DAY)), minutes(3));
    assert_eq!(case.state(), State::Closed);
}

#[test]
fn a_tombstone_still_knows_its_request() {
    let mut story = ended();
    story.wake(at(91 * DAY));
    let mut intake = intake_with("r-1", Nature::MissingChild, |_| {});
    let again = |intake: &_, minute| {
        decide(Some(&story.case), &Command::Accept(Clone::clone(intake)), at(minute), policy())
    };
    assert_eq!(again(&intake, 9_999 * DAY), Decision::AlreadyTrue);
    intake.digest.0[0] ^= 1;
    assert_eq!(again(&intake, 92 * DAY), Decision::Refused(Refusal::RequestIdReused));
    // Everything else is over, and what comes of comparing cases does not concern it.
    for deed in [
        Deed::Claim,
        Deed::SetLegalHold(true),
        Deed::RequestPreservation,
        Deed::RecordVerification(Finding::Failed),
        Deed::ConfirmDelivery(1),
    ] {
        assert_eq!(story.refusal("ana", at(92 * DAY), deed), Refusal::CaseEnded);
    }
    let found = crate::likely_duplicates::found(&["de-bka"]);
    assert_eq!(story.command_of_nobody(&Command::Sort(found), at(92 * DAY)), []);
}

#[test]
fn a_legal_hold_forbids_the_purge_until_it_is_lifted() {
    let mut story = ended();
    assert_eq!(story.refusal("lea", at(3), Deed::SetLegalHold(false)), Refusal::NothingToChange);
    let events = story.act("lea", at(3), Deed::SetLegalHold(true));
    let by: urgence::core::Subject = "lea".parse().unwrap();
    assert_eq!(events, [Event::LegalHoldSet { by: by.clone(), is_held: true }]);
    assert_eq!(story.case.legal_hold, Some(by.clone()));
    assert_eq!(story.refusal("bo", at(3), Deed::SetLegalHold(true)), Refusal::NothingToChange);
    assert_eq!(wake_at(&story.case), None);
    assert_eq!(story.wake(at(300 * DAY)), []);
    // Lifted after its time, what was said goes at once, and the record says when that was.
    let now = at(300 * DAY);
    let command = Command::Act(act("lea", "lift"), Deed::SetLegalHold(false));
    let events = story.command_of_nobody(&command, now);
    assert_eq!(events, [Event::LegalHoldSet { by, is_held: false }, Event::Purged]);
    assert_eq!(story.case.purged_at, Some(now));
    assert_eq!(story.case.legal_hold, None);
    // Whoever sends it again is told that it is done.
    assert_eq!(decide(Some(&story.case), &command, now, policy()), Decision::AlreadyTrue);
}

#[test]
fn a_hold_may_be_set_while_a_case_is_open() {
    let mut story = Story::of(Nature::MissingChild);
    let before = project(&story.case);
    story.act("lea", at(1), Deed::SetLegalHold(true));
    assert_eq!(project(&story.case), before);
    story.act("ana", at(1), Deed::Claim);
    story.act("ana", at(2), Deed::Respond(1, FirstResponseKind::NoData));
    assert_eq!(wake_at(&story.case), None);
    story.act("bo", at(3), Deed::SetLegalHold(false));
    assert_eq!(wake_at(&story.case), Some(at(2) + days(90)));
}

#[test]
fn what_a_running_clock_needs_is_not_purged() {
    let mut story = ended();
    story.act("portal", at(20 * DAY), Deed::RequestPreservation);
    story.wake(at(91 * DAY));
    assert_eq!(story.case.purged_at, None);
    let until = at(110 * DAY);
    story.wake(just_before(until));
    assert_eq!(story.case.purged_at, None);
    let events = story.wake(until);
    assert_eq!(page(&events).map(|(minute, ..)| minute), Some(90 * DAY), "that it is over is told");
    assert_eq!(story.case.purged_at, None);
    let until = until + days(1);
    assert_eq!(story.wake(until), [Event::Purged], "when whoever held its pages has closed them");
    assert_eq!(story.case.purged_at, Some(until));
}

#[test]
fn a_purge_that_comes_late_is_of_the_day_it_came() {
    let mut story = ended();
    story.wake(at(200 * DAY));
    assert_eq!(story.case.purged_at, Some(at(200 * DAY)));
}

/// A case that is ended as a whole at minute 3; of nothing else is the portal told.
fn ended_by(ending: Ending) -> Story {
    let mut story = Story::held(Nature::MissingChild, 1);
    story.act("ana", at(2), Deed::ProposeOutcome(1, Proposed::Whole(ending)));
    story.act("bo", at(3), approve(1));
    story
}

#[test]
fn what_the_desk_keeps_longer_is_gone_for_the_authority_all_the_same() {
    let rejected = Ending::Rejected(RefusalReason::RequesterNotVerified);
    let (honest, mut held) = (ended_by(rejected), ended_by(rejected));
    held.act("lea", at(4), Deed::SetLegalHold(true));
    let plain = [honest, held, ended_by(Ending::FraudConfirmed)];
    let preserved = plain.clone().map(|mut story| {
        // Asked for, and extended: until 180 days later.
        story.act("portal", at(20 * DAY), Deed::RequestPreservation);
        story.act("portal", at(21 * DAY), Deed::RequestPreservation);
        story
    });
    for (stories, gone_at) in [(plain, at(3) + days(90)), (preserved, at(200 * DAY))] {
        let [mut honest, mut held, mut fraud] = stories;
        let from = honest.case.last_event_at.as_millis() / 60_000;
        let daily = (from..at(800 * DAY).as_millis() / 60_000).step_by(DAY as usize);
        let instants = daily.map(|minute| Timestamp::from_millis(minute * 60_000));
        let mut instants: Vec<_> = instants.chain([just_before(gone_at), gone_at]).collect();
        instants.sort();
        for now in instants {
            let gone = [&mut honest, &mut held, &mut fraud].map(|story| {
                story.wake(now);
                story.case.gone_for_authority(now)
            });
            assert_eq!(gone, [(now >= gone_at).then_some(gone_at); 3], "{now:?}");
        }
        assert!(honest.case.purged_at.is_some_and(|at| at <= gone_at + days(2)));
        assert_eq!(held.case.purged_at, None);
        assert!(fraud.case.purged_at.is_some_and(|at| at > gone_at + days(300)));
        // Nor does what the authority asks for tell them apart, be it new or what it did before.
        for story in [honest, held, fraud] {
            for deed in [
                Deed::ProvideInformation,
                Deed::Withdraw,
                Deed::RequestPreservation,
                Deed::ConfirmDelivery(1),
            ] {
                for number in 0..9 {
                    let act = act("portal", &format!("act-{number}"));
                    let command = Command::Act(act, deed.clone());
                    let decision = decide(Some(&story.case), &command, gone_at, policy());
                    assert_eq!(decision, Decision::Refused(Refusal::CaseEnded));
                }
            }
        }
    }
}

#[test]
fn the_desk_keeps_a_fraud_at_least_as_long_as_the_authority_is_shown_it() {
    let mut rules = policy().rules().clone();
    rules.retention.insert(RetentionClass::Fraud, days(1));
    let brief = Policy::new(rules).unwrap();
    let mut story = Story::held(Nature::MissingChild, 1);
    let fraud = Deed::ProposeOutcome(1, Proposed::Whole(Ending::FraudConfirmed));
    story.act("ana", at(2), fraud);
    let approved = Command::Act(act("bo", "approved"), approve(1));
    let Decision::Next(next) = decide(Some(&story.case), &approved, at(3), &brief) else {
        panic!("it is approved");
    };
    let ended = next.case.ended.unwrap();
    assert_eq!((ended.purge_at, ended.shown_until), (at(3) + days(90), at(3) + days(90)));
}

#[test]
fn while_a_clock_runs_that_the_authority_is_shown_nothing_is_gone_for_it() {
    let mut story = closed();
    let gone_at = at(3) + days(365);
    assert_eq!(story.case.gone_for_authority_at(), Some(gone_at));
    // The clock that it is not shown would keep the case.
    let open = ClockState::Running;
    story.case.clocks.get_mut(&ClockKind::UserNotice).unwrap().state = open;
    assert_eq!(story.case.gone_for_authority_at(), Some(gone_at));
    story.case.clocks.get_mut(&ClockKind::DeliveryConfirmation).unwrap().state = open;
    assert_eq!(story.case.gone_for_authority_at(), None);
    assert_eq!(Story::held(Nature::MissingChild, 1).case.gone_for_authority_at(), None);
}
