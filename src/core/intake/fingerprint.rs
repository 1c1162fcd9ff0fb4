//! What a keyed fingerprint of a target is made from, so that ways of writing it meet. What meets, and
//! what does not, is told in the messages of requests and in docs/security.md.

use std::net::IpAddr;

use icu_normalizer::ComposingNormalizerBorrowed;

use super::submission::{Requester, Target, TargetType};

/// A keyed digest, cut to 128 bits. Without the key it tells nothing of what it was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 16]);

/// What identifies a target.
pub(super) fn input(target: &Target) -> Option<String> {
    let value = target.value.trim();
    let (word, value) = match target.kind.known()? {
        TargetType::Email => ("email", value.to_lowercase()),
        TargetType::Phone => ("phone", value.to_owned()),
        TargetType::Username => {
            // A name belongs to the platform that it is used on; where none is said, to the provider
            // itself. One digest cannot meet those of all platforms that do not meet each other.
            let name = value.strip_prefix('@').unwrap_or(value).to_lowercase();
            match place(&target.platform_url) {
                [host, _] if host.is_empty() => ("username", name),
                [host, _] => ("username-on", format!("{host} {name}")),
            }
        }
        TargetType::AccountId => ("account", value.to_owned()),
        TargetType::Url => ("url", place(value).concat()),
        TargetType::IpAddress => {
            // One address is many people; with the port it is few of them.
            let address: IpAddr = value.parse().ok()?;
            ("ip", format!("{} {}", address.to_canonical(), target.port))
        }
        TargetType::Imei => ("imei", value.to_owned()),
        TargetType::Imsi => ("imsi", value.to_owned()),
        TargetType::DeviceSerial => ("serial", value.to_uppercase()),
        TargetType::PaymentId => ("payment", value.to_owned()),
        TargetType::OrderId => ("order", value.to_owned()),
        TargetType::Other => ("other", value.to_lowercase()),
    };
    Some(composed(&format!("target {word} {value}")))
}

/// Where a URL leads, in small letters: the host, with a port that is not its scheme's own, and what
/// follows without slashes at its end.
fn place(url: &str) -> [String; 2] {
    let url = url.trim().to_lowercase();
    let (port, rest) = match url.split_once("://") {
        Some(("http", rest)) => (":80", rest),
        Some((_, rest)) => (":443", rest),
        None => ("", url.as_str()),
    };
    let (host, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (path, query) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
    let host = host.strip_suffix(port).unwrap_or(host);
    [host.to_owned(), [path, query].map(|part| part.trim_end_matches('/')).concat()]
}

/// A letter and its accent may be written as one character or as two.
fn composed(text: &str) -> String {
    ComposingNormalizerBorrowed::new_nfc().normalize(text).into_owned()
}

/// What identifies the officer of an authority: the badge, or the address of mail where there is none;
/// `None` where there is neither.
pub(super) fn officer_input(requester: &Requester) -> Option<String> {
    let (authority, badge) = (&requester.authority, requester.badge_number.trim());
    let mail = requester.official_email.trim();
    let input = match (badge, mail) {
        ("", "") => return None,
        ("", mail) => format!("officer {authority} mail {}", mail.to_lowercase()),
        (badge, _) => format!("officer {authority} badge {}", badge.to_uppercase()),
    };
    Some(composed(&input))
}

/// What identifies an incident by the name that senders give it; `None` for no name.
#[must_use]
pub fn incident_tag_input(reference: &str) -> Option<String> {
    let words: Vec<String> = reference.split_whitespace().map(str::to_lowercase).collect();
    (!words.is_empty()).then(|| composed(&format!("incident {}", words.join(" "))))
}
