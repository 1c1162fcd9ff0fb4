//! What a desk does beyond a single case: finding duplicates, sorting incidents into their lane, taking
//! a new policy or registry into use.

mod admission;
mod duplicates;
mod incidents;
mod registry;
mod replace;
mod standing;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use urgence::core::{
    Act, Case, CaseId, Change, Deed, Fingerprint, Intake, Nature, Policy, Timestamp,
};
use urgence::desk::{Desk, DeskSettings, Done};
use urgence::store::{Index, MemoryStore, RedisStore, Said, Store};

use crate::support::make::{act, intake};
use crate::support::redis::TestRedis;
use crate::{all_changes, open, options, start_redis};

const EMERGENCY: Nature = Nature::MissingChild;
const HOUR: Duration = Duration::from_hours(1);
const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// A store in memory.
fn memory() -> Arc<MemoryStore> {
    Arc::new(MemoryStore::new(START))
}

/// A desk as it is without any file.
fn plain() -> DeskSettings {
    DeskSettings::plain("main".parse().unwrap(), Policy::built_in())
}

/// One process at a desk: several may share a store.
struct Replica<S> {
    desk: Arc<Desk<S>>,
    _line: JoinSet<()>,
}

impl<S: Store> Replica<S> {
    fn start(settings: DeskSettings, store: &Arc<S>) -> Self {
        let (desk, line, _tail) = Desk::new(settings, Arc::clone(store));
        let mut running = JoinSet::new();
        running.spawn(line.run());
        Self { desk, _line: running }
    }

    async fn submit(&self, intake: Intake) -> Case {
        let done = self.desk.submit(intake, b"the request".to_vec()).await.unwrap();
        assert!(!done.is_replayed);
        done.case
    }

    /// An act of Ann's that must be allowed.
    async fn act(&self, id: CaseId, request_id: &str, deed: Deed) -> Case {
        let act = act("ann", request_id);
        self.desk.act(id, act, deed, Said::Nothing).await.unwrap().case
    }

    /// The case that is handed out next, if any is.
    async fn claim_next(&self, request_id: &str) -> Option<CaseId> {
        let act: Act = act("ann", request_id);
        self.desk.claim_next(act, Duration::ZERO).await.unwrap().map(|done: Done| done.case.id)
    }
}

/// A request about these targets.
fn about(who: &str, request_id: &str, targets: &[&str]) -> Intake {
    let mut intake = intake(who, request_id, EMERGENCY);
    intake.facts.fingerprints = targets.iter().map(|target| fingerprint(target)).collect();
    intake
}

/// A request of this nature whose sender names an incident.
fn tagged(request_id: &str, nature: Nature, tag: &str) -> Intake {
    let mut intake = intake("fr-pnij", request_id, nature);
    intake.facts.incident_tag = Some(fingerprint(tag));
    intake
}

fn fingerprint(text: &str) -> Fingerprint {
    crate::support::make::fingerprint(text)
}

async fn list(store: &impl Store, index: &Index) -> Vec<CaseId> {
    let positions = store.list(index, None, 1_000).await.unwrap();
    positions.into_iter().map(|position| position.id).collect()
}

/// Every change of a case; incidents leave notices beside them.
async fn changes(store: &impl Store) -> Vec<Change> {
    all_changes(store).await.iter().filter_map(|entry| entry.change().cloned()).collect()
}

/// What the timer does at an instant: it wakes what is due.
async fn wake_all(desk: &Arc<Desk<MemoryStore>>, store: &MemoryStore, at: Timestamp) {
    store.set_now(at);
    let due = desk.due(0, 1_000).await.unwrap();
    let served = desk.wake(due.ids).await.unwrap();
    assert!(served.failed.is_empty(), "{:?}", served.failed);
}

/// A store on a Redis of its own.
async fn on_redis() -> (TestRedis, Arc<RedisStore>) {
    let redis = start_redis();
    let store = open(&options(&[redis.url()])).await;
    (redis, store)
}
