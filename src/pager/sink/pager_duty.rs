//! PagerDuty's Events API v2.
//!
//! An incident that somebody acknowledged swallows every further event of its key, so each rung has a
//! key of its own, and all of them are resolved once nobody needs to see them.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::{body, details, json_header, link_with_text};
use crate::core::nature::Band;
use crate::outbound::{Address, Post};
use crate::pager::notice::{About, Notice, Phase, rfc3339};

/// The longest summary that PagerDuty takes.
const SUMMARY_CHARS_MAX: usize = 1024;

/// A service of PagerDuty.
#[derive(Clone, Debug)]
pub struct PagerDuty {
    address: Address,
    routing_key: SecretString,
}

impl PagerDuty {
    /// The service whose integration has this key, at this address of the Events API.
    #[must_use]
    pub const fn new(address: Address, routing_key: SecretString) -> Self {
        Self { address, routing_key }
    }

    /// What to send.
    #[must_use]
    pub fn render(&self, notice: &Notice, phase: Phase) -> Post {
        let event = match phase {
            Phase::Fire => self.trigger(notice),
            Phase::Resolve => json!({
                "routing_key": self.routing_key.expose_secret(),
                "event_action": "resolve",
                "dedup_key": notice.key(),
            }),
        };
        Post { address: self.address.clone(), headers: vec![json_header()], body: body(&event) }
    }

    fn trigger(&self, notice: &Notice) -> Value {
        let summary: String = notice.summary().chars().take(SUMMARY_CHARS_MAX).collect();
        let (component, timestamp, severity) = match &notice.about {
            About::Rung { key, band, due_at, .. } => {
                (key.clock.word(), Some(rfc3339(*due_at)), severity(*band))
            }
            // It shall show whether a real one would come through.
            About::Test { .. } => ("test", None, "critical"),
        };
        let mut payload = json!({
            "summary": summary,
            "source": format!("urgence/desks/{}", notice.desk),
            "severity": severity,
            "component": component,
            "group": notice.desk.as_str(),
            "class": "page",
            "custom_details": details(notice),
        });
        if let Some(timestamp) = timestamp {
            payload["timestamp"] = timestamp.into();
        }
        let mut event = json!({
            "routing_key": self.routing_key.expose_secret(),
            "event_action": "trigger",
            "dedup_key": notice.key(),
            "client": "urgence",
            "payload": payload,
        });
        if let Some(link) = &notice.link {
            event["client_url"] = link.as_str().into();
            event["links"] = json!([link_with_text(link)]);
        }
        event
    }
}

/// Never below `error`: a service that derives the urgency from it wakes nobody for less.
fn severity(band: Band) -> &'static str {
    if band == Band::MOST_URGENT { "critical" } else { "error" }
}
