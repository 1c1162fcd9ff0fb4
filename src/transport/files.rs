//! The files of mutual TLS, and what is built of them: all of it or nothing, so that a bad file never
//! replaces a good one.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use sha2::{Digest as _, Sha256};
use x509_parser::parse_x509_certificate;
use zeroize::Zeroizing;

use super::revocation;
use super::verifier::{Anchor, PeerVerifier, seconds};
use crate::clock;
use crate::telemetry::metrics::Port;

/// Where the certificates are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate and those between it and its authority, in PEM, its own first.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
    /// The authorities that vouch for clients, in PEM.
    pub client_ca: PathBuf,
    /// Their lists of revoked certificates, in PEM or DER; none: nothing is revoked.
    pub crls: Vec<PathBuf>,
}

/// A file is missing or wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the file {path}: {problem}")]
pub struct TlsError {
    path: String,
    problem: String,
}

impl TlsError {
    fn new(path: &Path, problem: &(impl Display + ?Sized)) -> Self {
        Self { path: path.display().to_string(), problem: problem.to_string() }
    }
}

/// The content of the files.
pub(super) struct Contents {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
    client_ca: Vec<u8>,
    crls: Vec<Vec<u8>>,
}

/// What is in force.
pub(super) struct Material {
    grpc: Arc<ServerConfig>,
    http: Arc<ServerConfig>,
    pub(super) verifier: Arc<PeerVerifier>,
    /// When the server's certificate ends, in seconds since the epoch, as the following.
    pub(super) server_end_s: u64,
    /// When the first of the authorities ends.
    pub(super) client_ca_end_s: u64,
    /// When the first list is due to be replaced.
    pub(super) crl_due_s: Option<u64>,
}

impl TlsFiles {
    pub(super) fn read(&self) -> Result<Contents, TlsError> {
        let read =
            |path: &PathBuf| std::fs::read(path).map_err(|error| TlsError::new(path, &error));
        Ok(Contents {
            certificate: read(&self.certificate)?,
            key: Zeroizing::new(read(&self.key)?),
            client_ca: read(&self.client_ca)?,
            crls: self.crls.iter().map(read).collect::<Result<_, _>>()?,
        })
    }

    /// What `contents` of these files put in force.
    pub(super) fn build(&self, contents: &Contents) -> Result<Material, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let crls = self.crls(contents)?;
        let anchors = self.anchors(contents, &crls, &provider)?;
        let client_ca_end_s = anchors.iter().map(|anchor| anchor.valid_s.1).min().unwrap_or(0);
        let verifier = Arc::new(PeerVerifier::new(anchors));
        let (chain, server_end_s) = self.chain(contents)?;
        let key = PrivateKeyDer::from_pem_slice(&contents.key)
            .map_err(|_| TlsError::new(&self.key, "holds no private key in PEM"))?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| TlsError::new(&self.certificate, &error))?
            .with_client_cert_verifier(Arc::clone(&verifier) as _)
            .with_single_cert(chain, key)
            .map_err(|error| TlsError::new(&self.key, &error))?;
        // A resumed session would carry a certificate on without looking at it again.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.max_early_data_size = 0;
        let speaking = |protocol: &[u8]| {
            let mut config = config.clone();
            config.alpn_protocols = vec![protocol.to_vec()];
            Arc::new(config)
        };
        let (grpc, http) = (speaking(b"h2"), speaking(b"http/1.1"));
        let crl_due_s = revocation::due_s(&crls);
        Ok(Material { grpc, http, verifier, server_end_s, client_ca_end_s, crl_due_s })
    }

    fn chain(&self, contents: &Contents) -> Result<(Vec<CertificateDer<'static>>, u64), TlsError> {
        let wrong = |problem: &str| TlsError::new(&self.certificate, problem);
        let chain = certificates(&contents.certificate).map_err(wrong)?;
        let (_, leaf) = chain
            .first()
            .and_then(|leaf| parse_x509_certificate(leaf).ok())
            .ok_or_else(|| wrong("holds a certificate that cannot be read"))?;
        let (start_s, end_s) =
            (seconds(leaf.validity().not_before), seconds(leaf.validity().not_after));
        let now_s = clock::wall_now().as_millis() / 1_000;
        if now_s < start_s {
            return Err(wrong("is not valid yet"));
        }
        if now_s > end_s {
            return Err(wrong("has expired"));
        }
        Ok((chain, end_s))
    }

    fn crls(
        &self,
        contents: &Contents,
    ) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
        let mut lists = Vec::new();
        for (path, content) in self.crls.iter().zip(&contents.crls) {
            let found = revocation::parse(content);
            lists.extend(found.map_err(|problem| TlsError::new(path, problem))?);
        }
        if let Some(path) = self.crls.last() {
            revocation::check_single(&lists).map_err(|problem| TlsError::new(path, problem))?;
        }
        Ok(lists)
    }

    /// Lists that do not say of somebody who is connected whether their certificates were revoked.
    pub(super) fn lists_lacking(&self) -> TlsError {
        let path = self.crls.last().unwrap_or(&self.client_ca);
        TlsError::new(
            path,
            "lacks the list of an authority of which somebody is connected, or holds one that it has \
             not signed; what lacks on purpose is put in force by a restart",
        )
    }

    /// One anchor for each authority of the bundle, since an anchor's own end is ours to heed.
    fn anchors(
        &self,
        contents: &Contents,
        crls: &[CertificateRevocationListDer<'static>],
        provider: &Arc<CryptoProvider>,
    ) -> Result<Vec<Anchor>, TlsError> {
        let wrong = |problem: &str| TlsError::new(&self.client_ca, problem);
        let algorithms = &provider.signature_verification_algorithms;
        let mut anchors = Vec::new();
        for der in certificates(&contents.client_ca).map_err(wrong)? {
            let (_, authority) = parse_x509_certificate(&der)
                .map_err(|_| wrong("holds a certificate that cannot be read"))?;
            if !authority.is_ca() {
                return Err(wrong("holds a certificate that is not that of an authority"));
            }
            if let Some(path) = self.crls.first() {
                let is_covered = revocation::is_covered(&authority, crls, algorithms)
                    .map_err(|problem| TlsError::new(path, problem))?;
                if !is_covered {
                    return Err(wrong("holds an authority whose revocation list was not given"));
                }
            }
            if revocation::is_revoked(&authority, crls) {
                tracing::error!("an authority of clients was revoked; it vouches for nobody");
                continue;
            }
            let validity = authority.validity();
            let valid_s = (seconds(validity.not_before), seconds(validity.not_after));
            let mut roots = RootCertStore::empty();
            roots.add(der.clone()).map_err(|error| TlsError::new(&self.client_ca, &error))?;
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
                    .with_crls(crls.iter().cloned())
                    .build()
                    .map_err(|error| TlsError::new(&self.client_ca, &error))?;
            anchors.push(Anchor { valid_s, verifier });
        }
        if anchors.is_empty() {
            return Err(wrong("holds only authorities that were revoked"));
        }
        let now_s = clock::wall_now().as_millis() / 1_000;
        if anchors.iter().all(|anchor| anchor.valid_s.1 < now_s) {
            return Err(wrong("holds only authorities that have expired"));
        }
        Ok(anchors)
    }
}

/// All certificates of a PEM file, of which there is at least one and none damaged.
fn certificates(content: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let found = CertificateDer::pem_slice_iter(content);
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(|_| "holds damaged PEM")?;
    if found.is_empty() { Err("holds no certificate in PEM") } else { Ok(found) }
}

impl Contents {
    /// What tells whether they have changed.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        let fixed = [&self.certificate, &*self.key, &self.client_ca];
        for content in fixed.into_iter().chain(&self.crls) {
            digest.update((content.len() as u64).to_be_bytes());
            digest.update(content);
        }
        digest.finalize().into()
    }
}

impl Material {
    pub(super) fn config(&self, port: Port) -> Arc<ServerConfig> {
        Arc::clone(match port {
            Port::Grpc => &self.grpc,
            Port::Http => &self.http,
        })
    }
}
