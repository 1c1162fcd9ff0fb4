//! Why a use case failed. It knows nothing of gRPC.

use std::time::Duration;

use crate::core::Refusal;
use crate::core::incident::IncidentRefusal;
use crate::core::standing::StandingRefusal;
use crate::registry::NotEntitled;
use crate::store::StoreError;

/// Everything that a use case can fail with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The rules do not allow it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The rules of incidents do not allow it.
    #[error(transparent)]
    Incident(#[from] IncidentRefusal),
    /// The rules of standings do not allow it.
    #[error(transparent)]
    Standing(#[from] StandingRefusal),
    /// The registry does not let the authority ask.
    #[error(transparent)]
    NotEntitled(#[from] NotEntitled),
    /// A new policy leaves contacts out that open cases still page.
    #[error("open cases still page these contacts: {}; keep them", missing.join(", "))]
    ContactsInUse {
        /// Which.
        missing: Vec<String>,
    },
    /// The store did not do it, or is not known to have done it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Redis does not keep what would be promised.
    #[error("nothing new is accepted: {problem}")]
    NotDurable {
        /// What it does not keep.
        problem: String,
    },
    /// The authority has sent more routine requests than it may.
    #[error("this authority sends more routine requests than it may; send this one later")]
    BudgetSpent {
        /// When there is room for one.
        retry_after: Duration,
    },
    /// The store is under pressure, and a routine request gives way.
    #[error("emergencies go first now; send this routine request later")]
    StoreBusy {
        /// When to try.
        retry_after: Duration,
    },
    /// Another desk has made a case of this request, which is repeated there.
    #[error("another desk has made a case of this request")]
    Elsewhere,
    /// Others were first, again and again.
    #[error("too many others changed this case at once")]
    Contended,
    /// The events after a resume token are no longer kept.
    #[error("changes after this resume_token are no longer kept; watch again without it")]
    TooOld,
    /// The same act was asked for again, and that call goes on in this one's place.
    #[error("this request_id was sent again; the later call goes on in this one's place")]
    Superseded,
    /// The process is stopping.
    #[error("this server is stopping")]
    Stopping,
}
