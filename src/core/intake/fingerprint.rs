//! What a keyed fingerprint of a target is made from, so that two ways of writing it meet.

use std::net::IpAddr;

use super::submission::{Requester, Target, TargetType};

/// A keyed digest, cut to 128 bits. Without the key it tells nothing of what it was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 16]);

/// What identifies a target, in one form however it was written.
pub(super) fn input(target: &Target) -> Option<String> {
    let value = target.value.trim();
    let (word, value) = match target.kind.known()? {
        TargetType::Email => ("email", value.to_lowercase()),
        TargetType::Phone => ("phone", value.to_owned()),
        TargetType::Username => ("username", value.to_lowercase()),
        TargetType::AccountId => ("account", value.to_owned()),
        TargetType::Url => ("url", value.trim_end_matches('/').to_lowercase()),
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
    Some(format!("target {word} {value}"))
}

/// What identifies the officer of an authority: the badge, or the address of mail where there is none;
/// `None` where there is neither.
pub(super) fn officer_input(requester: &Requester) -> Option<String> {
    let (authority, badge) = (&requester.authority, requester.badge_number.trim());
    let mail = requester.official_email.trim();
    match (badge, mail) {
        ("", "") => None,
        ("", mail) => Some(format!("officer {authority} mail {}", mail.to_lowercase())),
        (badge, _) => Some(format!("officer {authority} badge {}", badge.to_uppercase())),
    }
}

/// What identifies an incident by the name that senders give it; `None` for no name.
#[must_use]
pub fn incident_tag_input(reference: &str) -> Option<String> {
    let words: Vec<String> = reference.split_whitespace().map(str::to_lowercase).collect();
    (!words.is_empty()).then(|| format!("incident {}", words.join(" ")))
}
