//! The ladders: every rung on its millisecond, once, and what an outage leaves of them.

use std::time::Duration;

use urgence::core::projection::{Place, project};
use urgence::core::{
    Band, Case, ClockKind, Command, Decision, Deed, Event, FirstResponseKind, Lane, Mark, Nature,
    PageCause, Punctuality, decide,
};

use crate::make::{
    IN_PROGRESS, Story, accepted, apply, at, hours, just_before, page, policy, rungs, rungs_of,
};

const DAY: u64 = 24 * 60;

#[test]
fn a_rung_fires_on_its_millisecond_and_not_before() {
    let mut case = accepted(Nature::MissingChild);
    for (minute, contacts) in [
        (3, vec!["desk", "shift-lead"]),
        (7, vec!["desk", "shift-lead"]),
        (12, vec!["duty-manager"]),
        (17, vec!["legal-on-call"]),
        (20, vec!["head-of-desk"]),
        (25, vec!["executive"]),
        (28, vec!["executive"]),
        (30, vec!["all"]),
        (33, vec!["all"]),
        (36, vec!["all"]),
    ] {
        let early = just_before(at(minute));
        let decision = decide(Some(&case), &Command::Wake, early, policy());
        assert_eq!(decision, Decision::AlreadyTrue, "minute {minute}");
        let next = apply(&case, &Command::Wake, at(minute));
        assert_eq!(rungs(&next.events), (vec![minute], vec![]));
        let contacts = contacts.into_iter().map(str::to_owned).collect();
        assert_eq!(page(&next.events), Some((minute, 0, contacts)));
        case = next.case;
    }
}

#[test]
fn the_target_lifts_an_emergency_to_the_first_band_and_nothing_else() {
    let mut story = Story::of(Nature::MissingChild);
    story.wake(at(19));
    assert_eq!(story.case.band.number(), 1);
    story.wake(at(20));
    assert_eq!(story.case.band, Band::MOST_URGENT);
    let place = Place::new(Band::MOST_URGENT, at(30));
    assert_eq!(project(&story.case).ready, Some((Lane::Ordinary, place)));

    let mut routine = Story::of(Nature::Routine);
    let band = routine.case.band;
    routine.wake(at(10 * DAY));
    assert_eq!(routine.case.band, band);

    // A completion or an update that is late lifts nothing: somebody has answered.
    let mut answered = Story::answered(Nature::MissingChild, IN_PROGRESS);
    answered.wake(at(10 * DAY));
    assert_eq!(answered.case.band.number(), 2);

    // What lifted an emergency ends with the answer, and begins anew when it is owed another.
    let mut late = Story::of(Nature::MissingChild);
    late.act("ana", at(21), Deed::Claim);
    assert_eq!(late.case.band, Band::MOST_URGENT);
    late.act("ana", at(22), Deed::Respond(1, FirstResponseKind::NeedInformation));
    assert_eq!(late.case.band.number(), 2);
    late.act("portal", at(23), Deed::ProvideInformation);
    assert_eq!(late.case.band.number(), 1);
    late.wake(at(43));
    assert_eq!(late.case.band, Band::MOST_URGENT);
}

#[test]
fn a_claim_quiets_the_ordinary_rungs_only() {
    let mut story = Story::held(Nature::MissingChild, 1);
    assert_eq!(project(&story.case).ready, None);
    assert!(project(&story.case).unanswered.is_some());
    let (mut fired, mut quieted) = (Vec::new(), Vec::new());
    for minute in 2..=245 {
        // Somebody works on it: an act every minute.
        let events = story.act("ana", at(minute), Deed::Renew(1));
        let (more_fired, more_quieted) = rungs(&events);
        fired.extend(more_fired);
        quieted.extend(more_quieted);
    }
    assert_eq!(quieted, [3, 7, 12, 120], "the last is the completion's");
    let completion = [180, 240];
    let mut wanted: Vec<u64> = vec![17, 20, 25, 28];
    wanted.extend((30..=245).step_by(3));
    wanted.extend(completion);
    fired.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(fired, wanted);
}

#[test]
fn punctuality_turns_at_the_very_instant() {
    for (now, punctuality) in [
        (just_before(at(20)), Punctuality::WithinTarget),
        (at(20), Punctuality::WithinLimit),
        (just_before(at(30)), Punctuality::WithinLimit),
        (at(30), Punctuality::Breached),
    ] {
        let mut story = Story::held(Nature::BombThreat, 1);
        let events = story.act("ana", now, Deed::Respond(1, IN_PROGRESS));
        let said = events.iter().find_map(|event| match event {
            Event::Responded { punctuality, .. } => Some(*punctuality),
            _ => None,
        });
        assert_eq!(said, Some(punctuality));
        assert_eq!(story.case.punctuality(now), punctuality);
    }
}

#[test]
fn after_an_outage_every_rung_is_recorded_and_one_page_goes_out() {
    let mut story = Story::of(Nature::MissingChild);
    let events = story.wake(at(40));
    let (fired, _) = rungs(&events);
    assert_eq!(fired, [3, 7, 12, 17, 20, 25, 28, 30, 33, 36, 39]);
    for event in &events {
        let Event::RungFired(record) = event else { continue };
        assert_eq!(record.lateness, at(40).since(record.due_at));
        assert!(record.is_late() == (record.lateness > Duration::from_secs(2)));
        // A run of repeats is as late as its first.
        let first = record.lateness_of(0);
        assert_eq!(first, record.lateness + record.spacing * (record.count - 1));
    }
    let everybody = ["all", "desk", "duty-manager", "executive", "head-of-desk", "legal-on-call"];
    let mut contacts: Vec<_> = everybody.iter().map(|name| (*name).to_owned()).collect();
    contacts.push("shift-lead".to_owned());
    assert_eq!(page(&events), Some((39, 0, contacts)));
    assert!(events.iter().any(|event| matches!(
        event,
        Event::Paged(page) if page.cause == PageCause::CatchUp
    )));
    assert_eq!(project(&story.case).wake_at, Some(at(42)), "the ladder goes on where it should");
}

#[test]
fn a_long_outage_passes_the_rungs_of_every_clock() {
    let mut story = Story::of(Nature::MissingChild);
    let events = story.wake(at(5 * 60 + 4));
    let mut first_response = vec![3, 7, 12, 17, 20, 25, 28];
    first_response.extend((30..=303).step_by(3));
    assert_eq!(rungs_of(ClockKind::FirstResponse, &events), (first_response, vec![]));
    let completion = (vec![120, 180, 240, 300], vec![]);
    assert_eq!(rungs_of(ClockKind::Completion, &events), completion);
    let key = events.iter().find_map(|event| match event {
        Event::Paged(page) => Some((page.key.clock, page.limit_at)),
        _ => None,
    });
    assert_eq!(key, Some((ClockKind::FirstResponse, at(30))), "the newest");
}

/// Sees every wake at its instant, up to and with minute `until`.
fn seen_in_time(mut case: Case, until: u64) -> Case {
    while let Some(wake_at) = project(&case).wake_at.filter(|wake_at| *wake_at <= at(until)) {
        case = apply(&case, &Command::Wake, wake_at).case;
    }
    case
}

#[test]
fn what_time_does_is_the_same_however_late_it_is_seen() {
    // Claimed at 1, lost at 6: seen at once, or at 15 in one look.
    let claimed = Story::held(Nature::MissingChild, 1);
    let late = claimed.clone().wake(at(15));
    assert_eq!(rungs(&late), (vec![7, 12], vec![3]));

    let mut paused = Story::answered(Nature::MissingChild, IN_PROGRESS).with_conflict();
    paused.work(at(100), |epoch| {
        Deed::PauseClock(epoch, ClockKind::Completion, urgence::core::PauseReason::ConflictReview)
    });
    let answered = Story::answered(Nature::Routine, IN_PROGRESS);
    let secret = Story::with(Nature::MissingChild, |s| {
        s.non_disclosure.is_requested = true;
        s.non_disclosure.legal_basis = "Code".to_owned();
        let seconds = i64::try_from(at(3 * DAY).as_millis() / 1_000).unwrap();
        s.non_disclosure.until = Some(urgence::core::intake::Moment { seconds, nanos: 0 });
    });
    for story in [claimed, paused, answered, secret] {
        for minute in [120, 121, 600, 4 * DAY + 7] {
            let mut late = story.clone();
            late.wake(at(minute));
            let seen = seen_in_time(story.case.clone(), minute);
            assert_eq!(late.case.clocks, seen.clocks, "{minute}");
            assert_eq!(project(&late.case), project(&seen), "{minute}");
            assert_eq!(late.case.band, seen.band);
        }
    }
}

#[test]
fn a_very_long_outage_is_recorded_in_few_words() {
    const MINUTES: u64 = 60 * 24 * 365;
    let events = Story::of(Nature::MissingChild).wake(at(MINUTES));
    assert!(events.len() < 20, "{} events", events.len());
    let (fired, _) = rungs_of(ClockKind::FirstResponse, &events);
    assert_eq!(fired.len() as u64, 8 + (MINUTES - 30) / 3);
    let (fired, _) = rungs_of(ClockKind::Completion, &events);
    assert_eq!(fired.len() as u64, 3 + (MINUTES - 240) / 60);
}

#[test]
fn the_outcome_is_promised_from_acceptance_on() {
    let mut story = Story::answered(Nature::MissingChild, IN_PROGRESS);
    assert_eq!(story.promised(ClockKind::Completion), (180, 240));
    for (minute, contacts) in [
        (120, vec!["desk"]),
        (180, vec!["shift-lead"]),
        (240, vec!["duty-manager", "head-of-desk"]),
        (300, vec!["duty-manager"]),
        (360, vec!["duty-manager"]),
    ] {
        // An update in time keeps the other clock silent.
        story.work(at(minute - 1), |epoch| Deed::SendUpdate(epoch, None));
        story.release(at(minute - 1));
        assert_eq!(story.wake(just_before(at(minute))), []);
        let events = story.wake(at(minute));
        assert_eq!(rungs(&events), (vec![minute], vec![]));
        let contacts = contacts.into_iter().map(str::to_owned).collect();
        assert_eq!(page(&events), Some((minute, 0, contacts)));
        // What a sink has, a claim keeps back no more.
        story.deliver(at(minute));
    }
    let mut routine = Story::answered(Nature::Routine, IN_PROGRESS);
    let events = routine.wake(at(11 * DAY));
    let days = (vec![5 * DAY, 7 * DAY, 10 * DAY, 11 * DAY], vec![]);
    assert_eq!(rungs_of(ClockKind::Completion, &events), days);
}

#[test]
fn the_next_word_is_due_within_the_hour_of_the_last() {
    let mut story = Story::answered(Nature::MissingChild, IN_PROGRESS);
    assert_eq!(story.promised(ClockKind::Progress), (55, 65));
    for (after, contacts) in [
        (50, vec!["desk"]),
        (60, vec!["desk", "shift-lead"]),
        (75, vec!["shift-lead"]),
        (90, vec!["shift-lead"]),
    ] {
        story.wake(just_before(at(5 + after)));
        let events = story.wake(at(5 + after));
        assert_eq!(rungs(&events), (vec![after], vec![]));
        let contacts = contacts.into_iter().map(str::to_owned).collect();
        assert_eq!(page(&events), Some((after, 0, contacts)));
    }
    // An update begins the hour anew, also while the case is held.
    let expected_within = Some(hours(2));
    let events = story.work(at(100), |epoch| Deed::SendUpdate(epoch, expected_within));
    assert!(events.contains(&Event::Updated { by: "ana".parse().unwrap(), expected_within }));
    let clock = ClockKind::Progress;
    let punctuality = Punctuality::Breached;
    assert!(events.contains(&Event::ClockStopped { clock, punctuality }));
    let (target_at, limit_at) = (at(150), at(160));
    assert!(events.contains(&Event::ClockStarted { clock, target_at, limit_at }));
    let progress = story.case.clock(clock).unwrap();
    assert_eq!((progress.started_at, progress.next_due_at), (at(100), at(150)));
    assert_eq!((progress.cycle, progress.next_rung), (1, 0));
    assert_eq!(rungs_of(clock, &story.wake(just_before(at(150)))), (vec![], vec![]));
    story.act("ana", just_before(at(150)), Deed::Claim);
    assert_eq!(rungs_of(clock, &story.wake(at(160))), (vec![50, 60], vec![]), "never quieted");
}

#[test]
fn the_target_and_the_limit_are_marked_and_nothing_else() {
    let marked = |kind, events: &[Event]| -> Vec<(u64, Mark)> {
        let records = events.iter().filter_map(|event| match event {
            Event::RungFired(record) if record.clock == kind => Some(record),
            _ => None,
        });
        let marks = records.filter_map(|record| Some((record, record.mark?)));
        marks.map(|(record, mark)| (record.offset.as_secs() / 60, mark)).collect()
    };
    let events = Story::answered(Nature::MissingChild, IN_PROGRESS).wake(at(2 * DAY));
    let marks = |target, limit| vec![(target, Mark::Target), (limit, Mark::Limit)];
    assert_eq!(marked(ClockKind::Progress, &events), marks(50, 60));
    assert_eq!(marked(ClockKind::Completion, &events), marks(180, 240));
    let events = Story::of(Nature::Routine).wake(at(30 * DAY));
    assert_eq!(marked(ClockKind::FirstResponse, &events), marks(DAY, 3 * DAY));
    assert_eq!(marked(ClockKind::Completion, &events), marks(7 * DAY, 10 * DAY));
}

#[test]
fn a_clock_that_goes_back_is_never_believed_beyond_the_last_event() {
    let mut story = Story::held(Nature::MissingChild, 4);
    story.act("ana", at(2), Deed::Renew(1));
    assert_eq!(story.case.last_event_at, at(4));
    assert_eq!(story.case.claim.as_ref().unwrap().expires_at, at(9));
    assert_eq!(story.case.first_response_clock().limit_at, at(30));
}

#[test]
fn rung_numbers_end_before_time_does() {
    // A clock that shows such a time must not keep us here for ever.
    let mut story = Story::of(Nature::MissingChild);
    let far = urgence::core::Timestamp::from_millis(u64::MAX);
    let events = story.wake(far);
    assert!(events.len() < 20);
    assert_eq!(page(&events).map(|(_, cycle, _)| cycle), Some(0));
    assert!(story.wake(far).len() < 20);
}
