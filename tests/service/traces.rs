//! Traces: what a collector gets of calls, commits and pages, and all that it never gets.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use urgence::core::{CaseId, ClockKind, PageKey};
use urgence::grpc::wire;

use crate::service::{Directory, Service, by, claim_next, fast_policy, in_progress, urgent};
use crate::support::redis::TestRedis;
use crate::support::wait::{eventually, eventually_some};

const PATIENCE: Duration = Duration::from_secs(30);
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";
const SUBMIT: &str = "urgence.v1.IntakeService/Submit";
const DROPPED: &str = "urgence_spans_dropped_total";

/// A collector, and everything that it was sent.
#[derive(Clone, Default)]
pub struct Collector(Arc<Mutex<Vec<ExportTraceServiceRequest>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    /// One that serves, and its endpoint.
    pub async fn start() -> (Self, String) {
        let collector = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = endpoint(listener.local_addr().unwrap());
        let service = TraceServiceServer::new(collector.clone());
        let serving =
            Server::builder().add_service(service).serve_with_incoming(TcpIncoming::from(listener));
        tokio::spawn(serving);
        (collector, endpoint)
    }

    pub fn requests(&self) -> Vec<ExportTraceServiceRequest> {
        self.0.lock().unwrap().clone()
    }

    fn spans(&self) -> Vec<Span> {
        let requests = self.requests().into_iter();
        let resources = requests.flat_map(|request| request.resource_spans);
        resources.flat_map(|of| of.scope_spans).flat_map(|scope| scope.spans).collect()
    }

    /// The first span for which `is_it` holds, once there is one.
    async fn span(&self, what: &str, is_it: impl Fn(&Span) -> bool) -> Span {
        eventually_some(what, PATIENCE, async || self.spans().into_iter().find(&is_it)).await
    }

    async fn child(&self, name: &str, of: &Span) -> Span {
        let child =
            self.span(name, |span| span.name == name && span.parent_span_id == of.span_id).await;
        assert_eq!(child.trace_id, of.trace_id);
        child
    }
}

fn endpoint(address: SocketAddr) -> String {
    format!("http://{address}")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The attribute's value as text; panics if it is there twice.
fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let mut found = attributes.iter().filter(|attribute| attribute.key == key);
    let value = found.next().map(text);
    assert!(found.next().is_none(), "{key} is there twice");
    value
}

fn text(attribute: &KeyValue) -> String {
    match attribute.value.clone().unwrap().value.unwrap() {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        value => panic!("{}: {value:?}", attribute.key),
    }
}

/// A call in the trace that `parent` says.
fn traced<T>(parent: &str, message: T) -> Request<T> {
    let mut request = by("ana-canary; roles=portal,responder", message);
    request.metadata_mut().insert("traceparent", parent.parse().unwrap());
    request
}

fn id_of(case: Option<wire::CaseStatus>) -> String {
    case.unwrap().name.rsplit('/').next().unwrap().to_owned()
}

/// Everything that a span may say, as a closed list.
fn assert_nothing_else(span: &Span) {
    const METHODS: [&str; 4] = ["Submit", "ClaimNext", "Respond", "Get"];
    const OUTCOMES: [&str; 5] = ["written", "conflict", "untimely", "policy-missing", "failed"];
    let is_rpc = span.name.contains('/');
    let keys: &[&str] = match span.name.as_str() {
        "commit" => &["case.id", "outcome"],
        "wake" => &["case.id"],
        "page" => &["case.id", "page.key", "page.clock", "sink"],
        _ if is_rpc => {
            &["rpc.system", "rpc.service", "rpc.method", "rpc.grpc.status_code", "case.id"]
        }
        other => panic!("a span named {other}"),
    };
    let found: Vec<&str> = span.attributes.iter().map(|found| found.key.as_str()).collect();
    assert_eq!(
        found.iter().collect::<BTreeSet<_>>(),
        keys.iter().collect::<BTreeSet<_>>(),
        "{}",
        span.name
    );
    for key in keys {
        let value = attribute(&span.attributes, key).unwrap();
        let is_known = match *key {
            "case.id" => value.parse::<CaseId>().is_ok(),
            "rpc.system" => value == "grpc",
            "rpc.service" => {
                ["urgence.v1.IntakeService", "urgence.v1.DeskService"].contains(&value.as_str())
            }
            "rpc.method" => METHODS.contains(&value.as_str()),
            "rpc.grpc.status_code" => value == "0",
            "outcome" => OUTCOMES.contains(&value.as_str()),
            "page.key" => value.parse::<PageKey>().is_ok(),
            "page.clock" => ClockKind::ALL.iter().any(|kind| kind.word() == value),
            "sink" => value == "log",
            _ => false,
        };
        assert!(is_known, "{key}={value}");
    }
    if is_rpc {
        let part = |key| attribute(&span.attributes, key).unwrap();
        assert_eq!(span.name, format!("{}/{}", part("rpc.service"), part("rpc.method")));
    }
    assert!(span.events.is_empty() && span.links.is_empty() && span.trace_state.is_empty());
    assert!(span.status.as_ref().is_none_or(|status| status.message.is_empty()));
}

/// What comes with the spans: the name of the service, and nothing of where it runs.
fn assert_nothing_around(request: &ExportTraceServiceRequest) {
    for of in &request.resource_spans {
        let attributes = &of.resource.as_ref().unwrap().attributes;
        assert_eq!(attributes.len(), 2);
        assert_eq!(attribute(attributes, "service.name").unwrap(), "urgence");
        let version = attribute(attributes, "service.version").unwrap();
        assert_eq!(version, env!("CARGO_PKG_VERSION"));
        for scope in of.scope_spans.iter().map(|spans| spans.scope.as_ref().unwrap()) {
            assert!(scope.name == "urgence" && scope.version.is_empty());
            assert!(scope.attributes.is_empty());
        }
    }
}

#[tokio::test]
async fn a_call_its_commits_and_its_pages_are_one_trace_that_tells_the_case_alone() {
    const CANARY: &str = "canary";
    let directory = Directory::new();
    let policy = fast_policy(&directory, "60s");
    let redis = TestRedis::start();
    let (collector, endpoint) = Collector::start().await;
    let arguments = ["--policy", &policy, "--otlp-endpoint", &endpoint, "--log", "trace"];
    let service = Service::on(&redis, &arguments);
    let (mut portal, mut desk) = (service.portal().await, service.desk().await);
    let mut message = urgent("r-canary");
    let request = message.request.as_mut().unwrap();
    let requester = request.requester.as_mut().unwrap();
    requester.officer_name = CANARY.to_owned();
    requester.case_number = CANARY.to_owned();
    requester.official_email = format!("{CANARY}@police.example");
    request.emergency.as_mut().unwrap().description = CANARY.to_owned();
    request.targets[0].value = CANARY.to_owned();
    request.legal_basis = CANARY.to_owned();
    let mut submit = traced(&format!("00-{TRACE}-{PARENT}-01"), message);
    // Free text, which must not come through.
    for name in ["tracestate", "baggage"] {
        submit.metadata_mut().insert(name, format!("{CANARY}={CANARY}").parse().unwrap());
    }
    let id = id_of(portal.submit(submit).await.unwrap().into_inner().case);
    let is_about =
        |span: &Span| attribute(&span.attributes, "case.id").as_deref() == Some(id.as_str());

    // The call, its commit and the page that this wants are the caller's trace.
    let call = collector.span("the call", |span| span.name == SUBMIT).await;
    assert_eq!((hex(&call.trace_id), hex(&call.parent_span_id)), (TRACE.into(), PARENT.into()));
    let is_written = |span: &Span| attribute(&span.attributes, "outcome").unwrap() == "written";
    let commit = collector
        .span("the commit", |span| {
            span.name == "commit" && span.parent_span_id == call.span_id && is_written(span)
        })
        .await;
    let page = collector.child("page", &commit).await;
    assert!([&call, &commit, &page].into_iter().all(is_about));
    let key = attribute(&page.attributes, "page.key").unwrap();
    assert_eq!(key, format!("{id}/first-response/0/0"));

    // A wake begins a trace of its own, whose pages are no part of the call's.
    let key = format!("{id}/first-response/0/1000");
    let is_page = |span: &Span| attribute(&span.attributes, "page.key").as_ref() == Some(&key);
    let page = collector.span("the page of a rung", is_page).await;
    let commit = collector
        .span("its commit", |span| span.name == "commit" && span.span_id == page.parent_span_id)
        .await;
    let is_wake = |span: &Span| span.name == "wake" && span.span_id == commit.parent_span_id;
    let wake = collector.span("its wake", is_wake).await;
    assert!(wake.parent_span_id.is_empty() && hex(&wake.trace_id) != TRACE);
    assert!([&page, &commit].iter().all(|span| span.trace_id == wake.trace_id));
    assert!([&wake, &commit, &page].into_iter().all(is_about));

    // A claim is written by the line, in the trace of the caller for whom it is.
    let claim = traced(&format!("00-{}-{PARENT}-01", "c".repeat(32)), claim_next("c-canary", 0));
    desk.claim_next(claim).await.unwrap();
    let is_claim = |span: &Span| span.name == "urgence.v1.DeskService/ClaimNext";
    let claim = collector.span("the claim", is_claim).await;
    assert_eq!(hex(&claim.trace_id), "c".repeat(32));
    let commit = collector.child("commit", &claim).await;
    assert!(is_about(&claim) && is_about(&commit));
    let name = format!("desks/main/cases/{id}");
    let mut answer = in_progress("a-canary", &name, 1);
    answer.message = CANARY.to_owned();
    desk.respond(by("ana-canary; roles=responder", answer)).await.unwrap();
    desk.get(wire::DeskServiceGetRequest { name }).await.unwrap();
    let answer = collector.span("the answer", |span| span.name.ends_with("/Respond")).await;
    assert!(answer.parent_span_id.is_empty() && is_about(&answer));
    collector.span("the reading", |span| span.name.ends_with("/Get")).await;

    // All of it, against closed lists; and the bytes against all that was said and who said it.
    collector.spans().iter().for_each(assert_nothing_else);
    for request in collector.requests() {
        assert_nothing_around(&request);
        let bytes = request.encode_to_vec();
        for word in [CANARY, "fr-pnij", "police", "+33", "main"] {
            let is_there = bytes.windows(word.len()).any(|part| part == word.as_bytes());
            assert!(!is_there, "{word} was exported");
        }
    }
    assert_eq!(service.metric(DROPPED).await, 0.0);
}

#[tokio::test]
async fn a_traceparent_that_is_none_is_ignored_and_one_that_is_not_sampled_is_heeded() {
    let redis = TestRedis::start();
    let (collector, endpoint) = Collector::start().await;
    let service = Service::on(&redis, &["--otlp-endpoint", &endpoint]);
    let mut portal = service.portal().await;
    let unsampled = format!("00-{}-{PARENT}-00", "d".repeat(32));
    portal.submit(traced(&unsampled, urgent("unsampled"))).await.unwrap();
    let right = format!("00-{TRACE}-{PARENT}-01");
    let mut twice = traced(&right, urgent("twice"));
    twice.metadata_mut().append("traceparent", right.parse().unwrap());
    let mut ids = vec![id_of(portal.submit(twice).await.unwrap().into_inner().case)];
    let upper = right.to_uppercase();
    for (index, wrong) in ["", "00", "canary", &right[1..], &upper].into_iter().enumerate() {
        let submitted = portal.submit(traced(wrong, urgent(&format!("r-{index}")))).await;
        ids.push(id_of(submitted.unwrap().into_inner().case));
    }
    for id in &ids {
        let is_it = |span: &Span| {
            span.name == SUBMIT && attribute(&span.attributes, "case.id").as_ref() == Some(id)
        };
        let call = collector.span("the call", is_it).await;
        assert!(call.parent_span_id.is_empty() && hex(&call.trace_id) != TRACE);
    }
    let traces: BTreeSet<String> =
        collector.spans().iter().map(|span| hex(&span.trace_id)).collect();
    assert!(!traces.contains(TRACE) && !traces.contains(&"d".repeat(32)));
}

/// Submits, and returns once the first page is in the log.
async fn submit_and_be_paged(service: &Service, request_id: &str) -> serde_json::Value {
    let message = traced(&format!("00-{TRACE}-{PARENT}-01"), urgent(request_id));
    let submitted = service.portal().await.submit(message).await.unwrap();
    let key = format!("{}/first-response/0/0", id_of(submitted.into_inner().case));
    eventually_some("the page", PATIENCE, async || {
        let log = service.log();
        let mut lines = log.iter().filter_map(|line| serde_json::from_str(line).ok());
        lines.find(|line: &serde_json::Value| line["page.key"] == key)
    })
    .await
}

#[tokio::test]
async fn without_the_setting_nothing_is_traced_and_with_it_the_log_is_the_same() {
    let (collector, endpoint) = Collector::start().await;
    let mut keys = Vec::new();
    for arguments in [&[][..], &["--otlp-endpoint", &endpoint]] {
        let redis = TestRedis::start();
        let service = Service::on(&redis, arguments);
        let page = submit_and_be_paged(&service, "r-1").await;
        keys.push(page.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>());
        for line in service.log() {
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert!(line.get("span").is_none() && line.get("spans").is_none(), "{line}");
        }
        let events = redis.command(&["XRANGE", "{urgence:main}:events", "-", "+"]);
        assert_eq!(events.contains(TRACE), !arguments.is_empty());
        if arguments.is_empty() {
            service.terminate();
            assert!(service.ended().await.success());
            assert!(collector.requests().is_empty());
        }
    }
    assert_eq!(keys[0], keys[1]);
}

#[tokio::test]
async fn what_is_not_sent_yet_is_sent_at_the_stop() {
    let redis = TestRedis::start();
    let (collector, endpoint) = Collector::start().await;
    let service = Service::on(&redis, &["--otlp-endpoint", &endpoint]);
    service.portal().await.submit(urgent("r-1")).await.unwrap();
    service.terminate();
    assert!(service.ended().await.success());
    assert!(collector.spans().iter().any(|span| span.name == SUBMIT));
}

#[tokio::test]
async fn a_collector_that_is_away_or_silent_holds_nothing_up() {
    // Nobody listens on a port that was just given back; the other accepts, and never says a word.
    let away = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for address in [away, silent.local_addr().unwrap()] {
        let redis = TestRedis::start();
        let service = Service::on(&redis, &["--otlp-endpoint", &endpoint(address)]);
        for index in 0..20 {
            submit_and_be_paged(&service, &format!("r-{index}")).await;
        }
        // Twice, and told once.
        for request_id in ["r-more", "r-last"] {
            let before = service.metric(DROPPED).await;
            submit_and_be_paged(&service, request_id).await;
            eventually("spans are dropped", PATIENCE, async || {
                service.metric(DROPPED).await > before
            })
            .await;
        }
        assert!(service.is_ready().await);
        let log = service.log();
        let told = log.iter().filter(|line| line.contains("traces cannot be exported")).count();
        assert_eq!(told, 1, "{address}");
        service.terminate();
        assert!(service.ended().await.success());
    }
}
