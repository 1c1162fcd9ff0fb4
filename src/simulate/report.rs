//! What a night came to.

use std::time::Duration;

use super::options::Options;
use super::shift::Shift;
use super::tally::Tally;
use crate::core::{
    Case, Class, ClockKind, FirstResponseKind, Nature, Outcome, Punctuality, Timestamp,
};

/// What a night came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// What was simulated.
    pub options: Options,
    /// When it began.
    pub begins_at: Timestamp,
    /// When it ended.
    pub ends_at: Timestamp,
    /// Every case, in the order in which they came.
    pub cases: Vec<CaseFigures>,
    /// The queue over time.
    pub samples: Vec<Sample>,
    /// What was counted.
    pub tally: Tally,
}

/// What became of one case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaseFigures {
    /// When it came.
    pub accepted_at: Timestamp,
    /// What it was about.
    pub nature: Nature,
    /// Whether its sender said that it is about the event, whichever lane it waited in.
    pub is_of_incident: bool,
    /// How long it waited for its first response, or has waited until the end.
    pub waited: Duration,
    /// How that stands to the promise; of what is unanswered, how it stood at the end.
    pub punctuality: Punctuality,
    /// What its first response said, if it has one.
    pub response: Option<FirstResponseKind>,
    /// How many first responses were seen to go out.
    pub first_responses: u32,
    /// How it ended, and how long after it came.
    pub ended: Option<(Outcome, Duration)>,
}

impl CaseFigures {
    pub(super) fn of(
        case: &Case,
        ends_at: Timestamp,
        is_of_incident: bool,
        responses: u32,
    ) -> Self {
        let answered_at = case.first_response.as_ref().map(|response| response.at);
        Self {
            accepted_at: case.accepted_at,
            nature: case.nature,
            is_of_incident,
            waited: case.waited(ends_at),
            punctuality: case.punctuality(answered_at.unwrap_or(ends_at)),
            response: case.first_response.as_ref().map(|response| response.kind),
            first_responses: responses,
            ended: case.ended.map(|ended| (ended.outcome, ended.at.since(case.accepted_at))),
        }
    }

    /// Which promise it carried.
    #[must_use]
    pub const fn class(&self) -> Class {
        self.nature.class()
    }
}

/// The queue at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When.
    pub at: Timestamp,
    /// Emergencies of the ordinary lane that wait for an answer and that nobody works on.
    pub ordinary: u32,
    /// The same, of the incident's lane.
    pub incident: u32,
    /// Routine requests that wait for an answer and that nobody works on.
    pub routine: u32,
    /// Cases that have their answer and not yet their outcome.
    pub answered: u32,
    /// How many people are there.
    pub on_duty: u32,
    /// How many of them have nothing to do.
    pub idle: u32,
}

impl Sample {
    pub(super) const fn of(at: Timestamp) -> Self {
        Self { at, ordinary: 0, incident: 0, routine: 0, answered: 0, on_duty: 0, idle: 0 }
    }
}

/// Some of the cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Every emergency.
    Emergencies,
    /// The emergencies that have nothing to do with the event.
    Ordinary,
    /// The cases that are about the event.
    Incident,
    /// Everything without a life in danger.
    Routine,
}

impl Who {
    pub(super) fn includes(self, case: &CaseFigures) -> bool {
        let is_emergency = case.class() == Class::Emergency;
        match self {
            Self::Emergencies => is_emergency,
            Self::Ordinary => is_emergency && !case.is_of_incident,
            Self::Incident => is_emergency && case.is_of_incident,
            Self::Routine => !is_emergency,
        }
    }
}

/// How long some of the cases waited for their first response. Whoever is unanswered at the end has
/// waited until then, has missed what passed before, and is in no share of what did not pass yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// How many came.
    pub requests: u32,
    /// How many of them are unanswered at the end, late or not.
    pub unanswered: u32,
    /// How many were answered before the target, or cannot be any more.
    pub target_judged: u32,
    /// How many were answered before the limit, or cannot be any more.
    pub limit_judged: u32,
    /// How many were answered before the target.
    pub within_target: u32,
    /// How many were answered before the limit.
    pub within_limit: u32,
    /// How many were not.
    pub breached: u32,
    /// Half waited no longer than this.
    pub median: Duration,
    /// Ninety-five of a hundred waited no longer than this.
    pub p95: Duration,
    /// Nobody waited longer than this.
    pub max: Duration,
}

impl Waits {
    /// Counts the cases.
    pub fn of<'a>(cases: impl Iterator<Item = &'a CaseFigures>) -> Self {
        let mut waits = Self::default();
        let mut lengths = Vec::new();
        for case in cases {
            let is_answered = case.response.is_some();
            let (in_target, in_limit) = match case.punctuality {
                Punctuality::WithinTarget => (true, true),
                Punctuality::WithinLimit => (false, true),
                Punctuality::Breached => (false, false),
            };
            waits.requests += 1;
            waits.unanswered += u32::from(!is_answered);
            waits.target_judged += u32::from(is_answered || !in_target);
            waits.limit_judged += u32::from(is_answered || !in_limit);
            waits.within_target += u32::from(is_answered && in_target);
            waits.within_limit += u32::from(is_answered && in_limit);
            waits.breached += u32::from(!in_limit);
            lengths.push(case.waited);
        }
        lengths.sort_unstable();
        waits.median = quantile(&lengths, 50);
        waits.p95 = quantile(&lengths, 95);
        waits.max = quantile(&lengths, 100);
        waits
    }

    /// The share answered before the target; `None` when there is nothing to share.
    #[must_use]
    pub fn target_share(&self) -> Option<f64> {
        share(self.within_target, self.target_judged)
    }

    /// The share answered before the limit.
    #[must_use]
    pub fn limit_share(&self) -> Option<f64> {
        share(self.within_limit, self.limit_judged)
    }
}

/// The smallest of the sorted lengths that `percent` of them do not exceed.
fn quantile(lengths: &[Duration], percent: usize) -> Duration {
    let rank = (lengths.len() * percent).div_ceil(100);
    rank.checked_sub(1).and_then(|index| lengths.get(index)).copied().unwrap_or_default()
}

pub(super) fn share(part: u32, of: u32) -> Option<f64> {
    (of > 0).then(|| f64::from(part) / f64::from(of))
}

/// The emergencies that came in one hour of the night.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HourFigures {
    /// When the hour began.
    pub begins_at: Timestamp,
    /// How many had nothing to do with the event.
    pub ordinary: u32,
    /// How many were about it.
    pub incident: u32,
    /// How long all of them waited.
    pub waits: Waits,
}

/// How an incident was answered for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IncidentShares {
    /// How many cases were about it.
    pub cases: u32,
    /// How many of them came early enough to be judged by the shorter time.
    pub judged_by_share: u32,
    /// How many of those ended within it.
    pub ended_within_share: u32,
    /// How many came early enough to be judged by the longer time.
    pub judged_by_objective: u32,
    /// How many of those ended within it.
    pub ended_within_objective: u32,
}

impl Report {
    /// How long some of the cases waited.
    #[must_use]
    pub fn waits(&self, who: Who) -> Waits {
        Waits::of(self.cases.iter().filter(|case| who.includes(case)))
    }

    /// The emergencies by the hour in which they came.
    #[must_use]
    pub fn hours(&self) -> Vec<HourFigures> {
        let hour = Duration::from_hours(1);
        let hours = (0..self.options.hours).map(|number| self.begins_at + hour * number);
        hours
            .map(|begins_at| {
                let is_in = |case: &&CaseFigures| {
                    Who::Emergencies.includes(case)
                        && (begins_at..begins_at + hour).contains(&case.accepted_at)
                };
                let cases: Vec<&CaseFigures> = self.cases.iter().filter(is_in).collect();
                let of_incident = cases.iter().filter(|case| case.is_of_incident).count();
                let waits = Waits::of(cases.into_iter());
                let incident = u32::try_from(of_incident).unwrap_or(u32::MAX);
                HourFigures { begins_at, ordinary: waits.requests - incident, incident, waits }
            })
            .collect()
    }

    /// How the incident was answered for good. Cases that came too late for a verdict are in
    /// none of its shares.
    #[must_use]
    pub fn incident(&self) -> IncidentShares {
        let objective = &self.options.objective;
        let mut shares = IncidentShares::default();
        for case in self.cases.iter().filter(|case| Who::Incident.includes(case)) {
            shares.cases += 1;
            let age = self.ends_at.since(case.accepted_at);
            let took = case.ended.map(|(_, took)| took);
            let within = |limit: Duration| took.is_some_and(|took| took <= limit);
            let count =
                |limit: Duration| (u32::from(age > limit), u32::from(age > limit && within(limit)));
            let (judged, ended) = count(objective.share_within);
            shares.judged_by_share += judged;
            shares.ended_within_share += ended;
            let (judged, ended) = count(objective.answered_within);
            shares.judged_by_objective += judged;
            shares.ended_within_objective += ended;
        }
        shares
    }

    /// How many promises the desk broke, to emergencies and others: first responses, replies, updates
    /// and outcomes that were not there when their limit passed.
    #[must_use]
    pub fn promises_broken(&self) -> u32 {
        let promises = [
            ClockKind::FirstResponse,
            ClockKind::Reply,
            ClockKind::Progress,
            ClockKind::Completion,
        ];
        let passed = self.tally.passed.iter();
        let broken = passed.filter(|((clock, _), _)| promises.contains(clock));
        broken.map(|(_, passed)| passed.limits).sum()
    }

    /// How many of them were not first responses to emergencies.
    #[must_use]
    pub fn others_broken(&self) -> u32 {
        self.promises_broken().saturating_sub(self.waits(Who::Emergencies).breached)
    }

    /// How many people have something to do, of those who are there, on the average of a shift.
    #[must_use]
    pub fn busy_share(&self, shift: Shift) -> Option<f64> {
        let of_shift = self.samples.iter().filter(|sample| Shift::at(sample.at) == shift);
        let (on_duty, idle) = of_shift
            .fold((0, 0), |(on_duty, idle), sample| (on_duty + sample.on_duty, idle + sample.idle));
        share(on_duty - idle, on_duty)
    }
}
