//! How often a sink is asked, and when again, by what it answers.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use urgence::clock::monotonic_now;
use urgence::core::SinkAnswer;

use super::{OK, Replica, SECOND, contacts, key, memory, record, rules, said, ways};
use crate::support::make::{ms, policy};
use crate::support::receiver::{Answer, Receiver};
use crate::support::wait::{eventually, pace};

/// How late an attempt may come on a busy machine. Never sooner than its time is what is promised.
const SLACK: Duration = Duration::from_secs(4);
/// The timeout of an attempt in these tests.
const TIMEOUT: Duration = Duration::from_millis(500);
/// What is waited before each further attempt.
const WAITS: [u64; 6] = [1, 2, 5, 10, 15, 30];

/// When each request reached the receiver, as far as one sees who looks all the time.
async fn arrivals(receiver: Receiver, wanted: usize) -> (Receiver, Vec<Instant>) {
    let mut seen = Vec::new();
    let mut looks = pace(ms(5));
    while seen.len() < wanted {
        looks.tick().await;
        let now = monotonic_now();
        seen.resize_with(receiver.got().len(), || now);
    }
    (receiver, seen)
}

#[track_caller]
fn assert_gaps(what: &str, arrivals: &[Instant], wanted: &[Duration]) {
    let gaps: Vec<Duration> = arrivals.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(gaps.len(), wanted.len(), "{what}: {gaps:?}");
    for (gap, wanted) in gaps.iter().zip(wanted) {
        let is_right = (*wanted..*wanted + SLACK).contains(&(*gap + ms(20)));
        assert!(is_right, "{what}: {gaps:?}, not {wanted:?}");
    }
}

/// One page to sinks of every temper, asked by one pager. It takes as long as the schedule does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_sink_is_asked_by_the_schedule_and_none_delays_another() {
    const ASK_TO_WAIT: Answer = Answer::With(429, &[("retry-after", "4")]);
    let answers = [
        ("ok", OK, 1),
        ("accepted", Answer::With(202, &[]), 1),
        ("elsewhere", Answer::With(302, &[("location", "http://127.0.0.1:1/")]), 1),
        ("refused", Answer::With(400, &[]), 1),
        ("busy", ASK_TO_WAIT, 7),
        ("failing", Answer::With(500, &[]), 7),
        ("reset", Answer::Reset, 7),
        ("silent", Answer::Never, 7),
    ];
    let (_, store) = memory();
    let mut receivers = Vec::new();
    for (name, answer, wanted) in answers {
        receivers.push((name, Receiver::start(answer).await, wanted));
    }
    let sinks: Vec<_> = receivers.iter().map(|(name, at, _)| (*name, at)).collect();
    let reached: Vec<(&str, &[&str])> =
        sinks.iter().map(|(name, _)| (*name, &["desk"][..])).collect();
    let replica = Replica::start(&store, rules(), contacts(&reached), ways(&sinks, TIMEOUT));
    let case = replica.submit("1").await;
    let mut looking = JoinSet::new();
    for (name, receiver, wanted) in receivers {
        looking.spawn(async move { (name, arrivals(receiver, wanted).await) });
    }
    let paging = tokio::spawn({
        let mut pager = replica.pager();
        async move { pager.pass().await.unwrap() }
    });
    // Whoever answers at once has it at once, and that is recorded, though others hang.
    eventually("those that answer have the page", SECOND * 20, async || {
        let case = replica.get(case.id).await;
        let record = record(&case, Duration::ZERO);
        said(record, "ok") == Some(SinkAnswer::Taken)
            && said(record, "accepted") == Some(SinkAnswer::Taken)
            && said(record, "elsewhere") == Some(SinkAnswer::Failed)
            && said(record, "refused") == Some(SinkAnswer::Failed)
    })
    .await;
    assert!(!paging.is_finished(), "the others are still being asked");
    assert_eq!(paging.await.unwrap(), 1);
    let plus = |more: Duration| WAITS.map(|wait| SECOND * u32::try_from(wait).unwrap() + more);
    while let Some(looked) = looking.join_next().await {
        let (name, (receiver, arrivals)) = looked.unwrap();
        match name {
            "failing" | "reset" => assert_gaps(name, &arrivals, &plus(Duration::ZERO)),
            "silent" => assert_gaps(name, &arrivals, &plus(TIMEOUT)),
            "busy" => {
                assert_gaps(name, &arrivals, &[4, 4, 5, 10, 15, 30].map(|wait| SECOND * wait));
            }
            _ => assert_eq!(arrivals.len(), 1, "{name}"),
        }
        // Always under the one key of its rung.
        let keys = super::keys(&receiver);
        assert_eq!(keys.len(), arrivals.len(), "{name}");
        assert!(keys.iter().all(|told| *told == key(case.id, Duration::ZERO)), "{name}: {keys:?}");
    }
    let case = replica.get(case.id).await;
    let record = record(&case, Duration::ZERO);
    for name in ["busy", "failing", "reset"] {
        assert_eq!(said(record, name), Some(SinkAnswer::Failed), "{name}");
    }
    assert_eq!(said(record, "silent"), Some(SinkAnswer::Unsure), "it may have it");
    assert_eq!(record.widened, 0, "two sinks have it");
}

/// A sink may not ask for more patience than there is until another page goes out anyway.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_asked_to_wait_beyond_the_next_rung() {
    let receiver = Receiver::start(Answer::With(429, &[("retry-after", "3600")])).await;
    let (_, store) = memory();
    // Its next rung comes 3 seconds after the first.
    let rules = policy(SECOND * 12, SECOND * 60, SECOND * 60);
    let sinks = ways(&[("busy", &receiver)], TIMEOUT);
    let replica = Replica::start(&store, rules, contacts(&[("busy", &["desk"])]), sinks);
    replica.submit("1").await;
    let mut pager = replica.pager();
    let paging = tokio::spawn(async move { pager.pass().await });
    let (receiver, seen) = arrivals(receiver, 3).await;
    assert_gaps("busy", &seen, &[SECOND * 3, SECOND * 3]);
    receiver.answer(OK);
    assert_eq!(paging.await.unwrap().unwrap(), 1);
    assert_eq!(receiver.got().len(), 4);
}

/// The sink had it, and its answer came too late: it is told again, under the same key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_answered_too_late_is_told_again_under_the_same_key() {
    let late = std::sync::Arc::new(tokio::sync::Notify::new());
    let receiver = Receiver::start(Answer::Late(late)).await;
    let (_, store) = memory();
    let sinks = ways(&[("late", &receiver)], TIMEOUT);
    let replica = Replica::start(&store, rules(), contacts(&[("late", &["desk"])]), sinks);
    let case = replica.submit("1").await;
    let mut pager = replica.pager();
    let paging = tokio::spawn(async move { pager.pass().await });
    eventually("it was asked", SECOND * 5, async || receiver.got().len() == 1).await;
    receiver.answer(OK);
    paging.await.unwrap().unwrap();
    assert_eq!(super::keys(&receiver), [(); 2].map(|()| key(case.id, Duration::ZERO)));
    let case = replica.get(case.id).await;
    assert_eq!(said(record(&case, Duration::ZERO), "late"), Some(SinkAnswer::Taken));
}
