//! The fair line of those who wait for a case. One loop per process hands the most urgent cases to
//! the callers who have waited longest; whoever loses a race keeps the place in the line.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, sleep_until};

use super::{Desk, Done, Error, Extras, Tried};
use crate::clock::monotonic_now;
use crate::core::memory::RequestDigest;
use crate::core::{Act, Case, CaseId, Command, Refusal, RequestId, Timestamp};
use crate::store::{Index, Note, Store, StoreError};

/// How long a caller may wait at most.
pub const WAIT_MAX: Duration = Duration::from_mins(10);
/// How many callers may stand in line; beyond it they wait to be let in.
pub(super) const LINE_MAX: usize = 1_024;
/// How many cases are handed out in one go.
const HANDED_OUT_MAX: usize = 30;
/// How often the line looks when nobody tells it of a new case.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long it is remembered which case an act got: far longer than any client keeps repeating.
const NOTE_KEPT_FOR: Duration = Duration::from_hours(24);

/// A caller in line.
pub(super) struct Waiter {
    act: Act,
    deadline: Instant,
    reply: oneshot::Sender<Result<Option<Done>, Error>>,
}

impl<S: Store> Desk<S> {
    /// Claims the most urgent case, waiting up to `wait` for one; `None` when none came.
    ///
    /// # Errors
    /// The act's id was used for something else, or the claim is not known to be stored.
    pub async fn claim_next(&self, act: Act, wait: Duration) -> Result<Option<Done>, Error> {
        if let Some(done) = self.claimed_before(&act).await? {
            return Ok(Some(done));
        }
        let (reply, answer) = oneshot::channel();
        let deadline = monotonic_now() + wait.min(WAIT_MAX);
        let waiter = Waiter { act, deadline, reply };
        self.line.send(waiter).await.map_err(|_| Error::Stopping)?;
        answer.await.map_err(|_| Error::Stopping)?
    }
}

/// The loop that hands cases out.
pub struct ClaimLine<S> {
    desk: Arc<Desk<S>>,
    arriving: mpsc::Receiver<Waiter>,
    waiting: VecDeque<Waiter>,
    /// Heads of the queue that cannot be read. They are stepped over so that they stop nobody, and
    /// looked at anew with every idle look.
    unreadable: HashSet<CaseId>,
}

impl<S: Store> ClaimLine<S> {
    pub(super) fn new(desk: Arc<Desk<S>>, arriving: mpsc::Receiver<Waiter>) -> Self {
        Self { desk, arriving, waiting: VecDeque::new(), unreadable: HashSet::new() }
    }

    /// Hands cases out until nobody can ask any more.
    pub async fn run(mut self) {
        loop {
            if self.waiting.is_empty() {
                let Some(first) = self.arriving.recv().await else { return };
                self.waiting.push_back(first);
            }
            while let Ok(waiter) = self.arriving.try_recv() {
                self.waiting.push_back(waiter);
            }
            self.waiting.retain(|waiter| !waiter.reply.is_closed());
            match self.heads().await {
                Ok((_, heads)) if heads.is_empty() => {
                    self.send_away_expired();
                    self.idle().await;
                }
                Ok((now, heads)) => self.hand_out(now, heads).await,
                Err(error) => self.fail_all(&error),
            }
        }
    }

    /// The most urgent cases, as many as there are callers to take them.
    async fn heads(&mut self) -> Result<(Timestamp, Vec<Case>), StoreError> {
        let wanted = self.waiting.len().min(HANDED_OUT_MAX);
        let store = &self.desk.store;
        let places = store.list(&Index::Ready, None, wanted + self.unreadable.len()).await?;
        let ids: Vec<CaseId> = places
            .into_iter()
            .map(|place| place.id)
            .filter(|id| !self.unreadable.contains(id))
            .take(wanted)
            .collect();
        if ids.is_empty() {
            return Ok((Timestamp::from_millis(0), Vec::new()));
        }
        let loaded = store.load(&ids).await?;
        let mut heads = Vec::with_capacity(ids.len());
        for (id, case) in ids.into_iter().zip(loaded.cases) {
            match case {
                Ok(case) => heads.extend(case),
                Err(error) => {
                    tracing::error!(case.id = %id, %error, "a case in the queue cannot be claimed");
                    self.unreadable.insert(id);
                }
            }
        }
        Ok((loaded.now, heads))
    }

    /// Gives the first case to the first caller, the second to the second, and so on, in one batch.
    async fn hand_out(&mut self, now: Timestamp, heads: Vec<Case>) {
        let callers: Vec<Waiter> =
            self.waiting.drain(..heads.len().min(self.waiting.len())).collect();
        let claims = heads
            .into_iter()
            .zip(&callers)
            .map(|(case, caller)| claim(&self.desk, case, now, caller.act.clone()));
        // Polled in this order, so that they are written in the order of the queue.
        let claims = join_all(claims).await;
        let mut losers = Vec::new();
        for (caller, claim) in callers.into_iter().zip(claims) {
            match claim {
                Ok(Some(done)) => self.deliver(caller, done),
                Ok(None) => losers.push(caller),
                Err(error) => _ = caller.reply.send(Err(error)),
            }
        }
        for loser in losers.into_iter().rev() {
            self.waiting.push_front(loser);
        }
    }

    /// Hands the case over, or gives it back at once when the caller is gone.
    fn deliver(&self, caller: Waiter, done: Done) {
        let act = caller.act;
        let Err(Ok(Some(done))) = caller.reply.send(Ok(Some(done))) else { return };
        let desk = Arc::clone(&self.desk);
        tokio::spawn(async move {
            let id = done.case.id;
            if let Err(error) = give_back(&desk, done, act).await {
                // The lease ends by itself; until then the case is nobody's in fact.
                tracing::error!(case.id = %id, %error, "an undelivered claim could not be released");
            }
        });
    }

    fn send_away_expired(&mut self) {
        let now = monotonic_now();
        let (expired, waiting) =
            self.waiting.drain(..).partition(|waiter: &Waiter| waiter.deadline <= now);
        self.waiting = waiting;
        let expired: VecDeque<Waiter> = expired;
        expired.into_iter().for_each(|waiter| _ = waiter.reply.send(Ok(None)));
    }

    /// Waits for a case, a caller, or the end of somebody's patience.
    async fn idle(&mut self) {
        self.unreadable.clear();
        let Some(deadline) = self.waiting.iter().map(|waiter| waiter.deadline).min() else {
            return;
        };
        tokio::select! {
            () = self.desk.hints.ready.notified() => {}
            () = sleep(LOOK_EVERY) => {}
            () = sleep_until(deadline.into()) => {}
            Some(waiter) = self.arriving.recv() => self.waiting.push_back(waiter),
        }
    }

    fn fail_all(&mut self, error: &StoreError) {
        let reason = error.to_string();
        for waiter in self.waiting.drain(..) {
            let failed = StoreError::Failed { operation: "claim", problem: reason.clone() };
            _ = waiter.reply.send(Err(failed.into()));
        }
    }
}

/// Claims the case for the act; `None` when somebody else was faster.
async fn claim<S: Store>(
    desk: &Desk<S>,
    case: Case,
    now: Timestamp,
    act: Act,
) -> Result<Option<Done>, Error> {
    let note = Note { key: act.key(), kept_for: NOTE_KEPT_FOR };
    let extras = Extras { note: Some(note), ..Extras::default() };
    match desk.attempt(Some(case), now, &Command::Claim(act), &extras).await {
        Ok(Tried::Done(done)) => Ok(Some(*done)),
        Ok(Tried::Again) | Err(Error::Refused(Refusal::ClaimedByAnother | Refusal::CaseEnded)) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Releases, in the caller's name, a claim that never reached the caller.
async fn give_back<S: Store>(desk: &Desk<S>, done: Done, act: Act) -> Result<(), Error> {
    let epoch = done.case.claim_epoch;
    let request_id: RequestId = format!("undelivered/{}/{epoch}", done.case.id.compact())
        .parse()
        .expect("an id and a number follow the rule of request ids");
    let digest = RequestDigest::of("undelivered", request_id.as_str().as_bytes());
    let release = Command::Release(Act { by: act.by, request_id, digest }, epoch);
    match desk.act(done.case.id, &release).await {
        // Replayed to the caller meanwhile, or over already: then it is not ours to give back.
        Ok(_) | Err(Error::Refused(_)) => Ok(()),
        Err(error) => Err(error),
    }
}
