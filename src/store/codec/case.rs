//! A stored case. Its id and version are the key and a field beside it.

use std::time::Duration;

use prost::Message as _;

use super::{check_format, field, unreadable};
use crate::core::memory::Remembered;
use crate::core::time::millis;
use crate::core::{
    Band, Case, CaseId, Claim, Clock, ClockKind, FirstResponse, FirstResponseKind, Memory, Nature,
    PolicyId, RedirectTarget, RefusalReason, RequestDigest, Timestamp,
};
use crate::store::Unreadable;

const FORMAT: u32 = 1;
const WHAT: &str = "case";

#[derive(Clone, PartialEq, prost::Message)]
struct StoredCase {
    #[prost(uint32, tag = "1")]
    format: u32,
    #[prost(string, tag = "2")]
    authority: String,
    #[prost(string, tag = "3")]
    nature: String,
    #[prost(uint32, tag = "4")]
    band: u32,
    #[prost(bytes, tag = "5")]
    policy: Vec<u8>,
    #[prost(bytes, tag = "6")]
    request_digest: Vec<u8>,
    #[prost(uint64, tag = "7")]
    accepted_ms: u64,
    #[prost(uint64, tag = "8")]
    last_event_ms: u64,
    #[prost(message, optional, tag = "9")]
    clock: Option<StoredClock>,
    #[prost(message, optional, tag = "10")]
    first_response: Option<StoredResponse>,
    #[prost(message, optional, tag = "11")]
    claim: Option<StoredClaim>,
    #[prost(uint64, tag = "12")]
    claim_epoch: u64,
    /// Entries of 32 bytes: key and digest.
    #[prost(bytes, tag = "13")]
    memory: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StoredClock {
    #[prost(string, tag = "1")]
    kind: String,
    #[prost(uint64, tag = "2")]
    started_ms: u64,
    #[prost(uint64, tag = "3")]
    target_ms: u64,
    #[prost(uint64, tag = "4")]
    limit_ms: u64,
    #[prost(uint32, tag = "5")]
    cycle: u32,
    #[prost(uint32, tag = "6")]
    next_rung: u32,
    #[prost(uint64, tag = "7")]
    next_due_ms: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StoredClaim {
    #[prost(string, tag = "1")]
    by: String,
    #[prost(uint64, tag = "2")]
    epoch: u64,
    #[prost(uint64, tag = "3")]
    granted_ms: u64,
    #[prost(uint64, tag = "4")]
    expires_ms: u64,
    #[prost(bool, tag = "5")]
    has_quieted: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StoredResponse {
    #[prost(message, optional, tag = "1")]
    kind: Option<StoredKind>,
    #[prost(uint64, tag = "2")]
    at_ms: u64,
    #[prost(string, tag = "3")]
    by: String,
    #[prost(bool, tag = "4")]
    is_claim_lost: bool,
}

/// What a first response says; also in the events.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StoredKind {
    #[prost(string, tag = "1")]
    word: String,
    #[prost(string, tag = "2")]
    detail: String,
    #[prost(uint64, tag = "3")]
    expected_within_ms: u64,
}

impl StoredKind {
    pub(super) fn encode(kind: FirstResponseKind) -> Self {
        let (detail, expected_within_ms) = match kind {
            FirstResponseKind::Refused(reason) => (reason.word(), 0),
            FirstResponseKind::Redirected(target) => (target.word(), 0),
            FirstResponseKind::InProgress { expected_within } => ("", millis(expected_within)),
            FirstResponseKind::AllData
            | FirstResponseKind::PartOfData
            | FirstResponseKind::NoData
            | FirstResponseKind::NeedInformation => ("", 0),
        };
        Self { word: kind.word().to_owned(), detail: detail.to_owned(), expected_within_ms }
    }

    pub(super) fn decode(&self) -> Option<FirstResponseKind> {
        Some(match self.word.as_str() {
            "all_data" => FirstResponseKind::AllData,
            "part_of_data" => FirstResponseKind::PartOfData,
            "no_data" => FirstResponseKind::NoData,
            "refused" => FirstResponseKind::Refused(RefusalReason::from_word(&self.detail)?),
            "redirected" => FirstResponseKind::Redirected(RedirectTarget::from_word(&self.detail)?),
            "need_information" => FirstResponseKind::NeedInformation,
            "in_progress" => FirstResponseKind::InProgress {
                expected_within: Duration::from_millis(self.expected_within_ms),
            },
            _ => return None,
        })
    }
}

/// The bytes of a case's state.
#[must_use]
pub fn encode_case(case: &Case) -> Vec<u8> {
    let clock = &case.clock;
    let remembered = case.memory.iter().flat_map(|act| act.key.iter().chain(&act.digest));
    StoredCase {
        format: FORMAT,
        authority: case.authority.to_string(),
        nature: case.nature.word().to_owned(),
        band: case.band.number().into(),
        policy: case.policy.0.to_vec(),
        request_digest: case.request_digest.0.to_vec(),
        accepted_ms: case.accepted_at.as_millis(),
        last_event_ms: case.last_event_at.as_millis(),
        clock: Some(StoredClock {
            kind: clock.kind.word().to_owned(),
            started_ms: clock.started_at.as_millis(),
            target_ms: clock.target_at.as_millis(),
            limit_ms: clock.limit_at.as_millis(),
            cycle: clock.cycle,
            next_rung: clock.next_rung,
            next_due_ms: clock.next_due_at.as_millis(),
        }),
        first_response: case.first_response.as_ref().map(|response| StoredResponse {
            kind: Some(StoredKind::encode(response.kind)),
            at_ms: response.at.as_millis(),
            by: response.by.to_string(),
            is_claim_lost: response.is_claim_lost,
        }),
        claim: case.claim.as_ref().map(|claim| StoredClaim {
            by: claim.by.to_string(),
            epoch: claim.epoch,
            granted_ms: claim.granted_at.as_millis(),
            expires_ms: claim.expires_at.as_millis(),
            has_quieted: claim.has_quieted,
        }),
        claim_epoch: case.claim_epoch,
        memory: remembered.copied().collect(),
    }
    .encode_to_vec()
}

/// Reads a case's state.
///
/// # Errors
/// The bytes are no case, or one of a format that this version does not know.
pub fn decode_case(id: CaseId, version: u64, bytes: &[u8]) -> Result<Case, Unreadable> {
    let stored = StoredCase::decode(bytes).map_err(|_| unreadable(WHAT, "not a message"))?;
    check_format(WHAT, stored.format, FORMAT)?;
    let clock = field(WHAT, "clock", stored.clock)?;
    let policy = field(WHAT, "policy", stored.policy.try_into().ok())?;
    let request_digest = field(WHAT, "request_digest", stored.request_digest.try_into().ok())?;
    Ok(Case {
        id,
        version,
        authority: field(WHAT, "authority", stored.authority.parse().ok())?,
        nature: field(WHAT, "nature", Nature::from_word(&stored.nature))?,
        band: field(WHAT, "band", u8::try_from(stored.band).ok().and_then(Band::new))?,
        policy: PolicyId(policy),
        request_digest: RequestDigest(request_digest),
        accepted_at: Timestamp::from_millis(stored.accepted_ms),
        last_event_at: Timestamp::from_millis(stored.last_event_ms),
        clock: Clock {
            kind: field(WHAT, "clock.kind", ClockKind::from_word(&clock.kind))?,
            started_at: Timestamp::from_millis(clock.started_ms),
            target_at: Timestamp::from_millis(clock.target_ms),
            limit_at: Timestamp::from_millis(clock.limit_ms),
            cycle: clock.cycle,
            next_rung: clock.next_rung,
            next_due_at: Timestamp::from_millis(clock.next_due_ms),
        },
        first_response: stored.first_response.map(decode_response).transpose()?,
        claim: stored.claim.as_ref().map(decode_claim).transpose()?,
        claim_epoch: stored.claim_epoch,
        memory: decode_memory(&stored.memory)?,
    })
}

fn decode_response(stored: StoredResponse) -> Result<FirstResponse, Unreadable> {
    let kind = stored.kind.and_then(|kind| kind.decode());
    Ok(FirstResponse {
        kind: field(WHAT, "first_response.kind", kind)?,
        at: Timestamp::from_millis(stored.at_ms),
        by: field(WHAT, "first_response.by", stored.by.parse().ok())?,
        is_claim_lost: stored.is_claim_lost,
    })
}

fn decode_claim(stored: &StoredClaim) -> Result<Claim, Unreadable> {
    Ok(Claim {
        by: field(WHAT, "claim.by", stored.by.parse().ok())?,
        epoch: stored.epoch,
        granted_at: Timestamp::from_millis(stored.granted_ms),
        expires_at: Timestamp::from_millis(stored.expires_ms),
        has_quieted: stored.has_quieted,
    })
}

fn decode_memory(bytes: &[u8]) -> Result<Memory, Unreadable> {
    let (entries, rest) = bytes.as_chunks::<32>();
    if !rest.is_empty() || entries.len() > Memory::ACTS_MAX {
        return Err(unreadable(WHAT, "the field memory has a length that cannot be"));
    }
    let entry = |bytes: &[u8; 32]| {
        let mut remembered = Remembered { key: [0; 16], digest: [0; 16] };
        remembered.key.copy_from_slice(&bytes[..16]);
        remembered.digest.copy_from_slice(&bytes[16..]);
        remembered
    };
    Ok(entries.iter().map(entry).collect())
}
