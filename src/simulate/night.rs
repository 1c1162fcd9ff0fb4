//! One night: what happens, in the order in which it happens.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use super::agenda::Happening;
use super::arrivals::{Arrival, Truth, arrivals};
use super::desk::{Desk, Person};
use super::options::Options;
use super::portal;
use super::report::{CaseFigures, Report, Sample};
use super::shift::{Shift, beginning};
use super::staff::Responder;
use crate::core::{CaseId, Class, Deed, IncidentName, Refusal, Role, Timestamp};

/// How long it takes until somebody sees that many requests are about one event.
const INCIDENT_SEEN_AFTER: Duration = Duration::from_mins(15);
/// How many times a night is looked at for the charts, at most.
const SAMPLES_MAX: u32 = 720;

/// What is left to do on a case, and for whom it was drawn.
pub(super) struct Dossier {
    arrival: usize,
    pub(super) answering_left: Duration,
    pub(super) collecting_left: Duration,
}

/// A night while it goes by.
pub(super) struct Night<'a> {
    pub(super) options: &'a Options,
    pub(super) desk: Desk<'a>,
    arrivals: Vec<Arrival>,
    pub(super) dossiers: BTreeMap<CaseId, Dossier>,
    pub(super) responders: Vec<Responder>,
    /// Who is there.
    pub(super) shift: Shift,
    /// Who waits for something to do, the longest first.
    pub(super) line: VecDeque<usize>,
    /// Proposals that wait for a colleague, the oldest first.
    pub(super) proposals: VecDeque<(CaseId, u32)>,
    on_call: Rc<Person>,
    portal: Person,
    supervisor: Person,
    samples: Vec<Sample>,
}

impl<'a> Night<'a> {
    pub(super) fn new(options: &'a Options) -> Self {
        let begins_at = beginning(options.scenario);
        let legal = [Role::Responder, Role::LegalReviewer];
        let mut night = Self {
            options,
            desk: Desk::new(&options.policy, begins_at),
            arrivals: arrivals(options),
            dossiers: BTreeMap::new(),
            responders: Responder::all(options.responders),
            shift: Shift::at(begins_at),
            line: VecDeque::new(),
            proposals: VecDeque::new(),
            on_call: Rc::new(Person::new("legal-on-call", &legal)),
            portal: Person::new("portal", &[Role::Portal]),
            supervisor: Person::new("shift-lead", &[Role::Supervisor]),
            samples: Vec::new(),
        };
        night.desk.agenda.note(begins_at, Happening::ShiftChange);
        for (number, arrival) in night.arrivals.iter().enumerate() {
            night.desk.agenda.note(arrival.at, Happening::Arrival(number));
        }
        if options.has_incident_lane && night.arrivals.iter().any(|it| it.is_of_incident) {
            night.desk.agenda.note(begins_at + INCIDENT_SEEN_AFTER, Happening::IncidentSeen);
        }
        night
    }

    /// Lets the night go by.
    pub(super) fn run(mut self) -> Report {
        let ends_at = self.desk.now + self.options.lasts();
        let every = Duration::from_mins(1).max(self.options.lasts() / SAMPLES_MAX);
        let mut sampled_at = self.desk.now;
        while let Some((at, happening)) = self.desk.agenda.next_before(ends_at) {
            while sampled_at < at {
                self.sample(sampled_at);
                sampled_at = sampled_at + every;
            }
            self.desk.now = at;
            self.happen(happening);
            self.serve_line();
        }
        while sampled_at <= ends_at {
            self.sample(sampled_at);
            sampled_at = sampled_at + every;
        }
        self.report(ends_at)
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Arrival(number) => self.arrive(number),
            Happening::IncidentSeen => {
                let name: IncidentName = "attack".parse().expect("a word that follows the rule");
                self.desk.open_incident(&name, &self.supervisor);
            }
            Happening::Wake(id) => {
                self.desk.wake(id).expect("a wake is refused to nobody");
                self.free_former_holder(id);
            }
            Happening::LookUp(who, turn) => self.look_up(who, turn),
            Happening::ShiftChange => self.change_shift(),
            Happening::Information(id) => self.inform(id),
            Happening::Delivery(id, number) => {
                // Nothing in this room takes a disclosure back.
                _ = self.desk.act(id, &self.portal, Deed::ConfirmDelivery(number));
            }
            Happening::OnCall(id, number) => {
                let on_call = Rc::clone(&self.on_call);
                // Somebody at the desk may have been faster.
                _ = self.approve(id, &on_call, number);
            }
        }
    }

    fn arrive(&mut self, number: usize) {
        let arrival = &self.arrivals[number];
        let intake = portal::intake(arrival, number);
        let dossier = Dossier {
            arrival: number,
            answering_left: arrival.truth.answering,
            collecting_left: arrival.truth.collecting,
        };
        self.dossiers.insert(intake.case_id(), dossier);
        self.desk.accept(intake).expect("every request has an id of its own");
    }

    /// The authority answers; the desk then has the same work before it as at first.
    fn inform(&mut self, id: CaseId) {
        if self.desk.act(id, &self.portal, Deed::ProvideInformation).is_ok() {
            let answering = self.truth(id).answering;
            self.dossier(id).answering_left = answering;
        }
    }

    pub(super) fn act(&mut self, id: CaseId, by: &Person, deed: Deed) -> Result<(), Refusal> {
        let done = self.desk.act(id, by, deed);
        self.free_former_holder(id);
        done
    }

    pub(super) fn truth(&self, id: CaseId) -> &Truth {
        &self.arrivals[self.dossiers[&id].arrival].truth
    }

    pub(super) fn dossier(&mut self, id: CaseId) -> &mut Dossier {
        self.dossiers.get_mut(&id).expect("every case has its dossier")
    }

    fn sample(&mut self, at: Timestamp) {
        let mut sample = Sample::of(at);
        for case in self.desk.open_cases() {
            let is_waiting = case.response_clock().is_some() && case.claim.is_none();
            let count = match (is_waiting, case.nature.class(), &case.incident) {
                (true, Class::Emergency, None) => &mut sample.ordinary,
                (true, Class::Emergency, Some(_)) => &mut sample.incident,
                (true, Class::Routine, _) => &mut sample.routine,
                (false, _, _) if case.first_response.is_some() => &mut sample.answered,
                (false, _, _) => continue,
            };
            *count += 1;
        }
        sample.on_duty = self.options.responders.of(self.shift);
        sample.idle = u32::try_from(self.line.len()).unwrap_or(u32::MAX);
        self.samples.push(sample);
    }

    fn report(self, ends_at: Timestamp) -> Report {
        let dossiers = self.dossiers;
        let (cases, tally) = self.desk.into_cases();
        let mut figures: Vec<(usize, CaseFigures)> = cases
            .iter()
            .map(|case| {
                let number = dossiers[&case.id].arrival;
                let is_of_incident = self.arrivals[number].is_of_incident;
                let responses = tally.first_responses.get(&case.id).copied().unwrap_or_default();
                (number, CaseFigures::of(case, ends_at, is_of_incident, responses))
            })
            .collect();
        figures.sort_by_key(|(number, _)| *number);
        Report {
            options: self.options.clone(),
            begins_at: beginning(self.options.scenario),
            ends_at,
            cases: figures.into_iter().map(|(_, figures)| figures).collect(),
            samples: self.samples,
            tally,
        }
    }
}
