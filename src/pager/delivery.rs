//! Handing one page to one sink, again and again, until it has answered for good or is given up.

use std::time::Duration;

use tokio::time::sleep;

use super::courier::Courier;
use super::notice::{Notice, Phase};
use crate::core::synthetic::SYNTHETIC_SINK;
use crate::core::{Page, SinkName};
use crate::outbound::{Attempt, TIMEOUT};
use crate::store::Store;

/// How long to wait before each attempt, counted from the end of the one before. All of it lies within
/// the gap to the next rung of the built-in ladder, beyond which another page goes out anyway.
const WAITS: [Duration; 7] = [
    Duration::ZERO,
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(15),
    Duration::from_secs(30),
];

/// How long a page waits for its turn at a sink that is asked too much: as long as a sink is asked that
/// never answers.
const PATIENCE: Duration = Duration::from_secs(63 + WAITS.len() as u64 * TIMEOUT.as_secs());

/// What came of handing a page to a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivered {
    /// It has it.
    Taken,
    /// It has not, and is not asked again.
    Failed,
    /// It was asked and has not answered in time, so that it may have it. It is not asked again.
    Unsure,
    /// Nobody wants it any more.
    Unwanted,
    /// Nobody wants it any more, and the sink may have it.
    UnwantedAndUnsure,
}

/// A page on its way to one sink.
pub(super) struct Parcel<'p> {
    pub(super) sink: &'p SinkName,
    pub(super) page: &'p Page,
    pub(super) notice: Notice,
    pub(super) phase: Phase,
    /// The longest that a sink may ask us to wait.
    pub(super) wait_max: Duration,
}

impl<S: Store> Courier<S> {
    /// Hands the page on until the sink has it, refuses it, has failed too often, or nobody wants it.
    pub(super) async fn deliver(&self, parcel: &Parcel<'_>) -> Delivered {
        let Parcel { sink, page, phase, wait_max, .. } = parcel;
        if sink.as_str() == SYNTHETIC_SINK {
            return Delivered::Taken;
        }
        let mut asked_to_wait = Duration::ZERO;
        let mut is_unsure = false;
        for (number, wait) in WAITS.iter().enumerate() {
            sleep((*wait).max(asked_to_wait.min(*wait_max))).await;
            if number > 0 && *phase == Phase::Fire && !self.is_wanted(page.key).await {
                return if is_unsure { Delivered::UnwantedAndUnsure } else { Delivered::Unwanted };
            }
            let ways = self.current_ways();
            let Some(attempt) = ways.attempt(parcel, self.now(), PATIENCE).await else { break };
            is_unsure |= attempt == Attempt::TimedOut;
            if attempt == Attempt::Taken {
                return Delivered::Taken;
            }
            tracing::warn!(page.key = %page.key, %sink, attempt = number + 1, "{attempt}");
            asked_to_wait = match &attempt {
                Attempt::Throttled { retry_after } => retry_after.unwrap_or_default(),
                _ if attempt.is_final() => break,
                _ => Duration::ZERO,
            };
        }
        tracing::error!(page.key = %page.key, %sink, "the sink does not take this page");
        if is_unsure { Delivered::Unsure } else { Delivered::Failed }
    }
}
