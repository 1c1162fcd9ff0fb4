//! How a wait reads, in nights and reports alike.

use std::time::Duration;

/// `6:35` minutes, or `1:06:35` hours.
pub(crate) fn wait(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours == 0 {
        format!("{minutes}:{seconds:02}")
    } else {
        format!("{hours}:{minutes:02}:{seconds:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_reads_as_people_say_it() {
        let seconds = Duration::from_secs;
        assert_eq!([5, 395, 3_995].map(seconds).map(wait), ["0:05", "6:35", "1:06:35"]);
    }
}
