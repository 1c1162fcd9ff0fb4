//! The part of the contract that is about what was said: every word of it is kept, until the case is
//! purged and none is left.

use urgence::core::{
    Case, CaseId, Command, Deed, FirstResponseKind, Lane, RetentionClass, Timestamp,
};
use urgence::store::{Commit, Content, Contents, Index, Outcome, Said, Store};

use super::{
    Backend, EMERGENCY, MINUTE, SOMEBODY, SOMEBODY_ELSE, accept_this, all_of, indexes, list,
    officer_of, rules, write,
};
use crate::support::make::{accepted, decided, does, fingerprint, intake, ms};
use crate::support::redis::TestRedis;
use crate::{commit, forgotten, load, now};

/// Writes what `command` makes of `from`, with something said.
async fn say(
    store: &impl Store,
    from: &Case,
    command: &Command,
    at: Timestamp,
    said: Said,
) -> Case {
    let next = decided(Some(from), command, at, &rules());
    let forgotten = forgotten(from, &next.case);
    let commit = Commit { said, forgotten, ..commit(&next, now(store).await) };
    assert_eq!(store.commit(commit).await.unwrap(), Outcome::Written);
    next.case
}

pub(super) async fn what_was_said_is_kept_under_the_version_it_made(backend: &impl Backend) {
    let store = backend.store();
    store.keep_policy(&rules()).await.unwrap();
    let at = now(store).await;
    let next = accepted(&intake("fr-pnij", "1", EMERGENCY), at, &rules());
    let id = next.case.id;
    assert!(store.contents(id).await.unwrap() == Contents::default());
    // Any bytes, also those that no text may hold.
    let request = (0..=255).collect::<Vec<u8>>();
    let accept = Commit { said: Said::Request(request.clone().into()), ..commit(&next, at) };
    assert_eq!(store.commit(accept).await.unwrap(), Outcome::Written);
    let mut wanted = Contents { request: Some(request.clone().into()), ..Contents::default() };
    assert!(store.contents(id).await.unwrap() == wanted);
    let case = write(store, &next.case, &does("ann", "c", Deed::Claim), at).await;
    assert!(store.contents(id).await.unwrap() == wanted);

    // Also a word of no bytes is a word.
    let kind = FirstResponseKind::InProgress { expected_within: MINUTE };
    let answer = does("ann", "a", Deed::Respond(1, kind));
    let mut case = say(store, &case, &answer, at, Said::Response(Content::default())).await;
    wanted.response = Some(Content::default());
    assert!(store.contents(id).await.unwrap() == wanted);

    // Each message has its own place, however many there are and whatever comes between them.
    for number in 0..12 {
        let update = does("ann", &format!("u{number}"), Deed::SendUpdate(1, None));
        let message = [request.as_slice(), &[number; 3]].concat();
        case = say(store, &case, &update, at, Said::Message(message.clone().into())).await;
        wanted.messages.insert(case.version, message.into());
        case = write(store, &case, &does("ann", &format!("r{number}"), Deed::Renew(1)), at).await;
    }
    let found = store.contents(id).await.unwrap();
    assert_eq!(
        found.messages.keys().copied().collect::<Vec<_>>(),
        (2..14).map(|n| n * 2).collect::<Vec<_>>()
    );
    assert!(found == wanted);
    write(store, &case, &does("ann", "release", Deed::Release(1)), at).await;
    assert!(store.contents(id).await.unwrap() == wanted);
    let other = intake("fr-pnij", "2", EMERGENCY).case_id();
    assert!(store.contents(other).await.unwrap() == Contents::default(), "it is nobody else's");
}

/// A case with two targets, something said in every way, and its end at `at`; a second case has one
/// of the targets too. Returns both.
async fn ended(store: &impl Store, at: Timestamp) -> (Case, Case) {
    let mut request = intake("fr-pnij", "1", EMERGENCY);
    request.facts.fingerprints = [SOMEBODY, SOMEBODY_ELSE].map(fingerprint).into();
    request.incident = Some("paris".parse().unwrap());
    store.keep_policy(&rules()).await.unwrap();
    let next = accepted(&request, at, &rules());
    let accept = Commit { said: Said::Request(b"request".into()), ..commit(&next, at) };
    assert_eq!(store.commit(accept).await.unwrap(), Outcome::Written);
    let case = write(store, &next.case, &does("ann", "c", Deed::Claim), at).await;
    let kind = FirstResponseKind::InProgress { expected_within: MINUTE };
    let answer = does("ann", "a", Deed::Respond(1, kind));
    let case = say(store, &case, &answer, at, Said::Response(b"response".into())).await;
    let update = does("ann", "u", Deed::SendUpdate(1, None));
    let case = say(store, &case, &update, at, Said::Message(b"message".into())).await;
    let withdraw = does("portal", "w", Deed::Withdraw);
    let case = say(store, &case, &withdraw, at, Said::Message(b"withdrawal".into())).await;
    let case = write(store, &case, &does("ann", "e", Deed::ConfirmWithdrawal(1)), at).await;
    assert!(case.has_ended());
    assert_eq!(store.contents(case.id).await.unwrap().messages.len(), 2);

    let mut request = intake("be-fccu", "1", EMERGENCY);
    request.facts.fingerprints = [fingerprint(SOMEBODY)].into();
    (case, accept_this(store, &request, at).await)
}

/// Only its own record is left, and it is found by nothing that names a person.
async fn check_tombstone(backend: &impl Backend, case: &Case, other: &Case) {
    let store = backend.store();
    let id = case.id;
    assert!(store.contents(id).await.unwrap() == Contents::default());
    let stored = load(store, id).await.unwrap();
    assert_eq!(stored, *case);
    assert!(stored.purged_at.is_some() && stored.facts.fingerprints.is_empty());
    if let Some(redis) = backend.redis() {
        assert_eq!(fields(redis, id), ["state", "version"]);
        // The key is gone with the last case that named this target.
        let keys = redis.command(&["KEYS", "{urgence:main}:target:*"]);
        assert_eq!(keys.lines().count(), 1, "{keys}");
    }
    assert_eq!(list(store, &Index::Target(fingerprint(SOMEBODY))).await, [other.id]);
    assert_eq!(list(store, &Index::Target(fingerprint(SOMEBODY_ELSE))).await, []);
    // What reports count by still finds it, and so does what tells whether an officer is new.
    let paris = Index::Incident("paris".parse().unwrap());
    let (authority, officer) = (Index::Authority(case.authority.clone()), officer_of("fr-pnij"));
    assert_eq!(stored.facts.officer, None);
    for index in [Index::All, authority, Index::Officer(officer), paris] {
        assert!(list(store, &index).await.contains(&id), "{index:?}");
    }
    for index in [Index::Ready(Lane::Incident), Index::Unanswered, Index::Claimed, Index::Wake] {
        assert!(!list(store, &index).await.contains(&id), "{index:?}");
    }
}

/// The fields of a case's hash, in the order of the alphabet.
fn fields(redis: &TestRedis, id: CaseId) -> Vec<String> {
    let key = format!("{{urgence:main}}:case:{}", id.compact());
    let fields = redis.command(&["HKEYS", &key]);
    let mut fields: Vec<_> = fields.lines().map(str::to_owned).collect();
    fields.sort_unstable();
    fields
}

pub(super) async fn a_purge_leaves_a_tombstone(backend: &impl Backend) {
    let store = backend.store();
    let (case, other) = ended(store, now(store).await).await;
    for target in [SOMEBODY, SOMEBODY_ELSE] {
        let found = list(store, &Index::Target(fingerprint(target))).await;
        assert!(found.contains(&case.id), "an ended case is still found by its targets");
    }
    if let Some(redis) = backend.redis() {
        let said = [4, 5].map(|version| format!("said:{version}"));
        let wanted = ["request", "response", &said[0], &said[1], "state", "version"];
        assert_eq!(fields(redis, case.id), wanted);
    }
    let purge_at = case.ended.unwrap().purge_at;
    assert_eq!(purge_at, case.last_event_at + rules().retention(RetentionClass::NotDisclosed));
    assert_eq!(super::score(store, &Index::Wake, case.id).await, Some(purge_at.as_millis()));
    let purged = write(store, &case, &Command::Wake, purge_at).await;
    check_tombstone(backend, &purged, &other).await;
    // A request under its name still finds it.
    let again = accepted(&intake("fr-pnij", "1", EMERGENCY), now(store).await, &rules());
    let untouched = all_of(store, case.id).await;
    let outcome = store.commit(commit(&again, now(store).await)).await.unwrap();
    assert_eq!(outcome, Outcome::Conflict);
    assert_eq!(all_of(store, case.id).await, untouched);
    let elsewhere = backend.other_desk().await;
    let outcome = elsewhere.commit(commit(&again, now(store).await)).await.unwrap();
    assert_eq!(outcome, Outcome::Elsewhere, "also at another desk");
    assert_eq!(indexes().len(), 12, "an index that nobody looked into here");
}

/// Whoever lifts a hold gives a reason; if the time of the case has come meanwhile, the very act
/// purges it, and the reason speaks of the person as the rest does.
pub(super) async fn what_is_said_in_the_act_that_purges_is_not_kept(backend: &impl Backend) {
    let store = backend.store();
    let (case, other) = ended(store, now(store).await).await;
    let hold = does("lea", "hold", Deed::SetLegalHold(true));
    let held = say(store, &case, &hold, case.last_event_at, Said::Message(b"why".into())).await;
    let purge_at = held.ended.unwrap().purge_at;
    assert_eq!(super::score(store, &Index::Wake, case.id).await, None, "a hold forbids it");
    let lift = does("lea", "lift", Deed::SetLegalHold(false));
    let said = Said::Message(b"the trial of the person is over".into());
    let purged = say(store, &held, &lift, purge_at + ms(1), said).await;
    assert!(purged.purged_at.is_some(), "the act itself purges the case");
    check_tombstone(backend, &purged, &other).await;
}
