//! What must hold of every transition, whatever led to it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use urgence::core::projection::{project, wake_at};
use urgence::core::{
    Act, Band, Case, Class, Clock, ClockKind, ClockState, Command, DataCategory, Decision, Deed,
    Event, Mark, Memory, Nature, Refusal, RungRecord, Sorting, Stance, Timestamp, Verification,
    decide,
};

use crate::make::{policy, reused};
use crate::walk_pages::{is_about_another_sending, pages};

/// A change as it is checked.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    pub before: &'a Case,
    pub command: &'a Command,
    pub now: Timestamp,
    pub after: &'a Case,
    pub events: &'a [Event],
}

pub fn check(before: &Case, command: &Command, now: Timestamp, after: &Case, events: &[Event]) {
    let seen = Seen { before, command, now, after, events };
    seen.check_version();
    seen.check_what_never_changes();
    seen.check_wake();
    seen.check_deadlines();
    seen.check_rungs();
    seen.check_pages();
    seen.check_records();
    seen.check_report();
    seen.check_claim();
    seen.check_fence();
    seen.check_band();
    seen.check_queue();
    seen.check_disclosures();
    seen.check_end();
    seen.check_repeat();
    seen.check_lateness();
}

/// Nothing is to be done by a command that was carried out before or when nothing is due.
pub fn check_nothing_to_do(case: &Case, command: &Command, now: Timestamp) {
    assert!(!matches!(command, Command::Act(..)), "no act of the walk is a repeat: {command:?}");
    assert!(wake_at(case).is_none_or(|at| at > now) || matches!(command, Command::Accept(_)));
}

/// Whether the desk owes the authority a word.
fn is_owed(case: &Case) -> bool {
    !case.has_ended() && case.asked_at.is_none()
}

impl<'a> Seen<'a> {
    fn act(&self) -> Option<(&'a Act, &'a Deed)> {
        match self.command {
            Command::Act(act, deed) => Some((act, deed)),
            Command::Accept(_) | Command::Sort(_) | Command::Report(_) | Command::Wake => None,
        }
    }

    pub fn has(&self, is_so: impl Fn(&Event) -> bool) -> bool {
        self.events.iter().any(is_so)
    }

    fn check_version(&self) {
        assert_eq!(self.after.version, self.before.version + 1);
        assert_eq!(self.after.last_event_at, self.now.max(self.before.last_event_at));
        assert!(!self.events.is_empty());
    }

    fn check_what_never_changes(&self) {
        let (before, after) = (self.before, self.after);
        assert_eq!(after.id, before.id);
        assert_eq!(after.request_digest, before.request_digest);
        assert_eq!((&after.authority, after.policy), (&before.authority, before.policy));
        assert_eq!(after.accepted_at, before.accepted_at);
        assert!(after.proposals >= before.proposals);
        let is_purge = self.has(|event| *event == Event::Purged);
        assert_eq!(is_purge, before.purged_at.is_none() && after.purged_at.is_some());
        if let (Some(was), Some(is)) = (&before.first_response, &after.first_response) {
            assert_eq!((is.kind, is.at), (was.kind, was.at), "nothing overwrites an answer");
        }
        assert!(before.first_response.is_none() || after.first_response.is_some());
        assert!(before.is_unanswered() || !after.is_unanswered());
        assert!(
            before
                .dispositions
                .iter()
                .all(|(category, what)| { after.dispositions.get(category) == Some(what) })
        );
        assert!(after.facts.protections.is_superset(&before.facts.protections));
        let is_verification = matches!(self.act(), Some((_, Deed::RecordVerification(_))));
        let is_suspended = self.has(|event| *event == Event::AuthoritySuspended);
        assert!(is_verification || is_suspended || after.verification == before.verification);
        assert!(!is_suspended || *self.command == Command::Sort(Sorting::SuspendAuthority));
        assert_eq!(after.promised, before.promised, "the receipt says it");
        assert_eq!(after.facts.targets, before.facts.targets, "reports count it");
    }

    fn check_wake(&self) {
        let wake_at = wake_at(self.after);
        assert!(wake_at.is_none_or(|at| at > self.now), "a wake lies ahead: {:?}", self.after);
        if is_owed(self.after) {
            assert!(wake_at.is_some(), "silence: {:?}", self.after);
            let kinds = [ClockKind::FirstResponse, ClockKind::Reply, ClockKind::Progress];
            let is_measured = kinds.into_iter().any(|kind| self.after.runs(kind));
            assert!(is_measured, "nobody measures what is owed: {:?}", self.after);
        }
    }

    pub fn has_started(&self, kind: ClockKind) -> bool {
        self.has(|event| matches!(event, Event::ClockStarted { clock, .. } if *clock == kind))
    }

    /// Whether the change raised what is promised.
    fn is_raised(&self) -> bool {
        let class = |case: &Case| case.nature.class();
        (class(self.before), class(self.after)) == (Class::Routine, Class::Emergency)
    }

    fn check_deadlines(&self) {
        let first = self.after.first_response_clock();
        assert_eq!(first.started_at, self.after.accepted_at);
        assert!(!matches!(first.state, ClockState::Paused { .. }));
        for (kind, before) in &self.before.clocks {
            let after = self.after.clock(*kind).expect("a clock is never forgotten");
            if self.has_started(*kind) {
                assert!(*kind != ClockKind::FirstResponse, "the clock is law");
                assert!(after.started_at >= before.started_at && after.cycle > before.cycle);
                continue;
            }
            assert_eq!(after.started_at, before.started_at);
            assert!(after.cycle >= before.cycle);
            let later = self.may_be_later(before, after);
            if self.is_raised() && later.is_zero() {
                assert!(after.target_at <= before.target_at && after.limit_at <= before.limit_at);
            } else {
                assert_eq!(after.target_at, before.target_at + later);
                assert_eq!(after.limit_at, before.limit_at + later);
            }
            assert_eq!(after.shifted_by, before.shifted_by + later);
            assert!(!before.is_stopped() || after == before, "what has stopped stays so");
        }
        for clock in self.after.clocks.values().filter(|clock| clock.is_running()) {
            assert_eq!(clock.is_overdue(), self.now >= clock.limit_at, "{clock:?}");
        }
    }

    /// By how much this change may move a clock: a pause that is over, or an extension.
    fn may_be_later(&self, before: &Clock, after: &Clock) -> Duration {
        let kind = before.kind;
        let paused_for = match (before.state, after.state) {
            (
                ClockState::Paused { since, .. },
                ClockState::Running | ClockState::Stopped { .. },
            ) => {
                assert!(kind.is_pausable());
                self.now.since(since)
            }
            _ => Duration::ZERO,
        };
        for event in self.events {
            match event {
                Event::ClockResumed { clock, paused_for: told, .. } if *clock == kind => {
                    assert_eq!(*told, paused_for);
                }
                Event::ClockExtended { clock, limit_at } if *clock == kind => {
                    assert!(after.is_extended && !before.is_extended, "once");
                    assert_eq!(*limit_at, after.limit_at);
                    return policy().extension(kind).unwrap();
                }
                _ => {}
            }
        }
        paused_for
    }

    /// Rungs pass in order, each once in its cycle, none early.
    fn check_rungs(&self) {
        let mut clocks: BTreeMap<ClockKind, &Clock> =
            self.before.clocks.iter().map(|(kind, clock)| (*kind, clock)).collect();
        let mut next: BTreeMap<ClockKind, u32> =
            clocks.iter().map(|(kind, clock)| (*kind, clock.next_rung)).collect();
        for event in self.events {
            match event {
                Event::ClockStarted { clock, .. } | Event::ClockExtended { clock, .. } => {
                    clocks.insert(*clock, &self.after.clocks[clock]);
                    next.insert(*clock, 0);
                }
                Event::ClockResumed { clock, .. } => {
                    clocks.insert(*clock, &self.after.clocks[clock]);
                }
                Event::Reclassified { .. } if self.is_raised() => {
                    for (kind, clock) in &self.after.clocks {
                        if clocks.get(kind).is_some_and(|before| before.class != clock.class) {
                            clocks.insert(*kind, clock);
                            next.insert(*kind, 0);
                        }
                    }
                }
                Event::RungFired(record) | Event::RungQuieted(record) => {
                    let number = next.get_mut(&record.clock).expect("its clock was started");
                    self.check_rung(record, clocks[&record.clock], *number);
                    *number += record.count;
                }
                _ => {}
            }
        }
        for (kind, clock) in &self.after.clocks {
            assert_eq!(clock.next_rung, next[kind], "{kind:?}");
        }
    }

    fn check_rung(&self, record: &RungRecord, clock: &Clock, number: u32) {
        let promise = policy().clock(record.clock, clock.class);
        let (first, last) =
            (promise.ladder.rung(number), promise.ladder.rung(number + record.count - 1));
        assert_eq!(record.offset, last.offset);
        assert_eq!(record.due_at, clock.started_at + clock.shifted_by + last.offset);
        assert!(record.due_at <= self.now, "early: {record:?}");
        let seen_at = self.sent_at(record).unwrap_or(self.now);
        assert_eq!(record.lateness, seen_at.since(record.due_at.max(clock.climbed_since)));
        assert!(
            record.count == 1 || (first.is_repeat && record.spacing == promise.ladder.repeat_every)
        );
        assert!(record.cycle >= clock.cycle);
        let first_due = clock.started_at + clock.shifted_by + first.offset;
        let is_limit = first_due == clock.limit_at;
        let is_target = first_due == clock.target_at;
        let mark = if is_limit { Some(Mark::Limit) } else { is_target.then_some(Mark::Target) };
        assert_eq!(record.mark, mark);
        let is_quieted = self.has(|event| matches!(event, Event::RungQuieted(it) if it == record));
        if is_quieted {
            assert!(first.is_quieted_by_claim, "this one fires, claimed or not");
            assert!(self.before.claim.is_some(), "it kept quiet for nobody");
        }
    }

    fn check_claim(&self) {
        assert!(self.after.claim_epoch >= self.before.claim_epoch, "an epoch fell");
        let Some(claim) = &self.after.claim else { return };
        assert_eq!(claim.epoch, self.after.claim_epoch);
        assert!(claim.expires_at > self.now && claim.expires_at <= self.now + policy().lease());
        let held = |case: &Case| case.claim.as_ref().map(|claim| (claim.by.clone(), claim.epoch));
        if held(self.before) == held(self.after) {
            return;
        }
        assert_eq!(claim.epoch, self.before.claim_epoch + 1, "a new claim has the next epoch");
        let (act, deed) = self.act().expect("nobody is given a case by time alone");
        match deed {
            Deed::HandOver(_, to) => assert_eq!(claim.by, *to),
            deed => assert!(*deed == Deed::Claim && claim.by == act.by, "{deed:?}"),
        }
    }

    /// A stale epoch writes nothing, except that a first response is a fact.
    fn check_fence(&self) {
        let Some((act, deed)) = self.act() else { return };
        let epoch = match deed {
            Deed::Renew(epoch)
            | Deed::Release(epoch)
            | Deed::HandOver(epoch, _)
            | Deed::SendUpdate(epoch, _)
            | Deed::AskForInformation(epoch)
            | Deed::ProposeOutcome(epoch, _)
            | Deed::ConfirmWithdrawal(epoch)
            | Deed::DeclineWithdrawal(epoch)
            | Deed::PauseClock(epoch, ..)
            | Deed::ResumeClock(epoch, _) => *epoch,
            _ => return,
        };
        let claim = self.before.claim.as_ref().expect("somebody held it");
        assert_eq!((&claim.by, claim.epoch), (&act.by, epoch));
        assert!(claim.expires_at > self.now, "at the very instant it is over");
    }

    fn check_band(&self) {
        let after = self.after;
        // Whoever works on it, whoever it waits for: an open case is never forgotten.
        assert!(after.has_ended() || wake_at(after).is_some(), "{after:?}");
        let ordinary = policy().band(after.nature);
        if after.nature == Nature::Routine {
            assert_eq!(after.band, ordinary, "routine never enters the emergency bands");
            return;
        }
        if after.has_ended() {
            return;
        }
        let expected = match after.response_clock() {
            Some(clock) if self.now >= clock.target_at => Band::MOST_URGENT,
            Some(_) => ordinary,
            None => policy().follow_up_band(),
        };
        assert_eq!(after.band, expected);
        assert!(after.band < policy().band(Nature::Routine));
    }

    /// In the queue exactly while there is something to claim it for.
    fn check_queue(&self) {
        let after = self.after;
        let is_waited_for = after.asked_at.is_some() && after.withdrawal_at.is_none();
        let is_open = after.claim.is_none() && !after.has_ended() && !is_waited_for;
        let projected = project(after);
        assert_eq!(projected.ready.is_some(), is_open);
        let is_unanswered = after.is_unanswered() || after.runs(ClockKind::Reply);
        assert_eq!(projected.unanswered.is_some(), is_unanswered);
        assert_eq!(projected.claimed.is_some(), after.claim.is_some());
    }

    fn check_disclosures(&self) {
        let (before, after) = (self.before, self.after);
        assert!(after.disclosures.len() >= before.disclosures.len());
        let new = &after.disclosures[before.disclosures.len()..];
        let told = self.has(|event| matches!(event, Event::Disclosed { .. }));
        assert_eq!(new.len(), usize::from(told));
        for disclosure in new {
            let Some((act, Deed::ApproveOutcome(number, standing))) = self.act() else {
                panic!("data leaves by approval only: {:?}", self.command);
            };
            assert_eq!(disclosure.approved_by, act.by);
            // The authority sees the number: it tells of sendings, and of nothing that was proposed.
            assert_eq!(disclosure.number as usize, after.disclosures.len());
            assert!(disclosure.proposed_by != disclosure.approved_by, "two people");
            let proposal = before.proposal.as_ref().expect("it was proposed");
            assert_eq!((proposal.number, &proposal.by), (*number, &disclosure.proposed_by));
            assert_eq!(before.verification, Verification::CallbackConfirmed);
            assert!(!disclosure.categories.is_empty());
            assert!(!standing.is_suspended, "nothing goes out to a suspended authority");
            assert!(!standing.is_not_valid, "nor to one whose entry is not valid");
            assert!(before.withdrawal_at.is_none(), "nor while a withdrawal waits");
            let is_grave = disclosure.categories.contains(&DataCategory::Content)
                || !before.facts.protections.is_empty();
            let people = [disclosure.proposed_by.as_str(), disclosure.approved_by.as_str()];
            assert!(!is_grave || people.contains(&"lea"), "a jurist among the two");
            for category in &disclosure.categories {
                assert!(before.facts.categories.contains(category), "nobody asked for it");
                assert!(!before.dispositions.contains_key(category), "it went out before");
                let over = before.conflicts.iter().filter(|((over, _), _)| over == category);
                assert!(over.clone().all(|(_, conflict)| conflict.stance != Stance::Stands));
            }
        }
    }

    fn check_end(&self) {
        let (before, after) = (self.before, self.after);
        assert!(before.ended.is_none() || after.ended == before.ended);
        assert_eq!(
            self.has(|event| matches!(event, Event::Ended { .. })),
            before.ended.is_none() && after.ended.is_some()
        );
        if after.ended.is_none() {
            return;
        }
        assert!(after.claim.is_none() && after.proposal.is_none() && after.lowering.is_none());
        assert!(after.asked_at.is_none());
        for clock in after.clocks.values() {
            assert!(clock.is_stopped() || clock.kind.outlives_case(), "{clock:?}");
        }
        if after.purged_at.is_some() {
            assert_eq!(wake_at(after), None);
            assert!(after.legal_hold.is_none() && after.facts.fingerprints.is_empty());
            assert!(after.clocks.values().all(Clock::is_stopped));
            assert!(after.gone_for_authority(self.now).is_some(), "shown longer than it is kept");
        }
        // What is gone for the authority never comes back, and nothing that it is told of happens.
        if let Some(gone_at) = before.gone_for_authority(self.now) {
            assert_eq!(after.gone_for_authority_at(), Some(gone_at));
            assert!(!self.act().is_some_and(|(_, deed)| deed.is_of_authority()));
        }
    }

    /// Asked again, nothing happens; under the same id, nothing else can be asked.
    fn check_repeat(&self) {
        if is_about_another_sending(self.before, self.command, self.after) {
            return;
        }
        let again = decide(Some(self.after), self.command, self.now, policy());
        let is_of_authority = self.act().is_some_and(|(_, deed)| deed.is_of_authority());
        if is_of_authority && self.after.gone_for_authority(self.now).is_some() {
            // It was the last thing that the case was kept for.
            assert_eq!(again, Decision::Refused(Refusal::CaseEnded));
            return;
        }
        assert_eq!(again, Decision::AlreadyTrue);
        if self.act().is_some() {
            let other = decide(Some(self.after), &reused(self.command), self.now, policy());
            assert_eq!(other, Decision::Refused(Refusal::RequestIdReused));
        }
    }

    /// A wake that comes late changes nothing but the lateness it records, and tells all at once.
    fn check_lateness(&self) {
        if !matches!(self.command, Command::Wake) {
            return;
        }
        let mut seen = self.before.clone();
        let mut events = Vec::new();
        while let Some(due_at) = wake_at(&seen).filter(|due_at| *due_at <= self.now) {
            match decide(Some(&seen), &Command::Wake, due_at, policy()) {
                Decision::Next(next) => {
                    seen = next.case;
                    events.extend(next.events);
                }
                other => panic!("a wake that comes does something: {other:?}"),
            }
        }
        let plain = |case: &Case| Case {
            memory: Memory::default(),
            version: 0,
            last_event_at: self.now,
            purged_at: case.purged_at.map(|_| self.now),
            // One page stands for many.
            pages: Vec::new(),
            ..case.clone()
        };
        assert_eq!(plain(self.after), plain(&seen));
        assert_eq!(passed(self.events), passed(&events));
        let in_time = pages(&events);
        let contacts: BTreeSet<_> = in_time.iter().flat_map(|page| &page.contacts).collect();
        let told: BTreeSet<_> =
            pages(self.events).into_iter().flat_map(|page| &page.contacts).collect();
        // With what was said is gone what could be told of it.
        assert!(told == contacts || (told.is_empty() && self.after.purged_at.is_some()));
        // Of two rungs at one instant either may speak for both.
        for page in pages(self.events) {
            assert!(in_time.iter().any(|other| other.due_at == page.due_at), "{page:?}");
            assert!(self.after.page(page.key).is_some_and(|record| record.page == *page));
        }
    }
}

/// Every rung that passed: its clock, cycle and offset, and whether it fired.
fn passed(events: &[Event]) -> BTreeSet<(ClockKind, u32, Duration, bool)> {
    let mut all = BTreeSet::new();
    for event in events {
        let (record, has_fired) = match event {
            Event::RungFired(record) => (record, true),
            Event::RungQuieted(record) => (record, false),
            _ => continue,
        };
        for behind in 0..record.count {
            let offset = record.offset - record.spacing * behind;
            assert!(
                all.insert((record.clock, record.cycle, offset, has_fired)),
                "{record:?} twice"
            );
        }
    }
    all
}
