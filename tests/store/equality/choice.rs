//! What is asked next. Every deed comes, mostly by somebody who may do it and where it has an effect,
//! and sometimes by nobody's right and to no purpose.

use std::collections::BTreeMap;

use urgence::core::incident::{IncidentCommand, JoinRule};
use urgence::core::{
    Act, Case, CaseId, Clock, ClockKind, Command, DataCategory, Deed, Disposition, Ending, Epoch,
    Finding, Fingerprint, FirstResponseKind, IncidentName, Instrument, Intake, Manifest, Nature,
    Page, PageKey, PageRecord, PauseReason, Proposed, Protection, RedirectTarget, RefusalReason,
    Report, Risk, Role, SentPage, Settlement, SinkAnswer, SinkName, Sorting, Stance, Standing,
};
use urgence::store::Note;

use super::{OPERATIONS, Run, SLOTS};
use crate::support::make::{act, authority, called_back, fingerprint, intake, manifest, ms};
use crate::{AGE_MAX, load};

pub(super) const AUTHORITIES: [&str; 3] = ["fr-pnij", "be-fccu", "de-bka"];
/// How many incidents there are; each has its time, in which it is opened, closed and confused.
const INCIDENTS: usize = 60;
const PEOPLE: [&str; 4] = ["ann", "bob", "cem", "dia"];
const TARGETS: usize = 6;

/// The officer who sends every request of an authority.
pub(super) fn officer_of(who: &str) -> Fingerprint {
    intake(who, "1", Nature::MissingChild).facts.officer.expect("the builders name one")
}

/// Every target that a request may name.
pub(super) fn targets() -> Vec<Fingerprint> {
    (0..TARGETS).map(|number| fingerprint(&format!("target {number}"))).collect()
}

/// The name of every incident.
pub(super) fn incident_names() -> impl Iterator<Item = IncidentName> {
    (0..INCIDENTS).map(|number| format!("event-{number}").parse().unwrap())
}

/// The tag by which senders may name an incident.
fn tag(number: usize) -> Fingerprint {
    fingerprint(&format!("incident {}", number % 4))
}

/// A command, and whether it leaves a note.
#[derive(Clone)]
pub(super) struct Choice {
    pub(super) id: CaseId,
    pub(super) command: Command,
    pub(super) note: Option<Note>,
}

/// What is asked of an incident, and by whom.
#[derive(Clone)]
pub(super) struct OfIncident {
    pub(super) name: IncidentName,
    pub(super) act: Act,
    pub(super) command: IncidentCommand,
}

impl Run {
    pub(super) async fn choose(&mut self) -> Choice {
        if self.random.is_one_in(30)
            && let Some(last) = self.last.clone()
        {
            return Choice { note: None, ..last };
        }
        let slot = self.random.index(SLOTS);
        let intake = self.request(slot).await;
        let id = intake.case_id();
        let choice = |command| Choice { id, command, note: None };
        let Some(case) = load(&self.memory, id).await else {
            return choice(Command::Accept(intake));
        };
        let is_done = case.has_ended() && self.random.is_one_in(25);
        if is_done || (case.purged_at.is_some() && self.random.is_one_in(3)) {
            self.slots[slot] += 1;
        }
        match self.random.below(40) {
            0..7 => choice(Command::Wake),
            7..9 => choice(Command::Sort(self.sorting(&case))),
            9 => choice(Command::Accept(intake)),
            38..40 if !case.pages.is_empty() => choice(Command::Report(self.report(&case))),
            10..15 if !case.has_ended() => self.claim(id),
            _ => {
                let deed = self.deed(&case);
                choice(Command::Act(self.act(&case, &deed), deed))
            }
        }
    }

    /// A claim, half of them with a note, and sometimes under the very name by which another case
    /// was claimed.
    fn claim(&mut self, id: CaseId) -> Choice {
        let mut act = self.fresh_act();
        if self.random.is_one_in(2) {
            return Choice { id, command: Command::Act(act, Deed::Claim), note: None };
        }
        if let Some(before) = self.last_noted.take_if(|_| self.random.is_one_in(4)) {
            act = before;
        }
        self.last_noted = Some(act.clone());
        let note = Some(Note { key: act.key(), kept_for: AGE_MAX });
        Choice { id, command: Command::Act(act, Deed::Claim), note }
    }

    /// The request of a slot. What it asks for follows from its number alone, as the same request
    /// must be the same; the incident is that of the moment, as it is when the desk finds it.
    async fn request(&self, slot: usize) -> Intake {
        let number = slot + 7 * self.slots[slot];
        if number.is_multiple_of(9) {
            // One of our own now and then, which stands in an index of its own.
            let number = u64::try_from(1_000 * slot + self.slots[slot]).unwrap();
            return Intake::synthetic(number);
        }
        let bits = |of: usize| number / of;
        let nature = Nature::ALL[number % Nature::ALL.len()];
        let request_id = format!("{slot}/{}", self.slots[slot]);
        let mut intake = intake(AUTHORITIES[slot % AUTHORITIES.len()], &request_id, nature);
        let facts = &mut intake.facts;
        facts.country = ["FR", "BE", "DE"][slot % AUTHORITIES.len()].parse().unwrap();
        facts.instrument = Instrument::ALL[number % Instrument::ALL.len()];
        facts.categories =
            DataCategory::ALL.iter().copied().take(1 + bits(3) % DataCategory::ALL.len()).collect();
        facts.protections = Protection::ALL.iter().copied().take(bits(5) % 3).collect();
        let targets = targets().into_iter().enumerate();
        facts.fingerprints =
            targets.filter(|(index, _)| bits(1 << index) % 2 == 0).map(|(_, it)| it).collect();
        facts.incident_tag = number.is_multiple_of(4).then(|| tag(bits(4)));
        if number.is_multiple_of(4) {
            intake.risks = Risk::ALL.iter().copied().take(1 + bits(4) % Risk::ALL.len()).collect();
        }
        intake.is_without_validation = number.is_multiple_of(3);
        intake.is_preservation_requested = number.is_multiple_of(5);
        intake.non_disclosure_until =
            number.is_multiple_of(2).then(|| self.virtual_now + ms(15_000));
        let open = self.open_incidents().await;
        let covering = open.iter().find(|open| open.rule.covers(nature, &intake.facts));
        intake.incident = covering.map(|incident| incident.name.clone());
        // The latest cases, as if they were about the same; half of the requests know of some.
        intake.likely_duplicates = self.ids.iter().rev().take(number % 4).copied().collect();
        intake
    }

    /// An act with a name of its own; sometimes one that was used before, perhaps on another case.
    fn fresh_act(&mut self) -> Act {
        let number = if self.random.is_one_in(20) {
            self.random.index(self.operations)
        } else {
            self.operations
        };
        let roles = self.random.some(&[Role::Responder, Role::LegalReviewer]);
        Act { roles, ..act(self.random.pick(&PEOPLE), &number.to_string()) }
    }

    /// By whom: what takes an epoch mostly by the holder.
    fn act(&mut self, case: &Case, deed: &Deed) -> Act {
        let act = self.fresh_act();
        match &case.claim {
            Some(claim) if takes_epoch(deed) && !self.random.is_one_in(8) => {
                Act { by: claim.by.clone(), ..act }
            }
            _ => act,
        }
    }

    fn sorting(&mut self, case: &Case) -> Sorting {
        match self.random.below(5) {
            0 => {
                let mut other =
                    || (self.random.pick(&self.ids), authority(self.random.pick(&AUTHORITIES)));
                Sorting::LikelyDuplicates((0..3).map(|_| other()).collect())
            }
            1 => Sorting::JoinIncident(self.incident_name()),
            2 => Sorting::SuspendAuthority,
            3 => {
                Sorting::Risk(self.random.pick(&[Risk::TargetAcrossAuthorities, Risk::NewOfficer]))
            }
            _ => {
                let own = case.incident.clone();
                Sorting::LeaveIncident(own.unwrap_or_else(|| self.incident_name()))
            }
        }
    }

    /// What may become of a page: of one that was sent, or of one that was sent without the store.
    fn report(&mut self, case: &Case) -> Report {
        let records: Vec<PageRecord> = case.pages.clone();
        let record = self.random.pick(&records);
        let sink = || -> SinkName { "on-call".parse().unwrap() };
        let key = record.page.key;
        match self.random.below(6) {
            0 => Report::Unreached(key, record.widened),
            1 => Report::Unreached(key, 0),
            2 => {
                // What the next wake would have sent, or what it did send; rarely another rung's.
                let offset = case.clock(key.clock).map_or(key.offset, |clock| {
                    let promise = self.policy.clock(clock.kind, clock.class);
                    promise.ladder.rung(clock.next_rung).offset
                });
                let page = Page { key: PageKey { offset, ..key }, ..record.page };
                let taken_by = self.random.is_one_in(2).then(sink).into_iter().collect();
                Report::FromMemory(vec![SentPage { page, at: self.virtual_now, taken_by }])
            }
            _ => {
                let name = if self.random.is_one_in(2) { sink() } else { "log".parse().unwrap() };
                Report::Answered(key, name, self.random.pick(SinkAnswer::ALL))
            }
        }
    }

    /// The number of an incident whose time it is.
    fn incident_number(&mut self) -> usize {
        let latest = self.operations * INCIDENTS / (OPERATIONS + 1);
        latest.saturating_sub(self.random.index(4))
    }

    fn incident_name(&mut self) -> IncidentName {
        format!("event-{}", self.incident_number()).parse().unwrap()
    }

    /// Something about an incident. Each is opened once, and closed once.
    pub(super) fn choose_of_incident(&mut self) -> OfIncident {
        if self.random.is_one_in(4)
            && let Some(last) = self.last_of_incident.clone()
        {
            return last;
        }
        let number = self.incident_number();
        let name: IncidentName = format!("event-{number}").parse().unwrap();
        let act = self.fresh_act();
        if self.random.is_one_in(3) {
            return OfIncident { name, act, command: IncidentCommand::Close };
        }
        let rule = JoinRule {
            tag: self.random.is_one_in(2).then(|| tag(number)),
            natures: self.random.some(&Nature::ALL[..4]),
            countries: ["FR".parse().unwrap()].into(),
        };
        OfIncident { command: IncidentCommand::Open(name.clone(), rule), name, act }
    }

    fn deed(&mut self, case: &Case) -> Deed {
        // An epoch that is over, now and then.
        let epoch = case.claim_epoch.saturating_sub(u64::from(self.random.is_one_in(10)));
        if case.has_ended() || self.random.is_one_in(12) {
            return self.deed_to_the_ended(case);
        }
        if case.claim.is_none() || self.random.is_one_in(3) {
            return self.deed_of_anybody(case);
        }
        match self.random.below(16) {
            0 => Deed::Renew(epoch),
            1 => Deed::Release(epoch),
            2 => Deed::HandOver(epoch, self.random.pick(&PEOPLE).parse().unwrap()),
            3..6 => Deed::Respond(epoch, self.answer()),
            6 => Deed::SendUpdate(epoch, self.random.is_one_in(2).then(|| ms(9_999))),
            7 => Deed::AskForInformation(epoch),
            8..12 => Deed::ProposeOutcome(epoch, self.proposed(case)),
            12 if self.random.is_one_in(3) => Deed::DeclineWithdrawal(epoch),
            12 => Deed::ConfirmWithdrawal(epoch),
            _ => self.pause_or_resume(case, epoch),
        }
    }

    fn pause_or_resume(&mut self, case: &Case, epoch: Epoch) -> Deed {
        let is_paused = |clock: &&Clock| !clock.is_running() && !clock.is_stopped();
        match case.clocks.values().find(is_paused) {
            Some(clock) if !self.random.is_one_in(4) => Deed::ResumeClock(epoch, clock.kind),
            Some(_) | None => {
                let order = [ClockKind::EEvidence, ClockKind::EEvidenceEmergency];
                let others = [ClockKind::Completion, ClockKind::FirstResponse];
                let kind = self.random.pick(&[order, others].concat());
                Deed::PauseClock(epoch, kind, self.random.pick(PauseReason::ALL))
            }
        }
    }

    fn deed_of_anybody(&mut self, case: &Case) -> Deed {
        match self.random.below(16) {
            0 => Deed::Claim,
            1 => {
                let nature = self.random.is_one_in(2).then(|| self.random.pick(Nature::ALL));
                let lowered = case.lowering.as_ref().map(|lowering| lowering.nature);
                let protection =
                    self.random.is_one_in(6).then(|| self.random.pick(Protection::ALL));
                // Few cases are routine; those are raised.
                let raised = (case.nature == Nature::Routine).then_some(Nature::Kidnapping);
                Deed::Reclassify(lowered.or(raised).or(nature), protection)
            }
            2 => {
                let other = match case.nature {
                    Nature::Routine => Nature::Kidnapping,
                    _ => Nature::Routine,
                };
                let nature = case.lowering.as_ref().map_or(other, |lowering| lowering.nature);
                Deed::Reclassify(Some(nature), None)
            }
            3 | 4 => Deed::RecordVerification(self.finding(case)),
            5 => {
                let stance = self.random.pick(Stance::ALL);
                let conflicting = case.conflicts.keys().next().map(|(category, _)| *category);
                let category = conflicting.unwrap_or_else(|| self.random.pick(DataCategory::ALL));
                Deed::RecordConflict(category, "US".parse().ok(), stance)
            }
            6 => {
                let of = authority(self.random.pick(&AUTHORITIES));
                Deed::LinkDuplicate(self.random.pick(&self.ids), of)
            }
            7..11 => Deed::ApproveOutcome(case.proposals, Standing::default()),
            11 => Deed::AcknowledgePage(self.page(case)),
            12 | 13 => Deed::ProvideInformation,
            14 => Deed::Withdraw,
            _ => Deed::RequestPreservation,
        }
    }

    /// What may still be done to a case that has ended.
    fn deed_to_the_ended(&mut self, case: &Case) -> Deed {
        match self.random.below(12) {
            0..3 => {
                let waits = case.disclosures.iter().find(|sent| sent.confirmed_at.is_none());
                Deed::ConfirmDelivery(waits.map_or(case.proposals, |sent| sent.number))
            }
            3..9 => {
                let is_owed =
                    |clock: &&Clock| clock.is_running() && clock.kind.is_settled_by_hand();
                let owed = case.clocks.values().find(is_owed).map(|clock| clock.kind);
                let kind = owed.unwrap_or_else(|| self.random.pick(ClockKind::ALL));
                Deed::SettleClock(kind, self.random.pick(Settlement::ALL))
            }
            9..11 => Deed::SetLegalHold(case.legal_hold.is_none()),
            _ => Deed::RecordVerification(self.finding(case)),
        }
    }

    fn answer(&mut self) -> FirstResponseKind {
        match self.random.below(10) {
            0 => FirstResponseKind::NoData,
            1 => FirstResponseKind::Refused(self.random.pick(RefusalReason::ALL)),
            2 => FirstResponseKind::Redirected(self.random.pick(RedirectTarget::ALL)),
            3..5 => FirstResponseKind::NeedInformation,
            5 => FirstResponseKind::AllData,
            _ => FirstResponseKind::InProgress { expected_within: ms(self.random.below(9_999)) },
        }
    }

    fn finding(&mut self, case: &Case) -> Finding {
        match self.random.below(8) {
            0 => Finding::ChannelVerified,
            1 => Finding::AgencyVerified,
            2 => Finding::Failed,
            3 => Finding::SuspectedFraud,
            _ => called_back(case.authority.as_str()),
        }
    }

    fn proposed(&mut self, case: &Case) -> Proposed {
        if self.random.is_one_in(6) {
            return Proposed::Whole(match self.random.below(7) {
                0 => Ending::NoSuchAccount,
                1 => Ending::Rejected(self.random.pick(RefusalReason::ALL)),
                2 => Ending::Redirected(self.random.pick(RedirectTarget::ALL)),
                3 => Ending::Duplicate(case.linked.keys().next().copied().unwrap_or(case.id)),
                4 => Ending::ExpiredNoReply,
                5 => Ending::FraudConfirmed,
                _ => Ending::Transferred,
            });
        }
        let mut dispositions = BTreeMap::new();
        for category in case.undecided() {
            if self.random.is_one_in(4) {
                continue;
            }
            let disposition = match self.random.below(8) {
                0 => Disposition::NotHeld,
                1 => Disposition::Refused(self.random.pick(RefusalReason::ALL)),
                2 => Disposition::Redirected(self.random.pick(RedirectTarget::ALL)),
                _ => Disposition::Disclosed,
            };
            dispositions.insert(category, disposition);
        }
        let goes_out = dispositions.values().any(|what| *what == Disposition::Disclosed);
        let items = u32::try_from(self.random.below(99)).unwrap();
        let sealed = || Manifest { items, ..manifest(case.authority.as_str()) };
        Proposed::Categories { dispositions, manifest: goes_out.then(sealed) }
    }

    /// The key of a page that was sent, mostly.
    fn page(&mut self, case: &Case) -> PageKey {
        let clocks: Vec<&Clock> = case.clocks.values().collect();
        let clock = self.random.pick(&clocks);
        let rung = self
            .policy
            .clock(clock.kind, clock.class)
            .ladder
            .rung(clock.next_rung.saturating_sub(1));
        PageKey { case: case.id, clock: clock.kind, cycle: clock.cycle, offset: rung.offset }
    }
}

const fn takes_epoch(deed: &Deed) -> bool {
    match deed {
        Deed::Renew(_)
        | Deed::Release(_)
        | Deed::HandOver(..)
        | Deed::Respond(..)
        | Deed::SendUpdate(..)
        | Deed::AskForInformation(_)
        | Deed::ProposeOutcome(..)
        | Deed::ConfirmWithdrawal(_)
        | Deed::DeclineWithdrawal(_)
        | Deed::PauseClock(..)
        | Deed::ResumeClock(..) => true,
        Deed::Claim
        | Deed::Reclassify(..)
        | Deed::RecordVerification(_)
        | Deed::RecordConflict(..)
        | Deed::LinkDuplicate(..)
        | Deed::ApproveOutcome(..)
        | Deed::SettleClock(..)
        | Deed::AcknowledgePage(_)
        | Deed::ProvideInformation
        | Deed::Withdraw
        | Deed::RequestPreservation
        | Deed::ConfirmDelivery(_)
        | Deed::SetLegalHold(_) => false,
    }
}
