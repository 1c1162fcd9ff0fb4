//! Intake: a request as sent becomes an [`Intake`], or the list of everything that is wrong with it.
//!
//! The texts themselves go on as the bytes that arrived; an [`Intake`] is the proof that they were
//! checked, and the few facts that decisions need.

mod checks;
mod codes;
mod fields;
mod fingerprint;
mod formats;
mod submission;

pub use crate::core::data::DataCategory;
pub use checks::{Code, Violation};
pub use codes::is_country;
pub use fields::{check_contact, check_country, check_optional_text, check_sha256, check_text};
pub use fingerprint::{Fingerprint, incident_tag_input};
pub use submission::{
    Attestation, Choice, Contact, DataScope, Delivery, Document, DocumentKind, Emergency,
    Imminence, Justification, Moment, NonDisclosure, PersonAtRisk, Preservation, Requester,
    Submission, Target, TargetType,
};

pub use checks::Checks;

use std::collections::BTreeSet;

use super::case::Facts;
use super::case_id::CaseId;
use super::data::Instrument;
use super::identity::Actor;
use super::memory::RequestDigest;
use super::names::{AuthorityId, IncidentName, RequestId};
use super::nature::Nature;
use super::risk::Risk;
use super::time::Timestamp;

/// A request that may become a case. Only [`Intake::parse`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intake {
    /// Who asks.
    pub authority: AuthorityId,
    /// What they call the request.
    pub request_id: RequestId,
    /// What it is about.
    pub nature: Nature,
    /// What exactly is asked.
    pub digest: RequestDigest,
    /// What else decisions and reports read of it.
    pub facts: Facts,
    /// Until when the person concerned must not be told, if that is asked for.
    pub non_disclosure_until: Option<Timestamp>,
    /// Whether the order was issued without prior validation.
    pub is_without_validation: bool,
    /// Whether the data must be kept from deletion.
    pub is_preservation_requested: bool,
    /// The open incident that it belongs to; the desk finds it.
    pub incident: Option<IncidentName>,
    /// Recent cases about one of its targets; the desk finds them.
    pub likely_duplicates: BTreeSet<CaseId>,
    /// What calls for more care in verifying; the desk finds it.
    pub risks: BTreeSet<Risk>,
    /// Who sent it.
    pub by: Option<Actor>,
}

impl Intake {
    /// Checks everything that was sent. `fingerprint` is the desk's keyed digest: what it makes of a
    /// target tells two requests about the same target, and nothing else.
    ///
    /// # Errors
    /// Every violation at once, in the order of the fields.
    pub fn parse(
        submission: &Submission,
        digest: RequestDigest,
        fingerprint: impl Fn(&str) -> Fingerprint,
    ) -> Result<Self, Vec<Violation>> {
        let mut checks = Checks::default();
        let request_id = checks.name("request_id", &submission.request_id);
        let who_and_what = fields::check(&mut checks, submission);
        match (request_id, who_and_what, checks.finish()) {
            (Some(request_id), Some((authority, country, nature)), Ok(())) => Ok(Self {
                authority,
                request_id,
                nature,
                digest,
                facts: facts(submission, country, fingerprint),
                non_disclosure_until: non_disclosure_until(submission),
                is_without_validation: submission.is_without_validation,
                is_preservation_requested: submission.preservation.is_requested,
                incident: None,
                likely_duplicates: BTreeSet::new(),
                risks: BTreeSet::new(),
                by: None,
            }),
            (_, _, Err(violations)) => Err(violations),
            (_, _, Ok(())) => unreachable!("a missing fact is reported as a violation"),
        }
    }

    /// The id of the case that this request makes.
    #[must_use]
    pub fn case_id(&self) -> CaseId {
        CaseId::derive(&self.authority, &self.request_id)
    }
}

fn facts(
    sent: &Submission,
    country: super::names::Country,
    fingerprint: impl Fn(&str) -> Fingerprint,
) -> Facts {
    let tag = incident_tag_input(&sent.incident_reference);
    let officer = fingerprint::officer_input(&sent.requester);
    Facts {
        country,
        instrument: sent.instrument.known().unwrap_or(Instrument::EmergencyRequest),
        categories: sent.data.categories.iter().filter_map(|choice| choice.known()).collect(),
        protections: sent.targets.iter().filter_map(|target| target.protection.known()).collect(),
        fingerprints: sent
            .targets
            .iter()
            .filter_map(fingerprint::input)
            .map(|input| fingerprint(&input))
            .collect(),
        targets: u32::try_from(sent.targets.len()).unwrap_or(u32::MAX),
        officer: officer.map(|input| fingerprint(&input)),
        incident_tag: tag.map(|input| fingerprint(&input)),
    }
}

fn non_disclosure_until(sent: &Submission) -> Option<Timestamp> {
    let until = sent.non_disclosure.until.filter(|_| sent.non_disclosure.is_requested)?;
    Some(Timestamp::from_millis(u64::try_from(until.seconds).unwrap_or(0).saturating_mul(1_000)))
}
