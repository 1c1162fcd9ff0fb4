//! The ways to reach people, one file each: a pure rendering of what to send, and one attempt at it.

mod alertmanager;
mod log;
mod pager_duty;
mod webhook;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

pub use alertmanager::Alertmanager;
pub use log::Log;
pub use pager_duty::PagerDuty;
pub use webhook::Webhook;

use super::notice::{About, Notice, Phase, rfc3339};
use crate::config::SinkSettings;
use crate::core::policy::live::LOG_SINK;
use crate::core::time::millis;
use crate::core::{ContactName, SinkName, Timestamp};
use crate::outbound::{Attempt, Outbound};

/// A way to reach people.
#[derive(Clone, Debug)]
pub enum Sink {
    /// A line of the log.
    Log(Log),
    /// An event of PagerDuty.
    PagerDuty(PagerDuty),
    /// An alert of Alertmanager.
    Alertmanager(Alertmanager),
    /// A signed webhook.
    Webhook(Webhook),
}

impl Sink {
    /// Tells it once. It may be told again, under the same key.
    pub async fn attempt(
        &self,
        outbound: &Outbound,
        notice: &Notice,
        phase: Phase,
        now: Timestamp,
    ) -> Attempt {
        let post = match self {
            Self::Log(log) => {
                log.write(notice, phase);
                return Attempt::Taken;
            }
            Self::PagerDuty(sink) => sink.render(notice, phase),
            Self::Alertmanager(sink) => sink.render(notice, phase, now),
            Self::Webhook(sink) => sink.render(notice, phase, now),
        };
        outbound.post(&post).await
    }

    /// Its kind, as policy files name it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Log(_) => LOG_SINK,
            Self::PagerDuty(_) => SinkSettings::PAGER_DUTY,
            Self::Alertmanager(_) => SinkSettings::ALERTMANAGER,
            Self::Webhook(_) => SinkSettings::WEBHOOK,
        }
    }
}

impl From<SinkSettings> for Sink {
    fn from(settings: SinkSettings) -> Self {
        match settings {
            SinkSettings::PagerDuty { address, routing_key } => {
                Self::PagerDuty(PagerDuty::new(address, routing_key))
            }
            SinkSettings::Alertmanager { address, bearer_token } => {
                Self::Alertmanager(Alertmanager::new(address, bearer_token))
            }
            SinkSettings::Webhook { address, secrets } => {
                Self::Webhook(Webhook::new(address, secrets))
            }
        }
    }
}

/// The sinks of a desk, by name; the log is always among them.
#[derive(Clone, Debug)]
pub struct Sinks {
    sinks: BTreeMap<SinkName, Sink>,
}

impl Sinks {
    /// Those that are configured, and the log.
    #[must_use]
    pub fn new(configured: BTreeMap<SinkName, SinkSettings>) -> Self {
        let log = LOG_SINK.parse().expect("a word that follows the rule");
        let configured = configured.into_iter().map(|(name, settings)| (name, settings.into()));
        Self { sinks: configured.chain([(log, Sink::Log(Log))]).collect() }
    }

    /// The sink of this name, if there is one.
    #[must_use]
    pub fn get(&self, name: &SinkName) -> Option<&Sink> {
        self.sinks.get(name)
    }

    /// Every sink with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&SinkName, &Sink)> {
        self.sinks.iter()
    }
}

/// What machines are told of a notice, whatever carries it.
fn details(notice: &Notice) -> Map<String, Value> {
    let Notice { desk, about, contacts, link, is_store_unreachable, traceparent: _ } = notice;
    let contacts: Vec<&str> = contacts.iter().map(ContactName::as_str).collect();
    let mut details = Map::new();
    let mut tell = |name: &str, value: Value| _ = details.insert(name.to_owned(), value);
    tell("key", notice.key().into());
    tell("desk", desk.as_str().into());
    tell("contacts", contacts.into());
    tell("is_store_unreachable", (*is_store_unreachable).into());
    tell("is_test", matches!(about, About::Test { .. }).into());
    if let Some(link) = link {
        tell("link", link.as_str().into());
    }
    if let About::Rung { key, band, due_at, limit_at, cause } = about {
        tell("case", key.case.to_string().into());
        tell("clock", key.clock.word().into());
        tell("cycle", key.cycle.into());
        tell("offset_ms", millis(key.offset).into());
        tell("band", band.number().into());
        tell("due_at", rfc3339(*due_at).into());
        tell("limit_at", rfc3339(*limit_at).into());
        tell("cause", cause.word().into());
    }
    details
}

/// The body of a JSON document.
fn body(document: &Value) -> Vec<u8> {
    document.to_string().into_bytes()
}

/// The header of a JSON body.
fn json_header() -> (&'static str, String) {
    ("content-type", "application/json".to_owned())
}

/// A link as some renderings want it.
fn link_with_text(href: &str) -> Value {
    json!({ "href": href, "text": "the case at the desk" })
}
