//! The log as those see it who read it: proofs, entries, checks, and how it stands.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

use super::edge_state::EdgeState;
use super::entry::Line;
use super::error::LogError;
use super::follower::Halt;
use super::hashes::LogHashes;
use super::log::{Log, LogSettings};
use super::proof::Proof;
use super::tree::{Edge, Hash, inclusion_path};
use super::{Entry, Verified};
use crate::clock::monotonic_now;
use crate::core::{CaseId, DeskName, Timestamp, Told};
use crate::sign::NoteSigner;
use crate::store::{AuditEdge, Cursor, decode_told};
use crate::telemetry::metrics;

/// A log that has not held all there is for so long is in trouble.
const AGE_MAX: Duration = Duration::from_mins(2);

/// A replica's log, shared between the one who writes it and those who read it.
pub struct Record {
    settings: LogSettings,
    /// Held for as long as files are written, or read whole: never asked for on the runtime's threads.
    log: Mutex<Option<Log>>,
    /// How it stood when it was last written: what calls ask for without waiting.
    shown: ArcSwapOption<Shown>,
    halted: Mutex<Option<Halt>>,
    caught_up_at: Mutex<Instant>,
    has_caught_up: AtomicBool,
}

/// How a log stands.
struct Shown {
    size: u64,
    signed: u64,
    root: Hash,
    sealed_edge: Option<AuditEdge>,
}

/// Why something cannot be proved yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotYet {
    /// The entry is not in the log.
    Derived,
    /// No checkpoint covers it.
    Signed,
}

impl fmt::Display for NotYet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Derived => "it is not in the log yet",
            Self::Signed => "no checkpoint covers it yet",
        })
    }
}

/// Why the log does not answer.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It will, soon.
    #[error("{0}")]
    NotYet(NotYet),
    /// It has stopped.
    #[error("the audit log has stopped: {0}")]
    Halted(Halt),
    /// Another replica has what is asked for.
    #[error("the files of this replica lack entries before entry {0}; another replica may have it")]
    Elsewhere(u64),
    /// Nothing can be said of it here.
    #[error("the audit log is not open on this replica, whose own log says why; ask another one")]
    Closed,
    /// The files do not answer.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// An entry as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownEntry {
    /// What was hashed.
    pub json: String,
    /// The same, read.
    pub entry: Entry,
    /// What is stored in the stream.
    pub stored: Vec<u8>,
}

impl ShownEntry {
    /// What was told; `None` where this version cannot read it.
    #[must_use]
    pub fn told(&self) -> Option<Told> {
        decode_told(&self.stored).ok()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Record {
    /// The record of a log that is not open yet.
    #[must_use]
    pub fn new(settings: LogSettings) -> Self {
        metrics::audit_history(&settings.desk, false);
        Self {
            settings,
            log: Mutex::new(None),
            shown: ArcSwapOption::empty(),
            halted: Mutex::new(None),
            caught_up_at: Mutex::new(monotonic_now()),
            has_caught_up: AtomicBool::new(false),
        }
    }

    /// Which desk's.
    pub const fn desk(&self) -> &DeskName {
        &self.settings.desk
    }

    /// Who signs it, and the receipts.
    #[must_use]
    pub fn signer(&self) -> &NoteSigner {
        &self.settings.signer
    }

    /// Whether somebody trusted has signed this edge of this log.
    pub(super) fn trusts(&self, edge: &EdgeState) -> bool {
        edge.is_signed_by(&self.settings.trusted(), self.signer().name())
    }

    /// How long ago the log held all there is.
    #[must_use]
    pub fn age(&self) -> Duration {
        lock(&self.caught_up_at).elapsed()
    }

    /// What somebody outside should hear of.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let desk = self.desk();
        if let Some(halt) = self.halted() {
            return vec![format!("audit log: that of the desk {desk} has stopped: {halt}")];
        }
        let age = self.age();
        if age <= AGE_MAX {
            return Vec::new();
        }
        let seconds = age.as_secs();
        vec![format!("audit log: that of the desk {desk} has not got on for {seconds} s")]
    }

    /// Why it has stopped, if it has.
    #[must_use]
    pub fn halted(&self) -> Option<Halt> {
        lock(&self.halted).clone()
    }

    /// How many entries the log has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.shown.load().as_ref().map_or(0, |shown| shown.size)
    }

    /// How many of them are signed.
    #[must_use]
    pub fn signed(&self) -> u64 {
        self.shown.load().as_ref().map_or(0, |shown| shown.signed)
    }

    /// The root of the tree as it is.
    #[must_use]
    pub fn root(&self) -> Option<Hash> {
        self.shown.load().as_ref().map(|shown| shown.root)
    }

    /// The right edge of the tree as it would be with these entries.
    pub(super) fn edge_with(&self, entries: &[(Cursor, Vec<u8>)]) -> Edge {
        lock(&self.log).as_ref().map_or_else(Edge::default, |log| log.edge_with(entries))
    }

    pub(super) fn halt(&self, halt: Halt) {
        metrics::audit_history(self.desk(), true);
        *lock(&self.halted) = Some(halt);
    }

    /// Whether the stream was found just now to hold all that the log knows of.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.has_caught_up.load(Ordering::Relaxed) && self.problems().is_empty()
    }

    pub(super) fn caught_up(&self) {
        self.has_caught_up.store(true, Ordering::Relaxed);
        *lock(&self.caught_up_at) = monotonic_now();
    }

    fn show(&self, log: &Log) {
        let (size, signed, root) = (log.size(), log.signed(), log.root());
        let sealed_edge = log.sealed_edge();
        self.shown.store(Some(Arc::new(Shown { size, signed, root, sealed_edge })));
    }

    pub(super) fn close(&self) {
        *lock(&self.log) = None;
    }

    /// Opens the log, unless it is; where it has come to, if there are files.
    pub(super) fn open(&self) -> Result<Option<(Cursor, Option<Hash>)>, LogError> {
        let mut log = lock(&self.log);
        if log.is_none() {
            *log = Log::open(&self.settings)?;
            log.iter().for_each(|log| self.show(log));
        }
        Ok(log.as_ref().map(Log::read_to))
    }

    pub(super) fn begin(&self, kept: EdgeState) -> Result<(), LogError> {
        let log = Log::begin(&self.settings, kept)?;
        self.show(&log);
        *lock(&self.log) = Some(log);
        Ok(())
    }

    pub(super) fn with_log(
        &self,
        act: impl FnOnce(&mut Log) -> Result<(), LogError>,
    ) -> Result<(), LogError> {
        let mut log = lock(&self.log);
        let Some(log) = log.as_mut() else { return Ok(()) };
        act(log)?;
        self.show(log);
        Ok(())
    }

    /// The right edge of the tree as it was at this size, where the files hold what came to it.
    pub(super) fn edge_at(&self, size: u64) -> Result<Option<Edge>, LogError> {
        lock(&self.log).as_ref().map_or(Ok(None), |log| log.edge_at(size))
    }

    pub(super) fn sealed_edge(&self) -> Option<AuditEdge> {
        self.shown.load().as_ref().and_then(|shown| shown.sealed_edge.clone())
    }

    fn opened(&self) -> Result<MutexGuard<'_, Option<Log>>, RecordError> {
        if let Some(halt) = self.halted() {
            return Err(RecordError::Halted(halt));
        }
        Ok(lock(&self.log))
    }

    /// Checks the files of this replica.
    ///
    /// # Errors
    /// The log has stopped or is not open, or is not what was signed.
    pub fn verify(&self) -> Result<Verified, RecordError> {
        let log = self.opened()?;
        Ok(log.as_ref().ok_or(RecordError::Closed)?.verify()?)
    }

    /// Up to `count` entries from number `from` on.
    ///
    /// # Errors
    /// This replica has them not, or the files cannot be read.
    pub fn entries(&self, from: u64, count: usize) -> Result<Vec<ShownEntry>, RecordError> {
        let log = lock(&self.log);
        let log = log.as_ref().ok_or(RecordError::Closed)?;
        let mut shown = Vec::new();
        for (first, end) in log.segments().filter(|(_, end)| *end > from) {
            let here = from + shown.len() as u64;
            if here < first {
                return if shown.is_empty() {
                    Err(RecordError::Elsewhere(first))
                } else {
                    Ok(shown)
                };
            }
            let skip = usize::try_from(here - first).unwrap_or(usize::MAX);
            let wanted = count - shown.len();
            let lines = log.lines(first)?;
            for pair in (here..end).zip(lines.iter().skip(skip)).take(wanted) {
                shown.push(read(pair).ok_or_else(|| log.lacks(pair.0))?);
            }
            if shown.len() == count {
                break;
            }
        }
        Ok(shown)
    }

    /// The entry that took a case in, which was accepted then, and its proof.
    ///
    /// # Errors
    /// It is not in the log, not signed, or not here.
    pub fn prove_accepted(
        &self,
        case: CaseId,
        accepted_at: Timestamp,
    ) -> Result<(ShownEntry, Proof), RecordError> {
        self.prove(accepted_at, |entry| {
            entry.outline.version == Some(1)
                && entry.outline.case.as_deref() == Some(case.compact())
        })
    }

    /// The first entry of a kind that is in the stream since an instant, and its proof.
    fn prove(
        &self,
        since: Timestamp,
        is_meant: impl Fn(&Entry) -> bool,
    ) -> Result<(ShownEntry, Proof), RecordError> {
        let log = self.opened()?;
        let log = log.as_ref().ok_or(RecordError::NotYet(NotYet::Derived))?;
        let shown = find(log, since, is_meant)?;
        let index = shown.entry.index;
        let sealed = log.sealed().filter(|sealed| sealed.point.edge.size() > index);
        let sealed = sealed.ok_or(RecordError::NotYet(NotYet::Signed))?;
        let path = inclusion_path(index, sealed.point.edge.size(), &mut LogHashes::new(log))?;
        Ok((shown, Proof { index, path, checkpoint: sealed.note.clone() }))
    }
}

fn read((index, line): (u64, &Vec<u8>)) -> Option<ShownEntry> {
    let (line, entry) = Line::parse(line, index).ok()?;
    Some(ShownEntry { json: line.json, entry, stored: line.stored })
}

/// Looks through the segments that may hold what is in the stream since an instant. A change is never
/// in the stream before the instant of its decision.
fn find(
    log: &Log,
    since: Timestamp,
    is_meant: impl Fn(&Entry) -> bool,
) -> Result<ShownEntry, RecordError> {
    let is_before = |shown: &ShownEntry| {
        let cursor: Result<Cursor, ()> = shown.entry.cursor.parse();
        cursor.is_ok_and(|cursor| cursor.millis < since.as_millis())
    };
    let mut segments: Vec<(u64, Vec<ShownEntry>)> = Vec::new();
    let (mut reaches_back, mut behind_gap) = (false, None);
    // From the newest back to the one that begins before that instant.
    for (first, end) in log.segments().rev() {
        let newer = segments.last().map(|(newer, _)| *newer);
        behind_gap = behind_gap.or(newer.filter(|newer| *newer > end));
        let lines = log.lines(first)?;
        let shown: Vec<ShownEntry> = (first..end).zip(&lines).filter_map(read).collect();
        reaches_back = first == 0 || shown.first().is_some_and(is_before);
        segments.push((first, shown));
        if reaches_back {
            break;
        }
    }
    let begins_at = segments.last().map_or_else(|| log.size(), |(first, _)| *first);
    let mut all = segments.into_iter().rev().flat_map(|(_, shown)| shown);
    match all.find(|shown| is_meant(&shown.entry)) {
        Some(shown) => Ok(shown),
        None if let Some(first) = behind_gap => Err(RecordError::Elsewhere(first)),
        None if reaches_back || begins_at == 0 => Err(RecordError::NotYet(NotYet::Derived)),
        None => Err(RecordError::Elsewhere(begins_at)),
    }
}
