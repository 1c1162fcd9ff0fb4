//! Taking a request in: which clocks start, what is paged, where the case waits.

use urgence::core::intake::{Choice, Moment};
use urgence::core::projection::{Place, project};
use urgence::core::{
    ClockKind, Command, Decision, Deed, Event, Instrument, Lane, Mark, Nature, PageCause, Refusal,
    State, Timestamp, decide,
};

use crate::make::{
    MS, START, Story, accept, accepted, act, at, days, intake, intake_with, just_before, next,
    page, policy, rungs, rungs_of,
};

const DAY: u64 = 24 * 60;

#[test]
fn an_emergency_starts_its_clocks_and_pages_the_desk_at_once() {
    let next = accept("r-1", Nature::MissingChild, START);
    let case = &next.case;
    assert_eq!((case.version, case.state(), case.band.number()), (1, State::Received, 1));
    assert_eq!(case.state_shown(), State::Received);
    let clock = case.first_response_clock();
    assert_eq!((clock.started_at, clock.target_at, clock.limit_at), (START, at(20), at(30)));
    let completion = case.clock(ClockKind::Completion).unwrap();
    assert_eq!((completion.target_at, completion.limit_at), (at(180), at(240)));
    assert_eq!(case.clocks.len(), 2);
    let (target_at, limit_at) = (at(20), at(30));
    let (nature, band) = (Nature::MissingChild, case.band);
    assert_eq!(next.events[0], Event::Accepted { nature, band, target_at, limit_at });
    assert_eq!(rungs(&next.events), (vec![0], vec![]));
    assert_eq!(page(&next.events), Some((0, 0, vec!["desk".to_owned()])));
    let projected = project(case);
    assert_eq!(projected.wake_at, Some(at(3)));
    assert_eq!(projected.ready, Some((Lane::Ordinary, Place::new(case.band, at(30)))));
    assert_eq!(projected.unanswered, Some(Place::new(case.band, at(30))));
    assert_eq!((projected.claimed, projected.accepted_at), (None, START));
    assert!(!projected.is_purged);
}

#[test]
fn a_routine_request_pages_nobody_yet() {
    let mut story = Story::of(Nature::Routine);
    assert_eq!(story.case.band.number(), 3);
    assert_eq!(story.promised(ClockKind::FirstResponse), (DAY, 3 * DAY));
    assert_eq!(story.promised(ClockKind::Completion), (7 * DAY, 10 * DAY));
    assert_eq!(project(&story.case).wake_at, Some(at(DAY / 2)));
    assert_eq!(story.wake(just_before(at(DAY / 2))), []);
    assert_eq!(rungs(&story.wake(at(DAY / 2))), (vec![DAY / 2], vec![]));
}

#[test]
fn a_repeated_submit_finds_its_case_and_another_content_is_refused() {
    let case = accepted(Nature::MissingChild);
    let mut intake = intake("r-1", Nature::MissingChild);
    let policy = policy();
    let repeat = decide(Some(&case), &Command::Accept(intake.clone()), at(500), policy);
    assert_eq!(repeat, Decision::AlreadyTrue);
    intake.digest.0[31] ^= 1;
    let other = decide(Some(&case), &Command::Accept(intake), at(1), policy);
    assert_eq!(other, Decision::Refused(Refusal::RequestIdReused));
}

#[test]
fn a_command_without_a_case_is_refused() {
    let sorting = urgence::core::Sorting::JoinIncident("paris".parse().unwrap());
    for command in
        [Command::Wake, Command::Act(act("ana", "1"), Deed::Claim), Command::Sort(sorting)]
    {
        let decision = decide(None, &command, START, policy());
        assert_eq!(decision, Decision::Refused(Refusal::CaseNotFound));
    }
}

#[test]
fn each_instrument_brings_its_clock() {
    for (instrument, clock) in [
        (Instrument::EmergencyRequest, None),
        (Instrument::CourtOrder, None),
        (Instrument::MutualLegalAssistance, None),
        (Instrument::NationalOrder, None),
        (
            Instrument::EmergencyProductionOrder,
            Some((ClockKind::EEvidenceEmergency, (6 * 60, 8 * 60))),
        ),
        (Instrument::ProductionOrder, Some((ClockKind::EEvidence, (8 * DAY, 10 * DAY)))),
        (
            Instrument::PreservationOrder,
            Some((ClockKind::EEvidencePreservation, (53 * DAY, 60 * DAY))),
        ),
    ] {
        for nature in [Nature::BombThreat, Nature::Routine] {
            let story = Story::with(nature, |s| s.instrument = Choice::Known(instrument));
            let others =
                story.case.clocks.keys().copied().filter(|kind| {
                    !matches!(kind, ClockKind::FirstResponse | ClockKind::Completion)
                });
            let others: Vec<_> = others.map(|kind| (kind, story.promised(kind))).collect();
            assert_eq!(others, Vec::from_iter(clock), "{instrument:?}");
        }
    }
}

#[test]
fn an_emergency_order_has_a_ladder_of_hours() {
    let mut story = Story::with(Nature::Kidnapping, |s| {
        s.instrument = Choice::Known(Instrument::EmergencyProductionOrder);
    });
    let events = story.wake(at(10 * 60));
    let kind = ClockKind::EEvidenceEmergency;
    assert_eq!(rungs_of(kind, &events), (vec![240, 360, 480, 540, 600], vec![]));
    let marks: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::RungFired(record) if record.clock == kind => record.mark,
            _ => None,
        })
        .collect();
    assert_eq!(marks, [Mark::Target, Mark::Limit]);
}

#[test]
fn an_order_without_validation_and_a_preservation_start_clocks_of_their_own() {
    let story = Story::with(Nature::ThreatToLife, |s| {
        s.is_without_validation = true;
        s.preservation.is_requested = true;
    });
    assert_eq!(story.promised(ClockKind::ExPostValidation), (36 * 60, 48 * 60));
    assert_eq!(story.promised(ClockKind::Preservation), (83 * DAY, 90 * DAY));
    // A preservation order already preserves.
    let story = Story::with(Nature::ThreatToLife, |s| {
        s.instrument = Choice::Known(Instrument::PreservationOrder);
        s.preservation.is_requested = true;
    });
    assert!(story.case.clock(ClockKind::Preservation).is_none());
    assert!(story.case.runs(ClockKind::EEvidencePreservation));
}

/// A case whose person concerned must not be told before `until`.
fn secret_until(until: Timestamp) -> urgence::core::Next {
    let intake = intake_with("r-1", Nature::Routine, |s| {
        s.non_disclosure.is_requested = true;
        s.non_disclosure.legal_basis = "Code".to_owned();
        let seconds = i64::try_from(until.as_millis() / 1_000).unwrap();
        s.non_disclosure.until = Some(Moment { seconds, nanos: 0 });
    });
    next(decide(None, &Command::Accept(intake), START, policy()))
}

#[test]
fn a_non_disclosure_ends_when_it_was_asked_to_and_warns_a_week_before() {
    let kind = ClockKind::NonDisclosure;
    for (until, first_due) in [(40, 33), (10, 3), (7, 0), (6, 6), (1, 1)] {
        let next = secret_until(START + days(until));
        let clock = next.case.clock(kind).unwrap();
        assert_eq!(clock.limit_at, START + days(until));
        let has_fired = !rungs_of(kind, &next.events).0.is_empty();
        // What lies before the acceptance is left out; what lies at it is not.
        assert_eq!(has_fired, until == 7);
        let due_at = if has_fired { clock.target_at } else { clock.next_due_at };
        assert_eq!(due_at, START + days(first_due), "until {until}");
    }
}

#[test]
fn a_non_disclosure_that_is_over_ends_at_once() {
    for until in
        [START, Timestamp::from_millis(0), Timestamp::from_millis(START.as_millis() - 1_000)]
    {
        let next = secret_until(until);
        let clock = next.case.clock(ClockKind::NonDisclosure).unwrap();
        assert!(clock.is_stopped());
        let page = next.events.iter().find_map(|event| match event {
            Event::Paged(page) => Some(page),
            _ => None,
        });
        assert_eq!(page.unwrap().cause, PageCause::Due);
    }
}

#[test]
fn a_case_may_belong_to_an_incident_from_the_start() {
    let mut intake = intake("r-1", Nature::MissingChild);
    let incident: urgence::core::IncidentName = "paris-2026".parse().unwrap();
    intake.incident = Some(incident.clone());
    let next = next(decide(None, &Command::Accept(intake), START, policy()));
    assert_eq!(next.events[1], Event::IncidentJoined { incident });
    let place = Place::new(next.case.band, at(30));
    assert_eq!(project(&next.case).ready, Some((Lane::Incident, place)));
}

#[test]
fn a_request_id_names_one_case_of_its_authority() {
    let ids = [("fr-pnij", "1"), ("fr-pnij", "2"), ("de-bka", "1")].map(|(authority, id)| {
        urgence::core::CaseId::derive(&authority.parse().unwrap(), &id.parse().unwrap())
    });
    assert!(ids[0] != ids[1] && ids[0] != ids[2] && ids[1] != ids[2]);
    let (early, late) = (accepted(Nature::Routine), accept("r-1", Nature::Routine, START + MS));
    assert_eq!(early.id, late.case.id);
}
