//! A clock: one promise running on a case, and how far its ladder has been climbed.
//!
//! All clocks are of this one kind. What tells them apart is data: which promise of the policy they
//! carry, and the few questions that [`ClockKind`] answers.

use std::time::Duration;

use super::event::Settlement;
use super::nature::Class;
use super::policy::Promise;
use super::time::Timestamp;
use super::words::words;

words! {
    /// Which promise a clock measures.
    pub enum ClockKind {
        /// From acceptance to a person's first substantive answer.
        FirstResponse = "first-response",
        /// From the authority's answer to a question to the desk's next answer.
        Reply = "reply",
        /// From a question to the authority's answer, so that a case which waits is not forgotten.
        Question = "question",
        /// From one word about the work to the next.
        Progress = "progress",
        /// From acceptance to the outcome.
        Completion = "completion",
        /// The time that the e-Evidence Regulation leaves for an order in an emergency.
        EEvidenceEmergency = "e-evidence-emergency",
        /// The time that the e-Evidence Regulation leaves for an order.
        EEvidence = "e-evidence",
        /// How long data is kept from deletion on request.
        Preservation = "preservation",
        /// How long data is kept from deletion under an e-Evidence preservation order.
        EEvidencePreservation = "e-evidence-preservation",
        /// Until an order that was issued without prior validation must have it.
        ExPostValidation = "ex-post-validation",
        /// Until the person concerned may be told.
        NonDisclosure = "non-disclosure",
        /// Until the person concerned must have been told.
        UserNotice = "user-notice",
        /// Until the authority should have confirmed that it received what was sent.
        DeliveryConfirmation = "delivery-confirmation",
    }
}

impl ClockKind {
    /// Whether it measures how long an authority waits for a person's answer.
    #[must_use]
    pub const fn is_response(self) -> bool {
        matches!(self, Self::FirstResponse | Self::Reply)
    }

    /// Whether it may be paused. What is promised to somebody who waits for an answer never is.
    #[must_use]
    pub const fn is_pausable(self) -> bool {
        matches!(self, Self::Completion | Self::EEvidenceEmergency | Self::EEvidence)
    }

    /// Whether it measures a term that simply ends, rather than a promise that may be broken.
    #[must_use]
    pub const fn is_term(self) -> bool {
        matches!(self, Self::Preservation | Self::EEvidencePreservation | Self::NonDisclosure)
    }

    /// Whether the desk may settle it by hand, where nothing in the case shows that it was kept.
    #[must_use]
    pub const fn is_settled_by_hand(self) -> bool {
        matches!(
            self,
            Self::ExPostValidation
                | Self::UserNotice
                | Self::NonDisclosure
                | Self::DeliveryConfirmation
        )
    }

    /// Whether it goes on when the case has ended.
    #[must_use]
    pub const fn outlives_case(self) -> bool {
        match self {
            Self::Preservation
            | Self::EEvidencePreservation
            | Self::ExPostValidation
            | Self::NonDisclosure
            | Self::UserNotice
            | Self::DeliveryConfirmation => true,
            Self::FirstResponse
            | Self::Reply
            | Self::Question
            | Self::Progress
            | Self::Completion
            | Self::EEvidenceEmergency
            | Self::EEvidence => false,
        }
    }

    /// Whether the authority is shown it.
    #[must_use]
    pub const fn is_shown_to_authority(self) -> bool {
        !matches!(self, Self::UserNotice)
    }
}

words! {
    /// Why a clock is paused.
    pub enum PauseReason {
        /// The authority has been asked something that the work cannot go on without.
        AwaitingInformation = "awaiting_information",
        /// A court or authority reviews a conflict of law.
        ConflictReview = "conflict_review",
        /// The notified authority's review suspends the order.
        NotifiedAuthorityReview = "notified_authority_review",
        /// The order was sent back to be clarified.
        Clarification = "clarification",
    }
}

/// Whether a clock runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockState {
    /// It runs, and its next rung has an instant.
    Running,
    /// It stands still and will go on.
    Paused {
        /// Since when.
        since: Timestamp,
        /// Why.
        reason: PauseReason,
    },
    /// It has ended.
    Stopped {
        /// When.
        at: Timestamp,
    },
}

/// A promise on a case. Nothing moves its start; only a pause or an extension moves target and limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clock {
    /// What it measures.
    pub kind: ClockKind,
    /// The class whose promise and ladder it carries; that of the case when it was started, or the
    /// more urgent one that the case was raised to.
    pub class: Class,
    /// When it started.
    pub started_at: Timestamp,
    /// The desk's own objective.
    pub target_at: Timestamp,
    /// The promise.
    pub limit_at: Timestamp,
    /// By how much pauses and extensions have moved its target, limit and rungs.
    pub shifted_by: Duration,
    /// Since when its ladder is climbed: rungs before that are not late, they were nobody's yet.
    pub climbed_since: Timestamp,
    /// Grows when the clock is started again and when the case falls back to the queue, so that the
    /// pages which follow are new ones to a receiver that has already silenced the old.
    pub cycle: u32,
    /// The number of the next rung, counted from 0, repeats included; all before it have passed.
    pub next_rung: u32,
    /// When that rung falls due, while the clock runs.
    pub next_due_at: Timestamp,
    /// Whether it runs.
    pub state: ClockState,
    /// Whether it was extended; that can be done once.
    pub is_extended: bool,
    /// How a person settled it by hand.
    pub settlement: Option<Settlement>,
}

words! {
    /// What a rung's offset means for the promise.
    pub enum Mark {
        /// The target passes.
        Target = "target",
        /// The limit passes: the promise is broken or, of a term, the term is over.
        Limit = "limit",
    }
}

impl Clock {
    /// Starts a clock at `now`.
    #[must_use]
    pub fn start(
        kind: ClockKind,
        class: Class,
        promise: &Promise,
        now: Timestamp,
        cycle: u32,
    ) -> Self {
        Self {
            kind,
            class,
            started_at: now,
            target_at: now + promise.target,
            limit_at: now + promise.limit,
            shifted_by: Duration::ZERO,
            climbed_since: now,
            cycle,
            next_rung: 0,
            next_due_at: now + promise.ladder.rung(0).offset,
            state: ClockState::Running,
            is_extended: false,
            settlement: None,
        }
    }

    /// Starts a clock at `now` whose limit is at `end`; the rungs that would lie before `now` are
    /// left out.
    #[must_use]
    pub fn ending_at(
        kind: ClockKind,
        class: Class,
        promise: &Promise,
        end: Timestamp,
        now: Timestamp,
    ) -> Self {
        let end = end.max(now);
        let started_at = Timestamp::from_millis(
            end.as_millis().saturating_sub(super::time::millis(promise.limit)),
        );
        let mut clock = Self::start(kind, class, promise, started_at, 0);
        // An end nearer to the epoch than the promise is long: no real clock shows such a time.
        clock.limit_at = end;
        clock.climbed_since = now;
        while clock.next_due_at < now && clock.next_due_at < clock.limit_at {
            clock.pass(1, promise);
        }
        clock
    }

    /// Whether it runs.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        matches!(self.state, ClockState::Running)
    }

    /// Whether it has ended.
    #[must_use]
    pub const fn is_stopped(&self) -> bool {
        matches!(self.state, ClockState::Stopped { .. })
    }

    /// When its next rung falls due; `None` while it does not run.
    #[must_use]
    pub const fn next_due(&self) -> Option<Timestamp> {
        if self.is_running() { Some(self.next_due_at) } else { None }
    }

    /// Whether its limit has passed before it ended: the promise was broken. Of a running clock, whose
    /// limit is a rung, that rung tells.
    #[must_use]
    pub fn is_overdue(&self) -> bool {
        match self.state {
            ClockState::Running | ClockState::Paused { .. } => self.next_due_at > self.limit_at,
            ClockState::Stopped { at } => !self.kind.is_term() && at >= self.limit_at,
        }
    }

    /// When the rung at `offset` falls due.
    #[must_use]
    pub fn due_at(&self, offset: Duration) -> Timestamp {
        self.started_at + self.shifted_by + offset
    }

    /// What passing the rung at `offset` means for the promise, if anything.
    #[must_use]
    pub fn mark(&self, offset: Duration) -> Option<Mark> {
        let due_at = self.due_at(offset);
        if due_at == self.limit_at {
            Some(Mark::Limit)
        } else if due_at == self.target_at {
            Some(Mark::Target)
        } else {
            None
        }
    }

    /// Passes `count` rungs from the next one on.
    pub(super) fn pass(&mut self, count: u32, promise: &Promise) {
        self.next_rung = self.next_rung.saturating_add(count);
        self.find_next_due(promise);
    }

    /// Ends it. One that stands still goes on first, so that the pause is not held against it.
    pub(super) fn stop(&mut self, at: Timestamp) {
        if let ClockState::Paused { since, .. } = self.state {
            self.shift(at.since(since));
        }
        if !self.is_stopped() {
            self.state = ClockState::Stopped { at };
        }
    }

    /// Goes on after a pause: everything that lies ahead moves by exactly the pause.
    pub(super) fn resume(&mut self, now: Timestamp, promise: &Promise) -> Duration {
        let ClockState::Paused { since, .. } = self.state else { return Duration::ZERO };
        let paused_for = now.since(since);
        self.shift(paused_for);
        self.state = ClockState::Running;
        // Whatever is overdue now was made so by raising the clock while it stood still.
        self.climbed_since = now;
        self.find_next_due(promise);
        paused_for
    }

    /// Moves target and limit by `extension` and climbs the ladder anew before the new limit.
    pub(super) fn extend(&mut self, extension: Duration, promise: &Promise, now: Timestamp) {
        self.shift(extension);
        self.is_extended = true;
        self.climb_anew(promise, now);
    }

    /// Takes over the promise of a more urgent class, counted from the same start. No deadline moves
    /// later by it.
    pub(super) fn raise(&mut self, class: Class, promise: &Promise, now: Timestamp) {
        self.class = class;
        self.target_at = self.target_at.min(self.due_at(promise.target));
        self.limit_at = self.limit_at.min(self.due_at(promise.limit));
        self.climb_anew(promise, now);
    }

    fn climb_anew(&mut self, promise: &Promise, now: Timestamp) {
        self.climbed_since = now;
        self.cycle += 1;
        self.next_rung = 0;
        self.find_next_due(promise);
    }

    fn shift(&mut self, by: Duration) {
        self.target_at = self.target_at + by;
        self.limit_at = self.limit_at + by;
        self.shifted_by = self.shifted_by.saturating_add(by);
    }

    fn find_next_due(&mut self, promise: &Promise) {
        self.next_due_at = self.due_at(promise.ladder.rung(self.next_rung).offset);
    }
}
