//! Whether a log is what was signed. Pure: bytes in, the first fault out.
//!
//! An entry that was changed is found by its own hash. One that was changed together with its hash is
//! found by the first checkpoint that covers it, which then names the entries since the one before.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;

use super::SEAL_EVERY;
use super::checkpoint::{Checkpoint, notes};
use super::entry::{Line, digest};
use super::segment::{CHECKPOINTS, Header, PUBLIC_KEY, Start, first_of};
use super::tree::{Edge, Hash};
use crate::sign::{NoteError, NoteVerifier, open_note};
use crate::store::Cursor;

/// The first thing that is wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem} (in {file})")]
pub struct Fault {
    /// Which file of the log.
    pub file: String,
    /// Where in it.
    pub place: Place,
    /// What is wrong.
    pub problem: String,
}

/// Where a log is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// One entry.
    Entry(u64),
    /// One of these entries, from the first to the last.
    Entries(u64, u64),
    /// The checkpoint of this size.
    Checkpoint(u64),
    /// What so many checkpoints of the file stand before.
    Note(usize),
    /// The first line of a segment.
    Header,
    /// The file itself.
    File,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry(index) => write!(f, "entry {index}"),
            Self::Entries(first, last) if first == last => write!(f, "entry {first}"),
            Self::Entries(first, last) => write!(f, "entries {first} to {last}"),
            Self::Checkpoint(size) => write!(f, "checkpoint of size {size}"),
            Self::Note(index) => write!(f, "checkpoint number {}", index + 1),
            Self::Header => f.write_str("first line"),
            Self::File => f.write_str("file"),
        }
    }
}

/// How far a log was found right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// The first entry that these files hold.
    pub first: u64,
    /// How many entries the log has.
    pub size: u64,
    /// How many of them are signed.
    pub signed: u64,
    /// The entries of the log that these files do not hold, the first first. The trees behind them
    /// include them, so another replica must have them; whoever relies on the log asks for them there.
    pub missing: Vec<Range<u64>>,
}

/// A point of the log that its last entry is known of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) edge: Edge,
    pub(super) cursor: Cursor,
    /// The SHA-256 of what is stored there.
    pub(super) stored: Hash,
}

/// A segment that was found right.
pub(super) struct SeenSegment {
    pub(super) header: Header,
    pub(super) size: u64,
    /// The root of the tree over its own entries.
    pub(super) root: Hash,
}

/// A walk over the segments of a log, in their order.
pub(super) struct Walk {
    checkpoints: VecDeque<Checkpoint>,
    /// The last checkpoint that nobody trusted has signed, and where it stands.
    untrusted: Option<(u64, Fault)>,
    /// The size of the last one that somebody trusted has.
    trusted: u64,
    /// What is wrong with the file of checkpoints.
    signed_badly: Option<Fault>,
    first: Option<u64>,
    missing: Vec<Range<u64>>,
    /// The size of the last checkpoint that held.
    held: u64,
    /// Where the walk is; `None` before the first entry.
    pub(super) point: Option<Point>,
    /// Where it was at the last checkpoint that held.
    pub(super) sealed: Option<Point>,
}

impl Walk {
    /// A walk that trusts what `keys` have signed.
    pub(super) fn new(checkpoints: &[u8], keys: &[NoteVerifier]) -> Self {
        let Notes { checkpoints, untrusted, trusted, signed_badly } =
            read_checkpoints(checkpoints, keys);
        Self {
            checkpoints,
            untrusted,
            trusted,
            signed_badly,
            first: None,
            missing: Vec::new(),
            held: 0,
            point: None,
            sealed: None,
        }
    }

    /// Goes over one segment.
    pub(super) fn segment(&mut self, file: &str, bytes: &[u8]) -> Result<SeenSegment, Fault> {
        let fault = |place, problem: &str| Fault {
            file: file.to_owned(),
            place,
            problem: problem.to_owned(),
        };
        let mut lines = bytes.split(|byte| *byte == b'\n');
        let header = lines.next().and_then(Header::parse);
        let header = header.ok_or_else(|| fault(Place::Header, "it is not one"))?;
        if first_of(file) != Some(header.edge.size()) {
            return Err(fault(Place::Header, "it is that of another segment"));
        }
        self.join(file, &header)?;
        let (mut edge, mut own) = (header.edge.clone(), Edge::default());
        let mut lines = lines.peekable();
        while let Some(line) = lines.next() {
            let index = edge.size();
            if lines.peek().is_none() {
                // What follows the end of the last line: nothing, where it was written to its end.
                if line.is_empty() {
                    break;
                }
                return Err(fault(Place::Entry(index), "it is cut off"));
            }
            let (line, entry) =
                Line::parse(line, index).map_err(|problem| fault(Place::Entry(index), &problem))?;
            let cursor = entry.cursor.parse().ok();
            let before = self.point.as_ref().map(|point| point.cursor);
            let cursor = cursor
                .filter(|cursor| before.is_none_or(|before| before < *cursor))
                .ok_or_else(|| fault(Place::Entry(index), "it stands not behind the one before"))?;
            edge.push(line.leaf());
            own.push(line.leaf());
            let point = Point { edge: edge.clone(), cursor, stored: digest(&line.stored) };
            self.check(file, &header.origin, &point)?;
            self.point = Some(point);
        }
        if own.size() == 0 {
            return Err(fault(Place::File, "it has no entries"));
        }
        Ok(SeenSegment { header, size: edge.size(), root: own.root() })
    }

    /// Whether a segment that begins so may stand here.
    fn join(&mut self, file: &str, header: &Header) -> Result<(), Fault> {
        let (here, first) = (self.point.as_ref().map(|point| &point.edge), header.edge.size());
        let size = here.map_or(self.first.unwrap_or(0), Edge::size);
        let place = if here.is_some_and(|here| here.size() >= first) {
            Place::Header
        } else {
            Place::Entries(size, first.saturating_sub(1))
        };
        let problem = match (header.start, here) {
            (Start::Begins, None) => None,
            (Start::Begins, Some(_)) => Some("the log begins twice"),
            (Start::Continues, Some(here)) if *here == header.edge => None,
            (Start::Continues, Some(here)) if here.size() >= first => {
                Some("its hashes are not those of the entries before it")
            }
            (Start::Continues, _) => Some("they are missing"),
            (Start::Rejoins, None) => None,
            (Start::Rejoins, Some(here)) if here.size() < first => None,
            (Start::Rejoins, Some(_)) => Some("it begins before the end of the one before it"),
        };
        if let Some(problem) = problem {
            return Err(Fault { file: file.to_owned(), place, problem: problem.to_owned() });
        }
        // What was signed before the first entry that is here must have been here once.
        if let Some(missing) =
            self.checkpoints.front().filter(|checkpoint| checkpoint.size <= first)
        {
            let place = Place::Entries(self.held.max(size), missing.size.saturating_sub(1));
            let problem = "they were signed, and are missing".to_owned();
            return Err(Fault { file: file.to_owned(), place, problem });
        }
        self.first.get_or_insert(first);
        // Whatever the header calls it: nothing signs the word, and a gap is one under every name.
        if size < first {
            self.missing.push(size..first);
        }
        if header.start != Start::Continues {
            self.held = first;
        }
        Ok(())
    }

    /// Compares with the checkpoint of this size, if there is one.
    fn check(&mut self, file: &str, origin: &str, point: &Point) -> Result<(), Fault> {
        let size = point.edge.size();
        let Some(next) = self.checkpoints.front() else { return Ok(()) };
        if next.size != size {
            if size.is_multiple_of(SEAL_EVERY) && self.signed_badly.is_none() {
                let (place, problem) = (Place::Checkpoint(size), "it is missing".to_owned());
                self.signed_badly = Some(Fault { file: CHECKPOINTS.to_owned(), place, problem });
            }
            return Ok(());
        }
        if next.origin != origin || next.root != point.edge.root() {
            let place = Place::Entries(self.held, size - 1);
            let problem = format!("they are not what was signed at the size {size}");
            return Err(Fault { file: file.to_owned(), place, problem });
        }
        self.checkpoints.pop_front();
        self.held = size;
        self.sealed = Some(point.clone());
        Ok(())
    }

    /// Whether every size that is to be signed is. A kill between an entry and its checkpoint leaves one
    /// that is not, until the next start.
    fn check_all_signed(&self, size: u64) -> Result<(), Fault> {
        let next = (self.held / SEAL_EVERY + 1) * SEAL_EVERY;
        if next > size {
            return Ok(());
        }
        let (file, problem) = (CHECKPOINTS.to_owned(), "it is missing".to_owned());
        Err(Fault { file, place: Place::Checkpoint(next), problem })
    }

    /// Whether every checkpoint is signed by somebody trusted.
    fn check_all_trusted(&self) -> Result<(), Fault> {
        self.untrusted.as_ref().map_or(Ok(()), |(_, fault)| Err(fault.clone()))
    }

    /// Whether all that was signed is there. A checkpoint of a key that is no longer trusted says nothing,
    /// and is harmless once somebody trusted has signed a later tree, which has all of it.
    pub(super) fn finish(&self) -> Result<Verified, Fault> {
        let size = self.point.as_ref().map_or(0, |point| point.edge.size());
        if let Some(missing) = self.checkpoints.back() {
            let place = Place::Entries(size, missing.size.saturating_sub(1));
            let problem = "they were signed, and are missing".to_owned();
            return Err(Fault { file: CHECKPOINTS.to_owned(), place, problem });
        }
        if let Some(fault) = &self.signed_badly {
            return Err(fault.clone());
        }
        if let Some((_, fault)) = self.untrusted.as_ref().filter(|(of, _)| *of > self.trusted) {
            return Err(fault.clone());
        }
        let (first, missing) = (self.first.unwrap_or(0), self.missing.clone());
        Ok(Verified { first, size, signed: self.held, missing })
    }
}

/// What the file of checkpoints says.
struct Notes {
    checkpoints: VecDeque<Checkpoint>,
    untrusted: Option<(u64, Fault)>,
    /// The size of the last one that somebody trusted has signed.
    trusted: u64,
    signed_badly: Option<Fault>,
}

/// The checkpoints of the file that hold by themselves, and the first thing wrong with it.
fn read_checkpoints(bytes: &[u8], keys: &[NoteVerifier]) -> Notes {
    let mut found: VecDeque<Checkpoint> = VecDeque::new();
    let (mut untrusted, mut trusted, mut wrong) = (None, 0, None);
    let mut fault = |place, problem: String| {
        wrong.get_or_insert(Fault { file: CHECKPOINTS.to_owned(), place, problem });
    };
    let text = String::from_utf8_lossy(bytes);
    let (notes, whole) = notes(&text);
    for (index, note) in notes.iter().enumerate() {
        match Checkpoint::open(note, keys) {
            Ok(checkpoint) if found.back().is_some_and(|last| last.size >= checkpoint.size) => {
                fault(Place::Note(index), "it stands not behind the one before".to_owned());
            }
            Ok(checkpoint) => {
                trusted = checkpoint.size;
                found.push_back(checkpoint);
            }
            Err(problem) => match unsigned(note, keys) {
                Some(checkpoint) if found.back().is_none_or(|last| last.size < checkpoint.size) => {
                    let (file, place) = (CHECKPOINTS.to_owned(), Place::Note(index));
                    untrusted = Some((checkpoint.size, Fault { file, place, problem }));
                    found.push_back(checkpoint);
                }
                _ => fault(Place::Note(index), problem),
            },
        }
    }
    if whole < text.len() {
        fault(Place::Note(notes.len()), "it is cut off".to_owned());
    }
    Notes { checkpoints: found, untrusted, trusted, signed_badly: wrong }
}

/// The checkpoint of a note that nobody known has signed; `None` where a known key's does not fit.
fn unsigned(note: &str, keys: &[NoteVerifier]) -> Option<Checkpoint> {
    let is_unsigned = open_note(note, keys) == Err(NoteError::Unsigned);
    Checkpoint::read(note).filter(|_| is_unsigned)
}

/// Checks the files of a log, which `read` has by their names, against the public keys.
///
/// # Errors
/// The first thing that is wrong.
pub fn verify<E: fmt::Display>(
    names: &[String],
    keys: &[NoteVerifier],
    mut read: impl FnMut(&str) -> Result<Vec<u8>, E>,
) -> Result<Verified, Fault> {
    let (walk, verified) = walked(names, keys, &mut read)?;
    walk.check_all_trusted()?;
    if names.iter().any(|name| name == PUBLIC_KEY) {
        check_keys(&bytes_of(PUBLIC_KEY, &mut read)?, keys)?;
    }
    Ok(verified)
}

/// The same of a replica's own log, which may have been signed with keys that were replaced since.
pub(super) fn verify_own<E: fmt::Display>(
    names: &[String],
    keys: &[NoteVerifier],
    mut read: impl FnMut(&str) -> Result<Vec<u8>, E>,
) -> Result<Verified, Fault> {
    Ok(walked(names, keys, &mut read)?.1)
}

fn bytes_of<E: fmt::Display>(
    name: &str,
    read: &mut impl FnMut(&str) -> Result<Vec<u8>, E>,
) -> Result<Vec<u8>, Fault> {
    let (file, place) = (name.to_owned(), Place::File);
    read(name).map_err(|error| Fault { file, place, problem: error.to_string() })
}

fn walked<E: fmt::Display>(
    names: &[String],
    keys: &[NoteVerifier],
    read: &mut impl FnMut(&str) -> Result<Vec<u8>, E>,
) -> Result<(Walk, Verified), Fault> {
    let mut bytes = |name: &str| bytes_of(name, read);
    let has = |name: &str| names.iter().any(|named| named == name);
    let checkpoints = if has(CHECKPOINTS) { bytes(CHECKPOINTS)? } else { Vec::new() };
    let mut walk = Walk::new(&checkpoints, keys);
    let mut segments: Vec<&String> = names.iter().filter(|name| first_of(name).is_some()).collect();
    segments.sort();
    for name in segments {
        walk.segment(name, &bytes(name)?)?;
    }
    let verified = walk.finish()?;
    walk.check_all_signed(verified.size)?;
    if let Some(name) = names.iter().find(|name| !is_of_a_log(name)) {
        let problem = "it is no file of a log".to_owned();
        return Err(Fault { file: name.clone(), place: Place::File, problem });
    }
    Ok((walk, verified))
}

fn is_of_a_log(name: &str) -> bool {
    name == CHECKPOINTS || name == PUBLIC_KEY || first_of(name).is_some()
}

/// The file of public keys is there for convenience. It proves nothing, but must not mislead.
fn check_keys(bytes: &[u8], keys: &[NoteVerifier]) -> Result<(), Fault> {
    let text = String::from_utf8_lossy(bytes);
    let is_known = |line: &str| line.parse().is_ok_and(|key: NoteVerifier| keys.contains(&key));
    if text.ends_with('\n') && text.split_terminator('\n').all(is_known) {
        return Ok(());
    }
    let problem = "it holds a key that is none of the given ones".to_owned();
    Err(Fault { file: PUBLIC_KEY.to_owned(), place: Place::File, problem })
}
