//! Accept: a request becomes a case, its clock starts, and the rung at offset 0 fires.

use super::{Decision, Refusal, Transition};
use crate::core::case::Case;
use crate::core::clock::Clock;
use crate::core::event::Event;
use crate::core::intake::Intake;
use crate::core::memory::Memory;
use crate::core::policy::Policy;
use crate::core::time::Timestamp;

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
    let clock = Clock::first_response(policy.promise(intake.nature.class()), now);
    let band = policy.band(intake.nature);
    let accepted = Event::Accepted {
        nature: intake.nature,
        band,
        target_at: clock.target_at,
        limit_at: clock.limit_at,
    };
    let case = Case {
        id: intake.case_id(),
        version: 0,
        authority: intake.authority.clone(),
        nature: intake.nature,
        band,
        policy: policy.id(),
        request_digest: intake.digest,
        accepted_at: now,
        last_event_at: now,
        clock,
        first_response: None,
        claim: None,
        claim_epoch: 0,
        memory: Memory::default(),
    };
    Transition::of(case, vec![accepted], now, policy)
}
