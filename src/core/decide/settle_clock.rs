//! Settle clock: a duty that nothing in the case itself can show to be done is told to be.

use super::{Refusal, Transition};
use crate::core::clock::ClockKind;
use crate::core::event::{Event, Settlement};
use crate::core::names::Subject;

pub(super) fn apply(
    transition: &mut Transition<'_>,
    by: &Subject,
    kind: ClockKind,
    settlement: Settlement,
) -> Result<(), Refusal> {
    if !kind.is_settled_by_hand() {
        return Err(Refusal::ClockNotSettled);
    }
    if !transition.case.runs(kind) {
        return Err(Refusal::ClockNotRunning);
    }
    transition.events.push(Event::ClockSettled { by: by.clone(), clock: kind, settlement });
    if kind.is_term() {
        transition.end_term(kind, transition.now);
    } else {
        transition.stop_clock(kind, transition.now);
    }
    Ok(())
}
