//! What is true of every method that changes a case: who may call it, whose cases it finds, which
//! fields it misses, and that it never says done when nothing is stored.

use std::future::Future;
use std::pin::Pin;

use tonic::{Code, Status};
use urgence::core::Change;
use urgence::grpc::wire;
use wire::{DataCategory, Nature, Outcome, Verification};

use crate::calls::{
    ANA, AUDITOR, Act, Caller, FRENCH, GERMAN, JURIST, LEAD, NO_CASE, Stage, assert_error,
    assert_fields, held,
};
use crate::messages::{Held, ending, fresh};
use crate::record::changes;
use crate::service::claim_next;

type Sent = Pin<Box<dyn Future<Output = Result<(), Status>>>>;
type Good = Box<dyn Fn(&Caller, &Held) -> Sent>;

/// A method, by what a caller sends to it.
struct Method {
    name: &'static str,
    /// Somebody who may call it.
    allowed: &'static str,
    /// What an empty message misses.
    missing: &'static [&'static str],
    /// Sends a message without a mistake.
    good: Good,
    empty: fn(Caller) -> Sent,
}

fn method<A: Act + 'static>(
    allowed: &'static str,
    missing: &'static [&'static str],
    good: fn(&Held) -> A,
) -> Method {
    fn send<A: Act + 'static>(caller: Caller, act: A) -> Sent {
        Box::pin(async move { caller.tries(act).await.map(|_| ()) })
    }
    Method {
        name: std::any::type_name::<A>(),
        allowed,
        missing,
        good: Box::new(move |caller, case| send(caller.clone(), good(case))),
        empty: |caller| send(caller, A::default()),
    }
}

fn methods() -> Vec<Method> {
    vec![
        method(ANA, &["request_id", "name"], |case| wire::ClaimRequest {
            request_id: fresh(),
            name: case.name.clone(),
        }),
        method(ANA, &["request_id", "name", "epoch"], Held::renew),
        method(ANA, &["request_id", "name", "epoch"], Held::release),
        method(ANA, &["request_id", "name", "epoch", "message", "answer"], Held::in_progress),
        method(ANA, &["request_id", "name", "epoch", "to"], |case| case.hand_over("bo")),
        method(ANA, &["request_id", "name", "epoch", "message"], Held::update),
        method(ANA, &["request_id", "name", "epoch", "message", "questions"], Held::ask),
        method(ANA, &["request_id", "name", "nature", "reason"], |case| {
            case.case().reclassify(Nature::Kidnapping)
        }),
        method(ANA, &["request_id", "name", "finding"], |case| {
            case.case().verify(Verification::CallbackConfirmed)
        }),
        method(
            ANA,
            &[
                "request_id",
                "name",
                "category",
                "stance",
                "conflict.law_title",
                "conflict.nature_of_conflict",
                "conflict.provisions",
                "conflict.third_country",
            ],
            |case| case.case().conflict(DataCategory::Subscriber),
        ),
        method(ANA, &["request_id", "name", "other"], |case| case.case().link(&case.name)),
        method(ANA, &["request_id", "name", "epoch", "message", "dispositions"], |case| {
            case.end(ending(Outcome::NoSuchAccount))
        }),
        method(ANA, &["request_id", "name", "proposal"], |case| case.case().approve(1)),
        method(ANA, &["request_id", "name", "epoch"], Held::confirm_withdrawal),
        method(ANA, &["request_id", "name", "epoch", "clock", "reason"], |case| {
            case.pause(wire::ClockKind::Completion)
        }),
        method(ANA, &["request_id", "name", "epoch", "clock"], |case| {
            case.resume(wire::ClockKind::Completion)
        }),
        method(ANA, &["request_id", "name", "clock", "settlement"], |case| {
            case.case().settle(wire::ClockKind::UserNotice)
        }),
        method(ANA, &["request_id", "name", "key"], |case| {
            case.case().acknowledge(&format!("{NO_CASE}/first-response/0/0"))
        }),
        method(FRENCH, &["request_id", "name", "message"], |case| case.case().inform()),
        method(FRENCH, &["request_id", "name"], |case| case.case().withdraw()),
        method(FRENCH, &["request_id", "name"], |case| case.case().preserve()),
        method(FRENCH, &["request_id", "name", "disclosure"], |case| {
            case.case().confirm_delivery(1)
        }),
        method(LEAD, &["request_id", "name", "reason"], |case| case.case().legal_hold(true)),
    ]
}

/// Who may not call what `allowed` may.
fn strangers(allowed: &str) -> Vec<&'static str> {
    match allowed {
        ANA => vec![FRENCH, AUDITOR, "nobody"],
        FRENCH => vec![ANA, JURIST, LEAD, AUDITOR, "nobody"],
        _ => vec![ANA, JURIST, AUDITOR, FRENCH, "nobody"],
    }
}

/// What somebody has changed; what the service finds out by itself comes when it comes.
fn by_somebody(stage: &Stage) -> Vec<Change> {
    let mut changes = changes(&stage.redis);
    changes.retain(|change| change.actor.is_some());
    changes
}

#[tokio::test]
async fn an_empty_message_is_told_every_field_that_it_misses() {
    let stage = Stage::open();
    for method in methods() {
        let wanted: Vec<_> =
            method.missing.iter().map(|field| format!("{field}: REQUIRED")).collect();
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        assert_fields((method.empty)(stage.caller(method.allowed)).await, &wanted);
    }
}

#[tokio::test]
async fn nobody_does_what_is_not_theirs() {
    let stage = Stage::open();
    let case = held(&stage, &stage.caller(ANA)).await;
    let before = by_somebody(&stage);
    for method in methods() {
        for stranger in strangers(method.allowed) {
            let answer = (method.good)(&stage.caller(stranger), &case).await;
            assert_error(answer, Code::PermissionDenied, "ROLE_MISSING");
        }
        let nowhere = Held { name: NO_CASE.to_owned(), epoch: 1 };
        let answer = (method.good)(&stage.caller(method.allowed), &nowhere).await;
        assert_error(answer, Code::NotFound, "CASE_NOT_FOUND");
        if method.allowed == FRENCH {
            let answer = (method.good)(&stage.caller(GERMAN), &case).await;
            assert_error(answer, Code::NotFound, "CASE_NOT_FOUND");
        }
    }
    assert_eq!(by_somebody(&stage), before, "nobody has changed anything");
}

/// Oversight is for those who lead and those who look; the latter change nothing.
#[tokio::test]
async fn an_auditor_sees_and_changes_nothing() {
    let stage = Stage::open();
    let case = held(&stage, &stage.caller(ANA)).await;
    let before = by_somebody(&stage);
    for (who, may_see) in
        [(LEAD, true), (AUDITOR, true), (ANA, false), (JURIST, false), (FRENCH, false)]
    {
        let caller = stage.caller(who);
        let seen = caller.oversight().get_status(caller.by(wire::GetStatusRequest {})).await;
        match may_see {
            true => assert_eq!(seen.unwrap().into_inner().desks.len(), 1),
            false => _ = assert_error(seen, Code::PermissionDenied, "ROLE_MISSING"),
        }
    }
    for who in [AUDITOR, FRENCH] {
        let caller = stage.caller(who);
        let mut desk = caller.desk();
        let open = wire::OpenIncidentRequest {
            request_id: fresh(),
            incident: "flood".to_owned(),
            tag: "flood".to_owned(),
            ..Default::default()
        };
        let add = wire::AddIncidentFactsRequest {
            request_id: fresh(),
            incident: "flood".to_owned(),
            facts: "It rains.".to_owned(),
            ..Default::default()
        };
        let close = wire::CloseIncidentRequest {
            request_id: fresh(),
            incident: "flood".to_owned(),
            ..Default::default()
        };
        let renew =
            wire::RenewClaimRequest { request_id: fresh(), name: case.name.clone(), epoch: 1 };
        let answers = [
            desk.open_incident(caller.by(open)).await.map(|_| ()),
            desk.add_incident_facts(caller.by(add)).await.map(|_| ()),
            desk.close_incident(caller.by(close)).await.map(|_| ()),
            desk.renew_claim(caller.by(renew)).await.map(|_| ()),
            desk.claim_next(caller.by(claim_next("c", 0))).await.map(|_| ()),
            desk.get_policy(caller.by(wire::GetPolicyRequest::default())).await.map(|_| ()),
            caller.tries(case.release()).await.map(|_| ()),
            caller.tries(case.in_progress()).await.map(|_| ()),
        ];
        for answer in answers {
            assert_error(answer, Code::PermissionDenied, "ROLE_MISSING");
        }
    }
    let auditor = stage.caller(AUDITOR);
    let submitted = auditor.intake().submit(auditor.by(crate::service::urgent("r"))).await;
    assert_error(submitted, Code::PermissionDenied, "ROLE_MISSING");
    assert_eq!(by_somebody(&stage), before, "nobody has changed anything");
}

#[tokio::test]
async fn without_redis_nothing_is_said_to_be_done() {
    let mut stage = Stage::open();
    let ana = stage.caller(ANA);
    let case = held(&stage, &ana).await;
    stage.redis.kill();
    for method in methods() {
        let answer = (method.good)(&stage.caller(method.allowed), &case).await;
        let reason = answer.as_ref().err().map(Status::code);
        assert_eq!(reason, Some(Code::Unavailable), "{}", method.name);
        assert_error(answer, Code::Unavailable, "STORE_UNAVAILABLE");
    }
    let open = wire::OpenIncidentRequest {
        request_id: fresh(),
        incident: "flood".to_owned(),
        tag: "flood".to_owned(),
        ..Default::default()
    };
    let opened = ana.desk().open_incident(ana.by(open)).await;
    assert_error(opened, Code::Unavailable, "STORE_UNAVAILABLE");
    let add = wire::AddIncidentFactsRequest {
        request_id: fresh(),
        incident: "flood".to_owned(),
        facts: "It rains.".to_owned(),
        ..Default::default()
    };
    let added = ana.desk().add_incident_facts(ana.by(add)).await;
    assert_error(added, Code::Unavailable, "STORE_UNAVAILABLE");
    let close = wire::CloseIncidentRequest {
        request_id: fresh(),
        incident: "flood".to_owned(),
        ..Default::default()
    };
    let closed = ana.desk().close_incident(ana.by(close)).await;
    assert_error(closed, Code::Unavailable, "STORE_UNAVAILABLE");
    let lead = stage.caller(LEAD);
    let seen = lead.oversight().get_status(lead.by(wire::GetStatusRequest {})).await;
    assert_error(seen, Code::Unavailable, "STORE_UNAVAILABLE");
    // What is not in Redis is told all the same.
    ana.desk().get_policy(ana.by(wire::GetPolicyRequest::default())).await.unwrap();
}
