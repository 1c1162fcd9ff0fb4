//! A store behind a link that can be cut, of which it is counted what is asked through it.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use urgence::core::incident::Incident;
use urgence::core::memory::ActKey;
use urgence::core::{
    AuthorityId, AuthorityStanding, Case, CaseId, Fingerprint, IncidentName, Notice, Policy,
    PolicyId, Timestamp,
};
use urgence::desk::{Contents, Cursor, Due, Index, Position, ScanCursor};
use urgence::store::{
    AuditEdge, Commit, Entry, Facts, Figures, IncidentCommit, Inspected, Kept, Loaded,
    LoadedIncident, LoadedStanding, MemoryStore, Outcome, SeenItem, StandingCommit, Store,
    StoreError, Versioned,
};

/// How the link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Link {
    Up,
    /// Whatever is asked is refused at once.
    Cut,
    /// Whatever is asked is never answered.
    Silent,
    /// Loading a case panics.
    Broken,
    /// Nothing can be written.
    ReadOnly,
}

/// A store behind a link.
pub(super) struct Linked {
    store: Arc<MemoryStore>,
    link: AtomicU8,
    loads: AtomicUsize,
    holds: AtomicUsize,
    /// A case that is not there any more.
    lost: Mutex<Option<CaseId>>,
}

impl Linked {
    pub(super) fn to(store: &Arc<MemoryStore>) -> Arc<Self> {
        Arc::new(Self {
            store: Arc::clone(store),
            link: AtomicU8::new(Link::Up as u8),
            loads: AtomicUsize::new(0),
            holds: AtomicUsize::new(0),
            lost: Mutex::default(),
        })
    }

    pub(super) fn set(&self, link: Link) {
        self.link.store(link as u8, Ordering::SeqCst);
    }

    /// From now on this case is not there.
    pub(super) fn lose(&self, id: CaseId) {
        *self.lost.lock().unwrap() = Some(id);
    }

    /// How many cases were loaded, by whomever.
    pub(super) fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }

    /// How often it was said that something is held.
    pub(super) fn holds(&self) -> usize {
        self.holds.load(Ordering::SeqCst)
    }

    fn is(&self, link: Link) -> bool {
        self.link.load(Ordering::SeqCst) == link as u8
    }

    async fn read(&self) -> Result<&MemoryStore, StoreError> {
        if self.is(Link::Silent) {
            return std::future::pending().await;
        }
        if self.is(Link::Cut) {
            return Err(StoreError::Unreachable { operation: "ask", reason: "cut".to_owned() });
        }
        Ok(&self.store)
    }

    async fn write(&self) -> Result<&MemoryStore, StoreError> {
        if self.is(Link::ReadOnly) {
            return Err(StoreError::Failed { operation: "write", problem: "read only".to_owned() });
        }
        self.read().await
    }

    async fn load_through(&self, ids: &[CaseId]) -> Result<Loaded, StoreError> {
        assert!(!self.is(Link::Broken), "the link breaks");
        self.loads.fetch_add(ids.len(), Ordering::SeqCst);
        let mut loaded = self.read().await?.load(ids).await?;
        let lost = *self.lost.lock().unwrap();
        for (id, case) in ids.iter().zip(&mut loaded.cases) {
            if Some(*id) == lost {
                *case = Ok(None);
            }
        }
        Ok(loaded)
    }
}

impl Store for Linked {
    async fn load(&self, ids: &[CaseId]) -> Result<Loaded, StoreError> {
        self.load_through(ids).await
    }

    async fn contents(&self, id: CaseId) -> Result<Contents, StoreError> {
        self.read().await?.contents(id).await
    }

    async fn commit(&self, commit: Commit) -> Result<Outcome, StoreError> {
        self.write().await?.commit(commit).await
    }

    async fn load_due(&self, ids: &[CaseId]) -> Result<Loaded, StoreError> {
        self.load_through(ids).await
    }

    async fn fence(&self, value: &Versioned, version: u64) -> Result<bool, StoreError> {
        self.read().await?.fence(value, version).await
    }

    async fn settled(&self, cursor: Cursor) -> Result<bool, StoreError> {
        self.read().await?.settled(cursor).await
    }

    async fn incident(&self, name: &IncidentName) -> Result<LoadedIncident, StoreError> {
        self.read().await?.incident(name).await
    }

    async fn incident_facts(&self, name: &IncidentName) -> Result<Option<Facts>, StoreError> {
        self.read().await?.incident_facts(name).await
    }

    async fn incidents(&self) -> Result<Vec<Incident>, StoreError> {
        self.read().await?.incidents().await
    }

    async fn commit_incident(&self, commit: IncidentCommit) -> Result<Outcome, StoreError> {
        self.write().await?.commit_incident(commit).await
    }

    async fn standing(&self, authority: &AuthorityId) -> Result<LoadedStanding, StoreError> {
        self.read().await?.standing(authority).await
    }

    async fn suspended(&self) -> Result<Vec<AuthorityStanding>, StoreError> {
        self.read().await?.suspended().await
    }

    async fn commit_standing(&self, commit: StandingCommit) -> Result<Outcome, StoreError> {
        self.write().await?.commit_standing(commit).await
    }

    async fn tell(&self, notice: Notice) -> Result<(), StoreError> {
        self.write().await?.tell(notice).await
    }

    async fn count(&self, counted: &[(Index, u64)]) -> Result<Vec<u64>, StoreError> {
        self.read().await?.count(counted).await
    }

    async fn first_seen(&self, items: &[SeenItem]) -> Result<Vec<Timestamp>, StoreError> {
        self.write().await?.first_seen(items).await
    }

    async fn due(&self, skip: usize, count: usize) -> Result<Due, StoreError> {
        self.read().await?.due(skip, count).await
    }

    async fn list(
        &self,
        index: &Index,
        after: Option<Position>,
        count: usize,
    ) -> Result<Vec<Position>, StoreError> {
        self.read().await?.list(index, after, count).await
    }

    async fn policy(&self, id: PolicyId) -> Result<Option<Policy>, StoreError> {
        self.read().await?.policy(id).await
    }

    async fn keep_policy(&self, policy: &Policy) -> Result<(), StoreError> {
        self.write().await?.keep_policy(policy).await
    }

    async fn noted(&self, key: ActKey) -> Result<Option<CaseId>, StoreError> {
        self.read().await?.noted(key).await
    }

    async fn changes(&self, after: Cursor, count: usize) -> Result<Vec<Entry>, StoreError> {
        self.read().await?.changes(after, count).await
    }

    async fn kept(&self) -> Result<Kept, StoreError> {
        self.read().await?.kept().await
    }

    async fn receive(&self, of: &str, who: &str, count: usize) -> Result<Vec<Entry>, StoreError> {
        self.read().await?.receive(of, who, count).await
    }

    async fn take_over(
        &self,
        of: &str,
        who: &str,
        idle: Duration,
        count: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        self.read().await?.take_over(of, who, idle, count).await
    }

    async fn acknowledge(&self, of: &str, cursors: &[Cursor]) -> Result<(), StoreError> {
        self.read().await?.acknowledge(of, cursors).await
    }

    async fn hold(&self, of: &str, who: &str, cursors: &[Cursor]) -> Result<(), StoreError> {
        self.holds.fetch_add(1, Ordering::SeqCst);
        self.read().await?.hold(of, who, cursors).await
    }

    async fn scan(
        &self,
        from: ScanCursor,
        count: usize,
    ) -> Result<(Vec<CaseId>, Option<ScanCursor>), StoreError> {
        self.read().await?.scan(from, count).await
    }

    async fn inspect(&self, ids: &[CaseId]) -> Result<Inspected, StoreError> {
        self.read().await?.inspect(ids).await
    }

    async fn repair(&self, case: &Case, observed_at: Timestamp) -> Result<Outcome, StoreError> {
        self.write().await?.repair(case, observed_at).await
    }

    async fn park(&self, cursor: Cursor) -> Result<(), StoreError> {
        self.write().await?.park(cursor).await
    }

    async fn audit_edge(&self) -> Result<Option<AuditEdge>, StoreError> {
        self.read().await?.audit_edge().await
    }

    async fn keep_audit_edge(&self, edge: &AuditEdge) -> Result<bool, StoreError> {
        self.write().await?.keep_audit_edge(edge).await
    }

    async fn agree_on_key(&self, check: Fingerprint) -> Result<bool, StoreError> {
        self.write().await?.agree_on_key(check).await
    }

    async fn trim(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.write().await?.trim(before).await
    }

    async fn figures(&self) -> Result<Figures, StoreError> {
        self.read().await?.figures().await
    }

    fn not_durable(&self) -> Option<String> {
        None
    }

    fn is_pressed(&self) -> bool {
        self.store.is_pressed()
    }

    fn now_estimate(&self) -> Option<Timestamp> {
        self.store.now_estimate()
    }
}
