//! Many requests of one authority beside those of another.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinSet;
use urgence::core::Nature;
use urgence::core::policy::live::Live;
use urgence::desk::{DeskSettings, Error};

use super::{EMERGENCY, Replica, memory, on_redis, plain};
use crate::support::make::intake;

/// A desk with the usual budgets.
fn usual() -> DeskSettings {
    DeskSettings { live: Live::default(), ..plain() }
}

/// Fifty times as many emergencies as its budget has room for, all at once: each is taken in, and those of
/// another authority wait for a few of them only, whatever the machine can do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_authority_does_not_crowd_out_another() {
    const FLOOD: usize = 50 * 60;
    const CALM: usize = 20;
    let (_redis, store) = on_redis().await;
    let replica = Arc::new(Replica::start(usual(), &store));
    let taken_in = Arc::new(AtomicUsize::new(0));
    let mut flood = JoinSet::new();
    for number in 0..FLOOD {
        let (replica, taken_in) = (Arc::clone(&replica), Arc::clone(&taken_in));
        flood.spawn(async move {
            replica.submit(intake("fr-pnij", &format!("f-{number}"), EMERGENCY)).await;
            taken_in.fetch_add(1, Ordering::Relaxed);
        });
    }
    // The flood has begun, and goes on for as long as the others are served.
    while taken_in.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    let mut waited_for = Vec::new();
    for number in 0..CALM {
        let before = taken_in.load(Ordering::Relaxed);
        replica.submit(intake("de-bka", &format!("c-{number}"), EMERGENCY)).await;
        waited_for.push(taken_in.load(Ordering::Relaxed) - before);
    }
    assert!(
        taken_in.load(Ordering::Relaxed) < FLOOD,
        "the flood was over too soon: {waited_for:?}"
    );
    waited_for.sort_unstable();
    assert!(waited_for[CALM / 2] <= 100, "each stood behind many of another's: {waited_for:?}");
    while let Some(submitted) = flood.join_next().await {
        submitted.unwrap();
    }
    assert_eq!(taken_in.load(Ordering::Relaxed), FLOOD, "an emergency is never refused");
}

#[tokio::test]
async fn routine_beyond_its_budget_is_told_when_to_come_again_unless_it_was_accepted() {
    let replica = Replica::start(usual(), &memory());
    let routine = |number: usize| intake("fr-pnij", &format!("r-{number}"), Nature::Routine);
    for number in 0..30 {
        replica.submit(routine(number)).await;
    }
    let submit = |intake| replica.desk.submit(intake, b"the request".to_vec());
    let refused = submit(routine(30)).await.unwrap_err();
    assert!(matches!(refused, Error::BudgetSpent { retry_after } if !retry_after.is_zero()));
    for number in 0..30 {
        assert!(submit(routine(number)).await.unwrap().is_replayed);
    }
    // The same id with other content is no repeat.
    let mut other = routine(3);
    other.digest.0[0] ^= 1;
    assert!(matches!(submit(other).await.unwrap_err(), Error::BudgetSpent { .. }));
    replica.submit(intake("fr-pnij", "urgent", EMERGENCY)).await;
    replica.submit(intake("de-bka", "r-1", Nature::Routine)).await;
    // Another policy, another budget.
    let live = Live { admission: plain().live.admission, ..Live::default() };
    let policy = urgence::core::Policy::built_in();
    replica.desk.replace(policy, live, plain().registry).await.unwrap();
    replica.submit(routine(30)).await;
}
