//! Approve outcome: the second person agrees, and what was proposed is done. No data leaves on any
//! other way.

use std::collections::{BTreeMap, BTreeSet};

use super::{Refusal, Transition};
use crate::core::answer::{FirstResponseKind, RefusalReason};
use crate::core::caller::Role;
use crate::core::clock::ClockKind;
use crate::core::data::DataCategory;
use crate::core::event::{Event, Settlement};
use crate::core::memory::Act;
use crate::core::outcome::{
    Disclosure, Disposition, Ending, Manifest, Outcome, Proposal, Proposed,
};
use crate::core::standing::Standing;
use crate::core::verification::Verification;

pub(super) fn apply(
    transition: &mut Transition<'_>,
    act: &Act,
    number: u32,
    standing: Standing,
) -> Result<(), Refusal> {
    transition.must_be_open()?;
    let proposal = transition.case.proposal.clone();
    let proposal = proposal.filter(|proposal| proposal.number == number);
    let proposal = proposal.ok_or(Refusal::ProposalReplaced)?;
    transition.must_be_approvable(&proposal, act, standing)?;
    transition.case.proposal = None;
    transition.digest = act.content;
    let (by, proposed_by) = (act.by.clone(), proposal.by.clone());
    transition.events.push(Event::OutcomeApproved { by, proposed_by, number });
    match &proposal.proposed {
        Proposed::Categories { dispositions, manifest } => {
            if let Some(manifest) = manifest {
                transition.disclose(&proposal, manifest, act);
                transition.rests_on = Some(standing.version);
            }
            transition.decide_categories(act, dispositions);
        }
        Proposed::Whole(ending) => transition.end_as_a_whole(act, *ending),
    }
    Ok(())
}

impl Transition<'_> {
    fn must_be_approvable(
        &self,
        proposal: &Proposal,
        act: &Act,
        standing: Standing,
    ) -> Result<(), Refusal> {
        if proposal.by == act.by {
            return Err(Refusal::SecondPersonNeeded);
        }
        self.must_be_possible(&proposal.proposed)?;
        let disclosed = proposal.proposed.disclosed();
        if disclosed.is_empty() {
            return Ok(());
        }
        if standing.is_suspended {
            return Err(Refusal::AuthoritySuspended);
        }
        if standing.is_not_valid {
            return Err(Refusal::AuthorityNotValid);
        }
        if standing.is_key_too_new {
            return Err(Refusal::RecipientKeyTooNew);
        }
        if self.case.verification != Verification::CallbackConfirmed {
            return Err(Refusal::NotVerified);
        }
        if self.case.withdrawal_at.is_some() {
            return Err(Refusal::WithdrawalWaits);
        }
        let validation = self.case.clock(ClockKind::ExPostValidation);
        if validation.is_some_and(|clock| clock.settlement == Some(Settlement::Failed)) {
            return Err(Refusal::ValidationFailed);
        }
        let needs_jurist =
            disclosed.contains(&DataCategory::Content) || !self.case.facts.protections.is_empty();
        let has_jurist = proposal.is_by_legal_reviewer || act.has_role(Role::LegalReviewer);
        if needs_jurist && !has_jurist {
            return Err(Refusal::LegalReviewerNeeded);
        }
        Ok(())
    }

    fn disclose(&mut self, proposal: &Proposal, manifest: &Manifest, act: &Act) {
        let (now, number) = (self.now, self.case.next_disclosure());
        let categories = proposal.proposed.disclosed();
        let Manifest { items, bytes, digest, recipient_key } = manifest;
        let is_first = self.case.disclosures.is_empty();
        self.case.disclosures.push(Disclosure {
            number,
            at: now,
            proposed_by: proposal.by.clone(),
            approved_by: act.by.clone(),
            categories: categories.clone(),
            items: *items,
            bytes: *bytes,
            digest: *digest,
            recipient_key: recipient_key.id().clone(),
            confirmed_at: None,
        });
        self.events.push(Event::Disclosed {
            number,
            categories,
            items: *items,
            bytes: *bytes,
            recipient_key: recipient_key.id().clone(),
        });
        // It runs from the oldest sending that is not confirmed.
        if !self.case.runs(ClockKind::DeliveryConfirmation) {
            self.start_clock(ClockKind::DeliveryConfirmation, now);
        }
        // The person concerned is told once it may be; until then the other clock runs.
        let is_ours = !self.case.facts.instrument.is_notified_by_issuer();
        if is_first && is_ours && !self.case.runs(ClockKind::NonDisclosure) {
            self.start_clock(ClockKind::UserNotice, now);
        }
    }

    fn decide_categories(&mut self, act: &Act, dispositions: &BTreeMap<DataCategory, Disposition>) {
        self.case.dispositions.extend(dispositions);
        let is_last = self.case.undecided().is_empty();
        let outcome = Outcome::of(&self.case.dispositions);
        let refusal = self.case.dispositions.values().find_map(|disposition| match disposition {
            Disposition::Refused(reason) => Some(*reason),
            Disposition::Disclosed | Disposition::NotHeld | Disposition::Redirected(_) => None,
        });
        if self.case.is_unanswered() {
            let kind = self.as_first_response(is_last, outcome, refusal);
            self.answer(&act.by, kind, false);
        }
        if is_last {
            self.end(&act.by, outcome, refusal);
        } else {
            // It is an answer; what is left is worked on, and the next word is due within the hour.
            self.stop_clock(ClockKind::Reply, self.now);
            self.stop_clock(ClockKind::Progress, self.now);
            if self.case.asked_at.is_none() {
                self.start_clock(ClockKind::Progress, self.now);
            }
        }
    }

    /// What deciding some categories says to an authority that had no answer before.
    fn as_first_response(
        &self,
        is_last: bool,
        outcome: Outcome,
        refusal: Option<RefusalReason>,
    ) -> FirstResponseKind {
        let all: BTreeSet<_> = self.case.dispositions.values().collect();
        if is_last && outcome == Outcome::DisclosedFull {
            return FirstResponseKind::AllData;
        }
        if all.contains(&Disposition::Disclosed) {
            return FirstResponseKind::PartOfData;
        }
        let redirected = all.iter().find_map(|disposition| match disposition {
            Disposition::Redirected(target) => Some(*target),
            Disposition::Disclosed | Disposition::NotHeld | Disposition::Refused(_) => None,
        });
        match (redirected, refusal) {
            (Some(target), _) => FirstResponseKind::Redirected(target),
            (None, Some(reason)) => FirstResponseKind::Refused(reason),
            (None, None) => FirstResponseKind::NoData,
        }
    }

    fn end_as_a_whole(&mut self, act: &Act, ending: Ending) {
        if self.case.is_unanswered() {
            self.answer(&act.by, ending.as_first_response(), false);
        }
        let refusal = match ending {
            Ending::Rejected(reason) => Some(reason),
            Ending::FraudConfirmed => Some(RefusalReason::RequesterNotVerified),
            Ending::NoSuchAccount
            | Ending::Redirected(_)
            | Ending::Duplicate(_)
            | Ending::ExpiredNoReply
            | Ending::Transferred => None,
        };
        self.end(&act.by, ending.outcome(), refusal);
    }
}
