//! The only reader of the machine's clocks: the monotonic one, and an estimate of Redis's.

use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::core::Timestamp;

/// A reading of the monotonic clock.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is where the shell reads it")]
pub fn monotonic_now() -> Instant {
    Instant::now()
}

/// What this machine believes the time is, in milliseconds since the epoch. It decides nothing; it
/// is compared with Redis's clock and shown.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is where the shell reads it")]
pub fn wall_now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(crate::core::time::millis(since_epoch))
}

/// Redis's clock, as far as it can be known between two answers.
///
/// An answer that carries the time T and was asked for at a and received at b shows that Redis's
/// clock was T somewhere between a and b. Every answer narrows or corrects the estimate.
#[derive(Debug)]
pub struct ServerClock {
    origin: Instant,
    /// Redis's time at `origin`, in nanoseconds; the earliest that the answers allow.
    at_origin_ns: Mutex<Option<i128>>,
}

/// Redis's clock did not go on as it was going.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jump {
    /// By how many milliseconds it moved: negative is backwards.
    pub by_ms: i64,
}

/// Nanoseconds in a millisecond. Counting in whole milliseconds would round an estimate up, ahead
/// of Redis.
const NANOS: i128 = 1_000_000;

impl ServerClock {
    /// What the clocks of two machines may differ in speed between two answers without it being a
    /// jump.
    const TOLERANCE_MS: i128 = 250;

    /// A clock that knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self { origin: monotonic_now(), at_origin_ns: Mutex::new(None) }
    }

    /// Takes in an answer that was `asked` for then, has just arrived, and says that it is `server`.
    pub fn observe(&self, server: Timestamp, asked: Instant) -> Option<Jump> {
        self.observe_between(server, asked, monotonic_now())
    }

    fn observe_between(&self, server: Timestamp, asked: Instant, arrived: Instant) -> Option<Jump> {
        let server_ns = i128::from(server.as_millis()) * NANOS;
        let earliest = server_ns - self.elapsed_ns(arrived);
        let latest = server_ns - self.elapsed_ns(asked);
        let mut at_origin_ns = self.at_origin_ns.lock().unwrap_or_else(PoisonError::into_inner);
        let known = at_origin_ns.unwrap_or(earliest);
        let is_plausible = (earliest..=latest).contains(&known);
        *at_origin_ns = Some(if is_plausible { known } else { earliest });
        let by_ns = if known > latest { latest - known } else { earliest - known };
        let by_ms = by_ns / NANOS;
        (!is_plausible && by_ms.abs() > Self::TOLERANCE_MS)
            .then(|| Jump { by_ms: i64::try_from(by_ms).unwrap_or(i64::MAX) })
    }

    /// Redis's time now, or a little less; `None` before the first answer.
    #[must_use]
    pub fn estimate(&self) -> Option<Timestamp> {
        self.estimate_at(monotonic_now())
    }

    fn estimate_at(&self, instant: Instant) -> Option<Timestamp> {
        let at_origin_ns = *self.at_origin_ns.lock().unwrap_or_else(PoisonError::into_inner);
        let now_ns = at_origin_ns? + self.elapsed_ns(instant);
        Some(Timestamp::from_millis(u64::try_from(now_ns / NANOS).unwrap_or(0)))
    }

    fn elapsed_ns(&self, instant: Instant) -> i128 {
        let since = |later: Instant, earlier: Instant| {
            i128::try_from(later.saturating_duration_since(earlier).as_nanos()).unwrap_or(i128::MAX)
        };
        since(instant, self.origin) - since(self.origin, instant)
    }
}

impl Default for ServerClock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_estimate_is_never_ahead_of_the_server() {
        let clock = ServerClock::new();
        let start = clock.origin + ms(1_000);
        // Asked at 0, answered "500,000" at 40: the server's clock is somewhere in between.
        assert_eq!(
            clock.observe_between(Timestamp::from_millis(500_000), start, start + ms(40)),
            None
        );
        assert_eq!(clock.estimate_at(start + ms(40)), Some(Timestamp::from_millis(500_000)));
        assert_eq!(clock.estimate_at(start + ms(140)), Some(Timestamp::from_millis(500_100)));
        // A faster answer narrows it: at 100 it was 500,090 already.
        let narrower = Timestamp::from_millis(500_090);
        assert_eq!(clock.observe_between(narrower, start + ms(98), start + ms(100)), None);
        assert_eq!(clock.estimate_at(start + ms(100)), Some(narrower));
        // A slow answer tells nothing new.
        let slow = Timestamp::from_millis(500_150);
        assert_eq!(clock.observe_between(slow, start + ms(150), start + ms(900)), None);
        assert_eq!(clock.estimate_at(start + ms(900)), Some(Timestamp::from_millis(500_890)));
    }

    #[test]
    fn a_jump_is_believed_and_reported() {
        let clock = ServerClock::new();
        let start = clock.origin;
        assert_eq!(clock.observe_between(Timestamp::from_millis(500_000), start, start), None);
        let back = clock.observe_between(Timestamp::from_millis(490_000), start, start + ms(1));
        assert_eq!(back, Some(Jump { by_ms: -10_000 }));
        assert_eq!(clock.estimate_at(start + ms(1)), Some(Timestamp::from_millis(490_000)));
        let forward =
            clock.observe_between(Timestamp::from_millis(500_001), start + ms(1), start + ms(1));
        assert_eq!(forward, Some(Jump { by_ms: 10_001 }));
    }
}
