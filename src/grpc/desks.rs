//! The desks of this deployment, and which of them a call is for. A name of one desk never reaches
//! another.

use std::sync::Arc;

use crate::core::{AuthorityId, CaseId, Country, DeskName, Intake};
use crate::desk::{Desk, Done, Error, Store};

/// The desks of this deployment, in the order of the configuration; there is at least one.
pub struct Desks<S> {
    desks: Vec<Arc<Desk<S>>>,
}

impl<S> Clone for Desks<S> {
    fn clone(&self) -> Self {
        Self { desks: self.desks.clone() }
    }
}

impl<S: Store> Desks<S> {
    /// The desks; the first one is meant where a call names none.
    ///
    /// # Panics
    /// There are none.
    #[must_use]
    pub fn new(desks: Vec<Arc<Desk<S>>>) -> Self {
        assert!(!desks.is_empty(), "a deployment has at least one desk");
        Self { desks }
    }

    /// The desks, if there are any.
    pub(super) fn some(desks: Vec<Arc<Desk<S>>>) -> Option<Self> {
        (!desks.is_empty()).then_some(Self { desks })
    }

    /// Those of the desks that `is_meant` is true of, if there are any.
    pub(super) fn only(&self, is_meant: impl Fn(&Desk<S>) -> bool) -> Option<Self> {
        Self::some(self.desks.iter().filter(|desk| is_meant(desk)).cloned().collect())
    }

    /// Every desk.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Desk<S>>> {
        self.desks.iter()
    }

    /// The desk that is meant where a call names none.
    pub(super) fn first(&self) -> &Arc<Desk<S>> {
        &self.desks[0]
    }

    /// The desk of this name; the first one for no name.
    pub(super) fn named(&self, name: &str) -> Option<&Arc<Desk<S>>> {
        if name.is_empty() {
            return Some(self.first());
        }
        let name = name.strip_prefix("desks/").unwrap_or(name);
        self.desks.iter().find(|desk| desk.name().as_str() == name)
    }

    /// The desk that takes requests of `authority`, by its country: the first whose policy names it; else the first
    /// whose policy names no country at all; else the first.
    pub(super) fn taking(&self, authority: &AuthorityId, sent: Option<&Country>) -> &Arc<Desk<S>> {
        // What a registry holds counts more than what was sent.
        let registered = self.desks.iter().find_map(|desk| {
            desk.registry().authority(authority).map(|found| found.country.clone())
        });
        let country = registered.as_ref().or(sent);
        let names_it = |desk: &&Arc<Desk<S>>| {
            country.is_some_and(|country| desk.live().countries.contains(country))
        };
        let names_none = |desk: &&Arc<Desk<S>>| desk.live().countries.is_empty();
        let mut desks = self.desks.iter();
        let named = desks.find(names_it).or_else(|| self.desks.iter().find(names_none));
        named.unwrap_or_else(|| self.first())
    }

    /// What `desk` did not take in, repeated at the desk that has made a case of it: what was accepted stays
    /// so, wherever it is sent since.
    pub(super) async fn repeat(
        &self,
        desk: &Desk<S>,
        intake: &Intake,
        error: Error,
    ) -> Result<(&Arc<Desk<S>>, Done), Error> {
        for other in self.desks.iter().filter(|other| other.name() != desk.name()) {
            match (other.repeat(intake).await, &error) {
                (Ok(Some(done)), _) => return Ok((other, done)),
                (Err(refused), Error::Elsewhere) => return Err(refused),
                (Ok(None) | Err(_), _) => {}
            }
        }
        Err(error)
    }

    /// The desk and the id that a case's name means. The last part alone is a case of the first desk.
    pub(super) fn case(&self, name: &str) -> Option<(&Arc<Desk<S>>, CaseId)> {
        let Some((parent, id)) = name.rsplit_once('/') else {
            return Some((self.first(), name.parse().ok()?));
        };
        let desk: DeskName = parent.strip_prefix("desks/")?.strip_suffix("/cases")?.parse().ok()?;
        let desk = self.desks.iter().find(|known| *known.name() == desk)?;
        Some((desk, id.parse().ok()?))
    }

    /// What the name of a case looks like here.
    pub(super) fn example(&self) -> String {
        format!("desks/{}/cases/K7QF-2MXD-9RTA-4WZE", self.first().name())
    }
}
