//! Send update: the desk says how the work goes. It answers a reply, and the next word is due within
//! the hour.

use std::time::Duration;

use super::{Epoch, Refusal, Transition};
use crate::core::clock::ClockKind;
use crate::core::event::Event;
use crate::core::names::Subject;

pub(super) fn apply(
    transition: &mut Transition<'_>,
    by: &Subject,
    epoch: Epoch,
    expected_within: Option<Duration>,
) -> Result<(), Refusal> {
    transition.must_be_held(by, epoch)?;
    transition.must_be_answered()?;
    let now = transition.now;
    transition.events.push(Event::Updated { by: by.clone(), expected_within });
    transition.stop_clock(ClockKind::Reply, now);
    transition.stop_clock(ClockKind::Progress, now);
    // While the authority owes an answer, it is not the desk that is waited for.
    if transition.case.asked_at.is_none() {
        transition.start_clock(ClockKind::Progress, now);
    }
    Ok(())
}

impl Transition<'_> {
    /// Refuses what comes after the first response.
    pub(super) fn must_be_answered(&self) -> Result<(), Refusal> {
        if self.case.is_unanswered() { Err(Refusal::NotAnswered) } else { Ok(()) }
    }
}
