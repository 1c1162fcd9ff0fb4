//! The caller's deadline, as gRPC carries it.

use std::time::Duration;

use tonic::metadata::MetadataMap;

/// What is left for the answer to travel: less than this before the deadline, nothing is begun.
pub(super) const MARGIN: Duration = Duration::from_millis(20);

/// How long the caller waits for the answer; `None` for ever.
pub(super) fn remaining(metadata: &MetadataMap) -> Option<Duration> {
    parse(metadata.get("grpc-timeout")?.to_str().ok()?)
}

/// At most eight digits and a unit, as the gRPC protocol defines it.
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_hours(count),
        "M" => Duration::from_mins(count),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_digits_and_a_unit() {
        assert_eq!(parse("5S"), Some(Duration::from_secs(5)));
        assert_eq!(parse("1500m"), Some(Duration::from_millis(1_500)));
        assert_eq!(parse("99999999H"), Some(Duration::from_hours(99_999_999)));
        for text in ["", "S", "5", "5x", "-1S", "999999999S", "5\u{b5}"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
