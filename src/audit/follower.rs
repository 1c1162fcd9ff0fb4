//! The loop that derives the log from the stream.
//!
//! Every look begins with the entry that was read last: as long as it is there and unchanged, what
//! follows it continues what was signed. Where it is not, either the stream was trimmed, which stops at
//! the edge that Redis keeps, or what was signed is no longer what the stream says.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::UNSIGNED_MAX;
use super::edge_state::EdgeState;
use super::entry::digest;
use super::error::LogError;
use super::log::Log;
use super::record::Record;
use super::tree::Edge;
use crate::core::Timestamp;
use crate::store::{AuditEdge, Cursor, Store, StoreError};
use crate::telemetry::metrics;

/// How often it is looked for changes.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long after a failure.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How many entries are read at once.
const READ_MAX: usize = 512;

/// Why the log does not go on, for good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// The stream is not what was signed.
    #[error("HISTORY_LOST: {0}")]
    HistoryLost(String),
    /// Nobody trusted has signed what the log would have to go on from.
    #[error(
        "nobody trusted has signed the log of {0} entries that Redis knows of, and the stream no longer has \
         all of it; name the public keys of the other replicas by --log-verifier"
    )]
    Untrusted(u64),
    /// The files are not what was signed.
    #[error("{0}")]
    Broken(String),
}

/// Why a step did not get on.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Log(LogError),
    #[error("the edge of the audit log that Redis keeps cannot be read")]
    Edge,
    #[error("what was read was read somewhere else than writes now go")]
    Elsewhere,
    #[error(transparent)]
    Halted(Halt),
}

impl From<LogError> for Trouble {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Broken { .. } => Self::Halted(Halt::Broken(error.to_string())),
            LogError::File { .. } | LogError::Taken { .. } => Self::Log(error),
        }
    }
}

/// What a step found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The log holds all there is.
    CaughtUp,
    /// There may be more.
    More,
}

/// Derives one desk's log.
pub struct Follower<S> {
    store: Arc<S>,
    record: Arc<Record>,
    /// Whether the files were compared, since they were opened, with what Redis knows to be signed.
    is_compared: bool,
    /// The size that Redis is known to keep the edge of.
    kept: Option<u64>,
    /// The tree that the stream must make, since nobody trusted has signed it.
    expected: Option<Edge>,
    /// When the oldest entry that is not signed was recorded, or earlier.
    unsigned_since: Option<Timestamp>,
}

impl<S: Store> Follower<S> {
    /// A follower that writes what `record` shows.
    pub const fn new(store: Arc<S>, record: Arc<Record>) -> Self {
        Self { store, record, is_compared: false, kept: None, expected: None, unsigned_since: None }
    }

    /// Goes on for ever, also once the log has stopped: the desk goes on.
    pub async fn run(mut self) {
        let mut is_failing = false;
        loop {
            let pause = match self.step().await {
                Ok(step) => {
                    is_failing = false;
                    if step == Step::More { Duration::ZERO } else { LOOK_EVERY }
                }
                Err(Trouble::Halted(halt)) => {
                    let desk = self.record.desk();
                    tracing::error!(%desk, "the audit log has stopped: {halt}; see the runbook");
                    self.record.halt(halt);
                    return std::future::pending().await;
                }
                Err(error) => {
                    if !std::mem::replace(&mut is_failing, true) {
                        let desk = self.record.desk();
                        tracing::error!(%desk, %error, "the audit log does not get on; it tries on");
                    }
                    if matches!(error, Trouble::Log(_)) {
                        // What reached the disk is known only by reading it again.
                        let record = Arc::clone(&self.record);
                        _ = tokio::task::spawn_blocking(move || record.close()).await;
                        self.is_compared = false;
                    }
                    RETRY_AFTER
                }
            };
            if !pause.is_zero() {
                sleep(pause).await;
            }
        }
    }

    /// Follows until the log holds all there is; for those who have no loop.
    ///
    /// # Errors
    /// Why it does not get on.
    pub async fn catch_up(&mut self) -> Result<(), String> {
        loop {
            match self.step().await {
                Ok(Step::More) => {}
                Ok(Step::CaughtUp) => return Ok(()),
                Err(trouble) => {
                    if let Trouble::Halted(halt) = &trouble {
                        self.record.halt(halt.clone());
                    }
                    return Err(trouble.to_string());
                }
            }
        }
    }

    async fn step(&mut self) -> Result<Step, Trouble> {
        if let Some(halt) = self.record.halted() {
            return Err(Trouble::Halted(halt));
        }
        let (cursor, stored) = self.read_to().await?;
        // From the last entry on, to see that it is still there.
        let after = if stored.is_some() { cursor.before() } else { cursor };
        let mut entries = self.store.changes(after, READ_MAX).await?;
        let is_full = entries.len() == READ_MAX;
        if let Some(stored) = stored {
            match entries.first() {
                Some(first) if first.cursor == cursor => {
                    if digest(&first.stored) != stored {
                        let lost = format!("another entry stands at {cursor} of the stream");
                        return Err(Trouble::Halted(Halt::HistoryLost(lost)));
                    }
                    entries.remove(0);
                }
                Some(_) | None => return self.rejoin(cursor).await,
            }
        }
        let mut entries: Vec<(Cursor, Vec<u8>)> =
            entries.into_iter().map(|entry| (entry.cursor, entry.stored)).collect();
        let is_full = self.until_expected(&mut entries) || is_full;
        let last = entries.last().map_or(cursor, |(cursor, _)| *cursor);
        // What a failover may still lose is not taken in: once signed, it could never be lost again.
        if !entries.is_empty() && !self.store.settled(last).await? {
            return Err(Trouble::Elsewhere);
        }
        let first = entries.first().map_or(last, |(cursor, _)| *cursor);
        let since = self.unsigned_since.unwrap_or(Timestamp::from_millis(first.millis));
        let is_due = self.store.now_estimate().is_some_and(|now| now.since(since) >= UNSIGNED_MAX);
        let signed_before = self.record.signed();
        let entries = self.as_expected(entries).await?;
        self.with_log(move |log| {
            if !entries.is_empty() {
                log.append(&entries)?;
            }
            if is_due && !is_full { log.seal_now() } else { Ok(()) }
        })
        .await?;
        let signed = self.record.signed();
        self.unsigned_since = match signed {
            _ if signed == self.record.size() => None,
            _ if signed == signed_before => Some(since),
            _ => Some(Timestamp::from_millis(last.millis)),
        };
        self.keep().await?;
        if is_full {
            return Ok(Step::More);
        }
        self.record.caught_up();
        Ok(Step::CaughtUp)
    }

    /// Where the log has come to, once it is open.
    async fn read_to(&mut self) -> Result<(Cursor, Option<[u8; 32]>), Trouble> {
        let record = Arc::clone(&self.record);
        let opened = blocking(move || record.open()).await?;
        if let Some(read_to) = opened {
            self.compare_with_signed().await?;
            return Ok(read_to);
        }
        // No files: from the edge that Redis keeps. The first replica of all keeps one where the stream
        // begins, and whoever comes second begins there too.
        let kept = if let Some(kept) = self.store.audit_edge().await? {
            kept
        } else {
            let since = self.store.kept().await?.since;
            self.store.keep_audit_edge(&EdgeState::beginning(since).render()).await?;
            self.store.audit_edge().await?.ok_or(Trouble::Edge)?
        };
        let state = self.bearable(EdgeState::parse(&kept).ok_or(Trouble::Edge)?).await?;
        tracing::info!(desk = %self.record.desk(), size = state.edge.size(), "the audit log begins here");
        let read_to = (state.cursor, state.stored);
        let record = Arc::clone(&self.record);
        blocking(move || record.begin(state)).await?;
        Ok(read_to)
    }

    /// What the files hold must be what somebody trusted has signed, also where the files have lost their
    /// own checkpoints. Only then is signed what a kill has left unsigned.
    async fn compare_with_signed(&mut self) -> Result<(), Trouble> {
        if self.is_compared {
            return Ok(());
        }
        if let Some(kept) = self.store.audit_edge().await? {
            let state = EdgeState::parse(&kept).ok_or(Trouble::Edge)?;
            let (record, size) = (Arc::clone(&self.record), kept.size);
            let own = blocking(move || record.edge_at(size)).await?;
            if self.record.trusts(&state) && own.is_some_and(|own| own != state.edge) {
                let what =
                    format!("these files hold another log of {size} entries than was signed");
                return Err(Trouble::Halted(Halt::HistoryLost(what)));
            }
        }
        self.with_log(Log::seal_what_was_not).await?;
        self.is_compared = true;
        Ok(())
    }

    /// What the log may begin at: an edge that somebody trusted has signed, or where the stream itself
    /// begins, if it still has all that the edge was made of and so bears the edge out.
    async fn bearable(&mut self, state: EdgeState) -> Result<EdgeState, Trouble> {
        if self.record.trusts(&state) {
            return Ok(state);
        }
        let since = self.store.kept().await?.since;
        let size = state.edge.size();
        if size > 0 && since != Cursor::default() {
            return Err(Trouble::Halted(Halt::Untrusted(size)));
        }
        // Of an empty log the cursor is nobody's word either.
        self.expected = (size > 0).then_some(state.edge);
        Ok(EdgeState::beginning(since))
    }

    /// The entries up to the size whose tree is known, to be compared there.
    fn until_expected(&self, entries: &mut Vec<(Cursor, Vec<u8>)>) -> bool {
        let Some(expected) = &self.expected else { return false };
        let left = expected.size().saturating_sub(self.record.size());
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        let is_cut = entries.len() > left;
        entries.truncate(left);
        is_cut
    }

    /// The entries again, unless the tree with them is another one than Redis knows of: seen before any
    /// of it is signed.
    async fn as_expected(
        &mut self,
        entries: Vec<(Cursor, Vec<u8>)>,
    ) -> Result<Vec<(Cursor, Vec<u8>)>, Trouble> {
        if self.expected.is_none() {
            return Ok(entries);
        }
        let record = Arc::clone(&self.record);
        let (edge, entries) = blocking(move || Ok((record.edge_with(&entries), entries))).await?;
        self.check_expected(&edge)?;
        Ok(entries)
    }

    fn check_expected(&mut self, edge: &Edge) -> Result<(), Trouble> {
        let Some(expected) = self.expected.take_if(|expected| expected.size() <= edge.size())
        else {
            return Ok(());
        };
        if expected == *edge {
            return Ok(());
        }
        let what = format!("the stream has another log of {} entries than Redis", expected.size());
        Err(Trouble::Halted(Halt::HistoryLost(what)))
    }

    /// The entry that was read last is not in the stream. Where it was trimmed, the log goes on from the
    /// edge that Redis keeps.
    async fn rejoin(&self, cursor: Cursor) -> Result<Step, Trouble> {
        let lost = |what: String| Err(Trouble::Halted(Halt::HistoryLost(what)));
        let kept = self.store.kept().await?;
        if kept.latest < cursor {
            let latest = kept.latest;
            return lost(format!("the stream ends at {latest}, before {cursor}, which is signed"));
        }
        if cursor > kept.since {
            return lost(format!("the entry at {cursor} of the stream is gone"));
        }
        let size = self.record.size();
        let edge = self.store.audit_edge().await?;
        let Some(edge) = edge.filter(|edge| edge.size > size && edge.cursor > cursor) else {
            return lost(format!(
                "Redis knows of no log as long as the {size} entries of this one"
            ));
        };
        let state = EdgeState::parse(&edge).ok_or(Trouble::Edge)?;
        if !self.record.trusts(&state) {
            return Err(Trouble::Halted(Halt::Untrusted(edge.size)));
        }
        tracing::warn!(
            desk = %self.record.desk(),
            from = size,
            to = edge.size,
            "this replica was away for longer than changes are kept; its files lack these entries, \
             the log does not"
        );
        self.with_log(move |log| {
            log.rejoin(state);
            Ok(())
        })
        .await?;
        Ok(Step::More)
    }

    /// Keeps the edge of the last checkpoint in Redis, unless another replica has.
    async fn keep(&mut self) -> Result<(), Trouble> {
        let Some(edge) = self.record.sealed_edge() else { return Ok(()) };
        if self.kept == Some(edge.size) {
            return Ok(());
        }
        if !self.store.keep_audit_edge(&edge).await? {
            self.compare(&edge).await?;
        }
        self.kept = Some(edge.size);
        Ok(())
    }

    /// Two trees of the same size that are not the same are two histories.
    async fn compare(&self, own: &AuditEdge) -> Result<(), Trouble> {
        let Some(kept) = self.store.audit_edge().await? else { return Ok(()) };
        let hashes = |edge: &AuditEdge| EdgeState::parse(edge).map(|state| state.edge);
        if kept.size == own.size && hashes(&kept) != hashes(own) {
            let what = format!("another replica has another log of {} entries", own.size);
            return Err(Trouble::Halted(Halt::HistoryLost(what)));
        }
        Ok(())
    }

    async fn with_log(
        &self,
        act: impl FnOnce(&mut Log) -> Result<(), LogError> + Send + 'static,
    ) -> Result<(), Trouble> {
        let record = Arc::clone(&self.record);
        blocking(move || record.with_log(act)).await?;
        metrics::audit_log(self.record.desk(), self.record.size(), self.record.signed());
        Ok(())
    }
}

/// Files are written beside the runtime, not in it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LogError> + Send + 'static,
) -> Result<T, Trouble> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done?),
        Err(error) => {
            let source = std::io::Error::other(error);
            let (operation, directory) = ("write", "the audit log".to_owned());
            Err(LogError::File { operation, directory, source }.into())
        }
    }
}
