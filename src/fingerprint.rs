//! Keyed fingerprints: they tell that two requests name the same target, and nothing else. The key
//! is kept outside Redis, so that a copy of Redis alone cannot be searched for a person.

use std::fmt;
use std::io;
use std::path::Path;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::core::Fingerprint;
use crate::key_file::{self, KEY_BYTES};

/// The key of a deployment's fingerprints. All replicas need the same one.
#[derive(Clone)]
pub struct FingerprintKey([u8; KEY_BYTES]);

impl fmt::Debug for FingerprintKey {
    /// A secret is never printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FingerprintKey")
    }
}

impl FingerprintKey {
    /// A key from its bytes.
    #[must_use]
    pub const fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// Reads the key from a file of 32 bytes.
    ///
    /// # Errors
    /// The file cannot be read, or does not hold 32 bytes.
    pub fn load(path: &Path) -> io::Result<Self> {
        key_file::load(path).map(Self)
    }

    /// Reads the key from a file that only its owner may read, or makes one from the system's
    /// randomness if there is no such file.
    ///
    /// # Errors
    /// The file cannot be read or made, or does not hold 32 bytes.
    pub fn load_or_create(path: &Path) -> io::Result<Self> {
        key_file::load_or_create(path).map(Self)
    }

    /// Tells whether two keys are the same, and nothing else of either.
    #[must_use]
    pub fn check_value(&self) -> Fingerprint {
        self.of("check value")
    }

    /// The fingerprint of `input`.
    #[must_use]
    pub fn of(&self, input: &str) -> Fingerprint {
        let mut half = [0; 16];
        half.copy_from_slice(&self.digest(input)[..16]);
        Fingerprint(half)
    }

    /// Another key of the deployment, which tells nothing of this one: all that has this one has it too.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> [u8; KEY_BYTES] {
        // No fingerprint is made of anything that begins so.
        self.digest(&format!("key {purpose}"))
    }

    fn digest(&self, input: &str) -> [u8; 32] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(input.as_bytes());
        mac.finalize().into_bytes().into()
    }
}
