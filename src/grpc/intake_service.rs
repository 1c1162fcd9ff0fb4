//! `IntakeService`: convert, call, convert.

use std::time::Duration;

use prost::Message as _;
use tonic::{Request, Response, Status};

use super::convert::{self, Reader};
use super::serve::{Edge, check_required, valid};
use super::watching::{self, Stream};
use super::wire::intake_service_server::IntakeService;
use super::wire::{self, intake_service_watch_request::Scope};
use super::{status, submission, tokens};
use crate::core::intake::Checks;
use crate::core::{AuthorityId, Caller, Case, CaseId, Intake, RequestDigest, Role};
use crate::desk::{Contents, Followed, Index, Store, WatchScope};
use crate::telemetry::metrics::{self, Submitted};

pub(super) struct Intakes<S>(pub(super) Edge<S>);

#[tonic::async_trait]
impl<S: Store> IntakeService for Intakes<S> {
    async fn submit(
        &self,
        request: Request<wire::SubmitRequest>,
    ) -> Result<Response<wire::SubmitResponse>, Status> {
        self.0.serve("Submit", Role::Portal, request, submit).await
    }

    async fn get(
        &self,
        request: Request<wire::IntakeServiceGetRequest>,
    ) -> Result<Response<wire::IntakeServiceGetResponse>, Status> {
        self.0.serve("IntakeService.Get", Role::Portal, request, get).await
    }

    async fn list(
        &self,
        request: Request<wire::IntakeServiceListRequest>,
    ) -> Result<Response<wire::IntakeServiceListResponse>, Status> {
        self.0.serve("IntakeService.List", Role::Portal, request, list).await
    }

    type WatchStream = Stream<wire::IntakeServiceWatchResponse>;

    async fn watch(
        &self,
        request: Request<wire::IntakeServiceWatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        self.0.serve("IntakeService.Watch", Role::Portal, request, watch).await
    }
}

async fn submit<S: Store>(
    edge: Edge<S>,
    caller: Caller,
    message: wire::SubmitRequest,
) -> Result<wire::SubmitResponse, Status> {
    let request = message.request.unwrap_or_default();
    let body = request.encode_to_vec();
    let digest = RequestDigest::of("Submit", &body);
    let submission = submission::submission(&message.request_id, &request);
    let intake = Intake::parse(&submission, digest).map_err(|violations| {
        metrics::submitted(Submitted::Refused, Duration::ZERO);
        status::invalid_fields(violations)
    })?;
    if !caller.speaks_for(&intake.authority) {
        return Err(status::case_not_found());
    }
    let done = edge.desk.submit(intake, body).await.map_err(status::error)?;
    Ok(wire::SubmitResponse {
        case: Some(convert::case_status(edge.desk.name(), &done.case)),
        replayed: done.is_replayed,
    })
}

/// The case, if it is the caller's; what is not theirs is not there.
async fn own_case<S: Store>(edge: &Edge<S>, caller: &Caller, id: CaseId) -> Result<Case, Status> {
    let case = edge.desk.get(id).await.map_err(status::error)?;
    if caller.speaks_for(&case.authority) { Ok(case) } else { Err(status::case_not_found()) }
}

async fn get<S: Store>(
    edge: Edge<S>,
    caller: Caller,
    message: wire::IntakeServiceGetRequest,
) -> Result<wire::IntakeServiceGetResponse, Status> {
    let mut checks = Checks::default();
    let id = edge.case_id(&mut checks, &message.name);
    let case = own_case(&edge, &caller, valid(checks, id)?).await?;
    let contents = edge.desk.contents(case.id).await.map_err(status::error)?;
    let (request, response) = open(case.id, &contents)?;
    Ok(wire::IntakeServiceGetResponse {
        case: Some(convert::case_status(edge.desk.name(), &case)),
        request,
        response,
    })
}

type Opened = (Option<wire::EmergencyRequest>, Option<wire::ResponseContent>);

/// What was said in a case, as the messages that it was said in.
pub(super) fn open(id: CaseId, contents: &Contents) -> Result<Opened, Status> {
    fn read<M: prost::Message + Default>(bytes: Option<&Vec<u8>>) -> Result<Option<M>, ()> {
        let read = bytes.map(|bytes| M::decode(bytes.as_slice())).transpose();
        read.map_err(|_| ())
    }
    let opened = || Ok((read(contents.request.as_ref())?, read(contents.response.as_ref())?));
    opened().map_err(|()| status::unreadable_content(id))
}

async fn list<S: Store>(
    edge: Edge<S>,
    caller: Caller,
    message: wire::IntakeServiceListRequest,
) -> Result<wire::IntakeServiceListResponse, Status> {
    let mut checks = Checks::default();
    let authority = checks.name::<AuthorityId>("authority", &message.authority);
    let page_size = watching::page_size(&mut checks, message.page_size);
    let (authority, page_size) = valid(checks, authority.zip(page_size))?;
    if !caller.speaks_for(&authority) {
        return Err(status::case_not_found());
    }
    let scope = format!("list/authority/{authority}");
    let after = tokens::open_page(&scope, &message.page_token)?;
    let index = Index::Authority(authority);
    let (cases, next) = edge.desk.list(&index, after, page_size).await.map_err(status::error)?;
    Ok(wire::IntakeServiceListResponse {
        cases: cases.iter().map(|case| convert::case_status(edge.desk.name(), case)).collect(),
        next_page_token: next.map_or_else(String::new, |at| tokens::page(&scope, at)),
    })
}

async fn watch<S: Store>(
    edge: Edge<S>,
    caller: Caller,
    message: wire::IntakeServiceWatchRequest,
) -> Result<Stream<wire::IntakeServiceWatchResponse>, Status> {
    let mut checks = Checks::default();
    let scope = match &message.scope {
        Some(Scope::Name(name)) => edge.case_id(&mut checks, name).map(WatchScope::Case),
        Some(Scope::Authority(name)) => checks.name("authority", name).map(WatchScope::Authority),
        None => {
            check_required(&mut checks, "scope");
            None
        }
    };
    let scope = valid(checks, scope)?;
    let token_scope = match &scope {
        WatchScope::Case(id) => {
            own_case(&edge, &caller, *id).await?;
            format!("watch/intake/{}", id.compact())
        }
        WatchScope::Authority(authority) if caller.speaks_for(authority) => {
            format!("watch/intake/{authority}")
        }
        WatchScope::Authority(_) | WatchScope::Desk => return Err(status::case_not_found()),
    };
    let resume = tokens::open_resume(&token_scope, &message.resume_token)?;
    let watch = edge.desk.watch(scope, resume).await.map_err(status::error)?;
    let desk = edge.desk.name().clone();
    Ok(watching::stream(&edge, watch, token_scope, move |told, resume_token| {
        use wire::intake_service_watch_response::Message;
        let message = match told {
            watching::Told::Heartbeat(heartbeat) => Message::Heartbeat(heartbeat),
            watching::Told::Followed(Followed::Snapshot(case)) => {
                Message::Snapshot(convert::case_status(&desk, &case))
            }
            watching::Told::Followed(Followed::SnapshotEnd(cases)) => {
                Message::SnapshotEnd(wire::SnapshotEnd { cases })
            }
            watching::Told::Followed(Followed::Change(change)) => {
                Message::Change(convert::change(&desk, &change, Reader::Portal)?)
            }
        };
        Some(wire::IntakeServiceWatchResponse { message: Some(message), resume_token })
    }))
}
