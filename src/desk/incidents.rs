//! Incidents: opening and closing them, what is told of them, and seeing to it that every case waits in
//! its lane.
//!
//! Which cases belong follows from the incident's rule, so a process that dies half way through
//! leaves nothing that the next look does not put right.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use tokio::time::sleep;

use super::{Desk, Error, Extras, Facts, Index, Store};
use crate::clock::monotonic_now;
use crate::core::incident::{
    self, Incident, IncidentCommand, IncidentDecision, IncidentFigures, IncidentRefusal, JoinRule,
    decide_incident,
};
use crate::core::time::millis;
use crate::core::{Act, Case, Command, IncidentName, Lane, Notice, Timestamp, What};
use crate::store::{IncidentCommit, Outcome, StoreError, Versioned};
use crate::telemetry::metrics;

/// How often it is looked which incidents other replicas have opened or closed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often, while an incident is open, all cases that wait are looked through: a case may have been
/// taken in by a replica that had not heard of it yet.
const SORT_EVERY: Duration = Duration::from_secs(5);
/// How often, while an incident is open, its cases are counted that its objective is over for.
const COUNT_EVERY: Duration = Duration::from_mins(1);
/// How far back it is looked, when an incident is opened, for cases that neither wait nor are held: those
/// of which something was asked, and those that have ended. An attack has an incident within the day.
const LOOK_BACK: Duration = Duration::from_hours(24);
/// How many cases are sorted at once.
const SORTED_AT_ONCE: usize = 64;

/// What somebody does to an incident.
#[derive(Clone, Debug)]
pub enum IncidentDeed {
    /// Open it, for these cases, and tell this of it.
    Open(JoinRule, Option<Facts>),
    /// Tell this as well.
    AddFacts(Facts),
    /// Close it.
    Close,
}

/// What came of an act on an incident.
#[derive(Clone, Debug)]
pub struct IncidentDone {
    /// The incident and how it stands.
    pub status: IncidentStatus,
    /// Whether this very act had been done before.
    pub is_replayed: bool,
}

/// An incident and how it stands to its objective.
#[derive(Clone, Debug)]
pub struct IncidentStatus {
    /// The incident.
    pub incident: Incident,
    /// How its cases stand.
    pub figures: IncidentFigures,
}

impl<S: Store> Desk<S> {
    /// Opens an incident, adds to its facts, or closes it. When this returns, it is durable, and once it was
    /// opened or closed, every case that waits stands in its lane.
    ///
    /// # Errors
    /// The rules do not allow it, or it is not known to be stored.
    pub async fn act_on_incident(
        &self,
        name: &IncidentName,
        act: &Act,
        deed: &IncidentDeed,
    ) -> Result<IncidentDone, Error> {
        let is_replayed = self.commit_incident(name, act, deed).await?;
        match deed {
            IncidentDeed::Open(..) | IncidentDeed::Close => self.sort_lanes(Sort::All).await?,
            IncidentDeed::AddFacts(_) => {}
        }
        let status = self.incident(name).await?;
        Ok(IncidentDone { status, is_replayed })
    }

    /// What is asked of the incident, and its facts as they will be, where they change.
    async fn asked(
        &self,
        name: &IncidentName,
        deed: &IncidentDeed,
    ) -> Result<(IncidentCommand, Option<Facts>), Error> {
        Ok(match deed {
            IncidentDeed::Open(rule, facts) => {
                (IncidentCommand::Open(name.clone(), rule.clone()), facts.clone())
            }
            IncidentDeed::AddFacts(added) => {
                let facts = joined(self.store.incident_facts(name).await?, added);
                let chars = String::from_utf8_lossy(&facts.0).chars().count();
                (IncidentCommand::AddFacts(chars), Some(facts))
            }
            IncidentDeed::Close => (IncidentCommand::Close, None),
        })
    }

    /// Whether it had been done before.
    async fn commit_incident(
        &self,
        name: &IncidentName,
        act: &Act,
        deed: &IncidentDeed,
    ) -> Result<bool, Error> {
        for _ in 0..super::transact::ATTEMPTS_MAX {
            // What is read after it is at least as new; the version says whether it is newer.
            let loaded = self.store.incident(name).await?;
            let (command, facts) = self.asked(name, deed).await?;
            let found = loaded.incident.as_ref();
            let next = match decide_incident(found, act, &command, loaded.now) {
                IncidentDecision::AlreadyTrue => {
                    // What is told as done must be as durable as when it was done.
                    let version = found.map_or(0, |incident| incident.version);
                    if !self.store.fence(&Versioned::Incident(name.clone()), version).await? {
                        continue;
                    }
                    return Ok(true);
                }
                IncidentDecision::Refused(refusal) => return Err(Error::Incident(refusal)),
                IncidentDecision::Next(next) => next,
            };
            let incident = name.clone();
            let what = match command {
                IncidentCommand::Open(..) => What::IncidentOpened { incident },
                IncidentCommand::AddFacts(_) => What::IncidentTold { incident },
                IncidentCommand::Close => What::IncidentClosed { incident },
            };
            let commit = IncidentCommit {
                incident: *next,
                facts,
                notice: Notice { at: loaded.now, by: Some(act.actor()), what },
                observed_at: loaded.now,
                age_max: super::transact::AGE_MAX,
            };
            match self.store.commit_incident(commit).await? {
                Outcome::Written => {
                    self.hints.changed.notify_one();
                    return Ok(false);
                }
                Outcome::Conflict | Outcome::Untimely(_) => metrics::commit_retried(),
                // An incident depends on no policy and leaves no note.
                Outcome::PolicyMissing | Outcome::Noted(_) | Outcome::Elsewhere => {
                    return Err(Error::Contended);
                }
            }
        }
        Err(Error::Contended)
    }

    /// One incident and how it stands.
    ///
    /// # Errors
    /// There is none of this name, or it cannot be read.
    pub async fn incident(&self, name: &IncidentName) -> Result<IncidentStatus, Error> {
        let loaded = self.store.incident(name).await?;
        let incident = loaded.incident.ok_or(Error::Incident(IncidentRefusal::NotFound))?;
        let figures = self.figures_of(name, loaded.now).await?;
        Ok(IncidentStatus { incident, figures })
    }

    async fn figures_of(
        &self,
        name: &IncidentName,
        now: Timestamp,
    ) -> Result<IncidentFigures, Error> {
        let objective = self.live().objective;
        let mut figures = IncidentFigures::default();
        for case in self.all(&Index::Incident(name.clone())).await? {
            figures.count(&case, &objective, now);
        }
        Ok(figures)
    }

    /// The facts that are shown with a case. Where they cannot be opened, the case is shown without them.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn facts_shown(&self, case: &Case) -> Result<Option<Facts>, Error> {
        let incidents = self.store.incidents().await?;
        let Some(name) = incident::facts_shown(case, &incidents) else { return Ok(None) };
        match self.store.incident_facts(name).await {
            Err(error @ (StoreError::Unreadable { .. } | StoreError::NotSealed { .. })) => {
                let mut told = self.facts_lost.lock().unwrap_or_else(PoisonError::into_inner);
                if told.insert(name.clone()) {
                    tracing::error!(incident = %name, %error,
                        "the facts of an incident cannot be opened; its cases are shown without them");
                }
                Ok(None)
            }
            facts => Ok(facts?),
        }
    }

    /// The incidents that are shown, open or closed not long ago, and how they stand, the latest opened
    /// first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn incidents_shown(&self) -> Result<Vec<IncidentStatus>, Error> {
        let now = self.now().await?;
        let mut shown = Vec::new();
        for incident in self.store.incidents().await? {
            if incident.is_shown(now) {
                let figures = self.figures_of(&incident.name, now).await?;
                shown.push(IncidentStatus { incident, figures });
            }
        }
        Ok(shown)
    }

    /// Learns which incidents are open, and moves every waiting case into the lane it belongs in.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub async fn sort_lanes(&self, sort: Sort) -> Result<(), Error> {
        let mut open = self.store.incidents().await?;
        open.retain(|incident| incident.closed_at.is_none());
        metrics::open_incidents(&self.name, open.len());
        self.open_incidents.store(Arc::new(open.clone()));
        self.sort_cases(&self.all(&Index::Ready(Lane::Incident)).await?, &open).await?;
        self.sort_cases(&self.all(&Index::Claimed).await?, &open).await?;
        // Without incidents there is nothing to move into their lane.
        if open.is_empty() {
            return Ok(());
        }
        self.sort_cases(&self.all(&Index::Ready(Lane::Ordinary)).await?, &open).await?;
        match sort {
            Sort::Waiting => Ok(()),
            Sort::All => self.sort_cases(&self.all_since_yesterday().await?, &open).await,
        }
    }

    /// Every case of the recent past, the latest accepted first.
    async fn all_since_yesterday(&self) -> Result<Vec<Case>, Error> {
        let now = self.now().await?;
        let from_ms = now.as_millis().saturating_sub(millis(LOOK_BACK));
        let mut cases = self.all_from(&Index::All, from_ms).await?;
        cases.retain(|case| case.accepted_at.as_millis() >= from_ms);
        Ok(cases)
    }

    async fn sort_cases(&self, cases: &[Case], open: &[Incident]) -> Result<(), Error> {
        for cases in cases.chunks(SORTED_AT_ONCE) {
            try_join_all(cases.iter().map(|case| self.sort_case(case, open))).await?;
        }
        Ok(())
    }

    async fn sort_case(&self, case: &Case, open: &[Incident]) -> Result<(), Error> {
        for sorting in incident::sortings(case, open) {
            match self.transact(case.id, &Command::Sort(sorting), &Extras::default()).await {
                Ok(_) => {}
                // One case must not keep all behind it out of their lane; the next look tries it again.
                Err(
                    error @ (Error::Store(StoreError::Unreadable { .. })
                    | Error::Refused(_)
                    | Error::Contended),
                ) => tracing::error!(case.id = %case.id, %error, "not sorted into its lane"),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Shows how many cases of open incidents have not ended though the objective is over.
    async fn count_overdue(&self) -> Result<(), Error> {
        let (mut overdue, now) = (0, self.now().await?);
        for incident in self.open_incidents.load().iter() {
            overdue += self.figures_of(&incident.name, now).await?.overdue;
        }
        metrics::incident_overdue(&self.name, overdue);
        Ok(())
    }
}

/// Which cases are looked at to sort them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Those that wait and those that somebody holds.
    Waiting,
    /// All of the recent past as well.
    All,
}

/// What was told before, a blank line, and what is added: nobody's words are lost.
fn joined(told: Option<Facts>, added: &Facts) -> Facts {
    match told {
        Some(told) if !told.0.is_empty() => Facts([&told.0[..], b"\n\n", &added.0].concat().into()),
        Some(_) | None => added.clone(),
    }
}

/// The loop that learns what other replicas have opened and closed.
pub struct Sorter<S> {
    desk: Arc<Desk<S>>,
    /// The open incidents that all was sorted for.
    sorted_for: Option<Vec<Incident>>,
    sorted_at: Instant,
    counted_at: Option<Instant>,
}

impl<S: Store> Sorter<S> {
    /// The sorter of a desk.
    pub fn new(desk: Arc<Desk<S>>) -> Self {
        Self { desk, sorted_for: None, sorted_at: monotonic_now(), counted_at: None }
    }

    /// Looks, for ever.
    pub async fn run(mut self) {
        let mut is_failing = false;
        loop {
            match self.look().await {
                Ok(()) => is_failing = false,
                Err(error) => {
                    if !std::mem::replace(&mut is_failing, true) {
                        tracing::error!(%error, "cases cannot be sorted into lanes; trying on");
                    }
                }
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Sorts all at first, for what a process that died has left half done, and when the incidents are
    /// others than before; while any is open, what waits now and then.
    async fn look(&mut self) -> Result<(), Error> {
        let mut open = self.desk.store.incidents().await?;
        open.retain(|incident| incident.closed_at.is_none());
        // A call may have opened one here that another process has closed since the last look.
        let is_known = **self.desk.open_incidents.load() == open;
        if !is_known || self.sorted_for.as_ref() != Some(&open) {
            self.desk.sort_lanes(Sort::All).await?;
            self.sorted_for = Some(open);
            self.sorted_at = monotonic_now();
            self.counted_at = None;
        } else if open.is_empty() {
            // A case whose authority owed an answer while its incident was closed comes back to the lane.
            let cases = self.desk.all(&Index::Ready(Lane::Incident)).await?;
            self.desk.sort_cases(&cases, &open).await?;
        } else if self.sorted_at.elapsed() >= SORT_EVERY {
            self.desk.sort_lanes(Sort::Waiting).await?;
            self.sorted_at = monotonic_now();
        }
        if self.counted_at.is_none_or(|at| at.elapsed() >= COUNT_EVERY) {
            self.desk.count_overdue().await?;
            self.counted_at = Some(monotonic_now());
        }
        Ok(())
    }
}
