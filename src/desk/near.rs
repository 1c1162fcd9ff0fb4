//! The cases whose next wake is near, held in memory, so that their deadlines outlive the store.
//!
//! What this process commits is held as it is committed. What others commit is told by the events
//! stream, and loaded.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::{Desk, Error};
use crate::clock::monotonic_now;
use crate::core::projection::{Due, next_due};
use crate::core::{Case, CaseId, Change, Command, Decision, Next, Timestamp, decide};
use crate::store::{Cursor, Entry, Index, Store, StoreError};

/// How near a wake must be to be held.
const HORIZON: Duration = Duration::from_mins(5);
/// How often the stream is read for what others have committed.
const READ_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked which wakes have come near: the horizon less this is held for certain.
const SWEEP_EVERY: Duration = Duration::from_secs(30);
const READ_MAX: usize = 256;
/// How many cases are held at most: more than any desk has open, and some hundred megabytes.
const HELD_MAX: usize = 65_536;

/// The cases whose next wake is near.
#[derive(Debug, Default)]
pub(super) struct Near {
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    held: HashMap<CaseId, Held>,
    /// What this process has committed and not yet read in the stream, which need not be loaded.
    committed: HashMap<CaseId, u64>,
}

#[derive(Debug)]
struct Held {
    case: Arc<Case>,
    wake_at: Timestamp,
    /// Whether it was decided here, without the store, and is ahead of what the store has.
    is_ahead: bool,
}

impl Near {
    /// Takes in a case that this process has committed.
    pub(super) fn committed(&self, case: &Case) {
        let mut book = self.lock();
        book.committed.insert(case.id, case.version);
        book.hold(case.clone(), case.last_event_at + HORIZON);
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// Holds a case as the store has it, if its wake comes before `horizon`.
    fn hold(&mut self, case: Case, horizon: Timestamp) {
        let is_newer = |held: &Held| !held.is_ahead && held.case.version > case.version;
        if !self.held.get(&case.id).is_some_and(is_newer) {
            self.put(case, horizon, false);
        }
    }

    fn put(&mut self, case: Case, horizon: Timestamp, is_ahead: bool) {
        let has_room = self.held.len() < HELD_MAX || self.held.contains_key(&case.id);
        // What was decided here is nowhere else, however far off it goes on.
        match wake_of_people(&case).filter(|at| is_ahead || *at <= horizon) {
            Some(wake_at) if has_room => {
                let case = Arc::new(case);
                self.held.insert(case.id, Held { case, wake_at, is_ahead });
            }
            Some(_) | None => _ = self.held.remove(&case.id),
        }
    }

    /// Whether a change that the stream tells of must be looked up.
    fn is_new(&mut self, change: &Change) -> bool {
        let is_ours = self.committed.get(&change.case).is_some_and(|at| *at >= change.version);
        if self.committed.get(&change.case) == Some(&change.version) {
            self.committed.remove(&change.case);
        }
        let held = self.held.get(&change.case);
        let is_held =
            held.is_some_and(|held| !held.is_ahead && held.case.version >= change.version);
        !is_ours && !is_held
    }
}

/// When somebody may have to be told something.
fn wake_of_people(case: &Case) -> Option<Timestamp> {
    next_due(case).filter(|(_, due)| *due != Due::Purge).map(|(at, _)| at)
}

impl<S: Store> Desk<S> {
    /// How many cases are held in memory.
    pub fn held_in_memory(&self) -> usize {
        self.near.lock().held.len()
    }

    /// The held cases that should have been woken before `before`, as far as this process knows.
    pub fn overdue_in_memory(&self, before: Timestamp) -> Vec<Arc<Case>> {
        let book = self.near.lock();
        let overdue = book.held.values().filter(|held| held.wake_at < before);
        overdue.map(|held| Arc::clone(&held.case)).collect()
    }

    /// Looks at these cases in the store, and holds them as they are there.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn refresh_in_memory(&self, ids: &[CaseId]) -> Result<(), StoreError> {
        let loaded = self.store.load_due(ids).await?;
        let mut book = self.near.lock();
        for (id, case) in ids.iter().zip(loaded.cases) {
            match case {
                Ok(Some(case)) => book.hold(case, loaded.now + HORIZON),
                Ok(None) => _ = book.held.remove(id),
                // What cannot be read is as it was.
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// What the next wake of this case, if it comes before `until`, makes of it, without the store:
    /// nothing is written, and the case is held as it would be. `None` also if its policy cannot be found.
    pub async fn wake_in_memory(&self, case: &Case, until: Timestamp) -> Option<Next> {
        let at = wake_of_people(case).filter(|at| *at < until)?;
        let policy = self.policies.of(Some(case), self.store.as_ref()).await.ok()?;
        match decide(Some(case), &Command::Wake, at, &policy) {
            Decision::Next(next) => {
                self.near.lock().put(next.case.clone(), at + HORIZON, true);
                Some(*next)
            }
            Decision::AlreadyTrue | Decision::Refused(_) => None,
        }
    }

    /// Holds these cases as the store has them.
    async fn follow(&self, ids: BTreeSet<CaseId>) -> Result<(), Error> {
        let ids: Vec<CaseId> = ids.into_iter().collect();
        for some in ids.chunks(READ_MAX) {
            let loaded = self.store.load(some).await?;
            for case in loaded.cases.into_iter().flatten().flatten() {
                // Known to this process from now on, also when the store is not there to ask.
                if let Err(error) = self.policies.of(Some(&case), self.store.as_ref()).await {
                    tracing::warn!(case.id = %case.id, %error, "without its policy it cannot be paged for from memory");
                }
                self.near.lock().hold(case, loaded.now + HORIZON);
            }
        }
        Ok(())
    }
}

/// The loop that follows what others commit, and what comes near by itself.
pub struct Follower<S> {
    desk: Arc<Desk<S>>,
    cursor: Option<Cursor>,
    swept_at: Option<Instant>,
}

impl<S: Store> Follower<S> {
    /// The follower of a desk.
    pub const fn new(desk: Arc<Desk<S>>) -> Self {
        Self { desk, cursor: None, swept_at: None }
    }

    /// Follows, for ever.
    pub async fn run(mut self) {
        let mut is_failing = false;
        loop {
            match self.pass().await {
                Ok(()) => is_failing = false,
                // What is held stays held: this is what it is for.
                Err(error) if !std::mem::replace(&mut is_failing, true) => {
                    tracing::warn!(%error, "the next deadlines cannot be followed; those known are kept");
                }
                Err(_) => {}
            }
            sleep(READ_EVERY).await;
        }
    }

    /// Follows once.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn pass(&mut self) -> Result<(), Error> {
        let desk = Arc::clone(&self.desk);
        let kept = desk.store.kept().await?;
        let is_lost = self.cursor.is_none_or(|cursor| cursor < kept.since);
        let mut cursor = if is_lost { kept.latest } else { self.cursor.unwrap_or(kept.latest) };
        let is_sweep_due = self.swept_at.is_none_or(|at| at.elapsed() >= SWEEP_EVERY);
        let mut changed = BTreeSet::new();
        loop {
            let entries = desk.store.changes(cursor, READ_MAX).await?;
            let Some(last) = entries.last() else { break };
            cursor = last.cursor;
            let mut book = desk.near.lock();
            let changes = entries.iter().filter_map(Entry::change);
            changed.extend(changes.filter(|change| book.is_new(change)).map(|change| change.case));
        }
        if is_lost || is_sweep_due {
            changed.extend(self.coming_near().await?);
        }
        desk.follow(changed).await?;
        self.cursor = Some(cursor);
        if is_lost || is_sweep_due {
            self.swept_at = Some(monotonic_now());
        }
        Ok(())
    }

    /// The cases whose wake is near and that are not held.
    async fn coming_near(&self) -> Result<BTreeSet<CaseId>, Error> {
        let mut near = BTreeSet::new();
        let Some(now) = self.desk.now_estimate() else { return Ok(near) };
        let horizon_ms = (now + HORIZON).as_millis();
        let mut after = None;
        loop {
            let positions = self.desk.store.list(&Index::Wake, after, READ_MAX).await?;
            after = positions.last().copied();
            let is_end = positions.len() < READ_MAX
                || after.is_some_and(|last| last.score > horizon_ms)
                || near.len() >= HELD_MAX;
            let book = self.desk.near.lock();
            let in_time = positions.iter().filter(|position| position.score <= horizon_ms);
            near.extend(
                in_time.map(|position| position.id).filter(|id| !book.held.contains_key(id)),
            );
            if is_end {
                return Ok(near);
            }
        }
    }
}
