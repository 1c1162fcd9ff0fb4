//! Request preservation: the authority asks that data be kept from deletion. Freezing is not
//! disclosing, so it waits for no verification and for no answer.

use super::{Refusal, Transition};
use crate::core::clock::ClockKind;
use crate::core::event::Event;
use crate::core::names::Subject;

pub(super) fn apply(transition: &mut Transition<'_>, by: &Subject) -> Result<(), Refusal> {
    let kinds = [ClockKind::EEvidencePreservation, ClockKind::Preservation];
    let running = kinds.into_iter().find(|kind| transition.case.runs(*kind));
    transition.events.push(Event::PreservationRequested { by: by.clone() });
    if let Some(kind) = running {
        return transition.extend_clock(kind);
    }
    transition.start_clock(ClockKind::Preservation, transition.now);
    Ok(())
}

impl Transition<'_> {
    /// Extends a running term by what the policy allows, once.
    fn extend_clock(&mut self, kind: ClockKind) -> Result<(), Refusal> {
        let (now, policy) = (self.now, self.policy);
        let clock = self.case.clocks.get_mut(&kind).filter(|clock| !clock.is_extended);
        let clock = clock.ok_or(Refusal::AlreadyExtended)?;
        let extension = policy.extension(kind).ok_or(Refusal::AlreadyExtended)?;
        clock.extend(extension, policy.clock(kind, clock.class), now);
        let limit_at = clock.limit_at;
        self.events.push(Event::ClockExtended { clock: kind, limit_at });
        Ok(())
    }
}
