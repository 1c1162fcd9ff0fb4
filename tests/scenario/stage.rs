//! The stage: services, clock and people.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use urgence::config::{DeskConfiguration, Links, parse_registry};
use urgence::core::policy::live::Live;
use urgence::core::{CaseId, Event, Policy, Timestamp};
use urgence::desk::{Desk, DeskSettings};
use urgence::fingerprint::FingerprintKey;
use urgence::grpc::wire::desk_service_client::DeskServiceClient;
use urgence::grpc::wire::intake_service_client::IntakeServiceClient;
use urgence::grpc::wire::oversight_service_client::OversightServiceClient;
use urgence::grpc::{Desks, GrpcServer, wire};
use urgence::store::{Cursor, MemoryStore, Store as _};
use urgence::telemetry::metrics::Port;
use urgence::timer::Timer;
use urgence::transport::{Door, Limits};

/// Who calls.
pub const ANA: &str = "ana; roles=responder";
pub const BO: &str = "bo; roles=responder";
pub const JURIST: &str = "chloe; roles=legal-reviewer";
pub const HEAD: &str = "dov; roles=supervisor";
pub const FRENCH: &str = "portal-fr; roles=portal; authorities=fr-pnij";
pub const GERMAN: &str = "portal-de; roles=portal; authorities=de-bka";

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

pub const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

pub struct Stage {
    pub store: Arc<MemoryStore>,
    timer: Timer<MemoryStore>,
    address: SocketAddr,
}

impl Stage {
    pub async fn open() -> Self {
        Self::on(Arc::new(MemoryStore::new(START))).await
    }

    /// The services over what is stored already, as after a restart.
    pub async fn on(store: Arc<MemoryStore>) -> Self {
        let registry = parse_registry(include_str!("../../deploy/authorities.toml")).unwrap();
        let configured = DeskConfiguration {
            name: "main".parse().unwrap(),
            policy: Policy::built_in(),
            live: Live::default(),
            sinks: BTreeMap::new(),
            links: Links::default(),
            registry,
        };
        let settings = DeskSettings {
            name: configured.name,
            policy: configured.policy,
            live: configured.live,
            registry: configured.registry,
            fingerprints: FingerprintKey::new([7; 32]),
        };
        let (desk, line, tail) = Desk::new(settings, Arc::clone(&store));
        tokio::spawn(line.run());
        tokio::spawn(tail.run());
        desk.look_up_registry().await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        desk.look_up_registry().await.unwrap();
        let server = GrpcServer::new(Desks::new(vec![Arc::clone(&desk)]));
        let stop = CancellationToken::new();
        let door = Door { port: Port::Grpc, tls: None, limits: Limits::default() };
        let incoming = door.open(listener, stop.clone());
        tokio::spawn(async move { server.serve(incoming, &Limits::default(), stop).await });
        let timer = Timer::new(desk);
        Self { store, timer, address }
    }

    /// Lets time go by until `minute` after the start; what falls due on the way happens then.
    pub async fn at(&self, minute: u64) {
        self.until(START + minutes(minute)).await;
    }

    pub async fn until(&self, then: Timestamp) {
        loop {
            let pass = self.timer.pass().await.unwrap();
            assert_eq!((pass.failed, pass.retried), (0, 0));
            match pass.next_at.filter(|at| *at <= then) {
                Some(at) => self.store.set_now(at),
                None => break,
            }
        }
        self.store.set_now(then);
        self.timer.pass().await.unwrap();
    }

    /// Everything that happened, by case, in the words of the stored events.
    pub async fn events(&self) -> BTreeMap<CaseId, Vec<Event>> {
        let entries = self.store.changes(Cursor::default(), usize::MAX).await.unwrap();
        let mut events: BTreeMap<CaseId, Vec<Event>> = BTreeMap::new();
        for change in entries.iter().filter_map(|entry| entry.change().cloned()) {
            events.entry(change.case).or_default().extend(change.events);
        }
        events
    }

    async fn channel(&self) -> Channel {
        let endpoint = Channel::from_shared(format!("http://{}", self.address)).unwrap();
        endpoint.connect().await.unwrap()
    }

    pub async fn portal(&self) -> IntakeServiceClient<Channel> {
        IntakeServiceClient::new(self.channel().await)
    }

    pub async fn responders(&self) -> DeskServiceClient<Channel> {
        DeskServiceClient::new(self.channel().await)
    }

    pub async fn oversight(&self) -> OversightServiceClient<Channel> {
        OversightServiceClient::new(self.channel().await)
    }
}

/// A call in the name of `caller`.
pub fn by<T>(caller: &str, message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.metadata_mut().insert("urgence-caller", caller.parse().unwrap());
    request
}

#[track_caller]
pub fn refused<T>(answer: Result<tonic::Response<T>, Status>, code: Code, reason: &str) {
    let status = answer.err().expect("a refusal");
    let info = status.get_details_error_info().expect("every error has an ErrorInfo");
    assert_eq!((status.code(), info.reason.as_str()), (code, reason), "{status:?}");
}

/// The clock of this kind.
#[track_caller]
pub fn clock(clocks: &[wire::Clock], kind: wire::ClockKind) -> &wire::Clock {
    clocks.iter().find(|clock| clock.kind() == kind).expect("the clock is there")
}

/// The id that a case's name holds.
pub fn id_of(name: &str) -> CaseId {
    name.rsplit('/').next().unwrap().parse().unwrap()
}

/// Whole minutes between two instants of an answer.
#[track_caller]
pub fn minutes_between(
    from: Option<&prost_types::Timestamp>,
    until: Option<&prost_types::Timestamp>,
) -> i64 {
    let (from, until) = (from.expect("a start"), until.expect("an end"));
    (until.seconds - from.seconds) / 60
}

/// A request about `target`, for these categories.
pub fn request(
    authority: &str,
    request_id: &str,
    nature: wire::Nature,
    target: &str,
    categories: &[wire::DataCategory],
) -> wire::SubmitRequest {
    let justifications = categories
        .iter()
        .filter(|category| **category == wire::DataCategory::Content)
        .map(|category| wire::Justification {
            category: (*category).into(),
            reason: "The plan is in the messages.".to_owned(),
        })
        .collect();
    wire::SubmitRequest {
        request_id: request_id.to_owned(),
        request: Some(wire::EmergencyRequest {
            requester: Some(wire::Requester {
                authority: authority.to_owned(),
                country: if authority.starts_with("de") { "DE" } else { "FR" }.to_owned(),
                officer_name: "Duty officer".to_owned(),
                official_email: "duty@police.example".to_owned(),
                desk_phone: "+33199000009".to_owned(),
                case_number: "2026/1".to_owned(),
                ..Default::default()
            }),
            emergency: Some(wire::Emergency {
                nature: nature.into(),
                description: "What has happened.".to_owned(),
                why_data_prevents_harm: "It tells where they are.".to_owned(),
                ..Default::default()
            }),
            targets: vec![wire::Target {
                r#type: wire::TargetType::AccountId.into(),
                value: target.to_owned(),
                ..Default::default()
            }],
            data: Some(wire::DataScope {
                categories: categories.iter().map(|category| (*category).into()).collect(),
                justifications,
                ..Default::default()
            }),
            legal_basis: "Code".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

pub fn in_progress(request_id: &str, name: &str, epoch: u64) -> wire::RespondRequest {
    wire::RespondRequest {
        request_id: request_id.to_owned(),
        name: name.to_owned(),
        epoch,
        message: "We are collecting the data.".to_owned(),
        answer: Some(wire::respond_request::Answer::InProgress(wire::InProgressAnswer {
            expected_within: Some(prost_types::Duration { seconds: 3_600, nanos: 0 }),
            contact: Some(wire::Contact {
                name: "Desk".to_owned(),
                phone: "+33199000009".to_owned(),
                ..Default::default()
            }),
        })),
    }
}

pub fn disposition(category: wire::DataCategory, kind: wire::DispositionKind) -> wire::Disposition {
    wire::Disposition { category: category.into(), kind: kind.into(), ..Default::default() }
}

pub fn item(name: &str, category: wire::DataCategory) -> wire::ManifestItem {
    wire::ManifestItem {
        name: name.to_owned(),
        category: category.into(),
        size_bytes: 1_024,
        sha256: "ab".repeat(32),
    }
}
