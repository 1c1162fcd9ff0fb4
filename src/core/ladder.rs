//! The ladder of a clock: at which offsets from its start whom to page.

use std::collections::BTreeSet;
use std::time::Duration;

use super::names::ContactName;
use super::time::millis;

/// One step of a ladder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rung {
    /// When it fires, counted from the clock's start, so that nothing drifts.
    pub offset: Duration,
    /// Whom it pages; never empty in a valid policy.
    pub contacts: BTreeSet<ContactName>,
    /// Whether a claim keeps it quiet. The target, the limit and what follows never are.
    pub is_quieted_by_claim: bool,
}

/// The rungs of one clock, and what repeats after the last of them until somebody answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ladder {
    /// In the order of their offsets.
    pub rungs: Vec<Rung>,
    /// The time between repeats after the last rung; each repeat is a rung of its own.
    pub repeat_every: Duration,
    /// Whom a repeat pages.
    pub repeat_contacts: BTreeSet<ContactName>,
}

/// A rung by its number, counted from 0, repeats included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RungAt<'a> {
    /// When it fires, counted from the clock's start.
    pub offset: Duration,
    /// Whom it pages.
    pub contacts: &'a BTreeSet<ContactName>,
    /// Whether a claim keeps it quiet.
    pub is_quieted_by_claim: bool,
    /// Whether it is one of the repeats after the last rung.
    pub is_repeat: bool,
}

impl Rung {
    /// A rung that a claim keeps quiet.
    #[must_use]
    pub fn ordinary(offset: Duration, contacts: &[&str]) -> Self {
        Self { offset, contacts: Self::contacts(contacts), is_quieted_by_claim: true }
    }

    /// A rung that fires until a first response is recorded, claimed or not.
    #[must_use]
    pub fn always(offset: Duration, contacts: &[&str]) -> Self {
        Self { is_quieted_by_claim: false, ..Self::ordinary(offset, contacts) }
    }

    pub(super) fn contacts(names: &[&str]) -> BTreeSet<ContactName> {
        names.iter().map(|name| name.parse().expect("names in code follow the rule")).collect()
    }
}

impl Ladder {
    /// The rung with this number. There is always one: past the last, the ladder repeats.
    #[must_use]
    pub fn rung(&self, number: u32) -> RungAt<'_> {
        if let Some(rung) = self.rungs.get(number as usize) {
            return RungAt {
                offset: rung.offset,
                contacts: &rung.contacts,
                is_quieted_by_claim: rung.is_quieted_by_claim,
                is_repeat: false,
            };
        }
        let last = self.rungs.last().map_or(Duration::ZERO, |rung| rung.offset);
        let repeats = u64::from(number) + 1 - self.rungs.len() as u64;
        let after_last_ms = millis(self.repeat_every).saturating_mul(repeats);
        RungAt {
            offset: last.saturating_add(Duration::from_millis(after_last_ms)),
            contacts: &self.repeat_contacts,
            is_quieted_by_claim: false,
            is_repeat: true,
        }
    }

    /// The number of the rung at `offset`, if there is one.
    #[must_use]
    pub fn number_at(&self, offset: Duration) -> Option<u32> {
        let rung = self.rungs.iter().position(|rung| rung.offset == offset);
        let number = rung.map(|index| u32::try_from(index).unwrap_or(u32::MAX));
        number.or_else(|| {
            let last = self.rungs.last().map_or(Duration::ZERO, |rung| rung.offset);
            let beyond_ms = millis(offset.checked_sub(last)?);
            let every_ms = millis(self.repeat_every).max(1);
            let is_repeat = beyond_ms > 0 && beyond_ms.is_multiple_of(every_ms);
            let repeats = is_repeat.then(|| beyond_ms / every_ms + self.rungs.len() as u64 - 1)?;
            u32::try_from(repeats).ok()
        })
    }

    /// How many repeats fall due from `offset` (itself a repeat's) up to and with `elapsed`.
    pub(super) fn repeats_due(&self, offset: Duration, elapsed: Duration) -> u32 {
        let beyond_ms = millis(elapsed.saturating_sub(offset));
        let further = beyond_ms / millis(self.repeat_every).max(1);
        u32::try_from(further).unwrap_or(u32::MAX - 1).saturating_add(1)
    }

    pub(super) fn mistakes(&self) -> Vec<(String, &'static str)> {
        let mut mistakes = Vec::new();
        if self.rungs.is_empty() {
            mistakes.push(("ladder".to_owned(), "needs at least one rung"));
        }
        for (index, rung) in self.rungs.iter().enumerate() {
            if rung.contacts.is_empty() {
                mistakes.push((format!("ladder[{index}]"), "pages nobody; name a contact"));
            }
            if index > 0 && self.rungs[index - 1].offset >= rung.offset {
                mistakes.push((format!("ladder[{index}]"), "must come after the rung before it"));
            }
        }
        if self.repeat_every < Duration::from_secs(1) {
            mistakes.push(("repeat_every".to_owned(), "must be at least 1 second"));
        }
        if self.repeat_contacts.is_empty() {
            mistakes.push(("repeat_contacts".to_owned(), "pages nobody; name a contact"));
        }
        mistakes
    }
}
