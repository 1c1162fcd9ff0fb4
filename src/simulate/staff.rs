//! The people: each works on one case at a time, in spells.
//!
//! A spell is at most half as long as a lease. At its end they look up, renew the claim if need be,
//! and see whether something cannot wait. Whoever is at a first response sees it through. Whoever
//! works towards an outcome while somebody waits for an answer puts the case back as soon as the
//! queue hands out another one; if the queue would hand them the same case again because its next
//! update is due first, they send the update, which moves it back. What was done on a case is not
//! lost, whoever goes on with it.

use std::rc::Rc;
use std::time::Duration;

use super::agenda::Happening;
use super::desk::Person;
use super::night::{Dossier, Night};
use super::options::Responders;
use super::portal;
use super::shift::{Shift, next_change};
use crate::core::projection::{Place, ready};
use crate::core::{
    Case, CaseId, Clock, ClockKind, Deed, Disposition, Ending, Epoch, Finding, FirstResponseKind,
    Manifest, Proposed, Refusal, RefusalReason, Role, Standing, Timestamp, Verification,
};

/// How long a person works at most without looking up.
const SPELL_MAX: Duration = Duration::from_secs(150);
/// How long at least: nobody can work in snatches.
const SPELL_MIN: Duration = Duration::from_secs(30);
/// How long it takes to read what a colleague proposes.
const READING: Duration = Duration::from_mins(2);
/// How long it takes to write an update.
const UPDATING: Duration = Duration::from_mins(1);
/// How long it takes to tell the next shift where a case stands.
const BRIEFING: Duration = Duration::from_mins(2);
/// What an update says.
const EXPECTED_WITHIN: Duration = Duration::from_hours(1);

/// A person of one of the shifts.
pub(super) struct Responder {
    person: Rc<Person>,
    shift: Shift,
    held: Option<(CaseId, Epoch)>,
    doing: Doing,
    since: Timestamp,
    /// How many spells they began: what is on the agenda for an older one is void.
    turn: u64,
}

/// What a spell is spent on.
#[derive(Clone, Copy)]
enum Doing {
    /// Nothing, or off duty.
    Nothing,
    /// The answer that somebody waits for.
    Answering,
    /// The work towards the outcome, up to its approval.
    Collecting,
    /// A word about how that work goes.
    Updating,
    /// A colleague's proposal.
    Reading(CaseId, u32),
}

impl Responder {
    /// Everybody, shift by shift.
    pub(super) fn all(responders: Responders) -> Vec<Self> {
        let people = Shift::ALL.iter().flat_map(|shift| {
            (1..=responders.of(*shift)).map(|number| {
                let name = format!("{}-{number}", shift.word());
                let person = Rc::new(Person::new(&name, &[Role::Responder]));
                Self {
                    person,
                    shift: *shift,
                    held: None,
                    doing: Doing::Nothing,
                    since: Timestamp::from_millis(0),
                    turn: 0,
                }
            })
        });
        people.collect()
    }
}

impl Night<'_> {
    /// Gives whoever has nothing to do something, as long as there is something.
    pub(super) fn serve_line(&mut self) {
        for _ in 0..self.line.len() {
            let Some(who) = self.line.pop_front() else { return };
            if !self.choose(who) {
                self.line.push_back(who);
            }
        }
    }

    /// The end of a spell.
    pub(super) fn look_up(&mut self, who: usize, turn: u64) {
        if self.responders[who].turn != turn {
            return;
        }
        let spent = self.desk.now.since(self.responders[who].since);
        match std::mem::replace(&mut self.responders[who].doing, Doing::Nothing) {
            Doing::Nothing => {}
            Doing::Answering => self.go_on_answering(who, spent),
            Doing::Collecting => self.go_on_collecting(who, spent),
            Doing::Updating => self.update(who),
            Doing::Reading(id, number) => {
                let person = Rc::clone(&self.responders[who].person);
                if self.approve(id, &person, number) == Err(Refusal::LegalReviewerNeeded) {
                    self.call_in(id, number);
                }
            }
        }
        if !self.choose(who) {
            self.line.push_back(who);
        }
    }

    /// One shift relieves the other. Nobody goes home with a case.
    pub(super) fn change_shift(&mut self) {
        let now = self.desk.now;
        self.shift = Shift::at(now);
        self.desk.agenda.note(next_change(now), Happening::ShiftChange);
        let is_coming = |who: &usize| self.responders[*who].shift == self.shift;
        self.line = (0..self.responders.len()).filter(is_coming).collect();
        for who in 0..self.responders.len() {
            if self.responders[who].shift != self.shift {
                self.go_home(who);
            }
        }
    }

    fn go_home(&mut self, who: usize) {
        let leaving = &mut self.responders[who];
        leaving.turn += 1;
        let spent = self.desk.now.since(leaving.since);
        let doing = std::mem::replace(&mut leaving.doing, Doing::Nothing);
        if let Doing::Reading(id, number) = doing {
            self.proposals.push_front((id, number));
        }
        let Some((id, epoch)) = self.responders[who].held else { return };
        let dossier = self.dossier(id);
        match doing {
            Doing::Answering => dossier.spend_answering(spent),
            Doing::Collecting => dossier.spend_collecting(spent),
            Doing::Nothing | Doing::Updating | Doing::Reading(..) => {}
        }
        let person = Rc::clone(&self.responders[who].person);
        let Some(to) = self.line.pop_front() else {
            _ = self.act(id, &person, Deed::Release(epoch));
            return;
        };
        let colleague = self.responders[to].person.subject.clone();
        if self.act(id, &person, Deed::HandOver(epoch, colleague)).is_ok() {
            self.dossier(id).brief();
            self.hold(to, id);
        } else {
            self.line.push_front(to);
        }
    }

    /// Whoever held the case and does so no more looks for something else.
    pub(super) fn free_former_holder(&mut self, id: CaseId) {
        let is_of = |responder: &Responder| responder.held.is_some_and(|(held, _)| held == id);
        let Some(who) = self.responders.iter().position(is_of) else { return };
        let responder = &mut self.responders[who];
        let claim = self.desk.case(id).claim.as_ref();
        let is_held = claim.is_some_and(|claim| {
            claim.by == responder.person.subject && responder.held == Some((id, claim.epoch))
        });
        if is_held {
            return;
        }
        responder.held = None;
        if !matches!(responder.doing, Doing::Nothing | Doing::Reading(..)) {
            responder.doing = Doing::Nothing;
            responder.turn += 1;
            self.desk.agenda.note(self.desk.now, Happening::LookUp(who, responder.turn));
        }
    }

    /// Approves a proposal as its second reader.
    pub(super) fn approve(&mut self, id: CaseId, by: &Person, number: u32) -> Result<(), Refusal> {
        let sending = self.desk.case(id).next_disclosure();
        self.act(id, by, Deed::ApproveOutcome(number, Standing::default()))?;
        let has_gone_out = self.desk.case(id).next_disclosure() > sending;
        if has_gone_out {
            let confirming = self.truth(id).confirming;
            let confirmed_at = self.desk.now + confirming;
            self.desk.agenda.note(confirmed_at, Happening::Delivery(id, sending));
        }
        Ok(())
    }

    /// Gives a responder the next thing to do; `false` if there is none. An answer that was begun
    /// comes first, then a colleague's proposal: a finished outcome is two minutes from going out.
    fn choose(&mut self, who: usize) -> bool {
        let held = self.responders[who].held;
        let is_answering =
            held.is_some_and(|(id, _)| self.desk.case(id).response_clock().is_some());
        if is_answering {
            self.go_on(who);
            return true;
        }
        if let Some((id, number)) = self.next_proposal(who) {
            self.begin(who, Doing::Reading(id, number), READING);
            return true;
        }
        if let Some((id, epoch)) = held {
            if !self.must_give_way(self.desk.case(id)) {
                self.go_on(who);
                return true;
            }
            let person = Rc::clone(&self.responders[who].person);
            _ = self.act(id, &person, Deed::Release(epoch));
        }
        let person = Rc::clone(&self.responders[who].person);
        let claimed = self.desk.claim_next(&person);
        if let Some(id) = claimed {
            self.hold(who, id);
        }
        claimed.is_some()
    }

    fn hold(&mut self, who: usize, id: CaseId) {
        self.responders[who].held = Some((id, self.desk.case(id).claim_epoch));
        self.go_on(who);
    }

    /// Works on the case that the responder holds for another spell.
    fn go_on(&mut self, who: usize) {
        let Some((id, _)) = self.responders[who].held else { return };
        let case = self.desk.case(id);
        let dossier = &self.dossiers[&id];
        let spell_max = (self.options.policy.lease() / 2).clamp(SPELL_MIN, SPELL_MAX);
        let (doing, left) = if case.response_clock().is_some() {
            (Doing::Answering, dossier.answering_left)
        } else if self.is_update_due(case) || self.must_update_early(case) {
            (Doing::Updating, UPDATING)
        } else if case.proposal.is_some() {
            (Doing::Collecting, spell_max)
        } else {
            (Doing::Collecting, dossier.collecting_left)
        };
        self.begin(who, doing, left.clamp(Duration::from_secs(1), spell_max));
    }

    fn begin(&mut self, who: usize, doing: Doing, spell: Duration) {
        let ends_at = self.desk.now + spell;
        if let Some((id, epoch)) = self.responders[who].held {
            let claim = self.desk.case(id).claim.as_ref();
            if claim.is_some_and(|claim| claim.expires_at <= ends_at) {
                let person = Rc::clone(&self.responders[who].person);
                _ = self.desk.act(id, &person, Deed::Renew(epoch));
            }
        }
        let responder = &mut self.responders[who];
        responder.doing = doing;
        responder.since = self.desk.now;
        responder.turn += 1;
        self.desk.agenda.note(ends_at, Happening::LookUp(who, responder.turn));
    }

    fn go_on_answering(&mut self, who: usize, spent: Duration) {
        let Some((id, epoch)) = self.responders[who].held else { return };
        let dossier = self.dossier(id);
        dossier.spend_answering(spent);
        if !dossier.answering_left.is_zero() {
            return;
        }
        let truth = self.truth(id);
        let (kind, informing) = (truth.first_response, truth.informing);
        let person = Rc::clone(&self.responders[who].person);
        if !self.desk.case(id).is_unanswered() {
            // The answer to a reply.
            self.update(who);
            return;
        }
        let is_answered = self.act(id, &person, Deed::Respond(epoch, kind)).is_ok();
        if is_answered && kind == FirstResponseKind::NeedInformation {
            self.desk.agenda.note(self.desk.now + informing, Happening::Information(id));
            _ = self.act(id, &person, Deed::Release(epoch));
        }
    }

    fn go_on_collecting(&mut self, who: usize, spent: Duration) {
        let Some((id, epoch)) = self.responders[who].held else { return };
        let person = Rc::clone(&self.responders[who].person);
        let has_proposal = self.desk.case(id).proposal.is_some();
        if !has_proposal {
            self.dossier(id).spend_collecting(spent);
        }
        if self.desk.case(id).verification == Verification::Unverified {
            let number = portal::callback_number(self.desk.case(id));
            let finding = if self.truth(id).is_genuine {
                Finding::CallbackConfirmed(number)
            } else {
                Finding::Failed
            };
            _ = self.act(id, &person, Deed::RecordVerification(finding));
        }
        if !has_proposal && self.dossier(id).collecting_left.is_zero() {
            self.propose(who, id, epoch);
        }
    }

    fn update(&mut self, who: usize) {
        let Some((id, epoch)) = self.responders[who].held else { return };
        let person = Rc::clone(&self.responders[who].person);
        _ = self.act(id, &person, Deed::SendUpdate(epoch, Some(EXPECTED_WITHIN)));
    }

    fn propose(&mut self, who: usize, id: CaseId, epoch: Epoch) {
        let proposed = self.proposed(id);
        let person = Rc::clone(&self.responders[who].person);
        if self.act(id, &person, Deed::ProposeOutcome(epoch, proposed)).is_err() {
            return;
        }
        let number = self.desk.case(id).proposals;
        // A shift of one has no second person; somebody is called in.
        if self.options.responders.of(self.shift) > 1 {
            self.proposals.push_back((id, number));
        } else {
            self.call_in(id, number);
        }
    }

    fn proposed(&self, id: CaseId) -> Proposed {
        let (case, truth) = (self.desk.case(id), self.truth(id));
        if !truth.is_genuine {
            return Proposed::Whole(Ending::Rejected(RefusalReason::RequesterNotVerified));
        }
        let mut dispositions = truth.dispositions.clone();
        let undecided = case.undecided();
        dispositions.retain(|category, _| undecided.contains(category));
        let goes_out = dispositions.values().any(|it| *it == Disposition::Disclosed);
        let manifest = goes_out.then(|| Manifest {
            items: 1,
            bytes: 1,
            digest: [0; 32],
            recipient_key: portal::recipient_key(case),
        });
        Proposed::Categories { dispositions, manifest }
    }

    fn call_in(&mut self, id: CaseId, number: u32) {
        let calling_in = self.truth(id).calling_in;
        self.desk.agenda.note(self.desk.now + calling_in, Happening::OnCall(id, number));
    }

    /// The oldest proposal that this responder may read: not their own, and still the latest.
    fn next_proposal(&mut self, who: usize) -> Option<(CaseId, u32)> {
        let latest = |id| self.desk.case(id).proposal.as_ref();
        self.proposals.retain(|(id, number)| latest(*id).is_some_and(|it| it.number == *number));
        let subject = &self.responders[who].person.subject;
        let is_others = |(id, _): &(CaseId, u32)| latest(*id).is_some_and(|it| it.by != *subject);
        let index = self.proposals.iter().position(is_others)?;
        self.proposals.remove(index)
    }

    /// Whether the queue hands out another case once this one is back in it, and somebody there has
    /// waited for an answer since before this one's turn.
    fn must_give_way(&self, case: &Case) -> bool {
        let returned = Case { claim: None, ..case.clone() };
        let Some((own_lane, own_place)) = ready(&returned) else { return false };
        let Some((lane, next)) = self.desk.next_in_line(Some(&returned)) else { return false };
        let is_before = |waiting: Place| lane != own_lane || waiting < own_place;
        next != case.id
            && !self.is_update_due(case)
            && self.desk.first_waiting(lane).is_some_and(is_before)
    }

    /// Whether an update takes this case from before one that somebody waits for.
    fn must_update_early(&self, case: &Case) -> bool {
        let kind = ClockKind::Progress;
        let returned = Case { claim: None, ..case.clone() };
        let Some((lane, place)) = ready(&returned).filter(|_| case.runs(kind)) else {
            return false;
        };
        let promise = self.options.policy.clock(kind, case.nature.class());
        let clock = Clock::start(kind, case.nature.class(), promise, self.desk.now, 0);
        let mut updated = returned;
        updated.clocks.insert(kind, clock);
        let waiting = self.desk.first_waiting(lane);
        let later = ready(&updated).map(|(_, place)| place);
        waiting.is_some_and(|waiting| place < waiting) && waiting < later
    }

    fn is_update_due(&self, case: &Case) -> bool {
        let progress = case.clock(ClockKind::Progress).filter(|clock| clock.is_running());
        progress.is_some_and(|clock| self.desk.now >= clock.target_at)
    }
}

impl Dossier {
    fn spend_answering(&mut self, spent: Duration) {
        self.answering_left = self.answering_left.saturating_sub(spent);
    }

    fn spend_collecting(&mut self, spent: Duration) {
        self.collecting_left = self.collecting_left.saturating_sub(spent);
    }

    /// Whoever goes on with the case has to be told where it stands.
    fn brief(&mut self) {
        let left = if self.answering_left.is_zero() {
            &mut self.collecting_left
        } else {
            &mut self.answering_left
        };
        *left += BRIEFING;
    }
}
