//! How places, counts, shares and times read.

use crate::core::transparency::{Period, Scope};
use crate::core::{Outcome, Timestamp};

/// What stands for an outcome that is not there yet.
pub(super) const OPEN: &str = "open";
/// What stands for what rows that were put together do not have in common.
pub(super) const SEVERAL: &str = "several";

/// A row's place, in the order of the columns: country, nature, legal basis, outcome, data class.
pub(super) fn place(scope: &Scope) -> [&str; 5] {
    let of = |country, nature| [country, nature, SEVERAL, SEVERAL, SEVERAL];
    match scope {
        Scope::Cell(cell) => [
            cell.country.as_str(),
            cell.nature.word(),
            cell.instrument.word(),
            cell.outcome.map_or(OPEN, Outcome::word),
            cell.data.word(),
        ],
        Scope::Nature(country, nature) => of(country.as_str(), nature.word()),
        Scope::Country(country) => of(country.as_str(), SEVERAL),
        Scope::Several => of(SEVERAL, SEVERAL),
    }
}

/// `missing_child` as people read it.
pub(super) fn plain(word: &str) -> String {
    word.replace('_', " ")
}

/// `97.3 %`, rounded down, so that only what is complete reads as complete.
pub(super) fn percent(part: u64, whole: u64) -> String {
    let tenths = u128::from(part) * 1_000 / u128::from(whole.max(1));
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// `2026-01-01`, or with the time where it is no midnight, in universal time.
pub(super) fn instant(at: Timestamp) -> String {
    let millis = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
    let at = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    if millis % 86_400_000 == 0 {
        at.strftime("%Y-%m-%d").to_string()
    } else {
        at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}

/// `2026-01-01 to before 2026-07-01`.
pub(super) fn period(period: Period) -> String {
    format!("{} to before {}", instant(period.from), instant(period.to))
}
