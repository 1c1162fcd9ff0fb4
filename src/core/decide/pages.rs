//! The pages of a case: what goes out with a decision, and what is over.

use super::Transition;
use crate::core::clock::ClockKind;
use crate::core::event::Event;
use crate::core::page::{Page, PageCause, PageRecord};
use crate::core::time::Timestamp;

impl Transition<'_> {
    /// Sends the one page of this decision, if there is anything to tell.
    pub(super) fn page(&mut self) {
        let Some(page) = union(std::mem::take(&mut self.pages)) else { return };
        self.remember(page.clone(), self.now);
        self.events.push(Event::Paged(page));
    }

    /// Keeps the record of a page; of one that goes out again, the same record.
    pub(super) fn remember(&mut self, page: Page, queued_at: Timestamp) {
        let records = &mut self.case.pages;
        match records.iter().position(|record| record.page.key == page.key) {
            Some(index) if records[index].is_open() => records[index].page = page,
            known => {
                // One that is known was sent without the store, which knew better then. It is due now and
                // the newest: among the old it would be the first to be closed for want of room.
                if let Some(index) = known {
                    records.remove(index);
                }
                records.push(PageRecord::new(page, queued_at));
            }
        }
        let open = self.case.pages.iter().filter(|record| record.is_open());
        if open.clone().count() > PageRecord::OPEN_MAX
            && let Some(key) = open.map(|record| record.page.key).next()
        {
            self.close_pages(|page| page.key == key);
        }
        if self.case.pages.len() > PageRecord::KEPT_MAX {
            let pages = &self.case.pages;
            // What some sink may still hold is forgotten last: nobody else would close it there.
            let is_done = |record: &PageRecord| !record.is_open() && !record.is_held();
            let done = pages.iter().position(is_done);
            let over = || pages.iter().position(|record| !record.is_open());
            let oldest = done.or_else(over).unwrap_or(0);
            self.case.pages.remove(oldest);
        }
    }

    /// What this clock has paged for is over, and what it would page for with this very decision.
    pub(super) fn close_pages_of(&mut self, kind: ClockKind) {
        self.pages.retain(|page| page.key.clock != kind);
        self.close_pages(|page| page.key.clock == kind);
    }

    /// Notes that these pages are over. Whoever holds one open must be told, also a sink that takes it
    /// only now.
    pub(super) fn close_pages(&mut self, which: impl Fn(&Page) -> bool) {
        let now = self.now;
        let records = self.case.pages.iter_mut();
        let mut closed = None;
        for record in records.filter(|record| record.is_open() && which(&record.page)) {
            record.closed_at = Some(now);
            closed = Some(record.page.key.clock);
        }
        self.events.extend(closed.map(|clock| Event::PagesClosed { clock }));
    }

    /// Notes that somebody has taken the case up. A page that nobody has yet is kept from going out
    /// by this claim, so giving the case back must page.
    pub(super) fn claim_answers_pages(&mut self) {
        let now = self.now;
        // What falls due with this very act is one page, and in nobody's hands yet.
        let is_quieted = |page: &Page| page.is_quieted_by_claim;
        let mut is_any_kept_back = !self.pages.is_empty() && self.pages.iter().all(is_quieted);
        for record in self.case.pages.iter_mut().filter(|record| record.is_open()) {
            record.claimed_at.get_or_insert(now);
            is_any_kept_back |= record.page.is_quieted_by_claim && record.taken_at.is_none();
        }
        if let Some(claim) = self.case.claim.as_mut().filter(|_| is_any_kept_back) {
            claim.has_quieted = true;
        }
    }
}

/// One page for all: under the newest one's key, to everybody any of them names.
fn union(pages: Vec<Page>) -> Option<Page> {
    let is_several = pages.len() > 1;
    pages
        .into_iter()
        .reduce(|one, other| {
            let contacts = &one.contacts | &other.contacts;
            let is_quieted_by_claim = one.is_quieted_by_claim && other.is_quieted_by_claim;
            // Of two at one instant, that of the answer that is owed speaks.
            let age = |page: &Page| (page.due_at, page.key.clock.is_response());
            let newest = if age(&other) >= age(&one) { other } else { one };
            Page { contacts, is_quieted_by_claim, ..newest }
        })
        .map(|page| if is_several { Page { cause: PageCause::CatchUp, ..page } } else { page })
}
