//! The authorities' side: the requests as their portals send them, and what the registry holds of
//! each authority.

use std::collections::BTreeSet;

use super::arrivals::Arrival;
use crate::core::authority::{CallbackNumber, RecipientKey};
use crate::core::intake::{
    Choice, DataScope, Emergency, Justification, Requester, Submission, Target, TargetType,
    incident_tag_input,
};
use crate::core::{
    Authority, Case, DataCategory, Fingerprint, Intake, KeyId, Nature, PhoneId, RequestDigest,
};

/// What the senders call the event.
const INCIDENT_REFERENCE: &str = "Attack";
/// The names under which the registry holds an authority's number and its key.
const SWITCHBOARD: &str = "switchboard";
const EVIDENCE_KEY: &str = "evidence";
const DESK_PHONE: &str = "+33123456789";

/// The request of this number as the desk takes it in.
pub(super) fn intake(arrival: &Arrival, number: usize) -> Intake {
    let submission = submission(arrival, number);
    let digest = RequestDigest::of("Submit", submission.request_id.as_bytes());
    Intake::parse(&submission, digest, fingerprint).expect("every field that must be there is")
}

/// The mark by which requests about the event are known.
pub(super) fn incident_tag() -> Option<Fingerprint> {
    incident_tag_input(INCIDENT_REFERENCE).map(|input| fingerprint(&input))
}

/// The number on which the authority of `case` is called back.
pub(super) fn callback_number(case: &Case) -> CallbackNumber {
    let (phone, _) = names();
    registered(case).callback_number(&phone).expect("it is registered")
}

/// The key that data for the authority of `case` is sealed to.
pub(super) fn recipient_key(case: &Case) -> RecipientKey {
    let (_, key) = names();
    registered(case).recipient_key(&key).expect("it is registered")
}

fn registered(case: &Case) -> Authority {
    let (phone, key) = names();
    Authority {
        id: case.authority.clone(),
        agency: case.authority.to_string(),
        unit: String::new(),
        country: case.facts.country.clone(),
        callback_numbers: [(phone, DESK_PHONE.to_owned())].into(),
        recipient_keys: [(key, [0; 32])].into(),
        natures: Nature::ALL.iter().copied().collect(),
        channels: BTreeSet::new(),
        valid_from: None,
        valid_until: None,
        rate: None,
    }
}

fn names() -> (PhoneId, KeyId) {
    let rule = "a word that follows the rule";
    (SWITCHBOARD.parse().expect(rule), EVIDENCE_KEY.parse().expect(rule))
}

/// Not a keyed one: nobody is behind these targets.
fn fingerprint(input: &str) -> Fingerprint {
    let digest = RequestDigest::of("fingerprint", input.as_bytes());
    let mut half = [0; 16];
    half.copy_from_slice(&digest.0[..16]);
    Fingerprint(half)
}

fn submission(arrival: &Arrival, number: usize) -> Submission {
    let truth = &arrival.truth;
    let requester = Requester {
        authority: truth.authority.to_owned(),
        // The name of each authority here begins with its country.
        country: truth.authority[..2].to_uppercase(),
        officer_name: "An officer".to_owned(),
        official_email: "officer@police.example".to_owned(),
        desk_phone: DESK_PHONE.to_owned(),
        case_number: format!("2016/{number}"),
        ..Requester::default()
    };
    let emergency = Emergency {
        nature: Choice::Known(arrival.nature),
        description: "A simulated emergency.".to_owned(),
        why_data_prevents_harm: "It is simulated.".to_owned(),
        ..Emergency::default()
    };
    let target = Target {
        kind: Choice::Known(TargetType::Username),
        value: format!("somebody-{number}"),
        ..Target::default()
    };
    let reference = if arrival.is_of_incident { INCIDENT_REFERENCE } else { "" };
    Submission {
        request_id: format!("simulated-{number}"),
        requester,
        emergency,
        targets: vec![target],
        data: data(&truth.categories),
        legal_basis: "The emergency itself".to_owned(),
        incident_reference: reference.to_owned(),
        ..Submission::default()
    }
}

fn data(categories: &BTreeSet<DataCategory>) -> DataScope {
    let content = DataCategory::Content;
    let justified = categories.contains(&content).then(|| Justification {
        category: Choice::Known(content),
        reason: "Nothing else says where the person is.".to_owned(),
    });
    DataScope {
        categories: categories.iter().copied().map(Choice::Known).collect(),
        justifications: justified.into_iter().collect(),
        ..DataScope::default()
    }
}
