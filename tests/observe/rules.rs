//! The rules: what Prometheus's own tools say of them, that each alert was seen to fire and to be
//! quiet, and that nothing in them is made up.

use crate::catalogue::Catalogue;
use crate::files::{ALERTMANAGER, WATCHDOG, check, rule_tests, rules};
use crate::promql::selectors;

#[test]
fn prometheus_takes_the_rules_and_the_configuration() {
    let said =
        check("promtool", &["check", "rules", "--lint=all", "--lint-fatal", "urgence.rules.yml"]);
    assert!(said.contains("rules found"), "{said}");
    check("promtool", &["check", "config", "--lint=all", "--lint-fatal", "prometheus.yml"]);
}

#[test]
fn alertmanager_takes_its_configuration_and_routes_by_it() {
    check("amtool", &["check-config", "alertmanager.yml"]);
    for (labels, receiver) in [
        (["alertname=UrgencePage", "page=a/first-response/0/0"], "rungs"),
        (["alertname=UrgencePage", "severity=page"], "rungs"),
        (["alertname=Watchdog", "severity=none"], "dead-man"),
        (["alertname=UrgenceLimitBreached", "severity=page"], "pages"),
        (["alertname=UrgenceTargetMissed", "severity=ticket"], "tickets"),
    ] {
        let routed = ["config", "routes", "test", "--config.file=alertmanager.yml"];
        let said = check("amtool", &[&routed[..], &labels[..]].concat());
        assert_eq!(said.lines().next(), Some(receiver), "{labels:?}");
    }
    let rung = ALERTMANAGER.split("alertname = UrgencePage").nth(1).unwrap();
    let route: Vec<&str> = rung.lines().skip(2).take(4).map(str::trim).collect();
    assert_eq!(
        route,
        ["group_by: [page]", "group_wait: 0s", "group_interval: 1m", "repeat_interval: 5m"]
    );
}

#[test]
fn the_rules_do_what_their_tests_say() {
    for (name, _) in rule_tests() {
        let said = check("promtool", &["test", "rules", &format!("tests/{name}")]);
        assert!(said.contains("SUCCESS"), "{said}");
    }
}

#[tokio::test]
async fn every_alert_was_seen_to_fire_and_to_be_quiet() {
    let (mut firing, mut quiet) = (Vec::new(), Vec::new());
    for (name, text) in rule_tests() {
        let mut asked = None;
        for line in text.lines().map(str::trim) {
            if let Some(expression) = line.strip_prefix("- expr: ") {
                let selector = selectors(expression).remove(0);
                let alert = selector.matchers.into_iter().find(|it| it.label == "alertname");
                asked = alert.map(|it| it.value);
            }
            if let Some(expected) = line.strip_prefix("exp_samples: ")
                && let Some(alert) = asked.take()
            {
                let seen = if expected == "[]" { &mut quiet } else { &mut firing };
                seen.push(alert);
            }
        }
        assert!(!firing.is_empty() && !quiet.is_empty(), "{name} is written in another form");
    }
    let alerts = rules().await.into_iter().filter(|rule| rule.is_alert);
    let alerts: Vec<String> = alerts.map(|rule| rule.name).collect();
    for alert in &alerts {
        assert!(firing.contains(alert), "{alert} was never seen to fire");
        assert!(quiet.contains(alert) || alert == WATCHDOG, "{alert} was never seen to be quiet");
    }
    for tested in firing.iter().chain(&quiet) {
        assert!(alerts.contains(tested), "{tested} is tested and is no alert");
    }
}

#[tokio::test]
async fn rules_and_their_tests_name_only_what_exists() {
    let (catalogue, rules) = (Catalogue::of_the_program().await, rules().await);
    let recorded = rules.iter().filter(|rule| !rule.is_alert);
    let recorded: Vec<String> = recorded.map(|rule| rule.name.clone()).collect();
    let mut faults = Vec::new();
    for rule in &rules {
        for fault in catalogue.faults_in(&rule.query, &recorded) {
            faults.push(format!("rule {}: {fault}", rule.name));
        }
    }
    for (name, text) in rule_tests() {
        let inputs: Vec<&str> = text.split("series: '").skip(1).collect();
        assert_eq!(inputs.len(), text.matches("values: ").count(), "{name}");
        let inputs = inputs.iter().map(|input| input.split('\'').next().unwrap());
        let asked = text.lines().filter_map(|line| line.trim().strip_prefix("- expr: "));
        for expression in inputs.chain(asked) {
            for fault in catalogue.faults_in(expression, &recorded) {
                faults.push(format!("test {name}: {fault}"));
            }
        }
    }
    faults.sort();
    faults.dedup();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[tokio::test]
async fn every_alert_says_how_bad_it_is_and_what_to_do() {
    let mut names = Vec::new();
    for rule in rules().await.into_iter().filter(|rule| rule.is_alert) {
        let severity = rule.labels["severity"].as_str().unwrap();
        let expected: &[&str] = if rule.name == WATCHDOG { &["none"] } else { &["page", "ticket"] };
        assert!(expected.contains(&severity), "{}: {severity}", rule.name);
        for annotation in ["summary", "description"] {
            let text = rule.annotations[annotation].as_str().unwrap_or_default();
            assert!(text.len() > 20, "{}: {annotation}: {text}", rule.name);
        }
        let url = rule.annotations["runbook_url"].as_str();
        let expected = format!("docs/runbook.md#{}", rule.name.to_lowercase());
        assert_eq!(url, Some(expected.as_str()), "{}", rule.name);
        names.push(rule.name);
    }
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count, "two alerts have one name, so one runbook section");
}
