//! Pause clock: a promise stands still for a stated reason. What an authority waits for never does.

use super::{Epoch, Refusal, Transition};
use crate::core::clock::{ClockKind, ClockState, PauseReason};
use crate::core::event::Event;
use crate::core::names::Subject;

pub(super) fn apply(
    transition: &mut Transition<'_>,
    by: &Subject,
    epoch: Epoch,
    kind: ClockKind,
    reason: PauseReason,
) -> Result<(), Refusal> {
    if !kind.is_pausable() {
        return Err(Refusal::ClockNotPausable);
    }
    transition.must_be_held(by, epoch)?;
    let is_founded = transition.is_founded(kind, reason);
    let clock = transition.case.clocks.get_mut(&kind).filter(|clock| clock.is_running());
    let clock = clock.ok_or(Refusal::ClockNotRunning)?;
    if !is_founded {
        return Err(Refusal::PauseUnfounded);
    }
    clock.state = ClockState::Paused { since: transition.now, reason };
    transition.events.push(Event::ClockPaused { by: by.clone(), clock: kind, reason });
    Ok(())
}

impl Transition<'_> {
    /// Whether the reason holds. In an emergency the review of a notified authority suspends nothing, and
    /// what the authority was asked is a reason as long as it owes the answer.
    fn is_founded(&self, kind: ClockKind, reason: PauseReason) -> bool {
        let case = &self.case;
        match reason {
            PauseReason::AwaitingInformation => case.asked_at.is_some(),
            PauseReason::ConflictReview => {
                case.facts.categories.iter().any(|category| case.conflicts_over(*category))
            }
            PauseReason::NotifiedAuthorityReview => kind == ClockKind::EEvidence,
            PauseReason::Clarification => {
                matches!(kind, ClockKind::EEvidence | ClockKind::EEvidenceEmergency)
            }
        }
    }
}
