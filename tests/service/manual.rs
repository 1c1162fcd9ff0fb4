//! docs/calls.md: each method once, and each line as its reader would run it.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use urgence::registry::rules::RULES;

use crate::foreign::{root, tool};
use crate::service::Service;
use crate::support::redis::TestRedis;
use crate::support::wait::eventually;

const MANUAL: &str = include_str!("../../docs/calls.md");

/// The manual's lines for a shell, section by section.
fn sections() -> Vec<Vec<&'static str>> {
    let lines = |section: &'static str| {
        let blocks = section.split("```sh\n").skip(1);
        blocks.flat_map(|block| block.split("```").next().unwrap().lines()).collect()
    };
    MANUAL.split("\n## ").map(lines).collect()
}

/// What the reader has seen so far and puts into the next line.
#[derive(Default)]
struct Seen {
    case: String,
    other: String,
    epoch: String,
    key: String,
}

impl Seen {
    /// Notes what an answer shows: a case of its own, or the first of a list.
    fn note(&mut self, said: &Value) {
        let case = if said["case"].is_object() { &said["case"] } else { &said["cases"][0] };
        if let Some(name) = case["name"].as_str() {
            name.clone_into(&mut self.case);
        }
        if let Some(epoch) = case["claim"]["epoch"].as_str() {
            epoch.clone_into(&mut self.epoch);
        }
        if let Some(key) = case["pages"][0]["page"]["key"].as_str() {
            key.clone_into(&mut self.key);
        }
    }

    fn fill(&self, line: &str) -> String {
        let parts = [("CASE\"", &self.case), ("OTHER\"", &self.other), ("KEY\"", &self.key)];
        let named = |line: String, (word, value): (&str, &String)| {
            // A whole word between quotes, so that no word of a message is meant.
            line.replace(&format!("\"{word}"), &format!("\"{value}\""))
        };
        let line = parts.into_iter().fold(line.to_owned(), named);
        line.replace("\"epoch\": EPOCH", &format!("\"epoch\": {}", self.epoch))
    }
}

fn run(service: &Service, line: &str) -> std::process::Output {
    let line = line
        .replacen("grpcurl", tool("grpcurl").to_str().unwrap(), 1)
        .replace("localhost:50051", &service.grpc.to_string());
    let mut shell = Command::new("bash");
    shell.args(["-euo", "pipefail", "-c", &line]).current_dir(root()).output().unwrap()
}

#[test]
fn the_manual_of_calls_has_every_method() {
    let called: BTreeSet<&str> = sections()
        .concat()
        .iter()
        .filter_map(|line| line.rsplit_once("urgence.v1."))
        .map(|(_, method)| method.split(' ').next().unwrap())
        .collect();
    for rule in RULES.iter().filter(|rule| rule.path.starts_with("/urgence.v1.")) {
        let method = rule.path.trim_start_matches("/urgence.v1.");
        assert!(called.contains(method), "docs/calls.md has no line with {method}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_manual_of_calls_is_true_line_by_line() {
    let redis = TestRedis::start();
    let registry = root().join("deploy/authorities.toml");
    let service = Service::on(&redis, &["--authorities", registry.to_str().unwrap()]);
    let mut seen = Seen::default();
    let mut states = Vec::new();
    for section in sections() {
        seen.other.clone_from(&seen.case);
        for line in section {
            let line = seen.fill(line);
            if line.contains("GetReceiptProof") {
                // Instead of a minute in which nothing happens: so much that the log is signed.
                for _ in 0..64 {
                    run(
                        &service,
                        "grpcurl -plaintext -d '{\"since\": \"2026-01-01T00:00:00Z\"}' \
                                   localhost:50051 urgence.v1.OversightService/ListDisclosures",
                    );
                }
                let signed = async || {
                    service.metric("urgence_audit_log_signed_entries{desk=\"main\"}").await >= 64.0
                };
                eventually("the log is signed", Duration::from_secs(60), signed).await;
            }
            let output = run(&service, &line);
            let said = String::from_utf8(output.stdout).unwrap();
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!said.is_empty(), "{line}\n{error}");
            if line.contains("-max-time") {
                assert!(said.contains("snapshotEnd"), "{line}\n{said}");
                continue;
            }
            assert!(output.status.success(), "{line}\n{error}");
            let Ok(said) = serde_json::from_str::<Value>(&said) else { continue };
            assert_ne!(said["replayed"], true, "{line}: each act has an id of its own");
            seen.note(&said);
            if let (true, Some(state)) =
                (line.contains("requestId"), said["case"]["state"].as_str())
            {
                states.push(state.trim_start_matches("CASE_STATE_").to_owned());
            }
        }
    }
    let frozen_to_handed_over = ["RECEIVED"; 7];
    let asked_twice = [
        "AWAITING_INFORMATION",
        "AWAITING_VERIFICATION",
        "COLLECTING",
        "AWAITING_INFORMATION",
        "AWAITING_INFORMATION",
        "AWAITING_INFORMATION",
        "AWAITING_VERIFICATION",
    ];
    let decided =
        ["COLLECTING", "COLLECTING", "RELEASE_PENDING", "DELIVERED", "CLOSED", "CLOSED", "CLOSED"];
    let taken_back = ["RECEIVED", "RECEIVED", "RECEIVED", "RECEIVED", "WITHDRAWN"];
    let wanted = [&frozen_to_handed_over[..], &asked_twice, &decided, &taken_back].concat();
    assert_eq!(states, wanted);
}
