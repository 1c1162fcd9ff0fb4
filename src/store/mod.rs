//! Where cases live. Redis in earnest, memory for tests and simulation; one contract for both.
//!
//! The store knows no rule of the domain. It writes a transition whole or not at all, keeps the
//! indexes that the core computes, and tells the time.

mod audit_edge;
mod codec;
mod committer;
mod durability;
mod endpoints;
mod error;
mod index;
mod inspection;
mod key_check;
mod keys;
mod link;
mod memory_store;
mod outbox;
mod places;
mod reads;
mod redis_store;
mod script;
mod sealing;
mod stream;
mod tending;
mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use crate::core::memory::ActKey;
use crate::core::{
    AuthorityId, AuthorityStanding, Case, CaseId, DeskName, Fingerprint, Incident, IncidentName,
    Next, Notice, Policy, PolicyId, Timestamp,
};
pub use crate::seal::Content;
use crate::seal::{KeyRing, Label};
pub use crate::telemetry::Figures;
use crate::telemetry::traces::TraceParent;

pub use codec::{Outline, decode_case, decode_told, encode_case, encode_change, encode_notice};
pub use durability::{AcceptedLoss, Durability, Finding};
pub use error::{StoreError, Unreadable};
pub use index::{Index, Position};
pub use memory_store::MemoryStore;
pub use redis_store::{RedisOptions, RedisStore, StoreHealth};
pub use stream::{AuditEdge, Cursor, Entry, Kept};
pub use values::{Facts, IncidentCommit, LoadedIncident, LoadedStanding, SeenItem, StandingCommit};

/// The one command that writes `commit`, with nothing around it: the ceiling that benchmarks measure
/// against. It needs the scripts to be loaded, as a connected [`RedisStore`] does.
///
/// # Errors
/// There is no key to seal what was said with, or no randomness.
pub fn bare_commit(
    desk: &DeskName,
    commit: &Commit,
    ring: &KeyRing,
) -> Result<redis::Cmd, StoreError> {
    let sealed = sealing::seal_with(ring, desk, &commit.next.case, &commit.said);
    let sealed = sealed.map_err(|error| sealing::not_sealed("commit", &error))?;
    let (keys, salt) = (keys::Keys::new(desk), sealing::salt("commit")?);
    Ok(script::CommitScript::new(&[]).call(&keys, commit, sealed.as_ref(), salt))
}

/// The contract of a store. Times are on its one clock.
pub trait Store: Send + Sync + 'static {
    /// Loads cases, in the order of `ids`, and the time at which they were so.
    fn load(&self, ids: &[CaseId]) -> impl Future<Output = Result<Loaded, StoreError>> + Send;

    /// Loads what was said in a case.
    fn contents(&self, id: CaseId) -> impl Future<Output = Result<Contents, StoreError>> + Send;

    /// Writes a transition with its indexes and events, or nothing. `Written` means durable.
    fn commit(&self, commit: Commit) -> impl Future<Output = Result<Outcome, StoreError>> + Send;

    /// Like [`Store::load`], for the timer, which must not wait behind what others read.
    fn load_due(&self, ids: &[CaseId]) -> impl Future<Output = Result<Loaded, StoreError>> + Send;

    /// Makes sure that a value which was read at `version` is durable in that version or a later one;
    /// `false` when it was read somewhere else than writes now go, and must be read again.
    fn fence(
        &self,
        value: &Versioned,
        version: u64,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Loads an incident, and the time at which it was so.
    fn incident(
        &self,
        name: &IncidentName,
    ) -> impl Future<Output = Result<LoadedIncident, StoreError>> + Send;

    /// Opens the facts told of an incident. What needs none of them must not ask: they may be sealed by a
    /// key that is lost.
    fn incident_facts(
        &self,
        name: &IncidentName,
    ) -> impl Future<Output = Result<Option<Facts>, StoreError>> + Send;

    /// Every incident there is or was, the latest opened first.
    fn incidents(&self) -> impl Future<Output = Result<Vec<Incident>, StoreError>> + Send;

    /// Writes an incident, or nothing, like [`Store::commit`].
    fn commit_incident(
        &self,
        commit: IncidentCommit,
    ) -> impl Future<Output = Result<Outcome, StoreError>> + Send;

    /// How an authority stands, and the time at which it did.
    fn standing(
        &self,
        authority: &AuthorityId,
    ) -> impl Future<Output = Result<LoadedStanding, StoreError>> + Send;

    /// Every authority that is suspended, the first suspended first.
    fn suspended(&self) -> impl Future<Output = Result<Vec<AuthorityStanding>, StoreError>> + Send;

    /// Writes how an authority stands and tells it, or nothing, like [`Store::commit`].
    fn commit_standing(
        &self,
        commit: StandingCommit,
    ) -> impl Future<Output = Result<Outcome, StoreError>> + Send;

    /// Tells a notice. When this returns, it is durable.
    fn tell(&self, notice: Notice) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// How many cases of each index have at least that score.
    fn count(
        &self,
        counted: &[(Index, u64)],
    ) -> impl Future<Output = Result<Vec<u64>, StoreError>> + Send;

    /// Since when the store knows each of these. What it meets for the first time it knows from now on;
    /// what it meets first of all, since ever.
    fn first_seen(
        &self,
        items: &[SeenItem],
    ) -> impl Future<Output = Result<Vec<Timestamp>, StoreError>> + Send;

    /// The cases whose wake has come, the most overdue first, leaving out the first `skip`.
    fn due(
        &self,
        skip: usize,
        count: usize,
    ) -> impl Future<Output = Result<Due, StoreError>> + Send;

    /// A part of an index, from just after `after` on.
    fn list(
        &self,
        index: &Index,
        after: Option<Position>,
        count: usize,
    ) -> impl Future<Output = Result<Vec<Position>, StoreError>> + Send;

    /// A kept policy.
    fn policy(
        &self,
        id: PolicyId,
    ) -> impl Future<Output = Result<Option<Policy>, StoreError>> + Send;

    /// Keeps a policy for ever, under its content address.
    fn keep_policy(&self, policy: &Policy) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Which case an act of the recent past got, if it left a note.
    fn noted(&self, key: ActKey)
    -> impl Future<Output = Result<Option<CaseId>, StoreError>> + Send;

    /// The changes after `after`, the oldest first.
    fn changes(
        &self,
        after: Cursor,
        count: usize,
    ) -> impl Future<Output = Result<Vec<Entry>, StoreError>> + Send;

    /// Makes sure that the change which was read at `cursor`, and all before it, are durable, on replicas
    /// too where these count; `false` when it was read somewhere else than writes now go, and what was
    /// read must be read again.
    fn settled(&self, cursor: Cursor) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// From which cursor on no change has been trimmed, and the cursor of the latest change.
    fn kept(&self) -> impl Future<Output = Result<Kept, StoreError>> + Send;

    /// Hands changes that no consumer of `group` has had to `consumer`; they stay its own until
    /// acknowledged. A new group starts with the oldest change kept.
    fn receive(
        &self,
        group: &str,
        consumer: &str,
        count: usize,
    ) -> impl Future<Output = Result<Vec<Entry>, StoreError>> + Send;

    /// Hands changes to `consumer` that any consumer of `group` has left unacknowledged for `idle`.
    fn take_over(
        &self,
        group: &str,
        consumer: &str,
        idle: Duration,
        count: usize,
    ) -> impl Future<Output = Result<Vec<Entry>, StoreError>> + Send;

    /// Marks changes as dealt with by `group`.
    fn acknowledge(
        &self,
        group: &str,
        cursors: &[Cursor],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Says that `group` still works on changes that it has received, so that nobody takes them over.
    fn hold(
        &self,
        group: &str,
        consumer: &str,
        cursors: &[Cursor],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// A part of all cases there are, found by themselves and by no index, and where to go on: `None`
    /// at the end. A case may come twice; one that is there all the time comes at least once.
    fn scan(
        &self,
        from: ScanCursor,
        count: usize,
    ) -> impl Future<Output = Result<(Vec<CaseId>, Option<ScanCursor>), StoreError>> + Send;

    /// Loads cases and compares what the indexes say of them.
    fn inspect(&self, ids: &[CaseId])
    -> impl Future<Output = Result<Inspected, StoreError>> + Send;

    /// Writes a case again as it was read, at the same version, with every entry that it should have
    /// in the indexes. [`Outcome::Conflict`] says that it has another version now.
    fn repair(
        &self,
        case: &Case,
        observed_at: Timestamp,
    ) -> impl Future<Output = Result<Outcome, StoreError>> + Send;

    /// Seals what was said in cases that have ended so that it can be destroyed when it is no longer
    /// needed, and destroys the keys of what was purged, unless the `history` is doubtful; what was done.
    /// A store that seals nothing has nothing to do.
    fn tend_seals(
        &self,
        _history: History,
    ) -> impl Future<Output = Result<Tended, StoreError>> + Send {
        std::future::ready(Ok(Tended::default()))
    }

    /// Puts a change that its reader does not understand aside, where it stays until somebody looks.
    fn park(&self, cursor: Cursor) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// How far the audit log is known to have come; `None` before there is one.
    fn audit_edge(&self) -> impl Future<Output = Result<Option<AuditEdge>, StoreError>> + Send;

    /// Keeps how far the audit log has come, unless it is known to have come as far; whether it was
    /// kept. Nothing from its cursor on is ever trimmed.
    fn keep_audit_edge(
        &self,
        edge: &AuditEdge,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Whether the fingerprints of this store are made with the key that this is the check value of.
    /// The first that asks says so for all.
    fn agree_on_key(
        &self,
        check: Fingerprint,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Removes changes older than `before` that every group has acknowledged and that the audit log
    /// has; how many.
    fn trim(&self, before: Timestamp) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// What the gauges show.
    fn figures(&self) -> impl Future<Output = Result<Figures, StoreError>> + Send;

    /// Why the store cannot keep what it would now promise; `None` when it can.
    fn not_durable(&self) -> Option<String>;

    /// Whether so many writes wait that those which can wait elsewhere should.
    fn is_pressed(&self) -> bool;

    /// The store's time now, or a little less, without asking it; `None` before its first answer.
    fn now_estimate(&self) -> Option<Timestamp>;
}

/// A value that grows by one version with every write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Versioned {
    /// A case.
    Case(CaseId),
    /// An incident.
    Incident(IncidentName),
    /// How an authority stands.
    Standing(AuthorityId),
}

/// Cases as they were at one instant.
#[derive(Debug)]
pub struct Loaded {
    /// The instant.
    pub now: Timestamp,
    /// The cases, in the order asked for; `None` where there is none.
    pub cases: Vec<Result<Option<Case>, Unreadable>>,
}

/// Where a scan goes on; it begins with the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScanCursor(pub(super) u64);

/// Cases as they were at one instant, and whether the indexes agree with them.
#[derive(Debug)]
pub struct Inspected {
    /// The instant.
    pub now: Timestamp,
    /// The cases, in the order asked for; `None` where there is none.
    pub cases: Vec<Result<Option<Inspection>, Unreadable>>,
}

/// One case that was looked at.
#[derive(Debug)]
pub struct Inspection {
    /// The case.
    pub case: Case,
    /// Whether every index has it where it belongs. A case that was written between two looks counts
    /// as right: it wrote its entries then.
    pub is_indexed: bool,
}

/// Whether the store still holds all that it was told. One that was put back to an older state knows of
/// nothing that the keys of what was told since have sealed, and has no say over them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// It does.
    Whole,
    /// It may not, or nobody has looked yet.
    Doubtful,
}

/// What one look at what is sealed has come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tended {
    /// How many cases were sealed anew.
    pub resealed: u64,
    /// How many keys are about to be destroyed.
    pub retired: u64,
    /// What the keys were for that were destroyed.
    pub destroyed: Vec<Label>,
    /// Whether Redis was asked to write its log anew, without what was purged.
    pub is_log_rewritten: bool,
}

/// What was said in a case, as the bytes that arrived.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// The request.
    pub request: Option<Content>,
    /// The first response.
    pub response: Option<Content>,
    /// Everything else, by the version of the case that it made.
    pub messages: BTreeMap<u64, Content>,
}

/// What a transition adds to what was said.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Said {
    /// Nothing.
    #[default]
    Nothing,
    /// The request.
    Request(Content),
    /// The first response.
    Response(Content),
    /// Anything else.
    Message(Content),
}

impl fmt::Debug for Said {
    /// Content is never printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Said")
    }
}

impl fmt::Debug for Contents {
    /// Content is never printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Contents")
    }
}

/// A transition to be written.
#[derive(Clone, Debug)]
pub struct Commit {
    /// What was decided.
    pub next: Next,
    /// The store's time as it was seen when that was decided.
    pub observed_at: Timestamp,
    /// How old that may be; an older decision is to be made again.
    pub age_max: Duration,
    /// What the transition adds to what was said.
    pub said: Said,
    /// The targets that the case must no longer be found by.
    pub forgotten: Vec<Fingerprint>,
    /// A note of which case the act got, for a while.
    pub note: Option<Note>,
    /// The trace that the commit is part of. It is told with the change, and is no part of the case.
    pub trace: Option<TraceParent>,
}

/// A short-lived note of which case an act got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// The act.
    pub key: ActKey,
    /// How long the note is kept.
    pub kept_for: Duration,
}

/// What became of a commit that the store answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is written, durably.
    Written,
    /// The case has another version: load, decide and commit again.
    Conflict,
    /// The decision was made too early or too long ago: decide again at this time.
    Untimely(Timestamp),
    /// The policy of the case is not kept: keep it and commit again.
    PolicyMissing,
    /// The same act has got this case before.
    Noted(CaseId),
    /// It is a new case here, and another desk of the deployment has one of this id.
    Elsewhere,
}

impl Outcome {
    /// Its name in a trace.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Conflict => "conflict",
            Self::Untimely(_) => "untimely",
            Self::PolicyMissing => "policy-missing",
            Self::Noted(_) => "noted",
            Self::Elsewhere => "elsewhere",
        }
    }
}

/// Cases whose wake has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The store's time.
    pub now: Timestamp,
    /// The cases.
    pub ids: Vec<CaseId>,
    /// How many due entries of the index are no case ids: somebody else wrote there.
    pub nameless: usize,
    /// The next wake of all, due or not, behind the skipped ones.
    pub next_at: Option<Timestamp>,
}
