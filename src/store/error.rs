//! What can go wrong in a store.

use crate::core::CaseId;

/// Stored bytes that this version cannot read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the stored {what}: {problem}")]
pub struct Unreadable {
    /// What they were read as.
    pub what: &'static str,
    /// What is wrong with them.
    pub problem: String,
}

impl Unreadable {
    /// The same, saying which case it is.
    #[must_use]
    pub fn of(self, id: CaseId) -> Self {
        Self { problem: format!("case {id}: {}", self.problem), ..self }
    }
}

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection to a primary is up. Nothing was sent.
    #[error("{operation}: no connection to Redis ({reason})")]
    Unreachable {
        /// What was asked.
        operation: &'static str,
        /// Why there is none.
        reason: String,
    },
    /// Redis did not answer, or with an error; a write may or may not have happened.
    #[error("{operation}: Redis failed: {problem}")]
    Failed {
        /// What was asked.
        operation: &'static str,
        /// What Redis or the connection said.
        problem: String,
    },
    /// Redis's memory is full; nothing was written.
    #[error("{operation}: Redis is at its memory limit")]
    Full {
        /// What was asked.
        operation: &'static str,
    },
    /// Written, but not by as many replicas as promised.
    #[error("{operation}: {acknowledged} of {needed} replicas acknowledged the write in time")]
    NotReplicated {
        /// What was asked.
        operation: &'static str,
        /// How many did.
        acknowledged: u64,
        /// How many must.
        needed: u64,
    },
    /// There is no key to seal with; nothing was written, since nothing is written in the clear.
    #[error("{operation}: it cannot be sealed: {problem}")]
    NotSealed {
        /// What was asked.
        operation: &'static str,
        /// Why not.
        problem: String,
    },
    /// A stored value is not what this version can read.
    #[error("{operation}: {source}")]
    Unreadable {
        /// What was asked.
        operation: &'static str,
        /// What could not be read.
        source: Unreadable,
    },
}
