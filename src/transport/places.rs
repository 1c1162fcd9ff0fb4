//! Who holds how many connections. A place is taken when a connection comes and given back when it is
//! dropped, wherever that happens.
//!
//! Until its handshake is done, a connection is a stranger's: it counts among strangers only, and one of
//! them gives way when there are too many. It is one of the address that has the most, so that nobody who
//! comes from elsewhere is kept out by however many come from there.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

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
    next_id: u64,
    /// Those whose handshake is done.
    kept: usize,
    strangers: usize,
    sites: HashMap<Site, AtSite>,
    identities: HashMap<SpiffeId, usize>,
}

#[derive(Debug)]
struct AtSite {
    count: usize,
    handshakes: Arc<Semaphore>,
    /// Those whose handshake is not done, the oldest first, and what tells each to give way.
    strangers: BTreeMap<u64, CancellationToken>,
}

impl Taken {
    fn show(&self, port: Port) {
        metrics::open_connections(port, self.kept + self.strangers);
    }

    /// Counts a connection no longer as a stranger's; whether it was one.
    fn end_stranger(&mut self, site: Site, id: u64) -> bool {
        let at_site = self.sites.get_mut(&site);
        let was_one = at_site.is_some_and(|at_site| at_site.strangers.remove(&id).is_some());
        self.strangers -= usize::from(was_one);
        was_one
    }

    /// Has one stranger give way: the oldest of the site that has the most.
    fn thin_out(&mut self) {
        let most = self.sites.values_mut().max_by_key(|at_site| {
            let oldest = at_site.strangers.keys().next().copied();
            (at_site.strangers.len(), Reverse(oldest))
        });
        if let Some((_, gives_way)) = most.and_then(|at_site| at_site.strangers.pop_first()) {
            self.strangers -= 1;
            gives_way.cancel();
        }
    }
}

/// One connection's place.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    site: Site,
    id: u64,
    is_kept: bool,
    identity: Option<SpiffeId>,
    /// Who of the same address may shake hands at the same time.
    pub(super) handshakes: Arc<Semaphore>,
    /// Cancelled when the connection has to give way to others before its handshake is done.
    pub(super) gives_way: CancellationToken,
}

impl Places {
    pub(super) fn new(port: Port, limits: Limits) -> Self {
        metrics::open_connections(port, 0);
        Self { port, limits, taken: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stranger's place for one more connection from `address`, or the cap that forbids it.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Result<Place, Cap> {
        let site = Site::of(address);
        let mut taken = self.lock();
        if taken.kept >= self.limits.connections_max {
            return Err(Cap::All);
        }
        let id = taken.next_id;
        let at_site = taken.sites.entry(site).or_insert_with(|| AtSite {
            count: 0,
            handshakes: Arc::new(Semaphore::new(self.limits.handshakes_per_address_max)),
            strangers: BTreeMap::new(),
        });
        if at_site.count >= self.limits.connections_per_address_max {
            return Err(Cap::Address);
        }
        let gives_way = CancellationToken::new();
        at_site.count += 1;
        at_site.strangers.insert(id, gives_way.clone());
        let handshakes = Arc::clone(&at_site.handshakes);
        taken.next_id += 1;
        taken.strangers += 1;
        if taken.strangers > self.limits.handshakes_max {
            taken.thin_out();
        }
        taken.show(self.port);
        drop(taken);
        let places = Arc::clone(self);
        Ok(Place { places, site, id, is_kept: false, identity: None, handshakes, gives_way })
    }
}

impl Place {
    /// Counts the connection as one that stays: of `identity`, unless nobody is known here. Says which
    /// cap forbids it.
    pub(super) fn keep(&mut self, identity: Option<&SpiffeId>) -> Result<(), Cap> {
        let (limits, mut taken) = (&self.places.limits, self.places.lock());
        if !taken.end_stranger(self.site, self.id) {
            return Err(Cap::Handshakes);
        }
        if taken.kept >= limits.connections_max {
            return Err(Cap::All);
        }
        if let Some(identity) = identity {
            let count = taken.identities.entry(identity.clone()).or_insert(0);
            if *count >= limits.connections_per_identity_max {
                return Err(Cap::Identity);
            }
            *count += 1;
        }
        taken.kept += 1;
        drop(taken);
        self.is_kept = true;
        self.identity = identity.cloned();
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.end_stranger(self.site, self.id);
        taken.kept -= usize::from(self.is_kept);
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
        taken.show(self.places.port);
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
        let mut third = places.take(address("192.0.2.3")).unwrap();
        first.keep(Some(&identity)).unwrap();
        assert_eq!(second.keep(Some(&identity)), Err(Cap::Identity));
        third.keep(None).unwrap();
        assert_eq!(places.take(address("192.0.2.4")).unwrap_err(), Cap::All);
        drop(first);
        let mut fourth = places.take(address("192.0.2.4")).unwrap();
        fourth.keep(Some(&identity)).unwrap();
        drop((second, third, fourth));
        let taken = places.taken.lock().unwrap();
        assert!(taken.kept == 0 && taken.strangers == 0);
        assert!(taken.sites.is_empty() && taken.identities.is_empty());
    }

    #[test]
    fn the_oldest_stranger_of_the_address_with_the_most_gives_way() {
        let limits = Limits { handshakes_max: 3, ..Limits::default() };
        let places = Arc::new(Places::new(Port::Grpc, limits));
        let [many, few] = [address("192.0.2.1"), address("192.0.2.2")];
        let mut known = places.take(many).unwrap();
        known.keep(None).unwrap();
        let mut one = places.take(few).unwrap();
        let mut oldest = places.take(many).unwrap();
        let newer = places.take(many).unwrap();
        let newest = places.take(many).unwrap();
        let all = [&known, &one, &oldest, &newer, &newest];
        let give_way = all.map(|place| place.gives_way.is_cancelled());
        assert_eq!(give_way, [false, false, true, false, false]);
        assert_eq!(oldest.keep(None), Err(Cap::Handshakes), "whatever it does meanwhile");
        one.keep(None).unwrap();
        drop((known, one, oldest, newer, newest));
        let taken = places.taken.lock().unwrap();
        assert!(taken.kept == 0 && taken.strangers == 0 && taken.sites.is_empty());
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
