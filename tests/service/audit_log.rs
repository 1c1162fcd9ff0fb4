//! The audit log of real replicas over one Redis: the same files, also after a crash, checked offline.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Output};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tonic_types::StatusExt as _;
use urgence::grpc::wire;

use crate::calls::{ANA, AUDITOR, Caller, FRENCH, GERMAN, assert_error, assert_fields};
use crate::service::{Directory, Service, urgent};
use crate::support::redis::TestRedis;
use crate::support::wait::{eventually, eventually_some};

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
    let last = told.strip_prefix("entries 0 to ").unwrap_or_else(|| panic!("{told}"));
    let last = last.split(' ').next().unwrap();
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

fn notice_of(entry: &wire::AuditEntry) -> Option<&wire::AuditNotice> {
    match entry.told.as_ref()? {
        wire::audit_entry::Told::Notice(notice) => Some(notice),
        wire::audit_entry::Told::Change(_) => None,
    }
}

fn subject_of(entry: &wire::AuditEntry) -> &str {
    entry.actor.as_ref().map_or("", |actor| &actor.subject)
}

async fn listed(auditor: &Caller, first_index: u64, page_size: i32) -> Vec<wire::AuditEntry> {
    let ask = wire::ListAuditEntriesRequest { desk: String::new(), first_index, page_size };
    let answer = auditor.oversight().list_audit_entries(auditor.by(ask)).await;
    answer.unwrap().into_inner().entries
}

/// Who read what, and who tried a door how often, stands in the log for whoever asks later.
#[tokio::test]
async fn reads_and_refusals_are_entries_and_what_is_listed_is_checked() {
    let (redis, directory) = (TestRedis::start(), Directory::new());
    let at = ["--data-dir", directory.path()];
    let before = Service::on(&redis, &at);
    let (portal, stranger) = (Caller::of(&before, FRENCH), Caller::of(&before, GERMAN));
    let responder = Caller::of(&before, ANA);
    let name = portal.submits(urgent("r-0")).await;
    portal.is_shown(&name).await;
    responder.sees(&name).await;
    let held = responder.claims(&name).await;
    for _ in 0..3 {
        let get = wire::IntakeServiceGetRequest { name: name.clone() };
        let refused = stranger.intake().get(stranger.by(get)).await;
        assert_error(refused, tonic::Code::NotFound, "CASE_NOT_FOUND");
    }
    // What was counted is told at the latest when the service stops.
    before.terminate();
    assert!(before.ended().await.success());
    let service = Service::on(&redis, &at);
    let auditor = Caller::of(&service, AUDITOR);
    let entries = eventually_some("the refusals are in the log", PATIENCE, async || {
        let entries = listed(&auditor, 0, 200).await;
        let is_told = |entry| notice_of(entry).is_some_and(|notice| notice.what == "refused");
        entries.iter().any(is_told).then_some(entries)
    })
    .await;
    let told: Vec<_> = entries
        .iter()
        .filter_map(|entry| Some((subject_of(entry), notice_of(entry)?)))
        .filter(|(_, notice)| notice.what == "read" || notice.what == "refused")
        .map(|(who, notice)| {
            let about = if notice.case.is_empty() { &notice.reason } else { &notice.case };
            (who, notice.what.as_str(), notice.detail.as_str(), about.as_str(), notice.number)
        })
        .collect();
    let case = held.name.as_str();
    let right = [
        ("portal-fr", "read", "authority", case, 0),
        ("ana", "read", "desk", case, 0),
        ("portal-de", "refused", "IntakeService.Get", "CASE_NOT_FOUND", 3),
    ];
    assert_eq!(told, right);
    let new = entries.iter().find(|entry| entry.to() == wire::CaseState::Received).unwrap();
    assert_eq!((subject_of(new), new.from()), ("portal-fr", wire::CaseState::Unspecified));
    for entry in &entries {
        let hash: String =
            Sha256::digest(&entry.stored).iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(entry.entry.contains(&hash), "{}", entry.entry);
    }
    assert_eq!(listed(&auditor, 1, 2).await, entries[1..3]);
    let wrong =
        wire::ListAuditEntriesRequest { desk: "nowhere".to_owned(), first_index: 0, page_size: -1 };
    let refused = auditor.oversight().list_audit_entries(auditor.by(wrong)).await;
    assert_fields(refused, &["desk: UNKNOWN_VALUE", "page_size: OUT_OF_RANGE"]);
}

/// The service's own look at its files says what the look from outside says.
#[tokio::test]
async fn a_log_is_checked_by_its_service_too() {
    let (redis, directory) = (TestRedis::start(), Directory::new());
    let service = Service::on(&redis, &["--audit-dir", directory.path()]);
    let auditor = Caller::of(&service, AUDITOR);
    let verified = async || {
        let ask = auditor.by(wire::VerifyAuditRequest::default());
        auditor.oversight().verify_audit(ask).await.unwrap().into_inner()
    };
    submit(&service, 0, 70).await;
    signed(&service, 64).await;
    let found = verified().await;
    let key = fs::read_to_string(format!("{}/main/public-key", directory.path())).unwrap();
    assert_eq!((found.fault.as_str(), found.public_key.as_str()), ("", key.trim_end()));
    assert!(found.first_index == 0 && found.signed >= 64 && found.size >= 70, "{found:?}");
    assert!(found.missing.is_empty(), "{found:?}");
    let segment = format!("{}/main/{:020}.log", directory.path(), 0);
    let text = fs::read_to_string(&segment).unwrap();
    fs::write(&segment, text.replacen("main", "mail", 1)).unwrap();
    let fault = verified().await.fault;
    assert!(!fault.is_empty());
    let outside = verify(directory.path(), &[]);
    let told = String::from_utf8_lossy(&outside.stderr).into_owned();
    assert!(told.contains(&fault), "{fault:?} {told:?}");
}
