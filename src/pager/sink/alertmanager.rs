//! Alertmanager's API v2.
//!
//! The labels are an alert's identity: what is resolved must be labelled exactly as what fired. So
//! they hold only what never changes under one key, and the rest is told in annotations.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use super::{body, json_header};
use crate::core::Timestamp;
use crate::outbound::{Address, Post};
use crate::pager::notice::{About, Notice, Phase, rfc3339};

/// How long an alert fires unless it is resolved. Were it short, our silence would resolve it.
const FIRES_FOR: Duration = Duration::from_hours(24);

/// An Alertmanager.
#[derive(Clone, Debug)]
pub struct Alertmanager {
    alerts: Address,
    bearer_token: Option<SecretString>,
}

impl Alertmanager {
    /// The one at `address`, which may have a path of its own.
    #[must_use]
    pub fn new(address: Address, bearer_token: Option<SecretString>) -> Self {
        Self { alerts: address.below(&["api", "v2", "alerts"]), bearer_token }
    }

    /// What to send.
    #[must_use]
    pub fn render(&self, notice: &Notice, phase: Phase, now: Timestamp) -> Post {
        let ends_at = match phase {
            Phase::Fire => now + FIRES_FOR,
            Phase::Resolve => now,
        };
        let starts_at = match &notice.about {
            // An alert that begins after its end is refused; clocks may differ.
            About::Rung { due_at, .. } => now.min(*due_at),
            About::Test { .. } => now,
        };
        let mut alert = json!({
            "labels": labels(notice),
            "annotations": annotations(notice),
            "startsAt": rfc3339(starts_at),
            "endsAt": rfc3339(ends_at),
        });
        if let Some(link) = &notice.link {
            alert["generatorURL"] = link.as_str().into();
        }
        let mut headers = vec![json_header()];
        headers.extend(self.bearer_token.as_ref().map(|token| {
            let token = token.expose_secret();
            ("authorization", format!("Bearer {token}"))
        }));
        Post { address: self.alerts.clone(), headers, body: body(&json!([alert])) }
    }
}

/// The identity: what the key itself says, and what is the same for every page.
fn labels(notice: &Notice) -> Map<String, Value> {
    let mut labels = Map::new();
    let mut label = |name: &str, value: String| _ = labels.insert(name.to_owned(), value.into());
    label("alertname", "UrgencePage".to_owned());
    // Each page is for a person, at once.
    label("severity", "critical".to_owned());
    label("page", notice.key());
    label("desk", notice.desk.to_string());
    match &notice.about {
        About::Rung { key, .. } => {
            label("case", key.case.to_string());
            label("clock", key.clock.word().to_owned());
        }
        About::Test { .. } => label("clock", "test".to_owned()),
    }
    labels
}

fn annotations(notice: &Notice) -> Map<String, Value> {
    let mut annotations = Map::new();
    let mut note =
        |name: &str, value: String| _ = annotations.insert(name.to_owned(), value.into());
    note("summary", notice.summary());
    note("contacts", notice.contacts_in_a_row());
    if let About::Rung { band, limit_at, cause, .. } = &notice.about {
        note("band", band.number().to_string());
        note("limit_at", rfc3339(*limit_at));
        note("cause", cause.word().to_owned());
    }
    annotations
}
