//! The rules of each field, in the order of the message.

use super::checks::{Checks, Code};
use super::codes;
use super::formats;
use super::submission::{
    Choice, Contact, DataScope, Document, Emergency, Requester, Submission, Target, TargetType,
};
use crate::core::data::DataCategory;
use crate::core::names::{AuthorityId, Country};
use crate::core::nature::{Class, Nature};

/// A name, a reference, a title.
const SHORT: usize = 200;
/// An id or code of somebody's system.
const ID: usize = 100;
/// A paragraph, an address.
const PARAGRAPH: usize = 500;
/// An explanation.
const PAGE: usize = 5_000;
/// The narrative: about ten typed pages.
const NARRATIVE: usize = 20_000;

const PHONE: &str = "send it in E.164: a plus sign, country code and number, such as +33123456789";
const EMAIL: &str = "send an e-mail address, such as officer@police.example";
const COUNTRY: &str = "send the ISO 3166-1 alpha-2 code in capitals, such as FR";
const SHA256: &str = "send the file's SHA-256 as 64 hexadecimal digits";
const URL: &str = "send an http or https URL, such as https://example.org/profile/1";

/// Checks the request; who asks, from where and about what, if that is there.
pub(super) fn check(
    checks: &mut Checks,
    sent: &Submission,
) -> Option<(AuthorityId, Country, Nature)> {
    let requester = requester(checks, &sent.requester);
    let nature = emergency(checks, &sent.emergency);
    if sent.targets.is_empty() {
        checks.required("request.targets");
    }
    for (index, sent) in checks.bounded("request.targets", &sent.targets, 100).iter().enumerate() {
        target(checks, &format!("request.targets[{index}]"), sent);
    }
    data(checks, &sent.data);
    let delivery = &sent.delivery;
    checks.optional_text("request.delivery.format", &delivery.format, ID);
    checks.optional_text("request.delivery.recipient_key_id", &delivery.recipient_key_id, ID);
    checks.optional_text("request.delivery.destination_id", &delivery.destination_id, ID);
    checks.required_text("request.legal_basis", &sent.legal_basis, PARAGRAPH);
    checks.optional_choice("request.instrument", sent.instrument);
    checks.optional_text("request.instrument_reference", &sent.instrument_reference, SHORT);
    checks.optional_text("request.incident_reference", &sent.incident_reference, SHORT);
    checks.optional_text("request.channel", &sent.channel, SHORT);
    checks.optional_format(
        "request.language",
        &sent.language,
        codes::is_language,
        "send the ISO 639-1 code in small letters, such as fr",
    );
    checks.optional_moment("request.desired_response_at", sent.desired_response_at);
    limits(checks, sent);
    let documents = checks.bounded("request.documents", &sent.documents, 50);
    for (index, sent) in documents.iter().enumerate() {
        document(checks, &format!("request.documents[{index}]"), sent);
    }
    let (authority, country) = requester?;
    Some((authority, country, nature?))
}

fn requester(checks: &mut Checks, sent: &Requester) -> Option<(AuthorityId, Country)> {
    let field = |name: &str| format!("request.requester.{name}");
    let authority = checks.name(&field("authority"), &sent.authority);
    checks.optional_text(&field("agency_name"), &sent.agency_name, SHORT);
    checks.optional_text(&field("unit"), &sent.unit, SHORT);
    checks.required_format(&field("country"), &sent.country, codes::is_country, COUNTRY);
    checks.optional_text(&field("postal_address"), &sent.postal_address, PARAGRAPH);
    checks.required_text(&field("officer_name"), &sent.officer_name, SHORT);
    checks.optional_text(&field("rank"), &sent.rank, SHORT);
    checks.optional_text(&field("badge_number"), &sent.badge_number, ID);
    checks.required_format(
        &field("official_email"),
        &sent.official_email,
        formats::is_email,
        EMAIL,
    );
    checks.required_format(&field("desk_phone"), &sent.desk_phone, formats::is_phone, PHONE);
    checks.optional_format(
        &field("desk_phone_extension"),
        &sent.desk_phone_extension,
        formats::is_extension,
        "send up to 10 digits",
    );
    checks.optional_text(&field("callback_phone_id"), &sent.callback_phone_id, ID);
    checks.optional_text(&field("supervisor_name"), &sent.supervisor_name, SHORT);
    checks.optional_format(
        &field("supervisor_phone"),
        &sent.supervisor_phone,
        formats::is_phone,
        PHONE,
    );
    checks.required_text(&field("case_number"), &sent.case_number, SHORT);
    if let Some(attestation) = &sent.attestation {
        let field = |name: &str| format!("request.requester.attestation.{name}");
        checks.required_text(&field("text_version"), &attestation.text_version, ID);
        checks.required_moment(&field("signed_at"), attestation.signed_at);
        checks.optional_text(&field("method"), &attestation.method, ID);
    }
    authority.zip(sent.country.parse().ok())
}

fn emergency(checks: &mut Checks, sent: &Emergency) -> Option<Nature> {
    let field = |name: &str| format!("request.emergency.{name}");
    let nature = checks.required_choice(&field("nature"), sent.nature);
    checks.required_text(&field("description"), &sent.description, NARRATIVE);
    let person = &sent.person_at_risk;
    if person.is_known && person.name.trim().is_empty() {
        checks.required(&field("person_at_risk.name"));
    }
    checks.optional_text(&field("person_at_risk.name"), &person.name, SHORT);
    checks.optional_format(
        &field("person_at_risk.date_of_birth"),
        &person.date_of_birth,
        formats::is_date,
        "send a day of the calendar as YYYY-MM-DD, such as 2015-06-30",
    );
    checks.optional_text(&field("person_at_risk.relationship"), &person.relationship, SHORT);
    checks.optional_choice(&field("imminence"), sent.imminence);
    checks.optional_moment(&field("imminent_at"), sent.imminent_at);
    checks.optional_text(&field("danger_location"), &sent.danger_location, PARAGRAPH);
    checks.optional_format(
        &field("danger_country"),
        &sent.danger_country,
        codes::is_country,
        COUNTRY,
    );
    checks.optional_text(&field("why_no_ordinary_process"), &sent.why_no_ordinary_process, PAGE);
    let why = &sent.why_data_prevents_harm;
    if nature.is_some_and(|nature| nature.class() == Class::Emergency) {
        checks.required_text(&field("why_data_prevents_harm"), why, PAGE);
    } else {
        checks.optional_text(&field("why_data_prevents_harm"), why, PAGE);
    }
    nature
}

fn target(checks: &mut Checks, path: &str, sent: &Target) {
    let field = |name: &str| format!("{path}.{name}");
    let kind = checks.required_choice(&field("type"), sent.kind);
    let value = field("value");
    let chars_max = if kind == Some(TargetType::Url) { 2_048 } else { 512 };
    checks.required_text(&value, &sent.value, chars_max);
    type Form = (fn(&str) -> bool, &'static str);
    let form: Option<Form> = kind.and_then(|kind| match kind {
        TargetType::Email => Some((formats::is_email as fn(&str) -> bool, EMAIL)),
        TargetType::Phone => Some((formats::is_phone, PHONE)),
        TargetType::Url => Some((formats::is_url, URL)),
        TargetType::IpAddress => Some((
            formats::is_ip_address,
            "send an IPv4 or IPv6 address; the port has its own field",
        )),
        TargetType::Imei => {
            Some((formats::is_imei, "send 15 digits; the last one does not check the others"))
        }
        TargetType::Imsi => Some((formats::is_imsi, "send 14 or 15 digits")),
        TargetType::Username
        | TargetType::AccountId
        | TargetType::DeviceSerial
        | TargetType::PaymentId
        | TargetType::OrderId
        | TargetType::Other => None,
    });
    if let Some((is_good, how_to_fix)) = form {
        checks.optional_format(&value, &sent.value, is_good, how_to_fix);
    }
    checks.optional_text(&field("platform_url"), &sent.platform_url, 2_048);
    checks.optional_format(&field("platform_url"), &sent.platform_url, formats::is_url, URL);
    let moments = checks.bounded(&field("observed_at"), &sent.observed_at, 50);
    for (index, moment) in moments.iter().enumerate() {
        checks.optional_moment(&field(&format!("observed_at[{index}]")), Some(*moment));
    }
    if kind == Some(TargetType::IpAddress) {
        if sent.observed_at.is_empty() {
            checks.required(&field("observed_at"));
        }
        if sent.port == 0 {
            checks.required(&field("port"));
        }
    }
    if sent.port > u32::from(u16::MAX) {
        checks.violation(field("port"), Code::OutOfRange, "send a port from 1 to 65535");
    }
    checks.optional_text(&field("notes"), &sent.notes, 2_000);
    checks.optional_choice(&field("protection"), sent.protection);
    if kind == Some(TargetType::Other) && sent.notes.trim().is_empty() {
        checks.required(&field("notes"));
    }
}

fn data(checks: &mut Checks, sent: &DataScope) {
    let field = |name: &str| format!("request.data.{name}");
    if sent.categories.is_empty() {
        checks.required(&field("categories"));
    }
    let categories = checks.bounded(&field("categories"), &sent.categories, 20);
    for (index, category) in categories.iter().enumerate() {
        checks.required_choice(&field(&format!("categories[{index}]")), *category);
    }
    for (index, text) in checks.bounded(&field("subtypes"), &sent.subtypes, 50).iter().enumerate() {
        checks.required_text(&field(&format!("subtypes[{index}]")), text, SHORT);
    }
    checks.optional_moment(&field("from"), sent.from);
    checks.optional_moment(&field("to"), sent.to);
    if sent.from.zip(sent.to).is_some_and(|(from, to)| from > to) {
        let fix = "the period ends before it starts; set to on or after from";
        checks.violation(field("to"), Code::Contradiction, fix);
    }
    for (index, text) in
        checks.bounded(&field("specific_items"), &sent.specific_items, 100).iter().enumerate()
    {
        checks.required_text(&field(&format!("specific_items[{index}]")), text, PARAGRAPH);
    }
    let justifications = checks.bounded(&field("justifications"), &sent.justifications, 20);
    for (index, justification) in justifications.iter().enumerate() {
        let path = field(&format!("justifications[{index}]"));
        checks.required_choice(&format!("{path}.category"), justification.category);
        checks.required_text(&format!("{path}.reason"), &justification.reason, PAGE);
        if !sent.categories.contains(&justification.category) {
            let fix = "justify a category that is asked for, or ask for this one";
            checks.violation(format!("{path}.category"), Code::Contradiction, fix);
        }
    }
    let content = Choice::Known(DataCategory::Content);
    let is_justified = sent.justifications.iter().any(|sent| sent.category == content);
    if sent.categories.contains(&content) && !is_justified {
        let fix = "content is the most intrusive data; say in justifications why it is needed";
        checks.violation(field("justifications"), Code::Required, fix);
    }
}

fn limits(checks: &mut Checks, sent: &Submission) {
    let path = "request.non_disclosure";
    checks.optional_text(
        &format!("{path}.legal_basis"),
        &sent.non_disclosure.legal_basis,
        PARAGRAPH,
    );
    checks.optional_moment(&format!("{path}.until"), sent.non_disclosure.until);
    if sent.non_disclosure.is_requested {
        if sent.non_disclosure.legal_basis.trim().is_empty() {
            checks.required(&format!("{path}.legal_basis"));
        }
        if sent.non_disclosure.until.is_none() {
            checks.required(&format!("{path}.until"));
        }
    }
    checks.optional_moment("request.preservation.until", sent.preservation.until);
}

fn document(checks: &mut Checks, path: &str, sent: &Document) {
    let field = |name: &str| format!("{path}.{name}");
    checks.required_format(&field("sha256"), &sent.sha256, formats::is_sha256, SHA256);
    checks.required_format(
        &field("media_type"),
        &sent.media_type,
        formats::is_media_type,
        "send the media type as type/subtype, such as application/pdf",
    );
    if sent.size_bytes == 0 {
        checks.required(&field("size_bytes"));
    }
    checks.required_choice(&field("kind"), sent.kind);
}

/// Checks the person whom a first response names.
pub fn check_contact(checks: &mut Checks, path: &str, contact: &Contact) {
    let field = |name: &str| format!("{path}.{name}");
    checks.required_text(&field("name"), &contact.name, SHORT);
    checks.optional_format(&field("phone"), &contact.phone, formats::is_phone, PHONE);
    checks.optional_format(&field("email"), &contact.email, formats::is_email, EMAIL);
    if contact.phone.is_empty() && contact.email.is_empty() {
        checks.violation(field("phone"), Code::Required, "give a phone or an e-mail address");
    }
}

/// Checks a text of a responder that must be there.
pub fn check_text(checks: &mut Checks, field: &str, text: &str, chars_max: usize) {
    checks.required_text(field, text, chars_max);
}

/// Checks a text of a responder that may be left out.
pub fn check_optional_text(checks: &mut Checks, field: &str, text: &str, chars_max: usize) {
    checks.optional_text(field, text, chars_max);
}

/// Checks a digest that must be there.
pub fn check_sha256(checks: &mut Checks, field: &str, text: &str) {
    checks.required_format(field, text, formats::is_sha256, SHA256);
}

/// Checks a country that must be there.
pub fn check_country(checks: &mut Checks, field: &str, text: &str) -> Option<Country> {
    checks.required_format(field, text, codes::is_country, COUNTRY);
    text.parse().ok()
}
