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
use super::{status, tokens, wire};
use crate::core::AuthorityId;
use crate::core::intake::{Checks, Code};
use crate::desk::{Desk, Followed, Store, Watch};
use crate::telemetry::metrics;

const PAGE_SIZE_DEFAULT: usize = 50;
const PAGE_SIZE_MAX: usize = 200;
/// How long a watch is silent before it says that it is alive.
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
    let guard = Guard::of(edge, authority);
    edge.work.spawn(async move {
        metrics::watches(1.0);
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
            () = follow(&desk, watch, &token_scope, &guard, &write, &sender) => {}
        }
        metrics::watches(-1.0);
        drop(room);
    });
    Box::pin(ReceiverStream::new(receiver))
}

async fn follow<S: Store, T>(
    desk: &Desk<S>,
    mut watch: Watch<S>,
    token_scope: &str,
    guard: &Guard,
    write: &impl Fn(Told, String) -> Option<T>,
    sender: &mpsc::Sender<Result<T, Status>>,
) {
    loop {
        let (told, cursor) = match tokio::time::timeout(HEARTBEAT_EVERY, watch.next()).await {
            Ok(Ok((followed, cursor))) => (Told::Followed(followed), cursor),
            Ok(Err(error)) => {
                _ = sender.send(Err(status::error(error))).await;
                return;
            }
            Err(_) => {
                let at = desk.now_estimate().map(convert::timestamp);
                (Told::Heartbeat(wire::Heartbeat { at }), Some(watch.cursor()))
            }
        };
        if let Err(refused) = guard.check(desk) {
            _ = sender.send(Err(refused)).await;
            return;
        }
        let resume_token =
            cursor.map_or_else(String::new, |cursor| tokens::resume(token_scope, cursor));
        if let Some(message) = write(told, resume_token)
            && sender.send(Ok(message)).await.is_err()
        {
            return;
        }
    }
}
