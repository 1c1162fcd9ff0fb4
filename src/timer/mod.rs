//! The wake loop: it asks whose wake has come, sends each of them `Wake`, and sleeps until the next.
//!
//! There is no leader: every replica runs this, and the version of a case decides whose commit
//! counts. It uses no blocking command and no cursor, reads the head of the index anew each time,
//! and looks at least once a second whatever anybody has told it.

mod shadow;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::clock::monotonic_now;
use crate::core::{CaseId, Timestamp};
use crate::desk::{Desk, Error, Store};
use crate::telemetry::metrics;

pub use shadow::{GRACE, MemoryCourier, Shadow, Taken};

/// The longest sleep between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How soon to look again after the store failed.
const RETRY_AFTER: Duration = Duration::from_millis(100);
/// How many cases are woken at once. There is no limit to how many such batches follow each other.
const BATCH: usize = 256;

/// Why a case stays due that was looked at without an error.
const NOTHING_TO_DO: &str = "the wake index is out of step with it";

/// The wake loop of a desk.
pub struct Timer<S> {
    desk: Arc<Desk<S>>,
    beats: Arc<Beats>,
    shadow: Arc<Shadow<S>>,
    is_failing: bool,
    /// The cases whose failure is in the log; each is told once, until it is served.
    reported: Mutex<HashSet<CaseId>>,
}

/// When the timer last moved.
#[derive(Debug)]
pub struct Beats {
    tried_at: Mutex<Instant>,
    succeeded_at: Mutex<Instant>,
}

impl Beats {
    fn new() -> Self {
        let now = monotonic_now();
        Self { tried_at: Mutex::new(now), succeeded_at: Mutex::new(now) }
    }

    /// Since the timer last saw all that was due.
    #[must_use]
    pub fn since_success(&self) -> Duration {
        self.succeeded_at.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// Since the timer last tried to.
    #[must_use]
    pub fn since_attempt(&self) -> Duration {
        self.tried_at.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    fn beat(at: &Mutex<Instant>) {
        *at.lock().unwrap_or_else(PoisonError::into_inner) = monotonic_now();
    }
}

/// What a pass over all that is due found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// How many cases were woken.
    pub woken: usize,
    /// How many due cases could not be; they stay due and are tried again.
    pub failed: usize,
    /// How many wakes went wrong and were tried again within the pass.
    pub retried: usize,
    /// The store's time at the end.
    pub now: Timestamp,
    /// When the next wake comes.
    pub next_at: Option<Timestamp>,
}

impl<S: Store> Timer<S> {
    /// A timer for `desk`.
    pub fn new(desk: Arc<Desk<S>>) -> Self {
        let shadow = Arc::new(Shadow::new(Arc::clone(&desk)));
        let beats = Arc::new(Beats::new());
        Self { desk, beats, shadow, is_failing: false, reported: Mutex::default() }
    }

    /// What pages where the timer cannot; it must be run beside it.
    #[must_use]
    pub fn shadow(&self) -> Arc<Shadow<S>> {
        Arc::clone(&self.shadow)
    }

    /// When the timer last moved; kept up to date.
    #[must_use]
    pub fn beats(&self) -> Arc<Beats> {
        Arc::clone(&self.beats)
    }

    /// Wakes what is due, for ever.
    pub async fn run(mut self) {
        loop {
            let started = monotonic_now();
            match self.pass().await {
                Ok(pass) => {
                    metrics::ticked(self.desk.name(), started.elapsed(), pass.failed);
                    Beats::beat(&self.beats.succeeded_at);
                    if std::mem::take(&mut self.is_failing) {
                        tracing::info!("the timer runs again");
                    }
                    // What failed is tried again after a pause, however overdue it is.
                    let next_at = if pass.failed > 0 { None } else { pass.next_at };
                    self.desk.until_wake(next_at, pass.now, LOOK_EVERY).await;
                }
                Err(error) => {
                    if !std::mem::replace(&mut self.is_failing, true) {
                        tracing::error!(%error, "the timer cannot see what is due; it keeps trying");
                    }
                    sleep(RETRY_AFTER).await;
                }
            }
        }
    }

    /// Wakes everything that is due now.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn pass(&self) -> Result<Pass, Error> {
        Beats::beat(&self.beats.tried_at);
        self.shadow.record(|| Beats::beat(&self.beats.tried_at)).await;
        let (mut woken, mut failed, mut retried) = (0, 0, 0);
        let mut seen = HashSet::new();
        let mut left = HashMap::new();
        loop {
            Beats::beat(&self.beats.tried_at);
            // What stays due keeps its place in front, so stepping over so many hides nothing.
            let due = self.desk.due(failed, BATCH).await?;
            if due.nameless > 0 {
                tracing::error!(due.nameless, "entries of the wake index are no case ids");
            }
            failed += due.nameless;
            if due.ids.is_empty() && due.nameless == 0 {
                self.report(left);
                return Ok(Pass { woken, failed, retried, now: due.now, next_at: due.next_at });
            }
            let count = due.ids.len();
            let served = self.desk.wake(due.ids).await?;
            woken += count - served.failed.len() - served.idle.len();
            // A write of which nobody heard may have moved a case on, and another replica may have
            // been faster. Only what comes a second time stays where it is, and is stepped over.
            retried += served.failed.len();
            let failures = served.failed.into_iter().map(|(id, error)| (id, error.to_string()));
            let idle = served.idle.into_iter().map(|id| (id, NOTHING_TO_DO.to_owned()));
            for (id, problem) in failures.chain(idle) {
                if !seen.insert(id) {
                    left.insert(id, problem);
                    failed += 1;
                }
            }
        }
    }

    /// Tells of each case that stays due, once.
    fn report(&self, left: HashMap<CaseId, String>) {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, problem) in &left {
            if !reported.contains(id) {
                tracing::error!(case.id = %id, problem, "a due case cannot be woken; it is tried again");
            }
        }
        *reported = left.into_keys().collect();
    }
}
