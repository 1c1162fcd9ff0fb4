//! Nothing gets lost and nothing is made up: every request is answered once, or still open.

use std::collections::BTreeSet;
use std::time::Duration;

use urgence::core::policy::Rules;
use urgence::core::{Class, ClockKind, Policy, Punctuality};
use urgence::simulate::{Options, Report, Scenario, Who, run};

use crate::{night, ran};

/// What must hold of every night.
#[track_caller]
pub(crate) fn assert_conserved(report: &Report) {
    for case in &report.cases {
        let responses = u32::from(case.response.is_some());
        assert_eq!(case.first_responses, responses, "{case:?}: answered exactly once, or not yet");
        assert!(case.ended.is_none() || case.response.is_some(), "{case:?}: ended unanswered");
    }
    let count = |is_so: &dyn Fn(&&urgence::simulate::CaseFigures) -> bool| {
        u32::try_from(report.cases.iter().filter(is_so).count()).unwrap()
    };
    let tally = &report.tally;
    let answered = count(&|case| case.response.is_some());
    assert_eq!(tally.answers.values().sum::<u32>(), answered);
    let unanswered = [Who::Emergencies, Who::Routine].map(|who| report.waits(who).unanswered);
    assert_eq!(
        answered + unanswered.iter().sum::<u32>(),
        count(&|_| true),
        "who has no answer shows"
    );
    assert_eq!(tally.outcomes.values().sum::<u32>(), count(&|case| case.ended.is_some()));
    let rows = [Who::Ordinary, Who::Incident, Who::Routine].map(|who| report.waits(who));
    let all = u32::try_from(report.cases.len()).unwrap();
    assert_eq!(rows.iter().map(|waits| waits.requests).sum::<u32>(), all);
    for waits in rows {
        assert_eq!(waits.within_limit + waits.breached, waits.limit_judged);
        assert!(
            waits.limit_judged <= waits.target_judged && waits.within_target <= waits.within_limit
        );
        assert!(waits.target_judged <= waits.requests);
        assert!(waits.median <= waits.p95 && waits.p95 <= waits.max);
    }
    let breached = report.waits(Who::Emergencies).breached;
    let passed = tally.passed.get(&(ClockKind::FirstResponse, Class::Emergency));
    assert_eq!(passed.map_or(0, |passed| passed.limits), breached, "a breach is a limit passed");
    assert!(
        breached > 0
            || report.cases.iter().all(|case| {
                case.class() == Class::Routine || case.punctuality != Punctuality::Breached
            })
    );
}

#[test]
fn every_request_is_answered_once_or_still_open() {
    for (scenario, responders) in [
        (Scenario::QuietDay, 0),
        (Scenario::QuietDay, 1),
        (Scenario::QuietDay, 3),
        (Scenario::Attack, 3),
        (Scenario::Attack, 20),
    ] {
        for seed in 1..=3 {
            assert_conserved(&run(&Options { hours: 20, ..night(scenario, seed, responders) }));
        }
    }
}

#[test]
fn thousands_of_cases_are_no_matter() {
    let mut options = night(Scenario::Attack, 1, 60);
    options.arrivals_per_hour = 15.0;
    let report = run(&options);
    assert!(report.cases.len() > 3_000, "{}", report.cases.len());
    assert_conserved(&report);
    assert!(report.tally.outcomes.values().sum::<u32>() > 2_900, "most are answered for good");
}

#[test]
fn work_goes_on_over_a_change_of_shift() {
    let report = ran(Scenario::Attack, 1, 12);
    assert!(report.tally.handed_over > 0);
    assert_eq!(report.tally.claims_lost, 0, "nobody lets a claim run out");
    let outcomes: u32 = report.tally.outcomes.values().sum();
    let share = f64::from(outcomes) / report.cases.len() as f64;
    assert!(share > 0.95, "{share} of the cases came to an outcome");
    assert!(report.tally.disclosures > 0 && report.tally.updates > 0);
}

#[test]
fn a_night_without_requests_is_quiet() {
    let options = Options { arrivals_per_hour: 0.0, ..Options::new(Scenario::Attack) };
    let report = run(&options);
    assert!(report.cases.is_empty() && report.tally.pages.is_empty());
    assert_eq!(report.waits(Who::Emergencies).limit_share(), None);
    assert!(report.to_string().contains("–"), "a share of nothing is no number");
}

#[test]
fn nobody_there_means_every_promise_broken_and_every_rung_fired() {
    for scenario in Scenario::ALL.iter().copied() {
        let mut options = night(scenario, 4, 0);
        options.hours = 8;
        let report = run(&options);
        assert_conserved(&report);
        let promise = options.policy.promise(Class::Emergency);
        let waits = report.waits(Who::Emergencies);
        let is_old = |waited: Duration| waited >= promise.limit;
        for case in report.cases.iter().filter(|case| case.class() == Class::Emergency) {
            let is_breached = case.punctuality == Punctuality::Breached;
            assert_eq!(is_breached, is_old(case.waited), "{case:?}");
        }
        assert!(waits.breached > 0);
        assert_eq!(waits.limit_share(), Some(0.0));
        for rung in &promise.ladder.rungs {
            let old = report.cases.iter().filter(|case| case.class() == Class::Emergency);
            let old = old.filter(|case| case.waited >= rung.offset).count();
            let fired = report.tally.rungs.get(&rung.offset).copied().unwrap_or_default();
            assert_eq!(fired as usize, old, "{scenario:?}: the rung at {:?}", rung.offset);
        }
        let repeat = promise.limit + promise.ladder.repeat_every;
        assert!(report.tally.rungs.contains_key(&repeat), "the ladder goes on after the limit");
        let paged: BTreeSet<_> = report.tally.pages.keys().collect();
        let ladder = &promise.ladder;
        let named = ladder.rungs.iter().flat_map(|rung| &rung.contacts);
        assert!(named.chain(&ladder.repeat_contacts).all(|contact| paged.contains(contact)));
        assert_eq!(report.tally.quieted, 0, "there was no claim to keep quiet for");
    }
}

#[test]
fn a_policy_of_ones_own_is_obeyed() {
    let rules = Policy::built_in().rules().clone();
    let mut emergency = rules.emergency.clone();
    emergency.target = Duration::from_mins(17);
    // A lease shorter than anybody works without looking up: claims are lost all the time.
    let lease = Duration::from_secs(10);
    let policy = Policy::new(Rules { emergency, lease, ..rules }).unwrap();
    let options = Options { policy, ..night(Scenario::QuietDay, 1, 2) };
    let report = run(&options);
    assert_conserved(&report);
    assert!(report.tally.claims_lost > 0);
    assert!(report.to_string().contains("17 min / 30 min"));
}

#[test]
fn a_desk_that_leaves_routine_unanswered_does_not_look_well() {
    // One person for more emergencies than one can answer: nobody comes to what is not urgent.
    let options = Options { hours: 40, arrivals_per_hour: 12.0, ..night(Scenario::QuietDay, 1, 1) };
    let report = run(&options);
    assert_conserved(&report);
    let (waits, promise) = (report.waits(Who::Routine), options.policy.promise(Class::Routine));
    assert!(waits.unanswered > 0 && waits.max > promise.target, "{waits:?}");
    assert!(waits.target_judged > waits.requests - waits.unanswered, "the late ones are judged");
    assert!(waits.target_share() < Some(0.5), "{waits:?}");
    let text = report.to_string();
    let row = text.lines().find(|line| line.starts_with("routine ")).unwrap();
    let unanswered = row.split_whitespace().last().unwrap();
    assert_eq!(unanswered, waits.unanswered.to_string(), "{row}");
}

#[test]
fn a_broken_promise_is_in_the_picture_whichever_it_was() {
    let report = run(&Options { collecting_minutes: 240.0, ..night(Scenario::QuietDay, 1, 2) });
    let passed = |clock| {
        let of = report.tally.passed.iter().filter(|((kind, _), _)| *kind == clock);
        of.map(|(_, passed)| passed.limits).sum::<u32>()
    };
    let (late, unfinished) = (passed(ClockKind::FirstResponse), passed(ClockKind::Completion));
    assert!(unfinished > 0);
    let others = passed(ClockKind::Reply) + passed(ClockKind::Progress);
    let broken = late + unfinished + others;
    let picture = report.svg();
    let (before, _) = picture.split_once(">promises broken</text>").unwrap();
    let (_, figure) = before.rsplit_once("class=\"figure\"").unwrap();
    assert!(
        figure.contains(&format!(">{broken}</text>")),
        "{broken} promises were broken: {figure}"
    );
}
