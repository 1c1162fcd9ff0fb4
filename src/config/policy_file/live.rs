//! The live part of the file.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use super::{Entry, Reader, Table};
use crate::core::incident::Objective;
use crate::core::policy::admission::{Budget, Budgets};
use crate::core::policy::live::{Contacts, Holding, Live};
use crate::core::risk::RiskLimits;
use crate::core::{ContactName, Country, DataCategory, SinkName};

const HOLDING_KEYS: [&str; 3] = ["held", "kept_for", "description"];
const RISK_KEYS: [&str; 4] =
    ["window", "officer_requests", "authority_requests", "target_authorities"];
const DESCRIPTION_CHARS_MAX: usize = 500;

impl Reader<'_> {
    pub(super) fn live(&mut self, root: &Table<'_>) -> Live {
        let usual = Live::default();
        let duplicates = self.section(root, "duplicates", &["window"]);
        Live {
            contacts: self.listed_contacts(root),
            duplicates_within: self.duration_or(
                duplicates.as_ref(),
                "window",
                usual.duplicates_within,
            ),
            risk: self.risk(root, usual.risk),
            objective: self.objective(root, usual.objective),
            countries: self.countries(root),
            holdings: self.holdings(root),
            min_cell: self.min_cell(root, usual.min_cell),
            admission: self.admission(root, usual.admission),
        }
    }

    fn risk(&mut self, root: &Table<'_>, usual: RiskLimits) -> RiskLimits {
        let section = self.section(root, "risk", &RISK_KEYS);
        let section = section.as_ref();
        RiskLimits {
            window: self.duration_or(section, "window", usual.window),
            officer_requests: self.count_or(section, "officer_requests", usual.officer_requests),
            authority_requests: self.count_or(
                section,
                "authority_requests",
                usual.authority_requests,
            ),
            target_authorities: self.count_or(
                section,
                "target_authorities",
                usual.target_authorities,
            ),
        }
    }

    /// A number above 0 of a section, or the usual one where it is not said.
    fn count_or(&mut self, section: Option<&Table<'_>>, key: &str, usual: u64) -> u64 {
        let Some(entry) = section.and_then(|section| section.get(key)) else { return usual };
        match entry.count(&mut self.notes, "a number above 0") {
            Some(0) => {
                self.notes.mistake(entry.path, "must be a number above 0");
                usual
            }
            Some(count) => count.into(),
            None => usual,
        }
    }

    fn listed_contacts(&mut self, root: &Table<'_>) -> Contacts {
        let Some(table) = root.table(&mut self.notes, "contacts") else {
            return Contacts::AllToLog;
        };
        let mut contacts = BTreeMap::new();
        for (name, entry) in table.entries() {
            let sinks = self.sinks(&entry);
            match name.parse::<ContactName>() {
                Ok(contact) => {
                    if sinks.is_none() {
                        self.doubt(&entry.path);
                    }
                    contacts.insert(contact, sinks.unwrap_or_default());
                }
                Err(rule) => {
                    self.notes.mistake(entry.path, format!("a contact's name has {rule}"));
                }
            }
        }
        let in_doubt: Vec<String> = self
            .paged
            .keys()
            .filter(|contact| self.notes.may_have_held(contact.as_str()))
            .map(|contact| table.below(contact.as_str()))
            .collect();
        self.doubted.extend(in_doubt);
        Contacts::Listed(contacts)
    }

    /// The sinks of a contact; `None` if it cannot be said that there are none.
    fn sinks(&mut self, entry: &Entry<'_>) -> Option<BTreeSet<SinkName>> {
        let list = entry.list(&mut self.notes, "a list of sinks, such as [\"log\"]")?;
        let is_empty = list.is_empty();
        let mut sinks = BTreeSet::new();
        for entry in list {
            let Some(name) = entry.text(&mut self.notes, "a sink's name in quotes") else {
                continue;
            };
            let known = |sink: &SinkName| {
                self.sinks.contains(sink) || self.notes.may_have_held(sink.as_str())
            };
            if let Some(sink) = name.parse().ok().filter(known) {
                sinks.insert(sink);
            } else {
                let known: Vec<&str> = self.sinks.iter().map(SinkName::as_str).collect();
                let problem = format!("is no known sink; known: {}", known.join(", "));
                self.notes.mistake(entry.path, problem);
            }
        }
        (is_empty || !sinks.is_empty()).then_some(sinks)
    }

    fn objective(&mut self, root: &Table<'_>, usual: Objective) -> Objective {
        let table = self.section(root, "incidents", &["answered_within", "share_within"]);
        let table = table.as_ref();
        let objective = Objective {
            answered_within: self.duration_or(table, "answered_within", usual.answered_within),
            share_within: self.duration_or(table, "share_within", usual.share_within),
        };
        if self.doubted.contains("incidents.answered_within") {
            // The share is judged by the objective.
            self.doubt("incidents.share_within");
        }
        objective
    }

    fn min_cell(&mut self, root: &Table<'_>, usual: u32) -> u32 {
        let table = self.section(root, "transparency", &["min_cell"]);
        let entry = table.and_then(|table| table.get("min_cell"));
        entry
            .and_then(|entry| entry.count(&mut self.notes, "a number of requests"))
            .unwrap_or(usual)
    }

    fn admission(&mut self, root: &Table<'_>, usual: Budgets) -> Budgets {
        let Some(table) = self.section(root, "admission", &["routine", "emergency"]) else {
            return usual;
        };
        Budgets {
            routine: self.budget(&table, "routine", usual.routine),
            emergency: self.budget(&table, "emergency", usual.emergency),
        }
    }

    fn budget(&mut self, table: &Table<'_>, class: &str, usual: Budget) -> Budget {
        let Some(table) = self.section(table, class, &["per_minute", "burst"]) else {
            return usual;
        };
        let mut number = |key: &str, usual: NonZeroU32| {
            let Some(entry) = table.get(key) else { return usual };
            let Some(count) = entry.count(&mut self.notes, "a number of requests") else {
                return usual;
            };
            NonZeroU32::new(count).unwrap_or_else(|| {
                let problem = format!("must be from 1 to {}", Budget::MOST);
                self.notes.mistake(&entry.path, problem);
                usual
            })
        };
        Budget {
            per_minute: number("per_minute", usual.per_minute),
            burst: number("burst", usual.burst),
        }
    }

    fn countries(&mut self, root: &Table<'_>) -> BTreeSet<Country> {
        let Some(table) = self.section(root, "routing", &["countries"]) else {
            return BTreeSet::new();
        };
        let Some(entry) = table.get("countries") else { return BTreeSet::new() };
        let wanted = "a list of countries, such as [\"FR\", \"BE\"]";
        let list = entry.list(&mut self.notes, wanted).unwrap_or_default();
        list.iter().filter_map(|entry| entry.country(&mut self.notes)).collect()
    }

    fn holdings(&mut self, root: &Table<'_>) -> BTreeMap<DataCategory, Holding> {
        let words: Vec<&str> = DataCategory::ALL.iter().map(|category| category.word()).collect();
        let Some(section) = self.section(root, "data", &words) else { return BTreeMap::new() };
        let mut holdings = BTreeMap::new();
        for category in DataCategory::ALL.iter().copied() {
            let Some(table) = self.section(&section, category.word(), &HOLDING_KEYS) else {
                continue;
            };
            let held = table.require(&mut self.notes, "held");
            let is_held = held.and_then(|held| held.truth(&mut self.notes));
            let kept_for = table.get("kept_for").and_then(|entry| self.duration(&entry));
            let description = table
                .get("description")
                .and_then(|entry| entry.line_of_text(&mut self.notes, DESCRIPTION_CHARS_MAX));
            let holding = Holding {
                is_held: is_held.unwrap_or(true),
                kept_for,
                description: description.unwrap_or_default().to_owned(),
            };
            holdings.insert(category, holding);
        }
        holdings
    }
}
