//! One supervised connection. redis-rs gives up neither a silent socket nor a primary that became a
//! replica, so this does: it asks for the role every second and rebuilds what does not answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, Pipeline, RedisError, ServerErrorKind};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::StoreError;
use super::endpoints::{Endpoints, PRIMARY, describe, role};

const PROBE_EVERY: Duration = Duration::from_secs(1);
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// One slow answer happens when a disk is busy; two in a row are a dead connection.
const PROBES_MISSED_MAX: u32 = 2;
const RECONNECT_EVERY: Duration = Duration::from_millis(200);

/// A connection to the primary that is rebuilt whenever it is lost, and never waited for.
pub(super) struct Link {
    name: &'static str,
    endpoints: Endpoints,
    /// Sent on each new connection before it is used.
    greeting: Pipeline,
    /// How long a probe may have to wait behind what was sent before it.
    wait: Duration,
    live: ArcSwapOption<Live>,
    problem: ArcSwap<String>,
    generation: AtomicU64,
    trouble: Notify,
}

/// A connection that was good when last looked at.
pub(super) struct Live {
    pub(super) generation: u64,
    pub(super) connection: MultiplexedConnection,
}

impl Link {
    pub(super) fn new(
        name: &'static str,
        endpoints: Endpoints,
        greeting: Pipeline,
        wait: Duration,
    ) -> Self {
        Self {
            name,
            endpoints,
            greeting,
            wait,
            live: ArcSwapOption::empty(),
            problem: ArcSwap::from_pointee("not connected yet".to_owned()),
            generation: AtomicU64::new(0),
            trouble: Notify::new(),
        }
    }

    /// The connection, if one is up. Nobody waits: the caller's client repeats, or the next tick.
    pub(super) fn live(&self, operation: &'static str) -> Result<Arc<Live>, StoreError> {
        self.live.load_full().ok_or_else(|| StoreError::Unreachable {
            operation,
            reason: self.problem.load().as_ref().clone(),
        })
    }

    /// Which connection is up; each new one has another number.
    pub(super) fn generation(&self) -> Option<u64> {
        self.live.load().as_ref().map(|live| live.generation)
    }

    /// Why there is no connection, if there is none.
    pub(super) fn problem(&self) -> Option<String> {
        if self.live.load().is_some() { None } else { Some(self.problem.load().as_ref().clone()) }
    }

    /// Turns a failed command into the store's error, and has the connection looked at if the
    /// failure may be the connection's.
    pub(super) fn failed(
        &self,
        operation: &'static str,
        live: &Live,
        error: &RedisError,
    ) -> StoreError {
        if is_full(error) {
            return StoreError::Full { operation };
        }
        let is_current = self.live.load().as_ref().map(|live| live.generation);
        if is_current == Some(live.generation) && is_trouble(error) {
            self.trouble.notify_one();
        }
        StoreError::Failed { operation, problem: describe(error) }
    }

    /// Keeps the connection up, for ever.
    pub(super) async fn supervise(&self) {
        let mut is_reported = false;
        loop {
            match self.connect().await {
                Ok(connection) => {
                    let generation = self.generation.fetch_add(1, Ordering::Relaxed) + 1;
                    self.live
                        .store(Some(Arc::new(Live { generation, connection: connection.clone() })));
                    tracing::info!(redis.link = self.name, "connected to the Redis primary");
                    let problem = watch(connection, &self.trouble, PROBE_TIMEOUT + self.wait).await;
                    tracing::warn!(redis.link = self.name, problem, "lost Redis; reconnecting");
                    self.problem.store(Arc::new(problem));
                    self.live.store(None);
                    is_reported = true;
                }
                Err(problem) => {
                    if !is_reported {
                        tracing::warn!(
                            redis.link = self.name,
                            problem,
                            "cannot reach Redis; retrying"
                        );
                        is_reported = true;
                    }
                    self.problem.store(Arc::new(problem));
                    sleep(RECONNECT_EVERY).await;
                }
            }
        }
    }

    async fn connect(&self) -> Result<MultiplexedConnection, String> {
        let mut connection = self.endpoints.connect_to_primary().await?;
        if !self.greeting.is_empty() {
            let greeted: Result<(), _> = self.greeting.query_async(&mut connection).await;
            greeted.map_err(|error| format!("it refuses our scripts: {}", describe(&error)))?;
        }
        Ok(connection)
    }
}

/// Returns, with the reason, once the connection is no longer one to a primary that answers.
async fn watch(
    mut connection: MultiplexedConnection,
    trouble: &Notify,
    probe_timeout: Duration,
) -> String {
    let mut missed = 0;
    loop {
        tokio::select! {
            () = sleep(PROBE_EVERY) => {}
            () = trouble.notified() => {}
        }
        match timeout(probe_timeout, role(&mut connection)).await {
            Ok(Ok(role)) if role == PRIMARY => missed = 0,
            Ok(Ok(role)) => return format!("the server is a {role} now, not a primary"),
            Ok(Err(error)) if error.is_timeout() => missed += 1,
            Ok(Err(error)) => return describe(&error),
            Err(_) => missed += 1,
        }
        if missed >= PROBES_MISSED_MAX {
            return "it does not answer".to_owned();
        }
    }
}

fn is_full(error: &RedisError) -> bool {
    // In a pipeline the code may be wrapped; the words are the same.
    error.code() == Some("OOM") || error.to_string().contains("OOM command not allowed")
}

/// Whether the failure may be one of the connection or of the server's role.
fn is_trouble(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Server(kind) => matches!(
            kind,
            ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown | ServerErrorKind::BusyLoading
        ),
        _ => error.is_timeout() || error.is_io_error() || error.is_connection_dropped(),
    }
}
