//! What Redis must index of a case, computed from the case alone and written with every commit.
//!
//! Because the indexes are functions of the case, they cannot drift from it and can be rebuilt.

use super::case::Case;
use super::nature::Band;
use super::time::Timestamp;

/// A place in the queue: the lowest band first and, inside a band, the earliest limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(u64);

impl Place {
    /// 2^42 ms is the year 2109; with 8 bands the score stays below 2^45, exact in a double.
    const LIMIT_BITS: u32 = 42;

    /// The place of a case of this band and limit.
    #[must_use]
    pub const fn new(band: Band, limit_at: Timestamp) -> Self {
        let limit_max = (1 << Self::LIMIT_BITS) - 1;
        let limit_ms =
            if limit_at.as_millis() > limit_max { limit_max } else { limit_at.as_millis() };
        Self(((band.number() as u64) << Self::LIMIT_BITS) | limit_ms)
    }

    /// The place as the score of a sorted set: lower is sooner.
    #[must_use]
    pub const fn score(self) -> u64 {
        self.0
    }

    /// The first place of `band`, and the first beyond it.
    #[must_use]
    pub const fn bounds(band: Band) -> (u64, u64) {
        let number = band.number() as u64;
        (number << Self::LIMIT_BITS, (number + 1) << Self::LIMIT_BITS)
    }
}

/// Every index entry of a case; `None` keeps the case out of that index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Projection {
    /// Where it waits to be claimed.
    pub ready: Option<Place>,
    /// When it must be looked at next.
    pub wake_at: Option<Timestamp>,
    /// Where it stands among the unanswered, claimed or not.
    pub unanswered: Option<Place>,
    /// Where it stands among all cases, and among its authority's.
    pub accepted_at: Timestamp,
}

/// The index entries of `case`.
#[must_use]
pub fn project(case: &Case) -> Projection {
    Projection {
        ready: ready(case),
        wake_at: wake_at(case),
        unanswered: unanswered(case),
        accepted_at: case.accepted_at,
    }
}

/// Where the case waits to be claimed, if it does.
#[must_use]
pub fn ready(case: &Case) -> Option<Place> {
    if case.claim.is_some() { None } else { unanswered(case) }
}

/// The next instant at which the case must be looked at: the earliest of its rung and its lease.
#[must_use]
pub fn wake_at(case: &Case) -> Option<Timestamp> {
    let rung = case.is_unanswered().then_some(case.clock.next_due_at);
    let lease = case.claim.as_ref().map(|claim| claim.expires_at);
    rung.into_iter().chain(lease).min()
}

fn unanswered(case: &Case) -> Option<Place> {
    case.is_unanswered().then(|| Place::new(case.band, case.clock.limit_at))
}
