//! Who did something, as it is stored with what was done.

use super::field;
use crate::core::{Actor, CertificateFingerprint, Identity};
use crate::store::Unreadable;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StoredActor {
    #[prost(string, tag = "1")]
    subject: String,
    #[prost(string, tag = "2")]
    uri: String,
    #[prost(bytes = "vec", tag = "3")]
    certificate: Vec<u8>,
}

pub(super) fn encode_actor(actor: &Actor) -> StoredActor {
    let identity = actor.identity.as_ref();
    StoredActor {
        subject: actor.subject.to_string(),
        uri: identity.map(|identity| identity.uri.to_string()).unwrap_or_default(),
        certificate: identity.map(|identity| identity.certificate.0.to_vec()).unwrap_or_default(),
    }
}

pub(super) fn decode_actor(what: &'static str, stored: StoredActor) -> Result<Actor, Unreadable> {
    let identity = if stored.uri.is_empty() {
        None
    } else {
        let certificate = stored.certificate.try_into().ok().map(CertificateFingerprint);
        Some(Identity {
            uri: field(what, "actor.uri", stored.uri.parse().ok())?,
            certificate: field(what, "actor.certificate", certificate)?,
        })
    };
    Ok(Actor { subject: field(what, "actor.subject", stored.subject.parse().ok())?, identity })
}
