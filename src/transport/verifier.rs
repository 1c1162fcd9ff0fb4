//! Whom a client's certificate makes known, and until when.
//!
//! The library checks signatures, chains, dates and revocation; this adds what it does not: an authority
//! that has ended vouches for nobody, and a certificate must name exactly one SPIFFE ID, be no authority
//! itself and be meant for clients. A common name is never looked at.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

use super::Peer;
use crate::core::{CertificateFingerprint, Identity, SpiffeId};
use crate::telemetry::metrics::Handshake;

/// The rule of an identity that a certificate breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotAnIdentity {
    #[error("the certificate cannot be read")]
    Unreadable,
    #[error("the certificate names not exactly one URI")]
    NotOneUri,
    #[error("the certificate's URI is not a SPIFFE ID")]
    NotSpiffe,
    #[error("the certificate is that of an authority")]
    Authority,
    #[error("the certificate is not meant for clients")]
    NotForClients,
}

/// An authority that vouches for clients.
#[derive(Debug)]
pub(super) struct Anchor {
    /// When its own certificate begins and ends, in seconds since the epoch.
    pub(super) valid_s: (u64, u64),
    /// Knows this authority alone.
    pub(super) verifier: Arc<dyn ClientCertVerifier>,
}

/// Verifies clients against all authorities.
#[derive(Debug)]
pub(super) struct PeerVerifier {
    anchors: Vec<Anchor>,
    hints: Vec<DistinguishedName>,
}

/// What a good certificate tells.
pub(super) struct Verified {
    identity: Identity,
    /// Until when it and its authority's are valid, in seconds since the epoch.
    end_s: u64,
}

impl Verified {
    /// The peer, and how much longer it can be known by this certificate.
    pub(super) fn peer(self, now: UnixTime) -> (Peer, Duration) {
        let valid_for = Duration::from_secs(self.end_s.saturating_sub(now.as_secs()));
        (Peer { identity: self.identity, revoked: CancellationToken::new() }, valid_for)
    }
}

impl PeerVerifier {
    /// `anchors` are not empty: see their loader.
    pub(super) fn new(anchors: Vec<Anchor>) -> Self {
        let hints = anchors.iter().flat_map(|anchor| anchor.verifier.root_hint_subjects());
        let hints = hints.cloned().collect();
        Self { anchors, hints }
    }

    /// Who holds `chain`, its own certificate first.
    ///
    /// # Errors
    /// It holds for nobody, and why.
    pub(super) fn verify(
        &self,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<Verified, Error> {
        let (leaf, intermediates) = chain.split_first().ok_or(Error::NoCertificatesPresented)?;
        let anchor_end_s = self.vouch(leaf, intermediates, now)?;
        let (identity, leaf_end_s) = identify(leaf).map_err(|broken| {
            Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(broken))))
        })?;
        Ok(Verified { identity, end_s: leaf_end_s.min(anchor_end_s) })
    }

    /// Until when the authority that vouches for the certificate may do so.
    fn vouch(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<u64, Error> {
        let mut why = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let is_unknown = |error: &Error| {
            matches!(error, Error::InvalidCertificate(CertificateError::UnknownIssuer))
        };
        for anchor in &self.anchors {
            let (start_s, end_s) = anchor.valid_s;
            if !(start_s..=end_s).contains(&now.as_secs()) {
                continue;
            }
            match anchor.verifier.verify_client_cert(leaf, intermediates, now) {
                Ok(_) => return Ok(end_s),
                // What one authority says of its own tells more than that others do not know it.
                Err(error) if is_unknown(&why) => why = error,
                Err(_) => {}
            }
        }
        Err(why)
    }

    fn any(&self) -> &dyn ClientCertVerifier {
        &*self.anchors.first().expect("a bundle without a certificate is refused").verifier
    }
}

/// Whom the certificate names, and when it ends, in seconds since the epoch.
fn identify(leaf: &CertificateDer<'_>) -> Result<(Identity, u64), NotAnIdentity> {
    let (_, parsed) = parse_x509_certificate(leaf).map_err(|_| NotAnIdentity::Unreadable)?;
    let is_authority = parsed
        .key_usage()
        .map_err(|_| NotAnIdentity::Unreadable)?
        .is_some_and(|usage| usage.value.key_cert_sign() || usage.value.crl_sign());
    if is_authority || parsed.is_ca() {
        return Err(NotAnIdentity::Authority);
    }
    let purposes = parsed.extended_key_usage().map_err(|_| NotAnIdentity::Unreadable)?;
    if !purposes.is_some_and(|purposes| purposes.value.client_auth) {
        return Err(NotAnIdentity::NotForClients);
    }
    let uri = one_uri(&parsed)?;
    let certificate = CertificateFingerprint(Sha256::digest(leaf).into());
    Ok((Identity { uri, certificate }, seconds(parsed.validity().not_after)))
}

fn one_uri(leaf: &X509Certificate<'_>) -> Result<SpiffeId, NotAnIdentity> {
    let names = leaf.subject_alternative_name().map_err(|_| NotAnIdentity::Unreadable)?;
    let names = names.map_or(&[][..], |names| &names.value.general_names);
    let mut uris = names.iter().filter_map(|name| match name {
        GeneralName::URI(uri) => Some(*uri),
        _ => None,
    });
    match (uris.next(), uris.next()) {
        (Some(uri), None) => uri.parse().map_err(|_| NotAnIdentity::NotSpiffe),
        _ => Err(NotAnIdentity::NotOneUri),
    }
}

/// Seconds since the epoch; 0 for what lies before it.
pub(super) fn seconds(time: x509_parser::time::ASN1Time) -> u64 {
    u64::try_from(time.timestamp()).unwrap_or(0)
}

/// What is counted of a handshake that failed so.
pub(super) fn failure(error: &std::io::Error) -> Handshake {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    inner.map_or(Handshake::Failed, why)
}

/// What is counted of a certificate that was refused so.
pub(super) fn why(error: &Error) -> Handshake {
    use CertificateError as Bad;
    let Error::InvalidCertificate(bad) = error else {
        return match error {
            Error::NoCertificatesPresented => Handshake::NoCertificate,
            _ => Handshake::Failed,
        };
    };
    match bad {
        Bad::Expired | Bad::ExpiredContext { .. } => Handshake::Expired,
        Bad::NotValidYet | Bad::NotValidYetContext { .. } => Handshake::NotYetValid,
        Bad::Revoked => Handshake::Revoked,
        Bad::Other(_) | Bad::InvalidPurpose | Bad::InvalidPurposeContext { .. } => {
            Handshake::NotAnIdentity
        }
        _ => Handshake::Untrusted,
    }
}

impl ClientCertVerifier for PeerVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let chain: Vec<CertificateDer<'_>> =
            std::iter::once(leaf).chain(intermediates).cloned().collect();
        self.verify(&chain, now).map(|_| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.any().verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.any().verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.any().supported_verify_schemes()
    }
}
