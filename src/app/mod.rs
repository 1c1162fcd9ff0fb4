//! The whole program: what it is made of, and the order in which it stops.

mod certificates;
mod descriptors;
mod key_check;
mod known;
mod parts;
mod unserved;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use key_check::KeyCheck;
use known::Known;
use parts::{Given, RunningDesk, reload_on_signal};

use crate::auditor::Heartbeat;
use crate::clock;
use crate::config::DeskConfiguration;
use crate::config::{Settings, SigningKeys};
use crate::core::DeskName;
use crate::fingerprint::FingerprintKey;
use crate::grpc::{Desks, GrpcServer, HealthReporter, ServerError, set_serving, set_stopped};
use crate::http::{self, Insight as _};
use crate::outbound::{Outbound, OutboundError};
use crate::redis_server::{ManagedRedis, RedisServerError};
use crate::seal::KeyRing;
use crate::store::{RedisOptions, RedisStore, StoreError};
use crate::telemetry::metrics as recorded;
use crate::telemetry::metrics::Port;
use crate::transport::{Door, Tls};

/// How often the recorder's histograms are drained; without it, unscraped ones grow for ever.
const METRICS_UPKEEP_EVERY: Duration = Duration::from_secs(5);
const HEALTH_EVERY: Duration = Duration::from_millis(250);
/// How long, at the start, a Redis that does not answer is waited for before its settings are known.
const FIRST_CHECK_TIMEOUT: Duration = Duration::from_secs(3);
/// How long one look at all cases may take, with the repairs that it finds.
const AUDIT_TAKES_MAX: Duration = Duration::from_mins(5);
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
    /// Nobody outside can be told anything.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    /// Redis does not keep what would be promised.
    #[error(
        "this Redis does not keep what would be promised:\n  {0}\nChange it, or accept the loss \
         with --accept-loss (see --help)"
    )]
    NotDurable(String),
    /// What it finds would never meet what the others have found.
    #[error(
        "the key of the fingerprints in {file} is not the one that the desk {desk} in this Redis is \
         used with; requests about the same target would never meet. Replace the file by that of the \
         other replicas, or by your copy of it; a key that is lost, or changed on purpose: see \
         \"Another fingerprint key\" in docs/operations.md"
    )]
    OtherKey {
        /// Where the key was read from.
        file: String,
        /// Whose fingerprints are made with another one.
        desk: DeskName,
    },
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
    tls: Option<Arc<Tls>>,
    metrics: PrometheusHandle,
    desks: Vec<(DeskConfiguration, Arc<RedisStore>)>,
    fingerprints: FingerprintKey,
    ring: Arc<KeyRing>,
    signing: SigningKeys,
    outbound: Outbound,
    redis: Option<ManagedRedis>,
    parts: JoinSet<&'static str>,
}

impl App {
    /// Binds the ports, starts or finds Redis, and checks what it keeps.
    ///
    /// # Errors
    /// A port is taken, Redis cannot be started, it does not keep what would be promised, or it is used
    /// with another key of the fingerprints.
    pub async fn build(
        settings: Settings,
        configured: Vec<DeskConfiguration>,
        fingerprints: FingerprintKey,
        tls: Option<Arc<Tls>>,
        ring: KeyRing,
        signing: SigningKeys,
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
        let outbound = Outbound::or_failing();
        let is_needed = configured.iter().any(|desk| !desk.sinks.is_empty());
        if is_needed || settings.heartbeat_url.is_some() {
            outbound.check()?;
        }
        let mut parts = JoinSet::new();
        let ring = Arc::new(ring);
        let mut desks = Vec::with_capacity(configured.len());
        let names: Vec<DeskName> = configured.iter().map(|desk| desk.name.clone()).collect();
        for desk in configured {
            recorded::desk_known(&desk.name);
            let (store, background) = RedisStore::new(&RedisOptions {
                urls: urls.clone(),
                desk: desk.name.clone(),
                siblings: names.iter().filter(|name| **name != desk.name).cloned().collect(),
                replicas_needed: settings.replicas_needed,
                replicas_timeout: settings.replicas_timeout,
                accepted_losses: settings.accept_loss.clone(),
                ring: Arc::clone(&ring),
            })?;
            for (name, work) in background {
                spawn(&mut parts, name, work);
            }
            desks.push((desk, Arc::new(store)));
        }
        let mut app = Self {
            settings,
            grpc_listener,
            http_listener,
            tls,
            metrics,
            desks,
            fingerprints,
            ring,
            signing,
            outbound,
            redis,
            parts,
        };
        let deadline = clock::monotonic_now() + FIRST_CHECK_TIMEOUT;
        app.check_durability(deadline).await?;
        app.check_fingerprint_key(deadline).await?;
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
    async fn check_durability(&self, deadline: Instant) -> Result<(), AppError> {
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

    /// Another key than that of the other replicas is refused at the start; where Redis cannot be reached
    /// yet, as soon as it can.
    async fn check_fingerprint_key(&mut self, deadline: Instant) -> Result<(), AppError> {
        let stores = self.desks.iter().map(|(desk, store)| (desk.name.clone(), Arc::clone(store)));
        let key_check = KeyCheck {
            check: self.fingerprints.check_value(),
            file: self.settings.fingerprint_file().display().to_string(),
            stores: stores.collect(),
        };
        if let Ok(checked) = timeout_at(deadline.into(), key_check.run()).await {
            return checked;
        }
        tracing::warn!("the key of the fingerprints is compared as soon as Redis answers");
        spawn(&mut self.parts, "check of the fingerprint key", key_check.run_late());
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
            tls,
            metrics,
            desks: configured,
            fingerprints,
            ring,
            signing,
            outbound,
            redis,
            mut parts,
        } = self;
        let grpc_stop = CancellationToken::new();
        let desks: Vec<RunningDesk> = configured
            .into_iter()
            .map(|(configuration, store)| {
                let outbound = outbound.clone();
                let signer = signing.signer(&configuration.name);
                let given = Given { configuration, store, outbound, settings: &settings, signer };
                RunningDesk::start(&mut parts, given, fingerprints.clone())
            })
            .collect();
        let known = Arc::new(Known::new(
            &desks,
            grpc_stop.clone(),
            audit_age_max(&settings),
            !settings.synthetic_every.is_zero(),
        ));
        spawn_heartbeat(&mut parts, &settings, &outbound, &known);
        // All desks share one Redis.
        if let Some(desk) = desks.first() {
            let looking = unserved::look(Arc::clone(&desk.known.store), settings.audit_every);
            spawn(&mut parts, "finder of unserved desks", looking);
        }
        let served = Desks::new(desks.iter().map(RunningDesk::desk).collect());
        let records = desks.iter().map(|desk| Arc::clone(&desk.known.record)).collect();
        let server = GrpcServer::new(served)
            .with_records(records)
            .with_calls_per_second_max(settings.calls_per_second_max);
        let health = server.health();
        // Served last: whoever looks finds every series.
        let http_stop = CancellationToken::new();
        let (grpc_door, http_door) = doors(&settings, tls.clone(), desks.len());
        let http_ended = http::serve(
            http_listener,
            http_door,
            metrics.clone(),
            known.clone(),
            http_stop.clone(),
        );
        spawn(&mut parts, "reader of changed certificates", certificates::follow(tls));
        spawn(&mut parts, "reader of changed files", reload_on_signal(settings, ring, desks));
        spawn(&mut parts, "metrics upkeep", keep_metrics(metrics));
        spawn(&mut parts, "HTTP server", async move { _ = http_ended.await });

        let reporter = tokio::spawn(report_health(health.clone(), known));
        let limits = grpc_door.limits.clone();
        let incoming = grpc_door.open(grpc_listener, grpc_stop.clone());
        let serving = grpc_stop.clone();
        let grpc = tokio::spawn(async move { server.serve(incoming, &limits, serving).await });
        let redis_stop = CancellationToken::new();
        let redis = redis.map(|redis| tokio::spawn(redis.supervise(redis_stop.clone())));
        Running { parts, health, reporter, grpc, grpc_stop, redis, redis_stop, http_stop }
    }
}

/// The ways in. Probes and scrapes on this machine need no certificate.
fn doors(settings: &Settings, tls: Option<Arc<Tls>>, desks: usize) -> (Door, Door) {
    if tls.is_none() {
        tracing::warn!(
            "no --tls-certificate: anybody on this machine can act as anybody; for trying things only"
        );
    }
    let limits = descriptors::leave_room(&settings.transport.limits(), desks);
    let http_tls = tls.clone().filter(|_| !settings.http_listen.ip().is_loopback());
    let grpc = Door { port: Port::Grpc, tls, limits: limits.clone() };
    (grpc, Door { port: Port::Http, tls: http_tls, limits })
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

/// After how long without a look at every case something is wrong with the auditor.
fn audit_age_max(settings: &Settings) -> Duration {
    settings.audit_every * 2 + AUDIT_TAKES_MAX
}

fn spawn_heartbeat(
    parts: &mut JoinSet<&'static str>,
    settings: &Settings,
    outbound: &Outbound,
    known: &Arc<Known>,
) {
    let Some(url) = settings.heartbeat_url.clone() else {
        tracing::warn!("no --heartbeat-url: if this service falls silent, nobody outside is told");
        return;
    };
    let heartbeat = Heartbeat::new(outbound.clone(), url, settings.heartbeat_every);
    let known = Arc::clone(known);
    spawn(parts, "heartbeat", heartbeat.run(move || known.all_problems()));
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
