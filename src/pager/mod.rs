//! The pager: reads the events stream as the outbox it is and has each page handed to its sinks.
//!
//! All replicas share one reader group; what a dead replica took and left is taken over. A change is
//! acknowledged once all that it asked for is done and recorded, so everything is told at least once,
//! and always under the same key. What is slow holds nothing else up: each change is served apart.

mod courier;
mod delivery;
pub mod notice;
pub mod sink;
mod ways;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::clock::monotonic_now;
use crate::core::{CaseId, Event, Told};
use crate::desk::Desk;
use crate::store::{Cursor, Entry, Store, StoreError, Unreadable};
use crate::telemetry::metrics;

pub use courier::Courier;
pub use courier::Seen;
use courier::Served;
pub use ways::Ways;

/// The name under which the replicas read together.
const GROUP: &str = "pager";
/// Each change goes to one of them, whatever their names; one name leaves none behind.
const CONSUMER: &str = "replica";
const READ_MAX: usize = 256;
/// How many changes may be on their way at once. Beyond it nothing new is read, which the age of the
/// outbox shows; a dead sink gives each of its pages up long before so many have gathered.
const IN_FLIGHT_MAX: usize = 16_384;
/// How often it is looked for what other replicas have committed.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often it is looked for what others left behind, and after how long it counts as left.
const TAKE_OVER_EVERY: Duration = Duration::from_secs(5);
const LEFT_AFTER: Duration = Duration::from_secs(30);
/// How often others are told that we still work on what we have: well within that time.
const HOLD_EVERY: Duration = Duration::from_secs(10);

/// The loop that pages.
pub struct Pager<S> {
    desk: Arc<Desk<S>>,
    store: Arc<S>,
    courier: Arc<Courier<S>>,
    working: JoinSet<(Cursor, Served)>,
    /// What this process has and has not acknowledged.
    in_flight: HashSet<Cursor>,
    /// What is done and has yet to be acknowledged.
    done: Vec<Cursor>,
    looked_behind_at: Option<Instant>,
    held_at: Instant,
    /// What was taken and could not be looked up yet.
    unserved: Vec<Taken>,
}

/// A change that this process has taken.
struct Taken {
    entry: Entry,
    /// Whether somebody has had it before, who may have told sinks without recording it.
    is_left: bool,
}

impl<S: Store> Pager<S> {
    /// A pager of this desk.
    pub fn new(desk: Arc<Desk<S>>, store: Arc<S>, courier: Arc<Courier<S>>) -> Self {
        Self {
            desk,
            store,
            courier,
            working: JoinSet::new(),
            in_flight: HashSet::new(),
            done: Vec::new(),
            looked_behind_at: None,
            held_at: monotonic_now(),
            unserved: Vec::new(),
        }
    }

    /// Pages, for ever.
    pub async fn run(mut self) {
        let mut is_failing = false;
        loop {
            match self.turn().await {
                Ok(_) if std::mem::take(&mut is_failing) => {
                    tracing::info!("the pager runs again");
                }
                Ok(_) => {}
                Err(error) if !is_failing => {
                    is_failing = true;
                    tracing::error!(%error, "the pager cannot read what to page; it keeps trying");
                }
                Err(_) => {}
            }
            metrics::pager_in_flight(self.desk.name(), self.in_flight.len());
            tokio::select! {
                Some(served) = self.working.join_next() => self.settle(served),
                () = self.desk.until_paged(LOOK_EVERY) => {}
            }
        }
    }

    /// Takes what there is to page and waits until all of it is dealt with; how many changes that were.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn pass(&mut self) -> Result<usize, StoreError> {
        let taken = self.turn().await?;
        while let Some(served) = self.working.join_next().await {
            self.settle(served);
        }
        self.acknowledge().await?;
        Ok(taken)
    }

    /// Acknowledges what is done, and takes what is new and what others have left.
    async fn turn(&mut self) -> Result<usize, StoreError> {
        while let Some(served) = self.working.try_join_next() {
            self.settle(served);
        }
        self.acknowledge().await?;
        if self.held_at.elapsed() >= HOLD_EVERY {
            self.held_at = monotonic_now();
            let held: Vec<Cursor> = self.in_flight.iter().copied().collect();
            self.store.hold(GROUP, CONSUMER, &held).await?;
        }
        if self.in_flight.len() >= IN_FLIGHT_MAX {
            return Ok(0);
        }
        let unserved = std::mem::take(&mut self.unserved);
        self.serve(unserved).await?;
        let of_us = |entry| Taken { entry, is_left: false };
        let received = self.store.receive(GROUP, CONSUMER, READ_MAX).await?;
        let mut taken: Vec<Taken> = received.into_iter().map(of_us).collect();
        let mut failed = None;
        if self.looked_behind_at.is_none_or(|at| at.elapsed() >= TAKE_OVER_EVERY) {
            self.looked_behind_at = Some(monotonic_now());
            let of_others = |entry| Taken { entry, is_left: true };
            // What was received is ours alone to deal with, whatever becomes of this.
            match self.store.take_over(GROUP, CONSUMER, LEFT_AFTER, READ_MAX).await {
                Ok(left) => taken.extend(left.into_iter().map(of_others)),
                Err(error) => failed = Some(error),
            }
        }
        let count = taken.len();
        // What comes back while we still work on it is in good hands.
        taken.retain(|taken| self.in_flight.insert(taken.entry.cursor));
        if let Err(error) = self.serve(taken).await {
            failed = Some(error);
        }
        failed.map_or(Ok(count), Err)
    }

    /// Serves what asks for something, each change apart; the rest is done.
    async fn serve(&mut self, taken: Vec<Taken>) -> Result<(), StoreError> {
        let (mut asking, mut failed) = (Vec::new(), None);
        for taken in taken {
            let cursor = taken.entry.cursor;
            match &taken.entry.told {
                Ok(Told::Change(change)) if change.events.iter().any(Event::concerns_pages) => {
                    asking.push((change.case, taken));
                }
                Ok(_) => self.done.push(cursor),
                Err(error) => {
                    if let Err(error) = self.put_aside(cursor, error).await {
                        failed = Some(error);
                    }
                }
            }
        }
        let ids: Vec<CaseId> = asking.iter().map(|(id, _)| *id).collect();
        let loaded = match self.store.load(&ids).await {
            Ok(loaded) => loaded,
            Err(error) => {
                // They are ours, and are served as soon as they can be.
                self.unserved = asking.into_iter().map(|(_, taken)| taken).collect();
                return Err(error);
            }
        };
        for ((id, taken), case) in asking.into_iter().zip(loaded.cases) {
            let cursor = taken.entry.cursor;
            match case {
                Ok(Some(case)) => {
                    let seen = Seen { case, now: loaded.now };
                    let courier = Arc::clone(&self.courier);
                    self.working.spawn(async move { (cursor, courier.serve(&seen, &taken).await) });
                }
                Ok(None) => self.done.push(cursor),
                Err(error) => {
                    tracing::error!(case.id = %id, %error, "its pages wait until it can be read");
                    self.in_flight.remove(&cursor);
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Puts a change aside that cannot be read. One that cannot even be put aside comes back.
    async fn put_aside(&mut self, cursor: Cursor, error: &Unreadable) -> Result<(), StoreError> {
        tracing::error!(%error, %cursor,
            "a change cannot be read and may hold a page; it is put aside");
        if let Err(error) = self.store.park(cursor).await {
            self.in_flight.remove(&cursor);
            return Err(error);
        }
        self.done.push(cursor);
        Ok(())
    }

    fn settle(&mut self, served: Result<(Cursor, Served), tokio::task::JoinError>) {
        match served {
            Ok((cursor, Served::Done)) => self.done.push(cursor),
            // Unacknowledged, it comes back after a while, here or elsewhere.
            Ok((cursor, Served::Left)) => _ = self.in_flight.remove(&cursor),
            // A panic here is a fault of ours; the pager must not live on with it.
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    async fn acknowledge(&mut self) -> Result<(), StoreError> {
        self.store.acknowledge(GROUP, &self.done).await?;
        for cursor in self.done.drain(..) {
            self.in_flight.remove(&cursor);
        }
        Ok(())
    }
}
