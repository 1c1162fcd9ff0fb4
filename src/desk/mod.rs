//! The use cases: load, decide, commit, and again when somebody else was first.

mod claim_next;
mod error;
mod hints;
mod policies;
mod upkeep;
mod wake;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::clock::monotonic_now;
use crate::core::{
    Case, CaseId, Command, Decision, DeskName, Intake, Next, Policy, Refusal, Timestamp, decide,
};
use crate::store::{Commit, Note, Outcome};
/// The parts of a store that those above the desk speak of.
pub use crate::store::{Contents, Cursor, Due, Index, Position, Store, StoreError};
use crate::telemetry::metrics::{self, Submitted};

pub use claim_next::{ClaimLine, WAIT_MAX};
pub use error::Error;
use hints::Hints;
use policies::Policies;
pub use upkeep::Upkeep;
pub use wake::Served;
pub use watch::{Followed, Tail, Watch, WatchScope};

/// How often a decision is made again because somebody else wrote in between. Each time somebody
/// got on, so this many losses in a row take a crowd on one case.
const ATTEMPTS_MAX: usize = 32;

/// How old an observation of the store's time may be when its decision is written. A clock thus
/// starts, and a claim is granted, at most this long before it is on disk.
const AGE_MAX: Duration = Duration::from_secs(1);

/// One desk's use cases over a store.
pub struct Desk<S> {
    name: DeskName,
    store: Arc<S>,
    policies: Policies,
    hints: Hints,
    line: mpsc::Sender<claim_next::Waiter>,
    tail: watch::TailReceiver,
}

/// What came of an act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The case as it is now.
    pub case: Case,
    /// Whether this very act had been done before.
    pub is_replayed: bool,
}

/// One try of a command.
enum Tried {
    Done(Box<Done>),
    /// Somebody else wrote, or the time moved on: look again.
    Again,
    /// The same act got this case before, through another connection or replica.
    Noted(CaseId),
}

/// What a command adds beside the transition itself.
#[derive(Clone, Default)]
struct Extras {
    contents: Contents,
    note: Option<Note>,
}

impl<S: Store> Desk<S> {
    /// A desk, the line of those who wait for a case, and the reader of its changes. The latter two
    /// must be run as long as the desk is used.
    pub fn new(
        name: DeskName,
        store: Arc<S>,
        policy: Policy,
    ) -> (Arc<Self>, ClaimLine<S>, Tail<S>) {
        let (line, waiters) = mpsc::channel(claim_next::LINE_MAX);
        let (tail_sender, tail) = watch::channel();
        let policies = Policies::new(policy);
        let desk = Arc::new(Self { name, store, policies, hints: Hints::default(), line, tail });
        let claim_line = ClaimLine::new(Arc::clone(&desk), waiters);
        let tail = Tail::new(Arc::clone(&desk), tail_sender);
        (desk, claim_line, tail)
    }

    /// The desk's name.
    pub const fn name(&self) -> &DeskName {
        &self.name
    }

    /// The policy that new cases are accepted under.
    pub fn policy(&self) -> Arc<Policy> {
        self.policies.current()
    }

    /// The store's time now, or a little less.
    pub fn now_estimate(&self) -> Option<Timestamp> {
        self.store.now_estimate()
    }

    /// Takes a request in. When this returns, the case is durable.
    ///
    /// # Errors
    /// Another request was made under the same id, or the case is not known to be stored.
    pub async fn submit(&self, intake: Intake, request: Vec<u8>) -> Result<Done, Error> {
        let started = monotonic_now();
        let id = intake.case_id();
        let contents = Contents { request: Some(request), response: None };
        let extras = Extras { contents, note: None };
        let submitted = self.accept(id, &Command::Accept(intake), &extras).await;
        let result = match &submitted {
            Ok(done) if done.is_replayed => Submitted::Replayed,
            Ok(_) => Submitted::Accepted,
            Err(Error::Refused(_)) => Submitted::Refused,
            Err(_) => Submitted::Failed,
        };
        metrics::submitted(result, started.elapsed());
        submitted
    }

    async fn accept(&self, id: CaseId, command: &Command, extras: &Extras) -> Result<Done, Error> {
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
            | Err(Error::NotDurable { .. } | Error::Store(StoreError::Full { .. })) => {
                self.transact(id, command, extras).await
            }
            Err(error) => Err(error),
        }
    }

    /// Does a person's act to a case.
    ///
    /// # Errors
    /// The case does not allow it, or it is not known to be stored.
    pub async fn act(&self, id: CaseId, command: &Command) -> Result<Done, Error> {
        self.transact(id, command, &Extras::default()).await
    }

    /// Records a first response with its texts.
    ///
    /// # Errors
    /// The case does not allow it, or it is not known to be stored.
    pub async fn respond(
        &self,
        id: CaseId,
        command: &Command,
        response: Vec<u8>,
    ) -> Result<Done, Error> {
        let contents = Contents { request: None, response: Some(response) };
        self.transact(id, command, &Extras { contents, note: None }).await
    }

    /// One case.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub async fn get(&self, id: CaseId) -> Result<Case, Error> {
        let (_, case) = self.load(id).await?;
        case.ok_or(Error::Refused(Refusal::CaseNotFound))
    }

    /// What was said in a case.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn contents(&self, id: CaseId) -> Result<Contents, Error> {
        Ok(self.store.contents(id).await?)
    }

    /// Up to `count` cases of an index, and where to go on if there may be more. A case that has left
    /// the index meanwhile is shown as it is now.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn list(
        &self,
        index: &Index,
        after: Option<Position>,
        count: usize,
    ) -> Result<(Vec<Case>, Option<Position>), Error> {
        let positions = self.store.list(index, after, count).await?;
        // The index says where it ends, not the cases: some of them may be left out below.
        let next = if positions.len() < count { None } else { positions.last().copied() };
        let ids: Vec<CaseId> = positions.iter().map(|position| position.id).collect();
        let loaded = self.store.load(&ids).await?;
        let mut cases = Vec::with_capacity(positions.len());
        for (position, case) in positions.into_iter().zip(loaded.cases) {
            match case {
                Ok(case) => cases.extend(case),
                // The others must be seen all the same; this one shows in the log and as a metric.
                Err(error) => tracing::error!(case.id = %position.id, %error, "left out of a list"),
            }
        }
        Ok((cases, next))
    }

    async fn load(&self, id: CaseId) -> Result<(Timestamp, Option<Case>), StoreError> {
        let loaded = self.store.load(&[id]).await?;
        let case = loaded.cases.into_iter().next().unwrap_or(Ok(None));
        let case = case.map_err(|unreadable| StoreError::Unreadable {
            operation: "load a case",
            source: unreadable.of(id),
        })?;
        Ok((loaded.now, case))
    }

    async fn transact(
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
    async fn attempt(
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
                if !self.store.fence(case.id, case.version).await? {
                    return Ok(Tried::Again);
                }
                Ok(Tried::Done(Box::new(Done { case, is_replayed: true })))
            }
            Decision::Next(next) => self.commit(*next, now, &policy, extras).await,
        }
    }

    async fn commit(
        &self,
        next: Next,
        observed_at: Timestamp,
        policy: &Policy,
        extras: &Extras,
    ) -> Result<Tried, Error> {
        if next.case.version == 1
            && let Some(problem) = self.store.not_durable()
        {
            return Err(Error::NotDurable { problem });
        }
        let Extras { contents, note } = extras.clone();
        let commit = Commit { next: next.clone(), observed_at, age_max: AGE_MAX, contents, note };
        match self.store.commit(commit).await? {
            Outcome::Written => {
                metrics::changed(&next.case, &next.change());
                self.hints.committed(&next.case);
                Ok(Tried::Done(Box::new(Done { case: next.case, is_replayed: false })))
            }
            Outcome::Conflict | Outcome::Untimely(_) => Ok(Tried::Again),
            Outcome::PolicyMissing => {
                self.store.keep_policy(policy).await?;
                Ok(Tried::Again)
            }
            Outcome::Noted(id) => Ok(Tried::Noted(id)),
        }
    }
}
