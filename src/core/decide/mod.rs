//! What a command does to a case: one pure, total, deterministic function, one file per command.

mod accept;
mod claim;
mod due;
mod release;
mod renew;
mod respond;
mod wake;

use super::case::{Case, FirstResponseKind};
use super::event::{Change, Event, Page};
use super::intake::Intake;
use super::memory::{Act, Recall};
use super::policy::Policy;
use super::time::Timestamp;

/// What somebody, or the clock, asks of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Take this request in.
    Accept(Intake),
    /// Lease the case to the caller.
    Claim(Act),
    /// Extend the caller's lease.
    Renew(Act, Epoch),
    /// End the caller's lease and put the case back in its place.
    Release(Act, Epoch),
    /// Record the first response.
    Respond(Act, Epoch, FirstResponseKind),
    /// Do what is due. Sent by the timer; early, late or repeated, it does no harm.
    Wake,
}

/// The fencing epoch under which a caller acts.
pub type Epoch = u64;

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
}

/// Why a command cannot be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No case has this id.
    #[error("there is no such case")]
    CaseNotFound,
    /// The caller used this request id before, for something else.
    #[error("this request_id was used before with other content; send a new one")]
    RequestIdReused,
    /// Another responder holds the case.
    #[error("another responder holds this case; claim another, or wait until it is released")]
    ClaimedByAnother,
    /// The case has ended.
    #[error("this case has ended; nothing more can be done to it")]
    CaseEnded,
    /// The epoch is not that of the caller's running claim.
    #[error("your claim on this case is over; claim it again and use the new epoch")]
    EpochOver,
    /// The first response was given before.
    #[error("this case already has its first response")]
    AlreadyAnswered,
    /// The answer would hand out data without the approval of two people.
    #[error(
        "an answer that discloses data needs an approved outcome; answer IN_PROGRESS to keep the \
         promise while the disclosure is verified"
    )]
    DisclosureNotApproved,
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
        (Some(case), Command::Wake) => wake::decide(Transition::begin(case, now, policy)),
        (Some(case), Command::Claim(act)) => {
            with_memory(case, act, now, policy, |transition| claim::apply(transition, &act.by))
        }
        (Some(case), Command::Renew(act, epoch)) => {
            with_memory(case, act, now, policy, |transition| {
                renew::apply(transition, &act.by, *epoch)
            })
        }
        (Some(case), Command::Release(act, epoch)) => {
            with_memory(case, act, now, policy, |transition| {
                release::apply(transition, &act.by, *epoch)
            })
        }
        (Some(case), Command::Respond(act, epoch, kind)) => {
            with_memory(case, act, now, policy, |transition| {
                respond::apply(transition, &act.by, *epoch, *kind)
            })
        }
    }
}

/// A person's act: remembered acts first, before epoch and state, then what is due, then the act.
fn with_memory(
    case: &Case,
    act: &Act,
    now: Timestamp,
    policy: &Policy,
    apply: impl FnOnce(&mut Transition<'_>) -> Result<(), Refusal>,
) -> Decision {
    match case.memory.recall(act) {
        Recall::Repeat => return Decision::AlreadyTrue,
        Recall::Reused => return Decision::Refused(Refusal::RequestIdReused),
        Recall::New => {}
    }
    let mut transition = Transition::begin(case, now, policy);
    match apply(&mut transition) {
        Ok(()) => {
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
    /// What people must be told, the oldest first.
    pages: Vec<Page>,
    now: Timestamp,
    policy: &'a Policy,
}

impl<'a> Transition<'a> {
    fn begin(case: &Case, now: Timestamp, policy: &'a Policy) -> Self {
        Self::of(case.clone(), Vec::new(), now, policy)
    }

    fn of(case: Case, events: Vec<Event>, now: Timestamp, policy: &'a Policy) -> Self {
        let mut transition = Self { case, events, pages: Vec::new(), now, policy };
        transition.fire_due();
        transition
    }

    fn finish(mut self) -> Decision {
        self.events.extend(due::union(self.pages).map(Event::Paged));
        if self.events.is_empty() {
            return Decision::AlreadyTrue;
        }
        self.case.version += 1;
        self.case.last_event_at = self.now;
        Decision::Next(Box::new(Next { case: self.case, events: self.events }))
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
            events: self.events.clone(),
        }
    }
}
