//! Starting and stopping: in order, on time, and never two Redis on one directory.

use std::time::Duration;

use tonic::Code;
use tonic_types::StatusExt as _;
use urgence::grpc::wire;

use crate::service::{Directory, Service, claim_next, run, urgent};
use crate::support::redis::{Options, TestRedis};
use crate::support::wait::eventually;

const PATIENCE: Duration = Duration::from_secs(30);

fn redis_in(directory: &Directory) -> Vec<u32> {
    let data = directory.0.join("data").canonicalize().unwrap();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|path| path == data)
            && std::fs::read_to_string(format!("/proc/{pid}/stat"))
                .is_ok_and(|stat| !stat.contains(") Z"))
    })
    .collect()
}

fn reason(status: &tonic::Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

#[tokio::test]
async fn a_stop_ends_watches_and_waits_and_then_the_private_redis() {
    let directory = Directory::new();
    let data = format!("{}/data", directory.path());
    let service = Service::start(&["--data-dir", &data, "--stop-timeout", "10m"]);
    let (mut portal, mut desk) = (service.portal().await, service.desk().await);
    portal.submit(urgent("r-1")).await.unwrap();
    desk.claim_next(claim_next("c-1", 0)).await.unwrap();
    assert_eq!(redis_in(&directory).len(), 1);

    let mut watch =
        desk.watch(wire::DeskServiceWatchRequest::default()).await.unwrap().into_inner();
    watch.message().await.unwrap();
    let mut waiting = desk.clone();
    let waiter = tokio::spawn(async move { waiting.claim_next(claim_next("c-2", 600)).await });
    // The caller is in line once the service has looked for its note.
    let mut health = tonic_health::pb::health_client::HealthClient::new(service.channel().await);
    let mut healthy = health
        .watch(tonic_health::pb::HealthCheckRequest { service: String::new() })
        .await
        .unwrap()
        .into_inner();
    eventually("it serves", PATIENCE, async || {
        healthy.message().await.unwrap().unwrap().status == 1
    })
    .await;

    service.terminate();
    assert_eq!(healthy.message().await.unwrap().unwrap().status, 2, "health says no first");
    let ended = loop {
        let told = tokio::time::timeout(PATIENCE, watch.message()).await;
        match told.expect("we end the watch") {
            Ok(Some(_)) => {}
            other => break other,
        }
    };
    let status = ended.expect_err("a watch ends with a status, never silently");
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "STOPPING"));
    let status = waiter.await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let ended = tokio::time::timeout(PATIENCE, service.ended()).await;
    assert!(ended.expect("nothing had to be dropped at the stop timeout").success());
    assert!(redis_in(&directory).is_empty(), "the private Redis is stopped");
}

#[tokio::test]
async fn a_peer_that_says_nothing_does_not_hold_the_stop_up() {
    let redis = TestRedis::start();
    let service = Service::on(&redis, &["--stop-timeout", "2s"]);
    let silent = tokio::net::TcpStream::connect(service.grpc).await.unwrap();
    // A call afterwards shows that the silent connection was accepted.
    service.portal().await.submit(urgent("r-1")).await.unwrap();
    service.terminate();
    let ended = tokio::time::timeout(Duration::from_secs(20), service.ended()).await;
    assert!(ended.expect("the stop has a hard cap").success());
    drop(silent);
}

#[tokio::test]
async fn a_killed_service_leaves_a_redis_that_the_next_one_adopts() {
    let directory = Directory::new();
    let data = format!("{}/data", directory.path());
    let service = Service::start(&["--data-dir", &data]);
    let submitted = service.portal().await.submit(urgent("r-1")).await.unwrap().into_inner();
    service.kill();
    let left = redis_in(&directory);
    assert_eq!(left.len(), 1, "it lives on");

    let service = Service::start(&["--data-dir", &data]);
    assert_eq!(redis_in(&directory), left, "adopted, not doubled");
    let again = service.portal().await.submit(urgent("r-1")).await.unwrap().into_inner();
    assert!(again.replayed);
    assert_eq!(again.case.unwrap().name, submitted.case.unwrap().name);

    // Its Redis ends; it is started again, with everything in it.
    let pid = left[0].to_string();
    assert!(std::process::Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    eventually("another Redis is up", PATIENCE, async || {
        let now = redis_in(&directory);
        now.len() == 1 && now != left && service.is_ready().await
    })
    .await;
    // The first call may meet the connection to the old one; sent again, it finds its case.
    eventually("the case is there", PATIENCE, async || {
        let submitted = service.portal().await.submit(urgent("r-1")).await;
        submitted.is_ok_and(|submitted| submitted.into_inner().replayed)
    })
    .await;

    // A second service does not share the directory by accident.
    let (status, said) =
        run(&["--data-dir", &data, "--grpc-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"]);
    assert_eq!(status.code(), Some(1));
    assert!(said.contains("another urgence uses the data directory"), "{said}");
    service.terminate();
    assert!(service.ended().await.success());
    assert!(redis_in(&directory).is_empty());
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused_at_the_start() {
    let lax = TestRedis::start_with(Options::default().setting("appendfsync", "everysec"));
    let listen = ["--grpc-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"];
    let (status, said) = run(&[&["--redis-url", lax.url().as_str()], &listen[..]].concat());
    assert_eq!(status.code(), Some(1));
    assert!(said.contains("appendfsync is everysec; always is needed"), "{said}");
    let accepting = Service::on(&lax, &["--accept-loss", "one-second"]);
    assert!(accepting.is_ready().await);
    assert_eq!(accepting.metric("urgence_redis_durable{setting=\"appendfsync\"}").await, 0.0);
    assert_eq!(accepting.metric("urgence_redis_durable{setting=\"appendonly\"}").await, 1.0);
}

#[tokio::test]
async fn a_redis_that_stops_keeping_what_was_promised_gets_no_new_cases() {
    let redis = TestRedis::start();
    let service = Service::on(&redis, &[]);
    let mut portal = service.portal().await;
    portal.submit(urgent("r-1")).await.unwrap();
    redis.command(&["CONFIG", "SET", "appendfsync", "no"]);
    eventually("it is noticed", PATIENCE, async || !service.is_ready().await).await;
    let (_, why) = service.http("/ready").await;
    assert!(why.contains("appendfsync is no"), "{why}");
    let status = portal.submit(urgent("r-2")).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "NOT_DURABLE"));
    // What was accepted is still worked.
    let case = service.desk().await.claim_next(claim_next("c", 0)).await.unwrap().into_inner().case;
    assert!(case.is_some());
}

#[test]
fn wrong_settings_are_told_with_the_exit_code_for_usage() {
    for (arguments, words) in [
        (["--grpc-listen", "0.0.0.0:50051"], "is not a loopback address"),
        (["--http-listen", "[::]:9464"], "is not a loopback address"),
        (["--policy", "/nowhere.toml"], "/nowhere.toml:1: cannot be read: No such file"),
    ] {
        let (status, said) = run(&arguments);
        assert_eq!(status.code(), Some(64), "{said}");
        assert!(said.contains(words), "{said}");
    }
    let directory = Directory::new();
    let policy = directory.file("bad.toml", "lease = 5");
    let (status, said) = run(&["--policy", &policy]);
    assert_eq!(status.code(), Some(64));
    assert!(said.contains("bad.toml:1: lease"), "{said}");
}
