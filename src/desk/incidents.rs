//! Incidents: opening and closing them, and seeing to it that every case waits in its lane.
//!
//! Which cases belong follows from the incident's rule, so a process that dies half way through
//! leaves nothing that the next look does not put right.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::{Desk, Error, Extras, Facts, Index, Store};
use crate::clock::monotonic_now;
use crate::core::incident::{
    Incident, IncidentCommand, IncidentDecision, IncidentFigures, decide_incident,
};
use crate::core::{Act, Command, IncidentName, Lane, Notice, Sorting, What};
use crate::store::{IncidentCommit, Outcome, StoreError};
use crate::telemetry::metrics;

/// How often it is looked which incidents other replicas have opened or closed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often, while an incident is open, all cases that wait are looked through: a case may have been
/// taken in by a replica that had not heard of it yet.
const SORT_EVERY: Duration = Duration::from_secs(5);

/// What came of opening or closing an incident.
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
    /// The facts told of it, once for all its cases.
    pub facts: Option<Facts>,
    /// How its cases stand.
    pub figures: IncidentFigures,
}

impl<S: Store> Desk<S> {
    /// Opens or closes an incident. When this returns, it is durable, and every case that waits
    /// stands in its lane.
    ///
    /// # Errors
    /// The rules do not allow it, or it is not known to be stored.
    pub async fn act_on_incident(
        &self,
        name: &IncidentName,
        act: &Act,
        command: &IncidentCommand,
        facts: Option<Facts>,
    ) -> Result<IncidentDone, Error> {
        let is_replayed = self.commit_incident(name, act, command, facts).await?;
        self.sort_lanes().await?;
        let status = self.incident(name).await?;
        Ok(IncidentDone { status, is_replayed })
    }

    /// Whether it had been done before.
    async fn commit_incident(
        &self,
        name: &IncidentName,
        act: &Act,
        command: &IncidentCommand,
        facts: Option<Facts>,
    ) -> Result<bool, Error> {
        for _ in 0..super::transact::ATTEMPTS_MAX {
            let loaded = self.store.incident(name).await?;
            let next = match decide_incident(loaded.incident.as_ref(), act, command, loaded.now) {
                IncidentDecision::AlreadyTrue => return Ok(true),
                IncidentDecision::Refused(refusal) => return Err(Error::Incident(refusal)),
                IncidentDecision::Next(next) => next,
            };
            let incident = name.clone();
            let what = match command {
                IncidentCommand::Open(..) => What::IncidentOpened { incident },
                IncidentCommand::Close => What::IncidentClosed { incident },
            };
            let commit = IncidentCommit {
                incident: *next,
                facts: facts.clone(),
                notice: Notice { at: loaded.now, by: Some(act.actor()), what },
                observed_at: loaded.now,
                age_max: super::transact::AGE_MAX,
            };
            match self.store.commit_incident(commit).await? {
                Outcome::Written => return Ok(false),
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
        let missing = Error::Incident(crate::core::incident::IncidentRefusal::NotFound);
        let incident = loaded.incident.ok_or(missing)?;
        let objective = self.live().objective;
        let mut figures = IncidentFigures::default();
        for case in self.all(&Index::Incident(name.clone())).await? {
            figures.count(&case, &objective);
        }
        Ok(IncidentStatus { incident, facts: loaded.facts, figures })
    }

    /// The facts told of an incident.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn incident_facts(&self, name: &IncidentName) -> Result<Option<Facts>, Error> {
        Ok(self.store.incident(name).await?.facts)
    }

    /// The open incidents and how they stand, the latest opened first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn open_incidents(&self) -> Result<Vec<IncidentStatus>, Error> {
        let mut open = Vec::new();
        for incident in self.store.incidents().await? {
            if incident.closed_at.is_none() {
                open.push(self.incident(&incident.name).await?);
            }
        }
        Ok(open)
    }

    /// Learns which incidents are open, and moves every waiting case into the lane it belongs in.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub async fn sort_lanes(&self) -> Result<(), Error> {
        let mut open = self.store.incidents().await?;
        open.retain(|incident| incident.closed_at.is_none());
        metrics::open_incidents(&self.name, open.len());
        self.open_incidents.store(Arc::new(open.clone()));
        for lane in Lane::ALL {
            // Without incidents there is nothing to move into their lane.
            if *lane == Lane::Ordinary && open.is_empty() {
                continue;
            }
            for case in self.all(&Index::Ready(*lane)).await? {
                self.sort_case(&case, &open).await?;
            }
        }
        for case in self.all(&Index::Claimed).await? {
            self.sort_case(&case, &open).await?;
        }
        Ok(())
    }

    async fn sort_case(&self, case: &crate::core::Case, open: &[Incident]) -> Result<(), Error> {
        let sorting = match &case.incident {
            Some(name) if open.iter().any(|incident| incident.name == *name) => return Ok(()),
            Some(name) => Sorting::LeaveIncident(name.clone()),
            None => {
                let covering =
                    open.iter().find(|incident| incident.rule.covers(case.nature, &case.facts));
                match covering {
                    Some(incident) => Sorting::JoinIncident(incident.name.clone()),
                    None => return Ok(()),
                }
            }
        };
        match self.transact(case.id, &Command::Sort(sorting), &Extras::default()).await {
            Ok(_) => Ok(()),
            // One case must not keep all behind it out of their lane; the next look tries it again.
            Err(
                error @ (Error::Store(StoreError::Unreadable { .. })
                | Error::Refused(_)
                | Error::Contended),
            ) => {
                tracing::error!(case.id = %case.id, %error, "not sorted into its lane");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// The loop that learns what other replicas have opened and closed.
pub struct Sorter<S> {
    desk: Arc<Desk<S>>,
}

impl<S: Store> Sorter<S> {
    /// The sorter of a desk.
    pub const fn new(desk: Arc<Desk<S>>) -> Self {
        Self { desk }
    }

    /// Looks, for ever.
    pub async fn run(self) {
        let mut is_failing = false;
        let mut sorted_at: Option<Instant> = None;
        loop {
            let is_time = sorted_at.is_none_or(|at| at.elapsed() >= SORT_EVERY);
            match self.look(sorted_at.is_none(), is_time).await {
                Ok(has_sorted) => {
                    is_failing = false;
                    sorted_at = if has_sorted { Some(monotonic_now()) } else { sorted_at };
                }
                Err(error) => {
                    if !std::mem::replace(&mut is_failing, true) {
                        tracing::error!(%error, "cases cannot be sorted into lanes; trying on");
                    }
                }
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Sorts at first, for what a process that died has left half done; then when the incidents are
    /// others than before and, if `is_time`, while any is open. Whether it has sorted.
    async fn look(&self, is_first: bool, is_time: bool) -> Result<bool, Error> {
        let mut open = self.desk.store.incidents().await?;
        open.retain(|incident| incident.closed_at.is_none());
        let is_known = **self.desk.open_incidents.load() == open;
        if !is_first && is_known && (open.is_empty() || !is_time) {
            if open.is_empty() {
                // A case whose authority owed an answer while its incident was closed comes back to
                // the lane.
                for case in self.desk.all(&Index::Ready(Lane::Incident)).await? {
                    self.desk.sort_case(&case, &open).await?;
                }
            }
            return Ok(false);
        }
        self.desk.sort_lanes().await?;
        Ok(true)
    }
}
