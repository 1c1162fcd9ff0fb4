//! What time alone does to a case: rungs fall due, leases end, what was said is purged.
//!
//! Everything due is replayed in the order in which it fell due, as if each had been seen at its
//! own instant; only the recorded lateness tells the difference. However much was overdue, at most
//! one page goes out with a decision: under the newest rung's key, to everybody whom any of the
//! rungs names.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Told, Transition};
use crate::core::answer::FirstResponse;
use crate::core::case::Facts;
use crate::core::clock::{Clock, ClockKind, Mark};
use crate::core::event::{Event, RungRecord};
use crate::core::ladder::RungAt;
use crate::core::memory::Memory;
use crate::core::names::{ContactName, Subject};
use crate::core::page::{Page, PageCause, PageKey};
use crate::core::projection::{Due, next_due};
use crate::core::time::Timestamp;

impl Transition<'_> {
    /// Fires everything due at `now`.
    pub(super) fn fire_due(&mut self) {
        while let Some((due_at, due)) = next_due(&self.case).filter(|(at, _)| *at <= self.now) {
            match due {
                Due::Lease => self.lose_claim(due_at),
                Due::Rung(kind) => {
                    // A rung due at the very instant at which the lease ends comes after that end.
                    let held_until = self.case.claim.as_ref().map_or(self.now, |claim| {
                        Timestamp::from_millis(claim.expires_at.as_millis().saturating_sub(1))
                    });
                    self.pass_rungs(kind, held_until.min(self.now));
                    if self.case.clock(kind).and_then(Clock::next_due) == Some(due_at) {
                        // Rung numbers end, in tens of thousands of years. A clock that shows such
                        // a time must not keep us here for ever.
                        break;
                    }
                }
                Due::Purge => self.purge(),
            }
        }
    }

    /// Pages once more for the highest rung passed, as a new cycle: the case is nobody's again. The
    /// clock that somebody waits on speaks for it; else the one whose rung passed last.
    pub(super) fn page_again(&mut self, cause: PageCause) {
        let climbed = |clock: &&Clock| clock.is_running() && clock.next_rung > 0;
        let passed_at = |clock: &&Clock| {
            let ladder = &self.promise_of(clock).ladder;
            clock.due_at(ladder.rung(clock.next_rung - 1).offset)
        };
        let waited_on = self.case.response_clock().map(|clock| clock.kind);
        let kind = waited_on.or_else(|| {
            let clocks = self.case.clocks.values().filter(climbed);
            clocks.max_by_key(passed_at).map(|clock| clock.kind)
        });
        let Some(clock) = kind.and_then(|kind| self.case.clocks.get_mut(&kind)) else { return };
        let Some(number) = clock.next_rung.checked_sub(1) else { return };
        clock.cycle += 1;
        let rung = self.policy.clock(clock.kind, clock.class).ladder.rung(number);
        let clock = clock.clone();
        self.page_for(&clock, &rung, cause);
    }

    fn lose_claim(&mut self, expired_at: Timestamp) {
        let Some(claim) = self.case.claim.take() else { return };
        self.events.push(Event::ClaimLost { epoch: claim.epoch, expired_at });
        if self.case.response_clock().is_some() || claim.has_quieted {
            self.page_again(PageCause::ClaimLost);
        }
    }

    /// Passes the next rung of a clock; of repeats, all that are due until `until`, in one record.
    fn pass_rungs(&mut self, kind: ClockKind, until: Timestamp) {
        let Some(clock) = self.case.clock(kind).cloned() else { return };
        let promise = self.promise_of(&clock);
        let rung = promise.ladder.rung(clock.next_rung);
        let elapsed = until.since(clock.started_at + clock.shifted_by);
        // Of what was sent without the store each rung has its own time. Beyond the last of them
        // there may be any number of repeats.
        let is_ahead = |told: &Told| {
            let key = told.sent.page.key;
            key.clock == kind && key.offset >= rung.offset
        };
        let is_run = rung.is_repeat && !self.memory.iter().any(is_ahead);
        let count = if is_run { promise.ladder.repeats_due(rung.offset, elapsed) } else { 1 };
        let spacing = if count > 1 { promise.ladder.repeat_every } else { Duration::ZERO };
        let last = promise.ladder.rung(clock.next_rung.saturating_add(count - 1));
        let mark = clock.mark(rung.offset);
        if let Some(clock) = self.case.clocks.get_mut(&kind) {
            clock.pass(count, promise);
        }
        // Passing the target may lift the case.
        self.case.band = self.band();
        let record = self.record(&clock, &last, count, spacing, mark);
        let is_quieted = match &mut self.case.claim {
            Some(claim) if rung.is_quieted_by_claim => {
                claim.has_quieted = true;
                self.events.push(Event::RungQuieted(record));
                true
            }
            _ => {
                self.events.push(Event::RungFired(record));
                false
            }
        };
        // Its end closes what a term has paged for. That it is over is told all the same, also to
        // whomever the rungs before it should have told.
        if mark == Some(Mark::Limit) && kind.is_term() {
            let pages = std::mem::take(&mut self.pages);
            self.end_term(kind, clock.limit_at);
            self.pages = pages;
        }
        if !is_quieted {
            self.page_for(&clock, &last, PageCause::Due);
        }
    }

    /// A term is over: the clock has nothing more to say.
    pub(super) fn end_term(&mut self, kind: ClockKind, at: Timestamp) {
        self.stop_clock(kind, at);
        let is_notice_owed = kind == ClockKind::NonDisclosure
            && !self.case.disclosures.is_empty()
            && !self.case.facts.instrument.is_notified_by_issuer();
        if is_notice_owed {
            self.start_clock(ClockKind::UserNotice, at);
        }
    }

    fn record(
        &self,
        clock: &Clock,
        rung: &RungAt<'_>,
        count: u32,
        spacing: Duration,
        mark: Option<Mark>,
    ) -> RungRecord {
        let offset = rung.offset;
        let due_at = clock.due_at(offset);
        let told = self.told(self.key(clock, offset), due_at, rung.contacts, PageCause::Due);
        let seen_at = told.map_or(self.now, |index| self.memory[index].sent.at);
        RungRecord {
            clock: clock.kind,
            cycle: clock.cycle,
            offset,
            due_at,
            count,
            spacing,
            lateness: seen_at.since(due_at.max(clock.climbed_since)),
            mark,
            band: self.case.band,
        }
    }

    fn page_for(&mut self, clock: &Clock, rung: &RungAt<'_>, cause: PageCause) {
        let key = self.key(clock, rung.offset);
        let page = Page {
            key,
            contacts: rung.contacts.clone(),
            band: self.case.band,
            due_at: clock.due_at(rung.offset),
            limit_at: clock.limit_at,
            cause,
            is_quieted_by_claim: rung.is_quieted_by_claim,
        };
        match self.told(key, page.due_at, &page.contacts, cause) {
            Some(index) if self.memory[index].sent.page.key == key => self.sent(index),
            // The page of another rung stood for this one too.
            Some(_) => {}
            None => self.pages.push(page),
        }
    }

    /// Which page that went out without the store told this: its own or, of a rung that falls due, one
    /// for all clocks with one at that instant. One that was sent before the rung was due did not: a
    /// pause has moved it since.
    fn told(
        &self,
        key: PageKey,
        due_at: Timestamp,
        contacts: &BTreeSet<ContactName>,
        cause: PageCause,
    ) -> Option<usize> {
        let is_own = |told: &Told| told.sent.page.key == key && told.sent.at >= due_at;
        let is_for_all = |told: &Told| {
            let page = &told.sent.page;
            cause == PageCause::Due
                && page.key.clock != key.clock
                && page.due_at == due_at
                && contacts.is_subset(&page.contacts)
        };
        self.memory.iter().position(is_own).or_else(|| self.memory.iter().position(is_for_all))
    }

    fn key(&self, clock: &Clock, offset: Duration) -> PageKey {
        // The cycle may have grown since `clock` was looked at; the case knows.
        let cycle = self.case.clock(clock.kind).map_or(clock.cycle, |clock| clock.cycle);
        PageKey { case: self.case.id, clock: clock.kind, cycle, offset }
    }

    /// Leaves a tombstone: the id, the digest, the times and what reports count by. It is of now,
    /// however long it was due: a hold or a clock may have kept what was said beyond its time.
    fn purge(&mut self) {
        let purged: Subject = "purged".parse().expect("a word that follows the rule");
        let case = &mut self.case;
        case.purged_at = Some(self.now);
        case.memory = Memory::default();
        case.facts = Facts {
            fingerprints: BTreeSet::new(),
            officer: None,
            incident_tag: None,
            ..case.facts.clone()
        };
        case.first_response = case
            .first_response
            .take()
            .map(|response| FirstResponse { by: purged.clone(), ..response });
        for disclosure in &mut case.disclosures {
            disclosure.proposed_by = purged.clone();
            disclosure.approved_by = purged.clone();
        }
        case.conflicts.clear();
        case.likely_duplicates.clear();
        case.risks.clear();
        case.linked.clear();
        case.pages.clear();
        // There is nothing left that anybody could do.
        self.pages.clear();
        self.events.push(Event::Purged);
    }
}
