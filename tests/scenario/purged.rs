//! Whether the desk keeps what was said, and why, does not show: for the authority it is gone when it
//! would be gone of an honest case that nobody holds. Three cases are lived through side by side.

use std::collections::BTreeMap;
use std::sync::Arc;

use prost::Message as _;
use tonic::{Code, Streaming};
use urgence::grpc::wire;
use wire::intake_service_watch_request::Scope;
use wire::intake_service_watch_response::Message;

use crate::stage::{
    ANA, BO, FRENCH, HEAD, Stage, by, clock, disposition, in_progress, item, refused, request,
};

const SUBSCRIBER: wire::DataCategory = wire::DataCategory::Subscriber;
const TRAFFIC: wire::DataCategory = wire::DataCategory::Traffic;
const DAY: u64 = 24 * 60;

/// Refused, refused and held, and found to be a fraud.
const CASES: [&str; 3] = ["honest", "held", "fraud"];

/// The three cases, by the names that they have.
struct Three(Vec<String>);

impl Three {
    /// Works on each and ends it at minute 5. If so wished, a part goes out first.
    async fn lived(stage: &Stage, has_disclosed: bool) -> Self {
        let mut names = Vec::new();
        for which in CASES {
            names.push(submitted(stage, which).await);
        }
        stage.at(5).await;
        for (which, name) in CASES.iter().zip(&names) {
            end(stage, which, name, has_disclosed).await;
        }
        Self(names)
    }

    /// What is shown of each, without its name; the same of all.
    async fn shown(&self, stage: &Stage) -> wire::IntakeServiceGetResponse {
        let mut portal = stage.portal().await;
        let list = wire::IntakeServiceListRequest {
            authority: "fr-pnij".to_owned(),
            ..Default::default()
        };
        let listed = portal.list(by(FRENCH, list)).await.unwrap().into_inner().cases;
        let mut all = Vec::new();
        for (which, name) in CASES.iter().zip(&self.0) {
            let get = wire::IntakeServiceGetRequest { name: name.clone() };
            let mut got = portal.get(by(FRENCH, get)).await.unwrap().into_inner();
            let in_list = listed.iter().find(|case| case.name == *name);
            assert_eq!(in_list, got.case.as_ref(), "{which}: what lists show");
            assert_eq!(snapshot(stage, name).await, got.case, "{which}: what a watch begins with");
            let again = portal.submit(by(FRENCH, submit(which))).await.unwrap().into_inner();
            assert_eq!((again.case.as_ref(), again.replayed), (got.case.as_ref(), true), "{which}");
            got.case.as_mut().unwrap().name.clear();
            all.push(got);
        }
        assert_eq!(all[0].encode_to_vec(), all[1].encode_to_vec(), "a hold shows");
        assert_eq!(all[0].encode_to_vec(), all[2].encode_to_vec(), "a fraud shows");
        all.remove(0)
    }

    /// Has the portal of each ask that its data be kept: `None` where it is done, or why not.
    async fn preserve(&self, stage: &Stage, request_id: &str) -> Option<String> {
        let mut portal = stage.portal().await;
        let mut answers = Vec::new();
        for name in &self.0 {
            let preserve = wire::RequestPreservationRequest {
                request_id: request_id.to_owned(),
                name: name.clone(),
                reason: "An order follows.".to_owned(),
            };
            let answer = portal.request_preservation(by(FRENCH, preserve)).await;
            let why = |status: tonic::Status| {
                let details = String::from_utf8_lossy(status.details()).into_owned();
                format!("{:?} {} {details}", status.code(), status.message())
            };
            answers.push(answer.err().map(why));
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        answers.remove(0)
    }
}

fn submit(which: &str) -> wire::SubmitRequest {
    let nature = wire::Nature::ThreatToLife;
    request("fr-pnij", which, nature, "a-1", &[SUBSCRIBER, TRAFFIC])
}

/// Submits, claims and answers in progress.
async fn submitted(stage: &Stage, which: &str) -> String {
    let (mut portal, mut desk) = (stage.portal().await, stage.responders().await);
    let case = portal.submit(by(FRENCH, submit(which))).await.unwrap().into_inner().case.unwrap();
    let claim = wire::ClaimRequest { request_id: "c".to_owned(), name: case.name.clone() };
    let claimed = desk.claim(by(ANA, claim)).await.unwrap().into_inner().case.unwrap();
    let epoch = claimed.claim.unwrap().epoch;
    desk.respond(by(ANA, in_progress("r", &case.name, epoch))).await.unwrap();
    case.name
}

async fn end(stage: &Stage, which: &str, name: &str, has_disclosed: bool) {
    let mut desk = stage.responders().await;
    let claim = wire::ClaimRequest { request_id: "c-2".to_owned(), name: name.to_owned() };
    let claimed = desk.claim(by(ANA, claim)).await.unwrap().into_inner().case.unwrap();
    let epoch = claimed.claim.unwrap().epoch;
    let propose = |request_id: &str| wire::ProposeOutcomeRequest {
        request_id: request_id.to_owned(),
        name: name.to_owned(),
        epoch,
        message: "This is our answer.".to_owned(),
        ..Default::default()
    };
    let approve = |number: u32| wire::ApproveOutcomeRequest {
        request_id: format!("a-{number}"),
        name: name.to_owned(),
        proposal: number,
    };
    if has_disclosed {
        let verified = wire::RecordVerificationRequest {
            request_id: "v".to_owned(),
            name: name.to_owned(),
            finding: wire::Verification::CallbackConfirmed.into(),
            callback_phone_id: "switchboard".to_owned(),
            note: "They know of it.".to_owned(),
        };
        desk.record_verification(by(BO, verified)).await.unwrap();
        let part = wire::ProposeOutcomeRequest {
            dispositions: vec![disposition(SUBSCRIBER, wire::DispositionKind::Disclosed)],
            manifest: Some(wire::Manifest {
                items: vec![item("account.json", SUBSCRIBER)],
                recipient_key_id: "evidence-2026".to_owned(),
            }),
            justification: "A life is in danger.".to_owned(),
            ..propose("p-1")
        };
        desk.propose_outcome(by(ANA, part)).await.unwrap();
        desk.approve_outcome(by(BO, approve(1))).await.unwrap();
        let confirm = wire::ConfirmDeliveryRequest {
            request_id: "d".to_owned(),
            name: name.to_owned(),
            disclosure: 1,
            ..Default::default()
        };
        stage.portal().await.confirm_delivery(by(FRENCH, confirm)).await.unwrap();
    }
    let (outcome, reason) = match which {
        "fraud" => (wire::Outcome::FraudConfirmed, wire::RefusalReason::Unspecified),
        _ => (wire::Outcome::Rejected, wire::RefusalReason::RequesterNotVerified),
    };
    let ending = wire::Ending {
        outcome: outcome.into(),
        refusal_reason: reason.into(),
        ..Default::default()
    };
    let whole = wire::ProposeOutcomeRequest { ending: Some(ending), ..propose("p-2") };
    let proposed = desk.propose_outcome(by(ANA, whole)).await.unwrap().into_inner();
    let number = proposed.case.unwrap().proposal.unwrap().number;
    desk.approve_outcome(by(HEAD, approve(number))).await.unwrap();
    if which == "held" {
        let hold = wire::SetLegalHoldRequest {
            request_id: "h".to_owned(),
            name: name.to_owned(),
            is_held: true,
            reason: "A court may ask for it.".to_owned(),
        };
        stage.oversight().await.set_legal_hold(by(HEAD, hold)).await.unwrap();
    }
}

type Watch = Streaming<wire::IntakeServiceWatchResponse>;

async fn watch(stage: &Stage, scope: Scope) -> Watch {
    let watch = wire::IntakeServiceWatchRequest { scope: Some(scope), ..Default::default() };
    stage.portal().await.watch(by(FRENCH, watch)).await.unwrap().into_inner()
}

async fn next(watch: &mut Watch) -> Message {
    watch.message().await.unwrap().expect("it goes on").message.unwrap()
}

/// What a watch of the case begins with.
async fn snapshot(stage: &Stage, name: &str) -> Option<wire::CaseStatus> {
    match next(&mut watch(stage, Scope::Name(name.to_owned())).await).await {
        Message::Snapshot(case) => Some(case),
        _ => None,
    }
}

/// Reads what was told of each case until another one is accepted.
async fn told(stage: &Stage, watch: &mut Watch) -> BTreeMap<String, Vec<wire::CaseChange>> {
    let last = submitted(stage, "last").await;
    let mut told: BTreeMap<String, Vec<wire::CaseChange>> = BTreeMap::new();
    loop {
        let Message::Change(mut change) = next(watch).await else { continue };
        let name = std::mem::take(&mut change.name);
        if name == last {
            return told;
        }
        told.entry(name).or_default().push(change);
    }
}

/// Lives through all of it; `gone_on` is the day on which what was said is gone, counted from the end.
async fn live(has_disclosed: bool, gone_on: u64) {
    let mut stage = Stage::open().await;
    let mut watch = watch(&stage, Scope::Authority("fr-pnij".to_owned())).await;
    let three = Three::lived(&stage, has_disclosed).await;
    let gone_at = 5 + gone_on * DAY;
    let mut minutes: Vec<u64> = (0..gone_on + 800).step_by(23).map(|day| day * DAY + 7).collect();
    minutes.extend([gone_at - 1, gone_at]);
    minutes.sort();
    for minute in minutes {
        stage.at(minute).await;
        let shown = three.shown(&stage).await;
        let is_gone = minute >= gone_at;
        assert_eq!(shown.request.is_none() && shown.response.is_none(), is_gone, "{minute}");
        assert_eq!(shown.entries.is_empty(), is_gone, "{minute}");
        let case = shown.case.unwrap();
        assert_eq!(case.purged_at.is_some(), is_gone, "{minute}");
        if let Some(purged_at) = case.purged_at {
            let passed = purged_at.seconds - case.ended.unwrap().at.unwrap().seconds;
            assert_eq!(passed, i64::try_from(gone_on * DAY * 60).unwrap());
            let refused = three.preserve(&stage, "late").await.unwrap();
            assert!(refused.contains("CASE_ENDED"), "{refused}");
            // Nor does a restart bring it back.
            stage = Stage::on(Arc::clone(&stage.store)).await;
        }
    }
    let told = told(&stage, &mut watch).await;
    let told: Vec<_> = three.0.iter().map(|name| &told[name]).collect();
    assert!(told[0].len() >= 3, "accepted, answered, ended");
    assert_eq!(told[0], told[1], "a hold is told of");
    assert_eq!(told[0], told[2], "a fraud is told of");
    // The desk knows what it keeps.
    let mut desk = stage.responders().await;
    let get = wire::DeskServiceGetRequest { name: three.0[1].clone() };
    let held = desk.get(by(ANA, get)).await.unwrap().into_inner();
    assert!(held.request.is_some() && held.case.unwrap().purged_at.is_none());
}

#[tokio::test]
async fn what_the_desk_keeps_beyond_its_time_shows_to_no_authority() {
    live(false, 90).await;
}

#[tokio::test]
async fn nor_does_it_where_a_part_went_out() {
    live(true, 365).await;
}

#[tokio::test]
async fn what_the_authority_asked_to_be_kept_is_shown_until_that_ends() {
    let stage = Stage::open().await;
    let three = Three::lived(&stage, false).await;
    stage.at(10 * DAY).await;
    assert_eq!(three.preserve(&stage, "first").await, None);
    for minute in [89 * DAY, 91 * DAY, 100 * DAY - 1] {
        stage.at(minute).await;
        let shown = three.shown(&stage).await;
        assert!(shown.request.is_some() && shown.case.unwrap().purged_at.is_none());
        assert_eq!(three.preserve(&stage, "first").await, None, "it is done already");
    }
    stage.at(100 * DAY).await;
    let shown = three.shown(&stage).await;
    let case = shown.case.unwrap();
    let preservation = clock(&case.clocks, wire::ClockKind::Preservation);
    assert!(shown.request.is_none() && case.purged_at.is_some());
    assert_eq!(case.purged_at, preservation.stopped_at);
    for request_id in ["first", "second"] {
        let refused = three.preserve(&stage, request_id).await.unwrap();
        assert!(refused.contains("CASE_ENDED"), "{refused}");
    }
    let mut portal = stage.portal().await;
    for name in &three.0 {
        let confirm = wire::ConfirmDeliveryRequest {
            request_id: "d".to_owned(),
            name: name.clone(),
            disclosure: 1,
            ..Default::default()
        };
        let answer = portal.confirm_delivery(by(FRENCH, confirm)).await;
        refused(answer, Code::FailedPrecondition, "CASE_ENDED");
    }
}
