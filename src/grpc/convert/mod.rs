//! The core's values as wire messages, for the desk and, with less in them, for the portal.

mod audit;
mod case;
mod event;
pub(super) mod transparency;
pub(super) mod words;

use std::time::Duration;

use prost_types::{Duration as WireDuration, Timestamp as WireTimestamp};

use super::submission;
use super::wire;
use crate::core::intake::Submission;
use crate::core::time::millis;
use crate::core::{CaseId, DeskName, Timestamp};

pub(super) use audit::audit_entry;
pub(super) use case::{case, case_status, disclosure};
pub(super) use event::change;

/// The request of a Submit as the core reads it.
#[must_use]
pub fn submission_of(message: &wire::SubmitRequest) -> Submission {
    let request = message.request.clone().unwrap_or_default();
    submission::submission(&message.request_id, &request)
}

pub(in crate::grpc) fn timestamp(at: Timestamp) -> WireTimestamp {
    let millis = at.as_millis();
    WireTimestamp {
        seconds: i64::try_from(millis / 1_000).unwrap_or(i64::MAX),
        nanos: i32::try_from(millis % 1_000).expect("below a thousand") * 1_000_000,
    }
}

pub(in crate::grpc) fn duration(duration: Duration) -> WireDuration {
    let millis = millis(duration);
    WireDuration {
        seconds: i64::try_from(millis / 1_000).unwrap_or(i64::MAX),
        nanos: i32::try_from(millis % 1_000).expect("below a thousand") * 1_000_000,
    }
}

pub(in crate::grpc) fn name(desk: &DeskName, id: CaseId) -> String {
    format!("desks/{desk}/cases/{id}")
}

/// Whether the desk or the portal reads it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    Desk,
    Portal,
}
