//! What Redis keeps of the log: what it takes to go on from its last checkpoint, and no more.

use super::checkpoint::Checkpoint;
use super::entry::{hash_of_hex, hex};
use super::log::Sealed;
use super::segment::{hashes, parse_hashes};
use super::tree::{Edge, Hash};
use crate::sign::NoteVerifier;
use crate::store::{AuditEdge, Cursor};

/// The edge of a log, and where in the stream it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EdgeState {
    pub(super) edge: Edge,
    pub(super) cursor: Cursor,
    /// The SHA-256 of what is stored at the cursor; `None` where the log begins.
    pub(super) stored: Option<Hash>,
    /// The checkpoint, as whoever made it has signed it; empty where the log begins.
    pub(super) note: String,
}

impl EdgeState {
    /// A log without entries, which will begin behind `cursor`.
    pub(super) fn beginning(cursor: Cursor) -> Self {
        Self { edge: Edge::default(), cursor, stored: None, note: String::new() }
    }

    pub(super) fn of(sealed: &Sealed) -> Self {
        let point = sealed.point.clone();
        let stored = Some(point.stored);
        Self { edge: point.edge, cursor: point.cursor, stored, note: sealed.note.clone() }
    }

    /// Three parts, each from a new line on: the digest, the hashes, the note.
    pub(super) fn render(&self) -> AuditEdge {
        let stored = self.stored.map_or_else(|| "-".to_owned(), |stored| hex(&stored));
        let state = format!("{stored}\n{}\n{}", hashes(self.edge.hashes()), self.note);
        AuditEdge { size: self.edge.size(), cursor: self.cursor, state }
    }

    /// Whether one of these keys has signed it: whoever writes Redis can keep any edge there.
    pub(super) fn is_signed_by(&self, keys: &[NoteVerifier], origin: &str) -> bool {
        Checkpoint::open(&self.note, keys).is_ok_and(|signed| {
            signed.origin == origin
                && signed.size == self.edge.size()
                && signed.root == self.edge.root()
        })
    }

    /// Reads what Redis has kept; `None` where it does not hold together.
    pub(super) fn parse(kept: &AuditEdge) -> Option<Self> {
        let mut parts = kept.state.splitn(3, '\n');
        let stored = match parts.next()? {
            "-" => None,
            digits => Some(hash_of_hex(digits)?),
        };
        let edge = Edge::from_parts(kept.size, parse_hashes(parts.next()?)?)?;
        let note = parts.next()?.to_owned();
        let is_signed = || {
            Checkpoint::read(&note)
                .is_some_and(|signed| signed.size == kept.size && signed.root == edge.root())
        };
        // Whoever has signed it: replicas may have keys of their own.
        let holds = if kept.size == 0 { stored.is_none() } else { stored.is_some() && is_signed() };
        holds.then_some(Self { edge, cursor: kept.cursor, stored, note })
    }
}
