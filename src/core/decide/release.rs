//! Release: the holder gives the case back. It returns to its place, and what kept quiet for the
//! claim is said now: nobody else knows that the case is waiting again.

use super::{Epoch, Refusal, Transition};
use crate::core::event::Event;
use crate::core::names::Subject;
use crate::core::page::PageCause;

pub(super) fn apply(
    transition: &mut Transition<'_>,
    by: &Subject,
    epoch: Epoch,
) -> Result<(), Refusal> {
    if !transition.is_held(by, epoch) {
        return Err(Refusal::EpochOver);
    }
    let has_quieted = transition.case.claim.take().is_some_and(|claim| claim.has_quieted);
    transition.events.push(Event::ClaimReleased { epoch });
    if has_quieted {
        transition.page_again(PageCause::ClaimReleased);
    }
    Ok(())
}
