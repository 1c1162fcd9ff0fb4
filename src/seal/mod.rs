//! Sealing: what was said is stored only as a ciphertext, under a data key that can be destroyed.
//!
//! A data key belongs to a [`Label`]: a desk, a month and how long what it seals is kept. The keys lie
//! in a file outside Redis, wrapped by a key-encryption key, so that a copy of Redis alone, of whatever
//! age, says nothing; and when the last of what a key has sealed was purged, destroying the key makes
//! an end of every copy. This room knows ciphers and files and no Redis.

mod binding;
mod content;
mod encoding;
mod key;
mod key_file;
mod label;
mod ring;
mod salt;
mod source;
mod token;

pub use binding::{Binding, Owner};
pub use content::Content;
pub use key::{KeyEncryptionKeyId, KeyId};
pub use label::{Class, Label, Month};
pub use ring::{KeyInfo, KeyRing, Sealed};
pub use salt::Salt;
pub use source::KeyEncryptionKeys;
pub use token::TokenKey;

/// Why something could not be sealed, or opened, or a key not be had. Says which key, never what it
/// seals.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// A file cannot be read or written.
    #[error("{operation} {path}: {source}")]
    File {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The file of the data keys is not one, or was changed by somebody without the key.
    #[error("the file of the data keys {path}: {problem}")]
    BadKeyFile {
        /// Which file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// There is no key-encryption key where one should be.
    #[error("the key-encryption key from {origin}: {problem}")]
    BadKeyEncryptionKey {
        /// The file or the command, without what it said.
        origin: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// New data keys are wrapped by a key-encryption key that is not known here.
    #[error("the key-encryption key {0} is not known here; give it beside the others")]
    UnknownKeyEncryptionKey(KeyEncryptionKeyId),
    /// There is no data key to seal this with.
    #[error("there is no data key for {0}")]
    NoKey(Label),
    /// The data key that this was sealed with is not known here, or was destroyed.
    #[error("the data key {0} is not known here, or was destroyed")]
    UnknownKey(KeyId),
    /// It is not what was sealed with this key for this place.
    #[error("it does not open under the data key {0}")]
    DoesNotOpen(KeyId),
    /// It is too short to be a ciphertext.
    #[error("it is too short for a ciphertext")]
    TooShort,
    /// The system has no randomness to give, or the text is too long for the cipher.
    #[error("{0}")]
    Cipher(&'static str),
}
