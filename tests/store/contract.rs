//! The contract of a store: every test here runs on Redis and in memory.

mod audit;
mod commits;
mod content;
mod incidents;
mod indexes;
mod inspection;
mod keys;
mod outbox;
mod standings;

use std::sync::Arc;
use std::time::Duration;

use urgence::core::{Case, CaseId, Command, Fingerprint, Intake, Lane, Nature, Policy, Timestamp};
use urgence::store::{
    Commit, Content, Index, MemoryStore, Outcome, Position, RedisOptions, RedisStore, Store,
};

use crate::support::make::{accepted, authority, decided, fingerprint, intake, policy};
use crate::support::redis::TestRedis;
use crate::support::wait::eventually;
use crate::{PATIENCE, all_changes, commit, forgotten, load, now, open, options, start_redis};

const EMERGENCY: Nature = Nature::ThreatToLife;
const MINUTE: Duration = Duration::from_mins(1);

/// A store under test, and how its time passes.
trait Backend {
    type Store: Store;
    fn store(&self) -> &Self::Store;
    /// That of the deployment's other desk.
    async fn other_desk(&self) -> Arc<Self::Store>;
    /// Returns once `by` has passed on the store's clock.
    async fn pass(&self, by: Duration);
    /// What the store is kept in, where somebody else can look into it.
    fn redis(&self) -> Option<&TestRedis>;
}

struct OnRedis {
    store: Arc<RedisStore>,
    redis: TestRedis,
}

impl OnRedis {
    async fn start() -> Self {
        let redis = start_redis();
        Self { store: open(&desk("main", "berlin", &redis)).await, redis }
    }
}

impl Backend for OnRedis {
    type Store = RedisStore;

    fn store(&self) -> &RedisStore {
        &self.store
    }

    async fn other_desk(&self) -> Arc<RedisStore> {
        open(&desk("berlin", "main", &self.redis)).await
    }

    async fn pass(&self, by: Duration) {
        let until = now(self.store()).await + by;
        eventually("time passes", PATIENCE, async || now(self.store()).await >= until).await;
    }

    fn redis(&self) -> Option<&TestRedis> {
        Some(&self.redis)
    }
}

/// One desk of two.
fn desk(name: &str, sibling: &str, redis: &TestRedis) -> RedisOptions {
    let (desk, siblings) = (name.parse().unwrap(), vec![sibling.parse().unwrap()]);
    RedisOptions { desk, siblings, ..options(&[redis.url()]) }
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

    async fn other_desk(&self) -> Arc<MemoryStore> {
        Arc::new(self.0.beside())
    }

    async fn pass(&self, by: Duration) {
        self.0.set_now(now(&self.0).await + by);
    }

    fn redis(&self) -> Option<&TestRedis> {
        None
    }
}

/// Makes each of these a test of every backend.
macro_rules! contract {
    ($($part:ident { $($name:ident),+ $(,)? })+) => {
        mod redis {
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$part::$name(&super::OnRedis::start().await).await;
            })+)+
        }
        mod memory {
            $($(#[tokio::test]
            async fn $name() {
                super::$part::$name(&super::InMemory::start()).await;
            })+)+
        }
    };
}

contract! {
    audit {
        an_edge_of_the_log_goes_only_forwards,
        nothing_is_trimmed_from_the_edge_of_the_log_on,
        what_was_read_here_is_settled,
        what_is_kept_of_an_entry_is_guessed_by_nobody,
    }
    commits {
        accepting_writes_the_case_and_every_index,
        a_conflict_writes_nothing,
        a_decision_must_be_recent,
        a_case_needs_its_policy_kept,
        the_estimate_of_the_time_is_never_ahead,
        a_note_names_the_case_that_an_act_got,
        a_request_has_a_case_at_one_desk_only,
    }
    content {
        what_was_said_is_kept_under_the_version_it_made,
        a_purge_leaves_a_tombstone,
        what_is_said_in_the_act_that_purges_is_not_kept,
    }
    incidents {
        an_incident_is_written_and_found_by_its_name,
        a_change_of_an_incident_needs_its_version,
        a_decision_about_an_incident_must_be_recent,
        facts_are_kept_until_others_are_told,
        the_latest_opened_incident_comes_first,
    }
    indexes {
        due_cases_come_the_most_overdue_first,
        every_index_pages_in_its_order,
        a_case_is_in_every_index_that_it_belongs_in,
        an_incident_names_the_cases_that_ever_belonged_to_it,
    }
    inspection {
        what_is_held_is_not_taken_over,
        a_scan_finds_every_case_by_itself,
        a_case_in_its_places_is_right_and_stays_as_it_is,
        a_case_written_meanwhile_is_not_repaired,
        a_synthetic_case_stands_in_an_index_of_its_own,
    }
    keys {
        the_first_key_of_fingerprints_is_that_of_all,
    }
    outbox {
        changes_are_read_in_order_from_any_cursor,
        a_change_tells_the_trace_that_its_commit_was_part_of,
        each_change_has_one_reader_until_it_is_dealt_with,
        only_what_every_group_has_dealt_with_is_trimmed,
        only_what_is_old_enough_is_trimmed,
        figures_count_what_is_there,
        the_longest_wait_is_found_behind_an_earlier_limit,
    }
    standings {
        a_standing_is_written_and_told,
        a_change_of_a_standing_needs_its_version_and_must_be_recent,
        suspended_authorities_come_the_first_suspended_first,
        what_rests_on_another_standing_is_not_written,
        a_notice_is_told_among_the_changes,
        cases_are_counted_from_a_score_on,
        what_is_first_seen_keeps_its_time,
    }
}

/// Rungs at 0, 1, 4 (target) and 6 (limit) minutes.
fn rules() -> Policy {
    policy(MINUTE * 4, MINUTE * 5, MINUTE * 3)
}

/// Writes a transition of `from` that was decided at `at`, which need not be the store's time.
async fn write(store: &impl Store, from: &Case, command: &Command, at: Timestamp) -> Case {
    let next = decided(Some(from), command, at, &rules());
    let forgotten = forgotten(from, &next.case);
    let commit = Commit { forgotten, ..commit(&next, now(store).await) };
    assert_eq!(store.commit(commit).await.unwrap(), Outcome::Written);
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
    accept_this(store, &intake(who, request, nature), at).await
}

/// The same of a request that was made up by the test.
async fn accept_this(store: &impl Store, intake: &Intake, at: Timestamp) -> Case {
    store.keep_policy(&rules()).await.unwrap();
    let next = accepted(intake, at, &rules());
    assert_eq!(store.commit(commit(&next, now(store).await)).await.unwrap(), Outcome::Written);
    next.case
}

async fn list(store: &impl Store, index: &Index) -> Vec<CaseId> {
    let positions = store.list(index, None, 1_000).await.unwrap();
    positions.into_iter().map(|position| position.id).collect()
}

/// Where the case stands in an index.
async fn score(store: &impl Store, index: &Index, id: CaseId) -> Option<u64> {
    let positions = store.list(index, None, 1_000).await.unwrap();
    positions.into_iter().find(|position| position.id == id).map(|position| position.score)
}

/// Everything that a commit could have written, but for notes.
async fn all_of(store: &impl Store, id: CaseId) -> String {
    let mut lists: Vec<Vec<Position>> = Vec::new();
    for index in indexes() {
        lists.push(store.list(&index, None, 1_000).await.unwrap());
    }
    let contents = store.contents(id).await.unwrap();
    let due = store.due(0, 1_000).await.unwrap();
    // As bytes, since content itself is never printed.
    let bytes = |content: &Content| content.to_vec();
    let messages: Vec<_> = contents.messages.iter().map(|(at, said)| (*at, bytes(said))).collect();
    let said =
        (contents.request.as_ref().map(bytes), contents.response.as_ref().map(bytes), messages);
    let stored = (load(store, id).await, said, lists, store.incidents().await.unwrap());
    format!("{stored:?} {:?} {:?} {:?}", due.ids, due.next_at, all_changes(store).await)
}

/// Every index that a case of these tests may be in. No test here uses another.
fn indexes() -> Vec<Index> {
    let of = |name| Index::Authority(authority(name));
    let paris = Index::Incident("paris".parse().unwrap());
    let target = |value| Index::Target(fingerprint(value));
    let officer = Index::Officer(officer_of("fr-pnij"));
    let mut indexes = vec![Index::Unanswered, Index::Claimed, Index::Wake, Index::All];
    indexes.extend(Lane::ALL.iter().map(|lane| Index::Ready(*lane)));
    indexes.extend([of("fr-pnij"), of("be-fccu"), officer, paris]);
    indexes.extend([SOMEBODY, SOMEBODY_ELSE].map(target));
    indexes
}

/// The officer who sends every request of the builders for this authority.
fn officer_of(who: &str) -> Fingerprint {
    intake(who, "1", EMERGENCY).facts.officer.expect("the builders name one")
}

/// What the fingerprint of the target of every request of the builders is made of.
const SOMEBODY: &str = "target username somebody";
/// What another fingerprint is made of.
const SOMEBODY_ELSE: &str = "target username somebody-else";
