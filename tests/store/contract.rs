//! The contract of a store: every test here runs on Redis and in memory.

mod outbox;

use std::sync::Arc;
use std::time::Duration;

use urgence::core::projection::Place;
use urgence::core::{Case, CaseId, Command, FirstResponseKind, Nature, Policy, Timestamp};
use urgence::store::{
    Commit, Contents, Cursor, Index, MemoryStore, Note, Outcome, Position, RedisStore, Store,
};

use crate::support::make::{accepted, act, authority, before, decided, intake, ms, policy};
use crate::support::redis::TestRedis;
use crate::support::wait::eventually;
use crate::{PATIENCE, all_changes, commit, load, now, open, options, start_redis};

const EMERGENCY: Nature = Nature::ThreatToLife;
const MINUTE: Duration = Duration::from_mins(1);

/// A store under test, and how its time passes.
trait Backend {
    type Store: Store;
    fn store(&self) -> &Self::Store;
    /// Returns once `by` has passed on the store's clock.
    async fn pass(&self, by: Duration);
}

struct OnRedis {
    store: Arc<RedisStore>,
    _redis: TestRedis,
}

impl OnRedis {
    async fn start() -> Self {
        let redis = start_redis();
        Self { store: open(&options(&[redis.url()])).await, _redis: redis }
    }
}

impl Backend for OnRedis {
    type Store = RedisStore;

    fn store(&self) -> &RedisStore {
        &self.store
    }

    async fn pass(&self, by: Duration) {
        let until = now(self.store()).await + by;
        eventually("time passes", PATIENCE, async || now(self.store()).await >= until).await;
    }
}

struct InMemory(MemoryStore);

impl InMemory {
    fn start() -> Self {
        Self(MemoryStore::new(Timestamp::from_millis(1_800_000_000_000)))
    }
}

impl Backend for InMemory {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        &self.0
    }

    async fn pass(&self, by: Duration) {
        self.0.set_now(now(&self.0).await + by);
    }
}

/// Makes each of these a test of every backend.
macro_rules! contract {
    ($($name:ident),+ $(,)?) => {
        mod redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(&super::OnRedis::start().await).await;
            })+
        }
        mod memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&super::InMemory::start()).await;
            })+
        }
    };
}

use outbox::{
    changes_are_read_in_order_from_any_cursor, each_change_has_one_reader_until_it_is_dealt_with,
    figures_count_what_is_there, only_what_every_group_has_dealt_with_is_trimmed,
    only_what_is_old_enough_is_trimmed,
};

contract!(
    accepting_writes_the_case_and_every_index,
    a_conflict_writes_nothing,
    a_decision_must_be_recent,
    a_case_needs_its_policy_kept,
    the_estimate_of_the_time_is_never_ahead,
    a_note_names_the_case_that_an_act_got,
    contents_stay_until_they_are_replaced,
    due_cases_come_the_most_overdue_first,
    every_index_pages_in_its_order,
    changes_are_read_in_order_from_any_cursor,
    each_change_has_one_reader_until_it_is_dealt_with,
    only_what_every_group_has_dealt_with_is_trimmed,
    only_what_is_old_enough_is_trimmed,
    figures_count_what_is_there,
);

/// Rungs at 0, 1, 4 (target) and 6 (limit) minutes.
fn rules() -> Policy {
    policy(MINUTE * 4, MINUTE * 5, MINUTE * 3)
}

/// Writes a transition of `from` that was decided at `at`, which need not be the store's time.
async fn write(store: &impl Store, from: &Case, command: &Command, at: Timestamp) -> Case {
    let next = decided(Some(from), command, at, &rules());
    assert_eq!(store.commit(commit(&next, now(store).await)).await.unwrap(), Outcome::Written);
    next.case
}

/// Writes a new case that was accepted at `at`.
async fn accept(
    store: &impl Store,
    who: &str,
    request: &str,
    nature: Nature,
    at: Timestamp,
) -> Case {
    store.keep_policy(&rules()).await.unwrap();
    let next = accepted(&intake(who, request, nature), at, &rules());
    assert_eq!(store.commit(commit(&next, now(store).await)).await.unwrap(), Outcome::Written);
    next.case
}

async fn list(store: &impl Store, index: &Index) -> Vec<CaseId> {
    let positions = store.list(index, None, 1_000).await.unwrap();
    positions.into_iter().map(|position| position.id).collect()
}

/// Everything that a commit could have written, but for notes.
async fn all_of(store: &impl Store, id: CaseId) -> String {
    let mut lists = Vec::new();
    for index in indexes() {
        lists.push(store.list(&index, None, 1_000).await.unwrap());
    }
    let contents = store.contents(id).await.unwrap();
    let due = store.due(0, 1_000).await.unwrap();
    let stored = (load(store, id).await, contents.request, contents.response, lists);
    format!("{stored:?} {:?} {:?} {:?}", due.ids, due.next_at, all_changes(store).await)
}

fn indexes() -> [Index; 5] {
    let of = |name| Index::Authority(authority(name));
    [Index::Ready, Index::Unanswered, Index::All, of("fr-pnij"), of("be-fccu")]
}

async fn accepting_writes_the_case_and_every_index(backend: &impl Backend) {
    let store = backend.store();
    assert_eq!(store.kept().await.unwrap().latest, Cursor::default());
    let at = now(store).await;
    let next = accepted(&intake("fr-pnij", "1", EMERGENCY), at, &rules());
    let id = next.case.id;
    assert_eq!(load(store, id).await, None);
    store.keep_policy(&rules()).await.unwrap();
    assert_eq!(store.commit(commit(&next, at)).await.unwrap(), Outcome::Written);

    assert_eq!(next.case.version, 1);
    let missing = intake("fr-pnij", "2", EMERGENCY).case_id();
    let loaded = store.load(&[missing, id, missing]).await.unwrap();
    let cases: Vec<_> = loaded.cases.into_iter().map(Result::unwrap).collect();
    assert_eq!(cases, [None, Some(next.case.clone()), None]);
    assert!(loaded.now >= at);
    assert!(store.now_estimate().unwrap() >= at);

    let place = Place::new(next.case.band, next.case.clock.limit_at).score();
    let accepted_ms = at.as_millis();
    let [ready, unanswered, all, own, other] = indexes();
    for (index, score) in
        [(ready, place), (unanswered, place), (all, accepted_ms), (own, accepted_ms)]
    {
        let wanted = [Position { score, id }];
        assert_eq!(store.list(&index, None, 10).await.unwrap(), wanted, "{index:?}");
    }
    assert_eq!(list(store, &other).await, []);
    let due = store.due(0, 10).await.unwrap();
    assert_eq!((due.ids, due.nameless, due.next_at), (vec![], 0, Some(at + MINUTE)));
    let changes: Vec<_> =
        all_changes(store).await.into_iter().map(|entry| entry.change.unwrap()).collect();
    assert_eq!(changes, [next.change()]);
    assert!(store.fence(id, 1).await.unwrap());
    assert!(!store.fence(id, 2).await.unwrap(), "nobody has written that yet");
}

async fn a_conflict_writes_nothing(backend: &impl Backend) {
    let store = backend.store();
    let case = accept(store, "fr-pnij", "1", EMERGENCY, now(store).await).await;
    let at = now(store).await;
    let again = accepted(&intake("fr-pnij", "1", EMERGENCY), at, &rules());
    let claimed = decided(Some(&case), &Command::Claim(act("ann", "c1")), at, &rules());
    let renewed = decided(Some(&claimed.case), &Command::Renew(act("ann", "r1"), 1), at, &rules());
    let key = act("bob", "note").key();
    let before = all_of(store, case.id).await;
    // A second first version, and a third without a second.
    for next in [&again, &renewed] {
        let contents = Contents { request: Some(b"other".to_vec()), response: None };
        let note = Some(Note { key, kept_for: MINUTE });
        let wrong = Commit { contents, note, ..commit(next, now(store).await) };
        assert_eq!(store.commit(wrong).await.unwrap(), Outcome::Conflict);
    }
    assert_eq!(all_of(store, case.id).await, before);
    assert_eq!(store.noted(key).await.unwrap(), None);

    // Of two decisions on the same version the first one counts, however late the other one is.
    assert_eq!(store.commit(commit(&claimed, at)).await.unwrap(), Outcome::Written);
    let by_bob = decided(Some(&case), &Command::Claim(act("bob", "c2")), at, &rules());
    let late = Commit { age_max: Duration::ZERO, ..commit(&by_bob, before_all()) };
    assert_eq!(store.commit(late).await.unwrap(), Outcome::Conflict);
    assert_eq!(load(store, case.id).await, Some(claimed.case));
}

const fn before_all() -> Timestamp {
    Timestamp::from_millis(1)
}

async fn a_decision_must_be_recent(backend: &impl Backend) {
    let store = backend.store();
    store.keep_policy(&rules()).await.unwrap();
    let at = now(store).await;
    let next = accepted(&intake("fr-pnij", "1", EMERGENCY), at, &rules());
    let empty = all_of(store, next.case.id).await;
    let ahead = Commit { observed_at: at + MINUTE, ..commit(&next, at) };
    let old = Commit { age_max: MINUTE, ..commit(&next, before(at, MINUTE * 2)) };
    for untimely in [ahead, old] {
        let Outcome::Untimely(told) = store.commit(untimely).await.unwrap() else {
            panic!("an untimely decision was not refused as one")
        };
        assert!((at..at + PATIENCE).contains(&told), "{told:?} is not the store's time");
    }
    assert_eq!(all_of(store, next.case.id).await, empty);
    let old_enough = Commit { age_max: MINUTE * 3, ..commit(&next, before(at, MINUTE * 2)) };
    assert_eq!(store.commit(old_enough).await.unwrap(), Outcome::Written);
}

/// A decision made at a time that is still to come would be refused, so this is no matter of taste.
async fn the_estimate_of_the_time_is_never_ahead(backend: &impl Backend) {
    let store = backend.store();
    for look in 0..2_000 {
        let estimate = store.now_estimate().unwrap();
        let at = now(store).await;
        assert!(estimate <= at, "look {look}: {estimate:?} is ahead of {at:?}");
        assert!(at.since(estimate) < PATIENCE, "look {look}: {estimate:?} is far behind {at:?}");
    }
}

async fn a_case_needs_its_policy_kept(backend: &impl Backend) {
    let store = backend.store();
    let at = now(store).await;
    let next = accepted(&intake("fr-pnij", "1", EMERGENCY), at, &rules());
    let empty = all_of(store, next.case.id).await;
    // Another policy does not do.
    store.keep_policy(&Policy::built_in()).await.unwrap();
    assert_eq!(store.commit(commit(&next, at)).await.unwrap(), Outcome::PolicyMissing);
    assert_eq!(all_of(store, next.case.id).await, empty);
    assert_eq!(store.policy(rules().id()).await.unwrap(), None);
    store.keep_policy(&rules()).await.unwrap();
    assert_eq!(store.policy(rules().id()).await.unwrap(), Some(rules()));
    assert_eq!(store.policy(Policy::built_in().id()).await.unwrap(), Some(Policy::built_in()));
    assert_eq!(store.commit(commit(&next, at)).await.unwrap(), Outcome::Written);
}

async fn a_note_names_the_case_that_an_act_got(backend: &impl Backend) {
    let store = backend.store();
    let at = now(store).await;
    let first = accept(store, "fr-pnij", "1", EMERGENCY, at).await;
    let second = accept(store, "fr-pnij", "2", EMERGENCY, at).await;
    let claim = act("ann", "next");
    let claimed = |case: &Case| decided(Some(case), &Command::Claim(claim.clone()), at, &rules());
    let noting = |case: &Case, kept_for| {
        let note = Some(Note { key: claim.key(), kept_for });
        Commit { note, ..commit(&claimed(case), at) }
    };
    assert_eq!(store.noted(claim.key()).await.unwrap(), None);
    let outcome = store.commit(noting(&first, MINUTE)).await.unwrap();
    assert_eq!(outcome, Outcome::Written);
    assert_eq!(store.noted(claim.key()).await.unwrap(), Some(first.id));
    assert_eq!(store.noted(act("bob", "next").key()).await.unwrap(), None);
    let untouched = all_of(store, second.id).await;
    let outcome = store.commit(noting(&second, MINUTE)).await.unwrap();
    assert_eq!(outcome, Outcome::Noted(first.id));
    assert_eq!(all_of(store, second.id).await, untouched);

    // A note is forgotten after its time, and then stands in nobody's way.
    let third = accept(store, "fr-pnij", "3", EMERGENCY, at).await;
    let short = act("ann", "short");
    let note = Some(Note { key: short.key(), kept_for: ms(20) });
    let next = decided(Some(&second), &Command::Claim(short.clone()), at, &rules());
    let outcome = store.commit(Commit { note, ..commit(&next, at) }).await.unwrap();
    assert_eq!(outcome, Outcome::Written);
    backend.pass(ms(40)).await;
    assert_eq!(store.noted(short.key()).await.unwrap(), None);
    let next = decided(Some(&third), &Command::Claim(short), at, &rules());
    let outcome = store.commit(Commit { note, ..commit(&next, at) }).await.unwrap();
    assert_eq!(outcome, Outcome::Written);
}

async fn contents_stay_until_they_are_replaced(backend: &impl Backend) {
    let store = backend.store();
    store.keep_policy(&rules()).await.unwrap();
    let at = now(store).await;
    let next = accepted(&intake("fr-pnij", "1", EMERGENCY), at, &rules());
    let id = next.case.id;
    assert!(store.contents(id).await.unwrap() == Contents::default());
    // Any bytes, also those that no text may hold.
    let request = Some((0..=255).collect::<Vec<u8>>());
    let contents = Contents { request: request.clone(), response: None };
    let outcome = store.commit(Commit { contents: contents.clone(), ..commit(&next, at) }).await;
    assert_eq!(outcome.unwrap(), Outcome::Written);
    assert!(store.contents(id).await.unwrap() == contents);
    let case = write(store, &next.case, &Command::Claim(act("ann", "c")), at).await;
    assert!(store.contents(id).await.unwrap() == contents);

    let answer = Command::Respond(act("ann", "a"), 1, FirstResponseKind::NeedInformation);
    let next = decided(Some(&case), &answer, at, &rules());
    let response = Contents { request: None, response: Some(Vec::new()) };
    let outcome = store.commit(Commit { contents: response, ..commit(&next, at) }).await.unwrap();
    assert_eq!(outcome, Outcome::Written);
    let both = Contents { request, response: Some(Vec::new()) };
    assert!(store.contents(id).await.unwrap() == both);
    write(store, &next.case, &Command::Release(act("ann", "r"), 1), at).await;
    assert!(store.contents(id).await.unwrap() == both);
}

async fn due_cases_come_the_most_overdue_first(backend: &impl Backend) {
    let store = backend.store();
    let at = now(store).await;
    let mut ids = Vec::new();
    // The next rung of each comes a minute after it was accepted.
    for (request, ago) in [("a", MINUTE * 2), ("b", MINUTE * 3), ("c", MINUTE), ("d", ms(0))] {
        ids.push(accept(store, "fr-pnij", request, EMERGENCY, before(at, ago)).await);
    }
    let [a, b, c, d] = ids.try_into().unwrap();
    let wake = |case: &Case| Some(case.accepted_at + MINUTE);
    let all = [b.id, a.id, c.id];
    for (skip, count, wanted, next) in [
        (0, 10, &all[..], wake(&d)),
        (0, 3, &all[..], wake(&d)),
        (0, 2, &all[..2], wake(&c)),
        (1, 1, &all[1..2], wake(&c)),
        (2, 5, &all[2..], wake(&d)),
        (3, 5, &[], wake(&d)),
        (4, 5, &[], None),
    ] {
        let due = store.due(skip, count).await.unwrap();
        assert_eq!((&due.ids[..], due.next_at), (wanted, next), "skip {skip}, count {count}");
        assert!(due.now >= at && due.nameless == 0);
    }
    // A wake moves with the case, and goes with the answer that ends it.
    let woken = write(store, &b, &Command::Wake, at).await;
    assert_eq!(store.due(0, 10).await.unwrap().ids, [a.id, c.id]);
    let case = write(store, &a, &Command::Claim(act("ann", "c")), at).await;
    let answer = Command::Respond(act("ann", "a"), 1, FirstResponseKind::NoData);
    write(store, &case, &answer, at).await;
    let due = store.due(0, 10).await.unwrap();
    assert_eq!((due.ids, due.next_at), (vec![c.id], Some(woken.clock.next_due_at)));
    let beyond_b_c_and_d = store.due(3, 10).await.unwrap();
    assert_eq!((beyond_b_c_and_d.ids, beyond_b_c_and_d.next_at), (vec![], None));
    // What was not due becomes so by time alone.
    let soon = accept(store, "fr-pnij", "e", EMERGENCY, before(at, ms(59_970))).await;
    backend.pass(ms(30)).await;
    assert_eq!(store.due(0, 10).await.unwrap().ids, [c.id, soon.id]);
}

async fn every_index_pages_in_its_order(backend: &impl Backend) {
    let store = backend.store();
    let at = now(store).await;
    let mut cases = Vec::new();
    // Three instants for twelve cases: each index has ties, which the id orders.
    for number in 0..12u32 {
        let nature = if number % 4 == 0 { Nature::Routine } else { EMERGENCY };
        let who = if number % 2 == 0 { "fr-pnij" } else { "be-fccu" };
        let ago = MINUTE * (number % 3) / 4;
        cases.push(accept(store, who, &number.to_string(), nature, before(at, ago)).await);
    }
    let claimed = write(store, &cases[5], &Command::Claim(act("ann", "c")), at).await;
    let [ready, unanswered, all, french, belgian] = indexes();
    let by_place = |case: &Case| (Place::new(case.band, case.clock.limit_at).score(), case.id);
    let mut places: Vec<_> = cases.iter().map(by_place).collect();
    places.sort_unstable();
    let mut times: Vec<_> =
        cases.iter().map(|case| (case.accepted_at.as_millis(), case.id)).collect();
    times.sort_unstable_by(|left, right| right.cmp(left));
    let of = |name: &str| {
        let is_of = |id: &CaseId| {
            cases.iter().any(|case| case.id == *id && case.authority == authority(name))
        };
        times.iter().filter(|(_, id)| is_of(id)).copied().collect::<Vec<_>>()
    };
    let waiting = places.iter().filter(|(_, id)| *id != claimed.id).copied().collect();
    for (index, wanted) in [
        (ready, waiting),
        (unanswered, places.clone()),
        (all, times.clone()),
        (french, of("fr-pnij")),
        (belgian, of("be-fccu")),
    ] {
        let wanted: Vec<_> = wanted.into_iter().map(|(score, id)| Position { score, id }).collect();
        for count in 1..=13 {
            let mut found: Vec<Position> = Vec::new();
            loop {
                let page = store.list(&index, found.last().copied(), count).await.unwrap();
                assert!(page.len() <= count);
                if page.is_empty() {
                    break;
                }
                found.extend(page);
            }
            assert_eq!(found, wanted, "{index:?} by {count}");
        }
    }
    // The page after a case that has left the index goes on where it stood.
    let (score, id) = by_place(&cases[5]);
    let rest = store.list(&Index::Ready, Some(Position { score, id }), 100).await.unwrap();
    let wanted: Vec<_> = places.iter().filter(|place| **place > (score, id)).copied().collect();
    assert_eq!(rest.iter().map(|at| (at.score, at.id)).collect::<Vec<_>>(), wanted);
}
