//! Random histories of every deed in virtual time, against an oracle that never looks at a wake.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use urgence::core::projection::{ready, wake_at};
use urgence::core::{
    Case, CaseId, ClockKind, Command, DataCategory, Decision, Deed, Disposition, Ending, Event,
    Finding, FirstResponseKind, Nature, PageKey, PauseReason, Proposed, Protection, Report, Risk,
    SentPage, Settlement, SinkAnswer, Sorting, Stance, Timestamp, decide,
};

use crate::coverage::{DEEDS, REPORTS, SORTINGS, deed_name, report_name, sorting_name};
use crate::make::{
    IN_PROGRESS, START, act, approve, ask_for, by_category, called_back, intake_with, next, policy,
};
use crate::oracle::{Oracle, Passed, WATCHED};
use crate::walk_pages::{check_records, is_about_another_sending};
use crate::walk_record::check_record;

const HISTORIES: u32 = 2_000;
const STEPS: usize = 100;
const NATURES: [Nature; 3] = [Nature::MissingChild, Nature::TerrorismInProgress, Nature::Routine];
const CATEGORIES: [DataCategory; 2] = [DataCategory::Subscriber, DataCategory::Content];

/// One step of a history.
#[derive(Clone, Debug)]
struct Step {
    /// How far time moves on first, in milliseconds.
    elapsed_ms: u64,
    /// Whether the timer is down meanwhile.
    is_outage: bool,
    case: usize,
    verb: &'static str,
    by: &'static str,
    /// Whether it is the holder who acts, if somebody holds the case; if nobody does, it is claimed.
    is_holder: bool,
    /// Chooses among what the verb may be about.
    choice: usize,
}

/// What may be done, and how often: ends are rare, lest a history be over at once.
const VERBS: [(usize, &str); 28] = [
    (3, "Wake"),
    (5, "Claim"),
    (2, "Renew"),
    (2, "Release"),
    (1, "HandOver"),
    (4, "Respond"),
    (3, "SendUpdate"),
    (2, "AskForInformation"),
    (2, "ProvideInformation"),
    (2, "Reclassify"),
    (2, "RecordVerification"),
    (1, "RecordConflict"),
    (1, "LinkDuplicate"),
    (3, "ProposeOutcome"),
    (4, "ApproveOutcome"),
    (1, "Withdraw"),
    (1, "ConfirmWithdrawal"),
    (1, "DeclineWithdrawal"),
    (2, "PauseClock"),
    (2, "ResumeClock"),
    (1, "SettleClock"),
    (1, "AcknowledgePage"),
    (1, "RequestPreservation"),
    (2, "ConfirmDelivery"),
    (1, "SetLegalHold"),
    (1, "Sort"),
    (6, "Report"),
    (3, "Repeat"),
];

fn step() -> impl Strategy<Value = Step> {
    let elapsed_ms = prop_oneof![
        6 => Just(0),
        6 => 1..5_000_u64,
        // Just before, at and after whole minutes, where rungs and leases lie.
        7 => (1..6_u64, 0..3_u64).prop_map(|(minutes, off)| minutes * 60_000 + off - 1),
        1 => 600_000..4_000_000_u64,
    ];
    let by = (select(&["ana", "bo", "lea"][..]), prop::bool::weighted(0.6));
    let verbs = VERBS.iter().flat_map(|(weight, verb)| vec![*verb; *weight]);
    let what = (0..NATURES.len(), select(verbs.collect::<Vec<_>>()), by, 0..12_usize);
    (elapsed_ms, prop::bool::weighted(0.2), what).prop_map(
        |(elapsed_ms, is_outage, (case, verb, (by, is_holder), choice))| Step {
            elapsed_ms,
            is_outage,
            case,
            verb,
            by,
            is_holder,
            choice,
        },
    )
}

/// What a step asks of a case.
fn deed(case: &Case, step: &Step) -> Deed {
    let (epoch, choice) = (case.claim_epoch, step.choice);
    let other = CaseId::derive(&"fr-pnij".parse().unwrap(), &"another".parse().unwrap());
    match step.verb {
        "Claim" => Deed::Claim,
        "Renew" => Deed::Renew(epoch),
        "Release" => Deed::Release(epoch),
        "HandOver" => Deed::HandOver(epoch, ["ana", "bo"][choice % 2].parse().unwrap()),
        "Respond" => Deed::Respond(
            epoch,
            match choice {
                0 if step.elapsed_ms % 2 == 1 => FirstResponseKind::NoData,
                0..6 => FirstResponseKind::NeedInformation,
                _ => IN_PROGRESS,
            },
        ),
        "SendUpdate" => Deed::SendUpdate(epoch, None),
        "AskForInformation" => Deed::AskForInformation(epoch),
        "ProvideInformation" => Deed::ProvideInformation,
        "Reclassify" => {
            let natures = [Nature::Routine, Nature::MissingChild, Nature::Kidnapping];
            match choice {
                0 => Deed::Reclassify(None, Some(Protection::Press)),
                _ => Deed::Reclassify(Some(natures[choice % 3]), None),
            }
        }
        "RecordVerification" => Deed::RecordVerification(match choice {
            0 => Finding::SuspectedFraud,
            _ => called_back("fr-pnij"),
        }),
        "RecordConflict" => {
            let stance = Stance::ALL[choice % 2];
            Deed::RecordConflict(CATEGORIES[1], "US".parse().ok(), stance)
        }
        "LinkDuplicate" => Deed::LinkDuplicate(other, "fr-pnij".parse().unwrap()),
        "ProposeOutcome" => Deed::ProposeOutcome(epoch, proposed(choice, other)),
        "ApproveOutcome" => approve(case.proposals),
        "Withdraw" => Deed::Withdraw,
        "ConfirmWithdrawal" => Deed::ConfirmWithdrawal(epoch),
        "DeclineWithdrawal" => Deed::DeclineWithdrawal(epoch),
        "PauseClock" => {
            let is_asked = case.asked_at.is_some();
            let reasons = [PauseReason::ConflictReview, PauseReason::AwaitingInformation];
            Deed::PauseClock(epoch, ClockKind::Completion, reasons[usize::from(is_asked)])
        }
        "ResumeClock" => Deed::ResumeClock(epoch, ClockKind::Completion),
        "SettleClock" => {
            let kinds = [ClockKind::UserNotice, ClockKind::ExPostValidation];
            Deed::SettleClock(kinds[choice % 2], Settlement::Kept)
        }
        "AcknowledgePage" => {
            let clock = ClockKind::FirstResponse;
            let offset = Duration::from_mins([0, 3, 7, 12][choice % 4]);
            Deed::AcknowledgePage(PageKey { case: case.id, clock, cycle: 0, offset })
        }
        "RequestPreservation" => Deed::RequestPreservation,
        "ConfirmDelivery" => Deed::ConfirmDelivery(1 + choice as u32 % case.proposals.max(1)),
        "SetLegalHold" => Deed::SetLegalHold(case.legal_hold.is_none()),
        other => panic!("no deed: {other}"),
    }
}

fn proposed(choice: usize, other: CaseId) -> Proposed {
    let category = CATEGORIES[choice % 2];
    match choice {
        0 => Proposed::Whole(Ending::Duplicate(other)),
        1 => Proposed::Whole(Ending::FraudConfirmed),
        2..10 => by_category(&[(category, Disposition::Disclosed)]),
        _ => by_category(&[(category, Disposition::NotHeld)]),
    }
}

fn command(case: &Case, step: &Step, number: usize) -> Command {
    match (step.verb, step.choice) {
        ("Wake", _) => Command::Wake,
        ("Sort", 0..4) => Command::Sort(Sorting::JoinIncident("paris".parse().unwrap())),
        ("Sort", 7..9) => Command::Sort(Sorting::SuspendAuthority),
        ("Sort", 9) => Command::Sort(Sorting::Risk(Risk::TargetAcrossAuthorities)),
        ("Sort", 4..7) => Command::Sort(Sorting::LeaveIncident("paris".parse().unwrap())),
        ("Sort", _) => Command::Sort(crate::likely_duplicates::found(&["de-bka"])),
        ("Report", choice) => Command::Report(report(case, choice)),
        (verb, _) => {
            let is_portal = ["ProvideInformation", "Withdraw", "RequestPreservation"];
            let by = match &case.claim {
                _ if is_portal.contains(&verb) => "portal",
                _ if verb == "ApproveOutcome" => ["lea", "bo"][step.choice % 2],
                Some(claim) if step.is_holder => claim.by.as_str(),
                Some(_) | None => step.by,
            };
            Command::Act(act(by, &format!("act-{number}")), deed(case, step))
        }
    }
}

/// What became of one page or another, or of what a replica may have sent that knows the case as it is
/// and cannot reach the store.
fn report(case: &Case, choice: usize) -> Report {
    let records = &case.pages;
    let Some(record) = records.iter().rev().nth(choice % 3).or(records.last()) else {
        return Report::FromMemory(Vec::new());
    };
    let key = record.page.key;
    let answered = |sink: &str, answer| Report::Answered(key, sink.parse().unwrap(), answer);
    match choice {
        0..3 => answered("log", SinkAnswer::Taken),
        3 => answered("log", SinkAnswer::Failed),
        4 => answered("hook", SinkAnswer::Taken),
        5..7 => answered("log", SinkAnswer::Resolved),
        7..9 => Report::Unreached(key, record.widened),
        _ => {
            let Some(due_at) = wake_at(case) else { return Report::FromMemory(Vec::new()) };
            let seen = next(decide(Some(case), &Command::Wake, due_at, policy()));
            let sent = seen.events.into_iter().filter_map(|event| match event {
                Event::Paged(page) => {
                    let at = due_at + Duration::from_secs(3);
                    Some(SentPage { page, at, taken_by: ["log".parse().unwrap()].into() })
                }
                _ => None,
            });
            Report::FromMemory(sent.collect())
        }
    }
}

/// What has come of commands, over all histories.
#[derive(Default)]
struct Totals {
    histories: u32,
    decisions: u64,
    rungs: u64,
    already_true: u64,
    refused: u64,
    done: BTreeMap<&'static str, u64>,
}

struct World<'a> {
    now: Timestamp,
    cases: Vec<(Case, Oracle)>,
    latest: Option<(usize, Command)>,
    totals: &'a mut Totals,
}

impl<'a> World<'a> {
    fn new(totals: &'a mut Totals) -> Self {
        let cases = NATURES.iter().enumerate().map(|(index, nature)| {
            let intake = intake_with(&format!("r-{index}"), *nature, |s| {
                ask_for(s, &CATEGORIES);
                s.is_without_validation = true;
            });
            let next = next(decide(None, &Command::Accept(intake), START, policy()));
            let (oracle, passed) = Oracle::new(*nature, &CATEGORIES, START);
            assert_eq!(recorded(START, &next.events), passed);
            (next.case, oracle)
        });
        Self { now: START, cases: cases.collect(), latest: None, totals }
    }

    /// Moves time on. A healthy timer looks at every case at the very instant of its wake.
    fn advance(&mut self, step: &Step) {
        let until = self.now + Duration::from_millis(step.elapsed_ms);
        for index in 0..self.cases.len() {
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
        if !step.is_outage {
            let is_behind = |(_, oracle): &(Case, Oracle)| oracle.is_behind(until);
            assert!(!self.cases.iter().any(is_behind), "a wake was missing");
        }
    }

    /// Claims the case of `step`, if nobody holds it.
    fn claim(&mut self, step: &Step, number: usize) {
        if self.cases[step.case].0.claim.is_none() {
            let claim = Command::Act(act(step.by, &format!("claim-{number}")), Deed::Claim);
            self.decide(step.case, &claim, self.now);
        }
    }

    /// Decides, and compares what happened with what must have.
    fn decide(&mut self, index: usize, command: &Command, now: Timestamp) -> Decision {
        let (case, oracle) = &mut self.cases[index];
        let decision = decide(Some(case), command, now, policy());
        self.totals.decisions += 1;
        let Decision::Next(next) = &decision else { return decision };
        let mut passed = oracle.advance(now);
        match command {
            Command::Act(act, deed) => {
                passed.extend(oracle.act(act, deed, now));
                *self.totals.done.entry(deed_name(deed)).or_default() += 1;
            }
            Command::Sort(sorting) => {
                match sorting {
                    Sorting::JoinIncident(_) => oracle.sort(true),
                    Sorting::LeaveIncident(_) => oracle.sort(false),
                    Sorting::LikelyDuplicates(_) | Sorting::SuspendAuthority | Sorting::Risk(_) => {
                    }
                }
                *self.totals.done.entry(sorting_name(sorting)).or_default() += 1;
            }
            Command::Report(report) => {
                *self.totals.done.entry(report_name(report)).or_default() += 1;
            }
            Command::Wake | Command::Accept(_) => {}
        }
        passed.sort_unstable();
        assert_eq!(recorded(now, &next.events), passed, "{command:?} {case:?}");
        self.totals.rungs += passed.len() as u64;
        check_record(case, command, next);
        check_records(case, command, now, &next.case, &next.events);
        *case = next.case.clone();
        check(case, oracle);
        decision
    }
}

/// The watched rungs of these events in one order, runs of repeats written out.
fn recorded(now: Timestamp, events: &[Event]) -> Vec<Passed> {
    let mut all = Vec::new();
    for event in events {
        let (rung, has_fired) = match event {
            Event::RungFired(rung) => (rung, true),
            Event::RungQuieted(rung) => (rung, false),
            _ => continue,
        };
        if !WATCHED.contains(&rung.clock) {
            continue;
        }
        assert!(rung.due_at <= now, "a rung passed early");
        for behind in 0..rung.count {
            let before = rung.spacing * behind;
            let due_ms = rung.due_at.as_millis() - u64::try_from(before.as_millis()).unwrap();
            let due_at = Timestamp::from_millis(due_ms);
            all.push(Passed { kind: rung.clock, due_at, offset: rung.offset - before, has_fired });
        }
    }
    all.sort_unstable();
    all
}

fn check(case: &Case, oracle: &Oracle) {
    assert_eq!(case.has_ended(), oracle.is_ended);
    let holder = case.claim.as_ref().map(|claim| (claim.by.clone(), claim.expires_at));
    assert_eq!(holder, oracle.holder);
    assert_eq!(ready(case), oracle.place(), "{case:?}");
    for kind in WATCHED {
        let clock = case.clock(kind).filter(|clock| !clock.is_stopped());
        let run = oracle.runs.iter().find(|run| run.kind == kind);
        assert_eq!(
            clock.map(|clock| (clock.target_at, clock.limit_at, clock.is_running())),
            run.map(|run| (run.target_at(), run.limit_at(), run.paused_since.is_none())),
            "{kind:?} of {case:?}"
        );
    }
}

fn live(steps: &[Step], totals: &mut Totals) {
    let mut world = World::new(totals);
    for (number, step) in steps.iter().enumerate() {
        world.advance(step);
        let (index, command) = match (step.verb, world.latest.take()) {
            ("Repeat", Some(latest)) => latest,
            ("Repeat", None) => continue,
            _ => {
                if step.is_holder {
                    world.claim(step, number);
                }
                (step.case, command(&world.cases[step.case].0, step, number))
            }
        };
        let now = world.now;
        let before = world.cases[index].0.clone();
        match world.decide(index, &command, now) {
            Decision::Next(_) => {
                // Every act is idempotent, and so is a wake.
                let case = &world.cases[index].0;
                for again in [&command, &Command::Wake] {
                    if is_about_another_sending(&before, again, case) {
                        continue;
                    }
                    let repeat = decide(Some(case), again, now, policy());
                    assert_eq!(repeat, Decision::AlreadyTrue);
                }
            }
            Decision::AlreadyTrue => world.totals.already_true += 1,
            Decision::Refused(_) => world.totals.refused += 1,
        }
        world.latest = Some((index, command));
    }
    totals.histories += 1;
}

#[test]
fn no_history_loses_a_rung() {
    let mut runner = TestRunner::new(Config {
        cases: HISTORIES,
        failure_persistence: None,
        ..Config::default()
    });
    let totals = std::cell::RefCell::new(Totals::default());
    let histories = runner.run(&vec(step(), STEPS), |steps| {
        live(&steps, &mut totals.borrow_mut());
        Ok(())
    });
    histories.unwrap();
    let totals = totals.into_inner();
    // The histories did not pass by doing nothing.
    assert_eq!(totals.histories, HISTORIES);
    assert!(totals.decisions > 200_000, "{} decisions", totals.decisions);
    assert!(totals.rungs > 100_000, "{} rungs", totals.rungs);
    let (already_true, refused) = (totals.already_true, totals.refused);
    assert!(already_true > 10_000 && refused > 10_000, "{already_true} {refused}");
    for name in DEEDS.iter().chain(SORTINGS).chain(REPORTS) {
        let count = totals.done.get(name).copied().unwrap_or_default();
        assert!(count > 50, "{name} was done {count} times only");
    }
}
