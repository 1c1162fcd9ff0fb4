//! The keys themselves, and how one wraps another.

use std::fmt;

use chacha20poly1305::aead::{Aead as _, Generate as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret as _, SecretBox};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::binding::join;
use super::{Label, SealError, encoding};
use crate::core::Timestamp;

pub(super) const KEY_BYTES: usize = 32;
pub(super) const NONCE_BYTES: usize = 24;
const ID_BYTES: usize = 8;

/// 32 bytes that are wiped when dropped and printed by nobody.
pub(super) type Secret = SecretBox<[u8; KEY_BYTES]>;

macro_rules! key_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(pub(super) [u8; ID_BYTES]);

        impl $name {
            /// How many bytes it has.
            pub(super) const BYTES: usize = ID_BYTES;

            pub(super) fn parse(text: &str) -> Option<Self> {
                encoding::decode(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&encoding::encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

key_id!(
    /// Which data key; drawn by lot, and told in front of every ciphertext.
    KeyId
);
key_id!(
    /// Which key-encryption key: the first bytes of its SHA-256.
    KeyEncryptionKeyId
);

/// A key that seals content.
pub(super) struct DataKey {
    pub(super) id: KeyId,
    pub(super) label: Label,
    pub(super) created_at: Timestamp,
    /// Since when nothing more is sealed with it, because it is about to be destroyed.
    pub(super) retired_at: Option<Timestamp>,
    pub(super) secret: Secret,
}

/// A key that wraps data keys.
pub(super) struct KeyEncryptionKey {
    pub(super) id: KeyEncryptionKeyId,
    secret: Secret,
}

/// A data key as a key-encryption key has wrapped it.
pub(super) struct Wrapped {
    pub(super) nonce: [u8; NONCE_BYTES],
    pub(super) bytes: Vec<u8>,
}

impl KeyEncryptionKey {
    pub(super) fn new(secret: Secret) -> Self {
        let digest = Sha256::digest(secret.expose_secret());
        let mut id = [0; KeyEncryptionKeyId::BYTES];
        id.copy_from_slice(&digest[..KeyEncryptionKeyId::BYTES]);
        Self { id: KeyEncryptionKeyId(id), secret }
    }

    pub(super) fn wrap(
        &self,
        id: KeyId,
        label: &Label,
        key: &Secret,
    ) -> Result<Wrapped, SealError> {
        let (nonce, bytes) = encrypt(&self.secret, &wrapping(id, label), key.expose_secret())?;
        Ok(Wrapped { nonce, bytes })
    }

    /// `None` when it was not wrapped by this key for this id and label.
    pub(super) fn unwrap(&self, id: KeyId, label: &Label, wrapped: &Wrapped) -> Option<Secret> {
        let key = decrypt(&self.secret, &wrapped.nonce, &wrapping(id, label), &wrapped.bytes)?;
        (key.len() == KEY_BYTES).then(|| {
            SecretBox::init_with_mut(|secret: &mut [u8; KEY_BYTES]| {
                secret.copy_from_slice(&key);
            })
        })
    }
}

fn wrapping(id: KeyId, label: &Label) -> Vec<u8> {
    join(&[b"urgence data key 1", &id.0, label.to_string().as_bytes()])
}

/// As many bytes of the system's randomness.
pub(super) fn random<const N: usize>() -> Result<[u8; N], SealError> {
    <[u8; N]>::try_generate().map_err(|_| SealError::Cipher("the system has no randomness to give"))
}

/// A new secret of the system's randomness.
pub(super) fn random_secret() -> Result<Secret, SealError> {
    SecretBox::try_init_with(random)
}

/// A nonce of its own and the ciphertext.
pub(super) fn encrypt(
    key: &Secret,
    aad: &[u8],
    msg: &[u8],
) -> Result<([u8; NONCE_BYTES], Vec<u8>), SealError> {
    let nonce = random()?;
    let sealed = cipher(key).encrypt(&XNonce::from(nonce), Payload { msg, aad });
    let sealed = sealed.map_err(|_| SealError::Cipher("the text is too long for the cipher"))?;
    Ok((nonce, sealed))
}

/// `None` when it does not open.
pub(super) fn decrypt(
    key: &Secret,
    nonce: &[u8; NONCE_BYTES],
    aad: &[u8],
    msg: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    cipher(key).decrypt(&XNonce::from(*nonce), Payload { msg, aad }).ok().map(Zeroizing::new)
}

fn cipher(key: &Secret) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new_from_slice(key.expose_secret()).expect("a key has 32 bytes")
}
