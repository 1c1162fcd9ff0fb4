//! Starting and stopping clocks: the one way for all of them.

use super::Transition;
use crate::core::answer::Punctuality;
use crate::core::clock::{Clock, ClockKind};
use crate::core::event::{Event, Settlement};
use crate::core::policy::Promise;
use crate::core::time::Timestamp;

impl<'a> Transition<'a> {
    /// The promise that a clock of the case carries.
    pub(super) fn promise_of(&self, clock: &Clock) -> &'a Promise {
        self.policy.clock(clock.kind, clock.class)
    }

    /// Starts a clock at `at`; one that ran before is started again, as a new cycle.
    pub(super) fn start_clock(&mut self, kind: ClockKind, at: Timestamp) {
        let class = self.case.nature.class();
        let cycle = self.case.clock(kind).map_or(0, |clock| clock.cycle + 1);
        let clock = Clock::start(kind, class, self.policy.clock(kind, class), at, cycle);
        let (target_at, limit_at) = (clock.target_at, clock.limit_at);
        self.close_pages_of(kind);
        self.case.clocks.insert(kind, clock);
        self.events.push(Event::ClockStarted { clock: kind, target_at, limit_at });
    }

    /// Stops a clock, if it has not stopped before.
    pub(super) fn stop_clock(&mut self, kind: ClockKind, at: Timestamp) {
        let Some(clock) = self.case.clocks.get_mut(&kind).filter(|clock| !clock.is_stopped())
        else {
            return;
        };
        clock.stop(at);
        let clock = clock.clone();
        self.close_pages_of(kind);
        // The first response has an event of its own, which says more.
        if kind != ClockKind::FirstResponse {
            // A term that has come to its end has broken nothing.
            let is_over = kind.is_term() && at >= clock.limit_at;
            let is_refused =
                kind == ClockKind::ExPostValidation && clock.settlement == Some(Settlement::Failed);
            let punctuality = if is_refused {
                Punctuality::Breached
            } else if is_over {
                Punctuality::WithinLimit
            } else {
                clock.punctuality(at)
            };
            self.events.push(Event::ClockStopped { clock: kind, punctuality });
        }
    }
}
