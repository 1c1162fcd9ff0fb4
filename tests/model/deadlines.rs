//! Where every deadline must be after a commit: where it was, later only by what was told, and earlier
//! only by a raise.

use std::time::Duration;

use urgence::core::{Class, Clock, ClockKind, Event, FirstResponseKind};

use crate::ledger::{Observed, Rule};
use crate::policy::policy;
use crate::world::Filed;

impl Observed<'_> {
    /// How far each clock was told to move. That a pause was as long as it is told to have been is not
    /// believed.
    pub(crate) fn follow_clock(&mut self, event: &Event) {
        match event {
            Event::ClockPaused { clock, .. } => {
                let is_first = self.ledger.paused.insert(*clock, self.decided_at).is_none();
                let is_promised_to_somebody = clock.is_response();
                self.must(is_first && !is_promised_to_somebody, Rule::Deadlines);
            }
            Event::ClockResumed { clock, paused_for, .. } => {
                let lasted = self.ledger.paused.remove(clock).map(|at| self.decided_at.since(at));
                self.must(lasted == Some(*paused_for), Rule::Deadlines);
                self.moved.extend(lasted.map(|lasted| (*clock, lasted)));
            }
            Event::ClockStopped { clock, .. } => {
                // What stands still when it ends goes on first.
                let lasted = self.ledger.paused.remove(clock).map(|at| self.decided_at.since(at));
                self.moved.extend(lasted.map(|lasted| (*clock, lasted)));
            }
            Event::ClockExtended { clock, .. } => {
                self.moved.extend(policy().extension(*clock).map(|extension| (*clock, extension)));
            }
            _ => {}
        }
    }

    /// Compares every clock that there was and every one that there is.
    pub(crate) fn deadlines(&mut self) {
        let Some(before) = self.before.map(Filed::case) else { return };
        let after = &self.next.case;
        let was_raised =
            (before.nature.class(), after.nature.class()) == (Class::Routine, Class::Emergency);
        let are_kept = before.clocks.keys().all(|kind| after.clocks.contains_key(kind));
        let are_right = after.clocks.iter().all(|(kind, is)| {
            let is_started =
                self.next.events.iter().any(
                    |event| matches!(event, Event::ClockStarted { clock, .. } if clock == kind),
                );
            match before.clock(*kind).filter(|_| !is_started) {
                Some(was) => deadlines_of(is) == self.expected(was, was_raised),
                None => {
                    let is_asked_for = self.next.events.iter().any(|event| starts(event, *kind));
                    is_started && is_asked_for && is.started_at == self.decided_at
                }
            }
        });
        self.must(are_kept && are_right, Rule::Deadlines);
    }

    /// Where the deadlines of a clock must be that was not started again.
    fn expected(&self, was: &Clock, was_raised: bool) -> Deadlines {
        let by = self.moved.get(&was.kind).copied().unwrap_or_default();
        let mut expected = deadlines_of(was).map(|at| at + by);
        expected[0] = was.started_at;
        if was_raised && !was.is_stopped() {
            let promise = policy().clock(was.kind, Class::Emergency);
            let promised = |length: Duration| was.started_at + was.shifted_by + by + length;
            expected[1] = expected[1].min(promised(promise.target));
            expected[2] = expected[2].min(promised(promise.limit));
        }
        expected
    }
}

/// Start, target and limit.
type Deadlines = [urgence::core::Timestamp; 3];

const fn deadlines_of(clock: &Clock) -> Deadlines {
    [clock.started_at, clock.target_at, clock.limit_at]
}

/// Whether this is what a clock of this kind starts with, again or for the first time.
const fn starts(event: &Event, kind: ClockKind) -> bool {
    match kind {
        ClockKind::Reply => matches!(event, Event::InformationProvided { was_asked: true, .. }),
        ClockKind::Question => matches!(
            event,
            Event::Asked { .. } | Event::Responded { kind: FirstResponseKind::NeedInformation, .. }
        ),
        ClockKind::Progress => matches!(
            event,
            Event::Updated { .. }
                | Event::OutcomeApproved { .. }
                | Event::Responded { kind: FirstResponseKind::InProgress { .. }, .. }
        ),
        ClockKind::Preservation => matches!(event, Event::PreservationRequested { .. }),
        ClockKind::DeliveryConfirmation | ClockKind::UserNotice => {
            matches!(event, Event::Disclosed { .. })
        }
        ClockKind::FirstResponse
        | ClockKind::Completion
        | ClockKind::EEvidenceEmergency
        | ClockKind::EEvidence
        | ClockKind::EEvidencePreservation
        | ClockKind::ExPostValidation
        | ClockKind::NonDisclosure => false,
    }
}
