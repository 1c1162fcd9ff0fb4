//! Claims: one person at a time holds a case, for as long as they work on it.

use urgence::core::projection::project;
use urgence::core::{
    ClockKind, Deed, Event, FirstResponseKind, Nature, PageCause, PageKey, Refusal, State, Subject,
};

use crate::make::{IN_PROGRESS, Story, accepted, at, just_before, minutes, page, rungs, rungs_of};

fn subject(name: &str) -> Subject {
    name.parse().unwrap()
}

fn cause(events: &[Event]) -> Option<PageCause> {
    events.iter().find_map(|event| match event {
        Event::Paged(page) => Some(page.cause),
        _ => None,
    })
}

#[test]
fn a_claim_is_a_lease_of_five_minutes() {
    let mut story = Story::of(Nature::MissingChild);
    let events = story.act("ana", at(2), Deed::Claim);
    let claimed = Event::Claimed {
        by: subject("ana"),
        epoch: 1,
        expires_at: at(7),
        waited: minutes(2),
        is_unanswered: true,
    };
    assert_eq!(events, [claimed]);
    let projected = project(&story.case);
    assert_eq!((projected.ready, projected.claimed), (None, Some(at(7))));
    assert!(projected.unanswered.is_some(), "it is still owed an answer");
    assert_eq!(story.case.state(), State::Received);
    let events = story.act("ana", at(4), Deed::Renew(1));
    let renewed = Event::ClaimRenewed { epoch: 1, expires_at: at(9) };
    assert_eq!((rungs(&events).1, events.last().unwrap()), (vec![3], &renewed));
}

#[test]
fn only_one_responder_holds_a_case() {
    let story = Story::held(Nature::MissingChild, 1);
    assert_eq!(story.refusal("bo", at(2), Deed::Claim), Refusal::ClaimedByAnother);
    for (by, deed) in [
        ("bo", Deed::Renew(1)),
        ("bo", Deed::Release(1)),
        ("bo", Deed::HandOver(1, subject("lea"))),
        ("ana", Deed::Renew(0)),
        ("ana", Deed::Renew(2)),
        ("ana", Deed::Release(2)),
        ("ana", Deed::HandOver(2, subject("lea"))),
    ] {
        assert_eq!(story.refusal(by, at(2), deed), Refusal::EpochOver);
    }
    // The holder's own second claim extends the first and keeps its epoch.
    let mut again = story.clone();
    again.act("ana", at(4), Deed::Claim);
    let claim = again.case.claim.unwrap();
    assert_eq!((claim.epoch, claim.granted_at, claim.expires_at), (1, at(1), at(9)));
    // After the lease has run out, another responder's claim has a higher epoch.
    let mut taken = story;
    taken.act("bo", at(10), Deed::Claim);
    let claim = taken.case.claim.unwrap();
    assert_eq!((claim.by, claim.epoch), (subject("bo"), 2));
}

#[test]
fn any_act_of_the_holder_extends_the_lease_and_nobody_elses_does() {
    let mut story = Story::held(Nature::MissingChild, 1);
    let expires_at = |story: &Story| story.case.claim.as_ref().unwrap().expires_at;
    story.act("ana", at(3), Deed::Respond(1, IN_PROGRESS));
    assert_eq!(expires_at(&story), at(8));
    story.act("bo", at(5), Deed::RecordVerification(urgence::core::Finding::AgencyVerified));
    story.act("portal", at(5), Deed::ProvideInformation);
    assert_eq!(expires_at(&story), at(8));
    story.act("ana", at(6), Deed::RecordVerification(urgence::core::Finding::ChannelVerified));
    assert_eq!(expires_at(&story), at(11));
}

#[test]
fn a_lost_lease_puts_the_case_back_and_pages_the_highest_rung_passed() {
    let mut story = Story::held(Nature::MissingChild, 1);
    assert_eq!(project(&story.case).wake_at, Some(at(3)));
    story.wake(at(3));
    assert_eq!(project(&story.case).wake_at, Some(at(6)));
    let events = story.wake(at(6));
    assert_eq!(events[0], Event::ClaimLost { epoch: 1, expired_at: at(6) });
    assert_eq!(page(&events), Some((3, 1, vec!["desk".to_owned(), "shift-lead".to_owned()])));
    assert_eq!(cause(&events), Some(PageCause::ClaimLost));
    let back = project(&accepted(Nature::MissingChild)).ready;
    assert_eq!(project(&story.case).ready, back, "it takes its old place");
    assert_eq!(story.refusal("ana", at(6), Deed::Renew(1)), Refusal::EpochOver);
    // What comes next is of the new cycle: a receiver has silenced the old.
    assert_eq!(page(&story.wake(at(7))).map(|(minute, cycle, _)| (minute, cycle)), Some((7, 1)));
}

#[test]
fn a_lost_lease_of_an_answered_case_pages_nobody_while_all_is_in_time() {
    let mut story = Story::held(Nature::MissingChild, 1);
    story.act("ana", at(2), Deed::Respond(1, IN_PROGRESS));
    let events = story.wake(at(7));
    assert_eq!(events, [Event::ClaimLost { epoch: 1, expired_at: at(7) }]);
    assert!(project(&story.case).ready.is_some());
}

#[test]
fn at_the_instant_at_which_a_lease_ends_it_is_over() {
    // The lease is extended to end at minute 7, where an ordinary rung is due.
    let mut story = Story::held(Nature::MissingChild, 1);
    story.act("ana", at(2), Deed::Renew(1));
    story.clone().act("ana", just_before(at(7)), Deed::Renew(1));
    assert_eq!(story.refusal("ana", at(7), Deed::Renew(1)), Refusal::EpochOver);
    assert_eq!(rungs(&story.wake(at(7))), (vec![7], vec![3]));
}

#[test]
fn giving_a_case_back_pages_only_what_kept_quiet_for_it() {
    let mut quiet = Story::of(Nature::MissingChild);
    quiet.deliver(at(0));
    quiet.act("ana", at(1), Deed::Claim);
    let events = quiet.release(at(2));
    assert_eq!(events, [Event::ClaimReleased { epoch: 1 }]);
    assert!(project(&quiet.case).ready.is_some());
    assert_eq!(quiet.refusal("ana", at(2), Deed::Release(1)), Refusal::EpochOver);

    let mut story = Story::held(Nature::MissingChild, 1);
    let events = story.release(at(4));
    assert_eq!(rungs(&events), (vec![], vec![3]));
    assert_eq!(page(&events), Some((3, 1, vec!["desk".to_owned(), "shift-lead".to_owned()])));

    // Nothing keeps quiet for a claim before the first rung of a routine request.
    let mut routine = Story::held(Nature::Routine, 1);
    assert_eq!(page(&routine.wake(at(6))), None, "its lease ends");
    routine.act("ana", at(7), Deed::Claim);
    assert_eq!(page(&routine.release(at(8))), None);
}

#[test]
fn what_kept_quiet_on_any_clock_is_said_when_the_case_is_given_back() {
    let mut story = Story::answered(Nature::MissingChild, IN_PROGRESS);
    story.release(at(6));
    story.act("ana", at(119), Deed::Claim);
    let events = story.act("ana", at(121), Deed::Renew(story.epoch()));
    assert_eq!(rungs_of(ClockKind::Completion, &events), (vec![], vec![120]));
    let events = story.release(at(122));
    let key = events.iter().find_map(|event| match event {
        Event::Paged(page) => Some((page.key.clock, page.key.cycle, page.cause)),
        _ => None,
    });
    assert_eq!(key, Some((ClockKind::Completion, 1, PageCause::ClaimReleased)));
}

#[test]
fn a_case_is_handed_over_with_its_running_clock() {
    let mut story = Story::held(Nature::MissingChild, 1);
    let events = story.act("ana", at(4), Deed::HandOver(1, subject("bo")));
    let (by, to) = (subject("ana"), subject("bo"));
    let handed = Event::HandedOver { by, to: to.clone(), epoch: 2, expires_at: at(9) };
    assert_eq!(*events.last().unwrap(), handed);
    assert_eq!(page(&events), None, "somebody has it");
    let claim = story.case.claim.clone().unwrap();
    assert_eq!((claim.by, claim.epoch, claim.granted_at), (to, 2, at(4)));
    assert!(claim.has_quieted, "what kept quiet for the one keeps quiet for the other");
    for deed in [Deed::Renew(1), Deed::Release(1), Deed::HandOver(1, subject("lea"))] {
        assert_eq!(story.refusal("ana", at(5), deed), Refusal::EpochOver);
    }
    assert_eq!(story.refusal("ana", at(5), Deed::Claim), Refusal::ClaimedByAnother);
    story.act("bo", at(5), Deed::Renew(2));
    // Given back by the second, the rung that kept quiet for the first is said.
    let events = story.act("bo", at(6), Deed::Release(2));
    assert_eq!(page(&events).map(|(minute, ..)| minute), Some(3));
}

#[test]
fn whoever_does_not_take_up_what_was_handed_over_loses_it() {
    let mut story = Story::held(Nature::MissingChild, 1);
    story.act("ana", at(2), Deed::HandOver(1, subject("bo")));
    let events = story.wake(at(7));
    assert_eq!(rungs(&events), (vec![7], vec![3]), "the claim is over at that very instant");
    assert!(events.contains(&Event::ClaimLost { epoch: 2, expired_at: at(7) }));
    assert!(project(&story.case).ready.is_some());
}

#[test]
fn what_cannot_be_handed_over_is_refused() {
    let mut story = Story::held(Nature::MissingChild, 1);
    let to_herself = Deed::HandOver(1, subject("ana"));
    assert_eq!(story.refusal("ana", at(2), to_herself), Refusal::NothingToChange);
    story.act("ana", at(2), Deed::Respond(1, FirstResponseKind::NoData));
    let to_bo = Deed::HandOver(1, subject("bo"));
    assert_eq!(story.refusal("ana", at(3), to_bo), Refusal::CaseEnded);
    assert_eq!(story.refusal("bo", at(3), Deed::Claim), Refusal::CaseEnded);
    for deed in [Deed::Renew(1), Deed::Release(1)] {
        assert_eq!(story.refusal("ana", at(3), deed), Refusal::EpochOver);
    }
}

#[test]
fn a_page_is_acknowledged_by_its_key_and_no_clock_stops() {
    let mut story = Story::of(Nature::MissingChild);
    story.wake(at(3));
    let case = story.case.id;
    let key = |cycle, minute| PageKey {
        case,
        clock: ClockKind::FirstResponse,
        cycle,
        offset: minutes(minute),
    };
    for minute in [0, 3] {
        let before = story.case.clone();
        let events = story.act("bo", at(4), Deed::AcknowledgePage(key(0, minute)));
        assert_eq!(events, [Event::PageAcknowledged { by: subject("bo"), key: key(0, minute) }]);
        let seen = story.case.page(key(0, minute)).unwrap().acknowledged.clone().unwrap();
        assert_eq!((seen.by, seen.at), (subject("bo"), at(4)));
        assert_eq!(story.case.latest_acknowledged().unwrap().0, key(0, minute));
        assert_eq!(project(&story.case), project(&before));
        assert_eq!(story.case.clocks, before.clocks);
    }
    let elsewhere =
        urgence::core::CaseId::derive(&"de-bka".parse().unwrap(), &"r-1".parse().unwrap());
    for unknown in [
        key(0, 7),
        key(0, 4),
        key(1, 3),
        key(0, 33),
        PageKey { case: elsewhere, ..key(0, 3) },
        PageKey { clock: ClockKind::Reply, ..key(0, 0) },
        PageKey { clock: ClockKind::Completion, ..key(0, 120) },
    ] {
        let refusal = story.refusal("bo", at(5), Deed::AcknowledgePage(unknown));
        assert_eq!(refusal, Refusal::PageNotFound, "{unknown:?}");
    }
    // A repeat is a rung of its own, and a page of an earlier cycle may be seen late.
    story.act("ana", at(31), Deed::Claim);
    let mut late = story.clone();
    late.wake(at(36));
    // One page stood for several rungs, and nobody has seen what was not sent.
    let refusal = late.refusal("bo", at(37), Deed::AcknowledgePage(key(0, 33)));
    assert_eq!(refusal, Refusal::PageNotFound);
    story.wake(at(33));
    story.wake(at(36));
    for seen in [key(0, 30), key(0, 33), key(1, 36)] {
        story.act("bo", at(37), Deed::AcknowledgePage(seen));
    }
}

#[test]
fn a_page_may_be_acknowledged_when_the_case_has_ended() {
    let mut story = Story::held(Nature::MissingChild, 1);
    story.act("ana", at(2), Deed::Respond(1, FirstResponseKind::NoData));
    let clock = ClockKind::FirstResponse;
    let key = PageKey { case: story.case.id, clock, cycle: 0, offset: minutes(0) };
    story.act("bo", at(3), Deed::AcknowledgePage(key));
}
