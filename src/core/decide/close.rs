//! The end of a case: its promises end, its duties go on, and it is nobody's any more.

use std::time::Duration;

use super::Transition;
use crate::core::answer::RefusalReason;
use crate::core::clock::ClockKind;
use crate::core::event::Event;
use crate::core::names::Subject;
use crate::core::outcome::{Ended, Outcome};

/// Nothing was said in a synthetic case, and the next one follows soon.
const SYNTHETIC_KEPT_FOR: Duration = Duration::from_hours(1);

impl Transition<'_> {
    /// Ends the case. What went out before is not undone by how the rest of it ended.
    pub(super) fn end(&mut self, by: &Subject, outcome: Outcome, refusal: Option<RefusalReason>) {
        let now = self.now;
        let is_told = matches!(outcome, Outcome::DisclosedFull | Outcome::FraudConfirmed);
        let outcome = if self.case.disclosures.is_empty() || is_told {
            outcome
        } else {
            Outcome::DisclosedPartial
        };
        for kind in ClockKind::ALL.iter().copied() {
            // Without a disclosure there is nothing that a validation could still make lawful, and
            // nothing that the person concerned could be told.
            let is_moot = self.case.disclosures.is_empty()
                && matches!(kind, ClockKind::ExPostValidation | ClockKind::NonDisclosure);
            if !kind.outlives_case() || is_moot {
                self.stop_clock(kind, now);
            }
        }
        let kept_for = |outcome| {
            if self.case.is_synthetic() {
                SYNTHETIC_KEPT_FOR
            } else {
                self.policy.retention(self.case.retention_class(outcome))
            }
        };
        let has_disclosed = !self.case.disclosures.is_empty();
        let shown_until = now + kept_for(outcome.shown(has_disclosed));
        // What the authority is shown the desk has as well.
        let purge_at = shown_until.max(now + kept_for(outcome));
        self.case.ended = Some(Ended { outcome, refusal, at: now, purge_at, shown_until });
        self.case.claim = None;
        self.case.proposal = None;
        self.case.lowering = None;
        self.case.asked_at = None;
        let took = now.since(self.case.accepted_at);
        self.events.push(Event::Ended { by: by.clone(), outcome, took });
    }
}
