//! The hours at which an authority works. A request at another hour is no less urgent; it is checked
//! with more care.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Time;
use jiff::tz::TimeZone;

use crate::core::Timestamp;

/// From when to when, on every day, in a time zone. Hours that end before they begin go over midnight.
#[derive(Clone, PartialEq, Eq)]
pub struct UsualHours {
    from: Time,
    until: Time,
    zone: TimeZone,
    text: String,
}

/// The text names no hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be hours and a known time zone, such as \"07:00-20:00 Europe/Paris\"")]
pub struct BadHours;

impl UsualHours {
    /// Whether `now` lies within them.
    #[must_use]
    pub fn contain(&self, now: Timestamp) -> bool {
        let millis = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        // What lies beyond the calendar is no usual hour.
        let Ok(instant) = jiff::Timestamp::from_millisecond(millis) else { return false };
        let time = instant.to_zoned(self.zone.clone()).time();
        if self.from <= self.until {
            (self.from..self.until).contains(&time)
        } else {
            time >= self.from || time < self.until
        }
    }
}

impl FromStr for UsualHours {
    type Err = BadHours;

    fn from_str(text: &str) -> Result<Self, BadHours> {
        let (hours, zone) = text.split_once(' ').ok_or(BadHours)?;
        let (from, until) = hours.split_once('-').ok_or(BadHours)?;
        let time = |text: &str| Time::strptime("%H:%M", text).map_err(|_| BadHours);
        let zone = TimeZone::get(zone).map_err(|_| BadHours)?;
        let (from, until) = (time(from)?, time(until)?);
        // Hours of no length would make every hour unusual.
        if from == until {
            return Err(BadHours);
        }
        Ok(Self { from, until, zone, text: text.to_owned() })
    }
}

impl fmt::Debug for UsualHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use super::*;

    fn at(text: &str) -> Timestamp {
        let instant: jiff::Timestamp = text.parse().unwrap();
        Timestamp::from_millis(instant.as_millisecond().try_into().unwrap())
    }

    #[test]
    fn hours_are_those_of_the_zone_in_winter_and_in_summer() {
        let day: UsualHours = "07:00-20:00 Europe/Paris".parse().unwrap();
        assert!(
            day.contain(at("2026-01-15T06:00:00Z")) && !day.contain(at("2026-01-15T05:59:59Z"))
        );
        assert!(
            day.contain(at("2026-07-15T05:00:00Z")) && !day.contain(at("2026-07-15T18:00:00Z"))
        );
        let night: UsualHours = "20:00-06:00 UTC".parse().unwrap();
        assert!(
            night.contain(at("2026-01-15T23:00:00Z")) && night.contain(at("2026-01-15T05:59:00Z"))
        );
        assert!(!night.contain(at("2026-01-15T06:00:00Z")));
    }

    #[test]
    fn what_are_no_hours_is_refused() {
        for text in [
            "",
            "07:00-20:00",
            "07:00 Europe/Paris",
            "7-20 UTC",
            "25:00-26:00 UTC",
            "06:00-06:00 UTC",
            "07:00-20:00 Mars/Base",
        ] {
            assert_eq!(text.parse::<UsualHours>(), Err(BadHours), "{text}");
        }
    }
}
