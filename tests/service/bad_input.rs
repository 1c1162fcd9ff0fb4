//! Messages that no honest client sends: the documented error, and nothing changed.

use proptest::prelude::*;
use prost::Message as _;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use urgence::core::{CaseId, Intake, RequestDigest, Told};
use urgence::grpc::{submission_of, wire};
use urgence::store::{decode_case, decode_told, encode_case, encode_change, encode_notice};

use crate::raw::Raw;
use crate::service::{Service, urgent};
use crate::support::make;
use crate::support::redis::TestRedis;

async fn send(service: &Service, path: &'static str, message: Vec<u8>) -> Result<Vec<u8>, Status> {
    let mut client = tonic::client::Grpc::new(service.channel().await);
    client.ready().await.unwrap();
    let path = PathAndQuery::from_static(path);
    let answer = client.unary(tonic::Request::new(message), path, Raw).await?;
    Ok(answer.into_inner())
}

const SUBMIT: &str = "/urgence.v1.IntakeService/Submit";
const METHODS: [&str; 6] = [
    SUBMIT,
    "/urgence.v1.IntakeService/Get",
    "/urgence.v1.DeskService/ClaimNext",
    "/urgence.v1.DeskService/Claim",
    "/urgence.v1.DeskService/Respond",
    "/urgence.v1.DeskService/List",
];

fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

#[tokio::test]
async fn truncated_oversized_and_wrong_messages_are_refused_and_change_nothing() {
    let redis = TestRedis::start();
    let service = Service::on(&redis, &[]);
    let good = urgent("r-1").encode_to_vec();
    // Cut anywhere: either it is no message any more, or fields are missing.
    for cut in (1..good.len()).step_by(7) {
        let status = send(&service, SUBMIT, good[..cut].to_vec()).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "cut at {cut}: {status:?}");
        assert!(["MALFORMED_MESSAGE", "INVALID_FIELDS"].contains(&reason(&status).as_str()));
    }
    // A field of another type, and text that is not UTF-8.
    for wrong in [vec![0x08, 0x01], vec![0x0a, 0x02, 0xff, 0xfe], vec![0xff; 64]] {
        for method in METHODS {
            let status = send(&service, method, wrong.clone()).await;
            // `List` has a number where others have text.
            let Err(status) = status else { continue };
            assert_eq!(status.code(), Code::InvalidArgument, "{method} {wrong:?}");
        }
    }
    let mut large = urgent("r-1");
    let emergency = large.request.as_mut().unwrap().emergency.as_mut().unwrap();
    emergency.description = "x".repeat(300 * 1024);
    let status = send(&service, SUBMIT, large.encode_to_vec()).await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::InvalidArgument, "MESSAGE_TOO_LARGE")
    );
    let status = send(&service, SUBMIT, vec![0x0a; 2 * 1024 * 1024]).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "the transport's own bound");
    // So many mistakes that they do not fit into an answer: the first ones, and how many more.
    let mut many = urgent("r-1");
    let targets = &mut many.request.as_mut().unwrap().targets;
    *targets = vec![wire::Target::default(); 100];
    let status = send(&service, SUBMIT, many.encode_to_vec()).await.unwrap_err();
    let violations = status.get_details_bad_request().unwrap().field_violations;
    assert!(status.details().len() < 8 * 1024 && violations.len() > 10);
    assert!(violations.last().unwrap().description.contains("more fields are wrong"));

    assert_eq!(redis.command(&["ZCARD", "{urgence:main}:cases"]), "0", "nothing was written");
    let changes = crate::record::changes(&redis);
    assert_eq!(changes.len(), 0, "{changes:?}");
    assert!(service.is_ready().await);
    send(&service, SUBMIT, good).await.unwrap();
}

fn encode_told(told: &Told) -> Vec<u8> {
    match told {
        Told::Change(change) => encode_change(change),
        Told::Notice(notice) => encode_notice(notice),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    /// Whatever bytes arrive, the decoder and the checks answer; they never panic.
    #[test]
    fn any_bytes_are_a_request_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(message) = wire::SubmitRequest::decode(bytes.as_slice()) {
            let parsed = Intake::parse(&submission_of(&message), RequestDigest([0; 32]), |_| urgence::core::Fingerprint([0; 16]));
            prop_assert!(parsed.is_err(), "random bytes make no valid request");
        }
    }

    /// A valid request with bytes changed is judged without panic, and what is accepted has a case.
    #[test]
    fn a_bent_request_is_judged(changes in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..8)) {
        let mut bytes = urgent("r-1").encode_to_vec();
        for (position, byte) in changes {
            let position = usize::from(position) % bytes.len();
            bytes[position] = byte;
        }
        if let Ok(message) = wire::SubmitRequest::decode(bytes.as_slice())
            && let Ok(intake) = Intake::parse(&submission_of(&message), RequestDigest([0; 32]), |_| urgence::core::Fingerprint([0; 16]))
        {
            prop_assert!(intake.case_id().to_string().parse::<CaseId>().is_ok());
        }
    }

    /// Whatever Redis holds, the stored-case decoder answers; what it accepts it writes back alike.
    #[test]
    fn any_bytes_are_a_stored_case_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let id = make::intake("fr-pnij", "r-1", urgence::core::Nature::BombThreat).case_id();
        if let Ok(case) = decode_case(id, 1, &bytes) {
            prop_assert_eq!(decode_case(id, 1, &encode_case(&case)).unwrap(), case);
        }
        if let Ok(told) = decode_told(&bytes) {
            prop_assert_eq!(decode_told(&encode_told(&told)).unwrap(), told);
        }
    }

    /// A stored case or change with bytes changed is read or refused, and what is read can be
    /// decided on.
    #[test]
    fn a_bent_stored_case_is_read_or_refused(
        changes in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..6),
        now_ms in any::<u64>(),
    ) {
        use urgence::core::{Command, Policy, Timestamp, decide};
        let policy = Policy::built_in();
        let intake = make::intake("fr-pnij", "r-1", urgence::core::Nature::BombThreat);
        let next = make::accepted(&intake, Timestamp::from_millis(1_800_000_000_000), &policy);
        let mut case = encode_case(&next.case);
        let mut change = encode_change(&next.change());
        for (position, byte) in changes {
            let position = usize::from(position);
            let (in_case, in_change) = (position % case.len(), position % change.len());
            case[in_case] = byte;
            change[in_change] = byte;
        }
        if let Ok(case) = decode_case(next.case.id, 1, &case) {
            let decision = decide(Some(&case), &Command::Wake, Timestamp::from_millis(now_ms), &policy);
            let is_final = matches!(decision, urgence::core::Decision::Refused(_));
            prop_assert!(!is_final, "a wake is never refused");
        }
        if let Ok(told) = decode_told(&change) {
            prop_assert_eq!(decode_told(&encode_told(&told)).unwrap(), told);
        }
    }
}
