//! The line of those who wait for a case: every claim reaches its caller or is given back.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinHandle, JoinSet};
use urgence::core::{Deed, Event, Nature, Policy, Timestamp};
use urgence::desk::{Desk, DeskSettings, Done, Error};
use urgence::store::{Cursor, MemoryStore, Said, Store as _};

use crate::support::make;
use crate::support::wait::eventually;

const PATIENCE: Duration = Duration::from_secs(10);
const WAIT: Duration = Duration::from_mins(1);

struct Room {
    store: Arc<MemoryStore>,
    desk: Arc<Desk<MemoryStore>>,
    _line: JoinSet<()>,
}

impl Room {
    fn start() -> Self {
        let store = Arc::new(MemoryStore::new(Timestamp::from_millis(1_800_000_000_000)));
        let settings = DeskSettings::plain("main".parse().unwrap(), Policy::built_in());
        let (desk, line, _tail) = Desk::new(settings, Arc::clone(&store));
        let mut running = JoinSet::new();
        running.spawn(line.run());
        Self { store, desk, _line: running }
    }

    async fn submit(&self, request_id: &str) {
        let intake = make::intake("fr-pnij", request_id, Nature::MissingChild);
        self.desk.submit(intake, Vec::new()).await.unwrap();
    }

    /// A caller who stands in line.
    fn call(&self, request_id: &str) -> JoinHandle<Result<Option<Done>, Error>> {
        let (desk, act) = (Arc::clone(&self.desk), make::act("ana", request_id));
        tokio::spawn(async move { desk.claim_next(act, WAIT).await })
    }

    async fn events(&self) -> Vec<Event> {
        let entries = self.store.changes(Cursor::default(), 1_000).await.unwrap();
        entries.into_iter().flat_map(|entry| entry.change().unwrap().clone().events).collect()
    }

    async fn count(&self, is_wanted: fn(&Event) -> bool) -> usize {
        self.events().await.iter().filter(|event| is_wanted(event)).count()
    }
}

const fn is_claim(event: &Event) -> bool {
    matches!(event, Event::Claimed { .. })
}

const fn is_release(event: &Event) -> bool {
    matches!(event, Event::ClaimReleased { .. })
}

#[tokio::test]
async fn a_claim_dropped_on_its_way_is_given_back_at_once() {
    let room = Room::start();
    let mut call = Box::pin(room.desk.claim_next(make::act("ana", "1"), WAIT));
    // Looked at once, the caller stands in line; it never looks again.
    assert!(tokio::time::timeout(Duration::ZERO, &mut call).await.is_err());
    room.submit("r-1").await;
    eventually("the case is claimed for it", PATIENCE, async || room.count(is_claim).await == 1)
        .await;
    assert_eq!(room.count(is_release).await, 0);
    drop(call);
    eventually("the case is given back", PATIENCE, async || room.count(is_release).await == 1)
        .await;
    let next = room.desk.claim_next(make::act("bo", "1"), WAIT).await.unwrap();
    assert!(next.is_some(), "and somebody else gets it");
}

#[tokio::test]
async fn a_claim_that_its_caller_got_by_asking_again_is_not_given_back() {
    let room = Room::start();
    let mut call = Box::pin(room.desk.claim_next(make::act("ana", "1"), WAIT));
    assert!(tokio::time::timeout(Duration::ZERO, &mut call).await.is_err());
    room.submit("r-1").await;
    eventually("the case is claimed for it", PATIENCE, async || room.count(is_claim).await == 1)
        .await;
    // The connection broke; the caller asks again on another one, and gets its case.
    let again = room.desk.claim_next(make::act("ana", "1"), WAIT).await.unwrap().unwrap();
    assert!(again.is_replayed && again.case.claim.is_some());
    drop(call);
    // A case that another caller gets afterwards shows that what was dropped has been dealt with.
    room.submit("r-2").await;
    room.desk.claim_next(make::act("bo", "1"), WAIT).await.unwrap().unwrap();
    assert_eq!(room.count(is_release).await, 0, "it is the caller's");
    let case = room.desk.get(again.case.id).await.unwrap();
    assert_eq!(case.claim.unwrap().by.as_str(), "ana");
}

#[tokio::test]
async fn a_caller_who_hangs_up_leaves_the_line() {
    let room = Room::start();
    let gone = room.call("gone");
    let here = room.call("here");
    tokio::task::yield_now().await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    room.submit("r-1").await;
    let claimed = tokio::time::timeout(PATIENCE, here).await.expect("the next in line is served");
    assert!(claimed.unwrap().unwrap().is_some());
    eventually("what the first may have got is back", PATIENCE, async || {
        room.count(is_claim).await == room.count(is_release).await + 1
    })
    .await;
}

#[tokio::test]
async fn who_asks_again_takes_over_the_place_in_the_line() {
    let room = Room::start();
    // The first call's connection is dead, and nobody has noticed.
    let ghost = room.call("1");
    tokio::task::yield_now().await;
    let second = room.call("2");
    tokio::task::yield_now().await;
    let again = room.call("1");
    eventually("the older call has ended", PATIENCE, async || ghost.is_finished()).await;
    assert!(matches!(ghost.await.unwrap(), Err(Error::Superseded)), "it is told why");
    room.submit("r-1").await;
    let claimed = tokio::time::timeout(PATIENCE, again).await.expect("it kept its place");
    assert!(claimed.unwrap().unwrap().is_some());
    assert!(!second.is_finished());
    room.submit("r-2").await;
    let claimed = tokio::time::timeout(PATIENCE, second).await.expect("then the second");
    assert!(claimed.unwrap().unwrap().is_some());
}

#[tokio::test]
async fn a_repeat_returns_the_same_case_and_marks_it_as_delivered() {
    let room = Room::start();
    room.submit("r-1").await;
    room.submit("r-2").await;
    let first = room.desk.claim_next(make::act("ana", "1"), WAIT).await.unwrap().unwrap();
    let version = first.case.version;
    let repeat = room.desk.claim_next(make::act("ana", "1"), WAIT).await.unwrap().unwrap();
    assert!(repeat.is_replayed && repeat.case.id == first.case.id);
    assert_eq!(repeat.case.claim.as_ref().unwrap().epoch, 1);
    assert_eq!(repeat.case.version, version + 1, "the mark is in the case");
    let third = room.desk.claim_next(make::act("ana", "1"), WAIT).await.unwrap().unwrap();
    assert_eq!(third.case.version, version + 1, "and is made once");
    // Once the caller has released it, a repeat shows the case as it is and claims nothing.
    let release = make::act("ana", "release");
    room.desk.act(first.case.id, release, Deed::Release(1), Said::Nothing).await.unwrap();
    let after = room.desk.claim_next(make::act("ana", "1"), WAIT).await.unwrap().unwrap();
    assert!(after.is_replayed && after.case.claim.is_none());
    // The same id for something else is refused.
    let mut other = make::act("ana", "1");
    other.digest.0[0] ^= 1;
    let reused = room.desk.claim_next(other, WAIT).await;
    assert!(matches!(reused, Err(Error::Refused(urgence::core::Refusal::RequestIdReused))));
}
