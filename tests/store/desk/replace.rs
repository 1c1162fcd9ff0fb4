//! A new policy holds for what comes; what is open keeps its promises, and so its contacts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use urgence::core::policy::Rules;
use urgence::core::policy::live::{Contacts, Live};
use urgence::core::{
    Case, ClockKind, ContactName, Deed, Event, FirstResponseKind, PauseReason, Policy,
};
use urgence::desk::{Desk, DeskSettings, Error};
use urgence::registry::Registry;
use urgence::store::{MemoryStore, Store};

use super::{EMERGENCY, Replica, START, memory, plain, wake_all};
use crate::load;
use crate::support::make::{entry, intake, promise};

const MINUTE: Duration = Duration::from_mins(1);

/// Another policy than the built-in: target after 8 minutes, limit after 12, a lease of 2, and fewer
/// people paged.
fn other_policy() -> Policy {
    let built_in = Policy::built_in().rules().clone();
    let promise = promise(MINUTE * 8, MINUTE);
    Policy::new(Rules {
        emergency: promise.clone(),
        routine: promise.clone(),
        emergency_completion: promise.clone(),
        routine_completion: promise.clone(),
        clocks: built_in.clocks.keys().map(|kind| (*kind, promise.clone())).collect(),
        lease: MINUTE * 2,
        ..built_in
    })
    .unwrap()
}

/// Where these contacts, and nobody else, are reached.
fn reaching(contacts: BTreeSet<&ContactName>) -> Live {
    let sinks = BTreeSet::from(["log".parse().unwrap()]);
    let listed: BTreeMap<_, _> =
        contacts.into_iter().map(|contact| (contact.clone(), sinks.clone())).collect();
    Live { contacts: Contacts::Listed(listed), ..Live::default() }
}

/// Puts the other policy in force, with its own contacts and some more; who is missing, if anybody.
async fn replace(desk: &Desk<MemoryStore>, also: &[&ContactName]) -> Result<(), Vec<String>> {
    let other = other_policy();
    let mut contacts = other.contacts();
    contacts.extend(also);
    match desk.replace(other.clone(), reaching(contacts), Registry::Unlisted).await {
        Ok(()) => Ok(()),
        Err(Error::ContactsInUse { missing }) => Err(missing),
        Err(error) => panic!("{error}"),
    }
}

/// Everybody whom the built-in policy pages and the other one does not.
fn missing() -> Vec<String> {
    let (built_in, other) = (Policy::built_in(), other_policy());
    let (paged, kept) = (built_in.contacts(), other.contacts());
    paged.difference(&kept).map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_contact_that_an_open_case_names_must_stay() {
    let store = memory();
    let replica = Replica::start(plain(), &store);
    let desk = &replica.desk;
    assert!(missing().len() >= 3, "{:?}", missing());
    let case = replica.submit(intake("fr-pnij", "1", EMERGENCY)).await;
    let (policy, live, registry) = (desk.policy(), desk.live(), desk.registry());
    assert_eq!(replace(desk, &[]).await, Err(missing()));
    // Nothing of it was taken over.
    assert_eq!(desk.policy(), policy);
    assert_eq!((desk.live(), desk.registry()), (live, registry));
    assert_eq!(store.policy(other_policy().id()).await.unwrap(), None);
    // One is enough to be refused, and a contact that reaches nobody is as good as none.
    let built_in = Policy::built_in();
    let mut all: Vec<_> = built_in.contacts().into_iter().collect();
    let left_out = all.iter().position(|contact| contact.as_str() == "executive").unwrap();
    let executive = all.remove(left_out);
    assert_eq!(replace(desk, &all).await, Err(vec!["executive".to_owned()]));
    let mut live = reaching(built_in.contacts());
    let Contacts::Listed(listed) = &mut live.contacts else { unreachable!("they are listed") };
    listed.insert(executive.clone(), BTreeSet::new());
    let refused = desk.replace(Policy::built_in(), live, Registry::Unlisted).await;
    assert!(matches!(refused, Err(Error::ContactsInUse { .. })), "{refused:?}");
    // A held case may yet page, and so may one that waits for nothing but its outcome.
    replica.act(case.id, "c", Deed::Claim).await;
    assert_eq!(replace(desk, &[]).await, Err(missing()));
    let kind = FirstResponseKind::InProgress { expected_within: MINUTE };
    replica.act(case.id, "a", Deed::Respond(1, kind)).await;
    replica.act(case.id, "r", Deed::Release(1)).await;
    assert_eq!(replace(desk, &[]).await, Err(missing()));
    // So may one whose authority is asked, also while the other clock stands still.
    replica.act(case.id, "c2", Deed::Claim).await;
    replica.act(case.id, "ask", Deed::AskForInformation(2)).await;
    let waits = PauseReason::AwaitingInformation;
    replica.act(case.id, "p", Deed::PauseClock(2, ClockKind::Completion, waits)).await;
    replica.act(case.id, "r2", Deed::Release(2)).await;
    assert_eq!(replace(desk, &[]).await, Err(missing()));
    // With all of them it is taken.
    let all: Vec<_> = built_in.contacts().into_iter().collect();
    assert_eq!(replace(desk, &all).await, Ok(()));
    assert_eq!(desk.policy().id(), other_policy().id());
}

#[tokio::test]
async fn without_a_case_that_may_page_every_contact_may_go() {
    let store = memory();
    let replica = Replica::start(plain(), &store);
    assert_eq!(replace(&replica.desk, &[]).await, Ok(()));
    // A case that has left nothing but a tombstone pages nobody.
    let store = memory();
    let replica = Replica::start(plain(), &store);
    let case = replica.submit(intake("fr-pnij", "1", EMERGENCY)).await;
    replica.act(case.id, "c", Deed::Claim).await;
    let ended = replica.act(case.id, "a", Deed::Respond(1, FirstResponseKind::NoData)).await;
    assert_eq!(replace(&replica.desk, &[]).await, Ok(()), "it waits for nothing but its purge");
    let built_in = Policy::built_in();
    let live = reaching(built_in.contacts());
    replica.desk.replace(built_in.clone(), live, Registry::Unlisted).await.unwrap();
    wake_all(&replica.desk, &store, ended.ended.unwrap().purge_at).await;
    assert_eq!(replace(&replica.desk, &[]).await, Ok(()));
}

/// The case has the lease and the ladder of the built-in policy.
async fn check_built_in(
    desk: &std::sync::Arc<Desk<MemoryStore>>,
    store: &MemoryStore,
    case: &Case,
) {
    let at = store.now_estimate().unwrap();
    let loaded = load(store, case.id).await.unwrap();
    let claim = loaded.claim.as_ref().unwrap();
    assert_eq!(claim.expires_at, at + Policy::built_in().lease());
    assert_eq!(loaded.first_response_clock().limit_at, START + MINUTE * 30);
    assert_eq!(desk.get(case.id).await.unwrap(), loaded);
}

#[tokio::test]
async fn open_cases_keep_the_policy_they_were_accepted_under() {
    let store = memory();
    let settings = DeskSettings { registry: Registry::listed([entry("fr-pnij")]), ..plain() };
    let replica = Replica::start(settings, &store);
    let desk = &replica.desk;
    let old = replica.submit(intake("fr-pnij", "old", EMERGENCY)).await;
    let built_in = Policy::built_in();
    let also: Vec<_> = built_in.contacts().into_iter().collect();
    assert_eq!(replace(desk, &also).await, Ok(()));
    let new = replica.submit(intake("be-fccu", "new", EMERGENCY)).await;
    assert_eq!((old.policy, new.policy), (built_in.id(), other_policy().id()));
    assert_eq!(new.first_response_clock().limit_at, START + MINUTE * 12);
    // The next rung of the one comes after 3 minutes, of the other after 2.
    wake_all(desk, &store, START + MINUTE * 2).await;
    let next = async |case: &Case| load(store.as_ref(), case.id).await.unwrap();
    assert_eq!(next(&old).await.version, 1);
    assert_eq!(next(&new).await.first_response_clock().next_due_at, START + MINUTE * 8);
    wake_all(desk, &store, START + MINUTE * 3).await;
    assert_eq!(next(&old).await.first_response_clock().next_due_at, START + MINUTE * 7);
    replica.act(old.id, "c-old", Deed::Claim).await;
    let held = replica.act(new.id, "c-new", Deed::Claim).await;
    assert_eq!(held.claim.unwrap().expires_at, START + MINUTE * 5);
    check_built_in(desk, &store, &old).await;

    // A process that starts with the other policy finds the old one in the store.
    let other = DeskSettings::plain("main".parse().unwrap(), other_policy());
    let second = Replica::start(other, &store);
    store.set_now(START + MINUTE * 4);
    second.act(old.id, "renew", Deed::Renew(1)).await;
    check_built_in(&second.desk, &store, &old).await;
    let kind = FirstResponseKind::InProgress { expected_within: MINUTE };
    let answered = second.act(old.id, "a", Deed::Respond(1, kind)).await;
    let progress = answered.clock(ClockKind::Progress).unwrap();
    assert_eq!(progress.limit_at, START + MINUTE * 64, "every clock is the old policy's");
    let paged = super::changes(store.as_ref()).await.into_iter().flat_map(|change| change.events);
    let paged = paged.filter(|event| matches!(event, Event::Paged(_))).count();
    assert_eq!(paged, 4, "at 0 and 3 minutes for the one, at 0 and 2 for the other");
}
