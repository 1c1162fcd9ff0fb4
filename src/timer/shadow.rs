//! Shadow deadlines: what keeps paging when the store is gone.
//!
//! The desk holds the cases whose next wake is near. When a rung's instant has passed by a grace and
//! nobody can be asked, this decides in memory what the wake would have decided, and pages by it under
//! the same key. It may page for what another replica knows to be answered; a duplicate beats a miss.
//! As soon as the store answers, what was sent is recorded, before anything else is woken.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::core::time::millis;
use crate::core::{
    Case, CaseId, Event, Page, PageKey, Report, SentPage, SinkAnswer, SinkName, Timestamp,
};
use crate::desk::{Desk, Error, Store};
use crate::telemetry::metrics;

/// How long after a rung's instant somebody else is still expected to fire it.
pub const GRACE: Duration = Duration::from_secs(2);
/// After how long a rung is paged from memory although the store answers: whoever should fire it cannot.
const STUCK_AFTER: Duration = Duration::from_secs(10);
/// How long the store is asked whether somebody has fired it.
const ASK_MAX: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How many cases the store is asked about, and told of, in one go.
const ASKED_AT_ONCE: usize = 256;
const RECORDED_AT_ONCE: usize = 256;

/// Which sink has taken which page.
pub type Taken = (PageKey, SinkName);

/// Whoever sends pages that the store knows nothing of.
pub trait MemoryCourier: Send + Sync + 'static {
    /// Sends the page to its sinks; tells of each that takes it.
    fn send(&self, page: Page, is_synthetic: bool, taken: &UnboundedSender<Taken>);
}

/// The shadow of a desk's timer.
pub struct Shadow<S> {
    desk: Arc<Desk<S>>,
    /// What was sent and is not recorded.
    unrecorded: Mutex<BTreeMap<CaseId, Vec<SentPage>>>,
}

impl<S: Store> Shadow<S> {
    pub(super) const fn new(desk: Arc<Desk<S>>) -> Self {
        Self { desk, unrecorded: Mutex::new(BTreeMap::new()) }
    }

    /// Watches over the deadlines, for ever.
    pub async fn run(self: Arc<Self>, courier: impl MemoryCourier) {
        let (sender, mut taken) = unbounded_channel();
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // However many sinks answer, the deadlines come first.
                biased;
                _ = looks.tick() => self.look(&courier, &sender).await,
                Some((key, sink)) = taken.recv() => self.taken(key, sink),
            }
            let unrecorded = self.lock().values().map(Vec::len).sum();
            metrics::shadow(self.desk.name(), self.desk.held_in_memory(), unrecorded);
        }
    }

    /// Pages for every rung that nobody fires.
    pub async fn look(&self, courier: &impl MemoryCourier, taken: &UnboundedSender<Taken>) {
        let Some(grace_ended) = self.ago(GRACE) else { return };
        let overdue = self.desk.overdue_in_memory(grace_ended);
        if overdue.is_empty() {
            return;
        }
        let to_page = self.nobody_has_fired(overdue).await;
        for case in to_page {
            self.page(&case, grace_ended, courier, taken).await;
        }
    }

    /// Those of these cases whose rungs nobody has fired, as far as the store can be asked.
    async fn nobody_has_fired(&self, overdue: Vec<Arc<Case>>) -> Vec<Arc<Case>> {
        for (index, some) in overdue.chunks(ASKED_AT_ONCE).enumerate() {
            let ids: Vec<CaseId> = some.iter().map(|case| case.id).collect();
            let asked = timeout(ASK_MAX, self.desk.refresh_in_memory(&ids)).await;
            if !matches!(asked, Ok(Ok(()))) {
                // It does not answer, and asking on would only cost time.
                return overdue[index * ASKED_AT_ONCE..].to_vec();
            }
        }
        let stuck = self.ago(STUCK_AFTER).map(|at| self.desk.overdue_in_memory(at));
        stuck.unwrap_or_default()
    }

    fn ago(&self, duration: Duration) -> Option<Timestamp> {
        let now_ms = self.desk.now_estimate()?.as_millis();
        Some(Timestamp::from_millis(now_ms.saturating_sub(millis(duration))))
    }

    /// Sends, one by one, what the wakes of this case up to `until` would send.
    async fn page(
        &self,
        case: &Case,
        until: Timestamp,
        courier: &impl MemoryCourier,
        taken: &UnboundedSender<Taken>,
    ) {
        let mut case = case.clone();
        while let Some(next) = self.desk.wake_in_memory(&case, until).await {
            let at = self.desk.now_estimate().unwrap_or(until);
            for event in next.events {
                let Event::Paged(page) = event else { continue };
                if self.note(&page, at) {
                    metrics::page_from_memory();
                    tracing::error!(page.key = %page.key, "the store does not answer; paged from memory");
                    courier.send(page, next.case.is_synthetic(), taken);
                }
            }
            case = next.case;
        }
    }

    /// Notes that the page goes out now; `false` when it has gone out before.
    fn note(&self, page: &Page, at: Timestamp) -> bool {
        let mut unrecorded = self.lock();
        let sent = unrecorded.entry(page.key.case).or_default();
        let is_new = sent.iter().all(|sent| sent.page.key != page.key);
        if is_new {
            sent.push(SentPage {
                page: page.clone(),
                at,
                taken_by: std::collections::BTreeSet::new(),
            });
        }
        is_new
    }

    /// A sink has a page that was sent from here.
    fn taken(self: &Arc<Self>, key: PageKey, sink: SinkName) {
        if let Some(sent) = self
            .lock()
            .get_mut(&key.case)
            .and_then(|sent| sent.iter_mut().find(|sent| sent.page.key == key))
        {
            sent.taken_by.insert(sink);
            return;
        }
        // It was recorded while this sink was still being asked.
        let desk = Arc::clone(&self.desk);
        tokio::spawn(async move {
            let report = Report::Answered(key, sink, SinkAnswer::Taken);
            if let Err(error) = desk.report(key.case, report).await {
                tracing::error!(page.key = %key, %error, "that a sink has this page is not recorded");
            }
        });
    }

    /// Records what was sent. The timer does so before it wakes anything, so that nothing is sent twice.
    /// What cannot be recorded now is kept for the next time; it never keeps the timer from waking, since
    /// a duplicate beats a miss. `moved` is told after each step.
    pub(super) async fn record(&self, moved: impl Fn()) {
        let unrecorded: Vec<(CaseId, Vec<SentPage>)> =
            self.lock().iter().map(|(id, sent)| (*id, sent.clone())).collect();
        for some in unrecorded.chunks(RECORDED_AT_ONCE) {
            let reports = some.iter().map(|(id, sent)| async move {
                match self.desk.report(*id, Report::FromMemory(sent.clone())).await {
                    Ok(_) => true,
                    Err(error @ Error::Refused(_)) => {
                        tracing::error!(case.id = %id, %error, "what was paged from memory is not recorded");
                        true
                    }
                    Err(error) => {
                        tracing::debug!(case.id = %id, %error, "what was paged from memory cannot be recorded yet");
                        false
                    }
                }
            });
            let are_recorded = join_all(reports).await;
            moved();
            let recorded = some.iter().zip(&are_recorded).filter(|(_, is_recorded)| **is_recorded);
            recorded.for_each(|((id, sent), _)| self.forget(*id, sent));
            if !are_recorded.contains(&true) {
                // Most likely the store is still away; the rest would only wait for that, one by one.
                return;
            }
        }
    }

    /// Forgets what was recorded, and keeps what has happened since.
    fn forget(&self, id: CaseId, recorded: &[SentPage]) {
        let mut unrecorded = self.lock();
        let Some(sent) = unrecorded.get_mut(&id) else { return };
        sent.retain(|sent| !recorded.contains(sent));
        if sent.is_empty() {
            unrecorded.remove(&id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<CaseId, Vec<SentPage>>> {
        self.unrecorded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
