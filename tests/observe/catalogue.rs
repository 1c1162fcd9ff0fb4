//! The metrics that exist: what the real program shows from its start. A series that only appears
//! with its first event cannot be alerted on before it, so it is as good as missing.

use std::collections::BTreeMap;

use crate::promql::{Matcher, Selector, selectors};
use crate::service::Service;
use crate::support::redis::TestRedis;

/// What Prometheus itself makes.
const BUILT_IN: &[&str] = &["up", "ALERTS"];
/// Labels whose values are the deployment's, or Prometheus's.
const FREE: &[&str] = &["job", "instance", "desk", "sink", "version", "le"];
/// Labels that Prometheus adds to every series that it scrapes.
const ADDED: &[&str] = &["job", "instance"];

/// The labels of every series, by name of the metric.
pub struct Catalogue(BTreeMap<String, Vec<BTreeMap<String, String>>>);

impl Catalogue {
    /// Asks a running service.
    pub async fn of_the_program() -> Self {
        let redis = TestRedis::start();
        let service = Service::on(&redis, &[]);
        let (status, page) = service.http("/metrics").await;
        assert_eq!(status, 200);
        Self::read(&page)
    }

    pub fn read(page: &str) -> Self {
        let mut series = BTreeMap::<String, Vec<_>>::new();
        for line in page.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let (selector, _value) = line.rsplit_once(' ').unwrap();
            let selector = selectors(selector).remove(0);
            let labels = selector.matchers.into_iter().map(|it| (it.label, it.value)).collect();
            series.entry(selector.name).or_default().push(labels);
        }
        Self(series)
    }

    /// What is wrong with a selector, if anything.
    pub fn fault_of(&self, selector: &Selector) -> Option<String> {
        let name = &selector.name;
        if BUILT_IN.contains(&name.as_str()) {
            return None;
        }
        let Some(series) = self.0.get(name) else {
            return Some(format!("{name} does not exist"));
        };
        let wanted = selector.matchers.iter().filter(|it| !ADDED.contains(&it.label.as_str()));
        for Matcher { label, operator, value } in wanted {
            if !series.iter().any(|labels| labels.contains_key(label)) {
                return Some(format!("{name} has no label {label}"));
            }
            // A pattern that is more than a list of words is Prometheus's to read.
            let is_free = FREE.contains(&label.as_str()) || value.contains(['[', '(', '.', '$']);
            let values = value.split('|').filter(|_| !is_free && operator.starts_with('='));
            for value in values {
                if !series.iter().any(|labels| labels.get(label).is_some_and(|it| it == value)) {
                    return Some(format!("{name} never has {label}=\"{value}\""));
                }
            }
        }
        None
    }

    /// What is wrong with an expression; names in `recorded` exist as well.
    pub fn faults_in(&self, expression: &str, recorded: &[String]) -> Vec<String> {
        let selectors = selectors(expression);
        let unknown = selectors.iter().filter(|selector| !recorded.contains(&selector.name));
        unknown.filter_map(|selector| self.fault_of(selector)).collect()
    }
}

#[test]
fn what_does_not_exist_is_found() {
    let page =
        "# HELP a_total A\n# TYPE a_total counter\na_total{desk=\"main\",kind=\"x\"} 0\nb 1\n";
    let catalogue = Catalogue::read(page);
    let faults = |expression| catalogue.faults_in(expression, &["c:d".to_owned()]);
    let none: [&str; 0] = [];
    assert_eq!(faults("rate(a_total{desk=\"other\",kind=~\"x\",job=\"j\"}[5m]) + b + c:d"), none);
    assert_eq!(faults("up == 0 unless sum(a_totall) > 0"), ["a_totall does not exist"]);
    assert_eq!(faults("a_total{kind=~\"x|y\"}"), ["a_total never has kind=\"y\""]);
    assert_eq!(faults("a_total{kinds!=\"x\"}"), ["a_total has no label kinds"]);
    assert_eq!(faults("c:e"), ["c:e does not exist"]);
}
