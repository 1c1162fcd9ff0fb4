//! Taking cases, keeping them and passing them on.

use std::time::Duration;

use tonic::Status;

use super::{PAGE_CHARS, answer, duration, epoch};
use crate::core::intake::{Checks, Code, check_optional_text};
use crate::core::{Deed, Subject};
use crate::desk::{Store, WAIT_MAX};
use crate::grpc::convert;
use crate::grpc::guard::Guard;
use crate::grpc::identity::Callers;
use crate::grpc::serve::{Edge, act, valid};
use crate::grpc::status;
use crate::grpc::wire::{self, case_entry::Said};
use crate::telemetry::traces;

pub(super) async fn claim_next<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::ClaimNextRequest,
    longest: Duration,
) -> Result<wire::ClaimNextResponse, Status> {
    let mut checks = Checks::default();
    // How long a caller waits is no part of what it asks for: a repeat may wait for less.
    let content = wire::ClaimNextRequest { wait: None, ..message.clone() };
    let request_id = checks.name("request_id", &message.request_id);
    let wait = duration(&mut checks, "wait", message.wait.as_ref(), WAIT_MAX);
    let desk = edge.desk(&mut checks, &message.desk);
    let (request_id, desk) = valid(checks, request_id.zip(desk))?;
    let act = act(caller.at(&desk), "ClaimNext", request_id, &content);
    let guard = Guard::of(&edge, None);
    let claimed = tokio::select! {
        // Whoever was struck off while waiting is handed nothing; the case goes back to its place. Any
        // other case that is here is handed over, also at the stop.
        biased;
        refused = guard.lost(&desk) => return Err(refused),
        claimed = desk.claim_next(act, wait.min(longest)) => claimed.map_err(status::error)?,
        () = edge.stop.cancelled() => return Err(status::stopping()),
    };
    if let Some(done) = &claimed {
        traces::about(done.case.id);
    }
    Ok(wire::ClaimNextResponse {
        replayed: claimed.as_ref().is_some_and(|done| done.is_replayed),
        case: claimed.map(|done| convert::case(desk.name(), &done.case)),
    })
}

pub(super) async fn claim<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::ClaimRequest,
) -> Result<wire::ClaimResponse, Status> {
    let mut checks = Checks::default();
    let head = edge.head(&mut checks, &caller, &message);
    let head = valid(checks, head)?;
    let desk = head.desk.clone();
    let (case, replayed) = answer(desk.name(), &head.perform(Deed::Claim, None).await?);
    Ok(wire::ClaimResponse { case, replayed })
}

pub(super) async fn renew_claim<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::RenewClaimRequest,
) -> Result<wire::RenewClaimResponse, Status> {
    let mut checks = Checks::default();
    let head = edge.head(&mut checks, &caller, &message);
    let epoch = epoch(&mut checks, message.epoch);
    let (head, epoch) = valid(checks, head.zip(epoch))?;
    let desk = head.desk.clone();
    let (case, replayed) = answer(desk.name(), &head.perform(Deed::Renew(epoch), None).await?);
    Ok(wire::RenewClaimResponse { case, replayed })
}

pub(super) async fn release_claim<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::ReleaseClaimRequest,
) -> Result<wire::ReleaseClaimResponse, Status> {
    let mut checks = Checks::default();
    let head = edge.head(&mut checks, &caller, &message);
    let epoch = epoch(&mut checks, message.epoch);
    let (head, epoch) = valid(checks, head.zip(epoch))?;
    let desk = head.desk.clone();
    let (case, replayed) = answer(desk.name(), &head.perform(Deed::Release(epoch), None).await?);
    Ok(wire::ReleaseClaimResponse { case, replayed })
}

pub(super) async fn hand_over<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::HandOverRequest,
) -> Result<wire::HandOverResponse, Status> {
    let mut checks = Checks::default();
    let head = edge.head(&mut checks, &caller, &message);
    let epoch = epoch(&mut checks, message.epoch);
    let to = checks.name::<Subject>("to", &message.to);
    check_optional_text(&mut checks, "note", &message.note, PAGE_CHARS);
    if let (Some(head), Some(to)) = (&head, &to)
        && head.act.identity.is_some()
        && !head.desk.registry().is_colleague(to)
    {
        // Whoever is nobody would hold the case, and keep its rungs quiet, for the length of a lease.
        let fix = "send the subject of a colleague whom the registry lists for this desk";
        checks.violation("to", Code::UnknownValue, fix);
    }
    let ((head, epoch), to) = valid(checks, head.zip(epoch).zip(to))?;
    let desk = head.desk.clone();
    let said = Said::HandOver(wire::HandOverEntry { to: message.to, note: message.note });
    let done = head.perform(Deed::HandOver(epoch, to), Some(said)).await?;
    let (case, replayed) = answer(desk.name(), &done);
    Ok(wire::HandOverResponse { case, replayed })
}
