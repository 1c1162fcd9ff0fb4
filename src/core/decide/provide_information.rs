//! Provide information: the authority tells the desk something. If it was asked, the desk owes it an
//! answer as quickly as the first, so that a question never buys time.

use super::{Refusal, Transition};
use crate::core::clock::{Clock, ClockKind, ClockState, PauseReason};
use crate::core::event::Event;
use crate::core::names::Subject;

pub(super) fn apply(transition: &mut Transition<'_>, by: &Subject) -> Result<(), Refusal> {
    // A validation may be handed in when the case has ended.
    if !transition.case.runs(ClockKind::ExPostValidation) {
        transition.must_be_open()?;
    }
    let was_asked = transition.case.asked_at.take().is_some();
    transition.events.push(Event::InformationProvided { by: by.clone(), was_asked });
    if was_asked {
        transition.stop_clock(ClockKind::Question, transition.now);
        transition.start_clock(ClockKind::Reply, transition.now);
    }
    transition.resume_what_waited(by)
}

impl Transition<'_> {
    /// What stood still until the authority answers goes on.
    fn resume_what_waited(&mut self, by: &Subject) -> Result<(), Refusal> {
        let waits = |clock: &&Clock| {
            let reason = PauseReason::AwaitingInformation;
            matches!(clock.state, ClockState::Paused { reason: found, .. } if found == reason)
        };
        let clocks = self.case.clocks.values().filter(waits);
        let waiting: Vec<ClockKind> = clocks.map(|clock| clock.kind).collect();
        waiting.into_iter().try_for_each(|kind| self.resume(by, kind))
    }
}
