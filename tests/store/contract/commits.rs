//! The part of the contract that is about writing a case whole, or nothing.

use std::time::Duration;

use urgence::core::projection::Place;
use urgence::core::{Case, Deed, Intake, Lane, Policy, Timestamp};
use urgence::store::{Commit, Cursor, Index, Note, Outcome, Position, Said, Store, Versioned};

use super::{
    Backend, EMERGENCY, MINUTE, SOMEBODY, accept, accept_this, all_of, indexes, officer_of, rules,
    write,
};
use crate::support::make::ms;
use crate::support::make::{accepted, act, authority, before, decided, does, fingerprint, intake};
use crate::{PATIENCE, commit, every_change, load, now};

pub(super) async fn accepting_writes_the_case_and_every_index(backend: &impl Backend) {
    let store = backend.store();
    assert_eq!(store.kept().await.unwrap().latest, Cursor::default());
    let at = now(store).await;
    let next = accepted(&intake("fr-pnij", "1", EMERGENCY), at, &rules());
    let id = next.case.id;
    assert_eq!(load(store, id).await, None);
    store.keep_policy(&rules()).await.unwrap();
    assert_eq!(store.commit(commit(&next, at)).await.unwrap(), Outcome::Written);

    assert_eq!(next.case.version, 1);
    let missing = intake("fr-pnij", "2", EMERGENCY).case_id();
    let loaded = store.load(&[missing, id, missing]).await.unwrap();
    let cases: Vec<_> = loaded.cases.into_iter().map(Result::unwrap).collect();
    assert_eq!(cases, [None, Some(next.case.clone()), None]);
    assert!(loaded.now >= at);
    assert!(store.now_estimate().unwrap() >= at);

    let limit_at = next.case.first_response_clock().limit_at;
    let place = Place::new(next.case.band, limit_at).score();
    let scores = [
        (Index::Ready(Lane::Ordinary), place),
        (Index::Unanswered, place),
        (Index::Wake, (at + MINUTE).as_millis()),
        (Index::All, at.as_millis()),
        (Index::Authority(authority("fr-pnij")), at.as_millis()),
        (Index::Officer(officer_of("fr-pnij")), at.as_millis()),
        (Index::Target(fingerprint(SOMEBODY)), at.as_millis()),
    ];
    for index in indexes() {
        let found = store.list(&index, None, 10).await.unwrap();
        let score = scores.iter().find(|(wanted, _)| *wanted == index).map(|(_, score)| *score);
        let wanted: Vec<_> = score.map(|score| Position { score, id }).into_iter().collect();
        assert_eq!(found, wanted, "{index:?}");
    }
    let due = store.due(0, 10).await.unwrap();
    assert_eq!((due.ids, due.nameless, due.next_at), (vec![], 0, Some(at + MINUTE)));
    let changes = every_change(store).await;
    assert_eq!(changes, [next.change()]);
    assert!(store.fence(&Versioned::Case(id), 1).await.unwrap());
    assert!(!store.fence(&Versioned::Case(id), 2).await.unwrap(), "nobody has written that yet");
}

pub(super) async fn a_conflict_writes_nothing(backend: &impl Backend) {
    let store = backend.store();
    let case = accept(store, "fr-pnij", "1", EMERGENCY, now(store).await).await;
    let at = now(store).await;
    let again = accepted(&intake("fr-pnij", "1", EMERGENCY), at, &rules());
    let claimed = decided(Some(&case), &does("ann", "c1", Deed::Claim), at, &rules());
    let renewed = decided(Some(&claimed.case), &does("ann", "r1", Deed::Renew(1)), at, &rules());
    let key = act("bob", "note").key();
    let before = all_of(store, case.id).await;
    // A second first version, and a third without a second.
    for next in [&again, &renewed] {
        for said in [Said::Request, Said::Response, Said::Message] {
            let wrong = Commit {
                said: said(b"other".into()),
                forgotten: vec![fingerprint(SOMEBODY)],
                note: Some(Note { key, kept_for: MINUTE }),
                ..commit(next, now(store).await)
            };
            assert_eq!(store.commit(wrong).await.unwrap(), Outcome::Conflict);
        }
    }
    assert_eq!(all_of(store, case.id).await, before);
    assert_eq!(store.noted(key).await.unwrap(), None);

    // Of two decisions on the same version the first one counts, however late the other one is.
    assert_eq!(store.commit(commit(&claimed, at)).await.unwrap(), Outcome::Written);
    let by_bob = decided(Some(&case), &does("bob", "c2", Deed::Claim), at, &rules());
    let before_all = Timestamp::from_millis(1);
    let late = Commit { age_max: Duration::ZERO, ..commit(&by_bob, before_all) };
    assert_eq!(store.commit(late).await.unwrap(), Outcome::Conflict);
    assert_eq!(load(store, case.id).await, Some(claimed.case));
}

pub(super) async fn a_decision_must_be_recent(backend: &impl Backend) {
    let store = backend.store();
    store.keep_policy(&rules()).await.unwrap();
    let at = now(store).await;
    let next = accepted(&intake("fr-pnij", "1", EMERGENCY), at, &rules());
    let empty = all_of(store, next.case.id).await;
    let ahead = Commit { observed_at: at + MINUTE, ..commit(&next, at) };
    let old = Commit { age_max: MINUTE, ..commit(&next, before(at, MINUTE * 2)) };
    for untimely in [ahead, old] {
        let Outcome::Untimely(told) = store.commit(untimely).await.unwrap() else {
            panic!("an untimely decision was not refused as one")
        };
        assert!((at..at + PATIENCE).contains(&told), "{told:?} is not the store's time");
    }
    assert_eq!(all_of(store, next.case.id).await, empty);
    let old_enough = Commit { age_max: MINUTE * 3, ..commit(&next, before(at, MINUTE * 2)) };
    assert_eq!(store.commit(old_enough).await.unwrap(), Outcome::Written);
}

/// A decision made at a time that is still to come would be refused, so this is no matter of taste.
pub(super) async fn the_estimate_of_the_time_is_never_ahead(backend: &impl Backend) {
    let store = backend.store();
    for look in 0..2_000 {
        let estimate = store.now_estimate().unwrap();
        let at = now(store).await;
        assert!(estimate <= at, "look {look}: {estimate:?} is ahead of {at:?}");
        assert!(at.since(estimate) < PATIENCE, "look {look}: {estimate:?} is far behind {at:?}");
    }
}

pub(super) async fn a_case_needs_its_policy_kept(backend: &impl Backend) {
    let store = backend.store();
    let at = now(store).await;
    let next = accepted(&intake("fr-pnij", "1", EMERGENCY), at, &rules());
    let empty = all_of(store, next.case.id).await;
    // Another policy does not do.
    store.keep_policy(&Policy::built_in()).await.unwrap();
    assert_eq!(store.commit(commit(&next, at)).await.unwrap(), Outcome::PolicyMissing);
    assert_eq!(all_of(store, next.case.id).await, empty);
    assert_eq!(store.policy(rules().id()).await.unwrap(), None);
    store.keep_policy(&rules()).await.unwrap();
    assert_eq!(store.policy(rules().id()).await.unwrap(), Some(rules()));
    assert_eq!(store.policy(Policy::built_in().id()).await.unwrap(), Some(Policy::built_in()));
    assert_eq!(store.commit(commit(&next, at)).await.unwrap(), Outcome::Written);
}

pub(super) async fn a_note_names_the_case_that_an_act_got(backend: &impl Backend) {
    let store = backend.store();
    let at = now(store).await;
    let first = accept(store, "fr-pnij", "1", EMERGENCY, at).await;
    let second = accept(store, "fr-pnij", "2", EMERGENCY, at).await;
    let key = |by: &str, request_id: &str| act(by, request_id).key();
    let next = key("ann", "next");
    let claimed = |case: &Case, request_id: &str| {
        decided(Some(case), &does("ann", request_id, Deed::Claim), at, &rules())
    };
    let noting = |case: &Case, request_id: &str, kept_for| {
        let note = Some(Note { key: key("ann", request_id), kept_for });
        Commit { note, ..commit(&claimed(case, request_id), at) }
    };
    assert_eq!(store.noted(next).await.unwrap(), None);
    let outcome = store.commit(noting(&first, "next", MINUTE)).await.unwrap();
    assert_eq!(outcome, Outcome::Written);
    assert_eq!(store.noted(next).await.unwrap(), Some(first.id));
    assert_eq!(store.noted(key("bob", "next")).await.unwrap(), None);
    let untouched = all_of(store, second.id).await;
    let outcome = store.commit(noting(&second, "next", MINUTE)).await.unwrap();
    assert_eq!(outcome, Outcome::Noted(first.id));
    assert_eq!(all_of(store, second.id).await, untouched);

    // A note is forgotten after its time, and then stands in nobody's way.
    let third = accept(store, "fr-pnij", "3", EMERGENCY, at).await;
    let outcome = store.commit(noting(&second, "short", ms(20))).await.unwrap();
    assert_eq!(outcome, Outcome::Written);
    backend.pass(ms(40)).await;
    assert_eq!(store.noted(key("ann", "short")).await.unwrap(), None);
    let outcome = store.commit(noting(&third, "short", ms(20))).await.unwrap();
    assert_eq!(outcome, Outcome::Written);
}

/// Another desk has made a case of this request, so that none is made here.
async fn is_elsewhere(store: &impl Store, request: &str, at: Timestamp) {
    let next = accepted(&intake("fr-pnij", request, EMERGENCY), at, &rules());
    let before = all_of(store, next.case.id).await;
    assert_eq!(store.commit(commit(&next, at)).await.unwrap(), Outcome::Elsewhere);
    assert_eq!(all_of(store, next.case.id).await, before, "nothing is written");
}

pub(super) async fn a_request_has_a_case_at_one_desk_only(backend: &impl Backend) {
    let (here, there) = (backend.store(), backend.other_desk().await);
    let at = now(here).await;
    let first = accept(here, "fr-pnij", "1", EMERGENCY, at).await;
    let second = accept(there.as_ref(), "fr-pnij", "2", EMERGENCY, at).await;
    is_elsewhere(there.as_ref(), "1", at).await;
    is_elsewhere(here, "2", at).await;
    // Each goes on where it is, and what is made of synthetic cases is each desk's own.
    for (store, case) in [(here, &first), (there.as_ref(), &second)] {
        write(store, case, &does("ann", "claim", Deed::Claim), at).await;
        accept_this(store, &Intake::synthetic(7), at).await;
    }
}
