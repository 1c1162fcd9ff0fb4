//! Load, decide, commit: the one way in which a case changes.

use std::time::Duration;

use tracing::Instrument as _;

use super::{Desk, Done, Error};
use crate::core::{
    Case, CaseId, Command, Decision, Fingerprint, Next, Policy, Refusal, Timestamp, decide,
};
use crate::store::{Commit, Note, Outcome, Said, Store, StoreError, Versioned};
use crate::telemetry::metrics;
use crate::telemetry::traces::{self, TraceParent};

/// How often a decision is made again because somebody else wrote in between. Each time somebody
/// got on, so this many losses in a row take a crowd on one case.
pub(super) const ATTEMPTS_MAX: usize = 32;

/// How old an observation of the store's time may be when its decision is written. A clock thus
/// starts, and a claim is granted, at most this long before it is on disk.
pub(super) const AGE_MAX: Duration = Duration::from_secs(1);

/// One try of a command.
pub(super) enum Tried {
    Done(Box<Done>),
    /// Somebody else wrote, or the time moved on: look again.
    Again,
    /// The same act got this case before, through another connection or replica.
    Noted(CaseId),
}

/// What a command adds beside the transition itself.
#[derive(Clone, Default)]
pub(super) struct Extras {
    pub(super) said: Said,
    pub(super) note: Option<Note>,
}

impl<S: Store> Desk<S> {
    pub(super) async fn accept(
        &self,
        id: CaseId,
        command: &Command,
        extras: &Extras,
    ) -> Result<Done, Error> {
        // Most requests are new, and the time is known closely enough: one round trip. The store
        // refuses the guess if either is wrong.
        let guessed = match self.store.now_estimate() {
            Some(now) => self.attempt(None, now, command, extras).await,
            None => Ok(Tried::Again),
        };
        match guessed {
            Ok(Tried::Done(done)) => Ok(*done),
            // What refuses new cases must not refuse the repeat of an old one, so it is looked.
            Ok(Tried::Again | Tried::Noted(_))
            | Err(
                Error::NotDurable { .. }
                | Error::Store(StoreError::Full { .. } | StoreError::NotSealed { .. }),
            ) => self.transact(id, command, extras).await,
            Err(error) => Err(error),
        }
    }

    pub(super) async fn load(&self, id: CaseId) -> Result<(Timestamp, Option<Case>), StoreError> {
        let loaded = self.store.load(&[id]).await?;
        let case = loaded.cases.into_iter().next().unwrap_or(Ok(None));
        let case = case.map_err(|unreadable| StoreError::Unreadable {
            operation: "load a case",
            source: unreadable.of(id),
        })?;
        Ok((loaded.now, case))
    }

    pub(super) async fn transact(
        &self,
        id: CaseId,
        command: &Command,
        extras: &Extras,
    ) -> Result<Done, Error> {
        for _ in 0..ATTEMPTS_MAX {
            let (now, case) = self.load(id).await?;
            if let Tried::Done(done) = self.attempt(case, now, command, extras).await? {
                return Ok(*done);
            }
            metrics::commit_retried();
        }
        Err(Error::Contended)
    }

    /// Decides once on what was loaded, and commits.
    pub(super) async fn attempt(
        &self,
        case: Option<Case>,
        now: Timestamp,
        command: &Command,
        extras: &Extras,
    ) -> Result<Tried, Error> {
        let policy = self.policies.of(case.as_ref(), self.store.as_ref()).await?;
        match decide(case.as_ref(), command, now, &policy) {
            Decision::Refused(refusal) => Err(Error::Refused(refusal)),
            Decision::AlreadyTrue => {
                let case = case.ok_or(Error::Refused(Refusal::CaseNotFound))?;
                // What is told as done must be as durable as when it was done.
                if !self.store.fence(&Versioned::Case(case.id), case.version).await? {
                    return Ok(Tried::Again);
                }
                Ok(Tried::Done(Box::new(Done { case, is_replayed: true })))
            }
            Decision::Next(next) => {
                let forgotten = forgotten(case.as_ref(), &next.case);
                self.commit(*next, now, &policy, forgotten, extras).await
            }
        }
    }

    async fn commit(
        &self,
        next: Next,
        observed_at: Timestamp,
        policy: &Policy,
        forgotten: Vec<Fingerprint>,
        extras: &Extras,
    ) -> Result<Tried, Error> {
        if next.case.version == 1
            && let Some(problem) = self.store.not_durable()
        {
            return Err(Error::NotDurable { problem });
        }
        let Extras { said, note } = extras.clone();
        let age_max = AGE_MAX;
        let span = traces::commit(next.case.id);
        let trace = TraceParent::of(&span);
        let commit =
            Commit { next: next.clone(), observed_at, age_max, said, forgotten, note, trace };
        let outcome = self.store.commit(commit).instrument(span.clone()).await;
        traces::committed(&span, outcome.as_ref().map_or("failed", |outcome| outcome.word()));
        match outcome? {
            Outcome::Written => {
                metrics::changed(&next.case, &next.change());
                self.hints.committed(&next.case, &next.events);
                self.near.committed(&next.case);
                Ok(Tried::Done(Box::new(Done { case: next.case, is_replayed: false })))
            }
            Outcome::Conflict | Outcome::Untimely(_) => Ok(Tried::Again),
            Outcome::PolicyMissing => {
                self.store.keep_policy(policy).await?;
                Ok(Tried::Again)
            }
            Outcome::Noted(id) => Ok(Tried::Noted(id)),
            Outcome::Elsewhere => Err(Error::Elsewhere),
        }
    }
}

/// The targets that the case can no longer be found by.
fn forgotten(before: Option<&Case>, after: &Case) -> Vec<Fingerprint> {
    let Some(before) = before else { return Vec::new() };
    before.facts.fingerprints.difference(&after.facts.fingerprints).copied().collect()
}
