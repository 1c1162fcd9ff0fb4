//! What the gauges show of a store.

use std::time::Duration;

/// What the gauges show; the same from every replica.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Per band: how many cases wait to be claimed.
    pub ready: Vec<u64>,
    /// How many of those wait in the lane of incidents.
    pub ready_incident: u64,
    /// Per band: how many are owed an answer.
    pub unanswered: Vec<u64>,
    /// Per band: how many of those have passed their limit.
    pub overdue: Vec<u64>,
    /// Per band: the age of the longest-waiting unanswered case; zero where there is none.
    pub oldest_unanswered: Vec<Duration>,
    /// How many wakes are later than any healthy timer lets them be.
    pub wakes_overdue: u64,
    /// The time until the next wake; `None` without one.
    pub next_wake_in: Option<Duration>,
    /// How many changes the events stream holds.
    pub events: u64,
    /// The age of the oldest change that some group has not dealt with; zero when all have.
    pub outbox_age: Duration,
    /// How many changes were put aside.
    pub parked: u64,
    /// Redis's memory in bytes: used, and the most it may use (0: no bound).
    pub memory_bytes: (u64, u64),
}
