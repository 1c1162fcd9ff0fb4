//! Which ways of writing a target, an officer or an incident meet, and which do not.

use std::collections::BTreeSet;

use urgence::core::intake::{Choice, Moment, Submission, Target, TargetType, incident_tag_input};
use urgence::core::{Fingerprint, Intake, Nature, RequestDigest};

use crate::make::{fingerprint, submission};

fn parsed(edit: impl FnOnce(&mut Submission)) -> Intake {
    let mut submission = submission("fr-pnij", "1", Nature::MissingChild);
    edit(&mut submission);
    Intake::parse(&submission, RequestDigest([7; 32]), fingerprint).unwrap()
}

/// The fingerprint of a target that is used on a platform, or on none that is named.
fn on(platform_url: &str, kind: TargetType, value: &str) -> Fingerprint {
    let target = Target {
        kind: Choice::Known(kind),
        value: value.to_owned(),
        platform_url: platform_url.to_owned(),
        port: 443,
        observed_at: vec![Moment { seconds: 1_767_782_525, nanos: 0 }],
        notes: "A note.".to_owned(),
        ..Target::default()
    };
    let found = parsed(|submission| submission.targets = vec![target]).facts.fingerprints;
    assert_eq!(found.len(), 1, "{kind:?} {value}");
    found.into_iter().next().unwrap()
}

/// All of a row meet, and no row meets another.
#[track_caller]
fn meet_by_rows(kind: TargetType, rows: &[&[&str]]) {
    let mut all = BTreeSet::new();
    for row in rows {
        let found: BTreeSet<_> = row.iter().map(|value| on("", kind, value)).collect();
        assert_eq!(found.len(), 1, "{kind:?} {row:?}");
        all.extend(found);
    }
    assert_eq!(all.len(), rows.len(), "{kind:?}: two rows meet");
}

#[test]
fn a_target_meets_itself_in_letters_of_any_case_where_these_mean_the_same() {
    meet_by_rows(
        TargetType::Email,
        &[&["A.B@police.example", "a.b@police.example"], &["b@police.example"]],
    );
    meet_by_rows(
        TargetType::IpAddress,
        &[
            &["2001:db8::7", "2001:DB8:0::7"],
            &["192.0.2.7", "::ffff:192.0.2.7"],
            &["192.0.2.8"],
            &["2001:db8::8"],
        ],
    );
    meet_by_rows(TargetType::DeviceSerial, &[&["ab12", " AB12 "], &["AB13"]]);
    meet_by_rows(TargetType::Other, &[&["A thing", "a thing"], &["another"]]);
    meet_by_rows(TargetType::AccountId, &[&["Ab1", " Ab1"], &["ab1"]]);
}

#[test]
fn the_same_characters_as_something_else_are_something_else() {
    let kinds = [
        TargetType::AccountId,
        TargetType::PaymentId,
        TargetType::OrderId,
        TargetType::Username,
        TargetType::DeviceSerial,
        TargetType::Other,
    ];
    let distinct: BTreeSet<_> = kinds.into_iter().map(|kind| on("", kind, "1029384756")).collect();
    assert_eq!(distinct.len(), kinds.len());
}

#[test]
fn an_accent_may_be_a_character_of_its_own() {
    let (composed, decomposed) = ("Z\u{e9}lie", "Ze\u{301}lie");
    for kind in [TargetType::Username, TargetType::AccountId, TargetType::Other] {
        meet_by_rows(kind, &[&[composed, decomposed], &["Zelie"]]);
    }
    // A letter that has no single character in capitals.
    meet_by_rows(TargetType::Username, &[&["\u{390}", "\u{3b9}\u{308}\u{301}", "\u{3aa}\u{301}"]]);
    meet_by_rows(TargetType::Url, &[&["https://z.example/\u{e9}", "http://z.example/e\u{301}"]]);
    assert_eq!(incident_tag_input(composed), incident_tag_input(decomposed));
    let officer = |badge: &str| {
        parsed(|submission| submission.requester.badge_number = badge.to_owned()).facts.officer
    };
    assert_eq!(officer(composed), officer(decomposed));
    assert_ne!(officer(composed), officer("Zelie"));
}

#[test]
fn a_username_is_one_with_and_without_the_sign_before_it() {
    meet_by_rows(
        TargetType::Username,
        &[&["Somebody", " somebody ", "@somebody", "@SomeBody"], &["nobody"], &["some@body"]],
    );
    // What stands before anything else is part of it.
    meet_by_rows(TargetType::AccountId, &[&["@somebody"], &["somebody"]]);
}

#[test]
fn a_username_is_of_its_platform() {
    let name = |platform: &str| on(platform, TargetType::Username, "Somebody");
    let there = name("https://one.example/");
    for same in ["http://ONE.example", "https://one.example:443/u/somebody?tab=1"] {
        assert_eq!(name(same), there, "{same}");
    }
    for other in ["https://two.example/", "https://one.example:8443/", ""] {
        assert_ne!(name(other), there, "{other}");
    }
    assert_ne!(on("https://one.example", TargetType::Username, "nobody"), there);
    // Whoever writes the platform into the name does not meet those who say it.
    for written in ["one.example somebody", "somebody one.example", "somebody on one.example"] {
        assert_ne!(on("", TargetType::Username, written), there, "{written}");
    }
    // What is one thing on every platform does not ask where.
    let mail = |platform: &str| on(platform, TargetType::Email, "a@b.example");
    assert_eq!(mail("https://one.example/"), mail(""));
}

#[test]
fn a_url_is_where_it_leads() {
    meet_by_rows(
        TargetType::Url,
        &[
            &[
                "https://Example.org/a/",
                "https://example.org/a",
                "http://EXAMPLE.org/a",
                "https://example.org:443/a",
                "http://example.org:80/a//",
                // As it has always been: letters of a path in any case.
                "https://example.org/A",
            ],
            &["https://example.org", "http://example.org/", "https://example.org:443"],
            &["https://example.org:8443/a", "http://example.org:8443/a/"],
            // The other scheme's own port is none.
            &["https://example.org:80/a"],
            &["http://example.org:443/a"],
            &["https://example.org/a?b=c", "http://example.org/a/?b=c"],
            &["https://example.org?b=c", "http://example.org/?b=c"],
            &["https://example.org/a#b"],
            &["https://example.org/a/b"],
            &["https://www.example.org/a"],
            &["https://[2001:db8::80]/a", "http://[2001:DB8::80]:80/a"],
        ],
    );
}
