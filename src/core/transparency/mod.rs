//! What a provider tells the public: how often it was asked, what it did, and how fast.
//!
//! A [`Census`] counts cases one by one, open, ended or purged, and remembers of each no more than its
//! place in the table. [`Census::publish`] then leaves out whatever is so rare that it could point to
//! an investigation; `guard.rs` says how.

mod figures;
mod guard;
mod publish;

use std::collections::{BTreeMap, HashSet};
use std::ops::RangeInclusive;

use super::case::Case;
use super::case_id::CaseId;
use super::data::{DataCategory, Instrument};
use super::names::Country;
use super::nature::Nature;
use super::outcome::Outcome;
use super::time::Timestamp;
use super::words::words;

pub use figures::{Figures, Kept, Waits};
pub use publish::{Report, Row, Scope, Shown};

/// How few requests are too few to be told, where nobody says otherwise.
pub const MIN_CELL: u32 = 10;

/// What may be said instead. With less than the least, being alone in a row would be no secret.
pub const MIN_CELLS: RangeInclusive<u32> = 3..=1_000_000;

words! {
    /// What kind of data was asked for.
    pub enum DataClass {
        /// What was said or stored, whatever else was asked for.
        Content = "content",
        /// Something, but not what was said or stored.
        NonContent = "non_content",
        /// No data, such as of a request that only preserves some.
        NoneAsked = "none_asked",
    }
}

impl DataClass {
    /// The class of what this case asks for.
    #[must_use]
    pub fn of(case: &Case) -> Self {
        let categories = &case.facts.categories;
        if categories.contains(&DataCategory::Content) {
            Self::Content
        } else if categories.is_empty() {
            Self::NoneAsked
        } else {
            Self::NonContent
        }
    }
}

/// A case's place in the table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    /// Where the authority is.
    pub country: Country,
    /// What the request is about.
    pub nature: Nature,
    /// What it rests on.
    pub instrument: Instrument,
    /// How it ended; `None` while it is open.
    pub outcome: Option<Outcome>,
    /// What kind of data it asks for.
    pub data: DataClass,
}

impl Cell {
    /// The place of this case.
    #[must_use]
    pub fn of(case: &Case) -> Self {
        Self {
            country: case.facts.country.clone(),
            nature: case.nature,
            instrument: case.facts.instrument,
            outcome: case.ended.map(|ended| ended.outcome),
            data: DataClass::of(case),
        }
    }
}

/// From when until when the requests of a report were accepted: `from` belongs to it, `to` does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// Its first instant.
    pub from: Timestamp,
    /// The first instant after it.
    pub to: Timestamp,
}

/// The count of the cases of a period, as it grows.
#[derive(Clone, Debug)]
pub struct Census {
    period: Period,
    as_of: Timestamp,
    seen: HashSet<CaseId>,
    cells: BTreeMap<Cell, Figures>,
}

impl Census {
    /// Nothing counted yet. What is open is judged as it stands at `as_of`.
    #[must_use]
    pub fn new(period: Period, as_of: Timestamp) -> Self {
        Self { period, as_of, seen: HashSet::new(), cells: BTreeMap::new() }
    }

    /// Counts a case, if it belongs here and was not counted before: whoever reads a store that others
    /// write to may meet a case twice. A test of the service by itself is nobody's request.
    pub fn count(&mut self, case: &Case) {
        let Period { from, to } = self.period;
        let is_in_period = from <= case.accepted_at && case.accepted_at < to;
        if is_in_period && !case.is_synthetic() && self.seen.insert(case.id) {
            self.cells.entry(Cell::of(case)).or_default().add(case, self.as_of);
        }
    }
}
