//! Resume clock: a promise goes on, later by exactly as long as it stood still.

use super::{Epoch, Refusal, Transition};
use crate::core::clock::{ClockKind, ClockState};
use crate::core::event::Event;
use crate::core::names::Subject;

pub(super) fn apply(
    transition: &mut Transition<'_>,
    by: &Subject,
    epoch: Epoch,
    kind: ClockKind,
) -> Result<(), Refusal> {
    transition.must_be_held(by, epoch)?;
    transition.resume(by, kind)
}

impl Transition<'_> {
    pub(super) fn resume(&mut self, by: &Subject, kind: ClockKind) -> Result<(), Refusal> {
        let clock = self.case.clocks.get_mut(&kind);
        let clock = clock.filter(|clock| matches!(clock.state, ClockState::Paused { .. }));
        let clock = clock.ok_or(Refusal::ClockNotPaused)?;
        let paused_for = clock.resume(self.now, self.policy.clock(kind, clock.class));
        self.events.push(Event::ClockResumed { by: by.clone(), clock: kind, paused_for });
        Ok(())
    }
}
