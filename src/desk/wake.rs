//! Waking due cases, many at once.

use std::time::Duration;

use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::transact::{Extras, Tried};
use super::{Desk, Error};
use crate::core::{CaseId, Command, Timestamp};
use crate::store::{Due, Store, StoreError};
use crate::telemetry::traces;

/// What became of a batch of due cases.
#[derive(Debug, Default)]
pub struct Served {
    /// The cases that could not be woken, and why. They stay due.
    pub failed: Vec<(CaseId, Error)>,
    /// The cases for which there was nothing to do: another replica was faster, or the index is out
    /// of step with them.
    pub idle: Vec<CaseId>,
}

impl<S: Store> Desk<S> {
    /// The cases whose wake has come, leaving out the first `skip`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn due(&self, skip: usize, count: usize) -> Result<Due, StoreError> {
        self.store.due(skip, count).await
    }

    /// Sends `Wake` to each of these cases.
    ///
    /// # Errors
    /// None of them could be loaded.
    pub async fn wake(self: &std::sync::Arc<Self>, ids: Vec<CaseId>) -> Result<Served, Error> {
        let loaded = self.store.load_due(&ids).await?;
        let now = loaded.now;
        let mut waking = JoinSet::new();
        let mut served = Served::default();
        for (id, case) in ids.into_iter().zip(loaded.cases) {
            match case {
                Ok(case) => {
                    let desk = std::sync::Arc::clone(self);
                    let waking_it = async move {
                        let extras = Extras::default();
                        let woken = match desk.attempt(case, now, &Command::Wake, &extras).await {
                            Ok(Tried::Done(done)) => Ok(*done),
                            Ok(Tried::Again | Tried::Noted(_)) => {
                                desk.transact(id, &Command::Wake, &extras).await
                            }
                            Err(error) => Err(error),
                        };
                        (id, woken)
                    };
                    waking.spawn(waking_it.instrument(traces::wake(id)));
                }
                Err(source) => {
                    let error = StoreError::Unreadable { operation: "wake", source };
                    served.failed.push((id, error.into()));
                }
            }
        }
        while let Some(woken) = waking.join_next().await {
            match woken {
                Ok((id, Ok(done))) if done.is_replayed => served.idle.push(id),
                Ok((_, Ok(_))) => {}
                Ok((id, Err(error))) => served.failed.push((id, error)),
                // A panic in a decision is a fault of ours; the timer must not live on with it.
                Err(panic) => std::panic::resume_unwind(panic.into_panic()),
            }
        }
        Ok(served)
    }

    /// Waits `longest`, or until a commit of this process pages somebody.
    pub async fn until_paged(&self, longest: Duration) {
        tokio::select! {
            () = tokio::time::sleep(longest) => {}
            () = self.hints.paged.notified() => {}
        }
    }

    /// Waits until `at`, at most `longest`, or until a commit of this process makes an earlier wake.
    pub async fn until_wake(&self, at: Option<Timestamp>, now: Timestamp, longest: Duration) {
        let sleeps_until = at.unwrap_or(now + longest).min(now + longest);
        self.hints.timer_sleeps_until(sleeps_until.as_millis());
        tokio::select! {
            () = tokio::time::sleep(sleeps_until.since(now)) => {}
            () = self.hints.wake.notified() => {}
        }
    }
}
