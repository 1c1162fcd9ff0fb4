//! Ask for information: the authority is asked something. The first question of all is a first
//! response, and given as one.

use super::{Epoch, Refusal, Transition};
use crate::core::clock::ClockKind;
use crate::core::event::Event;
use crate::core::names::Subject;

pub(super) fn apply(
    transition: &mut Transition<'_>,
    by: &Subject,
    epoch: Epoch,
) -> Result<(), Refusal> {
    transition.must_be_held(by, epoch)?;
    transition.must_be_answered()?;
    let now = transition.now;
    transition.events.push(Event::Asked { by: by.clone() });
    transition.stop_clock(ClockKind::Reply, now);
    transition.stop_clock(ClockKind::Progress, now);
    transition.wait_for_authority();
    Ok(())
}

impl Transition<'_> {
    /// From now on the authority owes an answer; a clock of its own keeps the case from being forgotten.
    pub(super) fn wait_for_authority(&mut self) {
        self.case.asked_at = Some(self.now);
        self.start_clock(ClockKind::Question, self.now);
    }
}
