//! What is seen from outside: metrics, probes, logs.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::task::JoinSet;
use urgence::grpc::wire;

use crate::service::{Directory, Service, claim_next, fast_policy, in_progress, urgent};
use crate::support::redis::TestRedis;
use crate::support::wait::eventually;

const PATIENCE: Duration = Duration::from_secs(20);

fn series(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
}

#[tokio::test]
async fn every_series_stands_at_zero_from_the_start() {
    let directory = Directory::new();
    let policy = fast_policy(&directory, "1s");
    let redis = TestRedis::start();
    let service = Service::on(&redis, &["--policy", &policy]);
    let before = series(&service.http("/metrics").await.1);
    let (mut portal, mut desk) = (service.portal().await, service.desk().await);
    portal.submit(urgent("r-1")).await.unwrap();
    let name = portal.submit(urgent("r-2")).await.unwrap().into_inner().case.unwrap().name;
    desk.claim_next(claim_next("c-1", 0)).await.unwrap();
    let breaches = "urgence_breaches_total{class=\"emergency\",threshold=\"limit\"}";
    eventually("the limit passes", PATIENCE, async || service.metric(breaches).await >= 2.0).await;
    let epoch = desk.claim(wire::ClaimRequest { request_id: "c-2".to_owned(), name: name.clone() });
    let epoch = epoch.await.unwrap().into_inner().case.unwrap().claim.unwrap().epoch;
    desk.respond(in_progress("a", &name, epoch)).await.unwrap();
    let after = series(&service.http("/metrics").await.1);
    let fresh: Vec<_> = after.difference(&before).collect();
    assert!(fresh.is_empty(), "series that came with their first event: {fresh:?}");
    // The breach was counted when the limit passed, with nobody's answer.
    assert_eq!(service.metric("urgence_first_response_seconds_count{band=\"0\"}").await, 1.0);
    let late = "urgence_first_responses_total{band=\"0\",punctuality=\"breached\"}";
    assert_eq!(service.metric(late).await, 1.0);
    for edge in ["1200", "1800"] {
        let bucket = format!("urgence_first_response_seconds_bucket{{band=\"0\",le=\"{edge}\"}}");
        assert_eq!(service.metric(&bucket).await, 1.0);
    }
}

#[tokio::test]
async fn gauges_show_the_queue() {
    let directory = Directory::new();
    let policy = fast_policy(&directory, "60s");
    let redis = TestRedis::start();
    let service = Service::on(&redis, &["--policy", &policy]);
    let (mut portal, mut desk) = (service.portal().await, service.desk().await);
    for index in 0..3 {
        portal.submit(urgent(&format!("r-{index}"))).await.unwrap();
    }
    desk.claim_next(claim_next("c-1", 0)).await.unwrap();
    // At the target all three have become most urgent; at the limit they are overdue.
    eventually("the queue shows", PATIENCE, async || {
        service.metric("urgence_queue_cases{desk=\"main\",band=\"0\"}").await == 2.0
            && service.metric("urgence_unanswered_cases{desk=\"main\",band=\"0\"}").await == 3.0
            && service.metric("urgence_overdue_cases{desk=\"main\",band=\"0\"}").await == 3.0
            && service.metric("urgence_oldest_unanswered_seconds{desk=\"main\",band=\"0\"}").await
                >= 4.0
    })
    .await;
    assert_eq!(service.metric("urgence_overdue_wakes{desk=\"main\"}").await, 0.0);
    assert!(service.metric("urgence_timer_tick_age_seconds{desk=\"main\"}").await < 2.0);
    assert!(service.metric("urgence_clock_offset_seconds").await.abs() < 1.0);
    assert_eq!(service.metric("urgence_redis_up").await, 1.0);
    assert!(service.metric("process_open_fds").await > 5.0);
    // Once nothing repeats any more, the outbox comes to rest.
    for (claim, index) in ["c-1", "c-2", "c-3"].iter().zip(0..) {
        let case = desk.claim_next(claim_next(claim, 0)).await.unwrap().into_inner().case.unwrap();
        let epoch = case.claim.unwrap().epoch;
        desk.respond(in_progress(&format!("a-{index}"), &case.name, epoch)).await.unwrap();
    }
    eventually("every page is handed on", PATIENCE, async || {
        service.metric("urgence_outbox_age_seconds{desk=\"main\"}").await == 0.0
            && service.metric("urgence_pages_delivered_total").await >= 9.0
    })
    .await;
}

#[tokio::test]
async fn a_page_is_one_structured_line_and_nothing_said_is_in_the_log() {
    let directory = Directory::new();
    let policy = fast_policy(&directory, "60s");
    let redis = TestRedis::start();
    let service = Service::on(&redis, &["--policy", &policy, "--log", "trace"]);
    let mut portal = service.portal().await;
    const CANARY: &str = "canary-5b1c9e";
    let mut message = urgent("r-1");
    let request = message.request.as_mut().unwrap();
    let requester = request.requester.as_mut().unwrap();
    requester.officer_name = CANARY.to_owned();
    requester.official_email = format!("{CANARY}@police.example");
    request.emergency.as_mut().unwrap().description = CANARY.to_owned();
    request.targets[0].value = CANARY.to_owned();
    request.legal_basis = CANARY.to_owned();
    let name = portal.submit(message.clone()).await.unwrap().into_inner().case.unwrap().name;
    message.request.as_mut().unwrap().requester.as_mut().unwrap().desk_phone = CANARY.to_owned();
    let refused = portal.submit(message).await.unwrap_err();
    assert!(!format!("{refused:?}").contains(CANARY), "an error does not repeat what was sent");
    let mut desk = service.desk().await;
    let id = name.rsplit('/').next().unwrap();
    let is_page = |line: &serde_json::Value, offset: u64| {
        line["message"] == "page" && line["page.key"] == format!("{id}/first-response/0/{offset}")
    };
    eventually("the pages are in the log", PATIENCE, async || {
        let log = service.log();
        [0, 1_000, 2_000].into_iter().all(|offset| {
            let lines = log.iter().filter_map(|line| serde_json::from_str(line).ok());
            lines.filter(|line| is_page(line, offset)).count() == 1
        })
    })
    .await;
    desk.claim_next(claim_next("c-1", 0)).await.unwrap();
    let mut response = in_progress("a-1", &name, 1);
    response.message = CANARY.to_owned();
    desk.respond(response).await.unwrap();
    let log = service.log().join("\n");
    assert!(!log.contains(CANARY), "the log repeats what was said");
    let (_, metrics) = service.http("/metrics").await;
    assert!(!metrics.contains(CANARY));
    // In Redis it is in the two sealed fields of the case, and nowhere else.
    for key in redis.command(&["KEYS", "*"]).lines() {
        assert!(!key.contains(CANARY));
    }
    let events = redis.command(&["XRANGE", "{urgence:main}:events", "-", "+"]);
    assert!(!events.contains(CANARY));
    let compact = id.replace('-', "");
    let state = redis.command(&["HGET", &format!("{{urgence:main}}:case:{compact}"), "state"]);
    assert!(!state.contains(CANARY));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_answer_while_grpc_is_saturated() {
    let redis = TestRedis::start();
    let service = Service::on(&redis, &[]);
    let mut load = JoinSet::new();
    for worker in 0..64 {
        let mut portal = service.portal().await;
        load.spawn(async move {
            for index in 0..200 {
                portal.submit(urgent(&format!("r-{worker}-{index}"))).await.unwrap();
            }
        });
    }
    let mut answered = 0;
    while !load.is_empty() {
        for path in ["/live", "/ready", "/metrics"] {
            let (status, _) = service.http(path).await;
            assert_eq!(status, 200, "{path}");
            answered += 1;
        }
        while let Some(finished) = load.try_join_next() {
            finished.unwrap();
        }
    }
    assert!(answered >= 9, "only {answered} probes during the load");
}

#[tokio::test]
async fn a_stored_case_that_cannot_be_read_stops_nobody_else() {
    let directory = Directory::new();
    let policy = fast_policy(&directory, "60s");
    let redis = TestRedis::start();
    let service = Service::on(&redis, &["--policy", &policy]);
    let (mut portal, mut desk) = (service.portal().await, service.desk().await);
    let bad = portal.submit(urgent("bad")).await.unwrap().into_inner().case.unwrap().name;
    // Whoever writes the case makes it readable again.
    let get = wire::DeskServiceGetRequest { name: bad.clone() };
    eventually("its page is recorded", PATIENCE, async || {
        let case = desk.get(get.clone()).await.unwrap().into_inner().case.unwrap();
        case.pages[0].taken_at.is_some()
    })
    .await;
    let compact = bad.rsplit('/').next().unwrap().replace('-', "");
    redis.command(&["HSET", &format!("{{urgence:main}}:case:{compact}"), "state", "garbage"]);
    let good = portal.submit(urgent("good")).await.unwrap().into_inner().case.unwrap().name;
    assert_eq!(desk.get(get).await.unwrap_err().code(), tonic::Code::Internal);
    let listed = desk.list(wire::DeskServiceListRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.cases.iter().map(|case| &case.name).collect::<Vec<_>>(), [&good]);
    let fired = "urgence_rungs_total{result=\"fired\",timing=\"on_time\"}";
    eventually("the other case climbs its ladder", PATIENCE, async || {
        service.metric(fired).await >= 5.0
            && service.metric("urgence_failed_wakes{desk=\"main\"}").await == 1.0
            && service.metric("urgence_overdue_wakes{desk=\"main\"}").await == 1.0
    })
    .await;
    let claimed = desk.claim_next(claim_next("c", 5)).await.unwrap().into_inner().case.unwrap();
    assert_eq!(claimed.name, good);
}
