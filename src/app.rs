//! The whole program: what it is made of, and the order in which it stops.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::config::DeskConfiguration;
use crate::config::Settings;
use crate::core::DeskName;
use crate::desk::{Desk, DeskSettings, Duplicates, Sorter, Upkeep};
use crate::fingerprint::FingerprintKey;
use crate::grpc::{Desks, GrpcServer, HealthReporter, ServerError, set_serving, set_stopped};
use crate::http::{self, Insight};
use crate::pager::{LogSink, Pager};
use crate::redis_server::{ManagedRedis, RedisServerError};
use crate::store::{RedisOptions, RedisStore, Store as _, StoreError};
use crate::telemetry::metrics::{self as recorded, DeskMoment, Moment};
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
    desks: Vec<(DeskConfiguration, Arc<RedisStore>)>,
    fingerprints: FingerprintKey,
    redis: Option<ManagedRedis>,
    parts: JoinSet<&'static str>,
}

impl App {
    /// Binds the ports, starts or finds Redis, and checks what it keeps.
    ///
    /// # Errors
    /// A port is taken, Redis cannot be started, or it does not keep what would be promised.
    pub async fn build(
        settings: Settings,
        configured: Vec<DeskConfiguration>,
        fingerprints: FingerprintKey,
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
        let urls =
            redis.as_ref().map_or_else(|| settings.redis_url.clone(), |redis| vec![redis.url()]);
        let mut parts = JoinSet::new();
        let mut desks = Vec::with_capacity(configured.len());
        for desk in configured {
            recorded::desk_known(&desk.name);
            let (store, background) = RedisStore::new(&RedisOptions {
                urls: urls.clone(),
                desk: desk.name.clone(),
                replicas_needed: settings.replicas_needed,
                replicas_timeout: settings.replicas_timeout,
                accepted_losses: settings.accept_loss.clone(),
            })?;
            for (name, work) in background {
                spawn(&mut parts, name, work);
            }
            desks.push((desk, Arc::new(store)));
        }
        let app = Self {
            settings,
            grpc_listener,
            http_listener,
            metrics,
            desks,
            fingerprints,
            redis,
            parts,
        };
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
            // All desks share one Redis.
            let first = self.desks.first().map(|(_, store)| store);
            if let Some(durability) = first.and_then(|store| store.durability()) {
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
            desks: configured,
            fingerprints,
            redis,
            mut parts,
        } = self;
        let grpc_stop = CancellationToken::new();
        let mut known = Known { desks: Vec::new(), stop: grpc_stop.clone() };
        let mut desks = Vec::with_capacity(configured.len());
        for (configuration, store) in configured {
            let DeskConfiguration { name, policy, live, registry, .. } = configuration;
            let fingerprints = fingerprints.clone();
            let told = DeskSettings { name, policy, live, registry, fingerprints };
            let (desk, known_desk) = start_desk(&mut parts, told, store, settings.events_kept_for);
            known.desks.push(known_desk);
            desks.push(desk);
        }
        let known = Arc::new(known);
        let server = GrpcServer::new(Desks::new(desks.clone()));
        let health = server.health();
        // Served last: whoever looks finds every series.
        let http_stop = CancellationToken::new();
        let http_ended =
            http::serve(http_listener, metrics.clone(), known.clone(), http_stop.clone());
        spawn(&mut parts, "reader of changed files", reload_on_signal(settings, desks));
        spawn(&mut parts, "metrics upkeep", keep_metrics(metrics));
        spawn(&mut parts, "HTTP server", async move { _ = http_ended.await });

        let reporter = tokio::spawn(report_health(health.clone(), known));
        let grpc = tokio::spawn(server.serve(grpc_listener, grpc_stop.clone()));
        let redis_stop = CancellationToken::new();
        let redis = redis.map(|redis| tokio::spawn(redis.supervise(redis_stop.clone())));
        Running { parts, health, reporter, grpc, grpc_stop, redis, redis_stop, http_stop }
    }
}

/// Starts everything that one desk needs.
fn start_desk(
    parts: &mut JoinSet<&'static str>,
    told: DeskSettings,
    store: Arc<RedisStore>,
    events_kept_for: Duration,
) -> (Arc<Desk<RedisStore>>, KnownDesk) {
    let (desk, line, tail) = Desk::new(told, Arc::clone(&store));
    let timer = Timer::new(Arc::clone(&desk));
    let upkeep = Upkeep::new(Arc::clone(&desk), events_kept_for);
    let known = KnownDesk {
        name: desk.name().clone(),
        store: Arc::clone(&store),
        beats: timer.beats(),
        figures_read_at: upkeep.figures_read_at(),
    };
    spawn(parts, "claim line", line.run());
    spawn(parts, "reader of changes", tail.run());
    spawn(parts, "timer", timer.run());
    spawn(parts, "pager", Pager::new(store, LogSink).run());
    spawn(parts, "finder of duplicates", Duplicates::new(Arc::clone(&desk)).run());
    spawn(parts, "sorter of lanes", Sorter::new(Arc::clone(&desk)).run());
    spawn(parts, "upkeep", upkeep.run());
    (desk, known)
}

/// Reads the files again at every SIGHUP. What is wrong is told, and changes nothing.
async fn reload_on_signal(settings: Settings, desks: Vec<Arc<Desk<RedisStore>>>) {
    let Ok(mut hangups) = signal(SignalKind::hangup()) else {
        tracing::error!("SIGHUP cannot be listened for; files are read at the start only");
        return std::future::pending().await;
    };
    while hangups.recv().await.is_some() {
        match settings.read_desks() {
            Ok(configured) => reload(&desks, configured).await,
            Err(error) => tracing::error!("nothing was reloaded: {error}"),
        }
    }
}

async fn reload(desks: &[Arc<Desk<RedisStore>>], configured: Vec<DeskConfiguration>) {
    for desk in desks {
        let found = configured.iter().find(|found| found.name == *desk.name());
        let Some(found) = found.cloned() else {
            tracing::error!(desk = %desk.name(), "this desk is no longer configured; it goes on as it is");
            continue;
        };
        let policy = found.policy.id();
        match desk.replace(found.policy, found.live, found.registry).await {
            Ok(()) => tracing::info!(desk = %desk.name(), %policy, "reloaded"),
            Err(error) => {
                tracing::error!(desk = %desk.name(), %error, "this desk was not reloaded");
            }
        }
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
    desks: Vec<KnownDesk>,
    stop: CancellationToken,
}

/// What it knows of one desk.
struct KnownDesk {
    name: DeskName,
    store: Arc<RedisStore>,
    beats: Arc<Beats>,
    figures_read_at: Arc<Mutex<Instant>>,
}

impl Insight for Known {
    fn moment(&self) -> Moment {
        let moment = |known: &KnownDesk| {
            let read_at = *known.figures_read_at.lock().unwrap_or_else(PoisonError::into_inner);
            DeskMoment {
                desk: known.name.clone(),
                tick_age: known.beats.since_success(),
                figures_age: read_at.elapsed(),
                audit_age: Duration::ZERO,
                synthetic_age: Duration::ZERO,
            }
        };
        let first = self.desks.first();
        Moment {
            desks: self.desks.iter().map(moment).collect(),
            redis_now: first.and_then(|known| known.store.now_estimate()),
            wall_now: clock::wall_now(),
            is_redis_up: self.desks.iter().all(|known| known.store.is_up()),
        }
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.stop.is_cancelled() {
            problems.push("process: it is stopping".to_owned());
        }
        for known in &self.desks {
            for problem in known.store.health().problems {
                // All desks share one Redis, which need not be told of once for each.
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
            }
            let tick_age = known.beats.since_success();
            if tick_age > TICK_OVERDUE_AFTER {
                problems.push(format!(
                    "timer: that of the desk {} last saw all that was due {} s ago; look for its \
                     errors in the log",
                    known.name,
                    tick_age.as_secs()
                ));
            }
        }
        problems
    }

    fn dead(&self) -> Option<String> {
        self.desks.iter().find_map(|known| {
            let silent_for = known.beats.since_attempt();
            (silent_for > STUCK_AFTER).then(|| {
                let name = &known.name;
                format!("the timer of the desk {name} has not moved for {} s", silent_for.as_secs())
            })
        })
    }
}
