//! What a caller and an authority may use up, as they are told of it over the wire.

use std::time::Duration;

use tokio::task::JoinSet;
use tonic::Code;
use tonic_types::StatusExt as _;
use urgence::grpc::wire;
use wire::{DataCategory, Nature};

use crate::calls::{ANA, BO, Caller, FRENCH, Stage, assert_error, held};
use crate::messages::asking;
use crate::service::Service;
use crate::support::redis::TestRedis;
use crate::support::wait::{eventually, pace};

const PATIENCE: Duration = Duration::from_secs(20);

fn routine() -> wire::SubmitRequest {
    let mut message = asking(&[DataCategory::Subscriber]);
    let request = message.request.as_mut().unwrap();
    request.emergency.as_mut().unwrap().nature = Nature::Routine.into();
    message
}

fn urgently() -> wire::SubmitRequest {
    asking(&[DataCategory::Subscriber])
}

/// The time that a refusal says to wait.
fn retry_after(status: &tonic::Status) -> Duration {
    status.get_details_retry_info().and_then(|info| info.retry_delay).expect("it says when")
}

#[tokio::test]
async fn routine_beyond_its_budget_is_taken_in_when_it_waited_as_it_was_told() {
    let stage = Stage::with("[admission]\nroutine = { per_minute = 60, burst = 2 }\n");
    let portal = stage.caller(FRENCH);
    let first = routine();
    portal.submits(first.clone()).await;
    let mut message = routine();
    portal.submits(message.clone()).await;
    let refused = loop {
        message = routine();
        let answer = portal.intake().submit(portal.by(message.clone())).await;
        if answer.is_err() {
            break assert_error(answer, Code::ResourceExhausted, "AUTHORITY_BUDGET_SPENT");
        }
    };
    let again = portal.intake().submit(portal.by(first)).await.unwrap().into_inner();
    assert!(again.replayed, "what was accepted stays so");
    portal.submits(asking(&[DataCategory::Subscriber])).await;
    let mut ticks = pace(retry_after(&refused));
    ticks.tick().await;
    ticks.tick().await;
    portal.submits(message).await;
    let series =
        |result| format!("urgence_admissions_total{{class=\"routine\",result=\"{result}\"}}");
    assert!(stage.service.metric(&series("over_budget")).await >= 1.0);
    assert_eq!(stage.service.metric(&series("store_busy")).await, 0.0);
}

#[tokio::test]
async fn a_caller_in_too_much_of_a_hurry_is_told_so_and_answers_all_the_same() {
    let redis = TestRedis::start();
    let service = Service::on(&redis, &["--calls-per-second-max", "1"]);
    let (ana, bo) = (Caller::of(&service, ANA), Caller::of(&service, BO));
    let portal = Caller::of(&service, FRENCH);
    let name = portal.submits(asking(&[DataCategory::Subscriber])).await;
    let mine = ana.claims(&name).await;
    let refused = loop {
        let answer = ana.desk().get_policy(ana.by(wire::GetPolicyRequest::default())).await;
        if answer.is_err() {
            break assert_error(answer, Code::ResourceExhausted, "CALLER_TOO_FAST");
        }
    };
    let wait = retry_after(&refused);
    assert!(!wait.is_zero() && wait <= Duration::from_millis(1_001), "{wait:?}");
    for _ in 0..9 {
        assert!(ana.tries(mine.renew()).await.is_ok());
    }
    assert!(ana.tries(mine.in_progress()).await.is_ok());
    bo.desk().get_policy(bo.by(wire::GetPolicyRequest::default())).await.unwrap();
    for _ in 0..9 {
        portal.submits(asking(&[DataCategory::Subscriber])).await;
    }
}

#[tokio::test]
async fn a_caller_has_so_many_watches() {
    let stage = Stage::open();
    let (ana, bo) = (stage.caller(ANA), stage.caller(BO));
    held(&stage, &ana).await;
    let watch = wire::DeskServiceWatchRequest::default();
    let mut open = Vec::new();
    for _ in 0..64 {
        open.push(ana.desk().watch(ana.by(watch.clone())).await.unwrap());
    }
    let one_more = ana.desk().watch(ana.by(watch.clone())).await;
    assert_error(one_more, Code::ResourceExhausted, "TOO_MANY_WATCHES");
    bo.desk().watch(bo.by(watch.clone())).await.unwrap();
    open.pop();
    eventually("there is room again", Duration::from_secs(20), async || {
        ana.desk().watch(ana.by(watch.clone())).await.is_ok()
    })
    .await;
}

/// The largest message that is read is judged by its fields, and one byte more is too much; so are
/// metadata of more than 16 KiB.
#[tokio::test]
async fn a_message_and_its_metadata_have_their_bounds() {
    use prost::Message as _;
    let stage = Stage::open();
    let portal = stage.caller(FRENCH);
    let sized = |bytes: usize| {
        let mut message = asking(&[DataCategory::Subscriber]);
        let spare = bytes - message.encoded_len();
        // The length of a text takes up to three bytes besides its tag.
        for length in spare.saturating_sub(16)..=spare {
            message.desk = "x".repeat(length);
            if message.encoded_len() == bytes {
                return message;
            }
        }
        panic!("no message of {bytes} bytes");
    };
    let most = urgence::grpc::MESSAGE_BYTES_MAX;
    assert_eq!(most, 256 * 1024);
    let submit = async |message| portal.intake().submit(portal.by(message)).await;
    assert_error(submit(sized(most)).await, Code::InvalidArgument, "INVALID_FIELDS");
    assert_error(submit(sized(most + 1)).await, Code::InvalidArgument, "MESSAGE_TOO_LARGE");
    let with_metadata = async |bytes: usize| {
        let mut request = portal.by(asking(&[DataCategory::Subscriber]));
        request.metadata_mut().insert("x-much", "y".repeat(bytes).parse().unwrap());
        portal.intake().submit(request).await
    };
    with_metadata(15 * 1024).await.unwrap();
    assert!(with_metadata(17 * 1024).await.is_err());
    // The connection goes on.
    with_metadata(10).await.unwrap();
}

/// Who has hung up was promised nothing, and takes up neither memory nor anybody's place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_gone_away_stands_in_no_line() {
    const ABREAST: usize = 16;
    let stage = Stage::with("[admission]\nemergency = { per_minute = 1, burst = 1 }\n");
    let portal = stage.caller(FRENCH);
    portal.submits(urgently()).await;
    // What is in the line is held back, so that nobody behind it gets on.
    stage.redis.command(&["CLIENT", "PAUSE", "60000", "WRITE"]);
    let mut waiting = JoinSet::new();
    for _ in 0..ABREAST {
        let (mut intake, message) = (portal.intake(), portal.by(urgently()));
        waiting.spawn(async move { intake.submit(message).await.is_ok() });
    }
    let in_line = "urgence_admissions_total{class=\"emergency\",result=\"in_line\"}";
    let stand = async |count: usize| {
        eventually("they stand in line", PATIENCE, async || {
            stage.service.metric(in_line).await >= count as f64
        })
        .await;
    };
    stand(ABREAST).await;
    let (mut intake, message) = (portal.intake(), portal.by(urgently()));
    let gone = tokio::spawn(async move { intake.submit(message).await });
    stand(ABREAST + 1).await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    stage.redis.command(&["CLIENT", "UNPAUSE"]);
    waiting.join_all().await;
    // Whoever comes after has had the place that it would have had.
    portal.submits(urgently()).await;
    let cases = stage.redis.command(&["ZCARD", "{urgence:main}:cases"]);
    assert!(cases.parse::<usize>().unwrap() <= ABREAST + 2, "{cases}");
}
