//! A signed webhook: a CloudEvents 1.0 document in the headers of Standard Webhooks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{body, details};
use crate::core::Timestamp;
use crate::outbound::{Address, Post};
use crate::pager::notice::{About, Notice, Phase, rfc3339};

/// A receiver of webhooks.
#[derive(Clone, Debug)]
pub struct Webhook {
    address: Address,
    secrets: Vec<SecretSlice<u8>>,
}

impl Webhook {
    /// The receiver at `address`, to whom each of `secrets` signs.
    #[must_use]
    pub const fn new(address: Address, secrets: Vec<SecretSlice<u8>>) -> Self {
        Self { address, secrets }
    }

    /// What to send in the attempt at `now`.
    #[must_use]
    pub fn render(&self, notice: &Notice, phase: Phase, now: Timestamp) -> Post {
        let id = id(notice, phase);
        let timestamp = (now.as_millis() / 1_000).to_string();
        let body = body(&event(notice, phase, &id, now));
        let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", &body].concat();
        let signatures: Vec<String> =
            self.secrets.iter().map(|secret| sign(secret.expose_secret(), &signed)).collect();
        let headers = vec![
            ("content-type", "application/cloudevents+json".to_owned()),
            ("webhook-id", id),
            ("webhook-timestamp", timestamp),
            ("webhook-signature", signatures.join(" ")),
        ];
        Post { address: self.address.clone(), headers, body }
    }
}

/// What the receiver knows a repeat by, whichever replica sends it.
fn id(notice: &Notice, phase: Phase) -> String {
    match phase {
        Phase::Fire => notice.key(),
        Phase::Resolve => format!("{}/resolved", notice.key()),
    }
}

fn event(notice: &Notice, phase: Phase, id: &str, now: Timestamp) -> Value {
    let kind = match phase {
        Phase::Fire => "urgence.page.fired.v1",
        Phase::Resolve => "urgence.page.resolved.v1",
    };
    let desk = &notice.desk;
    let (subject, due_at) = match &notice.about {
        About::Rung { key, due_at, .. } => (format!("desks/{desk}/cases/{}", key.case), *due_at),
        About::Test { .. } => (format!("desks/{desk}"), now),
    };
    let time = match phase {
        Phase::Fire => due_at,
        Phase::Resolve => now,
    };
    let mut data = details(notice);
    data.insert("summary".to_owned(), notice.summary().into());
    let mut event = json!({
        "specversion": "1.0",
        "id": id,
        "source": format!("/urgence/desks/{desk}"),
        "type": kind,
        "subject": subject,
        "time": rfc3339(time),
        "datacontenttype": "application/json",
        "data": data,
    });
    if let Some(traceparent) = &notice.traceparent {
        event["traceparent"] = traceparent.as_str().into();
    }
    event
}

fn sign(secret: &[u8], signed: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(signed);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}
