//! Set legal hold: what was said is kept beyond its time, or no longer is.

use super::{Refusal, Transition};
use crate::core::event::Event;
use crate::core::names::Subject;

pub(super) fn apply(
    transition: &mut Transition<'_>,
    by: &Subject,
    is_held: bool,
) -> Result<(), Refusal> {
    if transition.case.legal_hold.is_some() == is_held {
        return Err(Refusal::NothingToChange);
    }
    transition.case.legal_hold = is_held.then(|| by.clone());
    transition.events.push(Event::LegalHoldSet { by: by.clone(), is_held });
    Ok(())
}
