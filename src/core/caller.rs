//! Who makes a call. No message names its own actor; the transport says who it is.

use std::collections::BTreeSet;

use super::identity::{Actor, Identity};
use super::names::{AuthorityId, Subject};
use super::words::words;

words! {
    /// What a caller may be allowed to do.
    pub enum Role {
        /// Software of an authority: submits and follows its own requests.
        Portal = "portal",
        /// A person at the desk: claims and answers cases.
        Responder = "responder",
        /// A jurist of the desk.
        LegalReviewer = "legal-reviewer",
        /// Leads the desk.
        Supervisor = "supervisor",
        /// Reads and verifies the record.
        Auditor = "auditor",
    }
}

/// For which authorities a portal may speak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorities {
    /// Every one: the local operator, until certificates say otherwise.
    All,
    /// Only these.
    Only(BTreeSet<AuthorityId>),
}

/// The author of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who it is.
    pub subject: Subject,
    /// By which certificate they came; `None` on loopback without certificates.
    pub identity: Option<Identity>,
    /// What they may do.
    pub roles: BTreeSet<Role>,
    /// For whom they may do it, where the role is [`Role::Portal`].
    pub authorities: Authorities,
}

impl Caller {
    /// Who calls, for the record.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor { subject: self.subject.clone(), identity: self.identity.clone() }
    }

    /// Whether the caller has `role`.
    #[must_use]
    pub fn has_role(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Whether the caller may speak for `authority`.
    #[must_use]
    pub fn speaks_for(&self, authority: &AuthorityId) -> bool {
        match &self.authorities {
            Authorities::All => true,
            Authorities::Only(names) => names.contains(authority),
        }
    }
}
