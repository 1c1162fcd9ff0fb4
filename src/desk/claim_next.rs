//! The fair line of those who wait for a case. One loop per process hands the most urgent cases to
//! the callers who have waited longest; whoever loses a race keeps the place in the line.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, sleep_until};
use tracing::{Instrument as _, Span};

use super::transact::{ATTEMPTS_MAX, Extras, Tried};
use super::{Desk, Done, Error};
use crate::clock::monotonic_now;
use crate::core::incident::{Head, next_lane};
use crate::core::memory::{Recall, RequestDigest};
use crate::core::projection::{Place, ready};
use crate::core::{Act, Case, CaseId, Command, Deed, Lane, Refusal, RequestId, Subject, Timestamp};
use crate::store::{Index, Note, Said, Store, StoreError, Versioned};

/// How long a caller may wait at most.
pub const WAIT_MAX: Duration = Duration::from_mins(10);
/// How many callers may stand in line; beyond it they wait to be let in.
pub(super) const LINE_MAX: usize = 1_024;
/// How many cases are handed out in one go.
const HANDED_OUT_MAX: usize = 30;
/// How often the line looks when nobody tells it of a new case.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// After how long a case that could not be read is looked at, and reported, again.
const UNREADABLE_AGAIN_AFTER: Duration = Duration::from_secs(30);
/// How long the line pauses when all its callers have lost their races.
const LOST_PAUSE: Duration = Duration::from_millis(10);
/// How long it is remembered which case an act got: far longer than any client keeps repeating.
const NOTE_KEPT_FOR: Duration = Duration::from_hours(24);

/// How an outcome reaches a caller. `None`: no case came in time.
type Reply = oneshot::Sender<Result<Option<Handover>, Error>>;

/// A caller in line.
pub(super) struct Waiter {
    /// Drawn when the call came: the look for a note takes one longer than another.
    ticket: u64,
    act: Act,
    deadline: Instant,
    reply: Reply,
    /// The call, of whose trace the claim is a part.
    call: Span,
}

impl<S: Store> Desk<S> {
    /// Claims the most urgent case, waiting up to `wait` for one; `None` when none came. May be
    /// dropped at any time: a case that was claimed for it is then given back.
    ///
    /// # Errors
    /// The act's id was used for something else, or the claim is not known to be stored.
    pub async fn claim_next(&self, act: Act, wait: Duration) -> Result<Option<Done>, Error> {
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        if let Some(id) = self.store.noted(act.key()).await? {
            return self.hand_over_again(id, &act).await.map(Some);
        }
        let (reply, answer) = oneshot::channel();
        let deadline = monotonic_now() + wait.min(WAIT_MAX);
        self.line
            .send(Waiter { ticket, act, deadline, reply, call: Span::current() })
            .await
            .map_err(|_| Error::Stopping)?;
        let handover = answer.await.map_err(|_| Error::Stopping)??;
        Ok(handover.map(Handover::take))
    }

    /// Answers an act that has got a case before. A claim that is still the caller's is extended,
    /// which also marks it as delivered, so that nobody gives it back on the caller's behalf.
    pub(super) async fn hand_over_again(&self, id: CaseId, act: &Act) -> Result<Done, Error> {
        let case = self.get(id).await?;
        if case.memory.recall(act) == Recall::Reused {
            return Err(Error::Refused(Refusal::RequestIdReused));
        }
        let (version, epoch) = (case.version, case.claim_epoch);
        if case.claim.as_ref().is_some_and(|claim| claim.by == act.by) {
            let mark = own_act(REDELIVERED, &act.by, epoch);
            match self.act(id, mark, Deed::Renew(epoch), Said::Nothing).await {
                Ok(done) => return Ok(Done { is_replayed: true, ..done }),
                // It has ended this moment; the case is returned as it is.
                Err(Error::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let is_here = self.store.fence(&Versioned::Case(id), version).await?;
        if is_here { Ok(Done { case, is_replayed: true }) } else { Err(Error::Contended) }
    }
}

/// A claim on its way to its caller. If it is dropped on the way, the case is given back.
pub(super) struct Handover {
    done: Option<Done>,
    undelivered: mpsc::UnboundedSender<Done>,
}

impl Handover {
    fn take(mut self) -> Done {
        self.done.take().expect("it is taken once, by the caller")
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        // A replay was delivered before, or is marked as delivered by whoever asked again.
        if let Some(done) = self.done.take()
            && !done.is_replayed
        {
            // The line has ended only in a process that is ending; then the lease runs out.
            _ = self.undelivered.send(done);
        }
    }
}

/// The loop that hands cases out.
pub struct ClaimLine<S> {
    desk: Arc<Desk<S>>,
    arriving: mpsc::Receiver<Waiter>,
    waiting: VecDeque<Waiter>,
    /// Heads of the queue that cannot be read. They are stepped over so that they stop nobody, and
    /// looked at anew after a while.
    unreadable: HashSet<CaseId>,
    unreadable_since: Instant,
    /// From which lane the latest case was handed out.
    latest_lane: Lane,
    /// Claims that did not reach their callers.
    undelivered: mpsc::UnboundedReceiver<Done>,
    not_delivered: mpsc::UnboundedSender<Done>,
}

impl<S: Store> ClaimLine<S> {
    pub(super) fn new(desk: Arc<Desk<S>>, arriving: mpsc::Receiver<Waiter>) -> Self {
        let (not_delivered, undelivered) = mpsc::unbounded_channel();
        Self {
            desk,
            arriving,
            waiting: VecDeque::new(),
            unreadable: HashSet::new(),
            unreadable_since: monotonic_now(),
            latest_lane: Lane::Incident,
            undelivered,
            not_delivered,
        }
    }

    /// Hands cases out until nobody can ask any more.
    pub async fn run(mut self) {
        loop {
            self.give_back_undelivered();
            if self.waiting.is_empty() {
                tokio::select! {
                    arrived = self.arriving.recv() => match arrived {
                        Some(first) => self.join(first),
                        None => return,
                    },
                    // Its sender is kept in `self`, so there is always one.
                    Some(done) = self.undelivered.recv() => self.give_back(done),
                }
                continue;
            }
            while let Ok(waiter) = self.arriving.try_recv() {
                self.join(waiter);
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

    /// Puts a caller into the line, in the order of the calls; one who asks again takes the place of the call before,
    /// whose connection is probably dead.
    fn join(&mut self, waiter: Waiter) {
        if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.act == waiter.act) {
            let waiter = Waiter { ticket: waiting.ticket, ..waiter };
            let before = std::mem::replace(waiting, waiter);
            _ = before.reply.send(Err(Error::Superseded));
            return;
        }
        let place = self.waiting.partition_point(|other| other.ticket < waiter.ticket);
        self.waiting.insert(place, waiter);
    }

    /// The most urgent cases, as many as there are callers to take them.
    async fn heads(&mut self) -> Result<(Timestamp, Vec<Case>), StoreError> {
        let wanted = self.waiting.len().min(HANDED_OUT_MAX);
        let store = &self.desk.store;
        let mut ids = Vec::new();
        for lane in Lane::ALL {
            let index = Index::Ready(*lane);
            let places = store.list(&index, None, wanted + self.unreadable.len()).await?;
            let readable = places.into_iter().map(|place| place.id);
            ids.extend(readable.filter(|id| !self.unreadable.contains(id)).take(wanted));
        }
        if ids.is_empty() {
            return Ok((Timestamp::from_millis(0), Vec::new()));
        }
        let loaded = store.load(&ids).await?;
        let mut heads = Vec::with_capacity(ids.len());
        for (id, case) in ids.into_iter().zip(loaded.cases) {
            match case {
                Ok(Some(case)) => heads.push(case),
                Ok(None) => {
                    tracing::error!(case.id = %id, "in the queue, but there is no such case");
                    self.unreadable.insert(id);
                }
                Err(error) => {
                    tracing::error!(case.id = %id, %error, "a case in the queue cannot be claimed");
                    self.unreadable.insert(id);
                }
            }
        }
        Ok((loaded.now, self.in_turn(heads, wanted)))
    }

    /// The first `wanted` of these cases, in the order in which they are handed out.
    fn in_turn(&mut self, heads: Vec<Case>, wanted: usize) -> Vec<Case> {
        let mut ordinary = VecDeque::new();
        let mut incident = VecDeque::new();
        for case in heads {
            // A case that has left the queue meanwhile is nobody's to hand out.
            match ready(&case) {
                Some((Lane::Ordinary, place)) => ordinary.push_back((place, case)),
                Some((Lane::Incident, place)) => incident.push_back((place, case)),
                None => {}
            }
        }
        let mut turns = Vec::with_capacity(wanted);
        let head = |lane: &VecDeque<(Place, Case)>| {
            lane.front().map(|(place, case)| Head::of(case, *place))
        };
        while turns.len() < wanted
            && let Some(lane) = next_lane(head(&ordinary), head(&incident), self.latest_lane)
        {
            self.latest_lane = lane;
            let cases = match lane {
                Lane::Ordinary => &mut ordinary,
                Lane::Incident => &mut incident,
            };
            turns.extend(cases.pop_front().map(|(_, case)| case));
        }
        turns
    }

    /// Gives the first case to the first caller, the second to the second, and so on, in one batch.
    async fn hand_out(&mut self, now: Timestamp, heads: Vec<Case>) {
        let count = heads.len().min(self.waiting.len());
        let callers: Vec<Waiter> = self.waiting.drain(..count).collect();
        let ids: Vec<CaseId> = heads.iter().map(|case| case.id).collect();
        let claims = heads.into_iter().zip(&callers).map(|(case, caller)| {
            claim(&self.desk, case, now, caller.act.clone()).instrument(caller.call.clone())
        });
        // Polled in this order, so that they are written in the order of the queue.
        let claims = join_all(claims).await;
        let mut losers = Vec::new();
        for ((caller, id), claim) in callers.into_iter().zip(ids).zip(claims) {
            match claim {
                Ok(Some(done)) => {
                    let undelivered = self.not_delivered.clone();
                    let handover = Handover { done: Some(done), undelivered };
                    // A caller who is gone drops it, which gives the case back.
                    _ = caller.reply.send(Ok(Some(handover)));
                }
                Ok(None) => losers.push(caller),
                Err(Error::Store(error @ StoreError::Unreadable { .. })) => {
                    tracing::error!(case.id = %id, %error, "a case in the queue cannot be claimed");
                    self.unreadable.insert(id);
                    losers.push(caller);
                }
                Err(error) => _ = caller.reply.send(Err(error)),
            }
        }
        if !losers.is_empty() && losers.len() == count {
            // Others are faster, or this replica reads what it cannot write: no reason to spin.
            sleep(LOST_PAUSE).await;
        }
        for loser in losers.into_iter().rev() {
            self.waiting.push_front(loser);
        }
    }

    fn give_back_undelivered(&mut self) {
        while let Ok(done) = self.undelivered.try_recv() {
            self.give_back(done);
        }
    }

    fn give_back(&self, done: Done) {
        let desk = Arc::clone(&self.desk);
        tokio::spawn(async move {
            let id = done.case.id;
            if let Err(error) = give_back(&desk, done).await {
                // The lease ends by itself; until then the case is nobody's in fact.
                tracing::error!(case.id = %id, %error, "an undelivered claim was not given back");
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
        if self.unreadable_since.elapsed() > UNREADABLE_AGAIN_AFTER {
            self.unreadable.clear();
            self.unreadable_since = monotonic_now();
        }
        let Some(deadline) = self.waiting.iter().map(|waiter| waiter.deadline).min() else {
            return;
        };
        tokio::select! {
            () = self.desk.hints.ready.notified() => {}
            () = sleep(LOOK_EVERY) => {}
            () = sleep_until(deadline.into()) => {}
            Some(waiter) = self.arriving.recv() => self.join(waiter),
            Some(done) = self.undelivered.recv() => self.give_back(done),
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
    match desk.attempt(Some(case), now, &Command::Act(act.clone(), Deed::Claim), &extras).await {
        Ok(Tried::Done(done)) => Ok(Some(*done)),
        Ok(Tried::Noted(id)) => desk.hand_over_again(id, &act).await.map(Some),
        Ok(Tried::Again) | Err(Error::Refused(Refusal::ClaimedByAnother | Refusal::CaseEnded)) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The mark that a claim was handed over a second time.
const REDELIVERED: &str = "redelivered";
/// The release of a claim that never reached its caller.
const UNDELIVERED: &str = "undelivered";

/// An act of our own in a caller's name, at most one of each kind for each claim.
fn own_act(kind: &str, by: &Subject, epoch: u64) -> Act {
    let request_id: RequestId = format!("{kind}/{epoch}")
        .parse()
        .expect("a word, a stroke and a number follow the rule of request ids");
    let digest = RequestDigest::of(kind, &epoch.to_be_bytes());
    Act::new(by.clone(), std::collections::BTreeSet::new(), request_id, digest)
}

/// Releases, in the caller's name, a claim that never reached the caller, unless the caller has got
/// it by asking again. The version decides which of the two was first.
async fn give_back<S: Store>(desk: &Desk<S>, done: Done) -> Result<(), Error> {
    let Some(claim) = done.case.claim else { return Ok(()) };
    let (id, epoch) = (done.case.id, claim.epoch);
    let mark = own_act(REDELIVERED, &claim.by, epoch);
    let release = own_act(UNDELIVERED, &claim.by, epoch);
    let release = Command::Act(release, Deed::Release(epoch));
    for _ in 0..ATTEMPTS_MAX {
        let (now, Some(case)) = desk.load(id).await? else { return Ok(()) };
        if case.memory.recall(&mark) != Recall::New {
            return Ok(());
        }
        match desk.attempt(Some(case), now, &release, &Extras::default()).await {
            Ok(Tried::Again | Tried::Noted(_)) => {}
            Ok(Tried::Done(_)) | Err(Error::Refused(_)) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Err(Error::Contended)
}
