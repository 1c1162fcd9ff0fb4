//! Following cases: a snapshot, then every change in order, from any point that is still kept.
//!
//! One loop per process looks whether there are new changes; each watch then reads them for itself,
//! at its own pace, so that a slow reader loses nothing and holds nobody up.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch as latest;
use tokio::time::sleep;

use super::{Desk, Error};
use crate::core::{AuthorityId, Case, CaseId, Change, Told};
use crate::store::{Cursor, Index, Kept, Store, StoreError};

/// How often the loop looks when nobody tells it of a change.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How many changes or cases a watch reads at once.
const READ_MAX: usize = 256;

/// How far the events stream goes, or why that is not known.
type Known = Result<Kept, String>;
pub(super) type TailReceiver = latest::Receiver<Known>;

pub(super) fn channel() -> (latest::Sender<Known>, TailReceiver) {
    latest::channel(Err("the events stream has not been read yet".to_owned()))
}

/// The loop that looks for new changes.
pub struct Tail<S> {
    desk: Arc<Desk<S>>,
    known: latest::Sender<Known>,
}

impl<S: Store> Tail<S> {
    pub(super) const fn new(desk: Arc<Desk<S>>, known: latest::Sender<Known>) -> Self {
        Self { desk, known }
    }

    /// Looks, for ever.
    pub async fn run(self) {
        loop {
            let known = self.desk.store.kept().await.map_err(|error| error.to_string());
            self.known.send_if_modified(|old| {
                let is_new = *old != known;
                *old = known;
                is_new
            });
            tokio::select! {
                () = self.desk.hints.changed.notified() => {}
                () = sleep(LOOK_EVERY) => {}
            }
        }
    }
}

/// What a watch follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchScope {
    /// One case.
    Case(CaseId),
    /// An authority's cases.
    Authority(AuthorityId),
    /// Every case of the desk.
    Desk,
}

/// What a watch tells next.
#[derive(Debug)]
pub enum Followed {
    /// A case as it was when the watch began.
    Snapshot(Box<Case>),
    /// The snapshot held so many cases and is complete.
    SnapshotEnd(u32),
    /// Something happened.
    Change(Box<Change>),
}

/// One watch.
pub struct Watch<S> {
    desk: Arc<Desk<S>>,
    scope: WatchScope,
    cursor: Cursor,
    known: TailReceiver,
    /// What waits to be told, with the cursor to resume from once it has been.
    pending: std::collections::VecDeque<(Followed, Option<Cursor>)>,
    /// The versions that the snapshot already showed.
    shown: HashMap<CaseId, u64>,
}

impl<S: Store> Desk<S> {
    /// Follows `scope`: from `resume` on, or with a snapshot first.
    ///
    /// # Errors
    /// There is no such case, the resume point is no longer kept, or the store cannot be read.
    pub async fn watch(
        self: &Arc<Self>,
        scope: WatchScope,
        resume: Option<Cursor>,
    ) -> Result<Watch<S>, Error> {
        let kept = self.store.kept().await?;
        if resume.is_some_and(|cursor| cursor < kept.since) {
            return Err(Error::TooOld);
        }
        let mut watch = Watch {
            desk: Arc::clone(self),
            scope,
            // Taken before the snapshot: nothing that follows it can be missed.
            cursor: resume.unwrap_or(kept.latest),
            known: self.tail.clone(),
            pending: std::collections::VecDeque::new(),
            shown: HashMap::new(),
        };
        if resume.is_none() {
            watch.take_snapshot().await?;
        }
        Ok(watch)
    }
}

impl<S: Store> Watch<S> {
    async fn take_snapshot(&mut self) -> Result<(), Error> {
        let cases = match &self.scope {
            WatchScope::Case(id) => vec![self.desk.get(*id).await?],
            // Of the unanswered, of which there are few, and not of all that the authority ever sent.
            WatchScope::Authority(authority) => {
                let mut cases = self.desk.all(&Index::Unanswered).await?;
                cases.retain(|case| case.authority == *authority);
                cases
            }
            WatchScope::Desk => self.desk.all(&Index::Unanswered).await?,
        };
        let count = u32::try_from(cases.len()).unwrap_or(u32::MAX);
        for case in cases {
            self.shown.insert(case.id, case.version);
            self.pending.push_back((Followed::Snapshot(Box::new(case)), None));
        }
        self.pending.push_back((Followed::SnapshotEnd(count), Some(self.cursor)));
        Ok(())
    }

    /// What to tell next, with the cursor to resume from afterwards. Waits for it; may be dropped
    /// and called again.
    ///
    /// # Errors
    /// The store cannot be read, or what would follow is no longer kept.
    pub async fn next(&mut self) -> Result<(Followed, Option<Cursor>), Error> {
        loop {
            if let Some(next) = self.pending.pop_front() {
                return Ok(next);
            }
            let known = self.known.borrow_and_update().clone();
            let kept = known.map_err(|problem| StoreError::Unreachable {
                operation: "follow changes",
                reason: problem,
            })?;
            if self.cursor < kept.since {
                return Err(Error::TooOld);
            }
            if self.cursor < kept.latest {
                self.read().await?;
            } else {
                self.known.changed().await.map_err(|_| Error::Stopping)?;
            }
        }
    }

    async fn read(&mut self) -> Result<(), Error> {
        let entries = self.desk.store.changes(self.cursor, READ_MAX).await?;
        for entry in entries {
            self.cursor = entry.cursor;
            match entry.told {
                Ok(Told::Change(change)) if self.is_in_scope(&change) => {
                    let followed = Followed::Change(Box::new(change));
                    self.pending.push_back((followed, Some(entry.cursor)));
                }
                Ok(_) => {}
                // The pager puts it aside and raises the alarm; watches go on with the rest.
                Err(error) => tracing::error!(%error, "a change was left out of a watch"),
            }
        }
        Ok(())
    }

    fn is_in_scope(&self, change: &Change) -> bool {
        let is_ours = match &self.scope {
            WatchScope::Case(id) => change.case == *id,
            WatchScope::Authority(authority) => change.authority == *authority,
            // What the service does to test itself is no work of the desk.
            WatchScope::Desk => !change.authority.is_synthetic(),
        };
        is_ours && self.shown.get(&change.case).is_none_or(|shown| change.version > *shown)
    }

    /// Where to resume now.
    #[must_use]
    pub const fn cursor(&self) -> Cursor {
        self.cursor
    }
}
