//! A stored clock.

use std::time::Duration;

use super::case::WHAT;
use super::field;
use crate::core::time::millis;
use crate::core::{Class, Clock, ClockKind, ClockState, PauseReason, Settlement, Timestamp};
use crate::store::Unreadable;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StoredClock {
    #[prost(string, tag = "1")]
    kind: String,
    #[prost(uint64, tag = "2")]
    started_ms: u64,
    #[prost(uint64, tag = "3")]
    target_ms: u64,
    #[prost(uint64, tag = "4")]
    limit_ms: u64,
    #[prost(uint32, tag = "5")]
    cycle: u32,
    #[prost(uint32, tag = "6")]
    next_rung: u32,
    #[prost(uint64, tag = "7")]
    next_due_ms: u64,
    /// Missing where it is an emergency's, which most are.
    #[prost(string, tag = "8")]
    class: String,
    #[prost(uint64, tag = "9")]
    shifted_ms: u64,
    /// Missing where the ladder was climbed from the start.
    #[prost(uint64, optional, tag = "10")]
    climbed_since_ms: Option<u64>,
    #[prost(uint64, optional, tag = "11")]
    paused_since_ms: Option<u64>,
    #[prost(string, tag = "12")]
    pause_reason: String,
    #[prost(uint64, optional, tag = "13")]
    stopped_ms: Option<u64>,
    #[prost(bool, tag = "14")]
    is_extended: bool,
    #[prost(string, tag = "15")]
    settlement: String,
}

pub(super) fn encode_clock(clock: &Clock) -> StoredClock {
    let (paused_since_ms, pause_reason, stopped_ms) = match clock.state {
        ClockState::Running => (None, "", None),
        ClockState::Paused { since, reason } => (Some(since.as_millis()), reason.word(), None),
        ClockState::Stopped { at } => (None, "", Some(at.as_millis())),
    };
    let climbed_late = clock.climbed_since != clock.started_at;
    StoredClock {
        kind: clock.kind.word().to_owned(),
        started_ms: clock.started_at.as_millis(),
        target_ms: clock.target_at.as_millis(),
        limit_ms: clock.limit_at.as_millis(),
        cycle: clock.cycle,
        next_rung: clock.next_rung,
        next_due_ms: clock.next_due_at.as_millis(),
        class: match clock.class {
            Class::Emergency => String::new(),
            Class::Routine => Class::Routine.word().to_owned(),
        },
        shifted_ms: millis(clock.shifted_by),
        climbed_since_ms: climbed_late.then(|| clock.climbed_since.as_millis()),
        paused_since_ms,
        pause_reason: pause_reason.to_owned(),
        stopped_ms,
        is_extended: clock.is_extended,
        settlement: clock.settlement.map_or("", Settlement::word).to_owned(),
    }
}

pub(super) fn decode_clock(stored: &StoredClock) -> Result<Clock, Unreadable> {
    let started_at = Timestamp::from_millis(stored.started_ms);
    let state = match (stored.stopped_ms, stored.paused_since_ms) {
        (Some(at), _) => ClockState::Stopped { at: Timestamp::from_millis(at) },
        (None, Some(since)) => ClockState::Paused {
            since: Timestamp::from_millis(since),
            reason: field(WHAT, "clock.pause", PauseReason::from_word(&stored.pause_reason))?,
        },
        (None, None) => ClockState::Running,
    };
    Ok(Clock {
        kind: field(WHAT, "clock.kind", ClockKind::from_word(&stored.kind))?,
        class: match stored.class.as_str() {
            "" => Class::Emergency,
            word => field(WHAT, "clock.class", Class::from_word(word))?,
        },
        started_at,
        target_at: Timestamp::from_millis(stored.target_ms),
        limit_at: Timestamp::from_millis(stored.limit_ms),
        shifted_by: Duration::from_millis(stored.shifted_ms),
        climbed_since: stored.climbed_since_ms.map_or(started_at, Timestamp::from_millis),
        cycle: stored.cycle,
        next_rung: stored.next_rung,
        next_due_at: Timestamp::from_millis(stored.next_due_ms),
        state,
        is_extended: stored.is_extended,
        settlement: match stored.settlement.as_str() {
            "" => None,
            word => Some(field(WHAT, "clock.settlement", Settlement::from_word(word))?),
        },
    })
}
