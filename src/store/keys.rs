//! Every Redis key there is, and what it holds.

use super::Index;
use crate::core::memory::ActKey;
use crate::core::{AuthorityId, CaseId, DeskName, PolicyId};

/// The keys of one desk. They share a hash tag, so that one commit may touch any of them.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    tag: String,
}

impl Keys {
    pub(super) fn new(desk: &DeskName) -> Self {
        Self { tag: format!("{{urgence:{desk}}}") }
    }

    /// HASH: version, state, request, response.
    pub(super) fn case(&self, id: CaseId) -> String {
        format!("{}:case:{}", self.tag, id.compact())
    }

    /// ZSET: cases that wait to be claimed, by place.
    pub(super) fn ready(&self) -> String {
        format!("{}:ready", self.tag)
    }

    /// ZSET: cases with a wake, by its millisecond.
    pub(super) fn wake(&self) -> String {
        format!("{}:wake", self.tag)
    }

    /// ZSET: cases without a first response, by place.
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

    /// STREAM: every change, in order.
    pub(super) fn events(&self) -> String {
        format!("{}:events", self.tag)
    }

    /// STREAM: changes that a reader did not understand.
    pub(super) fn parked(&self) -> String {
        format!("{}:parked", self.tag)
    }

    /// HASH: version (always 1), state: a policy under its content address.
    pub(super) fn policy(&self, id: PolicyId) -> String {
        format!("{}:policy:{id}", self.tag)
    }

    /// STRING with an expiry: the case that an act got.
    pub(super) fn note(&self, key: ActKey) -> String {
        let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}:note:{hex}", self.tag)
    }

    /// STRING: written to make a later WAIT speak for what was read before.
    pub(super) fn fence(&self) -> String {
        format!("{}:fence", self.tag)
    }

    pub(super) fn index(&self, index: &Index) -> String {
        match index {
            Index::Ready => self.ready(),
            Index::Unanswered => self.unanswered(),
            Index::All => self.cases(),
            Index::Authority(authority) => self.authority(authority),
        }
    }
}
