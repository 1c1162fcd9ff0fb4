//! What a case remembers of the acts done to it, so that a repeat is recognised as one.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;

use sha2::{Digest as _, Sha256};

use super::caller::Role;
use super::identity::{Actor, Identity};
use super::names::{RequestId, Subject};

/// SHA-256 of a request: its method and its message as sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestDigest(pub [u8; 32]);

impl RequestDigest {
    /// The digest of `message` sent to `method`.
    #[must_use]
    pub fn of(method: &str, message: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update((method.len() as u64).to_be_bytes());
        hasher.update(method);
        hasher.update(message);
        Self(hasher.finalize().into())
    }
}

impl fmt::Debug for RequestDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Who acts, and what they call this act: the head of every mutating command of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// Who acts.
    pub by: Subject,
    /// In which roles.
    pub roles: BTreeSet<Role>,
    /// What they call it.
    pub request_id: RequestId,
    /// What exactly they asked for.
    pub digest: RequestDigest,
    /// By which certificate; `None` on loopback without certificates.
    pub identity: Option<Identity>,
    /// What they said to the authority, where the record vouches for it.
    pub content: Option<RequestDigest>,
}

/// SHA-256(caller, request id), cut to 128 bits: chance never makes two acts of a case meet.
pub type ActKey = [u8; 16];

impl Act {
    /// An act without a certificate behind it.
    #[must_use]
    pub const fn new(
        by: Subject,
        roles: BTreeSet<Role>,
        request_id: RequestId,
        digest: RequestDigest,
    ) -> Self {
        Self { by, roles, request_id, digest, identity: None, content: None }
    }

    /// Who acts, for the record.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor { subject: self.by.clone(), identity: self.identity.clone() }
    }

    /// Whether who acts has `role`.
    #[must_use]
    pub fn has_role(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// The name of this act, unique to the caller and the request id.
    #[must_use]
    pub fn key(&self) -> ActKey {
        let mut hasher = Sha256::new();
        hasher.update((self.by.as_str().len() as u64).to_be_bytes());
        hasher.update(self.by.as_str());
        hasher.update(self.request_id.as_str());
        halve(hasher.finalize().into())
    }
}

fn halve(bytes: [u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&bytes[..16]);
    half
}

/// One remembered act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Whose act it was and what they called it.
    pub key: ActKey,
    /// What they asked for, cut like the key.
    pub digest: [u8; 16],
}

/// What a case finds in its memory about an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recall {
    /// Never seen.
    New,
    /// Done before, with the same content.
    Repeat,
    /// The same caller used the same request id for something else.
    Reused,
}

/// The acts done to a case, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory(VecDeque<Remembered>);

impl Memory {
    /// Bounds a case's size: 1,024 acts of 32 bytes. A case is worked with a few dozen acts; what
    /// comes near this is a client that renews in a loop, whose oldest acts nobody will repeat.
    pub const ACTS_MAX: usize = 1_024;

    /// Looks `act` up.
    #[must_use]
    pub fn recall(&self, act: &Act) -> Recall {
        let key = act.key();
        match self.0.iter().find(|remembered| remembered.key == key) {
            None => Recall::New,
            Some(remembered) if remembered.digest == halve(act.digest.0) => Recall::Repeat,
            Some(_) => Recall::Reused,
        }
    }

    pub(super) fn remember(&mut self, act: &Act) {
        if self.0.len() == Self::ACTS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(Remembered { key: act.key(), digest: halve(act.digest.0) });
    }

    /// What is remembered, the oldest first: for storing.
    pub fn iter(&self) -> impl Iterator<Item = &Remembered> {
        self.0.iter()
    }
}

impl FromIterator<Remembered> for Memory {
    fn from_iter<I: IntoIterator<Item = Remembered>>(acts: I) -> Self {
        Self(acts.into_iter().take(Self::ACTS_MAX).collect())
    }
}
