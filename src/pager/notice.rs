//! What a sink is told of one page: no authority, no person, no target.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::config::Links;
use crate::core::nature::Band;
use crate::core::{ContactName, DeskName, Page, PageCause, PageKey, Timestamp};
use crate::telemetry::traces::TraceParent;

/// What a sink is told of one page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Which desk pages.
    pub desk: DeskName,
    /// What it pages about.
    pub about: About,
    /// Whom the sink is to reach.
    pub contacts: BTreeSet<ContactName>,
    /// Where people see more, if the policy says so.
    pub link: Option<String>,
    /// Whether the store cannot be read, so that what the page is about may be over.
    pub is_store_unreachable: bool,
    /// The trace that led to it, as W3C Trace Context writes it.
    pub traceparent: Option<TraceParent>,
}

/// What a notice is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// A rung of a case.
    Rung {
        /// The page's name.
        key: PageKey,
        /// How urgent the case is.
        band: Band,
        /// When the rung was due.
        due_at: Timestamp,
        /// When the promise is broken.
        limit_at: Timestamp,
        /// Why it goes out.
        cause: PageCause,
    },
    /// Nothing but whether the page arrives.
    Test {
        /// The page's name.
        key: String,
    },
}

/// Whether a page begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Somebody must see it.
    Fire,
    /// Nobody needs to any more.
    Resolve,
}

impl Notice {
    /// Of a page, to those of its contacts that a sink reaches.
    #[must_use]
    pub fn of(
        desk: DeskName,
        page: &Page,
        contacts: BTreeSet<ContactName>,
        links: &Links,
        is_store_unreachable: bool,
    ) -> Self {
        let Page { key, contacts: _, band, due_at, limit_at, cause, is_quieted_by_claim: _ } =
            *page;
        Self {
            desk,
            about: About::Rung { key, band, due_at, limit_at, cause },
            contacts,
            link: links.to(key.case),
            is_store_unreachable,
            traceparent: None,
        }
    }

    /// Of nothing: a test of whether `contact` is reached.
    #[must_use]
    pub fn test(desk: DeskName, contact: ContactName, key: String) -> Self {
        Self {
            desk,
            about: About::Test { key },
            contacts: BTreeSet::from([contact]),
            link: None,
            is_store_unreachable: false,
            traceparent: None,
        }
    }

    /// The page's name, the same however often it is sent.
    #[must_use]
    pub fn key(&self) -> String {
        match &self.about {
            About::Rung { key, .. } => key.to_string(),
            About::Test { key } => key.clone(),
        }
    }

    /// One line for people.
    #[must_use]
    pub fn summary(&self) -> String {
        let told = match &self.about {
            About::Rung { key, band, due_at, limit_at, .. } => {
                let clock = key.clock.word().replace('-', " ");
                let (band, case, rung) = (band.number(), key.case, spoken(key.offset));
                let limit = time_of_day(*limit_at, *due_at);
                format!("{clock}: band {band}, case {case}, rung {rung}, limit {limit}")
            }
            About::Test { .. } => {
                format!("test page of the desk {}: please acknowledge it", self.desk)
            }
        };
        let doubt =
            if self.is_store_unreachable { " (store unreachable, may be answered)" } else { "" };
        told + doubt
    }

    /// The contacts in a row.
    pub(super) fn contacts_in_a_row(&self) -> String {
        self.contacts.iter().map(ContactName::as_str).collect::<Vec<_>>().join(",")
    }
}

/// An instant as RFC 3339 writes it in UTC, to the millisecond.
pub(super) fn rfc3339(at: Timestamp) -> String {
    format!("{:.3}", instant(at))
}

/// As short as it can be said: the day only if it is another than that of `beside`.
fn time_of_day(at: Timestamp, beside: Timestamp) -> String {
    let [at, beside] = [at, beside].map(|at| instant(at).to_zoned(TimeZone::UTC).datetime());
    let day = if at.date() == beside.date() { "" } else { "%Y-%m-%d " };
    at.strftime(&format!("{day}%H:%M:%SZ")).to_string()
}

/// The latest that can be written, for what lies beyond it.
fn instant(at: Timestamp) -> jiff::Timestamp {
    let millis = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX)
}

/// A duration for people: its whole units, the largest first.
fn spoken(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [("d", 86_400, u64::MAX), ("h", 3_600, 24), ("min", 60, 60), ("s", 1, 60)];
    let parts = units.iter().filter_map(|(unit, length, of_next)| {
        let count = seconds / length % of_next;
        (count > 0).then(|| format!("{count} {unit}"))
    });
    let spoken = parts.collect::<Vec<_>>().join(" ");
    if spoken.is_empty() { "0 min".to_owned() } else { spoken }
}
