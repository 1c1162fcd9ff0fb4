//! A stored incident. Its version is a field beside it; the facts told of it are content.

use prost::Message as _;

use super::memory::{decode_memory, encode_memory};
use super::{check_format, field, unreadable};
use crate::core::incident::JoinRule;
use crate::core::intake::Fingerprint;
use crate::core::{Incident, IncidentName, Nature, Timestamp};
use crate::store::Unreadable;

const FORMAT: u32 = 1;
const WHAT: &str = "incident";

#[derive(Clone, PartialEq, prost::Message)]
struct StoredIncident {
    #[prost(uint32, tag = "1")]
    format: u32,
    #[prost(bytes = "vec", optional, tag = "2")]
    tag: Option<Vec<u8>>,
    #[prost(string, repeated, tag = "3")]
    natures: Vec<String>,
    #[prost(string, repeated, tag = "4")]
    countries: Vec<String>,
    #[prost(string, tag = "5")]
    opened_by: String,
    #[prost(uint64, tag = "6")]
    opened_ms: u64,
    #[prost(uint64, optional, tag = "7")]
    closed_ms: Option<u64>,
    /// Entries of 32 bytes: key and digest.
    #[prost(bytes, tag = "8")]
    memory: Vec<u8>,
}

/// The bytes of an incident.
pub(in crate::store) fn encode_incident(incident: &Incident) -> Vec<u8> {
    let rule = &incident.rule;
    StoredIncident {
        format: FORMAT,
        tag: rule.tag.map(|tag| tag.0.to_vec()),
        natures: rule.natures.iter().map(|nature| nature.word().to_owned()).collect(),
        countries: rule.countries.iter().map(ToString::to_string).collect(),
        opened_by: incident.opened_by.to_string(),
        opened_ms: incident.opened_at.as_millis(),
        closed_ms: incident.closed_at.map(Timestamp::as_millis),
        memory: encode_memory(&incident.memory),
    }
    .encode_to_vec()
}

/// Reads an incident.
pub(in crate::store) fn decode_incident(
    name: IncidentName,
    version: u64,
    bytes: &[u8],
) -> Result<Incident, Unreadable> {
    let stored = StoredIncident::decode(bytes).map_err(|_| unreadable(WHAT, "not a message"))?;
    check_format(WHAT, stored.format, FORMAT)?;
    let natures = stored.natures.iter().map(|word| Nature::from_word(word));
    let countries = stored.countries.iter().map(|code| code.parse().ok());
    Ok(Incident {
        name,
        version,
        rule: JoinRule {
            tag: match stored.tag {
                Some(tag) => Some(Fingerprint(field(WHAT, "tag", tag.try_into().ok())?)),
                None => None,
            },
            natures: field(WHAT, "natures", natures.collect::<Option<_>>())?,
            countries: field(WHAT, "countries", countries.collect::<Option<_>>())?,
        },
        opened_by: field(WHAT, "opened_by", stored.opened_by.parse().ok())?,
        opened_at: Timestamp::from_millis(stored.opened_ms),
        closed_at: stored.closed_ms.map(Timestamp::from_millis),
        memory: decode_memory(WHAT, &stored.memory)?,
    })
}
