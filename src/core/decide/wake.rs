//! Wake: nothing but what is due, which every decision does first.

use super::{Decision, Transition};

pub(super) fn decide(transition: Transition<'_>) -> Decision {
    transition.finish()
}
