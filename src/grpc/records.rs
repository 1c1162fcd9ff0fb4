//! What the record proves: receipts, their proofs, and the audit log for those who check it.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tonic::Status;

use super::identity::Callers;
use super::serve::{Edge, valid};
use super::{convert, status, wire};
use crate::audit::{FirstResponse, LogError, Receipt, Record, RecordError};
use crate::core::intake::{Checks, Code};
use crate::core::{Case, DeskName};
use crate::desk::{Desk, Store};

/// How many entries a page has where none is named, and at most.
const PAGE: usize = 50;
const PAGE_MAX: usize = 200;
/// An entry is signed after a minute, or sooner where much happens.
const PROOF_RETRY: Duration = Duration::from_secs(15);

/// The records of the desks.
#[derive(Clone, Default)]
pub(super) struct Records(Arc<Vec<Arc<Record>>>);

impl Records {
    pub(super) fn new(records: Vec<Arc<Record>>) -> Self {
        Self(Arc::new(records))
    }

    fn of(&self, desk: &DeskName) -> Option<&Arc<Record>> {
        self.0.iter().find(|record| record.desk() == desk)
    }

    fn required(&self, desk: &DeskName) -> Result<Arc<Record>, Status> {
        self.of(desk).cloned().ok_or_else(|| status::no_record("this server keeps no audit log"))
    }

    /// The signed receipt of a case; empty where there is no record.
    pub(super) fn receipt(&self, desk: &DeskName, case: &Case) -> String {
        let sign = |record: &Arc<Record>| Receipt::of(desk, case).sign(record.signer());
        self.of(desk).map(sign).unwrap_or_default()
    }

    /// The signed record of the first response to a case; empty before it, or without a record.
    pub(super) fn first_response(&self, desk: &DeskName, case: &Case) -> String {
        let response = FirstResponse::of(desk, case);
        let signed = self.of(desk).zip(response).map(|(record, told)| told.sign(record.signer()));
        signed.unwrap_or_default()
    }
}

fn unproved(error: &RecordError) -> Status {
    match error {
        RecordError::NotYet(_) => status::proof_not_ready(error.to_string(), PROOF_RETRY),
        RecordError::Elsewhere(_) | RecordError::Closed => status::no_record(error.to_string()),
        // Its words name files, which are no caller's business.
        RecordError::Halted(_) | RecordError::Log(_) => {
            status::no_record("the audit log of this server does not answer; try another server")
        }
    }
}

/// Files are read beside the runtime.
async fn read<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RecordError> + Send + 'static,
) -> Result<T, Status> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|_| status::fault())?;
    done.map_err(|error| {
        if matches!(error, RecordError::Log(_)) {
            tracing::error!(%error, "the audit log cannot be read");
        }
        unproved(&error)
    })
}

/// The proof of a case that the caller may see.
pub(super) async fn proof<S: Store>(
    edge: &Edge<S>,
    desk: &Desk<S>,
    case: &Case,
) -> Result<wire::GetReceiptProofResponse, Status> {
    let record = edge.records.required(desk.name())?;
    let (id, accepted_at) = (case.id, case.accepted_at);
    let (entry, proof) = read(move || record.prove_accepted(id, accepted_at)).await?;
    Ok(wire::GetReceiptProofResponse {
        receipt: edge.records.receipt(desk.name(), case),
        first_response_record: edge.records.first_response(desk.name(), case),
        entry: entry.json,
        proof: proof.render(),
    })
}

pub(super) async fn list_audit_entries<S: Store>(
    edge: Edge<S>,
    _caller: Callers,
    message: wire::ListAuditEntriesRequest,
) -> Result<wire::ListAuditEntriesResponse, Status> {
    let mut checks = Checks::default();
    let desk = edge.desk(&mut checks, &message.desk);
    let count = match usize::try_from(message.page_size) {
        Ok(0) => PAGE,
        Ok(count) => count.min(PAGE_MAX),
        Err(_) => {
            checks.violation("page_size", Code::OutOfRange, "send 0 or more");
            PAGE
        }
    };
    let desk = valid(checks, desk)?;
    let record = edge.records.required(desk.name())?;
    let from = message.first_index;
    let (size, signed) = (record.size(), record.signed());
    let entries = read(move || record.entries(from, count)).await?;
    let entries = entries.into_iter().map(|shown| convert::audit_entry(desk.name(), shown));
    let entries = entries.collect();
    Ok(wire::ListAuditEntriesResponse { entries, size, signed })
}

pub(super) async fn verify_audit<S: Store>(
    edge: Edge<S>,
    _caller: Callers,
    message: wire::VerifyAuditRequest,
) -> Result<wire::VerifyAuditResponse, Status> {
    let mut checks = Checks::default();
    let desk = edge.desk(&mut checks, &message.desk);
    let desk = valid(checks, desk)?;
    let record = edge.records.required(desk.name())?;
    let public_key = record.signer().verifier().to_string();
    if let Some(halt) = record.halted() {
        let fault = halt.to_string();
        return Ok(wire::VerifyAuditResponse { public_key, fault, ..Default::default() });
    }
    // A fault is the answer, not a failure of the call.
    let verified = read(move || match record.verify() {
        Err(RecordError::Log(LogError::Broken { fault, .. })) => Ok(Err(fault)),
        verified => verified.map(Ok),
    });
    Ok(match verified.await? {
        Ok(found) => wire::VerifyAuditResponse {
            first_index: found.first,
            size: found.size,
            signed: found.signed,
            fault: String::new(),
            public_key,
            missing: found.missing.into_iter().map(range).collect(),
        },
        Err(fault) => {
            wire::VerifyAuditResponse { public_key, fault: fault.to_string(), ..Default::default() }
        }
    })
}

const fn range(entries: Range<u64>) -> wire::AuditEntryRange {
    wire::AuditEntryRange { first_index: entries.start, last_index: entries.end - 1 }
}
