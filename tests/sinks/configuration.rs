//! What a policy file says of sinks, and every mistake in it at once.

use urgence::config::{Located, PolicyFile, SinkSettings, parse_policy};
use urgence::pager::sink::Sinks;

use super::{
    BEARER_TOKEN, CONTACTS, DEMO, Folder, OLD_WEBHOOK_SECRET, ROUTING_KEY, WEBHOOK_SECRET,
};

const MISTAKES: &str = include_str!("mistakes.toml");
const GOOD: &str = r#"
[pages]
link = "https://desk.example/cases/{case}"

[sinks.duty]
kind = "pagerduty"
routing_key_file = "routing.key"

[sinks.duty-eu]
kind = "pagerduty"
url = "https://events.eu.pagerduty.com/v2/enqueue"
routing_key_file = "routing.key"

[sinks.alerts]
kind = "alertmanager"
url = "https://alerts.example/canary-path"
bearer_token_file = "bearer.token"

[sinks.here]
kind = "alertmanager"
url = "http://127.0.0.1:9093"

[sinks.here-too]
kind = "alertmanager"
url = "http://[::1]:9093"

[sinks.hook]
kind = "webhook"
url = "https://pages.example/canary-path"
secret_files = ["new.secret", "old.secret"]
"#;

fn parse(folder: &Folder, parts: &[&str]) -> Result<PolicyFile, Vec<Located>> {
    parse_policy(&parts.concat(), &folder.path().join("policy.toml"))
}

#[test]
fn sinks_are_read_with_their_secrets_and_show_none_of_them() {
    let folder = Folder::with_secrets();
    let contacts = CONTACTS.replace("SINKS", "[\"duty\", \"hook\", \"log\"]");
    let file = parse(&folder, &[DEMO, &contacts, GOOD]).unwrap();
    let kinds: Vec<(&str, &str)> =
        file.sinks.iter().map(|(name, sink)| (name.as_str(), sink.kind())).collect();
    let wanted = [
        ("alerts", "alertmanager"),
        ("duty", "pagerduty"),
        ("duty-eu", "pagerduty"),
        ("here", "alertmanager"),
        ("here-too", "alertmanager"),
        ("hook", "webhook"),
    ];
    assert_eq!(kinds, wanted);
    let SinkSettings::PagerDuty { address, .. } = &file.sinks[&"duty".parse().unwrap()] else {
        panic!("{file:?}");
    };
    assert_eq!(address.as_str(), "https://events.pagerduty.com/v2/enqueue");
    let case = "D2F7-P14C-VS7E-HD6N".parse().unwrap();
    let link = file.links.to(case);
    assert_eq!(link.as_deref(), Some("https://desk.example/cases/D2F7-P14C-VS7E-HD6N"));
    let shown = format!("{file:?}");
    let sinks = Sinks::new(file.sinks);
    assert_eq!(sinks.iter().count(), 7, "the log is always there");
    assert_eq!(sinks.get(&"log".parse().unwrap()).unwrap().kind(), "log");
    for shown in [shown, format!("{sinks:?}")] {
        for secret in [ROUTING_KEY, BEARER_TOKEN, WEBHOOK_SECRET, OLD_WEBHOOK_SECRET] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(!shown.contains("canary-path"), "an address may be a secret: {shown}");
        // The beginning of the webhook's key as a list of bytes.
        assert!(!shown.contains("65, 66, 67"), "{shown}");
    }
}

#[test]
fn a_policy_without_sinks_has_the_log_and_no_links() {
    let folder = Folder::with_secrets();
    let file = parse(&folder, &[DEMO]).unwrap();
    assert!(file.sinks.is_empty());
    assert_eq!(file.links.to("D2F7-P14C-VS7E-HD6N".parse().unwrap()), None);
}

#[test]
fn sinks_are_no_part_of_what_is_promised() {
    let folder = Folder::with_secrets();
    let without = parse(&folder, &[DEMO]).unwrap().policy;
    assert_eq!(parse(&folder, &[DEMO, GOOD]).unwrap().policy.id(), without.id());
}

#[test]
fn every_mistake_is_reported_at_once_with_its_line_and_no_secret() {
    let folder = Folder::with_secrets();
    folder.file("empty", " \n");
    folder.file("two.lines", "canary\ncanary");
    // 23 and 65 bytes, and a text that is not base64.
    folder.file("short.secret", "whsec_QUJDREVGR0hJSktMTU5PUFFSU1RVVlc=");
    folder.file("long.secret", &format!("whsec_{}QUI=", "QUJD".repeat(21)));
    folder.file("crooked.secret", "whsec_!UJDREVGR0hJSktMTU5PUFFSU1RVVldY");
    let text = [DEMO, MISTAKES].concat();
    let marked = text.replace("FOLDER", folder.path().to_str().unwrap());
    let mut expected: Vec<String> = Vec::new();
    for (index, line) in marked.lines().enumerate() {
        let marks = line.split(" #! ").skip(1);
        expected.extend(marks.map(|mistake| format!("{}: {mistake}", index + 1)));
    }
    assert!(expected.len() > 20, "the marks are read");
    let found = parse(&folder, &[&text]).expect_err("it should be refused");
    let mut found: Vec<String> = found.iter().map(ToString::to_string).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    for secret in [ROUTING_KEY, WEBHOOK_SECRET, OLD_WEBHOOK_SECRET, "canary"] {
        assert!(found.iter().all(|mistake| !mistake.contains(secret)), "{secret}");
    }
}

/// What is no TOML may have defined the sinks that contacts name.
#[test]
fn nobody_misses_a_sink_that_stood_in_a_part_that_is_no_toml() {
    let folder = Folder::with_secrets();
    let contacts = CONTACTS.replace("SINKS", "[\"hook\"]");
    let broken = GOOD.replace("[sinks.hook]", "[sinks.hook");
    let found = parse(&folder, &[DEMO, &contacts, &broken]).unwrap_err();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].path, "");
}
