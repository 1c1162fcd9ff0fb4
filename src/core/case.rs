//! The case: one accepted request and what has happened to it, without what was said.
//!
//! Names, targets and narrative are kept apart, sealed, and no decision reads them.

use std::time::Duration;

use super::case_id::CaseId;
use super::clock::Clock;
use super::memory::{Memory, RequestDigest};
use super::names::{AuthorityId, Subject};
use super::nature::{Band, Nature};
use super::policy::PolicyId;
use super::time::Timestamp;
use super::words::words;

/// One accepted request and all that has happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Its name, derived from the authority and the request id.
    pub id: CaseId,
    /// Grows by one with every committed transition; 1 when accepted.
    pub version: u64,
    /// Who asked.
    pub authority: AuthorityId,
    /// What the request is about.
    pub nature: Nature,
    /// How urgent it is now; the target rung lifts an emergency to the first band.
    pub band: Band,
    /// The policy it was accepted under and is decided by.
    pub policy: PolicyId,
    /// What exactly was asked, so that another request under the same id is refused.
    pub request_digest: RequestDigest,
    /// When the request was accepted.
    pub accepted_at: Timestamp,
    /// The instant of the latest transition; no later decision is made before it.
    pub last_event_at: Timestamp,
    /// The first-response clock. It runs exactly while [`Case::first_response`] is `None`.
    pub clock: Clock,
    /// The answer that stopped the clock.
    pub first_response: Option<FirstResponse>,
    /// Who works on it now.
    pub claim: Option<Claim>,
    /// The epoch of the latest claim; 0 when it was never claimed.
    pub claim_epoch: u64,
    /// The acts done to it.
    pub memory: Memory,
}

/// A responder's lease on a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Who holds it.
    pub by: Subject,
    /// The fencing epoch: later claims have higher ones, and a write with a stale one is refused.
    pub epoch: u64,
    /// When it was granted.
    pub granted_at: Timestamp,
    /// When it ends unless an act on the case extends it. At this very instant it is over.
    pub expires_at: Timestamp,
    /// Whether a rung kept quiet because of this claim; if so, giving the case back pages.
    pub has_quieted: bool,
}

/// A person's first substantive answer. The first is kept; nothing overwrites it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstResponse {
    /// What the answer was.
    pub kind: FirstResponseKind,
    /// When it was recorded.
    pub at: Timestamp,
    /// Who gave it.
    pub by: Subject,
    /// Whether the responder's claim had ended when it arrived: a fact all the same.
    pub is_claim_lost: bool,
}

/// What a first response says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FirstResponseKind {
    /// Everything asked for goes out.
    AllData,
    /// A part of it goes out.
    PartOfData,
    /// There is no such data.
    NoData,
    /// The request is refused.
    Refused(RefusalReason),
    /// Somebody else must be asked.
    Redirected(RedirectTarget),
    /// The request cannot be answered as it is; the message says what is missing.
    NeedInformation,
    /// Work has begun.
    InProgress {
        /// How soon after this response the answer is expected.
        expected_within: Duration,
    },
}

words! {
    /// Why a request is refused.
    #[expect(missing_docs, reason = "the words are the field's own and say all there is")]
    pub enum RefusalReason {
        NotAnEmergency = "not_an_emergency",
        AuthorityNotCompetent = "authority_not_competent",
        RequesterNotVerified = "requester_not_verified",
        ChannelNotAgreed = "channel_not_agreed",
        Incomplete = "incomplete",
        ManifestErrors = "manifest_errors",
        InsufficientInformation = "insufficient_information",
        WrongIdentifier = "wrong_identifier",
        Overbroad = "overbroad",
        LegalBasisMissing = "legal_basis_missing",
        DataNotHeld = "data_not_held",
        ServiceNotCovered = "service_not_covered",
        DeFactoImpossibility = "de_facto_impossibility",
        ImmunityOrPrivilege = "immunity_or_privilege",
        PressFreedom = "press_freedom",
        ConflictOfLaw = "conflict_of_law",
        FundamentalRights = "fundamental_rights",
        PubliclyAvailable = "publicly_available",
        EnterpriseCustomerRedirect = "enterprise_customer_redirect",
    }
}

words! {
    /// Who must be asked instead.
    #[expect(missing_docs, reason = "the words are the field's own and say all there is")]
    pub enum RedirectTarget {
        NationalSinglePointOfContact = "national_single_point_of_contact",
        MutualLegalAssistanceAuthority = "mutual_legal_assistance_authority",
        DecentralisedItSystem = "decentralised_it_system",
        OtherProviderEntity = "other_provider_entity",
        EnterpriseCustomer = "enterprise_customer",
        BudapestPointOfContact = "budapest_point_of_contact",
    }
}

/// Where a case stands, as both sides see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Accepted; no person has answered yet.
    Received,
    /// The desk has asked the authority something.
    AwaitingInformation,
    /// The desk is collecting the data.
    Collecting,
    /// Ended: there is no such data.
    NoData,
    /// Ended: refused.
    Rejected,
    /// Ended: somebody else must be asked.
    Redirected,
}

impl State {
    /// Every state there is.
    pub const ALL: [Self; 6] = [
        Self::Received,
        Self::AwaitingInformation,
        Self::Collecting,
        Self::NoData,
        Self::Rejected,
        Self::Redirected,
    ];

    /// Whether nothing more will happen to the case.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Received | Self::AwaitingInformation | Self::Collecting => false,
            Self::NoData | Self::Rejected | Self::Redirected => true,
        }
    }
}

impl FirstResponseKind {
    /// Whether the answer hands out data, which takes a verified request and two people.
    #[must_use]
    pub const fn discloses(self) -> bool {
        match self {
            Self::AllData | Self::PartOfData => true,
            Self::NoData
            | Self::Refused(_)
            | Self::Redirected(_)
            | Self::NeedInformation
            | Self::InProgress { .. } => false,
        }
    }

    const fn state(self) -> State {
        match self {
            Self::AllData | Self::PartOfData | Self::InProgress { .. } => State::Collecting,
            Self::NoData => State::NoData,
            Self::Refused(_) => State::Rejected,
            Self::Redirected(_) => State::Redirected,
            Self::NeedInformation => State::AwaitingInformation,
        }
    }

    /// The kind's word in metrics and logs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::AllData => "all_data",
            Self::PartOfData => "part_of_data",
            Self::NoData => "no_data",
            Self::Refused(_) => "refused",
            Self::Redirected(_) => "redirected",
            Self::NeedInformation => "need_information",
            Self::InProgress { .. } => "in_progress",
        }
    }
}

words! {
    /// How an answer stands to the promise. At the very instant of the target or limit, it has passed.
    pub enum Punctuality {
        /// Before the target.
        WithinTarget = "within_target",
        /// After the target and before the limit.
        WithinLimit = "within_limit",
        /// The limit had passed.
        Breached = "breached",
    }
}

impl Case {
    /// Where the case stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.first_response.as_ref().map_or(State::Received, |response| response.kind.state())
    }

    /// Whether the first-response clock runs.
    #[must_use]
    pub const fn is_unanswered(&self) -> bool {
        self.first_response.is_none()
    }

    /// How long the first response took, or has taken until `now`.
    #[must_use]
    pub fn waited(&self, now: Timestamp) -> Duration {
        let end = self.first_response.as_ref().map_or(now, |response| response.at);
        end.since(self.clock.started_at)
    }

    /// How an answer at `at` stands to the promise.
    #[must_use]
    pub fn punctuality(&self, at: Timestamp) -> Punctuality {
        if at >= self.clock.limit_at {
            Punctuality::Breached
        } else if at >= self.clock.target_at {
            Punctuality::WithinLimit
        } else {
            Punctuality::WithinTarget
        }
    }
}
