//! What there is at one instant: the store, the people, and what the replicas have in hand.
//!
//! Two worlds that no future can tell apart hash alike. Left out of the hash, therefore, are the
//! numbers of versions (only whether what was loaded is still the latest matters), the order of
//! remembered acts, and which replica is which.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex};

use urgence::core::projection::wake_at;
use urgence::core::{
    AuthorityStanding, Case, CaseId, Command, Epoch, Memory, Next, Refusal, Role, Timestamp,
};

use crate::ledger::{Ledger, Rule, epoch_of};
use crate::wish::Wish;

/// How old a decision may be when it is committed, in ticks.
pub const AGE_MAX: u8 = 1;

/// Somebody who may act: what does not change about them.
#[derive(Debug)]
pub struct Actor {
    /// As the transport knows them.
    pub name: &'static str,
    /// As what they act.
    pub roles: &'static [Role],
    /// What they may wish, at any time and in any order.
    pub wishes: &'static [Wish],
    /// How often they act, with what they have done already.
    pub acts_max: usize,
}

/// All there is at one instant.
#[derive(Clone, Debug, PartialEq)]
pub struct World {
    /// How many ticks have passed.
    pub now: u8,
    /// The store.
    pub cases: BTreeMap<CaseId, Arc<Filed>>,
    /// How the authority stands with the desk.
    pub standing: Arc<AuthorityStanding>,
    /// In the order of the scenario's actors.
    pub people: Vec<Person>,
    /// What the replicas have in hand. They are alike, so it does not matter which has what.
    pub in_hand: Vec<Task>,
    /// The rules that the last step broke. Nothing happens after that.
    pub broken: BTreeSet<Rule>,
}

/// A case as the store has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Filed {
    /// What made it what it is.
    pub next: Arc<Next>,
    /// The timer's index, written with every commit.
    pub wake_at: Option<Timestamp>,
    /// What an observer has written down of it.
    pub ledger: Ledger,
    /// What the case is hashed by.
    number: usize,
}

/// What a person has said and knows.
#[derive(Clone, Debug, Default, PartialEq, Hash)]
pub struct Person {
    /// What they have sent. They wait for the answer to the last before they send anything more.
    pub sent: Vec<Sent>,
    /// The latest epoch they were told.
    pub epoch: Epoch,
    /// Until when they believe that they hold the case.
    pub holds_until: Option<Timestamp>,
}

/// What was sent. The network delivers it any number of times, or never.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// What it was meant to do.
    pub wish: Wish,
    /// Which case it is about.
    pub case: CaseId,
    /// What it says, under the epoch that its sender knew.
    pub command: Arc<Command>,
    /// What came of it, as far as the sender was told.
    pub answer: Option<Answer>,
    /// Whether it was told to be done and something else was sent since. Since the case remembers
    /// it, a repeat does nothing, and which act it was no longer matters.
    pub is_past: bool,
}

/// What somebody is told about what they sent.
#[derive(Clone, Copy, Debug, PartialEq, Hash)]
pub enum Answer {
    /// It is done.
    Done,
    /// It was done before.
    Replayed,
    /// It cannot be done.
    Refused(Refusal),
}

/// What one replica has in hand: loaded and decided, and not yet committed.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// What is to be done.
    pub job: Job,
    /// When it was decided.
    pub tick: u8,
    /// What was decided.
    pub next: Arc<Next>,
    /// What the case that it makes is hashed by.
    number: usize,
}

impl Task {
    /// What a replica has in hand when it has decided.
    pub fn new(job: Job, tick: u8, next: Next) -> Self {
        Self { job, tick, number: number_of(&next.case), next: Arc::new(next) }
    }
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Job {
    /// A wake of this case has come.
    Wake(CaseId),
    /// A person's message, by the person and its number.
    Message(usize, usize),
}

impl Person {
    /// Whether they have sent something and not been told what came of it.
    pub fn is_waiting(&self) -> bool {
        self.sent.last().is_some_and(|sent| sent.answer.is_none())
    }

    /// Whether this is what they were told last.
    pub fn has_heard(&self, answer: Answer) -> bool {
        self.sent.last().is_some_and(|sent| sent.answer == Some(answer))
    }

    /// Sends something about this case, and says its number.
    fn send(&mut self, actor: &Actor, wish: Wish, case: CaseId) -> usize {
        if matches!(wish, Wish::Release | Wish::HandOver(_)) {
            self.holds_until = None;
        }
        if let Some(last) = self.sent.last_mut() {
            last.is_past = matches!(last.answer, Some(Answer::Done | Answer::Replayed))
                && !matches!(last.wish, Wish::Submit(_));
        }
        let number = self.sent.len();
        let command = Arc::new(wish.command(actor, self.epoch, number));
        self.sent.push(Sent { wish, case, command, answer: None, is_past: false });
        number
    }
}

impl Hash for Sent {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.is_past.hash(state);
        if !self.is_past {
            let epoch = match self.command.as_ref() {
                Command::Act(_, deed) => epoch_of(deed),
                Command::Accept(_) | Command::Sort(_) | Command::Report(_) | Command::Wake => None,
            };
            (self.wish, epoch, self.answer).hash(state);
        }
    }
}

impl Filed {
    /// The case as a task leaves it.
    pub fn new(task: &Task, ledger: Ledger) -> Self {
        let next = task.next.clone();
        Self { wake_at: wake_at(&next.case), next, ledger, number: task.number }
    }

    /// The case.
    pub fn case(&self) -> &Case {
        &self.next.case
    }
}

impl World {
    /// Lets a person send something about the one case there is, unless it is a request, and says its
    /// number.
    pub fn send(&mut self, actor: &Actor, who: usize, wish: Wish) -> usize {
        let case = match wish {
            Wish::Submit(request) => request.intake().case_id(),
            _ => self.cases.keys().next().copied().expect("there is a case to act on"),
        };
        self.people[who].send(actor, wish, case)
    }

    /// The version that the store has of this case; 0 for none.
    pub fn version(&self, id: CaseId) -> u64 {
        self.cases.get(&id).map_or(0, |filed| filed.case().version)
    }

    /// Whether a task was decided on what the store still has: the case, and the standing of its
    /// authority where it rests on that.
    pub fn is_current(&self, task: &Task) -> bool {
        let is_same = |version| version == self.standing.version;
        self.is_of_latest(task) && task.next.rests_on.is_none_or(is_same)
    }

    /// Whether a task was decided on the case that the store still has.
    pub fn is_of_latest(&self, task: &Task) -> bool {
        self.version(task.next.case.id) + 1 == task.next.case.version
    }

    /// Whether somebody waits to be told what came of a job.
    pub fn is_awaited(&self, job: Job) -> bool {
        match job {
            Job::Wake(_) => false,
            Job::Message(who, number) => self.people[who].sent[number].answer.is_none(),
        }
    }

    /// The one case there is, in the models that have but one.
    pub fn case(&self) -> Option<&Case> {
        self.cases.values().next().map(|filed| filed.case())
    }

    /// Whether a task was decided too long ago to be committed.
    pub fn is_too_old(&self, task: &Task) -> bool {
        self.now - task.tick > AGE_MAX
    }

    /// Puts what is in hand in an order of its own.
    pub fn sort_in_hand(&mut self) {
        let mut in_hand = std::mem::take(&mut self.in_hand);
        in_hand.sort_by_key(|task| self.prospect(task));
        self.in_hand = in_hand;
    }

    /// All that matters of a task: what was decided follows from the case, the job and the tick, and
    /// nothing comes of it when it can no longer be committed.
    fn prospect(&self, task: &Task) -> Option<(Job, u8)> {
        let is_lost = !self.is_current(task) || self.is_too_old(task);
        (!is_lost).then_some((task.job, task.tick))
    }
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.now, self.cases.len(), self.in_hand.len()).hash(state);
        for (id, filed) in &self.cases {
            (id, filed.number, &filed.ledger).hash(state);
        }
        (self.standing.version, self.standing.suspension.is_some()).hash(state);
        self.people.hash(state);
        for task in &self.in_hand {
            self.prospect(task).hash(state);
        }
        self.broken.hash(state);
    }
}

/// The number of a case: the same for all that are equal but for their version, the order of their
/// memory and the times of their pages, whatever fields a case has. Comparing their texts is quicker than hashing them each time.
fn number_of(case: &Case) -> usize {
    static NUMBERS: Mutex<BTreeMap<String, usize>> = Mutex::new(BTreeMap::new());
    let acts = case.memory.iter().map(|remembered| u128::from_be_bytes(remembered.key));
    let acts: BTreeSet<u128> = acts.collect();
    let mut plain = Case { version: 0, memory: Memory::default(), ..case.clone() };
    // Whether a page was queued matters, and to no decision when.
    let never = Timestamp::from_millis(0);
    plain.pages.iter_mut().for_each(|record| {
        record.queued_at = never;
        record.claimed_at = record.claimed_at.map(|_| never);
        record.closed_at = record.closed_at.map(|_| never);
    });
    let mut numbers = NUMBERS.lock().expect("nothing here panics with the lock");
    let next = numbers.len();
    *numbers.entry(format!("{plain:?} {acts:x?}")).or_insert(next)
}
