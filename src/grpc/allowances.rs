//! What one caller may use up, so that a client which has gone mad leaves the others served. What answers
//! an emergency or keeps one in hand is never held up: see `Edge::serve`.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use governor::clock::{Clock, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;

use super::status;
use crate::core::Subject;

/// How many watches one caller may have open.
pub(super) const WATCHES_MAX: usize = 64;
/// From how many callers on those are looked for who have called nothing for a while.
const CALLERS_REMEMBERED: usize = 10_000;

/// The methods that no rate holds up: Submit, which the desk judges by what is asked, and what answers a
/// case, keeps a claim, or silences a page.
const NEVER_HELD_UP: [&str; 4] = ["Submit", "Respond", "RenewClaim", "AcknowledgePage"];

type Limiter = RateLimiter<
    Subject,
    DashMapStateStore<Subject>,
    MonotonicClock,
    NoOpMiddleware<<MonotonicClock as Clock>::Instant>,
>;

/// What each caller uses.
#[derive(Default)]
pub(super) struct Allowances {
    /// `None` for no bound.
    limiter: Option<Limiter>,
    watches: Mutex<HashMap<Subject, Arc<Semaphore>>>,
}

impl Allowances {
    /// Each may make so many calls a second, and twice as many at once; 0 for no bound.
    pub(super) fn new(calls_per_second_max: u32) -> Self {
        let limiter = NonZeroU32::new(calls_per_second_max).map(|rate| {
            let burst = rate.saturating_mul(NonZeroU32::MIN.saturating_add(1));
            let quota = Quota::per_second(rate).allow_burst(burst);
            RateLimiter::dashmap_with_clock(quota, MonotonicClock)
        });
        Self { limiter, watches: Mutex::default() }
    }

    /// Whether this caller may make another call of this method now.
    pub(super) fn may_call(&self, caller: &Subject, method: &str) -> Result<(), Status> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        if NEVER_HELD_UP.contains(&method) {
            return Ok(());
        }
        if limiter.len() > CALLERS_REMEMBERED {
            limiter.retain_recent();
        }
        let called = limiter.check_key(caller);
        called.map_err(|until| status::caller_too_fast(until.wait_time_from(MonotonicClock.now())))
    }

    /// Room for another watch of this caller, until it is dropped.
    pub(super) fn watch(&self, caller: &Subject) -> Result<OwnedSemaphorePermit, Status> {
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        // The others watch nothing now.
        watches.retain(|_, room| room.available_permits() < WATCHES_MAX);
        let room = watches.entry(caller.clone());
        let room = room.or_insert_with(|| Arc::new(Semaphore::new(WATCHES_MAX)));
        Arc::clone(room).try_acquire_owned().map_err(|_| status::too_many_watches(WATCHES_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_who_is_too_fast_holds_up_nobody_else_and_nothing_urgent() {
        let allowances = Allowances::new(1);
        let [ana, bo]: [Subject; 2] = ["ana", "bo"].map(|name| name.parse().unwrap());
        let refused = (0..100).filter(|_| allowances.may_call(&ana, "GetPolicy").is_err()).count();
        assert!((97..=98).contains(&refused), "{refused}");
        assert!(allowances.may_call(&bo, "GetPolicy").is_ok());
        for method in NEVER_HELD_UP {
            assert!((0..100).all(|_| allowances.may_call(&ana, method).is_ok()), "{method}");
        }
        let unbounded = Allowances::new(0);
        assert!((0..1_000).all(|_| unbounded.may_call(&ana, "GetPolicy").is_ok()));
    }

    #[test]
    fn a_caller_has_room_for_so_many_watches() {
        let allowances = Allowances::default();
        let [ana, bo]: [Subject; 2] = ["ana", "bo"].map(|name| name.parse().unwrap());
        let mut open: Vec<_> = (0..WATCHES_MAX).map(|_| allowances.watch(&ana).unwrap()).collect();
        assert!(allowances.watch(&ana).is_err());
        assert!(allowances.watch(&bo).is_ok());
        open.pop();
        assert!(allowances.watch(&ana).is_ok());
        open.clear();
        drop(allowances.watch(&bo));
        assert_eq!(allowances.watches.lock().unwrap().len(), 1);
    }
}
