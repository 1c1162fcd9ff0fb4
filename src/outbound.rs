//! The way out over HTTP: one attempt to hand something to a machine elsewhere, and what came of it.
//!
//! It follows no redirect, which could carry a page to anybody, and heeds no proxy of the
//! environment, so that what is configured is what is asked. It reads no body of an answer. What it
//! says of a failure never holds an address, as a webhook's address may be its secret.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::fmt::rfc2822;
use reqwest::header::{DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use url::Url;

/// How long an attempt may take in all, from the name's resolution to the head of the answer.
pub const TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection is kept for the next attempt: for a burst of pages, and no longer, lest an
/// attempt be lost to a connection that has died unnoticed.
const IDLE_MAX: Duration = Duration::from_secs(5);

/// The client that all attempts share.
#[derive(Clone, Debug)]
pub struct Outbound {
    client: Result<Client, OutboundError>,
}

/// No client can be made.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "HTTPS cannot be spoken from here; are the certificates of authorities installed? {source}"
)]
pub struct OutboundError {
    #[source]
    source: Arc<reqwest::Error>,
}

/// Where something is sent. It is shown by its host alone, as a webhook's path may be its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(Url);

impl Address {
    /// All of it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The address below this one.
    #[must_use]
    pub fn below(mut self, segments: &[&str]) -> Self {
        if let Ok(mut path) = self.0.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        self
    }
}

impl From<Url> for Address {
    fn from(url: Url) -> Self {
        Self(url)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.host_str().unwrap_or("no host"))
    }
}

/// One request, ready to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Post {
    /// Where to.
    pub address: Address,
    /// Besides those that HTTP itself needs. They may be secrets.
    pub headers: Vec<(&'static str, String)>,
    /// The body, which may hold secrets.
    pub body: Vec<u8>,
}

impl fmt::Debug for Post {
    /// Of what may be secret only how much there is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| *name).collect();
        f.debug_struct("Post")
            .field("address", &self.address)
            .field("headers", &names)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

/// What came of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// It was taken: 2xx, and nothing else is.
    Taken,
    /// It was not taken since there is too much: 429, or 503 that says until when.
    Throttled {
        /// After how long to try again; `None` if that was not said.
        retry_after: Option<Duration>,
    },
    /// It will not be taken however often it is sent: any other 3xx and 4xx.
    Refused {
        /// The status of the answer.
        status: u16,
    },
    /// It was not taken, or nobody knows: 5xx, 408, 425, or no connection.
    Failed {
        /// Why, without any address.
        problem: String,
    },
    /// No answer came in time. It may have been taken.
    TimedOut,
}

impl Attempt {
    /// Every word that an attempt may have.
    pub const WORDS: [&str; 5] = ["taken", "throttled", "refused", "failed", "timed_out"];

    /// Its word in metrics; never renamed.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Throttled { .. } => "throttled",
            Self::Refused { .. } => "refused",
            Self::Failed { .. } => "failed",
            Self::TimedOut => "timed_out",
        }
    }

    /// Whether trying again would change nothing.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        match self {
            Self::Taken | Self::Refused { .. } => true,
            Self::Throttled { .. } | Self::Failed { .. } | Self::TimedOut => false,
        }
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken => f.write_str("taken"),
            Self::Throttled { retry_after: None } => f.write_str("throttled"),
            Self::Throttled { retry_after: Some(after) } => {
                write!(f, "throttled, to be tried again after {} s", after.as_secs())
            }
            Self::Refused { status } => write!(f, "refused with status {status}"),
            Self::Failed { problem } => write!(f, "failed: {problem}"),
            Self::TimedOut => f.write_str("no answer in time"),
        }
    }
}

impl Outbound {
    /// A client whose attempts end after [`TIMEOUT`].
    ///
    /// # Errors
    /// This machine knows no certificates of authorities, so that nobody could be trusted.
    pub fn new() -> Result<Self, OutboundError> {
        Self::with_timeout(TIMEOUT)
    }

    /// A client whose attempts end after `timeout`.
    ///
    /// # Errors
    /// As [`Outbound::new`].
    pub fn with_timeout(timeout: Duration) -> Result<Self, OutboundError> {
        // Where the process has a provider already, it is this one: there is no other in the tree.
        _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .timeout(timeout)
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .pool_idle_timeout(IDLE_MAX)
            .user_agent(concat!("urgence/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|source| OutboundError { source: Arc::new(source) })?;
        Ok(Self { client: Ok(client) })
    }

    /// A client as [`Outbound::new`] makes it or, where it cannot, one whose every attempt fails with the
    /// reason: for those who may never need it.
    #[must_use]
    pub fn or_failing() -> Self {
        Self::new().unwrap_or_else(|error| Self { client: Err(error) })
    }

    /// Whether it can be used.
    ///
    /// # Errors
    /// As [`Outbound::new`].
    pub fn check(&self) -> Result<(), OutboundError> {
        self.client.as_ref().map(drop).map_err(Clone::clone)
    }

    /// Sends it once.
    pub async fn post(&self, post: &Post) -> Attempt {
        let client = match &self.client {
            Ok(client) => client,
            Err(error) => return Attempt::Failed { problem: error.to_string() },
        };
        let request = client
            .post(post.address.0.clone())
            .headers(secretive(&post.headers))
            .body(post.body.clone());
        match request.send().await {
            Ok(response) => judge(&response),
            Err(error) if error.is_timeout() => Attempt::TimedOut,
            Err(error) => Attempt::Failed { problem: chain(&error.without_url()) },
        }
    }
}

/// The headers, marked so that no library logs them.
fn secretive(headers: &[(&'static str, String)]) -> HeaderMap {
    let marked = headers.iter().filter_map(|(name, value)| {
        let mut value = HeaderValue::from_str(value).ok()?;
        value.set_sensitive(true);
        Some((HeaderName::from_static(name), value))
    });
    marked.collect()
}

fn judge(response: &Response) -> Attempt {
    let status = response.status();
    let retry_after = retry_after(response.headers());
    match status {
        _ if status.is_success() => Attempt::Taken,
        StatusCode::TOO_MANY_REQUESTS => Attempt::Throttled { retry_after },
        StatusCode::SERVICE_UNAVAILABLE if retry_after.is_some() => {
            Attempt::Throttled { retry_after }
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => failed(status),
        _ if status.is_redirection() || status.is_client_error() => {
            Attempt::Refused { status: status.as_u16() }
        }
        _ => failed(status),
    }
}

fn failed(status: StatusCode) -> Attempt {
    Attempt::Failed { problem: format!("answered with status {}", status.as_u16()) }
}

/// How long the answer asks to wait: in seconds, or until an instant of the clock that it was dated by,
/// so that no two machines need agree on the time.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let until = text(RETRY_AFTER)?;
    if let Ok(seconds) = until.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let instant = |text| rfc2822::DateTimeParser::new().parse_timestamp(text).ok();
    let wait = instant(until)?.duration_since(instant(text(DATE)?)?);
    Some(wait.try_into().unwrap_or(Duration::ZERO))
}

/// The error with all its causes; the first alone says only that something went wrong.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
