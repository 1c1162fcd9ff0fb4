//! What is owed beyond the answer: a validation afterwards, and a word to the person concerned.

use urgence::core::intake::{Choice, Moment};
use urgence::core::{
    ClockKind, DataCategory, Deed, Disposition, Event, FirstResponseKind, Instrument, Nature,
    Punctuality, Refusal, Settlement,
};

use crate::make::{Story, approve, at, by_category, called_back, hours, page, rungs_of};

const DAY: u64 = 24 * 60;

/// Discloses what was asked for, at `minute`.
fn disclose(story: &mut Story, minute: u64) -> Vec<Event> {
    story.act("bo", at(minute), Deed::RecordVerification(called_back("fr-pnij")));
    let proposed = by_category(&[(DataCategory::Subscriber, Disposition::Disclosed)]);
    story.work(at(minute), |epoch| Deed::ProposeOutcome(epoch, proposed));
    story.act("bo", at(minute), approve(1))
}

/// A request whose person concerned must not be told for so many days.
fn secret_for(count: u64, instrument: Instrument) -> Story {
    Story::with(Nature::MissingChild, |s| {
        s.instrument = Choice::Known(instrument);
        s.non_disclosure.is_requested = true;
        s.non_disclosure.legal_basis = "Code".to_owned();
        let seconds = i64::try_from(at(count * DAY).as_millis() / 1_000).unwrap();
        s.non_disclosure.until = Some(Moment { seconds, nanos: 0 });
    })
}

#[test]
fn the_person_concerned_is_told_when_they_may_be() {
    let (secrecy, notice) = (ClockKind::NonDisclosure, ClockKind::UserNotice);
    let mut story = secret_for(40, Instrument::CourtOrder);
    disclose(&mut story, 2);
    assert!(!story.case.runs(notice));
    let events = story.wake(at(33 * DAY));
    assert!(page(&events).unwrap().2.contains(&"legal-on-call".to_owned()));
    // Seen a day late, the duty still counts from the end of the term.
    let events = story.wake(at(41 * DAY));
    let punctuality = Punctuality::WithinLimit;
    let stopped = Event::ClockStopped { clock: secrecy, punctuality };
    let (target_at, limit_at) = (at(54 * DAY), at(70 * DAY));
    let started = Event::ClockStarted { clock: notice, target_at, limit_at };
    let place = events.iter().position(|event| *event == stopped);
    assert!(place.is_some_and(|place| events[place + 1] == started), "{events:?}");
    assert_eq!(rungs_of(notice, &story.wake(at(70 * DAY))).0, [14 * DAY, 30 * DAY]);
    let by = "bo".parse().unwrap();
    let settlement = Settlement::Kept;
    let events = story.act("bo", at(70 * DAY + 1), Deed::SettleClock(notice, settlement));
    let settled = Event::ClockSettled { by, clock: notice, settlement };
    let punctuality = Punctuality::Breached;
    let closed = Event::PagesClosed { clock: notice };
    assert_eq!(events, [settled, closed, Event::ClockStopped { clock: notice, punctuality }]);
}

#[test]
fn without_secrecy_the_duty_to_tell_starts_with_the_first_disclosure() {
    let mut story = Story::of(Nature::MissingChild);
    disclose(&mut story, 2);
    assert_eq!(story.promised(ClockKind::UserNotice), (2 + 14 * DAY, 2 + 30 * DAY));
    // A term that has ended before the disclosure holds nothing up.
    let mut late = secret_for(1, Instrument::NationalOrder);
    late.wake(at(DAY));
    assert!(!late.case.runs(ClockKind::UserNotice), "nothing has gone out");
    disclose(&mut late, 2 * DAY);
    assert_eq!(late.promised(ClockKind::UserNotice), (16 * DAY, 32 * DAY));
}

#[test]
fn where_the_issuer_tells_the_person_the_desk_does_not() {
    for instrument in [Instrument::ProductionOrder, Instrument::EmergencyProductionOrder] {
        let mut story = secret_for(40, instrument);
        disclose(&mut story, 2);
        story.wake(at(40 * DAY));
        assert!(story.case.clock(ClockKind::NonDisclosure).unwrap().is_stopped());
        assert!(story.case.clock(ClockKind::UserNotice).is_none());
    }
}

fn without_validation() -> Story {
    Story::with(Nature::MissingChild, |s| s.is_without_validation = true)
}

#[test]
fn a_validation_is_awaited_for_two_days_and_settled_by_hand() {
    let kind = ClockKind::ExPostValidation;
    for settlement in Settlement::ALL.iter().copied() {
        let mut story = without_validation();
        disclose(&mut story, 2);
        assert!(story.case.has_ended() && story.case.runs(kind));
        let events = story.wake(at(0) + hours(36));
        assert_eq!(rungs_of(kind, &events), (vec![36 * 60], vec![]));
        let events = story.act("lea", at(40 * 60), Deed::SettleClock(kind, settlement));
        let (by, punctuality) = match settlement {
            Settlement::Kept | Settlement::Waived => {
                ("lea".parse().unwrap(), Punctuality::WithinLimit)
            }
            Settlement::Failed => ("lea".parse().unwrap(), Punctuality::Breached),
        };
        assert_eq!(
            events,
            [
                Event::ClockSettled { by, clock: kind, settlement },
                Event::PagesClosed { clock: kind },
                Event::ClockStopped { clock: kind, punctuality },
            ]
        );
        assert_eq!(story.case.clock(kind).unwrap().settlement, Some(settlement));
        let refusal = story.refusal("lea", at(40 * 60), Deed::SettleClock(kind, settlement));
        assert_eq!(refusal, Refusal::ClockNotRunning);
    }
    let mut overdue = without_validation();
    disclose(&mut overdue, 2);
    assert_eq!(rungs_of(kind, &overdue.wake(at(3 * DAY))).0, [36 * 60, 48 * 60, 72 * 60]);
}

#[test]
fn where_nothing_went_out_there_is_nothing_to_validate() {
    let mut story = without_validation();
    let no_data = FirstResponseKind::NoData;
    let events = story.work(at(2), |epoch| Deed::Respond(epoch, no_data));
    let clock = ClockKind::ExPostValidation;
    let punctuality = Punctuality::WithinTarget;
    assert!(events.contains(&Event::ClockStopped { clock, punctuality }));
}

#[test]
fn only_what_nothing_else_shows_is_settled_by_hand() {
    let story = Story::of(Nature::MissingChild);
    for kind in ClockKind::ALL.iter().copied() {
        let by_hand = [
            ClockKind::ExPostValidation,
            ClockKind::UserNotice,
            ClockKind::NonDisclosure,
            ClockKind::DeliveryConfirmation,
        ];
        let is_by_hand = by_hand.contains(&kind);
        let refusal = story.refusal("lea", at(1), Deed::SettleClock(kind, Settlement::Kept));
        let why = if is_by_hand { Refusal::ClockNotRunning } else { Refusal::ClockNotSettled };
        assert_eq!(refusal, why, "{kind:?}");
    }
}

#[test]
fn every_duty_outlives_its_case_and_every_promise_ends_with_it() {
    let mut story = secret_for(40, Instrument::CourtOrder);
    story.act("portal", at(1), Deed::RequestPreservation);
    disclose(&mut story, 2);
    let running: Vec<_> =
        story.case.clocks.keys().copied().filter(|kind| story.case.runs(*kind)).collect();
    let duties =
        [ClockKind::Preservation, ClockKind::NonDisclosure, ClockKind::DeliveryConfirmation];
    assert_eq!(running, duties);
    assert_eq!(story.promised(ClockKind::Preservation).1, 1 + 90 * DAY);
}

#[test]
fn what_was_not_validated_discloses_nothing_more_and_a_validation_may_come_after_the_end() {
    let kind = ClockKind::ExPostValidation;
    let mut story = without_validation();
    story.act("bo", at(1), Deed::RecordVerification(called_back("fr-pnij")));
    let proposed = by_category(&[(DataCategory::Subscriber, Disposition::Disclosed)]);
    story.work(at(2), |epoch| Deed::ProposeOutcome(epoch, proposed));
    let mut disclosed = story.clone();
    story.act("lea", at(3), Deed::SettleClock(kind, Settlement::Failed));
    assert_eq!(story.refusal("bo", at(3), approve(1)), Refusal::ValidationFailed);
    // The authority hands it in when the case has ended, as long as it is awaited.
    disclosed.act("bo", at(3), approve(1));
    assert!(disclosed.case.has_ended());
    let events = disclosed.act("portal", at(4), Deed::ProvideInformation);
    let (by, was_asked) = ("portal".parse().unwrap(), false);
    assert_eq!(events, [Event::InformationProvided { by, was_asked }]);
    disclosed.act("lea", at(5), Deed::SettleClock(kind, Settlement::Kept));
    let refusal = disclosed.refusal("portal", at(6), Deed::ProvideInformation);
    assert_eq!(refusal, Refusal::CaseEnded);
}

#[test]
fn secrecy_is_ended_early_by_a_jurist_alone() {
    let kind = ClockKind::NonDisclosure;
    let mut story = secret_for(40, Instrument::CourtOrder);
    let settle = || Deed::SettleClock(kind, Settlement::Waived);
    assert_eq!(story.refusal("bo", at(1), settle()), Refusal::LegalReviewerNeeded);
    story.act("lea", at(1), settle());
    assert!(!story.case.runs(kind));
}
