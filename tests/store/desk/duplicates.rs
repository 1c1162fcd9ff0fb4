//! Requests about the same target, whoever asks, are shown to both; each pair once, and also when the
//! process that was to find it has died.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use urgence::core::{
    CaseId, Command, Deed, Event, FirstResponseKind, Policy, Risk, Sorting, Timestamp,
};
use urgence::desk::{Desk, Duplicates};
use urgence::store::{Index, MemoryStore, Outcome, Store};

use super::{HOUR, Replica, START, about, changes, fingerprint, list, memory, on_redis, plain};
use crate::support::make::{accepted, before, decided, ms};
use crate::support::wait::eventually;
use crate::{PATIENCE, commit, load, now};

/// The group that the finders of a desk read as.
const GROUP: &str = "duplicates";
/// After this long what a finder has read and not dealt with is another's.
const LEFT_AFTER: Duration = Duration::from_secs(30);

/// Which cases were told to be like which, in order.
async fn told(store: &impl Store) -> Vec<(CaseId, BTreeSet<CaseId>)> {
    let mut told = Vec::new();
    for change in changes(store).await {
        for event in change.events {
            if let Event::LikelyDuplicatesFound { cases } = event {
                told.push((change.case, cases));
            }
        }
    }
    told
}

async fn flagged(store: &impl Store, id: CaseId) -> BTreeSet<CaseId> {
    load(store, id).await.unwrap().likely_duplicates
}

fn finder<S: Store>(desk: &Arc<Desk<S>>) -> Duplicates<S> {
    Duplicates::new(Arc::clone(desk))
}

/// Whoever asks about two targets makes nobody suspicious who asks about one of them alone.
#[tokio::test]
async fn the_authorities_that_count_ask_about_one_and_the_same_target() {
    let store = memory();
    let replica = Replica::start(plain(), &store);
    let finder = finder(&replica.desk);
    let same = replica.submit(about("fr-pnij", "1", &["zoe"])).await.id;
    let other = replica.submit(about("be-fccu", "1", &["her phone"])).await.id;
    finder.pass(true).await.unwrap();
    let both = replica.submit(about("fr-pnij", "2", &["zoe", "her phone"])).await.id;
    finder.pass(false).await.unwrap();
    let is_across = async |id: CaseId| is_across(store.as_ref(), id).await;
    assert!(is_across(both).await && is_across(other).await);
    assert!(!is_across(same).await, "one authority alone asks about it");
    assert_eq!(flagged(store.as_ref(), same).await, [both].into(), "and is told of its own");
}

#[tokio::test]
async fn cases_of_two_authorities_about_one_target_are_flagged_on_both_once() {
    let store = memory();
    let replica = Replica::start(plain(), &store);
    let finder = finder(&replica.desk);
    assert_eq!(finder.pass(true).await.unwrap(), 0);
    let french = replica.submit(about("fr-pnij", "1", &["zoe", "her phone"])).await.id;
    let other = replica.submit(about("fr-pnij", "2", &["somebody else"])).await.id;
    assert_eq!(finder.pass(false).await.unwrap(), 2);
    assert_eq!(told(store.as_ref()).await, []);
    // The later case knows of the earlier one from the first; the earlier one is told.
    let belgian = replica.submit(about("be-fccu", "1", &["her phone", "a car"])).await;
    assert_eq!((belgian.version, &belgian.likely_duplicates), (1, &[french].into()));
    let belgian = belgian.id;
    assert_eq!(flagged(store.as_ref(), french).await, [].into());
    assert_eq!(finder.pass(false).await.unwrap(), 1);
    assert_eq!(flagged(store.as_ref(), french).await, [belgian].into());
    assert_eq!(flagged(store.as_ref(), belgian).await, [french].into());
    // That two authorities ask about one target is noted on both, and on no other.
    let risks = async |id| load(store.as_ref(), id).await.unwrap().risks;
    let across = || [Risk::TargetAcrossAuthorities].into();
    assert!(
        risks(french).await.is_superset(&across()) && risks(belgian).await.is_superset(&across())
    );
    assert!(!risks(other).await.contains(&Risk::TargetAcrossAuthorities));
    // A third has a target in common with each of them.
    let german = replica.submit(about("de-bka", "1", &["zoe", "a car", "her phone"])).await.id;
    assert_eq!(
        finder.pass(false).await.unwrap(),
        1 + 1 + 2,
        "and what it told itself: the duplicate to one, the risk to both"
    );
    assert_eq!(flagged(store.as_ref(), german).await, [french, belgian].into());
    assert_eq!(flagged(store.as_ref(), french).await, [belgian, german].into());
    assert_eq!(flagged(store.as_ref(), belgian).await, [french, german].into());
    assert_eq!(flagged(store.as_ref(), other).await, [].into());

    // Each was told once, however often it is looked: by this finder, or by that of another replica.
    let all = told(store.as_ref()).await;
    assert_eq!(all.len(), 5, "{all:?}");
    assert_eq!(finder.pass(true).await.unwrap(), 2 + 1, "duplicates to two, the risk to the third");
    let second = Replica::start(plain(), &store);
    assert_eq!(self::finder(&second.desk).pass(true).await.unwrap(), 0);
    store.set_now(START + LEFT_AFTER * 2);
    assert_eq!(finder.pass(true).await.unwrap(), 0, "nothing was left behind");
    assert_eq!(told(store.as_ref()).await, all);
}

async fn is_across(store: &impl Store, id: CaseId) -> bool {
    load(store, id).await.unwrap().risks.contains(&Risk::TargetAcrossAuthorities)
}

async fn find_all<S: Store>(finder: &Duplicates<S>) {
    while finder.pass(true).await.unwrap() > 0 {}
}

/// As many targets as a request may name; each is looked for, whichever comes first among the
/// fingerprints.
#[tokio::test]
async fn whichever_of_many_targets_another_asks_about_is_found() {
    let mut targets: Vec<String> = (0..100).map(|number| format!("target {number}")).collect();
    targets.sort_by_key(|target| fingerprint(target));
    let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
    for place in [0, 9, 10, 50, 99] {
        let store = memory();
        let replica = Replica::start(plain(), &store);
        let finder = finder(&replica.desk);
        let one = replica.submit(about("be-fccu", "1", &targets[place..=place])).await.id;
        find_all(&finder).await;
        let many = replica.submit(about("fr-pnij", "1", &targets)).await;
        // Somebody waits as a request comes in, and so the first of its targets are looked for.
        assert_eq!(many.likely_duplicates.contains(&one), place < 10, "at {place}");
        find_all(&finder).await;
        assert_eq!(flagged(store.as_ref(), many.id).await, [one].into(), "at {place}");
        assert_eq!(flagged(store.as_ref(), one).await, [many.id].into(), "at {place}");
        assert!(is_across(store.as_ref(), many.id).await && is_across(store.as_ref(), one).await);
    }
}

/// Whoever asks often keeps nobody else from being seen, before, between or after.
#[tokio::test]
async fn a_crowd_of_one_authority_hides_no_other() {
    let store = memory();
    let mut settings = plain();
    settings.live.risk.target_authorities = 3;
    let replica = Replica::start(settings, &store);
    let finder = finder(&replica.desk);
    let submit = async |who: &str, number: usize| {
        let id = replica.submit(about(who, &number.to_string(), &["zoe"])).await.id;
        find_all(&finder).await;
        id
    };
    let german = submit("de-bka", 0).await;
    let mut crowd = Vec::new();
    for number in 0..17 {
        crowd.push(submit("fr-pnij", number).await);
    }
    let belgian = submit("be-fccu", 0).await;
    for number in 17..27 {
        crowd.push(submit("fr-pnij", number).await);
    }
    let dutch = submit("nl-politie", 0).await;
    let others = [german, belgian, dutch];
    for one in crowd.iter().chain(&others) {
        let named = flagged(store.as_ref(), *one).await;
        assert!(others.iter().all(|other| other == one || named.contains(other)), "{named:?}");
        assert!(named.len() <= 16 + others.len(), "{}", named.len());
        assert!(others.contains(one) || named.len() >= 16, "{}", named.len());
        assert!(is_across(store.as_ref(), *one).await);
    }
    for other in others {
        let named = flagged(store.as_ref(), other).await;
        assert!(crowd.iter().any(|one| named.contains(one)), "it is told of the crowd as well");
    }
    // Looking again tells nothing new.
    let all = told(store.as_ref()).await;
    let entries = changes(store.as_ref()).await;
    let accepted = entries.iter().filter(|change| change.version == 1);
    assert_eq!(accepted.count(), crowd.len() + others.len());
    let second = Replica::start(plain(), &store);
    find_all(&self::finder(&second.desk)).await;
    assert_eq!(told(store.as_ref()).await, all);
}

/// Takes requests in as a process does that could not look for others: it knows of none.
async fn accept_blindly(store: &MemoryStore, who: &str) -> CaseId {
    let (at, policy) = (now(store).await, Policy::built_in());
    store.keep_policy(&policy).await.unwrap();
    let next = accepted(&about(who, "1", &["zoe"]), at, &policy);
    assert_eq!(store.commit(commit(&next, at)).await.unwrap(), Outcome::Written);
    next.case.id
}

#[tokio::test]
async fn what_a_dead_finder_had_read_is_found_by_the_next() {
    let store = memory();
    let replica = Replica::start(plain(), &store);
    let french = accept_blindly(&store, "fr-pnij").await;
    let belgian = accept_blindly(&store, "be-fccu").await;
    // It has read both, and that is the last that is heard of it.
    assert_eq!(store.receive(GROUP, "replica", 64).await.unwrap().len(), 2);
    let finder = finder(&replica.desk);
    assert_eq!(finder.pass(false).await.unwrap(), 0, "they are another's");
    store.set_now(before(START + LEFT_AFTER, ms(1)));
    assert_eq!(finder.pass(true).await.unwrap(), 0, "who may be about to deal with them");
    assert_eq!(told(store.as_ref()).await, []);
    store.set_now(START + LEFT_AFTER);
    assert_eq!(finder.pass(true).await.unwrap(), 2);
    let wanted = vec![(belgian, [french].into()), (french, [belgian].into())];
    assert_eq!(told(store.as_ref()).await, wanted);
    store.set_now(START + LEFT_AFTER * 3);
    assert_eq!(finder.pass(true).await.unwrap(), 2 + 2, "what it told itself, and nothing else");
    assert_eq!(finder.pass(true).await.unwrap(), 0);
    assert_eq!(told(store.as_ref()).await, wanted);
}

/// Tells one case of another, as a finder does.
async fn flag(store: &MemoryStore, id: CaseId, other: CaseId) {
    let at = now(store).await;
    let case = load(store, id).await.unwrap();
    let sort = Command::Sort(Sorting::LikelyDuplicates([(other, case.authority.clone())].into()));
    let next = decided(Some(&case), &sort, at, &Policy::built_in());
    assert_eq!(store.commit(commit(&next, at)).await.unwrap(), Outcome::Written);
}

#[tokio::test]
async fn what_a_finder_told_the_one_and_not_the_other_is_completed() {
    let store = memory();
    let replica = Replica::start(plain(), &store);
    let french = accept_blindly(&store, "fr-pnij").await;
    let belgian = accept_blindly(&store, "be-fccu").await;
    assert_eq!(store.receive(GROUP, "replica", 64).await.unwrap().len(), 2);
    flag(&store, french, belgian).await;
    // There it died: the one case names the other, and not the other way round.
    assert_eq!(flagged(store.as_ref(), belgian).await, [].into());
    store.set_now(START + LEFT_AFTER);
    assert_eq!(finder(&replica.desk).pass(true).await.unwrap(), 3);
    let wanted = [(french, [belgian].into()), (belgian, [french].into())];
    assert_eq!(told(store.as_ref()).await, wanted, "each once");
}

#[tokio::test]
async fn what_lies_too_far_apart_is_no_duplicate() {
    let store = memory();
    let mut settings = plain();
    settings.live.duplicates_within = HOUR;
    let replica = Replica::start(settings, &store);
    let finder = finder(&replica.desk);
    let submit = async |who: &str, at: Timestamp| {
        store.set_now(at);
        replica.submit(about(who, "1", &["zoe"])).await.id
    };
    let first = submit("fr-pnij", START).await;
    let second = submit("be-fccu", START + HOUR).await;
    let third = submit("de-bka", START + HOUR + ms(1)).await;
    while finder.pass(true).await.unwrap() > 0 {}
    assert_eq!(flagged(store.as_ref(), first).await, [second].into(), "an hour is within the hour");
    assert_eq!(flagged(store.as_ref(), second).await, [first, third].into());
    assert_eq!(flagged(store.as_ref(), third).await, [second].into());
}

#[tokio::test]
async fn a_purged_case_is_found_no_more() {
    let store = memory();
    let mut settings = plain();
    settings.live.duplicates_within = HOUR * 24 * 1_000;
    let replica = Replica::start(settings, &store);
    let first = replica.submit(about("fr-pnij", "1", &["zoe"])).await.id;
    replica.act(first, "c", Deed::Claim).await;
    let ended = replica.act(first, "a", Deed::Respond(1, FirstResponseKind::NoData)).await;
    super::wake_all(&replica.desk, &store, ended.ended.unwrap().purge_at).await;
    assert!(load(store.as_ref(), first).await.unwrap().purged_at.is_some());
    assert_eq!(list(store.as_ref(), &Index::Target(fingerprint("zoe"))).await, []);
    let second = replica.submit(about("be-fccu", "1", &["zoe"])).await.id;
    while finder(&replica.desk).pass(true).await.unwrap() > 0 {}
    assert_eq!(flagged(store.as_ref(), second).await, [].into());
    assert_eq!(told(store.as_ref()).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duplicates_are_found_on_redis_also_after_a_death() {
    let (redis, store) = on_redis().await;
    let replica = Replica::start(plain(), &store);
    let french = replica.submit(about("fr-pnij", "1", &["zoe"])).await.id;
    let left = store.receive(GROUP, "replica", 64).await.unwrap();
    assert_eq!(left.len(), 1);
    let belgian = replica.submit(about("be-fccu", "1", &["zoe"])).await.id;
    let finder = finder(&replica.desk);
    assert_eq!(finder.pass(true).await.unwrap(), 1, "the first is still in another's hands");
    let wanted = [(belgian, [french].into()), (french, [belgian].into())];
    assert_eq!(told(store.as_ref()).await, wanted);

    // The same again, of a finder that has been silent for as long as it takes.
    let german = replica.submit(about("de-bka", "1", &["zoe"])).await.id;
    while !store.receive(GROUP, "replica", 64).await.unwrap().is_empty() {}
    assert_eq!(finder.pass(true).await.unwrap(), 0);
    let idle_ms = LEFT_AFTER.as_millis().to_string();
    let events = "{urgence:main}:events";
    for change in crate::all_changes(store.as_ref()).await {
        let cursor = change.cursor.to_string();
        redis.command(&["XCLAIM", events, GROUP, "replica", "0", &cursor, "IDLE", &idle_ms]);
    }
    let second = Replica::start(plain(), &store);
    tokio::spawn(Duplicates::new(Arc::clone(&second.desk)).run());
    eventually("the third is flagged", PATIENCE, async || {
        flagged(store.as_ref(), french).await == [belgian, german].into()
            && flagged(store.as_ref(), belgian).await == [french, german].into()
    })
    .await;
    assert_eq!(flagged(store.as_ref(), german).await, [french, belgian].into());
    let pending = async || redis.command(&["XPENDING", events, GROUP]);
    let is_empty = async || pending().await.starts_with('0');
    eventually("everything is dealt with", PATIENCE, is_empty).await;
    assert_eq!(told(store.as_ref()).await.len(), 5, "each pair once on each side");
}
