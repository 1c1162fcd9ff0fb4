//! Durations as people write them, both ways.

use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo};

use crate::core::time::millis;

/// A hundred years: beyond any promise, and far below where instants end.
const LONGEST: Duration = Duration::from_hours(36_500 * 24);

/// Reads a duration such as `90s`, `5m`, `1h 30m` or `10d`, in whole milliseconds, which is how they
/// are stored. A day has 24 hours and a week seven days; months and years have no fixed length.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let signed = text.parse::<SignedDuration>().or_else(|_| with_days(text))?;
    let duration = Duration::try_from(signed).map_err(|_| "must not be negative".to_owned())?;
    if duration > LONGEST {
        return Err("must not be longer than 36500 days".to_owned());
    }
    Ok(Duration::from_millis(millis(duration)))
}

fn with_days(text: &str) -> Result<SignedDuration, String> {
    let form = |_| "write a duration such as 90s, 5m, 1h 30m or 10d".to_owned();
    let span: Span = text.parse().map_err(form)?;
    if span.get_years() != 0 || span.get_months() != 0 {
        return Err("months and years have no fixed length; write days".to_owned());
    }
    span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(form)
}

/// Writes a duration so that [`parse`] reads the same again: `1h 30m`, `10d`.
pub(super) fn written(duration: Duration) -> String {
    const UNITS: [(u64, &str); 5] =
        [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
    let mut rest_ms = millis(duration);
    let mut parts = Vec::new();
    for (unit_ms, unit) in UNITS {
        let count = rest_ms / unit_ms;
        rest_ms %= unit_ms;
        if count > 0 {
            parts.push(format!("{count}{unit}"));
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}
