//! Renew: the holder of a claim extends it.

use super::{Epoch, Refusal, Transition};
use crate::core::names::Subject;

pub(super) fn apply(
    transition: &mut Transition<'_>,
    by: &Subject,
    epoch: Epoch,
) -> Result<(), Refusal> {
    if !transition.is_held(by, epoch) {
        return Err(Refusal::EpochOver);
    }
    transition.renew_claim();
    Ok(())
}
