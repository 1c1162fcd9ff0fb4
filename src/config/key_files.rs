//! Where the data keys lie, for those who look after them.

use std::path::PathBuf;

use clap::Args;

use super::{ConfigError, KeyEncryption, data_keys_file, desk_name, desks};
use crate::core::DeskName;
use crate::seal::KeyRing;

/// The data keys of a deployment, by the settings that serving has.
#[derive(Args, Clone, Debug)]
pub struct KeyFiles {
    /// Where the private Redis keeps its data, and the keys unless they are given.
    #[arg(long, env = "URGENCE_DATA_DIR", default_value = "data")]
    pub data_dir: PathBuf,
    /// The data keys. By default `data-keys.json` in the data directory.
    #[arg(long, env = "URGENCE_DATA_KEYS")]
    pub data_keys: Option<PathBuf>,
    /// What the data keys are wrapped by.
    #[command(flatten)]
    pub key_encryption: KeyEncryption,
    /// The desk's name.
    #[arg(long, env = "URGENCE_DESK", default_value = "main", value_parser = desk_name)]
    pub desk: DeskName,
    /// A file that names several desks, instead of --desk.
    #[arg(long, env = "URGENCE_DESKS")]
    pub desks: Option<PathBuf>,
}

impl KeyFiles {
    /// The keys that there are.
    ///
    /// # Errors
    /// There is no key-encryption key, or the file is not one of data keys.
    pub fn open(&self) -> Result<KeyRing, ConfigError> {
        let file = data_keys_file(self.data_keys.as_deref(), &self.data_dir);
        Ok(KeyRing::open(&file, self.key_encryption.keys(&self.data_dir))?)
    }

    /// The desks that need keys.
    ///
    /// # Errors
    /// The file that names them is missing or wrong.
    pub fn desks(&self) -> Result<Vec<DeskName>, ConfigError> {
        match &self.desks {
            Some(path) => Ok(desks::list(path)?.into_iter().map(|desk| desk.name).collect()),
            None => Ok(vec![self.desk.clone()]),
        }
    }
}
