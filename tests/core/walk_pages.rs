//! What must hold of the pages of every transition, and of their records.

use std::collections::BTreeSet;

use urgence::core::{
    Case, Command, Decision, Deed, Event, Mark, Page, PageRecord, Report, RungRecord, SentPage,
    SinkAnswer, Timestamp, decide,
};

use crate::make::{act, policy};
use crate::walk_rules::Seen;

/// The records of a change's pages, for whoever has other rules for the rest.
pub fn check_records(
    before: &Case,
    command: &Command,
    now: Timestamp,
    after: &Case,
    events: &[Event],
) {
    let seen = Seen { before, command, now, after, events };
    seen.check_records();
    seen.check_report();
}

/// Whether it answers what was sent in vain, while the same rung has fallen due: that has a record of
/// its own, of which this would be the first answer.
pub fn is_about_another_sending(before: &Case, command: &Command, after: &Case) -> bool {
    let is_open = |case: &Case, key| case.page(key).map(PageRecord::is_open);
    match command {
        Command::Report(Report::Answered(key, ..) | Report::Unreached(key, _)) => {
            is_open(before, *key) == Some(false) && is_open(after, *key) == Some(true)
        }
        _ => false,
    }
}

impl Seen<'_> {
    /// When this rung was told without the store, if it was.
    pub fn sent_at(&self, record: &RungRecord) -> Option<Timestamp> {
        let Command::Report(Report::FromMemory(sent)) = self.command else { return None };
        let key = (record.clock, record.cycle, record.offset);
        let is_of =
            |it: &&SentPage| (it.page.key.clock, it.page.key.cycle, it.page.key.offset) == key;
        sent.iter().find(is_of).map(|sent| sent.at)
    }

    pub fn check_pages(&self) {
        let pages = pages(self.events);
        assert!(pages.len() <= 1, "one page at most");
        let is_due = self.has(|event| matches!(event, Event::RungFired(it) if self.is_told(it)));
        assert!(!is_due || pages.len() == 1, "a rung that fires pages");
        let Some(page) = pages.first() else { return };
        let has_fired = self.has(|event| matches!(event, Event::RungFired(_)));
        let is_given_back = self
            .has(|event| matches!(event, Event::ClaimLost { .. } | Event::ClaimReleased { .. }));
        let is_unreached = matches!(self.command, Command::Report(Report::Unreached(..)));
        assert!(has_fired || is_given_back || is_unreached, "a page for nothing");
        assert!(!page.contacts.is_empty());
        assert!(page.contacts.iter().all(|name| policy().contacts().contains(name)));
        assert!(page.due_at <= self.now);
        // Whoever is paged can say that they have seen it.
        let seen = Command::Act(act("lea", "seen"), Deed::AcknowledgePage(page.key));
        let decision = decide(Some(self.after), &seen, self.now, policy());
        assert!(matches!(decision, Decision::Next(_)), "{page:?} {decision:?}");
    }

    /// Whether this rung, which has fired, must be told: not where the same change ends what it is
    /// about, and not once more where it was told without the store.
    fn is_told(&self, record: &RungRecord) -> bool {
        let clock = &self.after.clocks[&record.clock];
        let is_anew = self.has_started(clock.kind) && record.cycle < clock.cycle;
        let is_end = clock.kind.is_term() && record.mark == Some(Mark::Limit);
        let is_over = is_anew || (clock.is_stopped() && !is_end) || self.after.purged_at.is_some();
        let is_sent = self.has(|event| {
            matches!(event, Event::PagedFromMemory { page, .. }
                if (page.key.clock, page.key.offset) == (record.clock, record.offset))
        });
        !is_over && !is_sent
    }

    /// One record for each page, and none open for what is over.
    pub fn check_records(&self) {
        let (before, after) = (self.before, self.after);
        let keys: BTreeSet<_> = after.pages.iter().map(|record| record.page.key).collect();
        assert_eq!(keys.len(), after.pages.len(), "one key, two pages");
        assert!(keys.iter().all(|key| key.case == after.id));
        if after.purged_at.is_some() {
            return;
        }
        for event in self.events {
            match event {
                Event::Paged(page) => {
                    let known = before.page(page.key).filter(|record| record.is_open());
                    let is_widened = known.is_none_or(|known| {
                        after.page(page.key).unwrap().widened == known.widened + 1
                    });
                    assert!(is_widened, "two rungs under one key: {page:?}");
                    assert_eq!(after.page(page.key).map(|record| &record.page), Some(page));
                }
                Event::PagedFromMemory { page, .. } => {
                    let is_new = !before.page(page.key).is_some_and(PageRecord::is_open);
                    assert!(is_new && after.page(page.key).is_some());
                }
                _ => {}
            }
        }
        for record in after.pages.iter().filter(|record| record.is_open()) {
            let clock = &after.clocks[&record.page.key.clock];
            let is_end = clock.kind.is_term() && record.page.due_at >= clock.limit_at;
            assert!(!clock.is_stopped() || is_end, "open, and over: {record:?}");
            let is_old = before.page(record.page.key).is_some_and(PageRecord::is_open);
            assert!(!(is_old && self.has_started(clock.kind)), "of a cycle that is over");
        }
        for was in &before.pages {
            let Some(is) = after.page(was.page.key) else {
                let is_full = after.pages.len() == PageRecord::KEPT_MAX;
                assert!(is_full && !was.is_open(), "forgotten: {was:?}");
                continue;
            };
            if !was.is_open() && is.is_open() {
                // It was sent in vain, and now it is due.
                assert!(is.claimed_at.is_none() && is.acknowledged.is_none() && is.widened == 0);
                continue;
            }
            assert_eq!((is.page.due_at, is.queued_at), (was.page.due_at, was.queued_at));
            assert!(was.acknowledged.is_none() || is.acknowledged == was.acknowledged);
            assert!(was.taken_at.is_none() || is.taken_at == was.taken_at);
            for sink in was.holders() {
                let is_closed = matches!(is.answers[sink], (SinkAnswer::Resolved, _));
                assert!(is.is_held_by(sink) || is_closed, "nobody would close it at {sink}");
            }
        }
    }

    /// What became of pages is told and changes nothing but their records.
    pub fn check_report(&self) {
        if !matches!(self.command, Command::Report(_)) {
            return;
        }
        let woken = match decide(Some(self.before), &Command::Wake, self.now, policy()) {
            Decision::Next(next) => next.case,
            _ => self.before.clone(),
        };
        let (version, last_event_at) = (self.after.version, self.after.last_event_at);
        let pages = self.after.pages.clone();
        assert_eq!(*self.after, Case { version, last_event_at, pages, ..woken });
    }
}

/// The pages that went out.
pub fn pages(events: &[Event]) -> Vec<&Page> {
    let pages = events.iter().filter_map(|event| match event {
        Event::Paged(page) => Some(page),
        _ => None,
    });
    pages.collect()
}
