//! What Redis must index of a case, computed from the case alone and written with every commit.
//!
//! Because the indexes are functions of the case, they cannot drift from it and can be rebuilt.

use std::time::Duration;

use super::case::Case;
use super::clock::{ClockKind, ClockState};
use super::incident::Lane;
use super::nature::Band;
use super::time::Timestamp;

/// A place in the queue: the lowest band first; inside a band those to whom an answer is owed, then
/// the others; and of these the earliest limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(u64);

impl Place {
    /// 2^42 ms is the year 2109; with 8 bands the score stays below 2^46, exact in a double.
    const LIMIT_BITS: u32 = 42;
    const BAND_BITS: u32 = Self::LIMIT_BITS + 1;

    /// The place of a case of this band and limit, to which an answer is owed.
    #[must_use]
    pub const fn new(band: Band, limit_at: Timestamp) -> Self {
        let limit_max = (1 << Self::LIMIT_BITS) - 1;
        let limit_ms =
            if limit_at.as_millis() > limit_max { limit_max } else { limit_at.as_millis() };
        Self(((band.number() as u64) << Self::BAND_BITS) | limit_ms)
    }

    /// The place of a case of this band whose next clock has this limit, and which is answered.
    #[must_use]
    pub const fn answered(band: Band, limit_at: Timestamp) -> Self {
        Self(Self::new(band, limit_at).0 | (1 << Self::LIMIT_BITS))
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
        (number << Self::BAND_BITS, (number + 1) << Self::BAND_BITS)
    }
}

/// Every index entry of a case; `None` keeps the case out of that index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Projection {
    /// Where it waits to be claimed by a person.
    pub ready: Option<(Lane, Place)>,
    /// Where a synthetic case waits; people are handed none of these.
    pub synthetic: Option<Place>,
    /// When it must be looked at next.
    pub wake_at: Option<Timestamp>,
    /// Where it stands among those to whom an answer is owed, claimed or not; never a synthetic one.
    pub unanswered: Option<Place>,
    /// When its claim ends, if a person holds it.
    pub claimed: Option<Timestamp>,
    /// Where it stands among all cases, and among its authority's.
    pub accepted_at: Timestamp,
    /// When it must no longer be found by its targets; `None` while it may.
    pub is_purged: bool,
}

/// What falls due next on a case. At one instant the lease ends first, so that a rung then finds no
/// claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// The claim ends.
    Lease,
    /// The next rung of this clock.
    Rung(ClockKind),
    /// What was said is no longer kept.
    Purge,
}

/// The index entries of `case`.
#[must_use]
pub fn project(case: &Case) -> Projection {
    let waits = ready(case);
    let claim = case.claim.as_ref().filter(|_| !case.is_synthetic());
    let (synthetic, ready) =
        if case.is_synthetic() { (waits.map(|(_, place)| place), None) } else { (None, waits) };
    Projection {
        ready,
        synthetic,
        wake_at: wake_at(case),
        unanswered: unanswered(case),
        claimed: claim.map(|claim| claim.expires_at),
        accepted_at: case.accepted_at,
        is_purged: case.purged_at.is_some(),
    }
}

/// Where the case waits to be claimed, if it does. While the authority owes an answer there is
/// nothing to claim; its clocks go on all the same.
#[must_use]
pub fn ready(case: &Case) -> Option<(Lane, Place)> {
    let waits_for_authority = case.asked_at.is_some() && case.withdrawal_at.is_none();
    if case.claim.is_some() || case.has_ended() || waits_for_authority {
        return None;
    }
    let lane = if case.incident.is_some() { Lane::Incident } else { Lane::Ordinary };
    let promised = case.first_response_clock().limit_at;
    let place = if case.response_clock().is_some() {
        // A reply waits at the place the request had, so that being asked costs nobody their turn;
        // unless its own limit, that of a raised case, or an order's comes before.
        let owed = [ClockKind::Reply, ClockKind::EEvidenceEmergency, ClockKind::EEvidence];
        let owed = owed.iter().filter_map(|kind| case.clock(*kind));
        let limits = owed.filter(|clock| clock.is_running()).map(|clock| clock.limit_at);
        Place::new(case.band, limits.fold(promised, Timestamp::min))
    } else {
        let running = case.clocks.values().filter(|clock| clock.is_running());
        // A question is the authority's to answer, and gives the case no place of its own.
        let promises = running
            .filter(|clock| !clock.kind.outlives_case() && clock.kind != ClockKind::Question);
        let limit_at = promises.map(|clock| clock.limit_at).min().unwrap_or(promised);
        Place::answered(case.band, limit_at)
    };
    Some((lane, place))
}

/// The next instant at which the case must be looked at, whatever the reason.
#[must_use]
pub fn wake_at(case: &Case) -> Option<Timestamp> {
    next_due(case).map(|(at, _)| at)
}

/// What falls due next, and when: the one timer of a case.
#[must_use]
pub fn next_due(case: &Case) -> Option<(Timestamp, Due)> {
    let lease = case.claim.as_ref().map(|claim| (claim.expires_at, Due::Lease));
    let clocks = case.clocks.values();
    let rungs = clocks.filter_map(|clock| Some((clock.next_due()?, Due::Rung(clock.kind))));
    lease.into_iter().chain(rungs).chain(purge_due(case)).min()
}

/// How long a case stays when its last clock has stopped, or as long as it is kept at all: that a term is
/// over is still told, and the pages of its clock are closed where they are held.
const TOLD_FOR: Duration = Duration::from_hours(24);

/// When what was said is no longer kept. A clock that still runs needs it, and a hold forbids it.
fn purge_due(case: &Case) -> Option<(Timestamp, Due)> {
    let is_kept = case.legal_hold.is_some()
        || case.purged_at.is_some()
        || case.clocks.values().any(|clock| !clock.is_stopped());
    let ended = case.ended.as_ref().filter(|_| !is_kept)?;
    let stops = case.clocks.values().filter_map(|clock| match clock.state {
        ClockState::Stopped { at } => Some(at),
        ClockState::Running | ClockState::Paused { .. } => None,
    });
    let told_for = ended.purge_at.since(ended.at).min(TOLD_FOR);
    let told_until = stops.max().unwrap_or(ended.at) + told_for;
    Some((ended.purge_at.max(told_until), Due::Purge))
}

fn unanswered(case: &Case) -> Option<Place> {
    let case = Some(case).filter(|case| !case.is_synthetic())?;
    case.response_clock().map(|clock| Place::new(case.band, clock.limit_at))
}
