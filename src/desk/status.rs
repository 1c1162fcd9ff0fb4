//! How a desk stands: what a supervisor looks at first.

use super::{Desk, Error, IncidentStatus, Store};
use crate::core::{AuthorityStanding, PolicyId, Timestamp};
use crate::store::Figures;

/// How a desk stands.
#[derive(Clone, Debug)]
pub struct Status {
    /// The store's time.
    pub now: Option<Timestamp>,
    /// The policy that new cases are accepted under.
    pub policy: PolicyId,
    /// How many authorities the registry holds; `None` without a registry.
    pub authorities: Option<usize>,
    /// What the gauges show.
    pub figures: Figures,
    /// The incidents that are open, or were closed not long ago.
    pub incidents: Vec<IncidentStatus>,
    /// The suspended authorities.
    pub suspended: Vec<AuthorityStanding>,
    /// Why nothing new is accepted, if it is so.
    pub not_durable: Option<String>,
}

impl<S: Store> Desk<S> {
    /// How the desk stands now.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn status(&self) -> Result<Status, Error> {
        let registry = self.registry();
        Ok(Status {
            now: self.now_estimate(),
            policy: self.policy().id(),
            authorities: registry.version().map(|_| registry.len()),
            figures: self.store.figures().await?,
            incidents: self.incidents_shown().await?,
            suspended: self.store.suspended().await?,
            not_durable: self.store.not_durable(),
        })
    }
}
