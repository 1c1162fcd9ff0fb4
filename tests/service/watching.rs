//! Those who watch the watcher: what is out of place is put right and told, and silence is noticed.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::task::JoinSet;
use urgence::grpc::wire;

use crate::pages::{policy, webhook};
use crate::record::{changes, rungs};
use crate::service::{Directory, Service, fast_policy, urgent};
use crate::support::prometheus::{Alertmanager, Prometheus};
use crate::support::receiver::{Answer, Receiver};
use crate::support::redis::TestRedis;
use crate::support::wait::{eventually, eventually_some};

const PATIENCE: Duration = Duration::from_secs(60);
const RULES: &str = include_str!("../../deploy/prometheus/urgence.rules.yml");
const PROMETHEUS: &str = include_str!("../../deploy/prometheus/prometheus.yml");
const ALERTMANAGER: &str = include_str!("../../deploy/prometheus/alertmanager.yml");

async fn submit(service: &Service, request_id: &str) -> String {
    let submitted = service.portal().await.submit(urgent(request_id)).await.unwrap();
    let name = submitted.into_inner().case.unwrap().name;
    name.strip_prefix("desks/main/cases/").unwrap().to_owned()
}

fn violations(kind: &str) -> String {
    format!("urgence_auditor_violations{{desk=\"main\",kind=\"{kind}\"}}")
}

/// The case without hyphens, as it stands in the indexes.
fn compact(id: &str) -> String {
    id.replace('-', "")
}

#[tokio::test]
async fn a_case_that_has_lost_its_wake_is_found_and_its_rung_fires() {
    let directory = Directory::new();
    let ladder = [("0s", "desk"), ("8s", "desk"), ("20m", "executive")];
    let policy = policy(&directory, &ladder, &[], "");
    let redis = TestRedis::start();
    let service = Service::on(&redis, &["--policy", &policy, "--audit-every", "200ms"]);
    let id = submit(&service, "r-1").await;
    // Whoever writes the case gives it its places, so it must be left alone from here on.
    eventually("its first page is recorded", PATIENCE, async || {
        changes(&redis).last().is_some_and(|change| {
            matches!(change.events[0], urgence::core::Event::PageAnswered { .. })
        })
    })
    .await;
    let lost = redis.command(&["ZREM", "{urgence:main}:wake", &compact(&id)]);
    assert_eq!(lost, "1");
    eventually("the auditor puts it right", PATIENCE, async || {
        service.metric("urgence_auditor_repairs_total{kind=\"index\"}").await >= 1.0
    })
    .await;
    eventually("its rung fires", PATIENCE, async || {
        let recorded = rungs(&changes(&redis));
        recorded.values().all(|rungs| rungs.len() >= 2)
    })
    .await;
    eventually("and all is well again", PATIENCE, async || {
        service.metric(&violations("index")).await == 0.0
    })
    .await;
}

#[tokio::test]
async fn a_heartbeat_is_sent_while_all_is_well_and_withheld_otherwise() {
    let heard = Receiver::start(Answer::With(200, &[])).await;
    let redis = TestRedis::start();
    let url = heard.url("/beat");
    let service = Service::on(
        &redis,
        &["--heartbeat-url", &url, "--heartbeat-every", "300ms", "--audit-every", "200ms"],
    );
    assert_eq!(service.metric("urgence_heartbeat_configured").await, 1.0);
    let beats = |result: &'static str| format!("urgence_heartbeats_total{{result=\"{result}\"}}");
    eventually("it beats", PATIENCE, async || heard.got().len() >= 3).await;
    assert!(heard.got().iter().all(|beat| beat.body.is_empty()), "it tells nothing but that it is");

    // An index names a case that there is not: nobody knows what else is lost.
    let id = submit(&service, "r-1").await;
    let nobody = "0".repeat(16);
    redis.command(&["ZADD", "{urgence:main}:unanswered", "1", &nobody]);
    eventually("it is found", PATIENCE, async || {
        service.metric(&violations("orphan")).await >= 1.0
    })
    .await;
    eventually("the beat is withheld", PATIENCE, async || {
        service.metric(&beats("withheld")).await >= 1.0
    })
    .await;
    let (before, withheld) = (heard.got().len(), service.metric(&beats("withheld")).await);
    eventually("again and again", PATIENCE, async || {
        service.metric(&beats("withheld")).await >= withheld + 3.0
    })
    .await;
    assert_eq!(heard.got().len(), before, "{id}: nobody hears that all is well");
    redis.command(&["ZREM", "{urgence:main}:unanswered", &nobody]);
    eventually("it beats again", PATIENCE, async || heard.got().len() > before).await;

    heard.answer(Answer::With(500, &[]));
    eventually("a beat that fails shows", PATIENCE, async || {
        service.metric(&beats("failed")).await >= 1.0
    })
    .await;
    // Without Redis there is nothing well to tell of.
    redis.stop();
    let withheld = service.metric(&beats("withheld")).await;
    eventually("without Redis it is withheld", PATIENCE, async || {
        service.metric(&beats("withheld")).await > withheld
    })
    .await;
    redis.cont();
}

#[tokio::test]
async fn a_synthetic_case_walks_the_whole_way_and_nobody_is_bothered() {
    let directory = Directory::new();
    let phone = Receiver::start(Answer::With(200, &[])).await;
    let sinks = [("phone", webhook(&phone))];
    let ladder = [("0s", "desk"), ("2s", "desk"), ("20m", "executive")];
    let policy = policy(&directory, &ladder, &sinks, "desk=[\"phone\"]");
    let redis = TestRedis::start();
    let settings = ["--policy", &policy, "--synthetic-every", "2s", "--audit-every", "200ms"];
    let service = Service::on(&redis, &settings);
    let passed = "urgence_synthetic_cases_total{result=\"passed\"}";
    eventually("it has come through", PATIENCE, async || service.metric(passed).await >= 2.0).await;
    assert_eq!(service.metric("urgence_synthetic_cases_total{result=\"failed\"}").await, 0.0);
    assert!(service.metric("urgence_synthetic_age_seconds{desk=\"main\"}").await < 60.0);
    let kinds: BTreeSet<&str> = redis_events(&redis);
    for step in
        ["accepted", "paged", "taken", "claimed", "responded", "ended", "closed", "resolved"]
    {
        assert!(kinds.contains(step), "{step} is not in {kinds:?}");
    }

    // Nobody's telephone, no statistics, no list, and no queue.
    assert_eq!(phone.got().len(), 0);
    let mut desk = service.desk().await;
    let list =
        wire::DeskServiceListRequest { filter: wire::CaseFilter::All.into(), ..Default::default() };
    assert!(desk.list(list).await.unwrap().into_inner().cases.is_empty());
    let claimed = desk.claim_next(crate::service::claim_next("c-1", 0)).await.unwrap();
    assert!(claimed.into_inner().case.is_none());
    for series in [
        "urgence_submits_total{result=\"accepted\"}",
        "urgence_claims_total",
        "urgence_pages_total{cause=\"due\"}",
        "urgence_outcomes_total{outcome=\"no_data_found\"}",
        "urgence_rungs_total{result=\"fired\",timing=\"on_time\"}",
        "urgence_page_stage_seconds_count{stage=\"claimed\"}",
        "urgence_unanswered_cases{desk=\"main\",band=\"1\"}",
    ] {
        assert_eq!(service.metric(series).await, 0.0, "{series}");
    }
    // A portal cannot pass its own request off as one.
    let mut message = urgent("r-1");
    message.request.as_mut().unwrap().requester.as_mut().unwrap().authority =
        "synthetic".to_owned();
    let refused = service.portal().await.submit(message).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::NotFound, "{refused:?}");
}

/// The words of what has happened, in any case.
fn redis_events(redis: &TestRedis) -> BTreeSet<&'static str> {
    use urgence::core::{Event, SinkAnswer};
    let events = changes(redis).into_iter().flat_map(|change| change.events);
    let word = |event: Event| match event {
        Event::Accepted { .. } => Some("accepted"),
        Event::Paged(_) => Some("paged"),
        Event::PageAnswered { answer: SinkAnswer::Taken, .. } => Some("taken"),
        Event::PageAnswered { answer: SinkAnswer::Resolved, .. } => Some("resolved"),
        Event::Claimed { .. } => Some("claimed"),
        Event::Responded { .. } => Some("responded"),
        Event::Ended { .. } => Some("ended"),
        Event::PagesClosed { .. } => Some("closed"),
        _ => None,
    };
    events.filter_map(word).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_breach_of_the_real_service_reaches_a_telephone_over_prometheus() {
    let phone = Receiver::start(Answer::With(200, &[])).await;
    let directory = Directory::new();
    let policy = fast_policy(&directory, "60s");
    let redis = TestRedis::start();
    let service = Service::on(&redis, &["--policy", &policy]);
    let ours = phone.url("").trim_start_matches("http://").to_owned();
    let alertmanager = Alertmanager::start(&ALERTMANAGER.replace("127.0.0.1:9095", &ours)).await;
    let config = PROMETHEUS
        .replace("scrape_interval: 5s", "scrape_interval: 500ms")
        .replace("scrape_timeout: 4s", "scrape_timeout: 500ms")
        .replace("evaluation_interval: 5s", "evaluation_interval: 500ms")
        .replace("127.0.0.1:9464", &service.http.to_string())
        .replace("127.0.0.1:9093", &alertmanager.address().to_string());
    let prometheus = Prometheus::start(&config, &[("urgence.rules.yml", RULES)]).await;
    let limit = "sum(urgence_breaches_total{threshold=\"limit\"})";
    eventually("it is scraped", PATIENCE, async || !prometheus.query(limit).await.is_empty()).await;
    submit(&service, "r-1").await;
    let told = eventually_some("the breach arrives", PATIENCE, async || {
        let requests = phone.got();
        let bodies = requests.iter().filter(|request| request.line.contains("/pages"));
        let alerts: Vec<serde_json::Value> = bodies
            .flat_map(|request| request.json()["alerts"].as_array().cloned().unwrap_or_default())
            .collect();
        alerts.into_iter().find(|alert| alert["labels"]["alertname"] == "UrgenceLimitBreached")
    })
    .await;
    assert_eq!((&told["status"], &told["labels"]["severity"]), (&"firing".into(), &"page".into()));
    let text = told.to_string();
    for said in ["fr-pnij", "Duty officer", "1029384756"] {
        assert!(!text.contains(said), "{said} is in {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_pages_make_no_new_series() {
    const CASES: usize = 1_000;
    const PAGES: f64 = 10_000.0;
    let directory = Directory::new();
    let policy = fast_policy(&directory, "60s");
    let redis = TestRedis::start();
    let service = Service::on(&redis, &["--policy", &policy, "--log", "info,page=off"]);
    let series = async || -> BTreeSet<String> {
        let (_, text) = service.http("/metrics").await;
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        lines.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
    };
    let before = series().await;
    let portal = service.portal().await;
    let mut calls = JoinSet::new();
    for index in 0..CASES {
        let mut portal = portal.clone();
        calls.spawn(async move { portal.submit(urgent(&format!("r-{index}"))).await.map(drop) });
        if calls.len() >= 64 {
            calls.join_next().await.unwrap().unwrap().unwrap();
        }
    }
    while let Some(submitted) = calls.join_next().await {
        submitted.unwrap().unwrap();
    }
    let resident = async || service.metric("process_resident_memory_bytes").await;
    eventually("the first pages are taken", PATIENCE, async || {
        service.metric("urgence_pages_delivered_total").await >= CASES as f64
    })
    .await;
    let resident_before = resident().await;
    eventually("ten thousand pages are taken", 2 * PATIENCE, async || {
        service.metric("urgence_pages_delivered_total").await >= PAGES
    })
    .await;
    let after = series().await;
    let fresh: Vec<&String> = after.difference(&before).collect();
    assert!(fresh.is_empty(), "series that came with the pages: {fresh:?}");
    let grown = resident().await - resident_before;
    assert!(grown < 256.0 * 1024.0 * 1024.0, "{grown} bytes more than after the first pages");
}
