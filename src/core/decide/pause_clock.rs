//! Pause clock: a promise stands still for a stated reason. What an authority waits for never does.

use super::{Epoch, Refusal, Transition};
use crate::core::clock::{ClockKind, ClockState, PauseReason};
use crate::core::event::Event;
use crate::core::names::Subject;

pub(super) fn apply(
    transition: &mut Transition<'_>,
    by: &Subject,
    epoch: Epoch,
    kind: ClockKind,
    reason: PauseReason,
) -> Result<(), Refusal> {
    if !kind.is_pausable() {
        return Err(Refusal::ClockNotPausable);
    }
    transition.must_be_held(by, epoch)?;
    let clock = transition.case.clocks.get_mut(&kind).filter(|clock| clock.is_running());
    let clock = clock.ok_or(Refusal::ClockNotRunning)?;
    clock.state = ClockState::Paused { since: transition.now, reason };
    transition.events.push(Event::ClockPaused { by: by.clone(), clock: kind, reason });
    Ok(())
}
