//! Claim: a responder leases the case. It quiets the ordinary rungs and stops no clock.

use super::{Refusal, Transition};
use crate::core::case::Claim;
use crate::core::event::Event;
use crate::core::names::Subject;

pub(super) fn apply(transition: &mut Transition<'_>, by: &Subject) -> Result<(), Refusal> {
    if transition.case.state().is_final() {
        return Err(Refusal::CaseEnded);
    }
    match &transition.case.claim {
        // The holder asks again: an act on the case, which extends the lease it already has.
        Some(claim) if claim.by == *by => transition.renew_claim(),
        Some(_) => return Err(Refusal::ClaimedByAnother),
        None => transition.grant_claim(by),
    }
    Ok(())
}

impl Transition<'_> {
    fn grant_claim(&mut self, by: &Subject) {
        let epoch = self.case.claim_epoch + 1;
        let expires_at = self.now + self.policy.lease();
        self.case.claim_epoch = epoch;
        self.case.claim = Some(Claim {
            by: by.clone(),
            epoch,
            granted_at: self.now,
            expires_at,
            has_quieted: false,
        });
        self.events.push(Event::Claimed {
            by: by.clone(),
            epoch,
            expires_at,
            waited: self.now.since(self.case.accepted_at),
            is_unanswered: self.case.is_unanswered(),
        });
    }

    /// Extends the running lease; any act of its holder does.
    pub(super) fn extend_claim(&mut self) {
        if let Some(claim) = &mut self.case.claim {
            claim.expires_at = self.now + self.policy.lease();
        }
    }

    pub(super) fn renew_claim(&mut self) {
        self.extend_claim();
        if let Some(claim) = &self.case.claim {
            let (epoch, expires_at) = (claim.epoch, claim.expires_at);
            self.events.push(Event::ClaimRenewed { epoch, expires_at });
        }
    }

    /// Whether `by` holds the running claim, and with this epoch.
    pub(super) fn is_held(&self, by: &Subject, epoch: u64) -> bool {
        self.case.claim.as_ref().is_some_and(|claim| claim.by == *by && claim.epoch == epoch)
    }
}
