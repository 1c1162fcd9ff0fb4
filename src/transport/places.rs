//! Who holds how many connections. A place is taken when a connection comes and given back when it is
//! dropped, wherever that happens.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use super::Limits;
use crate::core::SpiffeId;
use crate::telemetry::metrics::{self, Cap, Port};

/// What counts as one address: a whole /64 of IPv6, since a site has that many to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Site(IpAddr);

impl Site {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self(IpAddr::from([a, b, c, d, 0, 0, 0, 0]))
            }
            IpAddr::V4(address) => Self(address.into()),
        }
    }
}

/// The places of one port.
#[derive(Debug)]
pub(super) struct Places {
    port: Port,
    limits: Limits,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    sites: HashMap<Site, AtSite>,
    identities: HashMap<SpiffeId, usize>,
}

#[derive(Debug)]
struct AtSite {
    count: usize,
    handshakes: Arc<Semaphore>,
}

/// One connection's place.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    site: Site,
    identity: Option<SpiffeId>,
    /// Who of the same address may shake hands at the same time.
    pub(super) handshakes: Arc<Semaphore>,
}

impl Places {
    pub(super) fn new(port: Port, limits: Limits) -> Self {
        metrics::open_connections(port, 0);
        Self { port, limits, taken: Mutex::default() }
    }

    /// A place for one more connection from `address`, or the cap that forbids it.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Result<Place, Cap> {
        let site = Site::of(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= self.limits.connections_max {
            return Err(Cap::All);
        }
        let at_site = taken.sites.entry(site).or_insert_with(|| AtSite {
            count: 0,
            handshakes: Arc::new(Semaphore::new(self.limits.handshakes_per_address_max)),
        });
        if at_site.count >= self.limits.connections_per_address_max {
            return Err(Cap::Address);
        }
        at_site.count += 1;
        let handshakes = Arc::clone(&at_site.handshakes);
        taken.all += 1;
        metrics::open_connections(self.port, taken.all);
        drop(taken);
        Ok(Place { places: Arc::clone(self), site, identity: None, handshakes })
    }
}

impl Place {
    /// Counts the connection as one of `identity`, or says that it has too many.
    pub(super) fn hold_for(&mut self, identity: &SpiffeId) -> Result<(), Cap> {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.identities.entry(identity.clone()).or_insert(0);
        if *count >= self.places.limits.connections_per_identity_max {
            return Err(Cap::Identity);
        }
        *count += 1;
        drop(taken);
        self.identity = Some(identity.clone());
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        if let Some(at_site) = taken.sites.get_mut(&self.site) {
            at_site.count -= 1;
            if at_site.count == 0 {
                taken.sites.remove(&self.site);
            }
        }
        if let Some(identity) = &self.identity
            && let Some(count) = taken.identities.get_mut(identity)
        {
            *count -= 1;
            if *count == 0 {
                taken.identities.remove(identity);
            }
        }
        metrics::open_connections(self.places.port, taken.all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(all: usize, address: usize, identity: usize) -> Arc<Places> {
        let limits = Limits {
            connections_max: all,
            connections_per_address_max: address,
            connections_per_identity_max: identity,
            ..Limits::default()
        };
        Arc::new(Places::new(Port::Grpc, limits))
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_place_is_given_back_when_it_is_dropped() {
        let places = places(2, 2, 1);
        let identity: SpiffeId = "spiffe://urgence.test/people/ana".parse().unwrap();
        let mut first = places.take(address("192.0.2.1")).unwrap();
        let mut second = places.take(address("192.0.2.2")).unwrap();
        assert_eq!(places.take(address("192.0.2.3")).unwrap_err(), Cap::All);
        first.hold_for(&identity).unwrap();
        assert_eq!(second.hold_for(&identity), Err(Cap::Identity));
        drop(first);
        second.hold_for(&identity).unwrap();
        drop(second);
        let taken = places.taken.lock().unwrap();
        assert!(taken.all == 0 && taken.sites.is_empty() && taken.identities.is_empty());
    }

    #[test]
    fn a_site_is_one_address_or_one_64() {
        for (one, other, is_same) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
        ] {
            let places = places(9, 1, 9);
            let _held = places.take(address(one)).unwrap();
            assert_eq!(places.take(address(other)).is_err(), is_same, "{one} {other}");
        }
    }
}
