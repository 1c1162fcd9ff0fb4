//! Provide information: the authority tells the desk something. If it was asked, the desk owes it an
//! answer as quickly as the first, so that a question never buys time.

use super::{Refusal, Transition};
use crate::core::clock::ClockKind;
use crate::core::event::Event;
use crate::core::names::Subject;

pub(super) fn apply(transition: &mut Transition<'_>, by: &Subject) -> Result<(), Refusal> {
    transition.must_be_open()?;
    let was_asked = transition.case.asked_at.take().is_some();
    transition.events.push(Event::InformationProvided { by: by.clone(), was_asked });
    if was_asked {
        transition.stop_clock(ClockKind::Question, transition.now);
        transition.start_clock(ClockKind::Reply, transition.now);
    }
    Ok(())
}
