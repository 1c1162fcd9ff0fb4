//! The part of the contract that is about looking at the cases themselves, and putting right what the
//! indexes say of them.

use std::collections::BTreeSet;
use std::time::Duration;

use urgence::core::projection::project;
use urgence::core::{Case, CaseId, Deed, Intake, Lane};
use urgence::store::{Commit, Cursor, Index, Outcome, Position, ScanCursor, Store};

use super::{
    Backend, EMERGENCY, MINUTE, OnRedis, SOMEBODY, accept, accept_this, all_of, list, rules, write,
};
use crate::support::make::{accepted, authority, decided, does, fingerprint, intake, ms};
use crate::{all_changes, commit, load, now};

pub(super) async fn what_is_held_is_not_taken_over(backend: &impl Backend) {
    let store = backend.store();
    let cursors = |entries: Vec<urgence::store::Entry>| -> Vec<Cursor> {
        entries.iter().map(|entry| entry.cursor).collect()
    };
    for number in 0..3 {
        let at = now(store).await;
        accept(store, "fr-pnij", &number.to_string(), EMERGENCY, at).await;
    }
    let take = async |idle| cursors(store.take_over("pager", "b", idle, 10).await.unwrap());
    let all = cursors(store.receive("pager", "a", 10).await.unwrap());
    store.acknowledge("pager", &all[2..]).await.unwrap();
    backend.pass(ms(400)).await;
    // What is dealt with, and what never was there, are held to no effect.
    let unknown = Cursor { millis: 7, sequence: 7 };
    store.hold("pager", "a", &[all[0], all[2], unknown]).await.unwrap();
    store.hold("pager", "a", &[]).await.unwrap();
    assert_eq!(take(ms(300)).await, [all[1]]);
    assert_eq!(take(MINUTE).await, []);
    backend.pass(ms(400)).await;
    assert_eq!(take(ms(300)).await, [all[0], all[1]], "held once, and not for ever");
}

/// What a scan of all finds, by `count` at a time; between two steps `meanwhile` happens.
async fn scan(
    store: &impl Store,
    count: usize,
    mut meanwhile: impl AsyncFnMut(),
) -> BTreeSet<CaseId> {
    let mut found = BTreeSet::new();
    let mut from = Some(ScanCursor::default());
    while let Some(cursor) = from {
        let (ids, next) = store.scan(cursor, count).await.unwrap();
        found.extend(ids);
        from = next;
        meanwhile().await;
    }
    found
}

pub(super) async fn a_scan_finds_every_case_by_itself(backend: &impl Backend) {
    let store = backend.store();
    assert_eq!(scan(store, 10, async || {}).await, [].into());
    let at = now(store).await;
    let mut ids = BTreeSet::new();
    for number in 0..60 {
        ids.insert(accept(store, "fr-pnij", &number.to_string(), EMERGENCY, at).await.id);
    }
    if let Some(redis) = backend.redis() {
        // Another desk's, somebody else's, and no case of anybody's.
        let id = ids.first().unwrap().compact().to_owned();
        redis.command(&["HSET", &format!("{{urgence:other}}:case:{id}"), "version", "1"]);
        redis.command(&["SET", "{urgence:main}:case:nobody", "1"]);
        redis.command(&["DEL", "{urgence:main}:cases"]);
    }
    for count in [1, 7, 1_000] {
        assert_eq!(scan(store, count, async || {}).await, ids, "by {count}");
    }
    let mut number = 1_000;
    let found = scan(store, 5, async || {
        if number < 1_100 {
            number += 1;
            let request = number.to_string();
            accept(store, "be-fccu", &request, EMERGENCY, now(store).await).await;
        }
    });
    assert!(found.await.is_superset(&ids), "one that was there all the time was not found");
}

pub(super) async fn a_case_in_its_places_is_right_and_stays_as_it_is(backend: &impl Backend) {
    let store = backend.store();
    let at = now(store).await;
    let waits = accept(store, "fr-pnij", "1", EMERGENCY, at).await;
    let held = accept(store, "fr-pnij", "2", EMERGENCY, at).await;
    let held = write(store, &held, &does("ann", "c", Deed::Claim), at).await;
    let missing = intake("fr-pnij", "3", EMERGENCY).case_id();
    let inspected = store.inspect(&[held.id, missing, waits.id]).await.unwrap();
    assert!(inspected.now >= at);
    let cases: Vec<_> = inspected.cases.into_iter().map(Result::unwrap).collect();
    let [Some(first), None, Some(last)] = &cases[..] else { panic!("{cases:?}") };
    assert_eq!((&first.case, first.is_indexed), (&held, true));
    assert_eq!((&last.case, last.is_indexed), (&waits, true));
    assert!(store.inspect(&[]).await.unwrap().cases.is_empty());

    let before = all_of(store, held.id).await;
    assert_eq!(store.repair(&held, now(store).await).await.unwrap(), Outcome::Written);
    assert_eq!(all_of(store, held.id).await, before);
}

pub(super) async fn a_case_written_meanwhile_is_not_repaired(backend: &impl Backend) {
    let store = backend.store();
    let at = now(store).await;
    let read = accept(store, "fr-pnij", "1", EMERGENCY, at).await;
    let claimed = write(store, &read, &does("ann", "c", Deed::Claim), at).await;
    let before = all_of(store, read.id).await;
    assert_eq!(store.repair(&read, now(store).await).await.unwrap(), Outcome::Conflict);
    let unknown = accepted(&intake("fr-pnij", "2", EMERGENCY), at, &rules()).case;
    assert_eq!(store.repair(&unknown, now(store).await).await.unwrap(), Outcome::Conflict);
    assert_eq!(all_of(store, read.id).await, before);
    assert_eq!(load(store, read.id).await, Some(claimed));
    assert_eq!(load(store, unknown.id).await, None);
}

pub(super) async fn a_synthetic_case_stands_in_an_index_of_its_own(backend: &impl Backend) {
    let store = backend.store();
    let at = now(store).await;
    let real = accept(store, "fr-pnij", "1", EMERGENCY, at).await;
    let case = accept_this(store, &Intake::synthetic(7), at).await;
    let place = project(&case).synthetic.unwrap().score();
    let stands = store.list(&Index::Synthetic, None, 10).await.unwrap();
    assert_eq!(stands, [Position { score: place, id: case.id }]);
    assert_eq!(list(store, &Index::Authority(case.authority.clone())).await, [case.id]);
    // It is woken as any case, and is nowhere that people or statistics look.
    assert!(list(store, &Index::Wake).await.contains(&case.id));
    let nowhere = async |case: &Case| {
        let lanes = Lane::ALL.iter().map(|lane| Index::Ready(*lane));
        for index in lanes.chain([Index::Unanswered, Index::Claimed, Index::All]) {
            assert!(!list(store, &index).await.contains(&case.id), "{index:?}");
        }
    };
    nowhere(&case).await;
    let figures = store.figures().await.unwrap();
    assert_eq!(figures.ready.iter().sum::<u64>(), 1);
    assert_eq!(figures.unanswered.iter().sum::<u64>(), 1);
    let inspected = store.inspect(&[case.id]).await.unwrap().cases.remove(0).unwrap().unwrap();
    assert!(inspected.is_indexed);
    let claimed = write(store, &case, &does("synthetic", "c", Deed::Claim), at).await;
    assert_eq!(list(store, &Index::Synthetic).await, []);
    nowhere(&claimed).await;
    let released = write(store, &claimed, &does("synthetic", "r", Deed::Release(1)), at).await;
    assert_eq!(list(store, &Index::Synthetic).await, [released.id]);
    assert_eq!(list(store, &Index::Ready(Lane::Ordinary)).await, [real.id]);
}

/// A case with an entry in every index that there is for one of its kind.
struct Indexed {
    case: Case,
    /// The keys of the indexes that it stands in, and of those that it must be kept out of.
    present: Vec<String>,
    absent: Vec<String>,
}

fn key(name: &str) -> String {
    format!("{{urgence:main}}:{name}")
}

async fn indexed(on: &OnRedis) -> Vec<Indexed> {
    let store = on.store();
    let at = now(store).await;
    let target: String = fingerprint(SOMEBODY).0.iter().map(|byte| format!("{byte:02x}")).collect();
    let target = format!("target:{target}");
    let named = |case: Case, present: &[&str], absent: &[&str]| Indexed {
        case,
        present: present.iter().map(|name| key(name)).collect(),
        absent: absent.iter().map(|name| key(name)).collect(),
    };
    let waits = accept(store, "fr-pnij", "1", EMERGENCY, at).await;
    let held = accept(store, "fr-pnij", "2", EMERGENCY, at).await;
    let held = write(store, &held, &does("ann", "c", Deed::Claim), at).await;
    let mut request = intake("be-fccu", "3", EMERGENCY);
    request.incident = Some("paris".parse().unwrap());
    let urgent = accept_this(store, &request, at).await;
    let own = accept_this(store, &Intake::synthetic(7), at).await;
    let by_french = "authority:fr-pnij";
    vec![
        named(
            waits,
            &["ready", "wake", "unanswered", "cases", by_french, &target],
            &["claimed", "ready:incident"],
        ),
        named(
            held,
            &["claimed", "wake", "unanswered", "cases", by_french, &target],
            &["ready", "ready:incident"],
        ),
        named(
            urgent,
            &["ready:incident", "wake", "cases", "authority:be-fccu", "incident-cases:paris"],
            &["ready", "claimed"],
        ),
        named(
            own,
            &["ready:synthetic", "wake", "authority:synthetic"],
            &["ready", "ready:incident", "claimed", "unanswered"],
        ),
    ]
}

async fn is_indexed(store: &impl Store, id: CaseId) -> bool {
    store.inspect(&[id]).await.unwrap().cases.remove(0).unwrap().unwrap().is_indexed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_entry_that_is_out_of_place_is_found_and_put_right() {
    let on = OnRedis::start().await;
    let (store, redis) = (on.store(), &on.redis);
    let told = async || all_changes(store).await.len();
    for Indexed { case, present, absent } in indexed(&on).await {
        let id = case.id.compact();
        let before = (all_of(store, case.id).await, told().await);
        let missing = present.iter().map(|key| vec!["ZREM", key, id]);
        let misplaced = present.iter().map(|key| vec!["ZADD", key, "5", id]);
        let left = absent.iter().map(|key| vec!["ZADD", key, "5", id]);
        for harm in missing.chain(misplaced).chain(left) {
            redis.command(&harm);
            assert!(!is_indexed(store, case.id).await, "{harm:?}");
            let outcome = store.repair(&case, now(store).await).await.unwrap();
            assert_eq!(outcome, Outcome::Written);
            assert!(is_indexed(store, case.id).await, "{harm:?}");
            // The same version, no event, and everything where it was.
            assert_eq!(load(store, case.id).await.unwrap().version, case.version);
            assert_eq!((all_of(store, case.id).await, told().await), before, "{harm:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_written_meanwhile_has_put_itself_right() {
    let on = OnRedis::start().await;
    let (store, redis) = (on.store(), &on.redis);
    let at = now(store).await;
    let read = accept(store, "fr-pnij", "1", EMERGENCY, at).await;
    redis.command(&["ZREM", &key("wake"), read.id.compact()]);
    redis.command(&["ZREM", &key("authority:fr-pnij"), read.id.compact()]);
    let next = decided(Some(&read), &does("ann", "c", Deed::Claim), at, &rules());
    let written = Commit { age_max: Duration::from_mins(1), ..commit(&next, now(store).await) };
    assert_eq!(store.commit(written).await.unwrap(), Outcome::Written);
    assert_eq!(store.repair(&read, now(store).await).await.unwrap(), Outcome::Conflict);
    assert!(list(store, &Index::Wake).await.contains(&read.id), "the commit wrote it");
    // What never changes a commit does not write again; that is left to be repaired.
    assert!(!is_indexed(store, read.id).await);
    assert_eq!(store.repair(&next.case, now(store).await).await.unwrap(), Outcome::Written);
    assert_eq!(list(store, &Index::Authority(authority("fr-pnij"))).await, [read.id]);
}
