//! Each rule by example.

use std::time::Duration;

use urgence::core::case::Punctuality;
use urgence::core::projection::{Place, project};
use urgence::core::{
    Band, Case, Command, Decision, Event, FirstResponseKind, Memory, Nature, PageCause,
    RedirectTarget, Refusal, RefusalReason, State, Timestamp, decide,
};

use crate::make::{START, accept, accepted, act, apply, at, minutes, page, policy, rungs};

const MS: Duration = Duration::from_millis(1);

const IN_PROGRESS: FirstResponseKind =
    FirstResponseKind::InProgress { expected_within: Duration::from_secs(3_600) };

#[track_caller]
fn refused(case: &Case, command: &Command, now: Timestamp) -> Refusal {
    match decide(Some(case), command, now, policy()) {
        Decision::Refused(refusal) => refusal,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

fn claimed(by: &str, minute: u64) -> Case {
    apply(&accepted(Nature::MissingChild), &Command::Claim(act(by, "claim")), at(minute)).case
}

#[test]
fn accepting_starts_the_clock_and_pages_the_desk() {
    let next = accept("r-1", Nature::MissingChild, START);
    let case = &next.case;
    assert_eq!((case.version, case.state(), case.band.number()), (1, State::Received, 1));
    assert_eq!((case.clock.target_at, case.clock.limit_at), (at(20), at(30)));
    assert!(matches!(next.events[0], Event::Accepted { .. }));
    assert_eq!(rungs(&next.events), (vec![0], vec![]));
    assert_eq!(page(&next.events), Some((0, 0, vec!["desk".to_owned()])));
    let projected = project(case);
    assert_eq!(projected.wake_at, Some(at(3)));
    assert_eq!(projected.ready, Some(Place::new(case.band, at(30))));
    assert_eq!(projected.unanswered, projected.ready);
}

#[test]
fn a_repeated_submit_finds_its_case_and_another_content_is_refused() {
    let case = accepted(Nature::MissingChild);
    let mut intake = crate::make::intake("r-1", Nature::MissingChild);
    let policy = policy();
    let repeat = decide(Some(&case), &Command::Accept(intake.clone()), at(500), policy);
    assert_eq!(repeat, Decision::AlreadyTrue);
    intake.digest.0[31] ^= 1;
    let other = decide(Some(&case), &Command::Accept(intake), at(1), policy);
    assert_eq!(other, Decision::Refused(Refusal::RequestIdReused));
}

#[test]
fn a_command_without_a_case_is_refused() {
    for command in [Command::Wake, Command::Claim(act("ana", "1"))] {
        let decision = decide(None, &command, START, policy());
        assert_eq!(decision, Decision::Refused(Refusal::CaseNotFound));
    }
}

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
        let early = Timestamp::from_millis(at(minute).as_millis() - 1);
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
    let mut case = accepted(Nature::MissingChild);
    case = apply(&case, &Command::Wake, at(19)).case;
    assert_eq!(case.band.number(), 1);
    case = apply(&case, &Command::Wake, at(20)).case;
    assert_eq!(case.band, Band::MOST_URGENT);
    assert_eq!(project(&case).ready, Some(Place::new(Band::MOST_URGENT, at(30))));

    let routine = accepted(Nature::Routine);
    let late = apply(&routine, &Command::Wake, at(60 * 24 * 10)).case;
    assert_eq!(late.band, routine.band);
}

#[test]
fn a_claim_quiets_the_ordinary_rungs_only() {
    let mut case = claimed("ana", 1);
    assert_eq!(project(&case).ready, None);
    assert!(project(&case).unanswered.is_some());
    let (mut fired, mut quieted) = (Vec::new(), Vec::new());
    for minute in 2..=34 {
        // Somebody works on it: an act every minute.
        let renew = Command::Renew(act("ana", &format!("renew-{minute}")), 1);
        let next = apply(&case, &renew, at(minute));
        let (more_fired, more_quieted) = rungs(&next.events);
        fired.extend(more_fired);
        quieted.extend(more_quieted);
        case = next.case;
    }
    assert_eq!(quieted, [3, 7, 12]);
    assert_eq!(fired, [17, 20, 25, 28, 30, 33]);
}

#[test]
fn a_lost_lease_puts_the_case_back_and_pages_the_highest_rung_passed() {
    let case = claimed("ana", 1);
    assert_eq!(project(&case).wake_at, Some(at(3)));
    let case = apply(&case, &Command::Wake, at(3)).case;
    assert_eq!(project(&case).wake_at, Some(at(6)));
    let next = apply(&case, &Command::Wake, at(6));
    let lost = Event::ClaimLost { epoch: 1, expired_at: at(6) };
    assert_eq!(next.events[0], lost);
    let page_now = Some((3, 1, vec!["desk".to_owned(), "shift-lead".to_owned()]));
    assert_eq!(page(&next.events), page_now);
    let back = project(&accepted(Nature::MissingChild)).ready;
    assert_eq!(project(&next.case).ready, back, "it takes its old place");
    let renew = Command::Renew(act("ana", "late"), 1);
    assert_eq!(refused(&next.case, &renew, at(6)), Refusal::EpochOver);
}

#[test]
fn at_the_instant_at_which_a_lease_ends_it_is_over() {
    // The lease is extended to end at minute 7, where an ordinary rung is due.
    let case = apply(&claimed("ana", 1), &Command::Renew(act("ana", "renew"), 1), at(2)).case;
    let renew = Command::Renew(act("ana", "last"), 1);
    let just_before = Timestamp::from_millis(at(7).as_millis() - 1);
    assert!(matches!(decide(Some(&case), &renew, just_before, policy()), Decision::Next(_)));
    assert_eq!(refused(&case, &renew, at(7)), Refusal::EpochOver);
    let next = apply(&case, &Command::Wake, at(7));
    assert_eq!(rungs(&next.events), (vec![7], vec![3]));
}

#[test]
fn giving_a_case_back_pages_only_what_kept_quiet_for_it() {
    let quiet = apply(&claimed("ana", 1), &Command::Release(act("ana", "release"), 1), at(2));
    assert_eq!(page(&quiet.events), None);
    assert!(project(&quiet.case).ready.is_some());

    let next = apply(&claimed("ana", 1), &Command::Release(act("ana", "release"), 1), at(4));
    assert_eq!(rungs(&next.events), (vec![], vec![3]));
    let page_now = Some((3, 1, vec!["desk".to_owned(), "shift-lead".to_owned()]));
    assert_eq!(page(&next.events), page_now);
}

#[test]
fn only_one_responder_holds_a_case() {
    let case = claimed("ana", 1);
    let by_bo = Command::Claim(act("bo", "claim"));
    assert_eq!(refused(&case, &by_bo, at(2)), Refusal::ClaimedByAnother);
    for command in [Command::Renew(act("bo", "1"), 1), Command::Release(act("bo", "2"), 1)] {
        assert_eq!(refused(&case, &command, at(2)), Refusal::EpochOver);
    }
    // The holder's own second claim extends the first and keeps its epoch.
    let again = apply(&case, &Command::Claim(act("ana", "again")), at(4)).case;
    let claim = again.claim.unwrap();
    assert_eq!((claim.epoch, claim.expires_at), (1, at(9)));
    // After the lease has run out, another responder's claim has a higher epoch.
    let taken = apply(&case, &by_bo, at(10)).case.claim.unwrap();
    assert_eq!((taken.by.as_str(), taken.epoch), ("bo", 2));
}

#[test]
fn a_first_response_stops_the_clock() {
    let next = apply(&claimed("ana", 1), &Command::Respond(act("ana", "r"), 1, IN_PROGRESS), at(4));
    let case = &next.case;
    assert_eq!(case.state(), State::Collecting);
    assert_eq!(case.waited(at(99)), minutes(4));
    let projected = project(case);
    assert_eq!((projected.ready, projected.unanswered), (None, None));
    assert_eq!(projected.wake_at, Some(at(9)), "the lease goes on, extended by the act");
    let after = apply(case, &Command::Wake, at(500));
    assert_eq!(rungs(&after.events), (vec![], vec![]));
    assert_eq!(page(&after.events), None);
    assert_eq!(project(&after.case).wake_at, None);
    let again = Command::Respond(act("bo", "r"), 1, FirstResponseKind::NoData);
    assert_eq!(refused(case, &again, at(5)), Refusal::AlreadyAnswered);
}

#[test]
fn each_answer_leads_to_its_state() {
    for (kind, state) in [
        (FirstResponseKind::NoData, State::NoData),
        (FirstResponseKind::Refused(RefusalReason::Overbroad), State::Rejected),
        (
            FirstResponseKind::Redirected(RedirectTarget::NationalSinglePointOfContact),
            State::Redirected,
        ),
        (FirstResponseKind::NeedInformation, State::AwaitingInformation),
        (IN_PROGRESS, State::Collecting),
    ] {
        let respond = Command::Respond(act("ana", "r"), 1, kind);
        let case = apply(&claimed("ana", 1), &respond, at(2)).case;
        assert_eq!(case.state(), state);
        assert_eq!(case.claim.is_none(), state.is_final(), "an ended case is nobody's");
        if state.is_final() {
            let claim = Command::Claim(act("bo", "c"));
            assert_eq!(refused(&case, &claim, at(3)), Refusal::CaseEnded);
        }
    }
    for kind in [FirstResponseKind::AllData, FirstResponseKind::PartOfData] {
        let respond = Command::Respond(act("ana", "r"), 1, kind);
        assert_eq!(refused(&claimed("ana", 1), &respond, at(2)), Refusal::DisclosureNotApproved);
    }
}

#[test]
fn a_first_response_is_a_fact_whatever_became_of_the_claim() {
    let lost = apply(&claimed("ana", 1), &Command::Claim(act("bo", "claim")), at(10)).case;
    let respond = Command::Respond(act("ana", "r"), 1, IN_PROGRESS);
    let answered = apply(&lost, &respond, at(11)).case;
    let response = answered.first_response.clone().unwrap();
    assert!(response.is_claim_lost && response.by.as_str() == "ana");
    assert_eq!(answered.claim.unwrap().by.as_str(), "bo", "the running claim is not touched");
    for epoch in [0, 3] {
        let respond = Command::Respond(act("ana", "r"), epoch, IN_PROGRESS);
        assert_eq!(refused(&lost, &respond, at(11)), Refusal::EpochOver, "never granted");
    }
}

#[test]
fn punctuality_turns_at_the_very_instant() {
    for (now, punctuality) in [
        (Timestamp::from_millis(at(20).as_millis() - 1), Punctuality::WithinTarget),
        (at(20), Punctuality::WithinLimit),
        (Timestamp::from_millis(at(30).as_millis() - 1), Punctuality::WithinLimit),
        (at(30), Punctuality::Breached),
    ] {
        let case = apply(&accepted(Nature::BombThreat), &Command::Claim(act("ana", "c")), at(1));
        let next = apply(&case.case, &Command::Respond(act("ana", "r"), 1, IN_PROGRESS), now);
        let said = next.events.iter().find_map(|event| match event {
            Event::Responded { punctuality, .. } => Some(*punctuality),
            _ => None,
        });
        assert_eq!(said, Some(punctuality));
    }
}

#[test]
fn after_an_outage_every_rung_is_recorded_and_one_page_goes_out() {
    let next = apply(&accepted(Nature::MissingChild), &Command::Wake, at(40));
    let (fired, _) = rungs(&next.events);
    assert_eq!(fired, [3, 7, 12, 17, 20, 25, 28, 30, 33, 36, 39]);
    for event in &next.events {
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
    assert_eq!(page(&next.events), Some((39, 0, contacts)));
    assert!(next.events.iter().any(|event| matches!(
        event,
        Event::Paged(page) if page.cause == PageCause::CatchUp
    )));
    assert_eq!(project(&next.case).wake_at, Some(at(42)), "the ladder goes on where it should");
}

#[test]
fn what_time_does_is_the_same_however_late_it_is_seen() {
    // Claimed at 1, lost at 6: seen at once, or at 15 in one look.
    let seen = [3, 6, 7, 12, 15].into_iter().fold(claimed("ana", 1), |case, minute| {
        match decide(Some(&case), &Command::Wake, at(minute), policy()) {
            Decision::Next(next) => next.case,
            _ => case,
        }
    });
    let late = apply(&claimed("ana", 1), &Command::Wake, at(15));
    assert_eq!(rungs(&late.events), (vec![7, 12], vec![3]));
    assert_eq!(late.case.clock, seen.clock);
    assert_eq!(project(&late.case), project(&seen));
}

#[test]
fn a_very_long_outage_is_recorded_in_few_words() {
    let next = apply(&accepted(Nature::MissingChild), &Command::Wake, at(60 * 24 * 365));
    assert!(next.events.len() < 12, "{} events", next.events.len());
    let (fired, _) = rungs(&next.events);
    assert_eq!(fired.len(), 8 + (60 * 24 * 365 - 30) / 3);
}

#[test]
fn acts_are_remembered_before_epoch_and_state() {
    let case = claimed("ana", 1);
    let released = apply(&case, &Command::Release(act("ana", "release"), 1), at(2)).case;
    for command in [Command::Claim(act("ana", "claim")), Command::Release(act("ana", "release"), 1)]
    {
        let repeat = decide(Some(&released), &command, at(90), policy());
        assert_eq!(repeat, Decision::AlreadyTrue);
    }
    let mut other = act("ana", "claim");
    other.digest.0[0] ^= 1;
    assert_eq!(refused(&released, &Command::Claim(other), at(3)), Refusal::RequestIdReused);
    // Another caller's request ids are their own.
    let by_bo = apply(&released, &Command::Claim(act("bo", "claim")), at(3));
    assert_eq!(by_bo.case.claim_epoch, 2);
}

#[test]
fn memory_is_bounded_and_forgets_the_oldest() {
    let mut case = claimed("ana", 1);
    for index in 0..Memory::ACTS_MAX {
        let renew = Command::Renew(act("ana", &format!("renew-{index}")), 1);
        case = apply(&case, &renew, at(2)).case;
    }
    assert_eq!(case.memory.iter().count(), Memory::ACTS_MAX);
    let latest = Command::Renew(act("ana", &format!("renew-{}", Memory::ACTS_MAX - 1)), 1);
    let repeat = decide(Some(&case), &latest, at(2), policy());
    assert_eq!(repeat, Decision::AlreadyTrue);
}

#[test]
fn a_clock_that_goes_back_is_never_believed_beyond_the_last_event() {
    let case = claimed("ana", 4);
    let next = apply(&case, &Command::Renew(act("ana", "renew"), 1), at(2));
    assert_eq!(next.case.last_event_at, at(4));
    assert_eq!(next.case.claim.unwrap().expires_at, at(9));
    assert_eq!(next.case.clock.limit_at, at(30));
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
