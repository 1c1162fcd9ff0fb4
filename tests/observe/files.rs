//! The files under test, and the programs that look at them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::prometheus::Prometheus;

pub const RULES: &str = include_str!("../../deploy/prometheus/urgence.rules.yml");
pub const PROMETHEUS: &str = include_str!("../../deploy/prometheus/prometheus.yml");
pub const ALERTMANAGER: &str = include_str!("../../deploy/prometheus/alertmanager.yml");
pub const DASHBOARD: &str = include_str!("../../deploy/grafana/urgence.json");
pub const RUNBOOK: &str = include_str!("../../docs/runbook.md");

/// Fires always, so that its silence is noticed.
pub const WATCHDOG: &str = "Watchdog";

pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus")
}

/// The rule tests, by name.
pub fn rule_tests() -> Vec<(String, String)> {
    let mut tests = Vec::new();
    for entry in std::fs::read_dir(directory().join("tests")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        tests.push((name, std::fs::read_to_string(path).unwrap()));
    }
    tests.sort();
    assert!(tests.len() > 4, "the rule tests are somewhere else");
    tests
}

/// Runs a program in the directory of the rules; panics with what it said if it found a fault.
pub fn check(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(directory()).output();
    let output = output.unwrap_or_else(|error| {
        panic!("{program}: {error}; run make test, which installs what is missing")
    });
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert!(output.status.success(), "{program} {arguments:?}:\n{said}");
    said
}

/// A rule, as Prometheus has read it.
#[derive(Debug)]
pub struct Rule {
    pub name: String,
    pub query: String,
    pub is_alert: bool,
    pub labels: Value,
    pub annotations: Value,
}

/// All rules, read by Prometheus itself.
pub async fn rules() -> Vec<Rule> {
    let config = "rule_files: [urgence.rules.yml]";
    let prometheus = Prometheus::start(config, &[("urgence.rules.yml", RULES)]).await;
    let read = prometheus.api("rules").await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let groups = read["groups"].as_array().unwrap().iter();
    let rules = groups.flat_map(|group| group["rules"].as_array().unwrap());
    let rules: Vec<Rule> = rules
        .map(|rule| Rule {
            name: text(&rule["name"]),
            query: text(&rule["query"]),
            is_alert: rule["type"] == "alerting",
            labels: rule["labels"].clone(),
            annotations: rule["annotations"].clone(),
        })
        .collect();
    assert!(rules.len() > 80, "{rules:?}");
    rules
}
