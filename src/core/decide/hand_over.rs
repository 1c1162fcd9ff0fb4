//! Hand over: the holder passes the case on, so that nobody goes off shift holding a running clock.
//! Whoever gets it has the length of a lease to take it up; else it returns to the queue and pages.

use super::{Epoch, Refusal, Transition};
use crate::core::event::Event;
use crate::core::names::Subject;

pub(super) fn apply(
    transition: &mut Transition<'_>,
    by: &Subject,
    epoch: Epoch,
    to: &Subject,
) -> Result<(), Refusal> {
    transition.must_be_held(by, epoch)?;
    if by == to {
        return Err(Refusal::NothingToChange);
    }
    let (epoch, expires_at) = transition.lease_to(to);
    // Nobody has taken it up yet: if they never do, people are told.
    if let Some(claim) = &mut transition.case.claim {
        claim.has_quieted = true;
    }
    transition.events.push(Event::HandedOver { by: by.clone(), to: to.clone(), epoch, expires_at });
    Ok(())
}
