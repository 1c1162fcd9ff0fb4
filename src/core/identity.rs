//! Who stands behind a call, as a certificate says it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::names::Subject;

/// The longest SPIFFE ID that the standard requires to be understood, in bytes.
const SPIFFE_BYTES_MAX: usize = 2_048;
const TRUST_DOMAIN_BYTES_MAX: usize = 255;

/// A name of the form `spiffe://trust-domain/path`, by the rules of the SPIFFE ID standard: no port, no
/// query, no empty, `.` or `..` part, no trailing slash, and never the trust domain alone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpiffeId(Arc<str>);

/// The text is no SPIFFE ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a SPIFFE ID such as spiffe://example.org/portal/fr-pnij")]
pub struct BadSpiffeId;

impl SpiffeId {
    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SpiffeId {
    type Err = BadSpiffeId;

    fn from_str(text: &str) -> Result<Self, BadSpiffeId> {
        let is_domain_byte =
            |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_');
        let is_path_byte =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let is_part =
            |part: &str| !matches!(part, "" | "." | "..") && part.bytes().all(is_path_byte);
        let (domain, path) = text
            .strip_prefix("spiffe://")
            .and_then(|rest| rest.split_once('/'))
            .ok_or(BadSpiffeId)?;
        let is_good = text.len() <= SPIFFE_BYTES_MAX
            && (1..=TRUST_DOMAIN_BYTES_MAX).contains(&domain.len())
            && domain.bytes().all(is_domain_byte)
            && path.split('/').all(is_part);
        if is_good { Ok(Self(text.into())) } else { Err(BadSpiffeId) }
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// SHA-256 of a certificate in DER.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertificateFingerprint(pub [u8; 32]);

impl fmt::Display for CertificateFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for CertificateFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a certificate says of who holds it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The one URI that it names.
    pub uri: SpiffeId,
    /// Which certificate it was.
    pub certificate: CertificateFingerprint,
}

/// Who did something, for the record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Actor {
    /// Who, as the registry calls them.
    pub subject: Subject,
    /// By which certificate; `None` on loopback without certificates, and for the service itself.
    pub identity: Option<Identity>,
}

#[cfg(test)]
mod tests {
    use super::SpiffeId;

    #[test]
    fn a_spiffe_id_follows_the_standard() {
        for good in ["spiffe://urgence.test/portal/fr-pnij", "spiffe://a/b", "spiffe://a_b-c.d/E.f"]
        {
            assert!(good.parse::<SpiffeId>().is_ok(), "{good}");
        }
        let long = format!("spiffe://a/{}", "b".repeat(2_048));
        for bad in [
            "",
            "spiffe://",
            "spiffe:///a",
            "spiffe://a",
            "spiffe://a/",
            "spiffe://a/b/",
            "spiffe://a//b",
            "spiffe://a/./b",
            "spiffe://a/../b",
            "spiffe://A/b",
            "spiffe://a:1/b",
            "spiffe://u@a/b",
            "spiffe://a/b?c",
            "spiffe://a/b#c",
            "spiffe://a/b c",
            "spiffe://a/%62",
            "https://a/b",
            "SPIFFE://a/b",
            " spiffe://a/b",
            &long,
        ] {
            assert!(bad.parse::<SpiffeId>().is_err(), "{bad}");
        }
    }
}
