//! One request, one case, whichever desks of the deployment it is sent to, and when; and where a portal
//! finds it that names no desk.

use tokio::join;
use tonic::{Code, Response, Status};
use urgence::grpc::wire;

use crate::calls::{Caller, FRENCH, GERMAN, assert_error};
use crate::desks::{Both, desk_of, french, german, to};

const ROUNDS: usize = 100;

type Answer = Result<wire::SubmitResponse, Status>;

/// Sends one message to each desk at the same time.
async fn at_once(
    portal: &Caller,
    paris: wire::SubmitRequest,
    berlin: wire::SubmitRequest,
) -> [Answer; 2] {
    let send = async |desk: &str, message| {
        let sent = portal.intake().submit(portal.by(to(desk, message))).await;
        sent.map(Response::into_inner)
    };
    let (paris, berlin) = join!(send("paris", paris), send("berlin", berlin));
    [paris, berlin]
}

#[tokio::test]
async fn a_request_sent_to_two_desks_at_once_is_one_case() {
    let both = Both::open();
    let portal = both.caller("portal; roles=portal");
    for round in 0..ROUNDS {
        let message = french();
        let answers = at_once(&portal, message.clone(), message).await;
        let [one, other] =
            answers.map(|answer| answer.unwrap_or_else(|status| panic!("{round}: {status:?}")));
        assert_ne!(one.replayed, other.replayed, "round {round}: it is accepted once");
        assert_eq!(one.case.unwrap().name, other.case.unwrap().name, "round {round}");
        assert!(!one.receipt.is_empty() && one.receipt == other.receipt, "round {round}");
    }
    let count = |desk: &str| {
        let count = both.redis.command(&["ZCARD", &format!("{{urgence:{desk}}}:cases")]);
        count.parse::<usize>().unwrap()
    };
    assert_eq!(count("paris") + count("berlin"), ROUNDS, "no case is at two desks");
    let replayed = both.service.metric("urgence_submits_total{result=\"replayed\"}").await;
    assert_eq!(replayed, ROUNDS as f64, "each call is counted once");
}

#[tokio::test]
async fn another_request_under_the_same_id_is_refused_at_every_desk() {
    let both = Both::open();
    let portal = both.caller("portal; roles=portal");
    for round in 0..ROUNDS {
        let message = french();
        let mut changed = message.clone();
        changed.request.as_mut().unwrap().targets[0].value = "somebody else".to_owned();
        let mut answers = at_once(&portal, message, changed).await;
        answers.sort_by_key(Result::is_err);
        let [accepted, refused] = answers;
        assert!(accepted.is_ok_and(|accepted| !accepted.replayed), "round {round}");
        assert_error(refused, Code::AlreadyExists, "REQUEST_ID_REUSED");
    }
}

#[tokio::test]
async fn a_portal_that_names_no_desk_means_the_one_that_its_requests_go_to() {
    use wire::intake_service_watch_request::Scope;
    use wire::intake_service_watch_response::Message;
    let both = Both::open();
    for (who, authority, message, desk, held) in
        [(FRENCH, "fr-pnij", french(), "paris", 0), (GERMAN, "de-bka", german(), "berlin", 1)]
    {
        let portal = both.caller(who);
        let name = portal.submits(message).await;
        assert_eq!(desk_of(&name), desk);
        let list = wire::IntakeServiceListRequest {
            authority: authority.to_owned(),
            ..Default::default()
        };
        let listed = portal.intake().list(portal.by(list)).await.unwrap().into_inner().cases;
        assert_eq!(listed.into_iter().map(|case| case.name).collect::<Vec<_>>(), [name.as_str()]);
        let scope = Some(Scope::Authority(authority.to_owned()));
        let watch = wire::IntakeServiceWatchRequest { scope, ..Default::default() };
        let mut watched = portal.intake().watch(portal.by(watch)).await.unwrap().into_inner();
        let told = watched.message().await.unwrap().unwrap().message;
        assert!(matches!(told, Some(Message::Snapshot(case)) if case.name == name), "{desk}");
        let list = portal.by(wire::ListDataCategoriesRequest::default());
        let holdings = portal.intake().list_data_categories(list).await.unwrap().into_inner();
        assert_eq!(holdings.holdings.len(), held, "{desk}");
    }
    // What is another's is not there, whichever desk would take it.
    let portal = both.caller(FRENCH);
    let list =
        wire::IntakeServiceListRequest { authority: "de-bka".to_owned(), ..Default::default() };
    assert_error(portal.intake().list(portal.by(list)).await, Code::NotFound, "CASE_NOT_FOUND");
}
