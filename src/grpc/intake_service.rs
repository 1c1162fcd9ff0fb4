//! `IntakeService`: convert, call, convert.

use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use tonic::{Request, Response, Status};

use super::convert::words::data_category;
use super::convert::{self, Reader};
use super::desks::Desks;
use super::entries::open;
use super::identity::Callers;
use super::serve::{Edge, Head, check_required, valid};
use super::watching::{self, Stream};
use super::wire::case_entry::Said;
use super::wire::intake_service_server::IntakeService;
use super::wire::{self, intake_service_watch_request::Scope};
use super::{records, serve, status, submission};
use crate::clock::monotonic_now;
use crate::core::intake::{Checks, check_optional_text, check_text};
use crate::core::policy::live::Holding;
use crate::core::{AuthorityId, Case, CaseId, DataCategory, Deed, Intake, RequestDigest, ShownTo};
use crate::desk::{Contents, Desk, Done, Error, Followed, Index, Store, WatchScope};
use crate::telemetry::metrics::{self, Submitted};
use crate::telemetry::traces;

pub(super) struct IntakeCalls<S: Store>(pub(super) Edge<S>);

#[tonic::async_trait]
impl<S: Store> IntakeService for IntakeCalls<S> {
    async fn submit(
        &self,
        request: Request<wire::SubmitRequest>,
    ) -> Result<Response<wire::SubmitResponse>, Status> {
        let everywhere = self.0.desks.clone();
        let submit = |edge, caller, message| submit(edge, everywhere, caller, message);
        self.0.serve_waiting("Submit", request, submit).await
    }

    async fn get(
        &self,
        request: Request<wire::IntakeServiceGetRequest>,
    ) -> Result<Response<wire::IntakeServiceGetResponse>, Status> {
        self.0.serve("IntakeService.Get", request, get).await
    }

    async fn list(
        &self,
        request: Request<wire::IntakeServiceListRequest>,
    ) -> Result<Response<wire::IntakeServiceListResponse>, Status> {
        self.0.serve("IntakeService.List", request, list).await
    }

    type WatchStream = Stream<wire::IntakeServiceWatchResponse>;

    async fn watch(
        &self,
        request: Request<wire::IntakeServiceWatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        self.0.serve("IntakeService.Watch", request, watch).await
    }

    async fn provide_information(
        &self,
        request: Request<wire::ProvideInformationRequest>,
    ) -> Result<Response<wire::ProvideInformationResponse>, Status> {
        self.0.serve("ProvideInformation", request, provide_information).await
    }

    async fn withdraw(
        &self,
        request: Request<wire::WithdrawRequest>,
    ) -> Result<Response<wire::WithdrawResponse>, Status> {
        self.0.serve("Withdraw", request, withdraw).await
    }

    async fn request_preservation(
        &self,
        request: Request<wire::RequestPreservationRequest>,
    ) -> Result<Response<wire::RequestPreservationResponse>, Status> {
        self.0.serve("RequestPreservation", request, request_preservation).await
    }

    async fn confirm_delivery(
        &self,
        request: Request<wire::ConfirmDeliveryRequest>,
    ) -> Result<Response<wire::ConfirmDeliveryResponse>, Status> {
        self.0.serve("ConfirmDelivery", request, confirm_delivery).await
    }

    async fn get_receipt_proof(
        &self,
        request: Request<wire::GetReceiptProofRequest>,
    ) -> Result<Response<wire::GetReceiptProofResponse>, Status> {
        self.0.serve("GetReceiptProof", request, get_receipt_proof).await
    }

    async fn list_data_categories(
        &self,
        request: Request<wire::ListDataCategoriesRequest>,
    ) -> Result<Response<wire::ListDataCategoriesResponse>, Status> {
        self.0.serve("ListDataCategories", request, list_data_categories).await
    }
}

async fn submit<S: Store>(
    edge: Edge<S>,
    everywhere: Desks<S>,
    caller: Callers,
    message: wire::SubmitRequest,
) -> Result<wire::SubmitResponse, Status> {
    let started = monotonic_now();
    let request = message.request.unwrap_or_default();
    let body = request.encode_to_vec();
    let digest = RequestDigest::of("Submit", &body);
    let submission = submission::submission(&message.request_id, &request);
    // One key serves all desks, so that a request may be read before its desk is known.
    let fingerprint = |input: &str| edge.desks.first().fingerprint(input);
    let mut intake = Intake::parse(&submission, digest, fingerprint).map_err(|violations| {
        metrics::submitted(Submitted::Refused, Duration::ZERO);
        status::invalid_fields(violations)
    })?;
    // Of the desks, those at which the caller speaks for the authority: the others are not there.
    let desks = edge.desks.only(|desk| caller.at(desk).speaks_for(&intake.authority));
    let edge = Edge { desks: desks.ok_or_else(status::case_not_found)?, ..edge };
    let desk = if message.desk.is_empty() {
        Arc::clone(edge.desks.taking(&intake.authority, Some(&intake.facts.country)))
    } else {
        let mut checks = Checks::default();
        let desk = edge.desk(&mut checks, &message.desk);
        valid(checks, desk)?
    };
    traces::about(intake.case_id());
    intake.by = Some(caller.at(&desk).actor());
    let turn = desk.admit(intake.clone()).await;
    let records = edge.records.clone();
    serve::detached(&edge.work, async move {
        let submitted = match desk.take_in(turn, body).await {
            Ok(done) => Ok((&desk, done)),
            Err(error @ Error::Refused(_)) => Err(error),
            Err(error) => everywhere.repeat(&desk, &intake, error).await,
        };
        metrics::submitted(result(&submitted), started.elapsed());
        let (desk, done) = submitted.map_err(status::error)?;
        Ok(wire::SubmitResponse {
            case: Some(convert::case_status(desk, &done.case)),
            replayed: done.is_replayed,
            receipt: records.receipt(desk.name(), &done.case),
        })
    })
    .await
}

/// The desk that is named, or the one that Submit would choose for requests of `authority`.
fn desk_for<S: Store>(
    edge: &Edge<S>,
    caller: &Callers,
    checks: &mut Checks,
    name: &str,
    authority: Option<&AuthorityId>,
) -> Option<Arc<Desk<S>>> {
    let Some(authority) = authority.filter(|_| name.is_empty()) else {
        return edge.desk(checks, name);
    };
    let known = edge.desks.only(|desk| caller.at(desk).speaks_for(authority));
    Some(Arc::clone(known.as_ref().unwrap_or(&edge.desks).taking(authority, None)))
}

/// What came of a request, as it is counted.
fn result<D>(submitted: &Result<(D, Done), Error>) -> Submitted {
    match submitted {
        Ok((_, done)) if done.is_replayed => Submitted::Replayed,
        Ok(_) => Submitted::Accepted,
        Err(
            Error::Refused(_)
            | Error::NotEntitled(_)
            | Error::BudgetSpent { .. }
            | Error::StoreBusy { .. },
        ) => Submitted::Refused,
        Err(_) => Submitted::Failed,
    }
}

/// The case, if it is the caller's; what is not theirs is not there.
async fn own_case<S: Store>(desk: &Desk<S>, caller: &Callers, id: CaseId) -> Result<Case, Status> {
    let case = desk.get(id).await.map_err(status::error)?;
    if caller.at(desk).speaks_for(&case.authority) {
        Ok(case)
    } else {
        Err(status::case_not_found())
    }
}

async fn get<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::IntakeServiceGetRequest,
) -> Result<wire::IntakeServiceGetResponse, Status> {
    let mut checks = Checks::default();
    let case = edge.case(&mut checks, "name", &message.name);
    let (desk, id) = valid(checks, case)?;
    traces::about(id);
    let seen = own_case(&desk, &caller, id).await?;
    let contents = if desk.gone_for_authority(&seen).is_none() {
        let by = caller.at(&desk).actor();
        desk.read(&seen, by, ShownTo::Authority).await.map_err(status::error)?
    } else {
        Contents::default()
    };
    // What was said may be gone since, and then nothing of it is shown.
    let case = desk.get(id).await.map_err(status::error)?;
    let is_gone = desk.gone_for_authority(&case).is_some();
    let opened = open(id, &if is_gone { Contents::default() } else { contents }, Reader::Portal)?;
    Ok(wire::IntakeServiceGetResponse {
        case: Some(convert::case_status(&desk, &case)),
        request: opened.request,
        response: opened.response,
        entries: opened.entries,
        first_response_record: edge.records.first_response(desk.name(), &case),
    })
}

async fn get_receipt_proof<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::GetReceiptProofRequest,
) -> Result<wire::GetReceiptProofResponse, Status> {
    let mut checks = Checks::default();
    let case = edge.case(&mut checks, "name", &message.name);
    let (desk, id) = valid(checks, case)?;
    traces::about(id);
    let case = own_case(&desk, &caller, id).await?;
    records::proof(&edge, &desk, &case).await
}

/// Does a portal's act on a case of its own.
async fn perform<S: Store>(
    head: Head<S>,
    caller: &Callers,
    deed: Deed,
    said: Said,
) -> Result<(Option<wire::CaseStatus>, bool), Status> {
    own_case(&head.desk, caller, head.id).await?;
    let desk = head.desk.clone();
    let done = head.perform(deed, Some(said)).await?;
    Ok((Some(convert::case_status(&desk, &done.case)), done.is_replayed))
}

async fn provide_information<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::ProvideInformationRequest,
) -> Result<wire::ProvideInformationResponse, Status> {
    let mut checks = Checks::default();
    let head = edge.head(&mut checks, &caller, &message);
    check_text(&mut checks, "message", &message.message, 20_000);
    let head = valid(checks, head)?;
    let said = Said::Information(wire::InformationEntry { message: message.message });
    let (case, replayed) = perform(head, &caller, Deed::ProvideInformation, said).await?;
    Ok(wire::ProvideInformationResponse { case, replayed })
}

async fn withdraw<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::WithdrawRequest,
) -> Result<wire::WithdrawResponse, Status> {
    let mut checks = Checks::default();
    let head = edge.head(&mut checks, &caller, &message);
    check_optional_text(&mut checks, "reason", &message.reason, 5_000);
    let head = valid(checks, head)?;
    let said = Said::Withdrawal(wire::WithdrawalEntry { reason: message.reason });
    let (case, replayed) = perform(head, &caller, Deed::Withdraw, said).await?;
    Ok(wire::WithdrawResponse { case, replayed })
}

async fn request_preservation<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::RequestPreservationRequest,
) -> Result<wire::RequestPreservationResponse, Status> {
    let mut checks = Checks::default();
    let head = edge.head(&mut checks, &caller, &message);
    check_optional_text(&mut checks, "reason", &message.reason, 5_000);
    let head = valid(checks, head)?;
    let said = Said::Preservation(wire::PreservationEntry { reason: message.reason });
    let (case, replayed) = perform(head, &caller, Deed::RequestPreservation, said).await?;
    Ok(wire::RequestPreservationResponse { case, replayed })
}

async fn confirm_delivery<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::ConfirmDeliveryRequest,
) -> Result<wire::ConfirmDeliveryResponse, Status> {
    let mut checks = Checks::default();
    let head = edge.head(&mut checks, &caller, &message);
    let number = message.disclosure;
    if number == 0 {
        check_required(&mut checks, "disclosure");
    }
    check_optional_text(&mut checks, "note", &message.note, 5_000);
    let head = valid(checks, head)?;
    let said = Said::Delivery(wire::DeliveryEntry { number, note: message.note });
    let (case, replayed) = perform(head, &caller, Deed::ConfirmDelivery(number), said).await?;
    Ok(wire::ConfirmDeliveryResponse { case, replayed })
}

async fn list_data_categories<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::ListDataCategoriesRequest,
) -> Result<wire::ListDataCategoriesResponse, Status> {
    let mut checks = Checks::default();
    let desk = desk_for(&edge, &caller, &mut checks, &message.desk, caller.authority());
    let live = valid(checks, desk)?.live();
    let holding = |(category, holding): (&DataCategory, &Holding)| wire::Holding {
        category: data_category::write(*category).into(),
        is_held: holding.is_held,
        kept_for: holding.kept_for.map(convert::duration),
        description: holding.description.clone(),
    };
    Ok(wire::ListDataCategoriesResponse { holdings: live.holdings.iter().map(holding).collect() })
}

async fn list<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::IntakeServiceListRequest,
) -> Result<wire::IntakeServiceListResponse, Status> {
    let mut checks = Checks::default();
    let authority = checks.name::<AuthorityId>("authority", &message.authority);
    let page_size = watching::page_size(&mut checks, message.page_size);
    let desk = desk_for(&edge, &caller, &mut checks, &message.desk, authority.as_ref());
    let ((authority, page_size), desk) = valid(checks, authority.zip(page_size).zip(desk))?;
    if !caller.at(&desk).speaks_for(&authority) {
        return Err(status::case_not_found());
    }
    let scope = format!("list/{}/authority/{authority}", desk.name());
    let after = edge.tokens.open_page(&scope, &message.page_token)?;
    let index = Index::Authority(authority);
    let (cases, next) = desk.list(&index, after, page_size).await.map_err(status::error)?;
    Ok(wire::IntakeServiceListResponse {
        cases: cases.iter().map(|case| convert::case_status(&desk, case)).collect(),
        next_page_token: edge.tokens.page(&scope, next)?,
    })
}

async fn watch<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::IntakeServiceWatchRequest,
) -> Result<Stream<wire::IntakeServiceWatchResponse>, Status> {
    let mut checks = Checks::default();
    let scope = match &message.scope {
        Some(Scope::Name(name)) => {
            let case = edge.case(&mut checks, "name", name);
            case.map(|(desk, id)| {
                traces::about(id);
                (desk, WatchScope::Case(id))
            })
        }
        Some(Scope::Authority(name)) => {
            let authority = checks.name("authority", name);
            let desk = desk_for(&edge, &caller, &mut checks, &message.desk, authority.as_ref());
            desk.zip(authority.map(WatchScope::Authority))
        }
        None => {
            check_required(&mut checks, "scope");
            None
        }
    };
    let (desk, scope) = valid(checks, scope)?;
    let (token_scope, authority) = match &scope {
        WatchScope::Case(id) => {
            let case = own_case(&desk, &caller, *id).await?;
            (format!("watch/{}/intake/{}", desk.name(), id.compact()), case.authority)
        }
        WatchScope::Authority(authority) if caller.at(&desk).speaks_for(authority) => {
            (format!("watch/{}/intake/{authority}", desk.name()), authority.clone())
        }
        WatchScope::Authority(_) | WatchScope::Desk => return Err(status::case_not_found()),
    };
    let resume = edge.tokens.open_resume(&token_scope, &message.resume_token)?;
    let room = edge.allowances.watch(&caller.at(&desk).subject)?;
    let watch = desk.watch(scope, resume).await.map_err(status::error)?;
    let shown = Arc::clone(&desk);
    Ok(watching::stream(
        &edge,
        desk,
        watch,
        token_scope,
        Some(authority),
        room,
        move |told, resume_token| {
            use wire::intake_service_watch_response::Message;
            let message = match told {
                watching::Told::Heartbeat(heartbeat) => Message::Heartbeat(heartbeat),
                watching::Told::Followed(Followed::Snapshot(case)) => {
                    Message::Snapshot(convert::case_status(&shown, &case))
                }
                watching::Told::Followed(Followed::SnapshotEnd(cases)) => {
                    Message::SnapshotEnd(wire::SnapshotEnd { cases })
                }
                watching::Told::Followed(Followed::Change(change)) => {
                    Message::Change(convert::change(shown.name(), &change, Reader::Portal)?)
                }
            };
            Some(wire::IntakeServiceWatchResponse { message: Some(message), resume_token })
        },
    ))
}
