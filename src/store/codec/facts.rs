//! The stored facts of a request, and the conflicts of law over its categories.

use super::case::WHAT;
use super::field;
use crate::core::{
    Conflict, Country, DataCategory, Facts, Fingerprint, Instrument, Protection, Stance, Timestamp,
};
use crate::store::Unreadable;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StoredFacts {
    #[prost(string, tag = "1")]
    country: String,
    #[prost(string, tag = "2")]
    instrument: String,
    #[prost(string, repeated, tag = "3")]
    categories: Vec<String>,
    #[prost(string, repeated, tag = "4")]
    protections: Vec<String>,
    #[prost(bytes = "vec", repeated, tag = "5")]
    fingerprints: Vec<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "6")]
    incident_tag: Option<Vec<u8>>,
    #[prost(uint32, optional, tag = "7")]
    targets: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "8")]
    officer: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StoredConflict {
    #[prost(string, tag = "1")]
    category: String,
    #[prost(string, tag = "2")]
    third_country: String,
    #[prost(string, tag = "3")]
    stance: String,
    #[prost(string, tag = "4")]
    recorded_by: String,
    #[prost(uint64, tag = "5")]
    recorded_ms: u64,
    #[prost(string, tag = "6")]
    lifted_by: String,
}

pub(super) fn encode_facts(facts: &Facts) -> StoredFacts {
    StoredFacts {
        country: facts.country.to_string(),
        instrument: facts.instrument.word().to_owned(),
        categories: facts.categories.iter().map(|category| category.word().to_owned()).collect(),
        protections: facts.protections.iter().map(|word| word.word().to_owned()).collect(),
        fingerprints: facts.fingerprints.iter().map(|print| print.0.to_vec()).collect(),
        incident_tag: facts.incident_tag.map(|tag| tag.0.to_vec()),
        targets: Some(facts.targets),
        officer: facts.officer.map(|officer| officer.0.to_vec()),
    }
}

pub(super) fn decode_facts(stored: StoredFacts) -> Result<Facts, Unreadable> {
    let categories = stored.categories.iter().map(|word| DataCategory::from_word(word));
    let protections = stored.protections.iter().map(|word| Protection::from_word(word));
    let fingerprint = |bytes: Vec<u8>| bytes.try_into().ok().map(Fingerprint);
    // Before they were counted apart, each was one fingerprint.
    let counted = u32::try_from(stored.fingerprints.len()).unwrap_or(u32::MAX);
    let fingerprints = stored.fingerprints.into_iter().map(fingerprint);
    Ok(Facts {
        country: field(WHAT, "country", stored.country.parse().ok())?,
        instrument: field(WHAT, "instrument", Instrument::from_word(&stored.instrument))?,
        categories: field(WHAT, "categories", categories.collect::<Option<_>>())?,
        protections: field(WHAT, "protections", protections.collect::<Option<_>>())?,
        fingerprints: field(WHAT, "fingerprints", fingerprints.collect::<Option<_>>())?,
        targets: stored.targets.unwrap_or(counted),
        officer: match stored.officer {
            Some(officer) => Some(field(WHAT, "officer", fingerprint(officer))?),
            None => None,
        },
        incident_tag: match stored.incident_tag {
            Some(tag) => Some(field(WHAT, "incident_tag", fingerprint(tag))?),
            None => None,
        },
    })
}

/// What is known of a case of format 1, whose facts were in the request alone: it may have asked for
/// anything, and its country is the code that ISO 3166-1 leaves to its users.
pub(super) fn unknown_facts() -> Facts {
    Facts {
        country: "ZZ".parse().expect("two capital letters"),
        instrument: Instrument::EmergencyRequest,
        categories: DataCategory::ALL.iter().copied().collect(),
        protections: std::collections::BTreeSet::new(),
        fingerprints: std::collections::BTreeSet::new(),
        targets: 0,
        officer: None,
        incident_tag: None,
    }
}

/// A conflict with what it is over, and with whose law.
type Over = (DataCategory, Country);

pub(super) fn encode_conflict(
    ((category, country), conflict): (&Over, &Conflict),
) -> StoredConflict {
    StoredConflict {
        category: category.word().to_owned(),
        third_country: country.to_string(),
        stance: conflict.stance.word().to_owned(),
        recorded_by: conflict.recorded_by.to_string(),
        recorded_ms: conflict.recorded_at.as_millis(),
        lifted_by: conflict.lifted_by.as_ref().map(ToString::to_string).unwrap_or_default(),
    }
}

pub(super) fn decode_conflict(stored: &StoredConflict) -> Result<(Over, Conflict), Unreadable> {
    let category = DataCategory::from_word(&stored.category);
    let lifted_by = match stored.lifted_by.as_str() {
        "" => None,
        by => Some(field(WHAT, "conflict.lifted_by", by.parse().ok())?),
    };
    let conflict = Conflict {
        stance: field(WHAT, "conflict.stance", Stance::from_word(&stored.stance))?,
        recorded_by: field(WHAT, "conflict.by", stored.recorded_by.parse().ok())?,
        recorded_at: Timestamp::from_millis(stored.recorded_ms),
        lifted_by,
    };
    let country = field(WHAT, "conflict.country", stored.third_country.parse().ok())?;
    Ok(((field(WHAT, "conflict.category", category)?, country), conflict))
}
