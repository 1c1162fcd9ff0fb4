//! Receipts and proofs, checked with nothing but public keys.

use urgence::audit::{
    FirstResponse, Proof, Receipt, RecordError, SEAL_EVERY, check_first_response, check_receipt,
};
use urgence::core::Case;

use crate::support::make::{accepted, intake};
use crate::{Directory, Replica, START, accept, keys, policy, signer, store};

const COUNT: u64 = 200;

fn case(number: u64) -> Case {
    let intake = intake(
        &format!("authority-{}", number % 3),
        &number.to_string(),
        urgence::core::Nature::ThreatToLife,
    );
    accepted(&intake, START + std::time::Duration::from_millis(number), &policy()).case
}

fn receipt(number: u64) -> String {
    Receipt::of(&"main".parse().unwrap(), &case(number)).sign(&signer())
}

#[tokio::test]
async fn every_signed_request_is_proved_and_no_receipt_proves_another() {
    let directory = Directory::new();
    let store = store().await;
    accept(&store, 0, COUNT).await;
    let mut replica = Replica::new(&store, &directory.0);
    replica.catch_up().await;
    let signed = COUNT / SEAL_EVERY * SEAL_EVERY;
    for number in (0..COUNT).step_by(3) {
        let case = case(number);
        let proved = replica.record.prove_accepted(case.id, case.accepted_at);
        if number >= signed {
            assert!(matches!(proved, Err(RecordError::NotYet(_))));
            continue;
        }
        let (entry, proof) = proved.unwrap();
        assert_eq!(entry.entry.index, number);
        let text = proof.render();
        assert_eq!(Proof::parse(&text), Some(proof));
        let checked = check_receipt(&receipt(number), &entry.json, &text, &keys()).unwrap();
        assert_eq!(checked.accepted_at, case.accepted_at);
        let other = check_receipt(&receipt(number + 3), &entry.json, &text, &keys());
        assert_eq!(other.unwrap_err().to_string(), "entry: its case is not that of the receipt");
    }
    let never = replica.record.prove_accepted(case(9_999).id, START);
    assert!(matches!(never, Err(RecordError::NotYet(_))));
}

#[tokio::test]
async fn a_replica_proves_what_it_has_and_says_what_it_has_not() {
    let (whole, part) = (Directory::new(), Directory::new());
    let store = store().await;
    accept(&store, 0, 150).await;
    let mut one = Replica::new(&store, &whole.0);
    one.catch_up().await;
    let mut two = Replica::new(&store, &part.0);
    two.catch_up().await;
    accept(&store, 150, 150).await;
    one.catch_up().await;
    two.catch_up().await;
    for number in (0..256).step_by(5) {
        let case = case(number);
        let from_whole = one.record.prove_accepted(case.id, case.accepted_at).unwrap();
        let from_part = two.record.prove_accepted(case.id, case.accepted_at);
        if number < 128 {
            let told = from_part.unwrap_err().to_string();
            assert!(told.contains("before entry 128"), "{told}");
        } else {
            assert_eq!(from_part.unwrap(), from_whole);
        }
    }
}

#[tokio::test]
async fn no_byte_of_what_is_shown_can_be_another() {
    let directory = Directory::new();
    let store = store().await;
    accept(&store, 0, SEAL_EVERY).await;
    let mut replica = Replica::new(&store, &directory.0);
    replica.catch_up().await;
    let shown = case(5);
    let (entry, proof) = replica.record.prove_accepted(shown.id, shown.accepted_at).unwrap();
    let (receipt, proof) = (receipt(5), proof.render());
    assert!(check_receipt(&receipt, &entry.json, &proof, &keys()).is_ok());
    let flips = |text: &str| -> Vec<String> {
        (0..text.len())
            .step_by(3)
            .filter_map(|at| {
                let mut bytes = text.as_bytes().to_vec();
                bytes[at] ^= 1;
                String::from_utf8(bytes).ok()
            })
            .collect()
    };
    for flipped in flips(&receipt) {
        assert!(check_receipt(&flipped, &entry.json, &proof, &keys()).is_err(), "{flipped}");
    }
    for flipped in flips(&entry.json) {
        assert!(check_receipt(&receipt, &flipped, &proof, &keys()).is_err(), "{flipped}");
    }
    for flipped in flips(&proof) {
        assert!(check_receipt(&receipt, &entry.json, &flipped, &keys()).is_err(), "{flipped}");
    }
    assert!(check_receipt(&receipt, &entry.json, &proof, &[]).is_err());
}

#[test]
fn a_receipt_reads_as_it_is_promised() {
    let text = receipt(7);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "urgence receipt v1");
    assert_eq!(lines[1], format!("case desks/main/cases/{}", case(7).id));
    assert_eq!(lines[2], "authority authority-1");
    assert_eq!(lines[3], "accepted_at 2027-01-15T08:00:00.007Z");
    assert!(lines[4].starts_with("request_sha256 ") && lines[4].len() == 15 + 64);
    assert_eq!(lines[5], "target_at 2027-01-15T08:20:00.007Z");
    assert_eq!(lines[6], "limit_at 2027-01-15T08:30:00.007Z");
    assert_eq!(text, receipt(7));
}

#[test]
fn a_first_response_is_compared_with_the_receipt() {
    let desk = "main".parse().unwrap();
    let mut answered = case(7);
    assert_eq!(FirstResponse::of(&desk, &answered), None);
    let at = answered.accepted_at + std::time::Duration::from_secs(1_199);
    answered.first_response = Some(urgence::core::FirstResponse {
        kind: urgence::core::FirstResponseKind::NoData,
        at,
        by: "ann".parse().unwrap(),
        is_claim_lost: false,
        digest: Some(urgence::core::RequestDigest([3; 32])),
    });
    let record = FirstResponse::of(&desk, &answered).unwrap();
    assert_eq!((record.waited_ms, record.punctuality.as_str()), (1_199_000, "within_target"));
    let note = record.sign(&signer());
    let receipt_of = |number| Receipt::open(&receipt(number), &keys()).unwrap();
    assert_eq!(check_first_response(&note, &receipt_of(7), &keys()), Ok(record.clone()));
    let other = check_first_response(&note, &receipt_of(10), &keys()).unwrap_err();
    assert_eq!(other.to_string(), "response record: its case is not that of the receipt");
    let wrong = FirstResponse { waited_ms: 5, ..record }.sign(&signer());
    let told = check_first_response(&wrong, &receipt_of(7), &keys()).unwrap_err();
    assert_eq!(told.to_string(), "response record: its waited_ms is not that of the receipt");
}

/// Signed by the right key, and still not what the log has.
#[tokio::test]
async fn a_receipt_that_says_something_else_than_the_log_is_found() {
    let directory = Directory::new();
    let store = store().await;
    accept(&store, 0, SEAL_EVERY).await;
    let mut replica = Replica::new(&store, &directory.0);
    replica.catch_up().await;
    let case = case(5);
    let (entry, proof) = replica.record.prove_accepted(case.id, case.accepted_at).unwrap();
    let right = Receipt::of(&"main".parse().unwrap(), &case);
    let second = std::time::Duration::from_secs(1);
    let mut wrong = [0; 6].map(|_| right.clone());
    wrong[0].desk = "other".parse().unwrap();
    wrong[1].authority = "authority-9".parse().unwrap();
    wrong[2].accepted_at = right.accepted_at + second;
    wrong[3].request_sha256 = [1; 32];
    wrong[4].target_at = right.target_at + second;
    wrong[5].limit_at = right.limit_at + second;
    let fields = ["desk", "authority", "accepted_at", "request_sha256", "target_at", "limit_at"];
    for (receipt, field) in wrong.iter().zip(fields) {
        let note = receipt.sign(&signer());
        let told = check_receipt(&note, &entry.json, &proof.render(), &keys()).unwrap_err();
        assert_eq!(told.to_string(), format!("entry: its {field} is not that of the receipt"));
    }
}
