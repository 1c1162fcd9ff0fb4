//! The store in memory: the same contract, for tests and simulation. Its clock stands until it is
//! moved.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{
    Commit, Contents, Cursor, Due, Entry, Facts, Figures, IncidentCommit, Index, Inspected,
    Inspection, Kept, Loaded, LoadedIncident, Outcome, Position, Said, ScanCursor, Store,
    StoreError, Unreadable, codec, reads,
};
use crate::core::memory::ActKey;
use crate::core::projection::{Place, Projection, project};
use crate::core::{
    AuthorityId, Band, Case, CaseId, Fingerprint, Incident, IncidentName, Lane, Policy, PolicyId,
    Timestamp,
};

/// A store in memory.
#[derive(Debug)]
pub struct MemoryStore {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    now: Timestamp,
    cases: HashMap<CaseId, (u64, Vec<u8>)>,
    contents: HashMap<CaseId, Contents>,
    policies: HashMap<PolicyId, Policy>,
    notes: HashMap<ActKey, (CaseId, Timestamp)>,
    ready: HashMap<Lane, BTreeSet<Position>>,
    claimed: BTreeSet<Position>,
    targets: HashMap<Fingerprint, BTreeSet<Position>>,
    incidents: HashMap<IncidentName, (u64, Vec<u8>, Option<Facts>)>,
    incident_cases: HashMap<IncidentName, BTreeSet<Position>>,
    wake: BTreeSet<Position>,
    unanswered: BTreeSet<Position>,
    synthetic: BTreeSet<Position>,
    all: BTreeSet<Position>,
    authorities: HashMap<AuthorityId, BTreeSet<Position>>,
    events: BTreeMap<Cursor, Vec<u8>>,
    latest: Cursor,
    trimmed_to: Cursor,
    parked: Vec<(Cursor, Vec<u8>)>,
    groups: HashMap<String, Group>,
}

#[derive(Debug, Default)]
struct Group {
    delivered: Cursor,
    /// Who has it, and since when.
    pending: BTreeMap<Cursor, (String, Timestamp)>,
}

impl MemoryStore {
    /// An empty store whose clock shows `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self {
            inner: Mutex::new(Inner {
                now,
                cases: HashMap::new(),
                contents: HashMap::new(),
                policies: HashMap::new(),
                notes: HashMap::new(),
                ready: Lane::ALL.iter().map(|lane| (*lane, BTreeSet::new())).collect(),
                claimed: BTreeSet::new(),
                targets: HashMap::new(),
                incidents: HashMap::new(),
                incident_cases: HashMap::new(),
                wake: BTreeSet::new(),
                unanswered: BTreeSet::new(),
                synthetic: BTreeSet::new(),
                all: BTreeSet::new(),
                authorities: HashMap::new(),
                events: BTreeMap::new(),
                latest: Cursor::default(),
                trimmed_to: Cursor::default(),
                parked: Vec::new(),
                groups: HashMap::new(),
            }),
        }
    }

    /// Sets the clock. It may also go back, as clocks do.
    pub fn set_now(&self, now: Timestamp) {
        self.lock().now = now;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn commit(&mut self, commit: Commit) -> Outcome {
        let case = &commit.next.case;
        let is_accept = case.version == 1;
        let found = self.cases.get(&case.id).map_or(0, |(version, _)| *version);
        if found != case.version - 1 {
            return Outcome::Conflict;
        }
        if commit.observed_at > self.now || self.now.since(commit.observed_at) > commit.age_max {
            return Outcome::Untimely(self.now);
        }
        if let Some(note) = commit.note
            && let Some((id, expires_at)) = self.notes.get(&note.key)
            && *expires_at > self.now
        {
            return Outcome::Noted(*id);
        }
        if is_accept && !self.policies.contains_key(&case.policy) {
            return Outcome::PolicyMissing;
        }
        self.write(commit);
        Outcome::Written
    }

    fn write(&mut self, commit: Commit) {
        let case = &commit.next.case;
        let before = self.cases.insert(case.id, (case.version, codec::encode_case(case)));
        let before = before.map(|(version, state)| {
            codec::decode_case(case.id, version, &state).expect("what was encoded is readable")
        });
        let contents = self.contents.entry(case.id).or_default();
        match commit.said {
            Said::Nothing => {}
            Said::Request(bytes) => contents.request = Some(bytes),
            Said::Response(bytes) => contents.response = Some(bytes),
            Said::Message(bytes) => _ = contents.messages.insert(case.version, bytes),
        }
        if case.purged_at.is_some() {
            *contents = Contents::default();
        }
        self.index(before.as_ref().map(|case| (case.id, project(case))), false);
        self.index(Some((case.id, project(case))), true);
        let accepted = Position { score: project(case).accepted_at.as_millis(), id: case.id };
        if !case.is_synthetic() {
            self.all.insert(accepted);
        }
        self.authorities.entry(case.authority.clone()).or_default().insert(accepted);
        for target in &case.facts.fingerprints {
            self.targets.entry(*target).or_default().insert(accepted);
        }
        for target in &commit.forgotten {
            self.targets.entry(*target).or_default().remove(&accepted);
        }
        if let Some(incident) = &case.incident {
            self.incident_cases.entry(incident.clone()).or_default().insert(accepted);
        }
        if let Some(note) = commit.note {
            self.notes.insert(note.key, (case.id, self.now + note.kept_for));
        }
        let fresh = Cursor { millis: self.now.as_millis(), sequence: 0 };
        let next = Cursor { sequence: self.latest.sequence + 1, ..self.latest };
        self.latest = fresh.max(next);
        self.events.insert(
            self.latest,
            codec::encode_traced(&commit.next.change(), commit.trace.as_ref()),
        );
    }

    fn index(&mut self, projection: Option<(CaseId, Projection)>, is_present: bool) {
        let Some((id, projection)) = projection else { return };
        let lane = projection.ready.map_or(Lane::Ordinary, |(lane, _)| lane);
        for (index, score) in [
            (self.ready.entry(lane).or_default(), projection.ready.map(|(_, place)| place.score())),
            (&mut self.claimed, projection.claimed.map(Timestamp::as_millis)),
            (&mut self.wake, projection.wake_at.map(Timestamp::as_millis)),
            (&mut self.unanswered, projection.unanswered.map(Place::score)),
            (&mut self.synthetic, projection.synthetic.map(Place::score)),
        ] {
            let Some(score) = score else { continue };
            let position = Position { score, id };
            if is_present {
                index.insert(position)
            } else {
                index.remove(&position)
            };
        }
    }

    fn case(&self, id: CaseId) -> Result<Option<Case>, Unreadable> {
        let stored = self.cases.get(&id);
        stored.map(|(version, state)| codec::decode_case(id, *version, state)).transpose()
    }

    fn entry(&self, cursor: Cursor) -> Option<Entry> {
        Some(Entry::read(cursor, Ok(self.events.get(&cursor)?)))
    }

    fn slowest(&self) -> Cursor {
        let beyond = |cursor: Cursor| Cursor { sequence: cursor.sequence + 1, ..cursor };
        let groups = self.groups.values().map(|group| {
            group.pending.keys().next().copied().unwrap_or_else(|| beyond(group.delivered))
        });
        groups.chain([beyond(self.latest)]).min().unwrap_or_default()
    }

    fn figures(&self) -> Figures {
        let count = |index: &BTreeSet<Position>, from: u64, to: u64| {
            index.iter().filter(|position| (from..to).contains(&position.score)).count() as u64
        };
        let mut figures = Figures { events: self.events.len() as u64, ..Figures::default() };
        for band in Band::all() {
            let (from, to) = Place::bounds(band);
            let incident = count(&self.ready[&Lane::Incident], from, to);
            figures.ready.push(count(&self.ready[&Lane::Ordinary], from, to) + incident);
            figures.ready_incident += incident;
            figures.unanswered.push(count(&self.unanswered, from, to));
            let passed = Place::new(band, self.now).score() + 1;
            figures.overdue.push(count(&self.unanswered, from, passed));
            let of_band = self.unanswered.iter().filter(|at| (from..to).contains(&at.score));
            let first = of_band.take(reads::OLDEST_LOOKED_AT);
            let waits = first.filter_map(|at| Some(self.case(at.id).ok()??.owed_for(self.now)));
            figures.oldest_unanswered.push(waits.max().unwrap_or_default());
        }
        let late_ms = self.now.as_millis().saturating_sub(2_000);
        figures.wakes_overdue = count(&self.wake, 0, late_ms);
        figures.next_wake_in =
            self.wake.first().map(|at| Timestamp::from_millis(at.score).since(self.now));
        figures.parked = self.parked.len() as u64;
        let oldest = self.events.range(self.slowest()..).next();
        figures.outbox_age = oldest.map_or(Duration::ZERO, |(cursor, _)| {
            self.now.since(Timestamp::from_millis(cursor.millis))
        });
        figures
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

    async fn fence(&self, id: CaseId, version: u64) -> Result<bool, StoreError> {
        Ok(self.lock().cases.get(&id).is_some_and(|(found, _)| *found >= version))
    }

    async fn incident(&self, name: &IncidentName) -> Result<LoadedIncident, StoreError> {
        let inner = self.lock();
        let stored = inner.incidents.get(name);
        let incident = stored.map(|(version, state, _)| {
            codec::decode_incident(name.clone(), *version, state)
                .expect("what was encoded is readable")
        });
        let facts = stored.and_then(|(_, _, facts)| facts.clone());
        Ok(LoadedIncident { now: inner.now, incident, facts })
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
        let IncidentCommit { incident, facts, observed_at, age_max } = commit;
        let found = inner.incidents.get(&incident.name).map_or(0, |(version, ..)| *version);
        if found != incident.version - 1 {
            return Ok(Outcome::Conflict);
        }
        if observed_at > inner.now || inner.now.since(observed_at) > age_max {
            return Ok(Outcome::Untimely(inner.now));
        }
        let kept = inner.incidents.remove(&incident.name).and_then(|(_, _, facts)| facts);
        let stored = (incident.version, codec::encode_incident(&incident), facts.or(kept));
        inner.incidents.insert(incident.name, stored);
        Ok(Outcome::Written)
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
        let positions = match index {
            Index::Ready(lane) => &inner.ready[lane],
            Index::Unanswered => &inner.unanswered,
            Index::Synthetic => &inner.synthetic,
            Index::Claimed => &inner.claimed,
            Index::Wake => &inner.wake,
            Index::All => &inner.all,
            Index::Authority(name) => inner.authorities.get(name).unwrap_or(&empty),
            Index::Target(target) => inner.targets.get(target).unwrap_or(&empty),
            Index::Incident(name) => inner.incident_cases.get(name).unwrap_or(&empty),
        };
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

    async fn trim(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut inner = self.lock();
        let edge = Cursor { millis: before.as_millis(), sequence: 0 }.min(inner.slowest());
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

    fn now_estimate(&self) -> Option<Timestamp> {
        Some(self.lock().now)
    }
}
