//! What is recorded of connections and certificates: never whose they are.

use ::metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

use super::catalogue::{
    CERTIFICATE_END, CERTIFICATE_RELOADS, CONNECTIONS, CONNECTIONS_CUT, CONNECTIONS_REFUSED,
    HANDSHAKES, REVOCATION_LIST_DUE,
};
use crate::core::words;

words! {
    /// A port that is listened on.
    pub enum Port {
        /// Calls.
        Grpc = "grpc",
        /// Metrics and probes.
        Http = "http",
    }
}

words! {
    /// What became of a TLS handshake.
    pub enum Handshake {
        /// The peer is known.
        Accepted = "accepted",
        /// It took too long.
        TimedOut = "timed_out",
        /// The peer showed no certificate.
        NoCertificate = "no_certificate",
        /// Its certificate has ended.
        Expired = "expired",
        /// Its certificate has not begun.
        NotYetValid = "not_yet_valid",
        /// Its certificate was revoked.
        Revoked = "revoked",
        /// No authority of ours vouches for it.
        Untrusted = "untrusted",
        /// It does not name exactly one SPIFFE ID, is an authority's, or is not meant for clients.
        NotAnIdentity = "not_an_identity",
        /// It was no TLS that is spoken here.
        Failed = "failed",
    }
}

words! {
    /// Of whose connections there are too many.
    pub enum Cap {
        /// In all.
        All = "all",
        /// Of one address.
        Address = "address",
        /// Of one identity.
        Identity = "identity",
        /// Of those whose handshake is not done.
        Handshakes = "handshakes",
    }
}

words! {
    /// Why a connection was cut.
    pub enum Cut {
        /// Its peer said nothing.
        Silent = "silent",
        /// Its certificate no longer holds.
        Revoked = "revoked",
        /// It stayed beyond its age.
        Aged = "aged",
        /// It said nothing at the stop.
        Stopping = "stopping",
    }
}

words! {
    /// A certificate with an end to watch.
    pub enum Certificate {
        /// This server's.
        Server = "server",
        /// That of the authorities of clients; the first that ends.
        ClientCa = "client_ca",
    }
}

pub(super) fn describe() {
    describe_gauge!(
        CERTIFICATE_END,
        Unit::Seconds,
        "When a certificate ends, in seconds since the epoch; 0 without one"
    );
    describe_gauge!(
        REVOCATION_LIST_DUE,
        Unit::Seconds,
        "When the first revocation list is to be replaced, in seconds since the epoch; 0 without one"
    );
    describe_counter!(CERTIFICATE_RELOADS, Unit::Count, "Certificates read again, by result");
    describe_counter!(HANDSHAKES, Unit::Count, "TLS handshakes, by result");
    describe_gauge!(CONNECTIONS, Unit::Count, "Open connections, by port");
    describe_counter!(CONNECTIONS_REFUSED, Unit::Count, "Connections closed at once, by cap");
    describe_counter!(CONNECTIONS_CUT, Unit::Count, "Connections cut, by reason");
}

pub(super) fn zero() {
    for handshake in Handshake::ALL {
        counter!(HANDSHAKES, "result" => handshake.word()).absolute(0);
    }
    for cap in Cap::ALL {
        counter!(CONNECTIONS_REFUSED, "cap" => cap.word()).absolute(0);
    }
    for cut in Cut::ALL {
        counter!(CONNECTIONS_CUT, "reason" => cut.word()).absolute(0);
    }
    for port in Port::ALL {
        open_connections(*port, 0);
    }
    for certificate in Certificate::ALL {
        certificate_ends(*certificate, 0);
    }
    for result in ["taken", "refused"] {
        counter!(CERTIFICATE_RELOADS, "result" => result).absolute(0);
    }
    revocation_list_due(0);
}

/// Records what became of a handshake.
pub fn handshake(result: Handshake) {
    counter!(HANDSHAKES, "result" => result.word()).increment(1);
}

/// Shows how many connections a port has.
pub fn open_connections(port: Port, count: usize) {
    gauge!(CONNECTIONS, "port" => port.word()).set(count as f64);
}

/// Records a connection that was closed at once.
pub fn connection_refused(cap: Cap) {
    counter!(CONNECTIONS_REFUSED, "cap" => cap.word()).increment(1);
}

/// Records a connection that was cut.
pub fn connection_cut(cut: Cut) {
    counter!(CONNECTIONS_CUT, "reason" => cut.word()).increment(1);
}

/// Shows when a certificate ends, in seconds since the epoch.
pub fn certificate_ends(certificate: Certificate, end_s: u64) {
    gauge!(CERTIFICATE_END, "certificate" => certificate.word()).set(end_s as f64);
}

/// Shows when the first revocation list is to be replaced, in seconds since the epoch.
pub fn revocation_list_due(due_s: u64) {
    gauge!(REVOCATION_LIST_DUE).set(due_s as f64);
}

/// Records that certificates were read again, and whether they were taken.
pub fn certificates_reloaded(is_taken: bool) {
    let result = if is_taken { "taken" } else { "refused" };
    counter!(CERTIFICATE_RELOADS, "result" => result).increment(1);
}
