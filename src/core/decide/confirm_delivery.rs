//! Confirm delivery: the authority has what went out. A sending that nobody confirms may have gone to
//! somebody else.

use super::{Refusal, Transition};
use crate::core::clock::ClockKind;
use crate::core::event::Event;
use crate::core::names::Subject;

pub(super) fn apply(
    transition: &mut Transition<'_>,
    by: &Subject,
    number: u32,
) -> Result<(), Refusal> {
    let now = transition.now;
    let mut disclosures = transition.case.disclosures.iter_mut();
    let disclosure = disclosures.find(|disclosure| disclosure.number == number);
    let disclosure = disclosure.ok_or(Refusal::DisclosureNotFound)?;
    if disclosure.confirmed_at.is_some() {
        return Err(Refusal::NothingToChange);
    }
    disclosure.confirmed_at = Some(now);
    transition.events.push(Event::DeliveryConfirmed { by: by.clone(), number });
    transition.follow_deliveries();
    Ok(())
}

impl Transition<'_> {
    /// Lets the clock run from the oldest sending that nobody has confirmed, and stops it where there
    /// is none. What was sent before the clock last started was settled by hand.
    fn follow_deliveries(&mut self) {
        let kind = ClockKind::DeliveryConfirmation;
        let Some(clock) = self.case.clock(kind).filter(|clock| clock.is_running()) else { return };
        let started_at = clock.started_at;
        let waiting = self.case.disclosures.iter().filter(|sent| sent.confirmed_at.is_none());
        let oldest = waiting.map(|sent| sent.at).filter(|at| *at >= started_at).min();
        if oldest == Some(started_at) {
            return;
        }
        self.stop_clock(kind, self.now);
        if let Some(sent_at) = oldest {
            self.start_clock(kind, sent_at);
            if let Some(clock) = self.case.clocks.get_mut(&kind) {
                // Its rungs until now were those of the sending before it.
                clock.climbed_since = self.now;
            }
        }
    }
}
