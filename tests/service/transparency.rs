//! What may be made public, asked of the real program by its own command line.

use std::process::{Command, Output};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tonic::Code;
use urgence::grpc::wire;
use wire::{DataCategory, Outcome};

use crate::calls::{
    ANA, AUDITOR, Caller, FRENCH, GERMAN, LEAD, Stage, assert_error, assert_fields, ended,
};
use crate::messages::{asking, of_authority};
use crate::support::wait::eventually;

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);
/// What was said is gone after a second, and few requests are needed for a row.
const SHORT: &str = "[retention]\nnot_disclosed = \"1s\"\n[transparency]\nmin_cell = 3\n";

fn instant(seconds: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds, nanos: 0 })
}

fn of_all_time() -> wire::ExportTransparencyRequest {
    let (from, to) = (instant(0), instant(253_402_300_000));
    wire::ExportTransparencyRequest { from, to, ..Default::default() }
}

async fn export(
    caller: &Caller,
    wanted: wire::ExportTransparencyRequest,
) -> Result<wire::ExportTransparencyResponse, tonic::Status> {
    let exported = caller.oversight().export_transparency(caller.by(wanted)).await;
    exported.map(tonic::Response::into_inner)
}

/// Four French requests that ended without data, and three German ones that nobody has looked at.
async fn seven_requests(stage: &Stage) {
    let (ana, german) = (stage.caller(ANA), stage.caller(GERMAN));
    for _ in 0..4 {
        ended(stage, &ana).await;
    }
    for _ in 0..3 {
        let message = of_authority(asking(&[DataCategory::Content]), "de-bka", "DE");
        german.submits(message).await;
    }
}

#[tokio::test]
async fn export_transparency() {
    let stage = Stage::with(SHORT);
    let auditor = stage.caller(AUDITOR);
    let empty = export(&auditor, of_all_time()).await.unwrap();
    assert_eq!((empty.rows.len(), empty.total.unwrap().requests), (0, 0));
    seven_requests(&stage).await;
    let report = export(&auditor, of_all_time()).await.unwrap();
    assert_eq!((&*report.desk, report.min_cell, report.unreadable), ("main", 3, 0));
    let [german, french] = report.rows.as_slice() else { panic!("{report:?}") };
    assert_eq!((&*german.country, &*french.country), ("DE", "FR"));
    let (open, over) = (german.cell.unwrap(), french.cell.unwrap());
    assert_eq!(
        (open.outcome(), open.data_class()),
        (Outcome::Unspecified, wire::DataClass::Content)
    );
    assert_eq!(
        (over.outcome(), over.data_class()),
        (Outcome::NoDataFound, wire::DataClass::NonContent)
    );
    let (open, over) = (german.figures.clone().unwrap(), french.figures.clone().unwrap());
    assert_eq!((open.requests, open.promise), (3, None), "nothing can be said of them yet");
    assert_eq!((over.requests, over.targets), (4, 4));
    let promise = over.promise.unwrap();
    assert_eq!((promise.judged, promise.within_target, promise.within_limit), (4, 4, 4));
    assert_eq!(report.total.as_ref().unwrap().requests, 7);

    // What was purged counts as before.
    eventually("four cases are purged", PATIENCE, async || {
        stage.service.metric("urgence_purged_total").await >= 4.0
    })
    .await;
    let later = export(&stage.caller(LEAD), of_all_time()).await.unwrap();
    assert_eq!((&later.rows, &later.total), (&report.rows, &report.total));

    // With more to a cell, less is told; and nothing of another time.
    let more = wire::ExportTransparencyRequest { min_cell: 4, ..of_all_time() };
    let more = export(&auditor, more).await.unwrap();
    assert_eq!(more.rows.len(), 1);
    assert_eq!((&*more.rows[0].country, more.rows[0].figures.as_ref().unwrap().requests), ("", 7));
    let before = wire::ExportTransparencyRequest { to: instant(1_000), ..of_all_time() };
    assert_eq!(export(&auditor, before).await.unwrap().total.unwrap().requests, 0);
}

#[tokio::test]
async fn what_is_wrong_with_the_question_is_told() {
    let stage = Stage::with(SHORT);
    let auditor = stage.caller(AUDITOR);
    let nothing = wire::ExportTransparencyRequest::default();
    assert_fields(export(&auditor, nothing).await, &["from: REQUIRED", "to: REQUIRED"]);
    let bad = wire::ExportTransparencyRequest {
        desk: "nowhere".to_owned(),
        from: instant(9),
        to: instant(9),
        min_cell: 2,
    };
    let wrong = ["desk: UNKNOWN_VALUE", "to: CONTRADICTION", "min_cell: OUT_OF_RANGE"];
    assert_fields(export(&auditor, bad).await, &wrong);
    let early = wire::ExportTransparencyRequest { from: instant(-1), ..of_all_time() };
    assert_fields(export(&auditor, early).await, &["from: BAD_FORMAT"]);
    for who in [ANA, FRENCH, "nobody"] {
        let refused = export(&stage.caller(who), of_all_time()).await;
        assert_error(refused, Code::PermissionDenied, "ROLE_MISSING");
    }
}

#[tokio::test]
async fn without_redis_there_is_no_report() {
    let mut stage = Stage::with(SHORT);
    stage.redis.kill();
    let refused = export(&stage.caller(AUDITOR), of_all_time()).await;
    assert_error(refused, Code::Unavailable, "STORE_UNAVAILABLE");
}

async fn urgence(arguments: Vec<String>) -> Output {
    let running = move || {
        let mut program = Command::new(env!("CARGO_BIN_EXE_urgence"));
        program.arg("transparency").args(arguments).output().unwrap()
    };
    tokio::task::spawn_blocking(running).await.unwrap()
}

#[tokio::test]
async fn the_command_line_writes_each_format() {
    let stage = Stage::with(SHORT);
    seven_requests(&stage).await;
    let connect = format!("http://{}", stage.service.grpc);
    let ask = async |more: &[&str]| {
        let usual = ["--connect", &connect, "--from", "2020-01-01", "--to", "9999-01-01"];
        urgence(usual.iter().chain(more).map(|word| (*word).to_owned()).collect()).await
    };
    let csv = ask(&[]).await;
    assert!(csv.status.success(), "{csv:?}");
    let csv = String::from_utf8(csv.stdout).unwrap();
    assert_eq!(csv.lines().count(), 4, "{csv}");
    assert!(
        csv.contains("\r\nFR,missing_child,emergency_request,no_data_found,non_content,4,4,0,0,")
    );
    assert!(csv.contains("\r\nDE,missing_child,emergency_request,open,content,3,3,0,0,,,,,,,"));

    let json = ask(&["--format", "json", "--min-cell", "4"]).await;
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&json["min_cell"], &json["total"]["requests"]), (&4.into(), &7.into()));
    assert_eq!(json["rows"][0]["country"], "several");

    let file = format!("{}/report.html", stage.directory.path());
    let html = ask(&["--format", "html", "--out", &file]).await;
    assert!(html.status.success() && html.stdout.is_empty());
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("<!DOCTYPE html>"));

    let refused = ask(&["--min-cell", "1"]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("min_cell: OUT_OF_RANGE"));
    assert_eq!(ask(&["--format", "pdf"]).await.status.code(), Some(2));
}

/// Takes TLS off what comes for `localhost` from those who have a certificate: its port. The files of the
/// authority, and of a certificate of its own for the caller, are in the directory of the stage.
async fn in_front_of(stage: &Stage) -> u16 {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let signed = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        (params.signed_by(&key, &authority).unwrap(), key)
    };
    let (caller, callers_key) = signed("auditor.example");
    stage.directory.file("ca.pem", &authority.pem());
    stage.directory.file("cert.pem", &caller.pem());
    stage.directory.file("key.pem", &callers_key.serialize_pem());
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider)).build();
    let (certificate, key) = signed("localhost");
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.unwrap())
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let behind = stage.service.grpc;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut behind = TcpStream::connect(behind).await.unwrap();
            _ = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls_each_side_shows_a_certificate() {
    let stage = Stage::with(SHORT);
    let connect = format!("https://localhost:{}", in_front_of(&stage).await);
    let file = |name: &str| format!("{}/{name}", stage.directory.path());
    let [ca, cert, key] = ["ca.pem", "cert.pem", "key.pem"].map(file);
    let ask = async |more: &[&str]| {
        let usual = ["--connect", &connect, "--from", "2020-01-01", "--to", "2021-01-01"];
        urgence(usual.iter().chain(more).map(|word| (*word).to_owned()).collect()).await
    };
    let csv = ask(&["--ca", &ca, "--cert", &cert, "--key", &key]).await;
    assert!(csv.status.success(), "{csv:?}");
    assert!(String::from_utf8(csv.stdout).unwrap().contains("\r\ntotal,"));
    // The service must be known to the caller, and the caller to the service.
    for (more, said) in [
        (&["--cert", &*cert, "--key", &*key][..], "invalid peer certificate"),
        (&["--ca", &*ca][..], ""),
        (&["--ca", "gone.pem"][..], "gone.pem: "),
    ] {
        let refused = ask(more).await;
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains(said), "{refused:?}");
    }
}
