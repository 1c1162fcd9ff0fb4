//! The gRPC server: services, health, reflection, limits, and its stop.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::codegen::http;
use tonic::service::{InterceptorLayer, Routes};
use tonic::transport::Server;
use tonic::{Request, Status};
use tonic_health::ServingStatus;
pub use tonic_health::server::HealthReporter;
use tower::util::MapRequestLayer;

use super::allowances::Allowances;
use super::desk_service::DeskCalls;
use super::desks::Desks;
use super::identity::Presented;
use super::intake_service::IntakeCalls;
use super::oversight_service::OversightCalls;
use super::records::Records;
use super::refusals::Refusals;
use super::serve::Edge;
use super::status::{self, CONTRACT_CODES};
use super::tokens::Tokens;
use super::wire::desk_service_server::DeskServiceServer;
use super::wire::intake_service_server::IntakeServiceServer;
use super::wire::oversight_service_server::OversightServiceServer;
use super::{wire, with_sources};
use crate::audit::Record;
use crate::desk::Store;
use crate::registry::rules::{Access, RULES, rule};
use crate::telemetry::metrics;
use crate::transport::{Connection, Incoming, Limits};

pub use super::codec::MESSAGE_BYTES_MAX;

/// The transport's own bound. A message between this and [`MESSAGE_BYTES_MAX`] is refused with the
/// contract's words instead of the library's.
const TRANSPORT_BYTES_MAX: usize = 1024 * 1024;
/// Calls that one connection may have open; further ones wait at their sender. Waits and watches hold
/// theirs for minutes, of which a caller has few, and what is decoded and waits must fit into memory.
const STREAMS_MAX: u32 = 256;
const HEADER_BYTES_MAX: u32 = 16 * 1024;
/// A peer that has vanished is noticed within these.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// After which share of their age connections are asked to leave, each in its turn: those who came
/// together, as after a start, must not all come again together.
const AGES_PERCENT: [u32; 5] = [100, 95, 105, 90, 110];
/// Connections that are ready and not yet taken by the server of their age.
const READY_MAX: usize = 64;

/// The services that health checks may ask for; the empty name stands for the process.
const SERVICES: [&str; 4] =
    ["", "urgence.v1.IntakeService", "urgence.v1.DeskService", "urgence.v1.OversightService"];

/// Tells health checks for the last time that calls are not welcome, and ends their watches, which
/// would hold the stop up.
pub async fn set_stopped(health: &HealthReporter) {
    set_serving(health, false).await;
    let mut health = health.clone();
    for service in SERVICES {
        health.clear_service_status(service).await;
    }
}

/// Tells health checks whether calls are welcome.
pub async fn set_serving(health: &HealthReporter, is_serving: bool) {
    let status = if is_serving { ServingStatus::Serving } else { ServingStatus::NotServing };
    for service in SERVICES {
        health.set_service_status(service, status).await;
    }
}

/// Keeps the path of a call, which names its method in full, for its trace.
fn keep_path<B>(mut request: http::Request<B>) -> http::Request<B> {
    let uri = request.uri().clone();
    request.extensions_mut().insert(uri);
    request
}

/// The services of all desks, ready to be served.
pub struct GrpcServer<S: Store> {
    edge: Edge<S>,
    health: HealthReporter,
}

/// The server could not be set up or has failed.
#[derive(Debug, thiserror::Error)]
#[error("the gRPC server failed: {problem}")]
pub struct ServerError {
    problem: String,
}

impl ServerError {
    fn new(error: &dyn std::error::Error) -> Self {
        Self { problem: with_sources(error) }
    }
}

impl<S: Store> GrpcServer<S> {
    /// The services of `desks`.
    #[must_use]
    pub fn new(desks: Desks<S>) -> Self {
        RULES.iter().for_each(|rule| metrics::rpc_known(rule.label, &CONTRACT_CODES));
        let edge = Edge {
            // One key serves all desks.
            tokens: Tokens::new(desks.first().derived_key(Tokens::PURPOSE)),
            desks,
            work: TaskTracker::new(),
            stop: CancellationToken::new(),
            watch_age_max: Duration::MAX,
            records: Records::default(),
            refusals: Refusals::default(),
            author: None,
            allowances: Arc::default(),
        };
        Self { edge, health: HealthReporter::new() }
    }

    /// The same, which signs receipts and proves them by these records.
    #[must_use]
    pub fn with_records(mut self, records: Vec<Arc<Record>>) -> Self {
        self.edge.records = Records::new(records);
        self
    }

    /// The same, of which each caller may make so many calls a second, and twice as many at once, besides
    /// those that answer an emergency; 0 for no bound, as there is none without this.
    #[must_use]
    pub fn with_calls_per_second_max(mut self, calls_per_second_max: u32) -> Self {
        self.edge.allowances = Arc::new(Allowances::new(calls_per_second_max));
        self
    }

    /// What [`set_serving`] tells.
    #[must_use]
    pub fn health(&self) -> HealthReporter {
        self.health.clone()
    }

    /// Serves until `stop`; then ends watches and waits, lets running calls finish, and returns.
    ///
    /// # Errors
    /// The server could not be set up, or failed.
    pub async fn serve(
        self,
        incoming: Incoming,
        limits: &Limits,
        stop: CancellationToken,
    ) -> Result<(), ServerError> {
        let Self { mut edge, health } = self;
        edge.watch_age_max = limits.watch_age_max();
        let (work, streams_stop) = (edge.work.clone(), edge.stop.clone());
        let (desks, refusals) = (edge.desks.clone(), edge.refusals.clone());
        let routes = routes(edge, health)?;
        let mut lanes = Vec::new();
        let mut served = Vec::new();
        for percent in AGES_PERCENT {
            let (lane, connections) = mpsc::channel::<Connection>(READY_MAX);
            lanes.push(lane);
            let connections = ReceiverStream::new(connections).map(Ok::<_, std::io::Error>);
            let stop = stop.clone().cancelled_owned();
            let server = server(limits.connection_age_max * percent / 100);
            let gate = gate(desks.clone(), refusals.clone());
            let mut server =
                server.layer(MapRequestLayer::new(keep_path)).layer(InterceptorLayer::new(gate));
            let router = server.add_routes(routes.clone());
            served.push(router.serve_with_incoming_shutdown(connections, stop));
        }
        let refusals_stop = stop.clone();
        tokio::spawn(async move {
            stop.cancelled().await;
            // The server waits for open streams; only we can end them.
            streams_stop.cancel();
        });
        let telling = refusals.run(&desks, &refusals_stop);
        let (served, (), ()) =
            tokio::join!(try_join_all(served), distribute(incoming, lanes), telling);
        work.close();
        work.wait().await;
        refusals.tell(&desks).await;
        served.map(drop).map_err(|error| ServerError::new(&error))
    }
}

/// What every call passes first: a method without a rule is called by nobody, and what the desks do not
/// answer themselves, such as reflection, takes somebody whom one of them knows.
fn gate<S: Store>(
    desks: Desks<S>,
    refusals: Refusals,
) -> impl Fn(Request<()>) -> Result<Request<()>, Status> + Clone + Send + Sync + 'static {
    move |request| {
        let path = request.extensions().get::<http::Uri>().map(http::Uri::path);
        let rule = path.and_then(rule);
        let presented = Presented::of(&request);
        let admitted = match rule.map(|rule| (rule, rule.access)) {
            None => Err(status::method_not_allowed()),
            Some((_, Access::Anybody | Access::Roles(_))) => Ok(()),
            Some((rule, Access::Known)) => presented
                .as_ref()
                .map_err(Clone::clone)
                .and_then(|presented| presented.admitted(&desks, rule).map(drop)),
        };
        if let Err(status) = &admitted {
            let method = rule.map_or("none", |rule| rule.label);
            refusals.note(&desks, presented.as_ref().ok(), method, status);
        }
        admitted.map(|()| request)
    }
}

/// Hands the connections out, in turn.
async fn distribute(mut incoming: Incoming, lanes: Vec<mpsc::Sender<Connection>>) {
    for lane in lanes.iter().cycle() {
        let Some(connection) = incoming.next().await else { return };
        if lane.send(connection).await.is_err() {
            return;
        }
    }
}

/// A server that asks connections of `age` to leave. Those who stay are cut by the connection itself:
/// told of a grace, the library would not ask at all, but only cut.
fn server(age: Duration) -> Server {
    Server::builder()
        .max_concurrent_streams(STREAMS_MAX)
        .http2_max_header_list_size(HEADER_BYTES_MAX)
        .http2_keepalive_interval(Some(KEEPALIVE_EVERY))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .max_connection_age(age)
}

/// Every service.
fn routes<S: Store>(edge: Edge<S>, health: HealthReporter) -> Result<Routes, ServerError> {
    let health_service = tonic_health::pb::health_server::HealthServer::new(
        tonic_health::server::HealthService::from_health_reporter(health),
    );
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(wire::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // With these, grpcurl prints the details of errors in words.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
    };
    let v1 = reflection().build_v1().map_err(|error| ServerError::new(&error))?;
    let v1alpha = reflection().build_v1alpha().map_err(|error| ServerError::new(&error))?;
    let intake = IntakeServiceServer::new(IntakeCalls(edge.clone()))
        .max_decoding_message_size(TRANSPORT_BYTES_MAX);
    let desk = DeskServiceServer::new(DeskCalls(edge.clone()))
        .max_decoding_message_size(TRANSPORT_BYTES_MAX);
    let oversight = OversightServiceServer::new(OversightCalls(edge))
        .max_decoding_message_size(TRANSPORT_BYTES_MAX);

    let mut routes = Routes::builder();
    routes
        .add_service(health_service)
        .add_service(v1)
        .add_service(v1alpha)
        .add_service(intake)
        .add_service(desk)
        .add_service(oversight);
    Ok(routes.routes())
}
