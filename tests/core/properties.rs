//! Random histories in virtual time, against an oracle that computes from offsets and claims alone
//! what must have been recorded. It never looks at a wake.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use urgence::core::projection::{ready, wake_at};
use urgence::core::{Case, Command, Decision, Event, FirstResponseKind, Nature, Timestamp, decide};

use crate::make::{START, accept, act, policy};

const HISTORIES: u32 = 2_000;
const STEPS: usize = 100;
const CASES: usize = 3;

/// One step of a history.
#[derive(Clone, Debug)]
struct Step {
    /// How far time moves on first, in milliseconds.
    elapsed_ms: u64,
    /// Whether the timer is down meanwhile.
    is_outage: bool,
    case: usize,
    verb: Verb,
    by: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Wake,
    Claim,
    Renew,
    Release,
    Respond,
    /// The step before, once more.
    Repeat,
}

fn step() -> impl Strategy<Value = Step> {
    let elapsed_ms = prop_oneof![
        4 => Just(0),
        6 => 1..5_000_u64,
        // Just before, at and after whole minutes, where rungs and leases lie.
        8 => (1..6_u64, 0..3_u64).prop_map(|(minutes, off)| minutes * 60_000 + off - 1),
        1 => 600_000..4_000_000_u64,
    ];
    let verb = prop_oneof![
        4 => Just(Verb::Wake),
        5 => Just(Verb::Claim),
        4 => Just(Verb::Renew),
        2 => Just(Verb::Release),
        1 => Just(Verb::Respond),
        2 => Just(Verb::Repeat),
    ];
    let by = prop_oneof![Just("ana"), Just("bo")];
    (elapsed_ms, prop::bool::weighted(0.2), 0..CASES, verb, by).prop_map(
        |(elapsed_ms, is_outage, case, verb, by)| Step { elapsed_ms, is_outage, case, verb, by },
    )
}

/// What the oracle knows of one case: when it was claimed, for how long, and when it was answered.
struct Oracle {
    started_at: Timestamp,
    is_emergency: bool,
    /// Each claim's start and end; the end moves while the claim runs. A rung due at the instant of
    /// a claim comes before it.
    claims: Vec<(Timestamp, Timestamp)>,
    answered_at: Option<Timestamp>,
}

impl Oracle {
    /// Offset in milliseconds of every rung that must have passed by `now`, and whether it fired.
    /// Written from the public promise, not from the program.
    fn rungs(&self, now: Timestamp) -> BTreeMap<u64, bool> {
        const MINUTE: u64 = 60_000;
        let (ordinary, always, every): (&[u64], &[u64], u64) = if self.is_emergency {
            (&[0, 3, 7, 12], &[17, 20, 25, 28, 30], 3)
        } else {
            (&[12 * 60], &[24 * 60, 72 * 60], 24 * 60)
        };
        let last = always[always.len() - 1];
        let end = self.answered_at.unwrap_or(now).min(now);
        let elapsed_ms = end.as_millis() - self.started_at.as_millis();
        let mut rungs = BTreeMap::new();
        for minute in ordinary.iter().copied() {
            let due_at = self.started_at + Duration::from_millis(minute * MINUTE);
            let is_claimed =
                self.claims.iter().any(|(from, until)| *from < due_at && due_at < *until);
            rungs.insert(minute * MINUTE, !is_claimed);
        }
        let repeats = (1..).map(|count| last + count * every);
        for minute in always.iter().copied().chain(repeats) {
            if minute * MINUTE > elapsed_ms {
                break;
            }
            rungs.insert(minute * MINUTE, true);
        }
        rungs.retain(|offset_ms, _| *offset_ms <= elapsed_ms);
        rungs
    }
}

struct World {
    now: Timestamp,
    cases: Vec<(Case, Oracle, BTreeMap<u64, bool>)>,
    latest: Option<(usize, Command)>,
    events_seen: usize,
}

impl World {
    fn new() -> Self {
        let natures = [Nature::MissingChild, Nature::TerrorismInProgress, Nature::Routine];
        let cases = natures.iter().enumerate().map(|(index, nature)| {
            let next = accept(&format!("r-{index}"), *nature, START);
            let oracle = Oracle {
                started_at: START,
                is_emergency: *nature != Nature::Routine,
                claims: Vec::new(),
                answered_at: None,
            };
            let mut recorded = BTreeMap::new();
            record(&mut recorded, START, &next.events);
            (next.case, oracle, recorded)
        });
        Self { now: START, cases: cases.collect(), latest: None, events_seen: 0 }
    }

    /// Moves time on. A healthy timer looks at every case at the very instant of its wake.
    fn advance(&mut self, step: &Step) {
        let until = self.now + Duration::from_millis(step.elapsed_ms);
        for index in 0..CASES {
            while !step.is_outage
                && let Some(at) = wake_at(&self.cases[index].0)
                && at <= until
            {
                // A wake that an outage delayed is served as soon as the outage is over.
                let decision = self.decide(index, &Command::Wake, at.max(self.now));
                assert!(matches!(decision, Decision::Next(_)), "a wake that comes does something");
            }
        }
        self.now = until;
    }

    fn decide(&mut self, index: usize, command: &Command, now: Timestamp) -> Decision {
        let (case, oracle, recorded) = &mut self.cases[index];
        let decision = decide(Some(case), command, now, policy());
        if let Decision::Next(next) = &decision {
            assert_eq!(next.case.clock.limit_at, case.clock.limit_at, "the limit never moves");
            record(recorded, now, &next.events);
            self.events_seen += next.events.len();
            *case = next.case.clone();
            let lease = policy().lease();
            match command {
                // Once answered, claims quiet nothing any more.
                _ if oracle.answered_at.is_some() => {}
                Command::Claim(act) | Command::Renew(act, _) => match oracle.claims.last_mut() {
                    Some((_, until)) if *until > now => *until = now + lease,
                    _ => {
                        assert!(matches!(command, Command::Claim(_)), "{act:?} renewed nothing");
                        oracle.claims.push((now, now + lease));
                    }
                },
                Command::Release(..) => {
                    // What is due at this very instant came before the release.
                    let until = now + Duration::from_millis(1);
                    oracle.claims.last_mut().expect("something was held").1 = until;
                }
                Command::Respond(..) => oracle.answered_at = Some(now),
                Command::Wake | Command::Accept(_) => {}
            }
        }
        decision
    }

    fn command(&self, step: &Step, number: usize) -> Option<(usize, Command)> {
        let case = &self.cases[step.case].0;
        let act = act(step.by, &format!("act-{number}"));
        let epoch = case.claim_epoch;
        let kind = FirstResponseKind::NeedInformation;
        Some((
            step.case,
            match step.verb {
                Verb::Wake => Command::Wake,
                Verb::Claim => Command::Claim(act),
                Verb::Renew => Command::Renew(act, epoch),
                Verb::Release => Command::Release(act, epoch),
                Verb::Respond => Command::Respond(act, epoch, kind),
                Verb::Repeat => return self.latest.clone(),
            },
        ))
    }

    fn check(&self) {
        for (case, oracle, recorded) in &self.cases {
            let seen_until = case.last_event_at;
            let due = oracle.rungs(seen_until);
            assert_eq!(*recorded, due, "{case:?}");
            if case.is_unanswered() {
                assert!(wake_at(case).is_some(), "an unanswered case without a wake: {case:?}");
            }
        }
    }

    /// What must hold when the timer has been healthy up to now.
    fn check_all_seen(&self) {
        for (case, oracle, recorded) in &self.cases {
            assert_eq!(*recorded, oracle.rungs(self.now), "{case:?}");
        }
    }

    /// Claims hand out the lowest band first and, inside it, the earliest limit, by the words of
    /// the promise.
    fn check_order(&self) {
        let mut handed_out: Vec<&Case> =
            self.cases.iter().map(|(case, ..)| case).filter(|case| ready(case).is_some()).collect();
        handed_out.sort_by_key(|case| (ready(case), case.id));
        let mut specified: Vec<&Case> = handed_out.clone();
        specified.sort_by_key(|case| {
            let minutes_seen = case.last_event_at.since(START).as_secs() / 60;
            let (band, limit) = match case.nature {
                Nature::TerrorismInProgress => (0, 30),
                Nature::MissingChild if minutes_seen >= 20 => (0, 30),
                Nature::MissingChild => (1, 30),
                _ => (3, 72 * 60),
            };
            (band, limit, case.id)
        });
        assert_eq!(handed_out, specified);
    }
}

/// Writes down what passed, each rung once, none early.
fn record(recorded: &mut BTreeMap<u64, bool>, now: Timestamp, events: &[Event]) {
    for event in events {
        let (rung, has_fired) = match event {
            Event::RungFired(rung) => (rung, true),
            Event::RungQuieted(rung) => (rung, false),
            _ => continue,
        };
        for behind in 0..rung.count {
            let offset = rung.offset - rung.spacing * behind;
            assert!(START + offset <= now, "a rung fired early");
            let offset_ms = u64::try_from(offset.as_millis()).unwrap();
            assert_eq!(recorded.insert(offset_ms, has_fired), None, "a rung passed twice");
        }
    }
}

fn live(steps: &[Step]) -> (usize, [usize; 3]) {
    let mut world = World::new();
    // How often something was done, was already true, and was refused.
    let mut outcomes = [0; 3];
    for (number, step) in steps.iter().enumerate() {
        world.advance(step);
        if !step.is_outage {
            world.check_all_seen();
        }
        let Some((index, command)) = world.command(step, number) else { continue };
        let now = world.now;
        let before = world.cases[index].0.clone();
        let decision = world.decide(index, &command, now);
        match &decision {
            Decision::Next(_) => {
                outcomes[0] += 1;
                // Every act is idempotent, and so is a wake.
                let case = &world.cases[index].0;
                for again in [&command, &Command::Wake] {
                    let repeat = decide(Some(case), again, now, policy());
                    assert_eq!(repeat, Decision::AlreadyTrue);
                }
            }
            Decision::AlreadyTrue => outcomes[1] += 1,
            Decision::Refused(_) => outcomes[2] += 1,
        }
        if !matches!(decision, Decision::Next(_)) {
            assert_eq!(world.cases[index].0, before);
        }
        world.latest = Some((index, command));
        world.check();
        world.check_order();
    }
    (world.events_seen, outcomes)
}

#[test]
fn no_history_loses_a_rung() {
    let mut runner = TestRunner::new(Config { cases: HISTORIES, ..Config::default() });
    let totals = std::cell::RefCell::new((0, 0, [0; 3]));
    let histories = runner.run(&vec(step(), STEPS), |steps| {
        let (events, outcomes) = live(&steps);
        let mut totals = totals.borrow_mut();
        totals.0 += 1;
        totals.1 += events;
        (0..3).for_each(|index| totals.2[index] += outcomes[index]);
        Ok(())
    });
    histories.unwrap();
    let (histories, events, outcomes) = totals.into_inner();
    assert_eq!(histories, HISTORIES);
    // The histories did not pass by doing nothing.
    assert!(events > 100_000 && outcomes.iter().all(|count| *count > 10_000), "{outcomes:?}");
}
