//! The policy in force, and those that older cases were accepted under.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::core::{Case, Policy, PolicyId};
use crate::store::{Store, StoreError, Unreadable};

pub(super) struct Policies {
    current: ArcSwap<Policy>,
    known: ArcSwap<HashMap<PolicyId, Arc<Policy>>>,
}

impl Policies {
    pub(super) fn new(policy: Policy) -> Self {
        let current = Arc::new(policy);
        let known = HashMap::from([(current.id(), Arc::clone(&current))]);
        Self { current: ArcSwap::new(current), known: ArcSwap::from_pointee(known) }
    }

    pub(super) fn current(&self) -> Arc<Policy> {
        self.current.load_full()
    }

    /// Puts another policy in force for new cases.
    pub(super) fn replace(&self, policy: Policy) {
        let policy = Arc::new(policy);
        self.remember(&policy);
        self.current.store(policy);
    }

    fn remember(&self, policy: &Arc<Policy>) {
        self.known.rcu(|known| {
            let mut known = HashMap::clone(known);
            known.insert(policy.id(), Arc::clone(policy));
            known
        });
    }

    /// The policy that `case` is decided by.
    pub(super) async fn of<S: Store>(
        &self,
        case: Option<&Case>,
        store: &S,
    ) -> Result<Arc<Policy>, StoreError> {
        const OPERATION: &str = "find the policy of a case";
        let Some(case) = case else { return Ok(self.current()) };
        let missing = || StoreError::Unreadable {
            operation: OPERATION,
            source: Unreadable { what: "policy", problem: format!("{} is not kept", case.policy) },
        };
        self.kept(case.policy, store).await?.ok_or_else(missing)
    }

    /// A policy that is in force, or that a case may have been accepted under.
    pub(super) async fn kept<S: Store>(
        &self,
        id: PolicyId,
        store: &S,
    ) -> Result<Option<Arc<Policy>>, StoreError> {
        if let Some(policy) = self.known.load().get(&id) {
            return Ok(Some(Arc::clone(policy)));
        }
        let policy = store.policy(id).await?.map(Arc::new);
        policy.iter().for_each(|policy| self.remember(policy));
        Ok(policy)
    }
}
