//! `/metrics`, `/live` and `/ready`, on a port, a thread and a runtime of their own, so that they
//! are answered while gRPC is saturated.
//!
//! What is counted here is what the desk suspects, too, so no portal gets an answer.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::IncomingStream;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::telemetry::metrics::{self, Moment};
use crate::transport::{Connection, Door, Incoming, Peer, PeerOfConnection};

/// What the process knows of itself, asked anew at each call.
pub trait Insight: Send + Sync + 'static {
    /// What only the moment of a scrape can tell.
    fn moment(&self) -> Moment;
    /// What stands against serving, in words; empty when nothing does.
    fn problems(&self) -> Vec<String>;
    /// Why the process should be ended and started anew, if it should.
    fn dead(&self) -> Option<String>;
    /// Whether it is the portal of an authority.
    fn is_portal(&self, peer: &Peer) -> bool;
}

struct Shown {
    metrics: PrometheusHandle,
    insight: Arc<dyn Insight>,
}

/// The connections that come in, as the server takes them.
struct Listener {
    incoming: Incoming,
    address: SocketAddr,
}

impl axum::serve::Listener for Listener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        match self.incoming.next().await {
            Some(connection) => (connection, self.address),
            // The stop has come, and ends the server by itself.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// Who is at the other end of the connection of a request.
#[derive(Clone)]
struct From(PeerOfConnection);

impl Connected<IncomingStream<'_, Listener>> for From {
    fn connect_info(stream: IncomingStream<'_, Listener>) -> Self {
        Self(stream.io().peer())
    }
}

/// Serves behind `door` until `stop`. The receiver tells when the thread has ended, and why.
pub fn serve(
    listener: TcpListener,
    door: Door,
    metrics: PrometheusHandle,
    insight: Arc<dyn Insight>,
    stop: CancellationToken,
) -> oneshot::Receiver<std::io::Result<()>> {
    let (ended, receiver) = oneshot::channel();
    let shown = Arc::new(Shown { metrics, insight });
    let routes = Router::new()
        .route("/metrics", get(show_metrics))
        .route("/live", get(live))
        .route("/ready", get(ready))
        .layer(from_fn_with_state(Arc::clone(&shown), keep_portals_out))
        .with_state(shown)
        .into_make_service_with_connect_info::<From>();
    let run = move || -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async move {
            listener.set_nonblocking(true)?;
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let address = listener.local_addr()?;
            let listener = Listener { incoming: door.open(listener, stop.clone()), address };
            axum::serve(listener, routes).with_graceful_shutdown(stop.cancelled_owned()).await
        })
    };
    // The receiver is dropped only by a process that is ending.
    std::thread::spawn(move || _ = ended.send(run()));
    receiver
}

/// Looks at each request: the registry may have become another one since the connection was made.
async fn keep_portals_out(
    State(shown): State<Arc<Shown>>,
    ConnectInfo(From(peer)): ConnectInfo<From>,
    request: Request,
    next: Next,
) -> Response {
    if peer.is_some_and(|peer| shown.insight.is_portal(&peer)) {
        return (StatusCode::FORBIDDEN, "this port is not for portals\n").into_response();
    }
    next.run(request).await
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
