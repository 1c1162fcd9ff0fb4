//! The policy file: what is promised, which is frozen with every case, and the live part.
//!
//! A file that says nothing of a newer section has the built-in policy's; what it does say of a promise
//! it says in full.

mod live;
mod promise;
mod sinks;

pub(super) use sinks::outside_address;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use super::document::{Entry, Notes, Source, Table};
use super::{Links, Located, SinkSettings, durations};
use crate::core::clock::ClockKind;
use crate::core::nature::{Band, Nature};
use crate::core::outcome::RetentionClass;
use crate::core::policy::live::Live;
use crate::core::policy::{CLOCKS, EXTENDABLE, Mistake, Rules};
use crate::core::{ContactName, Policy, SinkName};

/// What a policy file says.
#[derive(Clone, Debug)]
pub struct PolicyFile {
    /// What is promised: kept under its content address, and frozen with each case.
    pub policy: Policy,
    /// What holds for the whole desk, now; never kept.
    pub live: Live,
    /// How the sinks reach people, besides the log; never kept, as it holds secrets.
    pub sinks: BTreeMap<SinkName, SinkSettings>,
    /// Where people see more than a page says.
    pub links: Links,
}

impl PolicyFile {
    /// What holds where there is no file.
    #[must_use]
    pub fn built_in() -> Self {
        Self {
            policy: Policy::built_in(),
            live: Live::default(),
            sinks: BTreeMap::new(),
            links: Links::default(),
        }
    }
}

const SECTIONS: [&str; 16] = [
    "lease",
    "bands",
    "promises",
    "completion",
    "clocks",
    "retention",
    "contacts",
    "sinks",
    "pages",
    "duplicates",
    "risk",
    "incidents",
    "routing",
    "data",
    "transparency",
    "admission",
];

/// Reads the text of the policy file `file`, and the files of secrets that it names, which stand
/// relative to it.
///
/// # Errors
/// Every mistake that can be told, in the order of the lines: what is no TOML, unknown keys, values of
/// the wrong kind, and broken rules. A rule that rests on a value which could not be read is not judged.
pub fn parse_policy(text: &str, file: &Path) -> Result<PolicyFile, Vec<Located>> {
    let source = Source::new(text);
    let document = source.document();
    let mut reader = Reader {
        notes: Notes::new(&source, &document),
        folder: file.parent().unwrap_or(Path::new(".")),
        sinks: sinks::built_in(),
        doubted: BTreeSet::new(),
        paged: BTreeMap::new(),
    };
    let root = Table::root(&document);
    root.only(&mut reader.notes, "section", &SECTIONS);
    let rules = reader.rules(&root);
    let sinks = reader.defined_sinks(&root);
    let links = reader.links(&root);
    let live = reader.live(&root);
    let broken = live.mistakes(&reader.paged);
    let policy = Policy::new(rules).map_err(|mistakes| reader.judge(mistakes));
    reader.judge(broken);
    match policy {
        Ok(policy) if reader.notes.is_empty() => Ok(PolicyFile { policy, live, sinks, links }),
        Ok(_) | Err(()) => Err(reader.notes.finish()),
    }
}

/// Reads what it can. What it cannot read it reports, and puts something valid in its place, so that
/// the rules can still be judged on the rest.
struct Reader<'s> {
    notes: Notes<'s>,
    /// What the names of other files are relative to.
    folder: &'s Path,
    /// Every sink that a contact may name.
    sinks: BTreeSet<SinkName>,
    /// Paths of which a rule says nothing, since what it would judge was put in place here.
    doubted: BTreeSet<String>,
    /// Every contact that is paged, and by which promise.
    paged: BTreeMap<ContactName, String>,
}

impl Reader<'_> {
    /// Reports broken rules where they are not in doubt, under the names that the file has.
    fn judge(&mut self, mut mistakes: Vec<Mistake>) {
        // A target put in the place of a limit breaks the same rule twice.
        mistakes.dedup();
        for mut mistake in mistakes {
            mistake.path = mistake.path.replace(".repeat_contacts", ".repeat_pages");
            if !self.doubted.contains(&mistake.path) {
                self.notes.broken_rule(mistake);
            }
        }
    }

    fn doubt(&mut self, path: impl Into<String>) {
        self.doubted.insert(path.into());
    }

    fn rules(&mut self, root: &Table<'_>) -> Rules {
        let built_in = Policy::built_in();
        let usual = built_in.rules();
        root.require(&mut self.notes, "promises");
        let promises = self.section(root, "promises", &["emergency", "routine"]);
        let completion = self.section(root, "completion", &["emergency", "routine"]);
        let (clocks, extensions) = self.clocks(root, usual);
        Rules {
            bands: self.bands(root, usual),
            emergency: self.promised(promises.as_ref(), "emergency", &usual.emergency),
            routine: self.promised(promises.as_ref(), "routine", &usual.routine),
            emergency_completion: self.promise_or(
                completion.as_ref(),
                "completion.emergency",
                "emergency",
                &usual.emergency_completion,
            ),
            routine_completion: self.promise_or(
                completion.as_ref(),
                "completion.routine",
                "routine",
                &usual.routine_completion,
            ),
            clocks,
            extensions,
            retention: self.retention(root, usual),
            lease: self.lease(root, usual),
        }
    }

    /// The table `key`, if it is there, and with these keys only.
    fn section<'d>(&mut self, table: &Table<'d>, key: &str, known: &[&str]) -> Option<Table<'d>> {
        let section = table.table(&mut self.notes, key)?;
        section.only(&mut self.notes, "key", known);
        Some(section)
    }

    fn lease(&mut self, root: &Table<'_>, usual: &Rules) -> Duration {
        let lease = root.require(&mut self.notes, "lease");
        lease.and_then(|entry| self.duration(&entry)).unwrap_or(usual.lease)
    }

    fn bands(&mut self, root: &Table<'_>, usual: &Rules) -> BTreeMap<Nature, Band> {
        let Some(entry) = root.require(&mut self.notes, "bands") else {
            return usual.bands.clone();
        };
        let Some(table) = entry.table(&mut self.notes) else { return usual.bands.clone() };
        let words: Vec<&str> = Nature::ALL.iter().map(|nature| nature.word()).collect();
        table.only(&mut self.notes, "nature", &words);
        let mut bands = BTreeMap::new();
        for nature in Nature::ALL.iter().copied() {
            // In place of one that cannot be read: what breaks no rule whatever the others are.
            let in_place = match nature {
                Nature::Routine => Band::LEAST_URGENT,
                _ => Band::MOST_URGENT,
            };
            let band = self.band(&table, nature);
            if band.is_none() {
                self.doubt(table.below(nature.word()));
            }
            bands.insert(nature, band.unwrap_or(in_place));
        }
        bands
    }

    fn band(&mut self, table: &Table<'_>, nature: Nature) -> Option<Band> {
        const WANTED: &str = "a band from 0 to 7";
        let Some(entry) = table.get(nature.word()) else {
            let path = table.below(nature.word());
            self.notes.missing(&path, nature.word(), "needs a band from 0 to 7");
            return None;
        };
        let number = entry.number(&mut self.notes, WANTED)?;
        let band = Band::new(number);
        if band.is_none() {
            self.notes.mistake(entry.path, format!("must be {WANTED}"));
        }
        band
    }

    fn retention(&mut self, root: &Table<'_>, usual: &Rules) -> BTreeMap<RetentionClass, Duration> {
        let words: Vec<&str> = RetentionClass::ALL.iter().map(|class| class.word()).collect();
        let table = self.section(root, "retention", &words);
        let mut retention = usual.retention.clone();
        for (class, kept_for) in &mut retention {
            *kept_for = self.duration_or(table.as_ref(), class.word(), *kept_for);
        }
        retention
    }

    /// The duration of the entry `key` of a section, or what is usual.
    fn duration_or(&mut self, table: Option<&Table<'_>>, key: &str, usual: Duration) -> Duration {
        let Some(entry) = table.and_then(|table| table.get(key)) else { return usual };
        self.duration(&entry).unwrap_or_else(|| {
            self.doubt(entry.path);
            usual
        })
    }

    fn duration(&mut self, entry: &Entry<'_>) -> Option<Duration> {
        let wanted = "a duration in quotes, such as \"90s\" or \"1h 30m\"";
        let text = entry.text(&mut self.notes, wanted)?;
        match durations::parse(text) {
            Ok(duration) => Some(duration),
            Err(problem) => {
                self.notes.mistake(&entry.path, problem);
                None
            }
        }
    }
}
