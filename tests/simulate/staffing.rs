//! How many people it takes.

use urgence::simulate::{Goal, Options, Report, Scenario, Shift, Who, run, search};

use crate::{night, ran};

fn limit_share(report: &Report) -> f64 {
    report.waits(Who::Emergencies).limit_share().unwrap()
}

#[test]
fn more_people_never_hurt() {
    let counts = |scenario| match scenario {
        Scenario::QuietDay => [0, 1, 2, 3, 4],
        Scenario::Attack => [4, 8, 12, 16, 24],
    };
    for scenario in Scenario::ALL.iter().copied() {
        for seed in 1..=4 {
            let shares = counts(scenario).map(|count| {
                limit_share(&run(&Options { hours: 12, ..night(scenario, seed, count) }))
            });
            assert!(shares.is_sorted(), "{scenario:?}, seed {seed}: {shares:?}");
            assert!(shares[4] > shares[0], "{scenario:?}, seed {seed}: {shares:?}");
        }
    }
}

#[test]
fn two_people_keep_the_promise_of_a_quiet_day() {
    for seed in 1..=8 {
        let report = ran(Scenario::QuietDay, seed, 2);
        let waits = report.waits(Who::Emergencies);
        assert_eq!(waits.breached, 0, "seed {seed}:\n{report}");
        assert!(waits.target_share() >= Some(0.95), "seed {seed}:\n{report}");
        assert!(waits.requests > 30);
    }
}

#[test]
fn the_search_finds_the_fewest() {
    for (scenario, seed) in
        [(Scenario::QuietDay, 1), (Scenario::QuietDay, 5), (Scenario::Attack, 1)]
    {
        let options = Options { hours: 12, ..night(scenario, seed, 0) };
        let goal = Goal::default();
        let staffing = search(&options, &goal);
        let found = staffing.found.unwrap();
        let keeps = |responders| {
            let report = run(&Options { responders, ..options.clone() });
            let waits = report.waits(Who::Emergencies);
            let judged = waits.requests - waits.undecided;
            waits.breached == 0 && waits.within_target * 100 >= judged * 95
        };
        assert!(keeps(found), "{scenario:?}: {found} does not keep it");
        for shift in Shift::ALL.iter().copied() {
            if let Some(less) = found.of(shift).checked_sub(1) {
                let fewer = found.with(shift, less);
                assert!(!keeps(fewer), "{scenario:?}: {fewer} keeps it too");
            }
        }
        assert!(staffing.trials.len() < 60, "{} were tried", staffing.trials.len());
        assert!(staffing.to_string().contains(&format!("takes {found} responders")));
    }
}

#[test]
fn the_search_gives_up_where_people_do_not_help() {
    let mut options = night(Scenario::QuietDay, 1, 0);
    options.handling_minutes = 45.0;
    let goal = Goal { responders_max: 9, ..Goal::default() };
    let staffing = search(&options, &goal);
    assert_eq!(staffing.found, None);
    assert!(staffing.trials.iter().all(|trial| !trial.is_kept && trial.responders.day <= 9));
    assert!(staffing.to_string().contains("not kept even by 9"));
}
