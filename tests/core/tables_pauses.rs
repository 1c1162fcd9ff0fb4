//! Clocks that stand still, and what never does.

use urgence::core::intake::Choice;
use urgence::core::projection::{project, wake_at};
use urgence::core::{
    ClockKind, ClockState, Deed, Event, FirstResponseKind, Instrument, Nature, PauseReason,
    Punctuality, Refusal,
};

use crate::make::{IN_PROGRESS, Story, at, just_before, minutes, page, rungs_of};

const COMPLETION: ClockKind = ClockKind::Completion;

const fn pause(kind: ClockKind) -> impl Fn(u64) -> Deed {
    move |epoch| Deed::PauseClock(epoch, kind, PauseReason::ConflictReview)
}

const fn resume(kind: ClockKind) -> impl Fn(u64) -> Deed {
    move |epoch| Deed::ResumeClock(epoch, kind)
}

/// An answered emergency that rests on an emergency production order.
fn order() -> Story {
    let mut story = Story::with(Nature::Kidnapping, |s| {
        s.instrument = Choice::Known(Instrument::EmergencyProductionOrder);
    });
    story.work(at(5), |epoch| Deed::Respond(epoch, IN_PROGRESS));
    story.with_conflict()
}

#[test]
fn what_an_authority_waits_for_never_stands_still() {
    let pausable = [COMPLETION, ClockKind::EEvidenceEmergency, ClockKind::EEvidence];
    let mut story = order();
    story.act("ana", at(6), Deed::Claim);
    for kind in ClockKind::ALL {
        if !pausable.contains(kind) {
            let refusal = story.refusal("ana", at(6), pause(*kind)(1));
            assert_eq!(refusal, Refusal::ClockNotPausable, "{kind:?}");
        }
    }
}

#[test]
fn a_pause_moves_target_limit_and_rungs_by_exactly_the_pause() {
    let mut story = Story::answered(Nature::MissingChild, IN_PROGRESS).with_conflict();
    let by = "ana".parse().unwrap();
    let events = story.work(at(60), pause(COMPLETION));
    let reason = PauseReason::ConflictReview;
    assert_eq!(*events.last().unwrap(), Event::ClockPaused { by, clock: COMPLETION, reason });
    let since = at(60);
    let state = story.case.clock(COMPLETION).unwrap().state;
    assert_eq!(state, ClockState::Paused { since, reason });
    assert_eq!(story.promised(COMPLETION), (180, 240), "nothing has moved yet");
    assert!(!story.case.clock(COMPLETION).unwrap().is_overdue());
    // It stands still: hours later none of its rungs has passed.
    let events = story.wake(at(599));
    assert_eq!(rungs_of(COMPLETION, &events), (vec![], vec![]));
    assert!(!rungs_of(ClockKind::Progress, &events).0.is_empty(), "the others go on");
    let events = story.work(at(600), resume(COMPLETION));
    let (by, paused_for) = ("ana".parse().unwrap(), minutes(540));
    assert!(events.contains(&Event::ClockResumed { by, clock: COMPLETION, paused_for }));
    assert_eq!(story.promised(COMPLETION), (180 + 540, 240 + 540));
    let clock = story.case.clock(COMPLETION).unwrap();
    assert_eq!((clock.started_at, clock.shifted_by), (story.case.accepted_at, paused_for));
    for minute in [120, 180, 240, 300] {
        let events = story.wake(just_before(at(minute + 540)));
        assert_eq!(rungs_of(COMPLETION, &events), (vec![], vec![]));
        let events = story.wake(at(minute + 540));
        assert_eq!(rungs_of(COMPLETION, &events), (vec![minute], vec![]));
    }
}

#[test]
fn pauses_add_up_and_pass_nothing_twice() {
    let mut story = Story::answered(Nature::MissingChild, IN_PROGRESS).with_conflict();
    story.work(at(60), pause(COMPLETION));
    story.work(at(70), resume(COMPLETION));
    // At its very instant the rung at two hours passes before the pause.
    let events = story.work(at(130), pause(COMPLETION));
    assert_eq!(rungs_of(COMPLETION, &events), (vec![120], vec![]));
    story.work(at(150), resume(COMPLETION));
    assert_eq!(story.promised(COMPLETION), (180 + 30, 240 + 30));
    let events = story.wake(at(240 + 30));
    assert_eq!(rungs_of(COMPLETION, &events), (vec![180, 240], vec![]));
    assert_eq!(story.case.clock(COMPLETION).unwrap().cycle, 0);
}

#[test]
fn each_clock_of_an_order_is_paused_by_itself() {
    let mut story = order();
    for kind in [COMPLETION, ClockKind::EEvidenceEmergency] {
        story.work(at(10), pause(kind));
        assert!(!story.case.runs(kind));
        let refusal = story.refusal("ana", at(11), pause(kind)(story.epoch()));
        assert_eq!(refusal, Refusal::ClockNotRunning);
    }
    story.work(at(14), resume(ClockKind::EEvidenceEmergency));
    assert_eq!(story.promised(ClockKind::EEvidenceEmergency), (6 * 60 + 4, 8 * 60 + 4));
    assert!(!story.case.runs(COMPLETION));
    let again = resume(ClockKind::EEvidenceEmergency)(story.epoch());
    let refusal = story.refusal("ana", at(15), again);
    assert_eq!(refusal, Refusal::ClockNotPaused);
}

#[test]
fn what_cannot_be_paused_or_resumed_is_refused() {
    let mut story = Story::answered(Nature::MissingChild, IN_PROGRESS).with_conflict();
    for (by, deed, refusal) in [
        ("ana", pause(ClockKind::EEvidence)(1), Refusal::ClockNotRunning),
        ("ana", pause(COMPLETION)(9), Refusal::EpochOver),
        ("bo", pause(COMPLETION)(1), Refusal::EpochOver),
        ("ana", resume(COMPLETION)(1), Refusal::ClockNotPaused),
        ("ana", resume(ClockKind::EEvidence)(1), Refusal::ClockNotPaused),
        ("ana", resume(ClockKind::FirstResponse)(1), Refusal::ClockNotPaused),
        ("ana", resume(COMPLETION)(9), Refusal::EpochOver),
        ("bo", resume(COMPLETION)(1), Refusal::EpochOver),
    ] {
        assert_eq!(story.refusal(by, at(6), deed), refusal);
    }
    story.act("portal", at(6), Deed::Withdraw);
    story.act("ana", at(6), Deed::ConfirmWithdrawal(1));
    for deed in [pause(COMPLETION)(1), resume(COMPLETION)(1)] {
        assert_eq!(story.refusal("ana", at(7), deed), Refusal::CaseEnded);
    }
}

#[test]
fn a_case_that_waits_for_its_authority_alone_is_not_forgotten() {
    let mut story =
        Story::answered(Nature::MissingChild, FirstResponseKind::NeedInformation).with_conflict();
    story.act("ana", at(5), pause(COMPLETION)(1));
    story.release(at(6));
    assert_eq!(project(&story.case).ready, None);
    let wake = wake_at(&story.case).unwrap();
    let events = story.wake(wake);
    assert_eq!(rungs_of(ClockKind::Question, &events).0, [12 * 60]);
    assert!(page(&events).is_some(), "the desk is told that nobody has answered it");
    assert!(wake_at(&story.case).is_some_and(|next| next > wake));
    // Its answer brings it back.
    story.act("portal", at(900), Deed::ProvideInformation);
    assert_eq!(wake_at(&story.case), Some(at(903)));
    assert!(project(&story.case).ready.is_some());
}

#[test]
fn a_case_that_ends_while_a_clock_stands_still_has_not_broken_its_promise() {
    let mut story = Story::answered(Nature::MissingChild, IN_PROGRESS).with_conflict();
    story.work(at(60), pause(COMPLETION));
    story.act("portal", at(900), Deed::Withdraw);
    let events = story.work(at(900), Deed::ConfirmWithdrawal);
    let (clock, punctuality) = (COMPLETION, Punctuality::WithinTarget);
    assert!(events.contains(&Event::ClockStopped { clock, punctuality }), "{events:?}");
    assert_eq!(story.promised(COMPLETION), (180 + 840, 240 + 840));
    let clock = story.case.clock(COMPLETION).unwrap();
    assert!(clock.is_stopped() && !clock.is_overdue());
}

#[test]
fn a_clock_stands_still_for_a_reason_that_holds() {
    let under = |instrument| {
        let mut story =
            Story::with(Nature::Kidnapping, |s| s.instrument = Choice::Known(instrument));
        story.work(at(5), |epoch| Deed::Respond(epoch, IN_PROGRESS));
        story
    };
    let emergency = under(Instrument::EmergencyProductionOrder);
    let order = under(Instrument::ProductionOrder);
    let (soon, slow) = (ClockKind::EEvidenceEmergency, ClockKind::EEvidence);
    for (story, kind, reason, is_founded) in [
        (&emergency, soon, PauseReason::NotifiedAuthorityReview, false),
        (&emergency, soon, PauseReason::Clarification, true),
        (&emergency, soon, PauseReason::ConflictReview, false),
        (&emergency, soon, PauseReason::AwaitingInformation, false),
        (&emergency, COMPLETION, PauseReason::Clarification, false),
        (&order, slow, PauseReason::NotifiedAuthorityReview, true),
        (&order, slow, PauseReason::Clarification, true),
        (&order, slow, PauseReason::ConflictReview, false),
        (&order, COMPLETION, PauseReason::NotifiedAuthorityReview, false),
    ] {
        let mut story = story.clone();
        story.act("ana", at(6), Deed::Claim);
        let pause = Deed::PauseClock(story.epoch(), kind, reason);
        if is_founded {
            story.act("ana", at(6), pause);
            assert!(!story.case.runs(kind), "{kind:?} {reason:?}");
        } else {
            let refusal = story.refusal("ana", at(6), pause);
            assert_eq!(refusal, Refusal::PauseUnfounded, "{kind:?} {reason:?}");
        }
    }
}

#[test]
fn what_stands_still_for_an_answer_goes_on_with_it() {
    let mut story = order();
    let wait = |epoch| Deed::PauseClock(epoch, COMPLETION, PauseReason::AwaitingInformation);
    let refusal = story.refusal("ana", at(6), wait(story.epoch()));
    assert_eq!(refusal, Refusal::PauseUnfounded, "nothing was asked");
    story.work(at(10), Deed::AskForInformation);
    story.work(at(10), wait);
    story.work(at(10), pause(ClockKind::EEvidenceEmergency));
    let events = story.act("portal", at(40), Deed::ProvideInformation);
    let (by, paused_for) = ("portal".parse().unwrap(), minutes(30));
    assert!(events.contains(&Event::ClockResumed { by, clock: COMPLETION, paused_for }));
    assert_eq!(story.promised(COMPLETION), (180 + 30, 240 + 30));
    assert!(!story.case.runs(ClockKind::EEvidenceEmergency), "which stands still for a court");
}
