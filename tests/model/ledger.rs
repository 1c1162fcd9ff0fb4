//! An observer that sees each commit and believes only what it is told by events. What it writes
//! down of a case is compared with what the case says of itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use urgence::core::projection::{ready, wake_at};
use urgence::core::{
    Class, ClockKind, Command, DataCategory, Deed, Epoch, Event, FirstResponseKind, Next,
    RequestId, Role, RungRecord, Stance, Subject, Timestamp, Verification,
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
    /// Nothing is disclosed, nor said to be, without a call-back and two people.
    Disclosure,
    /// Nothing is disclosed to an authority that is suspended.
    Suspension,
    /// No deadline moves but as far as was told, and no clock starts unasked.
    Deadlines,
    /// What was answered stays.
    Answer,
    /// Whoever is owed an answer has a wake at the next rung, every rung before it is recorded, and
    /// the case is held or can be claimed.
    Silence,
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
    /// The answer that is owed.
    owed: Option<Owed>,
    /// Whether there was a first response.
    is_answered: bool,
    /// Whether the authority was asked something and has not answered.
    is_asked: bool,
    /// The clocks that stand still, and since when.
    pub(crate) paused: BTreeMap<ClockKind, Timestamp>,
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
    /// Whether somebody noted that a target is protected.
    is_protected: bool,
}

/// An answer that is owed.
#[derive(Clone, Debug, PartialEq, Hash)]
struct Owed {
    since: Timestamp,
    /// Whose promise it carries.
    class: Class,
    /// The rungs of that promise that were recorded.
    rungs: BTreeSet<Duration>,
}

impl Owed {
    fn new(since: Timestamp, class: Class) -> Self {
        Self { since, class, rungs: BTreeSet::new() }
    }
}

/// One commit, as the observer sees it.
pub struct Observed<'a> {
    /// What was there.
    pub(crate) before: Option<&'a Filed>,
    /// What was asked of it.
    command: &'a Command,
    /// When it was decided.
    pub(crate) decided_at: Timestamp,
    /// What was committed.
    pub(crate) next: &'a Next,
    /// Whether the authority was suspended when it was committed.
    is_suspended: bool,
    pub(crate) ledger: Ledger,
    /// By how much the deadlines of a clock were told to move.
    pub(crate) moved: BTreeMap<ClockKind, Duration>,
    broken: BTreeSet<Rule>,
}

impl<'a> Observed<'a> {
    /// What `command`, decided at `decided_at`, made of `before`, whose authority is suspended or not.
    pub fn new(
        before: Option<&'a Filed>,
        command: &'a Command,
        decided_at: Timestamp,
        next: &'a Next,
        is_suspended: bool,
    ) -> Self {
        let ledger = before.map(|filed| filed.ledger.clone()).unwrap_or_default();
        let (moved, broken) = (BTreeMap::new(), BTreeSet::new());
        Self { before, command, decided_at, next, is_suspended, ledger, moved, broken }
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
        self.deadlines();
        self.silence();
        self.stale_epoch();
        (self.ledger, self.broken)
    }

    pub(crate) fn must(&mut self, is_kept: bool, rule: Rule) {
        if !is_kept {
            self.broken.insert(rule);
        }
    }

    fn follow(&mut self, event: &Event) {
        self.follow_owed(event);
        self.follow_clock(event);
        match event {
            Event::Accepted { .. } => self.must(self.before.is_none(), Rule::AcceptedOnce),
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
            Event::Ended { .. } => self.ledger.holder = None,
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
            Event::Reclassified { protection: Some(_), .. } => self.ledger.is_protected = true,
            Event::OutcomeProposed { by, number, .. } => {
                let proposer = (by.clone(), is_jurist(self.command));
                self.ledger.proposals.insert(*number, proposer);
            }
            Event::Disclosed { number, categories, .. } => {
                self.follow_disclosure(*number, categories);
            }
            Event::Responded { kind, .. } if kind.discloses() => {
                let goes_out = |event: &Event| matches!(event, Event::Disclosed { .. });
                self.must(self.next.events.iter().any(goes_out), Rule::Disclosure);
            }
            _ => {}
        }
    }

    /// Who is owed what. Nothing but a first response is an answer to the request.
    fn follow_owed(&mut self, event: &Event) {
        let (now, class) = (self.decided_at, self.next.case.nature.class());
        match event {
            Event::Accepted { nature, .. } => {
                self.ledger.owed = Some(Owed::new(now, nature.class()));
            }
            Event::InformationProvided { was_asked, .. } => {
                self.must(*was_asked == self.ledger.is_asked, Rule::Deadlines);
                if std::mem::take(&mut self.ledger.is_asked) {
                    self.ledger.owed = Some(Owed::new(now, class));
                }
            }
            Event::Responded { kind, .. } => {
                self.ledger.is_answered = true;
                self.ledger.is_asked = *kind == FirstResponseKind::NeedInformation;
                self.ledger.owed = None;
            }
            Event::Asked { .. } | Event::Updated { .. } | Event::OutcomeApproved { .. } => {
                self.ledger.is_asked |= matches!(event, Event::Asked { .. });
                self.ledger.owed.take_if(|_| self.ledger.is_answered);
            }
            Event::Ended { .. } => {
                self.ledger.owed = None;
                self.ledger.is_asked = false;
            }
            Event::Reclassified { nature, .. } => {
                let owed = self.ledger.owed.as_mut();
                let raised = owed.filter(|owed| nature.class() < owed.class);
                raised.into_iter().for_each(|owed| *owed = Owed::new(owed.since, nature.class()));
            }
            Event::RungFired(record) | Event::RungQuieted(record) => {
                if let Some(owed) = self.ledger.owed.as_mut().filter(|_| record.clock.is_response())
                {
                    owed.rungs.extend(offsets(record));
                }
            }
            _ => {}
        }
    }

    fn follow_rung(&mut self, record: &RungRecord) {
        for offset in offsets(record) {
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
                let needs_jurist =
                    categories.contains(&DataCategory::Content) || self.ledger.is_protected;
                *approved == number && act.by != *proposer && (has_jurist || !needs_jurist)
            }
            _ => false,
        };
        let is_verified = self.ledger.is_called_back;
        let is_lawful = self.ledger.conflicts.is_disjoint(categories);
        self.must(is_approved && is_verified && is_lawful, Rule::Disclosure);
        self.must(!self.is_suspended, Rule::Suspension);
    }

    /// What the case says of itself against what was written down, and against what it said before.
    fn compare(&mut self) {
        let after = &self.next.case;
        let (epoch, holder) = (after.claim_epoch, after.claim.as_ref().map(|claim| claim.epoch));
        let is_as_written = (epoch, holder) == (self.ledger.epoch, self.ledger.holder);
        self.must(is_as_written, Rule::OneHolder);
        self.must(wake_at(after).is_none_or(|at| at > self.decided_at), Rule::InOrder);
        let Some(before) = self.before.map(Filed::case) else { return };
        let is_next = after.version == before.version + 1;
        let is_later = after.last_event_at >= before.last_event_at;
        self.must(is_next && is_later, Rule::InOrder);
        let purged_at = after.purged_at;
        let is_same = before.first_response == after.first_response;
        let is_answered = before.first_response.is_some();
        self.must(!is_answered || is_same || purged_at.is_some(), Rule::Answer);
        self.must(before.is_unanswered() || !after.is_unanswered(), Rule::Answer);
    }

    /// Whether somebody who is owed an answer would be forgotten.
    fn silence(&mut self) {
        let Some(owed) = &self.ledger.owed else { return };
        let (now, after) = (self.decided_at, &self.next.case);
        let ladder = &policy().promise(owed.class).ladder;
        let mut rungs = (0..).map(|number| ladder.rung(number).offset).peekable();
        let mut is_recorded = true;
        while let Some(passed) = rungs.next_if(|offset| owed.since + *offset <= now) {
            is_recorded &= owed.rungs.contains(&passed);
        }
        let next = rungs.peek().expect("a ladder has no end");
        let is_woken = wake_at(after).is_some_and(|wake_at| wake_at <= owed.since + *next);
        let is_within_reach = after.claim.is_some() || ready(after).is_some();
        self.must(is_recorded && is_woken && is_within_reach, Rule::Silence);
    }

    /// Judges an act under an epoch by the lease that was there before it.
    fn stale_epoch(&mut self) {
        let Command::Act(act, deed) = self.command else { return };
        let Some((epoch, before)) = epoch_of(deed).zip(self.before) else { return };
        let claim = before.case().claim.as_ref().filter(|claim| claim.expires_at > self.decided_at);
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
        let was_granted = (1..=before.case().claim_epoch).contains(&epoch);
        self.must(is_response && is_marked && is_fenced && was_granted, Rule::StaleEpoch);
    }
}

/// The offsets of the rungs that were recorded together.
fn offsets(record: &RungRecord) -> impl Iterator<Item = Duration> {
    (0..record.count).map(|behind| record.offset - record.spacing * behind)
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
