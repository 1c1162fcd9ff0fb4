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
    let (now, policy) = (transition.now, transition.policy);
    let clock = transition.case.clocks.get_mut(&kind);
    let clock = clock.filter(|clock| matches!(clock.state, ClockState::Paused { .. }));
    let clock = clock.ok_or(Refusal::ClockNotPaused)?;
    let paused_for = clock.resume(now, policy.clock(kind, clock.class));
    transition.events.push(Event::ClockResumed { by: by.clone(), clock: kind, paused_for });
    Ok(())
}
