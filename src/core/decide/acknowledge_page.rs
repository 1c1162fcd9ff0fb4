//! Acknowledge page: somebody is awake. It is recorded and shown, and stops no clock.

use super::{Refusal, Transition};
use crate::core::clock::Clock;
use crate::core::event::Event;
use crate::core::names::Subject;
use crate::core::page::{Acknowledged, PageKey};

pub(super) fn apply(
    transition: &mut Transition<'_>,
    by: &Subject,
    key: PageKey,
) -> Result<(), Refusal> {
    let at = transition.now;
    let record = transition.case.pages.iter_mut().find(|record| record.page.key == key);
    // The page of what falls due with this very act is in nobody's hands yet.
    let record = record.ok_or(Refusal::PageNotFound)?;
    // Who was first shows how fast somebody was awake; the events name everybody.
    record.acknowledged.get_or_insert_with(|| Acknowledged { by: by.clone(), at });
    transition.events.push(Event::PageAcknowledged { by: by.clone(), key });
    // What tells that a term is over has nothing else to end it.
    if transition.case.clock(key.clock).is_some_and(Clock::is_stopped) {
        transition.close_pages(|page| page.key == key);
    }
    Ok(())
}
