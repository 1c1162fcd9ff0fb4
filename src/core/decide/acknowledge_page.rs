//! Acknowledge page: somebody is awake. It is recorded and shown, and stops no clock.

use super::{Refusal, Transition};
use crate::core::case::Acknowledgement;
use crate::core::event::{Event, PageKey};
use crate::core::names::Subject;

pub(super) fn apply(
    transition: &mut Transition<'_>,
    by: &Subject,
    key: PageKey,
) -> Result<(), Refusal> {
    let clock = transition.case.clock(key.clock).filter(|_| key.case == transition.case.id);
    let clock = clock.filter(|clock| key.cycle <= clock.cycle).ok_or(Refusal::PageNotFound)?;
    let ladder = &transition.promise_of(clock).ladder;
    // Of an earlier cycle every rung may have been passed; of this one, those before the next.
    let is_passed = match ladder.number_at(key.offset) {
        Some(number) => key.cycle < clock.cycle || number < clock.next_rung,
        None => false,
    };
    if !is_passed {
        return Err(Refusal::PageNotFound);
    }
    let at = transition.now;
    transition.case.acknowledgement = Some(Acknowledgement { key, by: by.clone(), at });
    transition.events.push(Event::PageAcknowledged { by: by.clone(), key });
    Ok(())
}
