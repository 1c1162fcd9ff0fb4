//! Mutual TLS in force, replaced as a whole while it runs. Whoever is connected is verified again by what
//! replaces it: a revocation that waited for the next handshake would wait for as long as the revoked
//! peer likes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustls::pki_types::{CertificateDer, UnixTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::Peer;
use super::connection::Greeted;
use super::files::{Material, TlsError, TlsFiles};
use super::verifier::{failure, why};
use crate::clock;
use crate::telemetry::metrics::{self, Certificate, Handshake, Port};

/// Mutual TLS, as its files say.
pub struct Tls {
    files: TlsFiles,
    current: ArcSwap<Material>,
    /// What the files held when they were last looked at, or why they could not be read.
    looked_at: Mutex<Result<[u8; 32], TlsError>>,
    open: Mutex<Open>,
}

/// Everybody who is connected.
#[derive(Default)]
struct Open {
    next_id: u64,
    peers: HashMap<u64, Known>,
}

#[derive(Clone)]
struct Known {
    chain: Arc<[CertificateDer<'static>]>,
    peer: Arc<Peer>,
}

/// An entry among those who are connected, which goes when this is dropped.
pub(super) struct Remembered {
    tls: Arc<Tls>,
    id: u64,
}

impl Drop for Remembered {
    fn drop(&mut self) {
        let mut open = self.tls.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.peers.remove(&self.id);
    }
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// One is missing or wrong.
    pub fn load(files: TlsFiles) -> Result<Arc<Self>, TlsError> {
        let contents = files.read()?;
        let material = files.build(&contents)?;
        let looked_at = Mutex::new(Ok(contents.digest()));
        let current = ArcSwap::from_pointee(material);
        Ok(Arc::new(Self { files, current, looked_at, open: Mutex::default() }))
    }

    /// Shows in the metrics, and where need be in the log, until when what is in force holds.
    pub fn show(&self) {
        let material = self.current.load();
        metrics::certificate_ends(Certificate::Server, material.server_end_s);
        metrics::certificate_ends(Certificate::ClientCa, material.client_ca_end_s);
        metrics::revocation_list_due(material.crl_due_s.unwrap_or(0));
        let now_s = now().as_secs();
        if material.crl_due_s.is_some_and(|due_s| due_s < now_s) {
            tracing::warn!(
                "a revocation list is overdue; it still revokes what it names, and nothing newer"
            );
        }
        if material.client_ca_end_s < now_s {
            tracing::warn!("an authority of clients has expired; nobody of it is let in");
        }
    }

    /// Reads the files again, puts them in force, and verifies by them everybody who is connected.
    ///
    /// # Errors
    /// One is missing or wrong; what was in force stays so.
    pub fn reload(&self) -> Result<(), TlsError> {
        let contents = self.files.read();
        let digest = contents.as_ref().map(super::files::Contents::digest).map_err(Clone::clone);
        *self.looked_at.lock().unwrap_or_else(PoisonError::into_inner) = digest;
        let built = contents.and_then(|contents| self.files.build(&contents));
        metrics::certificates_reloaded(built.is_ok());
        match built {
            Ok(material) => {
                self.current.store(Arc::new(material));
                tracing::info!("certificates reloaded");
            }
            Err(error) => {
                tracing::error!("certificates were not reloaded: {error}");
                self.verify_open();
                return Err(error);
            }
        }
        self.show();
        self.verify_open();
        Ok(())
    }

    /// Whether the files hold something else than when they were last looked at.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        let found = self.files.read().map(|contents| contents.digest());
        *self.looked_at.lock().unwrap_or_else(PoisonError::into_inner) != found
    }

    /// Ends the standing of everybody whom what is in force no longer vouches for.
    fn verify_open(&self) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let peers: Vec<Known> = open.peers.values().cloned().collect();
        drop(open);
        let verifier = Arc::clone(&self.current.load().verifier);
        let now = now();
        let mut refused = 0;
        for known in peers {
            if let Err(error) = verifier.verify(&known.chain, now) {
                tracing::debug!(why = why(&error).word(), "a connected peer is no longer let in");
                known.peer.revoked.cancel();
                refused += 1;
            }
        }
        if refused > 0 {
            tracing::warn!(refused, "connections end, as their certificates no longer hold");
        }
    }

    /// Shakes hands.
    pub(super) async fn accept(
        self: &Arc<Self>,
        socket: TcpStream,
        port: Port,
    ) -> Result<Greeted, Handshake> {
        let acceptor = TlsAcceptor::from(self.current.load().config(port));
        let stream = acceptor.accept(socket).await.map_err(|error| failure(&error))?;
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let chain: Arc<[CertificateDer<'static>]> = chain.iter().cloned().collect();
        let material = self.current.load_full();
        let now = now();
        let verified = material.verifier.verify(&chain, now).map_err(|error| why(&error))?;
        let (peer, valid_for) = verified.peer(now);
        let peer = Arc::new(peer);
        let known = Known { chain: Arc::clone(&chain), peer: Arc::clone(&peer) };
        let remembered = self.remember(known);
        // A reload meanwhile may have looked at all who were connected just before this one was.
        let newer = self.current.load_full();
        if !Arc::ptr_eq(&material, &newer) {
            newer.verifier.verify(&chain, now).map_err(|error| why(&error))?;
        }
        Ok(Greeted { stream, peer, valid_for, remembered })
    }

    fn remember(self: &Arc<Self>, known: Known) -> Remembered {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let id = open.next_id;
        open.next_id += 1;
        open.peers.insert(id, known);
        Remembered { tls: Arc::clone(self), id }
    }
}

fn now() -> UnixTime {
    let since_epoch = std::time::Duration::from_millis(clock::wall_now().as_millis());
    UnixTime::since_unix_epoch(since_epoch)
}
