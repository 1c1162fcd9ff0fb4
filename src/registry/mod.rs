//! The registry: which authorities may ask, about what, and the numbers and keys that a disclosure
//! rests on.
//!
//! A request names its authority; whether there is such an authority, on which number it is called back
//! and to which key data is sealed is known from here alone, never from what somebody sent. A registry
//! is a value: it is replaced as a whole by another valid one, or not at all.

mod hours;
pub mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::core::authority::Rate;
use crate::core::{
    Authorities, Authority, AuthorityId, Caller, Identity, KeyId, Nature, PhoneId, Role, SpiffeId,
    Subject, Timestamp,
};

pub use hours::{BadHours, UsualHours};

/// How long a number or key that is new in the registry must not be relied on: whoever got at the
/// registry, or at the mailbox that asks for changes, waits for the call-back too.
pub const COOLING_OFF: Duration = Duration::from_hours(24);

/// All authorities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registry {
    /// No file lists any. Every authority may ask about everything and gets its first response in time;
    /// but none has a call-back number or a key, so nothing can be disclosed to any of them.
    Unlisted,
    /// Those of a file; nobody else may ask.
    Listed(Listing),
}

/// The authorities of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    authorities: BTreeMap<AuthorityId, Authority>,
    usual_hours: BTreeMap<AuthorityId, UsualHours>,
    people: BTreeMap<SpiffeId, Person>,
    version: RegistryVersion,
}

/// Somebody at the desk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// What they are called.
    pub subject: Subject,
    /// What they may do.
    pub roles: BTreeSet<Role>,
}

/// Something in the registry that a disclosure rests on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    /// A call-back number.
    Number(AuthorityId, PhoneId, String),
    /// A recipient key.
    Key(AuthorityId, KeyId, [u8; 32]),
}

impl Item {
    /// What it is remembered by: it changes with whose it is, its id and what it is.
    #[must_use]
    pub fn digest(&self) -> [u8; 16] {
        let mut hasher = Sha256::new();
        let (word, authority, id, content) = match self {
            Self::Number(authority, id, number) => {
                ("number", authority, id.as_str(), number.as_bytes())
            }
            Self::Key(authority, id, key) => ("key", authority, id.as_str(), key.as_slice()),
        };
        for part in [word.as_bytes(), authority.as_str().as_bytes(), id.as_bytes(), content] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        let mut digest = [0; 16];
        digest.copy_from_slice(&hasher.finalize()[..16]);
        digest
    }
}

/// The content address of a registry: two with the same version hold the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegistryVersion(pub [u8; 16]);

/// Why an authority may not ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotEntitled {
    /// The registry does not list it.
    #[error("this authority is not in the registry; have the provider enter it")]
    NotListed,
    /// It is listed for other natures.
    #[error("this authority is not registered for requests of this nature")]
    OtherNatures,
    /// Its entry is not valid yet, or no longer.
    #[error(
        "this authority's entry in the registry is not valid today; have the provider renew it"
    )]
    NotValid,
}

impl Registry {
    /// The registry of these authorities.
    #[must_use]
    pub fn listed(authorities: impl IntoIterator<Item = Authority>) -> Self {
        Self::of(authorities, BTreeMap::new(), BTreeMap::new())
    }

    /// The registry of these authorities, their hours, and the people of the desk by their certificates.
    #[must_use]
    pub fn of(
        authorities: impl IntoIterator<Item = Authority>,
        usual_hours: BTreeMap<AuthorityId, UsualHours>,
        people: BTreeMap<SpiffeId, Person>,
    ) -> Self {
        let by_id = |authority: Authority| (authority.id.clone(), authority);
        let authorities = authorities.into_iter().map(by_id).collect();
        let version = content_address(&authorities, &usual_hours, &people);
        Self::Listed(Listing { authorities, usual_hours, people, version })
    }

    /// Who holds this certificate, by what it names exactly; `None` for somebody whom nobody knows.
    #[must_use]
    pub fn caller(&self, identity: &Identity) -> Option<Caller> {
        let Self::Listed(listing) = self else { return None };
        let person = listing.people.get(&identity.uri).map(|person| Caller {
            subject: person.subject.clone(),
            identity: Some(identity.clone()),
            roles: person.roles.clone(),
            authorities: Authorities::Only(BTreeSet::new()),
        });
        person.or_else(|| {
            let bound = listing.authorities.values();
            let bound = bound.filter(|authority| authority.channels.contains(&identity.uri));
            let authorities: BTreeSet<AuthorityId> = bound.map(|found| found.id.clone()).collect();
            if authorities.is_empty() {
                return None;
            }
            Some(Caller {
                subject: channel_subject(&identity.uri)?,
                identity: Some(identity.clone()),
                roles: BTreeSet::from([Role::Portal]),
                authorities: Authorities::Only(authorities),
            })
        })
    }

    /// Whether a case may be handed to somebody of this name: a person who may work at the desk, where people
    /// are listed at all.
    #[must_use]
    pub fn is_colleague(&self, subject: &Subject) -> bool {
        const WORKS: [Role; 3] = [Role::Responder, Role::LegalReviewer, Role::Supervisor];
        let Self::Listed(listing) = self else { return true };
        let mut people = listing.people.values();
        people.len() == 0
            || people.any(|person| {
                person.subject == *subject && WORKS.iter().any(|role| person.roles.contains(role))
            })
    }

    /// Whether an authority asks by the holder of this certificate.
    #[must_use]
    pub fn is_channel(&self, uri: &SpiffeId) -> bool {
        self.authorities().any(|authority| authority.channels.contains(uri))
    }

    /// The authorities that may send another number of requests than the policy says.
    #[must_use]
    pub fn rates(&self) -> BTreeMap<AuthorityId, Rate> {
        let rates = self.authorities().filter_map(|found| Some((found.id.clone(), found.rate?)));
        rates.collect()
    }

    /// Everything that a disclosure may rest on.
    #[must_use]
    pub fn items(&self) -> Vec<Item> {
        let of = |authority: &Authority| {
            let id = authority.id.clone();
            let number = |(phone, number): (&PhoneId, &String)| {
                Item::Number(id.clone(), phone.clone(), number.clone())
            };
            let numbers: Vec<Item> = authority.callback_numbers.iter().map(number).collect();
            let key =
                |(key, digest): (&KeyId, &[u8; 32])| Item::Key(id.clone(), key.clone(), *digest);
            numbers.into_iter().chain(authority.recipient_keys.iter().map(key)).collect::<Vec<_>>()
        };
        self.authorities().flat_map(of).collect()
    }

    /// Whether the authority works at that hour, as far as the registry says.
    #[must_use]
    pub fn is_usual_hour(&self, id: &AuthorityId, now: Timestamp) -> bool {
        match self {
            Self::Unlisted => true,
            Self::Listed(listing) => {
                listing.usual_hours.get(id).is_none_or(|hours| hours.contain(now))
            }
        }
    }

    /// The authority with this id, if it is listed.
    #[must_use]
    pub fn authority(&self, id: &AuthorityId) -> Option<&Authority> {
        match self {
            Self::Unlisted => None,
            Self::Listed(listing) => listing.authorities.get(id),
        }
    }

    /// Whether this authority may ask about this at `now`.
    ///
    /// # Errors
    /// It is not listed, not valid now, or only for other natures.
    pub fn may_ask(
        &self,
        id: &AuthorityId,
        nature: Nature,
        now: Timestamp,
    ) -> Result<(), NotEntitled> {
        match self {
            Self::Unlisted => Ok(()),
            Self::Listed(listing) => match listing.authorities.get(id) {
                None => Err(NotEntitled::NotListed),
                Some(authority) if !authority.is_valid(now) => Err(NotEntitled::NotValid),
                Some(authority) if authority.may_ask_about(nature) => Ok(()),
                Some(_) => Err(NotEntitled::OtherNatures),
            },
        }
    }

    /// Every listed authority, by id.
    pub fn authorities(&self) -> impl Iterator<Item = &Authority> {
        let listing = match self {
            Self::Unlisted => None,
            Self::Listed(listing) => Some(listing),
        };
        listing.into_iter().flat_map(|listing| listing.authorities.values())
    }

    /// How many authorities are listed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.authorities().count()
    }

    /// Whether none is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The content address; `None` where no file lists any.
    #[must_use]
    pub const fn version(&self) -> Option<RegistryVersion> {
        match self {
            Self::Unlisted => None,
            Self::Listed(listing) => Some(listing.version),
        }
    }
}

impl fmt::Display for RegistryVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RegistryVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a portal is called: its SPIFFE ID without the scheme. `None` where that is too long.
#[must_use]
pub fn channel_subject(uri: &SpiffeId) -> Option<Subject> {
    uri.as_str().strip_prefix("spiffe://")?.parse().ok()
}

/// Hashes everything that is listed, each text and list with its length, so that no two registries that
/// differ share a version.
fn content_address(
    authorities: &BTreeMap<AuthorityId, Authority>,
    usual_hours: &BTreeMap<AuthorityId, UsualHours>,
    people: &BTreeMap<SpiffeId, Person>,
) -> RegistryVersion {
    fn count(hasher: &mut Sha256, count: usize) {
        hasher.update((count as u64).to_be_bytes());
    }
    fn text(hasher: &mut Sha256, text: &str) {
        count(hasher, text.len());
        hasher.update(text);
    }
    let mut hasher = Sha256::new();
    hasher.update(b"urgence registry 2");
    for authority in authorities.values() {
        let Authority {
            id,
            agency,
            unit,
            country,
            callback_numbers,
            recipient_keys,
            natures,
            channels,
            valid_from,
            valid_until,
            rate,
        } = authority;
        for part in [id.as_str(), agency, unit, country.as_str()] {
            text(&mut hasher, part);
        }
        count(&mut hasher, callback_numbers.len());
        for (id, number) in callback_numbers {
            text(&mut hasher, id.as_str());
            text(&mut hasher, number);
        }
        count(&mut hasher, recipient_keys.len());
        for (id, key) in recipient_keys {
            text(&mut hasher, id.as_str());
            hasher.update(key);
        }
        count(&mut hasher, natures.len());
        for nature in natures {
            text(&mut hasher, nature.word());
        }
        count(&mut hasher, channels.len());
        channels.iter().for_each(|channel| text(&mut hasher, channel.as_str()));
        text(&mut hasher, &format!("{valid_from:?} {valid_until:?} {rate:?}"));
        text(&mut hasher, &format!("{:?}", usual_hours.get(id)));
    }
    for (uri, person) in people {
        text(&mut hasher, uri.as_str());
        text(&mut hasher, person.subject.as_str());
        count(&mut hasher, person.roles.len());
        person.roles.iter().for_each(|role| text(&mut hasher, role.word()));
    }
    let mut version = [0; 16];
    version.copy_from_slice(&hasher.finalize()[..16]);
    RegistryVersion(version)
}
