//! `OversightService`: convert, call, convert.

use tonic::{Request, Response, Status};

use super::convert::{self, duration, timestamp, transparency};
use super::desk_service::incident;
use super::identity::Callers;
use super::serve::{Edge, check_required, valid};
use super::standings::write_standing;
use super::wire::case_entry::Said;
use super::wire::oversight_service_server::OversightService;
use super::{records, standings, status, wire};
use crate::core::intake::{Checks, Code, check_text};
use crate::core::transparency::{MIN_CELLS, Period};
use crate::core::{Band, Deed, What};
use crate::desk::{Desk, Store};

pub(super) struct OversightCalls<S: Store>(pub(super) Edge<S>);

#[tonic::async_trait]
impl<S: Store> OversightService for OversightCalls<S> {
    async fn get_status(
        &self,
        request: Request<wire::GetStatusRequest>,
    ) -> Result<Response<wire::GetStatusResponse>, Status> {
        self.0.serve("GetStatus", request, get_status).await
    }

    async fn suspend_authority(
        &self,
        request: Request<wire::SuspendAuthorityRequest>,
    ) -> Result<Response<wire::SuspendAuthorityResponse>, Status> {
        self.0.serve("SuspendAuthority", request, standings::suspend_authority).await
    }

    async fn reinstate_authority(
        &self,
        request: Request<wire::ReinstateAuthorityRequest>,
    ) -> Result<Response<wire::ReinstateAuthorityResponse>, Status> {
        self.0.serve("ReinstateAuthority", request, standings::reinstate_authority).await
    }

    async fn list_disclosures(
        &self,
        request: Request<wire::ListDisclosuresRequest>,
    ) -> Result<Response<wire::ListDisclosuresResponse>, Status> {
        self.0.serve("ListDisclosures", request, standings::list_disclosures).await
    }

    async fn set_legal_hold(
        &self,
        request: Request<wire::SetLegalHoldRequest>,
    ) -> Result<Response<wire::SetLegalHoldResponse>, Status> {
        self.0.serve("SetLegalHold", request, set_legal_hold).await
    }

    async fn list_audit_entries(
        &self,
        request: Request<wire::ListAuditEntriesRequest>,
    ) -> Result<Response<wire::ListAuditEntriesResponse>, Status> {
        self.0.serve("ListAuditEntries", request, records::list_audit_entries).await
    }

    async fn verify_audit(
        &self,
        request: Request<wire::VerifyAuditRequest>,
    ) -> Result<Response<wire::VerifyAuditResponse>, Status> {
        self.0.serve("VerifyAudit", request, records::verify_audit).await
    }

    async fn export_transparency(
        &self,
        request: Request<wire::ExportTransparencyRequest>,
    ) -> Result<Response<wire::ExportTransparencyResponse>, Status> {
        // It reads for as long as somebody waits for it, and no longer.
        self.0.serve_waiting("ExportTransparency", request, export_transparency).await
    }
}

async fn get_status<S: Store>(
    edge: Edge<S>,
    _caller: Callers,
    _message: wire::GetStatusRequest,
) -> Result<wire::GetStatusResponse, Status> {
    let mut desks = Vec::new();
    for desk in edge.desks.iter() {
        desks.push(desk_status(desk).await?);
    }
    Ok(wire::GetStatusResponse { desks })
}

async fn desk_status<S: Store>(desk: &Desk<S>) -> Result<wire::DeskStatus, Status> {
    let now = desk.status().await.map_err(status::error)?;
    let figures = now.figures;
    let band = |(index, band): (usize, Band)| {
        let count = |list: &[u64]| list.get(index).copied().unwrap_or(0);
        let (waiting, unanswered) = (count(&figures.ready), count(&figures.unanswered));
        (waiting > 0 || unanswered > 0).then(|| wire::BandStatus {
            band: band.number().into(),
            waiting,
            unanswered,
            overdue: count(&figures.overdue),
            oldest_unanswered: figures.oldest_unanswered.get(index).copied().map(duration),
        })
    };
    Ok(wire::DeskStatus {
        desk: desk.name().to_string(),
        now: now.now.map(timestamp),
        policy: now.policy.to_string(),
        authorities: now.authorities.map(|count| u32::try_from(count).unwrap_or(u32::MAX)),
        bands: Band::all().enumerate().filter_map(band).collect(),
        overdue_wakes: figures.wakes_overdue,
        next_wake_in: figures.next_wake_in.map(duration),
        outbox_age: Some(duration(figures.outbox_age)),
        incidents: now.incidents.into_iter().map(|shown| incident(desk, shown)).collect(),
        suspended: now.suspended.iter().map(write_standing).collect(),
        not_durable: now.not_durable.unwrap_or_default(),
        countries: desk.live().countries.iter().map(ToString::to_string).collect(),
    })
}

async fn set_legal_hold<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::SetLegalHoldRequest,
) -> Result<wire::SetLegalHoldResponse, Status> {
    let mut checks = Checks::default();
    let head = edge.head(&mut checks, &caller, &message);
    check_text(&mut checks, "reason", &message.reason, 5_000);
    let head = valid(checks, head)?;
    let desk = head.desk.clone();
    let is_held = message.is_held;
    let said = Said::LegalHold(wire::LegalHoldEntry { is_held, reason: message.reason });
    let done = head.perform(Deed::SetLegalHold(is_held), Some(said)).await?;
    let case = Some(convert::case(desk.name(), &done.case));
    Ok(wire::SetLegalHoldResponse { case, replayed: done.is_replayed })
}

async fn export_transparency<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::ExportTransparencyRequest,
) -> Result<wire::ExportTransparencyResponse, Status> {
    let mut checks = Checks::default();
    let desk = edge.desk(&mut checks, &message.desk);
    let mut instant = |field: &str, sent: Option<&prost_types::Timestamp>| {
        let at = transparency::instant(sent);
        if sent.is_none() {
            check_required(&mut checks, field);
        } else if at.is_none() {
            checks.violation(field, Code::BadFormat, "send an instant after 1970");
        }
        at
    };
    let from = instant("from", message.from.as_ref());
    let to = instant("to", message.to.as_ref());
    if from.zip(to).is_some_and(|(from, to)| from >= to) {
        checks.violation("to", Code::Contradiction, "send an instant after `from`");
    }
    let floor = desk.as_ref().map_or(*MIN_CELLS.start(), |desk| desk.live().min_cell);
    let min_cell = if message.min_cell == 0 { floor } else { message.min_cell };
    if !(floor..=*MIN_CELLS.end()).contains(&min_cell) {
        let fix = format!("send a number from {floor} to {}, or none", MIN_CELLS.end());
        checks.violation("min_cell", Code::OutOfRange, fix);
    }
    let parts = from.zip(to).map(|(from, to)| Period { from, to }).zip(desk);
    let (period, desk) = valid(checks, parts)?;
    let by = caller.at(&desk).actor();
    desk.tell(Some(by), What::TransparencyExported).await.map_err(status::error)?;
    let counted = desk.transparency(period, min_cell).await.map_err(status::error)?;
    Ok(transparency::write(desk.name().as_str(), counted.report, counted.unreadable))
}
