//! `urgence page`, as it is run before a night when it matters.

use std::path::Path;
use std::process::Output;

use serde_json::Value;
use tokio::process::Command;

use super::support::receiver::{Answer, Receiver};
use super::{CONTACTS, DEMO, Folder};

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs the program in the folder, with a proxy in its environment that answers nobody.
async fn run(folder: &Folder, words: &[&str]) -> Said {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_urgence"))
        .args(words)
        .current_dir(folder.path())
        .env_remove("URGENCE_POLICY")
        .env("http_proxy", "http://127.0.0.1:1")
        .env("HTTP_PROXY", "http://127.0.0.1:1")
        .env("ALL_PROXY", "http://127.0.0.1:1")
        .output()
        .await
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: status.code(), out: text(stdout), err: text(stderr) }
}

/// A policy whose contact `desk` is reached by one sink of each kind at `receiver`.
fn policy(folder: &Folder, receiver: &Receiver) {
    let (duty, alerts, hook) =
        (receiver.url("/duty"), receiver.url("/alerts"), receiver.url("/hook"));
    let sinks = format!(
        r#"
[sinks.duty]
kind = "pagerduty"
url = "{duty}"
routing_key_file = "routing.key"

[sinks.alerts]
kind = "alertmanager"
url = "{alerts}"
bearer_token_file = "bearer.token"

[sinks.hook]
kind = "webhook"
url = "{hook}"
secret_files = ["new.secret"]
"#
    );
    let contacts =
        CONTACTS.replacen("desk = SINKS", "desk = [\"duty\", \"alerts\", \"hook\", \"log\"]", 1);
    let contacts = contacts.replace("SINKS", "[\"log\"]");
    folder.file("policy.toml", &[DEMO, &contacts, &sinks].concat());
}

/// What the receiver got at `path`, in order.
fn got(receiver: &Receiver, path: &str) -> Vec<Value> {
    let line = format!("POST {path} HTTP/1.1");
    let requests = receiver.got();
    requests.iter().filter(|request| request.line == line).map(|request| request.json()).collect()
}

const FILE: [&str; 2] = ["--policy", "policy.toml"];

#[tokio::test]
async fn a_test_page_goes_to_every_sink_and_is_resolved_by_its_key() {
    let receiver = Receiver::start(Answer::With(202, &[])).await;
    let folder = Folder::with_secrets();
    policy(&folder, &receiver);
    let said = run(&folder, &[&["page", "test", "desk"], &FILE[..]].concat()).await;
    assert_eq!(said.code, Some(0), "{} {}", said.out, said.err);
    let mut lines: Vec<&str> = said.out.lines().collect();
    let key = lines.pop().unwrap().rsplit(' ').next().unwrap();
    assert!(key.starts_with("test/desk/"), "{}", said.out);
    let wanted = [
        "alerts (alertmanager): taken",
        "duty (pagerduty): taken",
        "hook (webhook): taken",
        "log (log): taken",
    ];
    assert_eq!(lines, wanted);
    assert!(said.err.contains("test page") && said.err.contains(key), "{}", said.err);
    let said = run(&folder, &[&["page", "resolve", "desk", key], &FILE[..]].concat()).await;
    assert_eq!(said.code, Some(0), "{} {}", said.out, said.err);
    let duty = got(&receiver, "/duty");
    assert_eq!(duty.len(), 2);
    assert_eq!(
        (&duty[0]["event_action"], &duty[1]["event_action"]),
        (&"trigger".into(), &"resolve".into())
    );
    assert!(duty.iter().all(|event| event["dedup_key"] == key));
    let alerts = got(&receiver, "/alerts/api/v2/alerts");
    assert_eq!(alerts.len(), 2);
    assert_eq!(alerts[0][0]["labels"], alerts[1][0]["labels"]);
    assert_eq!(alerts[0][0]["labels"]["page"], key);
    let hooks = got(&receiver, "/hook");
    assert_eq!(hooks[0]["type"], "urgence.page.fired.v1");
    assert_eq!(hooks[1]["type"], "urgence.page.resolved.v1");
    assert_eq!(hooks[0]["data"]["desk"], "main");
    for request in receiver.got() {
        assert!(request.headers["user-agent"].starts_with("urgence/"));
    }
}

#[tokio::test]
async fn one_sink_that_refuses_fails_the_test_and_keeps_no_other_from_being_asked() {
    let good = Receiver::start(Answer::With(200, &[])).await;
    let bad = Receiver::start(Answer::With(400, &[])).await;
    let folder = Folder::with_secrets();
    policy(&folder, &good);
    let text = std::fs::read_to_string(folder.path().join("policy.toml")).unwrap();
    folder.file("policy.toml", &text.replace(&good.url("/alerts"), &bad.url("/alerts")));
    let said = run(&folder, &[&["page", "test", "desk"], &FILE[..]].concat()).await;
    assert_eq!(said.code, Some(1), "{} {}", said.out, said.err);
    assert!(said.out.contains("alerts (alertmanager): refused with status 400\n"), "{}", said.out);
    assert_eq!((good.got().len(), bad.got().len()), (2, 1), "once each");
}

#[tokio::test]
async fn a_contact_that_is_only_in_the_log_is_reached() {
    let folder = Folder::with_secrets();
    let said = run(&folder, &["page", "test", "shift-lead"]).await;
    assert_eq!(said.code, Some(0), "{} {}", said.out, said.err);
    assert!(said.out.starts_with("log (log): taken\n"), "{}", said.out);
}

#[tokio::test]
async fn the_desk_is_chosen_as_for_serving() {
    let receiver = Receiver::start(Answer::With(200, &[])).await;
    let folder = Folder::with_secrets();
    std::fs::create_dir(folder.path().join("night")).unwrap();
    policy(&folder, &receiver);
    let desks = "[[desk]]\nname = \"main\"\n[[desk]]\nname = \"night\"\npolicy = \"policy.toml\"\n";
    folder.file("desks.toml", desks);
    let words = ["page", "test", "desk", "--desks", "desks.toml", "--desk"];
    let said = run(&folder, &[&words[..], &["night"]].concat()).await;
    assert_eq!(said.code, Some(0), "{} {}", said.out, said.err);
    assert_eq!(got(&receiver, "/hook")[0]["data"]["desk"], "night");
    let said = run(&folder, &[&words[..], &["noon"]].concat()).await;
    assert_eq!(said.code, Some(64), "{} {}", said.out, said.err);
}

#[tokio::test]
async fn what_the_operator_has_to_change_is_told() {
    let receiver = Receiver::start(Answer::With(200, &[])).await;
    let folder = Folder::with_secrets();
    policy(&folder, &receiver);
    let cases: [(&[&str], &str); 5] = [
        (&["test", "nobody"], "nobody is no known contact; known: all, desk, "),
        (&["test", "desk", "--policy", "gone.toml"], "gone.toml"),
        (&["resolve", "desk", "test/all/1447448400000"], "begins with test/desk/"),
        (&["resolve", "desk", "D2F7-P14C-VS7E-HD6N/first-response/0/0"], "begins with test/desk/"),
        (&["test", "desk", "--policy", "bad.toml"], "sinks.hook.secret_files[0]"),
    ];
    let text = std::fs::read_to_string(folder.path().join("policy.toml")).unwrap();
    folder.file("bad.toml", &text.replace("new.secret", "gone.secret"));
    for (words, problem) in cases {
        let with_file = [&["page"], words, &FILE[..]].concat();
        let has_file = words.contains(&"--policy");
        let words = if has_file { &with_file[..with_file.len() - 2] } else { &with_file[..] };
        let said = run(&folder, words).await;
        assert_eq!(said.code, Some(64), "{words:?} {} {}", said.out, said.err);
        assert!(said.err.contains(problem), "{words:?} {}", said.err);
    }
    assert!(receiver.got().is_empty());
}

#[tokio::test]
async fn a_policy_is_checked_and_shown_with_its_sinks() {
    let receiver = Receiver::start(Answer::With(200, &[])).await;
    let folder = Folder::with_secrets();
    policy(&folder, &receiver);
    // From elsewhere: the files of secrets stand beside the policy, not where it is checked.
    let elsewhere = Folder::with_secrets();
    std::fs::remove_file(elsewhere.path().join("new.secret")).unwrap();
    let path: &Path = &folder.path().join("policy.toml");
    let path = path.to_str().unwrap();
    let said = run(&elsewhere, &["policy", "check", path]).await;
    assert_eq!(said.code, Some(0), "{} {}", said.out, said.err);
    let shown = run(&elsewhere, &["policy", "show", path]).await.out;
    let reached = "  desk           alerts (alertmanager), duty (pagerduty), hook (webhook), log\n";
    assert!(shown.contains(reached), "{shown}");
    std::fs::remove_file(folder.path().join("new.secret")).unwrap();
    let said = run(&elsewhere, &["policy", "check", path]).await;
    assert_eq!(said.code, Some(64), "{} {}", said.out, said.err);
    assert!(said.out.contains("sinks.hook.secret_files[0]: the file "), "{}", said.out);
    assert!(receiver.got().is_empty());
}
