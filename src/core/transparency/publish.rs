//! What of a census is told.
//!
//! Every case is in exactly one row, and all that is told of how many there are is the sizes of the
//! rows; so a total tells nothing that they do not. Cells below the minimum are put together with their
//! likes: of the same country and nature if that pool is safe, else of the same country, else of
//! anywhere; if even that pool is not safe, the smallest rows join it.
//!
//! What became of requests is told of single cells only, and only if it became of enough of them: in
//! rows that were put together it would tell how large one of their cells is. The promise and the waits
//! are told of every row in which both are of enough requests.
//!
//! Where all requests together are enough, their total is told, though somebody who knew the largest cell
//! to be their own could take it off: everything in one row is as little as there can be.

use std::collections::BTreeMap;

use super::figures::{Figures, Kept, Waits};
use super::guard::{is_safe, pool};
use super::{Cell, Census, Period};
use crate::core::answer::RefusalReason;
use crate::core::names::Country;
use crate::core::nature::Nature;
use crate::core::time::Timestamp;

/// Which requests a row is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Those of one cell.
    Cell(Cell),
    /// Those of one country and nature whose cells are too small to be told.
    Nature(Country, Nature),
    /// Those of one country whose cells are too small to be told.
    Country(Country),
    /// All others.
    Several,
}

/// What is told of some requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// How many they are.
    pub requests: u64,
    /// How many targets they named.
    pub targets: u64,
    /// How often data was sent for them; `None` where it is not told. Of this and the next two, a total
    /// has what its rows tell: there may be more.
    pub disclosures: Option<u64>,
    /// How many turned out to be frauds; `None` where it is not told.
    pub frauds: Option<u64>,
    /// For how many each reason was given, where it is told.
    pub refusals: BTreeMap<RefusalReason, u64>,
    /// How they stand to the promise; `None` where too few can be judged.
    pub kept: Option<Kept>,
    /// How long first responses took; `None` where they are too few.
    pub waits: Option<Waits>,
}

/// A row of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Which requests it is about.
    pub scope: Scope,
    /// What is told of them.
    pub shown: Shown,
}

/// What may be made public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// When the requests were accepted.
    pub period: Period,
    /// When they were counted; what was open then is judged as it stood.
    pub as_of: Timestamp,
    /// How few requests are too few to be told.
    pub min_cell: u32,
    /// Every request is in exactly one row.
    pub rows: Vec<Row>,
    /// All rows together; `None` where all requests are too few to be told.
    pub total: Option<Shown>,
}

/// A row before it is known what may be told of it.
type Block = (Scope, Figures);

impl Census {
    /// What may be told when fewer than `min_cell` requests are too few.
    #[must_use]
    pub fn publish(self, min_cell: u32) -> Report {
        let min = u64::from(min_cell);
        let (period, as_of) = (self.period, self.as_of);
        let blocks = blocks(self.cells, min);
        let all = blocks.iter().map(|(_, figures)| figures.clone());
        let all = all.reduce(Figures::with).unwrap_or_default();
        let is_told = all.requests == 0 || all.requests >= min;
        let (rows, total) = if is_told {
            let (rows, total) = shown(blocks, &all, min);
            (rows, Some(total))
        } else {
            (Vec::new(), None)
        };
        Report { period, as_of, min_cell, rows, total }
    }
}

/// The rows: large cells by themselves, the others put together.
fn blocks(cells: BTreeMap<Cell, Figures>, min: u64) -> Vec<Block> {
    let mut rows = Vec::new();
    let mut natures: BTreeMap<(Country, Nature), Vec<Figures>> = BTreeMap::new();
    for (cell, figures) in cells {
        if figures.requests >= min {
            rows.push((Scope::Cell(cell), figures));
        } else {
            natures.entry((cell.country, cell.nature)).or_default().push(figures);
        }
    }
    let mut countries: BTreeMap<Country, Vec<Figures>> = BTreeMap::new();
    for ((country, nature), parts) in natures {
        match together(parts, min) {
            Ok(figures) => rows.push((Scope::Nature(country, nature), figures)),
            Err(parts) => countries.entry(country).or_default().extend(parts),
        }
    }
    let mut rest = Vec::new();
    for (country, parts) in countries {
        match together(parts, min) {
            Ok(figures) => rows.push((Scope::Country(country), figures)),
            Err(parts) => rest.extend(parts),
        }
    }
    // Each row could be told by itself; the smallest of them join the rest until it is safe.
    rows.sort_by_key(|(_, figures)| std::cmp::Reverse(figures.requests));
    while !rest.is_empty() && !is_safe(rest.iter().map(|part| part.requests), min) {
        match rows.pop() {
            Some((_, figures)) => rest.push(figures),
            None => break,
        }
    }
    rows.extend(rest.into_iter().reduce(Figures::with).map(|figures| (Scope::Several, figures)));
    rows.sort_by(|one, other| one.0.cmp(&other.0));
    rows
}

/// The parts as one, if that gives none of them away.
fn together(parts: Vec<Figures>, min: u64) -> Result<Figures, Vec<Figures>> {
    if is_safe(parts.iter().map(|part| part.requests), min) {
        Ok(parts.into_iter().reduce(Figures::with).unwrap_or_default())
    } else {
        Err(parts)
    }
}

/// What is told of each row, and of all.
fn shown(blocks: Vec<Block>, all: &Figures, min: u64) -> (Vec<Row>, Shown) {
    // Promise and waits are told together or not at all: one of them bounds what the other leaves out.
    let sizes: Vec<u64> = blocks.iter().map(|(_, figures)| figures.fewest_timed()).collect();
    let untimed = pool(&sizes, min);
    let mut total = Shown {
        requests: all.requests,
        targets: all.targets,
        disclosures: Some(0),
        frauds: Some(0),
        refusals: BTreeMap::new(),
        kept: Some(all.kept).filter(|kept| kept.judged > 0 && untimed.is_safe),
        waits: all.waits().filter(|_| untimed.is_safe),
    };
    let mut rows = Vec::with_capacity(blocks.len());
    for (index, (scope, figures)) in blocks.into_iter().enumerate() {
        let is_cell = matches!(scope, Scope::Cell(_));
        let is_timed = !untimed.parts.contains(&index);
        let may_tell = |requests: u64| is_cell && (requests == 0 || requests >= min);
        let shown = Shown {
            requests: figures.requests,
            targets: figures.targets,
            kept: Some(figures.kept).filter(|kept| kept.judged > 0 && is_timed),
            waits: figures.waits().filter(|_| is_timed),
            disclosures: Some(figures.disclosures).filter(|_| may_tell(figures.disclosed_to)),
            frauds: Some(figures.frauds).filter(|frauds| may_tell(*frauds)),
            refusals: if is_cell { refusals(&figures, min) } else { BTreeMap::new() },
        };
        total.add_what_became(&shown);
        rows.push(Row { scope, shown });
    }
    (rows, total)
}

/// The reasons that are told of a row: its size less what is told of them gives none of the others away.
fn refusals(figures: &Figures, min: u64) -> BTreeMap<RefusalReason, u64> {
    let given: u64 = figures.refusals.values().sum();
    let for_none = figures.requests.saturating_sub(given);
    let sizes: Vec<u64> = figures.refusals.values().copied().chain([for_none]).collect();
    let untold = pool(&sizes, min);
    let told = figures.refusals.iter().enumerate();
    let told = told.filter(|(index, _)| untold.is_safe && !untold.parts.contains(index));
    told.map(|(_, (reason, count))| (*reason, *count)).collect()
}

impl Shown {
    /// Adds what became of the requests of a row, as far as it is told. All that became of them would
    /// give away what the rows do not tell; even that it may not be told would say something of it.
    fn add_what_became(&mut self, row: &Self) {
        let sum = |sum: Option<u64>, count: Option<u64>| Some(sum? + count.unwrap_or(0));
        self.disclosures = sum(self.disclosures, row.disclosures);
        self.frauds = sum(self.frauds, row.frauds);
        for (reason, count) in &row.refusals {
            *self.refusals.entry(*reason).or_default() += count;
        }
    }
}
