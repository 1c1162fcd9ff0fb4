//! How a case ends: what is proposed by one person and approved by another, category by category, so
//! that a conflict over one category never holds up the others.

use std::collections::{BTreeMap, BTreeSet};

use super::answer::{FirstResponseKind, RedirectTarget, RefusalReason};
use super::authority::RecipientKey;
use super::case_id::CaseId;
use super::data::DataCategory;
use super::names::{KeyId, Subject};
use super::time::Timestamp;
use super::words::words;

words! {
    /// How a case ended.
    pub enum Outcome {
        /// Everything asked for went out.
        DisclosedFull = "disclosed_full",
        /// A part of it went out.
        DisclosedPartial = "disclosed_partial",
        /// There is no such data.
        NoDataFound = "no_data_found",
        /// There is no such account.
        NoSuchAccount = "no_such_account",
        /// The request was refused.
        Rejected = "rejected",
        /// Somebody else must be asked.
        Redirected = "redirected",
        /// The authority took the request back.
        Withdrawn = "withdrawn",
        /// The authority asked the same in another case.
        Duplicate = "duplicate",
        /// The authority did not answer what it was asked.
        ExpiredNoReply = "expired_no_reply",
        /// Somebody pretended to be the authority.
        FraudConfirmed = "fraud_confirmed",
        /// Another entity of the provider took the request over.
        Transferred = "transferred",
    }
}

/// What becomes of one category of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disposition {
    /// It goes out.
    Disclosed,
    /// There is none.
    NotHeld,
    /// It is refused.
    Refused(RefusalReason),
    /// Somebody else must be asked for it.
    Redirected(RedirectTarget),
}

/// An end for the case as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// There is no such account.
    NoSuchAccount,
    /// The request is refused.
    Rejected(RefusalReason),
    /// Somebody else must be asked.
    Redirected(RedirectTarget),
    /// The authority asked the same in this case of its own.
    Duplicate(CaseId),
    /// The authority did not answer what it was asked.
    ExpiredNoReply,
    /// Somebody pretended to be the authority.
    FraudConfirmed,
    /// Another entity of the provider took the request over.
    Transferred,
}

impl Ending {
    /// The outcome of the case.
    #[must_use]
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::NoSuchAccount => Outcome::NoSuchAccount,
            Self::Rejected(_) => Outcome::Rejected,
            Self::Redirected(_) => Outcome::Redirected,
            Self::Duplicate(_) => Outcome::Duplicate,
            Self::ExpiredNoReply => Outcome::ExpiredNoReply,
            Self::FraudConfirmed => Outcome::FraudConfirmed,
            Self::Transferred => Outcome::Transferred,
        }
    }

    /// What it says to an authority that had no answer before.
    #[must_use]
    pub const fn as_first_response(self) -> FirstResponseKind {
        match self {
            Self::NoSuchAccount => FirstResponseKind::NoData,
            Self::Rejected(reason) => FirstResponseKind::Refused(reason),
            Self::Redirected(target) => FirstResponseKind::Redirected(target),
            Self::Duplicate(_) => FirstResponseKind::Refused(RefusalReason::AlreadyRequested),
            Self::ExpiredNoReply => FirstResponseKind::Refused(RefusalReason::Incomplete),
            // Whoever pretends to be an authority is told nothing more.
            Self::FraudConfirmed => FirstResponseKind::Refused(RefusalReason::RequesterNotVerified),
            Self::Transferred => FirstResponseKind::Redirected(RedirectTarget::OtherProviderEntity),
        }
    }
}

/// What goes out, without what it says: the items themselves are in the sealed manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// How many items.
    pub items: u32,
    /// Their bytes together.
    pub bytes: u64,
    /// SHA-256 over the digests of the items, in their order.
    pub digest: [u8; 32],
    /// The registered key that they are sealed to.
    pub recipient_key: RecipientKey,
}

/// What a proposal would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proposed {
    /// Decide some categories; the others stay open.
    Categories {
        /// What becomes of each.
        dispositions: BTreeMap<DataCategory, Disposition>,
        /// What goes out; there exactly when some category is disclosed.
        manifest: Option<Manifest>,
    },
    /// End the case as a whole.
    Whole(Ending),
}

impl Proposed {
    /// The categories that would go out.
    #[must_use]
    pub fn disclosed(&self) -> BTreeSet<DataCategory> {
        let Self::Categories { dispositions, .. } = self else { return BTreeSet::new() };
        let is_disclosed =
            |entry: &(&DataCategory, &Disposition)| *entry.1 == Disposition::Disclosed;
        dispositions.iter().filter(is_disclosed).map(|(category, _)| *category).collect()
    }
}

/// A proposal that waits for a second person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Its number on the case, from 1. A new one replaces the one before.
    pub number: u32,
    /// Who made it.
    pub by: Subject,
    /// Whether they are a legal reviewer.
    pub is_by_legal_reviewer: bool,
    /// When.
    pub at: Timestamp,
    /// What it would do.
    pub proposed: Proposed,
}

/// One approved sending of data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disclosure {
    /// Its number on the case, from 1.
    pub number: u32,
    /// When it was approved.
    pub at: Timestamp,
    /// Who proposed it.
    pub proposed_by: Subject,
    /// Who approved it.
    pub approved_by: Subject,
    /// What it held.
    pub categories: BTreeSet<DataCategory>,
    /// How many items.
    pub items: u32,
    /// Their bytes together.
    pub bytes: u64,
    /// SHA-256 over the digests of the items.
    pub digest: [u8; 32],
    /// The registered key that they were sealed to.
    pub recipient_key: KeyId,
    /// When the authority confirmed that it arrived.
    pub confirmed_at: Option<Timestamp>,
}

/// The end of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How.
    pub outcome: Outcome,
    /// Why, where it was refused.
    pub refusal: Option<RefusalReason>,
    /// When.
    pub at: Timestamp,
    /// From when on what was said is no longer needed.
    pub purge_at: Timestamp,
    /// Until when the authority sees it: until the end that it was told of has it purged.
    pub shown_until: Timestamp,
}

words! {
    /// How long what was said in an ended case is kept.
    pub enum RetentionClass {
        /// Data went out.
        Disclosed = "disclosed",
        /// None did.
        NotDisclosed = "not_disclosed",
        /// Somebody pretended to be an authority.
        Fraud = "fraud",
    }
}

impl Outcome {
    /// The outcome that the authority is told of: whoever pretends to be one is told what any other is
    /// that is refused, or of whose request the rest is refused once something went out.
    #[must_use]
    pub const fn shown(self, has_disclosed: bool) -> Self {
        match self {
            Self::FraudConfirmed if has_disclosed => Self::DisclosedPartial,
            Self::FraudConfirmed => Self::Rejected,
            Self::DisclosedFull
            | Self::DisclosedPartial
            | Self::NoDataFound
            | Self::NoSuchAccount
            | Self::Rejected
            | Self::Redirected
            | Self::Withdrawn
            | Self::Duplicate
            | Self::ExpiredNoReply
            | Self::Transferred => self,
        }
    }

    /// How long what was said is kept.
    #[must_use]
    pub const fn retention_class(self) -> RetentionClass {
        match self {
            Self::DisclosedFull | Self::DisclosedPartial => RetentionClass::Disclosed,
            Self::FraudConfirmed => RetentionClass::Fraud,
            Self::NoDataFound
            | Self::NoSuchAccount
            | Self::Rejected
            | Self::Redirected
            | Self::Withdrawn
            | Self::Duplicate
            | Self::ExpiredNoReply
            | Self::Transferred => RetentionClass::NotDisclosed,
        }
    }

    /// The outcome of a case all of whose categories are decided.
    #[must_use]
    pub fn of(dispositions: &BTreeMap<DataCategory, Disposition>) -> Self {
        let count = |is_so: fn(&Disposition) -> bool| {
            dispositions.values().filter(|disposition| is_so(disposition)).count()
        };
        let disclosed = count(|disposition| matches!(disposition, Disposition::Disclosed));
        if disclosed == dispositions.len() {
            Self::DisclosedFull
        } else if disclosed > 0 {
            Self::DisclosedPartial
        } else if count(|disposition| matches!(disposition, Disposition::Redirected(_))) > 0 {
            Self::Redirected
        } else if count(|disposition| matches!(disposition, Disposition::Refused(_))) > 0 {
            Self::Rejected
        } else {
            Self::NoDataFound
        }
    }
}
