//! An authority is suspended in the middle of a case: nothing more goes out, on any replica, and every
//! first response still does.

use tonic::Code;
use urgence::grpc::wire;
use wire::SuspensionReason;

use super::{ANA, BO, PORTAL_FR, SAM, Trusted, UMA};
use crate::calls::assert_error;
use crate::messages::{Held, disclosed};
use crate::service::{claim_next, urgent};

fn suspend(request_id: &str) -> wire::SuspendAuthorityRequest {
    wire::SuspendAuthorityRequest {
        request_id: request_id.to_owned(),
        authority: "fr-pnij".to_owned(),
        reason: SuspensionReason::Compromised.into(),
        ..Default::default()
    }
}

fn reinstate(request_id: &str) -> wire::ReinstateAuthorityRequest {
    wire::ReinstateAuthorityRequest {
        request_id: request_id.to_owned(),
        authority: "fr-pnij".to_owned(),
        ..Default::default()
    }
}

pub fn called_back(request_id: &str, name: &str) -> wire::RecordVerificationRequest {
    wire::RecordVerificationRequest {
        request_id: request_id.to_owned(),
        name: name.to_owned(),
        finding: wire::Verification::CallbackConfirmed.into(),
        callback_phone_id: "switchboard".to_owned(),
        ..Default::default()
    }
}

pub fn disclosing(name: &str, epoch: u64) -> wire::ProposeOutcomeRequest {
    let held = Held { name: name.to_owned(), epoch };
    let mut proposed = held.propose(&[disclosed(wire::DataCategory::Subscriber)]);
    let manifest = proposed.manifest.as_mut().unwrap();
    "evidence-2026".clone_into(&mut manifest.recipient_key_id);
    proposed
}

pub fn approve(request_id: &str, name: &str, proposal: u32) -> wire::ApproveOutcomeRequest {
    wire::ApproveOutcomeRequest {
        request_id: request_id.to_owned(),
        name: name.to_owned(),
        proposal,
    }
}

#[tokio::test]
async fn suspended_in_the_middle_of_a_case() {
    let trusted = Trusted::open();
    let second = trusted.replica();
    let mut portal = trusted.portal(PORTAL_FR).await;
    let mut ana = trusted.desk(ANA).await;
    // The approver is at another replica than the one that suspends.
    let bo = trusted.connect(&second, &trusted.certify(BO)).await.unwrap();
    let mut bo = super::DeskServiceClient::new(bo);
    let mut sam = trusted.oversight(SAM).await;
    let name = portal.submit(urgent("r-1")).await.unwrap().into_inner().case.unwrap().name;
    let case = ana.claim_next(claim_next("c-1", 5)).await.unwrap().into_inner().case.unwrap();
    let epoch = case.claim.unwrap().epoch;
    ana.record_verification(called_back("v-1", &name)).await.unwrap();
    ana.propose_outcome(disclosing(&name, epoch)).await.unwrap();

    let suspended = sam.suspend_authority(suspend("s-1")).await.unwrap().into_inner();
    let standing = suspended.standing.unwrap();
    assert!(standing.is_suspended && standing.suspended_by == "sam" && !suspended.replayed);
    assert!(suspended.disclosures.is_empty(), "nothing had gone out");
    let refused = bo.approve_outcome(approve("a-1", &name, 1)).await;
    assert_error(refused, Code::FailedPrecondition, "AUTHORITY_SUSPENDED");
    // The portal sees a case that is being verified, as any other.
    let get = wire::IntakeServiceGetRequest { name: name.clone() };
    let shown = portal.get(get.clone()).await.unwrap().into_inner().case.unwrap();
    assert_eq!(shown.state(), wire::CaseState::Received, "nobody has answered it");
    // A first response goes out all the same, and a new request is taken in, flagged for the desk.
    let answer = crate::service::in_progress("f-1", &name, epoch);
    assert!(ana.respond(answer).await.is_ok());
    let shown = portal.get(get).await.unwrap().into_inner().case.unwrap();
    assert_eq!(shown.state(), wire::CaseState::AwaitingVerification);
    let later = portal.submit(urgent("r-2")).await.unwrap().into_inner().case.unwrap().name;
    let seen = wire::DeskServiceGetRequest { name: later };
    let seen = bo.get(seen).await.unwrap().into_inner().case.unwrap();
    assert!(seen.risks().any(|risk| risk == wire::Risk::AuthoritySuspended), "{:?}", seen.risks);

    // Suspending again changes nothing; a repeat is one.
    assert!(sam.suspend_authority(suspend("s-1")).await.unwrap().into_inner().replayed);
    assert!(sam.suspend_authority(suspend("s-2")).await.unwrap().into_inner().replayed);
    let status = sam.get_status(wire::GetStatusRequest {}).await.unwrap().into_inner();
    assert_eq!(status.desks[0].suspended.len(), 1);

    // Reinstated, it takes a new call-back.
    let again = sam.reinstate_authority(reinstate("i-1")).await.unwrap().into_inner();
    assert!(!again.standing.unwrap().is_suspended);
    let twice = sam.reinstate_authority(reinstate("i-2")).await;
    assert_error(twice, Code::FailedPrecondition, "AUTHORITY_NOT_SUSPENDED");
    let refused = bo.approve_outcome(approve("a-2", &name, 1)).await;
    assert_error(refused, Code::FailedPrecondition, "NOT_VERIFIED");
    ana.record_verification(called_back("v-2", &name)).await.unwrap();
    bo.approve_outcome(approve("a-3", &name, 1)).await.unwrap();

    // The look-back finds it, for the auditor too, and in the answer to the next suspension.
    let since = Some(prost_types::Timestamp { seconds: 0, nanos: 0 });
    let list = wire::ListDisclosuresRequest { since, ..Default::default() };
    let mut uma = trusted.oversight(UMA).await;
    let found = uma.list_disclosures(list).await.unwrap().into_inner().disclosures;
    assert_eq!((found.len(), &found[0].case, &*found[0].authority), (1, &name, "fr-pnij"));
    let disclosure = found[0].disclosure.clone().unwrap();
    assert_eq!((&*disclosure.proposed_by, &*disclosure.approved_by), ("ana", "bo"));
    let suspended = sam.suspend_authority(suspend("s-3")).await.unwrap().into_inner();
    assert_eq!(suspended.disclosures, found);
    let unknown =
        wire::SuspendAuthorityRequest { authority: "xx-none".to_owned(), ..suspend("s-4") };
    assert_error(sam.suspend_authority(unknown).await, Code::NotFound, "AUTHORITY_UNKNOWN");
}
