//! Claim: a responder leases the case. It quiets the ordinary rungs and stops no clock.

use super::{Epoch, Refusal, Transition};
use crate::core::case::Claim;
use crate::core::event::Event;
use crate::core::names::Subject;
use crate::core::time::Timestamp;

pub(super) fn apply(transition: &mut Transition<'_>, by: &Subject) -> Result<(), Refusal> {
    transition.must_be_open()?;
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
        let (epoch, expires_at) = self.lease_to(by);
        self.claim_answers_pages();
        self.events.push(Event::Claimed {
            by: by.clone(),
            epoch,
            expires_at,
            waited: self.now.since(self.case.accepted_at),
            is_unanswered: self.case.is_unanswered(),
        });
    }

    /// Gives `by` a new lease, in place of any other: its epoch and its end.
    pub(super) fn lease_to(&mut self, by: &Subject) -> (Epoch, Timestamp) {
        let epoch = self.case.claim_epoch + 1;
        let expires_at = self.now + self.policy.lease();
        let has_quieted = self.case.claim.as_ref().is_some_and(|claim| claim.has_quieted);
        self.case.claim_epoch = epoch;
        self.case.claim =
            Some(Claim { by: by.clone(), epoch, granted_at: self.now, expires_at, has_quieted });
        (epoch, expires_at)
    }

    /// Extends the running lease of `by`, if they hold it: any act of the holder does.
    pub(super) fn extend_claim_of(&mut self, by: &Subject) {
        if let Some(claim) = self.case.claim.as_mut().filter(|claim| claim.by == *by) {
            claim.expires_at = self.now + self.policy.lease();
        }
    }

    pub(super) fn renew_claim(&mut self) {
        let expires_at = self.now + self.policy.lease();
        if let Some(claim) = &mut self.case.claim {
            claim.expires_at = expires_at;
            self.events.push(Event::ClaimRenewed { epoch: claim.epoch, expires_at });
        }
    }

    /// Whether `by` holds the running claim, and with this epoch.
    pub(super) fn is_held(&self, by: &Subject, epoch: Epoch) -> bool {
        self.case.claim.as_ref().is_some_and(|claim| claim.by == *by && claim.epoch == epoch)
    }

    /// Refuses what only the holder of an open case may do.
    pub(super) fn must_be_held(&self, by: &Subject, epoch: Epoch) -> Result<(), Refusal> {
        self.must_be_open()?;
        if self.is_held(by, epoch) { Ok(()) } else { Err(Refusal::EpochOver) }
    }
}
