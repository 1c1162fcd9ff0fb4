//! How an authority stands with the desk: whether anything may be disclosed to it. A suspension stops
//! what would go out, and no answer.

use super::memory::{Act, Memory, Recall};
use super::names::{AuthorityId, Subject};
use super::notice::{SuspensionReason, What};
use super::time::Timestamp;

/// What a disclosure rests on. Whoever suspends the authority makes another version, so a disclosure
/// that was decided before cannot be written after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Grows by one whenever the authority is suspended or reinstated; 0 when it never was.
    pub version: u64,
    /// Whether nothing may be disclosed to it.
    pub is_suspended: bool,
    /// Whether its entry in the registry is not valid now.
    pub is_not_valid: bool,
    /// Whether the key that data would be sealed to is too new in the registry to be relied on: it may
    /// be another one under the same name since the disclosure was proposed.
    pub is_key_too_new: bool,
}

/// How an authority stands, with who made it so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorityStanding {
    /// Which authority.
    pub authority: AuthorityId,
    /// Grows by one with every change; 0 when there never was one.
    pub version: u64,
    /// The suspension in force.
    pub suspension: Option<Suspension>,
    /// The acts done to it.
    pub memory: Memory,
}

/// Why nothing is disclosed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspension {
    /// Who suspended the authority.
    pub by: Subject,
    /// Since when.
    pub at: Timestamp,
    /// Why.
    pub reason: SuspensionReason,
}

/// What somebody asks of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StandingCommand {
    /// Disclose nothing more.
    Suspend(SuspensionReason),
    /// Disclosures may go on.
    Reinstate,
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StandingDecision {
    /// It becomes this, and that is told.
    Next(Box<AuthorityStanding>, What),
    /// This very act has done it already.
    AlreadyTrue,
    /// It cannot be done.
    Refused(StandingRefusal),
}

/// Why an authority cannot be suspended or reinstated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StandingRefusal {
    /// The caller used this request id before, for something else.
    #[error("this request_id was used before with other content; send a new one")]
    RequestIdReused,
    /// It is not suspended.
    #[error("this authority is not suspended")]
    NotSuspended,
    /// The registry does not hold it, and it never asked anything.
    #[error("there is no such authority; OversightService.GetStatus lists the suspended ones")]
    NotFound,
}

impl AuthorityStanding {
    /// An authority that nobody ever suspended.
    #[must_use]
    pub fn new(authority: AuthorityId) -> Self {
        Self { authority, version: 0, suspension: None, memory: Memory::default() }
    }

    /// What a disclosure rests on.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        Standing {
            version: self.version,
            is_suspended: self.suspension.is_some(),
            is_not_valid: false,
            is_key_too_new: false,
        }
    }

    /// Decides what `command` makes of it at `now`.
    #[must_use]
    pub fn decide(&self, act: &Act, command: StandingCommand, now: Timestamp) -> StandingDecision {
        match self.memory.recall(act) {
            Recall::Repeat => return StandingDecision::AlreadyTrue,
            Recall::Reused => return StandingDecision::Refused(StandingRefusal::RequestIdReused),
            Recall::New => {}
        }
        let mut next = self.clone();
        next.version += 1;
        next.memory.remember(act);
        let (authority, version) = (self.authority.clone(), next.version);
        let what = match (command, &self.suspension) {
            // Two people who see the same danger at once are not told that one of them was wrong. The first
            // one's suspension stands, and both acts are recorded, so that neither suspends again when it
            // is repeated later.
            (StandingCommand::Suspend(reason), before) => {
                if before.is_none() {
                    next.suspension = Some(Suspension { by: act.by.clone(), at: now, reason });
                }
                What::AuthoritySuspended { authority, version, reason }
            }
            (StandingCommand::Reinstate, None) => {
                return StandingDecision::Refused(StandingRefusal::NotSuspended);
            }
            (StandingCommand::Reinstate, Some(_)) => {
                next.suspension = None;
                What::AuthorityReinstated { authority, version }
            }
        };
        StandingDecision::Next(Box::new(next), what)
    }
}
