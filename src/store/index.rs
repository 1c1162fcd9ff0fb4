//! The indexes of cases, and places in them.

use crate::core::{AuthorityId, CaseId, Fingerprint, IncidentName, Lane};

/// An index of cases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Index {
    /// Those of a lane that wait to be claimed, in the order of their places.
    Ready(Lane),
    /// The synthetic ones that wait to be claimed, in the order of their places.
    Synthetic,
    /// Those to whom an answer is owed, in the order of their places.
    Unanswered,
    /// Those that somebody holds, the one whose claim ends first first.
    Claimed,
    /// Those with this target, the latest accepted first.
    Target(Fingerprint),
    /// Those that belong or belonged to an incident, the latest accepted first.
    Incident(IncidentName),
    /// Those that must be looked at some time, the earliest first.
    Wake,
    /// Every case, the latest accepted first.
    All,
    /// Every case of one authority, the latest accepted first.
    Authority(AuthorityId),
    /// Those that one officer sent, the latest accepted first.
    Officer(Fingerprint),
}

impl Index {
    /// Whether the index is read from its end.
    pub(super) const fn is_latest_first(&self) -> bool {
        match self {
            Self::All
            | Self::Authority(_)
            | Self::Officer(_)
            | Self::Target(_)
            | Self::Incident(_) => true,
            Self::Ready(_) | Self::Synthetic | Self::Unanswered | Self::Claimed | Self::Wake => {
                false
            }
        }
    }
}

/// A place in an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The index's score.
    pub score: u64,
    /// The case; orders equal scores.
    pub id: CaseId,
}
