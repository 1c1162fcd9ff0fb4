//! Bytes that nobody guesses.

use super::SealError;
use super::key::random;

/// What makes a digest tell nothing of what is guessed beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Salt(pub [u8; 16]);

impl Salt {
    /// One of the system's randomness.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn random() -> Result<Self, SealError> {
        random().map(Self)
    }
}
