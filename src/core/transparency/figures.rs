//! What is counted of the cases of one row.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::core::answer::{Punctuality, RefusalReason};
use crate::core::case::Case;
use crate::core::clock::ClockState;
use crate::core::outcome::{Disposition, Outcome};
use crate::core::time::{Timestamp, millis};

/// What is counted of the cases of one row, all of it exact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// How many requests.
    pub requests: u64,
    /// How many targets they named.
    pub targets: u64,
    /// How often data was sent for them.
    pub disclosures: u64,
    /// For how many of them any was.
    pub disclosed_to: u64,
    /// How many turned out to be from somebody else than they said.
    pub frauds: u64,
    /// For how many each reason was given; a request whose categories were refused for two reasons
    /// counts at both. Frauds are counted apart.
    pub refusals: BTreeMap<RefusalReason, u64>,
    /// How they stand to the promise.
    pub kept: Kept,
    /// How many first responses took so many seconds, begun ones counted whole.
    pub(super) waits: BTreeMap<u64, u64>,
}

/// How requests stand to the promise of a first response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// How many can be judged: they were answered, or their limit has passed.
    pub judged: u64,
    /// How many of those were answered before the target.
    pub within_target: u64,
    /// How many were answered before the limit, those before the target included.
    pub within_limit: u64,
}

/// How long first responses took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// How many there were.
    pub answered: u64,
    /// Half of them took no longer, in whole seconds, begun ones counted whole.
    pub median: Duration,
    /// 95 of 100 took no longer, likewise.
    pub p95: Duration,
}

impl Figures {
    pub(super) fn add(&mut self, case: &Case, as_of: Timestamp) {
        self.requests += 1;
        self.targets += u64::from(case.facts.targets);
        self.disclosures += case.disclosures.len() as u64;
        self.disclosed_to += u64::from(!case.disclosures.is_empty());
        if case.ended.is_some_and(|ended| ended.outcome == Outcome::FraudConfirmed) {
            self.frauds += 1;
        } else {
            for reason in reasons(case) {
                *self.refusals.entry(reason).or_default() += 1;
            }
        }
        if case.first_response.is_some() {
            let seconds = millis(case.waited(as_of)).div_ceil(1_000);
            *self.waits.entry(seconds).or_default() += 1;
        }
        match judgement(case, as_of) {
            None => {}
            Some(Punctuality::WithinTarget) => self.kept.add(1, 1, 1),
            Some(Punctuality::WithinLimit) => self.kept.add(1, 0, 1),
            Some(Punctuality::Breached) => self.kept.add(1, 0, 0),
        }
    }

    /// The figures of both together.
    #[must_use]
    pub(super) fn with(mut self, other: Self) -> Self {
        self.requests += other.requests;
        self.targets += other.targets;
        self.disclosures += other.disclosures;
        self.disclosed_to += other.disclosed_to;
        self.frauds += other.frauds;
        for (reason, count) in other.refusals {
            *self.refusals.entry(reason).or_default() += count;
        }
        for (seconds, count) in other.waits {
            *self.waits.entry(seconds).or_default() += count;
        }
        let Kept { judged, within_target, within_limit } = other.kept;
        self.kept.add(judged, within_target, within_limit);
        self
    }

    pub(super) fn answered(&self) -> u64 {
        self.waits.values().sum()
    }

    /// The fewest requests that anything is said of the times of: those that were answered, or those that
    /// can be judged; 0 where there are neither.
    pub(super) fn fewest_timed(&self) -> u64 {
        let counts = [self.kept.judged, self.answered()];
        counts.into_iter().filter(|count| *count > 0).min().unwrap_or(0)
    }

    /// How long first responses took; `None` where there was none.
    #[must_use]
    pub fn waits(&self) -> Option<Waits> {
        let answered = self.answered();
        let percentile = |percent| Some(Duration::from_secs(self.percentile(percent)?));
        Some(Waits { answered, median: percentile(50)?, p95: percentile(95)? })
    }

    /// The wait that `percent` of 100 did not exceed, by nearest rank.
    fn percentile(&self, percent: u64) -> Option<u64> {
        let rank = (self.answered() * percent).div_ceil(100).max(1);
        let mut passed = 0;
        self.waits.iter().find_map(|(seconds, count)| {
            passed += count;
            (passed >= rank).then_some(*seconds)
        })
    }
}

impl Kept {
    fn add(&mut self, judged: u64, within_target: u64, within_limit: u64) {
        self.judged += judged;
        self.within_target += within_target;
        self.within_limit += within_limit;
    }
}

/// Every reason for which something was refused in this case.
fn reasons(case: &Case) -> BTreeSet<RefusalReason> {
    let of_categories = case.dispositions.values().filter_map(|disposition| match disposition {
        Disposition::Refused(reason) => Some(*reason),
        Disposition::Disclosed | Disposition::NotHeld | Disposition::Redirected(_) => None,
    });
    of_categories.chain(case.ended.and_then(|ended| ended.refusal)).collect()
}

/// How the case stands to its promise; `None` while that cannot be said, and where the authority took
/// its request back before it was owed an answer.
fn judgement(case: &Case, as_of: Timestamp) -> Option<Punctuality> {
    let clock = case.first_response_clock();
    let waited_until = match (&case.first_response, clock.state) {
        (Some(response), _) => return Some(case.punctuality(response.at)),
        (None, ClockState::Stopped { at }) => at,
        (None, ClockState::Running | ClockState::Paused { .. }) => as_of,
    };
    Some(clock.punctuality(waited_until)).filter(|kept| *kept == Punctuality::Breached)
}
