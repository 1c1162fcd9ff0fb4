//! What both services share of lists and watches.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::convert;
use super::guard::Guard;
use super::serve::Edge;
use super::{status, wire};
use crate::core::AuthorityId;
use crate::core::intake::{Checks, Code};
use crate::desk::{Cursor, Desk, Followed, Store, Watch};
use crate::telemetry::metrics;

const PAGE_SIZE_DEFAULT: usize = 50;
const PAGE_SIZE_MAX: usize = 200;
/// How long nothing is sent before a watch says that it is alive.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(15);
/// How long the last message of a watch may take when the process stops.
const LAST_WORD_TIMEOUT: Duration = Duration::from_secs(1);
/// How many messages wait for a reader before the watch itself waits.
const BUFFERED: usize = 16;

pub(super) type Stream<T> =
    Pin<Box<dyn tokio_stream::Stream<Item = Result<T, Status>> + Send + 'static>>;

/// The size of a page: 0 asks for the default, and too much is brought down to the most there is.
pub(super) fn page_size(checks: &mut Checks, asked: i32) -> Option<usize> {
    match usize::try_from(asked) {
        Ok(0) => Some(PAGE_SIZE_DEFAULT),
        Ok(size) => Some(size.min(PAGE_SIZE_MAX)),
        Err(_) => {
            checks.violation("page_size", Code::OutOfRange, "send 0 or more");
            None
        }
    }
}

/// What a watch sends.
pub(super) enum Told {
    Followed(Followed),
    Heartbeat(wire::Heartbeat),
}

/// Sends what `watch` tells, in the words of `write`, until the reader goes away or something ends
/// it; then says what. Until then it takes up the `room` of its caller.
pub(super) fn stream<S: Store, T: Send + 'static>(
    edge: &Edge<S>,
    desk: Arc<Desk<S>>,
    watch: Watch<S>,
    token_scope: String,
    authority: Option<AuthorityId>,
    room: OwnedSemaphorePermit,
    write: impl Fn(Told, String) -> Option<T> + Send + Sync + 'static,
) -> Stream<T> {
    let (sender, receiver) = mpsc::channel(BUFFERED);
    let (stop, age_max) = (edge.stop.clone(), edge.watch_age_max);
    let (guard, tokens) = (Guard::of(edge, authority), edge.tokens.clone());
    edge.work.spawn(async move {
        metrics::watches(1.0);
        let tell = |followed: Option<Followed>, cursor| {
            guard.check(&desk)?;
            let beat = || wire::Heartbeat { at: desk.now_estimate().map(convert::timestamp) };
            let told = followed.map_or_else(|| Told::Heartbeat(beat()), Told::Followed);
            Ok(write(told, tokens.resume(&token_scope, cursor)?))
        };
        tokio::select! {
            () = stop.cancelled() => {
                // A reader that does not read must not hold the stop up.
                let told = sender.send(Err(status::stopping()));
                _ = tokio::time::timeout(LAST_WORD_TIMEOUT, told).await;
            }
            () = sender.closed() => {}
            () = tokio::time::sleep(age_max) => {
                let told = sender.send(Err(status::watch_aged()));
                _ = tokio::time::timeout(LAST_WORD_TIMEOUT, told).await;
            }
            refused = guard.lost(&desk) => {
                let told = sender.send(Err(refused));
                _ = tokio::time::timeout(LAST_WORD_TIMEOUT, told).await;
            }
            () = follow(watch, HEARTBEAT_EVERY, tell, &sender) => {}
        }
        metrics::watches(-1.0);
        drop(room);
    });
    Box::pin(ReceiverStream::new(receiver))
}

/// Sends what `watch` gives as `tell` writes it, and nothing given whenever nothing was sent for so long.
/// What the reader is not told does not move that: the time of a heartbeat would say when it happened.
async fn follow<S: Store, T>(
    mut watch: Watch<S>,
    heartbeat_every: Duration,
    tell: impl Fn(Option<Followed>, Option<Cursor>) -> Result<Option<T>, Status>,
    sender: &mpsc::Sender<Result<T, Status>>,
) {
    let mut silence = tokio::time::interval(heartbeat_every);
    silence.reset();
    loop {
        let next = tokio::select! {
            // A heartbeat's token passes over all that was read, so nothing of it may still be pending.
            biased;
            next = watch.next() => next.map(|(followed, cursor)| (Some(followed), cursor)),
            _ = silence.tick() => Ok((None, Some(watch.cursor()))),
        };
        let told =
            next.map_err(status::error).and_then(|(followed, cursor)| tell(followed, cursor));
        let Some(message) = told.transpose() else { continue };
        let is_over = message.is_err();
        if sender.send(message).await.is_err() || is_over {
            return;
        }
        silence.reset();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use std::collections::BTreeSet;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::core::{Act, Change, Deed, Intake, Policy, RequestDigest, Timestamp};
    use crate::desk::{DeskSettings, Said, WatchScope};
    use crate::grpc::convert::Reader;
    use crate::store::MemoryStore;

    const HEARTBEAT: Duration = Duration::from_millis(50);
    const PATIENCE: Duration = Duration::from_secs(20);

    fn act(number: u64, word: &str) -> Act {
        let request_id = format!("{word}-{number}").parse().unwrap();
        Act::new("ana".parse().unwrap(), BTreeSet::new(), request_id, RequestDigest::of(word, &[]))
    }

    #[tokio::test]
    async fn what_the_reader_is_not_told_does_not_move_the_heartbeats() {
        let store = Arc::new(MemoryStore::new(Timestamp::from_millis(1_800_000_000_000)));
        let settings = DeskSettings::plain("main".parse().unwrap(), Policy::built_in());
        let (desk, _line, tail) = Desk::new(settings, store);
        tokio::spawn(tail.run());
        let authority = "fr-pnij".parse().unwrap();
        let intake = Intake { authority, ..Intake::synthetic(1) };
        let id = desk.submit(intake, Vec::new()).await.unwrap().case.id;
        tokio::task::yield_now().await;
        let watch = desk.watch(WatchScope::Case(id), None).await.unwrap();

        // One hidden change after the other, each far sooner than a heartbeat.
        let worked_on = Arc::clone(&desk);
        tokio::spawn(async move {
            for number in 0.. {
                let act_on = async |word, deed| {
                    let done = worked_on.act(id, act(number, word), deed, Said::Nothing).await;
                    tokio::task::yield_now().await;
                    done.unwrap().case.claim_epoch
                };
                let epoch = act_on("claim", Deed::Claim).await;
                act_on("release", Deed::Release(epoch)).await;
            }
        });
        let hidden = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&hidden);
        let shown = move |change: &Change| convert::change(desk.name(), change, Reader::Portal);
        let tell = move |followed: Option<Followed>, _| {
            Ok(match followed {
                None => Some(None),
                Some(Followed::Snapshot(_) | Followed::SnapshotEnd(_)) => None,
                Some(Followed::Change(change)) => {
                    seen.fetch_add(1, Ordering::Relaxed);
                    shown(&change).map(Some)
                }
            })
        };
        let (sender, mut told) = mpsc::channel(1);
        tokio::spawn(async move { follow(watch, HEARTBEAT, tell, &sender).await });
        let mut before = 0;
        for _ in 0..3 {
            let next = tokio::time::timeout(PATIENCE, told.recv()).await;
            let next = next.expect("heartbeats come whatever is hidden").unwrap().unwrap();
            assert!(next.is_none(), "nothing else is told: {next:?}");
            let passed = hidden.load(Ordering::Relaxed);
            assert!(passed > before, "something hidden happened meanwhile");
            before = passed;
        }
    }
}
