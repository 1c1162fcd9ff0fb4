//! Report: what became of the pages that went out. It is the record of facts, so it is never refused
//! and may be told again.

use super::{Decision, Report, Told, Transition};
use crate::core::case::Case;
use crate::core::event::Event;
use crate::core::names::SinkName;
use crate::core::page::{Page, PageCause, PageKey, PageRecord, SentPage, SinkAnswer};
use crate::core::policy::Policy;
use crate::core::time::Timestamp;

pub(super) fn decide(case: &Case, report: &Report, now: Timestamp, policy: &Policy) -> Decision {
    let transition = match report {
        Report::Answered(key, sink, answer) => {
            let mut transition = Transition::begin(case, now, policy);
            transition.answered(*key, sink, *answer, transition.now);
            transition
        }
        Report::Unreached(key, widened) => {
            let mut transition = Transition::begin(case, now, policy);
            transition.widen(*key, *widened);
            transition
        }
        Report::FromMemory(sent) => {
            let mut transition = Transition::knowing(case, sent, now, policy);
            transition.sent_in_vain();
            transition
        }
    };
    transition.finish()
}

impl Transition<'_> {
    fn answered(&mut self, key: PageKey, sink: &SinkName, answer: SinkAnswer, at: Timestamp) {
        let record = self.case.pages.iter_mut().find(|record| record.page.key == key);
        let Some(record) = record else { return };
        if record.answered(sink, answer, at) {
            let is_open_there_only = !record.is_open() && record.is_held_by(sink);
            self.events.push(Event::PageAnswered { key, sink: sink.clone(), answer });
            if is_open_there_only {
                self.events.push(Event::PagesClosed { clock: key.clock });
            }
        }
    }

    /// Sends the page on to the contacts of the next rung, as far as the ladder goes: the key is the
    /// same, since it has opened nothing anywhere.
    fn widen(&mut self, key: PageKey, widened: u32) {
        let Some(clock) = self.case.clock(key.clock) else { return };
        let ladder = &self.promise_of(clock).ladder;
        let is_wanted = |record: &&PageRecord| self.case.wants(record) && record.widened == widened;
        let Some(record) = self.case.page(key).filter(is_wanted) else { return };
        // Behind the last rung comes the repeat; what comes after that names nobody new.
        let last = u32::try_from(ladder.rungs.len()).unwrap_or(u32::MAX);
        let number = ladder.number_at(key.offset).map(|number| number.saturating_add(widened + 1));
        let Some(number) = number.filter(|number| *number <= last) else { return };
        let contacts = ladder.rung(number).contacts.clone();
        let page = Page { contacts, cause: PageCause::Unreached, ..record.page.clone() };
        if let Some(record) = self.case.pages.iter_mut().find(|record| record.page.key == key) {
            record.widened += 1;
        }
        self.pages.push(page);
    }

    /// Records that the page of a rung which is due went out when the store could not be reached.
    pub(super) fn sent(&mut self, index: usize) {
        self.memory[index].is_recorded = true;
        let sent = self.memory[index].sent.clone();
        if !self.case.page(sent.page.key).is_some_and(PageRecord::is_open) {
            self.remember_sent(&sent);
        }
        self.taken(&sent);
    }

    /// What was sent and never fell due, since the store knew better, is over already.
    fn sent_in_vain(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        for Told { sent, .. } in memory.into_iter().filter(|told| !told.is_recorded) {
            let key = sent.page.key;
            let is_known = self.case.page(key).is_some();
            if !is_known {
                self.remember_sent(&sent);
            }
            self.taken(&sent);
            if !is_known {
                self.close_pages(|page| page.key == key);
            }
        }
    }

    fn remember_sent(&mut self, sent: &SentPage) {
        let (page, at) = (sent.page.clone(), sent.at);
        self.events.push(Event::PagedFromMemory { page: page.clone(), at });
        self.remember(page, at);
    }

    fn taken(&mut self, sent: &SentPage) {
        let key = sent.page.key;
        for sink in &sent.taken_by {
            if let Some(record) = self.case.pages.iter_mut().find(|record| record.page.key == key) {
                record.sent_to(sink, sent.at);
            }
            self.answered(key, sink, SinkAnswer::Taken, sent.at);
        }
    }
}
