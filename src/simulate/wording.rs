//! How numbers, shares and times read, in the table and in the picture alike.

use std::time::Duration;

use super::options::{Options, Scenario};
use super::report::Who;
use super::shift::hour_of_day;
use crate::core::policy::Promise;
use crate::core::{Class, Timestamp};

/// `1,234`.
pub(super) fn grouped(count: u32) -> String {
    let digits = count.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `97.3 %`, rounded down, so that only what is complete reads as complete; a dash for no share.
pub(super) fn percent(share: Option<f64>) -> String {
    // A thousandth of a thousandth outweighs what a double loses.
    let tenths = |share: f64| (share * 1_000.0 + 1e-6).floor() / 10.0;
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", tenths(share)))
}

/// `90 s`, `20 min` or `4 h`: in the largest of these units of which it is a whole number.
pub(super) fn length(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds % 3_600, seconds % 60) {
        (0, _) if seconds > 0 => format!("{} h", seconds / 3_600),
        (_, 0) => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}

/// `21:00`.
pub(super) fn time_of_day(at: Timestamp) -> String {
    let minutes = Duration::from_secs_f64(hour_of_day(at) * 3_600.0).as_millis() / 60_000;
    format!("{:02}:{:02}", minutes / 60 % 24, minutes % 60)
}

/// What kind of night it was.
pub(super) const fn headline(scenario: Scenario) -> &'static str {
    match scenario {
        Scenario::QuietDay => "A quiet day",
        Scenario::Attack => "After an attack",
    }
}

/// Whom a row or a colour is about.
pub(super) const fn who(who: Who) -> &'static str {
    match who {
        Who::Emergencies => "all emergencies",
        Who::Ordinary => "about anything else",
        Who::Incident => "about the attack",
        Who::Routine => "routine",
    }
}

/// The first response that `class` is promised.
pub(super) fn promised(options: &Options, class: Class) -> &Promise {
    options.policy.promise(class)
}

/// `day 2, evening 2, night 1`.
pub(super) fn responders(options: &Options) -> String {
    let of = options.responders;
    format!("day {}, evening {}, night {}", of.day, of.evening, of.night)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(percent(Some(1.0)), "100.0 %");
        assert_eq!(percent(Some(0.999_6)), "99.9 %");
        assert_eq!(percent(Some(0.95)), "95.0 %");
        assert_eq!(percent(None), "–");
        let seconds = Duration::from_secs;
        assert_eq!(
            [0, 90, 1_200, 5_400, 14_400].map(seconds).map(length),
            ["0 min", "90 s", "20 min", "90 min", "4 h"]
        );
    }
}
