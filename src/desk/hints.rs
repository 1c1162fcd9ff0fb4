//! Hints from commits of this process to the loops that wait. A hint may only shorten a wait: every
//! loop looks by itself at least once a second, since other replicas give no hints.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use crate::core::projection::project;
use crate::core::{Case, Event};

#[derive(Debug, Default)]
pub(super) struct Hints {
    /// Something was committed.
    pub(super) changed: Notify,
    /// A case waits to be claimed.
    pub(super) ready: Notify,
    /// People must be told something, or that it is over.
    pub(super) paged: Notify,
    /// A wake comes before the one the timer sleeps for.
    pub(super) wake: Notify,
    /// The instant the timer sleeps for, in milliseconds.
    sleeps_until_ms: AtomicU64,
}

impl Hints {
    pub(super) fn committed(&self, case: &Case, events: &[Event]) {
        let projected = project(case);
        self.changed.notify_one();
        if events.iter().any(Event::concerns_pages) {
            self.paged.notify_one();
        }
        if projected.ready.is_some() {
            self.ready.notify_one();
        }
        let sleeps_until_ms = self.sleeps_until_ms.load(Ordering::Relaxed);
        if projected.wake_at.is_some_and(|at| at.as_millis() < sleeps_until_ms) {
            self.wake.notify_one();
        }
    }

    pub(super) fn timer_sleeps_until(&self, millis: u64) {
        self.sleeps_until_ms.store(millis, Ordering::Relaxed);
    }
}
