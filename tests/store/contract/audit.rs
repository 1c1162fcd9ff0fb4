//! The part of the contract that is about the edge of the audit log.

use std::collections::BTreeSet;

use urgence::core::{Notice, Timestamp, Told, What};
use urgence::store::{AuditEdge, Cursor, Store, encode_change, encode_notice};

use super::incidents::{opened, rule, write};
use super::standings::{SUSPEND, change};
use super::{Backend, EMERGENCY, accept};
use crate::support::make::ms;
use crate::{all_changes, now};

fn edge(size: u64, cursor: Cursor, state: &str) -> AuditEdge {
    AuditEdge { size, cursor, state: state.to_owned() }
}

pub(super) async fn an_edge_of_the_log_goes_only_forwards(backend: &impl Backend) {
    let store = backend.store();
    assert_eq!(store.audit_edge().await.unwrap(), None);
    let cursor = |millis| Cursor { millis, sequence: 3 };
    let steps = [
        (edge(0, cursor(1), "begins\nhere"), true),
        (edge(0, cursor(9), "elsewhere"), false),
        (edge(64, cursor(5), "a"), true),
        (edge(64, cursor(5), "another"), false),
        (edge(63, cursor(4), "behind"), false),
        (edge(65, cursor(6), "b"), true),
    ];
    let mut kept = None;
    for (edge, is_kept) in steps {
        assert_eq!(store.keep_audit_edge(&edge).await.unwrap(), is_kept, "{edge:?}");
        if is_kept {
            kept = Some(edge);
        }
        assert_eq!(store.audit_edge().await.unwrap(), kept);
    }
}

pub(super) async fn nothing_is_trimmed_from_the_edge_of_the_log_on(backend: &impl Backend) {
    let store = backend.store();
    for number in 0..6 {
        let at = now(store).await;
        accept(store, "fr-pnij", &number.to_string(), EMERGENCY, at).await;
        backend.pass(ms(2)).await;
    }
    let entries = all_changes(store).await;
    let third = entries[2].cursor;
    assert!(store.keep_audit_edge(&edge(3, third, "")).await.unwrap());
    let later = Timestamp::from_millis(now(store).await.as_millis() + 1_000);
    assert_eq!(store.trim(later).await.unwrap(), 2);
    let left = all_changes(store).await;
    assert_eq!(left.first().map(|entry| entry.cursor), Some(third));
    // What it is derived from is the same however it is read.
    let received = store.receive("readers", "one", 10).await.unwrap();
    assert!(received.iter().map(|entry| &entry.stored).eq(left.iter().map(|entry| &entry.stored)));
    assert!(left.iter().all(|entry| !entry.stored.is_empty()));
    assert!(store.keep_audit_edge(&edge(6, entries[5].cursor, "")).await.unwrap());
    store
        .acknowledge("readers", &left.iter().map(|entry| entry.cursor).collect::<Vec<_>>())
        .await
        .unwrap();
    assert_eq!(store.trim(later).await.unwrap(), 3);
}

pub(super) async fn what_was_read_here_is_settled(backend: &impl Backend) {
    let store = backend.store();
    for number in 0..3 {
        let at = now(store).await;
        accept(store, "fr-pnij", &number.to_string(), EMERGENCY, at).await;
    }
    let entries = all_changes(store).await;
    for entry in &entries {
        assert!(store.settled(entry.cursor).await.unwrap());
    }
    // Nor is asking a change.
    assert_eq!(all_changes(store).await.len(), entries.len());
    let last = entries.last().unwrap().cursor;
    let elsewhere = Cursor { sequence: last.sequence + 1, ..last };
    assert!(!store.settled(elsewhere).await.unwrap(), "nobody has written that here");
}

/// The digest of an entry goes out with a proof. Whoever guesses all that an entry tells must still not
/// find it by that.
pub(super) async fn what_is_kept_of_an_entry_is_guessed_by_nobody(backend: &impl Backend) {
    let store = backend.store();
    let at = now(store).await;
    accept(store, "fr-pnij", "1", EMERGENCY, at).await;
    change(store, "fr-pnij", SUSPEND).await;
    let notice = Notice { at, by: None, what: What::TransparencyExported };
    store.tell(notice.clone()).await.unwrap();
    store.tell(notice).await.unwrap();
    write(store, &opened("paris", &rule(), at), None).await;
    let entries = all_changes(store).await;
    assert_eq!(entries.len(), 5);
    for entry in &entries {
        let guessed = match entry.told.as_ref().unwrap() {
            Told::Change(change) => encode_change(change),
            Told::Notice(notice) => encode_notice(notice),
        };
        assert_eq!(entry.stored.len(), guessed.len() + 18, "16 bytes with their tag and length");
        assert!(entry.stored.starts_with(&guessed));
    }
    let salts = entries.iter().map(|entry| &entry.stored[entry.stored.len() - 16..]);
    assert_eq!(salts.collect::<BTreeSet<_>>().len(), 5, "no two are alike");
    // The very same request, accepted at the same instant in a Redis that knows nothing of it.
    let Some(redis) = backend.redis() else { return };
    redis.command(&["FLUSHALL"]);
    accept(store, "fr-pnij", "1", EMERGENCY, at).await;
    let again = all_changes(store).await.remove(0);
    assert_eq!(again.told.unwrap(), *entries[0].told.as_ref().unwrap());
    assert_ne!(again.stored, entries[0].stored);
}
