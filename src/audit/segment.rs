//! The files of a log: segments of a fixed number of entries, and how each begins.
//!
//! The first line of a segment holds the right edge of the tree that stands to the left of it, so that
//! every segment can be checked by itself and the log can be gone on with from its last one.

use super::entry::{hash_of_hex, hex};
use super::tree::{Edge, Hash};

/// What the first line of every segment begins with.
const FORM: &str = "urgence-audit/1";
const SUFFIX: &str = ".log";
/// The file of the signed checkpoints, beside the segments.
pub(super) const CHECKPOINTS: &str = "checkpoints";
/// The file of the public keys that this log was signed with, the present one last.
pub(super) const PUBLIC_KEY: &str = "public-key";

/// How a segment stands to the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// There is none: this replica's files begin here.
    Begins,
    /// It begins where that one ends.
    Continues,
    /// Between them this replica was away for longer than changes are kept.
    Rejoins,
}

impl Start {
    const ALL: [Self; 3] = [Self::Begins, Self::Continues, Self::Rejoins];

    const fn word(self) -> &'static str {
        match self {
            Self::Begins => "begins",
            Self::Continues => "continues",
            Self::Rejoins => "rejoins",
        }
    }
}

/// The first line of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) origin: String,
    pub(super) start: Start,
    /// The edge of the tree to the left; its size is the number of the first entry.
    pub(super) edge: Edge,
}

impl Header {
    /// The line, with its end.
    pub(super) fn render(&self) -> String {
        let (origin, start) = (&self.origin, self.start.word());
        format!("{FORM} {origin} {start} {} {}\n", self.edge.size(), hashes(self.edge.hashes()))
    }

    /// Reads the line, without its end.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let line = std::str::from_utf8(line).ok()?;
        let mut words = line.strip_prefix(FORM)?.strip_prefix(' ')?.split(' ');
        let origin = words.next()?.to_owned();
        let word = words.next()?;
        let start = Start::ALL.into_iter().find(|start| start.word() == word)?;
        let size = words.next()?.parse().ok()?;
        let edge = Edge::from_parts(size, parse_hashes(words.next()?)?)?;
        let header = Self { origin, start, edge };
        // Written in no other way, and with nothing behind it.
        (header.render().strip_suffix('\n') == Some(line)).then_some(header)
    }
}

/// Hashes in one word; none make a hyphen.
pub(super) fn hashes(hashes: &[Hash]) -> String {
    match hashes {
        [] => "-".to_owned(),
        hashes => hashes.iter().map(|hash| hex(hash)).collect::<Vec<_>>().join(","),
    }
}

/// Hashes from one word.
pub(super) fn parse_hashes(word: &str) -> Option<Vec<Hash>> {
    if word == "-" { Some(Vec::new()) } else { word.split(',').map(hash_of_hex).collect() }
}

/// The name of the segment whose first entry is `first`.
pub(super) fn file_name(first: u64) -> String {
    format!("{first:020}{SUFFIX}")
}

/// The first entry of the segment of that name; `None` for other files.
pub(super) fn first_of(name: &str) -> Option<u64> {
    let first = name.strip_suffix(SUFFIX)?.parse().ok()?;
    (file_name(first) == name).then_some(first)
}
