//! How many people it takes.

use urgence::core::Outcome;
use urgence::simulate::{
    Goal, Options, Report, Responders, Scenario, Shift, Staffing, Who, run, search,
};

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
        let goal = Goal { nights: 2, ..Goal::default() };
        let staffing = search(&options, &goal, &mut |_| {});
        let found = staffing.found.unwrap();
        let keeps = |responders| {
            [seed, seed + 1].into_iter().all(|seed| {
                let report = run(&Options { seed, responders, ..options.clone() });
                let waits = report.waits(Who::Emergencies);
                waits.breached == 0 && waits.within_target * 100 >= waits.target_judged * 95
            })
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
    let staffing = search(&options, &goal, &mut |_| {});
    assert_eq!(staffing.found, None);
    assert!(staffing.trials.iter().all(|trial| !trial.is_kept() && trial.responders.day <= 9));
    assert!(staffing.to_string().contains("not kept even by 9"));
}

#[test]
fn one_night_is_chance() {
    let options = Options { hours: 12, ..night(Scenario::QuietDay, 2, 0) };
    let found = |nights| {
        let goal = Goal { nights, ..Goal::default() };
        search(&options, &goal, &mut |_| {}).found.unwrap()
    };
    let [one, five] = [1, Goal::default().nights].map(found);
    let people = |found: Responders| found.day + found.evening + found.night;
    assert!(people(one) < people(five), "{one} for one night, {five} for five");
}

#[test]
fn other_promises_take_more_people() {
    let options =
        Options { hours: 12, collecting_minutes: 35.0, ..night(Scenario::QuietDay, 1, 0) };
    let [first, all] = [false, true].map(|has_other_promises| {
        let goal = Goal { has_other_promises, nights: 1, ..Goal::default() };
        search(&options, &goal, &mut |_| {})
    });
    let late = |staffing: &Staffing| {
        let kept = staffing.trials.iter().find(|trial| Some(trial.responders) == staffing.found);
        kept.unwrap().others_broken
    };
    assert!(late(&first) > 0 && late(&all) == 0, "{first}\n{all}");
    assert!(first.to_string().contains("are not part of this goal"));
    assert!(!all.to_string().contains("are not part of this goal"));
}

#[test]
fn nothing_goes_out_to_whom_the_call_back_does_not_confirm() {
    let of = |failed_verification_percent| {
        run(&Options { failed_verification_percent, ..night(Scenario::QuietDay, 1, 3) })
    };
    let [none, some, all] = [0.0, 30.0, 100.0].map(of);
    let rejected = |report: &Report| {
        report.tally.outcomes.get(&Outcome::Rejected).copied().unwrap_or_default()
    };
    assert!(none.tally.disclosures > some.tally.disclosures && some.tally.disclosures > 0);
    assert_eq!(all.tally.disclosures, 0);
    assert!(rejected(&none) < rejected(&some) && rejected(&some) < rejected(&all));
    let asked = |report: &Report| -> Vec<_> {
        report.cases.iter().map(|case| (case.accepted_at, case.nature)).collect()
    };
    assert_eq!(asked(&none), asked(&all), "it is the same night");
}
