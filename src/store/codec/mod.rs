//! Stored bytes: what a case, a change and a policy look like in Redis.
//!
//! Each is a Protobuf message of its own, apart from the wire's, so that both may grow: a field is
//! added with a new tag and never changes its meaning. `format` rises when an older reader would
//! read a newer value wrongly; such a reader leaves the value alone and says so.

mod actor;
mod answer;
mod case;
mod change;
mod clock;
mod event;
mod facts;
mod incident;
mod memory;
mod notice;
mod outcome;
mod page;
mod policy;
mod standing;

use super::Unreadable;

pub use case::{decode_case, encode_case};
pub use change::{decode_told, encode_change, encode_notice};
pub(super) use change::{decode_traced, encode_traced};
pub(super) use incident::{decode_incident, encode_incident};
pub(super) use policy::{decode_policy, encode_policy};
pub(super) use standing::{decode_standing, encode_standing};

/// The version of every kept policy: it never changes under its content address.
pub(super) const POLICY_VERSION: u64 = 1;

/// Content in the clear, as the bytes that arrived. Sealing adds a byte of its own.
const CONTENT_PLAIN: u8 = 1;

/// What was said, with a byte in front that says how it is kept.
pub(super) fn encode_content(content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(content.len() + 1);
    bytes.push(CONTENT_PLAIN);
    bytes.extend_from_slice(content);
    bytes
}

/// The bytes that arrived.
pub(super) fn decode_content(mut bytes: Vec<u8>) -> Result<Vec<u8>, Unreadable> {
    match bytes.first() {
        Some(&CONTENT_PLAIN) => {
            bytes.remove(0);
            Ok(bytes)
        }
        Some(other) => Err(unreadable("content", format!("it is kept in the unknown way {other}"))),
        None => Err(unreadable("content", "it is empty")),
    }
}

fn unreadable(what: &'static str, problem: impl Into<String>) -> Unreadable {
    Unreadable { what, problem: problem.into() }
}

/// Reads a stored word, name or nested message, or says which field was wrong. What the field held
/// is not repeated.
fn field<T>(what: &'static str, name: &str, value: Option<T>) -> Result<T, Unreadable> {
    value.ok_or_else(|| unreadable(what, format!("the field {name} is missing or unknown")))
}

/// Refuses what a newer version has written in a way this one would misread.
fn check_format(what: &'static str, format: u32, newest_known: u32) -> Result<(), Unreadable> {
    if (1..=newest_known).contains(&format) {
        return Ok(());
    }
    Err(unreadable(what, format!("format {format} is not one of 1 to {newest_known}")))
}
