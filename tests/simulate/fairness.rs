//! The flood after an attack and everybody else's threats to life do not starve each other.

use urgence::simulate::{Options, Report, Scenario, Who, run};

use crate::night;

fn with_lane(seed: u64, has_incident_lane: bool) -> Report {
    run(&Options { has_incident_lane, ..night(Scenario::Attack, seed, 12) })
}

#[test]
fn the_incident_does_not_starve_other_threats_to_life() {
    for seed in [1, 2, 3] {
        let (two_lanes, one_lane) = (with_lane(seed, true), with_lane(seed, false));
        let share = |report: &Report| report.waits(Who::Ordinary).limit_share().unwrap();
        assert!(share(&two_lanes) >= 0.99, "{seed}: {} in two lanes", share(&two_lanes));
        assert!(share(&one_lane) < 0.90, "{seed}: {} in one lane", share(&one_lane));
        let longest = |report: &Report| report.waits(Who::Ordinary).p95;
        assert!(longest(&one_lane) > longest(&two_lanes) * 3, "{seed}");
    }
}

#[test]
fn other_threats_to_life_do_not_starve_the_incident() {
    for seed in [1, 2, 3] {
        let (two_lanes, one_lane) = (with_lane(seed, true), with_lane(seed, false));
        let share = |report: &Report| report.waits(Who::Incident).limit_share().unwrap();
        let price = share(&one_lane) - share(&two_lanes);
        assert!(price < 0.25, "{seed}: the lane costs the incident {price}");
    }
}

#[test]
fn the_attacks_cases_wait_in_their_lane_only_if_there_is_one() {
    let deepest = |report: &Report| report.samples.iter().map(|it| it.incident).max().unwrap();
    assert!(deepest(&with_lane(1, true)) > 0);
    assert_eq!(deepest(&with_lane(1, false)), 0);
}
