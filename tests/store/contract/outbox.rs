//! The part of the contract that is about the events stream, and the figures.

use std::time::Duration;

use urgence::core::policy::Rules;
use urgence::core::{Command, Deed, Nature, Next, Policy, Sorting, Timestamp};
use urgence::store::{Commit, Cursor, Entry, Index, Outcome, Store};
use urgence::telemetry::traces::TraceParent;

use super::{Backend, EMERGENCY, MINUTE, accept, rules, write};
use crate::support::make::{accepted, before, decided, does, intake, ms, promise};
use crate::{PATIENCE, all_changes, commit, now};

async fn cursors(store: &impl Store, after: Cursor, count: usize) -> Vec<Cursor> {
    named(&store.changes(after, count).await.unwrap())
}

fn named(entries: &[Entry]) -> Vec<Cursor> {
    entries.iter().map(|entry| entry.cursor).collect()
}

/// Six changes, no two in the same millisecond; their cursors.
async fn six_changes(backend: &impl Backend) -> Vec<Cursor> {
    for number in 0..6 {
        let at = now(backend.store()).await;
        accept(backend.store(), "fr-pnij", &number.to_string(), EMERGENCY, at).await;
        backend.pass(ms(2)).await;
    }
    named(&all_changes(backend.store()).await)
}

pub(super) async fn changes_are_read_in_order_from_any_cursor(backend: &impl Backend) {
    let store = backend.store();
    assert_eq!(cursors(store, Cursor::default(), 10).await, []);
    let at = now(store).await;
    let mut case = accept(store, "fr-pnij", "1", EMERGENCY, at).await;
    for number in 0..20 {
        let renew = if number == 0 {
            does("ann", "c", Deed::Claim)
        } else {
            does("ann", &format!("r{number}"), Deed::Renew(1))
        };
        case = write(store, &case, &renew, at).await;
    }
    let entries = all_changes(store).await;
    let versions: Vec<u64> = entries.iter().map(|entry| entry.change().unwrap().version).collect();
    assert_eq!(versions, (1..=21).collect::<Vec<u64>>());
    let all = named(&entries);
    assert!(all.is_sorted_by(|earlier, later| earlier < later), "{all:?}");
    for (index, cursor) in all.iter().enumerate() {
        assert_eq!(
            cursors(store, *cursor, 4).await,
            all[index + 1..].iter().take(4).copied().collect::<Vec<_>>()
        );
    }
    let kept = store.kept().await.unwrap();
    assert_eq!((kept.since, kept.latest), (Cursor::default(), *all.last().unwrap()));
}

pub(super) async fn a_change_tells_the_trace_that_its_commit_was_part_of(backend: &impl Backend) {
    let store = backend.store();
    store.keep_policy(&rules()).await.unwrap();
    let trace = TraceParent::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    assert!(trace.is_some());
    let at = now(store).await;
    let next = accepted(&intake("fr-pnij", "1", EMERGENCY), at, &rules());
    let traced = Commit { trace: trace.clone(), ..commit(&next, at) };
    assert_eq!(store.commit(traced).await.unwrap(), Outcome::Written);
    let case = write(store, &next.case, &does("ann", "c", Deed::Claim), at).await;
    assert_eq!(case.version, 2);
    // Each with its own, however they are read.
    let entries = all_changes(store).await;
    let received = store.receive("readers", "one", 10).await.unwrap();
    let taken = store.take_over("readers", "two", Duration::ZERO, 10).await.unwrap();
    for entries in [entries, received, taken] {
        let [accepted, claimed] = entries.as_slice() else { panic!("{entries:?}") };
        assert_eq!(accepted.trace, trace);
        assert_eq!(*accepted.change().unwrap(), next.change());
        assert_eq!(claimed.trace, None);
    }
}

pub(super) async fn each_change_has_one_reader_until_it_is_dealt_with(backend: &impl Backend) {
    let store = backend.store();
    let all = six_changes(backend).await;
    let receive =
        async |who: &str, count| named(&store.receive("pager", who, count).await.unwrap());
    let take = async |idle| named(&store.take_over("pager", "b", idle, 10).await.unwrap());
    assert_eq!(receive("a", 2).await, all[..2]);
    assert_eq!(receive("b", 10).await, all[2..]);
    assert_eq!(receive("a", 10).await, []);
    store.acknowledge("pager", &all[2..5]).await.unwrap();
    store.acknowledge("pager", &[]).await.unwrap();
    // Nobody takes what its reader may still be dealing with.
    assert_eq!(take(MINUTE).await, []);
    backend.pass(ms(20)).await;
    assert_eq!(take(ms(10)).await, [all[0], all[1], all[5]]);
    store.acknowledge("pager", &all).await.unwrap();
    backend.pass(ms(20)).await;
    assert_eq!(take(ms(10)).await, []);
    // Another group has its own reading, from the oldest change on.
    let audit = store.receive("audit", "a", 10).await.unwrap();
    assert_eq!(named(&audit), all);
    assert!(audit.iter().all(|entry| entry.change().is_some()));
    assert_eq!(store.figures().await.unwrap().parked, 0);
    store.park(all[3]).await.unwrap();
    assert_eq!(store.figures().await.unwrap().parked, 1);
    // What was put aside is still there for the others.
    assert_eq!(named(&all_changes(store).await), all);
}

pub(super) async fn only_what_every_group_has_dealt_with_is_trimmed(backend: &impl Backend) {
    let store = backend.store();
    let all = six_changes(backend).await;
    let late = now(store).await + MINUTE;
    store.receive("pager", "a", 10).await.unwrap();
    store.receive("audit", "a", 1).await.unwrap();
    store.acknowledge("pager", &all[..4]).await.unwrap();
    // The audit has the first in hand, then has dealt with it and not yet had the second.
    assert_eq!(store.trim(late).await.unwrap(), 0);
    store.acknowledge("audit", &all[..1]).await.unwrap();
    assert_eq!(store.trim(late).await.unwrap(), 1);
    store.receive("audit", "a", 10).await.unwrap();
    store.acknowledge("audit", &all).await.unwrap();
    assert_eq!(store.trim(late).await.unwrap(), 3);
    assert_eq!(cursors(store, Cursor::default(), 10).await, all[4..]);
    let kept = store.kept().await.unwrap();
    assert!((all[3]..all[4]).contains(&kept.since), "{kept:?}");
    assert_eq!(kept.latest, all[5]);
    // A gap: what comes first is not dealt with, though what comes after it is.
    store.acknowledge("pager", &all[5..]).await.unwrap();
    assert_eq!(store.trim(late).await.unwrap(), 0);
    store.acknowledge("pager", &all[4..5]).await.unwrap();
    assert_eq!(store.trim(late).await.unwrap(), 2);
    let kept = store.kept().await.unwrap();
    assert_eq!((kept.since, kept.latest), (all[5], all[5]));
}

pub(super) async fn only_what_is_old_enough_is_trimmed(backend: &impl Backend) {
    let store = backend.store();
    assert_eq!(store.trim(now(store).await).await.unwrap(), 0);
    let all = six_changes(backend).await;
    let at = |cursor: Cursor| Timestamp::from_millis(cursor.millis);
    assert_eq!(store.trim(at(all[0])).await.unwrap(), 0);
    assert_eq!(store.trim(at(all[2])).await.unwrap(), 2);
    assert_eq!(named(&all_changes(store).await), all[2..]);
    let kept = store.kept().await.unwrap();
    assert!((all[1]..all[2]).contains(&kept.since), "{kept:?}");
}

pub(super) async fn figures_count_what_is_there(backend: &impl Backend) {
    let store = backend.store();
    let empty = store.figures().await.unwrap();
    assert_eq!((empty.events, empty.next_wake_in, empty.outbox_age), (0, None, Duration::ZERO));
    let at = now(store).await;
    // Both past the limit of 6 minutes and not yet woken, so still in their first band.
    let old = accept(store, "fr-pnij", "1", EMERGENCY, before(at, MINUTE * 8)).await;
    let claimed = accept(store, "fr-pnij", "2", EMERGENCY, before(at, MINUTE * 7)).await;
    accept(store, "fr-pnij", "3", EMERGENCY, at).await;
    let routine = accept(store, "fr-pnij", "4", Nature::Routine, before(at, MINUTE * 3)).await;
    let wake = write(store, &old, &Command::Wake, at).await;
    assert_eq!(wake.band.number(), 0, "the target rung lifts the case");
    write(store, &claimed, &does("ann", "c", Deed::Claim), claimed.accepted_at).await;
    assert_eq!(store.figures().await.unwrap().ready_incident, 0);
    let join = Command::Sort(Sorting::JoinIncident("paris".parse().unwrap()));
    write(store, &routine, &join, routine.accepted_at).await;
    backend.pass(ms(20)).await;
    let figures = store.figures().await.unwrap();
    assert_eq!(figures.ready_incident, 1, "of those that are ready, in whatever lane");
    assert_eq!(figures.ready, [1, 1, 1, 0, 0, 0, 0, 0]);
    assert_eq!(figures.unanswered, [1, 2, 1, 0, 0, 0, 0, 0]);
    assert_eq!(figures.overdue, [1, 1, 0, 0, 0, 0, 0, 0]);
    let waited = [MINUTE * 8, MINUTE * 7, MINUTE * 3];
    for (band, waited) in waited.into_iter().enumerate() {
        let found = figures.oldest_unanswered[band];
        assert!((waited..waited + PATIENCE).contains(&found), "{band}: {found:?}");
    }
    assert_eq!(figures.oldest_unanswered[3..], [Duration::ZERO; 5]);
    // Two rungs have been due for minutes: that of the claimed case and that of the routine one.
    assert_eq!((figures.wakes_overdue, figures.next_wake_in), (2, Some(Duration::ZERO)));
    assert_eq!((figures.events, figures.parked), (7, 0));
    // Without a reader everything counts as dealt with; a reader has to deal with it.
    assert_eq!(figures.outbox_age, Duration::ZERO);
    let first = named(&store.receive("pager", "a", 10).await.unwrap());
    let age = store.figures().await.unwrap().outbox_age;
    assert!((ms(20)..PATIENCE).contains(&age), "{age:?}");
    store.acknowledge("pager", &first).await.unwrap();
    assert_eq!(store.figures().await.unwrap().outbox_age, Duration::ZERO);
}

/// A lowered emergency keeps its early limit, so it stands before a routine request that has waited
/// for longer. The gauge must show the longest wait of all the same.
pub(super) async fn the_longest_wait_is_found_behind_an_earlier_limit(backend: &impl Backend) {
    let store = backend.store();
    let slow = Rules { routine: promise(MINUTE * 40, MINUTE), ..rules().rules().clone() };
    let slow = Policy::new(slow).unwrap();
    store.keep_policy(&slow).await.unwrap();
    let at = now(store).await;
    let write = async |next: &Next| {
        let outcome = store.commit(commit(next, now(store).await)).await.unwrap();
        assert_eq!(outcome, Outcome::Written);
    };
    let routine = intake("fr-pnij", "1", Nature::Routine);
    write(&accepted(&routine, before(at, MINUTE * 9), &slow)).await;
    let mut lowered = accepted(&intake("fr-pnij", "2", EMERGENCY), before(at, MINUTE), &slow);
    write(&lowered).await;
    for by in ["ann", "bob"] {
        let lower = does(by, "lower", Deed::Reclassify(Some(Nature::Routine), None));
        lowered = decided(Some(&lowered.case), &lower, before(at, MINUTE), &slow);
        write(&lowered).await;
    }
    let unanswered = store.list(&Index::Unanswered, None, 10).await.unwrap();
    assert_eq!(unanswered[0].id, lowered.case.id, "its limit comes first");
    let waited = store.figures().await.unwrap().oldest_unanswered[2];
    assert!((MINUTE * 9..MINUTE * 9 + PATIENCE).contains(&waited), "{waited:?}");
}
