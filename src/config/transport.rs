//! What the operator sets about who may connect.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::{ConfigError, positive_duration};
use crate::transport::{Limits, Tls, TlsFiles};

/// Who may connect, and how often.
#[derive(Args, Clone, Debug)]
pub struct TransportSettings {
    /// The server's certificate and those between it and its authority, in PEM, its own first. With
    /// it, its key and the authorities of clients, every caller must show a certificate; only then may
    /// others than this machine connect.
    #[arg(long, env = "URGENCE_TLS_CERTIFICATE")]
    pub tls_certificate: Option<PathBuf>,
    /// The private key of the server's certificate, in PEM.
    #[arg(long, env = "URGENCE_TLS_KEY")]
    pub tls_key: Option<PathBuf>,
    /// The authorities that vouch for the certificates of clients, in PEM.
    #[arg(long, env = "URGENCE_TLS_CLIENT_CA")]
    pub tls_client_ca: Option<PathBuf>,
    /// Lists of revoked certificates, in PEM or DER, separated by commas: one of each authority.
    #[arg(long, env = "URGENCE_TLS_CRL", value_delimiter = ',')]
    pub tls_crl: Vec<PathBuf>,
    /// How many connections each port has at most, without those whose handshake is not done.
    #[arg(long, env = "URGENCE_CONNECTIONS_MAX", default_value = "4096", value_parser = count)]
    pub connections_max: usize,
    /// How many of them one address has at most; of IPv6, one /64.
    #[arg(long, env = "URGENCE_CONNECTIONS_PER_ADDRESS_MAX", default_value = "512", value_parser = count)]
    pub connections_per_address_max: usize,
    /// How many of them one identity has at most.
    #[arg(long, env = "URGENCE_CONNECTIONS_PER_IDENTITY_MAX", default_value = "128", value_parser = count)]
    pub connections_per_identity_max: usize,
    /// After how long, 10 % more or less, a connection's peer is asked to connect anew.
    #[arg(long, env = "URGENCE_CONNECTION_AGE_MAX", default_value = "30m", value_parser = positive_duration)]
    pub connection_age_max: Duration,
}

impl TransportSettings {
    /// The files of mutual TLS; `None` without it.
    ///
    /// # Errors
    /// Only some of them are given.
    fn files(&self) -> Result<Option<TlsFiles>, ConfigError> {
        match (&self.tls_certificate, &self.tls_key, &self.tls_client_ca) {
            (Some(certificate), Some(key), Some(client_ca)) => Ok(Some(TlsFiles {
                certificate: certificate.clone(),
                key: key.clone(),
                client_ca: client_ca.clone(),
                crls: self.tls_crl.clone(),
            })),
            (None, None, None) if self.tls_crl.is_empty() => Ok(None),
            _ => Err(ConfigError::TlsIncomplete),
        }
    }

    /// Checks that nobody can reach these addresses who has no certificate.
    pub(super) fn check(
        &self,
        addresses: [(&'static str, SocketAddr); 2],
    ) -> Result<(), ConfigError> {
        if self.files()?.is_some() {
            return Ok(());
        }
        match addresses.into_iter().find(|(_, address)| !address.ip().is_loopback()) {
            Some((setting, address)) => Err(ConfigError::NotLoopback { setting, address }),
            None => Ok(()),
        }
    }

    /// Mutual TLS, from its files; `None` without it.
    ///
    /// # Errors
    /// Only some of the files are given, or one is missing or wrong.
    pub fn tls(&self) -> Result<Option<Arc<Tls>>, ConfigError> {
        let files = self.files()?;
        files.map(Tls::load).transpose().map_err(ConfigError::Tls)
    }

    /// How much of a port anybody may hold.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            connections_max: self.connections_max,
            connections_per_address_max: self.connections_per_address_max,
            connections_per_identity_max: self.connections_per_identity_max,
            connection_age_max: self.connection_age_max,
            ..Limits::default()
        }
    }
}

/// Where none at all would shut everybody out.
fn count(text: &str) -> Result<usize, &'static str> {
    text.parse().ok().filter(|count| *count > 0).ok_or("send a number above 0")
}
