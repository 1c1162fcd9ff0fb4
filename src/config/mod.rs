//! What the operator sets: flags, their environment variables, and the policy file.

mod policy_file;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::core::policy::Mistake;
use crate::core::{DeskName, Policy};
use crate::store::AcceptedLoss;
use crate::telemetry::logs::{EnvFilter, LogFormat};

pub use policy_file::parse_policy;

/// How to serve.
#[derive(Args, Clone)]
pub struct Settings {
    /// Where gRPC listens. Only loopback is allowed until callers have certificates.
    #[arg(long, env = "URGENCE_GRPC_LISTEN", default_value = "127.0.0.1:50051")]
    pub grpc_listen: SocketAddr,
    /// Where /metrics, /live and /ready are served. Only loopback is allowed.
    #[arg(long, env = "URGENCE_HTTP_LISTEN", default_value = "127.0.0.1:9464")]
    pub http_listen: SocketAddr,
    /// Where the private Redis keeps its data. Not used with --redis-url.
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
    /// The desk's name.
    #[arg(long, env = "URGENCE_DESK", default_value = "main", value_parser = desk_name)]
    pub desk: DeskName,
    /// How long changes are kept for watches that come back.
    #[arg(long, env = "URGENCE_EVENTS_KEPT_FOR", default_value = "24h", value_parser = duration)]
    pub events_kept_for: Duration,
    /// How long a stop may take before what still runs is dropped.
    #[arg(long, env = "URGENCE_STOP_TIMEOUT", default_value = "25s", value_parser = duration)]
    pub stop_timeout: Duration,
    /// How log lines look: auto, human or json.
    #[arg(long, env = "URGENCE_LOG_FORMAT", default_value = "auto", value_parser = log_format)]
    pub log_format: LogFormat,
    /// Which log lines are written, as tracing's filter directives.
    #[arg(long, env = "URGENCE_LOG", default_value = "info", value_parser = log_filter)]
    pub log: LogFilter,
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
        "{setting} {address} is not a loopback address. Callers have no certificates yet, so \
         anybody who can connect could act as anybody; use 127.0.0.1 or [::1]"
    )]
    NotLoopback {
        /// Which setting.
        setting: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// The policy file cannot be read.
    #[error("the policy file {path}: {source}")]
    PolicyFile {
        /// Which file.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The policy file has mistakes.
    #[error("the policy file {path} has mistakes:\n{}", list(mistakes))]
    Policy {
        /// Which file.
        path: String,
        /// All of them.
        mistakes: Vec<Mistake>,
    },
}

fn list(mistakes: &[Mistake]) -> String {
    let line = |mistake: &Mistake| format!("  {}: {}", mistake.path, mistake.problem);
    mistakes.iter().map(line).collect::<Vec<_>>().join("\n")
}

impl Settings {
    /// Checks what flags alone cannot, and reads the policy.
    ///
    /// # Errors
    /// An address is not loopback, or the policy file is missing or wrong.
    pub fn check(&self) -> Result<Policy, ConfigError> {
        for (setting, address) in
            [("--grpc-listen", self.grpc_listen), ("--http-listen", self.http_listen)]
        {
            if !address.ip().is_loopback() {
                return Err(ConfigError::NotLoopback { setting, address });
            }
        }
        let Some(path) = &self.policy else { return Ok(Policy::built_in()) };
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::PolicyFile { path: shown.clone(), source })?;
        parse_policy(&text).map_err(|mistakes| ConfigError::Policy { path: shown, mistakes })
    }
}

/// A duration such as `90s`, `5m`, `1h 30m`; never negative.
fn duration(text: &str) -> Result<Duration, String> {
    let parsed: Result<jiff::SignedDuration, _> = text.parse();
    parsed
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| "send a duration such as 90s, 5m or 1h 30m".to_owned())
}

/// Where no time at all would mean for ever.
fn positive_duration(text: &str) -> Result<Duration, String> {
    let duration = duration(text)?;
    if duration < Duration::from_millis(1) {
        return Err("send at least 1ms".to_owned());
    }
    Ok(duration)
}

fn accepted_loss(word: &str) -> Result<AcceptedLoss, String> {
    AcceptedLoss::from_word(word).ok_or_else(|| "one-second, everything or unverified".to_owned())
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
