//! Stored proposals, disclosures and ends.

use std::time::Duration;

use super::case::WHAT;
use super::{field, unreadable};
use crate::core::authority::RecipientKey;
use crate::core::{
    AuthorityId, DataCategory, Disclosure, Disposition, Ended, Ending, FirstResponse,
    FirstResponseKind, Manifest, Outcome, Proposal, Proposed, RedirectTarget, RefusalReason,
    Timestamp,
};
use crate::store::Unreadable;

/// A case of format 1 said nothing of its retention.
const OLD_RETENTION: Duration = Duration::from_hours(365 * 24);

/// What becomes of one category: its word, what it is, and why or to whom.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StoredDisposition {
    #[prost(string, tag = "1")]
    category: String,
    #[prost(string, tag = "2")]
    word: String,
    #[prost(string, tag = "3")]
    detail: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StoredProposal {
    #[prost(uint32, tag = "1")]
    number: u32,
    #[prost(string, tag = "2")]
    by: String,
    #[prost(bool, tag = "3")]
    is_by_legal_reviewer: bool,
    #[prost(uint64, tag = "4")]
    at_ms: u64,
    #[prost(message, repeated, tag = "5")]
    dispositions: Vec<StoredDisposition>,
    #[prost(message, optional, tag = "6")]
    manifest: Option<StoredManifest>,
    /// The word of an end for the whole case; empty where categories are decided.
    #[prost(string, tag = "7")]
    ending: String,
    #[prost(string, tag = "8")]
    ending_detail: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StoredManifest {
    #[prost(uint32, tag = "1")]
    items: u32,
    #[prost(uint64, tag = "2")]
    bytes: u64,
    #[prost(bytes, tag = "3")]
    digest: Vec<u8>,
    #[prost(string, tag = "4")]
    recipient_key: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StoredDisclosure {
    #[prost(uint32, tag = "1")]
    number: u32,
    #[prost(uint64, tag = "2")]
    at_ms: u64,
    #[prost(string, tag = "3")]
    proposed_by: String,
    #[prost(string, tag = "4")]
    approved_by: String,
    #[prost(string, repeated, tag = "5")]
    categories: Vec<String>,
    #[prost(message, optional, tag = "6")]
    manifest: Option<StoredManifest>,
    #[prost(uint64, optional, tag = "7")]
    confirmed_ms: Option<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StoredEnded {
    #[prost(string, tag = "1")]
    outcome: String,
    #[prost(string, tag = "2")]
    refusal: String,
    #[prost(uint64, tag = "3")]
    at_ms: u64,
    #[prost(uint64, tag = "4")]
    purge_ms: u64,
    /// Absent where the version before has written it: as long as it was kept.
    #[prost(uint64, optional, tag = "5")]
    shown_ms: Option<u64>,
}

pub(super) fn encode_disposition(
    (category, disposition): (&DataCategory, &Disposition),
) -> StoredDisposition {
    let (word, detail) = match disposition {
        Disposition::Disclosed => ("disclosed", ""),
        Disposition::NotHeld => ("not_held", ""),
        Disposition::Refused(reason) => ("refused", reason.word()),
        Disposition::Redirected(target) => ("redirected", target.word()),
    };
    let category = category.word().to_owned();
    StoredDisposition { category, word: word.to_owned(), detail: detail.to_owned() }
}

pub(super) fn decode_disposition(
    stored: &StoredDisposition,
) -> Result<(DataCategory, Disposition), Unreadable> {
    let disposition = match stored.word.as_str() {
        "disclosed" => Some(Disposition::Disclosed),
        "not_held" => Some(Disposition::NotHeld),
        "refused" => RefusalReason::from_word(&stored.detail).map(Disposition::Refused),
        "redirected" => RedirectTarget::from_word(&stored.detail).map(Disposition::Redirected),
        _ => None,
    };
    let category = field(WHAT, "category", DataCategory::from_word(&stored.category))?;
    Ok((category, field(WHAT, "disposition", disposition)?))
}

pub(super) fn encode_proposal(proposal: &Proposal) -> StoredProposal {
    let (dispositions, manifest, ending) = match &proposal.proposed {
        Proposed::Categories { dispositions, manifest } => {
            (dispositions.iter().map(encode_disposition).collect(), manifest.as_ref(), None)
        }
        Proposed::Whole(ending) => (Vec::new(), None, Some(*ending)),
    };
    let ending_detail = match ending {
        Some(Ending::Rejected(reason)) => reason.word().to_owned(),
        Some(Ending::Redirected(target)) => target.word().to_owned(),
        Some(Ending::Duplicate(of)) => of.compact().to_owned(),
        Some(
            Ending::NoSuchAccount
            | Ending::ExpiredNoReply
            | Ending::FraudConfirmed
            | Ending::Transferred,
        )
        | None => String::new(),
    };
    StoredProposal {
        number: proposal.number,
        by: proposal.by.to_string(),
        is_by_legal_reviewer: proposal.is_by_legal_reviewer,
        at_ms: proposal.at.as_millis(),
        dispositions,
        manifest: manifest.map(|manifest| StoredManifest {
            items: manifest.items,
            bytes: manifest.bytes,
            digest: manifest.digest.to_vec(),
            recipient_key: manifest.recipient_key.id().to_string(),
        }),
        ending: ending.map_or("", |ending| ending.outcome().word()).to_owned(),
        ending_detail,
    }
}

pub(super) fn decode_proposal(
    stored: StoredProposal,
    authority: &AuthorityId,
) -> Result<Proposal, Unreadable> {
    let proposed = if stored.ending.is_empty() {
        let manifest = |stored: StoredManifest| {
            let id = field(WHAT, "recipient_key", stored.recipient_key.parse().ok())?;
            Ok(Manifest {
                items: stored.items,
                bytes: stored.bytes,
                digest: field(WHAT, "manifest.digest", stored.digest.try_into().ok())?,
                recipient_key: RecipientKey::proposed_before(authority.clone(), id),
            })
        };
        Proposed::Categories {
            dispositions: stored
                .dispositions
                .iter()
                .map(decode_disposition)
                .collect::<Result<_, _>>()?,
            manifest: stored.manifest.map(manifest).transpose()?,
        }
    } else {
        let ending = decode_ending(&stored.ending, &stored.ending_detail);
        Proposed::Whole(field(WHAT, "ending", ending)?)
    };
    Ok(Proposal {
        number: stored.number,
        by: field(WHAT, "proposal.by", stored.by.parse().ok())?,
        is_by_legal_reviewer: stored.is_by_legal_reviewer,
        at: Timestamp::from_millis(stored.at_ms),
        proposed,
    })
}

fn decode_ending(word: &str, detail: &str) -> Option<Ending> {
    Some(match Outcome::from_word(word)? {
        Outcome::NoSuchAccount => Ending::NoSuchAccount,
        Outcome::Rejected => Ending::Rejected(RefusalReason::from_word(detail)?),
        Outcome::Redirected => Ending::Redirected(RedirectTarget::from_word(detail)?),
        Outcome::Duplicate => Ending::Duplicate(detail.parse().ok()?),
        Outcome::ExpiredNoReply => Ending::ExpiredNoReply,
        Outcome::FraudConfirmed => Ending::FraudConfirmed,
        Outcome::Transferred => Ending::Transferred,
        Outcome::DisclosedFull
        | Outcome::DisclosedPartial
        | Outcome::NoDataFound
        | Outcome::Withdrawn => return None,
    })
}

pub(super) fn encode_disclosure(disclosure: &Disclosure) -> StoredDisclosure {
    StoredDisclosure {
        number: disclosure.number,
        at_ms: disclosure.at.as_millis(),
        proposed_by: disclosure.proposed_by.to_string(),
        approved_by: disclosure.approved_by.to_string(),
        categories: disclosure.categories.iter().map(|word| word.word().to_owned()).collect(),
        manifest: Some(StoredManifest {
            items: disclosure.items,
            bytes: disclosure.bytes,
            digest: disclosure.digest.to_vec(),
            recipient_key: disclosure.recipient_key.to_string(),
        }),
        confirmed_ms: disclosure.confirmed_at.map(Timestamp::as_millis),
    }
}

pub(super) fn decode_disclosure(stored: &StoredDisclosure) -> Result<Disclosure, Unreadable> {
    let categories = stored.categories.iter().map(|word| DataCategory::from_word(word));
    let manifest = stored.manifest.clone();
    let manifest = manifest.ok_or_else(|| unreadable(WHAT, "a disclosure has no manifest"))?;
    Ok(Disclosure {
        number: stored.number,
        at: Timestamp::from_millis(stored.at_ms),
        proposed_by: field(WHAT, "disclosure.proposed_by", stored.proposed_by.parse().ok())?,
        approved_by: field(WHAT, "disclosure.approved_by", stored.approved_by.parse().ok())?,
        categories: field(WHAT, "disclosure.categories", categories.collect::<Option<_>>())?,
        items: manifest.items,
        bytes: manifest.bytes,
        digest: field(WHAT, "disclosure.digest", manifest.digest.try_into().ok())?,
        recipient_key: field(WHAT, "disclosure.key", manifest.recipient_key.parse().ok())?,
        confirmed_at: stored.confirmed_ms.map(Timestamp::from_millis),
    })
}

pub(super) fn encode_ended(ended: &Ended) -> StoredEnded {
    StoredEnded {
        outcome: ended.outcome.word().to_owned(),
        refusal: ended.refusal.map_or("", RefusalReason::word).to_owned(),
        at_ms: ended.at.as_millis(),
        purge_ms: ended.purge_at.as_millis(),
        shown_ms: Some(ended.shown_until.as_millis()),
    }
}

pub(super) fn decode_ended(stored: &StoredEnded) -> Result<Ended, Unreadable> {
    let refusal = match stored.refusal.as_str() {
        "" => None,
        word => Some(field(WHAT, "refusal", RefusalReason::from_word(word))?),
    };
    Ok(Ended {
        outcome: field(WHAT, "outcome", Outcome::from_word(&stored.outcome))?,
        refusal,
        at: Timestamp::from_millis(stored.at_ms),
        purge_at: Timestamp::from_millis(stored.purge_ms),
        shown_until: Timestamp::from_millis(stored.shown_ms.unwrap_or(stored.purge_ms)),
    })
}

/// In format 1 a final answer was the end of the case.
pub(super) fn ended_by(response: &FirstResponse) -> Option<Ended> {
    let (outcome, refusal) = match response.kind {
        FirstResponseKind::NoData => (Outcome::NoDataFound, None),
        FirstResponseKind::Refused(reason) => (Outcome::Rejected, Some(reason)),
        FirstResponseKind::Redirected(_) => (Outcome::Redirected, None),
        FirstResponseKind::AllData
        | FirstResponseKind::PartOfData
        | FirstResponseKind::NeedInformation
        | FirstResponseKind::InProgress { .. } => return None,
    };
    let (at, purge_at) = (response.at, response.at + OLD_RETENTION);
    Some(Ended { outcome, refusal, at, purge_at, shown_until: purge_at })
}
