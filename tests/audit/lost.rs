//! HISTORY_LOST: a stream that is not what was signed stops the log, and nothing is rewritten.

use std::sync::Arc;
use std::time::Duration;

use urgence::audit::{Halt, verify};
use urgence::sign::NoteSigner;
use urgence::store::{AuditEdge, MemoryStore, Store};

use crate::support::wait::eventually;
use crate::{Directory, Replica, accept, files, store};

/// A log of 100 entries, then another store in the place of the first; the files stay as they were.
async fn found_with(other: &Arc<MemoryStore>) -> String {
    let directory = Directory::new();
    let first = store().await;
    accept(&first, 0, 100).await;
    Replica::new(&first, &directory.0).catch_up().await;
    let before = files(&directory.0);
    let mut replica = Replica::new(other, &directory.0);
    let told = replica.follower.catch_up().await.unwrap_err();
    assert!(matches!(replica.record.halted(), Some(Halt::HistoryLost(_))));
    assert_eq!(replica.record.problems().len(), 1);
    assert!(!replica.record.is_whole(), "nothing rests on such a stream");
    // It stays so: nothing that comes later is signed.
    accept(other, 5_000, 100).await;
    assert_eq!(replica.follower.catch_up().await, Err(told.clone()));
    assert_eq!(files(&directory.0), before);
    assert!(told.starts_with("HISTORY_LOST: "), "{told}");
    told
}

#[tokio::test]
async fn a_flushed_redis() {
    let told = found_with(&store().await).await;
    assert!(told.contains("the stream ends at 0-0"), "{told}");
}

/// What runs in the service says so too, and goes on being asked.
#[tokio::test]
async fn the_loop_of_a_service_stops_and_says_why() {
    let directory = Directory::new();
    let first = store().await;
    accept(&first, 0, 100).await;
    Replica::new(&first, &directory.0).catch_up().await;
    let Replica { follower, record } = Replica::new(&store().await, &directory.0);
    let running = tokio::spawn(follower.run());
    eventually("the log has stopped", Duration::from_secs(20), async || {
        matches!(record.halted(), Some(Halt::HistoryLost(_)))
    })
    .await;
    assert!(!running.is_finished(), "a part of the service never ends");
    assert_eq!(record.problems().len(), 1);
    running.abort();
}

#[tokio::test]
async fn an_older_copy() {
    let older = store().await;
    accept(&older, 0, 90).await;
    let told = found_with(&older).await;
    assert!(told.contains("the stream ends at"), "{told}");
}

#[tokio::test]
async fn an_older_copy_that_has_gone_on() {
    let older = store().await;
    accept(&older, 0, 90).await;
    accept(&older, 200, 50).await;
    let told = found_with(&older).await;
    assert!(told.contains("is gone"), "{told}");
}

#[tokio::test]
async fn another_entry_in_the_place_of_the_last() {
    let other = store().await;
    accept(&other, 0, 99).await;
    // In the same millisecond, another request.
    other.set_now(crate::START + Duration::from_millis(99));
    let at = crate::START + Duration::from_millis(99);
    let intake = urgence_intake();
    let next = crate::support::make::accepted(&intake, at, &crate::policy());
    let commit = urgence::store::Commit {
        next,
        observed_at: at,
        age_max: Duration::from_mins(1),
        said: urgence::store::Said::Nothing,
        forgotten: Vec::new(),
        note: None,
        trace: None,
    };
    other.commit(commit).await.unwrap();
    let told = found_with(&other).await;
    assert!(told.contains("another entry stands at"), "{told}");
}

fn urgence_intake() -> urgence::core::Intake {
    crate::support::make::intake("authority-9", "another", urgence::core::Nature::ThreatToLife)
}

/// A store of 300 changes, of which the first 200 are no longer in its stream.
async fn trimmed() -> Arc<MemoryStore> {
    let store = store().await;
    accept(&store, 0, 300).await;
    let at = urgence::core::Timestamp::from_millis(crate::START.as_millis() + 200);
    assert_eq!(store.trim(at).await.unwrap(), 200);
    store
}

/// The stream no longer has the last entry, which may be since it was trimmed; but a log that Redis
/// knows to be shorter than ours was never trimmed so far.
#[tokio::test]
async fn a_trimmed_stream_and_a_shorter_log() {
    let other = trimmed().await;
    let told = found_with(&other).await;
    assert!(told.contains("no log as long as the 100 entries"), "{told}");
}

/// Nor is a shorter one gone on with where Redis does know of it.
#[tokio::test]
async fn a_trimmed_stream_and_an_edge_of_a_shorter_log() {
    let (directory, original) = (Directory::new(), store().await);
    accept(&original, 0, 64).await;
    Replica::new(&original, &directory.0).catch_up().await;
    let shorter = original.audit_edge().await.unwrap().unwrap();
    let other = trimmed().await;
    assert!(other.keep_audit_edge(&shorter).await.unwrap());
    let told = found_with(&other).await;
    assert!(told.contains("no log as long as the 100 entries"), "{told}");
}

/// What the runbook does after a restore: other files, no edge, and another name, so that nothing is
/// signed otherwise than it was.
#[tokio::test]
async fn a_new_log_under_another_name_begins_where_the_stream_does() {
    let restored = trimmed().await;
    let directory = Directory::new();
    let renamed = Arc::new(NoteSigner::new("urgence-2/main", &[7; 32]).unwrap());
    let mut replica = Replica::signing(&restored, &directory.0, Arc::clone(&renamed), Vec::new());
    replica.catch_up().await;
    assert_eq!((replica.record.size(), replica.record.signed()), (100, 64));
    let files = files(&directory.0);
    let names: Vec<String> = files.iter().map(|(name, _)| name.clone()).collect();
    let read = |name: &str| {
        let found = files.iter().find(|(named, _)| named == name);
        found.map(|(_, bytes)| bytes.clone()).ok_or("missing")
    };
    assert_eq!(verify(&names, &[renamed.verifier().clone()], read).unwrap().first, 0);
    assert!(verify(&names, &crate::keys(), read).is_err(), "the old name proves nothing of it");
}

/// Two replicas that derive other trees notice it as soon as both have signed the same size.
#[tokio::test]
async fn another_replica_has_signed_another_tree_of_the_same_size() {
    let (one, two) = (Directory::new(), Directory::new());
    let (store_one, store_two) = (store().await, store().await);
    accept(&store_two, 1, 64).await;
    Replica::new(&store_two, &two.0).catch_up().await;
    let theirs = store_two.audit_edge().await.unwrap().unwrap();
    accept(&store_one, 0, 10).await;
    let mut replica = Replica::new(&store_one, &one.0);
    replica.catch_up().await;
    assert!(store_one.keep_audit_edge(&theirs).await.unwrap());
    accept(&store_one, 10, 54).await;
    let told = replica.follower.catch_up().await.unwrap_err();
    assert!(told.contains("another replica has another log of 64 entries"), "{told}");
    assert!(matches!(replica.record.halted(), Some(Halt::HistoryLost(_))));
}

#[tokio::test]
async fn another_replica_s_tree_of_the_same_size() {
    let (one, two) = (Directory::new(), Directory::new());
    let (store_one, store_two) = (store().await, store().await);
    accept(&store_one, 0, 64).await;
    accept(&store_two, 1, 64).await;
    Replica::new(&store_two, &two.0).catch_up().await;
    let theirs: AuditEdge = store_two.audit_edge().await.unwrap().unwrap();
    let mut replica = Replica::new(&store_one, &one.0);
    accept(&store_one, 200, 1).await;
    // The first look keeps where the log begins; meanwhile another one keeps another tree.
    store_one
        .keep_audit_edge(&AuditEdge {
            size: 0,
            cursor: urgence::store::Cursor::default(),
            state: "-\n-\n".to_owned(),
        })
        .await
        .unwrap();
    store_one.keep_audit_edge(&theirs).await.unwrap();
    let told = replica.follower.catch_up().await;
    // It begins where Redis says, and finds that the stream has another entry there.
    assert!(told.unwrap_err().contains("HISTORY_LOST"));
}
