//! Propose outcome: the first of two people says how the case, or some categories of it, should end.

use std::collections::BTreeMap;

use super::{Epoch, Refusal, Transition};
use crate::core::answer::RefusalReason;
use crate::core::caller::Role;
use crate::core::data::DataCategory;
use crate::core::event::Event;
use crate::core::memory::Act;
use crate::core::outcome::{Disposition, Ending, Proposal, Proposed};

pub(super) fn apply(
    transition: &mut Transition<'_>,
    act: &Act,
    epoch: Epoch,
    proposed: &Proposed,
) -> Result<(), Refusal> {
    transition.must_be_held(&act.by, epoch)?;
    transition.must_be_possible(proposed)?;
    let number = transition.case.proposals + 1;
    transition.case.proposals = number;
    transition.case.proposal = Some(Proposal {
        number,
        by: act.by.clone(),
        is_by_legal_reviewer: act.has_role(Role::LegalReviewer),
        at: transition.now,
        proposed: proposed.clone(),
    });
    let disclosed = proposed.disclosed();
    transition.events.push(Event::OutcomeProposed { by: act.by.clone(), number, disclosed });
    Ok(())
}

impl Transition<'_> {
    /// Refuses what could not be approved as the case stands. Looked at twice: when it is proposed
    /// and, since the case goes on meanwhile, when it is approved.
    pub(super) fn must_be_possible(&self, proposed: &Proposed) -> Result<(), Refusal> {
        match proposed {
            Proposed::Categories { dispositions, manifest } => {
                self.must_be_decidable(dispositions)?;
                let goes_out = !proposed.disclosed().is_empty();
                // What goes out without a manifest has no key; a manifest of nothing, and no category
                // at all, would be an answer without a decision.
                match manifest {
                    None if dispositions.is_empty() => Err(Refusal::NothingToChange),
                    None if goes_out => Err(Refusal::RecipientKeyUnknown),
                    Some(_) if !goes_out => Err(Refusal::NothingToChange),
                    Some(manifest) if !manifest.recipient_key.is_of(&self.case.authority) => {
                        Err(Refusal::RecipientKeyUnknown)
                    }
                    Some(manifest) if manifest.recipient_key.is_too_new(self.now) => {
                        Err(Refusal::RecipientKeyTooNew)
                    }
                    // What ends the case, or hands out a part, answers the whole. Deciding a part without
                    // that would stop the clock with an answer that is none.
                    None if !goes_out && self.leaves_open(dispositions) => self.must_be_answered(),
                    Some(_) | None => Ok(()),
                }
            }
            Proposed::Whole(Ending::Duplicate(of)) => match self.case.linked.get(of) {
                Some(true) => Ok(()),
                Some(false) | None => Err(Refusal::DuplicateNotLinked),
            },
            Proposed::Whole(Ending::Rejected(reason)) => self.must_be_founded(*reason),
            Proposed::Whole(Ending::ExpiredNoReply) if self.case.asked_at.is_none() => {
                Err(Refusal::NothingAsked)
            }
            Proposed::Whole(
                Ending::NoSuchAccount
                | Ending::Redirected(_)
                | Ending::ExpiredNoReply
                | Ending::FraudConfirmed
                | Ending::Transferred,
            ) => Ok(()),
        }
    }

    /// Refuses a refusal that names a conflict of law which nobody has recorded.
    pub(super) fn must_be_founded(&self, reason: RefusalReason) -> Result<(), Refusal> {
        let is_founded = reason != RefusalReason::ConflictOfLaw
            || self.case.conflicts.keys().any(|(category, _)| self.case.conflicts_over(*category));
        if is_founded { Ok(()) } else { Err(Refusal::ConflictNotRecorded) }
    }

    fn leaves_open(&self, dispositions: &BTreeMap<DataCategory, Disposition>) -> bool {
        self.case.undecided().iter().any(|category| !dispositions.contains_key(category))
    }

    fn must_be_decidable(
        &self,
        dispositions: &BTreeMap<DataCategory, Disposition>,
    ) -> Result<(), Refusal> {
        for (category, disposition) in dispositions {
            if !self.case.facts.categories.contains(category) {
                return Err(Refusal::CategoryNotRequested);
            }
            if self.case.dispositions.contains_key(category) {
                return Err(Refusal::CategoryDecided);
            }
            let stands = self.case.conflicts_over(*category);
            match disposition {
                Disposition::Disclosed if stands => return Err(Refusal::ConflictStands),
                Disposition::Refused(RefusalReason::ConflictOfLaw) if !stands => {
                    return Err(Refusal::ConflictNotRecorded);
                }
                Disposition::Disclosed
                | Disposition::NotHeld
                | Disposition::Refused(_)
                | Disposition::Redirected(_) => {}
            }
        }
        Ok(())
    }
}
