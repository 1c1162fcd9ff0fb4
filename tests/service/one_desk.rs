//! One request, one case, whichever desks of the deployment it is sent to, and when.

use tokio::join;
use tonic::{Code, Response, Status};
use urgence::grpc::wire;

use crate::calls::{Caller, assert_error};
use crate::desks::{Both, french, to};

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
