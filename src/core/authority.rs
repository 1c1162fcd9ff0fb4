//! What the registry holds of an authority. Numbers and keys that a decision rests on can only be
//! had from here, never from what somebody sent.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::identity::SpiffeId;
use super::names::{AuthorityId, Country, KeyId, PhoneId};
use super::nature::Nature;
use super::time::Timestamp;

/// An agency of the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// Its name in the registry.
    pub id: AuthorityId,
    /// The agency, as people call it.
    pub agency: String,
    /// The unit within it; may be empty.
    pub unit: String,
    /// Where it is.
    pub country: Country,
    /// The numbers it may be called back on, in E.164, by their ids.
    pub callback_numbers: BTreeMap<PhoneId, String>,
    /// The keys that data may be sealed to, by their ids: each the SHA-256 of the key.
    pub recipient_keys: BTreeMap<KeyId, [u8; 32]>,
    /// What it may ask about.
    pub natures: BTreeSet<Nature>,
    /// By whose certificates it speaks.
    pub channels: BTreeSet<SpiffeId>,
    /// From when on it may ask; `None` for ever before.
    pub valid_from: Option<Timestamp>,
    /// Until when it may ask; `None` for ever.
    pub valid_until: Option<Timestamp>,
    /// How much it may send; `None` for what the policy says.
    pub rate: Option<Rate>,
}

/// How many requests an authority may send in a minute. Emergencies beyond it are taken all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Emergencies.
    pub emergency_per_minute: u32,
    /// All others.
    pub routine_per_minute: u32,
}

/// A number that the registry holds for the authority of a case.
#[derive(Clone, PartialEq, Eq)]
pub struct CallbackNumber {
    authority: AuthorityId,
    id: PhoneId,
    usable_from: Timestamp,
}

/// A key that the registry holds for the authority of a case.
#[derive(Clone, PartialEq, Eq)]
pub struct RecipientKey {
    authority: AuthorityId,
    id: KeyId,
    usable_from: Timestamp,
}

impl Authority {
    /// The call-back number with this id.
    #[must_use]
    pub fn callback_number(&self, id: &PhoneId) -> Option<CallbackNumber> {
        let is_held = self.callback_numbers.contains_key(id);
        let usable_from = Timestamp::from_millis(0);
        is_held.then(|| CallbackNumber { authority: self.id.clone(), id: id.clone(), usable_from })
    }

    /// The recipient key with this id.
    #[must_use]
    pub fn recipient_key(&self, id: &KeyId) -> Option<RecipientKey> {
        let is_held = self.recipient_keys.contains_key(id);
        let usable_from = Timestamp::from_millis(0);
        is_held.then(|| RecipientKey { authority: self.id.clone(), id: id.clone(), usable_from })
    }

    /// Whether it may ask at `now`.
    #[must_use]
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.valid_from.is_none_or(|from| from <= now)
            && self.valid_until.is_none_or(|until| now < until)
    }

    /// Whether it may ask about this.
    #[must_use]
    pub fn may_ask_about(&self, nature: Nature) -> bool {
        self.natures.contains(&nature)
    }
}

impl CallbackNumber {
    /// The same number, which must not be relied on before then.
    #[must_use]
    pub fn usable_from(self, usable_from: Timestamp) -> Self {
        Self { usable_from, ..self }
    }

    /// Its id in the registry.
    #[must_use]
    pub const fn id(&self) -> &PhoneId {
        &self.id
    }

    pub(super) fn is_of(&self, authority: &AuthorityId) -> bool {
        self.authority == *authority
    }

    pub(super) fn is_too_new(&self, now: Timestamp) -> bool {
        now < self.usable_from
    }
}

impl RecipientKey {
    /// The same key, which must not be relied on before then.
    #[must_use]
    pub fn usable_from(self, usable_from: Timestamp) -> Self {
        Self { usable_from, ..self }
    }

    /// The key of a proposal that is read back from the store: it was looked up when the proposal
    /// was made.
    #[must_use]
    pub const fn proposed_before(authority: AuthorityId, id: KeyId) -> Self {
        Self { authority, id, usable_from: Timestamp::from_millis(0) }
    }

    /// Its id in the registry.
    #[must_use]
    pub const fn id(&self) -> &KeyId {
        &self.id
    }

    pub(super) fn is_of(&self, authority: &AuthorityId) -> bool {
        self.authority == *authority
    }

    pub(super) fn is_too_new(&self, now: Timestamp) -> bool {
        now < self.usable_from
    }
}

impl fmt::Debug for CallbackNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.authority, self.id)
    }
}

impl fmt::Debug for RecipientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.authority, self.id)
    }
}
