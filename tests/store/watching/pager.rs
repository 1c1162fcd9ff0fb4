//! Who reads the outbox: replicas that die, that are slow, and what none of them can read.

use std::time::Duration;

use urgence::core::{Event, RungRecord, SinkAnswer};
use urgence::pager::{Courier, Pager, Ways};
use urgence::store::Store;

use super::linked::{Link, Linked};
use super::{
    LEFT_AFTER, MINUTE, NOT_LEFT_YET, OK, Replica, SECOND, START, contacts, key, keys, memory,
    record, rules, said, ways,
};
use crate::support::receiver::{Answer, Receiver};
use crate::support::wait::eventually;
use crate::{open, options, start_redis};

const FIRST: Duration = Duration::ZERO;

#[tokio::test]
async fn what_a_dead_replica_took_is_taken_over_and_delivered_under_the_same_key() {
    let receiver = Receiver::start(OK).await;
    let (memory, store) = memory();
    let replica = Replica::reaching(&store, &[("a", &receiver, &["desk"])]);
    let case = replica.submit("1").await;
    // It dies with the change in its hands, before anybody was told.
    assert_eq!(store.receive("pager", "replica", 10).await.unwrap().len(), 1);
    memory.set_now(START + NOT_LEFT_YET);
    assert_eq!(replica.page().await, 0);
    memory.set_now(START + LEFT_AFTER);
    replica.page().await;
    assert_eq!(keys(&receiver), [key(case.id, FIRST)]);
    // Another dies after the sink's answer, before it is known: it is told again, by the same name.
    let other = replica.submit("2").await;
    store.receive("pager", "replica", 1).await.unwrap();
    store.set(Link::ReadOnly);
    memory.set_now(START + LEFT_AFTER * 2);
    replica.pager().pass().await.unwrap();
    assert_eq!(keys(&receiver)[1..], [key(other.id, FIRST)]);
    assert!(record(&replica.get(other.id).await, FIRST).answers.is_empty());
    store.set(Link::Up);
    memory.set_now(START + LEFT_AFTER * 3);
    replica.page().await;
    // (By then its next rung is due as well.)
    assert_eq!(keys(&receiver)[1..3], [(); 2].map(|()| key(other.id, FIRST)));
    assert!(said(record(&replica.get(other.id).await, FIRST), "a").is_some());
}

/// It told the sink and died before saying so; then the case was answered. Nobody knows that the sink has
/// the page, so whoever takes over what it left has it closed there.
#[tokio::test]
async fn what_a_dead_replica_may_have_told_is_closed_when_it_is_over() {
    let receiver = Receiver::start(OK).await;
    let (memory, store) = memory();
    let replica = Replica::reaching(&store, &[("a", &receiver, &["desk"])]);
    let case = replica.submit("1").await;
    assert_eq!(store.receive("pager", "replica", 10).await.unwrap().len(), 1);
    replica.answer(case.id).await;
    replica.page().await;
    assert!(keys(&receiver).is_empty(), "as far as the case knows, nobody has it");
    memory.set_now(START + LEFT_AFTER);
    replica.page().await;
    assert_eq!(keys(&receiver), [format!("{}/resolved", key(case.id, FIRST))]);
    let case = replica.get(case.id).await;
    assert_eq!(said(record(&case, FIRST), "a"), Some(SinkAnswer::Resolved));
    memory.set_now(START + LEFT_AFTER * 2);
    replica.page().await;
    assert_eq!(receiver.got().len(), 1, "once");
}

/// It lasts as long as a replica takes to tell the others that it still works.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_replica_still_works_on_is_not_taken_over() {
    let receiver = Receiver::start(Answer::Never).await;
    let (memory, store) = memory();
    let sinks = ways(&[("a", &receiver)], MINUTE);
    let replica = Replica::start(&store, rules(), contacts(&[("a", &["desk"])]), sinks);
    replica.submit("1").await;
    let running = tokio::spawn(replica.pager().run());
    eventually("it is asked", SECOND * 5, async || receiver.got().len() == 1).await;
    memory.set_now(START + LEFT_AFTER);
    eventually("it says that it still works on it", SECOND * 20, async || store.holds() > 0).await;
    let held_until = START + LEFT_AFTER * 2;
    memory.set_now(START + LEFT_AFTER + NOT_LEFT_YET);
    // Nobody but us may take it: an idle one is what the store would hand out.
    let taken = store.take_over("pager", "other", LEFT_AFTER, 10).await.unwrap();
    assert!(taken.is_empty(), "{taken:?}");
    running.abort();
    memory.set_now(held_until);
    assert_eq!(store.take_over("pager", "other", LEFT_AFTER, 10).await.unwrap().len(), 1);
    assert_eq!(receiver.got().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_cannot_be_read_is_put_aside_and_holds_nothing_up() {
    let receiver = Receiver::start(OK).await;
    let redis = start_redis();
    let store = open(&options(&[redis.url()])).await;
    let replica = Replica::reaching(&store, &[("a", &receiver, &["desk"])]);
    let before = replica.submit("1").await;
    let events = "{urgence:main}:events";
    redis.command(&["XADD", events, "*", "change", "not a change"]);
    redis.command(&["XADD", events, "*", "something", "else"]);
    let after = replica.submit("2").await;
    replica.page().await;
    let mut told = keys(&receiver);
    told.sort();
    let mut wanted = [before.id, after.id].map(|id| key(id, FIRST));
    wanted.sort();
    assert_eq!(told, wanted);
    assert_eq!(store.figures().await.unwrap().parked, 2);
    // Dealt with: nobody gets it again.
    let left = store.take_over("pager", "other", Duration::ZERO, 10).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_cannot_even_be_put_aside_holds_nothing_up() {
    let receiver = Receiver::start(OK).await;
    let redis = start_redis();
    let store = open(&options(&[redis.url()])).await;
    let replica = Replica::reaching(&store, &[("a", &receiver, &["desk"])]);
    redis.command(&["SET", "{urgence:main}:parked", "in the way"]);
    replica.submit("1").await;
    redis.command(&["XADD", "{urgence:main}:events", "*", "change", "not a change"]);
    replica.submit("2").await;
    let mut pager = replica.pager();
    assert!(pager.pass().await.is_err(), "it is told");
    eventually("both pages have come", SECOND * 20, async || keys(&receiver).len() == 2).await;
    // It stays unacknowledged, for whoever can put it aside.
    redis.command(&["DEL", "{urgence:main}:parked"]);
    pager.pass().await.unwrap();
    let left = store.take_over("pager", "other", Duration::ZERO, 10).await.unwrap();
    assert_eq!(left.iter().filter(|entry| entry.told.is_err()).count(), 1);
}

/// Redis looks at a part of what is pending, and in front of it may stand much that others work on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_left_is_found_behind_what_others_work_on() {
    let redis = start_redis();
    let store = open(&options(&[redis.url()])).await;
    let events = "{urgence:main}:events";
    let add = "for _ = 1, 4000 do redis.call('XADD', KEYS[1], '*', 'change', 'x') end";
    redis.command(&["EVAL", add, "1", events]);
    let taken = store.receive("pager", "replica", 4_000).await.unwrap();
    assert_eq!(taken.len(), 4_000);
    let last = taken.last().unwrap().cursor;
    let idle = ["IDLE", "60000", "JUSTID"];
    let claim = ["XCLAIM", events, "pager", "replica", "0", &last.to_string()];
    redis.command(&[claim.as_slice(), &idle].concat());
    let left = store.take_over("pager", "other", LEFT_AFTER, 10).await.unwrap();
    assert_eq!(left.iter().map(|entry| entry.cursor).collect::<Vec<_>>(), [last]);
}

#[tokio::test]
async fn a_panic_of_ours_ends_the_pager() {
    let receiver = Receiver::start(OK).await;
    let (_, store) = memory();
    let replica = Replica::reaching(&store, &[("a", &receiver, &["desk"])]);
    replica.submit("1").await;
    let mut pager = replica.pager();
    store.set(Link::Broken);
    let ended = tokio::spawn(async move { pager.pass().await }).await;
    assert!(ended.is_err_and(|error| error.is_panic()), "nobody would notice");
    assert!(receiver.got().is_empty());
}

#[tokio::test]
async fn what_cannot_be_read_now_is_read_again() {
    let receiver = Receiver::start(OK).await;
    let (memory, store) = memory();
    let replica = Replica::reaching(&store, &[("a", &receiver, &["desk"])]);
    let case = replica.submit("1").await;
    let mut pager: Pager<Linked> = replica.pager();
    store.set(Link::Cut);
    assert!(pager.pass().await.is_err());
    store.set(Link::Up);
    pager.pass().await.unwrap();
    assert_eq!(keys(&receiver), [key(case.id, FIRST)]);
    memory.set_now(START + LEFT_AFTER);
    replica.page().await;
    assert_eq!(receiver.got().len(), 1);
}

/// A sink that is configured no more is told nothing more, and keeps no change in the outbox.
#[tokio::test]
async fn other_ways_are_taken_from_one_attempt_to_the_next() {
    let (old, new) = (Receiver::start(OK).await, Receiver::start(OK).await);
    let (_, store) = memory();
    let replica = Replica::reaching(&store, &[("old", &old, &["desk"])]);
    let case = replica.submit("1").await;
    replica.page().await;
    let moved: &Courier<Linked> = &replica.courier;
    let sinks: Ways = ways(&[("new", &new)], SECOND);
    moved.replace(sinks);
    replica.answer(case.id).await;
    replica.page().await;
    assert_eq!((old.got().len(), new.got().len()), (1, 0));
    assert!(record(&replica.get(case.id).await, FIRST).holders().next().is_none());
    assert_eq!(replica.page().await, 0);
}

#[tokio::test]
async fn after_forty_minutes_away_every_rung_is_recorded_late_and_all_are_paged_once() {
    let (desk, all) = (Receiver::start(OK).await, Receiver::start(OK).await);
    let (memory, store) = memory();
    let replica = Replica::reaching(
        &store,
        &[("desk", &desk, &["desk", "shift-lead"]), ("all", &all, &["head-of-desk", "all"])],
    );
    let case = replica.submit("1").await;
    replica.page().await;
    assert_eq!((desk.got().len(), all.got().len()), (1, 0));
    memory.set_now(START + MINUTE * 40);
    assert_eq!(replica.tick().await, 1);
    replica.page().await;
    let rungs: Vec<RungRecord> = replica
        .events()
        .await
        .into_iter()
        .filter_map(|event| if let Event::RungFired(rung) = event { Some(rung) } else { None })
        .skip(1)
        .collect();
    // At 1, 4 and 6 minutes, and every third minute from 9 to 39.
    let each: Vec<(u64, u64)> = rungs
        .iter()
        .flat_map(|rung| {
            (0..rung.count).map(|index| {
                let back = rung.spacing * (rung.count - 1 - index);
                (rung.offset.as_secs() - back.as_secs(), rung.lateness_of(index).as_secs())
            })
        })
        .collect();
    let wanted = [1, 4, 6].into_iter().chain((9..40).step_by(3));
    assert_eq!(each, wanted.map(|at| (at * 60, (40 - at) * 60)).collect::<Vec<_>>());
    assert!(rungs.iter().all(RungRecord::is_late));
    let newest = key(case.id, MINUTE * 39);
    assert_eq!(keys(&desk)[1..], [newest.as_str()], "once, by the newest rung's name");
    assert_eq!(keys(&all), [newest.as_str()]);
    let told = &all.got()[0].json()["data"];
    assert_eq!(told["cause"], "catch_up");
    assert_eq!(told["is_store_unreachable"], false);
}
