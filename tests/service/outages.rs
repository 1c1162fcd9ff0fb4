//! Everything that a promise rests on fails once, between accept and rung.

use std::time::Duration;

use tonic::Code;
use tonic_types::StatusExt as _;
use urgence::core::{Event, PageCause};
use urgence::grpc::wire;

use crate::record::{assert_complete, changes, rungs};
use crate::service::{Directory, Service, claim_next, fast_policy, in_progress, urgent};
use crate::support::redis::{Options, TestRedis};
use crate::support::wait::{eventually, pace};

const SECOND: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(40);

/// Waits until the only case has recorded its rungs up to `offset`.
async fn recorded_until(redis: &TestRedis, offset: Duration) {
    eventually("the ladder has been climbed", PATIENCE, async || {
        let rungs = rungs(&changes(redis));
        rungs.values().all(|rungs| rungs.last().is_some_and(|last| last.offset >= offset))
    })
    .await;
}

/// Asserts that every case has every rung once, and that the late ones are marked late.
fn assert_recorded(redis: &TestRedis, cases: usize, until: Duration) -> (usize, usize) {
    let rungs = rungs(&changes(redis));
    assert_eq!(rungs.len(), cases);
    let (mut on_time, mut late) = (0, 0);
    for recorded in rungs.values() {
        assert_complete(recorded, until);
        for rung in recorded {
            assert_eq!(rung.is_late, rung.lateness > 2 * SECOND);
            if rung.is_late { late += 1 } else { on_time += 1 }
        }
    }
    (on_time, late)
}

#[tokio::test]
async fn the_service_is_killed_between_accept_and_rung() {
    let directory = Directory::new();
    let policy = fast_policy(&directory, "60s");
    let redis = TestRedis::start();
    let service = Service::on(&redis, &["--policy", &policy]);
    let mut portal = service.portal().await;
    for index in 0..10 {
        portal.submit(urgent(&format!("r-{index}"))).await.unwrap();
    }
    service.kill();
    // Nobody is there while the rungs at 1, 2 and 4 s pass.
    let mut seconds = pace(SECOND);
    for _ in 0..6 {
        seconds.tick().await;
    }
    // The policy of these cases is in Redis: the new process need not have the same file.
    let _service = Service::on(&redis, &[]);
    recorded_until(&redis, 6 * SECOND).await;
    let (on_time, late) = assert_recorded(&redis, 10, 6 * SECOND);
    assert!(on_time >= 10 && late >= 10, "{on_time} on time, {late} late");
    // One page for all that was missed, to everybody, under the newest rung's key.
    let pages: Vec<_> = changes(&redis)
        .into_iter()
        .flat_map(|change| change.events)
        .filter_map(|event| if let Event::Paged(page) = event { Some(page) } else { None })
        .filter(|page| page.cause == PageCause::CatchUp)
        .collect();
    assert_eq!(pages.len(), 10);
    for page in pages {
        let contacts: Vec<_> = page.contacts.iter().map(|name| name.as_str()).collect();
        assert_eq!(contacts, ["all", "head-of-desk", "shift-lead"]);
        assert!(page.key.offset >= 4 * SECOND);
    }
}

#[tokio::test]
async fn redis_is_killed_between_accept_and_rung() {
    let directory = Directory::new();
    let policy = fast_policy(&directory, "60s");
    let mut redis = TestRedis::start();
    let service = Service::on(&redis, &["--policy", &policy]);
    let mut portal = service.portal().await;
    let mut names = Vec::new();
    for index in 0..10 {
        let submitted = portal.submit(urgent(&format!("r-{index}"))).await.unwrap();
        names.push(submitted.into_inner().case.unwrap().name);
    }
    redis.kill();
    eventually("the service says that it is not ready", PATIENCE, async || {
        !service.is_ready().await
    })
    .await;
    let (_, why) = service.http("/ready").await;
    assert!(why.contains("redis:"), "{why}");
    let refused = portal.submit(urgent("r-0")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    let mut seconds = pace(SECOND);
    for _ in 0..4 {
        seconds.tick().await;
    }
    redis.restart();
    eventually("the service is ready again", PATIENCE, async || service.is_ready().await).await;
    // Whatever was answered OK is there.
    for name in names {
        portal.get(wire::IntakeServiceGetRequest { name }).await.unwrap();
    }
    recorded_until(&redis, 6 * SECOND).await;
    let (_, late) = assert_recorded(&redis, 10, 6 * SECOND);
    assert!(late > 0, "the outage shows");
}

#[tokio::test]
async fn redis_is_silent_for_ten_seconds() {
    let directory = Directory::new();
    let policy = fast_policy(&directory, "60s");
    let redis = TestRedis::start();
    let service = Service::on(&redis, &["--policy", &policy]);
    let mut portal = service.portal().await;
    for index in 0..5 {
        portal.submit(urgent(&format!("r-{index}"))).await.unwrap();
    }
    redis.stop();
    let refused = portal.submit(urgent("r-5")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "nothing is promised");
    eventually("the service says that it is not ready", PATIENCE, async || {
        !service.is_ready().await
    })
    .await;
    let mut seconds = pace(SECOND);
    for _ in 0..10 {
        seconds.tick().await;
    }
    redis.cont();
    eventually("the service is ready again", PATIENCE, async || service.is_ready().await).await;
    // The same message finds the case, whether or not the silent Redis took the first one in.
    portal.submit(urgent("r-5")).await.unwrap();
    recorded_until(&redis, 4 * SECOND).await;
    let (_, late) = assert_recorded(&redis, 6, 4 * SECOND);
    assert!(late > 0, "the silence shows");
}

#[tokio::test]
async fn a_full_redis_refuses_accepts_and_nothing_else() {
    let directory = Directory::new();
    let policy = fast_policy(&directory, "60s");
    let redis = TestRedis::start();
    let service = Service::on(&redis, &["--policy", &policy]);
    let (mut portal, mut desk) = (service.portal().await, service.desk().await);
    portal.submit(urgent("r-1")).await.unwrap();
    portal.submit(urgent("r-2")).await.unwrap();
    redis.command(&["CONFIG", "SET", "maxmemory", "1mb"]);
    let refused = portal.submit(urgent("r-3")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    let info = refused.get_details_error_info().unwrap();
    assert_eq!(info.reason, "STORE_FULL", "nothing was stored, and that is said");
    // Rungs fire, claims and answers are taken.
    recorded_until(&redis, 5 * SECOND).await;
    let claimed = desk.claim_next(claim_next("c", 0)).await.unwrap().into_inner().case.unwrap();
    desk.respond(in_progress("a", &claimed.name, 1)).await.unwrap();
    assert_eq!(service.metric("urgence_submits_total{result=\"failed\"}").await, 1.0);
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]);
    portal.submit(urgent("r-3")).await.unwrap();
    assert_eq!(redis.command(&["ZCARD", "{urgence:main}:cases"]), "3");
}

#[tokio::test]
async fn a_replica_takes_over() {
    let directory = Directory::new();
    let policy = fast_policy(&directory, "60s");
    let mut primary = TestRedis::start();
    let replica = TestRedis::start_with(Options::default().replica_of(&primary));
    eventually("the replica follows", PATIENCE, async || {
        replica.is_following() && primary.has_replica()
    })
    .await;
    let urls = format!("{},{}", primary.tcp_url(), replica.tcp_url());
    let arguments = ["--redis-url", &urls, "--replicas-needed", "1", "--policy", &policy];
    let service = Service::start(&arguments);
    let mut portal = service.portal().await;
    for index in 0..10 {
        portal.submit(urgent(&format!("r-{index}"))).await.unwrap();
    }
    primary.kill();
    eventually("the loss of the primary is seen", PATIENCE, async || !service.is_ready().await)
        .await;
    replica.command(&["REPLICAOF", "NO", "ONE"]);
    eventually("the new primary is used", PATIENCE, async || service.is_ready().await).await;
    // It has no replica of its own yet, and says so instead of promising.
    let alone = portal.submit(urgent("r-10")).await.unwrap_err();
    assert_eq!(alone.code(), Code::Unavailable);
    let _second = TestRedis::start_with(Options::default().replica_of(&replica));
    eventually("what was asked again is accepted", PATIENCE, async || {
        portal.submit(urgent("r-10")).await.is_ok()
    })
    .await;
    recorded_until(&replica, 5 * SECOND).await;
    assert_recorded(&replica, 11, 5 * SECOND);
}

#[tokio::test]
async fn two_processes_on_one_redis_fire_each_rung_once() {
    let directory = Directory::new();
    let policy = fast_policy(&directory, "2s");
    let redis = TestRedis::start();
    let one = Service::on(&redis, &["--policy", &policy]);
    let two = Service::on(&redis, &["--policy", &policy]);
    let (mut portal, mut other) = (one.portal().await, two.portal().await);
    for index in 0..50 {
        let portal = if index % 2 == 0 { &mut portal } else { &mut other };
        portal.submit(urgent(&format!("r-{index}"))).await.unwrap();
    }
    // A claim through one process is seen by the other, and its end by whoever looks first.
    let mut desk = two.desk().await;
    for index in 0..5 {
        desk.claim_next(claim_next(&format!("c-{index}"), 0)).await.unwrap();
    }
    recorded_until(&redis, 8 * SECOND).await;
    let (on_time, _) = assert_recorded(&redis, 50, 8 * SECOND);
    assert!(on_time > 0);
    let lost = changes(&redis).into_iter().flat_map(|change| change.events);
    assert_eq!(lost.filter(|event| matches!(event, Event::ClaimLost { .. })).count(), 5);
    // Both have done their part, and together each rung once.
    let fired = async |service: &Service| {
        let name = "urgence_rungs_total{result=\"fired\",timing=\"on_time\"}";
        service.metric(name).await
    };
    assert!(fired(&one).await > 0.0 && fired(&two).await > 0.0);
}
