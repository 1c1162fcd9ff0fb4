//! What an authority does to its own case: take it back, have data kept, confirm what arrived.

use urgence::core::intake::Choice;
use urgence::core::projection::project;
use urgence::core::{
    ClockKind, DataCategory, Deed, Disposition, Ending, Event, FirstResponseKind, Instrument, Mark,
    Nature, Outcome, Proposed, Punctuality, Refusal, Settlement, State, Subject,
};

use crate::make::{
    IN_PROGRESS, Story, approve, ask_for, at, by_category, called_back, days, hours, just_before,
    minutes, page, rungs_of,
};

const DAY: u64 = 24 * 60;

fn portal() -> Subject {
    "portal".parse().unwrap()
}

#[test]
fn a_withdrawal_counts_when_a_person_has_confirmed_it() {
    let mut story = Story::held(Nature::MissingChild, 1);
    let unasked = story.refusal("ana", at(1), Deed::ConfirmWithdrawal(1));
    assert_eq!(unasked, Refusal::WithdrawalNotRequested);
    let events = story.act("portal", at(2), Deed::Withdraw);
    assert_eq!(events, [Event::WithdrawalRequested { by: portal() }]);
    assert_eq!(story.refusal("portal", at(2), Deed::Withdraw), Refusal::NothingToChange);
    assert_eq!(story.case.state(), State::Received);
    assert!(story.case.is_unanswered(), "it may be somebody else's: the clock goes on");
    for (by, epoch) in [("bo", 1), ("ana", 2)] {
        let refusal = story.refusal(by, at(2), Deed::ConfirmWithdrawal(epoch));
        assert_eq!(refusal, Refusal::EpochOver);
    }
    let events = story.act("ana", at(4), Deed::ConfirmWithdrawal(1));
    let (by, took) = ("ana".parse().unwrap(), minutes(4));
    let ended = Event::Ended { by, outcome: Outcome::Withdrawn, took };
    assert!(events.contains(&ended));
    assert!(!events.iter().any(|event| matches!(event, Event::Responded { .. })));
    assert_eq!(
        (story.case.state(), story.case.state_shown()),
        (State::Withdrawn, State::Withdrawn)
    );
    assert!(!story.case.is_unanswered() && story.case.first_response.is_none());
    assert_eq!(story.case.ended.unwrap().purge_at, at(4) + days(90));
    assert_eq!(story.refusal("portal", at(5), Deed::Withdraw), Refusal::CaseEnded);
    assert_eq!(story.refusal("ana", at(5), Deed::ConfirmWithdrawal(1)), Refusal::CaseEnded);
    assert!(story.wake(at(60 * DAY)).is_empty());
}

#[test]
fn a_withdrawal_brings_a_case_that_waits_for_its_authority_back_into_the_queue() {
    let mut story = Story::answered(Nature::MissingChild, FirstResponseKind::NeedInformation);
    story.release(at(6));
    assert_eq!(project(&story.case).ready, None);
    story.act("portal", at(7), Deed::Withdraw);
    assert!(project(&story.case).ready.is_some());
    story.work(at(8), Deed::ConfirmWithdrawal);
    assert_eq!(story.case.state(), State::Withdrawn);
}

#[test]
fn a_preservation_is_extended_once_and_ends_as_a_term_without_a_breach() {
    let kind = ClockKind::Preservation;
    let mut story = Story::answered(Nature::Routine, FirstResponseKind::NoData);
    let events = story.act("portal", at(10), Deed::RequestPreservation);
    let (target_at, limit_at) = (at(10) + days(83), at(10) + days(90));
    assert_eq!(
        events,
        [
            Event::PreservationRequested { by: portal() },
            Event::ClockStarted { clock: kind, target_at, limit_at },
        ]
    );
    assert_eq!(rungs_of(kind, &story.wake(target_at)), (vec![83 * DAY], vec![]));
    let events = story.act("portal", at(84 * DAY), Deed::RequestPreservation);
    let limit_at = limit_at + days(90);
    assert!(events.contains(&Event::ClockExtended { clock: kind, limit_at }));
    assert_eq!(story.promised(kind), (10 + 173 * DAY, 10 + 180 * DAY));
    let refusal = story.refusal("portal", at(85 * DAY), Deed::RequestPreservation);
    assert_eq!(refusal, Refusal::AlreadyExtended);
    assert_eq!(rungs_of(kind, &story.wake(just_before(at(10) + days(173)))), (vec![], vec![]));
    let events = story.wake(at(10) + days(173));
    assert_eq!(rungs_of(kind, &events), (vec![83 * DAY], vec![]));
    assert_eq!(page(&events).unwrap().1, 1, "of a new cycle");
    let events = story.wake(limit_at);
    let mark = events.iter().find_map(|event| match event {
        Event::RungFired(record) => record.mark,
        _ => None,
    });
    assert_eq!(mark, Some(Mark::Limit));
    let stopped = events.iter().find_map(|event| match event {
        Event::ClockStopped { clock, punctuality } => Some((*clock, *punctuality)),
        _ => None,
    });
    assert_eq!(stopped, Some((kind, Punctuality::WithinLimit)), "a term is not broken by its end");
    assert!(story.case.clock(kind).unwrap().is_stopped());
}

#[test]
fn a_preservation_that_is_over_may_be_asked_for_again() {
    let mut story = Story::answered(Nature::Routine, IN_PROGRESS);
    story.act("portal", at(6), Deed::RequestPreservation);
    story.act("portal", at(7), Deed::RequestPreservation);
    story.wake(at(200 * DAY));
    let events = story.act("portal", at(201 * DAY), Deed::RequestPreservation);
    let clock = ClockKind::Preservation;
    assert!(events.iter().any(|event| {
        matches!(event, Event::ClockStarted { clock: started, .. } if *started == clock)
    }));
    assert_eq!(story.promised(clock), ((201 + 83) * DAY, (201 + 90) * DAY));
    assert_eq!(story.case.clock(clock).unwrap().cycle, 2);
}

#[test]
fn a_preservation_order_is_extended_in_its_own_clock() {
    let mut story = Story::with(Nature::Routine, |s| {
        s.instrument = Choice::Known(Instrument::PreservationOrder);
    });
    story.act("portal", at(1), Deed::RequestPreservation);
    assert_eq!(story.promised(ClockKind::EEvidencePreservation), (83 * DAY, 90 * DAY));
    assert!(story.case.clock(ClockKind::Preservation).is_none());
    let refusal = story.refusal("portal", at(2), Deed::RequestPreservation);
    assert_eq!(refusal, Refusal::AlreadyExtended);
}

/// A case about two categories; the first has gone out as number 1 at minute 3.
fn partly_disclosed() -> Story {
    let categories = [DataCategory::Subscriber, DataCategory::Traffic];
    let mut story = Story::with(Nature::MissingChild, |s| ask_for(s, &categories));
    story.act("ana", at(1), Deed::Claim);
    story.act("bo", at(1), Deed::RecordVerification(called_back("fr-pnij")));
    disclose(&mut story, 2, DataCategory::Subscriber);
    story
}

fn disclose(story: &mut Story, minute: u64, category: DataCategory) {
    let proposed = by_category(&[(category, Disposition::Disclosed)]);
    story.work(at(minute), |epoch| Deed::ProposeOutcome(epoch, proposed));
    story.act("bo", at(minute + 1), approve(story.case.proposals));
}

#[test]
fn a_delivery_that_nobody_confirms_is_told_within_a_day() {
    let kind = ClockKind::DeliveryConfirmation;
    let mut story = partly_disclosed();
    disclose(&mut story, 4, DataCategory::Traffic);
    assert_eq!(story.case.state(), State::Delivered);
    let sent_at = at(3);
    assert_eq!(story.promised(kind), (3 + 12 * 60, 3 + 24 * 60));
    let events = story.wake(sent_at + hours(12));
    assert_eq!(rungs_of(kind, &events), (vec![12 * 60], vec![]));
    story.wake(just_before(sent_at + hours(24)));
    assert!(!story.case.clock(kind).unwrap().is_overdue());
    let events = story.wake(sent_at + hours(24));
    assert_eq!(rungs_of(kind, &events), (vec![24 * 60], vec![]));
    assert!(story.case.clock(kind).unwrap().is_overdue());
    let contacts = vec!["desk".to_owned(), "shift-lead".to_owned()];
    assert_eq!(page(&events), Some((24 * 60, 0, contacts)));
    assert_eq!(rungs_of(kind, &story.wake(sent_at + hours(48))).0, [48 * 60]);
}

#[test]
fn a_delivery_that_is_never_confirmed_is_settled_and_then_purged_in_its_time() {
    let kind = ClockKind::DeliveryConfirmation;
    let mut story = partly_disclosed();
    disclose(&mut story, 4, DataCategory::Traffic);
    for kind in [ClockKind::UserNotice, kind] {
        assert!(!story.wake(at(366 * DAY)).contains(&Event::Purged));
        story.act("bo", at(366 * DAY), Deed::SettleClock(kind, Settlement::Waived));
    }
    assert!(story.case.clock(kind).unwrap().is_overdue(), "it was not confirmed in time");
    assert_eq!(story.wake(at(367 * DAY)), [Event::Purged], "when its pages are closed");
    // A confirmation that comes before the purge is a fact all the same.
    let mut story = partly_disclosed();
    story.act("bo", at(5), Deed::SettleClock(kind, Settlement::Failed));
    let events = story.act("portal", at(6), Deed::ConfirmDelivery(1));
    assert_eq!(*events.last().unwrap(), Event::DeliveryConfirmed { by: portal(), number: 1 });
}

#[test]
fn each_delivery_is_confirmed_by_its_number() {
    let kind = ClockKind::DeliveryConfirmation;
    let mut story = partly_disclosed();
    disclose(&mut story, 4, DataCategory::Traffic);
    for number in [0, 3] {
        let refusal = story.refusal("portal", at(6), Deed::ConfirmDelivery(number));
        assert_eq!(refusal, Refusal::DisclosureNotFound);
    }
    let events = story.act("portal", at(6), Deed::ConfirmDelivery(2));
    assert_eq!(events, [Event::DeliveryConfirmed { by: portal(), number: 2 }]);
    assert_eq!(story.case.disclosures[1].confirmed_at, Some(at(6)));
    assert!(story.case.runs(kind), "the other is not confirmed");
    assert_eq!(story.case.state(), State::Delivered);
    let refusal = story.refusal("portal", at(7), Deed::ConfirmDelivery(2));
    assert_eq!(refusal, Refusal::NothingToChange);
    let events = story.act("portal", at(8), Deed::ConfirmDelivery(1));
    let punctuality = Punctuality::WithinTarget;
    assert_eq!(events[1], Event::ClockStopped { clock: kind, punctuality });
    assert_eq!((story.case.state(), story.case.state_shown()), (State::Closed, State::Closed));
}

#[test]
fn the_next_delivery_after_a_confirmed_one_has_a_clock_of_its_own() {
    let mut story = partly_disclosed();
    story.act("portal", at(4), Deed::ConfirmDelivery(1));
    assert_eq!(story.case.state(), State::Collecting, "the rest is worked on");
    disclose(&mut story, 100, DataCategory::Traffic);
    let confirmation = story.case.clock(ClockKind::DeliveryConfirmation).unwrap();
    assert_eq!((confirmation.started_at, confirmation.cycle), (at(101), 1));
}

#[test]
fn a_delivery_is_awaited_from_its_own_hour_whatever_went_out_before() {
    let kind = ClockKind::DeliveryConfirmation;
    let mut story = partly_disclosed();
    disclose(&mut story, 20 * 60, DataCategory::Traffic);
    let sent_at = story.case.disclosures[1].at;
    let (first, second) = (story.case.disclosures[0].number, story.case.disclosures[1].number);
    assert_eq!(story.case.clock(kind).unwrap().started_at, at(3), "the oldest counts");
    let events = story.act("portal", at(23 * 60), Deed::ConfirmDelivery(first));
    let punctuality = Punctuality::WithinLimit;
    assert_eq!(events[1], Event::ClockStopped { clock: kind, punctuality });
    let clock = story.case.clock(kind).unwrap();
    assert_eq!((clock.started_at, clock.limit_at), (sent_at, sent_at + hours(24)));
    story.wake(at(25 * 60));
    assert!(!story.case.clock(kind).unwrap().is_overdue(), "five hours old");
    story.act("portal", at(26 * 60), Deed::ConfirmDelivery(second));
    assert!(!story.case.runs(kind));
}

#[test]
fn what_was_settled_by_hand_is_no_longer_awaited() {
    let kind = ClockKind::DeliveryConfirmation;
    let mut story = partly_disclosed();
    story.act("bo", at(5), Deed::SettleClock(kind, Settlement::Failed));
    disclose(&mut story, 100, DataCategory::Traffic);
    story.act("portal", at(102), Deed::ConfirmDelivery(2));
    assert!(!story.case.runs(kind), "the first was settled");
    assert_eq!(story.case.state(), State::Delivered, "and is still not confirmed");
}

#[test]
fn a_sending_is_numbered_by_sendings_since_the_authority_sees_it() {
    let mut story = partly_disclosed();
    let fraud = Proposed::Whole(Ending::FraudConfirmed);
    story.work(at(4), |epoch| Deed::ProposeOutcome(epoch, fraud));
    disclose(&mut story, 5, DataCategory::Traffic);
    assert_eq!(story.case.proposals, 3);
    let numbers = story.case.disclosures.iter().map(|sent| sent.number);
    assert_eq!(numbers.collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn while_a_withdrawal_waits_nothing_goes_out_and_a_false_one_is_declined() {
    let mut story = partly_disclosed();
    let proposed = by_category(&[(DataCategory::Traffic, Disposition::Disclosed)]);
    story.work(at(4), |epoch| Deed::ProposeOutcome(epoch, proposed));
    let refusal = story.refusal("ana", at(4), Deed::DeclineWithdrawal(story.epoch()));
    assert_eq!(refusal, Refusal::WithdrawalNotRequested);
    story.act("portal", at(5), Deed::Withdraw);
    assert_eq!(story.refusal("bo", at(6), approve(2)), Refusal::WithdrawalWaits);
    let refusal = story.refusal("bo", at(6), Deed::DeclineWithdrawal(story.epoch()));
    assert_eq!(refusal, Refusal::EpochOver, "whoever holds the case finds out");
    let events = story.work(at(6), Deed::DeclineWithdrawal);
    let by = "ana".parse().unwrap();
    assert_eq!(*events.last().unwrap(), Event::WithdrawalDeclined { by });
    assert_eq!(story.case.withdrawal_at, None);
    story.act("bo", at(7), approve(2));
    assert_eq!(story.case.disclosures.len(), 2);
    // It may be asked for again, and then be true.
    let mut again = partly_disclosed();
    again.act("portal", at(5), Deed::Withdraw);
    again.work(at(6), Deed::DeclineWithdrawal);
    again.act("portal", at(7), Deed::Withdraw);
    again.work(at(8), Deed::ConfirmWithdrawal);
    assert!(again.case.has_ended());
}
