//! The whole program: what it is made of, and the order in which it stops.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::config::Settings;
use crate::core::Policy;
use crate::desk::{Desk, Upkeep};
use crate::grpc::{GrpcServer, HealthReporter, ServerError, set_serving, set_stopped};
use crate::http::{self, Insight};
use crate::pager::{LogSink, Pager};
use crate::redis_server::{ManagedRedis, RedisServerError};
use crate::store::{RedisOptions, RedisStore, Store as _, StoreError};
use crate::telemetry::metrics::Moment;
use crate::timer::{Beats, Timer};

/// How often the recorder's histograms are drained; without it, unscraped ones grow for ever.
const METRICS_UPKEEP_EVERY: Duration = Duration::from_secs(5);
const HEALTH_EVERY: Duration = Duration::from_millis(250);
/// How long, at the start, a Redis that does not answer is waited for before its settings are known.
const FIRST_CHECK_TIMEOUT: Duration = Duration::from_secs(3);
/// A timer that looks once a second and has seen nothing for so long is in trouble.
const TICK_OVERDUE_AFTER: Duration = Duration::from_secs(10);
/// A timer that has not even tried for so long is stuck for good.
const STUCK_AFTER: Duration = Duration::from_mins(1);

/// The program could not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A port is taken or not allowed.
    #[error("cannot listen on {setting}: {source}")]
    Listen {
        /// Which setting.
        setting: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// The private Redis did not start.
    #[error(transparent)]
    Redis(#[from] RedisServerError),
    /// The store could not be set up.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Redis does not keep what would be promised.
    #[error(
        "this Redis does not keep what would be promised:\n  {0}\nChange it, or accept the loss \
         with --accept-loss (see --help)"
    )]
    NotDurable(String),
    /// A part that must run for ever has ended.
    #[error(
        "the {0} has ended; without it promises would be broken silently, so the process stops"
    )]
    Ended(String),
}

/// A program that is bound and connected, and serves once it is run.
pub struct App {
    settings: Settings,
    grpc_listener: TcpListener,
    http_listener: std::net::TcpListener,
    metrics: PrometheusHandle,
    policy: Policy,
    redis: Option<ManagedRedis>,
    store: Arc<RedisStore>,
    parts: JoinSet<&'static str>,
}

impl App {
    /// Binds the ports, starts or finds Redis, and checks what it keeps.
    ///
    /// # Errors
    /// A port is taken, Redis cannot be started, or it does not keep what would be promised.
    pub async fn build(
        settings: Settings,
        policy: Policy,
        metrics: PrometheusHandle,
    ) -> Result<Self, AppError> {
        // Ports first: a taken one fails here, before anything is touched.
        let listen = |setting| move |source| AppError::Listen { setting, source };
        let grpc_listener =
            TcpListener::bind(settings.grpc_listen).await.map_err(listen("--grpc-listen"))?;
        let http_listener =
            std::net::TcpListener::bind(settings.http_listen).map_err(listen("--http-listen"))?;
        let redis = if settings.redis_url.is_empty() {
            Some(ManagedRedis::start(&settings.data_dir).await?)
        } else {
            None
        };
        let (store, background) = RedisStore::new(&RedisOptions {
            urls: redis
                .as_ref()
                .map_or_else(|| settings.redis_url.clone(), |redis| vec![redis.url()]),
            desk: settings.desk.clone(),
            replicas_needed: settings.replicas_needed,
            replicas_timeout: settings.replicas_timeout,
            accepted_losses: settings.accept_loss.clone(),
        })?;
        let store = Arc::new(store);
        let mut parts = JoinSet::new();
        for (name, work) in background {
            spawn(&mut parts, name, work);
        }
        let app =
            Self { settings, grpc_listener, http_listener, metrics, policy, redis, store, parts };
        app.check_durability().await?;
        Ok(app)
    }

    /// Where gRPC and HTTP listen in fact.
    ///
    /// # Errors
    /// The operating system does not say.
    pub fn addresses(&self) -> std::io::Result<(std::net::SocketAddr, std::net::SocketAddr)> {
        Ok((self.grpc_listener.local_addr()?, self.http_listener.local_addr()?))
    }

    /// A Redis that keeps less than promised is refused at the start. One that cannot be reached yet
    /// is not: the service says that it is not ready, and goes on trying.
    async fn check_durability(&self) -> Result<(), AppError> {
        let deadline = clock::monotonic_now() + FIRST_CHECK_TIMEOUT;
        while clock::monotonic_now() < deadline {
            if let Some(durability) = self.store.durability() {
                let problems = durability.problems();
                if problems.is_empty() {
                    return Ok(());
                }
                return Err(AppError::NotDurable(problems.join("\n  ")));
            }
            sleep(Duration::from_millis(20)).await;
        }
        tracing::warn!("Redis has not answered yet; serving, but not ready");
        Ok(())
    }

    /// Serves until `stop`, then stops in order.
    ///
    /// # Errors
    /// A part that must run for ever has ended.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), AppError> {
        let stop_timeout = self.settings.stop_timeout;
        let mut running = self.start();
        let outcome = tokio::select! {
            () = stop => Ok(()),
            ended = running.any_ended() => Err(AppError::Ended(ended)),
        };
        if let Err(error) = &outcome {
            tracing::error!(%error, "stopping");
        }
        running.stop(stop_timeout).await;
        outcome
    }

    fn start(self) -> Running {
        let Self {
            settings,
            grpc_listener,
            http_listener,
            metrics,
            policy,
            redis,
            store,
            mut parts,
        } = self;
        let grpc_stop = CancellationToken::new();
        let (desk, line, tail) = Desk::new(settings.desk, Arc::clone(&store), policy);
        let timer = Timer::new(Arc::clone(&desk));
        let upkeep = Upkeep::new(Arc::clone(&desk), settings.events_kept_for);
        let known = Arc::new(Known {
            store: Arc::clone(&store),
            beats: timer.beats(),
            figures_read_at: upkeep.figures_read_at(),
            stop: grpc_stop.clone(),
        });
        let pager = Pager::new(store, LogSink);
        let server = GrpcServer::new(desk);
        let health = server.health();
        // Served last: whoever looks finds every series.
        let http_stop = CancellationToken::new();
        let http_ended =
            http::serve(http_listener, metrics.clone(), known.clone(), http_stop.clone());
        spawn(&mut parts, "claim line", line.run());
        spawn(&mut parts, "reader of changes", tail.run());
        spawn(&mut parts, "timer", timer.run());
        spawn(&mut parts, "pager", pager.run());
        spawn(&mut parts, "upkeep", upkeep.run());
        spawn(&mut parts, "metrics upkeep", keep_metrics(metrics));
        spawn(&mut parts, "HTTP server", async move { _ = http_ended.await });

        let reporter = tokio::spawn(report_health(health.clone(), known));
        let grpc = tokio::spawn(server.serve(grpc_listener, grpc_stop.clone()));
        let redis_stop = CancellationToken::new();
        let redis = redis.map(|redis| tokio::spawn(redis.supervise(redis_stop.clone())));
        Running { parts, health, reporter, grpc, grpc_stop, redis, redis_stop, http_stop }
    }
}

/// Everything that runs.
struct Running {
    /// Parts that must run for ever; if one ends, the process stops.
    parts: JoinSet<&'static str>,
    health: HealthReporter,
    reporter: JoinHandle<()>,
    grpc: JoinHandle<Result<(), ServerError>>,
    grpc_stop: CancellationToken,
    redis: Option<JoinHandle<()>>,
    redis_stop: CancellationToken,
    http_stop: CancellationToken,
}

impl Running {
    /// Returns the name of the first part that ends, or why it did.
    async fn any_ended(&mut self) -> String {
        let redis = async {
            match &mut self.redis {
                Some(redis) => _ = redis.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(ended) = self.parts.join_next() => match ended {
                Ok(name) => name.to_owned(),
                Err(error) => format!("part that failed with \"{error}\""),
            },
            _ = &mut self.reporter => "health reporter".to_owned(),
            () = redis => "supervisor of the private Redis".to_owned(),
            served = &mut self.grpc => match served {
                Ok(Ok(())) => "gRPC server".to_owned(),
                Ok(Err(error)) => error.to_string(),
                Err(error) => format!("gRPC server, with \"{error}\","),
            },
        }
    }

    async fn stop(mut self, stop_timeout: Duration) {
        tracing::info!("stopping");
        // 1. Health says no, so that nobody new comes.
        self.reporter.abort();
        if !self.reporter.is_finished() {
            // Once it has ended, nobody says yes again.
            _ = (&mut self.reporter).await;
        }
        set_stopped(&self.health).await;
        // 2. No new calls; watches and waits are ended by us; what is being committed is finished.
        self.grpc_stop.cancel();
        if !self.grpc.is_finished()
            && tokio::time::timeout(stop_timeout, &mut self.grpc).await.is_err()
        {
            tracing::warn!("some calls did not end within the stop timeout and were dropped");
            self.grpc.abort();
        }
        // 3. The timer, the pager and the store, which those calls may still have needed.
        self.parts.shutdown().await;
        // 4. The private Redis, which all of them needed.
        self.redis_stop.cancel();
        if let Some(redis) = self.redis
            && !redis.is_finished()
        {
            _ = redis.await;
        }
        // 5. What is seen from outside, to be seen until the end.
        self.http_stop.cancel();
        tracing::info!("stopped");
    }
}

fn spawn(
    parts: &mut JoinSet<&'static str>,
    name: &'static str,
    work: impl Future<Output = ()> + Send + 'static,
) {
    parts.spawn(async move {
        work.await;
        name
    });
}

async fn keep_metrics(metrics: PrometheusHandle) {
    loop {
        metrics.run_upkeep();
        sleep(METRICS_UPKEEP_EVERY).await;
    }
}

async fn report_health(health: HealthReporter, known: Arc<Known>) {
    loop {
        set_serving(&health, known.problems().is_empty()).await;
        sleep(HEALTH_EVERY).await;
    }
}

/// What the process knows of itself.
struct Known {
    store: Arc<RedisStore>,
    beats: Arc<Beats>,
    figures_read_at: Arc<Mutex<Instant>>,
    stop: CancellationToken,
}

impl Insight for Known {
    fn moment(&self) -> Moment {
        let figures_read_at = *self.figures_read_at.lock().unwrap_or_else(PoisonError::into_inner);
        Moment {
            tick_age: self.beats.since_success(),
            figures_age: figures_read_at.elapsed(),
            redis_now: self.store.now_estimate(),
            wall_now: clock::wall_now(),
            is_redis_up: self.store.is_up(),
        }
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = self.store.health().problems;
        if self.stop.is_cancelled() {
            problems.push("process: it is stopping".to_owned());
        }
        let tick_age = self.beats.since_success();
        if tick_age > TICK_OVERDUE_AFTER {
            problems.push(format!(
                "timer: it last saw all that was due {} s ago; look for its errors in the log",
                tick_age.as_secs()
            ));
        }
        problems
    }

    fn dead(&self) -> Option<String> {
        let silent_for = self.beats.since_attempt();
        (silent_for > STUCK_AFTER)
            .then(|| format!("the timer has not moved for {} s", silent_for.as_secs()))
    }
}
