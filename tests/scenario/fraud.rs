//! Somebody has the portal of an authority. They get an answer in time, no data, and no sign that they
//! were found out.

use prost::Message as _;
use tonic::Code;
use urgence::grpc::wire;

use crate::stage::{
    ANA, BO, FRENCH, HEAD, Stage, by, disposition, in_progress, item, refused, request,
};

const SUBSCRIBER: wire::DataCategory = wire::DataCategory::Subscriber;

struct Worked {
    name: String,
    epoch: u64,
}

/// Submits, claims and answers in progress.
async fn worked(stage: &Stage, request_id: &str, target: &str) -> Worked {
    let (mut portal, mut desk) = (stage.portal().await, stage.responders().await);
    let nature = wire::Nature::ThreatToLife;
    let submit = request("fr-pnij", request_id, nature, target, &[SUBSCRIBER]);
    let case = portal.submit(by(FRENCH, submit)).await.unwrap().into_inner().case.unwrap();
    let name = case.name;
    let claim = wire::ClaimRequest { request_id: format!("c-{request_id}"), name: name.clone() };
    let claimed = desk.claim(by(ANA, claim)).await.unwrap().into_inner().case.unwrap();
    let epoch = claimed.claim.unwrap().epoch;
    desk.respond(by(ANA, in_progress("r", &name, epoch))).await.unwrap();
    Worked { name, epoch }
}

/// All that the authority can see of a case, every text included, without what tells two cases apart.
async fn seen(stage: &Stage, name: &str) -> wire::IntakeServiceGetResponse {
    let mut portal = stage.portal().await;
    let get = wire::IntakeServiceGetRequest { name: name.to_owned() };
    let mut got = portal.get(by(FRENCH, get)).await.unwrap().into_inner();
    let case = got.case.as_mut().unwrap();
    case.name.clear();
    case.request_digest.clear();
    got.request = None;
    got
}

/// The same as a text to look in. What was said is never printed, so it is added.
fn text(seen: &wire::IntakeServiceGetResponse) -> String {
    let said = String::from_utf8_lossy(&seen.encode_to_vec()).into_owned();
    format!("{seen:?} {said}").to_lowercase()
}

#[tokio::test]
async fn a_stolen_portal_gets_an_answer_and_no_data() {
    let stage = Stage::open().await;
    let mut desk = stage.responders().await;
    // Two cases, worked alike; only one is suspected.
    let honest = worked(&stage, "honest", "a-1").await;
    let fraud = worked(&stage, "fraud", "a-2").await;
    let found = |request_id: &str, finding: wire::Verification| wire::RecordVerificationRequest {
        request_id: request_id.to_owned(),
        name: fraud.name.clone(),
        finding: finding.into(),
        note: "Nobody there knows of it.".to_owned(),
        ..Default::default()
    };
    stage.at(3).await;
    desk.record_verification(by(BO, found("v-1", wire::Verification::Failed))).await.unwrap();
    assert_eq!(seen(&stage, &fraud.name).await, seen(&stage, &honest.name).await);
    let suspected = found("v-2", wire::Verification::SuspectedFraud);
    desk.record_verification(by(BO, suspected)).await.unwrap();
    let shown = seen(&stage, &fraud.name).await;
    assert_eq!(shown, seen(&stage, &honest.name).await);
    assert_eq!(shown.case.unwrap().state(), wire::CaseState::AwaitingVerification);
    assert!(shown.response.is_some());

    // Whoever proposes it, and whoever approves it: no data without a call-back.
    let propose = wire::ProposeOutcomeRequest {
        request_id: "p-1".to_owned(),
        name: fraud.name.clone(),
        epoch: fraud.epoch,
        dispositions: vec![disposition(SUBSCRIBER, wire::DispositionKind::Disclosed)],
        manifest: Some(wire::Manifest {
            items: vec![item("account.json", SUBSCRIBER)],
            recipient_key_id: "evidence-2026".to_owned(),
        }),
        message: "Here it is.".to_owned(),
        justification: "They said that somebody will die.".to_owned(),
        ..Default::default()
    };
    let proposed = desk.propose_outcome(by(ANA, propose)).await.unwrap().into_inner();
    let number = proposed.case.unwrap().proposal.unwrap().number;
    for (caller, id) in [(BO, "a-1"), (HEAD, "a-2")] {
        let approve = wire::ApproveOutcomeRequest {
            request_id: id.to_owned(),
            name: fraud.name.clone(),
            proposal: number,
        };
        let approved = desk.approve_outcome(by(caller, approve)).await;
        refused(approved, Code::FailedPrecondition, "NOT_VERIFIED");
    }
    assert_eq!(seen(&stage, &fraud.name).await, seen(&stage, &honest.name).await);

    // Confirmed by two people. The other side is told of a refusal, and of nothing else.
    let propose = wire::ProposeOutcomeRequest {
        request_id: "p-2".to_owned(),
        name: fraud.name.clone(),
        epoch: fraud.epoch,
        ending: Some(wire::Ending {
            outcome: wire::Outcome::FraudConfirmed.into(),
            ..Default::default()
        }),
        message: "We could not verify this request.".to_owned(),
        ..Default::default()
    };
    let proposed = desk.propose_outcome(by(ANA, propose)).await.unwrap().into_inner();
    let number = proposed.case.unwrap().proposal.unwrap().number;
    let approve = wire::ApproveOutcomeRequest {
        request_id: "a-3".to_owned(),
        name: fraud.name.clone(),
        proposal: number,
    };
    let approved = desk.approve_outcome(by(HEAD, approve)).await.unwrap().into_inner();
    let ended = approved.case.unwrap();
    assert_eq!(ended.state(), wire::CaseState::Fraud);
    assert_eq!(ended.first_response.unwrap().punctuality(), wire::Punctuality::WithinTarget);
    assert!(ended.disclosures.is_empty());
    let shown = seen(&stage, &fraud.name).await;
    assert_eq!(shown.entries.len(), 1, "the outcome");
    let said = text(&shown);
    assert!(said.contains("we could not verify this request."), "{said}");
    assert!(!said.contains("fraud"), "{said}");
    let case = shown.case.unwrap();
    assert_eq!(case.state(), wire::CaseState::Rejected);
    let ended = case.ended.unwrap();
    assert_eq!(ended.outcome(), wire::Outcome::Rejected);
    assert_eq!(ended.refusal_reason(), wire::RefusalReason::RequesterNotVerified);
}
