//! Redis and its twin in memory under the same 20,000 random operations: whatever is loaded, listed
//! or read from the stream must be the same from both, or what is simulated is not what runs.
//!
//! Decisions are made at a virtual time that runs far faster than Redis's, so that rungs, leases and
//! retention really fall due; what is committed carries the real one, which Redis checks.

mod choice;
mod random;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use urgence::core::incident::{Incident, IncidentDecision, decide_incident};
use urgence::core::policy::{CLOCKS, Rules};
use urgence::core::{
    Act, Case, CaseId, Command, Decision, Lane, Policy, Report, RetentionClass, Timestamp, decide,
};
use urgence::store::{
    Commit, Facts, IncidentCommit, Index, MemoryStore, Outcome, Position, RedisStore, Said, Store,
};

use crate::coverage::{DEEDS, EVENTS, SORTINGS, deed_name, event_name, sorting_name};
use crate::support::make::{authority, before, ms, policy, promise};
use crate::support::redis::{Options, TestRedis};
use crate::{AGE_MAX, all_changes, commit_of, forgotten, load, now, open_unchecked};
use choice::{AUTHORITIES, Choice, OfIncident, incident_names, officer_of, targets};
use random::Random;

const OPERATIONS: usize = 20_000;
/// How many cases are worked on at a time. One that is done makes room for another after a while.
const SLOTS: usize = 40;
/// How much virtual time an operation takes at most. A case has its turn about every second of it.
const STEP_MAX_MS: u64 = 50;
/// `Some` repeats the run that failed.
const SEED: Option<u64> = None;

#[expect(clippy::print_stdout, reason = "the seed is needed to repeat a run that fails")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_and_memory_are_the_same_after_20_000_operations() {
    let seed = SEED.unwrap_or_else(|| RandomState::new().hash_one("seed"));
    println!("the seed of this run is {seed}");
    // What a crash would lose is not asked here, so nothing need be kept on a disk.
    let redis = TestRedis::start_with(Options::default().setting("appendonly", "no"));
    let mut run = Run::start(open_unchecked(redis.url()).await, seed).await;
    for _ in 0..OPERATIONS {
        run.operate().await;
        // A difference shows soon after it came to be.
        if run.operations.is_multiple_of(1_000) {
            run.compare_indexes().await;
            run.compare_figures().await;
        }
    }
    assert_eq!(run.operations, 20_000);
    run.compare_cases().await;
    run.compare_changes().await;
    println!("{} cases; {:?}; {:?}", run.ids.len(), run.met.outcomes, run.met.events);
    println!("{:?}; {:?}", run.met.done, run.met.incidents);
    println!("{} purged while something was said", run.met.purged_while_saying);
    run.met.check_that_everything_happened();
}

/// Rungs at 0, 1, 4 and 6 seconds, then every 5; a lease that sometimes runs out; and everything
/// else within the half minute, so that also the last of a case's instants comes.
fn rules() -> Policy {
    let quick = policy(ms(4_000), ms(7_000), ms(5_000));
    let slow = promise(ms(8_000), ms(9_000));
    let rules = Rules {
        emergency_completion: slow.clone(),
        // Raising a case makes it another promise.
        routine_completion: promise(ms(9_000), ms(10_000)),
        clocks: CLOCKS.into_iter().map(|kind| (kind, slow.clone())).collect(),
        retention: RetentionClass::ALL.iter().map(|class| (*class, ms(10_000))).collect(),
        ..quick.rules().clone()
    };
    Policy::new(rules).unwrap()
}

struct Run {
    random: Random,
    redis: Arc<RedisStore>,
    memory: MemoryStore,
    policy: Policy,
    /// The time at which decisions are made.
    virtual_now: Timestamp,
    /// How often each slot was given a new case.
    slots: [usize; SLOTS],
    ids: Vec<CaseId>,
    /// The latest commands and commits, to be repeated.
    last: Option<Choice>,
    last_commit: Option<Commit>,
    last_of_incident: Option<OfIncident>,
    last_incident_commit: Option<IncidentCommit>,
    /// The latest act that left a note.
    last_noted: Option<Act>,
    operations: usize,
    met: Met,
}

/// What has happened, so that a comparison of what never did is noticed.
#[derive(Default)]
struct Met {
    outcomes: BTreeMap<&'static str, usize>,
    incidents: BTreeMap<&'static str, usize>,
    events: BTreeMap<&'static str, usize>,
    done: BTreeMap<&'static str, usize>,
    /// The kinds of indexes in which something was found.
    indexes: BTreeSet<String>,
    purged_while_saying: usize,
}

/// Everything that may be told of pages.
const REPORTS: [&str; 3] = ["Answered", "Unreached", "FromMemory"];

const fn report_name(report: &Report) -> &'static str {
    match report {
        Report::Answered(..) => REPORTS[0],
        Report::Unreached(..) => REPORTS[1],
        Report::FromMemory(_) => REPORTS[2],
    }
}

const fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Written => "written",
        Outcome::Conflict => "conflict",
        Outcome::Untimely(_) => "untimely",
        Outcome::PolicyMissing => "policy missing",
        Outcome::Noted(_) => "noted",
        Outcome::Elsewhere => "elsewhere",
    }
}

impl Met {
    fn outcome(&mut self, word: &'static str) {
        *self.outcomes.entry(word).or_default() += 1;
    }

    fn written(&mut self, commit: &Commit) {
        for event in &commit.next.events {
            *self.events.entry(event_name(event)).or_default() += 1;
        }
        let has_said = commit.said != Said::Nothing;
        self.purged_while_saying += usize::from(has_said && commit.next.case.purged_at.is_some());
    }

    fn decided(&mut self, command: &Command) {
        let name = match command {
            Command::Act(_, deed) => deed_name(deed),
            Command::Sort(sorting) => sorting_name(sorting),
            Command::Report(report) => report_name(report),
            Command::Accept(_) | Command::Wake => return,
        };
        *self.done.entry(name).or_default() += 1;
    }

    /// A comparison of what never happened would show nothing.
    fn check_that_everything_happened(&self) {
        let names = |counts: &BTreeMap<&'static str, usize>| -> BTreeSet<&str> {
            counts.iter().filter(|(_, count)| **count > 10).map(|(name, _)| *name).collect()
        };
        let outcomes = ["already true", "conflict", "incident", "noted", "refused", "written"];
        assert_eq!(names(&self.outcomes), outcomes.into(), "{:?}", self.outcomes);
        assert_eq!(self.outcomes.values().sum::<usize>(), OPERATIONS);
        assert!(self.outcomes["written"] > OPERATIONS / 4, "{:?}", self.outcomes);
        let incidents = ["already true", "conflict", "refused", "written"];
        assert_eq!(names(&self.incidents), incidents.into(), "{:?}", self.incidents);
        assert_eq!(names(&self.events), EVENTS.iter().copied().collect(), "{:?}", self.events);
        let deeds = DEEDS.iter().chain(SORTINGS).chain(&REPORTS).copied();
        assert_eq!(names(&self.done), deeds.collect(), "{:?}", self.done);
        assert_eq!(self.indexes.len(), 11, "{:?}", self.indexes);
        assert!(self.purged_while_saying > 0, "no act that said something has purged its case");
    }
}

impl Run {
    async fn start(redis: Arc<RedisStore>, seed: u64) -> Self {
        let at = now(redis.as_ref()).await;
        let policy = rules();
        let memory = MemoryStore::new(at);
        redis.keep_policy(&policy).await.unwrap();
        memory.keep_policy(&policy).await.unwrap();
        Self {
            random: Random::new(seed),
            redis,
            memory,
            policy,
            // Early enough that every wake is due at the end, and can be compared.
            virtual_now: before(at, Duration::from_hours(24)),
            slots: [0; SLOTS],
            ids: Vec::new(),
            last: None,
            last_commit: None,
            last_of_incident: None,
            last_incident_commit: None,
            last_noted: None,
            operations: 0,
            met: Met::default(),
        }
    }

    /// One operation: a command to the case of a slot, something about an incident, or the very
    /// commit of before once more.
    async fn operate(&mut self) {
        self.operations += 1;
        self.virtual_now = self.virtual_now + ms(self.random.below(STEP_MAX_MS + 1));
        if self.random.is_one_in(50)
            && let Some(commit) = self.last_commit.clone()
        {
            return self.commit(commit).await;
        }
        if self.random.is_one_in(25) {
            self.met.outcome("incident");
            return self.operate_on_incident().await;
        }
        let choice = self.choose().await;
        let loaded = self.redis.load(&[choice.id]).await.unwrap();
        let observed_at = loaded.now;
        self.memory.set_now(observed_at);
        let case = loaded.cases.into_iter().next().unwrap().unwrap();
        assert_eq!(case, load(&self.memory, choice.id).await, "operation {}", self.operations);
        let decision = decide(case.as_ref(), &choice.command, self.virtual_now, &self.policy);
        match decision {
            Decision::Next(next) => {
                self.met.decided(&choice.command);
                let said = self.said(&choice.command);
                let forgotten = case.map_or(Vec::new(), |case| forgotten(&case, &next.case));
                let (next, note) = (*next, choice.note);
                let age_max = AGE_MAX;
                self.commit(Commit {
                    next,
                    observed_at,
                    age_max,
                    said,
                    forgotten,
                    note,
                    trace: None,
                })
                .await;
            }
            Decision::AlreadyTrue => self.met.outcome("already true"),
            Decision::Refused(_) => self.met.outcome("refused"),
        }
        self.last = Some(choice);
    }

    /// Commits to both, which must say the same.
    async fn commit(&mut self, commit: Commit) {
        let on_redis = self.redis.commit(commit.clone()).await.unwrap();
        let in_memory = self.memory.commit(commit.clone()).await.unwrap();
        assert_eq!(on_redis, in_memory, "operation {}", self.operations);
        self.met.outcome(word(on_redis));
        if on_redis == Outcome::Written {
            self.met.written(&commit);
            let id = commit.next.case.id;
            if commit.next.case.version == 1 {
                self.ids.push(id);
            }
            if commit.said != Said::Nothing {
                self.compare_contents(id).await;
            }
        }
        self.last_commit = Some(commit);
    }

    /// What the command says, if anything: half of the acts do.
    fn said(&mut self, command: &Command) -> Said {
        use urgence::core::Deed::Respond;
        let text = self.random.below(u64::MAX).to_be_bytes().to_vec();
        match command {
            Command::Accept(_) => Said::Request(text.into()),
            Command::Act(_, Respond(..)) => Said::Response(text.into()),
            Command::Act(..) if self.random.is_one_in(2) => Said::Message(text.into()),
            Command::Act(..) | Command::Sort(_) | Command::Report(_) | Command::Wake => {
                Said::Nothing
            }
        }
    }

    /// Opens an incident, closes it, or does what was done before once more.
    async fn operate_on_incident(&mut self) {
        if self.random.is_one_in(8)
            && let Some(commit) = self.last_incident_commit.clone()
        {
            return self.commit_incident(commit).await;
        }
        let OfIncident { name, act, command } = self.choose_of_incident();
        let loaded = self.redis.incident(&name).await.unwrap();
        self.memory.set_now(loaded.now);
        let twin = self.memory.incident(&name).await.unwrap();
        let told = self.redis.incident_facts(&name).await.unwrap();
        let told_to_twin = self.memory.incident_facts(&name).await.unwrap();
        assert_eq!(
            (&loaded.incident, told),
            (&twin.incident, told_to_twin),
            "operation {}",
            self.operations
        );
        match decide_incident(loaded.incident.as_ref(), &act, &command, loaded.now) {
            IncidentDecision::Next(incident) => {
                let text = self.random.below(u64::MAX).to_be_bytes().to_vec();
                let facts = self.random.is_one_in(2).then_some(Facts(text.into()));
                self.commit_incident(commit_of(&incident, facts, loaded.now)).await;
            }
            IncidentDecision::AlreadyTrue => self.count_incident("already true"),
            IncidentDecision::Refused(_) => self.count_incident("refused"),
        }
        self.last_of_incident = Some(OfIncident { name, act, command });
    }

    async fn commit_incident(&mut self, commit: IncidentCommit) {
        let on_redis = self.redis.commit_incident(commit.clone()).await.unwrap();
        let in_memory = self.memory.commit_incident(commit.clone()).await.unwrap();
        assert_eq!(on_redis, in_memory, "operation {}", self.operations);
        self.count_incident(word(on_redis));
        self.last_incident_commit = Some(commit);
    }

    fn count_incident(&mut self, word: &'static str) {
        *self.met.incidents.entry(word).or_default() += 1;
    }

    /// The incidents that are open, which must be the same in both.
    async fn open_incidents(&self) -> Vec<Incident> {
        let mut incidents = self.memory.incidents().await.unwrap();
        incidents.retain(|incident| incident.closed_at.is_none());
        incidents
    }

    async fn compare_contents(&self, id: CaseId) {
        let contents = self.redis.contents(id).await.unwrap();
        let same = contents == self.memory.contents(id).await.unwrap();
        assert!(same, "contents of {id} after operation {}", self.operations);
    }

    async fn compare_cases(&self) {
        let unique: HashSet<_> = self.ids.iter().collect();
        assert_eq!(unique.len(), self.ids.len(), "a case was accepted twice");
        for id in &self.ids {
            let case: Option<Case> = load(self.redis.as_ref(), *id).await;
            assert_eq!(case, load(&self.memory, *id).await, "{id}");
            let is_purged = case.expect("no case is lost").purged_at.is_some();
            let request = self.redis.contents(*id).await.unwrap().request;
            assert_eq!(request.is_none(), is_purged, "the request of {id}");
            self.compare_contents(*id).await;
        }
    }

    async fn compare_indexes(&mut self) {
        let mut indexes = vec![Index::Unanswered, Index::Claimed, Index::Wake, Index::All];
        indexes.push(Index::Synthetic);
        indexes.extend(Lane::ALL.iter().map(|lane| Index::Ready(*lane)));
        indexes.extend(AUTHORITIES.iter().map(|name| Index::Authority(authority(name))));
        indexes.extend(AUTHORITIES.iter().map(|name| Index::Officer(officer_of(name))));
        indexes.extend(targets().into_iter().map(Index::Target));
        indexes.extend(incident_names().map(Index::Incident));
        let mut listed = 0;
        for index in indexes {
            let count = self.random.index(9) + 1;
            let on_redis = pages(self.redis.as_ref(), &index, count).await;
            assert_eq!(on_redis, pages(&self.memory, &index, count).await, "{index:?} by {count}");
            if !on_redis.is_empty() {
                let text = format!("{index:?}");
                let is_ready = matches!(index, Index::Ready(_));
                let kind = if is_ready { &text } else { text.split('(').next().unwrap() };
                self.met.indexes.insert(kind.to_owned());
            }
            listed += on_redis.len();
        }
        assert!(listed >= 2 * self.ids.len(), "all cases are listed, and again by authority");
        let incidents = self.redis.incidents().await.unwrap();
        assert_eq!(incidents, self.memory.incidents().await.unwrap());
        let due = self.redis.due(0, 10_000).await.unwrap();
        self.memory.set_now(due.now);
        assert!(!due.ids.is_empty(), "no wake is left, so this compares nothing");
        assert_eq!(due, self.memory.due(0, 10_000).await.unwrap());
    }

    async fn compare_figures(&self) {
        let earliest = now(self.redis.as_ref()).await;
        self.memory.set_now(earliest);
        let figures = self.redis.figures().await.unwrap();
        let twins = self.memory.figures().await.unwrap();
        let meanwhile = now(self.redis.as_ref()).await.since(earliest);
        assert_eq!(figures.ready, twins.ready);
        assert_eq!(figures.ready_incident, twins.ready_incident);
        assert_eq!(figures.unanswered, twins.unanswered);
        assert_eq!(figures.overdue, twins.overdue);
        assert_eq!(figures.wakes_overdue, twins.wakes_overdue);
        assert_eq!(figures.events, twins.events);
        for (on_redis, in_memory) in figures.oldest_unanswered.iter().zip(&twins.oldest_unanswered)
        {
            let later = on_redis.checked_sub(*in_memory).expect("Redis looked at them later");
            assert!(later <= meanwhile, "{on_redis:?} and {in_memory:?}");
        }
    }

    async fn compare_changes(&self) {
        let on_redis = all_changes(self.redis.as_ref()).await;
        let in_memory = all_changes(&self.memory).await;
        let told = self.met.outcomes["written"] + self.met.incidents["written"];
        assert_eq!(on_redis.len(), told, "each change, and each opening and closing");
        assert_eq!(on_redis.len(), in_memory.len());
        for (redis, memory) in on_redis.into_iter().zip(in_memory) {
            assert_eq!(redis.told.unwrap(), memory.told.unwrap(), "at {:?}", redis.cursor);
        }
    }
}

async fn pages(store: &impl Store, index: &Index, count: usize) -> Vec<Position> {
    let mut found: Vec<Position> = Vec::new();
    loop {
        let page = store.list(index, found.last().copied(), count).await.unwrap();
        if page.is_empty() {
            return found;
        }
        found.extend(page);
    }
}
