//! Intake: a request as sent becomes an [`Intake`], or the list of everything that is wrong with it.
//!
//! The texts themselves go on as the bytes that arrived; an [`Intake`] is the proof that they were
//! checked, and the few facts that decisions need.

mod checks;
mod codes;
mod fields;
mod formats;
mod submission;

pub use checks::{Code, Violation};
pub use fields::{check_contact, check_text};
pub use submission::{
    Attestation, Choice, Contact, DataCategory, DataScope, Delivery, Document, DocumentKind,
    Emergency, Imminence, Justification, Moment, NonDisclosure, PersonAtRisk, Preservation,
    Requester, Submission, Target, TargetType,
};

pub use checks::Checks;

use super::case_id::CaseId;
use super::memory::RequestDigest;
use super::names::{AuthorityId, RequestId};
use super::nature::Nature;

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
}

impl Intake {
    /// Checks everything that was sent.
    ///
    /// # Errors
    /// Every violation at once, in the order of the fields.
    pub fn parse(submission: &Submission, digest: RequestDigest) -> Result<Self, Vec<Violation>> {
        let mut checks = Checks::default();
        let request_id = checks.name("request_id", &submission.request_id);
        let facts = fields::check(&mut checks, submission);
        match (request_id, facts, checks.finish()) {
            (Some(request_id), Some((authority, nature)), Ok(())) => {
                Ok(Self { authority, request_id, nature, digest })
            }
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
