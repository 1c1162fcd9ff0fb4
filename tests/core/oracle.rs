//! What must happen to a case, computed from offsets, claims and acts alone. It is written from the
//! public promise, not from the program, and never looks at a wake.

use std::time::Duration;

use urgence::core::projection::Place;
use urgence::core::{
    Act, Band, ClockKind, DataCategory, Deed, FirstResponseKind, Lane, Nature, PauseReason,
    Proposed, Subject, Timestamp,
};

use crate::make::minutes;

const MINUTE: u64 = 1;
const HOUR: u64 = 60;
const DAY: u64 = 24 * HOUR;
const LEASE: Duration = minutes(5);

/// The rungs of a promise, in minutes: those that a claim keeps quiet, those that nothing does, and
/// what repeats for ever after.
#[derive(Clone, Copy)]
struct Ladder {
    ordinary: &'static [u64],
    always: &'static [u64],
    every: u64,
    target: u64,
    limit: u64,
}

const EMERGENCY: Ladder = Ladder {
    ordinary: &[0, 3, 7, 12],
    always: &[17, 20, 25, 28, 30],
    every: 3,
    target: 20 * MINUTE,
    limit: 30 * MINUTE,
};
const ROUTINE: Ladder = Ladder {
    ordinary: &[12 * HOUR],
    always: &[24 * HOUR, 72 * HOUR],
    every: 24 * HOUR,
    target: 24 * HOUR,
    limit: 72 * HOUR,
};
const EMERGENCY_OUTCOME: Ladder = Ladder {
    ordinary: &[2 * HOUR],
    always: &[3 * HOUR, 4 * HOUR],
    every: HOUR,
    target: 3 * HOUR,
    limit: 4 * HOUR,
};
const ROUTINE_OUTCOME: Ladder = Ladder {
    ordinary: &[5 * DAY],
    always: &[7 * DAY, 10 * DAY],
    every: DAY,
    target: 7 * DAY,
    limit: 10 * DAY,
};
const UPDATE: Ladder =
    Ladder { ordinary: &[], always: &[50, 60], every: 15, target: 50, limit: 60 };

impl Ladder {
    fn of(kind: ClockKind, nature: Nature) -> Self {
        let is_routine = nature == Nature::Routine;
        match kind {
            ClockKind::FirstResponse | ClockKind::Reply if is_routine => ROUTINE,
            ClockKind::FirstResponse | ClockKind::Reply => EMERGENCY,
            ClockKind::Completion if is_routine => ROUTINE_OUTCOME,
            ClockKind::Completion => EMERGENCY_OUTCOME,
            ClockKind::Progress => UPDATE,
            other => panic!("not watched: {other:?}"),
        }
    }

    /// The offset of the rung with this number, and whether a claim keeps it quiet.
    fn rung(&self, number: usize) -> (Duration, bool) {
        let named = self.ordinary.len() + self.always.len();
        let minute = if number < self.ordinary.len() {
            self.ordinary[number]
        } else if number < named {
            self.always[number - self.ordinary.len()]
        } else {
            self.limit + self.every * (number + 1 - named) as u64
        };
        (minutes(minute), number < self.ordinary.len())
    }
}

/// The clocks that the oracle knows.
pub const WATCHED: [ClockKind; 4] =
    [ClockKind::FirstResponse, ClockKind::Reply, ClockKind::Progress, ClockKind::Completion];

/// One clock that runs, or stands still.
#[derive(Clone)]
pub struct Run {
    pub kind: ClockKind,
    ladder: Ladder,
    started_at: Timestamp,
    /// For how long it has stood still.
    paused: Duration,
    pub paused_since: Option<Timestamp>,
    /// Whether it stands still until the authority answers.
    waits_for_answer: bool,
    /// How many of its rungs have passed.
    passed: usize,
}

impl Run {
    fn after(&self, offset: Duration) -> Timestamp {
        self.started_at + self.paused + offset
    }

    pub fn target_at(&self) -> Timestamp {
        self.after(minutes(self.ladder.target))
    }

    pub fn limit_at(&self) -> Timestamp {
        self.after(minutes(self.ladder.limit))
    }

    fn next_due_at(&self) -> Option<Timestamp> {
        let due_at = self.after(self.ladder.rung(self.passed).0);
        self.paused_since.is_none().then_some(due_at)
    }
}

/// A rung that has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Passed {
    pub kind: ClockKind,
    pub due_at: Timestamp,
    pub offset: Duration,
    pub has_fired: bool,
}

/// What is known of one case.
#[derive(Clone)]
pub struct Oracle {
    nature: Nature,
    band: u8,
    pub runs: Vec<Run>,
    /// Who holds the case, and until when.
    pub holder: Option<(Subject, Timestamp)>,
    first_response_limit_at: Timestamp,
    is_asked: bool,
    is_withdrawn: bool,
    pub is_ended: bool,
    is_in_incident: bool,
    undecided: Vec<DataCategory>,
    proposed: Option<Proposed>,
    lowering_by: Option<Subject>,
}

impl Oracle {
    /// A case of `nature` that asks for these categories, just accepted.
    pub fn new(nature: Nature, categories: &[DataCategory], now: Timestamp) -> (Self, Vec<Passed>) {
        let mut oracle = Self {
            nature,
            band: band(nature),
            runs: Vec::new(),
            holder: None,
            first_response_limit_at: now,
            is_asked: false,
            is_withdrawn: false,
            is_ended: false,
            is_in_incident: false,
            undecided: categories.to_vec(),
            proposed: None,
            lowering_by: None,
        };
        oracle.start(ClockKind::FirstResponse, now);
        oracle.start(ClockKind::Completion, now);
        oracle.first_response_limit_at = oracle.runs[0].limit_at();
        let passed = oracle.advance(now);
        (oracle, passed)
    }

    /// Lets time pass. At one instant the lease ends first, then rungs pass.
    pub fn advance(&mut self, now: Timestamp) -> Vec<Passed> {
        let mut all = Vec::new();
        let is_emergency = self.nature != Nature::Routine;
        for run in &mut self.runs {
            while let Some(due_at) = run.next_due_at().filter(|due_at| *due_at <= now) {
                let (offset, is_ordinary) = run.ladder.rung(run.passed);
                let is_held = self.holder.as_ref().is_some_and(|(_, until)| due_at < *until);
                let has_fired = !(is_ordinary && is_held);
                all.push(Passed { kind: run.kind, due_at, offset, has_fired });
                run.passed += 1;
                let is_waited_on = matches!(run.kind, ClockKind::FirstResponse | ClockKind::Reply);
                if is_waited_on && is_emergency && offset == minutes(run.ladder.target) {
                    self.band = 0;
                }
            }
        }
        self.holder.take_if(|(_, until)| *until <= now);
        all
    }

    /// Whether something should have been seen by `now`.
    pub fn is_behind(&self, now: Timestamp) -> bool {
        let is_due = |run: &Run| run.next_due_at().is_some_and(|due_at| due_at <= now);
        self.runs.iter().any(is_due) || self.holder.as_ref().is_some_and(|(_, until)| *until <= now)
    }

    /// Takes note of an act that was carried out at `now`, after what was due then.
    pub fn act(&mut self, act: &Act, deed: &Deed, now: Timestamp) -> Vec<Passed> {
        match deed {
            Deed::Claim => self.holder = Some((act.by.clone(), now + LEASE)),
            Deed::Release(_) => self.holder = None,
            Deed::HandOver(_, to) => self.holder = Some((to.clone(), now + LEASE)),
            Deed::Respond(_, kind) => self.respond(*kind, now),
            Deed::SendUpdate(..) => self.say(now),
            Deed::AskForInformation(_) => {
                self.is_asked = true;
                self.say(now);
            }
            Deed::ProvideInformation => {
                // What stood still for the answer goes on.
                for run in self.runs.iter_mut().filter(|run| run.waits_for_answer) {
                    run.paused += now.since(run.paused_since.take().unwrap());
                    run.waits_for_answer = false;
                }
                if std::mem::take(&mut self.is_asked) {
                    self.band = band(self.nature);
                    self.start(ClockKind::Reply, now);
                }
            }
            Deed::Reclassify(Some(nature), _) => self.reclassify(*nature, &act.by, now),
            Deed::ProposeOutcome(_, proposed) => self.proposed = Some(proposed.clone()),
            Deed::ApproveOutcome(..) => self.approve(now),
            Deed::Withdraw => self.is_withdrawn = true,
            Deed::ConfirmWithdrawal(_) => self.end(),
            Deed::DeclineWithdrawal(_) => self.is_withdrawn = false,
            Deed::PauseClock(_, kind, reason) => {
                let run = self.run(*kind).unwrap();
                run.paused_since = Some(now);
                run.waits_for_answer = *reason == PauseReason::AwaitingInformation;
            }
            Deed::ResumeClock(_, kind) => {
                let run = self.run(*kind).unwrap();
                run.paused += now.since(run.paused_since.take().unwrap());
                run.waits_for_answer = false;
            }
            Deed::Renew(_)
            | Deed::Reclassify(None, _)
            | Deed::RecordVerification(_)
            | Deed::RecordConflict(..)
            | Deed::LinkDuplicate(..)
            | Deed::SettleClock(..)
            | Deed::AcknowledgePage(_)
            | Deed::RequestPreservation
            | Deed::ConfirmDelivery(_)
            | Deed::SetLegalHold(_) => {}
        }
        // What the act has made overdue passes with it, then the act extends its author's claim.
        let passed = self.advance(now);
        if let Some((by, until)) = &mut self.holder
            && *by == act.by
        {
            *until = now + LEASE;
        }
        passed
    }

    pub fn sort(&mut self, is_in_incident: bool) {
        self.is_in_incident = is_in_incident;
    }

    fn run(&mut self, kind: ClockKind) -> Option<&mut Run> {
        self.runs.iter_mut().find(|run| run.kind == kind)
    }

    fn start(&mut self, kind: ClockKind, now: Timestamp) {
        let ladder = Ladder::of(kind, self.nature);
        let paused = Duration::ZERO;
        let (paused_since, waits_for_answer) = (None, false);
        let run = Run {
            kind,
            ladder,
            started_at: now,
            paused,
            paused_since,
            waits_for_answer,
            passed: 0,
        };
        self.stop(kind);
        self.runs.push(run);
    }

    fn stop(&mut self, kind: ClockKind) {
        self.runs.retain(|run| run.kind != kind);
    }

    fn respond(&mut self, kind: FirstResponseKind, now: Timestamp) {
        self.stop(ClockKind::FirstResponse);
        match kind {
            FirstResponseKind::InProgress { .. } => self.start(ClockKind::Progress, now),
            FirstResponseKind::NeedInformation => self.is_asked = true,
            _ => self.end(),
        }
    }

    /// A word to the authority: it answers a reply, and the next is due within the hour, unless it
    /// is the authority's turn.
    fn say(&mut self, now: Timestamp) {
        self.stop(ClockKind::Reply);
        self.stop(ClockKind::Progress);
        if !self.is_asked {
            self.start(ClockKind::Progress, now);
        }
    }

    fn reclassify(&mut self, nature: Nature, by: &Subject, now: Timestamp) {
        let is_routine = |nature| nature == Nature::Routine;
        if nature == self.nature {
            return;
        }
        if is_routine(nature) && self.lowering_by.is_none() {
            self.lowering_by = Some(by.clone());
            return;
        }
        assert!(!is_routine(nature) || self.lowering_by.as_ref() != Some(by), "it takes two");
        self.lowering_by = None;
        let was_routine = is_routine(self.nature);
        self.nature = nature;
        self.band = band(nature);
        if is_routine(nature) {
            return;
        }
        if was_routine {
            for run in &mut self.runs {
                let ladder = Ladder::of(run.kind, nature);
                if ladder.limit != run.ladder.limit {
                    (run.ladder, run.passed) = (ladder, 0);
                }
            }
        }
        if let Some(limit_at) = self.run(ClockKind::FirstResponse).map(|run| run.limit_at()) {
            self.first_response_limit_at = limit_at;
        }
        let is_overdue = |run: &Run| run.kind != ClockKind::Progress && now >= run.target_at();
        let mut waited_on = self.runs.iter().filter(|run| run.kind != ClockKind::Completion);
        if waited_on.any(is_overdue) {
            self.band = 0;
        }
    }

    fn approve(&mut self, now: Timestamp) {
        self.stop(ClockKind::FirstResponse);
        match self.proposed.take().unwrap() {
            Proposed::Categories { dispositions, .. } => {
                self.undecided.retain(|category| !dispositions.contains_key(category));
                if self.undecided.is_empty() {
                    self.end();
                } else {
                    self.say(now);
                }
            }
            Proposed::Whole(_) => self.end(),
        }
    }

    fn end(&mut self) {
        self.is_ended = true;
        self.is_asked = false;
        self.runs.clear();
        self.holder = None;
        self.proposed = None;
    }

    /// Where it waits to be claimed, by the words of the promise.
    pub fn place(&self) -> Option<(Lane, Place)> {
        let is_theirs = self.is_asked && !self.is_withdrawn;
        if self.is_ended || self.holder.is_some() || is_theirs {
            return None;
        }
        let is_waited_on =
            |run: &Run| matches!(run.kind, ClockKind::FirstResponse | ClockKind::Reply);
        let running = self.runs.iter().filter(|run| run.paused_since.is_none());
        let place = if self.runs.iter().any(is_waited_on) {
            // A raised case may owe its reply before the routine promise that it began with.
            let reply = self.runs.iter().find(|run| run.kind == ClockKind::Reply);
            let limit_at = reply.map_or(self.first_response_limit_at, Run::limit_at);
            let limit_at = limit_at.min(self.first_response_limit_at);
            Place::new(Band::new(self.band).unwrap(), limit_at)
        } else {
            // Whoever has an answer waits behind everybody who has none, and before routine.
            let band = if self.nature == Nature::Routine { 3 } else { 2 };
            let limit_at = running.map(Run::limit_at).min();
            let limit_at = limit_at.unwrap_or(self.first_response_limit_at);
            Place::answered(Band::new(band).unwrap(), limit_at)
        };
        let lane = if self.is_in_incident { Lane::Incident } else { Lane::Ordinary };
        Some((lane, place))
    }
}

/// Whose life may be lost before the next rung goes first, routine last.
fn band(nature: Nature) -> u8 {
    match nature {
        Nature::TerrorismInProgress | Nature::Kidnapping => 0,
        Nature::CriticalInfrastructure => 2,
        Nature::Routine => 3,
        _ => 1,
    }
}
