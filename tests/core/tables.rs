//! What holds of every act: it is remembered, it needs a case that is not purged, and the queue has
//! one order.

use std::collections::BTreeSet;
use std::time::Duration;

use urgence::core::clock::Mark;
use urgence::core::projection::Place;
use urgence::core::{
    Band, CaseId, ClockKind, Command, DataCategory, Decision, Deed, Ending, FirstResponseKind,
    Memory, Nature, PageKey, PauseReason, Proposed, Refusal, RungRecord, Settlement, Stance,
    Timestamp, decide,
};

use crate::coverage::{DEEDS, deed_name};
use crate::make::{
    IN_PROGRESS, MS, START, Story, accepted, act, approve, at, called_back, days, policy, reused,
};

/// One of each deed, with arguments that would do on an open case that Ana holds.
fn every_deed(case: CaseId) -> Vec<Deed> {
    let subscriber = DataCategory::Subscriber;
    let (clock, completion) = (ClockKind::FirstResponse, ClockKind::Completion);
    let key = PageKey { case, clock, cycle: 0, offset: Duration::ZERO };
    let other = CaseId::derive(&"de-bka".parse().unwrap(), &"r-2".parse().unwrap());
    vec![
        Deed::Claim,
        Deed::Renew(1),
        Deed::Release(1),
        Deed::HandOver(1, "bo".parse().unwrap()),
        Deed::Respond(1, IN_PROGRESS),
        Deed::SendUpdate(1, None),
        Deed::AskForInformation(1),
        Deed::Reclassify(Some(Nature::Kidnapping), None),
        Deed::RecordVerification(called_back("fr-pnij")),
        Deed::RecordConflict(subscriber, "US".parse().ok(), Stance::Stands),
        Deed::LinkDuplicate(other, "de-bka".parse().unwrap()),
        Deed::ProposeOutcome(1, Proposed::Whole(Ending::NoSuchAccount)),
        approve(1),
        Deed::ConfirmWithdrawal(1),
        Deed::DeclineWithdrawal(1),
        Deed::PauseClock(1, completion, PauseReason::Clarification),
        Deed::ResumeClock(1, completion),
        Deed::SettleClock(ClockKind::UserNotice, Settlement::Kept),
        Deed::AcknowledgePage(key),
        Deed::ProvideInformation,
        Deed::Withdraw,
        Deed::RequestPreservation,
        Deed::ConfirmDelivery(1),
        Deed::SetLegalHold(true),
    ]
}

#[test]
fn nothing_is_done_to_what_was_purged() {
    let mut story = Story::held(Nature::MissingChild, 1);
    story.act("ana", at(2), Deed::Respond(1, FirstResponseKind::NoData));
    let is_over = START + days(91);
    let deeds = every_deed(story.case.id);
    let names: BTreeSet<_> = deeds.iter().map(deed_name).collect();
    assert_eq!(names, BTreeSet::from_iter(DEEDS.iter().copied()));
    for has_been_seen in [false, true] {
        if has_been_seen {
            story.wake(is_over);
        }
        for deed in &deeds {
            let refusal = story.refusal("ana", is_over, deed.clone());
            assert_eq!(refusal, Refusal::CaseEnded, "{deed:?}");
        }
    }
}

#[test]
fn nothing_is_done_to_what_is_not_there() {
    for deed in every_deed(accepted(Nature::MissingChild).id) {
        let command = Command::Act(act("ana", "1"), deed);
        let decision = decide(None, &command, START, policy());
        assert_eq!(decision, Decision::Refused(Refusal::CaseNotFound));
    }
}

#[test]
fn acts_are_remembered_before_epoch_and_state() {
    let story = Story::held(Nature::MissingChild, 1);
    let claim = Command::Act(act("bo", "claim"), Deed::Claim);
    let release = Command::Act(act("bo", "release"), Deed::Release(2));
    let mut released = story;
    released.command_of_nobody(&claim, at(10));
    released.command_of_nobody(&release, at(11));
    for command in [&claim, &release] {
        let repeat = decide(Some(&released.case), command, at(90), policy());
        assert_eq!(repeat, Decision::AlreadyTrue);
        let reused = decide(Some(&released.case), &reused(command), at(90), policy());
        assert_eq!(reused, Decision::Refused(Refusal::RequestIdReused));
    }
    // Another caller's request ids are their own.
    let by_lea = Command::Act(act("lea", "claim"), Deed::Claim);
    released.command_of_nobody(&by_lea, at(12));
    assert_eq!(released.case.claim_epoch, 3);
}

#[test]
fn what_was_refused_is_not_remembered() {
    let mut story = Story::of(Nature::MissingChild);
    let respond = Command::Act(act("ana", "respond"), Deed::Respond(1, IN_PROGRESS));
    let refused = decide(Some(&story.case), &respond, at(1), policy());
    assert_eq!(refused, Decision::Refused(Refusal::EpochOver));
    story.act("ana", at(1), Deed::Claim);
    story.command_of_nobody(&respond, at(2));
    assert!(story.case.first_response.is_some());
}

#[test]
fn a_refused_act_leaves_what_is_due_to_the_wake() {
    let mut story = Story::of(Nature::MissingChild);
    assert_eq!(story.refusal("ana", at(5), Deed::Renew(1)), Refusal::EpochOver);
    assert_eq!(crate::make::rungs(&story.wake(at(5))), (vec![3], vec![]));
}

#[test]
fn memory_is_bounded_and_forgets_the_oldest() {
    let mut story = Story::held(Nature::MissingChild, 1);
    let renew = |index: usize| Command::Act(act("ana", &format!("renew-{index}")), Deed::Renew(1));
    for index in 0..Memory::ACTS_MAX {
        story.command_of_nobody(&renew(index), at(2));
    }
    assert_eq!(story.case.memory.iter().count(), Memory::ACTS_MAX);
    let latest = decide(Some(&story.case), &renew(Memory::ACTS_MAX - 1), at(2), policy());
    assert_eq!(latest, Decision::AlreadyTrue);
}

#[test]
fn the_queue_is_ordered_by_band_then_limit() {
    let place = |band, limit| Place::new(Band::new(band).unwrap(), limit);
    assert!(place(0, at(900)) < place(1, at(1)));
    assert!(place(1, at(30)) < place(1, at(30) + MS));
    let highest = place(7, Timestamp::from_millis(u64::MAX)).score();
    // A sorted set's scores are doubles: exact below 2^53.
    assert!(highest < 1 << 53);
    for band in Band::all() {
        let (from, to) = Place::bounds(band);
        assert!((from..to).contains(&Place::new(band, at(30)).score()));
        assert!((from..to).contains(&Place::new(band, Timestamp::from_millis(u64::MAX)).score()));
    }
}

#[test]
fn what_was_late_is_told_from_what_was_a_moment_behind() {
    let record = |lateness, count| RungRecord {
        clock: ClockKind::FirstResponse,
        cycle: 0,
        offset: Duration::from_mins(36),
        due_at: at(36),
        count,
        spacing: Duration::from_mins(3),
        lateness,
        mark: Some(Mark::Limit),
        band: Band::MOST_URGENT,
    };
    assert!(!record(Duration::from_secs(2), 1).is_late());
    assert!(record(Duration::from_millis(2_001), 1).is_late());
    // Of a run, the first was late although the last was not.
    let run = record(Duration::ZERO, 3);
    assert!(run.is_late());
    let lateness: Vec<_> = (0..3).map(|index| run.lateness_of(index).as_secs() / 60).collect();
    assert_eq!(lateness, [6, 3, 0]);
}
