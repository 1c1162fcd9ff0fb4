//! What the store in memory holds, and how a commit changes it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::core::memory::ActKey;
use crate::core::projection::{Place, Projection, project};
use crate::core::{
    AuthorityId, Band, Case, CaseId, Fingerprint, IncidentName, Lane, Notice, Policy, PolicyId,
    Timestamp,
};
use crate::seal::Salt;
use crate::store::{
    AuditEdge, Commit, Contents, Cursor, Entry, Facts, Figures, Index, Outcome, Position, Said,
    SeenItem, Unreadable, codec, reads,
};

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) now: Timestamp,
    pub(super) cases: HashMap<CaseId, (u64, Vec<u8>)>,
    /// The cases of all desks of the deployment, but for synthetic ones.
    pub(super) taken: Arc<Mutex<HashSet<CaseId>>>,
    pub(super) contents: HashMap<CaseId, Contents>,
    pub(super) policies: HashMap<PolicyId, Policy>,
    pub(super) notes: HashMap<ActKey, (CaseId, Timestamp)>,
    pub(super) ready: HashMap<Lane, BTreeSet<Position>>,
    pub(super) claimed: BTreeSet<Position>,
    pub(super) targets: HashMap<Fingerprint, BTreeSet<Position>>,
    pub(super) incidents: HashMap<IncidentName, (u64, Vec<u8>, Option<Facts>)>,
    pub(super) incident_cases: HashMap<IncidentName, BTreeSet<Position>>,
    pub(super) wake: BTreeSet<Position>,
    pub(super) unanswered: BTreeSet<Position>,
    pub(super) synthetic: BTreeSet<Position>,
    pub(super) all: BTreeSet<Position>,
    pub(super) authorities: HashMap<AuthorityId, BTreeSet<Position>>,
    pub(super) officers: HashMap<Fingerprint, BTreeSet<Position>>,
    pub(super) standings: HashMap<AuthorityId, (u64, Vec<u8>)>,
    pub(super) first_seen: HashMap<SeenItem, Timestamp>,
    pub(super) events: BTreeMap<Cursor, Vec<u8>>,
    pub(super) latest: Cursor,
    pub(super) trimmed_to: Cursor,
    pub(super) parked: Vec<(Cursor, Vec<u8>)>,
    pub(super) groups: HashMap<String, Group>,
    pub(super) audit_edge: Option<AuditEdge>,
    pub(super) key_check: Option<Fingerprint>,
}

#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) delivered: Cursor,
    /// Who has it, and since when.
    pub(super) pending: BTreeMap<Cursor, (String, Timestamp)>,
}

impl Inner {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            now,
            cases: HashMap::new(),
            taken: Arc::default(),
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
            officers: HashMap::new(),
            standings: HashMap::new(),
            first_seen: HashMap::new(),
            events: BTreeMap::new(),
            latest: Cursor::default(),
            trimmed_to: Cursor::default(),
            parked: Vec::new(),
            groups: HashMap::new(),
            audit_edge: None,
            key_check: None,
        }
    }

    pub(super) fn commit(&mut self, commit: Commit) -> Outcome {
        let case = &commit.next.case;
        let is_accept = case.version == 1;
        let found = self.cases.get(&case.id).map_or(0, |(version, _)| *version);
        if let Some(outcome) =
            self.is_timely(found, case.version, commit.observed_at, commit.age_max)
        {
            return outcome;
        }
        if let Some(note) = commit.note
            && let Some((id, expires_at)) = self.notes.get(&note.key)
            && *expires_at > self.now
        {
            return Outcome::Noted(*id);
        }
        let taken = Arc::clone(&self.taken);
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        let is_one_of_all = is_accept && !case.is_synthetic();
        if is_one_of_all && taken.contains(&case.id) {
            return Outcome::Elsewhere;
        }
        if is_accept && !self.policies.contains_key(&case.policy) {
            return Outcome::PolicyMissing;
        }
        let standing = self.standings.get(&case.authority).map_or(0, |(version, _)| *version);
        if commit.next.rests_on.is_some_and(|version| version != standing) {
            return Outcome::Conflict;
        }
        if is_one_of_all {
            taken.insert(case.id);
        }
        self.write(commit);
        Outcome::Written
    }

    pub(super) fn write(&mut self, commit: Commit) {
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
        if let Some(officer) = case.facts.officer {
            self.officers.entry(officer).or_default().insert(accepted);
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
        self.append(|salt| codec::keep_change(&commit.next.change(), commit.trace.as_ref(), salt));
    }

    pub(super) fn tell(&mut self, notice: &Notice) {
        self.append(|salt| codec::keep_notice(notice, salt));
    }

    /// Every run of a test stores the same bytes, so the salt is the entry's own name.
    fn append(&mut self, keep: impl FnOnce(Salt) -> Vec<u8>) {
        let fresh = Cursor { millis: self.now.as_millis(), sequence: 0 };
        let next = Cursor { sequence: self.latest.sequence + 1, ..self.latest };
        self.latest = fresh.max(next);
        let Cursor { millis, sequence } = self.latest;
        let salt = Salt((u128::from(millis) << 64 | u128::from(sequence)).to_be_bytes());
        self.events.insert(self.latest, keep(salt));
    }

    /// Whether a value that is now at version `found` may become `next`, which was decided then.
    pub(super) fn is_timely(
        &self,
        found: u64,
        next: u64,
        observed_at: Timestamp,
        age_max: Duration,
    ) -> Option<Outcome> {
        if found != next - 1 {
            return Some(Outcome::Conflict);
        }
        let is_old = observed_at > self.now || self.now.since(observed_at) > age_max;
        is_old.then_some(Outcome::Untimely(self.now))
    }

    pub(super) fn positions(&self, index: &Index) -> Option<&BTreeSet<Position>> {
        match index {
            Index::Ready(lane) => self.ready.get(lane),
            Index::Unanswered => Some(&self.unanswered),
            Index::Synthetic => Some(&self.synthetic),
            Index::Claimed => Some(&self.claimed),
            Index::Wake => Some(&self.wake),
            Index::All => Some(&self.all),
            Index::Authority(name) => self.authorities.get(name),
            Index::Officer(officer) => self.officers.get(officer),
            Index::Target(target) => self.targets.get(target),
            Index::Incident(name) => self.incident_cases.get(name),
        }
    }

    pub(super) fn index(&mut self, projection: Option<(CaseId, Projection)>, is_present: bool) {
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

    pub(super) fn case(&self, id: CaseId) -> Result<Option<Case>, Unreadable> {
        let stored = self.cases.get(&id);
        stored.map(|(version, state)| codec::decode_case(id, *version, state)).transpose()
    }

    pub(super) fn entry(&self, cursor: Cursor) -> Option<Entry> {
        Some(Entry::read(cursor, Ok(self.events.get(&cursor)?)))
    }

    pub(super) fn slowest(&self) -> Cursor {
        let beyond = |cursor: Cursor| Cursor { sequence: cursor.sequence + 1, ..cursor };
        let groups = self.groups.values().map(|group| {
            group.pending.keys().next().copied().unwrap_or_else(|| beyond(group.delivered))
        });
        groups.chain([beyond(self.latest)]).min().unwrap_or_default()
    }

    pub(super) fn figures(&self) -> Figures {
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
