//! Inclusion proofs in the form of C2SP (c2sp.org/tlog-proof): that an entry is in the log which a
//! checkpoint was made of.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::checkpoint::Checkpoint;
use super::tree::{Hash, is_included};
use crate::sign::NoteVerifier;

const FORM: &str = "c2sp.org/tlog-proof@v1";

/// The way from an entry to a signed root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The number of the entry.
    pub index: u64,
    /// The hashes beside the way, from below.
    pub path: Vec<Hash>,
    /// The signed checkpoint.
    pub checkpoint: String,
}

impl Proof {
    /// The proof as text.
    #[must_use]
    pub fn render(&self) -> String {
        let path: String = self.path.iter().map(|hash| STANDARD.encode(hash) + "\n").collect();
        format!("{FORM}\nindex {}\n{path}\n{}", self.index, self.checkpoint)
    }

    /// Reads a proof.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (head, checkpoint) = text.split_once("\n\n")?;
        let mut lines = head.lines();
        if lines.next()? != FORM {
            return None;
        }
        let mut line = lines.next()?;
        if line.starts_with("extra ") {
            line = lines.next()?;
        }
        let index = line.strip_prefix("index ")?.parse().ok()?;
        let hash = |line: &str| STANDARD.decode(line).ok()?.try_into().ok();
        let path = lines.map(hash).collect::<Option<_>>()?;
        Some(Self { index, path, checkpoint: checkpoint.to_owned() })
    }

    /// Whether it shows that `entry`, as the bytes that were hashed, is in the log; the checkpoint that
    /// says so.
    ///
    /// # Errors
    /// What does not hold.
    pub fn check(&self, entry: &str, keys: &[NoteVerifier]) -> Result<Checkpoint, String> {
        let checkpoint = Checkpoint::open(&self.checkpoint, keys)
            .map_err(|problem| format!("the checkpoint of the proof: {problem}"))?;
        let Checkpoint { size, root, .. } = &checkpoint;
        if is_included(entry.as_bytes(), self.index, &self.path, *size, root) {
            return Ok(checkpoint);
        }
        Err(format!("the entry is not number {} of the log of {size} entries", self.index))
    }
}
