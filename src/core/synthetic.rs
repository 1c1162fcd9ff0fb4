//! The synthetic case: a request of our own, once in a while, through the queue to its answer, so that
//! a service which no longer works is noticed before a real request comes.
//!
//! It waits in a queue of its own, from which people are handed nothing, pages nobody, and counts in no
//! statistics. Who sends it says what it is, so a case needs no mark.

use std::collections::BTreeSet;

use super::case::{Case, Facts};
use super::data::Instrument;
use super::intake::Intake;
use super::memory::RequestDigest;
use super::names::{AuthorityId, RequestId};
use super::nature::Nature;

/// The authority of synthetic cases. No portal may speak for it.
pub const SYNTHETIC_AUTHORITY: &str = "synthetic";

/// Where the pages of synthetic cases go: to nobody.
pub const SYNTHETIC_SINK: &str = "synthetic";

impl AuthorityId {
    /// Whether it is the authority of synthetic cases.
    #[must_use]
    pub fn is_synthetic(&self) -> bool {
        self.as_str() == SYNTHETIC_AUTHORITY
    }
}

impl Case {
    /// Whether it is a test of the service by itself.
    #[must_use]
    pub fn is_synthetic(&self) -> bool {
        self.authority.is_synthetic()
    }
}

impl Intake {
    /// The synthetic request of this number. All replicas make the same of one number.
    #[must_use]
    pub fn synthetic(number: u64) -> Self {
        const WELL_FORMED: &str = "words and numbers in code follow the rule";
        let request_id: RequestId = format!("synthetic-{number}").parse().expect(WELL_FORMED);
        Self {
            authority: SYNTHETIC_AUTHORITY.parse().expect(WELL_FORMED),
            digest: RequestDigest::of(SYNTHETIC_AUTHORITY, &number.to_be_bytes()),
            request_id,
            nature: Nature::ThreatToLife,
            facts: Facts {
                // User-assigned in ISO 3166-1: no country has it.
                country: "ZZ".parse().expect(WELL_FORMED),
                instrument: Instrument::EmergencyRequest,
                categories: BTreeSet::new(),
                protections: BTreeSet::new(),
                fingerprints: BTreeSet::new(),
                targets: 0,
                officer: None,
                incident_tag: None,
            },
            non_disclosure_until: None,
            is_without_validation: false,
            is_preservation_requested: false,
            incident: None,
            likely_duplicates: BTreeSet::new(),
            risks: BTreeSet::new(),
            by: None,
        }
    }
}
