//! The keys in files: named by a setting, or made in the data directory at the first start.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{ConfigError, Settings};
use crate::core::DeskName;
use crate::fingerprint::FingerprintKey;
use crate::key_file;
use crate::sign::NoteSigner;

/// Where the key of the fingerprints lies in the data directory.
const FINGERPRINT_KEY: &str = "fingerprint.key";

/// The key of this replica, under the name of each desk's log.
#[derive(Clone)]
pub struct SigningKeys {
    seed: [u8; 32],
    origin: String,
}

impl SigningKeys {
    /// What signs for one desk.
    #[must_use]
    pub fn signer(&self, desk: &DeskName) -> Arc<NoteSigner> {
        let signer = NoteSigner::new(&format!("{}/{desk}", self.origin), &self.seed);
        Arc::new(signer.expect("the origin was checked, and a desk's name is letters and hyphens"))
    }
}

impl Settings {
    /// The key of the fingerprints, from its file; made at the first start.
    ///
    /// # Errors
    /// The file cannot be read or made.
    pub fn fingerprints(&self) -> Result<FingerprintKey, ConfigError> {
        // Another one made in the place of one that was named would find no duplicates of the other
        // replicas.
        let named = self.fingerprint_key.as_ref();
        self.key(named, FINGERPRINT_KEY, FingerprintKey::load, FingerprintKey::load_or_create)
    }

    /// Where the key of the fingerprints lies.
    #[must_use]
    pub fn fingerprint_file(&self) -> PathBuf {
        self.fingerprint_key.clone().unwrap_or_else(|| self.data_dir.join(FINGERPRINT_KEY))
    }

    /// The key that signs, from its file; made at the first start.
    ///
    /// # Errors
    /// The file cannot be read or made.
    pub fn signing(&self) -> Result<SigningKeys, ConfigError> {
        let named = self.signing_key.as_ref();
        let seed = self.key(named, "signing.key", key_file::load, key_file::load_or_create)?;
        Ok(SigningKeys { seed, origin: self.log_origin.clone() })
    }

    /// Where the audit log of a desk lies.
    #[must_use]
    pub fn audit_directory(&self, desk: &DeskName) -> PathBuf {
        let parent = self.audit_dir.clone().unwrap_or_else(|| self.data_dir.join("audit"));
        parent.join(desk.as_str())
    }

    /// The key in the file that was named, where a missing one is a mistake; otherwise that in the data
    /// directory, made if missing.
    fn key<K>(
        &self,
        named: Option<&PathBuf>,
        name: &str,
        load: impl FnOnce(&Path) -> io::Result<K>,
        load_or_create: impl FnOnce(&Path) -> io::Result<K>,
    ) -> Result<K, ConfigError> {
        let path = named.cloned().unwrap_or_else(|| self.data_dir.join(name));
        let wrong = |source| ConfigError::File { path: path.display().to_string(), source };
        if named.is_some() {
            return load(&path).map_err(wrong);
        }
        super::make_data_dir(&self.data_dir)?;
        load_or_create(&path).map_err(wrong)
    }
}
