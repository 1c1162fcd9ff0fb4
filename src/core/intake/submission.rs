//! A request as it was sent, before anything in it is believed. The fields are those of
//! `urgence.v1.EmergencyRequest`, whose comments are their manual.
#![expect(missing_docs, reason = "each field is documented at its namesake in the proto")]

use std::fmt;

use crate::core::data::{DataCategory, Instrument, Protection};
use crate::core::nature::Nature;

/// A value of a closed list, as it arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice<T> {
    #[default]
    Missing,
    Unknown,
    Known(T),
}

impl<T: Copy> Choice<T> {
    /// The value, if it is a known one.
    #[must_use]
    pub const fn known(self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Missing | Self::Unknown => None,
        }
    }
}

/// An instant as it arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    pub seconds: i64,
    pub nanos: i32,
}

#[derive(Clone, Default)]
pub struct Submission {
    pub request_id: String,
    pub requester: Requester,
    pub emergency: Emergency,
    pub targets: Vec<Target>,
    pub data: DataScope,
    pub delivery: Delivery,
    pub legal_basis: String,
    pub instrument_reference: String,
    pub incident_reference: String,
    pub channel: String,
    pub language: String,
    pub desired_response_at: Option<Moment>,
    pub non_disclosure: NonDisclosure,
    pub preservation: Preservation,
    pub documents: Vec<Document>,
    pub instrument: Choice<Instrument>,
    pub is_without_validation: bool,
}

#[derive(Clone, Default)]
pub struct Requester {
    pub authority: String,
    pub agency_name: String,
    pub unit: String,
    pub country: String,
    pub postal_address: String,
    pub officer_name: String,
    pub rank: String,
    pub badge_number: String,
    pub official_email: String,
    pub desk_phone: String,
    pub desk_phone_extension: String,
    pub callback_phone_id: String,
    pub supervisor_name: String,
    pub supervisor_phone: String,
    pub case_number: String,
    pub attestation: Option<Attestation>,
}

#[derive(Clone, Default)]
pub struct Attestation {
    pub text_version: String,
    pub signed_at: Option<Moment>,
    pub method: String,
}

#[derive(Clone, Default)]
pub struct Emergency {
    pub nature: Choice<Nature>,
    pub description: String,
    pub person_at_risk: PersonAtRisk,
    pub imminence: Choice<Imminence>,
    pub imminent_at: Option<Moment>,
    pub danger_location: String,
    pub danger_country: String,
    pub why_no_ordinary_process: String,
    pub why_data_prevents_harm: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imminence {
    Now,
    Hours,
    Days,
    Unknown,
}

#[derive(Clone, Default)]
pub struct PersonAtRisk {
    pub is_known: bool,
    pub name: String,
    pub date_of_birth: String,
    pub relationship: String,
}

#[derive(Clone, Default)]
pub struct Target {
    pub kind: Choice<TargetType>,
    pub value: String,
    pub platform_url: String,
    pub observed_at: Vec<Moment>,
    pub port: u32,
    pub notes: String,
    pub protection: Choice<Protection>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TargetType {
    Email,
    Phone,
    Username,
    AccountId,
    Url,
    IpAddress,
    Imei,
    Imsi,
    DeviceSerial,
    PaymentId,
    OrderId,
    Other,
}

#[derive(Clone, Default)]
pub struct DataScope {
    pub categories: Vec<Choice<DataCategory>>,
    pub subtypes: Vec<String>,
    pub from: Option<Moment>,
    pub to: Option<Moment>,
    pub specific_items: Vec<String>,
    pub justifications: Vec<Justification>,
}

#[derive(Clone, Default)]
pub struct Justification {
    pub category: Choice<DataCategory>,
    pub reason: String,
}

#[derive(Clone, Default)]
pub struct Delivery {
    pub format: String,
    pub recipient_key_id: String,
    pub destination_id: String,
}

#[derive(Clone, Default)]
pub struct NonDisclosure {
    pub is_requested: bool,
    pub legal_basis: String,
    pub until: Option<Moment>,
}

#[derive(Clone, Default)]
pub struct Preservation {
    pub is_requested: bool,
    pub until: Option<Moment>,
}

#[derive(Clone, Default)]
pub struct Document {
    pub sha256: String,
    pub media_type: String,
    pub size_bytes: u64,
    pub kind: Choice<DocumentKind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentKind {
    Letterhead,
    Order,
    Translation,
    Other,
}

/// A person at the desk, as a responder names them in a first response.
#[derive(Clone, Default)]
pub struct Contact {
    pub name: String,
    pub phone: String,
    pub email: String,
}

macro_rules! never_printed {
    ($($part:ident),+ $(,)?) => {$(
        impl fmt::Debug for $part {
            /// Content is never printed.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($part))
            }
        }
    )+};
}

never_printed!(
    Submission,
    Requester,
    Attestation,
    Emergency,
    PersonAtRisk,
    Target,
    DataScope,
    Justification,
    Delivery,
    NonDisclosure,
    Preservation,
    Document,
    Contact,
);
