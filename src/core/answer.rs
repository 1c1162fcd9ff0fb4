//! What a desk may answer.

use std::time::Duration;

use super::memory::RequestDigest;
use super::names::Subject;
use super::time::Timestamp;
use super::words::words;

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
    /// What exactly was said, where it was said with the answer itself.
    pub digest: Option<RequestDigest>,
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
        AlreadyRequested = "already_requested",
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
