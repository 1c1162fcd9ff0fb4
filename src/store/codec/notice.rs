//! A stored notice: an entry of the events stream that changes no case.

use super::actor::{StoredActor, decode_actor, encode_actor};
use super::{field, unreadable};
use crate::core::{Notice, PolicyId, ShownTo, SuspensionReason, Timestamp, What};
use crate::store::Unreadable;

const WHAT: &str = "notice";

/// One message for all kinds: `word` says which, and each uses the fields that it needs.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StoredNotice {
    #[prost(string, tag = "1")]
    word: String,
    #[prost(uint64, tag = "2")]
    at_ms: u64,
    #[prost(message, optional, tag = "3")]
    by: Option<StoredActor>,
    #[prost(string, tag = "4")]
    case: String,
    #[prost(string, tag = "5")]
    authority: String,
    /// To whom, why, of which method: a word.
    #[prost(string, tag = "6")]
    detail: String,
    #[prost(string, tag = "7")]
    reason: String,
    /// A count or a version.
    #[prost(uint64, tag = "8")]
    number: u64,
    #[prost(string, tag = "9")]
    name: String,
    #[prost(bytes = "vec", tag = "10")]
    address: Vec<u8>,
}

pub(super) fn encode_notice(notice: &Notice) -> StoredNotice {
    let base = StoredNotice {
        word: notice.what.word().to_owned(),
        at_ms: notice.at.as_millis(),
        by: notice.by.as_ref().map(encode_actor),
        ..StoredNotice::default()
    };
    match &notice.what {
        What::Read { case, authority, shown_to } => StoredNotice {
            case: case.compact().to_owned(),
            authority: authority.to_string(),
            detail: shown_to.word().to_owned(),
            ..base
        },
        What::Refused { method, reason, count } => {
            StoredNotice { detail: method.clone(), reason: reason.clone(), number: *count, ..base }
        }
        What::AuthoritySuspended { authority, version, reason } => StoredNotice {
            authority: authority.to_string(),
            number: *version,
            reason: reason.word().to_owned(),
            ..base
        },
        What::AuthorityReinstated { authority, version } => {
            StoredNotice { authority: authority.to_string(), number: *version, ..base }
        }
        What::IncidentOpened { incident }
        | What::IncidentTold { incident }
        | What::IncidentClosed { incident } => StoredNotice { name: incident.to_string(), ..base },
        What::PolicyReplaced { policy } => StoredNotice { address: policy.0.to_vec(), ..base },
        What::RegistryReplaced { registry } => StoredNotice {
            address: registry.map(|version| version.to_vec()).unwrap_or_default(),
            ..base
        },
        What::DisclosuresListed { authority } => StoredNotice {
            authority: authority.as_ref().map(ToString::to_string).unwrap_or_default(),
            ..base
        },
        What::TransparencyExported => base,
        What::KeyDestroyed { label } => StoredNotice { name: label.clone(), ..base },
    }
}

pub(super) fn decode_notice(stored: StoredNotice) -> Result<Notice, Unreadable> {
    let authority = || field(WHAT, "authority", stored.authority.parse().ok());
    let name = || field(WHAT, "name", stored.name.parse().ok());
    let what = match stored.word.as_str() {
        "read" => What::Read {
            case: field(WHAT, "case", stored.case.parse().ok())?,
            authority: authority()?,
            shown_to: field(WHAT, "detail", ShownTo::from_word(&stored.detail))?,
        },
        "refused" => What::Refused {
            method: stored.detail.clone(),
            reason: stored.reason.clone(),
            count: stored.number,
        },
        "authority_suspended" => What::AuthoritySuspended {
            authority: authority()?,
            version: stored.number,
            reason: field(WHAT, "reason", SuspensionReason::from_word(&stored.reason))?,
        },
        "authority_reinstated" => {
            What::AuthorityReinstated { authority: authority()?, version: stored.number }
        }
        "incident_opened" => What::IncidentOpened { incident: name()? },
        "incident_told" => What::IncidentTold { incident: name()? },
        "incident_closed" => What::IncidentClosed { incident: name()? },
        "policy_replaced" => What::PolicyReplaced {
            policy: PolicyId(field(WHAT, "address", stored.address.clone().try_into().ok())?),
        },
        "registry_replaced" if stored.address.is_empty() => {
            What::RegistryReplaced { registry: None }
        }
        "registry_replaced" => What::RegistryReplaced {
            registry: Some(field(WHAT, "address", stored.address.clone().try_into().ok())?),
        },
        "disclosures_listed" if stored.authority.is_empty() => {
            What::DisclosuresListed { authority: None }
        }
        "disclosures_listed" => What::DisclosuresListed { authority: Some(authority()?) },
        "transparency_exported" => What::TransparencyExported,
        "key_destroyed" => What::KeyDestroyed { label: stored.name.clone() },
        _ => return Err(unreadable(WHAT, "it is of a kind that this version does not know")),
    };
    let by = stored.by.map(|by| decode_actor(WHAT, by)).transpose()?;
    Ok(Notice { at: Timestamp::from_millis(stored.at_ms), by, what })
}
