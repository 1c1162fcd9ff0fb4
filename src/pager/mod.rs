//! The pager: reads the events stream as the outbox it is and hands each page to its sinks.
//!
//! All replicas share one reader group; what a dead replica took and left is taken over. A page is
//! acknowledged after the sinks have it, so it is told at least once.

mod log_sink;
pub mod notice;
pub mod sink;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::clock::monotonic_now;
use crate::core::{Event, Page};
use crate::store::{Cursor, Entry, Store, StoreError};

pub use log_sink::LogSink;

/// The name under which the replicas read together.
const GROUP: &str = "pager";
/// Each change goes to one of them, whatever their names; one name leaves none behind.
const CONSUMER: &str = "replica";
const READ_MAX: usize = 256;
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often it is looked for what others left behind, and after how long it counts as left.
const TAKE_OVER_EVERY: Duration = Duration::from_secs(5);
const LEFT_AFTER: Duration = Duration::from_secs(30);

/// A way to reach people.
pub trait Sink: Send + Sync + 'static {
    /// Hands the page on. It may come again, under the same key.
    fn deliver(&self, page: &Page) -> impl Future<Output = Result<(), SinkError>> + Send;
}

/// A sink did not take a page.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the page was not taken: {problem}")]
pub struct SinkError {
    /// Why.
    pub problem: String,
}

/// The loop that pages.
pub struct Pager<S, K> {
    store: Arc<S>,
    sink: K,
}

impl<S: Store, K: Sink> Pager<S, K> {
    /// A pager that hands pages to `sink`.
    pub const fn new(store: Arc<S>, sink: K) -> Self {
        Self { store, sink }
    }

    /// Pages, for ever.
    pub async fn run(self) {
        let mut looked_behind: Option<Instant> = None;
        let mut is_failing = false;
        loop {
            let is_time = looked_behind.is_none_or(|at| at.elapsed() >= TAKE_OVER_EVERY);
            if is_time {
                looked_behind = Some(monotonic_now());
            }
            match self.pass(is_time).await {
                Ok(0) => sleep(LOOK_EVERY).await,
                Ok(_) => {}
                Err(error) => {
                    if !std::mem::replace(&mut is_failing, true) {
                        tracing::error!(%error, "the pager cannot read what to page; it keeps trying");
                    }
                    sleep(LOOK_EVERY).await;
                    continue;
                }
            }
            if std::mem::take(&mut is_failing) {
                tracing::info!("the pager runs again");
            }
        }
    }

    /// Reads what is new, or also what others left behind; how many changes there were.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn pass(&self, also_left_behind: bool) -> Result<usize, StoreError> {
        let mut entries = self.store.receive(GROUP, CONSUMER, READ_MAX).await?;
        let mut failed = None;
        if also_left_behind {
            // What was received is ours alone to deal with, whatever becomes of this.
            match self.store.take_over(GROUP, CONSUMER, LEFT_AFTER, READ_MAX).await {
                Ok(left) => entries.extend(left),
                Err(error) => failed = Some(error),
            }
        }
        let mut dealt_with = Vec::with_capacity(entries.len());
        for entry in &entries {
            match self.deal_with(entry).await {
                Ok(true) => dealt_with.push(entry.cursor),
                Ok(false) => {}
                Err(error) => failed = Some(error),
            }
        }
        // Whatever failed, what was delivered is not delivered again.
        self.store.acknowledge(GROUP, &dealt_with).await?;
        failed.map_or(Ok(entries.len()), Err)
    }

    /// Whether the entry needs no more from us.
    async fn deal_with(&self, entry: &Entry) -> Result<bool, StoreError> {
        let change = match &entry.change {
            Ok(change) => change,
            Err(error) => {
                let Cursor { millis, sequence } = entry.cursor;
                tracing::error!(%error, cursor = format!("{millis}-{sequence}"),
                    "a change cannot be read and may hold a page; it is put aside");
                self.store.park(entry.cursor).await?;
                return Ok(true);
            }
        };
        for event in &change.events {
            let Event::Paged(page) = event else { continue };
            if let Err(error) = self.sink.deliver(page).await {
                // Left unacknowledged, it is taken over and tried again.
                tracing::error!(page.key = %page.key, %error, "a page was not delivered");
                return Ok(false);
            }
        }
        Ok(true)
    }
}
