//! The audit log of real replicas over one Redis: the same files, also after a crash, checked offline.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Output};
use std::time::Duration;

use tonic_types::StatusExt as _;
use urgence::grpc::wire;

use crate::service::{Directory, Service, urgent};
use crate::support::redis::TestRedis;
use crate::support::wait::eventually;

const PATIENCE: Duration = Duration::from_secs(60);
const SIGNED: &str = "urgence_audit_log_signed_entries{desk=\"main\"}";
const LOST: &str = "urgence_audit_history_lost{desk=\"main\"}";

async fn submit(service: &Service, from: u32, count: u32) {
    let mut portal = service.portal().await;
    for number in from..from + count {
        portal.submit(urgent(&format!("r-{number}"))).await.unwrap();
    }
}

async fn signed(service: &Service, at_least: u32) {
    eventually("the log is signed", PATIENCE, async || {
        service.metric(SIGNED).await >= f64::from(at_least)
    })
    .await;
}

/// The roots that a replica has signed, by the sizes of the log.
fn roots(audit: &str) -> BTreeMap<u64, String> {
    let text = fs::read_to_string(format!("{audit}/main/checkpoints")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    lines.chunks(5).map(|note| (note[1].parse().unwrap(), note[2].to_owned())).collect()
}

fn verify(audit: &str, more: &[&str]) -> Output {
    let key = fs::read_to_string(format!("{audit}/main/public-key")).unwrap();
    Command::new(env!("CARGO_BIN_EXE_urgence"))
        .args(["audit", "verify", &format!("{audit}/main"), "--public-key", key.trim_end()])
        .args(more)
        .output()
        .unwrap()
}

#[tokio::test]
async fn replicas_derive_the_same_log_and_a_crash_changes_nothing() {
    let redis = TestRedis::start();
    let directories = [Directory::new(), Directory::new(), Directory::new()];
    let at = |index: usize| Service::on(&redis, &["--audit-dir", directories[index].path()]);
    let (one, two) = (at(0), at(1));
    submit(&one, 0, 70).await;
    signed(&one, 64).await;
    two.kill();
    submit(&one, 70, 70).await;
    signed(&one, 128).await;
    let (two, three) = (at(1), at(2));
    submit(&three, 140, 60).await;
    let signed_before = one.metric(SIGNED).await as u32;
    submit(&three, 200, 70).await;
    for service in [&one, &two, &three] {
        signed(service, signed_before.max(192) + 64).await;
        assert!(service.metric(LOST).await.abs() < 0.5);
    }
    let paths: Vec<&str> = directories.iter().map(Directory::path).collect();
    // The third began at the edge. Whatever two of them have signed, they have signed alike.
    let signed = paths.iter().map(|path| roots(path)).collect::<Vec<_>>();
    for other in &signed[1..] {
        let both = signed[0].iter().filter(|(size, _)| other.contains_key(size));
        let both: Vec<_> = both.map(|(size, root)| (root, &other[size])).collect();
        assert!(!both.is_empty() && both.iter().all(|(one, other)| one == other), "{signed:?}");
    }
    for service in [one, two, three] {
        service.kill();
    }
    for path in &paths[..2] {
        let output = verify(path, &[]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    // What the third lacks is named, and is right only where somebody says so.
    let gap = verify(paths[2], &[]);
    let told = String::from_utf8_lossy(&gap.stderr).into_owned();
    assert_eq!(gap.status.code(), Some(1));
    let last = told.strip_prefix("entries 0 to ").unwrap().split(' ').next().unwrap();
    let first: u64 = last.parse::<u64>().unwrap() + 1;
    assert!(verify(paths[2], &["--gaps-allowed"]).status.success());
    assert!(verify(paths[2], &["--from", &first.to_string()]).status.success());
    assert_eq!(verify(paths[2], &["--from", last]).status.code(), Some(1));
    // One byte of one entry, and it is named.
    let segment = format!("{}/main/{:020}.log", paths[0], 0);
    let mut lines: Vec<String> =
        fs::read_to_string(&segment).unwrap().lines().map(|line| format!("{line}\n")).collect();
    lines[18] = lines[18].replacen("main", "mail", 1);
    fs::write(&segment, lines.concat()).unwrap();
    let output = verify(paths[0], &["--gaps-allowed"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("entry 17: "));
}

#[tokio::test]
async fn a_receipt_is_proved_offline() {
    let redis = TestRedis::start();
    let directory = Directory::new();
    let service = Service::on(&redis, &["--audit-dir", directory.path()]);
    let mut portal = service.portal().await;
    let first = portal.submit(urgent("r-0")).await.unwrap().into_inner();
    let name = first.case.unwrap().name;
    let ask = || wire::GetReceiptProofRequest { name: name.clone() };
    let early = portal.get_receipt_proof(ask()).await.unwrap_err();
    assert_eq!(early.code(), tonic::Code::Unavailable);
    assert!(early.get_details_retry_info().is_some());
    submit(&service, 1, 70).await;
    signed(&service, 64).await;
    let again = portal.submit(urgent("r-0")).await.unwrap().into_inner();
    assert!(again.replayed && again.receipt == first.receipt);
    let proof = portal.get_receipt_proof(ask()).await.unwrap().into_inner();
    assert_eq!(proof.receipt, first.receipt);
    let key = fs::read_to_string(format!("{}/main/public-key", directory.path())).unwrap();
    let check = |entry: &str| {
        let receipt = directory.file("receipt", &first.receipt);
        let (entry, proof) =
            (directory.file("entry", entry), directory.file("proof", &proof.proof));
        Command::new(env!("CARGO_BIN_EXE_urgence"))
            .args(["receipt", "verify", "--public-key", key.trim_end(), "--receipt", &receipt])
            .args(["--entry", &entry, "--proof", &proof])
            .output()
            .unwrap()
    };
    let right = check(&proof.entry);
    assert!(right.status.success(), "{}", String::from_utf8_lossy(&right.stderr));
    let wrong = check(&proof.entry.replace("\"stored_sha256\":\"", "\"stored_sha256\":\"0"));
    assert_eq!(wrong.status.code(), Some(1));
    let told = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(told.starts_with("proof: the entry is not number "), "{told}");
}
