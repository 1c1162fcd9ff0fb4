//! The flood after an attack and everybody else's threats to life do not starve each other.

use urgence::simulate::{Options, Report, Scenario, Who, run};

use crate::night;

/// A desk far too small for the flood: somebody has to wait.
fn with_lane(seed: u64, has_incident_lane: bool) -> Report {
    run(&Options { has_incident_lane, hours: 14, ..night(Scenario::Attack, seed, 4) })
}

#[test]
fn the_incident_does_not_starve_other_threats_to_life() {
    for seed in [1, 3, 5] {
        let (two_lanes, one_lane) = (with_lane(seed, true), with_lane(seed, false));
        let [apart, together] = [&two_lanes, &one_lane].map(|report| report.waits(Who::Ordinary));
        let [kept, lost] = [apart, together].map(|waits| waits.limit_share().unwrap());
        assert!(kept >= 0.80, "seed {seed}: {kept} within the limit in two lanes");
        assert!(lost + 0.05 < kept, "seed {seed}: {lost} in one lane, {kept} in two");
        assert!(together.p95 > apart.p95.mul_f64(1.5), "seed {seed}: {together:?}, {apart:?}");
        assert!(apart.max.as_secs() < 3_600, "seed {seed}: nobody waits for an hour: {apart:?}");
    }
}

#[test]
fn other_threats_to_life_do_not_starve_the_incident() {
    for seed in [1, 3, 5] {
        let (two_lanes, one_lane) = (with_lane(seed, true), with_lane(seed, false));
        let [apart, together] = [&two_lanes, &one_lane].map(|report| report.waits(Who::Incident));
        // It gives every other turn away, no more.
        assert!(apart.median < together.median * 3, "seed {seed}: {apart:?}, {together:?}");
        assert!(apart.p95 < together.p95.mul_f64(1.5), "seed {seed}: {apart:?}, {together:?}");
    }
}

#[test]
fn the_attacks_cases_wait_in_their_lane_only_if_there_is_one() {
    let deepest = |report: &Report| report.samples.iter().map(|it| it.incident).max().unwrap();
    assert!(deepest(&with_lane(1, true)) > 0);
    assert_eq!(deepest(&with_lane(1, false)), 0);
}
