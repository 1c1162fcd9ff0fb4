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
mod outline;
mod page;
mod policy;
mod standing;

use super::{Content, Unreadable};

pub use case::{decode_case, encode_case};
pub use change::{decode_told, encode_change, encode_notice};
pub(super) use change::{decode_traced, keep_change, keep_notice};
pub(super) use incident::{decode_incident, encode_incident};
pub use outline::Outline;
pub(super) use policy::{decode_policy, encode_policy};
pub(super) use standing::{decode_standing, encode_standing};

/// The version of every kept policy: it never changes under its content address.
pub(super) const POLICY_VERSION: u64 = 1;

/// Content in the clear, as the bytes that arrived: what was kept before there were seals.
const CONTENT_PLAIN: u8 = 1;
/// Content that is sealed.
const CONTENT_SEALED: u8 = 2;

/// What was said, as it is kept.
pub(super) enum Kept {
    /// In the clear, by an earlier version.
    Plain(Content),
    /// Sealed.
    Sealed(Vec<u8>),
}

/// What is sealed, with a byte in front that says so.
pub(super) fn encode_sealed(sealed: &[u8]) -> Vec<u8> {
    [&[CONTENT_SEALED], sealed].concat()
}

/// What was kept.
pub(super) fn decode_content(mut bytes: Vec<u8>) -> Result<Kept, Unreadable> {
    match bytes.first() {
        Some(&CONTENT_PLAIN) => {
            bytes.remove(0);
            Ok(Kept::Plain(bytes.into()))
        }
        Some(&CONTENT_SEALED) => Ok(Kept::Sealed(bytes.split_off(1))),
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
