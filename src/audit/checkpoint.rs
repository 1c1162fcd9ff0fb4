//! Checkpoints in the form of C2SP (c2sp.org/tlog-checkpoint): the size of the log and the root of its
//! tree, signed. Two of the same size are equal, whichever replica made them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::tree::Hash;
use crate::sign::{NoteSigner, NoteVerifier, open_note};

/// How many lines a checkpoint has: three of text, a blank one, one signature.
pub(super) const LINES: usize = 5;

/// The size of a log and the root of its tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// How many entries it has.
    pub size: u64,
    /// The root of its tree.
    pub root: Hash,
}

impl Checkpoint {
    /// The signed note.
    #[must_use]
    pub fn sign(&self, signer: &NoteSigner) -> String {
        signer.sign(&self.text())
    }

    fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root))
    }

    /// Reads a signed note.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn open(note: &str, verifiers: &[NoteVerifier]) -> Result<Self, String> {
        let text = open_note(note, verifiers).map_err(|error| error.to_string())?;
        Self::parse(text).ok_or_else(|| "its text is not a checkpoint".to_owned())
    }

    /// Reads a note whoever has signed it.
    #[must_use]
    pub fn read(note: &str) -> Option<Self> {
        Self::parse(&note[..=note.rfind("\n\n")?])
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let origin = lines.next()?.to_owned();
        let size = lines.next()?.parse().ok()?;
        let root = STANDARD.decode(lines.next()?).ok()?.try_into().ok()?;
        let checkpoint = Self { origin, size, root };
        // Written in no other way: two notes that mean the same are the same.
        (checkpoint.text() == text).then_some(checkpoint)
    }
}

/// The notes that stand one behind the other in `text`, and how many bytes of it they take; what
/// follows them was cut off.
#[must_use]
pub(super) fn notes(text: &str) -> (Vec<&str>, usize) {
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
    let mut found = Vec::with_capacity(ends.len() / LINES);
    let mut start = 0;
    for lines in ends.chunks_exact(LINES) {
        found.push(&text[start..lines[LINES - 1]]);
        start = lines[LINES - 1];
    }
    (found, start)
}
