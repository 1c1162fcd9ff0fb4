//! The live part of a policy: what holds for the whole desk from the moment it is read, whatever a
//! case was accepted under.
//!
//! It is never stored and no part of the content address. The ladders of a case name contacts; which
//! sinks a contact goes to is looked up here when a page goes out, so a new telephone number reaches
//! the cases that are already open.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Mistake;
use super::admission::Budgets;
use crate::core::data::DataCategory;
use crate::core::incident::Objective;
use crate::core::names::{ContactName, Country, SinkName};
use crate::core::risk::RiskLimits;
use crate::core::transparency;

/// The sink that there always is: a page becomes a line of the log.
pub const LOG_SINK: &str = "log";

/// What holds for the whole desk, now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// Where the contacts that ladders name are reached.
    pub contacts: Contacts,
    /// How far apart two requests about the same target may be to be shown as likely duplicates.
    pub duplicates_within: Duration,
    /// From how many requests on something is unusual.
    pub risk: RiskLimits,
    /// In what time an incident's cases are to be answered for good.
    pub objective: Objective,
    /// Whose authorities this desk takes; empty where the policy names no countries.
    pub countries: BTreeSet<Country>,
    /// What the provider holds; a category that is not here was not told about.
    pub holdings: BTreeMap<DataCategory, Holding>,
    /// How few requests are too few to be told in a transparency report; a report may ask for more.
    pub min_cell: u32,
    /// How many requests one authority may send.
    pub admission: Budgets,
}

/// Where contacts are reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contacts {
    /// The policy lists none: every contact goes to the log.
    AllToLog,
    /// These, each by its sinks; nobody else is reached.
    Listed(BTreeMap<ContactName, BTreeSet<SinkName>>),
}

/// What the provider says of one category of data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Whether there is such data at all.
    pub is_held: bool,
    /// For how long after it arose; `None` where that is not said.
    pub kept_for: Option<Duration>,
    /// What it consists of, for the officer who asks; may be empty.
    pub description: String,
}

impl Contacts {
    /// The sinks that a page to `contact` goes to; none if nobody knows where to reach it.
    #[must_use]
    pub fn sinks(&self, contact: &ContactName) -> BTreeSet<SinkName> {
        match self {
            Self::AllToLog => {
                BTreeSet::from([LOG_SINK.parse().expect("a word that follows the rule")])
            }
            Self::Listed(contacts) => contacts.get(contact).cloned().unwrap_or_default(),
        }
    }

    /// Every contact that is listed.
    pub fn listed(&self) -> impl Iterator<Item = &ContactName> {
        let contacts = match self {
            Self::AllToLog => None,
            Self::Listed(contacts) => Some(contacts),
        };
        contacts.into_iter().flat_map(BTreeMap::keys)
    }

    /// Whether a page to `contact` goes anywhere. A policy that no longer reaches a contact which an
    /// open case names must not replace one that does.
    #[must_use]
    pub fn reach(&self, contact: &ContactName) -> bool {
        match self {
            Self::AllToLog => true,
            Self::Listed(contacts) => contacts.get(contact).is_some_and(|sinks| !sinks.is_empty()),
        }
    }
}

impl Default for Live {
    /// What holds where no file says otherwise.
    fn default() -> Self {
        Self {
            contacts: Contacts::AllToLog,
            duplicates_within: Duration::from_hours(24),
            risk: RiskLimits::default(),
            objective: Objective::default(),
            countries: BTreeSet::new(),
            holdings: BTreeMap::new(),
            min_cell: transparency::MIN_CELL,
            admission: Budgets::default(),
        }
    }
}

impl Live {
    /// Everything wrong with it, by its path in a policy file. `paged` holds every contact that some
    /// rung pages, with the path of a promise that does.
    #[must_use]
    pub fn mistakes(&self, paged: &BTreeMap<ContactName, String>) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        let mut mistake = |path: String, problem: &str| {
            mistakes.push(Mistake { path, problem: problem.to_owned() });
        };
        if let Contacts::Listed(contacts) = &self.contacts {
            for (contact, promise) in paged {
                if !contacts.contains_key(contact) {
                    let problem =
                        format!("is paged by {promise} and is not listed; name its sinks");
                    mistake(format!("contacts.{contact}"), &problem);
                }
            }
            for contact in contacts.keys().filter(|contact| !self.contacts.reach(contact)) {
                mistake(format!("contacts.{contact}"), "reaches nobody; name a sink");
            }
        }
        if self.duplicates_within.is_zero() {
            mistake("duplicates.window".to_owned(), "must be above zero");
        }
        if self.risk.window.is_zero() {
            mistake("risk.window".to_owned(), "must be above zero");
        }
        let Objective { answered_within, share_within } = self.objective;
        if answered_within.is_zero() {
            mistake("incidents.answered_within".to_owned(), "must be above zero");
        }
        if share_within.is_zero() || share_within > answered_within {
            let problem = "must be above zero and no later than answered_within";
            mistake("incidents.share_within".to_owned(), problem);
        }
        let min_cells = transparency::MIN_CELLS;
        if !min_cells.contains(&self.min_cell) {
            let problem = format!("must be from {} to {}", min_cells.start(), min_cells.end());
            mistake("transparency.min_cell".to_owned(), &problem);
        }
        for (category, holding) in &self.holdings {
            let path = || format!("data.{}.kept_for", category.word());
            match holding.kept_for {
                Some(_) if !holding.is_held => {
                    mistake(path(), "is for data that is held; leave it out, or set held = true");
                }
                Some(kept_for) if kept_for.is_zero() => mistake(path(), "must be above zero"),
                Some(_) | None => {}
            }
        }
        mistakes.extend(self.admission.mistakes());
        mistakes
    }
}
