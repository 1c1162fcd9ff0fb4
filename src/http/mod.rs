//! `/metrics`, `/live` and `/ready`, on a port, a thread and a runtime of their own, so that they
//! are answered while gRPC is saturated.

use std::net::TcpListener;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::telemetry::metrics::{self, Moment};

/// What the process knows of itself, asked anew at each call.
pub trait Insight: Send + Sync + 'static {
    /// What only the moment of a scrape can tell.
    fn moment(&self) -> Moment;
    /// What stands against serving, in words; empty when nothing does.
    fn problems(&self) -> Vec<String>;
    /// Why the process should be ended and started anew, if it should.
    fn dead(&self) -> Option<String>;
}

struct Shown {
    metrics: PrometheusHandle,
    insight: Arc<dyn Insight>,
}

/// Serves until `stop`. The receiver tells when the thread has ended, and why.
pub fn serve(
    listener: TcpListener,
    metrics: PrometheusHandle,
    insight: Arc<dyn Insight>,
    stop: CancellationToken,
) -> oneshot::Receiver<std::io::Result<()>> {
    let (ended, receiver) = oneshot::channel();
    let routes = Router::new()
        .route("/metrics", get(show_metrics))
        .route("/live", get(live))
        .route("/ready", get(ready))
        .with_state(Arc::new(Shown { metrics, insight }));
    let run = move || -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async move {
            listener.set_nonblocking(true)?;
            let listener = tokio::net::TcpListener::from_std(listener)?;
            axum::serve(listener, routes).with_graceful_shutdown(stop.cancelled_owned()).await
        })
    };
    // The receiver is dropped only by a process that is ending.
    std::thread::spawn(move || _ = ended.send(run()));
    receiver
}

async fn show_metrics(State(shown): State<Arc<Shown>>) -> Response {
    metrics::scraped(&shown.insight.moment());
    let format = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (format, shown.metrics.render()).into_response()
}

async fn live(State(shown): State<Arc<Shown>>) -> Response {
    match shown.insight.dead() {
        None => (StatusCode::OK, "live\n").into_response(),
        Some(problem) => (StatusCode::SERVICE_UNAVAILABLE, format!("{problem}\n")).into_response(),
    }
}

async fn ready(State(shown): State<Arc<Shown>>) -> Response {
    let problems = shown.insight.problems();
    let is_ready = problems.is_empty();
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::json!({ "ready": is_ready, "problems": problems });
    (status, Json(body)).into_response()
}
