//! The parts of each desk, and what of them is replaced when files are read again.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{Sender, UnboundedSender, channel};
use tokio::task::JoinSet;

use super::known::KnownDesk;
use super::spawn;
use crate::audit::{self, LogSettings, Record};
use crate::auditor::{Auditor, Findings, Synthetic, Visitor};
use crate::config::{DeskConfiguration, Settings};
use crate::core::{Case, Page, Timestamp};
use crate::desk::{Desk, DeskSettings, Duplicates, Follower, Sorter, Upkeep};
use crate::fingerprint::FingerprintKey;
use crate::outbound::Outbound;
use crate::pager::{Courier, Pager, Seen, Ways};
use crate::seal::KeyRing;
use crate::sign::NoteSigner;
use crate::store::{History, RedisStore};
use crate::timer::{MemoryCourier, Taken, Timer};

/// What a desk is started with.
pub(super) struct Given<'s> {
    pub(super) configuration: DeskConfiguration,
    pub(super) store: Arc<RedisStore>,
    pub(super) outbound: Outbound,
    pub(super) settings: &'s Settings,
    /// Signs the audit log and the receipts.
    pub(super) signer: Arc<NoteSigner>,
}

/// A desk that runs.
#[derive(Clone)]
pub(super) struct RunningDesk {
    desk: Arc<Desk<RedisStore>>,
    courier: Arc<Courier<RedisStore>>,
    outbound: Outbound,
    pub(super) known: KnownDesk,
}

/// The courier as those see it who lie beside the pager and meet it only here.
struct Hands {
    courier: Arc<Courier<RedisStore>>,
    reminded: Sender<Seen>,
}

/// How many cases may wait to have sinks reminded of them; the others are seen again in the next pass.
const REMINDED_MAX: usize = 64;

impl MemoryCourier for Hands {
    fn send(&self, page: Page, is_synthetic: bool, taken: &UnboundedSender<Taken>) {
        self.courier.send_from_memory(&page, is_synthetic, taken);
    }
}

impl Visitor for Hands {
    fn visit(&self, case: &Case, now: Timestamp) {
        if self.courier.is_forgotten(case) {
            // Where there is no room it is seen again soon.
            _ = self.reminded.try_send(Seen { case: case.clone(), now });
        }
    }
}

impl RunningDesk {
    /// Starts everything that one desk needs.
    pub(super) fn start(
        parts: &mut JoinSet<&'static str>,
        given: Given<'_>,
        fingerprints: FingerprintKey,
    ) -> Self {
        let Given { configuration, store, outbound, settings, signer } = given;
        let DeskConfiguration { name, policy, live, sinks, links, registry } = configuration;
        let told = DeskSettings { name, policy, live, registry, fingerprints };
        let (desk, line, tail) = Desk::new(told, Arc::clone(&store));
        let ways = Ways::new(outbound.clone(), sinks, links);
        let courier = Arc::new(Courier::new(Arc::clone(&desk), ways));
        let timer = Timer::new(Arc::clone(&desk));
        let findings = Arc::new(Findings::new());
        let record = Arc::new(Record::new(LogSettings {
            directory: settings.audit_directory(desk.name()),
            desk: desk.name().clone(),
            signer,
            verifiers: settings.log_verifier.clone(),
            segment_len: audit::SEGMENT_LEN,
        }));
        let history = Arc::clone(&record);
        let history = move || if history.is_whole() { History::Whole } else { History::Doubtful };
        let upkeep = Upkeep::new(Arc::clone(&desk), settings.events_kept_for, history);
        let known = KnownDesk {
            name: desk.name().clone(),
            desk: Arc::clone(&desk),
            store: Arc::clone(&store),
            beats: timer.beats(),
            figures_read_at: upkeep.figures_read_at(),
            findings: Arc::clone(&findings),
            record: Arc::clone(&record),
        };
        let shadow = timer.shadow();
        let log = audit::Follower::new(Arc::clone(&store), record);
        let pager = Pager::new(Arc::clone(&desk), store, Arc::clone(&courier));
        let (reminded, mut to_remind) = channel(REMINDED_MAX);
        let hands = || Hands { courier: Arc::clone(&courier), reminded: reminded.clone() };
        let reminder = Arc::clone(&courier);
        let auditor = Auditor::new(Arc::clone(&desk), settings.audit_every, Arc::clone(&findings));
        spawn(parts, "claim line", line.run());
        spawn(parts, "reader of changes", tail.run());
        spawn(parts, "timer", timer.run());
        spawn(parts, "shadow of the timer", shadow.run(hands()));
        spawn(parts, "follower of deadlines", Follower::new(Arc::clone(&desk)).run());
        spawn(parts, "pager", pager.run());
        spawn(parts, "auditor", auditor.run(hands()));
        // One after the other, so that what is old never stands before what is new.
        spawn(parts, "reminder of sinks", async move {
            while let Some(seen) = to_remind.recv().await {
                reminder.remind(&seen).await;
            }
        });
        spawn(parts, "finder of duplicates", Duplicates::new(Arc::clone(&desk)).run());
        spawn(parts, "sorter of lanes", Sorter::new(Arc::clone(&desk)).run());
        spawn(parts, "audit log", log.run());
        spawn(parts, "upkeep", upkeep.run());
        if !settings.synthetic_every.is_zero() {
            let synthetic = Synthetic::new(Arc::clone(&desk), settings.synthetic_every, findings);
            spawn(parts, "synthetic cases", synthetic.run());
        }
        Self { desk, courier, outbound, known }
    }

    /// What calls are answered by.
    pub(super) fn desk(&self) -> Arc<Desk<RedisStore>> {
        Arc::clone(&self.desk)
    }

    /// Takes over what was read again; of policy, contacts and sinks all or nothing.
    async fn replace(&self, found: DeskConfiguration) {
        let desk = self.desk.name();
        let policy = found.policy.id();
        match self.desk.replace(found.policy, found.live, found.registry).await {
            Ok(()) => {
                self.courier.replace(Ways::new(self.outbound.clone(), found.sinks, found.links));
                tracing::info!(%desk, %policy, "reloaded");
            }
            Err(error) => tracing::error!(%desk, %error, "this desk was not reloaded"),
        }
    }
}

/// Reads the files again at every SIGHUP. What is wrong is told, and changes nothing.
pub(super) async fn reload_on_signal(
    settings: Settings,
    ring: Arc<KeyRing>,
    desks: Vec<RunningDesk>,
) {
    let Ok(mut hangups) = signal(SignalKind::hangup()) else {
        tracing::error!("SIGHUP cannot be listened for; files are read at the start only");
        return std::future::pending().await;
    };
    while hangups.recv().await.is_some() {
        reload_keys(&ring).await;
        match settings.read_desks() {
            Ok(configured) => reload(&desks, configured).await,
            Err(error) => tracing::error!("nothing was reloaded: {error}"),
        }
    }
}

/// A command may be asked for the key-encryption keys, which takes its time.
async fn reload_keys(ring: &Arc<KeyRing>) {
    let ring = Arc::clone(ring);
    match tokio::task::spawn_blocking(move || ring.reload()).await {
        Ok(Ok(())) => tracing::info!("the data keys were reloaded"),
        Ok(Err(error)) => tracing::error!(%error, "the data keys were not reloaded"),
        Err(error) => tracing::error!(%error, "the data keys were not reloaded"),
    }
}

async fn reload(desks: &[RunningDesk], configured: Vec<DeskConfiguration>) {
    let is_running =
        |found: &&DeskConfiguration| desks.iter().any(|running| running.known.name == found.name);
    for found in configured.iter().filter(|found| !is_running(found)) {
        let desk = &found.name;
        tracing::error!(%desk, "this desk is new in the configuration; it is served after a restart");
    }
    for running in desks {
        let desk = &running.known.name;
        let found = configured.iter().find(|found| found.name == *desk);
        match found.cloned() {
            Some(found) => running.replace(found).await,
            None => {
                tracing::error!(%desk, "this desk is no longer configured; it goes on as it is");
            }
        }
    }
}
