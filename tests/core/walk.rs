//! Every sequence of commands at the instants where something changes.
//!
//! Everything that can be asked, hostile arguments included, is walked three steps deep. Six steps of
//! all of it would be more states than a test has time for, so six steps are walked by theme: the
//! commands that touch each other, from the case at which they begin to matter. The themes together
//! hold every deed. States that differ only in what they remember are walked once.
//!
//! In the suite at most [`FRONTIER_MAX`] states go on from one step of a theme to the next: the same
//! ones each time, in no order that a rule could know. `cargo test --test core -- --ignored` leaves
//! none out: seven and a half million decisions, ten minutes, for whoever changes a rule.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hasher as _};
use std::time::Duration;

use urgence::core::projection::wake_at;
use urgence::core::{
    Case, Command, Decision, Event, Memory, PageRecord, SinkAnswer, Timestamp, decide,
};

use crate::coverage::{
    DEEDS, EVENTS, REFUSALS, REPORTS, SORTINGS, deed_name, event_name, refusal_name, report_name,
    sorting_name,
};
use crate::make::{START, hours, just_before, minutes, policy};
use crate::walk_everything;
use crate::walk_record::check_record;
use crate::walk_rules::{check, check_nothing_to_do};
use crate::walk_themes::{self, Theme};

/// How many states of a theme go on from one step to the next.
const FRONTIER_MAX: usize = 250;

/// At which instants a step of a theme is taken, seen from the case.
#[derive(Clone, Copy)]
pub enum Instants {
    /// This instant and that at which something falls due.
    Due,
    /// Those, and one after an outage of this length.
    Outage(Duration),
    /// Those, the last instant before something falls due, and one after an outage of 16 minutes.
    All,
}

impl Instants {
    fn of(self, case: &Case) -> Vec<Timestamp> {
        let now = case.last_event_at;
        let Some(due_at) = wake_at(case) else { return vec![now, now + hours(1)] };
        let before = just_before(due_at).max(now);
        let mut instants = match self {
            Self::Due => vec![now, due_at],
            Self::Outage(length) => vec![now, due_at, due_at + length],
            Self::All => vec![now, before, due_at, due_at + minutes(16)],
        };
        instants.dedup();
        instants
    }
}

/// What a walk has met.
#[derive(Default)]
struct Met {
    decisions: u64,
    transitions: u64,
    done: BTreeSet<&'static str>,
    refusals: BTreeSet<&'static str>,
    events: BTreeSet<&'static str>,
}

impl Met {
    fn events(&mut self, events: &[Event]) {
        self.events.extend(events.iter().map(event_name));
    }

    /// Takes every command of `theme` at every instant, `steps` deep, from at most `frontier_max`
    /// states of each step.
    fn walk(&mut self, theme: &Theme, steps: u32, frontier_max: usize) {
        let before = self.decisions;
        let mut frontier: BTreeMap<u64, Case> =
            theme.starts.iter().map(|case| (shape(case), case.clone())).collect();
        for step in 1..=steps {
            let mut next_frontier = BTreeMap::new();
            for case in frontier.values().take(frontier_max) {
                for command in (theme.commands)(case, step) {
                    for now in theme.instants.of(case) {
                        let Some(next) = self.take(case, &command, now) else { continue };
                        // Nothing is taken from the states of the last step.
                        if step < steps {
                            next_frontier.insert(shape(&next), next);
                        }
                    }
                }
            }
            frontier = next_frontier;
        }
        assert!(self.decisions - before > 10_000, "{} went nowhere", theme.name);
    }

    fn take(&mut self, case: &Case, command: &Command, now: Timestamp) -> Option<Case> {
        self.decisions += 1;
        match decide(Some(case), command, now, policy()) {
            Decision::Next(next) => {
                check(case, command, now, &next.case, &next.events);
                check_record(case, command, &next);
                self.transitions += 1;
                self.events(&next.events);
                match command {
                    Command::Act(_, deed) => _ = self.done.insert(deed_name(deed)),
                    Command::Sort(sorting) => _ = self.done.insert(sorting_name(sorting)),
                    Command::Report(report) => _ = self.done.insert(report_name(report)),
                    Command::Wake | Command::Accept(_) => {}
                }
                Some(next.case)
            }
            Decision::AlreadyTrue => {
                check_nothing_to_do(case, command, now);
                None
            }
            Decision::Refused(refusal) => {
                self.refusals.insert(refusal_name(&refusal));
                None
            }
        }
    }

    fn check_all(&self) {
        let all = |names: &[&'static str]| BTreeSet::from_iter(names.iter().copied());
        assert_eq!(self.done, &(&all(DEEDS) | &all(SORTINGS)) | &all(REPORTS));
        assert_eq!(self.events, all(EVENTS));
        // Whether there is a case, and what became of another, is found out before a case is decided.
        let found_before = all(&["CaseNotFound", "OriginalIsDuplicate"]);
        assert_eq!(self.refusals, &all(REFUSALS) - &found_before);
    }
}

/// The case without its memory and version, which no rule but recall reads, and without the times in
/// the records of its pages: rules read whether something has become of a page, never when.
fn shape(case: &Case) -> u64 {
    struct Shape(DefaultHasher);
    impl std::fmt::Write for Shape {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            self.0.write(text.as_bytes());
            Ok(())
        }
    }
    let mut plain = Case { memory: Memory::default(), version: 0, ..case.clone() };
    plain.pages.iter_mut().for_each(timeless);
    let mut shape = Shape(DefaultHasher::new());
    write!(shape, "{plain:?}").unwrap();
    shape.0.finish()
}

fn timeless(record: &mut PageRecord) {
    let PageRecord {
        page: _,
        queued_at,
        answers,
        taken_at,
        acknowledged,
        claimed_at,
        closed_at,
        ..
    } = record;
    let acknowledged = acknowledged.as_mut().map(|acknowledged| &mut acknowledged.at);
    // When a sink closed it is read: what was sent after that has opened it again.
    let kept = |(answer, _): &&mut (SinkAnswer, _)| *answer != SinkAnswer::Resolved;
    let answered = answers.values_mut().filter(kept).map(|(_, at)| at);
    let other = taken_at.iter_mut().chain(claimed_at).chain(closed_at).chain(acknowledged);
    answered.chain(other).chain([queued_at]).for_each(|at| *at = START);
}

fn walk_everywhere(frontier_max: usize) -> Met {
    let mut met = Met::default();
    met.events(&walk_themes::accepted_events());
    for theme in walk_themes::six_steps_deep() {
        met.walk(&theme, 6, frontier_max);
    }
    // The themes alone have done everything that can be done.
    assert_eq!(met.done, DEEDS.iter().chain(SORTINGS).chain(REPORTS).copied().collect());
    for theme in walk_everything::three_steps_deep() {
        met.walk(&theme, 3, usize::MAX);
    }
    met.check_all();
    met
}

#[test]
fn every_walk_keeps_the_invariants() {
    let met = walk_everywhere(FRONTIER_MAX);
    assert!(met.decisions > 200_000, "only {} decisions", met.decisions);
    assert!(met.transitions > 100_000, "only {} transitions", met.transitions);
}

#[test]
#[ignore = "ten minutes: run by `make walk`, for a change to a rule and before a release"]
fn every_walk_without_bound_keeps_the_invariants() {
    let met = walk_everywhere(usize::MAX);
    assert!(met.transitions > 1_000_000, "only {} transitions", met.transitions);
}
