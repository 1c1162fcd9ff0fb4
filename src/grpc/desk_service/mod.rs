//! `DeskService`: convert, call, convert. One file per theme.

mod answers;
mod claims;
mod clocks;
mod incidents;
mod judgements;
mod outcomes;
mod reading;

use std::time::Duration;

use tonic::{Request, Response, Status};

use super::convert;
use super::serve::{Edge, check_required};
use super::watching::Stream;
use super::wire;
use super::wire::desk_service_server::DeskService;
use crate::core::intake::{Checks, Choice, Code};
use crate::desk::{Done, Store, WAIT_MAX};

pub(super) use incidents::incident;

pub(super) struct DeskCalls<S: Store>(pub(super) Edge<S>);

/// What is kept of a caller's time for claiming and for the way back.
const WAIT_MARGIN: Duration = Duration::from_millis(500);

/// A note, a reason, an explanation.
const PAGE_CHARS: usize = 5_000;
/// What is said to an authority.
const MESSAGE_CHARS: usize = 20_000;

#[tonic::async_trait]
impl<S: Store> DeskService for DeskCalls<S> {
    async fn claim_next(
        &self,
        request: Request<wire::ClaimNextRequest>,
    ) -> Result<Response<wire::ClaimNextResponse>, Status> {
        // The wait ends with the call's own deadline, so that no case is claimed for nobody.
        let remaining = super::deadline::remaining(request.metadata());
        let longest = remaining.map_or(WAIT_MAX, |left| left.saturating_sub(WAIT_MARGIN));
        let answer =
            move |edge, caller, message| claims::claim_next(edge, caller, message, longest);
        self.0.serve_waiting("ClaimNext", request, answer).await
    }

    async fn claim(
        &self,
        request: Request<wire::ClaimRequest>,
    ) -> Result<Response<wire::ClaimResponse>, Status> {
        self.0.serve("Claim", request, claims::claim).await
    }

    async fn renew_claim(
        &self,
        request: Request<wire::RenewClaimRequest>,
    ) -> Result<Response<wire::RenewClaimResponse>, Status> {
        self.0.serve("RenewClaim", request, claims::renew_claim).await
    }

    async fn release_claim(
        &self,
        request: Request<wire::ReleaseClaimRequest>,
    ) -> Result<Response<wire::ReleaseClaimResponse>, Status> {
        self.0.serve("ReleaseClaim", request, claims::release_claim).await
    }

    async fn hand_over(
        &self,
        request: Request<wire::HandOverRequest>,
    ) -> Result<Response<wire::HandOverResponse>, Status> {
        self.0.serve("HandOver", request, claims::hand_over).await
    }

    async fn respond(
        &self,
        request: Request<wire::RespondRequest>,
    ) -> Result<Response<wire::RespondResponse>, Status> {
        self.0.serve("Respond", request, answers::respond).await
    }

    async fn send_update(
        &self,
        request: Request<wire::SendUpdateRequest>,
    ) -> Result<Response<wire::SendUpdateResponse>, Status> {
        self.0.serve("SendUpdate", request, answers::send_update).await
    }

    async fn ask_for_information(
        &self,
        request: Request<wire::AskForInformationRequest>,
    ) -> Result<Response<wire::AskForInformationResponse>, Status> {
        self.0.serve("AskForInformation", request, answers::ask_for_information).await
    }

    async fn reclassify(
        &self,
        request: Request<wire::ReclassifyRequest>,
    ) -> Result<Response<wire::ReclassifyResponse>, Status> {
        self.0.serve("Reclassify", request, judgements::reclassify).await
    }

    async fn record_verification(
        &self,
        request: Request<wire::RecordVerificationRequest>,
    ) -> Result<Response<wire::RecordVerificationResponse>, Status> {
        self.0.serve("RecordVerification", request, judgements::record_verification).await
    }

    async fn record_conflict(
        &self,
        request: Request<wire::RecordConflictRequest>,
    ) -> Result<Response<wire::RecordConflictResponse>, Status> {
        self.0.serve("RecordConflict", request, judgements::record_conflict).await
    }

    async fn link_duplicate(
        &self,
        request: Request<wire::LinkDuplicateRequest>,
    ) -> Result<Response<wire::LinkDuplicateResponse>, Status> {
        self.0.serve("LinkDuplicate", request, judgements::link_duplicate).await
    }

    async fn propose_outcome(
        &self,
        request: Request<wire::ProposeOutcomeRequest>,
    ) -> Result<Response<wire::ProposeOutcomeResponse>, Status> {
        self.0.serve("ProposeOutcome", request, outcomes::propose_outcome).await
    }

    async fn approve_outcome(
        &self,
        request: Request<wire::ApproveOutcomeRequest>,
    ) -> Result<Response<wire::ApproveOutcomeResponse>, Status> {
        self.0.serve("ApproveOutcome", request, outcomes::approve_outcome).await
    }

    async fn confirm_withdrawal(
        &self,
        request: Request<wire::ConfirmWithdrawalRequest>,
    ) -> Result<Response<wire::ConfirmWithdrawalResponse>, Status> {
        self.0.serve("ConfirmWithdrawal", request, outcomes::confirm_withdrawal).await
    }

    async fn pause_clock(
        &self,
        request: Request<wire::PauseClockRequest>,
    ) -> Result<Response<wire::PauseClockResponse>, Status> {
        self.0.serve("PauseClock", request, clocks::pause_clock).await
    }

    async fn resume_clock(
        &self,
        request: Request<wire::ResumeClockRequest>,
    ) -> Result<Response<wire::ResumeClockResponse>, Status> {
        self.0.serve("ResumeClock", request, clocks::resume_clock).await
    }

    async fn settle_clock(
        &self,
        request: Request<wire::SettleClockRequest>,
    ) -> Result<Response<wire::SettleClockResponse>, Status> {
        self.0.serve("SettleClock", request, clocks::settle_clock).await
    }

    async fn acknowledge_page(
        &self,
        request: Request<wire::AcknowledgePageRequest>,
    ) -> Result<Response<wire::AcknowledgePageResponse>, Status> {
        self.0.serve("AcknowledgePage", request, clocks::acknowledge_page).await
    }

    async fn open_incident(
        &self,
        request: Request<wire::OpenIncidentRequest>,
    ) -> Result<Response<wire::OpenIncidentResponse>, Status> {
        self.0.serve("OpenIncident", request, incidents::open_incident).await
    }

    async fn add_incident_facts(
        &self,
        request: Request<wire::AddIncidentFactsRequest>,
    ) -> Result<Response<wire::AddIncidentFactsResponse>, Status> {
        self.0.serve("AddIncidentFacts", request, incidents::add_incident_facts).await
    }

    async fn close_incident(
        &self,
        request: Request<wire::CloseIncidentRequest>,
    ) -> Result<Response<wire::CloseIncidentResponse>, Status> {
        self.0.serve("CloseIncident", request, incidents::close_incident).await
    }

    async fn get_policy(
        &self,
        request: Request<wire::GetPolicyRequest>,
    ) -> Result<Response<wire::GetPolicyResponse>, Status> {
        self.0.serve("GetPolicy", request, reading::get_policy).await
    }

    async fn get(
        &self,
        request: Request<wire::DeskServiceGetRequest>,
    ) -> Result<Response<wire::DeskServiceGetResponse>, Status> {
        self.0.serve("DeskService.Get", request, reading::get).await
    }

    async fn list(
        &self,
        request: Request<wire::DeskServiceListRequest>,
    ) -> Result<Response<wire::DeskServiceListResponse>, Status> {
        self.0.serve("DeskService.List", request, reading::list).await
    }

    type WatchStream = Stream<wire::DeskServiceWatchResponse>;

    async fn watch(
        &self,
        request: Request<wire::DeskServiceWatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        self.0.serve("DeskService.Watch", request, reading::watch).await
    }
}

/// A case as it is after an act, and whether the act had been done before.
fn answer(desk: &crate::core::DeskName, done: &Done) -> (Option<wire::Case>, bool) {
    (Some(convert::case(desk, &done.case)), done.is_replayed)
}

/// A value that must be chosen.
pub(super) fn chosen<T: Copy>(checks: &mut Checks, field: &str, choice: Choice<T>) -> Option<T> {
    if let Choice::Missing = choice {
        check_required(checks, field);
    }
    optional(checks, field, choice)
}

/// A value that may be left out, but not be one that nobody knows.
fn optional<T: Copy>(checks: &mut Checks, field: &str, choice: Choice<T>) -> Option<T> {
    if let Choice::Unknown = choice {
        let fix = "use one of the values that this service's reflection lists";
        checks.violation(field, Code::UnknownValue, fix);
    }
    choice.known()
}

/// The epoch of the caller's claim.
fn epoch(checks: &mut Checks, epoch: u64) -> Option<u64> {
    if epoch == 0 {
        let fix = "send the epoch of your claim; Claim and ClaimNext return it";
        checks.violation("epoch", Code::Required, fix);
        return None;
    }
    Some(epoch)
}

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
