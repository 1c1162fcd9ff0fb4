//! The runbook: a section for every alert and for nothing else, each of the same four parts.

use crate::files::{RUNBOOK, rules};

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
