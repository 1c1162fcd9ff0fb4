//! What every call has in common: who calls, may they, until when, and what is recorded of it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::codegen::http::Uri;
use tonic::{Request, Response, Status};
use tracing::{Instrument as _, Span};

use super::allowances::Allowances;
use super::deadline::{self, MARGIN};
use super::desks::Desks;
use super::entries::entry;
use super::identity::{Callers, Presented};
use super::records::Records;
use super::refusals::Refusals;
use super::tokens::Tokens;
use super::wire::case_entry::Said as Kind;
use super::{status, wire};
use crate::clock::monotonic_now;
use crate::core::intake::{Checks, Code};
use crate::core::{Act, Caller, CaseId, Deed, RequestDigest, RequestId, Violation};
use crate::desk::{Desk, Done, Said, Store};
use crate::registry::rules::{self, Rule};
use crate::telemetry::{metrics, traces};

/// What the services share.
pub(super) struct Edge<S> {
    pub(super) desks: Desks<S>,
    /// The work of calls, which goes on when a call is cancelled and is waited for at the stop.
    pub(super) work: TaskTracker,
    /// Ends watches and waits.
    pub(super) stop: CancellationToken,
    /// How long a watch goes on before it ends with a word, so that none is cut off with the connection.
    pub(super) watch_age_max: Duration,
    /// What is proved of each desk.
    pub(super) records: Records,
    /// Seals where lists and watches go on.
    pub(super) tokens: Tokens,
    /// What was refused to whom.
    pub(super) refusals: Refusals,
    /// Who makes the call that is being answered, and what lets them.
    pub(super) author: Option<(Presented, &'static Rule)>,
    /// What each caller uses up.
    pub(super) allowances: Arc<Allowances>,
}

impl<S: Store> Clone for Edge<S> {
    fn clone(&self) -> Self {
        Self {
            desks: self.desks.clone(),
            work: self.work.clone(),
            stop: self.stop.clone(),
            watch_age_max: self.watch_age_max,
            records: self.records.clone(),
            tokens: self.tokens.clone(),
            refusals: self.refusals.clone(),
            author: self.author.clone(),
            allowances: Arc::clone(&self.allowances),
        }
    }
}

/// Does work that outlives the call: a client that hangs up cannot cut a commit in two.
pub(super) async fn detached<R: Send + 'static>(
    tracker: &TaskTracker,
    work: impl Future<Output = Result<R, Status>> + Send + 'static,
) -> Result<R, Status> {
    // It panicked, which has been logged where it happened.
    tracker.spawn(work.in_current_span()).await.unwrap_or_else(|_| Err(status::fault()))
}

impl<S: Store> Edge<S> {
    /// Answers one call of the method with this label.
    ///
    /// What `answer` does outlives the call.
    pub(super) async fn serve<M, R, F>(
        &self,
        method: &'static str,
        request: Request<M>,
        answer: impl FnOnce(Self, Callers, M) -> F,
    ) -> Result<Response<R>, Status>
    where
        R: Send + 'static,
        F: Future<Output = Result<R, Status>> + Send + 'static,
    {
        let detached = |edge: Self, caller, message| async {
            let work = edge.work.clone();
            detached(&work, answer(edge, caller, message)).await
        };
        self.serve_waiting(method, request, detached).await
    }

    /// Like [`Edge::serve`], for a call that waits: what it does not detach ends with the call, so that
    /// nobody stands in line for a caller who has gone away.
    pub(super) async fn serve_waiting<M, R, F>(
        &self,
        method: &'static str,
        request: Request<M>,
        answer: impl FnOnce(Self, Callers, M) -> F,
    ) -> Result<Response<R>, Status>
    where
        F: Future<Output = Result<R, Status>>,
    {
        let started = monotonic_now();
        let span = span(method, &request);
        let presented = Presented::of(&request);
        let author = presented.as_ref().ok().cloned();
        let answered = async { self.answer(method, presented?, request, answer).await };
        let answered = answered.instrument(span.clone()).await;
        if let Err(status) = &answered {
            self.refusals.note(&self.desks, author.as_ref(), method, status);
        }
        let code = answered.as_ref().map_or_else(Status::code, |_| tonic::Code::Ok);
        traces::answered(&span, code.into());
        metrics::rpc(method, status::code_name(code), started.elapsed());
        answered.map(Response::new)
    }

    async fn answer<M, R, F>(
        &self,
        method: &'static str,
        presented: Presented,
        request: Request<M>,
        answer: impl FnOnce(Self, Callers, M) -> F,
    ) -> Result<R, Status>
    where
        F: Future<Output = Result<R, Status>>,
    {
        let rule = rules::labelled(method).ok_or_else(status::method_not_allowed)?;
        let (desks, callers) = presented.admitted(&self.desks, rule)?;
        self.allowances.may_call(callers.subject(), method)?;
        let edge = Self { desks, author: Some((presented, rule)), ..self.clone() };
        let remaining = deadline::remaining(request.metadata());
        if remaining.is_some_and(|remaining| remaining <= MARGIN) {
            return Err(status::deadline_exceeded());
        }
        let answered = answer(edge, callers, request.into_inner());
        match remaining {
            Some(remaining) => tokio::time::timeout(remaining.saturating_sub(MARGIN), answered)
                .await
                .unwrap_or_else(|_| Err(status::deadline_exceeded())),
            None => answered.await,
        }
    }

    /// The desk and the case that `name` names, checked with the other fields.
    pub(super) fn case(
        &self,
        checks: &mut Checks,
        field: &str,
        name: &str,
    ) -> Option<(Arc<Desk<S>>, CaseId)> {
        if name.is_empty() {
            check_required(checks, field);
            return None;
        }
        let Some((desk, id)) = self.desks.case(name) else {
            let fix = format!("send a case of a desk here, such as {}", self.desks.example());
            checks.violation(field, Code::BadFormat, fix);
            return None;
        };
        Some((Arc::clone(desk), id))
    }

    /// The desk that is named, or the first, checked with the other fields.
    pub(super) fn desk(&self, checks: &mut Checks, name: &str) -> Option<Arc<Desk<S>>> {
        let desk = self.desks.named(name).cloned();
        if desk.is_none() {
            let names: Vec<&str> = self.desks.iter().map(|desk| desk.name().as_str()).collect();
            let fix = format!("send one of the desks here: {}", names.join(", "));
            checks.violation("desk", Code::UnknownValue, fix);
        }
        desk
    }

    /// The head of a person's act on a case, checked with the other fields.
    pub(super) fn head<M: CaseRequest>(
        &self,
        checks: &mut Checks,
        callers: &Callers,
        message: &M,
    ) -> Option<Head<S>> {
        let request_id = checks.name("request_id", message.request_id());
        let ((desk, id), request_id) = self.case(checks, "name", message.name()).zip(request_id)?;
        let act = act(callers.at(&desk), M::METHOD, request_id, message);
        traces::about(id);
        Some(Head { desk, id, act })
    }
}

/// The span of a call. It goes on from the one `traceparent` that the caller sent, if it is one.
fn span<M>(method: &str, request: &Request<M>) -> Span {
    let path = request.extensions().get::<Uri>().map_or(method, Uri::path);
    let mut parents = request.metadata().get_all("traceparent").iter();
    let parent = parents.next().filter(|_| parents.next().is_none());
    traces::rpc(path, parent.and_then(|parent| parent.to_str().ok()))
}

/// A message that asks for an act on a case.
pub(super) trait CaseRequest: prost::Message {
    /// The method it is of.
    const METHOD: &'static str;
    /// What the caller calls the act.
    fn request_id(&self) -> &str;
    /// The case.
    fn name(&self) -> &str;
}

macro_rules! case_requests {
    ($($message:ident = $method:literal),+ $(,)?) => {$(
        impl CaseRequest for wire::$message {
            const METHOD: &'static str = $method;
            fn request_id(&self) -> &str {
                &self.request_id
            }
            fn name(&self) -> &str {
                &self.name
            }
        }
    )+};
}

case_requests!(
    ClaimRequest = "Claim",
    RenewClaimRequest = "RenewClaim",
    ReleaseClaimRequest = "ReleaseClaim",
    RespondRequest = "Respond",
    HandOverRequest = "HandOver",
    SendUpdateRequest = "SendUpdate",
    AskForInformationRequest = "AskForInformation",
    ReclassifyRequest = "Reclassify",
    RecordVerificationRequest = "RecordVerification",
    RecordConflictRequest = "RecordConflict",
    LinkDuplicateRequest = "LinkDuplicate",
    ProposeOutcomeRequest = "ProposeOutcome",
    ApproveOutcomeRequest = "ApproveOutcome",
    ConfirmWithdrawalRequest = "ConfirmWithdrawal",
    PauseClockRequest = "PauseClock",
    ResumeClockRequest = "ResumeClock",
    SettleClockRequest = "SettleClock",
    AcknowledgePageRequest = "AcknowledgePage",
    ProvideInformationRequest = "ProvideInformation",
    WithdrawRequest = "Withdraw",
    RequestPreservationRequest = "RequestPreservation",
    ConfirmDeliveryRequest = "ConfirmDelivery",
    SetLegalHoldRequest = "SetLegalHold",
);

/// Who acts on which case of which desk.
pub(super) struct Head<S> {
    pub(super) desk: Arc<Desk<S>>,
    pub(super) id: CaseId,
    pub(super) act: Act,
}

impl<S: Store> Head<S> {
    /// Does it, with what is said in it.
    pub(super) async fn perform(self, deed: Deed, said: Option<Kind>) -> Result<Done, Status> {
        let said = said.map_or(Said::Nothing, |said| entry(&self.desk, &self.act, said));
        self.desk.act(self.id, self.act, deed, said).await.map_err(status::error)
    }
}

pub(super) fn check_required(checks: &mut Checks, field: &str) {
    let fix = "this field is required; fill it in";
    checks.violation(field, Code::Required, fix);
}

/// A person's act. `content` is what a repeat must send again to be a repeat.
pub(super) fn act<M: prost::Message>(
    caller: &Caller,
    method: &str,
    request_id: RequestId,
    content: &M,
) -> Act {
    let digest = RequestDigest::of(method, &content.encode_to_vec());
    let (by, roles) = (caller.subject.clone(), caller.roles.clone());
    Act { identity: caller.identity.clone(), ..Act::new(by, roles, request_id, digest) }
}

/// The checked parts of a message, or everything that is wrong with it.
pub(super) fn valid<T>(checks: Checks, parts: Option<T>) -> Result<T, Status> {
    let violations: Vec<Violation> = checks.finish().err().unwrap_or_default();
    match parts {
        Some(parts) if violations.is_empty() => Ok(parts),
        _ => Err(status::invalid_fields(violations)),
    }
}
