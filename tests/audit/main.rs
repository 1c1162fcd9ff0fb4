//! The audit log: derived alike by every replica, signed, checked offline, and never rewritten.
#![allow(clippy::unwrap_used, clippy::pedantic, reason = "in a test a panic is the report")]

mod command;
mod derived;
mod lost;
mod receipts;
mod signed;
#[path = "../support/mod.rs"]
mod support;
mod tampered;
mod tree;
mod trust;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use support::make::{accepted, intake};
use urgence::audit::{Fault, Follower, LogSettings, Record, Verified, verify};
use urgence::core::{Nature, Policy, Timestamp};
use urgence::sign::{NoteSigner, NoteVerifier};
use urgence::store::{Commit, MemoryStore, Outcome, Said, Store};

/// When the memory store's clock begins.
const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
/// Small, so that a test's log has several.
const SEGMENT_LEN: u64 = 128;

/// A directory of its own, removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("urga-{}-{count}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

fn policy() -> Policy {
    Policy::built_in()
}

fn signer() -> Arc<NoteSigner> {
    Arc::new(NoteSigner::new("urgence/main", &[7; 32]).unwrap())
}

fn keys() -> Vec<NoteVerifier> {
    vec![signer().verifier().clone()]
}

/// A replica's log over a store.
struct Replica<S> {
    follower: Follower<S>,
    record: Arc<Record>,
}

impl<S: Store> Replica<S> {
    fn new(store: &Arc<S>, directory: &Path) -> Self {
        Self::signing(store, directory, signer(), Vec::new())
    }

    /// One with a key of its own, which trusts these besides.
    fn signing(
        store: &Arc<S>,
        directory: &Path,
        signer: Arc<NoteSigner>,
        verifiers: Vec<NoteVerifier>,
    ) -> Self {
        let record = Arc::new(Record::new(LogSettings {
            directory: directory.to_owned(),
            desk: "main".parse().unwrap(),
            signer,
            verifiers,
            segment_len: SEGMENT_LEN,
        }));
        Self { follower: Follower::new(Arc::clone(store), Arc::clone(&record)), record }
    }

    async fn catch_up(&mut self) {
        self.follower.catch_up().await.unwrap();
    }
}

/// An empty store with a policy.
async fn store() -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new(START));
    store.keep_policy(&policy()).await.unwrap();
    store
}

/// Accepts so many requests, numbered from `from` on, each in a millisecond of its own.
async fn accept(store: &MemoryStore, from: u64, count: u64) {
    for number in from..from + count {
        let at = START + std::time::Duration::from_millis(number);
        store.set_now(at);
        let intake =
            intake(&format!("authority-{}", number % 3), &number.to_string(), Nature::ThreatToLife);
        let next = accepted(&intake, at, &policy());
        let commit = Commit {
            next,
            observed_at: at,
            age_max: std::time::Duration::from_mins(1),
            said: Said::Nothing,
            forgotten: Vec::new(),
            note: None,
            trace: None,
        };
        assert_eq!(store.commit(commit).await.unwrap(), Outcome::Written);
    }
}

/// A log of so many entries in a directory of its own.
async fn log_of(count: u64) -> Directory {
    let directory = Directory::new();
    let store = store().await;
    accept(&store, 0, count).await;
    Replica::new(&store, &directory.0).catch_up().await;
    directory
}

/// The files of a log by their names, in order.
fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

/// What verification says of these files.
fn verified(files: &[(String, Vec<u8>)]) -> Result<Verified, Fault> {
    let names: Vec<String> = files.iter().map(|(name, _)| name.clone()).collect();
    verify(&names, &keys(), |name| {
        let found = files.iter().find(|(named, _)| named == name);
        found.map(|(_, bytes)| bytes.clone()).ok_or("it is not there")
    })
}
