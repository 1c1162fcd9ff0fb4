//! What a simulated night must show, whatever the seed.
#![allow(clippy::unwrap_used, clippy::pedantic, reason = "a panic is how a test fails")]

mod command;
mod conservation;
mod fairness;
mod picture;
mod staffing;

use std::time::Duration;

use urgence::simulate::{Options, Report, Responders, Scenario, run};

/// A night of the scenario with as many responders in each shift.
pub(crate) fn night(scenario: Scenario, seed: u64, responders: u32) -> Options {
    Options { seed, responders: Responders::each(responders), ..Options::new(scenario) }
}

/// What that night came to.
pub(crate) fn ran(scenario: Scenario, seed: u64, responders: u32) -> Report {
    run(&night(scenario, seed, responders))
}

#[test]
fn the_same_seed_is_the_same_night() {
    for scenario in Scenario::ALL.iter().copied() {
        let (one, again) = (ran(scenario, 7, 10), ran(scenario, 7, 10));
        assert!(one == again, "{scenario:?}: the reports differ");
        assert!(one.svg() == again.svg(), "{scenario:?}: the pictures differ");
        assert_eq!(one.to_string(), again.to_string());
        let other = ran(scenario, 8, 10);
        assert!(one.cases != other.cases, "{scenario:?}: another seed, the same requests");
        assert!(one.svg() != other.svg(), "{scenario:?}: another seed, the same picture");
    }
}

#[test]
fn who_answers_does_not_change_who_asks() {
    for scenario in Scenario::ALL.iter().copied() {
        let asked = |responders| -> Vec<_> {
            let report = run(&Options { hours: 24, ..night(scenario, 3, responders) });
            report.cases.iter().map(|case| (case.accepted_at, case.nature)).collect()
        };
        assert_eq!(asked(2), asked(9), "{scenario:?}");
    }
}

/// What the policy file wants of an incident is what the night is judged by.
#[test]
fn an_incident_is_judged_by_the_objective_of_the_policy() {
    let mut options = night(Scenario::Attack, 1, 10);
    options.hours = 24;
    let usual = run(&options);
    options.objective.answered_within = Duration::from_mins(30);
    options.objective.share_within = Duration::from_mins(15);
    let strict = run(&options);
    assert!(usual.cases == strict.cases, "it changes nobody's work");
    let (usual, strict) = (usual.incident(), strict.incident());
    assert!(strict.ended_within_objective < usual.ended_within_objective, "{strict:?}");

    let file = std::env::temp_dir().join(format!("urgence-simulate-{}.toml", std::process::id()));
    let default = include_str!("../../deploy/policy/default.toml");
    let (before, rest) = default.split_once("[incidents]").unwrap();
    let rest = rest.split_once("\n[").map_or("", |(_, rest)| rest);
    let incidents = "[incidents]\nanswered_within = \"7h\"\nshare_within = \"50m\"\n";
    std::fs::write(&file, format!("{before}{incidents}\n[{rest}")).unwrap();
    let picture = file.with_extension("svg");
    let told = std::process::Command::new(env!("CARGO_BIN_EXE_urgence"))
        .args(["simulate", "--scenario", "attack", "--hours", "12", "--policy"])
        .arg(&file)
        .arg("--svg")
        .arg(&picture)
        .output()
        .unwrap();
    let drawn = std::fs::read_to_string(&picture).unwrap();
    for file in [file, picture] {
        std::fs::remove_file(file).unwrap();
    }
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("within 50 min") && told.contains("within 7 h"), "{told}");
    assert!(drawn.contains("outcome within 7 h"));
}

#[test]
fn an_attack_begins_twentyfold_and_ebbs() {
    let mut options = night(Scenario::Attack, 1, 40);
    options.hours = 40;
    options.arrivals_per_hour = 10.0;
    let report = run(&options);
    let hours = report.hours();
    let came = |hours: &[urgence::simulate::HourFigures]| -> u32 {
        hours.iter().map(|hour| hour.ordinary + hour.incident).sum()
    };
    let (first, last) = (came(&hours[..2]), came(&hours[38..]));
    // Four in five of the ordinary requests are emergencies, and nearly all about the attack are.
    assert!((290..410).contains(&first), "{first} in the first two hours");
    assert!(last < 50, "{last} in the last two");
    let incident: u32 = hours.iter().map(|hour| hour.incident).sum();
    assert!(incident * 2 > came(&hours), "most of it is about the attack");
}

#[test]
fn every_wake_comes_at_its_instant() {
    for scenario in Scenario::ALL.iter().copied() {
        for responders in [0, 2, 12] {
            let report = run(&Options { hours: 18, ..night(scenario, 2, responders) });
            assert_eq!(report.tally.lateness_max, Duration::ZERO, "{scenario:?}, {responders}");
        }
    }
}
