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

#[path = "../../tests/support/mod.rs"]
mod support;

mod accepts;
mod bare;
mod fairness;
mod lateness;
mod run;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use urgence::core::Policy;
use urgence::desk::{Desk, DeskSettings};
use urgence::grpc::wire::intake_service_client::IntakeServiceClient;
use urgence::grpc::{Desks, GrpcServer, wire};
use urgence::store::{RedisOptions, RedisStore, Store};
use urgence::telemetry::metrics::Port;
use urgence::transport::{Door, Limits};

use support::redis::{Options, TestRedis};

const NARRATIVE_BYTES: usize = 512;

/// Each part whose name holds one of the words given, or all of them without any.
fn main() {
    let words: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_wanted = |part: &str| words.is_empty() || words.iter().any(|word| part.contains(word));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        println!("# urgence benchmarks");
        println!("fsync always, {} cores", std::thread::available_parallelism().unwrap());
        let mut verdicts = Vec::new();
        if is_wanted("accepts") {
            verdicts.push(accepts::accepts().await);
        }
        if is_wanted("memory") {
            verdicts.push(accepts::memory().await);
        }
        if is_wanted("fairness") {
            verdicts.extend(fairness::fairness().await);
        }
        if is_wanted("lateness") {
            verdicts.extend(lateness::lateness().await);
        }
        if is_wanted("at-once") {
            verdicts.push(lateness::at_once().await);
        }
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

/// A desk of this policy on which nobody's budget is ever spent.
fn ample(policy: &Policy) -> DeskSettings {
    DeskSettings::plain("main".parse().unwrap(), policy.clone())
}

async fn desk(redis: &TestRedis, settings: DeskSettings) -> Running {
    let (store, background) = RedisStore::new(&RedisOptions {
        urls: vec![redis.url()],
        desk: "main".parse().unwrap(),
        siblings: vec![],
        replicas_needed: 0,
        replicas_timeout: Duration::from_secs(1),
        accepted_losses: vec![],
        ring: bare::ring(),
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
    let (desk, line, tail) = Desk::new(settings, Arc::clone(&store));
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

/// A portal of what `running` serves from now on.
async fn portal(running: &mut Running) -> IntakeServiceClient<Channel> {
    let address = serve(running).await;
    connected(address).await
}

async fn connected(address: SocketAddr) -> IntakeServiceClient<Channel> {
    let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
    IntakeServiceClient::new(endpoint.connect().await.unwrap())
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
