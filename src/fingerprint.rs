//! Keyed fingerprints: they tell that two requests name the same target, and nothing else. The key
//! is kept outside Redis, so that a copy of Redis alone cannot be searched for a person.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::core::Fingerprint;

const KEY_BYTES: usize = 32;

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
        std::fs::read(path)?.try_into().map(Self).map_err(|_| {
            let problem = "a fingerprint key must hold exactly 32 bytes";
            io::Error::new(io::ErrorKind::InvalidData, problem)
        })
    }

    /// Reads the key from a file that only its owner may read, or makes one from the system's
    /// randomness if there is no such file.
    ///
    /// # Errors
    /// The file cannot be read or made, or does not hold 32 bytes.
    pub fn load_or_create(path: &Path) -> io::Result<Self> {
        match Self::load(path) {
            Ok(key) => Ok(key),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(path),
            Err(error) => Err(error),
        }
    }

    fn create(path: &Path) -> io::Result<Self> {
        let mut key = [0; KEY_BYTES];
        std::fs::File::open("/dev/urandom")?.read_exact(&mut key)?;
        // Written beside it and then linked: whoever looks finds the whole key or none.
        let (process, thread) = (std::process::id(), std::thread::current().id());
        let beside = path.with_extension(format!("{process}-{thread:?}"));
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(&key)?;
        file.sync_all()?;
        let linked = std::fs::hard_link(&beside, path);
        std::fs::remove_file(&beside)?;
        match linked {
            Ok(()) => Ok(Self(key)),
            // Another process was faster; its key is the one.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Self::load_or_create(path)
            }
            Err(error) => Err(error),
        }
    }

    /// The fingerprint of `input`.
    #[must_use]
    pub fn of(&self, input: &str) -> Fingerprint {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(input.as_bytes());
        let mut half = [0; 16];
        half.copy_from_slice(&mac.finalize().into_bytes()[..16]);
        Fingerprint(half)
    }
}
