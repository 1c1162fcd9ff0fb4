//! The part of the contract that is about how authorities stand, what rests on it, and what else the
//! record and the registry need of a store.

use urgence::core::standing::{StandingCommand, StandingDecision};
use urgence::core::{
    AuthorityStanding, Case, Deed, Next, Notice, Standing, SuspensionReason, Timestamp, Told, What,
};
use urgence::store::{Index, Outcome, SeenItem, StandingCommit, Store};

use super::{Backend, EMERGENCY, MINUTE, accept, all_of, officer_of, rules};
use crate::support::make::{act, authority, before, decided, does, ms};
use crate::{AGE_MAX, all_changes, commit, load, now, open, options};

pub(super) const SUSPEND: StandingCommand = StandingCommand::Suspend(SuspensionReason::Anomaly);

/// What comes of a command to a standing, as a commit that was decided at `at`.
fn decided_at(
    standing: &AuthorityStanding,
    command: StandingCommand,
    at: Timestamp,
) -> StandingCommit {
    let act = act("sup", &format!("act-{}", standing.version));
    match standing.decide(&act, command, at) {
        StandingDecision::Next(next, what) => StandingCommit {
            standing: *next,
            notice: Notice { at, by: Some(act.actor()), what },
            observed_at: at,
            age_max: AGE_MAX,
        },
        other => panic!("{command:?} was to change the standing; it came to {other:?}"),
    }
}

/// Suspends an authority, or reinstates it, now.
pub(super) async fn change(
    store: &impl Store,
    who: &str,
    command: StandingCommand,
) -> StandingCommit {
    let loaded = store.standing(&authority(who)).await.unwrap();
    let commit = decided_at(&loaded.standing, command, loaded.now);
    assert_eq!(store.commit_standing(commit.clone()).await.unwrap(), Outcome::Written);
    commit
}

async fn standing(store: &impl Store, who: &str) -> AuthorityStanding {
    store.standing(&authority(who)).await.unwrap().standing
}

async fn suspended(store: &impl Store) -> Vec<String> {
    let suspended = store.suspended().await.unwrap();
    assert!(suspended.iter().all(|standing| standing.suspension.is_some()));
    suspended.into_iter().map(|standing| standing.authority.to_string()).collect()
}

/// Everything that is told, in order.
async fn told(store: &impl Store) -> Vec<Told> {
    all_changes(store).await.into_iter().map(|entry| entry.told.unwrap()).collect()
}

pub(super) async fn a_standing_is_written_and_told(backend: &impl Backend) {
    let store = backend.store();
    let nobody_ever = AuthorityStanding::new(authority("fr-pnij"));
    assert_eq!(standing(store, "fr-pnij").await, nobody_ever);
    let first = change(store, "fr-pnij", SUSPEND).await;
    assert_eq!(standing(store, "fr-pnij").await, first.standing);
    assert_eq!(
        first.standing.standing(),
        Standing { version: 1, is_suspended: true, ..Standing::default() }
    );
    let second = change(store, "fr-pnij", StandingCommand::Reinstate).await;
    assert_eq!(standing(store, "fr-pnij").await, second.standing);
    assert_eq!(second.standing.memory.iter().count(), 2, "both acts are remembered");
    assert_eq!(told(store).await, [first.notice, second.notice].map(Told::Notice));
    // Another authority's is its own.
    assert_eq!(standing(store, "be-fccu").await.version, 0);
}

pub(super) async fn a_change_of_a_standing_needs_its_version_and_must_be_recent(
    backend: &impl Backend,
) {
    let store = backend.store();
    let at = now(store).await;
    let never = AuthorityStanding::new(authority("fr-pnij"));
    let old = StandingCommit {
        observed_at: before(at, MINUTE * 2),
        age_max: MINUTE,
        ..decided_at(&never, SUSPEND, at)
    };
    let early = decided_at(&never, SUSPEND, at + MINUTE);
    for untimely in [old, early] {
        let outcome = store.commit_standing(untimely).await.unwrap();
        assert!(matches!(outcome, Outcome::Untimely(_)), "{outcome:?}");
    }
    assert_eq!((standing(store, "fr-pnij").await, told(store).await), (never.clone(), vec![]));
    let first = change(store, "fr-pnij", SUSPEND).await;
    // Two who decide on the same standing do not both write.
    let at = now(store).await;
    let stale = decided_at(&never, StandingCommand::Suspend(SuspensionReason::Fraud), at);
    assert_eq!(store.commit_standing(stale).await.unwrap(), Outcome::Conflict);
    let mut ahead = decided_at(&first.standing, StandingCommand::Reinstate, at);
    ahead.standing.version += 1;
    assert_eq!(store.commit_standing(ahead).await.unwrap(), Outcome::Conflict);
    assert_eq!(standing(store, "fr-pnij").await, first.standing);
    assert_eq!(suspended(store).await, ["fr-pnij"]);
    assert_eq!(told(store).await, [Told::Notice(first.notice)]);
}

pub(super) async fn suspended_authorities_come_the_first_suspended_first(backend: &impl Backend) {
    let store = backend.store();
    assert_eq!(suspended(store).await, Vec::<String>::new());
    for who in ["gb-nca", "be-fccu", "fr-pnij"] {
        change(store, who, SUSPEND).await;
        backend.pass(ms(5)).await;
    }
    assert_eq!(suspended(store).await, ["gb-nca", "be-fccu", "fr-pnij"]);
    change(store, "gb-nca", StandingCommand::Reinstate).await;
    assert_eq!(suspended(store).await, ["be-fccu", "fr-pnij"]);
    backend.pass(ms(5)).await;
    change(store, "gb-nca", SUSPEND).await;
    assert_eq!(suspended(store).await, ["be-fccu", "fr-pnij", "gb-nca"]);
}

/// A transition of the case that rests on a version of the standing.
fn resting_on(case: &Case, version: Option<u64>, at: Timestamp) -> Next {
    let next = decided(Some(case), &does("ann", "c", Deed::Claim), at, &rules());
    Next { rests_on: version, ..next }
}

pub(super) async fn what_rests_on_another_standing_is_not_written(backend: &impl Backend) {
    let store = backend.store();
    let at = now(store).await;
    let case = accept(store, "fr-pnij", "1", EMERGENCY, at).await;
    change(store, "fr-pnij", SUSPEND).await;
    let at = now(store).await;
    let untouched = all_of(store, case.id).await;
    for version in [0, 2, 10, 11] {
        let next = resting_on(&case, Some(version), at);
        assert_eq!(store.commit(commit(&next, at)).await.unwrap(), Outcome::Conflict);
    }
    assert_eq!(all_of(store, case.id).await, untouched, "a conflict writes nothing");
    // What rests on none, or on this very one, is written.
    let next = resting_on(&case, Some(1), at);
    assert_eq!(store.commit(commit(&next, at)).await.unwrap(), Outcome::Written);
    assert_eq!(load(store, case.id).await, Some(next.case));
    let other = accept(store, "fr-pnij", "2", EMERGENCY, at).await;
    let next = resting_on(&other, None, at);
    assert_eq!(store.commit(commit(&next, at)).await.unwrap(), Outcome::Written);
    // Another authority was never suspended.
    let belgian = accept(store, "be-fccu", "1", EMERGENCY, at).await;
    for (version, outcome) in [(1, Outcome::Conflict), (0, Outcome::Written)] {
        let next = resting_on(&belgian, Some(version), at);
        assert_eq!(store.commit(commit(&next, at)).await.unwrap(), outcome);
    }
}

pub(super) async fn a_notice_is_told_among_the_changes(backend: &impl Backend) {
    let store = backend.store();
    let at = now(store).await;
    let notice = Notice { at, by: None, what: What::TransparencyExported };
    store.tell(notice.clone()).await.unwrap();
    let case = accept(store, "fr-pnij", "1", EMERGENCY, at).await;
    store.tell(notice.clone()).await.unwrap();
    let all = told(store).await;
    let [first, changed, last] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!((first, last), (&Told::Notice(notice.clone()), &Told::Notice(notice)));
    assert_eq!(changed.change().map(|change| change.case), Some(case.id));
    // Readers get it like a change.
    let received = store.receive("audit", "a", 10).await.unwrap();
    assert_eq!(received.iter().map(|entry| entry.cursor).collect::<Vec<_>>(), {
        all_changes(store).await.iter().map(|entry| entry.cursor).collect::<Vec<_>>()
    });
    assert_eq!(received.iter().filter(|entry| entry.change().is_some()).count(), 1);
}

pub(super) async fn cases_are_counted_from_a_score_on(backend: &impl Backend) {
    let store = backend.store();
    let at = now(store).await;
    for (request, who, minutes) in
        [("1", "fr-pnij", 30), ("2", "fr-pnij", 20), ("3", "fr-pnij", 10), ("1", "be-fccu", 20)]
    {
        accept(store, who, request, EMERGENCY, before(at, MINUTE * minutes)).await;
    }
    let officer = Index::Officer(officer_of("fr-pnij"));
    let of = |who| Index::Authority(authority(who));
    let since = |minutes: u32| before(at, MINUTE * minutes).as_millis();
    let counted = [
        (of("fr-pnij"), 0),
        (of("fr-pnij"), since(30)),
        (of("fr-pnij"), since(30) + 1),
        (of("fr-pnij"), since(10) + 1),
        (of("be-fccu"), 0),
        (of("de-bka"), 0),
        (officer.clone(), since(20)),
        (officer, 0),
    ];
    assert_eq!(store.count(&counted).await.unwrap(), [3, 3, 2, 0, 1, 0, 2, 3]);
    assert_eq!(store.count(&[]).await.unwrap(), Vec::<u64>::new());
}

pub(super) async fn what_is_first_seen_keeps_its_time(backend: &impl Backend) {
    let store = backend.store();
    let [number, key, later, last]: [SeenItem; 4] = [[1; 16], [0; 16], [255; 16], [13; 16]];
    let ever = Timestamp::from_millis(0);
    // What the desk began with is as old as itself.
    assert_eq!(store.first_seen(&[number, key]).await.unwrap(), [ever, ever]);
    let earliest = now(store).await;
    let seen = store.first_seen(&[number, later, key]).await.unwrap();
    let latest = now(store).await;
    assert_eq!((seen[0], seen[2]), (ever, ever));
    assert!((earliest..=latest).contains(&seen[1]));
    backend.pass(ms(20)).await;
    assert_eq!(store.first_seen(&[later]).await.unwrap(), [seen[1]], "it is not new again");
    assert!(store.first_seen(&[last]).await.unwrap()[0] > seen[1]);
    if let Some(redis) = backend.redis() {
        let again = open(&options(&[redis.url()])).await;
        let wanted = [ever, seen[1], ever];
        assert_eq!(again.first_seen(&[number, later, key]).await.unwrap(), wanted);
    }
}
