//! Promises: a target, a limit, and the ladder that is climbed until they are kept.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{CLOCKS, ClockKind, ContactName, EXTENDABLE, Entry, Reader, Rules, Table};
use crate::core::ladder::{Ladder, Rung};
use crate::core::policy::Promise;

const KEYS: [&str; 6] = ["target", "limit", "ladder", "repeat_every", "repeat_pages", "extension"];
const RUNG_KEYS: [&str; 3] = ["at", "pages", "quieted_by_claim"];
const CONTACTS: &str = "a list of contacts, such as [\"desk\", \"shift-lead\"]";

impl Reader<'_> {
    /// The promise `key` of `[promises]`, which must be there.
    pub(super) fn promised(
        &mut self,
        promises: Option<&Table<'_>>,
        key: &str,
        usual: &Promise,
    ) -> Promise {
        let entry = promises.and_then(|promises| promises.require(&mut self.notes, key));
        let Some(table) = entry.and_then(|entry| entry.table(&mut self.notes)) else {
            self.doubt("promises.emergency.limit");
            return usual.clone();
        };
        self.promise(&table, usual, false)
    }

    /// The promise `key` of a newer section, or the usual one.
    pub(super) fn promise_or(
        &mut self,
        section: Option<&Table<'_>>,
        path: &str,
        key: &str,
        usual: &Promise,
    ) -> Promise {
        let Some(entry) = section.and_then(|section| section.get(key)) else {
            if !self.notes.may_have_held(key) {
                let by_rungs = usual.ladder.rungs.iter().flat_map(|rung| &rung.contacts);
                for contact in by_rungs.chain(&usual.ladder.repeat_contacts) {
                    self.is_paged(contact, path);
                }
            }
            return usual.clone();
        };
        let is_extendable = EXTENDABLE.iter().any(|kind| path == format!("clocks.{}", kind.word()));
        match entry.table(&mut self.notes) {
            Some(table) => self.promise(&table, usual, is_extendable),
            None => usual.clone(),
        }
    }

    /// The clocks that are the same for both classes, and by how much those that can be extended are.
    pub(super) fn clocks(
        &mut self,
        root: &Table<'_>,
        usual: &Rules,
    ) -> (BTreeMap<ClockKind, Promise>, BTreeMap<ClockKind, Duration>) {
        let words = CLOCKS.map(ClockKind::word);
        let section = self.section(root, "clocks", &words);
        let (mut clocks, mut extensions) = (usual.clocks.clone(), usual.extensions.clone());
        for (kind, promise) in &mut clocks {
            let path = format!("clocks.{}", kind.word());
            *promise = self.promise_or(section.as_ref(), &path, kind.word(), promise);
        }
        for (kind, extension) in &mut extensions {
            let clock = section.as_ref().and_then(|section| section.get(kind.word()));
            // That it is no table was said where its promise was read.
            let clock = clock.and_then(Entry::into_table);
            *extension = self.duration_or(clock.as_ref(), "extension", *extension);
        }
        (clocks, extensions)
    }

    fn promise(&mut self, table: &Table<'_>, usual: &Promise, is_extendable: bool) -> Promise {
        let known = if is_extendable { &KEYS[..] } else { &KEYS[..5] };
        table.only(&mut self.notes, "key", known);
        let mut required = |key: &str| {
            let entry = table.require(&mut self.notes, key);
            entry.and_then(|entry| self.duration(&entry))
        };
        let target = required("target");
        let limit = required("limit");
        let repeat_every = required("repeat_every");
        let rungs = self.ladder(table);
        let pages = table.require(&mut self.notes, "repeat_pages");
        let repeat_contacts = pages.and_then(|pages| self.contacts(&pages, &table.path));
        let (target, limit) = self.put_in_place(table, target, limit, &rungs);
        let usual = &usual.ladder;
        Promise {
            target,
            limit,
            ladder: Ladder {
                rungs,
                repeat_every: repeat_every.unwrap_or(usual.repeat_every),
                repeat_contacts: repeat_contacts.unwrap_or_else(|| usual.repeat_contacts.clone()),
            },
        }
    }

    /// A target or limit that could not be read is taken to be the other: of their rungs, only what is
    /// wrong in any case is reported then.
    fn put_in_place(
        &mut self,
        table: &Table<'_>,
        target: Option<Duration>,
        limit: Option<Duration>,
        rungs: &[Rung],
    ) -> (Duration, Duration) {
        if let (Some(target), Some(limit)) = (target, limit) {
            return (target, limit);
        }
        self.doubt(table.below("target"));
        if limit.is_none() {
            // Emergencies are compared with the rest, and a breach is reported there.
            let section = table.path.split('.').next().unwrap_or_default();
            self.doubt(format!("{section}.emergency.limit"));
        }
        let in_place = target.or(limit).unwrap_or_else(|| {
            rungs.iter().rfind(|rung| !rung.is_quieted_by_claim).map_or_else(
                || {
                    self.doubt(table.below("ladder"));
                    Duration::ZERO
                },
                |rung| rung.offset,
            )
        });
        (in_place, in_place)
    }

    fn ladder(&mut self, table: &Table<'_>) -> Vec<Rung> {
        let path = table.below("ladder");
        let entry = table.require(&mut self.notes, "ladder");
        let wanted = "a list of rungs, such as [{ at = \"20m\", pages = [\"desk\"] }]";
        let Some(list) = entry.and_then(|entry| entry.list(&mut self.notes, wanted)) else {
            self.doubt(path);
            return Vec::new();
        };
        let mut rungs: Vec<Rung> = Vec::new();
        for entry in list {
            // In place of one that cannot be read: just after the one before.
            let next = rungs.last().map_or(Duration::ZERO, |rung| {
                rung.offset.saturating_add(Duration::from_millis(1))
            });
            let rung = if let Some(rung) = entry.table(&mut self.notes) {
                self.rung(table, &rung, next)
            } else {
                self.doubt(&path);
                Rung::always(next, &["desk"])
            };
            rungs.push(rung);
        }
        rungs
    }

    /// One rung; if it is not known when it fires, at `next`.
    fn rung(&mut self, promise: &Table<'_>, rung: &Table<'_>, next: Duration) -> Rung {
        rung.only(&mut self.notes, "key", &RUNG_KEYS);
        let at = rung.require(&mut self.notes, "at");
        let at = at.and_then(|at| self.duration(&at));
        let pages = rung.require(&mut self.notes, "pages");
        let pages = pages.and_then(|pages| self.contacts(&pages, &promise.path));
        let is_quieted = match rung.get("quieted_by_claim") {
            Some(entry) => entry.truth(&mut self.notes),
            None => Some(false),
        };
        if at.is_none() || is_quieted.is_none() {
            self.doubt(promise.below("ladder"));
        }
        Rung {
            offset: at.unwrap_or(next),
            contacts: pages.unwrap_or_else(|| Rung::always(next, &["desk"]).contacts),
            is_quieted_by_claim: is_quieted.unwrap_or(false),
        }
    }

    /// The contacts of a list, whom the promise at `promise` pages; `None` if it cannot be said that
    /// there are none.
    fn contacts(&mut self, entry: &Entry<'_>, promise: &str) -> Option<BTreeSet<ContactName>> {
        let list = entry.list(&mut self.notes, CONTACTS)?;
        let is_empty = list.is_empty();
        let mut contacts = BTreeSet::new();
        for entry in list {
            let Some(name) = entry.text(&mut self.notes, "a contact's name in quotes") else {
                continue;
            };
            match name.parse::<ContactName>() {
                Ok(contact) => {
                    self.is_paged(&contact, promise);
                    contacts.insert(contact);
                }
                Err(rule) => {
                    self.notes.mistake(entry.path, format!("a contact's name has {rule}"));
                }
            }
        }
        (is_empty || !contacts.is_empty()).then_some(contacts)
    }

    fn is_paged(&mut self, contact: &ContactName, promise: &str) {
        self.paged.entry(contact.clone()).or_insert_with(|| promise.to_owned());
    }
}
