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
use super::{Case, Facts, Sorting};

/// How many characters the facts told of one incident may come to.
pub const FACTS_CHARS_MAX: usize = 100_000;

/// How long a closed incident is shown beside the open ones: its figures are its result.
const SHOWN_FOR: Duration = Duration::from_hours(30 * 24);

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
        let is_country = self.countries.is_empty() || self.countries.contains(&facts.country);
        self.is_named(facts) || (self.natures.contains(&nature) && is_country)
    }

    fn is_named(&self, facts: &Facts) -> bool {
        self.tag.is_some() && self.tag == facts.incident_tag
    }
}

impl Incident {
    /// Whether `case` belongs. What was over before the incident was opened does so only if its sender
    /// named it: a nature alone says too little of the past.
    #[must_use]
    pub fn takes(&self, case: &Case) -> bool {
        let was_over = case.ended.as_ref().is_some_and(|ended| ended.at < self.opened_at);
        let covers = self.rule.covers(case.nature, &case.facts);
        covers && case.purged_at.is_none() && (!was_over || self.rule.is_named(&case.facts))
    }

    /// Whether it is shown at `now`: while it is open, and for a while after.
    #[must_use]
    pub fn is_shown(&self, now: Timestamp) -> bool {
        self.closed_at.is_none_or(|closed_at| now.since(closed_at) <= SHOWN_FOR)
    }
}

/// What a case must be told so that it belongs to the one of the `open` incidents to which it should, the
/// first that takes it unless it belongs to another that does. A case that has ended keeps the incident
/// that it ended in.
#[must_use]
pub fn sortings(case: &Case, open: &[Incident]) -> Vec<Sorting> {
    let mut sortings = Vec::new();
    if let Some(name) = &case.incident {
        let stays = open.iter().any(|incident| incident.name == *name && incident.takes(case));
        if stays || case.has_ended() {
            return sortings;
        }
        sortings.push(Sorting::LeaveIncident(name.clone()));
    }
    let taking = open.iter().find(|incident| incident.takes(case));
    sortings.extend(taking.map(|incident| Sorting::JoinIncident(incident.name.clone())));
    sortings
}

/// The incident whose facts are shown with `case`, of all that there are, the latest opened first: they
/// are while the case is open, also when its incident is closed by then, or while the incident is; with
/// what was purged never.
#[must_use]
pub fn facts_shown<'a>(case: &Case, incidents: &'a [Incident]) -> Option<&'a IncidentName> {
    if case.purged_at.is_some() {
        return None;
    }
    let is_of_case = |incident: &&Incident| {
        let was_open = |closed_at| case.accepted_at <= closed_at;
        let belonged = incident.takes(case) && incident.closed_at.is_none_or(was_open);
        let named = case.incident.as_ref().map(|name| incident.name == *name);
        named.unwrap_or(belonged && !case.has_ended())
    };
    let incident = incidents.iter().find(is_of_case)?;
    (!case.has_ended() || incident.closed_at.is_none()).then_some(&incident.name)
}

/// What somebody asks of an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IncidentCommand {
    /// Open it.
    Open(IncidentName, JoinRule),
    /// Add to the facts told of it, which come to this many characters then.
    AddFacts(usize),
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

/// Why an incident cannot be opened, added to or closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IncidentRefusal {
    /// There is none of this name.
    #[error("there is no incident of this name; OversightService.GetStatus lists those there are")]
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
    /// The facts would become too long.
    #[error(
        "the facts of this incident would come to more than {FACTS_CHARS_MAX} characters; send fewer"
    )]
    FactsTooLong,
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
        (None, IncidentCommand::AddFacts(_) | IncidentCommand::Close) => {
            return IncidentDecision::Refused(IncidentRefusal::NotFound);
        }
        (Some(incident), IncidentCommand::AddFacts(_) | IncidentCommand::Close)
            if incident.closed_at.is_some() =>
        {
            return IncidentDecision::Refused(IncidentRefusal::Closed);
        }
        (Some(_), IncidentCommand::AddFacts(chars)) if *chars > FACTS_CHARS_MAX => {
            return IncidentDecision::Refused(IncidentRefusal::FactsTooLong);
        }
        (Some(incident), IncidentCommand::AddFacts(_)) => incident.clone(),
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
    /// How many have not ended though the share's time is over.
    pub overdue_share: u32,
    /// How many have not ended though the objective is over.
    pub overdue: u32,
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
    /// Counts `case` in, as it stands at `now`.
    pub fn count(&mut self, case: &Case, objective: &Objective, now: Timestamp) {
        self.cases += 1;
        self.unanswered += u32::from(case.response_clock().is_some());
        let took = case.ended.as_ref().map_or(now, |ended| ended.at).since(case.accepted_at);
        let is_within_share = took <= objective.share_within;
        let is_within_objective = took <= objective.answered_within;
        if case.has_ended() {
            self.ended += 1;
            self.ended_within_share += u32::from(is_within_share);
            self.ended_within_objective += u32::from(is_within_objective);
        } else {
            self.overdue_share += u32::from(!is_within_share);
            self.overdue += u32::from(!is_within_objective);
        }
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
