//! What is checked of a request, and how it is told.

use urgence::core::intake::{Choice, Code, Moment, Submission, TargetType};
use urgence::core::{
    DataCategory, Instrument, Intake, Nature, Protection, RequestDigest, Timestamp,
};

use crate::make::{ask_for, fingerprint, submission};

fn valid() -> Submission {
    submission("fr-pnij", "2026-000417", Nature::MissingChild)
}

fn violations(submission: &Submission) -> Vec<(String, Code)> {
    let parsed = Intake::parse(submission, RequestDigest([0; 32]), fingerprint);
    let violations = parsed.err().unwrap_or_default();
    assert!(violations.iter().all(|violation| violation.how_to_fix.len() > 10));
    violations.into_iter().map(|violation| (violation.field, violation.code)).collect()
}

#[track_caller]
fn check(edit: impl FnOnce(&mut Submission), field: &str, code: Code) {
    let mut edited = valid();
    edit(&mut edited);
    assert_eq!(violations(&edited), [(field.to_owned(), code)]);
}

#[test]
fn a_valid_request_gives_the_facts_that_a_case_needs() {
    let intake = Intake::parse(&valid(), RequestDigest([7; 32]), fingerprint).unwrap();
    assert_eq!(intake.authority.as_str(), "fr-pnij");
    assert_eq!((intake.nature, intake.digest), (Nature::MissingChild, RequestDigest([7; 32])));
}

#[test]
fn what_decisions_read_of_a_request_is_taken_from_it_and_nothing_else() {
    let parse = |submission: &Submission| {
        Intake::parse(submission, RequestDigest([7; 32]), fingerprint).unwrap()
    };
    let plain = parse(&valid());
    assert_eq!(plain.facts.country.as_str(), "FR");
    assert_eq!(plain.facts.instrument, Instrument::EmergencyRequest, "unless another is named");
    assert_eq!(plain.facts.categories, [DataCategory::Subscriber].into());
    assert!(plain.facts.protections.is_empty() && plain.facts.incident_tag.is_none());
    assert_eq!((plain.non_disclosure_until, plain.incident), (None, None));
    assert!(!plain.is_without_validation && !plain.is_preservation_requested);

    let mut full = valid();
    ask_for(&mut full, &[DataCategory::Content, DataCategory::Traffic]);
    full.instrument = Choice::Known(Instrument::ProductionOrder);
    full.targets[0].protection = Choice::Known(Protection::Press);
    full.is_without_validation = true;
    full.preservation.is_requested = true;
    full.incident_reference = " Paris  2026 ".to_owned();
    full.non_disclosure.until = Some(Moment { seconds: 2_000_000_000, nanos: 999 });
    assert_eq!(parse(&full).non_disclosure_until, None, "it is not asked for");
    full.non_disclosure.is_requested = true;
    full.non_disclosure.legal_basis = "Code".to_owned();
    let intake = parse(&full);
    assert_eq!(intake.facts.categories, [DataCategory::Traffic, DataCategory::Content].into());
    assert_eq!(intake.facts.instrument, Instrument::ProductionOrder);
    assert_eq!(intake.facts.protections, [Protection::Press].into());
    assert_eq!(intake.facts.incident_tag, Some(fingerprint("incident paris 2026")));
    let until = Timestamp::from_millis(2_000_000_000_000);
    assert_eq!(intake.non_disclosure_until, Some(until));
    assert!(intake.is_without_validation && intake.is_preservation_requested);
    // An instant before there was such a thing is none that could be waited for.
    full.non_disclosure.until = Some(Moment { seconds: -1, nanos: 0 });
    assert_eq!(parse(&full).non_disclosure_until, Some(Timestamp::from_millis(0)));
}

#[test]
fn an_empty_request_is_told_everything_at_once() {
    let found = violations(&Submission::default());
    assert_eq!(found.len(), 12);
    assert!(found.iter().all(|(_, code)| *code == Code::Required), "{found:?}");
}

#[test]
fn names_and_texts_are_checked() {
    check(|s| s.request_id.clear(), "request_id", Code::Required);
    check(|s| s.request_id = "a b".to_owned(), "request_id", Code::BadFormat);
    check(|s| s.request_id = "x".repeat(129), "request_id", Code::BadFormat);
    let field = "request.requester.authority";
    check(|s| s.requester.authority = "FR{x}".to_owned(), field, Code::BadFormat);
    let field = "request.emergency.description";
    check(|s| s.emergency.description = "é".repeat(20_001), field, Code::TooLong);
    check(|s| s.emergency.description = "a\u{1b}[31m".to_owned(), field, Code::ControlCharacter);
    check(|s| s.emergency.description = " \n ".to_owned(), field, Code::Required);
    // The limit counts characters; any script and line breaks are welcome.
    let mut long = valid();
    long.emergency.description = "事\n".repeat(10_000);
    assert_eq!(violations(&long), []);
}

#[test]
fn codes_and_contacts_are_checked() {
    let field = "request.requester.country";
    check(|s| s.requester.country = "XX".to_owned(), field, Code::BadFormat);
    check(|s| s.requester.country = "fr".to_owned(), field, Code::BadFormat);
    check(|s| s.language = "FR".to_owned(), "request.language", Code::BadFormat);
    let field = "request.emergency.danger_country";
    check(|s| s.emergency.danger_country = "UK".to_owned(), field, Code::BadFormat);
    let field = "request.requester.official_email";
    check(|s| s.requester.official_email = "nobody".to_owned(), field, Code::BadFormat);
    let field = "request.requester.desk_phone";
    check(|s| s.requester.desk_phone = "0123".to_owned(), field, Code::BadFormat);
}

#[test]
fn the_nature_decides_what_else_is_needed() {
    check(|s| s.emergency.nature = Choice::Missing, "request.emergency.nature", Code::Required);
    check(|s| s.emergency.nature = Choice::Unknown, "request.emergency.nature", Code::UnknownValue);
    let field = "request.emergency.why_data_prevents_harm";
    check(|s| s.emergency.why_data_prevents_harm.clear(), field, Code::Required);
    let mut routine = submission("fr-pnij", "1", Nature::Routine);
    routine.emergency.why_data_prevents_harm.clear();
    assert_eq!(violations(&routine), []);
}

#[test]
fn targets_are_checked_by_their_type() {
    check(|s| s.targets.clear(), "request.targets", Code::Required);
    check(|s| s.targets = vec![s.targets[0].clone(); 101], "request.targets", Code::TooMany);
    let value = "request.targets[0].value";
    for (kind, bad) in [
        (TargetType::Email, "nobody"),
        (TargetType::Phone, "0612"),
        (TargetType::Url, "example.org"),
        (TargetType::Imei, "490154203237519"),
        (TargetType::Imsi, "12"),
    ] {
        let edit = |s: &mut Submission| {
            s.targets[0].kind = Choice::Known(kind);
            s.targets[0].value = bad.to_owned();
        };
        check(edit, value, Code::BadFormat);
    }
    let edit = |s: &mut Submission| s.targets[0].kind = Choice::Known(TargetType::Other);
    check(edit, "request.targets[0].notes", Code::Required);
}

#[test]
fn an_ip_address_needs_its_port_and_its_time() {
    let mut edited = valid();
    edited.targets[0].kind = Choice::Known(TargetType::IpAddress);
    edited.targets[0].value = "2001:db8::7".to_owned();
    let path = |name: &str| format!("request.targets[0].{name}");
    assert_eq!(
        violations(&edited),
        [(path("observed_at"), Code::Required), (path("port"), Code::Required)]
    );
    edited.targets[0].port = 65_536;
    edited.targets[0].observed_at = vec![Moment { seconds: i64::MAX, nanos: 0 }];
    assert_eq!(
        violations(&edited),
        [(path("observed_at[0]"), Code::OutOfRange), (path("port"), Code::OutOfRange)]
    );
    edited.targets[0].port = 443;
    edited.targets[0].observed_at = vec![Moment { seconds: 1_767_782_525, nanos: 0 }];
    assert_eq!(violations(&edited), []);
}

#[test]
fn fields_that_contradict_each_other_are_told() {
    let edit = |s: &mut Submission| {
        s.data.from = Some(Moment { seconds: 2, nanos: 0 });
        s.data.to = Some(Moment { seconds: 1, nanos: 0 });
    };
    check(edit, "request.data.to", Code::Contradiction);
    let edit = |s: &mut Submission| s.data.categories.push(Choice::Known(DataCategory::Content));
    check(edit, "request.data.justifications", Code::Required);
    let edit = |s: &mut Submission| {
        s.non_disclosure.is_requested = true;
        s.non_disclosure.legal_basis = "Code".to_owned();
    };
    check(edit, "request.non_disclosure.until", Code::Required);
    let edit = |s: &mut Submission| s.emergency.person_at_risk.is_known = true;
    check(edit, "request.emergency.person_at_risk.name", Code::Required);
    let edit =
        |s: &mut Submission| s.emergency.person_at_risk.date_of_birth = "30.06.2015".to_owned();
    check(edit, "request.emergency.person_at_risk.date_of_birth", Code::BadFormat);
}

#[test]
fn no_violation_repeats_what_was_sent() {
    let mut edited = valid();
    let canary = "canary-7f3a";
    edited.request_id = format!("{canary} ");
    edited.requester.official_email = canary.to_owned();
    edited.requester.desk_phone = canary.to_owned();
    edited.targets[0].kind = Choice::Known(TargetType::Imei);
    edited.targets[0].value = canary.to_owned();
    let found = Intake::parse(&edited, RequestDigest([0; 32]), fingerprint).unwrap_err();
    assert_eq!(found.len(), 4);
    assert!(found.iter().all(|violation| !format!("{violation:?}").contains(canary)));
}
