//! The store is gone: rungs are paged from memory, on time, once and under their own keys, and when
//! it is back that is recorded before anything else.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use urgence::core::{
    Deed, Event, FirstResponseKind, Page, PageCause, PageKey, SinkAnswer, Timestamp,
};
use urgence::store::Store as _;
use urgence::timer::{GRACE, MemoryCourier, Taken};

use super::linked::{Link, Linked};
use super::{
    Hands, MINUTE, OK, Replica, SECOND, START, contacts, key, keys, memory, record, rules, said,
    ways,
};
use crate::support::make::ms;
use crate::support::receiver::Receiver;
use crate::support::wait::eventually;

/// How often the shadow looks, and some more for a busy machine.
const LOOK_MAX: Duration = Duration::from_secs(5);

/// A courier that writes down what it is given, and whose sink takes it if told so.
#[derive(Clone, Default)]
struct Noted {
    pages: Arc<Mutex<Vec<(Page, bool)>>>,
}

impl Noted {
    fn pages(&self) -> Vec<Page> {
        self.pages.lock().unwrap().iter().map(|(page, _)| page.clone()).collect()
    }

    fn offsets(&self) -> Vec<u64> {
        self.pages().iter().map(|page| page.key.offset.as_secs()).collect()
    }
}

impl MemoryCourier for Noted {
    fn send(&self, page: Page, is_synthetic: bool, _: &UnboundedSender<Taken>) {
        self.pages.lock().unwrap().push((page, is_synthetic));
    }
}

/// A replica whose pages go to the log, as far as they go anywhere.
fn replica(store: &Arc<Linked>) -> Replica<Linked> {
    Replica::start(store, rules(), contacts(&[("log", &["desk"])]), ways(&[], SECOND))
}

/// What the shadow of this replica sends at `at`.
async fn look(
    replica: &Replica<Linked>,
    memory: &urgence::store::MemoryStore,
    at: Timestamp,
) -> Noted {
    let noted = Noted::default();
    look_again(replica, memory, at, &noted).await;
    noted
}

async fn look_again(
    replica: &Replica<Linked>,
    memory: &urgence::store::MemoryStore,
    at: Timestamp,
    noted: &Noted,
) {
    memory.set_now(at);
    let (sender, _taken) = unbounded_channel();
    replica.timer.shadow().look(noted, &sender).await;
}

const fn rung(page: &Page) -> PageKey {
    page.key
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_rungs_of_an_outage_are_paged_on_time_and_recorded_before_anything_is_woken() {
    let (desk, all) = (Receiver::start(OK).await, Receiver::start(OK).await);
    let (memory, store) = memory();
    let replica = Replica::reaching(
        &store,
        &[("desk", &desk, &["desk", "shift-lead"]), ("all", &all, &["head-of-desk", "all"])],
    );
    let case = replica.submit("1").await;
    replica.page().await;
    let mut running = JoinSet::new();
    running.spawn(replica.timer.shadow().run(Hands(Arc::clone(&replica.courier))));
    store.set(Link::Cut);
    for (minutes, receiver, count) in [(1, &desk, 2), (4, &all, 1), (6, &all, 2)] {
        memory.set_now(START + MINUTE * minutes + GRACE + ms(1));
        eventually("the rung is paged", LOOK_MAX, async || keys(receiver).len() == count).await;
    }
    assert!(replica.timer.pass().await.is_err());
    let [first, second, third, fourth] = [0, 1, 4, 6].map(|at| key(case.id, MINUTE * at));
    assert_eq!(keys(&desk), [first, second]);
    assert_eq!(keys(&all), [third, fourth]);
    let doubt = |receiver: &Receiver| -> Vec<bool> {
        let data = receiver.got().into_iter().map(|request| request.json()["data"].clone());
        data.map(|data| data["is_store_unreachable"].as_bool().unwrap()).collect()
    };
    assert_eq!((doubt(&desk), doubt(&all)), (vec![false, true], vec![true, true]));

    // Back, 20 seconds before the next rung: what was sent is on record, and nothing goes out again.
    memory.set_now(START + MINUTE * 8 + SECOND * 40);
    store.set(Link::Up);
    assert_eq!(replica.tick().await, 0, "nothing is left to be woken");
    replica.page().await;
    assert_eq!((desk.got().len(), all.got().len()), (2, 2));
    let found = replica.get(case.id).await;
    for (minutes, sink) in [(1, "desk"), (4, "all"), (6, "all")] {
        let record = record(&found, MINUTE * minutes);
        let due_at = START + MINUTE * minutes;
        assert_eq!((record.page.due_at, record.page.cause), (due_at, PageCause::Due));
        assert_eq!(record.queued_at, due_at + GRACE + ms(1));
        assert_eq!(said(record, sink), Some(SinkAnswer::Taken));
    }
    let changes = replica.changes().await;
    let recorded = changes
        .iter()
        .find(|change| {
            change.events.iter().any(|event| matches!(event, Event::PagedFromMemory { .. }))
        })
        .unwrap();
    let fired: Vec<_> = recorded
        .events
        .iter()
        .filter_map(|event| match event {
            Event::RungFired(rung) => Some((rung.offset, rung.lateness)),
            _ => None,
        })
        .collect();
    assert_eq!(
        fired,
        [1, 4, 6].map(|at| (MINUTE * at, GRACE + ms(1))),
        "as late as they were sent"
    );
    let paged = changes.iter().flat_map(|change| &change.events);
    assert_eq!(paged.filter(|event| matches!(event, Event::Paged(_))).count(), 1, "that of 0 min");
    // And each is closed where it is.
    replica.answer(case.id).await;
    replica.page().await;
    assert_eq!((desk.got().len(), all.got().len()), (4, 4));
}

#[tokio::test]
async fn a_rung_is_paged_from_memory_when_its_grace_is_over_and_not_before_and_once() {
    for link in [Link::Cut, Link::Silent] {
        let (memory, store) = memory();
        let replica = replica(&store);
        let case = replica.submit("1").await;
        store.set(link);
        assert!(look(&replica, &memory, START + MINUTE + GRACE).await.pages().is_empty());
        let noted = look(&replica, &memory, START + MINUTE + GRACE + ms(1)).await;
        let [page] = &noted.pages()[..] else { panic!("{:?}", noted.pages()) };
        assert_eq!(rung(page).to_string(), key(case.id, MINUTE));
        assert!(look(&replica, &memory, START + MINUTE * 4).await.pages().is_empty());
    }
}

#[tokio::test]
async fn what_was_missed_while_nobody_looked_is_paged_rung_by_rung() {
    let (memory, store) = memory();
    let replica = replica(&store);
    replica.submit("1").await;
    store.set(Link::Cut);
    let noted = look(&replica, &memory, START + MINUTE * 7).await;
    assert_eq!(noted.offsets(), [60, 240, 360]);
}

#[tokio::test]
async fn while_the_store_answers_only_what_is_stuck_is_paged_from_memory() {
    let (memory, store) = memory();
    let replica = replica(&store);
    replica.submit("1").await;
    assert!(look(&replica, &memory, START + MINUTE + SECOND * 10).await.pages().is_empty());
    let noted = look(&replica, &memory, START + MINUTE + SECOND * 10 + ms(1)).await;
    assert_eq!(noted.offsets(), [60]);
    // What another replica has fired meanwhile is not.
    let other = replica_of(&memory);
    memory.set_now(START + MINUTE * 4 + SECOND * 11);
    other.tick().await;
    let at = START + MINUTE * 4 + SECOND * 12;
    assert!(look(&replica, &memory, at).await.pages().is_empty());
}

/// Another replica, with a link of its own to the same store.
fn replica_of(memory: &Arc<urgence::store::MemoryStore>) -> Replica<Linked> {
    replica(&Linked::to(memory))
}

#[tokio::test]
async fn two_replicas_page_under_the_same_keys_and_both_are_recorded() {
    let (memory, store) = memory();
    let (one, two) = (replica(&store), replica_of(&memory));
    let case = one.submit("1").await;
    two.follower().pass().await.unwrap();
    assert_eq!(two.desk.held_in_memory(), 1);
    one.store.set(Link::Cut);
    two.store.set(Link::Cut);
    let at = START + MINUTE * 4 + GRACE + ms(1);
    let noted = [look(&one, &memory, at).await, look(&two, &memory, at).await];
    let rungs = noted.each_ref().map(|noted| noted.pages().iter().map(rung).collect::<Vec<_>>());
    assert_eq!(rungs[0].len(), 2);
    assert_eq!(rungs[0], rungs[1]);
    for replica in [&one, &two] {
        replica.store.set(Link::Up);
        replica.tick().await;
    }
    let events = one.events().await;
    let from_memory = events.iter().filter(|event| matches!(event, Event::PagedFromMemory { .. }));
    assert_eq!(from_memory.count(), 2);
    assert_eq!(one.get(case.id).await.pages.len(), 3);
}

#[tokio::test]
async fn what_another_had_answered_just_before_is_paged_recorded_and_closed() {
    let receiver = Receiver::start(OK).await;
    let (memory, store) = memory();
    let sinks: &[(&str, &Receiver, &[&str])] = &[("a", &receiver, &["desk"])];
    let one = Replica::reaching(&store, sinks);
    let two = Replica::reaching(&Linked::to(&memory), sinks);
    let case = one.submit("1").await;
    one.page().await;
    store.set(Link::Cut);
    two.answer(case.id).await;
    let mut running = JoinSet::new();
    running.spawn(one.timer.shadow().run(Hands(Arc::clone(&one.courier))));
    memory.set_now(START + MINUTE + GRACE + ms(1));
    let second = key(case.id, MINUTE);
    eventually("it is paged all the same", LOOK_MAX, async || keys(&receiver).contains(&second))
        .await;
    store.set(Link::Up);
    eventually("it is recorded", LOOK_MAX, async || {
        one.tick().await;
        let case = one.get(case.id).await;
        case.pages.iter().any(|record| record.page.key.offset == MINUTE)
    })
    .await;
    assert!(record(&one.get(case.id).await, MINUTE).closed_at.is_some());
    let over = format!("{second}/resolved");
    eventually("it is closed where it is", LOOK_MAX, async || {
        one.page().await;
        keys(&receiver).contains(&over)
    })
    .await;
    let case = one.get(case.id).await;
    assert!(case.has_ended() && case.pages.iter().all(|record| record.holders().next().is_none()));
    assert_eq!(keys(&receiver).iter().filter(|told| **told == second).count(), 1);
}

#[tokio::test]
async fn what_a_claim_keeps_quiet_is_quiet_in_memory_and_its_end_pages_anew() {
    let (memory, store) = memory();
    let replica = replica(&store);
    let case = replica.submit("1").await;
    replica.act(case.id, "c", Deed::Claim).await;
    store.set(Link::Cut);
    assert!(look(&replica, &memory, START + MINUTE * 2).await.pages().is_empty());
    // The lease of 3 minutes ends within the outage: the case is nobody's again.
    let noted = look(&replica, &memory, START + MINUTE * 3 + GRACE + ms(1)).await;
    let [page] = &noted.pages()[..] else { panic!("{:?}", noted.pages()) };
    assert_eq!((page.key.cycle, page.key.offset, page.cause), (1, MINUTE, PageCause::ClaimLost));
    // The target is never quiet, whoever holds the case.
    let noted = look(&replica, &memory, START + MINUTE * 4 + GRACE + ms(1)).await;
    assert_eq!(noted.offsets(), [240]);
    store.set(Link::Up);
    memory.set_now(START + MINUTE * 5);
    replica.tick().await;
    let found = replica.get(case.id).await;
    assert_eq!((found.claim, found.pages.len()), (None, 3));
}

#[tokio::test]
async fn a_case_that_cannot_be_written_blocks_nobody() {
    let (memory, store) = memory();
    let replica = replica(&store);
    let mut cases = Vec::new();
    for number in 0..3 {
        cases.push(replica.submit(&number.to_string()).await);
    }
    store.set(Link::Cut);
    let noted = look(&replica, &memory, START + MINUTE + GRACE + ms(1)).await;
    assert_eq!(noted.pages().len(), 3);
    store.set(Link::Up);
    // One of them is no longer there.
    let gone = cases.iter().map(|case| case.id).min().unwrap();
    store.lose(gone);
    assert_eq!(replica.tick().await, 0);
    for case in cases.iter().filter(|case| case.id != gone) {
        assert!(record(&replica.get(case.id).await, MINUTE).is_open());
    }
    // What cannot be recorded keeps nobody from trying to wake, and is recorded before anybody is woken.
    store.set(Link::ReadOnly);
    memory.set_now(START + MINUTE * 4 + GRACE + ms(1));
    store.set(Link::Cut);
    look_again(&replica, &memory, START + MINUTE * 4 + GRACE + ms(2), &Noted::default()).await;
    store.set(Link::ReadOnly);
    let pass = replica.timer.pass().await.unwrap();
    assert_eq!((pass.woken, pass.failed), (0, 3));
    store.set(Link::Up);
    assert_eq!(replica.tick().await, 0);
}

#[tokio::test]
async fn the_follower_holds_what_others_commit_and_what_comes_near() {
    let (memory, store) = memory();
    let one = replica(&store);
    let other = replica_of(&memory);
    let mut follower = one.follower();
    follower.pass().await.unwrap();
    // What it has committed itself costs no load.
    let own = one.submit("own").await;
    one.act(own.id, "c", Deed::Claim).await;
    one.act(own.id, "r", Deed::Release(1)).await;
    let before = store.loads();
    follower.pass().await.unwrap();
    assert_eq!((one.desk.held_in_memory(), store.loads() - before), (1, 0));
    // What another has costs one, however often it was changed; then none until it changes.
    let theirs = other.submit("theirs").await;
    other.act(theirs.id, "c", Deed::Claim).await;
    follower.pass().await.unwrap();
    assert_eq!((one.desk.held_in_memory(), store.loads() - before), (2, 1));
    follower.pass().await.unwrap();
    assert_eq!(store.loads() - before, 1);
    // What has no deadline for people any more is let go, by whomever it was answered.
    other.act(theirs.id, "a", Deed::Respond(1, FirstResponseKind::NoData)).await;
    one.answer(own.id).await;
    follower.pass().await.unwrap();
    assert_eq!(one.desk.held_in_memory(), 0);
}

#[tokio::test]
async fn what_is_far_is_not_held_until_it_comes_near() {
    let (memory, store) = memory();
    let far = crate::support::make::policy(MINUTE * 60, MINUTE * 60, MINUTE * 60);
    let one = Replica::start(&store, far, contacts(&[]), ways(&[], SECOND));
    let other = replica_of(&memory);
    let mut follower = one.follower();
    follower.pass().await.unwrap();
    let case = one.submit("1").await;
    let before = store.loads();
    follower.pass().await.unwrap();
    assert_eq!(store.loads(), before, "its own commit costs no load, held or not");
    assert_eq!(one.desk.held_in_memory(), 0, "its next rung comes in a quarter of an hour");
    // A follower that has just begun looks at all that is near, also what nobody has told it of.
    for (replica, minutes, held) in [(&one, 9, 0), (&other, 9, 0), (&one, 10, 1), (&other, 10, 1)] {
        memory.set_now(START + MINUTE * minutes);
        replica.follower().pass().await.unwrap();
        assert_eq!(replica.desk.held_in_memory(), held, "after {minutes} minutes");
    }
    store.set(Link::Cut);
    let noted = look(&one, &memory, START + MINUTE * 15 + GRACE + ms(1)).await;
    assert_eq!(
        noted.pages().iter().map(rung).collect::<Vec<_>>(),
        [key(case.id, MINUTE * 15).parse().unwrap()]
    );
    assert!(store.kept().await.is_err());
}
