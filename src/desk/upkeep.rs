//! Reading the figures for the gauges, trimming the events stream, and looking after what is sealed.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::Desk;
use crate::clock::monotonic_now;
use crate::core::time::millis;
use crate::core::{Timestamp, What};
use crate::store::{History, Store};
use crate::telemetry::metrics;

const FIGURES_EVERY: Duration = Duration::from_secs(1);
const TRIM_EVERY: Duration = Duration::from_mins(1);
/// Also how long a replica may take to know of a data key that another has retired.
const TEND_EVERY: Duration = Duration::from_secs(15);

/// The loop that does all of it.
pub struct Upkeep<S> {
    desk: Arc<Desk<S>>,
    /// How long changes are kept for those who come back to a watch.
    events_kept_for: Duration,
    /// What those who keep the record of what was told say of the store.
    history: Box<dyn Fn() -> History + Send + Sync>,
    figures_read_at: Arc<Mutex<Instant>>,
}

impl<S: Store> Upkeep<S> {
    /// Upkeep of a desk that keeps its changes for `events_kept_for`, and destroys no key unless `history`
    /// is whole.
    pub fn new(
        desk: Arc<Desk<S>>,
        events_kept_for: Duration,
        history: impl Fn() -> History + Send + Sync + 'static,
    ) -> Self {
        let figures_read_at = Arc::new(Mutex::new(monotonic_now()));
        Self { desk, events_kept_for, history: Box::new(history), figures_read_at }
    }

    /// When the gauges were last read from the store.
    #[must_use]
    pub fn figures_read_at(&self) -> Arc<Mutex<Instant>> {
        Arc::clone(&self.figures_read_at)
    }

    /// Goes on for ever. A store that does not answer shows in the age of the figures. Looking after what
    /// is sealed may take long, and holds nothing else up.
    pub async fn run(self) {
        tokio::join!(self.keep_up(), self.tend_for_ever());
    }

    async fn tend_for_ever(&self) {
        let mut untold = Vec::new();
        loop {
            self.tend(&mut untold).await;
            sleep(TEND_EVERY).await;
        }
    }

    async fn keep_up(&self) {
        let mut trimmed_at: Option<Instant> = None;
        loop {
            // Until it has been looked up, nothing can be disclosed; answers wait for nothing of it.
            if let Err(error) = self.desk.settle_settings().await {
                tracing::debug!(%error, "the settings in force are not in the record yet");
            }
            if let Ok(figures) = self.desk.store.figures().await {
                metrics::figures(self.desk.name(), &figures);
                self.desk.admission.set_memory_short(is_memory_short(figures.memory_bytes));
                *self.figures_read_at.lock().unwrap_or_else(PoisonError::into_inner) =
                    monotonic_now();
            }
            if trimmed_at.is_none_or(|at| at.elapsed() >= TRIM_EVERY) {
                self.trim().await;
                self.desk.admission.forget_idle();
                trimmed_at = Some(monotonic_now());
            }
            sleep(FIGURES_EVERY).await;
        }
    }

    /// Looks after what is sealed, and tells which keys were destroyed; the labels of those of which that
    /// fails stay in `untold` for the next look.
    async fn tend(&self, untold: &mut Vec<String>) {
        match self.desk.store.tend_seals((self.history)()).await {
            Ok(tended) => untold.extend(tended.destroyed.iter().map(ToString::to_string)),
            Err(error) => tracing::warn!(%error, "what is sealed could not be looked after"),
        }
        while let Some(label) = untold.first().cloned() {
            if let Err(error) = self.desk.tell(None, What::KeyDestroyed { label }).await {
                tracing::warn!(%error, "it could not be told yet that a data key was destroyed");
                return;
            }
            untold.remove(0);
        }
    }

    async fn trim(&self) {
        let Some(now) = self.desk.store.now_estimate() else { return };
        let before_ms = now.as_millis().saturating_sub(millis(self.events_kept_for));
        match self.desk.store.trim(Timestamp::from_millis(before_ms)).await {
            Ok(count) => metrics::events_trimmed(count),
            Err(error) => tracing::warn!(%error, "the events stream could not be trimmed"),
        }
    }
}

/// Whether so little memory is left that routine requests must leave it to emergencies.
fn is_memory_short((used, most): (u64, u64)) -> bool {
    most > 0 && used / 9 >= most / 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_short_from_nine_tenths_on() {
        assert!(!is_memory_short((u64::MAX, 0)), "there is no bound");
        assert!(!is_memory_short((899_999, 1_000_000)));
        assert!(is_memory_short((900_000, 1_000_000)));
    }
}
