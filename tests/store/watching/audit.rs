//! What the auditor finds, puts right and counts, and who hears of it outside.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use urgence::auditor::{Auditor, Findings, Heartbeat, Visitor};
use urgence::core::{Case, CaseId, Deed, Timestamp};
use urgence::desk::Index;
use urgence::outbound::{Address, Outbound};
use urgence::store::{RedisStore, Store};
use urgence::telemetry::metrics::Violation;

use super::linked::Linked;
use super::{MINUTE, OK, REFUSED, Replica, SECOND, START, contacts, memory, rules, ways};
use crate::support::make::ms;
use crate::support::receiver::Receiver;
use crate::support::redis::TestRedis;
use crate::support::wait::eventually;
use crate::{open, options, start_redis};

/// Remembers whom it was shown.
#[derive(Clone, Default)]
struct Shown(Arc<Mutex<Vec<CaseId>>>);

impl Visitor for Shown {
    fn visit(&self, case: &Case, _: Timestamp) {
        self.0.lock().unwrap().push(case.id);
    }
}

/// An auditor, and what it has found.
struct Watched<S> {
    replica: Replica<S>,
    auditor: Auditor<S>,
    findings: Arc<Findings>,
    metrics: PrometheusHandle,
    _recording: metrics::LocalRecorderGuard<'static>,
}

impl<S: Store> Watched<S> {
    /// What is recorded on this thread from now on is seen by this alone.
    fn start(store: &Arc<S>) -> Self {
        let recorder = Box::leak(Box::new(PrometheusBuilder::new().build_recorder()));
        let metrics = recorder.handle();
        let recording = metrics::set_default_local_recorder(recorder);
        let reached = contacts(&[("log", &["desk", "shift-lead", "head-of-desk", "all"])]);
        let replica = Replica::start(store, rules(), reached, ways(&[], SECOND));
        let findings = Arc::new(Findings::new());
        let auditor = Auditor::new(Arc::clone(&replica.desk), MINUTE, Arc::clone(&findings));
        Self { replica, auditor, findings, metrics, _recording: recording }
    }

    /// What is found in one pass.
    async fn found(&self) -> BTreeMap<Violation, usize> {
        self.auditor.pass(&Shown::default()).await.unwrap()
    }

    /// The value of a series of counts; zero where there is none.
    fn metric(&self, series: &str) -> u64 {
        let text = self.metrics.render();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().unwrap())
    }

    #[track_caller]
    fn assert_shown(&self, violation: Violation, count: u64) {
        let word = violation.word();
        let series = format!("urgence_auditor_violations{{desk=\"main\",kind=\"{word}\"}}");
        assert_eq!(self.metric(&series), count, "{}", self.metrics.render());
        let said = format!("auditor: {count} x {word}");
        assert_eq!(self.findings.problems(MINUTE).contains(&said), count > 0, "{said}");
    }

    fn repaired(&self, word: &str) -> u64 {
        self.metric(&format!("urgence_auditor_repairs_total{{kind=\"{word}\"}}"))
    }
}

async fn on_redis() -> (TestRedis, Watched<RedisStore>) {
    let redis = start_redis();
    let store = open(&options(&[redis.url()])).await;
    let watched = Watched::start(&store);
    (redis, watched)
}

fn one(violation: Violation) -> BTreeMap<Violation, usize> {
    [(violation, 1)].into()
}

#[tokio::test]
async fn in_a_healthy_store_nothing_is_found_and_every_case_is_shown() {
    let (redis, watched) = on_redis().await;
    let mut ids = Vec::new();
    for number in 0..300 {
        ids.push(watched.replica.submit(&number.to_string()).await.id);
    }
    watched.replica.answer(ids[0]).await;
    watched.replica.act(ids[1], "c", Deed::Claim).await;
    watched.replica.desk.submit_synthetic(7).await.map(|case| ids.push(case.id)).unwrap();
    let before = redis.command(&["XLEN", "{urgence:main}:events"]);
    let shown = Shown::default();
    assert_eq!(watched.auditor.pass(&shown).await.unwrap(), BTreeMap::new());
    let mut shown = shown.0.lock().unwrap().clone();
    shown.sort();
    shown.dedup();
    ids.sort();
    assert_eq!(shown, ids);
    assert!(watched.findings.problems(MINUTE).is_empty());
    assert_eq!(redis.command(&["XLEN", "{urgence:main}:events"]), before, "it has written nothing");
    assert_eq!(watched.repaired("index"), 0);
}

#[tokio::test]
async fn an_index_that_is_out_of_step_is_put_right_and_counted() {
    let (redis, watched) = on_redis().await;
    let case = watched.replica.submit("1").await;
    redis.command(&["ZREM", "{urgence:main}:wake", case.id.compact()]);
    redis.command(&["ZADD", "{urgence:main}:ready", "1", case.id.compact()]);
    assert_eq!(watched.found().await, one(Violation::Index));
    watched.assert_shown(Violation::Index, 1);
    assert_eq!(watched.repaired("index"), 1);
    let wakes = watched.replica.store.list(&Index::Wake, None, 10).await.unwrap();
    assert_eq!(wakes.len(), 1);
    assert_eq!(watched.found().await, BTreeMap::new());
    watched.assert_shown(Violation::Index, 0);
    assert_eq!(watched.repaired("index"), 1);
}

#[tokio::test]
async fn a_case_that_cannot_be_read_is_told_apart_and_hides_no_other() {
    let (redis, watched) = on_redis().await;
    let bent = watched.replica.submit("1").await;
    let other = watched.replica.submit("2").await;
    let key = format!("{{urgence:main}}:case:{}", bent.id.compact());
    redis.command(&["HSET", &key, "state", "not a case"]);
    let shown = Shown::default();
    assert_eq!(watched.auditor.pass(&shown).await.unwrap(), one(Violation::Unreadable));
    assert_eq!(*shown.0.lock().unwrap(), [other.id]);
    watched.assert_shown(Violation::Unreadable, 1);
}

#[tokio::test]
async fn an_entry_without_a_case_is_found_in_every_index_of_work() {
    let (redis, watched) = on_redis().await;
    watched.replica.submit("1").await;
    let nobody = crate::support::make::intake("fr-pnij", "never", super::Nature::BombThreat);
    let nobody = nobody.case_id();
    for name in ["ready", "ready:incident", "unanswered", "claimed", "wake"] {
        let index = format!("{{urgence:main}}:{name}");
        redis.command(&["ZADD", &index, "1", nobody.compact()]);
        assert_eq!(watched.found().await, one(Violation::Orphan), "{name}");
        watched.assert_shown(Violation::Orphan, 1);
        redis.command(&["ZREM", &index, nobody.compact()]);
        assert_eq!(watched.found().await, BTreeMap::new());
    }
}

#[tokio::test]
async fn a_rung_that_a_dead_timer_has_left_is_fired_and_counted() {
    let (memory, store) = memory();
    let watched: Watched<Linked> = Watched::start(&store);
    let case = watched.replica.submit("1").await;
    // That it was handed on is not what this is about.
    watched.replica.page().await;
    memory.set_now(START + MINUTE + SECOND * 10);
    assert_eq!(watched.found().await, BTreeMap::new(), "a timer may be a little late");
    memory.set_now(START + MINUTE + SECOND * 10 + ms(1));
    assert_eq!(watched.found().await, one(Violation::Overdue));
    watched.assert_shown(Violation::Overdue, 1);
    assert_eq!(watched.repaired("overdue"), 1);
    super::record(&watched.replica.get(case.id).await, MINUTE);
    assert_eq!(watched.found().await, BTreeMap::new());
    watched.replica.page().await;
    // It cannot be woken: found as often as it is looked at, and not counted as put right.
    memory.set_now(START + MINUTE * 5);
    store.set(super::linked::Link::ReadOnly);
    assert_eq!(watched.found().await, one(Violation::Overdue));
    assert_eq!(watched.repaired("overdue"), 1);
    store.set(super::linked::Link::Cut);
    assert!(watched.auditor.pass(&Shown::default()).await.is_err());
}

#[tokio::test]
async fn a_page_that_nobody_has_is_found_while_it_is_wanted() {
    let (memory, store) = memory();
    let watched: Watched<Linked> = Watched::start(&store);
    let case = watched.replica.submit("1").await;
    let tick = async |at: Duration| {
        memory.set_now(START + at);
        watched.replica.tick().await;
    };
    tick(MINUTE * 3).await;
    assert_eq!(watched.found().await, BTreeMap::new());
    tick(MINUTE * 3 + ms(1)).await;
    assert_eq!(watched.found().await, one(Violation::Undelivered));
    watched.assert_shown(Violation::Undelivered, 1);
    watched.replica.act(case.id, "c", Deed::Claim).await;
    assert_eq!(watched.found().await, BTreeMap::new(), "it is not wanted");
    watched.replica.act(case.id, "r", Deed::Release(1)).await;
    watched.replica.page().await;
    tick(MINUTE * 3 + SECOND).await;
    assert_eq!(watched.found().await, BTreeMap::new(), "the log has it");
}

#[test]
fn findings_are_problems_until_all_is_well_and_when_they_are_old() {
    let findings = Findings::new();
    assert!(findings.problems(MINUTE).is_empty());
    let old = findings.problems(Duration::ZERO);
    assert!(old.len() == 1 && old[0].contains("it last saw every case"), "{old:?}");
    assert!(findings.audit_age() < MINUTE && findings.synthetic_age() < MINUTE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_outside_hears_while_all_is_well_and_nothing_otherwise() {
    let receiver = Receiver::start(OK).await;
    let address = Address::from(url::Url::parse(&receiver.url("/beat")).unwrap());
    let outbound = Outbound::with_timeout(SECOND).unwrap();
    let problems: Arc<Mutex<Vec<String>>> = Arc::default();
    let looked: Arc<Mutex<usize>> = Arc::default();
    let (told, looks) = (Arc::clone(&problems), Arc::clone(&looked));
    let heartbeat = Heartbeat::new(outbound, address, ms(20));
    let beating = tokio::spawn(heartbeat.run(move || {
        *looks.lock().unwrap() += 1;
        told.lock().unwrap().clone()
    }));
    let more = async |what: &str| {
        let before = receiver.got().len();
        eventually(what, SECOND * 10, async || receiver.got().len() >= before + 3).await;
    };
    more("heartbeats go out").await;
    assert!(receiver.got()[0].line.starts_with("POST /beat "));
    // One of many problems is enough.
    problems.lock().unwrap().push("auditor: 1 x overdue".to_owned());
    let before = *looked.lock().unwrap();
    eventually("it looks again", SECOND * 10, async || *looked.lock().unwrap() > before + 1).await;
    let (sent, before) = (receiver.got().len(), *looked.lock().unwrap());
    eventually("it looks again", SECOND * 10, async || *looked.lock().unwrap() > before + 5).await;
    assert_eq!(receiver.got().len(), sent, "withheld");
    // A refusal ends nothing either.
    receiver.answer(REFUSED);
    problems.lock().unwrap().clear();
    more("it is tried though it is refused").await;
    assert!(!beating.is_finished());
    beating.abort();
}

#[tokio::test]
async fn what_becomes_of_each_heartbeat_is_counted() {
    let receiver = Receiver::start(REFUSED).await;
    let (_, store) = memory();
    let watched: Watched<Linked> = Watched::start(&store);
    let address = Address::from(url::Url::parse(&receiver.url("/beat")).unwrap());
    let heartbeat = Heartbeat::new(Outbound::with_timeout(SECOND).unwrap(), address, ms(20));
    let findings = Arc::clone(&watched.findings);
    let audit_max: Arc<Mutex<Duration>> = Arc::new(Mutex::new(MINUTE));
    let longest = Arc::clone(&audit_max);
    // On this thread, where it is seen what it records.
    let beating = heartbeat.run(move || findings.problems(*longest.lock().unwrap()));
    let count =
        |word: &str| watched.metric(&format!("urgence_heartbeats_total{{result=\"{word}\"}}"));
    let looking = async {
        for (word, is_refused, longest) in
            [("failed", true, MINUTE), ("sent", false, MINUTE), ("withheld", false, Duration::ZERO)]
        {
            receiver.answer(if is_refused { REFUSED } else { OK });
            *audit_max.lock().unwrap() = longest;
            let before = count(word);
            eventually(word, SECOND * 10, async || count(word) >= before + 2).await;
        }
    };
    tokio::select! {
        () = beating => unreachable!("it beats for ever"),
        () = looking => {}
    }
}
