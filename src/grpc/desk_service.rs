//! `DeskService`: convert, call, convert.

use std::time::Duration;

use prost::Message as _;
use tonic::{Request, Response, Status};

use super::convert::{self, Reader};
use super::intake_service::open;
use super::serve::{Edge, act, check_required, valid};
use super::watching::{self, Stream};
use super::wire::desk_service_server::DeskService;
use super::wire::{self, respond_request::Answer};
use super::{status, submission, tokens};
use crate::core::intake::{Checks, Choice, Code, check_contact, check_text};
use crate::core::{
    Act, Caller, CaseId, Command, FirstResponseKind, RedirectTarget, RefusalReason, Role,
};
use crate::desk::{Done, Followed, Index, Store, WAIT_MAX, WatchScope};

pub(super) struct Desks<S>(pub(super) Edge<S>);

/// Longer estimates are no answer to an emergency.
const EXPECTED_WITHIN_MAX: Duration = Duration::from_hours(30 * 24);

#[tonic::async_trait]
impl<S: Store> DeskService for Desks<S> {
    async fn claim_next(
        &self,
        request: Request<wire::ClaimNextRequest>,
    ) -> Result<Response<wire::ClaimNextResponse>, Status> {
        // The wait ends with the call's own deadline, so that no case is claimed for nobody.
        let remaining = super::deadline::remaining(request.metadata());
        let longest = remaining.map_or(WAIT_MAX, |left| left.saturating_sub(WAIT_MARGIN));
        let answer = move |edge, caller, message| claim_next(edge, caller, message, longest);
        self.0.serve_waiting("ClaimNext", Role::Responder, request, answer).await
    }

    async fn claim(
        &self,
        request: Request<wire::ClaimRequest>,
    ) -> Result<Response<wire::ClaimResponse>, Status> {
        self.0.serve("Claim", Role::Responder, request, claim).await
    }

    async fn renew_claim(
        &self,
        request: Request<wire::RenewClaimRequest>,
    ) -> Result<Response<wire::RenewClaimResponse>, Status> {
        self.0.serve("RenewClaim", Role::Responder, request, renew_claim).await
    }

    async fn release_claim(
        &self,
        request: Request<wire::ReleaseClaimRequest>,
    ) -> Result<Response<wire::ReleaseClaimResponse>, Status> {
        self.0.serve("ReleaseClaim", Role::Responder, request, release_claim).await
    }

    async fn respond(
        &self,
        request: Request<wire::RespondRequest>,
    ) -> Result<Response<wire::RespondResponse>, Status> {
        self.0.serve("Respond", Role::Responder, request, respond).await
    }

    async fn get(
        &self,
        request: Request<wire::DeskServiceGetRequest>,
    ) -> Result<Response<wire::DeskServiceGetResponse>, Status> {
        self.0.serve("DeskService.Get", Role::Responder, request, get).await
    }

    async fn list(
        &self,
        request: Request<wire::DeskServiceListRequest>,
    ) -> Result<Response<wire::DeskServiceListResponse>, Status> {
        self.0.serve("DeskService.List", Role::Responder, request, list).await
    }

    type WatchStream = Stream<wire::DeskServiceWatchResponse>;

    async fn watch(
        &self,
        request: Request<wire::DeskServiceWatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        self.0.serve("DeskService.Watch", Role::Responder, request, watch).await
    }
}

/// What is kept of a caller's time for claiming and for the way back.
const WAIT_MARGIN: Duration = Duration::from_millis(500);

/// A duration from 0 to `longest`; a missing one is 0.
fn duration(
    checks: &mut Checks,
    field: &str,
    sent: Option<&prost_types::Duration>,
    longest: Duration,
) -> Duration {
    let Some(sent) = sent else { return Duration::ZERO };
    match Duration::try_from(*sent) {
        Ok(duration) if duration <= longest => duration,
        _ => {
            let fix = format!("send 0 to {} seconds, such as \"60s\"", longest.as_secs());
            checks.violation(field, Code::OutOfRange, fix);
            Duration::ZERO
        }
    }
}

async fn claim_next<S: Store>(
    edge: Edge<S>,
    caller: Caller,
    message: wire::ClaimNextRequest,
    longest: Duration,
) -> Result<wire::ClaimNextResponse, Status> {
    let mut checks = Checks::default();
    // How long a caller waits is no part of what it asks for: a repeat may wait for less.
    let content = wire::ClaimNextRequest { wait: None, ..message.clone() };
    let act = act(&mut checks, &caller, "ClaimNext", &message.request_id, &content);
    let wait = duration(&mut checks, "wait", message.wait.as_ref(), WAIT_MAX);
    let act = valid(checks, act)?;
    let claimed = tokio::select! {
        // A case that is here is handed over, also at the stop.
        biased;
        claimed = edge.desk.claim_next(act, wait.min(longest)) => claimed.map_err(status::error)?,
        () = edge.stop.cancelled() => return Err(status::stopping()),
    };
    Ok(wire::ClaimNextResponse {
        replayed: claimed.as_ref().is_some_and(|done| done.is_replayed),
        case: claimed.map(|done| convert::case(edge.desk.name(), &done.case)),
    })
}

/// Does an act that needs nothing but the case and the epoch.
async fn act_on<S: Store>(
    edge: &Edge<S>,
    id: CaseId,
    command: Command,
) -> Result<(Option<wire::Case>, bool), Status> {
    let done = edge.desk.act(id, &command).await.map_err(status::error)?;
    Ok(answer(edge, &done))
}

fn answer<S: Store>(edge: &Edge<S>, done: &Done) -> (Option<wire::Case>, bool) {
    (Some(convert::case(edge.desk.name(), &done.case)), done.is_replayed)
}

async fn claim<S: Store>(
    edge: Edge<S>,
    caller: Caller,
    message: wire::ClaimRequest,
) -> Result<wire::ClaimResponse, Status> {
    let mut checks = Checks::default();
    let act = act(&mut checks, &caller, "Claim", &message.request_id, &message);
    let id = edge.case_id(&mut checks, &message.name);
    let (act, id) = valid(checks, act.zip(id))?;
    let (case, replayed) = act_on(&edge, id, Command::Claim(act)).await?;
    Ok(wire::ClaimResponse { case, replayed })
}

/// The head of an act under a claim.
fn under_claim<S: Store>(
    edge: &Edge<S>,
    checks: &mut Checks,
    act: Option<Act>,
    name: &str,
    epoch: u64,
) -> Option<(Act, CaseId)> {
    let id = edge.case_id(checks, name);
    if epoch == 0 {
        let fix = "send the epoch of your claim; Claim and ClaimNext return it";
        checks.violation("epoch", Code::Required, fix);
    }
    act.zip(id)
}

async fn renew_claim<S: Store>(
    edge: Edge<S>,
    caller: Caller,
    message: wire::RenewClaimRequest,
) -> Result<wire::RenewClaimResponse, Status> {
    let mut checks = Checks::default();
    let act = act(&mut checks, &caller, "RenewClaim", &message.request_id, &message);
    let head = under_claim(&edge, &mut checks, act, &message.name, message.epoch);
    let (act, id) = valid(checks, head)?;
    let (case, replayed) = act_on(&edge, id, Command::Renew(act, message.epoch)).await?;
    Ok(wire::RenewClaimResponse { case, replayed })
}

async fn release_claim<S: Store>(
    edge: Edge<S>,
    caller: Caller,
    message: wire::ReleaseClaimRequest,
) -> Result<wire::ReleaseClaimResponse, Status> {
    let mut checks = Checks::default();
    let act = act(&mut checks, &caller, "ReleaseClaim", &message.request_id, &message);
    let head = under_claim(&edge, &mut checks, act, &message.name, message.epoch);
    let (act, id) = valid(checks, head)?;
    let (case, replayed) = act_on(&edge, id, Command::Release(act, message.epoch)).await?;
    Ok(wire::ReleaseClaimResponse { case, replayed })
}

async fn respond<S: Store>(
    edge: Edge<S>,
    caller: Caller,
    message: wire::RespondRequest,
) -> Result<wire::RespondResponse, Status> {
    let mut checks = Checks::default();
    let act = act(&mut checks, &caller, "Respond", &message.request_id, &message);
    let head = under_claim(&edge, &mut checks, act, &message.name, message.epoch);
    check_text(&mut checks, "message", &message.message, 20_000);
    let epoch = message.epoch;
    let said = read_answer(&mut checks, message);
    let ((act, id), (kind, content)) = valid(checks, head.zip(said))?;
    let command = Command::Respond(act, epoch, kind);
    let done = edge.desk.respond(id, &command, content.encode_to_vec()).await;
    let (case, replayed) = answer(&edge, &done.map_err(status::error)?);
    Ok(wire::RespondResponse { case, replayed })
}

/// What a first response says, and its texts.
fn read_answer(
    checks: &mut Checks,
    message: wire::RespondRequest,
) -> Option<(FirstResponseKind, wire::ResponseContent)> {
    let mut content =
        wire::ResponseContent { message: message.message, ..wire::ResponseContent::default() };
    let kind = match message.answer {
        None => {
            check_required(checks, "answer");
            None
        }
        Some(Answer::AllData(_)) => Some(FirstResponseKind::AllData),
        Some(Answer::PartOfData(_)) => Some(FirstResponseKind::PartOfData),
        Some(Answer::NoData(_)) => Some(FirstResponseKind::NoData),
        Some(Answer::Refused(answer)) => {
            let reason = refusal_reason(answer.reason);
            chosen(checks, "refused.reason", reason).map(FirstResponseKind::Refused)
        }
        Some(Answer::Redirected(answer)) => {
            check_text(checks, "redirected.details", &answer.details, 2_000);
            content.redirect_details = answer.details;
            let target = redirect_target(answer.target);
            chosen(checks, "redirected.target", target).map(FirstResponseKind::Redirected)
        }
        Some(Answer::NeedInformation(answer)) => {
            if answer.questions.is_empty() {
                check_required(checks, "need_information.questions");
            }
            if answer.questions.len() > 20 {
                let fix = "ask at most 20 questions";
                checks.violation("need_information.questions", Code::TooMany, fix);
            }
            for (index, question) in answer.questions.iter().enumerate().take(20) {
                let field = format!("need_information.questions[{index}]");
                check_text(checks, &field, question, 2_000);
            }
            content.questions = answer.questions;
            Some(FirstResponseKind::NeedInformation)
        }
        Some(Answer::InProgress(answer)) => {
            let field = "in_progress.expected_within";
            let sent = answer.expected_within.as_ref();
            let expected_within = duration(checks, field, sent, EXPECTED_WITHIN_MAX);
            if sent.is_none_or(|sent| sent.seconds == 0 && sent.nanos == 0) {
                check_required(checks, field);
            }
            let contact = answer.contact.unwrap_or_default();
            check_contact(checks, "in_progress.contact", &submission::contact(&contact));
            content.contact = Some(contact);
            Some(FirstResponseKind::InProgress { expected_within })
        }
    };
    Some((kind?, content))
}

/// A value that must be chosen.
fn chosen<T: Copy>(checks: &mut Checks, field: &str, choice: Choice<T>) -> Option<T> {
    match choice {
        Choice::Known(value) => Some(value),
        Choice::Missing => {
            check_required(checks, field);
            None
        }
        Choice::Unknown => {
            let fix = "use one of the values that this service's reflection lists";
            checks.violation(field, Code::UnknownValue, fix);
            None
        }
    }
}

/// The reason that `number` stands for, found through the one mapping there is.
fn refusal_reason(number: i32) -> Choice<RefusalReason> {
    choice(number, RefusalReason::ALL, |reason| convert::refusal_reason(reason).into())
}

fn redirect_target(number: i32) -> Choice<RedirectTarget> {
    choice(number, RedirectTarget::ALL, |target| convert::redirect_target(target).into())
}

fn choice<T: Copy>(number: i32, all: &[T], written: impl Fn(T) -> i32) -> Choice<T> {
    if number == 0 {
        return Choice::Missing;
    }
    let known = all.iter().copied().find(|value| written(*value) == number);
    known.map_or(Choice::Unknown, Choice::Known)
}

async fn get<S: Store>(
    edge: Edge<S>,
    _caller: Caller,
    message: wire::DeskServiceGetRequest,
) -> Result<wire::DeskServiceGetResponse, Status> {
    let mut checks = Checks::default();
    let id = edge.case_id(&mut checks, &message.name);
    let case = edge.desk.get(valid(checks, id)?).await.map_err(status::error)?;
    let contents = edge.desk.contents(case.id).await.map_err(status::error)?;
    let (request, response) = open(case.id, &contents)?;
    let case = Some(convert::case(edge.desk.name(), &case));
    Ok(wire::DeskServiceGetResponse { case, request, response })
}

async fn list<S: Store>(
    edge: Edge<S>,
    _caller: Caller,
    message: wire::DeskServiceListRequest,
) -> Result<wire::DeskServiceListResponse, Status> {
    let mut checks = Checks::default();
    let index = match wire::CaseFilter::try_from(message.filter) {
        Ok(wire::CaseFilter::Unspecified | wire::CaseFilter::Queue) => Some(Index::Ready),
        Ok(wire::CaseFilter::Unanswered) => Some(Index::Unanswered),
        Ok(wire::CaseFilter::All) => Some(Index::All),
        Err(_) => chosen(&mut checks, "filter", Choice::<()>::Unknown).map(|()| Index::All),
    };
    let page_size = watching::page_size(&mut checks, message.page_size);
    let (index, page_size) = valid(checks, index.zip(page_size))?;
    let scope = format!("list/desk/{index:?}");
    let after = tokens::open_page(&scope, &message.page_token)?;
    let (cases, next) = edge.desk.list(&index, after, page_size).await.map_err(status::error)?;
    Ok(wire::DeskServiceListResponse {
        cases: cases.iter().map(|case| convert::case(edge.desk.name(), case)).collect(),
        next_page_token: next.map_or_else(String::new, |at| tokens::page(&scope, at)),
    })
}

async fn watch<S: Store>(
    edge: Edge<S>,
    _caller: Caller,
    message: wire::DeskServiceWatchRequest,
) -> Result<Stream<wire::DeskServiceWatchResponse>, Status> {
    let scope = if message.name.is_empty() {
        WatchScope::Desk
    } else {
        let mut checks = Checks::default();
        let id = edge.case_id(&mut checks, &message.name);
        WatchScope::Case(valid(checks, id)?)
    };
    let token_scope = match &scope {
        WatchScope::Case(id) => {
            edge.desk.get(*id).await.map_err(status::error)?;
            format!("watch/desk/{}", id.compact())
        }
        WatchScope::Authority(_) | WatchScope::Desk => "watch/desk".to_owned(),
    };
    let resume = tokens::open_resume(&token_scope, &message.resume_token)?;
    let watch = edge.desk.watch(scope, resume).await.map_err(status::error)?;
    let desk = edge.desk.name().clone();
    Ok(watching::stream(&edge, watch, token_scope, move |told, resume_token| {
        use wire::desk_service_watch_response::Message;
        let message = match told {
            watching::Told::Heartbeat(heartbeat) => Message::Heartbeat(heartbeat),
            watching::Told::Followed(Followed::Snapshot(case)) => {
                Message::Snapshot(convert::case(&desk, &case))
            }
            watching::Told::Followed(Followed::SnapshotEnd(cases)) => {
                Message::SnapshotEnd(wire::SnapshotEnd { cases })
            }
            watching::Told::Followed(Followed::Change(change)) => {
                Message::Change(convert::change(&desk, &change, Reader::Desk)?)
            }
        };
        Some(wire::DeskServiceWatchResponse { message: Some(message), resume_token })
    }))
}
