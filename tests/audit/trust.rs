//! Whom a replica trusts is told by its settings, never by what lies in Redis or beside the log.

use std::fs;
use std::sync::Arc;

use urgence::audit::{Halt, SEAL_EVERY};
use urgence::core::Timestamp;
use urgence::sign::NoteSigner;
use urgence::store::{AuditEdge, Store};

use crate::{Directory, Replica, START, accept, keys, store};

fn stranger() -> Arc<NoteSigner> {
    Arc::new(NoteSigner::new("urgence/main", &[8; 32]).unwrap())
}

#[tokio::test]
async fn a_new_replica_begins_at_the_edge_of_somebody_trusted_only() {
    let (here, fresh) = (Directory::new(), Directory::new());
    let store = store().await;
    accept(&store, 0, 100).await;
    let mut one = Replica::new(&store, &here.0);
    one.catch_up().await;
    // The stream still has all of it, and bears the edge out.
    let derived = Directory::new();
    let mut two = Replica::signing(&store, &derived.0, stranger(), Vec::new());
    two.catch_up().await;
    assert_eq!(two.record.root(), one.record.root());
    assert_eq!(two.record.verify().unwrap().first, 0);
    // Once it was trimmed, nobody known says what was before.
    store.trim(Timestamp::from_millis(START.as_millis() + 1_000_000)).await.unwrap();
    let mut new = Replica::signing(&store, &fresh.0, stranger(), Vec::new());
    let told = new.follower.catch_up().await.unwrap_err();
    assert!(told.contains("--log-verifier"), "{told}");
    assert!(matches!(new.record.halted(), Some(Halt::Untrusted(64))));
    drop(new);
    let mut new = Replica::signing(&store, &fresh.0, stranger(), keys());
    new.catch_up().await;
    assert_eq!(new.record.root(), one.record.root());
}

#[tokio::test]
async fn a_stranger_s_edge_that_the_stream_does_not_bear_out_is_a_lost_history() {
    let (theirs, fresh) = (Directory::new(), Directory::new());
    let (store_one, store_two) = (store().await, store().await);
    accept(&store_one, 0, 100).await;
    accept(&store_two, 1, 64).await;
    Replica::signing(&store_two, &theirs.0, stranger(), Vec::new()).catch_up().await;
    let forged: AuditEdge = store_two.audit_edge().await.unwrap().unwrap();
    assert!(store_one.keep_audit_edge(&forged).await.unwrap());
    let mut replica = Replica::new(&store_one, &fresh.0);
    let told = replica.follower.catch_up().await.unwrap_err();
    assert!(told.starts_with("HISTORY_LOST: "), "{told}");
    assert_eq!(replica.record.signed(), 0);
}

#[tokio::test]
async fn a_replica_that_was_away_goes_on_at_the_edge_of_somebody_trusted_only() {
    let (here, away) = (Directory::new(), Directory::new());
    let store = store().await;
    accept(&store, 0, 10).await;
    Replica::new(&store, &away.0).catch_up().await;
    let mut one = Replica::signing(&store, &here.0, stranger(), Vec::new());
    one.catch_up().await;
    accept(&store, 10, 100).await;
    one.catch_up().await;
    store.trim(Timestamp::from_millis(START.as_millis() + 1_000_000)).await.unwrap();
    let mut back = Replica::new(&store, &away.0);
    let told = back.follower.catch_up().await.unwrap_err();
    assert!(told.contains("--log-verifier"), "{told}");
    assert!(matches!(back.record.halted(), Some(Halt::Untrusted(64))));
}

#[tokio::test]
async fn a_key_that_lies_with_the_log_is_not_trusted_for_it() {
    let directory = Directory::new();
    let store = store().await;
    accept(&store, 0, SEAL_EVERY).await;
    Replica::new(&store, &directory.0).catch_up().await;
    accept(&store, SEAL_EVERY, SEAL_EVERY).await;
    // The key was replaced; the old one is in the file, and trusted only where it is given.
    assert!(fs::read_to_string(directory.0.join("public-key")).unwrap().contains("urgence/main"));
    let mut refused = Replica::signing(&store, &directory.0, stranger(), Vec::new());
    let told = refused.follower.catch_up().await.unwrap_err();
    assert!(told.contains("none of the given public keys has signed it"), "{told}");
    drop(refused);
    let mut given = Replica::signing(&store, &directory.0, stranger(), keys());
    given.catch_up().await;
    assert_eq!(given.record.signed(), 2 * SEAL_EVERY);
    drop(given);
    // A later tree has been signed since, so the old key is no longer needed.
    let mut later = Replica::signing(&store, &directory.0, stranger(), Vec::new());
    later.catch_up().await;
    assert_eq!(later.record.verify().unwrap().signed, 2 * SEAL_EVERY);
}
