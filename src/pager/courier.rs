//! Serving what a change asks for: its pages go to their sinks, all at once, and what is over is closed
//! wherever it is open. What becomes of each is recorded on the case, which says what is left to do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use tokio::sync::mpsc::UnboundedSender;

use super::Taken;
use super::delivery::{Delivered, Parcel};
use super::notice::{Notice, Phase};
use super::ways::Ways;
use crate::core::synthetic::SYNTHETIC_SINK;
use crate::core::{
    Case, Change, Clock, ContactName, Event, Page, PageKey, PageRecord, Refusal, Report,
    SinkAnswer, SinkName, Timestamp,
};
use crate::desk::{Desk, Error};
use crate::store::Store;
use crate::telemetry::metrics;
use crate::telemetry::traces::TraceParent;

/// The longest that a sink may ask us to wait where no further rung follows.
const WAIT_MAX: Duration = Duration::from_mins(1);

/// The longest that it may ask us to wait for the next rung, which of a slow clock may be days away.
const GAP_MAX: Duration = Duration::from_mins(15);

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Served {
    /// All that it asked for is done, or need not be.
    Done,
    /// Something is left to do.
    Left,
}

/// A case as it was at an instant of the store's time.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The case.
    pub case: Case,
    /// The instant.
    pub now: Timestamp,
}

/// Whoever takes pages to their sinks and records what becomes of them.
pub struct Courier<S> {
    desk: Arc<Desk<S>>,
    ways: ArcSwap<Ways>,
}

/// What came of one page at one sink.
enum Told {
    Reached,
    NotReached,
    Unwanted,
    /// It is not known to be recorded, and must be done again.
    Unrecorded,
}

impl<S: Store> Courier<S> {
    /// A courier of this desk.
    pub fn new(desk: Arc<Desk<S>>, ways: Ways) -> Self {
        Self { desk, ways: ArcSwap::from_pointee(ways) }
    }

    /// Takes other ways from now on.
    pub fn replace(&self, ways: Ways) {
        self.ways.store(Arc::new(ways));
    }

    /// Does what the change asks for, as far as the case still wants it.
    pub(super) async fn serve(&self, seen: &Seen, taken: &Taken) -> Served {
        let Taken { entry, is_left } = taken;
        let Some(change) = entry.change() else { return Served::Done };
        let trace = entry.trace.as_ref();
        let paged: Vec<PageRecord> =
            change.events.iter().filter_map(|event| asked_for(event, change, &seen.case)).collect();
        let pages = paged.iter().map(|record| self.page(seen, record, trace));
        let closes = change.events.iter().any(|event| matches!(event, Event::PagesClosed { .. }));
        let closed = seen.case.pages.iter().filter(|record| closes && !record.is_open());
        let held = closed.flat_map(|record| {
            record.holders().map(|sink| self.resolve(seen, &record.page, sink.clone(), trace))
        });
        // Whoever had the change before may have told a sink and died before saying so.
        let over = paged.iter().filter(|record| *is_left && !record.is_open());
        let perhaps = over.flat_map(|record| {
            let sinks = self.ways(&record.page.contacts, seen.case.is_synthetic()).into_keys();
            let silent = sinks.filter(|sink| !record.answers.contains_key(sink));
            silent.map(|sink| self.resolve(seen, &record.page, sink, trace))
        });
        let (pages, resolves) =
            futures_util::future::join(join_all(pages), join_all(held.chain(perhaps))).await;
        let is_done = pages.into_iter().chain(resolves).all(|is_done| is_done);
        if is_done { Served::Done } else { Served::Left }
    }

    /// Takes a page to every sink that does not have it; whether nothing is left to do.
    async fn page(&self, seen: &Seen, record: &PageRecord, trace: Option<&TraceParent>) -> bool {
        let case = &seen.case;
        if !case.wants(record) {
            if record.taken_at.is_none() && !case.is_synthetic() {
                metrics::page_dropped();
            }
            return true;
        }
        let ways = self.ways(&record.page.contacts, case.is_synthetic());
        let missing = ways.iter().filter(|(sink, _)| !record.is_taken_by(sink));
        let wait_max = self.until_next_rung(case, record);
        let told = missing.map(|(sink, contacts)| {
            let notice = self.notice(&record.page, contacts.clone(), trace);
            let page = &record.page;
            self.tell(seen, Parcel { sink, page, notice, phase: Phase::Fire, wait_max })
        });
        let told = join_all(told).await;
        if told.iter().any(|told| matches!(told, Told::Unrecorded)) {
            return false;
        }
        let is_reached = record.taken_at.is_some()
            || told.iter().any(|told| matches!(told, Told::Reached | Told::Unwanted));
        if is_reached {
            return true;
        }
        metrics::page_unreached();
        tracing::error!(page.key = %record.page.key, "no sink has this page; the next rung's contacts are told");
        let report = Report::Unreached(record.page.key, record.widened);
        self.report(seen, report).await.is_ok()
    }

    /// Hands a page to one sink and records what it said. If what the page is about was over by then, that
    /// very record asks for its closing.
    async fn tell(&self, seen: &Seen, parcel: Parcel<'_>) -> Told {
        let (told, answer) = match self.deliver(&parcel).await {
            Delivered::Taken => (Told::Reached, Some(SinkAnswer::Taken)),
            Delivered::Failed => (Told::NotReached, Some(SinkAnswer::Failed)),
            Delivered::Unsure => (Told::NotReached, Some(SinkAnswer::Unsure)),
            Delivered::Unwanted => (Told::Unwanted, None),
            Delivered::UnwantedAndUnsure => (Told::Unwanted, Some(SinkAnswer::Unsure)),
        };
        let Some(answer) = answer else { return told };
        let report = Report::Answered(parcel.page.key, parcel.sink.clone(), answer);
        if self.report(seen, report).await.is_ok() { told } else { Told::Unrecorded }
    }

    /// Has a sink close a page; whether it has.
    async fn resolve(
        &self,
        seen: &Seen,
        page: &Page,
        sink: SinkName,
        trace: Option<&TraceParent>,
    ) -> bool {
        let sink = &sink;
        let is_known = sink.as_str() == SYNTHETIC_SINK || self.ways.load().knows(sink);
        if is_known {
            let notice = self.notice(page, page.contacts.clone(), trace);
            let parcel = Parcel { sink, page, notice, phase: Phase::Resolve, wait_max: WAIT_MAX };
            if self.deliver(&parcel).await != Delivered::Taken {
                return false;
            }
        } else {
            tracing::warn!(page.key = %page.key, %sink, "no longer configured; its page stays open there");
        }
        let report = Report::Answered(page.key, sink.clone(), SinkAnswer::Resolved);
        self.report(seen, report).await.is_ok()
    }

    /// Sends a page that the store knows nothing of yet. Each sink that takes it is told to `taken`.
    pub fn send_from_memory(
        self: &Arc<Self>,
        page: &Page,
        is_synthetic: bool,
        taken: &UnboundedSender<(PageKey, SinkName)>,
    ) {
        for (sink, contacts) in self.ways(&page.contacts, is_synthetic) {
            let (courier, page, taken) = (Arc::clone(self), page.clone(), taken.clone());
            tokio::spawn(async move {
                let mut notice = courier.notice(&page, contacts, None);
                notice.is_store_unreachable = true;
                let (phase, page) = (Phase::Fire, &page);
                let parcel = Parcel { sink: &sink, page, notice, phase, wait_max: WAIT_MAX };
                if courier.deliver(&parcel).await == Delivered::Taken {
                    // Whoever does not listen any more is stopping, and with it this process.
                    _ = taken.send((page.key, sink));
                }
            });
        }
    }

    /// Whether a page of the case is open at a sink that forgets what it was told.
    pub fn is_forgotten(&self, case: &Case) -> bool {
        let ways = self.current_ways();
        let open = case.pages.iter().filter(|record| record.is_open());
        open.flat_map(PageRecord::holders).any(|sink| ways.is_forgetful(sink))
    }

    /// Tells sinks that forget what of this case is open at them.
    pub async fn remind(&self, seen: &Seen) {
        let case = &seen.case;
        let ways = self.current_ways();
        for record in case.pages.iter().filter(|record| record.is_open()) {
            let reached = self.ways(&record.page.contacts, case.is_synthetic());
            for sink in record.holders().filter(|sink| ways.is_forgetful(sink)) {
                let (phase, page) = (Phase::Fire, &record.page);
                let contacts = reached.get(sink).cloned().unwrap_or_default();
                let notice = self.notice(page, contacts, None);
                let parcel = Parcel { sink, page, notice, phase, wait_max: WAIT_MAX };
                if !self.is_over(page.key).await {
                    ways.remind(&parcel, self.now()).await;
                }
                // What was closed meanwhile must not be opened again by being told once more.
                if self.is_over(page.key).await {
                    self.resolve(seen, page, sink.clone(), None).await;
                }
            }
        }
    }

    /// Whether what the page is about is known to be over.
    async fn is_over(&self, key: PageKey) -> bool {
        let case = self.desk.get(key.case).await;
        case.is_ok_and(|case| case.page(key).is_none_or(|record| !record.is_open()))
    }

    /// Whether somebody should still be told. While nobody knows, somebody rather hears it twice.
    pub(super) async fn is_wanted(&self, key: PageKey) -> bool {
        match self.desk.get(key.case).await {
            Ok(case) => case.page(key).is_none_or(|record| case.wants(record)),
            Err(_) => true,
        }
    }

    pub(super) fn current_ways(&self) -> Arc<Ways> {
        self.ways.load_full()
    }

    /// The sinks of these contacts, each with those whom it reaches. A synthetic page reaches nobody.
    fn ways(
        &self,
        contacts: &BTreeSet<ContactName>,
        is_synthetic: bool,
    ) -> BTreeMap<SinkName, BTreeSet<ContactName>> {
        if is_synthetic {
            let nobody = SYNTHETIC_SINK.parse().expect("a word in code follows the rule");
            return BTreeMap::from([(nobody, BTreeSet::new())]);
        }
        Ways::of(contacts, &self.desk.live().contacts)
    }

    fn notice(
        &self,
        page: &Page,
        contacts: BTreeSet<ContactName>,
        trace: Option<&TraceParent>,
    ) -> Notice {
        let ways = self.ways.load();
        let mut notice = Notice::of(self.desk.name().clone(), page, contacts, ways.links(), false);
        notice.traceparent = trace.cloned();
        notice
    }

    /// How long a sink may ask us to wait: until another page goes out anyway.
    fn until_next_rung(&self, case: &Case, record: &PageRecord) -> Duration {
        let next = case.clock(record.page.key.clock).and_then(Clock::next_due);
        next.map_or(WAIT_MAX, |at| at.since(self.now()).min(GAP_MAX))
    }

    pub(super) fn now(&self) -> Timestamp {
        self.desk.now_estimate().unwrap_or_else(crate::clock::wall_now)
    }

    /// Records what became of a page. Of a case that is gone there is nothing to record.
    async fn report(&self, seen: &Seen, report: Report) -> Result<(), Error> {
        match self.desk.report_seen(seen.case.clone(), seen.now, report).await {
            Ok(_) | Err(Error::Refused(Refusal::CaseNotFound)) => Ok(()),
            Err(error) => {
                tracing::error!(case.id = %seen.case.id, %error,
                    "what became of a page is not recorded; it is sent again");
                Err(error)
            }
        }
    }
}

/// The page that an event asks for, as the case knows it. A version of this program that keeps no record
/// of pages may have committed it; its clock then says whether it is still wanted.
fn asked_for(event: &Event, change: &Change, case: &Case) -> Option<PageRecord> {
    let (Event::Paged(page) | Event::PagedFromMemory { page, .. }) = event else { return None };
    let is_running = case.clock(page.key.clock).is_some_and(Clock::is_running);
    let unknown = || is_running.then(|| PageRecord::new(page.clone(), change.at));
    case.page(page.key).cloned().or_else(unknown)
}
