//! Redis and its twin in memory under the same 20,000 random operations: whatever is loaded, listed
//! or read from the stream must be the same from both, or what is simulated is not what runs.
//!
//! Decisions are made at a virtual time that runs far faster than Redis's, so that rungs and leases
//! really fall due; what is committed carries the real one, which Redis checks.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use urgence::core::{
    Act, Case, CaseId, Command, Decision, Event, FirstResponseKind, Nature, Policy, RedirectTarget,
    RefusalReason, Timestamp, decide,
};
use urgence::store::{
    Commit, Contents, Index, MemoryStore, Note, Outcome, Position, RedisStore, Store,
};

use crate::support::make::{act, authority, before, intake, ms, policy};
use crate::support::redis::{Options, TestRedis};
use crate::{AGE_MAX, all_changes, load, now, open_unchecked};

const OPERATIONS: usize = 20_000;
/// How many cases are worked on at a time. One that was answered makes room
/// for another after a while.
const SLOTS: usize = 40;
/// How much virtual time an operation takes at most. A case has its turn about every second of it.
const STEP_MAX_MS: u64 = 50;
const AUTHORITIES: [&str; 3] = ["fr-pnij", "be-fccu", "de-bka"];
const PEOPLE: [&str; 4] = ["ann", "bob", "cem", "dia"];
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
        if run.operations.is_multiple_of(2_000) {
            run.compare_indexes().await;
        }
    }
    assert_eq!(run.operations, 20_000);
    run.compare_cases().await;
    run.compare_changes().await;
    println!("{} cases; {:?}; {:?}", run.ids.len(), run.outcomes, run.events);
    run.check_that_everything_happened();
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
    /// The latest acts and commits, to be repeated.
    last_act: Option<(CaseId, Command)>,
    last_commit: Option<Commit>,
    /// The latest act that left a note.
    last_noted: Option<Act>,
    operations: usize,
    outcomes: BTreeMap<&'static str, usize>,
    events: BTreeMap<&'static str, usize>,
}

impl Run {
    async fn start(redis: Arc<RedisStore>, seed: u64) -> Self {
        let at = now(redis.as_ref()).await;
        // Rungs at 0, 1, 4 and 6 seconds, then every 5; a lease that sometimes runs out.
        let policy = policy(ms(4_000), ms(3_000), ms(5_000));
        let memory = MemoryStore::new(at);
        redis.keep_policy(&policy).await.unwrap();
        memory.keep_policy(&policy).await.unwrap();
        Self {
            random: Random(seed | 1),
            redis,
            memory,
            policy,
            // Early enough that every wake is due at the end, and can be compared.
            virtual_now: before(at, Duration::from_hours(24)),
            slots: [0; SLOTS],
            ids: Vec::new(),
            last_act: None,
            last_commit: None,
            last_noted: None,
            operations: 0,
            outcomes: BTreeMap::new(),
            events: BTreeMap::new(),
        }
    }

    /// One operation: a command to the case of a slot, or the very commit of before once more.
    async fn operate(&mut self) {
        self.operations += 1;
        self.virtual_now = self.virtual_now + ms(self.random.below(STEP_MAX_MS + 1));
        if self.random.is_one_in(50)
            && let Some(commit) = self.last_commit.clone()
        {
            return self.commit(commit).await;
        }
        let (id, command, note) = self.choose().await;
        let loaded = self.redis.load(&[id]).await.unwrap();
        let observed_at = loaded.now;
        self.memory.set_now(observed_at);
        let case = loaded.cases.into_iter().next().unwrap().unwrap();
        assert_eq!(case, load(&self.memory, id).await, "operation {}", self.operations);
        let decision = decide(case.as_ref(), &command, self.virtual_now, &self.policy);
        self.last_act = Some((id, command.clone()));
        match decision {
            Decision::Next(next) => {
                let contents = self.contents(&command);
                let next = *next;
                let commit = Commit { next, observed_at, age_max: AGE_MAX, contents, note };
                self.commit(commit).await;
            }
            Decision::AlreadyTrue => self.count_outcome("already true"),
            Decision::Refused(_) => self.count_outcome("refused"),
        }
    }

    /// Commits to both, which must say the same.
    async fn commit(&mut self, commit: Commit) {
        let on_redis = self.redis.commit(commit.clone()).await.unwrap();
        let in_memory = self.memory.commit(commit.clone()).await.unwrap();
        assert_eq!(on_redis, in_memory, "operation {}", self.operations);
        let word = match on_redis {
            Outcome::Written => "written",
            Outcome::Conflict => "conflict",
            Outcome::Untimely(_) => "untimely",
            Outcome::PolicyMissing => "policy missing",
            Outcome::Noted(_) => "noted",
        };
        self.count_outcome(word);
        if on_redis == Outcome::Written {
            for event in &commit.next.events {
                *self.events.entry(name_of(event)).or_default() += 1;
            }
            if commit.next.case.version == 1 {
                self.ids.push(commit.next.case.id);
            }
        }
        self.last_commit = Some(commit);
    }

    fn count_outcome(&mut self, word: &'static str) {
        *self.outcomes.entry(word).or_default() += 1;
    }

    async fn choose(&mut self) -> (CaseId, Command, Option<Note>) {
        if self.random.is_one_in(30)
            && let Some((id, command)) = self.last_act.clone()
        {
            return (id, command, None);
        }
        let slot = self.random.index(SLOTS);
        let accept = self.accept(slot);
        let Command::Accept(intake) = &accept else { unreachable!("it accepts") };
        let id = intake.case_id();
        let Some(case) = load(&self.memory, id).await else { return (id, accept, None) };
        if !case.is_unanswered() && self.random.is_one_in(6) {
            self.slots[slot] += 1;
        }
        let act = self.act();
        let note = Note { key: act.key(), kept_for: AGE_MAX };
        let (act, epoch) = self.credentials(&case, act);
        match self.random.below(20) {
            0..9 => (id, Command::Wake, None),
            9..14 => {
                let note = self.random.is_one_in(2).then_some(note);
                self.claim(id, act, note)
            }
            14..16 => (id, Command::Renew(act, epoch), None),
            16..18 => (id, Command::Release(act, epoch), None),
            18 => (id, Command::Respond(act, epoch, self.answer()), None),
            _ => (id, accept, None),
        }
    }

    /// A claim, sometimes under the very name by which another case was claimed.
    fn claim(
        &mut self,
        id: CaseId,
        act: Act,
        note: Option<Note>,
    ) -> (CaseId, Command, Option<Note>) {
        let Some(note) = note else { return (id, Command::Claim(act), None) };
        let repeated = self.last_noted.take_if(|_| self.random.is_one_in(4));
        let act = repeated.unwrap_or(act);
        let note = Note { key: act.key(), ..note };
        self.last_noted = Some(act.clone());
        (id, Command::Claim(act), Some(note))
    }

    fn accept(&self, slot: usize) -> Command {
        let nature = Nature::ALL[slot % Nature::ALL.len()];
        let request_id = format!("{slot}/{}", self.slots[slot]);
        Command::Accept(intake(AUTHORITIES[slot % AUTHORITIES.len()], &request_id, nature))
    }

    /// An act with a name of its own; sometimes one that was used before, perhaps on another case.
    fn act(&mut self) -> Act {
        let number = if self.random.is_one_in(20) {
            self.random.index(self.operations)
        } else {
            self.operations
        };
        act(PEOPLE[self.random.index(PEOPLE.len())], &number.to_string())
    }

    /// Mostly the holder and the running epoch; sometimes somebody else, or an epoch that is over.
    fn credentials(&mut self, case: &Case, act: Act) -> (Act, u64) {
        let epoch = case.claim_epoch.saturating_sub(u64::from(self.random.is_one_in(6)));
        match &case.claim {
            Some(claim) if !self.random.is_one_in(6) => {
                (Act { by: claim.by.clone(), ..act }, epoch)
            }
            _ => (act, epoch),
        }
    }

    fn answer(&mut self) -> FirstResponseKind {
        match self.random.below(6) {
            0 => FirstResponseKind::NoData,
            1 => FirstResponseKind::Refused(RefusalReason::PressFreedom),
            2 => FirstResponseKind::Redirected(RedirectTarget::OtherProviderEntity),
            3 => FirstResponseKind::NeedInformation,
            4 => FirstResponseKind::AllData,
            _ => FirstResponseKind::InProgress { expected_within: ms(self.random.below(9_999)) },
        }
    }

    fn contents(&mut self, command: &Command) -> Contents {
        let mut text = || Some(self.random.below(u64::MAX).to_be_bytes().to_vec());
        match command {
            Command::Accept(_) => Contents { request: text(), response: None },
            Command::Respond(..) => Contents { request: None, response: text() },
            Command::Claim(_) | Command::Renew(..) | Command::Release(..) | Command::Wake => {
                Contents::default()
            }
        }
    }

    async fn compare_cases(&self) {
        let unique: HashSet<_> = self.ids.iter().collect();
        assert_eq!(unique.len(), self.ids.len(), "a case was accepted twice");
        for id in &self.ids {
            let case = load(self.redis.as_ref(), *id).await;
            assert!(case.is_some(), "{id} is lost");
            assert_eq!(case, load(&self.memory, *id).await, "{id}");
            let contents = self.redis.contents(*id).await.unwrap();
            assert!(contents.request.is_some(), "the request of {id} is lost");
            assert!(contents == self.memory.contents(*id).await.unwrap(), "contents of {id}");
        }
    }

    async fn compare_indexes(&mut self) {
        let of = |name: &&str| Index::Authority(authority(name));
        let mut indexes = vec![Index::Ready, Index::Unanswered, Index::All];
        indexes.extend(AUTHORITIES.iter().map(of));
        let mut listed = 0;
        for index in indexes {
            let count = self.random.index(9) + 1;
            let on_redis = pages(self.redis.as_ref(), &index, count).await;
            assert!(!on_redis.is_empty(), "{index:?} is empty, so this compares nothing");
            assert_eq!(on_redis, pages(&self.memory, &index, count).await, "{index:?} by {count}");
            listed += on_redis.len();
        }
        assert!(listed >= 2 * self.ids.len(), "all cases are listed, and again by authority");

        let due = self.redis.due(0, 10_000).await.unwrap();
        self.memory.set_now(due.now);
        assert!(!due.ids.is_empty(), "no wake is left, so this compares nothing");
        assert_eq!(due, self.memory.due(0, 10_000).await.unwrap());
        let figures = self.redis.figures().await.unwrap();
        let twins = self.memory.figures().await.unwrap();
        assert_eq!(figures.ready, twins.ready);
        assert_eq!(figures.unanswered, twins.unanswered);
        assert_eq!(figures.overdue, twins.overdue);
        assert_eq!(figures.wakes_overdue, twins.wakes_overdue);
        assert_eq!(figures.events, twins.events);
    }

    async fn compare_changes(&self) {
        let on_redis = all_changes(self.redis.as_ref()).await;
        let in_memory = all_changes(&self.memory).await;
        assert_eq!(on_redis.len(), self.outcomes["written"]);
        assert_eq!(on_redis.len(), in_memory.len());
        for (redis, memory) in on_redis.into_iter().zip(in_memory) {
            assert_eq!(redis.change.unwrap(), memory.change.unwrap(), "at {:?}", redis.cursor);
        }
    }

    /// A comparison of what never happened would show nothing.
    fn check_that_everything_happened(&self) {
        let outcomes: Vec<_> = self.outcomes.keys().copied().collect();
        assert_eq!(outcomes, ["already true", "conflict", "noted", "refused", "written"]);
        assert_eq!(self.outcomes.values().sum::<usize>(), OPERATIONS);
        let events: Vec<_> = self.events.keys().copied().collect();
        assert_eq!(events, EVENTS);
        assert!(self.events.values().all(|count| *count > 10), "{:?}", self.events);
        assert!(self.outcomes.values().all(|count| *count > 10), "{:?}", self.outcomes);
        assert!(self.outcomes["written"] > OPERATIONS / 4, "{:?}", self.outcomes);
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

/// Every kind of event there is, in the order of the alphabet.
const EVENTS: [&str; 9] = [
    "accepted",
    "claim lost",
    "claim released",
    "claim renewed",
    "claimed",
    "paged",
    "responded",
    "rung fired",
    "rung quieted",
];

const fn name_of(event: &Event) -> &'static str {
    match event {
        Event::Accepted { .. } => "accepted",
        Event::RungFired(_) => "rung fired",
        Event::RungQuieted(_) => "rung quieted",
        Event::Paged(_) => "paged",
        Event::Claimed { .. } => "claimed",
        Event::ClaimRenewed { .. } => "claim renewed",
        Event::ClaimReleased { .. } => "claim released",
        Event::ClaimLost { .. } => "claim lost",
        Event::Responded { .. } => "responded",
    }
}

/// Xorshift64*: small, seeded, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        // The upper bits are the good ones.
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) % bound
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }

    fn is_one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}
