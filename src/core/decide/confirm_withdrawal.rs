//! Confirm withdrawal: a person has made sure that the authority itself takes the request back.

use super::{Epoch, Refusal, Transition};
use crate::core::clock::ClockKind;
use crate::core::names::Subject;
use crate::core::outcome::Outcome;

pub(super) fn apply(
    transition: &mut Transition<'_>,
    by: &Subject,
    epoch: Epoch,
) -> Result<(), Refusal> {
    transition.must_be_held(by, epoch)?;
    if transition.case.withdrawal_at.is_none() {
        return Err(Refusal::WithdrawalNotRequested);
    }
    transition.stop_clock(ClockKind::FirstResponse, transition.now);
    transition.end(by, Outcome::Withdrawn, None);
    Ok(())
}
