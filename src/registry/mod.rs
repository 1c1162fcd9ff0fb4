//! The registry: which authorities may ask, about what, and the numbers and keys that a disclosure
//! rests on.
//!
//! A request names its authority; whether there is such an authority, on which number it is called back
//! and to which key data is sealed is known from here alone, never from what somebody sent. A registry
//! is a value: it is replaced as a whole by another valid one, or not at all.

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::core::authority::{CallbackNumber, RecipientKey};
use crate::core::{Authority, AuthorityId, KeyId, Nature, PhoneId};

/// All authorities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registry {
    /// No file lists any. Every authority may ask about everything and gets its first response in time;
    /// but none has a call-back number or a key, so nothing can be disclosed to any of them.
    Unlisted,
    /// Those of a file; nobody else may ask.
    Listed(Listing),
}

/// The authorities of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    authorities: BTreeMap<AuthorityId, Authority>,
    version: RegistryVersion,
}

/// The content address of a registry: two with the same version hold the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegistryVersion(pub [u8; 16]);

/// Why an authority may not ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotEntitled {
    /// The registry does not list it.
    #[error("this authority is not in the registry; have the provider enter it")]
    NotListed,
    /// It is listed for other natures.
    #[error("this authority is not registered for requests of this nature")]
    OtherNatures,
}

impl Registry {
    /// The registry of these authorities.
    #[must_use]
    pub fn listed(authorities: impl IntoIterator<Item = Authority>) -> Self {
        let by_id = |authority: Authority| (authority.id.clone(), authority);
        let authorities = authorities.into_iter().map(by_id).collect();
        let version = content_address(&authorities);
        Self::Listed(Listing { authorities, version })
    }

    /// The authority with this id, if it is listed.
    #[must_use]
    pub fn authority(&self, id: &AuthorityId) -> Option<&Authority> {
        match self {
            Self::Unlisted => None,
            Self::Listed(listing) => listing.authorities.get(id),
        }
    }

    /// Whether this authority may ask about this.
    ///
    /// # Errors
    /// It is not listed, or only for other natures.
    pub fn may_ask(&self, id: &AuthorityId, nature: Nature) -> Result<(), NotEntitled> {
        match self {
            Self::Unlisted => Ok(()),
            Self::Listed(listing) => match listing.authorities.get(id) {
                None => Err(NotEntitled::NotListed),
                Some(authority) if authority.may_ask_about(nature) => Ok(()),
                Some(_) => Err(NotEntitled::OtherNatures),
            },
        }
    }

    /// The number that the registry holds for this authority under this id.
    #[must_use]
    pub fn callback_number(&self, id: &AuthorityId, number: &PhoneId) -> Option<CallbackNumber> {
        self.authority(id)?.callback_number(number)
    }

    /// The key that the registry holds for this authority under this id.
    #[must_use]
    pub fn recipient_key(&self, id: &AuthorityId, key: &KeyId) -> Option<RecipientKey> {
        self.authority(id)?.recipient_key(key)
    }

    /// Every listed authority, by id.
    pub fn authorities(&self) -> impl Iterator<Item = &Authority> {
        let listing = match self {
            Self::Unlisted => None,
            Self::Listed(listing) => Some(listing),
        };
        listing.into_iter().flat_map(|listing| listing.authorities.values())
    }

    /// How many authorities are listed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.authorities().count()
    }

    /// Whether none is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The content address; `None` where no file lists any.
    #[must_use]
    pub const fn version(&self) -> Option<RegistryVersion> {
        match self {
            Self::Unlisted => None,
            Self::Listed(listing) => Some(listing.version),
        }
    }
}

impl fmt::Display for RegistryVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RegistryVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Hashes everything that is listed, each text and list with its length, so that no two registries that
/// differ share a version.
fn content_address(authorities: &BTreeMap<AuthorityId, Authority>) -> RegistryVersion {
    fn count(hasher: &mut Sha256, count: usize) {
        hasher.update((count as u64).to_be_bytes());
    }
    fn text(hasher: &mut Sha256, text: &str) {
        count(hasher, text.len());
        hasher.update(text);
    }
    let mut hasher = Sha256::new();
    hasher.update(b"urgence registry 1");
    for authority in authorities.values() {
        let Authority { id, agency, unit, country, callback_numbers, recipient_keys, natures } =
            authority;
        for part in [id.as_str(), agency, unit, country.as_str()] {
            text(&mut hasher, part);
        }
        count(&mut hasher, callback_numbers.len());
        for (id, number) in callback_numbers {
            text(&mut hasher, id.as_str());
            text(&mut hasher, number);
        }
        count(&mut hasher, recipient_keys.len());
        for (id, key) in recipient_keys {
            text(&mut hasher, id.as_str());
            hasher.update(key);
        }
        count(&mut hasher, natures.len());
        for nature in natures {
            text(&mut hasher, nature.word());
        }
    }
    let mut version = [0; 16];
    version.copy_from_slice(&hasher.finalize()[..16]);
    RegistryVersion(version)
}
