//! The bytes of what was said, while they are in memory.

use std::fmt;
use std::ops::Deref;

use zeroize::Zeroizing;

/// What was said, as the bytes that arrived. It is wiped when it is dropped, and never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Content(Zeroizing<Vec<u8>>);

impl fmt::Debug for Content {
    /// Content is never printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Content")
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl From<&[u8]> for Content {
    fn from(bytes: &[u8]) -> Self {
        bytes.to_vec().into()
    }
}

impl<const N: usize> From<&[u8; N]> for Content {
    fn from(bytes: &[u8; N]) -> Self {
        bytes.to_vec().into()
    }
}

impl Deref for Content {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}
