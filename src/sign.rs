//! Ed25519 keys and signed notes in the form of C2SP (c2sp.org/signed-note): a text that people can
//! read, a blank line, and a line for each signature. Checkpoints and receipts are such notes, so
//! whoever has the public key checks them without us and with tools that are not ours.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};

/// What C2SP calls Ed25519.
const ALGORITHM: u8 = 1;
const ID_BYTES: usize = 4;
const DASH: &str = "\u{2014} ";

/// A text is no name of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name of a key must not be empty, nor hold spaces, control characters or a plus sign")]
pub struct BadKeyName;

/// A key that signs notes under a name.
pub struct NoteSigner {
    key: SigningKey,
    verifier: NoteVerifier,
}

impl fmt::Debug for NoteSigner {
    /// A secret is never printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteSigner({})", self.verifier)
    }
}

impl NoteSigner {
    /// The key that `seed` makes, under `name`.
    ///
    /// # Errors
    /// The name cannot be one.
    pub fn new(name: &str, seed: &[u8; 32]) -> Result<Self, BadKeyName> {
        let key = SigningKey::from_bytes(seed);
        let verifier = NoteVerifier::new(name, key.verifying_key())?;
        Ok(Self { key, verifier })
    }

    /// The name under which it signs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.verifier.name
    }

    /// What its signatures are checked with.
    #[must_use]
    pub const fn verifier(&self) -> &NoteVerifier {
        &self.verifier
    }

    /// The signed note of a text, whose every line ends. The same text makes the same note for ever.
    #[must_use]
    pub fn sign(&self, text: &str) -> String {
        debug_assert!(text.ends_with('\n'), "a note's text ends with its last line");
        let signature = self.key.sign(text.as_bytes());
        let signed = [self.verifier.id.as_slice(), &signature.to_bytes()].concat();
        format!("{text}\n{DASH}{} {}\n", self.verifier.name, STANDARD.encode(signed))
    }
}

/// The public half of a key that signs notes. As text: `NAME+ID+KEY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteVerifier {
    name: String,
    id: [u8; ID_BYTES],
    key: VerifyingKey,
}

impl NoteVerifier {
    fn new(name: &str, key: VerifyingKey) -> Result<Self, BadKeyName> {
        let is_forbidden = |char: char| char.is_whitespace() || char.is_control() || char == '+';
        if name.is_empty() || name.contains(is_forbidden) {
            return Err(BadKeyName);
        }
        let mut hasher = Sha256::new();
        hasher.update(name);
        hasher.update([b'\n', ALGORITHM]);
        hasher.update(key.as_bytes());
        let mut id = [0; ID_BYTES];
        id.copy_from_slice(&hasher.finalize()[..ID_BYTES]);
        Ok(Self { name: name.to_owned(), id, key })
    }

    /// The name of the key.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for NoteVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[ALGORITHM], self.key.as_bytes().as_slice()].concat();
        let id = u32::from_be_bytes(self.id);
        write!(f, "{}+{id:08x}+{}", self.name, STANDARD.encode(key))
    }
}

/// A text is no public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a public key of signed notes, which reads like urgence/main+1a2b3c4d+AbC...=")]
pub struct NotAVerifier;

impl FromStr for NoteVerifier {
    type Err = NotAVerifier;

    fn from_str(text: &str) -> Result<Self, NotAVerifier> {
        let (name, rest) = text.split_once('+').ok_or(NotAVerifier)?;
        let (_, key) = rest.split_once('+').ok_or(NotAVerifier)?;
        let bytes = STANDARD.decode(key).map_err(|_| NotAVerifier)?;
        let (algorithm, key) = bytes.split_first().ok_or(NotAVerifier)?;
        let key = <&[u8; 32]>::try_from(key).map_err(|_| NotAVerifier)?;
        let key = VerifyingKey::from_bytes(key).map_err(|_| NotAVerifier)?;
        let verifier = Self::new(name, key).map_err(|_| NotAVerifier)?;
        // The id is derived from the rest; one that is not ours belongs to a mistyped key.
        let is_whole = *algorithm == ALGORITHM && verifier.to_string() == text;
        if is_whole { Ok(verifier) } else { Err(NotAVerifier) }
    }
}

/// Why a note does not stand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It has not the form of one.
    #[error("it is not a signed note")]
    Malformed,
    /// Nobody known has signed it.
    #[error("none of the given public keys has signed it")]
    Unsigned,
    /// A known key's signature does not fit the text.
    #[error("the signature of {0} does not fit the text")]
    Forged(String),
}

/// The text of a note that at least one of `verifiers` has signed. Signatures of others are left
/// alone; one of a known key that does not fit is an error, whoever else has signed.
///
/// # Errors
/// It is no note, or not signed as it should be.
pub fn open_note<'n>(note: &'n str, verifiers: &[NoteVerifier]) -> Result<&'n str, NoteError> {
    let at = note.rfind("\n\n").ok_or(NoteError::Malformed)?;
    let (text, signatures) = (&note[..=at], &note[at + 2..]);
    if signatures.is_empty() || !signatures.ends_with('\n') {
        return Err(NoteError::Malformed);
    }
    let mut is_signed = false;
    for line in signatures.lines() {
        let (name, signature) = signature_line(line).ok_or(NoteError::Malformed)?;
        let (id, signature) = signature.split_at_checked(ID_BYTES).ok_or(NoteError::Malformed)?;
        let is_from = |verifier: &&NoteVerifier| verifier.name == name && verifier.id == id;
        let Some(verifier) = verifiers.iter().find(is_from) else { continue };
        let forged = || NoteError::Forged(name.to_owned());
        let signature = Signature::from_slice(signature).map_err(|_| forged())?;
        verifier.key.verify_strict(text.as_bytes(), &signature).map_err(|_| forged())?;
        is_signed = true;
    }
    if is_signed { Ok(text) } else { Err(NoteError::Unsigned) }
}

fn signature_line(line: &str) -> Option<(&str, Vec<u8>)> {
    let (name, signature) = line.strip_prefix(DASH)?.split_once(' ')?;
    Some((name, STANDARD.decode(signature).ok()?))
}
