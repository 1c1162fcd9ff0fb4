//! The desk as a model: what may happen next in a world, and what becomes of it.
//!
//! A replica loads a case and decides, and commits in a later step, so that everything else may
//! happen in between: deciding touches nothing that is shared. The network between people and
//! replicas keeps whatever was sent: it delivers any of it at any time, any number of times, or
//! never, which is all that loss, repetition, delay and retries can do. What is sent arrives a first
//! time at once, and an answer is heard at once or never: to send, to arrive, to hear and to act on it
//! later are all the same.

use std::sync::Arc;

use stateright::{Model, Property};
use urgence::core::standing::{StandingCommand, StandingDecision};
use urgence::core::{
    Act, AuthorityStanding, CaseId, Command, Decision, Deed, RequestDigest, Role, SuspensionReason,
    decide,
};

use crate::always::{ALWAYS, Condition};
use crate::ledger::{Observed, Rule};
use crate::policy::{at, policy};
use crate::wish::{Request, Wish, name};
use crate::world::{Actor, Answer, Filed, Job, Person, Task, World};

/// How many decisions are in hand at once, each at another replica or in another call.
const REPLICAS: usize = 2;

/// Who may do what and for how long, which bounds the model, and what must be possible in it.
pub struct Scenario {
    /// The request that is a case already when the model begins.
    pub accepted: Option<Request>,
    /// Who does what to it before anything else may happen.
    pub already: &'static [(usize, Wish)],
    /// Who may act.
    pub actors: &'static [Actor],
    /// The last tick.
    pub until: u8,
    /// How often the authority is suspended or reinstated, by supervisors of whom nothing more is told.
    pub standing_changes_max: u64,
    /// How many worlds there are at least, so that the bound does not shrink unseen.
    pub worlds_min: usize,
    /// What must be possible.
    pub sometimes: &'static [(&'static str, Condition)],
}

/// The model of a scenario.
pub struct Desk(pub &'static Scenario);

/// One thing that may happen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// Time goes on.
    Tick,
    /// A person sends something, and a replica receives it.
    Send(usize, Wish),
    /// A replica receives a person's message of this number once more.
    Repeat(usize, usize),
    /// A timer sees that a wake has come.
    Wake(CaseId),
    /// The task in hand is committed; whether the answer arrives.
    Commit(usize, bool),
    /// The replica stops and forgets the task.
    Crash(usize),
    /// A supervisor changes how the authority stands, decided and committed at once: which of two
    /// supervisors is first makes no difference to what rests on it.
    Stand(StandingCommand),
}

impl Model for Desk {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let mut world = World {
            now: 0,
            cases: [].into(),
            standing: Arc::new(AuthorityStanding::new(name("fr-pnij"))),
            people: vec![Person::default(); self.0.actors.len()],
            in_hand: Vec::new(),
            broken: [].into(),
        };
        if let Some(request) = self.0.accepted {
            let accept = Command::Accept(request.intake().clone());
            let Decision::Next(next) = decide(None, &accept, at(0), policy()) else {
                unreachable!("a new request is accepted")
            };
            let id = next.case.id;
            file(&mut world, &accept, &Task::new(Job::Wake(id), 0, *next));
        }
        for (who, wish) in self.0.already {
            let number = world.send(&self.0.actors[*who], *who, *wish);
            let loaded = self.load(&world, Job::Message(*who, number));
            world = self.commit(&loaded.expect("what is done already is allowed"), 0, true);
        }
        vec![world]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        if !world.broken.is_empty() {
            return;
        }
        if world.now < self.0.until {
            steps.push(Step::Tick);
        }
        if world.standing.version < self.0.standing_changes_max {
            let suspend = StandingCommand::Suspend(SuspensionReason::Fraud);
            steps.extend([suspend, StandingCommand::Reinstate].map(Step::Stand));
        }
        for (index, task) in world.in_hand.iter().enumerate() {
            steps.extend([Step::Commit(index, true), Step::Crash(index)]);
            if world.is_awaited(task.job) {
                steps.push(Step::Commit(index, false));
            }
        }
        if world.in_hand.len() == REPLICAS {
            return;
        }
        for (who, (actor, person)) in self.0.actors.iter().zip(&world.people).enumerate() {
            steps.extend((0..person.sent.len()).map(|number| Step::Repeat(who, number)));
            if !person.is_waiting() && person.sent.len() < actor.acts_max {
                let can = |wish: &&Wish| person.epoch > 0 || !wish.takes_epoch();
                let wishes = actor.wishes.iter().filter(can);
                steps.extend(wishes.map(|wish| Step::Send(who, *wish)));
            }
        }
        let is_due = |filed: &Arc<Filed>| filed.wake_at.is_some_and(|wake| wake <= at(world.now));
        let due = world.cases.iter().filter(|(_, filed)| is_due(filed));
        steps.extend(due.map(|(id, _)| Step::Wake(*id)));
    }

    fn next_state(&self, last: &World, step: Step) -> Option<World> {
        let mut world = match step {
            Step::Tick => tick(last),
            Step::Send(who, wish) => {
                let mut world = last.clone();
                let number = world.send(&self.0.actors[who], who, wish);
                self.load(&world, Job::Message(who, number)).unwrap_or(world)
            }
            Step::Repeat(who, number) => self.load(last, Job::Message(who, number))?,
            Step::Wake(id) => self.load(last, Job::Wake(id))?,
            Step::Commit(index, is_heard) => self.commit(last, index, is_heard),
            Step::Crash(index) => without(last, index),
            Step::Stand(command) => stand(last, command)?,
        };
        world.sort_in_hand();
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let always = ALWAYS.iter().map(|(name, is_so)| Property::always(name, *is_so));
        let sometimes = self.0.sometimes.iter();
        always.chain(sometimes.map(|(name, is_so)| Property::sometimes(name, *is_so))).collect()
    }
}

impl Desk {
    /// Loads the case and decides: what is to be committed is in hand then, and what needs no commit
    /// is answered at once. Nothing, if nobody waits for that answer.
    fn load(&self, last: &World, job: Job) -> Option<World> {
        let (id, command) = command(last, job);
        let filed = last.cases.get(&id);
        let case = filed.map(|filed| filed.case());
        let answer = match decide(case, &command, at(last.now), policy()) {
            Decision::Next(next) => {
                let mut world = last.clone();
                let task = Task::new(job, last.now, *next);
                if !last.is_current(&task) {
                    // It could never be committed.
                    world.broken.insert(Rule::InOrder);
                }
                world.in_hand.push(task);
                return Some(world);
            }
            Decision::AlreadyTrue => Answer::Replayed,
            Decision::Refused(refusal) => Answer::Refused(refusal),
        };
        last.is_awaited(job).then(|| {
            let mut world = last.clone();
            self.answer(&mut world, job, answer);
            world
        })
    }

    /// The store's part: compares the version, then the age, and writes all or nothing. Where it
    /// writes nothing the replica loads again, which is what a repeat or the next look at the timer
    /// does.
    fn commit(&self, last: &World, index: usize, is_heard: bool) -> World {
        let mut world = without(last, index);
        let task = &last.in_hand[index];
        if last.is_current(task) && !last.is_too_old(task) {
            let (_, command) = command(last, task.job);
            file(&mut world, &command, task);
            if is_heard {
                self.answer(&mut world, task.job, Answer::Done);
            }
        }
        world
    }

    /// Tells whoever waits for it what came of a job.
    fn answer(&self, world: &mut World, job: Job, answer: Answer) {
        let Job::Message(who, number) = job else { return };
        if !world.is_awaited(job) {
            return;
        }
        let person = &mut world.people[who];
        let sent = &mut person.sent[number];
        sent.answer = Some(answer);
        // With the answer comes the case as it is now.
        let claim = world.cases.get(&sent.case).and_then(|filed| filed.case().claim.as_ref());
        let claim = claim.filter(|claim| claim.by.as_str() == self.0.actors[who].name);
        if let Some(claim) = claim.filter(|_| !matches!(answer, Answer::Refused(_))) {
            person.epoch = claim.epoch;
            person.holds_until = Some(claim.expires_at).filter(|until| *until > at(world.now));
        }
    }
}

fn tick(last: &World) -> World {
    let mut world = World { now: last.now + 1, ..last.clone() };
    for person in &mut world.people {
        person.holds_until = person.holds_until.filter(|until| *until > at(world.now));
    }
    world
}

/// The world where the authority stands otherwise, if the rules allow it.
fn stand(last: &World, command: StandingCommand) -> Option<World> {
    let number = name(&last.standing.version.to_string());
    let roles = [Role::Supervisor].into();
    let act = Act::new(name("sam"), roles, number, RequestDigest([0; 32]));
    match last.standing.decide(&act, command, at(last.now)) {
        StandingDecision::Next(next, _) => {
            Some(World { standing: Arc::from(next), ..last.clone() })
        }
        StandingDecision::AlreadyTrue | StandingDecision::Refused(_) => None,
    }
}

/// The world without this task in hand.
fn without(last: &World, index: usize) -> World {
    let mut world = last.clone();
    world.in_hand.remove(index);
    world
}

/// The case that a job is about, and what is asked of it, with how the authority stands now where that
/// matters.
fn command(world: &World, job: Job) -> (CaseId, Arc<Command>) {
    match job {
        Job::Wake(id) => (id, Arc::new(Command::Wake)),
        Job::Message(who, number) => {
            let sent = &world.people[who].sent[number];
            let command = match sent.command.as_ref() {
                Command::Act(act, Deed::ApproveOutcome(number, _)) => {
                    let deed = Deed::ApproveOutcome(*number, world.standing.standing());
                    Arc::new(Command::Act(act.clone(), deed))
                }
                Command::Act(..)
                | Command::Accept(_)
                | Command::Sort(_)
                | Command::Report(_)
                | Command::Wake => sent.command.clone(),
            };
            (sent.case, command)
        }
    }
}

/// Puts the case into the store and lets the observer see it.
fn file(world: &mut World, command: &Command, task: &Task) {
    let id = task.next.case.id;
    let before = world.cases.get(&id).map(Arc::as_ref);
    let is_suspended = world.standing.suspension.is_some();
    let seen = Observed::new(before, command, at(task.tick), &task.next, is_suspended);
    let (ledger, broken) = seen.judge();
    world.broken = broken;
    world.cases.insert(id, Arc::new(Filed::new(task, ledger)));
}
