//! The real program behind mutual TLS, and what it does with peers that do what no client does.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::authority::{ANA, Authority, BO, Held, Wish};
use crate::client::{Client, FIRST_WORDS, until_closed};
use crate::frames::{
    CONTINUATION, DATA, END_HEADERS, GOAWAY, HEADERS, RST_STREAM, call, frame, header, kinds_until,
    kinds_until_closed,
};
use crate::service::{Directory, PROGRAM, Service, run};
use crate::stage::{PATIENCE, is_answered};
use crate::support::redis::TestRedis;
use crate::support::wait::eventually;

/// The files of a server, and who signs.
struct Files {
    directory: Directory,
    authority: Authority,
}

impl Files {
    fn new() -> Self {
        let (directory, authority) = (Directory::new(), Authority::new("root"));
        let server = authority.certify(&Wish::server());
        directory.file("server.pem", &server.certificate);
        directory.file("server.key", &server.key);
        directory.file("ca.pem", &authority.certificate());
        directory.file("crl.pem", &authority.revokes(&[], 3_600));
        Self { directory, authority }
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.directory.path())
    }

    fn serve(&self, redis: &TestRedis, arguments: &[&str]) -> Service {
        let (certificate, key) = (self.path("server.pem"), self.path("server.key"));
        let (authorities, list) = (self.path("ca.pem"), self.path("crl.pem"));
        let tls = [
            ["--tls-certificate", &certificate],
            ["--tls-key", &key],
            ["--tls-client-ca", &authorities],
            ["--tls-crl", &list],
        ];
        Service::on(redis, &[&tls.concat()[..], arguments].concat())
    }

    fn held(&self, uri: &'static str, serial: u64) -> Held {
        self.authority.certify(&Wish { serial, ..Wish::client(uri) })
    }

    fn client(&self, uri: &'static str, serial: u64) -> Client {
        Client::new(&self.authority.certificate(), Some(&self.held(uri, serial)), "h2")
    }

    /// One who asks the HTTP port.
    fn scraper(&self, uri: &'static str, serial: u64) -> Client {
        Client::new(&self.authority.certificate(), Some(&self.held(uri, serial)), "http/1.1")
    }

    /// Writes a registry of one authority, which asks by this certificate.
    fn registry(&self, channel: &str) -> String {
        let entry = r#"agency = "Police", country = "FR", natures = ["all"]"#;
        let text = format!("authorities.fr-pnij = {{ {entry}, channels = [\"{channel}\"] }}");
        self.directory.file("authorities.toml", &text)
    }
}

/// Where this machine reaches a port that is open to all.
fn here(address: SocketAddr) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], address.port()))
}

#[tokio::test]
async fn it_may_be_reached_from_anywhere_by_those_with_certificates() {
    let (redis, files) = (TestRedis::start(), Files::new());
    let service =
        files.serve(&redis, &["--grpc-listen", "0.0.0.0:0", "--http-listen", "0.0.0.0:0"]);
    let (grpc, http) = (here(service.grpc), here(service.http));
    assert!(is_answered(&files.client(ANA, 7), grpc).await);
    let nobody = Client::new(&files.authority.certificate(), None, "h2");
    assert!(!is_answered(&nobody, grpc).await);
    let mut plain = TcpStream::connect(grpc).await.unwrap();
    plain.write_all(FIRST_WORDS).await.unwrap();
    timeout(PATIENCE, until_closed(&mut plain)).await.expect("it speaks TLS only");

    // Metrics too.
    let mut stream = files.scraper(ANA, 7).connect(http).await.unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).await.unwrap();
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    let value = |series: &str| -> f64 {
        let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {series}")).parse().unwrap()
    };
    let now = urgence::clock::wall_now().as_millis() as f64 / 1_000.0;
    for certificate in ["server", "client_ca"] {
        let end = value(&format!(
            "urgence_certificate_end_timestamp_seconds{{certificate=\"{certificate}\"}}"
        ));
        assert!((end - now - 86_400.0).abs() < 300.0, "{certificate}: {end}");
    }
    let due = value("urgence_revocation_list_due_timestamp_seconds");
    assert!((due - now - 3_600.0).abs() < 300.0, "{due}");
    assert!(value("urgence_handshakes_total{result=\"accepted\"}") >= 2.0);
    assert!(value("urgence_handshakes_total{result=\"no_certificate\"}") >= 1.0);
    assert!(value("urgence_handshakes_total{result=\"failed\"}") >= 1.0);
    assert_eq!(value("urgence_open_connections{port=\"http\"}"), 1.0);
    let mut plain = TcpStream::connect(http).await.unwrap();
    plain.write_all(request).await.unwrap();
    let mut said = Vec::new();
    _ = timeout(PATIENCE, plain.read_to_end(&mut said)).await.unwrap();
    assert!(!said.starts_with(b"HTTP"));
}

/// The status of the answer to one request on a connection that stays open.
async fn status(stream: &mut TlsStream<TcpStream>, path: &str) -> u16 {
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.unwrap().parse().unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    head["http/1.1 ".len()..][..3].parse().unwrap()
}

#[tokio::test]
async fn no_portal_reads_what_is_counted_as_soon_as_it_is_one() {
    const PORTAL: &str = "spiffe://urgence.test/portal/fr-pnij";
    let (redis, files) = (TestRedis::start(), Files::new());
    let registry = files.registry(PORTAL);
    let service = files.serve(&redis, &["--http-listen", "0.0.0.0:0", "--authorities", &registry]);
    let http = here(service.http);
    let mut portal = files.scraper(PORTAL, 7).connect(http).await.unwrap();
    let mut ana = files.scraper(ANA, 8).connect(http).await.unwrap();
    for path in ["/metrics", "/live", "/ready", "/other"] {
        assert_eq!(status(&mut portal, path).await, 403, "{path}");
    }
    assert_eq!(status(&mut ana, "/metrics").await, 200);
    // On the connections that are open.
    files.registry(ANA);
    let pid = service.pid().to_string();
    assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    eventually("the registry is read again", PATIENCE, async || {
        status(&mut ana, "/metrics").await == 403
    })
    .await;
    assert_eq!(status(&mut portal, "/metrics").await, 200);
}

#[test]
fn half_of_it_is_refused_at_the_start() {
    let files = Files::new();
    let (certificate, key, list) =
        (files.path("server.pem"), files.path("server.key"), files.path("crl.pem"));
    let missing = files.path("missing.pem");
    let all = ["--tls-certificate", &certificate, "--tls-key", &key, "--tls-client-ca", &missing];
    for (arguments, words) in [
        (&["--tls-certificate", &certificate][..], "belong together"),
        (&["--tls-certificate", &certificate, "--tls-key", &key][..], "belong together"),
        (&["--tls-crl", &list][..], "belong together"),
        (&all[..], "missing.pem: No such file"),
        (&["--grpc-listen", "0.0.0.0:0"][..], "is not a loopback address"),
        (&["--http-listen", "0.0.0.0:0"][..], "is not a loopback address"),
    ] {
        let (status, said) = run(arguments);
        assert_eq!(status.code(), Some(64), "{said}");
        assert!(said.contains(words), "{said}");
    }
}

#[tokio::test]
async fn without_certificates_it_says_what_that_means() {
    let redis = TestRedis::start();
    let service = Service::on(&redis, &[]);
    let warned = |line: &String| line.contains("anybody on this machine can act as anybody");
    eventually("it warns", PATIENCE, async || service.log().iter().any(warned)).await;
}

#[tokio::test]
async fn a_changed_list_cuts_an_open_connection_with_no_signal_given() {
    let (redis, files) = (TestRedis::start(), Files::new());
    let service = files.serve(&redis, &[]);
    let mut ana = files.client(ANA, 7).greeted(service.grpc).await.unwrap();
    let mut bo = files.client(BO, 8).greeted(service.grpc).await.unwrap();
    files.directory.file("crl.pem", "nonsense");
    let refused = "urgence_certificate_reloads_total{result=\"refused\"}";
    eventually("a bad one is told", PATIENCE, async || service.metric(refused).await == 1.0).await;
    files.directory.file("crl.pem", &files.authority.revokes(&[8], 3_600));
    timeout(PATIENCE, until_closed(&mut bo)).await.expect("it is cut");
    assert!(timeout(Duration::from_millis(300), until_closed(&mut ana)).await.is_err());
    assert_eq!(service.metric(refused).await, 1.0, "told once");
    assert_eq!(service.metric("urgence_connections_cut_total{reason=\"revoked\"}").await, 1.0);
    // No name of anybody is in the log.
    assert!(!service.log().iter().any(|line| line.contains("spiffe")));
}

#[tokio::test]
async fn a_signal_has_the_files_read_again() {
    let (redis, files) = (TestRedis::start(), Files::new());
    let service = files.serve(&redis, &[]);
    eventually("signals are listened for", PATIENCE, async || {
        let end = "urgence_certificate_end_timestamp_seconds{certificate=\"server\"}";
        service.metric(end).await > 0.0
    })
    .await;
    let pid = service.pid().to_string();
    assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    eventually("they are read", PATIENCE, async || {
        service.metric("urgence_certificate_reloads_total{result=\"taken\"}").await == 1.0
    })
    .await;
}

#[tokio::test]
async fn an_old_connection_is_asked_to_leave_and_then_ended() {
    let (redis, files) = (TestRedis::start(), Files::new());
    let service = files.serve(&redis, &["--connection-age-max", "1200ms"]);
    let ana = files.client(ANA, 7);
    let mut old = ana.greeted(service.grpc).await.unwrap();
    let kinds = timeout(PATIENCE, kinds_until_closed(&mut old)).await;
    let kinds = kinds.expect("it is ended though it does not answer");
    assert!(kinds.contains(&GOAWAY), "{kinds:?}");
    // Those who heed it notice nothing.
    let mut health = HealthClient::new(ana.channel(service.grpc).await);
    for _ in 0..30 {
        health.check(HealthCheckRequest::default()).await.unwrap();
        let mut pace = crate::support::wait::pace(Duration::from_millis(100));
        pace.tick().await;
        pace.tick().await;
    }
}

#[tokio::test]
async fn the_stop_ends_in_its_time_whoever_is_connected() {
    let (redis, files) = (TestRedis::start(), Files::new());
    let service = files.serve(&redis, &["--stop-timeout", "10m"]);
    let ana = files.client(ANA, 7);
    let tcp = TcpStream::connect(service.grpc).await.unwrap();
    let tls = ana.connect(service.grpc).await.unwrap();
    let fallen_silent = ana.greeted(service.grpc).await.unwrap();
    assert!(is_answered(&ana, service.grpc).await);
    service.terminate();
    let ended = timeout(Duration::from_secs(30), service.ended()).await;
    assert!(ended.expect("nobody holds it up").success());
    drop((tcp, tls, fallen_silent));
}

/// Whether a client from elsewhere is served, and soon.
async fn others_are_served(service: &Service) {
    let endpoint = Channel::from_shared(format!("http://{}", service.grpc));
    let mut health = HealthClient::new(endpoint.unwrap().connect().await.unwrap());
    for _ in 0..5 {
        let answered = timeout(PATIENCE, health.check(HealthCheckRequest::default())).await;
        answered.expect("others are served meanwhile").unwrap();
    }
}

async fn greeting(service: &Service) -> TcpStream {
    let mut stream = TcpStream::connect(service.grpc).await.unwrap();
    stream.write_all(FIRST_WORDS).await.unwrap();
    stream
}

const METHOD: &str = "/urgence.v1.IntakeService/Submit";

#[tokio::test]
async fn rapid_resets_end_the_connection_that_sends_them() {
    let redis = TestRedis::start();
    let service = Service::on(&redis, &[]);
    let mut rude = greeting(&service).await;
    let flood = (0..20_000).flat_map(|index: u32| {
        let stream = index * 2 + 1;
        let begun = frame(HEADERS, END_HEADERS, stream, &call(METHOD));
        [begun, frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
    });
    let flood: Vec<u8> = flood.collect();
    let (mut reading, mut writing) = rude.split();
    let (_, kinds) = tokio::join!(
        // It may be cut before all is written.
        async { writing.write_all(&flood).await.is_ok() },
        timeout(PATIENCE, kinds_until_closed(&mut reading)),
    );
    let kinds = kinds.expect("it is ended");
    assert!(kinds.contains(&GOAWAY), "it is told that it is too much");
    others_are_served(&service).await;
}

#[tokio::test]
async fn a_flood_of_headers_ends_the_connection_that_sends_it() {
    let redis = TestRedis::start();
    let service = Service::on(&redis, &[]);
    let mut rude = greeting(&service).await;
    let mut flood = frame(HEADERS, 0, 1, &call(METHOD));
    let many: Vec<u8> = (0..150).flat_map(|_| header("x-a", &"b".repeat(100))).collect();
    for _ in 0..1_000 {
        flood.extend(frame(CONTINUATION, 0, 1, &many));
    }
    let (mut reading, mut writing) = rude.split();
    let (is_written, closed) = tokio::join!(
        async { writing.write_all(&flood).await.is_ok() },
        timeout(PATIENCE, until_closed(&mut reading)),
    );
    closed.expect("it is ended");
    assert!(!is_written, "16 MB of headers were taken in");
    others_are_served(&service).await;
}

#[tokio::test]
async fn a_huge_message_is_refused_by_its_announced_length() {
    let redis = TestRedis::start();
    let service = Service::on(&redis, &[]);
    let mut rude = greeting(&service).await;
    let mut words = frame(HEADERS, END_HEADERS, 1, &call(METHOD));
    // One gibibyte is announced.
    words.extend(frame(DATA, 0, 1, &[0, 0x40, 0, 0, 0]));
    rude.write_all(&words).await.unwrap();
    let answered = timeout(PATIENCE, kinds_until(&mut rude, Some(HEADERS))).await;
    let kinds = answered.expect("the rest is not waited for");
    assert_eq!(kinds.last(), Some(&HEADERS), "it is answered");
    others_are_served(&service).await;
}

#[tokio::test]
async fn it_goes_on_after_the_system_had_no_more_sockets() {
    let redis = TestRedis::start();
    let service = Service::on(&redis, &[]);
    let pid = service.pid().to_string();
    let used = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    // Room for what it opens only after it serves, and less than what is then asked of it.
    let limit = format!("--nofile={}", used + 32);
    assert!(Command::new("prlimit").args(["--pid", &pid, &limit]).status().unwrap().success());
    let mut held = Vec::new();
    for _ in 0..100 {
        held.push(TcpStream::connect(service.grpc).await.unwrap());
    }
    let told = async || {
        let is_it = |line: &&String| line.contains("no connection can be accepted");
        service.log().iter().filter(is_it).count()
    };
    eventually("it is told", PATIENCE, async || told().await == 1).await;
    drop(held);
    others_are_served(&service).await;
    assert_eq!(told().await, 1, "once, though it was tried many times");
}

#[tokio::test]
async fn a_flood_of_connections_leaves_the_program_its_own_files() {
    let redis = TestRedis::start();
    let mut few = Command::new("prlimit");
    few.args(["--nofile=300:300", PROGRAM]);
    let service = Service::started_by(few, &["--redis-url", &redis.url()]);
    let told = |what: &str| service.log().iter().filter(|line| line.contains(what)).count();
    let is_told = async || told("the limit of open files is too low") == 1;
    eventually("fewer are let in, and it is told", PATIENCE, is_told).await;
    let mut held = Vec::new();
    for _ in 0..400 {
        held.push(greeting(&service).await);
    }
    let refused = async |cap: &str| {
        service.metric(&format!("urgence_connections_refused_total{{cap=\"{cap}\"}}")).await
    };
    let are_refused = async || refused("all").await + refused("handshakes").await > 300.0;
    eventually("most are refused", PATIENCE, are_refused).await;
    assert!(service.is_ready().await, "what it needs itself is there");
    assert_eq!(told("no connection can be accepted"), 0);
    drop(held);
    eventually("there is room again", PATIENCE, async || {
        let endpoint = Channel::from_shared(format!("http://{}", service.grpc)).unwrap();
        let Ok(channel) = endpoint.connect().await else { return false };
        HealthClient::new(channel).check(HealthCheckRequest::default()).await.is_ok()
    })
    .await;
}
