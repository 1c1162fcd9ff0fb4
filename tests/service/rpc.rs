//! Submitting, reading and following: the good path, each error, and the repeat.

use std::time::Duration;

use tonic::Code;
use tonic_types::StatusExt as _;
use urgence::grpc::wire;

use crate::calls::{assert_error, name_of};
use crate::service::{
    Directory, Service, by, claim_next, fast_policy, in_progress, request, urgent,
};
use crate::support::redis::TestRedis;
use crate::support::wait::{eventually, eventually_some};
#[tokio::test]
async fn submit_get_and_list() {
    let redis = TestRedis::start();
    let service = Service::on(&redis, &[]);
    let mut portal = service.portal().await;

    let submitted = portal.submit(urgent("r-1")).await.unwrap().into_inner();
    let case = submitted.case.unwrap();
    assert!(!submitted.replayed && case.state() == wire::CaseState::Received);
    let clock = &case.clocks[0];
    let seconds = |at: &Option<prost_types::Timestamp>| at.as_ref().unwrap().seconds;
    assert_eq!(seconds(&clock.target_at) - seconds(&clock.started_at), 20 * 60);
    assert_eq!(seconds(&clock.limit_at) - seconds(&clock.started_at), 30 * 60);

    // A repeat finds the case; another content under the same id is refused.
    let repeated = portal.submit(urgent("r-1")).await.unwrap().into_inner();
    assert!(repeated.replayed);
    assert_eq!(repeated.case.unwrap(), case);
    let other = request("r-1", wire::Nature::BombThreat);
    assert_error(portal.submit(other).await, Code::AlreadyExists, "REQUEST_ID_REUSED");
    let status = assert_error(
        portal.submit(wire::SubmitRequest::default()).await,
        Code::InvalidArgument,
        "INVALID_FIELDS",
    );
    let fields = status.get_details_bad_request().unwrap().field_violations;
    assert_eq!(fields.len(), 12);
    assert_eq!(fields[0].field, "request_id");
    assert!(fields.iter().all(|field| field.reason == "REQUIRED"));

    // Get: by its full name and as it is read over the phone.
    let spoken = case.name.rsplit('/').next().unwrap().replace('-', "").to_lowercase();
    for name in [case.name.clone(), spoken] {
        let got = portal.get(wire::IntakeServiceGetRequest { name }).await.unwrap().into_inner();
        assert_eq!(got.case.as_ref(), Some(&case));
        assert!(got.request == urgent("r-1").request && got.response.is_none());
    }
    let get = |name: &str| wire::IntakeServiceGetRequest { name: name.to_owned() };
    let unknown = get("D2F7-P14C-VS7E-HD6N");
    assert_error(portal.get(unknown).await, Code::NotFound, "CASE_NOT_FOUND");
    for name in ["", "D2F7-P14C-VS7E-HD6M", "desks/other/cases/D2F7-P14C-VS7E-HD6N"] {
        assert_error(portal.get(get(name)).await, Code::InvalidArgument, "INVALID_FIELDS");
    }

    // List: pages, the latest first.
    for index in 2..=5 {
        portal.submit(urgent(&format!("r-{index}"))).await.unwrap();
    }
    let mut names = Vec::new();
    let mut page = wire::IntakeServiceListRequest {
        authority: "fr-pnij".to_owned(),
        page_size: 2,
        ..wire::IntakeServiceListRequest::default()
    };
    loop {
        let listed = portal.list(page.clone()).await.unwrap().into_inner();
        assert!(listed.cases.len() <= 2);
        names.extend(listed.cases.into_iter().map(|case| case.name));
        page.page_token = listed.next_page_token;
        if page.page_token.is_empty() {
            break;
        }
    }
    assert_eq!((names.len(), names.last()), (5, Some(&case.name)));
    let bad = [
        (wire::IntakeServiceListRequest { page_size: -1, ..page.clone() }, "INVALID_FIELDS"),
        (
            wire::IntakeServiceListRequest { authority: String::new(), ..page.clone() },
            "INVALID_FIELDS",
        ),
        (wire::IntakeServiceListRequest { page_token: "0abc".to_owned(), ..page }, "BAD_TOKEN"),
    ];
    for (message, reason) in bad {
        assert_error(portal.list(message).await, Code::InvalidArgument, reason);
    }
}

#[tokio::test]
async fn a_caller_does_what_its_roles_allow_and_sees_what_is_its_own() {
    let redis = TestRedis::start();
    let service = Service::on(&redis, &[]);
    let (mut portal, mut desk) = (service.portal().await, service.desk().await);
    let french = "portal-1; roles=portal; authorities=fr-pnij";
    let german = "portal-2; roles=portal; authorities=de-bka";
    let responder = "ana; roles=responder";

    let case = portal.submit(by(french, urgent("r-1"))).await.unwrap().into_inner().case;
    let name = name_of(case.as_ref());
    let get = wire::IntakeServiceGetRequest { name: name.clone() };
    portal.get(by(french, get.clone())).await.unwrap();

    let submit = portal.submit(by(german, urgent("r-2"))).await;
    assert_error(submit, Code::NotFound, "CASE_NOT_FOUND");
    assert_error(portal.get(by(german, get.clone())).await, Code::NotFound, "CASE_NOT_FOUND");
    let list = wire::IntakeServiceListRequest {
        authority: "fr-pnij".to_owned(),
        ..wire::IntakeServiceListRequest::default()
    };
    assert_error(portal.list(by(german, list)).await, Code::NotFound, "CASE_NOT_FOUND");
    use wire::intake_service_watch_request::Scope;
    for scope in [Scope::Name(name.clone()), Scope::Authority("fr-pnij".to_owned())] {
        let watch = wire::IntakeServiceWatchRequest { scope: Some(scope), ..Default::default() };
        let watched = portal.watch(by(german, watch)).await;
        assert_error(watched, Code::NotFound, "CASE_NOT_FOUND");
    }

    let denied = portal.submit(by(responder, urgent("r-3"))).await;
    assert_error(denied, Code::PermissionDenied, "ROLE_MISSING");
    let denied = desk.claim_next(by(french, claim_next("c", 0))).await;
    assert_error(denied, Code::PermissionDenied, "ROLE_MISSING");
    let denied = desk.get(by("nobody", wire::DeskServiceGetRequest { name })).await;
    assert_error(denied, Code::PermissionDenied, "ROLE_MISSING");
    let denied = portal.get(by("who; roles=king", get)).await;
    assert_error(denied, Code::InvalidArgument, "BAD_CALLER");
    assert_eq!(service.metric("urgence_requests_accepted_total{band=\"1\"}").await, 1.0);
}

#[tokio::test]
async fn desk_lists_and_gets() {
    let redis = TestRedis::start();
    let service = Service::on(&redis, &[]);
    let (mut portal, mut desk) = (service.portal().await, service.desk().await);
    for index in 0..3 {
        portal.submit(urgent(&format!("r-{index}"))).await.unwrap();
    }
    let first = desk.claim_next(claim_next("c-0", 0)).await.unwrap().into_inner().case.unwrap();
    desk.respond(in_progress("a-0", &first.name, 1)).await.unwrap();
    desk.claim_next(claim_next("c-1", 0)).await.unwrap();
    for (filter, count) in [
        (wire::CaseFilter::Queue, 1),
        (wire::CaseFilter::Unanswered, 2),
        (wire::CaseFilter::All, 3),
    ] {
        let list = wire::DeskServiceListRequest {
            filter: filter.into(),
            ..wire::DeskServiceListRequest::default()
        };
        assert_eq!(desk.list(list).await.unwrap().into_inner().cases.len(), count, "{filter:?}");
    }
    // A token belongs to its list.
    let page = |filter: wire::CaseFilter, page_token: String| wire::DeskServiceListRequest {
        filter: filter.into(),
        page_size: 1,
        page_token,
        ..wire::DeskServiceListRequest::default()
    };
    let listed = desk.list(page(wire::CaseFilter::All, String::new())).await.unwrap().into_inner();
    let misused = desk.list(page(wire::CaseFilter::Unanswered, listed.next_page_token)).await;
    assert_error(misused, Code::InvalidArgument, "BAD_TOKEN");
    let mut unknown = page(wire::CaseFilter::All, String::new());
    unknown.filter = 77;
    assert_error(desk.list(unknown).await, Code::InvalidArgument, "INVALID_FIELDS");
    let missing = wire::DeskServiceGetRequest { name: "D2F7-P14C-VS7E-HD6N".to_owned() };
    assert_error(desk.get(missing).await, Code::NotFound, "CASE_NOT_FOUND");
}

#[tokio::test]
async fn watch_tells_a_snapshot_then_every_change_and_resumes() {
    use wire::desk_service_watch_response::Message;
    let directory = Directory::new();
    let redis = TestRedis::start();
    let policy = fast_policy(&directory, "60s");
    let service = Service::on(&redis, &["--policy", &policy]);
    let (mut portal, mut desk) = (service.portal().await, service.desk().await);
    portal.submit(urgent("r-1")).await.unwrap();

    let mut watch =
        desk.watch(wire::DeskServiceWatchRequest::default()).await.unwrap().into_inner();
    let snapshot = watch.message().await.unwrap().unwrap();
    assert!(matches!(snapshot.message, Some(Message::Snapshot(_))));
    assert_eq!(snapshot.resume_token, "", "a half snapshot cannot be resumed");
    let end = watch.message().await.unwrap().unwrap();
    assert!(matches!(end.message, Some(Message::SnapshotEnd(end)) if end.cases == 1));
    assert_ne!(end.resume_token, "");

    // The ladder climbs before our eyes, pages among the events.
    let mut pages = Vec::new();
    let mut last_token = String::new();
    while pages.len() < 3 {
        let message = watch.message().await.unwrap().unwrap();
        let Some(Message::Change(change)) = message.message else { continue };
        last_token = message.resume_token;
        for event in change.events {
            if let Some(wire::case_event::Event::Paged(page)) = event.event {
                pages.push((page.key, page.contacts));
            }
        }
    }
    let contacts: Vec<_> = pages.iter().map(|(_, contacts)| contacts.join(",")).collect();
    assert_eq!(contacts, ["shift-lead", "head-of-desk", "all"]);
    drop(watch);

    // What happened meanwhile comes first after a resume, without a snapshot.
    let claimed = desk.claim_next(claim_next("c", 0)).await.unwrap().into_inner().case.unwrap();
    let resume = wire::DeskServiceWatchRequest { resume_token: last_token, ..Default::default() };
    let mut resumed = desk.watch(resume.clone()).await.unwrap().into_inner();
    loop {
        let message = resumed.message().await.unwrap().unwrap();
        let Some(Message::Change(change)) = message.message else { panic!("{message:?}") };
        let is_claim = |event: &wire::CaseEvent| {
            matches!(event.event, Some(wire::case_event::Event::Claimed(_)))
        };
        if change.events.iter().any(is_claim) {
            assert_eq!(change.name, claimed.name);
            break;
        }
    }
    // A token of another watch, or of nobody.
    let name = claimed.name.clone();
    for request in [
        wire::DeskServiceWatchRequest { name, ..resume.clone() },
        wire::DeskServiceWatchRequest { resume_token: "zz".to_owned(), ..resume.clone() },
    ] {
        assert_error(desk.watch(request).await, Code::InvalidArgument, "BAD_TOKEN");
    }
    let missing = "D2F7-P14C-VS7E-HD6N".to_owned();
    let request = wire::DeskServiceWatchRequest { name: missing, ..Default::default() };
    assert_error(desk.watch(request).await, Code::NotFound, "CASE_NOT_FOUND");
    // What a token points behind may have been trimmed.
    redis.command(&["XTRIM", "{urgence:main}:events", "MAXLEN", "1"]);
    assert_error(desk.watch(resume).await, Code::OutOfRange, "RESUME_TOKEN_TOO_OLD");
}

#[tokio::test]
async fn a_portal_watches_its_cases_and_not_how_the_desk_works() {
    use wire::intake_service_watch_request::Scope;
    use wire::intake_service_watch_response::Message;
    let directory = Directory::new();
    let redis = TestRedis::start();
    let policy = fast_policy(&directory, "60s");
    let service = Service::on(&redis, &["--policy", &policy]);
    let (mut portal, mut desk) = (service.portal().await, service.desk().await);
    let watch =
        |scope| wire::IntakeServiceWatchRequest { scope: Some(scope), ..Default::default() };
    let scope = Scope::Authority("fr-pnij".to_owned());
    let mut watched = portal.watch(watch(scope)).await.unwrap().into_inner();
    let end = watched.message().await.unwrap().unwrap();
    assert!(matches!(end.message, Some(Message::SnapshotEnd(end)) if end.cases == 0));

    let mut foreign = urgent("r-0");
    let requester = foreign.request.as_mut().unwrap().requester.as_mut().unwrap();
    requester.authority = "de-bka".to_owned();
    portal.submit(foreign).await.unwrap();
    let name = name_of(portal.submit(urgent("r-1")).await.unwrap().into_inner().case.as_ref());
    let claimed = desk.claim(wire::ClaimRequest { request_id: "c".to_owned(), name: name.clone() });
    claimed.await.unwrap();
    desk.respond(in_progress("a", &name, 1)).await.unwrap();

    use wire::case_event::Event;
    let mut told = Vec::new();
    while told.len() < 2 {
        let message = watched.message().await.unwrap().unwrap();
        let Some(Message::Change(change)) = message.message else { panic!("{message:?}") };
        assert_eq!(change.name, name, "another authority's case is not told");
        told.extend(change.events.into_iter().filter_map(|event| event.event));
    }
    assert!(matches!(told[0], Event::Accepted(_)));
    assert!(matches!(&told[1], Event::Responded(said) if said.responder.is_empty()));
    // A new watch begins with what is unanswered and its own.
    let open = name_of(portal.submit(urgent("r-2")).await.unwrap().into_inner().case.as_ref());
    let scope = Scope::Authority("fr-pnij".to_owned());
    let mut watched = portal.watch(watch(scope)).await.unwrap().into_inner();
    let first = watched.message().await.unwrap().unwrap();
    assert!(matches!(first.message, Some(Message::Snapshot(case)) if case.name == open));
    let end = watched.message().await.unwrap().unwrap();
    assert!(matches!(end.message, Some(Message::SnapshotEnd(end)) if end.cases == 1));
    let nothing = wire::IntakeServiceWatchRequest::default();
    assert_error(portal.watch(nothing).await, Code::InvalidArgument, "INVALID_FIELDS");
}

#[tokio::test]
async fn a_deadline_is_honoured_and_a_hasty_call_changes_nothing() {
    let redis = TestRedis::start();
    let service = Service::on(&redis, &[]);
    let mut portal = service.portal().await;
    // The client's own clock may be first to give up; what counts is what the server does.
    let given_up = "urgence_rpcs_total{method=\"Submit\",code=\"DEADLINE_EXCEEDED\"}";
    let hurried = |request_id: &str, timeout: &str| {
        let mut request = tonic::Request::new(urgent(request_id));
        request.metadata_mut().insert("grpc-timeout", timeout.parse().unwrap());
        request
    };
    let gave_up = async || {
        let metrics = service.http("/metrics").await.1;
        let count =
            metrics.lines().find_map(|line| line.strip_prefix(given_up)?.trim().parse().ok());
        count.unwrap_or(0_u64)
    };
    // A call that its own client gives up too soon never gets there.
    eventually("the server gives up in time", Duration::from_secs(20), async || {
        portal.submit(hurried("r-1", "15m")).await.unwrap_err();
        gave_up().await > 0
    })
    .await;
    let before = gave_up().await;
    assert_eq!(redis.command(&["ZCARD", "{urgence:main}:cases"]), "0", "nothing was begun");

    // With Redis frozen, the answer comes at the deadline; the write may still happen.
    redis.stop();
    let status = portal.submit(hurried("r-2", "500m")).await.unwrap_err();
    assert!([Code::DeadlineExceeded, Code::Cancelled].contains(&status.code()), "{status:?}");
    eventually("the server gives up in time", Duration::from_secs(20), async || {
        gave_up().await > before
    })
    .await;
    redis.cont();
    let name = eventually_some("the same message succeeds", Duration::from_secs(20), async || {
        let submitted = portal.submit(urgent("r-2")).await.ok()?;
        submitted.into_inner().case.map(|case| case.name)
    })
    .await;
    assert!(name.starts_with("desks/main/cases/"));
    assert_eq!(redis.command(&["ZCARD", "{urgence:main}:cases"]), "1");
}

#[tokio::test]
async fn a_write_outlives_the_call_that_asked_for_it() {
    let redis = TestRedis::start();
    let service = Service::on(&redis, &[]);
    let portal = service.portal().await;
    // What the service writes at its start is behind it.
    eventually("the start is told", Duration::from_secs(20), async || {
        redis.command(&["XLEN", "{urgence:main}:events"]) == "2"
            && redis.command(&["EXISTS", "{urgence:main}:audit-edge"]) == "1"
    })
    .await;
    // Redis holds writes back, so that the call can be cut off in the middle. It is the first one, so
    // there is more to do afterwards: its policy is not kept yet.
    redis.command(&["CLIENT", "PAUSE", "60000", "WRITE"]);
    let mut hanging = portal.clone();
    let call = tokio::spawn(async move { hanging.submit(urgent("r-1")).await });
    // The readers of the stream, which look all the time, are held back as well.
    eventually("the write is on its way", Duration::from_secs(20), async || {
        let clients = redis.command(&["CLIENT", "LIST"]);
        let is_write = |line: &str| line.contains("cmd=hset") || line.contains("cmd=eval");
        clients.lines().any(|line| line.contains(" flags=b") && is_write(line))
    })
    .await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    redis.command(&["CLIENT", "UNPAUSE"]);
    eventually("the case is there", Duration::from_secs(10), async || {
        redis.command(&["ZCARD", "{urgence:main}:cases"]) == "1"
    })
    .await;
}
