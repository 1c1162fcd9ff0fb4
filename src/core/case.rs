//! The case: one accepted request and what has happened to it, without what was said.
//!
//! Names, targets and narrative are kept apart, sealed, and no decision reads them. Where the case
//! stands is not a field: `state.rs` reads it off the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::answer::{FirstResponse, Punctuality};
use super::case_id::CaseId;
use super::clock::{Clock, ClockKind};
use super::conflict::{Conflict, Stance};
use super::data::{DataCategory, Instrument, Protection};
use super::intake::Fingerprint;
use super::memory::{Memory, RequestDigest};
use super::names::{AuthorityId, Country, IncidentName, Subject};
use super::nature::{Band, Nature};
use super::outcome::{Disclosure, Disposition, Ended, Outcome, Proposal, RetentionClass};
use super::page::PageRecord;
use super::policy::PolicyId;
use super::risk::Risk;
use super::time::Timestamp;
use super::verification::Verification;

/// One accepted request and all that has happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Its name, derived from the authority and the request id.
    pub id: CaseId,
    /// Grows by one with every committed transition; 1 when accepted.
    pub version: u64,
    /// Who asked.
    pub authority: AuthorityId,
    /// What the request is about.
    pub nature: Nature,
    /// How urgent it is now; the target rung lifts an emergency to the first band.
    pub band: Band,
    /// What is asked for, as far as decisions and reports read it.
    pub facts: Facts,
    /// The policy it was accepted under and is decided by.
    pub policy: PolicyId,
    /// What exactly was asked, so that another request under the same id is refused.
    pub request_digest: RequestDigest,
    /// When the request was accepted.
    pub accepted_at: Timestamp,
    /// What was promised then, as the receipt says it. A raised band brings the clock forward, never
    /// this.
    pub promised: Promised,
    /// The instant of the latest transition; no later decision is made before it.
    pub last_event_at: Timestamp,
    /// Every clock that runs or ran on it: the latest of each kind. The first-response clock is
    /// always among them.
    pub clocks: BTreeMap<ClockKind, Clock>,
    /// The answer that stopped the first-response clock.
    pub first_response: Option<FirstResponse>,
    /// Who works on it now.
    pub claim: Option<Claim>,
    /// The epoch of the latest claim; 0 when it was never claimed.
    pub claim_epoch: u64,
    /// Since when the authority owes an answer to a question.
    pub asked_at: Option<Timestamp>,
    /// When the authority asked to take the request back.
    pub withdrawal_at: Option<Timestamp>,
    /// Whether the request comes from whom it says.
    pub verification: Verification,
    /// The conflicts of law, by category and by the country whose law it is.
    pub conflicts: BTreeMap<(DataCategory, Country), Conflict>,
    /// A lowering out of the emergency bands that waits for a second person.
    pub lowering: Option<Lowering>,
    /// An outcome that waits for a second person.
    pub proposal: Option<Proposal>,
    /// How many outcomes were proposed.
    pub proposals: u32,
    /// What was decided of each category.
    pub dispositions: BTreeMap<DataCategory, Disposition>,
    /// What went out, the oldest first.
    pub disclosures: Vec<Disclosure>,
    /// How and when it ended.
    pub ended: Option<Ended>,
    /// What calls for more care in verifying. Never shown to an authority, and never a reason to wait
    /// with an answer.
    pub risks: BTreeSet<Risk>,
    /// Cases with a target in common, found by fingerprint. Never shown to an authority.
    pub likely_duplicates: BTreeSet<CaseId>,
    /// Cases that a person found to be about the same matter, and whether each is the same authority's.
    pub linked: BTreeMap<CaseId, bool>,
    /// The open incident it belongs to.
    pub incident: Option<IncidentName>,
    /// Who forbade that it is purged.
    pub legal_hold: Option<Subject>,
    /// The pages that went out, the oldest first, as far as they are remembered.
    pub pages: Vec<PageRecord>,
    /// When what was said was purged. What is left is a tombstone.
    pub purged_at: Option<Timestamp>,
    /// The acts done to it.
    pub memory: Memory,
}

/// When a first response was promised for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promised {
    /// The desk's own objective.
    pub target_at: Timestamp,
    /// The public promise.
    pub limit_at: Timestamp,
}

/// What is asked for, as far as decisions and reports read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Where the authority is.
    pub country: Country,
    /// What the request rests on.
    pub instrument: Instrument,
    /// The categories asked for.
    pub categories: BTreeSet<DataCategory>,
    /// The protections of its targets.
    pub protections: BTreeSet<Protection>,
    /// Its targets, by keyed fingerprint.
    pub fingerprints: BTreeSet<Fingerprint>,
    /// How many targets it names; kept for the reports when what they were is purged.
    pub targets: u32,
    /// The officer who asks, by keyed fingerprint.
    pub officer: Option<Fingerprint>,
    /// The incident its sender named, by keyed fingerprint.
    pub incident_tag: Option<Fingerprint>,
}

/// A responder's lease on a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Who holds it.
    pub by: Subject,
    /// The fencing epoch: later claims have higher ones, and a write with a stale one is refused.
    pub epoch: u64,
    /// When it was granted.
    pub granted_at: Timestamp,
    /// When it ends unless an act on the case extends it. At this very instant it is over.
    pub expires_at: Timestamp,
    /// Whether a rung kept quiet because of this claim; if so, giving the case back pages.
    pub has_quieted: bool,
}

/// A lowering out of the emergency bands that waits for a second person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lowering {
    /// To which nature.
    pub nature: Nature,
    /// Who proposed it.
    pub by: Subject,
}

impl Case {
    /// The clock of this kind, if it was ever started.
    #[must_use]
    pub fn clock(&self, kind: ClockKind) -> Option<&Clock> {
        self.clocks.get(&kind)
    }

    /// The clock that the public promise is about.
    #[must_use]
    pub fn first_response_clock(&self) -> &Clock {
        self.clocks.get(&ClockKind::FirstResponse).expect("every case is made with this clock")
    }

    /// The clock that measures how long the authority waits for an answer now.
    #[must_use]
    pub fn response_clock(&self) -> Option<&Clock> {
        let kinds = [ClockKind::FirstResponse, ClockKind::Reply];
        kinds.iter().find_map(|kind| self.clock(*kind).filter(|clock| clock.is_running()))
    }

    /// Whether the clock of this kind runs.
    #[must_use]
    pub fn runs(&self, kind: ClockKind) -> bool {
        self.clock(kind).is_some_and(Clock::is_running)
    }

    /// Whether the first-response clock runs.
    #[must_use]
    pub fn is_unanswered(&self) -> bool {
        self.runs(ClockKind::FirstResponse)
    }

    /// Whether nothing more will be decided about what was asked.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// How long what was said is kept once the case has ended so. Where a part went out it is kept as
    /// such, however the rest ended.
    #[must_use]
    pub fn retention_class(&self, outcome: Outcome) -> RetentionClass {
        match outcome.retention_class() {
            RetentionClass::NotDisclosed if !self.disclosures.is_empty() => {
                RetentionClass::Disclosed
            }
            class @ (RetentionClass::Disclosed
            | RetentionClass::NotDisclosed
            | RetentionClass::Fraud) => class,
        }
    }

    /// How long the first response took, or has taken until `now`.
    #[must_use]
    pub fn waited(&self, now: Timestamp) -> Duration {
        let end = self.first_response.as_ref().map_or(now, |response| response.at);
        end.since(self.first_response_clock().started_at)
    }

    /// How long the authority has waited for the answer that it is owed; zero when it is owed none.
    #[must_use]
    pub fn owed_for(&self, now: Timestamp) -> Duration {
        self.response_clock().map_or(Duration::ZERO, |clock| now.since(clock.started_at))
    }

    /// How a first response at `at` stands to the promise.
    #[must_use]
    pub fn punctuality(&self, at: Timestamp) -> Punctuality {
        self.first_response_clock().punctuality(at)
    }

    /// Whether some conflict of law stands over the category.
    #[must_use]
    pub fn conflicts_over(&self, category: DataCategory) -> bool {
        let mut conflicts = self.conflicts.iter();
        conflicts
            .any(|((over, _), conflict)| *over == category && conflict.stance == Stance::Stands)
    }

    /// The number of the next sending. It counts sendings alone, since the authority sees it: what was
    /// proposed and dropped is the desk's own.
    #[must_use]
    pub fn next_disclosure(&self) -> u32 {
        self.disclosures.last().map_or(0, |latest| latest.number) + 1
    }

    /// The categories that nothing has been decided about.
    #[must_use]
    pub fn undecided(&self) -> BTreeSet<DataCategory> {
        let is_open = |category: &&DataCategory| !self.dispositions.contains_key(category);
        self.facts.categories.iter().filter(is_open).copied().collect()
    }
}

impl Clock {
    /// How an answer at `at` stands to this clock's promise.
    #[must_use]
    pub fn punctuality(&self, at: Timestamp) -> Punctuality {
        if at >= self.limit_at {
            Punctuality::Breached
        } else if at >= self.target_at {
            Punctuality::WithinLimit
        } else {
            Punctuality::WithinTarget
        }
    }
}
