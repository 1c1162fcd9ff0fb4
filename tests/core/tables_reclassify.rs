//! Another nature, or a protection that was not told: raising takes the earlier deadline, lowering
//! keeps it and takes two.

use std::time::Duration;

use urgence::core::projection::{Place, project};
use urgence::core::{
    Band, Class, ClockKind, Deed, Event, FirstResponseKind, Lane, Nature, PauseReason, Protection,
    Refusal, Subject,
};

use crate::make::{IN_PROGRESS, START, Story, at, page, rungs, rungs_of};

const DAY: u64 = 24 * 60;
const FIRST_RESPONSE: ClockKind = ClockKind::FirstResponse;
const COMPLETION: ClockKind = ClockKind::Completion;
const ROUTINE: Deed = Deed::Reclassify(Some(Nature::Routine), None);

const fn to(nature: Nature) -> Deed {
    Deed::Reclassify(Some(nature), None)
}

fn subject(name: &str) -> Subject {
    name.parse().unwrap()
}

#[test]
fn raising_takes_the_earlier_deadline_counted_from_acceptance() {
    let mut story = Story::of(Nature::Routine);
    let events = story.act("bo", at(10), to(Nature::MissingChild));
    let reclassified = Event::Reclassified {
        by: subject("bo"),
        proposed_by: None,
        nature: Nature::MissingChild,
        band: Band::new(1).unwrap(),
        protection: None,
    };
    assert_eq!(events[0], reclassified);
    let raised = |clock, minutes: (u64, u64)| {
        let (target_at, limit_at) = (at(minutes.0), at(minutes.1));
        events.contains(&Event::ClockRaised { clock, target_at, limit_at })
    };
    assert!(raised(FIRST_RESPONSE, (20, 30)) && raised(COMPLETION, (180, 240)), "{events:?}");
    // What is overdue by it fires once, with one page, and was nobody's before.
    assert_eq!(rungs(&events), (vec![0, 3, 7], vec![]));
    let contacts = vec!["desk".to_owned(), "shift-lead".to_owned()];
    assert_eq!(page(&events), Some((7, 1, contacts)));
    for event in &events {
        let Event::RungFired(record) = event else { continue };
        assert_eq!(record.lateness, Duration::ZERO);
    }
    assert_eq!(story.promised(FIRST_RESPONSE), (20, 30));
    assert_eq!(story.promised(COMPLETION), (180, 240));
    let place = Place::new(Band::new(1).unwrap(), at(30));
    assert_eq!(project(&story.case).ready, Some((Lane::Ordinary, place)));
    for kind in [FIRST_RESPONSE, COMPLETION] {
        let clock = story.case.clock(kind).unwrap();
        assert_eq!((clock.class, clock.started_at), (Class::Emergency, START));
    }
    let events = story.wake(at(12));
    assert_eq!(rungs(&events), (vec![12], vec![]));
    assert_eq!(page(&events), Some((12, 1, vec!["duty-manager".to_owned()])));
}

#[test]
fn raising_late_fires_what_the_promise_would_have_fired() {
    let mut story = Story::of(Nature::Routine);
    // Its own rung at twelve hours has fired before.
    assert_eq!(rungs(&story.wake(at(DAY / 2))), (vec![DAY / 2], vec![]));
    let events = story.act("bo", at(13 * 60), to(Nature::Kidnapping));
    let (fired, _) = rungs_of(FIRST_RESPONSE, &events);
    assert_eq!((fired[0], *fired.last().unwrap()), (0, 13 * 60));
    assert_eq!(fired.len(), 9 + (13 * 60 - 30) / 3);
    let (fired, _) = rungs_of(COMPLETION, &events);
    assert_eq!(fired, (2..=13).map(|hour| hour * 60).collect::<Vec<u64>>());
    assert_eq!(story.case.band, Band::MOST_URGENT);
    assert_eq!(page(&events).unwrap().1, 1);
    assert_eq!(project(&story.case).wake_at, Some(at(13 * 60 + 3)));
}

#[test]
fn a_claim_quiets_what_raising_makes_overdue() {
    let mut story = Story::held(Nature::Routine, 9);
    let events = story.act("ana", at(10), to(Nature::BombThreat));
    assert_eq!(rungs(&events), (vec![], vec![0, 3, 7]));
    assert_eq!(page(&story.release(at(11))).unwrap().0, 7);
}

#[test]
fn raising_an_answered_case_raises_what_still_runs() {
    let mut story = Story::answered(Nature::Routine, FirstResponseKind::NeedInformation);
    story.act("portal", at(100), Deed::ProvideInformation);
    assert_eq!(story.promised(ClockKind::Reply), (100 + DAY, 100 + 3 * DAY));
    let events = story.act("bo", at(130), to(Nature::MissingChild));
    assert_eq!(story.promised(ClockKind::Reply), (120, 130));
    assert_eq!(story.promised(FIRST_RESPONSE), (DAY, 3 * DAY), "it has been answered");
    let (fired, _) = rungs_of(ClockKind::Reply, &events);
    assert_eq!(fired, [0, 3, 7, 12, 17, 20, 25, 28, 30]);
    assert_eq!(story.case.band, Band::MOST_URGENT);
}

#[test]
fn a_clock_that_stands_still_is_raised_too() {
    let mut story = Story::answered(Nature::Routine, IN_PROGRESS).with_conflict();
    let pause = |epoch| Deed::PauseClock(epoch, COMPLETION, PauseReason::ConflictReview);
    story.work(at(60), pause);
    let events = story.act("bo", at(400), to(Nature::MissingChild));
    assert_eq!(rungs_of(COMPLETION, &events), (vec![], vec![]));
    assert_eq!(story.promised(COMPLETION), (180, 240));
    let events = story.work(at(460), |epoch| Deed::ResumeClock(epoch, COMPLETION));
    assert_eq!(rungs_of(COMPLETION, &events), (vec![], vec![]));
    assert_eq!(story.promised(COMPLETION), (180 + 400, 240 + 400));
    assert_eq!(rungs_of(COMPLETION, &story.wake(at(120 + 400))), (vec![120], vec![]));
}

#[test]
fn what_raising_makes_overdue_while_a_clock_stands_still_is_not_late() {
    let mut story = Story::answered(Nature::Routine, IN_PROGRESS).with_conflict();
    let pause = |epoch| Deed::PauseClock(epoch, COMPLETION, PauseReason::ConflictReview);
    story.work(at(150), pause);
    story.act("bo", at(160), to(Nature::MissingChild));
    let events = story.work(at(170), |epoch| Deed::ResumeClock(epoch, COMPLETION));
    let record = events.iter().find_map(|event| match event {
        Event::RungQuieted(record) if record.clock == COMPLETION => Some(record),
        _ => None,
    });
    let record = record.expect("two hours had run when it was paused");
    assert_eq!((record.due_at, record.lateness), (at(140), Duration::ZERO));
}

#[test]
fn raising_repeats_no_rung_of_a_promise_that_stays_the_same() {
    let mut story = Story::with(Nature::Routine, |s| s.is_without_validation = true);
    story.work(at(DAY), |epoch| Deed::Respond(epoch, IN_PROGRESS));
    story.release(at(DAY));
    let events = story.wake(at(DAY + DAY / 2));
    assert_eq!(rungs_of(ClockKind::ExPostValidation, &events), (vec![36 * 60], vec![]));
    let events = story.act("bo", at(DAY + DAY / 2 + 1), to(Nature::Kidnapping));
    for kind in [ClockKind::ExPostValidation, ClockKind::Progress, FIRST_RESPONSE] {
        assert_eq!(rungs_of(kind, &events), (vec![], vec![]), "{kind:?}");
    }
    assert!(!rungs_of(COMPLETION, &events).0.is_empty());
}

#[test]
fn lowering_takes_two_people_and_keeps_the_deadlines() {
    let mut story = Story::of(Nature::MissingChild);
    let clocks = story.case.clocks.clone();
    let (by, nature) = (subject("ana"), Nature::Routine);
    let events = story.act("ana", at(1), ROUTINE);
    assert_eq!(events, [Event::LoweringProposed { by: by.clone(), nature }]);
    assert_eq!((story.case.nature, story.case.band.number()), (Nature::MissingChild, 1));
    assert_eq!(story.refusal("ana", at(2), ROUTINE), Refusal::SecondPersonNeeded);
    let events = story.act("bo", at(2), ROUTINE);
    let band = Band::new(3).unwrap();
    let lowered = Event::Reclassified {
        by: subject("bo"),
        proposed_by: Some(by),
        nature,
        band,
        protection: None,
    };
    assert_eq!(events, [lowered]);
    assert_eq!(story.case.lowering, None);
    assert_eq!(story.case.clocks, clocks, "no deadline has moved");
    // The old ladder goes on to be climbed, and lifts a routine request nowhere.
    let events = story.wake(at(33));
    assert_eq!(rungs(&events).0, [3, 7, 12, 17, 20, 25, 28, 30, 33]);
    assert_eq!(story.case.band, band);
    assert_eq!(story.refusal("ana", at(34), ROUTINE), Refusal::NothingToChange);
    // What starts afterwards carries the promise of what it is now.
    story.work(at(35), |epoch| Deed::Respond(epoch, FirstResponseKind::NeedInformation));
    story.act("portal", at(36), Deed::ProvideInformation);
    assert_eq!(story.promised(ClockKind::Reply), (36 + DAY, 36 + 3 * DAY));
}

#[test]
fn raising_what_was_lowered_repeats_no_rung() {
    let mut story = Story::of(Nature::MissingChild);
    story.act("ana", at(1), ROUTINE);
    story.act("bo", at(2), ROUTINE);
    story.wake(at(25));
    assert_eq!(story.case.band.number(), 3);
    let events = story.act("ana", at(26), to(Nature::Kidnapping));
    assert_eq!(rungs(&events), (vec![], vec![]), "they have all been passed");
    assert_eq!(story.case.band, Band::MOST_URGENT, "its target has passed unanswered");
    assert_eq!(story.promised(FIRST_RESPONSE), (20, 30));
    assert_eq!(rungs(&story.wake(at(28))), (vec![28], vec![]));
}

#[test]
fn one_emergency_becomes_another_by_one_person() {
    let mut story = Story::of(Nature::MissingChild);
    let clocks = story.case.clocks.clone();
    story.act("ana", at(1), ROUTINE);
    story.act("bo", at(2), to(Nature::Kidnapping));
    assert_eq!((story.case.nature, story.case.band.number()), (Nature::Kidnapping, 0));
    assert_eq!(story.case.lowering, None, "what was proposed was about the old nature");
    assert_eq!(story.case.clocks, clocks);
    story.act("bo", at(2), to(Nature::CriticalInfrastructure));
    assert_eq!(story.case.band.number(), 2);
    // Beyond its target it stays where that lifted it.
    story.wake(at(20));
    story.act("bo", at(21), to(Nature::MissingChild));
    assert_eq!(story.case.band, Band::MOST_URGENT);
    // Lowering begins anew.
    story.act("bo", at(22), ROUTINE);
    assert_eq!(story.refusal("bo", at(22), ROUTINE), Refusal::SecondPersonNeeded);
}

#[test]
fn a_protection_is_noted_by_anybody_and_never_taken_away() {
    let note = |protection| Deed::Reclassify(None, Some(protection));
    let mut story = Story::of(Nature::MissingChild);
    let events = story.act("bo", at(1), note(Protection::Press));
    let noted = Event::Reclassified {
        by: subject("bo"),
        proposed_by: None,
        nature: Nature::MissingChild,
        band: story.case.band,
        protection: Some(Protection::Press),
    };
    assert_eq!(events, [noted]);
    let refusal = story.refusal("ana", at(1), note(Protection::Press));
    assert_eq!(refusal, Refusal::NothingToChange);
    story.act("ana", at(1), note(Protection::PrivilegedProfession));
    assert_eq!(story.case.facts.protections.len(), 2);
    for deed in [
        Deed::Reclassify(None, None),
        to(Nature::MissingChild),
        Deed::Reclassify(Some(Nature::MissingChild), Some(Protection::Press)),
    ] {
        assert_eq!(story.refusal("ana", at(2), deed), Refusal::NothingToChange);
    }
}

#[test]
fn a_protection_is_noted_also_while_a_lowering_waits() {
    let mut story = Story::of(Nature::MissingChild);
    let both = Deed::Reclassify(Some(Nature::Routine), Some(Protection::Press));
    let events = story.act("ana", at(1), both);
    assert!(matches!(
        events[..],
        [Event::LoweringProposed { .. }, Event::Reclassified { nature: Nature::MissingChild, .. }]
    ));
    assert!(story.case.facts.protections.contains(&Protection::Press));
    story.act("bo", at(2), ROUTINE);
    assert_eq!(story.case.nature, Nature::Routine);
}

#[test]
fn an_ended_case_is_not_reclassified() {
    let mut story = Story::held(Nature::MissingChild, 1);
    story.act("ana", at(2), ROUTINE);
    story.act("ana", at(2), Deed::Respond(1, FirstResponseKind::NoData));
    assert_eq!(story.case.lowering, None);
    for deed in [ROUTINE, Deed::Reclassify(None, Some(Protection::Press))] {
        assert_eq!(story.refusal("bo", at(3), deed), Refusal::CaseEnded);
    }
}

#[test]
fn a_reply_that_is_owed_on_a_raised_case_waits_at_its_own_limit() {
    let mut story = Story::answered(Nature::Routine, FirstResponseKind::NeedInformation);
    story.release(at(6));
    story.act("portal", at(10), Deed::ProvideInformation);
    story.act("bo", at(11), to(Nature::MissingChild));
    assert_eq!(story.promised(ClockKind::Reply), (30, 40));
    let place = Place::new(Band::new(1).unwrap(), at(40));
    assert_eq!(project(&story.case).ready, Some((Lane::Ordinary, place)), "and not at 72 hours");
}

#[test]
fn the_authority_can_be_told_the_nature_without_the_protection() {
    let mut story = Story::of(Nature::MissingChild);
    let both = Deed::Reclassify(Some(Nature::Kidnapping), Some(Protection::Press));
    let events = story.act("bo", at(1), both);
    let noted = |event: &Event| match event {
        Event::Reclassified { nature, protection, .. } => Some((*nature, *protection)),
        _ => None,
    };
    let told: Vec<_> = events.iter().filter_map(noted).collect();
    let press = Some(Protection::Press);
    assert_eq!(told, [(Nature::Kidnapping, None), (Nature::Kidnapping, press)]);
}
