//! Taking cases and passing them on; what the desk says to the authority until the outcome.

use std::time::Duration;

use tonic::Code;
use urgence::core::{Event, PageCause};
use urgence::grpc::wire;
use urgence::grpc::wire::case_entry::Said;
use urgence::grpc::wire::respond_request::Answer;
use wire::{CaseState, ClockKind};

use crate::calls::{
    ANA, BO, FRENCH, Stage, assert_error, assert_fields, assert_forbidden, between_ms, clock,
    ended, held, ms, name_of, policy, running,
};
use crate::messages::seconds;
use crate::record::changes;
use crate::service::{Service, by, claim_next, in_progress, request, urgent};
use crate::support::redis::TestRedis;
use crate::support::wait::{eventually, eventually_some};

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn claim_renew_and_release() {
    let redis = TestRedis::start();
    let service = Service::on(&redis, &[]);
    let (mut portal, mut desk) = (service.portal().await, service.desk().await);
    let (ana, bo) = ("ana; roles=responder", "bo; roles=responder");
    let name = name_of(portal.submit(urgent("r-1")).await.unwrap().into_inner().case.as_ref());

    let claim = |request_id: &str| wire::ClaimRequest {
        request_id: request_id.to_owned(),
        name: name.clone(),
    };
    let case = desk.claim(by(ana, claim("c"))).await.unwrap().into_inner().case.unwrap();
    let epoch = case.claim.as_ref().unwrap().epoch;
    assert_eq!(epoch, 1);
    let repeat = desk.claim(by(ana, claim("c"))).await.unwrap().into_inner();
    assert!(repeat.replayed);
    let other =
        wire::ClaimRequest { request_id: "c".to_owned(), name: "D2F7-P14C-VS7E-HD6N".to_owned() };
    assert_error(desk.claim(by(ana, other)).await, Code::NotFound, "CASE_NOT_FOUND");
    let taken = desk.claim(by(bo, claim("c"))).await;
    assert_error(taken, Code::FailedPrecondition, "CLAIMED_BY_ANOTHER");
    let empty = desk.claim(by(bo, wire::ClaimRequest::default())).await;
    assert_error(empty, Code::InvalidArgument, "INVALID_FIELDS");

    let renew = |request_id: &str, epoch| wire::RenewClaimRequest {
        request_id: request_id.to_owned(),
        name: name.clone(),
        epoch,
    };
    desk.renew_claim(by(ana, renew("n", 1))).await.unwrap();
    assert!(desk.renew_claim(by(ana, renew("n", 1))).await.unwrap().into_inner().replayed);
    let reused = desk.renew_claim(by(ana, renew("n", 2))).await;
    assert_error(reused, Code::AlreadyExists, "REQUEST_ID_REUSED");
    let stale = desk.renew_claim(by(bo, renew("n", 1))).await;
    assert_error(stale, Code::Aborted, "EPOCH_OVER");
    let no_epoch = desk.renew_claim(by(ana, renew("n2", 0))).await;
    assert_error(no_epoch, Code::InvalidArgument, "INVALID_FIELDS");

    let release = |request_id: &str, epoch| wire::ReleaseClaimRequest {
        request_id: request_id.to_owned(),
        name: name.clone(),
        epoch,
    };
    let stale = desk.release_claim(by(bo, release("x", 1))).await;
    assert_error(stale, Code::Aborted, "EPOCH_OVER");
    let released = desk.release_claim(by(ana, release("x", 1))).await.unwrap().into_inner();
    assert!(released.case.unwrap().claim.is_none());
    assert!(desk.release_claim(by(ana, release("x", 1))).await.unwrap().into_inner().replayed);
    let over = desk.renew_claim(by(ana, renew("n3", 1))).await;
    assert_error(over, Code::Aborted, "EPOCH_OVER");
}

#[tokio::test]
async fn claim_next_hands_out_the_most_urgent_and_waits_for_one() {
    let redis = TestRedis::start();
    let service = Service::on(&redis, &[]);
    let (mut portal, mut desk) = (service.portal().await, service.desk().await);
    let none = desk.claim_next(claim_next("c-0", 0)).await.unwrap().into_inner();
    assert!(none.case.is_none() && !none.replayed);

    for (request_id, nature) in [
        ("routine", Nature::Routine),
        ("child", Nature::MissingChild),
        ("attack", Nature::TerrorismInProgress),
        ("bomb", Nature::BombThreat),
    ] {
        portal.submit(request(request_id, nature)).await.unwrap();
    }
    let list = desk.list(wire::DeskServiceListRequest::default()).await.unwrap().into_inner();
    let queue: Vec<_> = list.cases.iter().map(wire::Case::nature).collect();
    use wire::Nature;
    let order =
        [Nature::TerrorismInProgress, Nature::MissingChild, Nature::BombThreat, Nature::Routine];
    assert_eq!(queue, order);
    for (index, nature) in order.into_iter().enumerate() {
        let message = claim_next(&format!("c-{}", index + 1), 0);
        let claimed = desk.claim_next(message).await.unwrap().into_inner();
        assert_eq!(claimed.case.unwrap().nature(), nature);
    }
    // A repeat gets the same case, also when it waits for less.
    let repeat = desk.claim_next(claim_next("c-1", 5)).await.unwrap().into_inner();
    assert!(repeat.replayed && repeat.case.unwrap().nature() == order[0]);

    // One who waits gets the case that comes.
    let mut waiting = desk.clone();
    let waiter = tokio::spawn(async move { waiting.claim_next(claim_next("c-9", 60)).await });
    portal.submit(urgent("late")).await.unwrap();
    let claimed = waiter.await.unwrap().unwrap().into_inner();
    assert_eq!(claimed.case.unwrap().nature(), Nature::MissingChild);

    // The call's own deadline ends the wait in time for an answer.
    let mut hurried = tonic::Request::new(claim_next("c-10", 600));
    hurried.set_timeout(Duration::from_secs(1));
    assert!(desk.claim_next(hurried).await.unwrap().into_inner().case.is_none());
    let too_long = desk.claim_next(claim_next("c-11", 601)).await;
    assert_error(too_long, Code::InvalidArgument, "INVALID_FIELDS");
    let nameless = desk.claim_next(claim_next("", 0)).await;
    assert_error(nameless, Code::InvalidArgument, "INVALID_FIELDS");
}

#[tokio::test]
async fn a_claim_that_cannot_be_delivered_is_given_back() {
    let redis = TestRedis::start();
    let service = Service::on(&redis, &[]);
    let (mut portal, mut desk) = (service.portal().await, service.desk().await);
    // The caller hangs up while it waits.
    let mut waiting = service.desk().await;
    let gone = tokio::spawn(async move { waiting.claim_next(claim_next("gone", 600)).await });
    let open = "urgence_rpcs_total{method=\"ClaimNext\",code=\"OK\"}";
    assert_eq!(service.metric(open).await, 0.0);
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    portal.submit(urgent("r-1")).await.unwrap();
    let claimed = eventually_some("somebody gets the case", Duration::from_secs(10), async || {
        let message = claim_next("here", 1);
        desk.claim_next(message).await.unwrap().into_inner().case
    })
    .await;
    assert_eq!(claimed.claim.unwrap().responder, "local-operator");
}

#[tokio::test]
async fn respond_stops_the_clock_and_discloses_nothing() {
    let redis = TestRedis::start();
    let service = Service::on(&redis, &[]);
    let (mut portal, mut desk) = (service.portal().await, service.desk().await);
    let name = name_of(portal.submit(urgent("r-1")).await.unwrap().into_inner().case.as_ref());
    let answer = |request_id: &str, answer| wire::RespondRequest {
        answer: Some(answer),
        ..in_progress(request_id, &name, 1)
    };
    let never = desk.respond(in_progress("a-0", &name, 1)).await;
    assert_error(never, Code::Aborted, "EPOCH_OVER");
    desk.claim_next(claim_next("c", 0)).await.unwrap();

    for disclosure in
        [Answer::AllData(wire::AllDataAnswer {}), Answer::PartOfData(wire::PartOfDataAnswer {})]
    {
        let refused = desk.respond(answer("a-1", disclosure)).await;
        assert_error(refused, Code::FailedPrecondition, "DISCLOSURE_NOT_APPROVED");
    }
    let bad = [
        wire::RespondRequest { answer: None, ..in_progress("a-2", &name, 1) },
        wire::RespondRequest { message: String::new(), ..in_progress("a-2", &name, 1) },
        answer("a-2", Answer::Refused(wire::RefusedAnswer { reason: 0 })),
        answer("a-2", Answer::Refused(wire::RefusedAnswer { reason: 99 })),
        answer("a-2", Answer::Redirected(wire::RedirectedAnswer::default())),
        answer("a-2", Answer::NeedInformation(wire::NeedInformationAnswer::default())),
        answer("a-2", Answer::InProgress(wire::InProgressAnswer::default())),
    ];
    for message in bad {
        assert_error(desk.respond(message).await, Code::InvalidArgument, "INVALID_FIELDS");
    }

    let responded = desk.respond(in_progress("a-3", &name, 1)).await.unwrap().into_inner();
    let case = responded.case.unwrap();
    assert_eq!(case.state(), CaseState::Collecting);
    let response = case.first_response.unwrap();
    assert_eq!(response.punctuality(), wire::Punctuality::WithinTarget);
    assert!(case.clocks[0].stopped_at.is_some() && response.responder == "local-operator");
    assert!(desk.respond(in_progress("a-3", &name, 1)).await.unwrap().into_inner().replayed);
    let second = desk.respond(in_progress("a-4", &name, 1)).await;
    assert_error(second, Code::FailedPrecondition, "ALREADY_ANSWERED");

    // Both sides see the answer; the authority does not see who gave it.
    let get = wire::DeskServiceGetRequest { name: name.clone() };
    let at_desk = desk.get(get).await.unwrap().into_inner();
    assert_eq!(at_desk.response.as_ref().unwrap().message, "We are collecting the data.");
    assert!(at_desk.request == urgent("r-1").request);
    let get = wire::IntakeServiceGetRequest { name: name.clone() };
    let at_portal = portal.get(get).await.unwrap().into_inner();
    assert!(at_portal.response == at_desk.response);
    assert_eq!(at_portal.case.unwrap().first_response.unwrap().responder, "");
    let ended = "urgence_first_responses_total{band=\"1\",punctuality=\"within_target\"}";
    assert_eq!(service.metric(ended).await, 1.0);
    assert_eq!(service.metric("urgence_first_response_seconds_count{band=\"1\"}").await, 1.0);
}

#[tokio::test]
async fn each_answer_reaches_the_authority() {
    let redis = TestRedis::start();
    let service = Service::on(&redis, &[]);
    let (mut portal, mut desk) = (service.portal().await, service.desk().await);
    let answers = [
        (Answer::NoData(wire::NoDataAnswer {}), CaseState::NoData),
        (
            Answer::Refused(wire::RefusedAnswer { reason: wire::RefusalReason::Overbroad.into() }),
            CaseState::Rejected,
        ),
        (
            Answer::Redirected(wire::RedirectedAnswer {
                target: wire::RedirectTarget::OtherProviderEntity.into(),
                details: "Ask the entity in the other country.".to_owned(),
            }),
            CaseState::Redirected,
        ),
        (
            Answer::NeedInformation(wire::NeedInformationAnswer {
                questions: vec!["Which account?".to_owned()],
            }),
            CaseState::AwaitingInformation,
        ),
    ];
    for (index, (answer, state)) in answers.into_iter().enumerate() {
        let submitted = portal.submit(urgent(&format!("r-{index}"))).await.unwrap().into_inner();
        let name = name_of(submitted.case.as_ref());
        desk.claim_next(claim_next(&format!("c-{index}"), 0)).await.unwrap();
        let message = wire::RespondRequest {
            answer: Some(answer),
            ..in_progress(&format!("a-{index}"), &name, 1)
        };
        desk.respond(message).await.unwrap();
        let got = portal.get(wire::IntakeServiceGetRequest { name: name.clone() }).await;
        let got = got.unwrap().into_inner();
        assert_eq!(got.case.unwrap().state(), state);
        let content = got.response.unwrap();
        assert!(!content.message.is_empty());
        assert_eq!(content.questions.len(), usize::from(state == CaseState::AwaitingInformation));
        if state == CaseState::NoData {
            let claim = wire::ClaimRequest { request_id: "again".to_owned(), name };
            let ended = desk.claim(claim).await;
            assert_error(ended, Code::FailedPrecondition, "CASE_ENDED");
        }
    }
}

#[tokio::test]
async fn hand_over() {
    let stage = Stage::open();
    let (ana, bo, portal) = (stage.caller(ANA), stage.caller(BO), stage.caller(FRENCH));
    let mine = held(&stage, &ana).await;
    assert_forbidden(ana.tries(mine.hand_over("ana")).await, "NOTHING_TO_CHANGE");
    let stolen = bo.tries(mine.hand_over("bo")).await;
    assert_error(stolen, Code::Aborted, "EPOCH_OVER");

    let case = ana.does_once(mine.hand_over("bo"), |other| other.to = "cy".to_owned()).await;
    let claim = case.claim.as_ref().unwrap();
    assert_eq!((claim.responder.as_str(), claim.epoch), ("bo", 2));
    assert_eq!(between_ms(&claim.granted_at, &claim.expires_at), 5 * 60 * 1_000);
    assert_eq!(case.state(), CaseState::Received);
    assert_eq!(running(&case.clocks), [ClockKind::FirstResponse, ClockKind::Completion]);
    let entries = bo.sees(&mine.name).await.entries;
    assert_eq!((entries.len(), entries[0].version, &*entries[0].by), (1, case.version, "ana"));
    let note = "The account is suspended.".to_owned();
    let entry = wire::HandOverEntry { to: "bo".to_owned(), note };
    assert!(entries[0].said == Some(Said::HandOver(entry)));
    assert!(portal.is_shown(&mine.name).await.entries.is_empty(), "it is the desk's own");

    // The old epoch is over, the new one is good.
    assert_error(ana.tries(mine.release()).await, Code::Aborted, "EPOCH_OVER");
    assert_error(ana.tries(mine.hand_over("bo")).await, Code::Aborted, "EPOCH_OVER");
    let theirs = crate::messages::Held { epoch: 2, ..mine.clone() };
    let answered = bo.does(theirs.no_data()).await;
    assert!(!answered.first_response.unwrap().is_claim_lost);
    assert_forbidden(bo.tries(theirs.hand_over("ana")).await, "CASE_ENDED");

    let bad = wire::HandOverRequest {
        request_id: "with space".to_owned(),
        name: "desks/other/cases/D2F7-P14C-VS7E-HD6N".to_owned(),
        epoch: 0,
        to: "b o".to_owned(),
        note: "x".repeat(5_001),
    };
    let wanted = [
        "request_id: BAD_FORMAT",
        "name: BAD_FORMAT",
        "epoch: REQUIRED",
        "to: BAD_FORMAT",
        "note: TOO_LONG",
    ];
    assert_fields(ana.tries(bad).await, &wanted);
}

#[tokio::test]
async fn what_nobody_takes_up_returns_to_the_queue_and_pages() {
    let short = policy("").replace("lease = \"5m\"", "lease = \"1s\"");
    let stage = Stage::with_policy(&short);
    let ana = stage.caller(ANA);
    let case = held(&stage, &ana).await;
    ana.does(case.hand_over("bo")).await;
    eventually("the case waits again", PATIENCE, async || {
        let queue = wire::DeskServiceListRequest::default();
        let queue = ana.desk().list(ana.by(queue)).await.unwrap().into_inner().cases;
        queue.iter().any(|waiting| waiting.name == case.name && waiting.claim.is_none())
    })
    .await;
    let events: Vec<_> =
        changes(&stage.redis).into_iter().flat_map(|change| change.events).collect();
    let is_lost = |event: &Event| matches!(event, Event::ClaimLost { epoch: 2, .. });
    assert!(events.iter().any(is_lost));
    let page = events.iter().rev().find_map(|event| match event {
        Event::Paged(page) => Some(page),
        _ => None,
    });
    assert_eq!(page.unwrap().cause, PageCause::ClaimLost);
}

#[tokio::test]
async fn send_update() {
    let stage = Stage::open();
    let (ana, bo, portal) = (stage.caller(ANA), stage.caller(BO), stage.caller(FRENCH));
    let case = held(&stage, &ana).await;
    assert_forbidden(ana.tries(case.update()).await, "NOT_ANSWERED");
    let before = ana.does(case.in_progress()).await;
    assert_error(bo.tries(case.update()).await, Code::Aborted, "EPOCH_OVER");

    let after = ana.does_once(case.update(), |other| other.message = "Other".to_owned()).await;
    let (old, new) =
        (clock(&before.clocks, ClockKind::Progress), clock(&after.clocks, ClockKind::Progress));
    assert!(ms(&new.started_at) > ms(&old.started_at) && new.stopped_at.is_none());
    assert_eq!(between_ms(&new.started_at, &new.limit_at), 60 * 60 * 1_000);
    assert_eq!(after.state(), CaseState::Collecting);

    let entry = &ana.sees(&case.name).await.entries[0];
    assert_eq!((entry.version, &*entry.by), (after.version, "ana"));
    let Some(Said::Update(update)) = &entry.said else { panic!("an update") };
    assert_eq!(update.message, "The data is being collected.");
    assert!((599_000..=601_000).contains(&between_ms(&entry.at, &update.expected_at)));
    let shown = &portal.is_shown(&case.name).await.entries[0];
    assert!(shown.said == entry.said && shown.at == entry.at);
    assert_eq!((shown.version, &*shown.by), (0, ""), "nobody is named");

    // How soon may be left open, but is neither in the past nor in a month.
    ana.does(wire::SendUpdateRequest { expected_within: None, ..case.update() }).await;
    for within in [seconds(-1), seconds(30 * 86_400 + 1)] {
        let bad = wire::SendUpdateRequest {
            message: "bell \u{7}".to_owned(),
            expected_within: Some(within),
            epoch: 0,
            ..case.update()
        };
        let wanted =
            ["epoch: REQUIRED", "message: CONTROL_CHARACTER", "expected_within: OUT_OF_RANGE"];
        assert_fields(ana.tries(bad).await, &wanted);
    }
    assert_eq!(ana.sees(&case.name).await.entries.len(), 2);
    let over = ended(&stage, &ana).await;
    assert_forbidden(ana.tries(over.update()).await, "CASE_ENDED");
}

#[tokio::test]
async fn ask_for_information() {
    let stage = Stage::open();
    let (ana, bo, portal) = (stage.caller(ANA), stage.caller(BO), stage.caller(FRENCH));
    let case = held(&stage, &ana).await;
    assert_forbidden(ana.tries(case.ask()).await, "NOT_ANSWERED");
    ana.does(case.in_progress()).await;
    assert_error(bo.tries(case.ask()).await, Code::Aborted, "EPOCH_OVER");

    let asked = ana.does_once(case.ask(), |other| other.message = "Other".to_owned()).await;
    assert_eq!(asked.state(), CaseState::AwaitingInformation);
    let waiting = [ClockKind::Question, ClockKind::Completion];
    assert_eq!(running(&asked.clocks), waiting, "nobody waits for a word of ours");
    let shown = portal.is_shown(&case.name).await;
    let status = shown.case.unwrap();
    assert!(status.state() == CaseState::AwaitingInformation && status.asked_at == asked.asked_at);
    let entry = wire::QuestionsEntry {
        message: "One more thing.".to_owned(),
        questions: vec!["Since when?".to_owned()],
    };
    assert!(shown.entries[0].said == Some(Said::Questions(entry)));
    // While the authority owes an answer, a word to it starts no clock of ours.
    let updated = ana.does(case.update()).await;
    assert_eq!(running(&updated.clocks), waiting);
    assert_eq!(updated.state(), CaseState::AwaitingInformation);

    // Its answer is owed one as quickly as the first, and an update is one.
    portal.does(case.case().inform()).await;
    let owed = ana.sees(&case.name).await.case.unwrap();
    assert_eq!(running(&owed.clocks), [ClockKind::Reply, ClockKind::Completion]);
    let answered = ana.does(case.update()).await;
    assert_eq!(running(&answered.clocks), [ClockKind::Progress, ClockKind::Completion]);
    // So is a question.
    ana.does(case.ask()).await;
    portal.does(case.case().inform()).await;
    assert_eq!(running(&ana.does(case.ask()).await.clocks), waiting);

    let question = |length| "x".repeat(length);
    for (questions, wanted) in [
        (vec![], vec!["message: TOO_LONG", "questions: REQUIRED"]),
        (vec![question(1); 21], vec!["message: TOO_LONG", "questions: TOO_MANY"]),
        (
            vec![question(2_001), question(0)],
            vec!["message: TOO_LONG", "questions[0]: TOO_LONG", "questions[1]: REQUIRED"],
        ),
    ] {
        let message = "x".repeat(20_001);
        let bad = wire::AskForInformationRequest { message, questions, ..case.ask() };
        assert_fields(ana.tries(bad).await, &wanted);
    }
    let over = ended(&stage, &ana).await;
    assert_forbidden(ana.tries(over.ask()).await, "CASE_ENDED");
}

/// A first response is a fact: it counts when the claim it was given under has ended, once, and no
/// longer when the case has.
#[tokio::test]
async fn an_answer_is_a_fact_and_is_given_once() {
    let short = policy("").replace("lease = \"5m\"", "lease = \"1s\"");
    let stage = Stage::with_policy(&short);
    let (ana, bo, portal) = (stage.caller(ANA), stage.caller(BO), stage.caller(FRENCH));
    let late = held(&stage, &ana).await;
    eventually("the claim is lost", PATIENCE, async || {
        ana.sees(&late.name).await.case.unwrap().claim.is_none()
    })
    .await;
    assert_error(ana.tries(late.renew()).await, Code::Aborted, "EPOCH_OVER");
    assert_error(ana.tries(late.release()).await, Code::Aborted, "EPOCH_OVER");
    // Somebody else has taken it meanwhile; the authority has the answer all the same.
    bo.claims(&late.name).await;
    let answered = ana.does_once(late.in_progress(), |other| other.epoch = 2).await;
    let response = answered.first_response.unwrap();
    assert!(response.is_claim_lost && response.responder == "ana");
    let shown = portal.is_shown(&late.name).await.case.unwrap().first_response.unwrap();
    assert!(!shown.is_claim_lost, "which claim it was is the desk's own");
    assert_forbidden(bo.tries(late.in_progress()).await, "ALREADY_ANSWERED");

    let taken_back = held(&stage, &ana).await;
    portal.does(taken_back.case().withdraw()).await;
    ana.does(taken_back.confirm_withdrawal()).await;
    assert_forbidden(ana.tries(taken_back.in_progress()).await, "CASE_ENDED");
}

#[tokio::test]
async fn a_claim_and_its_end_are_done_once() {
    let stage = Stage::open();
    let ana = stage.caller(ANA);
    let mine = held(&stage, &ana).await;
    let released = ana.does_once(mine.release(), |other| other.epoch = 2).await;
    assert!(released.claim.is_none());
    let claim = wire::ClaimRequest { request_id: "c".to_owned(), name: mine.name.clone() };
    let case = ana.does(claim).await;
    let epoch = case.claim.unwrap().epoch;
    assert_eq!(epoch, 2);
    // The same id names the same act, also where that was of another method.
    let renew = wire::RenewClaimRequest { request_id: "c".to_owned(), name: mine.name, epoch };
    assert_error(ana.tries(renew).await, Code::AlreadyExists, "REQUEST_ID_REUSED");
}
