//! The store in memory: the same contract, for tests and simulation. Its clock stands until it is
//! moved.

mod inner;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use inner::Inner;

use super::{
    AuditEdge, Commit, Contents, Cursor, Due, Entry, Facts, Figures, IncidentCommit, Index,
    Inspected, Inspection, Kept, Loaded, LoadedIncident, LoadedStanding, Outcome, Position,
    ScanCursor, SeenItem, StandingCommit, Store, StoreError, Versioned, codec,
};
use crate::core::memory::ActKey;
use crate::core::{
    AuthorityId, AuthorityStanding, Case, CaseId, Fingerprint, Incident, IncidentName, Notice,
    Policy, PolicyId, Timestamp,
};

/// A store in memory.
#[derive(Debug)]
pub struct MemoryStore {
    inner: Mutex<Inner>,
}

impl MemoryStore {
    /// An empty store whose clock shows `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self { inner: Mutex::new(Inner::new(now)) }
    }

    /// An empty store of another desk of the same deployment, whose clock shows the same.
    #[must_use]
    pub fn beside(&self) -> Self {
        let inner = self.lock();
        let taken = Arc::clone(&inner.taken);
        Self { inner: Mutex::new(Inner { taken, ..Inner::new(inner.now) }) }
    }

    /// Sets the clock. It may also go back, as clocks do.
    pub fn set_now(&self, now: Timestamp) {
        self.lock().now = now;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    async fn load(&self, ids: &[CaseId]) -> Result<Loaded, StoreError> {
        let inner = self.lock();
        Ok(Loaded { now: inner.now, cases: ids.iter().map(|id| inner.case(*id)).collect() })
    }

    async fn contents(&self, id: CaseId) -> Result<Contents, StoreError> {
        Ok(self.lock().contents.get(&id).cloned().unwrap_or_default())
    }

    async fn commit(&self, commit: Commit) -> Result<Outcome, StoreError> {
        Ok(self.lock().commit(commit))
    }

    async fn load_due(&self, ids: &[CaseId]) -> Result<Loaded, StoreError> {
        self.load(ids).await
    }

    async fn fence(&self, value: &Versioned, version: u64) -> Result<bool, StoreError> {
        let inner = self.lock();
        let found = match value {
            Versioned::Case(id) => inner.cases.get(id).map(|(found, _)| *found),
            Versioned::Incident(name) => inner.incidents.get(name).map(|(found, ..)| *found),
            Versioned::Standing(name) => inner.standings.get(name).map(|(found, _)| *found),
        };
        Ok(found.is_some_and(|found| found >= version))
    }

    async fn settled(&self, cursor: Cursor) -> Result<bool, StoreError> {
        Ok(self.lock().events.contains_key(&cursor))
    }

    async fn incident(&self, name: &IncidentName) -> Result<LoadedIncident, StoreError> {
        let inner = self.lock();
        let stored = inner.incidents.get(name);
        let incident = stored.map(|(version, state, _)| {
            codec::decode_incident(name.clone(), *version, state)
                .expect("what was encoded is readable")
        });
        Ok(LoadedIncident { now: inner.now, incident })
    }

    async fn incident_facts(&self, name: &IncidentName) -> Result<Option<Facts>, StoreError> {
        Ok(self.lock().incidents.get(name).and_then(|(_, _, facts)| facts.clone()))
    }

    async fn incidents(&self) -> Result<Vec<Incident>, StoreError> {
        let inner = self.lock();
        let mut incidents: Vec<Incident> = inner
            .incidents
            .iter()
            .map(|(name, (version, state, _))| {
                codec::decode_incident(name.clone(), *version, state)
                    .expect("what was encoded is readable")
            })
            .collect();
        incidents
            .sort_by(|one, other| (other.opened_at, &other.name).cmp(&(one.opened_at, &one.name)));
        Ok(incidents)
    }

    async fn commit_incident(&self, commit: IncidentCommit) -> Result<Outcome, StoreError> {
        let mut inner = self.lock();
        let IncidentCommit { incident, facts, notice, observed_at, age_max } = commit;
        let found = inner.incidents.get(&incident.name).map_or(0, |(version, ..)| *version);
        if let Some(outcome) = inner.is_timely(found, incident.version, observed_at, age_max) {
            return Ok(outcome);
        }
        let kept = inner.incidents.remove(&incident.name).and_then(|(_, _, facts)| facts);
        let stored = (incident.version, codec::encode_incident(&incident), facts.or(kept));
        inner.incidents.insert(incident.name, stored);
        inner.tell(&notice);
        Ok(Outcome::Written)
    }

    async fn standing(&self, authority: &AuthorityId) -> Result<LoadedStanding, StoreError> {
        let inner = self.lock();
        let standing = inner.standings.get(authority).map_or_else(
            || AuthorityStanding::new(authority.clone()),
            |(version, state)| {
                codec::decode_standing(authority.clone(), *version, state)
                    .expect("what was encoded is readable")
            },
        );
        Ok(LoadedStanding { now: inner.now, standing })
    }

    async fn suspended(&self) -> Result<Vec<AuthorityStanding>, StoreError> {
        let inner = self.lock();
        let decoded = inner.standings.iter().map(|(authority, (version, state))| {
            codec::decode_standing(authority.clone(), *version, state)
                .expect("what was encoded is readable")
        });
        let mut suspended: Vec<_> =
            decoded.filter(|standing| standing.suspension.is_some()).collect();
        suspended.sort_by(|one, other| {
            let since = |standing: &AuthorityStanding| standing.suspension.as_ref().map(|s| s.at);
            (since(one), &one.authority).cmp(&(since(other), &other.authority))
        });
        Ok(suspended)
    }

    async fn commit_standing(&self, commit: StandingCommit) -> Result<Outcome, StoreError> {
        let mut inner = self.lock();
        let StandingCommit { standing, notice, observed_at, age_max } = commit;
        let found = inner.standings.get(&standing.authority).map_or(0, |(version, _)| *version);
        if let Some(outcome) = inner.is_timely(found, standing.version, observed_at, age_max) {
            return Ok(outcome);
        }
        let stored = (standing.version, codec::encode_standing(&standing));
        inner.standings.insert(standing.authority, stored);
        inner.tell(&notice);
        Ok(Outcome::Written)
    }

    async fn tell(&self, notice: Notice) -> Result<(), StoreError> {
        self.lock().tell(&notice);
        Ok(())
    }

    async fn count(&self, counted: &[(Index, u64)]) -> Result<Vec<u64>, StoreError> {
        let inner = self.lock();
        let count = |(index, from): &(Index, u64)| {
            let positions = inner.positions(index).into_iter().flatten();
            positions.filter(|position| position.score >= *from).count() as u64
        };
        Ok(counted.iter().map(count).collect())
    }

    async fn first_seen(&self, items: &[SeenItem]) -> Result<Vec<Timestamp>, StoreError> {
        let mut inner = self.lock();
        let first = if inner.first_seen.is_empty() { Timestamp::from_millis(0) } else { inner.now };
        let seen = |item: &SeenItem| *inner.first_seen.entry(*item).or_insert(first);
        Ok(items.iter().map(seen).collect())
    }

    async fn due(&self, skip: usize, count: usize) -> Result<Due, StoreError> {
        let inner = self.lock();
        let mut wakes = inner.wake.iter().skip(skip).peekable();
        let mut ids = Vec::new();
        while ids.len() < count
            && let Some(at) = wakes.next_if(|at| at.score <= inner.now.as_millis())
        {
            ids.push(at.id);
        }
        let next_at = wakes.peek().map(|at| Timestamp::from_millis(at.score));
        Ok(Due { now: inner.now, ids, nameless: 0, next_at })
    }

    async fn list(
        &self,
        index: &Index,
        after: Option<Position>,
        count: usize,
    ) -> Result<Vec<Position>, StoreError> {
        let inner = self.lock();
        let empty = BTreeSet::new();
        let positions = inner.positions(index).unwrap_or(&empty);
        Ok(if index.is_latest_first() {
            let rest = positions.iter().rev().filter(|at| after.is_none_or(|after| **at < after));
            rest.take(count).copied().collect()
        } else {
            let rest = positions.iter().filter(|at| after.is_none_or(|after| **at > after));
            rest.take(count).copied().collect()
        })
    }

    async fn policy(&self, id: PolicyId) -> Result<Option<Policy>, StoreError> {
        Ok(self.lock().policies.get(&id).cloned())
    }

    async fn keep_policy(&self, policy: &Policy) -> Result<(), StoreError> {
        self.lock().policies.insert(policy.id(), policy.clone());
        Ok(())
    }

    async fn noted(&self, key: ActKey) -> Result<Option<CaseId>, StoreError> {
        let inner = self.lock();
        let note = inner.notes.get(&key).filter(|(_, expires_at)| *expires_at > inner.now);
        Ok(note.map(|(id, _)| *id))
    }

    async fn changes(&self, after: Cursor, count: usize) -> Result<Vec<Entry>, StoreError> {
        let inner = self.lock();
        let beyond = (std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded);
        let cursors = inner.events.range(beyond).map(|(cursor, _)| *cursor).take(count);
        Ok(cursors.filter_map(|cursor| inner.entry(cursor)).collect())
    }

    async fn kept(&self) -> Result<Kept, StoreError> {
        let inner = self.lock();
        Ok(Kept { since: inner.trimmed_to, latest: inner.latest })
    }

    async fn receive(
        &self,
        group: &str,
        consumer: &str,
        count: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut inner = self.lock();
        let now = inner.now;
        let delivered = inner.groups.entry(group.to_owned()).or_default().delivered;
        let beyond = (std::ops::Bound::Excluded(delivered), std::ops::Bound::Unbounded);
        let cursors: Vec<Cursor> =
            inner.events.range(beyond).map(|(cursor, _)| *cursor).take(count).collect();
        let entries = cursors.iter().filter_map(|cursor| inner.entry(*cursor)).collect();
        let group = inner.groups.entry(group.to_owned()).or_default();
        for cursor in cursors {
            group.delivered = cursor;
            group.pending.insert(cursor, (consumer.to_owned(), now));
        }
        Ok(entries)
    }

    async fn take_over(
        &self,
        group: &str,
        consumer: &str,
        idle: Duration,
        count: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut inner = self.lock();
        let now = inner.now;
        let group = inner.groups.entry(group.to_owned()).or_default();
        let idle_ones =
            group.pending.iter_mut().filter(|(_, (_, since))| now.since(*since) >= idle);
        let mut cursors = Vec::new();
        for (cursor, holder) in idle_ones.take(count) {
            *holder = (consumer.to_owned(), now);
            cursors.push(*cursor);
        }
        Ok(cursors.into_iter().filter_map(|cursor| inner.entry(cursor)).collect())
    }

    async fn acknowledge(&self, group: &str, cursors: &[Cursor]) -> Result<(), StoreError> {
        let mut inner = self.lock();
        if let Some(group) = inner.groups.get_mut(group) {
            cursors.iter().for_each(|cursor| _ = group.pending.remove(cursor));
        }
        Ok(())
    }

    async fn hold(
        &self,
        group: &str,
        consumer: &str,
        cursors: &[Cursor],
    ) -> Result<(), StoreError> {
        let mut inner = self.lock();
        let now = inner.now;
        if let Some(group) = inner.groups.get_mut(group) {
            for cursor in cursors {
                let held = group.pending.get_mut(cursor);
                held.into_iter().for_each(|held| *held = (consumer.to_owned(), now));
            }
        }
        Ok(())
    }

    async fn scan(
        &self,
        from: ScanCursor,
        count: usize,
    ) -> Result<(Vec<CaseId>, Option<ScanCursor>), StoreError> {
        let inner = self.lock();
        let mut ids: Vec<CaseId> = inner.cases.keys().copied().collect();
        ids.sort();
        let rest = ids.len().saturating_sub(usize::try_from(from.0).unwrap_or(usize::MAX));
        let found = ids[ids.len() - rest..].iter().take(count).copied().collect();
        Ok((found, (rest > count).then_some(ScanCursor(from.0 + count as u64))))
    }

    async fn inspect(&self, ids: &[CaseId]) -> Result<Inspected, StoreError> {
        let inner = self.lock();
        // Its indexes are written under the lock that the case is, and by nobody else.
        let inspect = |id: &CaseId| {
            let case = inner.case(*id)?;
            Ok(case.map(|case| Inspection { case, is_indexed: true }))
        };
        Ok(Inspected { now: inner.now, cases: ids.iter().map(inspect).collect() })
    }

    async fn repair(&self, case: &Case, _: Timestamp) -> Result<Outcome, StoreError> {
        let found = self.lock().cases.get(&case.id).map(|(version, _)| *version);
        Ok(if found == Some(case.version) { Outcome::Written } else { Outcome::Conflict })
    }

    async fn park(&self, cursor: Cursor) -> Result<(), StoreError> {
        let mut inner = self.lock();
        if let Some(bytes) = inner.events.get(&cursor).cloned() {
            inner.parked.push((cursor, bytes));
        }
        Ok(())
    }

    async fn audit_edge(&self) -> Result<Option<AuditEdge>, StoreError> {
        Ok(self.lock().audit_edge.clone())
    }

    async fn keep_audit_edge(&self, edge: &AuditEdge) -> Result<bool, StoreError> {
        let mut inner = self.lock();
        let is_further = inner.audit_edge.as_ref().is_none_or(|kept| kept.size < edge.size);
        if is_further {
            inner.audit_edge = Some(edge.clone());
        }
        Ok(is_further)
    }

    async fn agree_on_key(&self, check: Fingerprint) -> Result<bool, StoreError> {
        Ok(*self.lock().key_check.get_or_insert(check) == check)
    }

    async fn trim(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut inner = self.lock();
        let mut edge = Cursor { millis: before.as_millis(), sequence: 0 }.min(inner.slowest());
        if let Some(audit) = &inner.audit_edge {
            edge = edge.min(audit.cursor);
        }
        let kept = inner.events.split_off(&edge);
        let trimmed = std::mem::replace(&mut inner.events, kept);
        if let Some((cursor, _)) = trimmed.last_key_value() {
            inner.trimmed_to = *cursor;
        }
        Ok(trimmed.len() as u64)
    }

    async fn figures(&self) -> Result<Figures, StoreError> {
        Ok(self.lock().figures())
    }

    fn not_durable(&self) -> Option<String> {
        None
    }

    fn is_pressed(&self) -> bool {
        false
    }

    fn now_estimate(&self) -> Option<Timestamp> {
        Some(self.lock().now)
    }
}
