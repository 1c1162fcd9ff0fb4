//! The synthetic case: it comes through as a real one would, is seen by nobody, and fails when what a
//! real one needs does.

use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::time::timeout;
use urgence::auditor::{Findings, Synthetic};
use urgence::core::{CaseId, Event, Intake};
use urgence::desk::Index;
use urgence::store::Store;

use super::linked::{Link, Linked};
use super::{MINUTE, OK, Replica, SECOND, memory};
use crate::support::make::ms;
use crate::support::receiver::Receiver;
use crate::support::wait::eventually;

const HOUR: Duration = Duration::from_hours(1);

fn synthetic(replica: &Replica<Linked>) -> Synthetic<Linked> {
    Synthetic::new(Arc::clone(&replica.desk), HOUR, Arc::new(Findings::new()))
}

fn id(number: u64) -> CaseId {
    Intake::synthetic(number).case_id()
}

#[tokio::test]
async fn a_synthetic_case_comes_through_and_nobody_sees_it() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _recorder = metrics::set_default_local_recorder(&recorder);
    let receiver = Receiver::start(OK).await;
    let (_, store) = memory();
    let replica = Replica::reaching(
        &store,
        &[("a", &receiver, &["desk", "shift-lead", "head-of-desk", "all"])],
    );
    let before = store.figures().await.unwrap();
    let paging = replica.pager().run();
    let walk = synthetic(&replica);
    let walking = timeout(SECOND * 20, walk.walk(7));
    tokio::select! {
        () = paging => unreachable!("it pages for ever"),
        walked = walking => walked.expect("in time").unwrap(),
    }
    let case = replica.get(id(7)).await;
    assert!(case.has_ended() && case.first_response.is_some());
    assert!(!case.pages.is_empty());
    for record in &case.pages {
        assert!(record.taken_at.is_some() && record.closed_at.is_some());
        assert!(record.holders().next().is_none());
    }
    assert!(receiver.got().is_empty(), "a page went to people");
    // The same again is nothing new.
    let changes = replica.changes().await.len();
    walk.walk(7).await.unwrap();
    assert_eq!(replica.changes().await.len(), changes);
    // No figure and no counter of the desk has moved.
    let after = store.figures().await.unwrap();
    assert_eq!(
        (after.ready, after.unanswered, after.overdue, after.wakes_overdue),
        (before.ready, before.unanswered, before.overdue, before.wakes_overdue)
    );
    let moved: Vec<String> = metrics
        .render()
        .lines()
        .filter(|line| !line.starts_with('#') && !line.ends_with(" 0"))
        .filter(|line| {
            ["requests_accepted", "first_response", "rungs", "pages", "page_", "claim", "outcome"]
                .iter()
                .any(|name| line.starts_with(&format!("urgence_{name}")))
        })
        .map(str::to_owned)
        .collect();
    assert!(moved.is_empty(), "{moved:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_share_one_case_of_a_number_and_each_sees_it_through() {
    let receiver = Receiver::start(OK).await;
    let (memory, store) = memory();
    let one = Replica::reaching(&store, &[("a", &receiver, &["desk"])]);
    let two = Replica::reaching(&Linked::to(&memory), &[("a", &receiver, &["desk"])]);
    let running = tokio::spawn(one.pager().run());
    for number in 1..4 {
        let walks = [synthetic(&one), synthetic(&two)];
        let (first, second) = tokio::join!(walks[0].walk(number), walks[1].walk(number));
        first.unwrap();
        second.unwrap();
    }
    running.abort();
    let accepted = one.events().await.into_iter();
    assert_eq!(accepted.filter(|event| matches!(event, Event::Accepted { .. })).count(), 3);
    assert!(receiver.got().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_does_not_come_through_while_the_pager_is_dead_or_the_store_gone() {
    let (_, store) = memory();
    let receiver = Receiver::start(OK).await;
    let replica = Replica::reaching(&store, &[("a", &receiver, &["desk"])]);
    let walk = synthetic(&replica);
    assert!(timeout(SECOND * 2, walk.walk(1)).await.is_err(), "nobody has taken its page");
    assert!(!replica.get(id(1)).await.has_ended());
    store.set(Link::Cut);
    assert!(walk.walk(2).await.is_err());
    store.set(Link::Up);
    // The next one, once the pager lives, takes up what was left behind.
    let running = tokio::spawn(replica.pager().run());
    walk.walk(3).await.unwrap();
    assert!(replica.get(id(1)).await.has_ended());
    assert!(store.list(&Index::Synthetic, None, 10).await.unwrap().is_empty());
    running.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_problem_of_the_latest_is_one_until_another_comes_through() {
    let (memory, store) = memory();
    let receiver = Receiver::start(OK).await;
    let replica = Replica::reaching(&store, &[("a", &receiver, &["desk"])]);
    let findings = Arc::new(Findings::new());
    let walk = Synthetic::new(Arc::clone(&replica.desk), MINUTE, Arc::clone(&findings));
    store.set(Link::Cut);
    let running = tokio::spawn(walk.run());
    let problem = async || {
        let problems = findings.problems(MINUTE);
        problems.iter().any(|problem| problem.starts_with("synthetic: "))
    };
    eventually("it is a problem", SECOND * 10, problem).await;
    store.set(Link::Up);
    let paging = tokio::spawn(replica.pager().run());
    memory.set_now(super::START + MINUTE + ms(1));
    eventually("the next one is none", SECOND * 20, async || !problem().await).await;
    running.abort();
    paging.abort();
}
