//! An attack; a part of the data lies in another country. From Submit to closed and purged.

use tonic::Code;
use urgence::core::Event;
use urgence::grpc::wire;

use crate::stage::{
    ANA, BO, FRENCH, GERMAN, HEAD, JURIST, Stage, by, clock, disposition, id_of, in_progress, item,
    minutes_between, refused, request,
};

const CATEGORIES: [wire::DataCategory; 3] = [
    wire::DataCategory::Subscriber,
    wire::DataCategory::UserIdentification,
    wire::DataCategory::Content,
];

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story, from beginning to end")]
async fn an_attack_with_data_abroad_is_answered_in_time_and_lawfully() {
    let stage = Stage::open().await;
    let (mut portal, mut desk) = (stage.portal().await, stage.responders().await);
    let nature = wire::Nature::TerrorismInProgress;
    let submit = request("fr-pnij", "attack-1", nature, "a-77", &CATEGORIES);

    // Minute 0: the request is a case; it is frozen at once, which discloses nothing.
    let case = portal.submit(by(FRENCH, submit.clone())).await.unwrap().into_inner().case.unwrap();
    let name = case.name.clone();
    let freeze = wire::RequestPreservationRequest {
        request_id: "freeze".to_owned(),
        name: name.clone(),
        ..Default::default()
    };
    let case =
        portal.request_preservation(by(FRENCH, freeze)).await.unwrap().into_inner().case.unwrap();
    let kept = clock(&case.clocks, wire::ClockKind::Preservation);
    assert_eq!(
        minutes_between(kept.started_at.as_ref(), kept.limit_at.as_ref()),
        90 * 24 * 60,
        "kept for 90 days"
    );

    // Minute 1: ana takes it. Minute 4: bo calls the switchboard of the registry.
    stage.at(1).await;
    let claim = wire::ClaimNextRequest { request_id: "c".to_owned(), ..Default::default() };
    let claimed = desk.claim_next(by(ANA, claim)).await.unwrap().into_inner().case.unwrap();
    assert_eq!((claimed.name.as_str(), claimed.band), (name.as_str(), 0));
    let epoch = claimed.claim.unwrap().epoch;
    stage.at(4).await;
    let call_back = |request_id: &str, phone: &str| wire::RecordVerificationRequest {
        request_id: request_id.to_owned(),
        name: name.clone(),
        finding: wire::Verification::CallbackConfirmed.into(),
        callback_phone_id: phone.to_owned(),
        note: "The officer and the case number are known there.".to_owned(),
    };
    let unknown = desk.record_verification(by(BO, call_back("v-0", "letterhead"))).await;
    refused(unknown, Code::FailedPrecondition, "CALLBACK_NUMBER_UNKNOWN");
    desk.record_verification(by(BO, call_back("v-1", "switchboard"))).await.unwrap();

    // Minute 12: in progress. Rungs that a claim quiets were quiet, and the promise is kept.
    for (minute, id) in [(5, "renew-1"), (9, "renew-2")] {
        stage.at(minute).await;
        let (request_id, name) = (id.to_owned(), name.clone());
        desk.renew_claim(by(ANA, wire::RenewClaimRequest { request_id, name, epoch }))
            .await
            .unwrap();
    }
    stage.at(12).await;
    let answered = desk.respond(by(ANA, in_progress("r", &name, epoch))).await.unwrap();
    let answered = answered.into_inner().case.unwrap();
    let response = answered.first_response.unwrap();
    assert_eq!(response.punctuality(), wire::Punctuality::WithinTarget);
    assert_eq!(response.waited.unwrap().seconds, 12 * 60);
    let progress = clock(&answered.clocks, wire::ClockKind::Progress);
    assert_eq!(
        minutes_between(progress.started_at.as_ref(), progress.limit_at.as_ref()),
        60,
        "the next word is due within the hour"
    );

    // Minute 15: one question. The case waits for the authority, in no queue.
    stage.at(15).await;
    let ask = wire::AskForInformationRequest {
        request_id: "q".to_owned(),
        name: name.clone(),
        epoch,
        message: "We need to know one thing.".to_owned(),
        questions: vec!["Which of the two accounts?".to_owned()],
    };
    let asked = desk.ask_for_information(by(ANA, ask)).await.unwrap().into_inner().case.unwrap();
    assert_eq!(asked.state(), wire::CaseState::AwaitingInformation);
    stage.at(30).await;
    let queue = desk.list(by(ANA, wire::DeskServiceListRequest::default())).await.unwrap();
    assert!(queue.into_inner().cases.is_empty(), "nobody is handed a case that cannot go on");

    // Minute 40: the answer. The desk owes one as quickly as the first, at the same place.
    stage.at(40).await;
    let tell = wire::ProvideInformationRequest {
        request_id: "i".to_owned(),
        name: name.clone(),
        message: "The first.".to_owned(),
    };
    let stranger = portal.provide_information(by(GERMAN, tell.clone())).await;
    refused(stranger, Code::NotFound, "CASE_NOT_FOUND");
    let told = portal.provide_information(by(FRENCH, tell)).await.unwrap().into_inner();
    let told = told.case.unwrap();
    let reply = clock(&told.clocks, wire::ClockKind::Reply);
    assert_eq!(minutes_between(reply.started_at.as_ref(), reply.limit_at.as_ref()), 30);
    let claim = wire::ClaimNextRequest { request_id: "c-2".to_owned(), ..Default::default() };
    let claimed = desk.claim_next(by(ANA, claim)).await.unwrap().into_inner().case.unwrap();
    assert_eq!(claimed.name, name);
    let epoch = claimed.claim.unwrap().epoch;

    // Minute 43: the messages lie abroad, and that country's law forbids to send them.
    stage.at(43).await;
    let conflict = wire::RecordConflictRequest {
        request_id: "x".to_owned(),
        name: name.clone(),
        category: wire::DataCategory::Content.into(),
        stance: wire::ConflictStance::Stands.into(),
        conflict: Some(wire::ConflictOfLaw {
            law_title: "Stored communications act".to_owned(),
            provisions: vec!["2702(a)".to_owned()],
            third_country: "US".to_owned(),
            nature_of_conflict: "It forbids to disclose contents to a foreign state.".to_owned(),
            storage_location: "A data centre there.".to_owned(),
            alternatives: vec!["Mutual legal assistance.".to_owned()],
            ..Default::default()
        }),
        decision: "It stands for the contents only.".to_owned(),
    };
    desk.record_conflict(by(JURIST, conflict)).await.unwrap();

    // Minute 44: everything at once cannot be proposed; what does not conflict can.
    stage.at(44).await;
    let propose = |request_id: &str, content: wire::Disposition| wire::ProposeOutcomeRequest {
        request_id: request_id.to_owned(),
        name: name.clone(),
        epoch,
        dispositions: vec![
            disposition(CATEGORIES[0], wire::DispositionKind::Disclosed),
            disposition(CATEGORIES[1], wire::DispositionKind::Disclosed),
            content,
        ],
        manifest: Some(wire::Manifest {
            items: vec![item("account.json", CATEGORIES[0]), item("ips.csv", CATEGORIES[1])],
            recipient_key_id: "evidence-2026".to_owned(),
        }),
        message: "The account and its addresses; ask for the messages by mutual assistance."
            .to_owned(),
        justification: "Lives are in danger now.".to_owned(),
        ..Default::default()
    };
    let redirected = wire::Disposition {
        redirect_target: wire::RedirectTarget::MutualLegalAssistanceAuthority.into(),
        ..disposition(CATEGORIES[2], wire::DispositionKind::Redirected)
    };
    let mut everything =
        propose("p-0", disposition(CATEGORIES[2], wire::DispositionKind::Disclosed));
    everything.manifest.as_mut().unwrap().items.push(item("messages.eml", CATEGORIES[2]));
    let at_once = desk.propose_outcome(by(ANA, everything)).await;
    refused(at_once, Code::FailedPrecondition, "CONFLICT_STANDS");
    let refuse = wire::Disposition {
        refusal_reason: wire::RefusalReason::ConflictOfLaw.into(),
        ..disposition(CATEGORIES[0], wire::DispositionKind::Refused)
    };
    let without_record = wire::ProposeOutcomeRequest {
        dispositions: vec![refuse],
        manifest: None,
        ..propose("p-0", redirected)
    };
    let refused_so = desk.propose_outcome(by(ANA, without_record)).await;
    refused(refused_so, Code::FailedPrecondition, "CONFLICT_NOT_RECORDED");
    let proposed = desk.propose_outcome(by(ANA, propose("p-1", redirected))).await.unwrap();
    let proposal = proposed.into_inner().case.unwrap().proposal.unwrap();
    assert_eq!(proposal.manifest.unwrap().items, 2);

    // Minute 52: two people. The authority has what may go out, and is told whom to ask for the rest.
    stage.at(48).await;
    desk.renew_claim(by(
        ANA,
        wire::RenewClaimRequest { request_id: "renew-3".to_owned(), name: name.clone(), epoch },
    ))
    .await
    .unwrap();
    stage.at(52).await;
    let approve = |request_id: &str| wire::ApproveOutcomeRequest {
        request_id: request_id.to_owned(),
        name: name.clone(),
        proposal: proposal.number,
    };
    let alone = desk.approve_outcome(by(ANA, approve("a-0"))).await;
    refused(alone, Code::FailedPrecondition, "SECOND_PERSON_NEEDED");
    let approved = desk.approve_outcome(by(BO, approve("a-1"))).await.unwrap().into_inner();
    let ended = approved.case.unwrap();
    assert_eq!(ended.state(), wire::CaseState::Delivered);
    assert_eq!(ended.ended.unwrap().outcome(), wire::Outcome::DisclosedPartial);
    let reply = clock(&ended.clocks, wire::ClockKind::Reply);
    assert_eq!(minutes_between(reply.started_at.as_ref(), reply.stopped_at.as_ref()), 12);

    let get = wire::IntakeServiceGetRequest { name: name.clone() };
    let got = portal.get(by(FRENCH, get.clone())).await.unwrap().into_inner();
    let told = &got.case.as_ref().unwrap().dispositions;
    let (sent, elsewhere) = (wire::DispositionKind::Disclosed, wire::DispositionKind::Redirected);
    let kinds: Vec<_> = told.iter().map(wire::Disposition::kind).collect();
    assert_eq!(kinds, [sent, sent, elsewhere]);
    let whom = wire::RedirectTarget::MutualLegalAssistanceAuthority;
    assert_eq!((told[2].category(), told[2].redirect_target()), (CATEGORIES[2], whom));
    let said: Vec<_> = got.entries.iter().filter_map(|entry| entry.said.as_ref()).collect();
    assert!(got.entries.iter().all(|entry| entry.by.is_empty() || entry.by == "portal-fr"));
    use wire::case_entry::Said;
    assert!(matches!(
        said.as_slice(),
        [Said::Preservation(_), Said::Questions(_), Said::Information(_), Said::Outcome(outcome)]
            if outcome.items.len() == 2 && outcome.recipient_key_id == "evidence-2026"
    ));

    // Minute 60: it arrived. Nothing was ever late, and nobody above the duty manager was woken.
    stage.at(60).await;
    let confirm = wire::ConfirmDeliveryRequest {
        request_id: "d".to_owned(),
        name: name.clone(),
        disclosure: got.case.unwrap().disclosures[0].number,
        ..Default::default()
    };
    let closed = portal.confirm_delivery(by(FRENCH, confirm)).await.unwrap().into_inner();
    assert_eq!(closed.case.unwrap().state(), wire::CaseState::Closed);
    let events = stage.events().await.remove(&id_of(&name)).unwrap();
    let mut paged: Vec<String> = events
        .iter()
        .filter_map(|event| if let Event::Paged(page) = event { Some(page) } else { None })
        .flat_map(|page| page.contacts.iter().map(ToString::to_string))
        .collect();
    paged.sort();
    paged.dedup();
    assert_eq!(paged, ["desk"], "the first page, and the one for the reply");
    assert!(!events.iter().any(|event| matches!(
        event,
        Event::RungFired(rung) | Event::RungQuieted(rung) if rung.mark.is_some() || rung.is_late()
    )));

    // Day 5: the person concerned was told. A year later what was said is gone, the rest still stands.
    let day = 24 * 60;
    stage.at(5 * day).await;
    let settle = wire::SettleClockRequest {
        request_id: "n".to_owned(),
        name: name.clone(),
        clock: wire::ClockKind::UserNotice.into(),
        settlement: wire::Settlement::Kept.into(),
        reason: "Sent by letter.".to_owned(),
    };
    desk.settle_clock(by(HEAD, settle)).await.unwrap();
    stage.at(366 * day).await;
    let got = portal.get(by(FRENCH, get)).await.unwrap().into_inner();
    let tombstone = got.case.unwrap();
    assert!(tombstone.purged_at.is_some() && got.request.is_none() && got.entries.is_empty());
    assert_eq!(tombstone.ended.unwrap().outcome(), wire::Outcome::DisclosedPartial);
    let again = portal.submit(by(FRENCH, submit)).await.unwrap().into_inner();
    assert!(again.replayed && again.case.unwrap().name == name, "one request, one case, for ever");
}
