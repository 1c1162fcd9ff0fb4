//! Who calls, and as whom each desk knows them: by the certificate of the connection and the desk's
//! registry.
//!
//! Without certificates the service listens on loopback only, and takes whoever is there at their word:
//! the metadata `urgence-caller`. A connection with a certificate is never asked for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tonic::metadata::MetadataMap;
use tonic::{Request, Status};

use super::desks::Desks;
use super::status;
use crate::core::{Actor, Authorities, AuthorityId, Caller, DeskName, Role, Subject};
use crate::desk::{Desk, Store};
use crate::registry::channel_subject;
use crate::registry::rules::{Access, Rule};
use crate::transport::{Peer, PeerOfConnection};

const METADATA: &str = "urgence-caller";
/// Who calls when the metadata does not say.
const LOCAL_OPERATOR: &str = "local-operator";

/// Who makes a call, before any desk was asked.
#[derive(Clone)]
pub(super) enum Presented {
    /// The holder of a certificate.
    Certificate(Arc<Peer>),
    /// Whom the metadata names, on loopback.
    Loopback(Caller),
}

/// As whom the desks that a call may reach know its author.
#[derive(Clone)]
pub(super) struct Callers(BTreeMap<DeskName, Caller>);

impl Presented {
    /// What a call brings along.
    pub(super) fn of<M>(request: &Request<M>) -> Result<Self, Status> {
        let Some(peer) = request.extensions().get::<PeerOfConnection>() else {
            return Err(status::certificate_missing());
        };
        match peer {
            Some(peer) => {
                let presented = Self::Certificate(Arc::clone(peer));
                presented.must_hold()?;
                Ok(presented)
            }
            None => named(request.metadata()).map(Self::Loopback),
        }
    }

    /// Refuses a certificate that holds no longer.
    pub(super) fn must_hold(&self) -> Result<(), Status> {
        match self {
            Self::Certificate(peer) if peer.revoked.is_cancelled() => {
                Err(status::certificate_over())
            }
            Self::Certificate(_) | Self::Loopback(_) => Ok(()),
        }
    }

    /// Returns once the certificate holds no longer.
    pub(super) async fn over(&self) {
        match self {
            Self::Certificate(peer) => peer.revoked.cancelled().await,
            Self::Loopback(_) => std::future::pending().await,
        }
    }

    /// As whom `desk` knows the author.
    pub(super) fn at<S: Store>(&self, desk: &Desk<S>) -> Option<Caller> {
        match self {
            Self::Certificate(peer) => desk.registry().caller(&peer.identity),
            Self::Loopback(caller) => Some(caller.clone()),
        }
    }

    /// The holder of a certificate whom no desk knows, as the record calls them.
    pub(super) fn stranger(&self) -> Option<Actor> {
        match self {
            Self::Certificate(peer) => {
                let identity = peer.identity.clone();
                let subject = channel_subject(&identity.uri)
                    .unwrap_or_else(|| "stranger".parse().expect("a word that follows the rule"));
                Some(Actor { subject, identity: Some(identity) })
            }
            Self::Loopback(_) => None,
        }
    }

    /// The desks at which the author may do what `rule` allows, and as whom.
    pub(super) fn admitted<S: Store>(
        &self,
        desks: &Desks<S>,
        rule: &Rule,
    ) -> Result<(Desks<S>, Callers), Status> {
        let known: Vec<_> =
            desks.iter().filter_map(|desk| Some((Arc::clone(desk), self.at(desk)?))).collect();
        if known.is_empty() && rule.access != Access::Anybody {
            return Err(status::caller_unknown());
        }
        let allowed: Vec<_> =
            known.into_iter().filter(|(_, caller)| is_allowed(caller, rule)).collect();
        let callers = allowed.iter().map(|(desk, caller)| (desk.name().clone(), caller.clone()));
        let callers = Callers(callers.collect());
        match Desks::some(allowed.into_iter().map(|(desk, _)| desk).collect()) {
            Some(desks) => Ok((desks, callers)),
            None => Err(status::role_missing(rule)),
        }
    }
}

/// Whether the rule lets the caller.
pub(super) fn is_allowed(caller: &Caller, rule: &Rule) -> bool {
    match rule.access {
        Access::Anybody | Access::Known => true,
        Access::Roles(roles) => roles.iter().any(|role| caller.has_role(*role)),
    }
}

impl Callers {
    /// As whom this desk, which the call may reach, knows its author.
    pub(super) fn at<S: Store>(&self, desk: &Desk<S>) -> &Caller {
        self.0.get(desk.name()).expect("a call reaches only desks that know its author")
    }

    /// The authority that the author speaks for; of several, the first by name.
    pub(super) fn authority(&self) -> Option<&AuthorityId> {
        self.0.values().find_map(|caller| match &caller.authorities {
            Authorities::All => None,
            Authorities::Only(names) => names.first(),
        })
    }

    /// What the first of these desks calls the author.
    pub(super) fn subject(&self) -> &Subject {
        let first = self.0.values().next();
        &first.expect("a call reaches some desk that knows its author").subject
    }
}

/// The author of a call on loopback.
fn named(metadata: &MetadataMap) -> Result<Caller, Status> {
    let mut values = metadata.get_all(METADATA).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(Caller {
            subject: LOCAL_OPERATOR.parse().expect("a constant that follows the rule"),
            identity: None,
            roles: Role::ALL.iter().copied().collect(),
            authorities: Authorities::All,
        }),
        (Some(value), None) => value.to_str().ok().and_then(parse).ok_or_else(status::bad_caller),
        // Two authors are none.
        (Some(_), Some(_)) => Err(status::bad_caller()),
    }
}

/// `ana; roles=responder,supervisor; authorities=fr-pnij`. Without roles: none. Without authorities:
/// all of them.
fn parse(text: &str) -> Option<Caller> {
    let mut parts = text.split(';').map(str::trim);
    let subject = parts.next()?.parse().ok()?;
    let mut caller =
        Caller { subject, identity: None, roles: BTreeSet::new(), authorities: Authorities::All };
    for part in parts {
        let (name, list) = part.split_once('=')?;
        let words = list.split(',').map(str::trim);
        match name.trim() {
            "roles" => caller.roles = words.map(Role::from_word).collect::<Option<_>>()?,
            "authorities" => {
                let names = words.map(|word| word.parse().ok()).collect::<Option<_>>()?;
                caller.authorities = Authorities::Only(names);
            }
            _ => return None,
        }
    }
    Some(caller)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use super::*;

    #[test]
    fn a_caller_is_who_the_metadata_says() {
        let caller = parse("ana; roles=responder,supervisor; authorities=fr-pnij").unwrap();
        assert_eq!(caller.subject.as_str(), "ana");
        assert!(caller.has_role(Role::Responder) && caller.has_role(Role::Supervisor));
        assert!(!caller.has_role(Role::Portal));
        assert!(caller.speaks_for(&"fr-pnij".parse().unwrap()));
        assert!(!caller.speaks_for(&"de-bka".parse().unwrap()));
    }

    #[test]
    fn what_is_not_understood_gives_no_rights() {
        for text in
            ["", ";", "ana; rank=high", "ana; roles=king", "ana; roles", "a b; roles=portal"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
        assert!(parse("ana").is_some_and(|caller| caller.roles.is_empty()));
    }
}
