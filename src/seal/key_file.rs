//! The file of the data keys. It is replaced whole, by one writer at a time: whoever reads it finds it
//! as it was before or after.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::key::{DataKey, KeyEncryptionKey, Wrapped};
use super::{Class, KeyEncryptionKeyId, KeyId, Label, SealError, encoding};
use crate::core::Timestamp;

/// The newest layout that is known.
const FORMAT: u32 = 1;

/// What the file holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyFile {
    format: u32,
    /// What wraps new keys; nothing does before the first.
    pub(super) key_encryption_key: Option<String>,
    pub(super) keys: Vec<StoredKey>,
    /// Of each desk that has destroyed a key: when the last one was, in milliseconds since the epoch,
    /// until its Redis has agreed to write its log anew.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) rewrites_owed_since_ms: BTreeMap<String, u64>,
}

/// One data key, wrapped.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredKey {
    pub(super) id: String,
    pub(super) desk: String,
    month: String,
    class: String,
    created_at_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) retired_at_ms: Option<u64>,
    pub(super) key_encryption_key: String,
    nonce: String,
    wrapped: String,
}

/// A stored key but for its secret.
pub(super) struct Read {
    pub(super) id: KeyId,
    pub(super) label: Label,
    pub(super) created_at: Timestamp,
    pub(super) retired_at: Option<Timestamp>,
    pub(super) wrapped_by: KeyEncryptionKeyId,
    pub(super) wrapped: Wrapped,
}

impl StoredKey {
    pub(super) fn wrap(key: &DataKey, by: &KeyEncryptionKey) -> Result<Self, SealError> {
        let wrapped = by.wrap(key.id, &key.label, &key.secret)?;
        Ok(Self {
            id: key.id.to_string(),
            desk: key.label.desk.to_string(),
            month: key.label.month.to_string(),
            class: key.label.class.word().to_owned(),
            created_at_ms: key.created_at.as_millis(),
            retired_at_ms: key.retired_at.map(Timestamp::as_millis),
            key_encryption_key: by.id.to_string(),
            nonce: encoding::encode(&wrapped.nonce),
            wrapped: encoding::encode(&wrapped.bytes),
        })
    }

    /// `None` when a field is not what it should be.
    pub(super) fn read(&self) -> Option<Read> {
        let label = Label {
            desk: self.desk.parse().ok()?,
            month: self.month.parse().ok()?,
            class: Class::from_word(&self.class)?,
        };
        let mut bytes = vec![0; self.wrapped.len() / 2];
        let is_spelled = encoding::decode_into(self.wrapped.as_bytes(), &mut bytes);
        Some(Read {
            id: KeyId::parse(&self.id)?,
            label,
            created_at: Timestamp::from_millis(self.created_at_ms),
            retired_at: self.retired_at_ms.map(Timestamp::from_millis),
            wrapped_by: KeyEncryptionKeyId::parse(&self.key_encryption_key)?,
            wrapped: Wrapped {
                nonce: encoding::decode(&self.nonce)?,
                bytes: is_spelled.then_some(bytes)?,
            },
        })
    }
}

/// Where the data keys are kept.
pub(super) enum Shelf {
    File(PathBuf),
    /// For as long as the process lives, for tests and benchmarks.
    Memory(Mutex<KeyFile>),
}

impl Shelf {
    pub(super) fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Memory(_) => "in memory".to_owned(),
        }
    }

    /// What it holds; `None` when there is no file.
    pub(super) fn read(&self) -> Result<Option<KeyFile>, SealError> {
        match self {
            Self::File(path) => read(path),
            Self::Memory(held) => {
                Ok(Some(held.lock().unwrap_or_else(PoisonError::into_inner).clone()))
            }
        }
    }

    /// Changes what it holds while nobody else does. Nothing is written when `change` fails, or says
    /// by `None` that there is nothing to change.
    pub(super) fn update<T>(
        &self,
        change: impl FnOnce(&mut KeyFile) -> Result<Option<T>, SealError>,
    ) -> Result<Option<T>, SealError> {
        match self {
            Self::File(path) => {
                // What a link leads to is locked and replaced, or each replica would have its own.
                let path = &path.canonicalize().unwrap_or_else(|_| path.clone());
                let lock = lock(path)?;
                let mut held = read(path)?.unwrap_or_default();
                let changed = change(&mut held)?;
                if changed.is_some() {
                    held.format = FORMAT;
                    replace(path, &held).map_err(failed("write", path))?;
                }
                drop(lock);
                Ok(changed)
            }
            Self::Memory(held) => {
                let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
                let mut copy = held.clone();
                let changed = change(&mut copy)?;
                *held = copy;
                Ok(changed)
            }
        }
    }
}

/// The error of an operation on a file.
pub(super) fn failed(operation: &'static str, path: &Path) -> impl Fn(io::Error) -> SealError {
    let path = path.display().to_string();
    move |source| SealError::File { operation, path: path.clone(), source }
}

fn read(path: &Path) -> Result<Option<KeyFile>, SealError> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("read", path)(error)),
    };
    let bad = |problem| SealError::BadKeyFile { path: path.display().to_string(), problem };
    let file: KeyFile = serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))?;
    if file.format != FORMAT {
        return Err(bad(format!("format {} is not {FORMAT}", file.format)));
    }
    Ok(Some(file))
}

/// Held until it is dropped. It lies beside the file, since the file itself is replaced.
fn lock(path: &Path) -> Result<File, SealError> {
    let beside = path.with_added_extension("lock");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let locked = options.open(&beside).and_then(|file| file.lock().map(|()| file));
    locked.map_err(failed("lock", &beside))
}

fn replace(path: &Path, held: &KeyFile) -> io::Result<()> {
    let beside = path.with_added_extension("new");
    write(&beside, &serde_json::to_vec_pretty(held)?)?;
    std::fs::rename(&beside, path)?;
    // The new name, too, is to outlive a power cut.
    File::open(path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new(".")))?
        .sync_all()
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes a file that only its owner may read; whoever looks finds the whole of it or nothing.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (process, thread) = (std::process::id(), std::thread::current().id());
    let beside = path.with_added_extension(format!("{process}-{thread:?}"));
    write(&beside, bytes)?;
    let linked = std::fs::hard_link(&beside, path);
    std::fs::remove_file(&beside)?;
    linked
}
