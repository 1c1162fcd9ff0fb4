//! The ways to people: which sinks there are, whom each reaches, and how much it is asked at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::Instrument as _;

use super::delivery::Parcel;
use super::sink::{Sink, Sinks};
use crate::config::{Links, SinkSettings};
use crate::core::policy::live::Contacts;
use crate::core::{ContactName, SinkName, Timestamp};
use crate::outbound::{Attempt, Outbound};
use crate::telemetry::metrics;
use crate::telemetry::traces;

/// How many attempts may be under way at one sink.
const AT_ONCE_MAX: usize = 32;

/// The ways to people: the sinks, the links in their pages, and how much each sink is asked at once.
#[derive(Clone, Debug)]
pub struct Ways {
    outbound: Outbound,
    sinks: Sinks,
    links: Links,
    lanes: BTreeMap<SinkName, Arc<Semaphore>>,
}

impl Ways {
    /// The ways that a desk is configured with, besides the log.
    #[must_use]
    pub fn new(
        outbound: Outbound,
        configured: BTreeMap<SinkName, SinkSettings>,
        links: Links,
    ) -> Self {
        let sinks = Sinks::new(configured);
        metrics::sinks_known(sinks.iter().map(|(name, _)| name), &Attempt::WORDS);
        let lane =
            |(name, _): (&SinkName, &Sink)| (name.clone(), Arc::new(Semaphore::new(AT_ONCE_MAX)));
        Self { outbound, lanes: sinks.iter().map(lane).collect(), sinks, links }
    }

    /// Where the links in pages lead.
    pub(super) const fn links(&self) -> &Links {
        &self.links
    }

    /// The sinks of these contacts, each with those whom it reaches.
    pub(super) fn of(
        contacts: &BTreeSet<ContactName>,
        reached: &Contacts,
    ) -> BTreeMap<SinkName, BTreeSet<ContactName>> {
        let mut ways: BTreeMap<SinkName, BTreeSet<ContactName>> = BTreeMap::new();
        for contact in contacts {
            for sink in reached.sinks(contact) {
                ways.entry(sink).or_default().insert(contact.clone());
            }
        }
        ways
    }

    /// The sinks that forget what they were told and must be told again while it is true.
    pub(super) fn is_forgetful(&self, sink: &SinkName) -> bool {
        matches!(self.sinks.get(sink), Some(Sink::Alertmanager(_)))
    }

    /// Whether there is such a sink.
    pub(super) fn knows(&self, sink: &SinkName) -> bool {
        self.sinks.get(sink).is_some()
    }

    /// Tells a sink again what it was told before, beside those that wait for their turn.
    pub(super) async fn remind(&self, parcel: &Parcel<'_>, now: Timestamp) {
        let Parcel { sink: name, notice, phase, .. } = parcel;
        let Some(sink) = self.sinks.get(name) else { return };
        let attempt = sink.attempt(&self.outbound, notice, *phase, now).await;
        metrics::page_attempted(name, attempt.word(), attempt == Attempt::Taken);
    }

    /// Asks the sink once, when its turn has come; `None` when that does not come within `patience`.
    pub(super) async fn attempt(
        &self,
        parcel: &Parcel<'_>,
        now: Timestamp,
        patience: Duration,
    ) -> Option<Attempt> {
        let Parcel { sink: name, page, notice, phase, .. } = parcel;
        let (Some(sink), Some(lane)) = (self.sinks.get(name), self.lanes.get(*name)) else {
            // It may be on its way: both halves of a reload do not come at once.
            return Some(Attempt::Failed { problem: "no such sink is configured".to_owned() });
        };
        let Ok(Ok(_turn)) = timeout(patience, lane.acquire()).await else {
            tracing::error!(page.key = %page.key, sink = %name, "too much waits for this sink");
            return None;
        };
        let span = traces::page(notice.traceparent.as_ref(), page, sink.kind());
        let attempt = sink.attempt(&self.outbound, notice, *phase, now).instrument(span).await;
        metrics::page_attempted(name, attempt.word(), attempt == Attempt::Taken);
        Some(attempt)
    }
}
