//! What is new in the registry cools off before a disclosure may rest on it: whoever got at the registry,
//! or persuaded somebody to change it, does not also get to confirm the call that follows.
//!
//! Since when each number and key is known is kept in the store, so that no restart begins anew; what
//! has not been looked up yet counts as new.

use std::collections::BTreeMap;

use super::{Desk, Error, Store};
use crate::core::authority::{CallbackNumber, RecipientKey};
use crate::core::{AuthorityId, Case, KeyId, PhoneId, Proposed, Timestamp};
use crate::registry::{COOLING_OFF, Item, Registry};

/// From when on each item may be relied on, by its digest.
pub(super) type Usable = BTreeMap<[u8; 16], Timestamp>;

/// That there was a registry, though with nothing in it: what comes first into it is new.
const FOUNDED: [u8; 16] = *b"registry-founded";

impl<S: Store> Desk<S> {
    /// Looks up since when the store knows what the registry holds, and remembers what is new.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub async fn look_up_registry(&self) -> Result<(), Error> {
        let found = self.first_seen(&self.registry()).await?;
        // A reload meanwhile has looked up a registry of its own, whose items must stay known.
        self.usable.rcu(|known| {
            let mut known = Usable::clone(known);
            known.extend(&found);
            known
        });
        Ok(())
    }

    pub(super) async fn first_seen(&self, registry: &Registry) -> Result<Usable, Error> {
        if registry.version().is_none() {
            return Ok(Usable::new());
        }
        let items = registry.items();
        let items: Vec<_> = [FOUNDED].into_iter().chain(items.iter().map(Item::digest)).collect();
        let seen = self.store.first_seen(&items).await?;
        // What was there at the very first is as old as the desk itself.
        let usable_from = |seen: Timestamp| {
            if seen == Timestamp::from_millis(0) { seen } else { seen + COOLING_OFF }
        };
        Ok(items.into_iter().zip(seen.into_iter().map(usable_from)).collect())
    }

    /// Whether the key that the waiting proposal of a case would seal to is too new.
    pub(super) fn is_key_too_new(&self, case: &Case, now: Timestamp) -> bool {
        let proposed = case.proposal.as_ref().map(|proposal| &proposal.proposed);
        let Some(Proposed::Categories { manifest: Some(manifest), .. }) = proposed else {
            return false;
        };
        let registry = self.registry();
        let id = manifest.recipient_key.id();
        let key = registry.authority(&case.authority).and_then(|of| of.recipient_keys.get(id));
        key.is_some_and(|key| {
            now < self.usable_from(&Item::Key(case.authority.clone(), id.clone(), *key))
        })
    }

    fn usable_from(&self, item: &Item) -> Timestamp {
        let never = Timestamp::from_millis(u64::MAX);
        self.usable.load().get(&item.digest()).copied().unwrap_or(never)
    }

    /// The number that the registry holds for this authority under this id.
    #[must_use]
    pub fn callback_number(&self, of: &AuthorityId, id: &PhoneId) -> Option<CallbackNumber> {
        let registry = self.registry();
        let authority = registry.authority(of)?;
        let number = authority.callback_numbers.get(id)?.clone();
        let usable_from = self.usable_from(&Item::Number(of.clone(), id.clone(), number));
        Some(authority.callback_number(id)?.usable_from(usable_from))
    }

    /// The key that the registry holds for this authority under this id.
    #[must_use]
    pub fn recipient_key(&self, of: &AuthorityId, id: &KeyId) -> Option<RecipientKey> {
        let registry = self.registry();
        let authority = registry.authority(of)?;
        let key = *authority.recipient_keys.get(id)?;
        let usable_from = self.usable_from(&Item::Key(of.clone(), id.clone(), key));
        Some(authority.recipient_key(id)?.usable_from(usable_from))
    }
}
