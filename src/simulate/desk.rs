//! The desk without its people: the cases, the two lanes, and the one way to change anything, which
//! is the core's `decide`. What the store does in earnest is done here in memory: a transition and
//! its projections are written together, and the case's wake goes on the agenda.

use std::collections::{BTreeMap, BTreeSet};

use super::agenda::{Agenda, Happening};
use super::portal;
use super::tally::Tally;
use crate::core::incident::{
    Head, IncidentCommand, IncidentDecision, JoinRule, decide_incident, next_lane,
};
use crate::core::projection::{Place, Projection, project, ready};
use crate::core::{
    Act, Case, CaseId, Class, Command, Decision, Deed, Incident, IncidentName, Intake, Lane,
    Policy, Refusal, RequestDigest, Role, Sorting, Subject, Timestamp, decide,
};

/// Somebody who acts.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) subject: Subject,
    pub(super) roles: BTreeSet<Role>,
}

impl Person {
    pub(super) fn new(subject: &str, roles: &[Role]) -> Self {
        let subject = subject.parse().expect("names in this room follow the rule");
        Self { subject, roles: roles.iter().copied().collect() }
    }
}

/// A case that waits, as it stands in its lane.
type Waiting = (Place, CaseId);

/// What waits in one lane.
#[derive(Default)]
struct Waitings {
    all: BTreeSet<Waiting>,
    /// The emergencies among them that have no answer.
    unanswered: BTreeSet<Waiting>,
}

pub(super) struct Desk<'a> {
    pub(super) policy: &'a Policy,
    pub(super) now: Timestamp,
    pub(super) agenda: Agenda,
    pub(super) tally: Tally,
    cases: BTreeMap<CaseId, (Case, Projection)>,
    lanes: BTreeMap<Lane, Waitings>,
    /// Every case that has not ended.
    open: BTreeSet<CaseId>,
    /// From which lane the latest case was claimed.
    latest_lane: Lane,
    incident: Option<Incident>,
    acts: u64,
}

impl<'a> Desk<'a> {
    pub(super) fn new(policy: &'a Policy, now: Timestamp) -> Self {
        Self {
            policy,
            now,
            agenda: Agenda::default(),
            tally: Tally::default(),
            cases: BTreeMap::new(),
            lanes: Lane::ALL.iter().map(|lane| (*lane, Waitings::default())).collect(),
            open: BTreeSet::new(),
            latest_lane: Lane::Incident,
            incident: None,
            acts: 0,
        }
    }

    pub(super) fn case(&self, id: CaseId) -> &Case {
        &self.cases[&id].0
    }

    /// The first place in this lane at which somebody waits for an answer to an emergency.
    pub(super) fn first_waiting(&self, lane: Lane) -> Option<Place> {
        self.lanes[&lane].unanswered.first().map(|(place, _)| *place)
    }

    /// Every case that has not ended.
    pub(super) fn open_cases(&self) -> impl Iterator<Item = &Case> {
        self.open.iter().map(|id| self.case(*id))
    }

    /// Takes a request in; it joins the open incident if it belongs there.
    pub(super) fn accept(&mut self, intake: Intake) -> Result<(), Refusal> {
        let open = self.incident.as_ref();
        let joined = open.filter(|incident| incident.rule.covers(intake.nature, &intake.facts));
        let incident = joined.map(|incident| incident.name.clone());
        self.decide(intake.case_id(), &Command::Accept(Intake { incident, ..intake }))
    }

    /// What a person does to a case.
    pub(super) fn act(&mut self, id: CaseId, by: &Person, deed: Deed) -> Result<(), Refusal> {
        let command = Command::Act(self.next_act(by), deed);
        self.decide(id, &command)
    }

    /// Looks at the case if it still says that this is the instant.
    pub(super) fn wake(&mut self, id: CaseId) -> Result<(), Refusal> {
        let is_due = self.cases[&id].1.wake_at == Some(self.now);
        if is_due { self.decide(id, &Command::Wake) } else { Ok(()) }
    }

    /// Opens an incident and sorts into it what came before.
    pub(super) fn open_incident(&mut self, name: &IncidentName, by: &Person) {
        let rule = JoinRule { tag: portal::incident_tag(), ..JoinRule::default() };
        let act = self.next_act(by);
        let command = IncidentCommand::Open(name.clone(), rule);
        let decision = decide_incident(self.incident.as_ref(), &act, &command, self.now);
        let IncidentDecision::Next(incident) = decision else { return };
        let covered = self.cases.values().map(|(case, _)| case);
        let covered = covered.filter(|case| incident.rule.covers(case.nature, &case.facts));
        let ids: Vec<CaseId> = covered.map(|case| case.id).collect();
        self.incident = Some(*incident);
        for id in ids {
            let sorting = Command::Sort(Sorting::JoinIncident(name.clone()));
            self.decide(id, &sorting).expect("sorting is refused to nobody");
        }
    }

    /// The case that goes to whoever asks now, if `returned` waited too.
    pub(super) fn next_in_line(&self, returned: Option<&Case>) -> Option<(Lane, CaseId)> {
        let returned = returned.and_then(|case| {
            let (lane, place) = ready(case)?;
            Some((lane, (place, case.id)))
        });
        let first = |lane| {
            let returned = returned.filter(|(of, _)| *of == lane).map(|(_, waiting)| waiting);
            self.lanes[&lane].all.first().copied().into_iter().chain(returned).min()
        };
        let (ordinary, incident) = (first(Lane::Ordinary), first(Lane::Incident));
        let head = |(place, id): Waiting| Head::of(self.case(id), place);
        let lane = next_lane(ordinary.map(head), incident.map(head), self.latest_lane)?;
        let chosen = match lane {
            Lane::Ordinary => ordinary,
            Lane::Incident => incident,
        };
        chosen.map(|(_, id)| (lane, id))
    }

    /// Claims what goes to whoever asks now.
    pub(super) fn claim_next(&mut self, by: &Person) -> Option<CaseId> {
        let (lane, id) = self.next_in_line(None)?;
        self.act(id, by, Deed::Claim).ok()?;
        self.latest_lane = lane;
        Some(id)
    }

    pub(super) fn into_cases(self) -> (Vec<Case>, Tally) {
        (self.cases.into_values().map(|(case, _)| case).collect(), self.tally)
    }

    /// An act that nobody has done before.
    fn next_act(&mut self, by: &Person) -> Act {
        self.acts += 1;
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&self.acts.to_be_bytes());
        let request_id = format!("act-{}", self.acts).parse().expect("a word and a number");
        Act::new(by.subject.clone(), by.roles.clone(), request_id, RequestDigest(digest))
    }

    fn decide(&mut self, id: CaseId, command: &Command) -> Result<(), Refusal> {
        let case = self.cases.get(&id).map(|(case, _)| case);
        match decide(case, command, self.now, self.policy) {
            Decision::Next(next) => {
                self.tally.count(&next);
                self.commit(next.case);
                Ok(())
            }
            Decision::AlreadyTrue => Ok(()),
            Decision::Refused(refusal) => Err(refusal),
        }
    }

    fn commit(&mut self, case: Case) {
        let (id, projection) = (case.id, project(&case));
        let is_owed = case.nature.class() == Class::Emergency && projection.unanswered.is_some();
        if case.has_ended() {
            self.open.remove(&id);
        } else {
            self.open.insert(id);
        }
        let before = self.cases.insert(id, (case, projection)).map(|(_, projection)| projection);
        if let Some((lane, place)) = before.and_then(|before| before.ready) {
            let waitings = self.lanes.entry(lane).or_default();
            waitings.all.remove(&(place, id));
            waitings.unanswered.remove(&(place, id));
        }
        if let Some((lane, place)) = projection.ready {
            let waitings = self.lanes.entry(lane).or_default();
            waitings.all.insert((place, id));
            if is_owed {
                waitings.unanswered.insert((place, id));
            }
        }
        let wake_at = projection.wake_at.filter(|at| before.and_then(|it| it.wake_at) != Some(*at));
        if let Some(at) = wake_at {
            self.agenda.note(at, Happening::Wake(id));
        }
    }
}
