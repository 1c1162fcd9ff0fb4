//! An observer that sees each commit and believes only what it is told by events. What it writes
//! down of a case is compared with what the case says of itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use urgence::core::projection::wake_at;
use urgence::core::{
    ClockKind, Command, DataCategory, Deed, Epoch, Event, Next, RequestId, Role, RungRecord,
    Stance, Subject, Timestamp, Verification,
};

use crate::policy::policy;
use crate::world::Filed;

/// What no commit may break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Each commit follows on the one before, and leaves nothing due behind.
    InOrder,
    /// One holder at most, and each has a higher epoch than the one before.
    OneHolder,
    /// A stale epoch changes nothing, except that it may record a first response.
    StaleEpoch,
    /// Nothing is disclosed without a call-back and two people.
    Disclosure,
    /// No deadline of the first response moves later, and what was answered stays.
    FirstResponse,
    /// A request is accepted once.
    AcceptedOnce,
    /// A rung of a cycle is recorded once, and not early.
    RungOnce,
    /// A person's act is done once, however often it arrives.
    ActOnce,
}

/// What is written down of a case.
#[derive(Clone, Debug, Default, PartialEq, Hash)]
pub struct Ledger {
    /// The acts that were done: by whom, and what they called it.
    pub acts: BTreeSet<(Subject, RequestId)>,
    /// Since when an answer is owed.
    owed_since: Option<Timestamp>,
    /// Who holds it, by epoch.
    holder: Option<Epoch>,
    /// The highest epoch so far.
    epoch: Epoch,
    /// Whether a claim was ever lost.
    pub was_claim_lost: bool,
    /// The rungs that were recorded.
    rungs: BTreeSet<(ClockKind, u32, Duration)>,
    /// Whether the latest check was a call-back.
    is_called_back: bool,
    /// Who made each proposal, and whether they are a legal reviewer.
    proposals: BTreeMap<u32, (Subject, bool)>,
    /// The categories over which a conflict of law stands.
    conflicts: BTreeSet<DataCategory>,
}

impl Ledger {
    /// By when the case must be looked at again at the latest, seen from `now`, so that nobody who
    /// is owed an answer waits in silence.
    pub fn look_at_by(&self, now: Timestamp) -> Option<Timestamp> {
        let promise = &policy().rules().emergency;
        let limit_at = self.owed_since? + promise.limit;
        Some(if now < limit_at { limit_at } else { now + promise.ladder.repeat_every })
    }
}

/// One commit, as the observer sees it.
pub struct Observed<'a> {
    /// What was there.
    before: Option<&'a Filed>,
    /// What was asked of it.
    command: &'a Command,
    /// When it was decided.
    decided_at: Timestamp,
    /// What was committed.
    next: &'a Next,
    ledger: Ledger,
    broken: BTreeSet<Rule>,
}

impl<'a> Observed<'a> {
    /// What `command`, decided at `decided_at`, made of `before`.
    pub fn new(
        before: Option<&'a Filed>,
        command: &'a Command,
        decided_at: Timestamp,
        next: &'a Next,
    ) -> Self {
        let ledger = before.map(|filed| filed.ledger.clone()).unwrap_or_default();
        Self { before, command, decided_at, next, ledger, broken: BTreeSet::new() }
    }

    /// What is written down of the case since, and which rules the commit broke.
    pub fn judge(mut self) -> (Ledger, BTreeSet<Rule>) {
        if let Command::Act(act, _) = self.command {
            let is_new = self.ledger.acts.insert((act.by.clone(), act.request_id.clone()));
            self.must(is_new, Rule::ActOnce);
        }
        for event in &self.next.events {
            self.follow(event);
        }
        self.compare();
        self.stale_epoch();
        (self.ledger, self.broken)
    }

    fn must(&mut self, is_kept: bool, rule: Rule) {
        if !is_kept {
            self.broken.insert(rule);
        }
    }

    fn follow(&mut self, event: &Event) {
        let now = self.decided_at;
        match event {
            Event::Accepted { .. } => {
                self.must(self.before.is_none(), Rule::AcceptedOnce);
                self.ledger.owed_since = Some(now);
            }
            Event::InformationProvided { was_asked: true, .. } => {
                self.ledger.owed_since = Some(now);
            }
            Event::Responded { .. } | Event::Updated { .. } | Event::Asked { .. } => {
                self.ledger.owed_since = None;
            }
            Event::RungFired(record) | Event::RungQuieted(record) => self.follow_rung(record),
            Event::Claimed { epoch, .. } => {
                self.must(self.ledger.holder.is_none(), Rule::OneHolder);
                self.follow_lease(*epoch);
            }
            Event::HandedOver { epoch, .. } => {
                self.must(self.ledger.holder.is_some(), Rule::OneHolder);
                self.follow_lease(*epoch);
            }
            Event::ClaimRenewed { epoch, .. } => {
                self.must(self.ledger.holder == Some(*epoch), Rule::OneHolder);
            }
            Event::ClaimReleased { epoch } | Event::ClaimLost { epoch, .. } => {
                self.must(self.ledger.holder == Some(*epoch), Rule::OneHolder);
                self.ledger.holder = None;
                self.ledger.was_claim_lost |= matches!(event, Event::ClaimLost { .. });
            }
            Event::Ended { .. } => {
                self.ledger.owed_since = None;
                self.ledger.holder = None;
            }
            Event::Verified { verification, phone, .. } => {
                let is_called_back = *verification == Verification::CallbackConfirmed;
                self.ledger.is_called_back = is_called_back && phone.is_some();
            }
            Event::ConflictRecorded { category, stance: Stance::Stands, .. } => {
                self.ledger.conflicts.insert(*category);
            }
            Event::ConflictRecorded { category, stance: Stance::Lifted, .. } => {
                self.ledger.conflicts.remove(category);
            }
            Event::OutcomeProposed { by, number, .. } => {
                let proposer = (by.clone(), is_jurist(self.command));
                self.ledger.proposals.insert(*number, proposer);
            }
            Event::OutcomeApproved { .. } => self.ledger.owed_since = None,
            Event::Disclosed { number, categories, .. } => {
                self.follow_disclosure(*number, categories);
            }
            _ => {}
        }
    }

    fn follow_rung(&mut self, record: &RungRecord) {
        let offsets = (0..record.count).map(|behind| record.offset - record.spacing * behind);
        for offset in offsets {
            let is_new = self.ledger.rungs.insert((record.clock, record.cycle, offset));
            self.must(is_new, Rule::RungOnce);
        }
        self.must(record.due_at <= self.decided_at, Rule::RungOnce);
    }

    fn follow_lease(&mut self, epoch: Epoch) {
        self.must(epoch > self.ledger.epoch, Rule::OneHolder);
        self.ledger.epoch = epoch;
        self.ledger.holder = Some(epoch);
    }

    fn follow_disclosure(&mut self, number: u32, categories: &BTreeSet<DataCategory>) {
        let is_approved = match (self.command, self.ledger.proposals.get(&number)) {
            (
                Command::Act(act, Deed::ApproveOutcome(approved, _)),
                Some((proposer, is_by_jurist)),
            ) => {
                let has_jurist = *is_by_jurist || is_jurist(self.command);
                let needs_jurist = categories.contains(&DataCategory::Content);
                *approved == number && act.by != *proposer && (has_jurist || !needs_jurist)
            }
            _ => false,
        };
        let is_verified = self.ledger.is_called_back;
        let is_lawful = self.ledger.conflicts.is_disjoint(categories);
        self.must(is_approved && is_verified && is_lawful, Rule::Disclosure);
    }

    /// What the case says of itself against what was written down, and against what it said before.
    fn compare(&mut self) {
        let after = &self.next.case;
        let (epoch, holder) = (after.claim_epoch, after.claim.as_ref().map(|claim| claim.epoch));
        let is_as_written = (epoch, holder) == (self.ledger.epoch, self.ledger.holder);
        self.must(is_as_written, Rule::OneHolder);
        self.must(wake_at(after).is_none_or(|at| at > self.decided_at), Rule::InOrder);
        let Some(before) = self.before.map(|filed| filed.case.as_ref()) else { return };
        let is_next = after.version == before.version + 1;
        let is_later = after.last_event_at >= before.last_event_at;
        self.must(is_next && is_later, Rule::InOrder);
        let (was, is) = (before.first_response_clock(), after.first_response_clock());
        let is_kept = is.started_at == was.started_at
            && is.target_at <= was.target_at
            && is.limit_at <= was.limit_at;
        self.must(is_kept, Rule::FirstResponse);
        let purged_at = after.purged_at;
        let is_same = before.first_response == after.first_response;
        let is_answered = before.first_response.is_some();
        self.must(!is_answered || is_same || purged_at.is_some(), Rule::FirstResponse);
        self.must(before.is_unanswered() || !after.is_unanswered(), Rule::FirstResponse);
    }

    /// Judges an act under an epoch by the lease that was there before it.
    fn stale_epoch(&mut self) {
        let Command::Act(act, deed) = self.command else { return };
        let Some((epoch, before)) = epoch_of(deed).zip(self.before) else { return };
        let claim = before.case.claim.as_ref().filter(|claim| claim.expires_at > self.decided_at);
        if claim.is_some_and(|claim| claim.by == act.by && claim.epoch == epoch) {
            return;
        }
        let is_response = matches!(deed, Deed::Respond(..));
        let after = &self.next.case;
        let is_marked = after.first_response.as_ref().is_some_and(|response| {
            response.by == act.by && response.at == self.decided_at && response.is_claim_lost
        });
        // The lease of whoever holds the case now is left as it was, unless it is the sender's own.
        let is_fenced = after.has_ended()
            || match (&after.claim, claim) {
                (None, None) => true,
                (Some(after), Some(before)) => {
                    let is_same = after.expires_at == before.expires_at || before.by == act.by;
                    after.epoch == before.epoch && is_same
                }
                (None, Some(_)) | (Some(_), None) => false,
            };
        let was_granted = (1..=before.case.claim_epoch).contains(&epoch);
        self.must(is_response && is_marked && is_fenced && was_granted, Rule::StaleEpoch);
    }
}

/// Whether the command is a legal reviewer's.
fn is_jurist(command: &Command) -> bool {
    matches!(command, Command::Act(act, _) if act.has_role(Role::LegalReviewer))
}

/// The epoch that a deed is done under.
pub const fn epoch_of(deed: &Deed) -> Option<Epoch> {
    match deed {
        Deed::Renew(epoch)
        | Deed::Release(epoch)
        | Deed::HandOver(epoch, _)
        | Deed::Respond(epoch, _)
        | Deed::SendUpdate(epoch, _)
        | Deed::AskForInformation(epoch)
        | Deed::ProposeOutcome(epoch, _)
        | Deed::ConfirmWithdrawal(epoch)
        | Deed::DeclineWithdrawal(epoch)
        | Deed::PauseClock(epoch, ..)
        | Deed::ResumeClock(epoch, _) => Some(*epoch),
        Deed::Claim
        | Deed::Reclassify(..)
        | Deed::RecordVerification(_)
        | Deed::RecordConflict(..)
        | Deed::LinkDuplicate(..)
        | Deed::ApproveOutcome(..)
        | Deed::SettleClock(..)
        | Deed::AcknowledgePage(_)
        | Deed::ProvideInformation
        | Deed::Withdraw
        | Deed::RequestPreservation
        | Deed::ConfirmDelivery(_)
        | Deed::SetLegalHold(_) => None,
    }
}
