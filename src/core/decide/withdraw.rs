//! Withdraw: the authority takes the request back. Its clocks go on until a person confirms it: a
//! withdrawal may be somebody else's.

use super::{Refusal, Transition};
use crate::core::event::Event;
use crate::core::names::Subject;

pub(super) fn apply(transition: &mut Transition<'_>, by: &Subject) -> Result<(), Refusal> {
    transition.must_be_open()?;
    if transition.case.withdrawal_at.is_some() {
        return Err(Refusal::NothingToChange);
    }
    transition.case.withdrawal_at = Some(transition.now);
    transition.events.push(Event::WithdrawalRequested { by: by.clone() });
    Ok(())
}
