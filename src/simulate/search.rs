//! How many people keep a goal: the smallest count in every shift.

use super::options::{Options, Responders};
use super::report::{CaseFigures, Report, Waits, Who};
use super::run;
use super::shift::Shift;

/// What a desk wants to keep in each of some nights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goal {
    /// The share of emergencies answered before the target.
    pub target_share: f64,
    /// The share of emergencies answered before the limit.
    pub limit_share: f64,
    /// Whether no limit of a reply, an update, an outcome or a routine request passes either.
    pub has_other_promises: bool,
    /// In how many nights, each of another seed.
    pub nights: u32,
    /// The most people there can be in a shift.
    pub responders_max: u32,
}

impl Default for Goal {
    /// Nearly all within the target, every single one within the limit. One night is chance.
    fn default() -> Self {
        Self {
            target_share: 0.95,
            limit_share: 1.0,
            has_other_promises: false,
            nights: 5,
            responders_max: 64,
        }
    }
}

impl Goal {
    /// Whether the night came up to it. A night without emergencies does.
    #[must_use]
    pub fn is_kept_by(&self, report: &Report) -> bool {
        let waits = report.waits(Who::Emergencies);
        let is_kept = |share: Option<f64>, goal: f64| share.is_none_or(|share| share >= goal);
        is_kept(waits.target_share(), self.target_share)
            && is_kept(waits.limit_share(), self.limit_share)
            && (report.others_broken() == 0 || !self.has_other_promises)
    }
}

/// One staffing that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    /// Who was there.
    pub responders: Responders,
    /// How long the emergencies of the nights waited that were tried.
    pub waits: Waits,
    /// How many other promises were broken in these nights.
    pub others_broken: u32,
    /// The seed of the night in which the goal was not kept. No further night was tried then.
    pub failed_in: Option<u64>,
}

impl Trial {
    /// Whether the goal was kept, in every night.
    #[must_use]
    pub const fn is_kept(&self) -> bool {
        self.failed_in.is_none()
    }
}

/// What a search found.
#[derive(Clone, Debug, PartialEq)]
pub struct Staffing {
    /// What was simulated; its seed is that of the first night, and the others follow on it.
    pub options: Options,
    /// What was wanted.
    pub goal: Goal,
    /// The fewest that keep the goal: with one less in any shift it is not kept. `None` when even
    /// the most there can be do not keep it.
    pub found: Option<Responders>,
    /// What was tried, in that order.
    pub trials: Vec<Trial>,
}

/// Finds the fewest people that keep the goal, meeting the same requests each time: first the same
/// number for all shifts, then fewer in one shift after the other. Each trial is told as it ends, since
/// a search may take long.
///
/// # Panics
/// If [`Options::check`] refuses the options.
#[must_use]
pub fn search(options: &Options, goal: &Goal, tell: &mut dyn FnMut(&Trial)) -> Staffing {
    let goal = Goal { responders_max: goal.responders_max.min(Responders::MAX), ..*goal };
    let mut search = Search { options: options.clone(), goal, trials: Vec::new(), tell };
    let found = search.fewest(Responders::each).map(|each| search.thin_out(Responders::each(each)));
    Staffing { options: options.clone(), goal, found, trials: search.trials }
}

struct Search<'a> {
    options: Options,
    goal: Goal,
    trials: Vec<Trial>,
    tell: &'a mut dyn FnMut(&Trial),
}

impl Search<'_> {
    fn is_kept(&mut self, responders: Responders) -> bool {
        if let Some(tried) = self.trials.iter().find(|trial| trial.responders == responders) {
            return tried.is_kept();
        }
        let trial = self.try_out(responders);
        (self.tell)(&trial);
        self.trials.push(trial);
        trial.is_kept()
    }

    /// Lets one night after the other go by, until the goal is not kept in one.
    fn try_out(&self, responders: Responders) -> Trial {
        let mut cases: Vec<CaseFigures> = Vec::new();
        let (mut others_broken, mut failed_in) = (0, None);
        for night in 0..u64::from(self.goal.nights) {
            let seed = self.options.seed.wrapping_add(night);
            let report = run(&Options { seed, responders, ..self.options.clone() });
            if !self.goal.is_kept_by(&report) {
                failed_in = Some(seed);
                // The figures are those of the night that failed.
                (others_broken, cases) = (0, Vec::new());
            }
            others_broken += report.others_broken();
            cases.extend(report.cases);
            if failed_in.is_some() {
                break;
            }
        }
        let emergencies = cases.iter().filter(|case| Who::Emergencies.includes(case));
        Trial { responders, waits: Waits::of(emergencies), others_broken, failed_in }
    }

    /// The smallest count that keeps the goal, of those that `with` makes a staffing of; doubling
    /// first, so that a small desk is found among small desks.
    fn fewest(&mut self, with: impl Fn(u32) -> Responders) -> Option<u32> {
        if self.is_kept(with(0)) {
            return Some(0);
        }
        let (mut too_few, mut enough) = (0, 1);
        while !self.is_kept(with(enough)) {
            if enough >= self.goal.responders_max {
                return None;
            }
            too_few = enough;
            enough = (enough * 2).min(self.goal.responders_max);
        }
        Some(self.fewest_between(too_few, enough, with))
    }

    /// The same, where it is known that `too_few` do not keep the goal and that `enough` do.
    fn fewest_between(
        &mut self,
        mut too_few: u32,
        mut enough: u32,
        with: impl Fn(u32) -> Responders,
    ) -> u32 {
        while enough - too_few > 1 {
            let middle = too_few.midpoint(enough);
            if self.is_kept(with(middle)) {
                enough = middle;
            } else {
                too_few = middle;
            }
        }
        enough
    }

    /// The same, where it is known that `enough` do: in growing steps, as a desk that is too small
    /// takes long to simulate.
    fn fewest_below(&mut self, mut enough: u32, with: impl Fn(u32) -> Responders) -> u32 {
        let mut step = 1;
        while enough > 0 {
            let fewer = enough.saturating_sub(step);
            if !self.is_kept(with(fewer)) {
                return self.fewest_between(fewer, enough, with);
            }
            enough = fewer;
            step *= 2;
        }
        0
    }

    /// Takes people away, one shift after the other, until none can go.
    fn thin_out(&mut self, mut responders: Responders) -> Responders {
        loop {
            let before = responders;
            for shift in Shift::ALL.iter().copied() {
                let with = |count| responders.with(shift, count);
                let fewest = self.fewest_below(responders.of(shift), with);
                responders = responders.with(shift, fewest);
            }
            if responders == before {
                return responders;
            }
        }
    }
}
