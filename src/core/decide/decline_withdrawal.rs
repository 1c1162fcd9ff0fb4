//! Decline withdrawal: a person has found out that the authority did not take the request back. It goes
//! on, and whoever said so is told.

use super::{Epoch, Refusal, Transition};
use crate::core::event::Event;
use crate::core::names::Subject;

pub(super) fn apply(
    transition: &mut Transition<'_>,
    by: &Subject,
    epoch: Epoch,
) -> Result<(), Refusal> {
    transition.must_be_held(by, epoch)?;
    transition.case.withdrawal_at.take().ok_or(Refusal::WithdrawalNotRequested)?;
    transition.events.push(Event::WithdrawalDeclined { by: by.clone() });
    Ok(())
}
