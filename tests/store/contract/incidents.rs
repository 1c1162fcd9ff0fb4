//! The part of the contract that is about incidents: written whole or not at all, as cases are, and
//! told to nobody in the stream of what happens to cases.

use std::time::Duration;

use urgence::core::incident::{
    Incident, IncidentCommand, IncidentDecision, JoinRule, decide_incident,
};
use urgence::core::{Act, IncidentName, Nature, Timestamp, Told, What};
use urgence::store::{Facts, IncidentCommit, Outcome, Store};

use super::{Backend, EMERGENCY, MINUTE, accept, all_of};
use crate::support::make::{act, before, fingerprint, ms};
use crate::{PATIENCE, all_changes, commit_of, now};

/// What becomes of an incident.
fn changed(
    from: Option<&Incident>,
    act: &Act,
    command: &IncidentCommand,
    at: Timestamp,
) -> Incident {
    match decide_incident(from, act, command, at) {
        IncidentDecision::Next(next) => *next,
        other => panic!("{command:?} was to change the incident; it came to {other:?}"),
    }
}

pub(super) fn opened(name: &str, rule: &JoinRule, at: Timestamp) -> Incident {
    let open = IncidentCommand::Open(name.parse().unwrap(), rule.clone());
    changed(None, &act("sup", "open"), &open, at)
}

/// A rule with everything in it.
pub(super) fn rule() -> JoinRule {
    JoinRule {
        tag: Some(fingerprint("incident paris")),
        natures: [Nature::TerrorismInProgress, Nature::Kidnapping].into(),
        countries: ["FR", "BE"].map(|code| code.parse().unwrap()).into(),
    }
}

fn facts(text: &[u8]) -> Facts {
    Facts(text.into())
}

pub(super) async fn write(store: &impl Store, incident: &Incident, facts: Option<Facts>) {
    let commit = commit_of(incident, facts, now(store).await);
    assert_eq!(store.commit_incident(commit).await.unwrap(), Outcome::Written);
}

/// What is told besides the changes of cases.
async fn notices(store: &impl Store) -> Vec<What> {
    let told = all_changes(store).await.into_iter().map(|entry| entry.told.unwrap());
    let notices = told.filter_map(|told| match told {
        Told::Notice(notice) => Some(notice.what),
        Told::Change(_) => None,
    });
    notices.collect()
}

/// Everything that is known of an incident, and of all there are.
async fn found(store: &impl Store, name: &str) -> (Option<Incident>, Option<Facts>, Vec<Incident>) {
    let name = name.parse().unwrap();
    let incident = store.incident(&name).await.unwrap().incident;
    let facts = store.incident_facts(&name).await.unwrap();
    (incident, facts, store.incidents().await.unwrap())
}

pub(super) async fn an_incident_is_written_and_found_by_its_name(backend: &impl Backend) {
    let store = backend.store();
    let at = now(store).await;
    assert_eq!(found(store, "paris").await, (None, None, vec![]));
    let paris = opened("paris", &rule(), at);
    write(store, &paris, Some(facts(b"what is known"))).await;
    assert_eq!(found(store, "paris").await.0, Some(paris.clone()));
    // A rule may be by nothing but a tag, and the facts may be any bytes, or none.
    let lyon = opened("lyon", &JoinRule { tag: rule().tag, ..JoinRule::default() }, at + ms(1));
    write(store, &lyon, None).await;
    let all_bytes: Vec<u8> = (0..=255).collect();
    let nice = opened("nice", &JoinRule::default(), at + ms(2));
    write(store, &nice, Some(facts(&all_bytes))).await;
    let incidents = vec![nice.clone(), lyon.clone(), paris.clone()];
    assert_eq!(
        found(store, "paris").await,
        (Some(paris), Some(facts(b"what is known")), incidents.clone())
    );
    assert_eq!(found(store, "lyon").await, (Some(lyon), None, incidents.clone()));
    assert_eq!(
        found(store, "nice").await,
        (Some(nice), Some(facts(&all_bytes)), incidents.clone())
    );
    assert_eq!(found(store, "nantes").await, (None, None, incidents));
    let loaded = store.incident(&"paris".parse().unwrap()).await.unwrap();
    assert!((at..at + PATIENCE).contains(&loaded.now));
    // An incident is no case: whoever follows the cases hears of no change, and the record of all.
    let told = notices(store).await;
    let opened = ["paris", "lyon", "nice"].map(|name| name.parse().unwrap());
    let wanted = opened.map(|incident| What::IncidentOpened { incident });
    assert_eq!(told, wanted);
    assert_eq!(store.figures().await.unwrap().events, 3);
    assert!(all_changes(store).await.iter().all(|entry| entry.change().is_none()));
}

pub(super) async fn a_change_of_an_incident_needs_its_version(backend: &impl Backend) {
    let store = backend.store();
    let case = accept(store, "fr-pnij", "1", EMERGENCY, now(store).await).await;
    let cases = all_of(store, case.id).await;
    let at = now(store).await;
    let paris = opened("paris", &rule(), at);
    let closed = changed(Some(&paris), &act("sup", "close"), &IncidentCommand::Close, at + MINUTE);
    // A second version without a first.
    let early = commit_of(&closed, Some(facts(b"other")), now(store).await);
    assert_eq!(store.commit_incident(early).await.unwrap(), Outcome::Conflict);
    assert_eq!(found(store, "paris").await, (None, None, vec![]));
    write(store, &paris, Some(facts(b"facts"))).await;
    // A second first version, however late it was decided.
    let other =
        Incident { opened_by: "bob".parse().unwrap(), ..opened("paris", &JoinRule::default(), at) };
    let again = IncidentCommit {
        age_max: Duration::ZERO,
        ..commit_of(&other, Some(facts(b"other")), Timestamp::from_millis(1))
    };
    assert_eq!(store.commit_incident(again).await.unwrap(), Outcome::Conflict);
    assert_eq!(
        found(store, "paris").await,
        (Some(paris.clone()), Some(facts(b"facts")), vec![paris])
    );
    write(store, &closed, None).await;
    let twice = commit_of(&closed, Some(facts(b"other")), now(store).await);
    assert_eq!(store.commit_incident(twice).await.unwrap(), Outcome::Conflict);
    let wanted = (Some(closed.clone()), Some(facts(b"facts")), vec![closed]);
    assert_eq!(found(store, "paris").await, wanted);
    assert_eq!(wanted.2[0].closed_at, Some(at + MINUTE), "a closed incident is still there");

    // Nothing of the cases has changed by all this, and only what was written was told.
    let all = all_of(store, case.id).await;
    let (but_for_told, _) = all.split_once("[Entry").unwrap();
    let (before, _) = cases.split_once("[Entry").unwrap();
    assert_eq!(but_for_told.replace(&format!("{:?}", wanted.2), "[]"), before);
    let incident: IncidentName = "paris".parse().unwrap();
    let told =
        [What::IncidentOpened { incident: incident.clone() }, What::IncidentClosed { incident }];
    assert_eq!(notices(store).await, told);
    assert_eq!(all_changes(store).await.len(), 3);
}

pub(super) async fn a_decision_about_an_incident_must_be_recent(backend: &impl Backend) {
    let store = backend.store();
    let at = now(store).await;
    let paris = opened("paris", &rule(), at);
    let ahead = commit_of(&paris, Some(facts(b"facts")), at + MINUTE);
    let old = IncidentCommit { age_max: MINUTE, ..commit_of(&paris, None, before(at, MINUTE * 2)) };
    for untimely in [ahead, old] {
        let Outcome::Untimely(told) = store.commit_incident(untimely).await.unwrap() else {
            panic!("an untimely decision was not refused as one")
        };
        assert!((at..at + PATIENCE).contains(&told), "{told:?} is not the store's time");
    }
    assert_eq!(found(store, "paris").await, (None, None, vec![]));
    let observed_at = before(at, MINUTE * 2);
    let old_enough = IncidentCommit { age_max: MINUTE * 3, ..commit_of(&paris, None, observed_at) };
    assert_eq!(store.commit_incident(old_enough).await.unwrap(), Outcome::Written);
}

pub(super) async fn facts_are_kept_until_others_are_told(backend: &impl Backend) {
    let store = backend.store();
    let at = now(store).await;
    let mut paris = opened("paris", &rule(), at);
    // No rule of today changes an incident twice; the store must not care.
    for (told, wanted) in [
        (None, None),
        (Some(facts(b"first")), Some(facts(b"first"))),
        (None, Some(facts(b"first"))),
        (Some(facts(b"second")), Some(facts(b"second"))),
        (Some(facts(b"")), Some(facts(b""))),
        (None, Some(facts(b""))),
    ] {
        write(store, &paris, told).await;
        assert_eq!(found(store, "paris").await, (Some(paris.clone()), wanted, vec![paris.clone()]));
        paris.version += 1;
    }
}

pub(super) async fn the_latest_opened_incident_comes_first(backend: &impl Backend) {
    let store = backend.store();
    let at = now(store).await;
    // Two of the same instant, which the name orders, and none in the order of its opening.
    let ages = [("c", 3), ("a", 1), ("d", 4), ("b2", 2), ("b1", 2)];
    for (name, ago) in ages {
        write(store, &opened(name, &rule(), before(at, MINUTE * ago)), None).await;
    }
    let names = async || {
        let incidents = store.incidents().await.unwrap();
        incidents.into_iter().map(|incident| incident.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names().await, ["a", "b2", "b1", "c", "d"]);
    // Closing one moves it nowhere.
    let loaded = store.incident(&"c".parse().unwrap()).await.unwrap();
    let close = IncidentCommand::Close;
    let closed = changed(loaded.incident.as_ref(), &act("sup", "close"), &close, loaded.now);
    write(store, &closed, None).await;
    assert_eq!(names().await, ["a", "b2", "b1", "c", "d"]);
}
