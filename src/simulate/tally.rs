//! What is counted while a night goes by: read off the core's events, as every reader of the stream
//! does.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::core::{CaseId, Class, ClockKind, ContactName, Event, Mark, Next, Outcome, RungRecord};

/// Everything that was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// First responses by what they said.
    pub answers: BTreeMap<&'static str, u32>,
    /// First responses by case; a case without one is not in it.
    pub first_responses: BTreeMap<CaseId, u32>,
    /// Ended cases by outcome.
    pub outcomes: BTreeMap<Outcome, u32>,
    /// Rungs of emergencies' first-response clocks that fired, by their offset.
    pub rungs: BTreeMap<Duration, u32>,
    /// Rungs of those clocks that kept quiet because somebody was at work on the case.
    pub quieted: u32,
    /// How long after it was due the latest rung fired or kept quiet: no time at all, as every wake
    /// comes at its instant.
    pub lateness_max: Duration,
    /// Pages by whom they went to.
    pub pages: BTreeMap<ContactName, Pages>,
    /// Targets and limits that passed, by clock and class.
    pub passed: BTreeMap<(ClockKind, Class), Passed>,
    /// Claims that were granted.
    pub claims: u32,
    /// Claims that ran out.
    pub claims_lost: u32,
    /// Cases that were given back to the queue.
    pub released: u32,
    /// Cases that went from one shift to the next.
    pub handed_over: u32,
    /// Updates that were sent.
    pub updates: u32,
    /// Disclosures that two people approved.
    pub disclosures: u32,
}

/// Pages that one contact got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pages {
    /// Because an authority waited for an answer.
    pub waiting: u32,
    /// Because an update, an outcome or something else was due.
    pub other: u32,
}

/// How often the promise of a clock was missed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// The desk's own objective.
    pub targets: u32,
    /// The promise.
    pub limits: u32,
}

impl Tally {
    pub(super) fn count(&mut self, next: &Next) {
        let class = next.case.nature.class();
        for event in &next.events {
            match event {
                Event::RungFired(record) => self.count_rung(record, class, true),
                Event::RungQuieted(record) => self.count_rung(record, class, false),
                Event::Paged(page) => {
                    for contact in &page.contacts {
                        let pages = self.pages.entry(contact.clone()).or_default();
                        let is_waiting = page.key.clock.is_response();
                        *if is_waiting { &mut pages.waiting } else { &mut pages.other } += 1;
                    }
                }
                Event::Claimed { .. } => self.claims += 1,
                Event::ClaimLost { .. } => self.claims_lost += 1,
                Event::ClaimReleased { .. } => self.released += 1,
                Event::HandedOver { .. } => self.handed_over += 1,
                Event::Responded { kind, .. } => {
                    *self.answers.entry(kind.word()).or_default() += 1;
                    *self.first_responses.entry(next.case.id).or_default() += 1;
                }
                Event::Updated { .. } => self.updates += 1,
                Event::Disclosed { .. } => self.disclosures += 1,
                Event::Ended { outcome, .. } => *self.outcomes.entry(*outcome).or_default() += 1,
                Event::Accepted { .. }
                | Event::ClaimRenewed { .. }
                | Event::ClockStarted { .. }
                | Event::ClockStopped { .. }
                | Event::ClockPaused { .. }
                | Event::ClockResumed { .. }
                | Event::ClockExtended { .. }
                | Event::ClockRaised { .. }
                | Event::ClockSettled { .. }
                | Event::Asked { .. }
                | Event::InformationProvided { .. }
                | Event::Reclassified { .. }
                | Event::LoweringProposed { .. }
                | Event::Verified { .. }
                | Event::ConflictRecorded { .. }
                | Event::LikelyDuplicatesFound { .. }
                | Event::RisksSeen { .. }
                | Event::AuthoritySuspended
                | Event::DuplicateLinked { .. }
                | Event::OutcomeProposed { .. }
                | Event::OutcomeApproved { .. }
                | Event::DeliveryConfirmed { .. }
                | Event::WithdrawalRequested { .. }
                | Event::WithdrawalDeclined { .. }
                | Event::PreservationRequested { .. }
                | Event::PageAcknowledged { .. }
                | Event::PagedFromMemory { .. }
                | Event::PageAnswered { .. }
                | Event::PagesClosed { .. }
                | Event::LegalHoldSet { .. }
                | Event::IncidentJoined { .. }
                | Event::IncidentLeft { .. }
                | Event::Purged => {}
            }
        }
    }

    fn count_rung(&mut self, record: &RungRecord, class: Class, has_fired: bool) {
        self.lateness_max = self.lateness_max.max(record.lateness_of(0));
        if record.clock == ClockKind::FirstResponse && class == Class::Emergency {
            let count = if has_fired {
                self.rungs.entry(record.offset).or_default()
            } else {
                &mut self.quieted
            };
            *count += record.count;
        }
        let passed = self.passed.entry((record.clock, class)).or_default();
        match record.mark {
            Some(Mark::Target) => passed.targets += 1,
            Some(Mark::Limit) => passed.limits += 1,
            None => {}
        }
    }
}
