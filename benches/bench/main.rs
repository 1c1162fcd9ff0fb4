//! What the promises cost, beside what the same machine could do at best in the same run.
//!
//! Absolute numbers say more about the machine than about the program; the ratios are what counts.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::pedantic,
    reason = "a benchmark prints, and a panic is how it fails"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use urgence::clock::monotonic_now;
use urgence::core::policy::Rules;
use urgence::core::{Event, Nature, Policy, Timestamp, Told};
use urgence::desk::{Desk, DeskSettings};
use urgence::grpc::wire::intake_service_client::IntakeServiceClient;
use urgence::grpc::{Desks, GrpcServer, wire};
use urgence::seal::{Class, KeyRing, Label, Month};
use urgence::store::{Commit, RedisOptions, RedisStore, Said, Store, decode_told};
use urgence::telemetry::metrics::Port;
use urgence::timer::Timer;
use urgence::transport::{Door, Limits};

use support::make;
use support::redis::{Options, TestRedis};

const IN_FLIGHT: [usize; 4] = [1, 16, 64, 256];
const NARRATIVE_BYTES: usize = 512;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        println!("# urgence benchmarks");
        println!("fsync always, {} cores", std::thread::available_parallelism().unwrap());
        let mut verdicts = Vec::new();
        verdicts.push(accepts().await);
        verdicts.push(memory().await);
        verdicts.extend(lateness().await);
        verdicts.push(at_once().await);
        println!("\n## Verdict");
        verdicts.iter().for_each(|verdict| println!("{verdict}"));
    });
}

/// The managed Redis's settings, on a Redis of our own.
fn redis() -> TestRedis {
    TestRedis::start_with(Options::default().setting("hash-max-listpack-value", "8192"))
}

struct Running {
    store: Arc<RedisStore>,
    desk: Arc<Desk<RedisStore>>,
    work: JoinSet<()>,
}

async fn desk(redis: &TestRedis, policy: Policy) -> Running {
    let (store, background) = RedisStore::new(&RedisOptions {
        urls: vec![redis.url()],
        desk: "main".parse().unwrap(),
        replicas_needed: 0,
        replicas_timeout: Duration::from_secs(1),
        accepted_losses: vec![],
        ring: ring(),
    })
    .unwrap();
    let store = Arc::new(store);
    let mut work = JoinSet::new();
    for (_, part) in background {
        work.spawn(part);
    }
    support::wait::eventually("Redis is connected", Duration::from_secs(10), async || {
        store.health().problems.is_empty() && store.load(&[]).await.is_ok()
    })
    .await;
    let (desk, line, tail) =
        Desk::new(DeskSettings::plain("main".parse().unwrap(), policy), Arc::clone(&store));
    work.spawn(line.run());
    work.spawn(tail.run());
    Running { store, desk, work }
}

async fn serve(running: &mut Running) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = GrpcServer::new(Desks::new(vec![Arc::clone(&running.desk)]));
    let (stop, limits) = (CancellationToken::new(), Limits::default());
    let incoming = Door { port: Port::Grpc, tls: None, limits: limits.clone() };
    let incoming = incoming.open(listener, stop.clone());
    running.work.spawn(async move { server.serve(incoming, &limits, stop).await.unwrap() });
    address
}

fn request(request_id: String) -> wire::SubmitRequest {
    wire::SubmitRequest {
        request_id,
        request: Some(wire::EmergencyRequest {
            requester: Some(wire::Requester {
                authority: "fr-pnij".to_owned(),
                country: "FR".to_owned(),
                officer_name: "Capitaine d'astreinte".to_owned(),
                official_email: "permanence@police.example".to_owned(),
                desk_phone: "+33199000001".to_owned(),
                case_number: "2026/000417".to_owned(),
                ..wire::Requester::default()
            }),
            emergency: Some(wire::Emergency {
                nature: wire::Nature::MissingChild.into(),
                description: "x".repeat(NARRATIVE_BYTES),
                why_data_prevents_harm: "It tells where the child is.".to_owned(),
                ..wire::Emergency::default()
            }),
            targets: vec![wire::Target {
                r#type: wire::TargetType::Email.into(),
                value: "somebody@mail.example".to_owned(),
                ..wire::Target::default()
            }],
            data: Some(wire::DataScope {
                categories: vec![wire::DataCategory::Subscriber.into()],
                ..wire::DataScope::default()
            }),
            legal_basis: "Code de procedure penale".to_owned(),
            ..wire::EmergencyRequest::default()
        }),
        ..wire::SubmitRequest::default()
    }
}

/// Latencies of one run.
struct Run {
    latencies: Vec<Duration>,
    took: Duration,
}

impl Run {
    fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }

    fn percentile(&self, percent: f64) -> Duration {
        percentile(&self.latencies, percent)
    }

    fn show(&self, name: &str) {
        println!(
            "{name:<34} {:>9.0}/s   p50 {:>8.2} ms   p99 {:>8.2} ms   max {:>8.2} ms",
            self.rate(),
            ms(self.percentile(50.0)),
            ms(self.percentile(99.0)),
            ms(self.percentile(100.0)),
        );
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

fn percentile(values: &[Duration], percent: f64) -> Duration {
    let mut sorted = values.to_vec();
    sorted.sort();
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// Does `total` pieces of work, `in_flight` of them at a time.
async fn drive<F>(
    in_flight: usize,
    total: usize,
    work: impl Fn(usize) -> F + Send + Sync + 'static,
) -> Run
where
    F: Future<Output = ()> + Send,
{
    let work = Arc::new(work);
    let next = Arc::new(AtomicUsize::new(0));
    let started = monotonic_now();
    let mut workers = JoinSet::new();
    for _ in 0..in_flight {
        let (work, next) = (Arc::clone(&work), Arc::clone(&next));
        workers.spawn(async move {
            let mut latencies = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= total {
                    return latencies;
                }
                let begun = monotonic_now();
                work(index).await;
                latencies.push(begun.elapsed());
            }
        });
    }
    let mut latencies = Vec::new();
    while let Some(worker) = workers.join_next().await {
        latencies.extend(worker.unwrap());
    }
    Run { latencies, took: started.elapsed() }
}

/// The keys that what is said is sealed with.
fn ring() -> Arc<KeyRing> {
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
fn bare_commit(prefix: &str, index: usize, policy: &Policy) -> redis::Cmd {
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

async fn connection(redis: &TestRedis) -> MultiplexedConnection {
    let client = redis::Client::open(redis.url()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

/// The rate of the bare script at `in_flight`, on the same Redis.
async fn bare(redis: &TestRedis, in_flight: usize, total: usize, policy: &Policy) -> Run {
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

/// Durable accepts through gRPC beside the bare script.
async fn accepts() -> String {
    println!("\n## Durable accepts through gRPC, and the bare commit script on the same Redis");
    let redis = redis();
    let policy = Policy::built_in();
    let mut running = desk(&redis, policy.clone()).await;
    let address = serve(&mut running).await;
    let channel =
        Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    let portal = IntakeServiceClient::new(channel);
    portal.clone().submit(request("warm".to_owned())).await.unwrap();
    let mut verdict = String::new();
    for in_flight in IN_FLIGHT {
        let total = if in_flight == 1 { 4_000 } else { 24_000 };
        let ceiling = bare(&redis, in_flight, total, &policy).await;
        let portal = portal.clone();
        let run = drive(in_flight, total, move |index| {
            let mut portal = portal.clone();
            async move {
                let message = request(format!("grpc-{in_flight}-{index}"));
                portal.submit(message).await.unwrap();
            }
        })
        .await;
        ceiling.show(&format!("bare script, {in_flight} in flight"));
        run.show(&format!("Submit, {in_flight} in flight"));
        let ratio = run.rate() / ceiling.rate();
        println!("{:<34} {ratio:>9.2}", "ratio");
        if in_flight == 64 {
            verdict = verdict_line(
                "accepts at 64 in flight, of the bare rate",
                ratio,
                ratio >= 0.5,
                ">= 0.5",
            );
        }
    }
    verdict
}

fn verdict_line(what: &str, found: f64, is_met: bool, wanted: &str) -> String {
    format!("{} {what}: {found:.2} (wanted {wanted})", if is_met { "met   " } else { "MISSED" })
}

/// Redis bytes per open case, its events counted.
async fn memory() -> String {
    println!(
        "\n## Redis bytes per open case, {NARRATIVE_BYTES}-byte narrative, indexes and events counted"
    );
    const CASES: usize = 20_000;
    let redis = redis();
    let mut running = desk(&redis, Policy::built_in()).await;
    let address = serve(&mut running).await;
    let channel =
        Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    let portal = IntakeServiceClient::new(channel);
    portal.clone().submit(request("warm".to_owned())).await.unwrap();
    let used =
        |redis: &TestRedis| redis.info("used_memory_dataset").unwrap().parse::<f64>().unwrap();
    let before = used(&redis);
    drive(64, CASES, move |index| {
        let mut portal = portal.clone();
        async move { drop(portal.submit(request(format!("m-{index}"))).await.unwrap()) }
    })
    .await;
    let bytes = (used(&redis) - before) / CASES as f64;
    println!("{bytes:.0} bytes per case");
    verdict_line("bytes per open case", bytes, bytes <= 2_048.0, "<= 2048")
}

/// The built-in policy with a second rung at `offset`.
fn armed(offset: Duration) -> Policy {
    let mut rules: Rules = Policy::built_in().rules().clone();
    rules.emergency.ladder.rungs[1].offset = offset;
    Policy::new(rules).unwrap()
}

/// Arms cases straight through the store: case `index` has its next rung at `due(index)`.
async fn arm(
    running: &Running,
    policy: &Policy,
    cases: usize,
    due: impl Fn(usize) -> Timestamp + Send + Sync + 'static,
) {
    running.store.keep_policy(policy).await.unwrap();
    let rung = policy.rules().emergency.ladder.rungs[1].offset;
    let (store, policy) = (Arc::clone(&running.store), policy.clone());
    drive(256, cases, move |index| {
        let (store, policy) = (Arc::clone(&store), policy.clone());
        let accepted_at = Timestamp::from_millis(
            due(index).as_millis() - u64::try_from(rung.as_millis()).unwrap(),
        );
        async move {
            let intake = make::intake("fr-pnij", &format!("armed-{index}"), Nature::MissingChild);
            let next = make::accepted(&intake, accepted_at, &policy);
            let observed_at = store.now_estimate().unwrap();
            let commit = Commit {
                next,
                observed_at,
                age_max: Duration::from_secs(60),
                said: Said::Request(vec![b'x'; NARRATIVE_BYTES].into()),
                forgotten: Vec::new(),
                note: None,
                trace: None,
            };
            let outcome = store.commit(commit).await.unwrap();
            assert_eq!(outcome, urgence::store::Outcome::Written);
        }
    })
    .await;
}

/// When each second rung was due and when it was in fact committed: the event's place in the stream
/// is Redis's own clock.
fn rungs(redis: &TestRedis, offset: Duration) -> Vec<(u64, u64)> {
    let client = redis::Client::open(redis.url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    let mut found = Vec::new();
    let mut from = "-".to_owned();
    loop {
        let mut read = redis::cmd("XRANGE");
        read.arg("{urgence:main}:events").arg(&from).arg("+").arg("COUNT").arg(10_000);
        let range: redis::streams::StreamRangeReply = read.query(&mut connection).unwrap();
        let Some(last) = range.ids.last() else { return found };
        from = format!("({}", last.id);
        for entry in &range.ids {
            let committed_ms: u64 = entry.id.split('-').next().unwrap().parse().unwrap();
            let told = decode_told(&entry.get::<Vec<u8>>("change").unwrap()).unwrap();
            let Told::Change(change) = told else { continue };
            for event in change.events {
                if let Event::RungFired(rung) = event
                    && rung.offset == offset
                {
                    found.push((rung.due_at.as_millis(), committed_ms));
                }
            }
        }
    }
}

const ARMED_OFFSET: Duration = Duration::from_mins(2);

/// Lateness with 100,000 armed cases of which 1,000 fall due each second, beside the bare commit's
/// latency under the same load.
async fn lateness() -> Vec<String> {
    println!("\n## Rung lateness: 100,000 armed cases, 1,000 due each second for 20 seconds");
    const ARMED: usize = 100_000;
    const DUE: usize = 20_000;
    let redis = redis();
    let policy = armed(ARMED_OFFSET);
    let mut running = desk(&redis, policy.clone()).await;
    let start = running.store.load(&[]).await.unwrap().now + Duration::from_secs(60);
    arm(&running, &policy, ARMED, move |index| {
        // One each millisecond; the rest only fills the index.
        let after = if index < DUE { index as u64 } else { 600_000 + index as u64 };
        start + Duration::from_millis(after)
    })
    .await;
    let armed_at = running.store.load(&[]).await.unwrap().now;
    assert!(armed_at < start, "arming took too long for this machine");
    running.work.spawn(Timer::new(Arc::clone(&running.desk)).run());
    let until = start + Duration::from_millis(DUE as u64);
    support::wait::eventually("all rungs have fired", Duration::from_secs(150), async || {
        let due = running.store.due(0, 1).await.unwrap();
        due.now > until && due.ids.is_empty()
    })
    .await;
    let fired = rungs(&redis, ARMED_OFFSET);
    assert_eq!(fired.len(), DUE, "each rung once");
    let early = fired.iter().filter(|(due, committed)| committed < due).count();
    let late: Vec<Duration> = fired
        .iter()
        .map(|(due, committed)| Duration::from_millis(committed.saturating_sub(*due)))
        .collect();
    println!(
        "lateness                           p50 {:>6.1} ms   p99 {:>6.1} ms   max {:>6.1} ms   early {early}",
        ms(percentile(&late, 50.0)),
        ms(percentile(&late, 99.0)),
        ms(percentile(&late, 100.0)),
    );
    drop(running);
    let bare = bare_paced(&redis, &policy).await;
    bare.show("bare commit, 1,000 a second");
    let ratio = ms(percentile(&late, 99.0)) / ms(bare.percentile(99.0));
    vec![
        verdict_line("lateness p99, of the bare commit's p99", ratio, ratio <= 3.0, "<= 3"),
        verdict_line("rungs fired early", early as f64, early == 0, "0"),
    ]
}

/// The bare script at a steady 1,000 a second on the same Redis: what a commit takes at best there.
async fn bare_paced(redis: &TestRedis, policy: &Policy) -> Run {
    const TOTAL: usize = 10_000;
    let connection = connection(redis).await;
    let commands: Vec<redis::Cmd> =
        (0..TOTAL).map(|index| bare_commit("paced", index, policy)).collect();
    let mut ticks = support::wait::pace(Duration::from_millis(1));
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

/// 10,000 rungs due in one instant, beside the bare script's rate.
async fn at_once() -> String {
    println!("\n## 10,000 rungs due in one instant");
    const DUE: usize = 10_000;
    let redis = redis();
    let policy = armed(ARMED_OFFSET);
    let mut running = desk(&redis, policy.clone()).await;
    let at = running.store.load(&[]).await.unwrap().now + Duration::from_secs(12);
    arm(&running, &policy, DUE, move |_| at).await;
    assert!(running.store.load(&[]).await.unwrap().now < at, "arming took too long");
    running.work.spawn(Timer::new(Arc::clone(&running.desk)).run());
    support::wait::eventually("all rungs have fired", Duration::from_secs(60), async || {
        let due = running.store.due(0, 1).await.unwrap();
        due.now > at && due.ids.is_empty()
    })
    .await;
    let fired = rungs(&redis, ARMED_OFFSET);
    assert_eq!(fired.len(), DUE, "each rung once");
    assert!(fired.iter().all(|(due, committed)| committed >= due), "none early");
    let last = fired.iter().map(|(_, committed)| *committed).max().unwrap();
    let took = Duration::from_millis(last - at.as_millis());
    let rate = DUE as f64 / took.as_secs_f64();
    drop(running);
    let ceiling = bare(&redis, 64, DUE, &policy).await;
    println!("fired in {:.2} s, {rate:.0}/s", took.as_secs_f64());
    ceiling.show("bare script, 64 in flight");
    let ratio = rate / ceiling.rate();
    verdict_line("10,000 at once, of the bare rate", ratio, ratio >= 0.5, ">= 0.5")
}
