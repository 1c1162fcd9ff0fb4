//! A stored answer.

use std::time::Duration;

use super::case::WHAT;
use super::field;
use crate::core::time::millis;
use crate::core::{
    FirstResponse, FirstResponseKind, RedirectTarget, RefusalReason, RequestDigest, Timestamp,
};
use crate::store::Unreadable;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StoredResponse {
    #[prost(message, optional, tag = "1")]
    kind: Option<StoredKind>,
    #[prost(uint64, tag = "2")]
    at_ms: u64,
    #[prost(string, tag = "3")]
    by: String,
    #[prost(bool, tag = "4")]
    is_claim_lost: bool,
    #[prost(bytes = "vec", optional, tag = "5")]
    digest: Option<Vec<u8>>,
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

pub(super) fn encode_response(response: &FirstResponse) -> StoredResponse {
    StoredResponse {
        kind: Some(StoredKind::encode(response.kind)),
        at_ms: response.at.as_millis(),
        by: response.by.to_string(),
        is_claim_lost: response.is_claim_lost,
        digest: response.digest.map(|digest| digest.0.to_vec()),
    }
}

pub(super) fn decode_response(stored: StoredResponse) -> Result<FirstResponse, Unreadable> {
    let kind = stored.kind.and_then(|kind| kind.decode());
    Ok(FirstResponse {
        kind: field(WHAT, "first_response.kind", kind)?,
        at: Timestamp::from_millis(stored.at_ms),
        by: field(WHAT, "first_response.by", stored.by.parse().ok())?,
        is_claim_lost: stored.is_claim_lost,
        digest: match stored.digest {
            Some(digest) => Some(field(WHAT, "first_response.digest", digest.try_into().ok())?),
            None => None,
        }
        .map(RequestDigest),
    })
}
