//! What the operator sets: flags, their environment variables, and the files they name.

mod desks;
mod document;
mod durations;
mod key_files;
mod keys;
mod policy_file;
pub mod policy_text;
mod registry_file;
mod sinks;
mod transport;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::core::DeskName;
use crate::outbound::Address;
use crate::seal::{KeyEncryptionKeys, KeyRing, SealError};
use crate::sign::NoteVerifier;
use crate::store::AcceptedLoss;
use crate::telemetry::logs::{EnvFilter, LogFormat};
use crate::telemetry::traces::OtlpEndpoint;
use crate::transport::TlsError;

pub use desks::{DeskConfiguration, FileMistakes};
pub use document::Located;
pub use key_files::KeyFiles;
pub use keys::SigningKeys;
pub use policy_file::{PolicyFile, parse_policy};
pub use registry_file::parse_registry;
pub use sinks::{Links, SinkSettings};
pub use transport::TransportSettings;

/// How to serve.
#[derive(Args, Clone)]
pub struct Settings {
    /// Where gRPC listens. Any address but loopback needs --tls-certificate.
    #[arg(long, env = "URGENCE_GRPC_LISTEN", default_value = "127.0.0.1:50051")]
    pub grpc_listen: SocketAddr,
    /// Where /metrics, /live and /ready are served: plainly on loopback; any other address needs
    /// --tls-certificate, and then its callers need certificates too.
    #[arg(long, env = "URGENCE_HTTP_LISTEN", default_value = "127.0.0.1:9464")]
    pub http_listen: SocketAddr,
    /// Who may connect, and how often.
    #[command(flatten)]
    pub transport: TransportSettings,
    /// Where the private Redis keeps its data, and the key of the fingerprints unless it is given.
    #[arg(long, env = "URGENCE_DATA_DIR", default_value = "data")]
    pub data_dir: PathBuf,
    /// A running Redis instead of a private one: `redis://host:port` or `unix:///path`. Give the
    /// primary and its replicas, separated by commas; the one that is the primary is used.
    #[arg(long, env = "URGENCE_REDIS_URL", value_delimiter = ',', hide_env_values = true)]
    pub redis_url: Vec<String>,
    /// How many replicas must have a write before it counts.
    #[arg(long, env = "URGENCE_REPLICAS_NEEDED", default_value_t = 0)]
    pub replicas_needed: u64,
    /// How long replicas have to acknowledge a write.
    #[arg(long, env = "URGENCE_REPLICAS_TIMEOUT", default_value = "1s", value_parser = positive_duration)]
    pub replicas_timeout: Duration,
    /// A loss that you accept from a Redis which does not keep everything: one-second, everything
    /// or unverified. Without it, such a Redis is refused.
    #[arg(long, env = "URGENCE_ACCEPT_LOSS", value_delimiter = ',', value_parser = accepted_loss)]
    pub accept_loss: Vec<AcceptedLoss>,
    /// The policy file; the built-in policy keeps the public promise of 20 and 30 minutes.
    #[arg(long, env = "URGENCE_POLICY")]
    pub policy: Option<PathBuf>,
    /// The registry of authorities. Without one every authority may ask, and nothing can be
    /// disclosed to any.
    #[arg(long, env = "URGENCE_AUTHORITIES")]
    pub authorities: Option<PathBuf>,
    /// The desk's name.
    #[arg(long, env = "URGENCE_DESK", default_value = "main", value_parser = desk_name)]
    pub desk: DeskName,
    /// A file that names several desks, each with its policy and registry, instead of --desk,
    /// --policy and --authorities.
    #[arg(long, env = "URGENCE_DESKS", conflicts_with_all = ["policy", "authorities"])]
    pub desks: Option<PathBuf>,
    /// The key of the fingerprints by which requests about the same target are found: 32 bytes, the
    /// same on all replicas. By default `fingerprint.key` in the data directory, made if missing.
    #[arg(long, env = "URGENCE_FINGERPRINT_KEY")]
    pub fingerprint_key: Option<PathBuf>,
    /// The data keys that what is said is sealed with, the same file on all replicas. By default
    /// `data-keys.json` in the data directory, made if missing.
    #[arg(long, env = "URGENCE_DATA_KEYS")]
    pub data_keys: Option<PathBuf>,
    /// What the data keys are wrapped by.
    #[command(flatten)]
    pub key_encryption: KeyEncryption,
    /// The key that signs the audit log and the receipts: 32 bytes. By default `signing.key` in the data
    /// directory, made if missing.
    #[arg(long, env = "URGENCE_SIGNING_KEY")]
    pub signing_key: Option<PathBuf>,
    /// Where each desk's audit log lies, in a directory of the desk's name. By default `audit` in the data
    /// directory. Every replica has its own.
    #[arg(long, env = "URGENCE_AUDIT_DIR")]
    pub audit_dir: Option<PathBuf>,
    /// Under which name the audit log is signed, such as `urgence.example/desks`; the desk's name comes
    /// behind it. The same on all replicas.
    #[arg(long, env = "URGENCE_LOG_ORIGIN", default_value = "urgence", value_parser = log_origin)]
    pub log_origin: String,
    /// A public key whose signatures of the audit log are trusted besides this replica's own, as the file
    /// `public-key` of a log has it: those of the other replicas, and its own before it was replaced.
    #[arg(long = "log-verifier", env = "URGENCE_LOG_VERIFIER", value_delimiter = ',')]
    pub log_verifier: Vec<NoteVerifier>,
    /// How long changes are kept for watches that come back.
    #[arg(long, env = "URGENCE_EVENTS_KEPT_FOR", default_value = "24h", value_parser = duration)]
    pub events_kept_for: Duration,
    /// An address outside that hears every minute, by an empty POST, that all is well, and pages people
    /// when it does not hear it: a dead man's switch, at another provider than the sinks.
    #[arg(long, env = "URGENCE_HEARTBEAT_URL", value_parser = heartbeat_url, hide_env_values = true)]
    pub heartbeat_url: Option<Address>,
    /// How often it hears so.
    #[arg(long, env = "URGENCE_HEARTBEAT_EVERY", default_value = "60s", value_parser = positive_duration)]
    pub heartbeat_every: Duration,
    /// How long the auditor pauses between two looks at all cases.
    #[arg(long, env = "URGENCE_AUDIT_EVERY", default_value = "15s", value_parser = positive_duration)]
    pub audit_every: Duration,
    /// How often a synthetic case goes through the service; 0s for never.
    #[arg(long, env = "URGENCE_SYNTHETIC_EVERY", default_value = "1h", value_parser = duration)]
    pub synthetic_every: Duration,
    /// How many calls a second each caller may make, and twice as many at once; 0 for no bound. Requests
    /// are judged by their authority's budget instead, and what answers a case, renews a claim or
    /// acknowledges a page is never held up.
    #[arg(long, env = "URGENCE_CALLS_PER_SECOND_MAX", default_value_t = 200)]
    pub calls_per_second_max: u32,
    /// How long a stop may take before what still runs is dropped.
    #[arg(long, env = "URGENCE_STOP_TIMEOUT", default_value = "25s", value_parser = duration)]
    pub stop_timeout: Duration,
    /// How log lines look: auto, human or json.
    #[arg(long, env = "URGENCE_LOG_FORMAT", default_value = "auto", value_parser = log_format)]
    pub log_format: LogFormat,
    /// Which log lines are written, as tracing's filter directives.
    #[arg(long, env = "URGENCE_LOG", default_value = "info", value_parser = log_filter)]
    pub log: LogFilter,
    /// Where an OpenTelemetry collector takes traces over gRPC: `http://host:port`. Without it nothing
    /// is traced.
    #[arg(long, env = "URGENCE_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<OtlpEndpoint>,
}

/// What the data keys are wrapped by.
#[derive(Args, Clone, Debug)]
pub struct KeyEncryption {
    /// The key-encryption keys: a file of 32 bytes, or of 64 hexadecimal digits a line; the first
    /// wraps. By default `key-encryption.key` in the data directory, made if missing.
    #[arg(long, env = "URGENCE_KEY_ENCRYPTION_KEY")]
    pub key_encryption_key: Option<PathBuf>,
    /// A command that prints them, 64 hexadecimal digits a line, at the start and at SIGHUP.
    #[arg(
        long,
        env = "URGENCE_KEY_ENCRYPTION_KEY_COMMAND",
        conflicts_with = "key_encryption_key",
        hide_env_values = true
    )]
    pub key_encryption_key_command: Option<String>,
}

impl KeyEncryption {
    /// Where the key-encryption keys come from.
    #[must_use]
    pub fn keys(&self, data_dir: &Path) -> KeyEncryptionKeys {
        match (&self.key_encryption_key_command, &self.key_encryption_key) {
            (Some(command), _) => KeyEncryptionKeys::command(command),
            (None, Some(path)) => KeyEncryptionKeys::File(path.clone()),
            (None, None) => KeyEncryptionKeys::OwnFile(data_dir.join("key-encryption.key")),
        }
    }
}

/// Which desk is meant, by the settings that serving has.
#[derive(Args, Clone, Debug)]
pub struct DeskChoice {
    /// The policy file; without one, the built-in policy, whose contacts are all in the log.
    #[arg(long, env = "URGENCE_POLICY")]
    pub policy: Option<PathBuf>,
    /// The desk's name.
    #[arg(long, env = "URGENCE_DESK", default_value = "main", value_parser = desk_name)]
    pub desk: DeskName,
    /// A file that names several desks, instead of --policy.
    #[arg(long, env = "URGENCE_DESKS", conflicts_with = "policy")]
    pub desks: Option<PathBuf>,
}

impl DeskChoice {
    /// Reads the policy file of the desk.
    ///
    /// # Errors
    /// There is no such desk, or a file is missing or wrong.
    pub fn read(&self) -> Result<PolicyFile, ConfigError> {
        let policy = match &self.desks {
            None => self.policy.clone(),
            Some(path) => {
                let is_meant = |desk: &desks::DeskFiles| desk.name == self.desk;
                let found = desks::list(path)?.into_iter().find(is_meant);
                found.ok_or_else(|| ConfigError::NoSuchDesk(self.desk.clone()))?.policy
            }
        };
        policy.map_or_else(|| Ok(PolicyFile::built_in()), |path| desks::read_policy(&path))
    }
}

/// Filter directives that tracing understands.
#[derive(Clone, Debug)]
pub struct LogFilter(String);

impl LogFilter {
    /// The filter.
    #[must_use]
    pub fn filter(&self) -> EnvFilter {
        EnvFilter::new(&self.0)
    }
}

/// The operator has to change something.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// An address that others can reach.
    #[error(
        "{setting} {address} is not a loopback address, and without certificates anybody who can \
         connect could act as anybody; give --tls-certificate, --tls-key and --tls-client-ca, or use \
         127.0.0.1 or [::1]"
    )]
    NotLoopback {
        /// Which setting.
        setting: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// Mutual TLS by halves.
    #[error(
        "--tls-certificate, --tls-key and --tls-client-ca belong together, and --tls-crl to them; \
         give all three or none"
    )]
    TlsIncomplete,
    /// A file of mutual TLS is missing or wrong.
    #[error(transparent)]
    Tls(TlsError),
    /// A file cannot be read or made.
    #[error("the file {path}: {source}")]
    File {
        /// Which file.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A desk that the file of desks does not name.
    #[error("the file of desks names no desk {0}")]
    NoSuchDesk(DeskName),
    /// The keys that content is sealed with cannot be had.
    #[error(transparent)]
    Keys(#[from] SealError),
    /// Files have mistakes; all of them.
    #[error("the configuration has mistakes:\n{}", list(.0))]
    Mistakes(Vec<FileMistakes>),
}

fn list(files: &[FileMistakes]) -> String {
    files.iter().map(ToString::to_string).collect()
}

impl Settings {
    /// Checks what flags alone cannot, and reads the files of all desks.
    ///
    /// # Errors
    /// An address is open to anybody, or a file is missing or wrong.
    pub fn check(&self) -> Result<Vec<DeskConfiguration>, ConfigError> {
        let listen = [("--grpc-listen", self.grpc_listen), ("--http-listen", self.http_listen)];
        self.transport.check(listen)?;
        self.read_desks()
    }

    /// Reads the files of all desks, as at the start and whenever they have been changed.
    ///
    /// # Errors
    /// A file is missing or wrong; every mistake in all of them.
    pub fn read_desks(&self) -> Result<Vec<DeskConfiguration>, ConfigError> {
        if let Some(path) = &self.desks {
            return desks::load_listed(path);
        }
        let (name, policy) = (self.desk.clone(), self.policy.clone());
        let authorities = self.authorities.clone();
        desks::load(vec![desks::DeskFiles { name, policy, authorities }], Vec::new())
    }

    /// The data keys, from their file, and what they are wrapped by; both made at the first start.
    ///
    /// # Errors
    /// A file that was named is missing, or one is not what it should be.
    pub fn data_keys(&self) -> Result<KeyRing, ConfigError> {
        make_data_dir(&self.data_dir)?;
        let file = data_keys_file(self.data_keys.as_deref(), &self.data_dir);
        if self.data_keys.is_some() {
            // One that was named and is not there may be a disk that is not mounted; keys made in its
            // place would open nothing of what the others seal.
            let wrong = |source| ConfigError::File { path: file.display().to_string(), source };
            std::fs::metadata(&file).map_err(wrong)?;
        }
        Ok(KeyRing::open(&file, self.key_encryption.keys(&self.data_dir))?)
    }
}

/// Makes the data directory, for its owner alone.
fn make_data_dir(path: &Path) -> Result<(), ConfigError> {
    let mut builder = std::fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let wrong = |source| ConfigError::File { path: path.display().to_string(), source };
    builder.recursive(true).create(path).map_err(wrong)
}

/// Where the data keys are: in the file that was named, or in the data directory.
#[must_use]
pub fn data_keys_file(named: Option<&Path>, data_dir: &Path) -> PathBuf {
    named.map_or_else(|| data_dir.join("data-keys.json"), Path::to_owned)
}

/// A duration such as `90s`, `5m`, `1h 30m`; never negative.
fn duration(text: &str) -> Result<Duration, String> {
    durations::parse(text)
}

/// Where no time at all would mean for ever.
fn positive_duration(text: &str) -> Result<Duration, String> {
    let duration = duration(text)?;
    if duration < Duration::from_millis(1) {
        return Err("send at least 1ms".to_owned());
    }
    Ok(duration)
}

fn heartbeat_url(text: &str) -> Result<Address, &'static str> {
    policy_file::outside_address(text)
}

fn accepted_loss(word: &str) -> Result<AcceptedLoss, String> {
    AcceptedLoss::from_word(word).ok_or_else(|| "one-second, everything or unverified".to_owned())
}

/// What the desk's name is put behind must be the name of a key with it.
fn log_origin(text: &str) -> Result<String, String> {
    crate::sign::NoteSigner::new(text, &[0; 32]).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

fn log_format(word: &str) -> Result<LogFormat, String> {
    LogFormat::from_word(word).ok_or_else(|| "auto, human or json".to_owned())
}

/// tracing's own filter cannot be copied; its text can.
fn log_filter(text: &str) -> Result<LogFilter, String> {
    EnvFilter::try_new(text)
        .map(|_| LogFilter(text.to_owned()))
        .map_err(|_| "directives such as info or urgence=debug".to_owned())
}

fn desk_name(text: &str) -> Result<DeskName, String> {
    text.parse().map_err(|rule: crate::core::names::BadName| rule.to_string())
}
