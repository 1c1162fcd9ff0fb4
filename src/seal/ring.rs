//! The data keys that this process knows, and what is done with them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use zeroize::Zeroizing;

use super::key::{DataKey, KeyEncryptionKey, NONCE_BYTES, decrypt, encrypt, random, random_secret};
use super::key_file::{KeyFile, Shelf, StoredKey};
use super::{Binding, Content, KeyEncryptionKeyId, KeyEncryptionKeys, KeyId, Label, SealError};
use crate::core::{DeskName, Timestamp};

/// How long a key that seals nothing more stays before it is destroyed: far longer than a replica may
/// not have read the file, or a write be on its way.
const GRACE: Duration = Duration::from_hours(1);

/// The data keys that this process knows. Sealing and opening wait for nobody; making, retiring and
/// destroying keys change the file that all replicas share.
pub struct KeyRing {
    shelf: Shelf,
    wrapped_by: Option<KeyEncryptionKeys>,
    grace: Duration,
    known: ArcSwap<Known>,
    /// Held while the file or the key-encryption keys are read, so that an older state never takes the
    /// place of a newer one.
    reading: Mutex<()>,
}

#[derive(Clone)]
struct Known {
    wrappers: Vec<Arc<KeyEncryptionKey>>,
    keys: BTreeMap<KeyId, Arc<DataKey>>,
    /// By desk.
    rewrites_owed_since: BTreeMap<String, Timestamp>,
}

/// What may be told of a data key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// Which.
    pub id: KeyId,
    /// What it is for.
    pub label: Label,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when nothing more is sealed with it.
    pub retired_at: Option<Timestamp>,
}

/// A ciphertext, with the key and the nonce that it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// With which key.
    pub key: KeyId,
    /// The id of the key, the nonce, the ciphertext and its tag.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for KeyRing {
    /// A secret is never printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyRing")
    }
}

impl KeyRing {
    /// The keys of a file, which need not be there yet.
    ///
    /// # Errors
    /// There is no key-encryption key, or the file is not one of data keys.
    pub fn open(file: &Path, wrapped_by: KeyEncryptionKeys) -> Result<Self, SealError> {
        let ring = Self {
            shelf: Shelf::File(file.to_owned()),
            known: ArcSwap::from_pointee(Known::new(wrapped_by.load()?)),
            wrapped_by: Some(wrapped_by),
            grace: GRACE,
            reading: Mutex::new(()),
        };
        ring.read(false)?;
        Ok(ring)
    }

    /// Keys that are gone with this process, for tests and benchmarks.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn in_memory() -> Result<Self, SealError> {
        let wrapper = Arc::new(KeyEncryptionKey::new(random_secret()?));
        Ok(Self {
            shelf: Shelf::Memory(Mutex::default()),
            wrapped_by: None,
            grace: GRACE,
            known: ArcSwap::from_pointee(Known::new(vec![wrapper])),
            reading: Mutex::new(()),
        })
    }

    /// The same with another time between retiring a key and destroying it.
    #[must_use]
    pub fn with_grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// How long a key that seals nothing more stays before it is destroyed.
    #[must_use]
    pub const fn grace(&self) -> Duration {
        self.grace
    }

    /// What is known of every data key.
    #[must_use]
    pub fn keys(&self) -> Vec<KeyInfo> {
        let info = |key: &Arc<DataKey>| KeyInfo {
            id: key.id,
            label: key.label.clone(),
            created_at: key.created_at,
            retired_at: key.retired_at,
        };
        self.known.load().keys.values().map(info).collect()
    }

    /// Seals `content` for one place.
    ///
    /// # Errors
    /// There is no key for the label; [`KeyRing::ensure`] makes one.
    pub fn seal(
        &self,
        label: &Label,
        binding: &Binding<'_>,
        content: &[u8],
    ) -> Result<Sealed, SealError> {
        let known = self.known.load();
        let key = known.to_seal(label).ok_or_else(|| SealError::NoKey(label.clone()))?;
        let aad = binding.associated_data(key.id, &key.label);
        let (nonce, ciphertext) = encrypt(&key.secret, &aad, content)?;
        Ok(Sealed { key: key.id, bytes: [&key.id.0, nonce.as_slice(), &ciphertext].concat() })
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// The key is not known, or it was sealed for another place, or is not what it was.
    pub fn unseal(&self, binding: &Binding<'_>, sealed: &[u8]) -> Result<Content, SealError> {
        let id = Self::sealed_with(sealed).ok_or(SealError::TooShort)?;
        let (nonce, ciphertext) =
            sealed[KeyId::BYTES..].split_first_chunk::<NONCE_BYTES>().ok_or(SealError::TooShort)?;
        let known = self.known.load();
        let key = known.keys.get(&id).ok_or(SealError::UnknownKey(id))?;
        let aad = binding.associated_data(id, &key.label);
        let content = decrypt(&key.secret, nonce, &aad, ciphertext);
        content.map(Content::from).ok_or(SealError::DoesNotOpen(id))
    }

    /// Which key something was sealed with.
    #[must_use]
    pub fn sealed_with(sealed: &[u8]) -> Option<KeyId> {
        sealed.first_chunk().copied().map(KeyId)
    }

    /// Whether what was sealed with this key is where `label` would have it.
    #[must_use]
    pub fn is_under(&self, key: KeyId, label: &Label) -> bool {
        let known = self.known.load();
        known.keys.get(&key).is_some_and(|key| key.label == *label && key.retired_at.is_none())
    }

    /// Whether there is a key to seal with for the label, as far as this process knows.
    #[must_use]
    pub fn has_key(&self, label: &Label) -> bool {
        self.known.load().to_seal(label).is_some()
    }

    /// Makes sure that there is a key for the label: one that another has made meanwhile, or a new one.
    /// Reads and may write the file.
    ///
    /// # Errors
    /// There is none, and the file cannot be written.
    pub fn ensure(&self, label: &Label, now: Timestamp) -> Result<(), SealError> {
        self.refresh()?;
        if self.known.load().to_seal(label).is_none() {
            self.make(std::slice::from_ref(label), now)?;
        }
        Ok(())
    }

    /// Makes keys for those labels that have none; how many.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn make(&self, labels: &[Label], now: Timestamp) -> Result<usize, SealError> {
        let made = self.shelf.update(|file| {
            let known = self.read_keys(file, &self.known.load().wrappers)?;
            let wrapper = wrapper_of_new(file, &known.wrappers)?;
            let missing: Vec<&Label> =
                labels.iter().filter(|label| known.to_seal(label).is_none()).collect();
            for label in &missing {
                let key = DataKey {
                    id: KeyId(random()?),
                    label: (*label).clone(),
                    created_at: now,
                    retired_at: None,
                    secret: random_secret()?,
                };
                file.keys.push(StoredKey::wrap(&key, &wrapper)?);
            }
            file.key_encryption_key = Some(wrapper.id.to_string());
            Ok((!missing.is_empty()).then_some(missing.len()))
        })?;
        self.refresh()?;
        Ok(made.unwrap_or(0))
    }

    /// Wraps every key anew under the first of these key-encryption keys, which new keys are wrapped
    /// by from then on; how many.
    ///
    /// # Errors
    /// A key was wrapped by one that is not known, or the file cannot be written.
    pub fn wrap_anew(&self, by: &KeyEncryptionKeys) -> Result<usize, SealError> {
        let new = by.load()?;
        let mut wrappers = self.known.load().wrappers.clone();
        wrappers.extend(new.iter().cloned());
        let wrapper = new.first().expect("there is at least one");
        let wrapped = self.shelf.update(|file| {
            let known = self.read_keys(file, &wrappers)?;
            if let Some(stored) = file.keys.iter().find(|stored| !known.has(stored)) {
                return Err(self.unknown_wrapper(stored));
            }
            let wrapped = known.keys.values().map(|key| StoredKey::wrap(key, wrapper));
            file.keys = wrapped.collect::<Result<_, _>>()?;
            file.key_encryption_key = Some(wrapper.id.to_string());
            Ok(Some(file.keys.len()))
        })?;
        let known = self.known.load_full();
        self.known.store(Arc::new(Known { wrappers, ..Known::clone(&known) }));
        self.refresh()?;
        Ok(wrapped.unwrap_or(0))
    }

    /// Has nothing more sealed with a key, by any replica that reads the file after this.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn retire(&self, id: KeyId, now: Timestamp) -> Result<(), SealError> {
        self.change(id, |file, at| {
            let is_new = file.keys[at].retired_at_ms.is_none();
            file.keys[at].retired_at_ms.get_or_insert(now.as_millis());
            is_new
        })
    }

    /// Destroys a key: nothing that it has sealed can ever be read again. In the same write it is noted
    /// that a rewrite of the log is owed, which a process that dies here leaves to the next.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn destroy(&self, id: KeyId, now: Timestamp) -> Result<(), SealError> {
        self.change(id, |file, at| {
            let destroyed = file.keys.remove(at);
            let owed = file.rewrites_owed_since_ms.entry(destroyed.desk).or_default();
            // Later than what another replica may be about to settle.
            *owed = now.as_millis().max(*owed + 1);
            true
        })
    }

    /// Since when a rewrite of the log is owed to what a desk has destroyed.
    #[must_use]
    pub fn rewrite_owed_since(&self, desk: &DeskName) -> Option<Timestamp> {
        self.known.load().rewrites_owed_since.get(desk.as_str()).copied()
    }

    /// Notes that the rewrite owed since then is under way; one that is owed since later stays owed.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn settle_rewrite(&self, desk: &DeskName, since: Timestamp) -> Result<(), SealError> {
        self.shelf.update(|file| {
            let owed = &mut file.rewrites_owed_since_ms;
            let is_settled = owed.get(desk.as_str()).is_some_and(|owed| *owed <= since.as_millis());
            Ok(is_settled.then(|| owed.remove(desk.as_str())))
        })?;
        self.refresh()
    }

    fn change(
        &self,
        id: KeyId,
        change: impl FnOnce(&mut KeyFile, usize) -> bool,
    ) -> Result<(), SealError> {
        self.shelf.update(|file| {
            let found = file.keys.iter().position(|stored| KeyId::parse(&stored.id) == Some(id));
            Ok(found.is_some_and(|at| change(file, at)).then_some(()))
        })?;
        self.refresh()
    }

    /// Reads the file of the data keys again. One that is missing or wrong changes nothing.
    ///
    /// # Errors
    /// It is missing or wrong.
    pub fn refresh(&self) -> Result<(), SealError> {
        self.read(false)
    }

    /// Reads the key-encryption keys again, then the file. What is wrong changes nothing.
    ///
    /// # Errors
    /// Either is missing or wrong.
    pub fn reload(&self) -> Result<(), SealError> {
        self.read(true)
    }

    fn read(&self, has_new_wrappers: bool) -> Result<(), SealError> {
        let reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let wrappers = match &self.wrapped_by {
            Some(wrapped_by) if has_new_wrappers => wrapped_by.load()?,
            _ => self.known.load().wrappers.clone(),
        };
        let known = match self.shelf.read()? {
            Some(file) => self.read_keys(&file, &wrappers)?,
            None if self.known.load().keys.is_empty() => Known::new(wrappers),
            None => {
                let problem = "it is gone; the keys that were read from it are kept".to_owned();
                return Err(SealError::BadKeyFile { path: self.shelf.name(), problem });
            }
        };
        self.known.store(Arc::new(known));
        drop(reading);
        Ok(())
    }

    /// The keys of the file that can be unwrapped. One whose wrapper is not known is left out unless it
    /// was unwrapped before: its replica may be the last to be told of a new key-encryption key.
    fn read_keys(
        &self,
        file: &KeyFile,
        wrappers: &[Arc<KeyEncryptionKey>],
    ) -> Result<Known, SealError> {
        let bad = |stored: &StoredKey, problem: &str| SealError::BadKeyFile {
            path: self.shelf.name(),
            problem: format!("the data key {}: {problem}", stored.id),
        };
        let before = self.known.load();
        let mut keys = BTreeMap::new();
        for stored in &file.keys {
            let read =
                stored.read().ok_or_else(|| bad(stored, "a field is not what it should be"))?;
            let same = before.keys.get(&read.id).filter(|key| key.label == read.label);
            let wrapper = wrappers.iter().find(|wrapper| wrapper.id == read.wrapped_by);
            let key = match (same, wrapper) {
                (Some(same), _) if same.retired_at == read.retired_at => Arc::clone(same),
                (_, Some(wrapper)) => {
                    let secret = wrapper.unwrap(read.id, &read.label, &read.wrapped);
                    let secret = secret.ok_or_else(|| bad(stored, "it does not unwrap"))?;
                    let (created_at, retired_at) = (read.created_at, read.retired_at);
                    Arc::new(DataKey {
                        id: read.id,
                        label: read.label,
                        created_at,
                        retired_at,
                        secret,
                    })
                }
                (Some(same), None) => Arc::clone(same),
                (None, None) => continue,
            };
            keys.insert(key.id, key);
        }
        let owed = file.rewrites_owed_since_ms.iter();
        let owed = owed.map(|(desk, at_ms)| (desk.clone(), Timestamp::from_millis(*at_ms)));
        Ok(Known { wrappers: wrappers.to_vec(), keys, rewrites_owed_since: owed.collect() })
    }

    fn unknown_wrapper(&self, stored: &StoredKey) -> SealError {
        match KeyEncryptionKeyId::parse(&stored.key_encryption_key) {
            Some(id) => SealError::UnknownKeyEncryptionKey(id),
            None => SealError::BadKeyFile {
                path: self.shelf.name(),
                problem: format!("the data key {}: it names no key-encryption key", stored.id),
            },
        }
    }
}

/// What wraps new keys: what the file says, or the first there is before the file says anything.
fn wrapper_of_new(
    file: &KeyFile,
    wrappers: &[Arc<KeyEncryptionKey>],
) -> Result<Arc<KeyEncryptionKey>, SealError> {
    let wanted = match file.key_encryption_key.as_deref().and_then(KeyEncryptionKeyId::parse) {
        Some(wanted) => wanted,
        None => wrappers.first().expect("there is at least one").id,
    };
    let found = wrappers.iter().find(|wrapper| wrapper.id == wanted);
    found.cloned().ok_or(SealError::UnknownKeyEncryptionKey(wanted))
}

impl Known {
    /// No data keys yet.
    fn new(wrappers: Vec<Arc<KeyEncryptionKey>>) -> Self {
        Self { wrappers, keys: BTreeMap::new(), rewrites_owed_since: BTreeMap::new() }
    }

    /// The newest key for the label that is not about to be destroyed.
    fn to_seal(&self, label: &Label) -> Option<&Arc<DataKey>> {
        let is_usable = |key: &&Arc<DataKey>| key.label == *label && key.retired_at.is_none();
        self.keys.values().filter(is_usable).max_by_key(|key| (key.created_at, key.id))
    }

    fn has(&self, stored: &StoredKey) -> bool {
        KeyId::parse(&stored.id).is_some_and(|id| self.keys.contains_key(&id))
    }
}

impl From<Zeroizing<Vec<u8>>> for Content {
    fn from(mut bytes: Zeroizing<Vec<u8>>) -> Self {
        std::mem::take(&mut *bytes).into()
    }
}
