//! The dashboard: every query is one that Prometheus takes, of metrics that exist.

use serde_json::Value;

use crate::catalogue::Catalogue;
use crate::files::{DASHBOARD, RULES, rules};
use crate::support::prometheus::Prometheus;

fn dashboard() -> Value {
    serde_json::from_str(DASHBOARD).unwrap()
}

fn panels() -> Vec<Value> {
    let panels = dashboard()["panels"].as_array().unwrap().clone();
    assert!(panels.len() > 30);
    panels
}

/// Every `expr`, wherever it stands, and what variables ask for.
fn queries(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(text) if name == "expr" => found.push(text.clone()),
                    Value::String(text) if text.starts_with("label_values(") => {
                        let of = text.trim_start_matches("label_values(");
                        found.push(of.split(',').next().unwrap().to_owned());
                    }
                    other => queries(other, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| queries(item, found)),
        _ => {}
    }
}

fn all_queries() -> Vec<String> {
    let mut found = Vec::new();
    queries(&dashboard(), &mut found);
    assert!(found.len() > 60);
    found
}

#[tokio::test]
async fn every_query_names_only_what_exists() {
    let recorded = rules().await.into_iter().filter(|rule| !rule.is_alert);
    let recorded: Vec<String> = recorded.map(|rule| rule.name).collect();
    let catalogue = Catalogue::of_the_program().await;
    let faults = all_queries().into_iter().flat_map(|query| catalogue.faults_in(&query, &recorded));
    let faults: Vec<String> = faults.collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[tokio::test]
async fn prometheus_takes_every_query() {
    let config = "rule_files: [urgence.rules.yml]";
    let prometheus = Prometheus::start(config, &[("urgence.rules.yml", RULES)]).await;
    for query in all_queries() {
        let query = query
            .replace("$__rate_interval", "1m")
            .replace("$__range", "1h")
            .replace("$desk", ".*");
        assert!(!query.contains('$'), "{query}: an unknown variable");
        prometheus.query(&query).await;
    }
}

#[test]
fn every_panel_says_what_it_shows_and_has_its_place() {
    let mut ids = Vec::new();
    let mut taken = Vec::new();
    for panel in panels() {
        let title = panel["title"].as_str().unwrap().to_owned();
        ids.push(panel["id"].as_u64().unwrap());
        let at = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{title} stands out");
        for x in at("x")..at("x") + at("w") {
            (at("y")..at("y") + at("h")).for_each(|y| taken.push((x, y)));
        }
        if panel["type"] != "row" {
            assert!(panel["description"].as_str().is_some_and(|it| it.len() > 20), "{title}");
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
            assert!(!panel["targets"].as_array().unwrap().is_empty(), "{title}");
        }
    }
    let count = (ids.len(), taken.len());
    ids.sort_unstable();
    ids.dedup();
    taken.sort_unstable();
    taken.dedup();
    assert_eq!(count, (ids.len(), taken.len()), "two panels share an id or a place");
}

#[test]
fn the_dashboard_asks_for_the_source_and_the_desk() {
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let names: Vec<&str> = variables.iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["datasource", "desk"]);
    assert_eq!(dashboard["uid"], "urgence");
    assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 39);
}
