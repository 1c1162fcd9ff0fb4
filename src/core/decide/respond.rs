//! Respond: a person's first substantive answer stops the first-response clock.

use super::{Epoch, Refusal, Transition};
use crate::core::case::{FirstResponse, FirstResponseKind};
use crate::core::event::Event;
use crate::core::names::Subject;

pub(super) fn apply(
    transition: &mut Transition<'_>,
    by: &Subject,
    epoch: Epoch,
    kind: FirstResponseKind,
) -> Result<(), Refusal> {
    if !transition.case.is_unanswered() {
        return Err(Refusal::AlreadyAnswered);
    }
    if kind.discloses() {
        return Err(Refusal::DisclosureNotApproved);
    }
    // A first response is a fact: the authority has it, whatever became of the claim since. Only an
    // epoch that was never granted shows that the caller did not work on this case.
    if epoch == 0 || epoch > transition.case.claim_epoch {
        return Err(Refusal::EpochOver);
    }
    let is_claim_lost = !transition.is_held(by, epoch);
    if !is_claim_lost {
        transition.extend_claim();
    }
    let now = transition.now;
    let case = &mut transition.case;
    case.first_response = Some(FirstResponse { kind, at: now, by: by.clone(), is_claim_lost });
    if case.state().is_final() {
        case.claim = None;
    }
    transition.events.push(Event::Responded {
        by: by.clone(),
        kind,
        waited: case.waited(now),
        band: case.band,
        punctuality: case.punctuality(now),
        is_claim_lost,
    });
    Ok(())
}
