//! What a desk is told from outside: its policy, who may ask, and the key of its fingerprints. All but
//! the name and the key may be replaced while it works.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use super::{Desk, Error, Index, Store};
use crate::core::policy::admission::Budgets;
use crate::core::policy::live::Live;
use crate::core::{ContactName, DeskName, Policy, PolicyId, What};
use crate::fingerprint::FingerprintKey;
use crate::registry::{Registry, RegistryVersion};

/// What a desk is told from outside.
#[derive(Clone, Debug)]
pub struct DeskSettings {
    /// Its name.
    pub name: DeskName,
    /// The policy that new cases are accepted under.
    pub policy: Policy,
    /// The part of the policy that is never frozen into a case.
    pub live: Live,
    /// Who may ask, and what is known of them.
    pub registry: Registry,
    /// The key of its fingerprints.
    pub fingerprints: FingerprintKey,
}

impl DeskSettings {
    /// A desk with this policy, no registry, no bound on what is sent, and a key that everybody knows: for tests and simulation.
    #[must_use]
    pub fn plain(name: DeskName, policy: Policy) -> Self {
        Self {
            name,
            policy,
            live: Live { admission: Budgets::AMPLE, ..Live::default() },
            registry: Registry::Unlisted,
            fingerprints: FingerprintKey::new([0; 32]),
        }
    }
}

/// Which registry is in force; the one that lists nobody has no version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RegistryInForce(Option<RegistryVersion>);

/// What has been looked up and told of the settings in force; at a start nothing has.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Settled {
    looked_up: Option<RegistryInForce>,
    told_registry: Option<RegistryInForce>,
    told_policy: Option<PolicyId>,
}

impl<S: Store> Desk<S> {
    /// Puts another policy and registry in force for what comes from now on. The registry holds at once,
    /// whatever becomes of the rest: whoever is out of it is out. Open cases keep the promises they were
    /// accepted under, so the contacts that those name must still be reachable.
    ///
    /// # Errors
    /// A contact that an open case names is missing, or the open cases cannot be read, or the policy cannot
    /// be kept; policy and contacts stay as they were then.
    pub async fn replace(
        &self,
        policy: Policy,
        live: Live,
        registry: Registry,
    ) -> Result<(), Error> {
        let rates = registry.rates();
        self.registry.store(registry.into());
        self.admission.replace(self.live().admission, rates.clone());
        let missing: Vec<ContactName> = self
            .contacts_of_open_cases()
            .await?
            .into_iter()
            .filter(|contact| !live.contacts.reach(contact))
            .collect();
        if !missing.is_empty() {
            let missing = missing.iter().map(ToString::to_string).collect();
            return Err(Error::ContactsInUse { missing });
        }
        self.store.keep_policy(&policy).await?;
        self.policies.replace(policy);
        self.admission.replace(live.admission, rates);
        self.live.store(live.into());
        // What is in force is in force, whether or not that can be told now: upkeep goes on trying.
        if let Err(error) = self.settle_settings().await {
            tracing::warn!(%error, "what was read anew is not in the record yet; trying on");
        }
        Ok(())
    }

    /// Looks up what is new in the registry, and tells the record which registry and policy are in force,
    /// where that has not been done. Whoever cannot do it now does it later.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub async fn settle_settings(&self) -> Result<(), Error> {
        let (registry, policy) = (RegistryInForce(self.registry().version()), self.policy().id());
        let settled = self.settled();
        if settled.looked_up != Some(registry) {
            self.look_up_registry().await?;
            self.settle(|settled| settled.looked_up = Some(registry));
        }
        if settled.told_registry != Some(registry) {
            let version = registry.0.map(|version| version.0);
            self.tell(None, What::RegistryReplaced { registry: version }).await?;
            self.settle(|settled| settled.told_registry = Some(registry));
        }
        if settled.told_policy != Some(policy) {
            self.tell(None, What::PolicyReplaced { policy }).await?;
            self.settle(|settled| settled.told_policy = Some(policy));
        }
        Ok(())
    }

    fn settled(&self) -> Settled {
        *self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(&self, settle: impl FnOnce(&mut Settled)) {
        settle(&mut self.settled.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Everybody whom the clocks of an open case may yet page.
    async fn contacts_of_open_cases(&self) -> Result<BTreeSet<ContactName>, Error> {
        let mut contacts = BTreeSet::new();
        let mut seen = BTreeSet::new();
        for case in self.all(&Index::Wake).await? {
            // One whose clocks have all stopped wakes only to be purged, and pages nobody.
            let pages = case.clocks.values().any(|clock| !clock.is_stopped());
            if pages && seen.insert(case.policy) {
                let policy = self.policies.of(Some(&case), self.store.as_ref()).await?;
                contacts.extend(policy.contacts().into_iter().cloned());
            }
        }
        Ok(contacts)
    }
}
