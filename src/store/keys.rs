//! Every Redis key there is, and what it holds.

use super::{Index, Versioned};
use crate::core::intake::Fingerprint;
use crate::core::memory::ActKey;
use crate::core::{AuthorityId, CaseId, DeskName, IncidentName, Lane, PolicyId};
use crate::seal::{Class, Month};

/// The keys of one desk. They share a hash tag, so that one commit may touch any of them.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    tag: String,
}

impl Keys {
    pub(super) fn new(desk: &DeskName) -> Self {
        Self { tag: format!("{{urgence:{desk}}}") }
    }

    /// What the wake key of every desk matches.
    pub(super) fn wake_of_any() -> String {
        "{urgence:*}:wake".to_owned()
    }

    /// Which desk a key is of.
    pub(super) fn desk_of(key: &str) -> Option<DeskName> {
        key.strip_prefix("{urgence:")?.split_once('}')?.0.parse().ok()
    }

    /// HASH: version, state, request, response, and `said:<version>` for everything else that was
    /// said. A tombstone has version and state alone.
    pub(super) fn case(&self, id: CaseId) -> String {
        format!("{}{}", self.case_prefix(), id.compact())
    }

    /// ZSET, one per lane: cases that wait to be claimed, by place.
    pub(super) fn ready(&self, lane: Lane) -> String {
        match lane {
            Lane::Ordinary => format!("{}:ready", self.tag),
            Lane::Incident => format!("{}:ready:incident", self.tag),
        }
    }

    /// ZSET: synthetic cases that wait to be claimed, by place.
    pub(super) fn synthetic(&self) -> String {
        format!("{}:ready:synthetic", self.tag)
    }

    /// Where a value is kept, with its version.
    pub(super) fn versioned(&self, value: &Versioned) -> String {
        match value {
            Versioned::Case(id) => self.case(*id),
            Versioned::Incident(name) => self.incident(name),
            Versioned::Standing(authority) => self.standing(authority),
        }
    }

    /// What the key of every case begins with.
    pub(super) fn case_prefix(&self) -> String {
        format!("{}:case:", self.tag)
    }

    /// ZSET: cases that somebody holds, by the millisecond at which the claim ends.
    pub(super) fn claimed(&self) -> String {
        format!("{}:claimed", self.tag)
    }

    /// ZSET: cases with this target, by the millisecond of acceptance.
    pub(super) fn target(&self, fingerprint: Fingerprint) -> String {
        format!("{}:target:{}", self.tag, hex(&fingerprint.0))
    }

    /// HASH: version, state, facts: an incident.
    pub(super) fn incident(&self, name: &IncidentName) -> String {
        format!("{}{name}", self.incident_prefix())
    }

    /// What the key of every incident begins with.
    pub(super) fn incident_prefix(&self) -> String {
        format!("{}:incident:", self.tag)
    }

    /// ZSET: every incident's name, by the millisecond it was opened.
    pub(super) fn incidents(&self) -> String {
        format!("{}:incidents", self.tag)
    }

    /// ZSET: the cases that belong or belonged to an incident, by the millisecond of acceptance.
    pub(super) fn incident_cases(&self, name: &IncidentName) -> String {
        format!("{}:incident-cases:{name}", self.tag)
    }

    /// ZSET: cases with a wake, by its millisecond.
    pub(super) fn wake(&self) -> String {
        format!("{}:wake", self.tag)
    }

    /// ZSET: cases to which an answer is owed, by place.
    pub(super) fn unanswered(&self) -> String {
        format!("{}:unanswered", self.tag)
    }

    /// ZSET: all cases, by the millisecond of acceptance.
    pub(super) fn cases(&self) -> String {
        format!("{}:cases", self.tag)
    }

    /// ZSET: the cases of an authority, by the millisecond of acceptance.
    pub(super) fn authority(&self, authority: &AuthorityId) -> String {
        format!("{}:authority:{authority}", self.tag)
    }

    /// ZSET: the cases that an officer sent, by the millisecond of acceptance.
    pub(super) fn officer(&self, officer: Fingerprint) -> String {
        format!("{}:officer:{}", self.tag, hex(&officer.0))
    }

    /// HASH: version, state: how an authority stands.
    pub(super) fn standing(&self, authority: &AuthorityId) -> String {
        format!("{}:standing:{authority}", self.tag)
    }

    /// ZSET: the suspended authorities, by the millisecond of their suspension.
    pub(super) fn suspended(&self) -> String {
        format!("{}:suspended", self.tag)
    }

    /// HASH: the millisecond at which each number and key of the registry was seen first, by digest.
    pub(super) fn first_seen(&self) -> String {
        format!("{}:first-seen", self.tag)
    }

    /// ZSET, one per month and class: the cases (of the class `incident`: the incidents) of which
    /// something may be sealed so, by the millisecond of acceptance (of opening).
    pub(super) fn sealed(&self, month: Month, class: Class) -> String {
        format!("{}:sealed:{month}:{}", self.tag, class.word())
    }

    /// ZSET: ended cases of which something may still be sealed as of an open one, by the millisecond
    /// of acceptance.
    pub(super) fn resealing(&self) -> String {
        format!("{}:resealing", self.tag)
    }

    /// STRING: the check value of the key that fingerprints are made with.
    pub(super) fn fingerprint_key(&self) -> String {
        format!("{}:fingerprint-key", self.tag)
    }

    /// STREAM: every change and notice, in order.
    pub(super) fn events(&self) -> String {
        format!("{}:events", self.tag)
    }

    /// STREAM: changes that a reader did not understand.
    pub(super) fn parked(&self) -> String {
        format!("{}:parked", self.tag)
    }

    /// HASH: version (one more than its entries), cursor, state: how far the audit log has come.
    pub(super) fn audit_edge(&self) -> String {
        format!("{}:audit-edge", self.tag)
    }

    /// HASH: version (always 1), state: a policy under its content address.
    pub(super) fn policy(&self, id: PolicyId) -> String {
        format!("{}:policy:{id}", self.tag)
    }

    /// STRING with an expiry: the case that an act got.
    pub(super) fn note(&self, key: ActKey) -> String {
        format!("{}:note:{}", self.tag, hex(&key))
    }

    /// STRING: written to make a later WAIT speak for what was read before.
    pub(super) fn fence(&self) -> String {
        format!("{}:fence", self.tag)
    }

    pub(super) fn index(&self, index: &Index) -> String {
        match index {
            Index::Ready(lane) => self.ready(*lane),
            Index::Synthetic => self.synthetic(),
            Index::Unanswered => self.unanswered(),
            Index::Claimed => self.claimed(),
            Index::Target(fingerprint) => self.target(*fingerprint),
            Index::Incident(name) => self.incident_cases(name),
            Index::Wake => self.wake(),
            Index::All => self.cases(),
            Index::Authority(authority) => self.authority(authority),
            Index::Officer(officer) => self.officer(*officer),
        }
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
