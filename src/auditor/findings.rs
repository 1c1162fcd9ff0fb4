//! What was found in the latest pass: what a heartbeat depends on, and the metrics show.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::clock::monotonic_now;
use crate::core::DeskName;
use crate::telemetry::metrics::{self, Violation};

/// What was found of one desk.
#[derive(Debug)]
pub struct Findings {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    seen_at: Instant,
    counts: BTreeMap<Violation, usize>,
    synthetic_passed_at: Instant,
    /// Why the latest synthetic case has not come through.
    synthetic_problem: Option<String>,
}

impl Findings {
    /// Of a desk that nobody has looked at yet.
    #[must_use]
    pub fn new() -> Self {
        let now = monotonic_now();
        Self {
            inner: Mutex::new(Inner {
                seen_at: now,
                counts: BTreeMap::new(),
                synthetic_passed_at: now,
                synthetic_problem: None,
            }),
        }
    }

    /// Since every case was last looked at.
    #[must_use]
    pub fn audit_age(&self) -> Duration {
        self.lock().seen_at.elapsed()
    }

    /// Since a synthetic case last came through.
    #[must_use]
    pub fn synthetic_age(&self) -> Duration {
        self.lock().synthetic_passed_at.elapsed()
    }

    /// What is wrong, in words for the operator; nothing, if every case was looked at within `audit_max`
    /// and all is well.
    #[must_use]
    pub fn problems(&self, audit_max: Duration) -> Vec<String> {
        let inner = self.lock();
        let mut problems: Vec<String> = inner
            .counts
            .iter()
            .map(|(violation, count)| format!("auditor: {count} x {}", violation.word()))
            .collect();
        let age = inner.seen_at.elapsed();
        if age > audit_max {
            problems.push(format!("auditor: it last saw every case {} s ago", age.as_secs()));
        }
        problems
            .extend(inner.synthetic_problem.iter().map(|problem| format!("synthetic: {problem}")));
        problems
    }

    pub(super) fn seen(&self, desk: &DeskName, counts: &BTreeMap<Violation, usize>) {
        let mut inner = self.lock();
        for violation in
            Violation::ALL.iter().filter(|violation| **violation != Violation::Synthetic)
        {
            let count = counts.get(violation).copied().unwrap_or(0);
            metrics::violations(desk, *violation, count);
        }
        inner.counts.clone_from(counts);
        inner.seen_at = monotonic_now();
    }

    pub(super) fn walked(&self, desk: &DeskName, outcome: Result<(), String>) {
        metrics::synthetic(outcome.is_ok());
        metrics::violations(desk, Violation::Synthetic, usize::from(outcome.is_err()));
        let mut inner = self.lock();
        if outcome.is_ok() {
            inner.synthetic_passed_at = monotonic_now();
        }
        inner.synthetic_problem = outcome.err();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Findings {
    fn default() -> Self {
        Self::new()
    }
}
