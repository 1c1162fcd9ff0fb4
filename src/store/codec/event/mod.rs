//! A stored event: `kind` says which of the fields it uses. Words are the core's own.

mod decode;
mod encode;

use super::answer::StoredKind;

pub(super) use decode::decode_event;
pub(super) use encode::encode_event;

/// One event: `kind` says which of the fields below it uses.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StoredEvent {
    #[prost(enumeration = "Kind", tag = "1")]
    kind: i32,
    #[prost(string, tag = "2")]
    nature: String,
    #[prost(uint32, tag = "3")]
    band: u32,
    #[prost(uint64, tag = "4")]
    target_ms: u64,
    #[prost(uint64, tag = "5")]
    limit_ms: u64,
    #[prost(string, tag = "6")]
    clock: String,
    #[prost(uint32, tag = "7")]
    cycle: u32,
    #[prost(uint64, tag = "8")]
    offset_ms: u64,
    #[prost(uint64, tag = "9")]
    due_ms: u64,
    #[prost(uint32, tag = "10")]
    count: u32,
    #[prost(uint64, tag = "11")]
    spacing_ms: u64,
    #[prost(uint64, tag = "12")]
    lateness_ms: u64,
    #[prost(string, tag = "13")]
    mark: String,
    #[prost(string, repeated, tag = "14")]
    contacts: Vec<String>,
    #[prost(string, tag = "15")]
    cause: String,
    #[prost(string, tag = "16")]
    by: String,
    #[prost(uint64, tag = "17")]
    epoch: u64,
    #[prost(uint64, tag = "18")]
    expires_ms: u64,
    #[prost(uint64, tag = "19")]
    waited_ms: u64,
    #[prost(bool, tag = "20")]
    is_unanswered: bool,
    #[prost(message, optional, tag = "21")]
    response: Option<StoredKind>,
    #[prost(bool, tag = "22")]
    is_claim_lost: bool,
    #[prost(string, tag = "23")]
    punctuality: String,
    /// A word of the event's own list: a reason, a settlement, a stance, an outcome.
    #[prost(string, tag = "24")]
    word: String,
    #[prost(uint32, tag = "25")]
    number: u32,
    /// Words of a list: categories of data, or risks.
    #[prost(string, repeated, tag = "26")]
    categories: Vec<String>,
    #[prost(uint32, tag = "27")]
    items: u32,
    #[prost(uint64, tag = "28")]
    bytes: u64,
    /// A name of the registry or of an incident.
    #[prost(string, tag = "29")]
    name: String,
    #[prost(string, repeated, tag = "30")]
    cases: Vec<String>,
    #[prost(uint64, optional, tag = "31")]
    duration_ms: Option<u64>,
    #[prost(bool, tag = "32")]
    is_so: bool,
    /// The other person: to whom, or who proposed it.
    #[prost(string, tag = "33")]
    other: String,
    #[prost(string, tag = "34")]
    protection: String,
    #[prost(string, tag = "35")]
    page_key: String,
    #[prost(uint64, tag = "36")]
    sent_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(super) enum Kind {
    Unspecified = 0,
    Accepted = 1,
    RungFired = 2,
    RungQuieted = 3,
    Paged = 4,
    Claimed = 5,
    ClaimRenewed = 6,
    ClaimReleased = 7,
    ClaimLost = 8,
    Responded = 9,
    ClockStarted = 10,
    ClockStopped = 11,
    ClockPaused = 12,
    ClockResumed = 13,
    ClockExtended = 14,
    ClockSettled = 15,
    HandedOver = 16,
    Updated = 17,
    Asked = 18,
    InformationProvided = 19,
    Reclassified = 20,
    LoweringProposed = 21,
    Verified = 22,
    ConflictRecorded = 23,
    LikelyDuplicatesFound = 24,
    DuplicateLinked = 25,
    OutcomeProposed = 26,
    OutcomeApproved = 27,
    Disclosed = 28,
    DeliveryConfirmed = 29,
    WithdrawalRequested = 30,
    Ended = 31,
    PreservationRequested = 32,
    PageAcknowledged = 33,
    LegalHoldSet = 34,
    IncidentJoined = 35,
    IncidentLeft = 36,
    Purged = 37,
    PagedFromMemory = 38,
    PageAnswered = 39,
    PagesClosed = 40,
    RisksSeen = 41,
    AuthoritySuspended = 42,
    ClockRaised = 43,
    WithdrawalDeclined = 44,
}
