//! The way in: one accept loop for every port, the caps on who may hold how much of it, and mutual TLS.
//!
//! Nothing else knows a socket of ours or a certificate. What comes out is a [`Connection`] whose peer is
//! known, whose life is bounded, and whose place is given back when it is dropped.

mod accept;
mod connection;
mod files;
mod places;
mod revocation;
mod tls;
mod verifier;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::core::Identity;

pub use accept::{Door, Incoming};
pub use connection::Connection;
pub use files::{TlsError, TlsFiles};
pub use tls::Tls;

/// Who is at the other end of a connection, as its certificate says it.
#[derive(Debug)]
pub struct Peer {
    /// The one name of the certificate, and which certificate it was.
    pub identity: Identity,
    /// Cancelled once the certificate no longer holds: it has ended, was revoked, or its authority has
    /// gone. The connection is closed [`Limits::revoked_grace`] later; until then nothing may be answered
    /// but that.
    pub revoked: CancellationToken,
}

/// The peer of a connection, as requests carry it; `None` on loopback without certificates.
pub type PeerOfConnection = Option<Arc<Peer>>;

/// How much of a port anybody may hold, and for how long.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections in all, without those whose handshake is not done: those are strangers still, and must
    /// not keep anybody out who is known.
    pub connections_max: usize,
    /// Connections of one address; of IPv6, of one /64, which is what one site has.
    pub connections_per_address_max: usize,
    /// Connections of one identity.
    pub connections_per_identity_max: usize,
    /// How long a connection lives; the gRPC server asks its peer to leave a little before or after.
    pub connection_age_max: Duration,
    /// Connections whose handshake is not done. For one more, the oldest of the address that has the most
    /// of them gives way.
    pub handshakes_max: usize,
    /// Handshakes of one address at the same time; further ones wait for their turn.
    pub handshakes_per_address_max: usize,
    /// How long a handshake may take, the wait for its turn included.
    pub handshake_timeout: Duration,
    /// How long a peer may take to say its first words after the handshake.
    pub silence_max: Duration,
    /// How long a connection stays whose certificate no longer holds, to be told so.
    pub revoked_grace: Duration,
    /// How long, at a stop, a peer may say nothing at all before it counts as gone.
    pub stop_silence_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 4_096,
            connections_per_address_max: 512,
            connections_per_identity_max: 128,
            connection_age_max: Duration::from_mins(30),
            handshakes_max: 1_024,
            handshakes_per_address_max: 64,
            handshake_timeout: Duration::from_secs(5),
            silence_max: Duration::from_secs(10),
            revoked_grace: Duration::from_secs(2),
            stop_silence_max: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// How many descriptors a port with these caps has open at most.
    #[must_use]
    pub fn descriptors_max(&self) -> u64 {
        (self.connections_max + self.handshakes_max) as u64
    }

    /// These caps, lowered to so many descriptors: a quarter of them for strangers, and never none.
    #[must_use]
    pub fn within(&self, descriptors: u64) -> Self {
        let descriptors = usize::try_from(descriptors).unwrap_or(usize::MAX);
        let handshakes_max = self.handshakes_max.min(descriptors / 4).max(1);
        let known = descriptors.saturating_sub(handshakes_max);
        Self {
            connections_max: self.connections_max.min(known).max(1),
            handshakes_max,
            ..self.clone()
        }
    }

    /// How long a watch goes on at most. One that begins just before its connection is asked to leave has
    /// ended, with a word of why, before the connection is cut.
    #[must_use]
    pub fn watch_age_max(&self) -> Duration {
        self.connection_age_max / 5
    }

    /// How long a connection lives at most, whatever its peer does: half as long again as its age, so
    /// that calls that run when it is asked to leave can end.
    #[must_use]
    pub fn age_end(&self) -> Duration {
        self.connection_age_max * 3 / 2
    }
}
