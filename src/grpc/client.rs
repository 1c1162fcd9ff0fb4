//! The one call that the command line makes to a service that runs: for a transparency report.

use std::path::Path;
use std::time::Duration;

use tonic::Status;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic_types::StatusExt as _;

use super::convert::{timestamp, transparency};
use super::wire::oversight_service_client::OversightServiceClient;
use super::{wire, with_sources};
use crate::core::transparency::{Period, Report};

/// How long it may take to be connected. The report itself takes as long as reading every case does.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A row takes about a hundred bytes, and holds many requests.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Where the service is and who asks it.
#[derive(Clone, Debug, Default)]
pub struct Connection<'a> {
    /// Its address, such as `https://urgence.example:50051`; `http` is for this machine only.
    pub address: &'a str,
    /// The certificates, in PEM, of those who may say that it is the service; needed for `https`.
    pub ca: Option<&'a Path>,
    /// The certificate of the caller and its key, in PEM.
    pub identity: Option<(&'a Path, &'a Path)>,
}

/// What to ask for.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// The desk; the first one if empty.
    pub desk: &'a str,
    /// When the requests were accepted.
    pub period: Period,
    /// How few requests are too few to be told; what the desk's policy says, if none.
    pub min_cell: Option<u32>,
}

/// What a desk answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The desk.
    pub desk: String,
    /// What may be made public.
    pub report: Report,
    /// How many stored cases could not be read, so that the report may lack some.
    pub unreadable: u32,
}

/// No report came.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A file of a certificate or key cannot be read.
    #[error("{file}: {source}")]
    File {
        /// Which.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// The service cannot be reached.
    #[error("{address} cannot be reached: {problem}")]
    Unreachable {
        /// Its address.
        address: String,
        /// Why.
        problem: String,
    },
    /// The service has refused, or cannot answer.
    #[error("{0}")]
    Refused(String),
    /// What came is of a later version than this program.
    #[error("the answer is not understood; use the program of the version that the service has")]
    NotUnderstood,
}

/// Asks for a transparency report.
///
/// # Errors
/// A file cannot be read, or the service cannot be reached, refuses, or is of a later version.
pub async fn export_transparency(
    connection: &Connection<'_>,
    wanted: &Wanted<'_>,
) -> Result<Exported, ClientError> {
    let channel = connection.open().await?;
    let mut service =
        OversightServiceClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX);
    let request = wire::ExportTransparencyRequest {
        desk: wanted.desk.to_owned(),
        from: Some(timestamp(wanted.period.from)),
        to: Some(timestamp(wanted.period.to)),
        min_cell: wanted.min_cell.unwrap_or(0),
    };
    let answer = service.export_transparency(request).await;
    let answer = answer.map_err(|status| ClientError::Refused(said(&status)))?.into_inner();
    let report = transparency::read(&answer).ok_or(ClientError::NotUnderstood)?;
    Ok(Exported { report, desk: answer.desk, unreadable: answer.unreadable })
}

impl Connection<'_> {
    async fn open(&self) -> Result<Channel, ClientError> {
        let unreachable = |error: tonic::transport::Error| ClientError::Unreachable {
            address: self.address.to_owned(),
            problem: with_sources(&error),
        };
        let endpoint = Endpoint::from_shared(self.address.to_owned()).map_err(unreachable)?;
        let endpoint = endpoint.connect_timeout(CONNECT_TIMEOUT);
        let endpoint = match self.tls()? {
            Some(tls) => endpoint.tls_config(tls).map_err(unreachable)?,
            None => endpoint,
        };
        endpoint.connect().await.map_err(unreachable)
    }

    fn tls(&self) -> Result<Option<ClientTlsConfig>, ClientError> {
        if !self.address.starts_with("https:") {
            return Ok(None);
        }
        let mut tls = ClientTlsConfig::new();
        if let Some(ca) = self.ca {
            tls = tls.ca_certificate(Certificate::from_pem(read(ca)?));
        }
        if let Some((certificate, key)) = self.identity {
            tls = tls.identity(Identity::from_pem(read(certificate)?, read(key)?));
        }
        Ok(Some(tls))
    }
}

fn read(file: &Path) -> Result<Vec<u8>, ClientError> {
    let failed = |source| ClientError::File { file: file.display().to_string(), source };
    std::fs::read(file).map_err(failed)
}

/// A refusal in the service's own words, field by field.
fn said(status: &Status) -> String {
    let fields = status.get_details_bad_request().map(|bad| bad.field_violations);
    let fields = fields.unwrap_or_default().into_iter();
    let fields: String =
        fields.map(|field| format!("\n  {}: {}", field.field, field.description)).collect();
    format!("{}{fields}", status.message())
}
