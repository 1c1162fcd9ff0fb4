//! Incidents: one event behind many cases. They wait in a lane of their own, so that the flood after
//! an attack and everybody else's threats to life do not starve each other.

use std::collections::BTreeSet;
use std::time::Duration;

use super::intake::Fingerprint;
use super::memory::{Act, Memory, Recall};
use super::names::{Country, IncidentName, Subject};
use super::nature::{Class, Nature};
use super::projection::Place;
use super::time::Timestamp;
use super::words::words;
use super::{Case, Facts};

words! {
    /// Which part of the queue a case waits in.
    pub enum Lane {
        /// Every case that belongs to no open incident.
        Ordinary = "ordinary",
        /// The cases of open incidents.
        Incident = "incident",
    }
}

/// One event behind many cases, without the facts that were told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Its name.
    pub name: IncidentName,
    /// Grows by one with every change; 1 when opened.
    pub version: u64,
    /// Which cases belong to it.
    pub rule: JoinRule,
    /// Who opened it.
    pub opened_by: Subject,
    /// When.
    pub opened_at: Timestamp,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// The acts done to it.
    pub memory: Memory,
}

/// Which cases belong to an incident. A case joins by either way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JoinRule {
    /// Those whose sender named it so.
    pub tag: Option<Fingerprint>,
    /// Those of these natures; empty for none.
    pub natures: BTreeSet<Nature>,
    /// Of those natures, only from authorities of these countries; empty for all.
    pub countries: BTreeSet<Country>,
}

impl JoinRule {
    /// Whether a case of this nature and these facts belongs.
    #[must_use]
    pub fn covers(&self, nature: Nature, facts: &Facts) -> bool {
        let is_tagged = self.tag.is_some() && self.tag == facts.incident_tag;
        let is_country = self.countries.is_empty() || self.countries.contains(&facts.country);
        is_tagged || (self.natures.contains(&nature) && is_country)
    }
}

/// What somebody asks of an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IncidentCommand {
    /// Open it.
    Open(IncidentName, JoinRule),
    /// Close it: its cases go back to the ordinary lane.
    Close,
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IncidentDecision {
    /// The incident becomes this.
    Next(Box<Incident>),
    /// It was done before, by this very act.
    AlreadyTrue,
    /// It cannot be done.
    Refused(IncidentRefusal),
}

/// Why an incident cannot be opened or closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IncidentRefusal {
    /// There is none of this name.
    #[error("there is no incident of this name; OversightService.GetStatus lists the open ones")]
    NotFound,
    /// The name is taken.
    #[error("an incident of this name exists; choose another name")]
    NameTaken,
    /// The caller used this request id before, for something else.
    #[error("this request_id was used before with other content; send a new one")]
    RequestIdReused,
    /// It was closed before.
    #[error("this incident is closed; open another")]
    Closed,
}

/// Decides what `command` makes of an incident at `now`.
#[must_use]
pub fn decide_incident(
    incident: Option<&Incident>,
    act: &Act,
    command: &IncidentCommand,
    now: Timestamp,
) -> IncidentDecision {
    match incident.map(|incident| incident.memory.recall(act)) {
        Some(Recall::Repeat) => return IncidentDecision::AlreadyTrue,
        Some(Recall::Reused) => {
            return IncidentDecision::Refused(IncidentRefusal::RequestIdReused);
        }
        Some(Recall::New) | None => {}
    }
    let mut next = match (incident, command) {
        (None, IncidentCommand::Open(name, rule)) => Incident {
            name: name.clone(),
            version: 0,
            rule: rule.clone(),
            opened_by: act.by.clone(),
            opened_at: now,
            closed_at: None,
            memory: Memory::default(),
        },
        (Some(_), IncidentCommand::Open(..)) => {
            return IncidentDecision::Refused(IncidentRefusal::NameTaken);
        }
        (None, IncidentCommand::Close) => {
            return IncidentDecision::Refused(IncidentRefusal::NotFound);
        }
        (Some(incident), IncidentCommand::Close) if incident.closed_at.is_some() => {
            return IncidentDecision::Refused(IncidentRefusal::Closed);
        }
        (Some(incident), IncidentCommand::Close) => {
            Incident { closed_at: Some(now.max(incident.opened_at)), ..incident.clone() }
        }
    };
    next.version += 1;
    next.memory.remember(act);
    IncidentDecision::Next(Box::new(next))
}

/// How an incident stands to its own objective: every case answered for good in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IncidentFigures {
    /// How many cases belong or belonged to it.
    pub cases: u32,
    /// How many of them wait for a first response or a reply.
    pub unanswered: u32,
    /// How many have ended.
    pub ended: u32,
    /// How many ended within the share's time.
    pub ended_within_share: u32,
    /// How many ended within the objective.
    pub ended_within_objective: u32,
}

/// What a desk wants of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Objective {
    /// Every case answered for good within this.
    pub answered_within: Duration,
    /// The share answered within this is reported.
    pub share_within: Duration,
}

impl Default for Objective {
    /// Answered within hours, and the 90 minutes that were kept in November 2015.
    fn default() -> Self {
        Self { answered_within: Duration::from_hours(4), share_within: Duration::from_mins(90) }
    }
}

impl IncidentFigures {
    /// Counts `case` in.
    pub fn count(&mut self, case: &Case, objective: &Objective) {
        self.cases += 1;
        self.unanswered += u32::from(case.response_clock().is_some());
        let Some(ended) = &case.ended else { return };
        let took = ended.at.since(case.accepted_at);
        self.ended += 1;
        self.ended_within_share += u32::from(took <= objective.share_within);
        self.ended_within_objective += u32::from(took <= objective.answered_within);
    }
}

/// The first case of a lane, as far as taking turns goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Where it waits.
    pub place: Place,
    /// Whether it is an emergency to which an answer is owed.
    pub is_owed: bool,
}

impl Head {
    /// The head that `case` is at `place`.
    #[must_use]
    pub fn of(case: &Case, place: Place) -> Self {
        let is_emergency = case.nature.class() == Class::Emergency;
        Self { place, is_owed: is_emergency && case.response_clock().is_some() }
    }
}

/// From which lane the next case is taken: while emergencies without an answer wait in both, they take
/// turns; otherwise the more urgent place goes first.
#[must_use]
pub fn next_lane(ordinary: Option<Head>, incident: Option<Head>, latest: Lane) -> Option<Lane> {
    match (ordinary, incident) {
        (None, None) => None,
        (Some(_), None) => Some(Lane::Ordinary),
        (None, Some(_)) => Some(Lane::Incident),
        (Some(ordinary), Some(incident)) if ordinary.is_owed && incident.is_owed => {
            Some(match latest {
                Lane::Ordinary => Lane::Incident,
                Lane::Incident => Lane::Ordinary,
            })
        }
        (Some(ordinary), Some(incident)) => {
            let is_ordinary_first = ordinary.place <= incident.place;
            Some(if is_ordinary_first { Lane::Ordinary } else { Lane::Incident })
        }
    }
}
