//! Confirm delivery: the authority has what went out. A sending that nobody confirms may have gone to
//! somebody else.

use super::{Refusal, Transition};
use crate::core::clock::ClockKind;
use crate::core::event::Event;
use crate::core::names::Subject;

pub(super) fn apply(
    transition: &mut Transition<'_>,
    by: &Subject,
    number: u32,
) -> Result<(), Refusal> {
    let now = transition.now;
    let mut disclosures = transition.case.disclosures.iter_mut();
    let disclosure = disclosures.find(|disclosure| disclosure.number == number);
    let disclosure = disclosure.ok_or(Refusal::DisclosureNotFound)?;
    if disclosure.confirmed_at.is_some() {
        return Err(Refusal::NothingToChange);
    }
    disclosure.confirmed_at = Some(now);
    transition.events.push(Event::DeliveryConfirmed { by: by.clone(), number });
    let mut disclosures = transition.case.disclosures.iter();
    if disclosures.all(|disclosure| disclosure.confirmed_at.is_some()) {
        transition.stop_clock(ClockKind::DeliveryConfirmation, now);
    }
    Ok(())
}
