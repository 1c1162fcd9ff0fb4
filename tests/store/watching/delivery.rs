//! What is delivered, where, and what becomes of it when the clock stops or nobody takes it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use urgence::core::{Deed, Event, PageCause, SinkAnswer};

use super::{
    LEFT_AFTER, MINUTE, NOT_LEFT_YET, OK, REFUSED, Replica, SECOND, START, key, keys, memory,
    record, said,
};
use crate::support::receiver::{Answer, Receiver};
use crate::support::wait::eventually;

const FIRST: Duration = Duration::ZERO;

#[tokio::test]
async fn a_page_whose_clock_stopped_before_its_turn_is_not_sent() {
    let receiver = Receiver::start(OK).await;
    let (_, store) = memory();
    let replica = Replica::reaching(&store, &[("a", &receiver, &["desk"])]);
    let answered = replica.submit("1").await;
    let open = replica.submit("2").await;
    let held = replica.submit("3").await;
    replica.answer(answered.id).await;
    replica.act(held.id, "c", Deed::Claim).await;
    replica.page().await;
    assert_eq!(keys(&receiver), [key(open.id, FIRST)]);
    assert!(record(&replica.get(answered.id).await, FIRST).answers.is_empty());
    // Given back, the claim keeps nobody from hearing of it.
    replica.act(held.id, "r", Deed::Release(1)).await;
    replica.page().await;
    assert_eq!(keys(&receiver).len(), 2);
    assert!(keys(&receiver)[1].starts_with(&held.id.to_string()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_is_taken_after_its_clock_stopped_is_resolved_at_once() {
    let takes = Arc::new(Notify::new());
    let receiver = Receiver::start(Answer::Late(Arc::clone(&takes))).await;
    let (_, store) = memory();
    let replica = Replica::reaching(&store, &[("a", &receiver, &["desk"])]);
    let case = replica.submit("1").await;
    let mut pager = replica.pager();
    let paging = tokio::spawn(async move { pager.pass().await.unwrap() });
    eventually("it is asked", SECOND * 5, async || receiver.got().len() == 1).await;
    replica.answer(case.id).await;
    receiver.answer(OK);
    takes.notify_one();
    assert_eq!(paging.await.unwrap(), 1);
    // The record of it asks for the closing, so that nobody's death can keep it from being closed.
    replica.page().await;
    let first = key(case.id, FIRST);
    let got = keys(&receiver);
    let resolved = format!("{first}/resolved");
    assert!(got[0] == first && got.len() >= 2 && got[1..].iter().all(|key| *key == resolved));
    assert_eq!(said(record(&replica.get(case.id).await, FIRST), "a"), Some(SinkAnswer::Resolved));
    // Nothing is left for whoever reads what has happened since.
    replica.page().await;
    assert_eq!(keys(&receiver), got);
}

#[tokio::test]
async fn every_open_page_is_resolved_where_it_is_and_nowhere_else() {
    let (desk, lead, refuses) =
        (Receiver::start(OK).await, Receiver::start(OK).await, Receiver::start(REFUSED).await);
    let (memory, store) = memory();
    let replica = Replica::reaching(
        &store,
        &[
            ("desk", &desk, &["desk"]),
            ("lead", &lead, &["shift-lead", "head-of-desk"]),
            ("refuses", &refuses, &["desk"]),
        ],
    );
    let case = replica.submit("1").await;
    replica.page().await;
    memory.set_now(START + MINUTE);
    replica.tick().await;
    replica.page().await;
    let [first, second] = [FIRST, MINUTE].map(|offset| key(case.id, offset));
    assert_eq!(keys(&desk), [first.clone(), second.clone()]);
    assert_eq!(keys(&lead), [second.as_str()]);
    assert_eq!(keys(&refuses), [first.clone(), second.clone()]);
    replica.answer(case.id).await;
    replica.page().await;
    let over = |key: &str| format!("{key}/resolved");
    let mut closed = keys(&desk).split_off(2);
    closed.sort();
    assert_eq!(closed, [over(&first), over(&second)]);
    assert_eq!(keys(&lead)[1..], [over(&second)]);
    assert_eq!(refuses.got().len(), 2, "it has none of them");
    let case = replica.get(case.id).await;
    assert!(case.pages.iter().all(|record| !record.is_open() && record.holders().next().is_none()));
}

#[tokio::test]
async fn a_resolve_that_fails_is_left_and_tried_again_until_it_is_taken() {
    let receiver = Receiver::start(OK).await;
    let (memory, store) = memory();
    let replica = Replica::reaching(&store, &[("a", &receiver, &["desk"])]);
    let case = replica.submit("1").await;
    replica.page().await;
    receiver.answer(REFUSED);
    replica.answer(case.id).await;
    replica.page().await;
    assert_eq!(receiver.got().len(), 2);
    let is_held = async || record(&replica.get(case.id).await, FIRST).holders().count() == 1;
    assert!(is_held().await);
    // Not before it counts as left, and then again and again.
    for (at, asked) in [(NOT_LEFT_YET, 2), (LEFT_AFTER, 3), (LEFT_AFTER * 2, 4)] {
        memory.set_now(START + at);
        replica.page().await;
        assert_eq!(receiver.got().len(), asked, "at {at:?}");
        assert!(is_held().await);
    }
    receiver.answer(OK);
    memory.set_now(START + LEFT_AFTER * 3);
    replica.page().await;
    assert_eq!(keys(&receiver)[1..], [(); 4].map(|()| format!("{}/resolved", key(case.id, FIRST))));
    assert!(!is_held().await);
    memory.set_now(START + LEFT_AFTER * 4);
    assert_eq!(replica.page().await, 0);
    assert_eq!(receiver.got().len(), 5);
}

#[tokio::test]
async fn what_no_sink_takes_goes_to_the_next_contacts_at_once_and_no_further_than_the_ladder() {
    let names = ["desk", "shift-lead", "head-of-desk", "all"];
    let mut receivers = Vec::new();
    for _ in names {
        receivers.push(Receiver::start(REFUSED).await);
    }
    let reached: Vec<_> = names.iter().zip(&receivers).collect();
    let of: Vec<[&str; 1]> = names.iter().map(|name| [*name]).collect();
    let reached: Vec<(&str, &Receiver, &[&str])> = reached
        .into_iter()
        .zip(&of)
        .map(|((name, receiver), of)| (*name, receiver, of.as_slice()))
        .collect();
    let (_, store) = memory();
    let replica = Replica::reaching(&store, &reached);
    let case = replica.submit("1").await;
    replica.page().await;
    // The first rung, the next three, and what is repeated: each at once, all under one key.
    let asked: Vec<usize> = receivers.iter().map(|receiver| receiver.got().len()).collect();
    assert_eq!(asked, [2, 1, 1, 2]);
    let all: Vec<String> = receivers.iter().flat_map(keys).collect();
    assert!(all.iter().all(|told| *told == key(case.id, FIRST)), "{all:?}");
    let case = replica.get(case.id).await;
    assert_eq!(case.pages.len(), 1);
    assert_eq!((record(&case, FIRST).widened, record(&case, FIRST).taken_at), (4, None));
    let events = replica.events().await;
    let widened = events
        .iter()
        .filter(|event| matches!(event, Event::Paged(page) if page.cause == PageCause::Unreached));
    assert_eq!(widened.count(), 4);
    assert_eq!(replica.page().await, 0);
}

#[tokio::test]
async fn what_somebody_further_up_takes_goes_no_further() {
    let (refuses, takes, all) =
        (Receiver::start(REFUSED).await, Receiver::start(OK).await, Receiver::start(OK).await);
    let (_, store) = memory();
    let replica = Replica::reaching(
        &store,
        &[
            ("desk", &refuses, &["desk"]),
            ("lead", &takes, &["shift-lead"]),
            ("all", &all, &["head-of-desk", "all"]),
        ],
    );
    let case = replica.submit("1").await;
    replica.page().await;
    assert_eq!(keys(&takes), [key(case.id, FIRST)]);
    assert!(all.got().is_empty());
    replica.answer(case.id).await;
    replica.page().await;
    assert_eq!(keys(&takes)[1..], [format!("{}/resolved", key(case.id, FIRST))]);
    assert_eq!(refuses.got().len(), 2);
}
