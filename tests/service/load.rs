//! Many at once.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::task::JoinSet;
use urgence::core::projection::Place;
use urgence::core::{Band, CaseId, Event};
use urgence::grpc::wire;

use crate::calls::policy;
use crate::record::changes;
use crate::service::{Directory, Service, claim_next, request, urgent};
use crate::support::redis::TestRedis;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_submits_with_a_hundred_duplicates_make_nine_hundred_cases() {
    let redis = TestRedis::start();
    let service = Service::on(&redis, &[]);
    let portal = service.portal().await;
    let mut calls = JoinSet::new();
    for index in 0..1_000 {
        let mut portal = portal.clone();
        // The last hundred repeat the first hundred, at the same time.
        let request_id = format!("r-{}", index % 900);
        calls.spawn(async move { portal.submit(urgent(&request_id)).await.unwrap().into_inner() });
    }
    let mut names = BTreeSet::new();
    let mut replayed = 0;
    while let Some(submitted) = calls.join_next().await {
        let submitted = submitted.unwrap();
        replayed += usize::from(submitted.replayed);
        names.insert(submitted.case.unwrap().name);
    }
    assert_eq!((names.len(), replayed), (900, 100));
    assert_eq!(redis.command(&["ZCARD", "{urgence:main}:cases"]), "900");
    let accepted = changes(&redis).into_iter().flat_map(|change| change.events);
    assert_eq!(accepted.filter(|event| matches!(event, Event::Accepted { .. })).count(), 900);
    assert_eq!(service.metric("urgence_submits_total{result=\"accepted\"}").await, 900.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_claimers_on_five_thousand_cases() {
    const CASES: usize = 5_000;
    const CLAIMERS: usize = 64;
    let redis = TestRedis::start();
    // This is about the queue, not about who may send how much.
    let directory = Directory::new();
    let ample = "[admission]\nroutine = { per_minute = 1_000_000, burst = 1_000_000 }\n";
    let policy = directory.file("policy.toml", &policy(ample));
    let service = Service::on(&redis, &["--policy", &policy]);
    let portal = service.portal().await;
    let mut calls = JoinSet::new();
    let natures = [wire::Nature::Routine, wire::Nature::BombThreat, wire::Nature::Kidnapping];
    for index in 0..CASES {
        let mut portal = portal.clone();
        let message = request(&format!("r-{index}"), natures[index % 3]);
        calls.spawn(async move { portal.submit(message).await.map(|_| ()) });
        if calls.len() >= 200 {
            calls.join_next().await.unwrap().unwrap().unwrap();
        }
    }
    while let Some(submitted) = calls.join_next().await {
        submitted.unwrap().unwrap();
    }

    // The readers of the stream write to cases too. A claim that meets such a write is tried again, a
    // moment after those beside it, which would show in the record as another order.
    crate::support::wait::eventually(
        "the readers of the stream are done",
        Duration::from_secs(60),
        async || are_readers_done(&redis),
    )
    .await;
    let mut claimers = JoinSet::new();
    for claimer in 0..CLAIMERS {
        let mut desk = service.desk().await;
        claimers.spawn(async move {
            let mut names = Vec::new();
            loop {
                let message = claim_next(&format!("c-{claimer}-{}", names.len()), 0);
                match desk.claim_next(message).await.unwrap().into_inner().case {
                    Some(case) => names.push(case.name),
                    None => return names,
                }
            }
        });
    }
    let mut handed_out = Vec::new();
    while let Some(names) = claimers.join_next().await {
        handed_out.extend(names.unwrap());
    }
    let distinct: BTreeSet<_> = handed_out.iter().collect();
    assert_eq!((handed_out.len(), distinct.len()), (CASES, CASES), "none twice, none left");
    check_order(&redis);
}

/// Whether every group of readers has read and dealt with every change.
fn are_readers_done(redis: &TestRedis) -> bool {
    let groups = redis.command(&["XINFO", "GROUPS", "{urgence:main}:events"]);
    let lines: Vec<&str> = groups.lines().collect();
    let waiting = |pair: &[&str]| matches!(pair[0], "pending" | "lag") && pair[1] != "0";
    !lines.is_empty() && !lines.windows(2).any(waiting)
}

/// The record shows in which order cases were claimed; it is the order of the promise.
fn check_order(redis: &TestRedis) {
    let mut places = std::collections::BTreeMap::new();
    let mut claimed: Vec<(Place, CaseId)> = Vec::new();
    for change in changes(redis) {
        for event in &change.events {
            match event {
                Event::Accepted { band, limit_at, .. } => {
                    places.insert(change.case, Place::new(*band, *limit_at));
                }
                Event::Claimed { .. } => claimed.push((places[&change.case], change.case)),
                _ => {}
            }
        }
    }
    let mut specified = claimed.clone();
    specified.sort();
    assert_eq!(claimed.len(), 5_000);
    assert!(claimed == specified, "the order of claims is not that of band and limit");
    assert!(
        claimed[0].0 < Place::new(Band::new(1).unwrap(), urgence::core::Timestamp::from_millis(0))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_wait_are_served_in_their_order() {
    let redis = TestRedis::start();
    let service = Service::on(&redis, &[]);
    let mut portal = service.portal().await;
    let desk = service.desk().await;
    let mut waiting = Vec::new();
    for index in 0..8 {
        let mut desk = desk.clone();
        let message = claim_next(&format!("c-{index}"), 60);
        waiting.push(tokio::spawn(async move { desk.claim_next(message).await }));
        // One after the other stands in line: the line is entered after the note was looked up.
        let looked = format!("{}", index + 1);
        crate::support::wait::eventually(
            "the caller is in line",
            Duration::from_secs(10),
            async || {
                redis.info("cmdstat_get").is_some_and(|stat| {
                    stat.split(',').any(|part| part == format!("calls={looked}"))
                })
            },
        )
        .await;
    }
    for (index, waiter) in waiting.into_iter().enumerate() {
        portal.submit(urgent(&format!("r-{index}"))).await.unwrap();
        let answered = tokio::time::timeout(Duration::from_secs(10), waiter).await;
        let case = answered.expect("the first in line is served").unwrap().unwrap();
        assert!(case.into_inner().case.is_some());
    }
}
