//! How cases end: one person proposes, another approves, and nothing goes out on any other way.

use sha2::{Digest as _, Sha256};
use tonic::Code;
use urgence::grpc::wire;
use wire::case_entry::Said;
use wire::{
    CaseState, ClockKind, DataCategory, DispositionKind, FirstResponseKind, Outcome, Protection,
    RedirectTarget, RefusalReason, Verification,
};

use crate::calls::{
    ANA, BO, Caller, FRENCH, GERMAN, JURIST, NO_CASE, Stage, assert_error, assert_fields,
    assert_forbidden, ended, held, in_progress, ms, running,
};
use crate::messages::{
    Held, asking, disclosed, ending, fresh, item, not_held, of_authority, redirected, refused,
    rejected,
};

const SUBSCRIBER: DataCategory = DataCategory::Subscriber;
const TRAFFIC: DataCategory = DataCategory::Traffic;
const CONTENT: DataCategory = DataCategory::Content;

/// A case of the French for these categories that `responder` holds.
async fn asked_for(stage: &Stage, responder: &Caller, categories: &[DataCategory]) -> Held {
    responder.claims(&stage.caller(FRENCH).submits(asking(categories)).await).await
}

async fn verified(stage: &Stage, responder: &Caller, categories: &[DataCategory]) -> Held {
    let case = asked_for(stage, responder, categories).await;
    responder.does(case.case().verify(Verification::CallbackConfirmed)).await;
    case
}

#[tokio::test]
async fn propose_outcome() {
    let stage = Stage::open();
    let (ana, bo, portal) = (stage.caller(ANA), stage.caller(BO), stage.caller(FRENCH));
    let case = asked_for(&stage, &ana, &[SUBSCRIBER, TRAFFIC]).await;
    let shown = portal.is_shown(&case.name).await;
    assert_error(
        bo.tries(case.propose(&[not_held(SUBSCRIBER)])).await,
        Code::Aborted,
        "EPOCH_OVER",
    );

    let mut proposed = case.propose(&[disclosed(SUBSCRIBER), not_held(TRAFFIC)]);
    proposed.manifest.as_mut().unwrap().items.push(item(SUBSCRIBER));
    let other = |other: &mut wire::ProposeOutcomeRequest| other.message = "Other".to_owned();
    let now = ana.does_once(proposed.clone(), other).await;
    let proposal = now.proposal.as_ref().unwrap();
    assert_eq!((proposal.number, &*proposal.proposed_by), (1, "ana"));
    assert!(proposal.at.is_some() && proposal.ending.is_none());
    assert_eq!(proposal.dispositions, [disclosed(SUBSCRIBER), not_held(TRAFFIC)]);
    // The digest over the digests of both items, whatever case their digits have.
    let digest = Sha256::digest([0x5a; 64]);
    let manifest = wire::ManifestSummary {
        items: 2,
        bytes: 2_000,
        digest: digest.to_vec(),
        recipient_key_id: "evidence".to_owned(),
    };
    assert_eq!(proposal.manifest, Some(manifest));
    assert_eq!(now.state(), CaseState::Received, "the authority waits for its first response");
    assert!(now.dispositions.is_empty() && now.disclosures.is_empty());
    let entry = wire::ProposalEntry {
        message: proposed.message,
        justification: proposed.justification,
        items: proposed.manifest.unwrap().items,
        recipient_key_id: "evidence".to_owned(),
    };
    assert!(ana.sees(&case.name).await.entries[0].said == Some(Said::Proposal(entry)));
    assert!(portal.is_shown(&case.name).await == shown, "a proposal is the desk's own");

    // A new one takes its place; after the first response the desk sees that one waits.
    ana.does(case.in_progress()).await;
    let shown = portal.is_shown(&case.name).await;
    let now = ana.does_once(case.end(ending(Outcome::Transferred)), other).await;
    assert_eq!(
        (now.state(), now.proposal.as_ref().unwrap().number),
        (CaseState::ReleasePending, 2)
    );
    assert_eq!(now.proposal.unwrap().ending, Some(ending(Outcome::Transferred)));
    assert!(portal.is_shown(&case.name).await == shown);
}

#[tokio::test]
async fn what_cannot_be_approved_is_not_proposed() {
    let stage = Stage::open();
    let (ana, bo) = (stage.caller(ANA), stage.caller(BO));
    let case = asked_for(&stage, &ana, &[SUBSCRIBER, TRAFFIC]).await;
    let forbidden = async |message, reason| assert_forbidden(ana.tries(message).await, reason);
    forbidden(case.propose(&[not_held(CONTENT)]), "CATEGORY_NOT_REQUESTED").await;
    // What is only refused in part is no answer to the whole; nothing was asked that could expire.
    forbidden(case.propose(&[not_held(TRAFFIC)]), "NOT_ANSWERED").await;
    forbidden(case.end(ending(Outcome::ExpiredNoReply)), "NOTHING_ASKED").await;
    ana.does(case.in_progress()).await;
    let by_law = refused(SUBSCRIBER, RefusalReason::ConflictOfLaw);
    forbidden(case.propose(&[by_law]), "CONFLICT_NOT_RECORDED").await;
    let end_by_law = case.end(rejected(RefusalReason::ConflictOfLaw));
    forbidden(end_by_law, "CONFLICT_NOT_RECORDED").await;
    ana.does(case.case().conflict(SUBSCRIBER)).await;
    forbidden(case.propose(&[disclosed(SUBSCRIBER)]), "CONFLICT_STANDS").await;
    let mut unknown_key = case.propose(&[disclosed(TRAFFIC)]);
    unknown_key.manifest.as_mut().unwrap().recipient_key_id = "another".to_owned();
    forbidden(unknown_key, "RECIPIENT_KEY_UNKNOWN").await;

    // A duplicate is of a case that was linked, and of the same authority.
    let german = of_authority(asking(&[SUBSCRIBER]), "de-bka", "DE");
    let theirs = stage.caller(GERMAN).submits(german).await;
    let duplicate = |of: &str| {
        case.end(wire::Ending { duplicate_of: of.to_owned(), ..ending(Outcome::Duplicate) })
    };
    forbidden(duplicate(NO_CASE), "DUPLICATE_NOT_LINKED").await;
    ana.does(case.case().link(&theirs)).await;
    forbidden(duplicate(&theirs), "DUPLICATE_NOT_LINKED").await;
    // Two cases are not each other's duplicates: nobody would be answered.
    let twin = asked_for(&stage, &ana, &[SUBSCRIBER]).await;
    ana.does(twin.case().link(&case.name)).await;
    ana.does(case.case().link(&twin.name)).await;
    let of_case = wire::Ending { duplicate_of: case.name.clone(), ..ending(Outcome::Duplicate) };
    ana.does(duplicate(&twin.name)).await;
    ana.does(twin.end(of_case)).await;
    bo.does(twin.case().approve(1)).await;
    forbidden(duplicate(&twin.name), "ORIGINAL_IS_DUPLICATE").await;
    assert_forbidden(bo.tries(case.case().approve(1)).await, "ORIGINAL_IS_DUPLICATE");

    ana.does(case.propose(&[by_law])).await;
    bo.does(case.case().approve(2)).await;
    forbidden(case.propose(&[not_held(SUBSCRIBER)]), "CATEGORY_DECIDED").await;
    let over = ended(&stage, &ana).await;
    forbidden(over.propose(&[not_held(SUBSCRIBER)]), "CASE_ENDED").await;
}

#[tokio::test]
async fn a_proposal_is_told_all_its_mistakes_at_once() {
    let stage = Stage::open();
    let ana = stage.caller(ANA);
    let case = asked_for(&stage, &ana, &[SUBSCRIBER, TRAFFIC]).await;
    let wrong = async |message, wanted: &[&str]| assert_fields(ana.tries(message).await, wanted);

    let mut bad = case.propose(&[disclosed(SUBSCRIBER), disclosed(TRAFFIC), not_held(TRAFFIC)]);
    (bad.epoch, bad.message) = (0, String::new());
    bad.justification = "x".repeat(20_001);
    let manifest = bad.manifest.as_mut().unwrap();
    manifest.recipient_key_id = "Ev".to_owned();
    manifest.items = vec![
        wire::ManifestItem { name: "x".repeat(201), category: 0, size_bytes: 0, ..item(TRAFFIC) },
        wire::ManifestItem { sha256: "5a".to_owned(), ..item(CONTENT) },
    ];
    let wanted = [
        "epoch: REQUIRED",
        "message: REQUIRED",
        "justification: TOO_LONG",
        "dispositions[2].category: CONTRADICTION",
        "manifest.items[0].name: TOO_LONG",
        "manifest.items[0].category: REQUIRED",
        "manifest.items[0].size_bytes: REQUIRED",
        "manifest.items[1].category: CONTRADICTION",
        "manifest.items[1].sha256: BAD_FORMAT",
        "manifest.items: REQUIRED",
        "manifest.recipient_key_id: BAD_FORMAT",
    ];
    wrong(bad, &wanted).await;

    let mut many = case.propose(&[disclosed(SUBSCRIBER)]);
    many.manifest.as_mut().unwrap().items = vec![item(SUBSCRIBER); 101];
    wrong(many, &["manifest.items: TOO_MANY"]).await;
    let mut none = case.propose(&[disclosed(SUBSCRIBER)]);
    none.manifest = Some(wire::Manifest::default());
    none.justification = String::new();
    let wanted = [
        "justification: REQUIRED",
        "manifest.items: REQUIRED",
        "manifest.recipient_key_id: REQUIRED",
    ];
    wrong(none, &wanted).await;
    let blank = wire::ProposeOutcomeRequest {
        manifest: None,
        justification: String::new(),
        ..case.propose(&[disclosed(SUBSCRIBER)])
    };
    wrong(blank, &["justification: REQUIRED", "manifest: REQUIRED"]).await;
    let long = wire::ProposeOutcomeRequest {
        justification: "x".repeat(20_001),
        ..case.propose(&[not_held(SUBSCRIBER)])
    };
    wrong(long, &["justification: TOO_LONG"]).await;
    let too_much = wire::ProposeOutcomeRequest {
        manifest: case.propose(&[disclosed(SUBSCRIBER)]).manifest,
        ..case.propose(&[not_held(SUBSCRIBER)])
    };
    wrong(too_much, &["manifest: CONTRADICTION"]).await;
    let both = wire::ProposeOutcomeRequest {
        ending: Some(ending(Outcome::Transferred)),
        ..case.propose(&[not_held(SUBSCRIBER)])
    };
    wrong(both, &["ending: CONTRADICTION"]).await;

    let kind = |kind| wire::Disposition { kind, ..not_held(SUBSCRIBER) };
    for (disposition, wanted) in [
        (kind(0), "dispositions[0].kind: REQUIRED"),
        (kind(99), "dispositions[0].kind: UNKNOWN_VALUE"),
        (kind(DispositionKind::Refused.into()), "dispositions[0].refusal_reason: REQUIRED"),
        (kind(DispositionKind::Redirected.into()), "dispositions[0].redirect_target: REQUIRED"),
        (wire::Disposition { category: 99, ..kind(2) }, "dispositions[0].category: UNKNOWN_VALUE"),
    ] {
        wrong(case.propose(&[disposition]), &[wanted]).await;
    }
    let manifest = case.propose(&[disclosed(SUBSCRIBER)]).manifest;
    let sends = wire::ProposeOutcomeRequest { manifest, ..case.end(ending(Outcome::Transferred)) };
    wrong(sends, &["manifest: CONTRADICTION"]).await;
    for (end, wanted) in [
        (wire::Ending::default(), "ending.outcome: REQUIRED"),
        (ending(Outcome::DisclosedFull), "ending.outcome: OUT_OF_RANGE"),
        (ending(Outcome::Withdrawn), "ending.outcome: OUT_OF_RANGE"),
        (ending(Outcome::Rejected), "ending.refusal_reason: REQUIRED"),
        (ending(Outcome::Redirected), "ending.redirect_target: REQUIRED"),
        (ending(Outcome::Duplicate), "ending.duplicate_of: REQUIRED"),
    ] {
        wrong(case.end(end), &[wanted]).await;
    }
}

#[tokio::test]
async fn approve_outcome_takes_another_person_and_a_call_back() {
    let stage = Stage::open();
    let (ana, bo, portal) = (stage.caller(ANA), stage.caller(BO), stage.caller(FRENCH));
    let mine = asked_for(&stage, &ana, &[SUBSCRIBER, TRAFFIC]).await;
    let case = mine.case();
    assert_forbidden(bo.tries(case.approve(1)).await, "PROPOSAL_REPLACED");
    ana.does(mine.propose(&[not_held(SUBSCRIBER), not_held(TRAFFIC)])).await;
    ana.does(mine.propose(&[disclosed(SUBSCRIBER)])).await;
    for number in [1, 3] {
        assert_forbidden(bo.tries(case.approve(number)).await, "PROPOSAL_REPLACED");
    }
    assert_forbidden(ana.tries(case.approve(2)).await, "SECOND_PERSON_NEEDED");
    use Verification::{AgencyVerified, CallbackConfirmed, ChannelVerified, Failed};
    for finding in [ChannelVerified, AgencyVerified, Failed] {
        ana.does(case.verify(finding)).await;
        assert_forbidden(bo.tries(case.approve(2)).await, "NOT_VERIFIED");
    }
    assert!(bo.sees(&mine.name).await.case.unwrap().disclosures.is_empty());
    ana.does(case.verify(CallbackConfirmed)).await;
    // The conflict may come up after the proposal.
    ana.does(case.conflict(SUBSCRIBER)).await;
    assert_forbidden(bo.tries(case.approve(2)).await, "CONFLICT_STANDS");
    stage.caller(JURIST).does(case.lift(SUBSCRIBER)).await;
    // Whoever holds the case finds out whether the authority has taken the request back.
    portal.does(case.withdraw()).await;
    assert_forbidden(bo.tries(case.approve(2)).await, "WITHDRAWAL_WAITS");
    let not_so = wire::ConfirmWithdrawalRequest { is_declined: true, ..mine.confirm_withdrawal() };
    let on = ana.does_once(not_so, |other| other.is_declined = false).await;
    assert!(on.withdrawal_requested_at.is_none() && on.ended.is_none());

    let now = bo.does_once(case.approve(2), |other| other.proposal = 3).await;
    assert!(now.proposal.is_none() && now.ended.is_none());
    assert_eq!(now.dispositions, [disclosed(SUBSCRIBER)]);
    let went_out = &now.disclosures[0];
    assert_eq!((went_out.number, now.disclosures.len()), (1, 1), "the first to go out");
    assert_eq!((&*went_out.proposed_by, &*went_out.approved_by), ("ana", "bo"));
    assert_eq!(went_out.categories().collect::<Vec<_>>(), [SUBSCRIBER]);
    // On an unanswered case it is the first response; what is left is worked on.
    let response = now.first_response.as_ref().unwrap();
    assert_eq!((response.kind(), &*response.responder), (FirstResponseKind::PartOfData, "bo"));
    assert_eq!(now.state(), CaseState::Collecting);
    use ClockKind::{Completion, DeliveryConfirmation, Progress, UserNotice};
    assert_eq!(running(&now.clocks), [Progress, Completion, UserNotice, DeliveryConfirmation]);

    // The authority is told what went out and by nobody's name.
    let shown = portal.is_shown(&mine.name).await;
    let status = shown.case.unwrap();
    assert_eq!(running(&status.clocks), [Progress, Completion, DeliveryConfirmation]);
    assert_eq!(
        (&*status.disclosures[0].proposed_by, &*status.disclosures[0].approved_by),
        ("", "")
    );
    assert_eq!(status.disclosures[0].manifest, went_out.manifest);
    let entry = wire::OutcomeEntry {
        number: 1,
        message: "This is what we found.".to_owned(),
        items: vec![item(SUBSCRIBER)],
        recipient_key_id: "evidence".to_owned(),
    };
    assert!(shown.entries.last().unwrap().said == Some(Said::Outcome(entry)));

    // The rest ends the case.
    ana.does(mine.propose(&[refused(TRAFFIC, RefusalReason::Overbroad)])).await;
    let end = bo.does_once(case.approve(3), |other| other.proposal = 4).await;
    let how = end.ended.as_ref().unwrap();
    assert_eq!(
        (how.outcome(), how.refusal_reason()),
        (Outcome::DisclosedPartial, RefusalReason::Overbroad)
    );
    assert_eq!((end.state(), end.claim), (CaseState::Delivered, None));
    assert_eq!(running(&end.clocks), [UserNotice, DeliveryConfirmation]);
    assert_eq!(ms(&how.purge_at) - ms(&how.at), 365 * 24 * 60 * 60 * 1_000);
    assert_forbidden(bo.tries(case.approve(3)).await, "CASE_ENDED");
}

#[tokio::test]
async fn content_and_the_press_take_a_jurist_among_the_two() {
    let stage = Stage::open();
    let (ana, bo, jurist) = (stage.caller(ANA), stage.caller(BO), stage.caller(JURIST));
    let content = verified(&stage, &ana, &[CONTENT]).await;
    ana.does(content.propose(&[disclosed(CONTENT)])).await;
    assert_forbidden(bo.tries(content.case().approve(1)).await, "LEGAL_REVIEWER_NEEDED");
    let end = jurist.does(content.case().approve(1)).await;
    assert_eq!(end.ended.unwrap().outcome(), Outcome::DisclosedFull);
    assert_eq!(end.first_response.unwrap().kind(), FirstResponseKind::AllData);

    // A target of the press, as it was told or as it was found out.
    for is_told in [true, false] {
        let mut message = asking(&[SUBSCRIBER]);
        let told = if is_told { Protection::Press } else { Protection::Unspecified };
        message.request.as_mut().unwrap().targets[0].protection = told.into();
        let name = stage.caller(FRENCH).submits(message).await;
        let press = jurist.claims(&name).await;
        let case = press.case();
        jurist.does(case.verify(Verification::CallbackConfirmed)).await;
        if !is_told {
            let press = wire::ReclassifyRequest {
                protection: Protection::Press.into(),
                ..case.reclassify(wire::Nature::Unspecified)
            };
            bo.does(press).await;
        }
        let hand_over = jurist.does(press.hand_over("ana")).await;
        let theirs = Held { epoch: hand_over.claim.unwrap().epoch, ..press.clone() };
        ana.does(theirs.propose(&[disclosed(SUBSCRIBER)])).await;
        assert_forbidden(bo.tries(case.approve(1)).await, "LEGAL_REVIEWER_NEEDED");
        // It is enough that the jurist proposes it; a refusal takes none.
        let back = ana.does(theirs.hand_over("jo")).await;
        let mine = Held { epoch: back.claim.unwrap().epoch, ..press };
        jurist.does(mine.propose(&[disclosed(SUBSCRIBER)])).await;
        bo.does(case.approve(2)).await;
    }
    let unheld = asked_for(&stage, &ana, &[CONTENT]).await;
    ana.does(unheld.propose(&[not_held(CONTENT)])).await;
    assert_eq!(bo.does(unheld.case().approve(1)).await.state(), CaseState::NoData);
}

/// Each end of a case as a whole: what the desk and what the authority see of it.
#[tokio::test]
async fn each_ending_is_told_as_the_first_response() {
    use FirstResponseKind::{NoData, Redirected, Refused};
    let stage = Stage::open();
    let (ana, bo, portal) = (stage.caller(ANA), stage.caller(BO), stage.caller(FRENCH));
    let original = held(&stage, &ana).await.name;
    let to = RedirectTarget::BudapestPointOfContact;
    let redirect = wire::Ending { redirect_target: to.into(), ..ending(Outcome::Redirected) };
    let duplicate = wire::Ending { duplicate_of: original.clone(), ..ending(Outcome::Duplicate) };
    let endings = [
        (ending(Outcome::NoSuchAccount), CaseState::NoData, NoData),
        (rejected(RefusalReason::Overbroad), CaseState::Rejected, Refused),
        (redirect, CaseState::Redirected, Redirected),
        (duplicate, CaseState::Duplicate, Refused),
        (ending(Outcome::FraudConfirmed), CaseState::Fraud, Refused),
        (ending(Outcome::Transferred), CaseState::Transferred, Redirected),
    ];
    for (how, state, kind) in endings {
        let mine = held(&stage, &ana).await;
        ana.does(mine.case().link(&original)).await;
        ana.does(mine.end(how.clone())).await;
        let end = bo.does(mine.case().approve(1)).await;
        assert_eq!((end.state(), running(&end.clocks)), (state, Vec::new()));
        assert_eq!(end.ended.as_ref().unwrap().outcome(), how.outcome());
        assert_eq!(end.first_response.unwrap().kind(), kind, "{state:?}");
        let days = if state == CaseState::Fraud { 730 } else { 90 };
        let ended = end.ended.unwrap();
        assert_eq!(ms(&ended.purge_at) - ms(&ended.at), days * 24 * 60 * 60 * 1_000);

        let shown = portal.is_shown(&mine.name).await.case.unwrap();
        let told = shown.ended.unwrap();
        assert!(told.purge_at.is_none());
        if state == CaseState::Fraud {
            // Whoever pretends to be an authority is told of a refusal, and of nothing more.
            assert_eq!((shown.state(), told.outcome()), (CaseState::Rejected, Outcome::Rejected));
            assert_eq!(told.refusal_reason(), RefusalReason::RequesterNotVerified);
        } else {
            assert_eq!((shown.state(), told.outcome()), (state, how.outcome()));
        }
    }
}

/// Each way in which all categories can be decided.
#[tokio::test]
async fn the_outcome_follows_from_the_categories() {
    let stage = Stage::open();
    let (ana, bo) = (stage.caller(ANA), stage.caller(BO));
    let elsewhere = |category| redirected(category, RedirectTarget::EnterpriseCustomer);
    let no = |category| refused(category, RefusalReason::Overbroad);
    let ways = [
        ([disclosed(SUBSCRIBER), disclosed(TRAFFIC)], Outcome::DisclosedFull, CaseState::Delivered),
        (
            [disclosed(SUBSCRIBER), elsewhere(TRAFFIC)],
            Outcome::DisclosedPartial,
            CaseState::Delivered,
        ),
        ([elsewhere(SUBSCRIBER), no(TRAFFIC)], Outcome::Redirected, CaseState::Redirected),
        ([no(SUBSCRIBER), not_held(TRAFFIC)], Outcome::Rejected, CaseState::Rejected),
        ([not_held(SUBSCRIBER), not_held(TRAFFIC)], Outcome::NoDataFound, CaseState::NoData),
    ];
    for (dispositions, outcome, state) in ways {
        let case = verified(&stage, &ana, &[SUBSCRIBER, TRAFFIC]).await;
        ana.does(case.in_progress()).await;
        ana.does(case.propose(&dispositions)).await;
        let end = bo.does(case.case().approve(1)).await;
        assert_eq!((end.ended.as_ref().unwrap().outcome(), end.state()), (outcome, state));
        assert_eq!(end.dispositions, dispositions);
        assert_eq!(end.first_response.unwrap().kind(), FirstResponseKind::InProgress);
    }
}

#[tokio::test]
async fn confirm_withdrawal() {
    let stage = Stage::open();
    let (ana, bo, portal) = (stage.caller(ANA), stage.caller(BO), stage.caller(FRENCH));
    for mine in [held(&stage, &ana).await, in_progress(&stage, &ana).await] {
        let not_asked = ana.tries(mine.confirm_withdrawal()).await;
        assert_forbidden(not_asked, "WITHDRAWAL_NOT_REQUESTED");
        portal.does(mine.case().withdraw()).await;
        let stolen = bo.tries(mine.confirm_withdrawal()).await;
        assert_error(stolen, Code::Aborted, "EPOCH_OVER");
        let end = ana.does_once(mine.confirm_withdrawal(), |other| other.epoch = 9).await;
        assert_eq!((end.state(), running(&end.clocks)), (CaseState::Withdrawn, Vec::new()));
        assert_eq!(end.ended.unwrap().outcome(), Outcome::Withdrawn);
        let shown = portal.is_shown(&mine.name).await.case.unwrap();
        assert_eq!(shown.state(), CaseState::Withdrawn);
        let again =
            wire::ConfirmWithdrawalRequest { request_id: fresh(), ..mine.confirm_withdrawal() };
        assert_forbidden(ana.tries(again).await, "CASE_ENDED");
    }
    let nameless = wire::ConfirmWithdrawalRequest { name: "?".to_owned(), ..Default::default() };
    let wanted = ["request_id: REQUIRED", "name: BAD_FORMAT", "epoch: REQUIRED"];
    assert_fields(ana.tries(nameless).await, &wanted);
}
