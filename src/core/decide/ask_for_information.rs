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
    transition.case.asked_at = Some(now);
    Ok(())
}
