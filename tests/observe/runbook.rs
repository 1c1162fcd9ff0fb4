//! The runbook: a section for every alert and for nothing else, each of the same four parts.

use std::path::Path;
use std::process::Command;

use crate::files::{RUNBOOK, rules};
use crate::service::Service;
use crate::support::redis::TestRedis;

const PARTS: [&str; 4] = ["**If nobody acts:**", "**Look first:**", "**Do:**", "**Over when:**"];

fn sections() -> Vec<(&'static str, &'static str)> {
    let sections = RUNBOOK.split("\n### ").skip(1);
    sections.map(|section| section.split_once('\n').expect("a section has a text")).collect()
}

#[tokio::test]
async fn every_alert_has_a_section_and_every_section_an_alert() {
    let alerts = rules().await.into_iter().filter(|rule| rule.is_alert);
    let mut alerts: Vec<String> = alerts.map(|rule| rule.name).collect();
    let mut sections: Vec<&str> = sections().into_iter().map(|(name, _)| name).collect();
    alerts.sort();
    sections.sort_unstable();
    assert_eq!(alerts, sections);
}

#[test]
fn every_section_says_what_somebody_needs_at_three_in_the_morning() {
    for (name, text) in sections() {
        let text = text.split("\n## ").next().unwrap();
        let mut at = 0;
        for part in PARTS {
            let found = text.find(part).unwrap_or_else(|| panic!("{name} does not say {part}"));
            assert!(found > at, "{name}: {part} is out of order, or nothing says what it means");
            at = found;
        }
    }
}

/// Every line between fences, once.
fn commands() -> Vec<&'static str> {
    let blocks = RUNBOOK.split("```sh\n").skip(1);
    let blocks = blocks.map(|block| block.split("```").next().unwrap());
    let mut commands: Vec<&str> = blocks.flat_map(str::lines).collect();
    commands.sort_unstable();
    commands.dedup();
    assert!(commands.len() > 30);
    commands
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_works_as_it_is_written() {
    let redis = TestRedis::start();
    let service = Service::on(&redis, &[]);
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/bin");
    let mut faults = Vec::new();
    for command in commands() {
        let here = command
            .replace("localhost:50051", &service.grpc.to_string())
            .replace("localhost:9464", &service.http.to_string())
            .replace("redis-cli", &format!("redis-cli -e -p {}", redis.port()));
        let mut shell = Command::new("bash");
        let here = format!("PATH='{}':$PATH; {here}", tools.display());
        let output = shell.args(["-euo", "pipefail", "-c", &here]).output().unwrap();
        if !output.status.success() {
            let said = [output.stdout, output.stderr].concat();
            faults.push(format!("{command}: {}", String::from_utf8_lossy(&said)));
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}
