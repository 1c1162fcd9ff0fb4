//! From a number on a page to somebody's telephone: the real Prometheus with the real rules and the
//! real Alertmanager with its real configuration, between a page of metrics and a webhook of ours.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use serde_json::Value;

use crate::files::{ALERTMANAGER, PROMETHEUS, RULES};
use crate::support::prometheus::{Alertmanager, Prometheus};
use crate::support::wait::{eventually, eventually_some};

/// Prometheus looks for Alertmanagers and targets every five seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a webhook was sent: the last part of its path, and the body.
type Received = Arc<Mutex<Vec<(String, Value)>>>;

/// A page of metrics with that many breaches of the limit, and a webhook for everything else.
async fn stand_in(breaches: Arc<AtomicU32>, received: Received) -> SocketAddr {
    let metrics = async move || {
        let breaches = breaches.load(Ordering::Relaxed);
        format!(
            "urgence_build_info{{version=\"1\"}} 1\nprocess_start_time_seconds 1\n\
             urgence_breaches_total{{class=\"emergency\",threshold=\"limit\"}} {breaches}\n"
        )
    };
    let webhook = async move |Path(receiver): Path<String>, body: axum::Json<Value>| {
        received.lock().unwrap().push((receiver, body.0));
    };
    let router = Router::new().route("/metrics", get(metrics)).route("/{receiver}", post(webhook));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn replaced(text: &str, replacements: &[(&str, &str)]) -> String {
    replacements.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "the configuration does not name {from}");
        text.replace(from, to)
    })
}

/// The alert of this name that a receiver was sent, if any.
fn alert_of(received: &Received, receiver: &str, name: &str) -> Option<Value> {
    let received = received.lock().unwrap();
    let bodies = received.iter().filter(|(to, _)| to == receiver);
    let mut alerts = bodies.flat_map(|(_, body)| body["alerts"].as_array().unwrap());
    alerts.find(|alert| alert["labels"]["alertname"] == name).cloned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_breach_reaches_a_telephone_and_the_watchdog_its_master() {
    let (breaches, received) = (Arc::new(AtomicU32::new(3)), Received::default());
    let ours = stand_in(Arc::clone(&breaches), Arc::clone(&received)).await.to_string();
    let config = replaced(ALERTMANAGER, &[("127.0.0.1:9095", &ours)]);
    let alertmanager = Alertmanager::start(&config).await;
    let config = replaced(
        PROMETHEUS,
        &[
            ("scrape_interval: 5s", "scrape_interval: 200ms"),
            ("scrape_timeout: 4s", "scrape_timeout: 200ms"),
            ("evaluation_interval: 5s", "evaluation_interval: 200ms"),
            ("127.0.0.1:9464", &ours),
            ("127.0.0.1:9093", &alertmanager.address().to_string()),
        ],
    );
    let prometheus = Prometheus::start(&config, &[("urgence.rules.yml", RULES)]).await;
    eventually("the breaches of before are known", PATIENCE, async || {
        !prometheus.query("urgence:breaches:new10m{threshold=\"limit\"} == 0").await.is_empty()
    })
    .await;
    eventually("the watchdog barks", PATIENCE, async || {
        alert_of(&received, "dead-man", "Watchdog").is_some()
    })
    .await;
    assert_eq!(alert_of(&received, "pages", "UrgenceLimitBreached"), None, "nothing was broken");

    breaches.fetch_add(1, Ordering::Relaxed);
    let alert = eventually_some("a breach arrives", PATIENCE, async || {
        alert_of(&received, "pages", "UrgenceLimitBreached")
    })
    .await;
    assert_eq!(alert["status"], "firing");
    assert_eq!(alert["labels"]["severity"], "page");
    let summary = alert["annotations"]["summary"].as_str().unwrap();
    assert!(summary.contains("(class emergency)"), "{summary}");
    let listed = alertmanager.api("alerts").await;
    assert!(listed.to_string().contains("UrgenceLimitBreached"), "{listed}");
    assert_eq!(alert_of(&received, "dead-man", "UrgenceLimitBreached"), None, "routed apart");
}
