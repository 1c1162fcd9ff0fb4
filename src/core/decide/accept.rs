//! Accept: a request becomes a case, its clocks start, and the rung at offset 0 fires.

use std::collections::BTreeMap;

use super::{Decision, Refusal, Transition};
use crate::core::case::{Case, Promised};
use crate::core::clock::{Clock, ClockKind};
use crate::core::data::Instrument;
use crate::core::event::Event;
use crate::core::intake::Intake;
use crate::core::memory::Memory;
use crate::core::policy::Policy;
use crate::core::time::Timestamp;
use crate::core::verification::Verification;

pub(super) fn decide(
    existing: Option<&Case>,
    intake: &Intake,
    now: Timestamp,
    policy: &Policy,
) -> Decision {
    match existing {
        Some(case) if case.request_digest == intake.digest => Decision::AlreadyTrue,
        Some(_) => Decision::Refused(Refusal::RequestIdReused),
        None => accept(intake, now, policy).finish(),
    }
}

fn accept<'a>(intake: &Intake, now: Timestamp, policy: &'a Policy) -> Transition<'a> {
    let clocks = clocks(intake, now, policy);
    let band = policy.band(intake.nature);
    let promised = clocks.get(&ClockKind::FirstResponse);
    let promised = promised.expect("every case is made with this clock");
    let promised = Promised { target_at: promised.target_at, limit_at: promised.limit_at };
    let case = Case {
        id: intake.case_id(),
        version: 0,
        authority: intake.authority.clone(),
        nature: intake.nature,
        band,
        facts: intake.facts.clone(),
        policy: policy.id(),
        request_digest: intake.digest,
        accepted_at: now,
        promised,
        last_event_at: now,
        clocks,
        first_response: None,
        claim: None,
        claim_epoch: 0,
        asked_at: None,
        withdrawal_at: None,
        verification: Verification::Unverified,
        conflicts: BTreeMap::new(),
        lowering: None,
        proposal: None,
        proposals: 0,
        dispositions: BTreeMap::new(),
        disclosures: Vec::new(),
        ended: None,
        risks: intake.risks.clone(),
        likely_duplicates: intake.likely_duplicates.clone(),
        linked: BTreeMap::new(),
        incident: intake.incident.clone(),
        legal_hold: None,
        pages: Vec::new(),
        purged_at: None,
        memory: Memory::default(),
    };
    let accepted = Event::Accepted {
        nature: intake.nature,
        band,
        target_at: promised.target_at,
        limit_at: promised.limit_at,
    };
    let joined = case.incident.clone().map(|incident| Event::IncidentJoined { incident });
    let found = case.likely_duplicates.clone();
    let found = (!found.is_empty()).then_some(Event::LikelyDuplicatesFound { cases: found });
    let risks = case.risks.clone();
    let seen = (!risks.is_empty()).then_some(Event::RisksSeen { risks });
    let mut transition = Transition::of(case, now, policy);
    transition.actor.clone_from(&intake.by);
    transition.digest = Some(intake.digest);
    transition.events = [accepted].into_iter().chain(joined).chain(found).chain(seen).collect();
    transition.fire_due();
    transition
}

/// The clocks that start with the request itself.
fn clocks(intake: &Intake, now: Timestamp, policy: &Policy) -> BTreeMap<ClockKind, Clock> {
    let mut kinds = vec![ClockKind::FirstResponse, ClockKind::Completion];
    match intake.facts.instrument {
        Instrument::EmergencyProductionOrder => kinds.push(ClockKind::EEvidenceEmergency),
        Instrument::ProductionOrder => kinds.push(ClockKind::EEvidence),
        Instrument::PreservationOrder => kinds.push(ClockKind::EEvidencePreservation),
        Instrument::EmergencyRequest
        | Instrument::CourtOrder
        | Instrument::MutualLegalAssistance
        | Instrument::NationalOrder => {}
    }
    if intake.is_without_validation {
        kinds.push(ClockKind::ExPostValidation);
    }
    if intake.is_preservation_requested && !kinds.contains(&ClockKind::EEvidencePreservation) {
        kinds.push(ClockKind::Preservation);
    }
    let class = intake.nature.class();
    let start = |kind| Clock::start(kind, class, policy.clock(kind, class), now, 0);
    let mut clocks: BTreeMap<_, _> = kinds.into_iter().map(|kind| (kind, start(kind))).collect();
    if let Some(end) = intake.non_disclosure_until {
        let promise = policy.clock(ClockKind::NonDisclosure, class);
        let clock = Clock::ending_at(ClockKind::NonDisclosure, class, promise, end, now);
        clocks.insert(ClockKind::NonDisclosure, clock);
    }
    clocks
}
