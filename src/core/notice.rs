//! What the record holds besides the changes of cases: who read what was said, who was refused, and what
//! was done to the desk itself.

use super::case_id::CaseId;
use super::event::Change;
use super::identity::Actor;
use super::names::{AuthorityId, IncidentName};
use super::policy::PolicyId;
use super::time::Timestamp;
use super::words::words;

/// One entry of the events stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A case changed.
    Change(Change),
    /// Something else happened.
    Notice(Notice),
}

impl Told {
    /// The change of a case, if it is one.
    #[must_use]
    pub const fn change(&self) -> Option<&Change> {
        match self {
            Self::Change(change) => Some(change),
            Self::Notice(_) => None,
        }
    }
}

/// Something that happened at the desk and changed no case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// When, as the service saw it; the stream knows when it was told.
    pub at: Timestamp,
    /// Who did it; `None` for the service itself, and for somebody whom nobody knows.
    pub by: Option<Actor>,
    /// What it was.
    pub what: What,
}

/// What happened at the desk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// What was said in a case was opened to be read.
    Read {
        /// Which case.
        case: CaseId,
        /// Whose case.
        authority: AuthorityId,
        /// To whom it was shown.
        shown_to: ShownTo,
    },
    /// Calls were refused. One notice counts those of one caller, method and reason in one minute.
    Refused {
        /// The method.
        method: String,
        /// The reason, as callers are told it.
        reason: String,
        /// How often since the last such notice.
        count: u64,
    },
    /// Nothing more is disclosed to an authority.
    AuthoritySuspended {
        /// Which.
        authority: AuthorityId,
        /// The version of its standing that this made.
        version: u64,
        /// Why.
        reason: SuspensionReason,
    },
    /// Disclosures to an authority may go on.
    AuthorityReinstated {
        /// Which.
        authority: AuthorityId,
        /// The version of its standing that this made.
        version: u64,
    },
    /// An incident was opened.
    IncidentOpened {
        /// Which.
        incident: IncidentName,
    },
    /// Facts were told of an incident, beside those told before.
    IncidentTold {
        /// Which.
        incident: IncidentName,
    },
    /// An incident was closed.
    IncidentClosed {
        /// Which.
        incident: IncidentName,
    },
    /// Another policy is in force for new cases.
    PolicyReplaced {
        /// Its content address.
        policy: PolicyId,
    },
    /// Another registry is in force.
    RegistryReplaced {
        /// Its content address; `None` where none lists anybody.
        registry: Option<[u8; 16]>,
    },
    /// The disclosures to an authority, or to all, were looked up.
    DisclosuresListed {
        /// Which authority; `None` for all.
        authority: Option<AuthorityId>,
    },
    /// The transparency report was made.
    TransparencyExported,
    /// A key that sealed what was said is destroyed.
    KeyDestroyed {
        /// Its label: desk, month and class.
        label: String,
    },
}

words! {
    /// To whom what was said was shown.
    pub enum ShownTo {
        /// A person at the desk: all of it.
        Desk = "desk",
        /// The authority: what is meant for it.
        Authority = "authority",
    }
}

words! {
    /// Why nothing more is disclosed to an authority.
    pub enum SuspensionReason {
        /// Its mailbox, portal or certificate seems to be in other hands.
        Compromised = "compromised",
        /// A fraud was found.
        Fraud = "fraud",
        /// It asked for it.
        AskedByAuthority = "asked_by_authority",
        /// What it sent does not fit what is known of it.
        Anomaly = "anomaly",
        /// Another reason, which the record of the desk holds.
        Other = "other",
    }
}

impl What {
    /// Its stable word in the log.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Read { .. } => "read",
            Self::Refused { .. } => "refused",
            Self::AuthoritySuspended { .. } => "authority_suspended",
            Self::AuthorityReinstated { .. } => "authority_reinstated",
            Self::IncidentOpened { .. } => "incident_opened",
            Self::IncidentTold { .. } => "incident_told",
            Self::IncidentClosed { .. } => "incident_closed",
            Self::PolicyReplaced { .. } => "policy_replaced",
            Self::RegistryReplaced { .. } => "registry_replaced",
            Self::DisclosuresListed { .. } => "disclosures_listed",
            Self::TransparencyExported => "transparency_exported",
            Self::KeyDestroyed { .. } => "key_destroyed",
        }
    }
}
