//! The store on Redis.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use redis::Pipeline;
use tokio::sync::{mpsc, oneshot};

use super::committer::{Committer, QUEUE_MAX, Replication, Write};
use super::durability::{self, AcceptedLoss, Durability};
use super::endpoints::Endpoints;
use super::keys::Keys;
use super::link::Link;
use super::places;
use super::script::{Again, CommitScript};
use super::sealing::{self, Sealer};
use super::tending::Tending;
use super::{
    AuditEdge, Commit, Contents, Cursor, Due, Entry, Facts, Figures, History, IncidentCommit,
    Index, Inspected, Kept, Loaded, LoadedIncident, LoadedStanding, Outcome, Position, ScanCursor,
    SeenItem, StandingCommit, Store, StoreError, Tended, Versioned, audit_edge, codec, inspection,
    key_check, outbox, reads, values,
};
use crate::clock::{ServerClock, monotonic_now};
use crate::core::memory::ActKey;
use crate::core::{
    AuthorityId, AuthorityStanding, Case, CaseId, DeskName, Fingerprint, Incident, IncidentName,
    Notice, Policy, PolicyId, Timestamp,
};
use crate::seal::KeyRing;
use crate::telemetry::metrics;

/// How often the settings that durability rests on are looked at.
const DURABILITY_EVERY: Duration = Duration::from_secs(10);
const DURABILITY_RETRY: Duration = Duration::from_millis(100);

/// How to reach Redis and what it must keep.
#[derive(Clone, Debug)]
pub struct RedisOptions {
    /// The servers one of which is the primary, as redis or unix URLs.
    pub urls: Vec<String>,
    /// Whose keys to use.
    pub desk: DeskName,
    /// The other desks of the deployment, which lie on the same Redis: a request that one of them has made
    /// a case of makes none here.
    pub siblings: Vec<DeskName>,
    /// How many replicas must acknowledge a write before it counts.
    pub replicas_needed: u64,
    /// How long they have.
    pub replicas_timeout: Duration,
    /// The losses that the operator has accepted.
    pub accepted_losses: Vec<AcceptedLoss>,
    /// The keys that what is said is sealed with.
    pub ring: Arc<KeyRing>,
}

/// A store on Redis. Cheap to share; each kind of work has a connection of its own, so that none
/// waits behind another.
pub struct RedisStore {
    pub(super) keys: Keys,
    /// All desks of the deployment.
    served: Vec<DeskName>,
    pub(super) clock: Arc<ServerClock>,
    writes: mpsc::Sender<Write>,
    /// What requests read.
    pub(super) read: Arc<Link>,
    /// What the timer reads.
    tick: Arc<Link>,
    /// What follows the events stream.
    stream: Arc<Link>,
    commit: Arc<Link>,
    looked_at: Arc<ArcSwapOption<LookedAt>>,
    replication: Replication,
    pub(super) sealer: Sealer,
    pub(super) tending: Tending,
}

/// What was found of one server's settings. Another server, or the same after a restart, is another
/// generation of the connection, and is looked at anew before anything is promised on it.
struct LookedAt {
    generation: u64,
    durability: Arc<Durability>,
}

/// How the store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreHealth {
    /// What stands against serving, in words; empty when nothing does.
    pub problems: Vec<String>,
}

/// Work that must go on as long as the store is used. If one ends, the process must.
pub(super) type Background = (&'static str, Pin<Box<dyn Future<Output = ()> + Send>>);

impl RedisStore {
    /// A store and the work behind it. Connects only once that work runs.
    ///
    /// # Errors
    /// A URL is none that Redis can be reached by.
    pub fn new(options: &RedisOptions) -> Result<(Self, Vec<Background>), StoreError> {
        let endpoints = Endpoints::new(&options.urls).map_err(|error| StoreError::Failed {
            operation: "read the Redis URLs",
            problem: error.category().to_owned(),
        })?;
        let keys = Keys::new(&options.desk);
        let clock = Arc::new(ServerClock::new());
        let script = Arc::new(CommitScript::new(&options.siblings));
        let replication =
            Replication { needed: options.replicas_needed, timeout: options.replicas_timeout };
        let link =
            |name, greeting, wait| Arc::new(Link::new(name, endpoints.clone(), greeting, wait));
        let commit = link("commit", script.load(), replication.wait());
        let others = ["read", "tick", "stream"];
        let [read, tick, stream] = others.map(|name| link(name, Pipeline::new(), Duration::ZERO));
        let (writes, queue) = mpsc::channel(QUEUE_MAX);
        let committer = Committer {
            link: Arc::clone(&commit),
            keys: keys.clone(),
            script,
            clock: Arc::clone(&clock),
            replication,
            queue,
        };
        let looked_at = Arc::new(ArcSwapOption::empty());
        // Nothing is known to be kept until it was looked at.
        durability::SETTINGS.iter().for_each(|setting| metrics::redis_durable(setting, false));
        let mut background: Vec<Background> = vec![
            ("committer", Box::pin(committer.run())),
            (
                "durability check",
                Box::pin(check_durability(
                    Arc::clone(&commit),
                    Arc::clone(&looked_at),
                    options.accepted_losses.clone(),
                )),
            ),
        ];
        for link in [&commit, &read, &tick, &stream] {
            let link = Arc::clone(link);
            background.push(("Redis connection", Box::pin(async move { link.supervise().await })));
        }
        let served = options.siblings.iter().chain([&options.desk]).cloned().collect();
        let store = Self {
            keys,
            served,
            clock,
            writes,
            read,
            tick,
            stream,
            commit,
            looked_at,
            replication,
            sealer: Sealer::new(Arc::clone(&options.ring), options.desk.clone()),
            tending: Tending::default(),
        };
        Ok((store, background))
    }

    /// How the store is now.
    #[must_use]
    pub fn health(&self) -> StoreHealth {
        let links = [&self.commit, &self.read].map(|link| link.problem());
        let mut problems: Vec<String> =
            links.into_iter().flatten().map(|problem| format!("redis: {problem}")).collect();
        problems.dedup();
        match self.durability() {
            Some(durability) => problems.extend(
                durability.problems().iter().map(|problem| format!("durability: {problem}")),
            ),
            None => problems.push("durability: not looked at yet".to_owned()),
        }
        StoreHealth { problems }
    }

    /// Whether a connection to the primary is up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.commit.problem().is_none()
    }

    /// What was found of the settings of the Redis that writes go to, once it was looked at.
    #[must_use]
    pub fn durability(&self) -> Option<Arc<Durability>> {
        let looked_at = self.looked_at.load_full()?;
        let is_current = self.commit.generation() == Some(looked_at.generation);
        is_current.then(|| Arc::clone(&looked_at.durability))
    }

    /// A part of the desks on this Redis that are none of the deployment's and of which cases still wake, but
    /// for synthetic ones; and where to go on, as in [`Store::scan`].
    ///
    /// # Errors
    /// Redis cannot be read.
    pub async fn unserved_desks(
        &self,
        from: ScanCursor,
        count: usize,
    ) -> Result<(Vec<DeskName>, Option<ScanCursor>), StoreError> {
        inspection::unserved_desks(&self.read, &self.served, from, count).await
    }

    /// Writes a case again as it was read.
    pub(super) async fn write_again(&self, again: Again) -> Result<Outcome, StoreError> {
        self.write("repair", |reply| Write::Again { again: Box::new(again), reply }).await
    }

    async fn write<T>(
        &self,
        operation: &'static str,
        write: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Write,
    ) -> Result<T, StoreError> {
        let stopped = || StoreError::Unreachable {
            operation,
            reason: "the store has been stopped".to_owned(),
        };
        let (reply, answer) = oneshot::channel();
        self.writes.send(write(reply)).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

/// Looks at the settings again and again, and at once when the connection is another one.
async fn check_durability(
    link: Arc<Link>,
    found: Arc<ArcSwapOption<LookedAt>>,
    accepted: Vec<AcceptedLoss>,
) {
    let mut reported = Vec::new();
    let mut looked_at = monotonic_now();
    loop {
        let is_known = found.load().as_ref().is_some_and(|found| {
            link.generation() == Some(found.generation) && looked_at.elapsed() < DURABILITY_EVERY
        });
        if !is_known
            && let Ok(live) = link.live("check durability")
            && let Ok(durability) = durability::check(&mut live.connection.clone(), &accepted).await
        {
            looked_at = monotonic_now();
            report(&durability, &mut reported);
            let durability = Arc::new(durability);
            found.store(Some(Arc::new(LookedAt { generation: live.generation, durability })));
        }
        tokio::time::sleep(DURABILITY_RETRY).await;
    }
}

fn report(durability: &Durability, reported: &mut Vec<String>) {
    for finding in &durability.findings {
        metrics::redis_durable(finding.setting, finding.is_kept);
    }
    let problems: Vec<String> = durability.problems().into_iter().map(str::to_owned).collect();
    if problems == *reported {
        return;
    }
    for problem in &problems {
        tracing::error!(problem, "Redis does not keep what was promised; nothing new is accepted");
    }
    if problems.is_empty() {
        tracing::info!("Redis keeps what was promised again");
    }
    *reported = problems;
}

impl Store for RedisStore {
    async fn load(&self, ids: &[CaseId]) -> Result<Loaded, StoreError> {
        reads::load(&self.read, &self.keys, &self.clock, ids).await
    }

    async fn contents(&self, id: CaseId) -> Result<Contents, StoreError> {
        reads::contents(&self.read, &self.keys, &self.sealer, id).await
    }

    async fn commit(&self, mut commit: Commit) -> Result<Outcome, StoreError> {
        // It may have to wait behind the WAIT of the batch before.
        commit.age_max += self.replication.wait();
        // Sealed here, so that the one path of all writes does nothing but write.
        let said = self.sealer.seal_said(&mut commit).await?;
        let (commit, salt) = (Box::new(commit), sealing::salt("commit")?);
        self.write("commit", |reply| Write::Commit { commit, said, salt, reply }).await
    }

    async fn load_due(&self, ids: &[CaseId]) -> Result<Loaded, StoreError> {
        reads::load(&self.tick, &self.keys, &self.clock, ids).await
    }

    async fn fence(&self, value: &Versioned, version: u64) -> Result<bool, StoreError> {
        let value = value.clone();
        self.write("fence", |reply| Write::Fence { value, version, reply }).await
    }

    async fn incident(&self, name: &IncidentName) -> Result<LoadedIncident, StoreError> {
        values::incident(&self.read, &self.keys, &self.clock, name).await
    }

    async fn incident_facts(&self, name: &IncidentName) -> Result<Option<Facts>, StoreError> {
        values::incident_facts(&self.read, &self.keys, &self.sealer, name).await
    }

    async fn incidents(&self) -> Result<Vec<Incident>, StoreError> {
        values::incidents(&self.read, &self.keys).await
    }

    async fn commit_incident(&self, mut commit: IncidentCommit) -> Result<Outcome, StoreError> {
        commit.age_max += self.replication.wait();
        let facts = self.sealer.seal_facts(&mut commit).await?;
        let (commit, salt) = (Box::new(commit), sealing::salt("commit")?);
        self.write("commit", |reply| Write::Incident { commit, facts, salt, reply }).await
    }

    async fn standing(&self, authority: &AuthorityId) -> Result<LoadedStanding, StoreError> {
        values::standing(&self.read, &self.keys, &self.clock, authority).await
    }

    async fn suspended(&self) -> Result<Vec<AuthorityStanding>, StoreError> {
        values::suspended(&self.read, &self.keys).await
    }

    async fn commit_standing(&self, mut commit: StandingCommit) -> Result<Outcome, StoreError> {
        commit.age_max += self.replication.wait();
        let (commit, salt) = (Box::new(commit), sealing::salt("commit")?);
        self.write("commit", |reply| Write::Standing { commit, salt, reply }).await
    }

    async fn tell(&self, notice: Notice) -> Result<(), StoreError> {
        let (notice, salt) = (Box::new(notice), sealing::salt("tell")?);
        self.write("tell", |reply| Write::Notice { notice, salt, reply }).await
    }

    async fn count(&self, counted: &[(Index, u64)]) -> Result<Vec<u64>, StoreError> {
        values::count(&self.read, &self.keys, counted).await
    }

    async fn first_seen(&self, items: &[SeenItem]) -> Result<Vec<Timestamp>, StoreError> {
        values::first_seen(&self.read, &self.keys, items).await
    }

    async fn due(&self, skip: usize, count: usize) -> Result<Due, StoreError> {
        reads::due(&self.tick, &self.keys, &self.clock, skip, count).await
    }

    async fn list(
        &self,
        index: &Index,
        after: Option<Position>,
        count: usize,
    ) -> Result<Vec<Position>, StoreError> {
        reads::list(&self.read, &self.keys, index, after, count).await
    }

    async fn policy(&self, id: PolicyId) -> Result<Option<Policy>, StoreError> {
        const OPERATION: &str = "read a policy";
        let mut pipeline = Pipeline::new();
        pipeline.cmd("HGET").arg(self.keys.policy(id)).arg("state");
        let (state,): (Option<Vec<u8>>,) = reads::ask(&self.read, OPERATION, &pipeline).await?;
        state
            .map(|state| codec::decode_policy(id, &state))
            .transpose()
            .map_err(|source| StoreError::Unreadable { operation: OPERATION, source })
    }

    async fn keep_policy(&self, policy: &Policy) -> Result<(), StoreError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("HSET").arg(self.keys.policy(policy.id()));
        pipeline.arg("version").arg(codec::POLICY_VERSION);
        pipeline.arg("state").arg(codec::encode_policy(policy)).ignore();
        reads::ask(&self.read, "keep a policy", &pipeline).await
    }

    async fn noted(&self, key: ActKey) -> Result<Option<CaseId>, StoreError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("GET").arg(self.keys.note(key));
        let (noted,): (Option<String>,) = reads::ask(&self.read, "read a note", &pipeline).await?;
        Ok(noted.and_then(|id| id.parse().ok()))
    }

    async fn changes(&self, after: Cursor, count: usize) -> Result<Vec<Entry>, StoreError> {
        outbox::changes(&self.stream, &self.keys, after, count).await
    }

    async fn settled(&self, cursor: Cursor) -> Result<bool, StoreError> {
        self.write("settle changes", |reply| Write::Settle { cursor, reply }).await
    }

    async fn kept(&self) -> Result<Kept, StoreError> {
        outbox::kept(&self.stream, &self.keys).await
    }

    async fn receive(
        &self,
        group: &str,
        consumer: &str,
        count: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        outbox::receive(&self.stream, &self.keys, group, consumer, count).await
    }

    async fn take_over(
        &self,
        group: &str,
        consumer: &str,
        idle: Duration,
        count: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        outbox::take_over(&self.stream, &self.keys, group, consumer, idle, count).await
    }

    async fn acknowledge(&self, group: &str, cursors: &[Cursor]) -> Result<(), StoreError> {
        outbox::acknowledge(&self.stream, &self.keys, group, cursors).await
    }

    async fn hold(
        &self,
        group: &str,
        consumer: &str,
        cursors: &[Cursor],
    ) -> Result<(), StoreError> {
        outbox::hold(&self.stream, &self.keys, group, consumer, cursors).await
    }

    async fn scan(
        &self,
        from: ScanCursor,
        count: usize,
    ) -> Result<(Vec<CaseId>, Option<ScanCursor>), StoreError> {
        inspection::scan(&self.read, &self.keys, from, count).await
    }

    async fn inspect(&self, ids: &[CaseId]) -> Result<Inspected, StoreError> {
        let loaded = self.load(ids).await?;
        inspection::compare(&self.read, &self.keys, loaded).await
    }

    async fn repair(&self, case: &Case, observed_at: Timestamp) -> Result<Outcome, StoreError> {
        let places = places::all(&self.keys, case);
        self.write_again(Again { case: case.clone(), observed_at, places, fields: Vec::new() })
            .await
    }

    async fn tend_seals(&self, history: History) -> Result<Tended, StoreError> {
        self.tend(history).await
    }

    async fn park(&self, cursor: Cursor) -> Result<(), StoreError> {
        outbox::park(&self.stream, &self.keys, cursor).await
    }

    async fn audit_edge(&self) -> Result<Option<AuditEdge>, StoreError> {
        audit_edge::read(&self.stream, &self.keys).await
    }

    async fn keep_audit_edge(&self, edge: &AuditEdge) -> Result<bool, StoreError> {
        audit_edge::keep(&self.stream, &self.keys, edge).await
    }

    async fn agree_on_key(&self, check: Fingerprint) -> Result<bool, StoreError> {
        key_check::agree(&self.read, &self.keys, check).await
    }

    async fn trim(&self, before: Timestamp) -> Result<u64, StoreError> {
        outbox::trim(&self.stream, &self.keys, before).await
    }

    async fn figures(&self) -> Result<Figures, StoreError> {
        let (now, figures) = reads::figures(&self.read, &self.keys, &self.clock).await?;
        let (events, outbox_age, parked) = outbox::figures(&self.stream, &self.keys, now).await?;
        Ok(Figures { events, outbox_age, parked, ..figures })
    }

    fn not_durable(&self) -> Option<String> {
        match self.durability() {
            Some(durability) => durability.problems().first().map(|problem| (*problem).to_owned()),
            None => Some("Redis's settings have not been looked at yet".to_owned()),
        }
    }

    fn is_pressed(&self) -> bool {
        self.writes.capacity() < QUEUE_MAX / 2
    }

    fn now_estimate(&self) -> Option<Timestamp> {
        self.clock.estimate()
    }
}
