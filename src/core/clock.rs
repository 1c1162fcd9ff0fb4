//! A clock: one promise running on a case, and how far its ladder has been climbed.

use std::time::Duration;

use super::policy::Promise;
use super::time::Timestamp;
use super::words::words;

words! {
    /// Which promise a clock measures.
    pub enum ClockKind {
        /// From acceptance to a person's first substantive answer.
        FirstResponse = "first-response",
    }
}

/// A running promise. It has no pause and no way to move its start, target or limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clock {
    /// What it measures.
    pub kind: ClockKind,
    /// When it started.
    pub started_at: Timestamp,
    /// The desk's own objective.
    pub target_at: Timestamp,
    /// The public promise.
    pub limit_at: Timestamp,
    /// Grows each time the case falls back to the queue unanswered, so that the pages which follow
    /// are new ones to a receiver that has already silenced the old.
    pub cycle: u32,
    /// The number of the next rung, counted from 0, repeats included; all before it have passed.
    pub next_rung: u32,
    /// When that rung falls due.
    pub next_due_at: Timestamp,
}

words! {
    /// What a rung's offset means for the promise.
    pub enum Mark {
        /// The target passes unanswered.
        Target = "target",
        /// The limit passes unanswered: the promise is broken.
        Limit = "limit",
    }
}

impl Clock {
    /// Starts a first-response clock at `now`.
    #[must_use]
    pub fn first_response(promise: &Promise, now: Timestamp) -> Self {
        Self {
            kind: ClockKind::FirstResponse,
            started_at: now,
            target_at: now + promise.target,
            limit_at: now + promise.limit,
            cycle: 0,
            next_rung: 0,
            next_due_at: now + promise.ladder.rung(0).offset,
        }
    }

    /// Passes `count` rungs from the next one on.
    pub(super) fn pass(&mut self, count: u32, promise: &Promise) {
        self.next_rung = self.next_rung.saturating_add(count);
        self.next_due_at = self.started_at + promise.ladder.rung(self.next_rung).offset;
    }

    /// What passing the rung at `offset` means for the promise, if anything.
    #[must_use]
    pub fn mark(&self, offset: Duration) -> Option<Mark> {
        let due_at = self.started_at + offset;
        if due_at == self.limit_at {
            Some(Mark::Limit)
        } else if due_at == self.target_at {
            Some(Mark::Target)
        } else {
            None
        }
    }
}
