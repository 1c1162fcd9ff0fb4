//! Settle clock: a duty that nothing in the case itself can show to be done is told to be.

use super::{Refusal, Transition};
use crate::core::caller::Role;
use crate::core::clock::ClockKind;
use crate::core::event::{Event, Settlement};
use crate::core::memory::Act;

pub(super) fn apply(
    transition: &mut Transition<'_>,
    act: &Act,
    kind: ClockKind,
    settlement: Settlement,
) -> Result<(), Refusal> {
    if !kind.is_settled_by_hand() {
        return Err(Refusal::ClockNotSettled);
    }
    // Whoever ends the secrecy early lets the person concerned be told.
    if kind == ClockKind::NonDisclosure && !act.has_role(Role::LegalReviewer) {
        return Err(Refusal::LegalReviewerNeeded);
    }
    let clock = transition.case.clocks.get_mut(&kind).filter(|clock| clock.is_running());
    let clock = clock.ok_or(Refusal::ClockNotRunning)?;
    clock.settlement = Some(settlement);
    let by = act.by.clone();
    transition.events.push(Event::ClockSettled { by, clock: kind, settlement });
    if kind.is_term() {
        transition.end_term(kind, transition.now);
    } else {
        transition.stop_clock(kind, transition.now);
    }
    Ok(())
}
