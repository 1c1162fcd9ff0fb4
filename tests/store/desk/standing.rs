//! Suspending an authority: nothing that was decided before goes out after, on any replica. And what is
//! new in the registry, on which nothing may rest for a day, whatever restarts meanwhile.

use std::sync::Arc;

use urgence::core::standing::{StandingCommand, StandingDecision, StandingRefusal};
use urgence::core::{
    Authority, Case, DataCategory, Decision, Deed, Disposition, Finding, Notice, Refusal, Standing,
    SuspensionReason, Told, Verification, What,
};
use urgence::desk::{Desk, DeskSettings, Error};
use urgence::registry::Registry;
use urgence::store::{MemoryStore, Outcome, Said, StandingCommit, Store};

use super::{EMERGENCY, HOUR, Replica, START, memory, plain};
use crate::support::make::{act, by_category, called_back, decided, does, entry, intake, ms};
use crate::{all_changes, commit, load};

const SUSPEND: StandingCommand = StandingCommand::Suspend(SuspensionReason::Compromised);

/// A case that a second person may approve.
async fn proposed(replica: &Replica<MemoryStore>, who: &str) -> Case {
    let id = replica.submit(intake(who, "1", EMERGENCY)).await.id;
    replica.act(id, "v", Deed::RecordVerification(called_back(who))).await;
    let epoch = replica.act(id, "c", Deed::Claim).await.claim_epoch;
    let outcome = by_category(who, &[(DataCategory::Subscriber, Disposition::Disclosed)]);
    replica.act(id, "p", Deed::ProposeOutcome(epoch, outcome)).await
}

async fn approve(desk: &Desk<MemoryStore>, case: &Case) -> Result<Case, Error> {
    let done = desk.approve_outcome(case.id, &act("bob", "ok"), 1, Said::Nothing).await;
    done.map(|done| done.case)
}

fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> Refusal {
    match result {
        Err(Error::Refused(refusal)) => refusal,
        other => panic!("not refused by the rules: {other:?}"),
    }
}

async fn told(store: &MemoryStore) -> Vec<What> {
    let told = all_changes(store).await.into_iter().map(|entry| entry.told.unwrap());
    let notices = told.filter_map(|told| match told {
        Told::Notice(notice) => Some(notice.what),
        Told::Change(_) => None,
    });
    notices.collect()
}

#[tokio::test]
async fn a_suspension_on_one_replica_stops_what_another_would_give_out() {
    let store = memory();
    let (one, other) = (Replica::start(plain(), &store), Replica::start(plain(), &store));
    let (case, belgian) = (proposed(&one, "fr-pnij").await, proposed(&one, "be-fccu").await);
    let ended = one.submit(intake("fr-pnij", "2", EMERGENCY)).await;
    one.act(ended.id, "v", Deed::RecordVerification(called_back("fr-pnij"))).await;
    one.act(ended.id, "c", Deed::Claim).await;
    let no_data = Deed::Respond(1, urgence::core::FirstResponseKind::NoData);
    one.act(ended.id, "n", no_data).await;
    // A replica has decided, and has not written yet.
    let approve_on = |standing| does("bob", "late", Deed::ApproveOutcome(1, standing));
    let policy = urgence::core::Policy::built_in();
    let late = decided(Some(&case), &approve_on(Standing::default()), START, &policy);
    let sup = act("sup", "s");
    let suspended = one.desk.act_on_standing(&case.authority, &sup, SUSPEND).await.unwrap();
    assert!(suspended.0.suspension.is_some() && !suspended.1);
    assert_eq!(store.commit(commit(&late, START)).await.unwrap(), Outcome::Conflict);
    assert_eq!(refusal(approve(&other.desk, &case).await), Refusal::AuthoritySuspended);
    // Its open cases are to be verified anew; what has ended, and what is another's, is as it was.
    let verification = async |id| load(store.as_ref(), id).await.unwrap().verification;
    assert_eq!(verification(case.id).await, Verification::Unverified);
    assert_eq!(verification(ended.id).await, Verification::CallbackConfirmed);
    assert_eq!(approve(&other.desk, &belgian).await.unwrap().disclosures.len(), 1);
    let again = other.desk.act_on_standing(&case.authority, &sup, SUSPEND).await.unwrap();
    assert!(again.1, "the same act once more");
    // Reinstated and verified anew, it goes out, on the standing of now.
    let reinstate = StandingCommand::Reinstate;
    other.desk.act_on_standing(&case.authority, &act("sup", "r"), reinstate).await.unwrap();
    assert_eq!(refusal(approve(&one.desk, &case).await), Refusal::NotVerified);
    other.act(case.id, "v2", Deed::RecordVerification(called_back("fr-pnij"))).await;
    assert_eq!(approve(&one.desk, &case).await.unwrap().disclosures.len(), 1);
    let authority = case.authority;
    let reason = SuspensionReason::Compromised;
    let wanted = [
        What::AuthoritySuspended { authority: authority.clone(), version: 1, reason },
        What::AuthorityReinstated { authority, version: 2 },
    ];
    assert_eq!(told(&store).await, wanted);
}

#[tokio::test]
async fn only_what_is_known_is_suspended() {
    let store = memory();
    let desk = Replica::start(plain(), &store).desk;
    let nobody = "xx-nobody".parse().unwrap();
    let refused = desk.act_on_standing(&nobody, &act("sup", "s"), SUSPEND).await;
    assert!(matches!(refused, Err(Error::Standing(StandingRefusal::NotFound))), "{refused:?}");
    assert_eq!(told(&store).await, []);
}

/// A desk whose registry lists these.
fn listed(authorities: Vec<Authority>) -> DeskSettings {
    DeskSettings { registry: Registry::listed(authorities), ..plain() }
}

/// Whether a call to the number of this id may be recorded in the case, and a key sealed to.
async fn may_rest_on(desk: &Arc<Desk<MemoryStore>>, case: &Case, at: &str) -> bool {
    let number = desk.callback_number(&case.authority, &at.parse().unwrap()).unwrap();
    let deed = Deed::RecordVerification(Finding::CallbackConfirmed(number));
    let case = desk.get(case.id).await.unwrap();
    let now = desk.now_estimate().unwrap();
    let policy = urgence::core::Policy::built_in();
    match urgence::core::decide(Some(&case), &does("bob", "x", deed), now, &policy) {
        Decision::Refused(refusal) => {
            assert_eq!(refusal, Refusal::CallbackNumberTooNew);
            false
        }
        other => matches!(other, Decision::Next(_)),
    }
}

#[tokio::test]
async fn what_is_new_cools_off_whatever_restarts_meanwhile() {
    let store = memory();
    let first = Replica::start(listed(vec![entry("fr-pnij")]), &store);
    let case = first.submit(intake("fr-pnij", "1", EMERGENCY)).await;
    assert!(!may_rest_on(&first.desk, &case, "switchboard").await, "it has not looked yet");
    first.desk.look_up_registry().await.unwrap();
    assert!(may_rest_on(&first.desk, &case, "switchboard").await, "the desk began with it");
    let mut changed = entry("fr-pnij");
    changed.callback_numbers.insert("new".parse().unwrap(), "+33199000003".to_owned());
    changed.recipient_keys.insert("evidence-2026".parse().unwrap(), [8; 32]);
    store.set_now(START + HOUR);
    let registry = Registry::listed([changed.clone()]);
    let (policy, live) = ((*first.desk.policy()).clone(), (*first.desk.live()).clone());
    first.desk.replace(policy, live, registry).await.unwrap();
    assert!(!may_rest_on(&first.desk, &case, "new").await);
    // Another process, hours later, knows since when.
    store.set_now(START + HOUR * 24);
    let second = Replica::start(listed(vec![changed]), &store);
    second.desk.look_up_registry().await.unwrap();
    let ready_at = START + HOUR * 25;
    for (now, is_good) in [(START + HOUR * 24, false), (ready_at, true)] {
        store.set_now(now);
        assert_eq!(may_rest_on(&second.desk, &case, "new").await, is_good);
        assert!(may_rest_on(&second.desk, &case, "switchboard").await);
    }
    let key = second.desk.recipient_key(&case.authority, &"evidence-2026".parse().unwrap());
    let usable = entry("fr-pnij").recipient_key(&"evidence-2026".parse().unwrap()).unwrap();
    assert_eq!(key, Some(usable.usable_from(ready_at)), "another key under an old id is new");
}

#[tokio::test]
async fn what_comes_first_into_an_empty_registry_is_new() {
    let store = memory();
    let mut bare = entry("fr-pnij");
    bare.callback_numbers.clear();
    bare.recipient_keys.clear();
    let first = Replica::start(listed(vec![bare]), &store);
    let case = first.submit(intake("fr-pnij", "1", EMERGENCY)).await;
    first.desk.settle_settings().await.unwrap();
    store.set_now(START + HOUR * 24 * 180);
    let (policy, live) = ((*first.desk.policy()).clone(), (*first.desk.live()).clone());
    let filled = Registry::listed([entry("fr-pnij")]);
    first.desk.replace(policy, live, filled).await.unwrap();
    assert!(!may_rest_on(&first.desk, &case, "switchboard").await);
    store.set_now(START + HOUR * 24 * 181);
    assert!(may_rest_on(&first.desk, &case, "switchboard").await);
}

#[tokio::test]
async fn a_key_that_was_exchanged_since_the_proposal_takes_nothing() {
    let store = memory();
    let replica = Replica::start(listed(vec![entry("fr-pnij")]), &store);
    replica.desk.settle_settings().await.unwrap();
    let case = proposed(&replica, "fr-pnij").await;
    let mut exchanged = entry("fr-pnij");
    exchanged.recipient_keys.insert("evidence-2026".parse().unwrap(), [8; 32]);
    let (policy, live) = ((*replica.desk.policy()).clone(), (*replica.desk.live()).clone());
    replica.desk.replace(policy, live, Registry::listed([exchanged])).await.unwrap();
    assert_eq!(refusal(approve(&replica.desk, &case).await), Refusal::RecipientKeyTooNew);
}

#[tokio::test]
async fn what_was_verified_before_a_suspension_counts_for_nothing_after_it() {
    let store = memory();
    let replica = Replica::start(plain(), &store);
    let case = proposed(&replica, "fr-pnij").await;
    // Whoever suspends the authority dies before the cases are told.
    let authority = case.authority.clone();
    let standing = store.standing(&authority).await.unwrap();
    let (by, now) = (act("sup", "s"), standing.now);
    let StandingDecision::Next(next, what) = standing.standing.decide(&by, SUSPEND, now) else {
        panic!("it is not suspended yet")
    };
    let notice = Notice { at: now, by: None, what };
    let (standing, age_max) = (*next, crate::AGE_MAX);
    let commit = StandingCommit { standing, notice, observed_at: now, age_max };
    assert_eq!(store.commit_standing(commit).await.unwrap(), Outcome::Written);
    let verification = async || load(store.as_ref(), case.id).await.unwrap().verification;
    assert_eq!(verification().await, Verification::CallbackConfirmed);
    let reinstate = StandingCommand::Reinstate;
    replica.desk.act_on_standing(&authority, &act("sup", "r"), reinstate).await.unwrap();
    assert_eq!(refusal(approve(&replica.desk, &case).await), Refusal::NotVerified);
    // Reinstating whoever is not suspended takes nothing from anybody.
    replica.act(case.id, "v2", Deed::RecordVerification(called_back("fr-pnij"))).await;
    let refused = replica.desk.act_on_standing(&authority, &act("sup", "r2"), reinstate).await;
    assert!(matches!(refused, Err(Error::Standing(StandingRefusal::NotSuspended))));
    assert_eq!(verification().await, Verification::CallbackConfirmed);
}

#[tokio::test]
async fn what_is_in_force_is_told_once_at_a_start_and_at_each_reload() {
    let store = memory();
    let desk = Replica::start(plain(), &store).desk;
    let (policy, live) = ((*desk.policy()).clone(), (*desk.live()).clone());
    let replace = async |registry| desk.replace(policy.clone(), live.clone(), registry).await;
    let mut wanted = vec![
        What::RegistryReplaced { registry: None },
        What::PolicyReplaced { policy: policy.id() },
    ];
    for _ in 0..2 {
        desk.settle_settings().await.unwrap();
        assert_eq!(told(&store).await, wanted);
    }
    let listed = Registry::listed([entry("fr-pnij")]);
    let version = listed.version().map(|version| version.0);
    wanted.push(What::RegistryReplaced { registry: version });
    for _ in 0..2 {
        replace(listed.clone()).await.unwrap();
        assert_eq!(told(&store).await, wanted);
    }
    let mut rules = policy.rules().clone();
    rules.lease += ms(1);
    let other = urgence::core::Policy::new(rules).unwrap();
    wanted.push(What::PolicyReplaced { policy: other.id() });
    desk.replace(other, live.clone(), listed).await.unwrap();
    assert_eq!(told(&store).await, wanted);
    // Another process tells what it begins with.
    let again = Replica::start(plain(), &store).desk;
    again.settle_settings().await.unwrap();
    wanted.push(What::RegistryReplaced { registry: None });
    wanted.push(What::PolicyReplaced { policy: policy.id() });
    assert_eq!(told(&store).await, wanted);
}
