//! Who was refused what, counted per caller and minute, for the record: somebody who tries doors shows
//! there, and cannot fill it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::desks::Desks;
use super::identity::Presented;
use crate::core::{Actor, DeskName, What};
use crate::desk::Store;

const TOLD_EVERY: Duration = Duration::from_mins(1);
/// How many callers, methods and reasons are told apart in one minute; beyond it, callers are not.
const APART_MAX: usize = 1_024;

/// What was refused since it was last told.
#[derive(Clone, Default)]
pub(super) struct Refusals(Arc<Mutex<HashMap<Refused, u64>>>);

#[derive(Clone, PartialEq, Eq, Hash)]
struct Refused {
    desk: DeskName,
    by: Option<Actor>,
    method: &'static str,
    reason: String,
}

/// Whether it is the caller who was refused, and not the service that failed.
const fn is_refusal(code: Code) -> bool {
    match code {
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::Unauthenticated => true,
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => false,
    }
}

impl Refusals {
    /// Counts a call that ended with `status`, if that is a refusal.
    pub(super) fn note<S: Store>(
        &self,
        desks: &Desks<S>,
        presented: Option<&Presented>,
        method: &'static str,
        status: &Status,
    ) {
        if !is_refusal(status.code()) {
            return;
        }
        let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
        let known = desks.iter().find_map(|desk| {
            let caller = presented?.at(desk)?;
            Some((desk.name().clone(), caller.actor()))
        });
        let (desk, by) = match known {
            Some((desk, actor)) => (desk, Some(actor)),
            None => (desks.first().name().clone(), presented.and_then(Presented::stranger)),
        };
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut refused = Refused { desk, by, method, reason };
        if counts.len() >= APART_MAX && !counts.contains_key(&refused) {
            refused.by = None;
        }
        *counts.entry(refused).or_default() += 1;
    }

    /// Tells the record once a minute, until the stop.
    pub(super) async fn run<S: Store>(&self, desks: &Desks<S>, stop: &CancellationToken) {
        while tokio::time::timeout(TOLD_EVERY, stop.cancelled()).await.is_err() {
            self.tell(desks).await;
        }
    }

    /// Tells the record now.
    pub(super) async fn tell<S: Store>(&self, desks: &Desks<S>) {
        let counts = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for (refused, count) in counts {
            let Some(desk) = desks.iter().find(|desk| *desk.name() == refused.desk) else {
                continue;
            };
            let Refused { by, method, reason, .. } = refused.clone();
            let what = What::Refused { method: method.to_owned(), reason, count };
            if let Err(error) = desk.tell(by, what).await {
                tracing::warn!(%error, "refusals are not in the record yet; they are told again");
                let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                *counts.entry(refused).or_default() += count;
            }
        }
    }
}
