//! The short names of the domain, each checked once, where it enters.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The text does not follow the rule of the name it was read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadName(&'static str);

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $chars_max:literal, $is_allowed:expr, $rule:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadName;

            fn from_str(text: &str) -> Result<Self, BadName> {
                let is_allowed: fn(u8) -> bool = $is_allowed;
                let is_good =
                    (1..=$chars_max).contains(&text.len()) && text.bytes().all(is_allowed);
                if is_good { Ok(Self(text.into())) } else { Err(BadName($rule)) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

/// Lower-case letters, digits and hyphens: safe in keys and labels; no braces, which are Redis's.
const fn is_slug(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')
}

name!(
    /// An agency of the registry, such as `fr-pnij`.
    AuthorityId, 64, is_slug, "1 to 64 lower-case letters, digits or hyphens, such as fr-pnij"
);
name!(
    /// The name of a desk; `main` by default.
    DeskName, 32, is_slug, "1 to 32 lower-case letters, digits or hyphens, such as main"
);
name!(
    /// Whom a rung pages: the name of a contact of the policy, such as `shift-lead`.
    ContactName, 64, is_slug, "1 to 64 lower-case letters, digits or hyphens, such as shift-lead"
);
name!(
    /// The name of an incident, such as `paris-2026-11-13`.
    IncidentName, 64, is_slug, "1 to 64 lower-case letters, digits or hyphens, such as paris-2026"
);
name!(
    /// A call-back number's id in the registry, such as `switchboard`.
    PhoneId, 64, is_slug, "1 to 64 lower-case letters, digits or hyphens, such as switchboard"
);
name!(
    /// A recipient key's id in the registry, such as `evidence-2026`.
    KeyId, 64, is_slug, "1 to 64 lower-case letters, digits or hyphens, such as evidence-2026"
);
name!(
    /// Where a page goes: the name of a sink, such as `log`.
    SinkName, 64, is_slug, "1 to 64 lower-case letters, digits or hyphens, such as log"
);
name!(
    /// A country, by its code of ISO 3166-1 alpha-2; whether it is assigned is checked at intake.
    Country, 2, |byte| byte.is_ascii_uppercase(), "two capital letters, such as FR"
);
name!(
    /// What the sender calls one request or one act, so that a repeat can be recognised.
    RequestId, 128, |byte| byte.is_ascii_graphic(),
    "1 to 128 visible ASCII characters without spaces; a UUID is a good choice"
);
name!(
    /// Who makes a call, as the transport knows them.
    Subject, 128,
    |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'/' | b'@' | b'-'),
    "1 to 128 letters, digits or any of . _ : / @ -"
);
