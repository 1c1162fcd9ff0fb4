//! What the events stream holds, and where in it somebody is.

use super::{Unreadable, codec};
use crate::core::{Change, Told};
use crate::telemetry::traces::TraceParent;

/// The name of a change in the events stream; later changes have higher ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    /// When it was written, in milliseconds since the epoch.
    pub millis: u64,
    /// Its number among those of the same millisecond.
    pub sequence: u64,
}

impl Cursor {
    /// The greatest cursor before this one; what is read after it begins with this one.
    #[must_use]
    pub const fn before(self) -> Self {
        match self.sequence.checked_sub(1) {
            Some(sequence) => Self { millis: self.millis, sequence },
            None => Self { millis: self.millis.saturating_sub(1), sequence: u64::MAX },
        }
    }
}

/// How far the audit log has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEdge {
    /// How many entries it has.
    pub size: u64,
    /// The cursor of the last of them; before the first, where the log begins.
    pub cursor: Cursor,
    /// What it takes to go on from there: text of the log's own.
    pub state: String,
}

/// A change in the events stream.
#[derive(Debug)]
pub struct Entry {
    /// Its name.
    pub cursor: Cursor,
    /// What happened.
    pub told: Result<Told, Unreadable>,
    /// The trace that its commit was part of.
    pub trace: Option<TraceParent>,
    /// The bytes that are stored, the same for every reader of every version; empty where there are
    /// none.
    pub stored: Vec<u8>,
}

impl Entry {
    /// What is told under `cursor`, from its stored bytes.
    pub(super) fn read(cursor: Cursor, stored: Result<&[u8], Unreadable>) -> Self {
        let bytes = stored.as_ref().map_or_else(|_| Vec::new(), |stored| stored.to_vec());
        let (told, trace) = match stored.and_then(codec::decode_traced) {
            Ok((told, trace)) => (Ok(told), trace),
            Err(error) => (Err(error), None),
        };
        Self { cursor, told, trace, stored: bytes }
    }

    /// The change of a case that it is, if it is one and can be read.
    #[must_use]
    pub fn change(&self) -> Option<&Change> {
        self.told.as_ref().ok().and_then(Told::change)
    }
}

/// How far back the events stream goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Nothing after this cursor has been trimmed.
    pub since: Cursor,
    /// The latest change.
    pub latest: Cursor,
}
