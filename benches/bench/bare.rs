//! The commit script with nothing around it: what the same Redis could do at best.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tokio::task::JoinSet;
use urgence::clock::monotonic_now;
use urgence::core::{Nature, Policy, Timestamp};
use urgence::seal::{Class, KeyRing, Label, Month};
use urgence::store::{Commit, Said};

use crate::request;
use crate::run::{Run, drive};
use crate::support::make;
use crate::support::redis::TestRedis;
use crate::support::wait::pace;

/// The keys that what is said is sealed with.
pub(crate) fn ring() -> Arc<KeyRing> {
    static RING: LazyLock<Arc<KeyRing>> = LazyLock::new(|| {
        let ring = KeyRing::in_memory().unwrap();
        let month = Month::of(Timestamp::from_millis(1_000));
        let label = Label { desk: "main".parse().unwrap(), month, class: Class::Open };
        ring.make(&[label], Timestamp::from_millis(1_000)).unwrap();
        Arc::new(ring)
    });
    Arc::clone(&RING)
}

/// What the product's own script is given for an accept, sent without anything around it.
pub(crate) fn bare_commit(prefix: &str, index: usize, policy: &Policy) -> redis::Cmd {
    let intake = make::intake("fr-pnij", &format!("{prefix}-{index}"), Nature::MissingChild);
    let now = Timestamp::from_millis(1_000);
    let next = make::accepted(&intake, now, policy);
    let body = prost::Message::encode_to_vec(&request(format!("{prefix}-{index}")));
    let commit = Commit {
        next,
        observed_at: now,
        age_max: Duration::from_millis(u64::from(u32::MAX) * 1_000),
        said: Said::Request(body.into()),
        forgotten: Vec::new(),
        note: None,
        trace: None,
    };
    urgence::store::bare_commit(&"main".parse().unwrap(), &commit, &ring()).unwrap()
}

pub(crate) async fn connection(redis: &TestRedis) -> MultiplexedConnection {
    let client = redis::Client::open(redis.url()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

/// The rate of the bare script at `in_flight`, on the same Redis.
pub(crate) async fn bare(
    redis: &TestRedis,
    in_flight: usize,
    total: usize,
    policy: &Policy,
) -> Run {
    let connection = connection(redis).await;
    let commands: Arc<Vec<redis::Cmd>> = Arc::new(
        (0..total).map(|index| bare_commit(&format!("bare-{in_flight}"), index, policy)).collect(),
    );
    drive(in_flight, total, move |index| {
        let (mut connection, commands) = (connection.clone(), Arc::clone(&commands));
        async move {
            let answer: (String, u64, String) =
                commands[index].query_async(&mut connection).await.unwrap();
            assert_eq!(answer.0, "written");
        }
    })
    .await
}

/// The bare script at a steady 1,000 a second on the same Redis: what a commit takes at best there.
pub(crate) async fn bare_paced(redis: &TestRedis, policy: &Policy) -> Run {
    const TOTAL: usize = 10_000;
    let connection = connection(redis).await;
    let commands: Vec<redis::Cmd> =
        (0..TOTAL).map(|index| bare_commit("paced", index, policy)).collect();
    let mut ticks = pace(Duration::from_millis(1));
    let started = monotonic_now();
    let mut calls = JoinSet::new();
    for command in commands {
        ticks.tick().await;
        let mut connection = connection.clone();
        calls.spawn(async move {
            let begun = monotonic_now();
            let _: (String, u64, String) = command.query_async(&mut connection).await.unwrap();
            begun.elapsed()
        });
    }
    let latencies = calls.join_all().await;
    Run { latencies, took: started.elapsed() }
}
