//! What a command does to a case: one pure, total, deterministic function, one file per deed.

mod accept;
mod acknowledge_page;
mod approve_outcome;
mod ask_for_information;
mod band;
mod claim;
mod clocks;
mod close;
mod command;
mod confirm_delivery;
mod confirm_withdrawal;
mod decline_withdrawal;
mod due;
mod hand_over;
mod link_duplicate;
mod pages;
mod pause_clock;
mod propose_outcome;
mod provide_information;
mod reclassify;
mod record_conflict;
mod record_verification;
mod refusal;
mod release;
mod renew;
mod report;
mod request_preservation;
mod respond;
mod resume_clock;
mod send_update;
mod set_legal_hold;
mod settle_clock;
mod sort;
mod withdraw;

use super::case::Case;
use super::event::{Change, Event};
use super::identity::Actor;
use super::memory::{Act, Recall, RequestDigest};
use super::page::{Page, SentPage};
use super::policy::Policy;
use super::state::State;
use super::time::Timestamp;

pub use command::{Command, Deed, Epoch, Report, Sorting};
pub use refusal::Refusal;

/// What comes of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The case becomes this, and that happened.
    Next(Box<Next>),
    /// Nothing to do: a repeat of what was done before, or nothing due.
    AlreadyTrue,
    /// The command cannot be carried out.
    Refused(Refusal),
}

/// A transition, ready to be committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// The case as it will be.
    pub case: Case,
    /// What happened, in order; never empty.
    pub events: Vec<Event>,
    /// Who did it; `None` where time or the service did.
    pub actor: Option<Actor>,
    /// Where the case stood before; `None` for a new one.
    pub from: Option<State>,
    /// Where its authority was shown it to stand before; `None` for a new one.
    pub from_shown: Option<State>,
    /// What was sent, where the record vouches for it.
    pub digest: Option<RequestDigest>,
    /// The version of the authority's standing without which it must not happen.
    pub rests_on: Option<u64>,
}

/// Decides what `command` does to `case` at `now` under the policy the case was accepted under
/// (for a new case: the policy in force).
///
/// First of all it fires what is due at `now`, so that a wake that comes late changes nothing but
/// the lateness it records. `now` is never taken to be before the case's latest event.
#[must_use]
pub fn decide(case: Option<&Case>, command: &Command, now: Timestamp, policy: &Policy) -> Decision {
    let now = case.map_or(now, |case| now.max(case.last_event_at));
    match (case, command) {
        (existing, Command::Accept(intake)) => accept::decide(existing, intake, now, policy),
        (None, _) => Decision::Refused(Refusal::CaseNotFound),
        (Some(case), Command::Wake) => Transition::begin(case, now, policy).finish(),
        (Some(case), Command::Report(report)) => report::decide(case, report, now, policy),
        (Some(case), Command::Sort(sorting)) => {
            sort::decide(Transition::begin(case, now, policy), sorting)
        }
        (Some(case), Command::Act(act, deed)) => with_memory(case, act, deed, now, policy),
    }
}

/// A person's act: what is due, then remembered acts, before epoch and state, then the act. For an
/// authority a case that is gone is over, also where the desk keeps it and remembers.
fn with_memory(case: &Case, act: &Act, deed: &Deed, now: Timestamp, policy: &Policy) -> Decision {
    let mut transition = Transition::begin(case, now, policy);
    if deed.is_of_authority() && transition.case.gone_for_authority(now).is_some() {
        return Decision::Refused(Refusal::CaseEnded);
    }
    match case.memory.recall(act) {
        Recall::Repeat => return Decision::AlreadyTrue,
        Recall::Reused => return Decision::Refused(Refusal::RequestIdReused),
        Recall::New => {}
    }
    transition.actor = Some(act.actor());
    if transition.case.purged_at.is_some() {
        return Decision::Refused(Refusal::CaseEnded);
    }
    match deed.apply(&mut transition, act) {
        Ok(()) => {
            // A clock that the act has started or raised may be due at once.
            transition.fire_due();
            transition.extend_claim_of(&act.by);
            transition.case.memory.remember(act);
            transition.finish()
        }
        Err(refusal) => Decision::Refused(refusal),
    }
}

/// A decision in the making: what was due has been fired, the command is applied next.
struct Transition<'a> {
    case: Case,
    events: Vec<Event>,
    /// What people must be told.
    pages: Vec<Page>,
    /// What they were told already, without the store.
    memory: Vec<Told>,
    actor: Option<Actor>,
    from: Option<State>,
    from_shown: Option<State>,
    digest: Option<RequestDigest>,
    rests_on: Option<u64>,
    now: Timestamp,
    policy: &'a Policy,
}

/// What people were told without the store.
struct Told {
    sent: SentPage,
    /// Whether the rung it was for has been found due, or it was found to be for none.
    is_recorded: bool,
}

impl<'a> Transition<'a> {
    fn begin(case: &Case, now: Timestamp, policy: &'a Policy) -> Self {
        let mut transition = Self::untouched(case, now, policy);
        transition.fire_due();
        transition
    }

    /// Begins with what was sent while the store could not be reached: it is not sent again.
    fn knowing(case: &Case, sent: &[SentPage], now: Timestamp, policy: &'a Policy) -> Self {
        let told = |sent: &SentPage| Told { sent: sent.clone(), is_recorded: false };
        let mut transition = Self::untouched(case, now, policy);
        transition.memory = sent.iter().map(told).collect();
        transition.fire_due();
        transition
    }

    fn untouched(case: &Case, now: Timestamp, policy: &'a Policy) -> Self {
        let (from, from_shown) = (Some(case.state()), Some(case.state_shown()));
        Self { from, from_shown, ..Self::of(case.clone(), now, policy) }
    }

    fn of(case: Case, now: Timestamp, policy: &'a Policy) -> Self {
        Self {
            case,
            events: Vec::new(),
            pages: Vec::new(),
            memory: Vec::new(),
            actor: None,
            from: None,
            from_shown: None,
            digest: None,
            rests_on: None,
            now,
            policy,
        }
    }

    /// Refuses what may only be done to a case that has not ended.
    fn must_be_open(&self) -> Result<(), Refusal> {
        if self.case.has_ended() { Err(Refusal::CaseEnded) } else { Ok(()) }
    }

    fn finish(mut self) -> Decision {
        self.page();
        if self.events.is_empty() {
            return Decision::AlreadyTrue;
        }
        if !self.case.has_ended() {
            self.case.band = self.band();
        }
        self.case.version += 1;
        self.case.last_event_at = self.now;
        let Self { case, events, actor, from, from_shown, digest, rests_on, .. } = self;
        let next = Next { case, events, actor, from, from_shown, digest, rests_on };
        Decision::Next(Box::new(next))
    }
}

impl Next {
    /// What the events stream receives.
    #[must_use]
    pub fn change(&self) -> Change {
        Change {
            case: self.case.id,
            authority: self.case.authority.clone(),
            version: self.case.version,
            at: self.case.last_event_at,
            actor: self.actor.clone(),
            from: self.from,
            to: Some(self.case.state()),
            shown: self.from_shown.map(|from| (from, self.case.state_shown())),
            digest: self.digest,
            events: self.events.clone(),
        }
    }
}
