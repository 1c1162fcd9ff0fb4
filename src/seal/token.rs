//! Sealing what a client carries for the service, such as where a list goes on: it says nothing to its
//! bearer, is none of anybody else's making, and opens nowhere but where it was meant for.

use secrecy::SecretBox;

use super::binding::join;
use super::key::{KEY_BYTES, NONCE_BYTES, Secret, decrypt, encrypt};
use super::{SealError, encoding};

/// The version of the layout.
const SCHEMA: &[u8] = b"urgence token 1";

/// The key of tokens. All replicas need the same one.
pub struct TokenKey(Secret);

impl TokenKey {
    /// A key from its bytes.
    #[must_use]
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(SecretBox::new(Box::new(bytes)))
    }

    /// A token for `scope` that holds `bytes`, as hexadecimal digits; never the same one twice.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn seal(&self, scope: &str, bytes: &[u8]) -> Result<String, SealError> {
        let (nonce, sealed) = encrypt(&self.0, &associated(scope), bytes)?;
        Ok(encoding::encode(&[nonce.as_slice(), &sealed].concat()))
    }

    /// What a token for `scope` holds; `None` where it is none.
    #[must_use]
    pub fn open(&self, scope: &str, token: &str) -> Option<Vec<u8>> {
        let mut bytes = vec![0; token.len() / 2];
        if !encoding::decode_into(token.as_bytes(), &mut bytes) {
            return None;
        }
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>()?;
        decrypt(&self.0, nonce, &associated(scope), sealed).map(|opened| opened.to_vec())
    }
}

fn associated(scope: &str) -> Vec<u8> {
    join(&[SCHEMA, scope.as_bytes()])
}
