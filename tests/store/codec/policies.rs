//! Kept policies, as Redis holds them.

use std::time::Duration;

use redis::Connection;
use urgence::core::ladder::{Ladder, Rung};
use urgence::core::policy::{CLOCKS, EXTENDABLE, Promise, Rules};
use urgence::core::{Band, Nature, Policy, PolicyId, RetentionClass};
use urgence::store::{Store, StoreError};

use crate::support::make::ms;
use crate::{open, options, start_redis};

/// A policy in which no two promises are the same, nor any like the built-in's.
fn unlike_any_other() -> Policy {
    let promise = |number: u64| {
        let at = |factor: u64| ms(number * 1_000 + factor * 100_000);
        let desk = format!("desk-{number}");
        Promise {
            target: at(2),
            limit: at(3),
            ladder: Ladder {
                rungs: vec![
                    Rung::ordinary(Duration::ZERO, &[&desk]),
                    Rung::ordinary(at(1), &[&desk, "shift-lead"]),
                    Rung::always(at(2), &["head", &desk]),
                    Rung::always(at(3), &["all"]),
                ],
                repeat_every: at(4),
                repeat_contacts: ["all".parse().unwrap(), desk.parse().unwrap()].into(),
            },
        }
    };
    let numbered = |from: u64| (from..).map(|number| ms(number * 1_001));
    let emergencies = (0..7).cycle().map(|number| Band::new(number).unwrap());
    let bands = Nature::ALL.iter().copied().zip(emergencies);
    let bands = bands.map(|(nature, band)| {
        (nature, if nature == Nature::Routine { Band::LEAST_URGENT } else { band })
    });
    Policy::new(Rules {
        bands: bands.collect(),
        emergency: promise(1),
        routine: promise(2),
        emergency_completion: promise(3),
        routine_completion: promise(4),
        clocks: CLOCKS.into_iter().zip((5..).map(promise)).collect(),
        extensions: EXTENDABLE.into_iter().zip(numbered(100)).collect(),
        retention: RetentionClass::ALL.iter().copied().zip(numbered(200)).collect(),
        lease: ms(300_001),
    })
    .unwrap()
}

/// One whose emergency ladder a claim would silence between target and limit, which was allowed once.
fn allowed_once() -> Policy {
    let mut rules = Policy::built_in().rules().clone();
    let rung = rules.emergency.ladder.rungs.iter_mut().find(|rung| rung.offset == ms(1_500_000));
    rung.unwrap().is_quieted_by_claim = true;
    let refused = Policy::new(rules.clone()).unwrap_err();
    assert_eq!(refused.len(), 1, "{refused:?}");
    Policy::kept(PolicyId([7; 16]), rules).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_would_be_refused_now_still_holds_for_the_cases_accepted_under_it() {
    let server = start_redis();
    let store = open(&options(&[server.url()])).await;
    let policy = allowed_once();
    store.keep_policy(&policy).await.unwrap();
    assert_eq!(store.policy(policy.id()).await.unwrap(), Some(policy));
}

fn key(id: PolicyId) -> String {
    format!("{{urgence:main}}:policy:{id}")
}

fn state(redis: &mut Connection, id: PolicyId) -> Vec<u8> {
    redis::cmd("HGET").arg(key(id)).arg("state").query(redis).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_comes_back_as_it_was_kept() {
    let server = start_redis();
    let store = open(&options(&[server.url()])).await;
    let mut redis = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let policy = unlike_any_other();
    let id = policy.id();
    store.keep_policy(&policy).await.unwrap();
    assert_eq!(store.policy(id).await.unwrap(), Some(policy.clone()));

    // A newer version's is told apart, and one that promises nothing is no policy.
    let bytes = state(&mut redis, id);
    assert_eq!(bytes[..2], [0x08, 2], "the format comes first");
    for (format, wanted) in [(0, "format 0"), (3, "format 3"), (127, "format 127")] {
        let mut newer = bytes.clone();
        newer[1] = format;
        let () = redis::cmd("HSET").arg(key(id)).arg("state").arg(newer).query(&mut redis).unwrap();
        let error = store.policy(id).await.unwrap_err();
        assert!(matches!(&error, StoreError::Unreadable { .. }), "{error}");
        assert!(error.to_string().contains(wanted), "{error}");
    }
    let () = redis::cmd("HSET")
        .arg(key(id))
        .arg("state")
        .arg([8_u8, 2].as_slice())
        .query(&mut redis)
        .unwrap();
    assert!(matches!(store.policy(id).await, Err(StoreError::Unreadable { .. })));
}
