//! How late rungs are.

use std::sync::Arc;
use std::time::Duration;

use urgence::core::policy::Rules;
use urgence::core::{Event, Nature, Policy, Timestamp, Told};
use urgence::store::{Commit, Said, Store, decode_told};
use urgence::timer::Timer;

use crate::bare::{bare, bare_paced};
use crate::run::{drive, ms, percentile, verdict_line};
use crate::support::make;
use crate::support::redis::TestRedis;
use crate::support::wait::eventually;
use crate::{NARRATIVE_BYTES, Running, ample, desk, redis};

/// The built-in policy with a second rung at `offset`.
fn armed(offset: Duration) -> Policy {
    let mut rules: Rules = Policy::built_in().rules().clone();
    rules.emergency.ladder.rungs[1].offset = offset;
    Policy::new(rules).unwrap()
}

/// Arms cases straight through the store: case `index` has its next rung at `due(index)`.
async fn arm(
    running: &Running,
    policy: &Policy,
    cases: usize,
    due: impl Fn(usize) -> Timestamp + Send + Sync + 'static,
) {
    running.store.keep_policy(policy).await.unwrap();
    let rung = policy.rules().emergency.ladder.rungs[1].offset;
    let (store, policy) = (Arc::clone(&running.store), policy.clone());
    drive(256, cases, move |index| {
        let (store, policy) = (Arc::clone(&store), policy.clone());
        let accepted_at = Timestamp::from_millis(
            due(index).as_millis() - u64::try_from(rung.as_millis()).unwrap(),
        );
        async move {
            let intake = make::intake("fr-pnij", &format!("armed-{index}"), Nature::MissingChild);
            let next = make::accepted(&intake, accepted_at, &policy);
            let observed_at = store.now_estimate().unwrap();
            let commit = Commit {
                next,
                observed_at,
                age_max: Duration::from_secs(60),
                said: Said::Request(vec![b'x'; NARRATIVE_BYTES].into()),
                forgotten: Vec::new(),
                note: None,
                trace: None,
            };
            let outcome = store.commit(commit).await.unwrap();
            assert_eq!(outcome, urgence::store::Outcome::Written);
        }
    })
    .await;
}

/// When each second rung was due and when it was in fact committed: the event's place in the stream
/// is Redis's own clock.
fn rungs(redis: &TestRedis, offset: Duration) -> Vec<(u64, u64)> {
    let client = redis::Client::open(redis.url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    let mut found = Vec::new();
    let mut from = "-".to_owned();
    loop {
        let mut read = redis::cmd("XRANGE");
        read.arg("{urgence:main}:events").arg(&from).arg("+").arg("COUNT").arg(10_000);
        let range: redis::streams::StreamRangeReply = read.query(&mut connection).unwrap();
        let Some(last) = range.ids.last() else { return found };
        from = format!("({}", last.id);
        for entry in &range.ids {
            let committed_ms: u64 = entry.id.split('-').next().unwrap().parse().unwrap();
            let told = decode_told(&entry.get::<Vec<u8>>("change").unwrap()).unwrap();
            let Told::Change(change) = told else { continue };
            for event in change.events {
                if let Event::RungFired(rung) = event
                    && rung.offset == offset
                {
                    found.push((rung.due_at.as_millis(), committed_ms));
                }
            }
        }
    }
}

const ARMED_OFFSET: Duration = Duration::from_mins(2);

/// Lateness with 100,000 armed cases of which 1,000 fall due each second, beside the bare commit's
/// latency under the same load.
pub(crate) async fn lateness() -> Vec<String> {
    println!("\n## Rung lateness: 100,000 armed cases, 1,000 due each second for 20 seconds");
    const ARMED: usize = 100_000;
    const DUE: usize = 20_000;
    let redis = redis();
    let policy = armed(ARMED_OFFSET);
    let mut running = desk(&redis, ample(&policy)).await;
    let start = running.store.load(&[]).await.unwrap().now + Duration::from_secs(60);
    arm(&running, &policy, ARMED, move |index| {
        // One each millisecond; the rest only fills the index.
        let after = if index < DUE { index as u64 } else { 600_000 + index as u64 };
        start + Duration::from_millis(after)
    })
    .await;
    let armed_at = running.store.load(&[]).await.unwrap().now;
    assert!(armed_at < start, "arming took too long for this machine");
    running.work.spawn(Timer::new(Arc::clone(&running.desk)).run());
    let until = start + Duration::from_millis(DUE as u64);
    eventually("all rungs have fired", Duration::from_secs(150), async || {
        let due = running.store.due(0, 1).await.unwrap();
        due.now > until && due.ids.is_empty()
    })
    .await;
    let fired = rungs(&redis, ARMED_OFFSET);
    assert_eq!(fired.len(), DUE, "each rung once");
    let early = fired.iter().filter(|(due, committed)| committed < due).count();
    let late: Vec<Duration> = fired
        .iter()
        .map(|(due, committed)| Duration::from_millis(committed.saturating_sub(*due)))
        .collect();
    println!(
        "lateness                           p50 {:>6.1} ms   p99 {:>6.1} ms   max {:>6.1} ms   early {early}",
        ms(percentile(&late, 50.0)),
        ms(percentile(&late, 99.0)),
        ms(percentile(&late, 100.0)),
    );
    drop(running);
    let bare = bare_paced(&redis, &policy).await;
    bare.show("bare commit, 1,000 a second");
    let ratio = ms(percentile(&late, 99.0)) / ms(bare.percentile(99.0));
    vec![
        verdict_line("lateness p99, of the bare commit's p99", ratio, ratio <= 3.0, "<= 3"),
        verdict_line("rungs fired early", early as f64, early == 0, "0"),
    ]
}

/// 10,000 rungs due in one instant, beside the bare script's rate.
pub(crate) async fn at_once() -> String {
    println!("\n## 10,000 rungs due in one instant");
    const DUE: usize = 10_000;
    let redis = redis();
    let policy = armed(ARMED_OFFSET);
    let mut running = desk(&redis, ample(&policy)).await;
    let at = running.store.load(&[]).await.unwrap().now + Duration::from_secs(12);
    arm(&running, &policy, DUE, move |_| at).await;
    assert!(running.store.load(&[]).await.unwrap().now < at, "arming took too long");
    running.work.spawn(Timer::new(Arc::clone(&running.desk)).run());
    eventually("all rungs have fired", Duration::from_secs(60), async || {
        let due = running.store.due(0, 1).await.unwrap();
        due.now > at && due.ids.is_empty()
    })
    .await;
    let fired = rungs(&redis, ARMED_OFFSET);
    assert_eq!(fired.len(), DUE, "each rung once");
    assert!(fired.iter().all(|(due, committed)| committed >= due), "none early");
    let last = fired.iter().map(|(_, committed)| *committed).max().unwrap();
    let took = Duration::from_millis(last - at.as_millis());
    let rate = DUE as f64 / took.as_secs_f64();
    drop(running);
    let ceiling = bare(&redis, 64, DUE, &policy).await;
    println!("fired in {:.2} s, {rate:.0}/s", took.as_secs_f64());
    ceiling.show("bare script, 64 in flight");
    let ratio = rate / ceiling.rate();
    verdict_line("10,000 at once, of the bare rate", ratio, ratio >= 0.5, ">= 0.5")
}
