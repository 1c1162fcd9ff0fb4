//! The three shifts of a day, and the day that every simulation begins on.

use std::time::Duration;

use super::options::Scenario;
use crate::core::{Timestamp, words};

words! {
    /// A third of the day.
    pub enum Shift {
        /// From 7 to 15.
        Day = "day",
        /// From 15 to 23.
        Evening = "evening",
        /// From 23 to 7.
        Night = "night",
    }
}

const SHIFT: Duration = Duration::from_hours(8);
const DAY_MS: u64 = 24 * 3_600 * 1_000;
const DAY_SHIFT_MS: u64 = 7 * 3_600 * 1_000;
/// Midnight of 4 May 2016, the day the promise was made; any midnight would do.
const MIDNIGHT: Timestamp = Timestamp::from_millis(16_925 * DAY_MS);

impl Shift {
    /// The shift that works at `at`.
    #[must_use]
    pub const fn at(at: Timestamp) -> Self {
        match since_day_shift_ms(at) * 3 / DAY_MS {
            0 => Self::Day,
            1 => Self::Evening,
            _ => Self::Night,
        }
    }
}

/// When the shift that works at `at` goes home.
pub(super) fn next_change(at: Timestamp) -> Timestamp {
    let shift_ms = DAY_MS / 3;
    let into_ms = since_day_shift_ms(at) % shift_ms;
    Timestamp::from_millis(at.as_millis() - into_ms) + SHIFT
}

/// When a scenario begins.
pub(super) fn beginning(scenario: Scenario) -> Timestamp {
    MIDNIGHT + Duration::from_hours(u64::from(scenario.begins_at_hour()))
}

/// The time of day, in hours.
pub(super) fn hour_of_day(at: Timestamp) -> f64 {
    (at.as_millis() % DAY_MS) as f64 / 3_600_000.0
}

/// The day of the calendar, the first being that of `begins_at`.
pub(super) const fn day_of(begins_at: Timestamp, at: Timestamp) -> u64 {
    at.as_millis() / DAY_MS - begins_at.as_millis() / DAY_MS + 1
}

const fn since_day_shift_ms(at: Timestamp) -> u64 {
    (at.as_millis() + DAY_MS - DAY_SHIFT_MS) % DAY_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shift_begins_and_ends_at_its_hour() {
        let at = |hour| MIDNIGHT + Duration::from_hours(hour);
        let shifts: Vec<Shift> = [6, 7, 14, 15, 22, 23, 24].map(at).map(Shift::at).to_vec();
        use Shift::{Day, Evening, Night};
        assert_eq!(shifts, [Night, Day, Day, Evening, Evening, Night, Night]);
        assert_eq!(next_change(at(7)), at(15));
        assert_eq!(next_change(at(21)), at(23));
        assert_eq!(next_change(at(25)), at(31));
        let after_nine = hour_of_day(at(33) + Duration::from_mins(30));
        assert!((after_nine - 9.5).abs() < 1e-9, "{after_nine}");
    }
}
