//! What happened to a case. Events are committed with the case, carry no content, and are what
//! pager, watches, audit and metrics read.

use std::collections::BTreeSet;
use std::time::Duration;

use super::answer::{FirstResponseKind, Punctuality};
use super::case_id::CaseId;
use super::clock::{ClockKind, Mark, PauseReason};
use super::conflict::Stance;
use super::data::{DataCategory, Protection};
use super::identity::Actor;
use super::memory::RequestDigest;
use super::names::{AuthorityId, IncidentName, KeyId, PhoneId, SinkName, Subject};
use super::nature::{Band, Nature};
use super::outcome::Outcome;
use super::page::{Page, PageKey, SinkAnswer};
use super::risk::Risk;
use super::state::State;
use super::time::Timestamp;
use super::verification::Verification;
use super::words::words;

/// All that one committed transition did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// To which case.
    pub case: CaseId,
    /// Whose case it is.
    pub authority: AuthorityId,
    /// The version the transition made.
    pub version: u64,
    /// The instant of the decision.
    pub at: Timestamp,
    /// Who did it; `None` where time or the service did.
    pub actor: Option<Actor>,
    /// Where the case stood before; `None` for a new one, and where an older version did not say.
    pub from: Option<State>,
    /// Where it stands since; `None` where an older version did not say.
    pub to: Option<State>,
    /// Where its authority was shown it to stand before, and since; `None` as above.
    pub shown: Option<(State, State)>,
    /// What was sent, where the record vouches for it: the request, or the first response.
    pub digest: Option<RequestDigest>,
    /// What happened, in order; never empty.
    pub events: Vec<Event>,
}

/// One thing that happened to a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The request became a case and its clock started.
    Accepted {
        /// What it is about.
        nature: Nature,
        /// Its band.
        band: Band,
        /// When the first response should be given.
        target_at: Timestamp,
        /// When the promise is broken.
        limit_at: Timestamp,
    },
    /// A rung fired.
    RungFired(RungRecord),
    /// A rung came while the case was claimed, and kept quiet.
    RungQuieted(RungRecord),
    /// People must be told. At most one of these is in a change.
    Paged(Page),
    /// People were told by a replica that could not reach the store; this is the record of it.
    PagedFromMemory {
        /// What they were told.
        page: Page,
        /// When.
        at: Timestamp,
    },
    /// A sink answered for good.
    PageAnswered {
        /// Which page.
        key: PageKey,
        /// Which sink.
        sink: SinkName,
        /// What it said.
        answer: SinkAnswer,
    },
    /// What this clock has paged for is over: the sinks that hold its pages open must close them.
    PagesClosed {
        /// Which clock.
        clock: ClockKind,
    },
    /// A responder took the case.
    Claimed {
        /// Who.
        by: Subject,
        /// Their epoch.
        epoch: u64,
        /// Until when, unless extended.
        expires_at: Timestamp,
        /// How long the case had waited since it was accepted.
        waited: Duration,
        /// Whether a first response was still owed.
        is_unanswered: bool,
    },
    /// The holder's claim was extended without any other act.
    ClaimRenewed {
        /// Whose.
        epoch: u64,
        /// Until when.
        expires_at: Timestamp,
    },
    /// The holder gave the case back.
    ClaimReleased {
        /// Whose claim ended.
        epoch: u64,
    },
    /// The claim ended because nothing was done for the length of the lease.
    ClaimLost {
        /// Whose claim ended.
        epoch: u64,
        /// When it ended, which may be long before it was noticed.
        expired_at: Timestamp,
    },
    /// A person answered; the first-response clock stopped.
    Responded {
        /// Who.
        by: Subject,
        /// What.
        kind: FirstResponseKind,
        /// How long the authority waited.
        waited: Duration,
        /// How urgent the case was.
        band: Band,
        /// How it stands to the promise.
        punctuality: Punctuality,
        /// Whether the responder's claim had ended.
        is_claim_lost: bool,
    },
    /// A clock was started, or started again.
    ClockStarted {
        /// Which.
        clock: ClockKind,
        /// The desk's own objective.
        target_at: Timestamp,
        /// The promise.
        limit_at: Timestamp,
    },
    /// A clock ended.
    ClockStopped {
        /// Which.
        clock: ClockKind,
        /// How that stands to its promise.
        punctuality: Punctuality,
    },
    /// A clock stands still.
    ClockPaused {
        /// Who paused it.
        by: Subject,
        /// Which.
        clock: ClockKind,
        /// Why.
        reason: PauseReason,
    },
    /// A clock goes on, later by exactly the pause.
    ClockResumed {
        /// Who resumed it.
        by: Subject,
        /// Which.
        clock: ClockKind,
        /// How long it stood still.
        paused_for: Duration,
    },
    /// A clock took over the promise of a more urgent class.
    ClockRaised {
        /// Which.
        clock: ClockKind,
        /// The desk's own objective since.
        target_at: Timestamp,
        /// The promise since.
        limit_at: Timestamp,
    },
    /// A clock was extended.
    ClockExtended {
        /// Which.
        clock: ClockKind,
        /// The limit since.
        limit_at: Timestamp,
    },
    /// A person settled a clock by hand.
    ClockSettled {
        /// Who.
        by: Subject,
        /// Which.
        clock: ClockKind,
        /// How.
        settlement: Settlement,
    },
    /// The holder passed the case to somebody else.
    HandedOver {
        /// Who.
        by: Subject,
        /// To whom.
        to: Subject,
        /// The epoch of the new holder.
        epoch: u64,
        /// Until when they hold it, unless extended.
        expires_at: Timestamp,
    },
    /// The desk said how the work goes.
    Updated {
        /// Who.
        by: Subject,
        /// How soon the answer is expected.
        expected_within: Option<Duration>,
    },
    /// The desk asked the authority something.
    Asked {
        /// Who.
        by: Subject,
    },
    /// The authority told the desk something.
    InformationProvided {
        /// Who.
        by: Subject,
        /// Whether it had been asked.
        was_asked: bool,
    },
    /// The nature was changed, or a protection noted.
    Reclassified {
        /// Who.
        by: Subject,
        /// Who proposed it, where it took two.
        proposed_by: Option<Subject>,
        /// The nature since.
        nature: Nature,
        /// The band since.
        band: Band,
        /// The protection that was noted.
        protection: Option<Protection>,
    },
    /// A lowering out of the emergency bands waits for a second person.
    LoweringProposed {
        /// Who.
        by: Subject,
        /// To which nature.
        nature: Nature,
    },
    /// A check found something.
    Verified {
        /// Who checked.
        by: Subject,
        /// What is established since.
        verification: Verification,
        /// The number of the registry that was called.
        phone: Option<PhoneId>,
    },
    /// A conflict of law was recorded or lifted.
    ConflictRecorded {
        /// Who.
        by: Subject,
        /// Over which category.
        category: DataCategory,
        /// Whether it stands.
        stance: Stance,
    },
    /// Cases with a target in common were found.
    LikelyDuplicatesFound {
        /// Which.
        cases: BTreeSet<CaseId>,
    },
    /// What calls for more care in verifying was seen as the request came in.
    RisksSeen {
        /// What.
        risks: BTreeSet<Risk>,
    },
    /// The authority was suspended: whatever was verified must be verified anew.
    AuthoritySuspended,
    /// A person found another case to be about the same matter.
    DuplicateLinked {
        /// Who.
        by: Subject,
        /// Which case.
        case: CaseId,
    },
    /// An outcome waits for a second person.
    OutcomeProposed {
        /// Who.
        by: Subject,
        /// The proposal's number.
        number: u32,
        /// The categories that would go out.
        disclosed: BTreeSet<DataCategory>,
    },
    /// A second person approved an outcome.
    OutcomeApproved {
        /// Who.
        by: Subject,
        /// Who proposed it.
        proposed_by: Subject,
        /// The proposal's number.
        number: u32,
    },
    /// Data went out.
    Disclosed {
        /// The disclosure's number.
        number: u32,
        /// Which categories.
        categories: BTreeSet<DataCategory>,
        /// How many items.
        items: u32,
        /// Their bytes together.
        bytes: u64,
        /// The registered key that they were sealed to.
        recipient_key: KeyId,
    },
    /// The authority has what went out.
    DeliveryConfirmed {
        /// Who.
        by: Subject,
        /// The proposal's number.
        number: u32,
    },
    /// The authority asked to take the request back.
    WithdrawalRequested {
        /// Who.
        by: Subject,
    },
    /// The authority did not ask to take the request back, whoever said so.
    WithdrawalDeclined {
        /// Who found that out.
        by: Subject,
    },
    /// The case ended.
    Ended {
        /// Who ended it.
        by: Subject,
        /// How.
        outcome: Outcome,
        /// How long it took since it was accepted.
        took: Duration,
    },
    /// The authority asked that the data be kept from deletion.
    PreservationRequested {
        /// Who.
        by: Subject,
    },
    /// A person has seen a page. It stops no clock.
    PageAcknowledged {
        /// Who.
        by: Subject,
        /// Which.
        key: PageKey,
    },
    /// Purging was forbidden, or allowed again.
    LegalHoldSet {
        /// Who.
        by: Subject,
        /// Whether it is forbidden.
        is_held: bool,
    },
    /// The case belongs to an incident since.
    IncidentJoined {
        /// Which.
        incident: IncidentName,
    },
    /// The case belongs to no open incident any more.
    IncidentLeft {
        /// Which it belonged to.
        incident: IncidentName,
    },
    /// What was said is gone.
    Purged,
}

impl Event {
    /// Whether somebody outside must be told: a page, or that pages are over.
    #[must_use]
    pub const fn concerns_pages(&self) -> bool {
        matches!(self, Self::Paged(_) | Self::PagedFromMemory { .. } | Self::PagesClosed { .. })
    }
}

words! {
    /// How a clock was settled by hand.
    pub enum Settlement {
        /// What it promised was done.
        Kept = "kept",
        /// It need not be done; the reason is in the record.
        Waived = "waived",
        /// It was not done; the reason is in the record.
        Failed = "failed",
    }
}

/// The record of a rung; of a run of repeats, when several were overdue at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RungRecord {
    /// Which clock's.
    pub clock: ClockKind,
    /// In which cycle of that clock.
    pub cycle: u32,
    /// The rung's offset; of a run, the last one's.
    pub offset: Duration,
    /// When it was due; of a run, the last one.
    pub due_at: Timestamp,
    /// How many rungs this records: 1, or the length of the run.
    pub count: u32,
    /// The time between the rungs of a run; zero for a single rung.
    pub spacing: Duration,
    /// How long after `due_at` it was recorded.
    pub lateness: Duration,
    /// Whether passing it means that the target or the limit passed.
    pub mark: Option<Mark>,
    /// How urgent the case is once the rung has passed.
    pub band: Band,
}

impl RungRecord {
    /// How late a rung may be before it is marked late. The timer looks at least once a second, so
    /// anything beyond this was an outage, not a delay.
    pub const LATE_AFTER: Duration = Duration::from_secs(2);

    /// Whether the rung (of a run, any of it) is marked late.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.lateness_of(0) > Self::LATE_AFTER
    }

    /// The lateness of the `index`-th rung of the run, counted from the earliest.
    #[must_use]
    pub fn lateness_of(&self, index: u32) -> Duration {
        let behind = self.count.saturating_sub(1).saturating_sub(index);
        self.lateness.saturating_add(self.spacing.saturating_mul(behind))
    }
}
