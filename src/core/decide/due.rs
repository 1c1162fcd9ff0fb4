//! What time alone does to a case: rungs fall due, leases end.
//!
//! Everything due is replayed in the order in which it fell due, as if each had been seen at its
//! own instant; only the recorded lateness tells the difference. However much was overdue, at most
//! one page goes out with a decision: under the newest rung's key, to everybody whom any of the
//! rungs names.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Transition;
use crate::core::clock::{Clock, Mark};
use crate::core::event::{Event, Page, PageCause, PageKey, RungRecord};
use crate::core::names::ContactName;
use crate::core::nature::{Band, Class};
use crate::core::policy::Promise;
use crate::core::time::Timestamp;

impl Transition<'_> {
    /// Fires everything due at `now`.
    pub(super) fn fire_due(&mut self) {
        loop {
            let lease_end = self.case.claim.as_ref().map(|claim| claim.expires_at);
            let rung_due = self.case.is_unanswered().then_some(self.case.clock.next_due_at);
            match (lease_end, rung_due) {
                // At the instant at which a lease ends it is over: a rung due then finds no claim.
                (Some(end), due) if end <= self.now && due.is_none_or(|due| end <= due) => {
                    self.lose_claim(end);
                }
                (end, Some(due)) if due <= self.now => {
                    self.pass_rungs(end.map_or(self.now, |end| end.min(self.now)));
                    if self.case.clock.next_due_at <= due {
                        // Rung numbers end, in tens of thousands of years. A clock that shows such
                        // a time must not keep us here for ever.
                        break;
                    }
                }
                _ => break,
            }
        }
    }

    /// Pages the highest rung passed once more, as a new cycle: the case is nobody's again.
    pub(super) fn page_again(&mut self, cause: PageCause) {
        let Some(number) = self.case.clock.next_rung.checked_sub(1) else { return };
        self.case.clock.cycle += 1;
        let rung = self.promise().ladder.rung(number);
        self.page(rung.offset, rung.contacts.clone(), cause);
    }

    fn lose_claim(&mut self, expired_at: Timestamp) {
        let Some(claim) = self.case.claim.take() else { return };
        self.events.push(Event::ClaimLost { epoch: claim.epoch, expired_at });
        if self.case.is_unanswered() {
            self.page_again(PageCause::ClaimLost);
        }
    }

    /// Passes the next rung; of repeats, all that are due until `until`, in one record.
    fn pass_rungs(&mut self, until: Timestamp) {
        let promise = self.promise();
        let clock = &self.case.clock;
        let rung = promise.ladder.rung(clock.next_rung);
        let elapsed = until.since(clock.started_at);
        let count =
            if rung.is_repeat { promise.ladder.repeats_due(rung.offset, elapsed) } else { 1 };
        let spacing = if count > 1 { promise.ladder.repeat_every } else { Duration::ZERO };
        let last = promise.ladder.rung(clock.next_rung.saturating_add(count - 1));
        let mark = clock.mark(rung.offset);
        if mark == Some(Mark::Target) && self.case.nature.class() == Class::Emergency {
            self.case.band = Band::MOST_URGENT;
        }
        let record = self.record(&last.offset, count, spacing, mark);
        self.case.clock.pass(count, promise);
        match &mut self.case.claim {
            Some(claim) if rung.is_quieted_by_claim => {
                claim.has_quieted = true;
                self.events.push(Event::RungQuieted(record));
            }
            _ => {
                self.events.push(Event::RungFired(record));
                self.page(last.offset, last.contacts.clone(), PageCause::Due);
            }
        }
    }

    fn record(
        &self,
        offset: &Duration,
        count: u32,
        spacing: Duration,
        mark: Option<Mark>,
    ) -> RungRecord {
        let Clock { kind, cycle, started_at, .. } = self.case.clock;
        let due_at = started_at + *offset;
        RungRecord {
            clock: kind,
            cycle,
            offset: *offset,
            due_at,
            count,
            spacing,
            lateness: self.now.since(due_at),
            mark,
            band: self.case.band,
        }
    }

    fn page(&mut self, offset: Duration, contacts: BTreeSet<ContactName>, cause: PageCause) {
        let clock = &self.case.clock;
        let (case, kind, cycle) = (self.case.id, clock.kind, clock.cycle);
        self.pages.push(Page {
            key: PageKey { case, clock: kind, cycle, offset },
            contacts,
            band: self.case.band,
            due_at: clock.started_at + offset,
            limit_at: clock.limit_at,
            cause,
        });
    }
}

impl<'a> Transition<'a> {
    /// The promise of the case; borrowed from the policy, so that the case stays free to change.
    fn promise(&self) -> &'a Promise {
        self.policy.promise(self.case.nature.class())
    }
}

/// One page for all: under the newest one's key, to everybody any of them names.
pub(super) fn union(pages: Vec<Page>) -> Option<Page> {
    let is_several = pages.len() > 1;
    pages
        .into_iter()
        .reduce(|older, newer| Page { contacts: &older.contacts | &newer.contacts, ..newer })
        .map(|page| if is_several { Page { cause: PageCause::CatchUp, ..page } } else { page })
}
