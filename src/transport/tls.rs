//! Mutual TLS in force, replaced as a whole while it runs. Whoever is connected is verified again by what
//! replaces it: a revocation that waited for the next handshake would wait for as long as the revoked
//! peer likes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use rustls::pki_types::{CertificateDer, UnixTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::Peer;
use super::connection::Greeted;
use super::files::{Contents, Material, TlsError, TlsFiles};
use super::revocation;
use super::verifier::{failure, why};
use crate::clock;
use crate::telemetry::metrics::{self, Certificate, Handshake, Port};

/// Mutual TLS, as its files say.
pub struct Tls {
    files: TlsFiles,
    current: ArcSwap<Material>,
    looked_at: Mutex<LookedAt>,
    open: Mutex<Open>,
}

/// What the files held when they were last looked at.
#[derive(Clone, PartialEq, Eq)]
struct LookedAt {
    /// Or why they could not be read.
    digest: Result<[u8; 32], TlsError>,
    /// Why that is not in force.
    refused: Option<TlsError>,
}

impl LookedAt {
    fn new<T>(contents: &Result<Contents, TlsError>, built: &Result<T, TlsError>) -> Self {
        Self { digest: digest(contents), refused: built.as_ref().err().cloned() }
    }
}

fn digest(contents: &Result<Contents, TlsError>) -> Result<[u8; 32], TlsError> {
    contents.as_ref().map(Contents::digest).map_err(Clone::clone)
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
        let looked_at = LookedAt { digest: Ok(contents.digest()), refused: None };
        let looked_at = Mutex::new(looked_at);
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
        let built = self.build(&contents);
        *self.looked_at() = LookedAt::new(&contents, &built);
        self.take(built)
    }

    /// Like [`Tls::reload`], where the files hold something else than when they were last looked at, or
    /// could not be put in force then and can be now; `None` where there is nothing new. So the same mistake
    /// is told once.
    pub fn refresh(&self) -> Option<Result<(), TlsError>> {
        let contents = self.files.read();
        let before = self.looked_at().clone();
        if before.refused.is_none() && before.digest == digest(&contents) {
            return None;
        }
        let built = self.build(&contents);
        let now = LookedAt::new(&contents, &built);
        (now != before).then(|| {
            *self.looked_at() = now;
            self.take(built)
        })
    }

    fn looked_at(&self) -> MutexGuard<'_, LookedAt> {
        self.looked_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the files put in force, unless it would refuse somebody who is connected for what is missing
    /// in them.
    fn build(&self, contents: &Result<Contents, TlsError>) -> Result<Material, TlsError> {
        let material = self.files.build(contents.as_ref().map_err(Clone::clone)?)?;
        let (in_force, now) = (self.current.load(), now());
        let is_wronged = |known: &Known| {
            in_force.verifier.verify(&known.chain, now).is_ok()
                && material
                    .verifier
                    .verify(&known.chain, now)
                    .is_err_and(|error| revocation::is_of_the_lists(&error))
        };
        if self.connected().iter().any(is_wronged) {
            return Err(self.files.lists_lacking());
        }
        Ok(material)
    }

    fn take(&self, built: Result<Material, TlsError>) -> Result<(), TlsError> {
        metrics::certificates_reloaded(built.is_ok());
        match built {
            Ok(material) => {
                self.current.store(Arc::new(material));
                tracing::info!("certificates reloaded");
            }
            Err(error) => {
                tracing::error!("certificates were not reloaded: {error}");
                self.verify_connected();
                return Err(error);
            }
        }
        self.show();
        self.verify_connected();
        Ok(())
    }

    fn connected(&self) -> Vec<Known> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.peers.values().cloned().collect()
    }

    /// Ends the standing of everybody whom what is in force no longer vouches for: since it was replaced, or
    /// since a certificate between theirs and their authority's has ended.
    pub fn verify_connected(&self) {
        let verifier = Arc::clone(&self.current.load().verifier);
        let now = now();
        let mut refused = 0;
        for known in self.connected() {
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
