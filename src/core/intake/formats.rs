//! The forms of identifiers, one predicate each.

use std::net::IpAddr;

/// E.164: a plus sign, a country code and a number, 7 to 15 digits in all.
pub(super) fn is_phone(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len()) && is_digits(digits) && !digits.starts_with('0')
    })
}

/// An address of RFC 5321, internationalised (RFC 6531) or not; no quoted local part, no literal.
pub(super) fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let is_local = (1..=64).contains(&local.len())
        && local.split('.').all(|atom| {
            !atom.is_empty()
                && atom
                    .chars()
                    .all(|char| char.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(char))
        });
    text.len() <= 254 && is_local && is_host(domain) && domain.contains('.')
}

/// A host name, internationalised or not.
fn is_host(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.chars().all(|char| char.is_alphanumeric() || char == '-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

/// An http or https URL with a host.
pub(super) fn is_url(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !authority.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let is_ip_literal = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok());
    (is_host(host) || is_ip_literal)
        && port.is_none_or(|port| port.parse::<u16>().is_ok())
        && !text.chars().any(|char| char.is_whitespace() || char.is_control())
}

pub(super) fn is_ip_address(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

/// Fifteen digits, the last of which is Luhn's check of the others (3GPP TS 23.003, annex B).
pub(super) fn is_imei(text: &str) -> bool {
    let doubled = |index: usize, digit: u32| match index % 2 {
        1 if digit > 4 => digit * 2 - 9,
        1 => digit * 2,
        _ => digit,
    };
    text.len() == 15
        && is_digits(text)
        && text
            .chars()
            .filter_map(|char| char.to_digit(10))
            .enumerate()
            .map(|(index, digit)| doubled(index, digit))
            .sum::<u32>()
            .is_multiple_of(10)
}

pub(super) fn is_imsi(text: &str) -> bool {
    (14..=15).contains(&text.len()) && is_digits(text)
}

pub(super) fn is_extension(text: &str) -> bool {
    (1..=10).contains(&text.len()) && is_digits(text)
}

pub(super) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `type/subtype` of RFC 6838.
pub(super) fn is_media_type(text: &str) -> bool {
    let is_name = |name: &str| {
        (1..=127).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    text.split_once('/').is_some_and(|(kind, subtype)| is_name(kind) && is_name(subtype))
}

/// A day of the calendar, `YYYY-MM-DD`.
pub(super) fn is_date(text: &str) -> bool {
    let mut parts = text.split('-');
    let mut number = |width: usize| {
        parts.next().filter(|part| part.len() == width && is_digits(part))?.parse::<u32>().ok()
    };
    let (Some(year), Some(month), Some(day)) = (number(4), number(2), number(2)) else {
        return false;
    };
    let is_leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => 0,
    };
    parts.next().is_none() && (1..=days).contains(&day)
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(is_good: fn(&str) -> bool, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(is_good(text), "refused: {text}");
        }
        for text in bad {
            assert!(!is_good(text), "accepted: {text}");
        }
    }

    #[test]
    fn identifiers_are_told_apart() {
        check(
            is_phone,
            &["+33123456789", "+4915112345678", "+2901234"],
            &[
                "",
                "0123456789",
                "+331234",
                "+0123456789",
                "+33 1 23",
                "+1234567890123456",
                "+３３１２３４５６",
            ],
        );
        check(
            is_email,
            &["a.b+c@police.gouv.fr", "用户@例子.广告", "o'neil@met.police.uk"],
            &[
                "",
                "a@b",
                "a b@c.fr",
                "@c.fr",
                "a@.fr",
                "a..b@c.fr",
                "a@c..fr",
                "a@-c.fr",
                "a@c.fr\n",
            ],
        );
        check(
            is_url,
            &["https://example.org/a?b=c", "http://[2001:db8::1]:8080/x", "https://例子.广告"],
            &["", "ftp://example.org", "https://", "https:///x", "https://a b", "https://a:99999"],
        );
        check(is_ip_address, &["192.0.2.7", "2001:db8::1"], &["", "192.0.2.256", "192.0.2.7:80"]);
        check(is_imei, &["490154203237518"], &["490154203237519", "49015420323751", "", "x"]);
        check(
            is_imsi,
            &["208011234567890", "20801123456789"],
            &["2080112345678", "20801123456789x"],
        );
        check(is_extension, &["1", "0123456789"], &["", "01234567890", "12a"]);
        check(is_sha256, &[&"aB".repeat(32)], &["", &"ab".repeat(31), &"zz".repeat(32)]);
        check(
            is_media_type,
            &["application/pdf", "image/svg+xml"],
            &["", "pdf", "/", "a/b/c", "a/"],
        );
        check(
            is_date,
            &["2015-06-30", "2024-02-29", "2000-02-29"],
            &[
                "",
                "2015-6-30",
                "2023-02-29",
                "1900-02-29",
                "2015-13-01",
                "2015-00-10",
                "2015-06-31-1",
            ],
        );
    }
}
