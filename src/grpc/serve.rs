//! What every call has in common: who calls, may they, until when, and what is recorded of it.

use std::future::Future;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status};

use super::convert;
use super::deadline::{self, MARGIN};
use super::{identity, status};
use crate::clock::monotonic_now;
use crate::core::intake::Checks;
use crate::core::{Act, Caller, CaseId, RequestDigest, Role, Violation};
use crate::desk::Desk;
use crate::telemetry::metrics;

/// What the services share.
pub(super) struct Edge<S> {
    pub(super) desk: Arc<Desk<S>>,
    /// The work of calls, which goes on when a call is cancelled and is waited for at the stop.
    pub(super) work: TaskTracker,
    /// Ends watches and waits.
    pub(super) stop: CancellationToken,
}

impl<S> Clone for Edge<S> {
    fn clone(&self) -> Self {
        Self { desk: Arc::clone(&self.desk), work: self.work.clone(), stop: self.stop.clone() }
    }
}

impl<S: crate::desk::Store> Edge<S> {
    /// Answers one call of `method`, which takes `role`.
    ///
    /// What `answer` does outlives the call: a client that hangs up cannot cut a commit in two.
    pub(super) async fn serve<M, R, F>(
        &self,
        method: &'static str,
        role: Role,
        request: Request<M>,
        answer: impl FnOnce(Self, Caller, M) -> F,
    ) -> Result<Response<R>, Status>
    where
        R: Send + 'static,
        F: Future<Output = Result<R, Status>> + Send + 'static,
    {
        let work = self.work.clone();
        let detached = |edge, caller, message| {
            let work = work.spawn(answer(edge, caller, message));
            async {
                // It panicked, which has been logged where it happened.
                work.await.unwrap_or_else(|_| Err(status::fault()))
            }
        };
        self.serve_waiting(method, role, request, detached).await
    }

    /// Like [`Edge::serve`], for a call that waits and writes nothing by itself: it ends with the
    /// call, so that nobody stands in line for a caller who has gone away.
    pub(super) async fn serve_waiting<M, R, F>(
        &self,
        method: &'static str,
        role: Role,
        request: Request<M>,
        answer: impl FnOnce(Self, Caller, M) -> F,
    ) -> Result<Response<R>, Status>
    where
        F: Future<Output = Result<R, Status>>,
    {
        let started = monotonic_now();
        let answered = self.answer(role, request, answer).await;
        let code = answered.as_ref().map_or_else(Status::code, |_| tonic::Code::Ok);
        metrics::rpc(method, status::code_name(code), started.elapsed());
        answered.map(Response::new)
    }

    async fn answer<M, R, F>(
        &self,
        role: Role,
        request: Request<M>,
        answer: impl FnOnce(Self, Caller, M) -> F,
    ) -> Result<R, Status>
    where
        F: Future<Output = Result<R, Status>>,
    {
        let caller = identity::caller(request.metadata())?;
        if !caller.has_role(role) {
            return Err(status::role_missing(role.word()));
        }
        let remaining = deadline::remaining(request.metadata());
        if remaining.is_some_and(|remaining| remaining <= MARGIN) {
            return Err(status::deadline_exceeded());
        }
        let answered = answer(self.clone(), caller, request.into_inner());
        match remaining {
            Some(remaining) => tokio::time::timeout(remaining.saturating_sub(MARGIN), answered)
                .await
                .unwrap_or_else(|_| Err(status::deadline_exceeded())),
            None => answered.await,
        }
    }

    /// The case that `name` names, checked with the other fields.
    pub(super) fn case_id(&self, checks: &mut Checks, name: &str) -> Option<CaseId> {
        let id = convert::parse_name(self.desk.name(), name);
        if name.is_empty() {
            check_required(checks, "name");
        } else if id.is_none() {
            let fix = format!(
                "send a case of this desk, such as desks/{}/cases/K7QF-2MXD-9RTA-4WZE",
                self.desk.name()
            );
            checks.violation("name", crate::core::intake::Code::BadFormat, fix);
        }
        id
    }
}

pub(super) fn check_required(checks: &mut Checks, field: &str) {
    let fix = "this field is required; fill it in";
    checks.violation(field, crate::core::intake::Code::Required, fix);
}

/// The head of a person's act, checked with the other fields. `content` is what a repeat must send
/// again to be a repeat.
pub(super) fn act<M: prost::Message>(
    checks: &mut Checks,
    caller: &Caller,
    method: &str,
    request_id: &str,
    content: &M,
) -> Option<Act> {
    let request_id = checks.name("request_id", request_id)?;
    let digest = RequestDigest::of(method, &content.encode_to_vec());
    Some(Act { by: caller.subject.clone(), request_id, digest })
}

/// The checked parts of a message, or everything that is wrong with it.
pub(super) fn valid<T>(checks: Checks, parts: Option<T>) -> Result<T, Status> {
    let violations: Vec<Violation> = checks.finish().err().unwrap_or_default();
    match parts {
        Some(parts) if violations.is_empty() => Ok(parts),
        _ => Err(status::invalid_fields(violations)),
    }
}
