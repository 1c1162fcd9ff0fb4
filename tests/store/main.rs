//! The store, on Redis and in memory: one contract, kept under faults.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod claims;
mod codec;
mod contract;
#[allow(dead_code, unreachable_pub, reason = "it is written for another test binary")]
#[path = "../core/coverage.rs"]
mod coverage;
mod desk;
mod equality;
mod faults;
mod replication;
mod sealed;
#[path = "../support/mod.rs"]
mod support;
mod watching;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use support::redis::{Options, TestRedis};
use support::wait::eventually;
use urgence::core::{Case, CaseId, Change, Fingerprint, Incident, Next, Notice, Timestamp, What};
use urgence::seal::KeyRing;
use urgence::store::{
    AcceptedLoss, Commit, Cursor, Entry, Facts, IncidentCommit, RedisOptions, RedisStore, Said,
    Store,
};

/// How long what happens by itself may take: far longer than it does on an idle machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// How old a decision may be where a test is not about that.
const AGE_MAX: Duration = Duration::from_hours(1);

/// A Redis for a few cases, which no busy disk holds up.
fn start_redis() -> TestRedis {
    TestRedis::start_with(Options::default().on_tmpfs())
}

/// The keys of all replicas of these tests.
fn ring() -> Arc<KeyRing> {
    static RING: LazyLock<Arc<KeyRing>> = LazyLock::new(|| Arc::new(KeyRing::in_memory().unwrap()));
    Arc::clone(&RING)
}

/// How to reach a Redis without replicas.
fn options(urls: &[String]) -> RedisOptions {
    RedisOptions {
        urls: urls.to_vec(),
        desk: "main".parse().unwrap(),
        siblings: Vec::new(),
        replicas_needed: 0,
        replicas_timeout: Duration::from_millis(500),
        accepted_losses: Vec::new(),
        ring: ring(),
    }
}

/// A store that is connected on every link and has looked at the settings.
async fn open(options: &RedisOptions) -> Arc<RedisStore> {
    let (store, background) = RedisStore::new(options).unwrap();
    for (_, work) in background {
        tokio::spawn(work);
    }
    eventually("the store is connected", PATIENCE, async || {
        store.is_up()
            && store.durability().is_some()
            && store.load(&[]).await.is_ok()
            && store.due(0, 1).await.is_ok()
            && store.kept().await.is_ok()
    })
    .await;
    Arc::new(store)
}

/// The same for a Redis whose durability is not what the test is about.
async fn open_unchecked(url: String) -> Arc<RedisStore> {
    let accepted_losses = vec![AcceptedLoss::Everything];
    open(&RedisOptions { accepted_losses, ..options(&[url]) }).await
}

/// The store's time.
async fn now(store: &impl Store) -> Timestamp {
    store.load(&[]).await.unwrap().now
}

/// The case as it is stored.
async fn load(store: &impl Store, id: CaseId) -> Option<Case> {
    store.load(&[id]).await.unwrap().cases.remove(0).unwrap()
}

/// A transition with nothing beside it.
fn commit(next: &Next, observed_at: Timestamp) -> Commit {
    Commit {
        next: next.clone(),
        observed_at,
        age_max: AGE_MAX,
        said: Said::Nothing,
        forgotten: Vec::new(),
        note: None,
        trace: None,
    }
}

/// An incident as it will be, and what is told of it.
fn commit_of(incident: &Incident, facts: Option<Facts>, observed_at: Timestamp) -> IncidentCommit {
    let (incident, name) = (incident.clone(), incident.name.clone());
    let what = match incident.closed_at {
        None => What::IncidentOpened { incident: name },
        Some(_) => What::IncidentClosed { incident: name },
    };
    let notice = Notice { at: observed_at, by: None, what };
    IncidentCommit { incident, facts, notice, observed_at, age_max: AGE_MAX }
}

/// The targets that a case can no longer be found by after a transition.
fn forgotten(before: &Case, after: &Case) -> Vec<Fingerprint> {
    before.facts.fingerprints.difference(&after.facts.fingerprints).copied().collect()
}

/// Every change of a case, in order, where nothing else is told and all of it can be read.
async fn every_change(store: &impl Store) -> Vec<Change> {
    let entries = all_changes(store).await.into_iter();
    entries.map(|entry| entry.change().expect("it is the change of a case").clone()).collect()
}

/// Everything told from the first on, read in pages.
async fn all_changes(store: &impl Store) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let after = entries.last().map_or(Cursor::default(), |entry| entry.cursor);
        let page = store.changes(after, 500).await.unwrap();
        if page.is_empty() {
            return entries;
        }
        entries.extend(page);
    }
}
