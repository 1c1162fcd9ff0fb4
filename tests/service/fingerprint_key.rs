//! All replicas make fingerprints with one key, or do not serve.

use std::process::Command;
use std::time::Duration;

use tokio::time::timeout;

use crate::reload::logged;
use crate::service::{Directory, PROGRAM, Service};
use crate::support::redis::{Options, TestRedis};
use crate::support::wait::eventually;

const PATIENCE: Duration = Duration::from_secs(20);
const KEPT: &str = "{urgence:main}:fingerprint-key";

fn key_of(directory: &Directory) -> String {
    format!("{}/fingerprint.key", directory.path())
}

/// What it says as it does not start.
fn refused(arguments: &[&str]) -> String {
    let ports = ["--grpc-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"];
    // One that serves would do so for ever.
    let mut program = Command::new("timeout");
    program.args(["30", PROGRAM, "serve", "--log-format", "json"]).args(ports).args(arguments);
    let ended = program.output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(!said.contains("\"message\":\"serving\""), "{said}");
    said
}

fn on(redis: &TestRedis, directory: &Directory) -> Service {
    Service::on(redis, &["--data-dir", directory.path()])
}

#[tokio::test]
async fn another_key_is_refused_with_the_way_out() {
    let redis = TestRedis::start_with(Options::default().on_tmpfs());
    let (one, other) = (Directory::new(), Directory::new());
    let first = on(&redis, &one);
    let kept = redis.command(&["GET", KEPT]);
    let key = key_of(&other);
    let url = redis.url();
    let said = refused(&["--redis-url", &url, "--data-dir", other.path()]);
    for words in [&*key, "the desk main", "that of the other replicas", "docs/operations.md"] {
        assert!(said.contains(words), "{words} is not in {said}");
    }
    assert_eq!(redis.command(&["GET", KEPT]), kept, "who is refused changes nothing");

    std::fs::copy(key_of(&one), &key).unwrap();
    drop(on(&redis, &other));
    // Changed on purpose, as the manual says it: nobody runs, and the check value is gone.
    drop(first);
    std::fs::write(&key, [7; 32]).unwrap();
    redis.command(&["DEL", KEPT]);
    let _changed = on(&redis, &other);
    assert_ne!(redis.command(&["GET", KEPT]), kept);
}

/// By the steps of docs/operations.md, also where Redis runs with the service alone.
#[tokio::test]
async fn a_lost_key_is_replaced_on_purpose_alone() {
    let data = Directory::new();
    let stopped = async |service: Service| {
        service.terminate();
        timeout(PATIENCE, service.ended()).await.expect("it stops");
    };
    let arguments = ["--data-dir", data.path()];
    stopped(Service::start(&arguments)).await;
    std::fs::remove_file(key_of(&data)).unwrap();
    refused(&arguments);
    // The refused start has left Redis to be asked.
    let socket = format!("unix://{}/redis.sock", data.path());
    let mut redis = redis::Client::open(socket).unwrap().get_connection().unwrap();
    let deleted: u32 = redis::cmd("DEL").arg(KEPT).query(&mut redis).unwrap();
    assert_eq!(deleted, 1);
    let service = Service::start(&arguments);
    eventually("it serves", PATIENCE, async || service.is_ready().await).await;
    stopped(service).await;
}

#[tokio::test]
async fn a_redis_that_answers_late_is_asked_then() {
    let mut redis = TestRedis::start_with(Options::default().on_tmpfs());
    let (one, other) = (Directory::new(), Directory::new());
    drop(on(&redis, &one));
    redis.kill();
    let (right, wrong) = (on(&redis, &one), on(&redis, &other));
    redis.restart();
    eventually("the one says why it stops", PATIENCE, async || {
        logged(&wrong, &["is not the one that the desk main", &key_of(&other)]) == 1
    })
    .await;
    eventually("it stops", PATIENCE, async || logged(&wrong, &["\"stopped\""]) == 1).await;
    assert_eq!(wrong.ended().await.code(), Some(1));
    eventually("the other serves", PATIENCE, async || right.is_ready().await).await;
}
