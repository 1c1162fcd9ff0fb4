//! What a desk manager may vary.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::shift::Shift;
use crate::core::incident::Objective;
use crate::core::{Policy, words};

words! {
    /// What kind of night it is.
    pub enum Scenario {
        /// A day like any other: more by day than by night.
        QuietDay = "quiet-day",
        /// The days after an attack: a flood that ebbs, most of it about the same event.
        Attack = "attack",
    }
}

impl Scenario {
    /// How many hours are worth looking at.
    #[must_use]
    pub const fn hours(self) -> u32 {
        match self {
            Self::QuietDay => 24,
            Self::Attack => 72,
        }
    }

    /// The hour of the day at which it begins. An attack comes in the evening, when the desk is
    /// about to get smaller.
    #[must_use]
    pub const fn begins_at_hour(self) -> u32 {
        match self {
            Self::QuietDay => 7,
            Self::Attack => 21,
        }
    }
}

/// How many people answer in each shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Responders {
    /// From 7 to 15.
    pub day: u32,
    /// From 15 to 23.
    pub evening: u32,
    /// From 23 to 7.
    pub night: u32,
}

impl Responders {
    /// Beyond this it is no desk any more.
    pub const MAX: u32 = 500;

    /// As many in every shift.
    #[must_use]
    pub const fn each(count: u32) -> Self {
        Self { day: count, evening: count, night: count }
    }

    /// How many there are in this shift.
    #[must_use]
    pub const fn of(self, shift: Shift) -> u32 {
        match shift {
            Shift::Day => self.day,
            Shift::Evening => self.evening,
            Shift::Night => self.night,
        }
    }

    /// The same, but with `count` in this shift.
    #[must_use]
    pub const fn with(self, shift: Shift, count: u32) -> Self {
        match shift {
            Shift::Day => Self { day: count, ..self },
            Shift::Evening => Self { evening: count, ..self },
            Shift::Night => Self { night: count, ..self },
        }
    }
}

impl fmt::Display for Responders {
    /// As it is read: `2,2,1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{},{}", self.day, self.evening, self.night)
    }
}

/// The text does not say how many people there are in each shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "say how many by day, in the evening and at night, such as 2,2,1, or one number for all three; \
     each from 0 to 500"
)]
pub struct BadResponders;

impl FromStr for Responders {
    type Err = BadResponders;

    fn from_str(text: &str) -> Result<Self, BadResponders> {
        let counts: Result<Vec<u32>, _> = text.split(',').map(|text| text.trim().parse()).collect();
        let responders = match counts.as_deref() {
            Ok([each]) => Self::each(*each),
            Ok([day, evening, night]) => Self { day: *day, evening: *evening, night: *night },
            Ok(_) | Err(_) => return Err(BadResponders),
        };
        let is_good = Shift::ALL.iter().all(|shift| responders.of(*shift) <= Self::MAX);
        if is_good { Ok(responders) } else { Err(BadResponders) }
    }
}

/// One night to be planned.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The same seed meets the same requests, whoever deals with them.
    pub seed: u64,
    /// What kind of night it is.
    pub scenario: Scenario,
    /// How long it lasts.
    pub hours: u32,
    /// Who is there.
    pub responders: Responders,
    /// How many requests come in an hour, on the average of a day.
    pub arrivals_per_hour: f64,
    /// How many times as many come at the very beginning of an attack.
    pub surge_factor: f64,
    /// How long a responder takes from the claim to the first response, on average.
    pub handling_minutes: f64,
    /// How long the work from there to the outcome takes, on average.
    pub collecting_minutes: f64,
    /// How many of a hundred requests do not come from whom they say: the call-back finds that out, and
    /// nothing goes out to them.
    pub failed_verification_percent: f64,
    /// Whether the desk opens an incident, so that its cases wait in a lane of their own.
    pub has_incident_lane: bool,
    /// What is promised, and who is paged.
    pub policy: Policy,
    /// In what time the cases of the incident are to be answered for good.
    pub objective: Objective,
}

impl Options {
    /// An ordinary desk in this scenario, under the built-in policy.
    #[must_use]
    pub fn new(scenario: Scenario) -> Self {
        Self {
            seed: 1,
            scenario,
            hours: scenario.hours(),
            responders: Responders::each(2),
            arrivals_per_hour: 3.0,
            surge_factor: 20.0,
            handling_minutes: 6.0,
            collecting_minutes: 20.0,
            failed_verification_percent: 0.0,
            has_incident_lane: true,
            policy: Policy::built_in(),
            objective: Objective::default(),
        }
    }

    /// Whether the options can be simulated.
    ///
    /// # Errors
    /// The first option that is out of its range.
    pub fn check(&self) -> Result<(), BadOption> {
        let ranges = [
            ("hours", f64::from(self.hours), 1.0, 336.0),
            ("arrivals per hour", self.arrivals_per_hour, 0.0, 1_000.0),
            ("surge factor", self.surge_factor, 1.0, 100.0),
            ("handling minutes", self.handling_minutes, 0.1, 240.0),
            ("collecting minutes", self.collecting_minutes, 0.1, 1_440.0),
            ("failed verification percent", self.failed_verification_percent, 0.0, 100.0),
        ];
        let bad = ranges.into_iter().find(|(_, value, min, max)| !(*min..=*max).contains(value));
        match bad {
            Some((option, _, min, max)) => Err(BadOption { option, min, max }),
            None if Shift::ALL.iter().any(|shift| self.responders.of(*shift) > Responders::MAX) => {
                Err(BadOption { option: "responders", min: 0.0, max: f64::from(Responders::MAX) })
            }
            None => Ok(()),
        }
    }

    pub(super) fn lasts(&self) -> Duration {
        Duration::from_hours(u64::from(self.hours))
    }

    pub(super) fn handling(&self) -> Duration {
        Duration::from_secs_f64(self.handling_minutes * 60.0)
    }

    pub(super) fn collecting(&self) -> Duration {
        Duration::from_secs_f64(self.collecting_minutes * 60.0)
    }
}

/// An option is out of its range.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{option} must be from {min} to {max}")]
pub struct BadOption {
    option: &'static str,
    min: f64,
    max: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responders_are_read_as_they_are_written() {
        for (text, responders) in [
            ("2,3,1", Responders { day: 2, evening: 3, night: 1 }),
            (" 2, 2 ,0", Responders { day: 2, evening: 2, night: 0 }),
            ("4", Responders::each(4)),
        ] {
            assert_eq!(text.parse(), Ok(responders), "{text}");
            assert_eq!(responders.to_string().parse(), Ok(responders));
        }
        for text in ["", "2,2", "1,2,3,4", "-1", "two", "501", "2,2,501"] {
            assert_eq!(text.parse::<Responders>(), Err(BadResponders), "{text}");
        }
    }

    #[test]
    fn an_option_out_of_its_range_is_named() {
        let checked = |change: fn(&mut Options)| {
            let mut options = Options::new(Scenario::Attack);
            change(&mut options);
            options.check().err().map(|bad| bad.option)
        };
        assert_eq!(checked(|_| {}), None);
        assert_eq!(checked(|it| it.hours = 0), Some("hours"));
        assert_eq!(checked(|it| it.arrivals_per_hour = f64::NAN), Some("arrivals per hour"));
        assert_eq!(checked(|it| it.surge_factor = 0.5), Some("surge factor"));
        assert_eq!(checked(|it| it.handling_minutes = 0.0), Some("handling minutes"));
        assert_eq!(checked(|it| it.collecting_minutes = -1.0), Some("collecting minutes"));
        assert_eq!(
            checked(|it| it.failed_verification_percent = 101.0),
            Some("failed verification percent")
        );
        assert_eq!(checked(|it| it.responders.night = 501), Some("responders"));
    }
}
