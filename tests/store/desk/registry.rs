//! Who may ask is known from the registry alone; what was accepted stays so.

use urgence::core::{Authority, Country, Nature};
use urgence::desk::{DeskSettings, Error, NotEntitled};
use urgence::registry::Registry;
use urgence::store::{Cursor, Index, Store};

use super::{EMERGENCY, Replica, list, memory, plain};
use crate::support::make::{entry, intake};

/// A desk with these authorities.
fn listed(authorities: Vec<Authority>) -> DeskSettings {
    DeskSettings { registry: Registry::listed(authorities), ..plain() }
}

/// An authority that may ask about missing children, and nothing else.
fn only_children(id: &str) -> Authority {
    Authority { natures: [Nature::MissingChild].into(), ..entry(id) }
}

/// Why the registry lets nobody in.
fn not_entitled<T: std::fmt::Debug>(result: Result<T, Error>) -> NotEntitled {
    match result {
        Err(Error::NotEntitled(reason)) => reason,
        other => panic!("not refused by the registry: {other:?}"),
    }
}

#[tokio::test]
async fn nobody_asks_who_is_not_listed_for_it() {
    let store = memory();
    let replica = Replica::start(listed(vec![only_children("fr-pnij")]), &store);
    let submit = async |who: &str, nature| {
        replica.desk.submit(intake(who, "1", nature), b"request".to_vec()).await
    };
    let unknown = submit("be-fccu", EMERGENCY).await;
    assert_eq!(not_entitled(unknown), NotEntitled::NotListed);
    for nature in Nature::ALL.iter().filter(|nature| **nature != Nature::MissingChild) {
        assert_eq!(not_entitled(submit("fr-pnij", *nature).await), NotEntitled::OtherNatures);
    }
    // Nothing of them was written.
    assert_eq!(list(store.as_ref(), &Index::All).await, []);
    assert_eq!(store.kept().await.unwrap().latest, Cursor::default());
    let id = intake("be-fccu", "1", EMERGENCY).case_id();
    assert!(store.contents(id).await.unwrap().request.is_none());
    assert!(!submit("fr-pnij", Nature::MissingChild).await.unwrap().is_replayed);
}

#[tokio::test]
async fn where_an_authority_is_the_registry_knows() {
    let store = memory();
    let belgian: Country = "BE".parse().unwrap();
    let authority = Authority { country: belgian.clone(), ..entry("fr-pnij") };
    let replica = Replica::start(listed(vec![authority]), &store);
    let request = intake("fr-pnij", "1", EMERGENCY);
    assert_eq!(request.facts.country.as_str(), "FR", "so its sender says");
    assert_eq!(replica.submit(request).await.facts.country, belgian);
    // Without a registry there is nothing but what its sender says.
    let plain = Replica::start(plain(), &store);
    let case = plain.submit(intake("fr-pnij", "2", EMERGENCY)).await;
    assert_eq!(case.facts.country.as_str(), "FR");
}

#[tokio::test]
async fn a_repeat_finds_its_case_whatever_the_registry_says_since() {
    let store = memory();
    let replica = Replica::start(listed(vec![entry("fr-pnij"), entry("be-fccu")]), &store);
    let french = || intake("fr-pnij", "1", EMERGENCY);
    let first = replica.submit(french()).await;
    let desk = &replica.desk;
    let policy = desk.policy();
    for registry in [
        Registry::listed([entry("be-fccu")]),
        Registry::listed([Authority { natures: [Nature::Routine].into(), ..entry("fr-pnij") }]),
        Registry::listed([]),
    ] {
        desk.replace((*policy).clone(), (*desk.live()).clone(), registry).await.unwrap();
        let again = desk.submit(french(), b"request".to_vec()).await.unwrap();
        assert!(again.is_replayed);
        assert_eq!(again.case, first);
        // Another request is another matter, also one under the same name.
        not_entitled(desk.submit(intake("fr-pnij", "2", EMERGENCY), Vec::new()).await);
        let mut other = french();
        other.digest.0[0] ^= 1;
        not_entitled(desk.submit(other, Vec::new()).await);
    }
    assert_eq!(list(store.as_ref(), &Index::All).await, [first.id]);
    let registry = Registry::listed([entry("fr-pnij")]);
    desk.replace((*policy).clone(), (*desk.live()).clone(), registry).await.unwrap();
    replica.submit(intake("fr-pnij", "2", EMERGENCY)).await;
}
