//! What is asked at each step of a walk, and where the walk begins.

use std::time::Duration;

use urgence::core::intake::{Choice, Moment};
use urgence::core::projection::wake_at;
use urgence::core::{
    Case, CaseId, ClockKind, Command, DataCategory, Decision, Deed, Disposition, Ending, Event,
    Finding, FirstResponseKind, Instrument, Nature, PageKey, PauseReason, Proposed, Protection,
    RedirectTarget, Report, Risk, SentPage, Settlement, SinkAnswer, Sorting, Stance, Standing,
    decide,
};

use crate::likely_duplicates::found;
use crate::make::{
    IN_PROGRESS, START, Story, act, approve, ask_for, at, by_category, called_back, days, hours,
    intake, minutes, next, policy, too_new_key, too_new_number,
};
use crate::walk::Instants;

/// Commands that touch each other, and the cases on which they begin to matter.
pub struct Theme {
    pub name: &'static str,
    pub starts: Vec<Case>,
    pub instants: Instants,
    /// What may be asked of a case at a step; each step has request ids of its own.
    pub commands: fn(&Case, u32) -> Vec<Command>,
}

pub const SUBSCRIBER: DataCategory = DataCategory::Subscriber;
pub const CONTENT: DataCategory = DataCategory::Content;
pub const COMPLETION: ClockKind = ClockKind::Completion;
const ORDER: ClockKind = ClockKind::EEvidenceEmergency;

/// The acts of one step.
pub struct Step(pub u32);

impl Step {
    pub fn act(&self, by: &str, number: usize, deed: Deed) -> Command {
        Command::Act(act(by, &format!("act-{}-{number}", self.0)), deed)
    }

    /// All of these, each under an id of its own, and the wake.
    pub fn all(&self, deeds: Vec<(&str, Deed)>) -> Vec<Command> {
        let acts = deeds.into_iter().enumerate();
        let mut commands: Vec<Command> =
            acts.map(|(number, (by, deed))| self.act(by, number, deed)).collect();
        commands.push(Command::Wake);
        commands
    }
}

pub fn other_case(authority: &str) -> CaseId {
    CaseId::derive(&authority.parse().unwrap(), &"another".parse().unwrap())
}

/// What accepting the walks' first case told.
pub fn accepted_events() -> Vec<Event> {
    let mut risky = intake("r-1", Nature::MissingChild);
    risky.risks = [Risk::NewOfficer].into();
    next(decide(None, &Command::Accept(risky), START, policy())).events
}

pub fn six_steps_deep() -> Vec<Theme> {
    vec![
        claims(),
        questions(),
        pauses(),
        natures(),
        disclosure(),
        duties(),
        sorting(),
        suspended(),
        pages(),
    ]
}

/// Leases, and the two answers that matter to them.
fn claims() -> Theme {
    Theme {
        name: "claims",
        starts: vec![Story::of(Nature::MissingChild).case, Story::of(Nature::Routine).case],
        instants: Instants::All,
        commands: |case, step| {
            let epoch = case.claim_epoch;
            Step(step).all(vec![
                ("ana", Deed::Claim),
                ("bo", Deed::Claim),
                ("ana", Deed::Renew(epoch)),
                ("ana", Deed::Release(epoch)),
                ("bo", Deed::Release(epoch.saturating_sub(1))),
                ("ana", Deed::HandOver(epoch, "bo".parse().unwrap())),
                ("ana", Deed::Respond(epoch, IN_PROGRESS)),
                ("bo", Deed::Respond(1, FirstResponseKind::NoData)),
            ])
        },
    }
}

/// Who waits for whom.
fn questions() -> Theme {
    Theme {
        name: "questions",
        starts: vec![Story::held(Nature::MissingChild, 1).case],
        instants: Instants::Outage(minutes(45)),
        commands: |case, step| {
            let epoch = case.claim_epoch;
            Step(step).all(vec![
                ("ana", Deed::Claim),
                ("ana", Deed::Respond(epoch, FirstResponseKind::NeedInformation)),
                ("ana", Deed::SendUpdate(epoch, Some(hours(1)))),
                ("ana", Deed::AskForInformation(epoch)),
                ("portal", Deed::ProvideInformation),
                ("portal", Deed::Withdraw),
                ("ana", Deed::ConfirmWithdrawal(epoch)),
                ("ana", Deed::DeclineWithdrawal(epoch)),
            ])
        },
    }
}

/// Clocks that stand still, on an answered case under an emergency order.
fn pauses() -> Theme {
    let order = |nature| {
        let mut story = Story::with(nature, |s| {
            s.instrument = Choice::Known(Instrument::EmergencyProductionOrder);
        });
        story.work(at(5), |epoch| Deed::Respond(epoch, IN_PROGRESS));
        let country = "US".parse().ok();
        story.act("lea", at(5), Deed::RecordConflict(SUBSCRIBER, country, Stance::Stands));
        story.case
    };
    Theme {
        name: "pauses",
        starts: vec![order(Nature::Kidnapping), order(Nature::Routine)],
        instants: Instants::Outage(hours(3)),
        commands: |case, step| {
            let epoch = case.claim_epoch;
            let reason = PauseReason::ConflictReview;
            Step(step).all(vec![
                ("ana", Deed::Claim),
                ("ana", Deed::PauseClock(epoch, COMPLETION, reason)),
                ("ana", Deed::ResumeClock(epoch, COMPLETION)),
                ("ana", Deed::PauseClock(epoch, ORDER, reason)),
                ("ana", Deed::ResumeClock(epoch, ORDER)),
                ("bo", Deed::Reclassify(Some(Nature::MissingChild), None)),
            ])
        },
    }
}

/// Raising and lowering, answered or not.
fn natures() -> Theme {
    let asked = Story::answered(Nature::Routine, FirstResponseKind::NeedInformation);
    Theme {
        name: "natures",
        starts: vec![
            Story::of(Nature::MissingChild).case,
            Story::of(Nature::Routine).case,
            asked.case,
        ],
        instants: Instants::Outage(minutes(16)),
        commands: |case, step| {
            let to = |nature| Deed::Reclassify(Some(nature), None);
            Step(step).all(vec![
                ("ana", to(Nature::Routine)),
                ("bo", to(Nature::Routine)),
                ("bo", to(Nature::Kidnapping)),
                ("ana", Deed::Claim),
                ("ana", Deed::Respond(case.claim_epoch, IN_PROGRESS)),
                ("portal", Deed::ProvideInformation),
            ])
        },
    }
}

/// Everything that stands between a request and its data.
fn disclosure() -> Theme {
    let mut held = Story::with(Nature::MissingChild, |s| ask_for(s, &[SUBSCRIBER, CONTENT]));
    held.act("ana", at(1), Deed::Claim);
    Theme {
        name: "disclosure",
        starts: vec![held.case],
        instants: Instants::Due,
        commands: |case, step| {
            let (epoch, number) = (case.claim_epoch, case.proposals);
            let disclosed = Disposition::Disclosed;
            let redirected = Disposition::Redirected(RedirectTarget::EnterpriseCustomer);
            let conflict = |stance| Deed::RecordConflict(CONTENT, "US".parse().ok(), stance);
            let one = by_category(&[(CONTENT, disclosed)]);
            let both = by_category(&[(CONTENT, redirected), (SUBSCRIBER, disclosed)]);
            Step(step).all(vec![
                ("ana", Deed::ProposeOutcome(epoch, one)),
                ("ana", Deed::ProposeOutcome(epoch, both)),
                ("ana", approve(number)),
                ("bo", approve(number)),
                ("lea", approve(number)),
                ("bo", Deed::RecordVerification(called_back("fr-pnij"))),
                ("bo", Deed::RecordVerification(Finding::SuspectedFraud)),
                ("bo", conflict(Stance::Stands)),
                ("lea", conflict(Stance::Lifted)),
                ("bo", Deed::Reclassify(None, Some(Protection::Press))),
                ("portal", Deed::ConfirmDelivery(1)),
            ])
        },
    }
}

/// What is owed when data has gone out, until what was said is purged.
fn duties() -> Theme {
    let delivered = |secret_for| {
        let mut story = Story::with(Nature::MissingChild, |s| {
            s.is_without_validation = true;
            s.non_disclosure.is_requested = true;
            s.non_disclosure.legal_basis = "Code".to_owned();
            let seconds = i64::try_from((START + secret_for).as_millis() / 1_000).unwrap();
            s.non_disclosure.until = Some(Moment { seconds, nanos: 0 });
        });
        story.act("bo", at(1), Deed::RecordVerification(called_back("fr-pnij")));
        let proposed = by_category(&[(SUBSCRIBER, Disposition::Disclosed)]);
        story.work(at(2), |epoch| Deed::ProposeOutcome(epoch, proposed));
        story.act("bo", at(3), approve(1));
        story.case
    };
    Theme {
        name: "duties",
        starts: vec![delivered(days(3)), delivered(Duration::ZERO)],
        instants: Instants::Outage(days(100)),
        commands: |case, step| {
            let settle = |kind| Deed::SettleClock(kind, Settlement::Kept);
            Step(step).all(vec![
                ("portal", Deed::ConfirmDelivery(1)),
                ("bo", settle(ClockKind::UserNotice)),
                ("bo", settle(ClockKind::ExPostValidation)),
                ("lea", settle(ClockKind::NonDisclosure)),
                ("bo", settle(ClockKind::NonDisclosure)),
                ("lea", Deed::SetLegalHold(case.legal_hold.is_none())),
                ("portal", Deed::RequestPreservation),
            ])
        },
    }
}

/// What comes of comparing cases, and of what people link.
fn sorting() -> Theme {
    Theme {
        name: "sorting",
        starts: vec![Story::held(Nature::MissingChild, 1).case],
        instants: Instants::Due,
        commands: |case, step| {
            let (epoch, number) = (case.claim_epoch, case.proposals);
            let own = other_case("fr-pnij");
            let ending = Ending::Duplicate(own);
            let clock = case.first_response_clock();
            let offset = if step % 2 == 0 { minutes(3) } else { Duration::ZERO };
            let (kind, cycle) = (clock.kind, clock.cycle);
            let key = PageKey { case: case.id, clock: kind, cycle, offset };
            let mut commands = Step(step).all(vec![
                ("ana", Deed::Claim),
                ("ana", Deed::Release(epoch)),
                ("bo", Deed::LinkDuplicate(own, "fr-pnij".parse().unwrap())),
                ("ana", Deed::ProposeOutcome(epoch, Proposed::Whole(ending))),
                ("bo", approve(number)),
                ("bo", Deed::AcknowledgePage(key)),
            ]);
            let paris = || "paris".parse().unwrap();
            commands.extend([
                Command::Sort(found(&["de-bka"])),
                Command::Sort(Sorting::JoinIncident(paris())),
                Command::Sort(Sorting::LeaveIncident(paris())),
            ]);
            commands
        },
    }
}

/// What happens to a disclosure whose authority is suspended, and reinstated, on the way to it.
fn suspended() -> Theme {
    Theme {
        name: "suspended",
        starts: vec![Story::held(Nature::MissingChild, 1).case],
        instants: Instants::Due,
        commands: |case, step| {
            let (epoch, number) = (case.claim_epoch, case.proposals);
            let disclosed = by_category(&[(DataCategory::Subscriber, Disposition::Disclosed)]);
            let on = |version, is_suspended| {
                Deed::ApproveOutcome(
                    number,
                    Standing { version, is_suspended, ..Standing::default() },
                )
            };
            let mut commands = Step(step).all(vec![
                ("ana", Deed::RecordVerification(called_back("fr-pnij"))),
                ("ana", Deed::RecordVerification(too_new_number())),
                ("ana", Deed::ProposeOutcome(epoch, disclosed)),
                ("ana", Deed::ProposeOutcome(epoch, too_new_key())),
                ("bo", on(3, true)),
                ("bo", on(4, false)),
                ("ana", Deed::Respond(epoch, IN_PROGRESS)),
                ("ana", Deed::Release(epoch)),
                ("ana", Deed::Claim),
                ("bo", Deed::Claim),
                (
                    "bo",
                    Deed::ProposeOutcome(
                        epoch,
                        by_category(&[(DataCategory::Subscriber, Disposition::NotHeld)]),
                    ),
                ),
            ]);
            commands.push(Command::Sort(Sorting::SuspendAuthority));
            commands.push(Command::Sort(Sorting::Risk(Risk::TargetAcrossAuthorities)));
            commands
        },
    }
}

/// What becomes of pages at the sinks, and without the store.
fn pages() -> Theme {
    Theme {
        name: "pages",
        starts: vec![Story::of(Nature::MissingChild).case, Story::held(Nature::Routine, 1).case],
        instants: Instants::Outage(minutes(16)),
        commands: |case, step| {
            let epoch = case.claim_epoch;
            let mut commands = Step(step).all(vec![
                ("ana", Deed::Claim),
                ("ana", Deed::Release(epoch)),
                ("ana", Deed::Respond(epoch, IN_PROGRESS)),
            ]);
            let latest = case.pages.last().map(|record| record.page.key);
            let oldest = case.pages.first().map(|record| record.page.key);
            if let Some(key) = latest {
                commands.extend(reports(case, key));
                commands.extend(
                    Step(step).all(vec![("bo", Deed::AcknowledgePage(key))]).into_iter().take(1),
                );
            }
            if let Some(key) = oldest.filter(|key| Some(*key) != latest) {
                let sink = || "log".parse().unwrap();
                commands.extend(
                    [SinkAnswer::Taken, SinkAnswer::Resolved]
                        .map(|answer| Command::Report(Report::Answered(key, sink(), answer))),
                );
            }
            commands
        },
    }
}

/// All that can be told of this page, by one sink or another, and what may have been sent without
/// the store: what falls due next, as a replica sees it that has seen nothing since.
pub fn reports(case: &Case, key: PageKey) -> Vec<Command> {
    let answered = |sink: &str, answer| Report::Answered(key, sink.parse().unwrap(), answer);
    let mut reports = vec![
        answered("log", SinkAnswer::Taken),
        answered("log", SinkAnswer::Failed),
        answered("log", SinkAnswer::Resolved),
        answered("hook", SinkAnswer::Taken),
        Report::Unreached(key, case.page(key).map_or(0, |record| record.widened)),
    ];
    if let Some(due_at) = wake_at(case)
        && let Decision::Next(next) = decide(Some(case), &Command::Wake, due_at, policy())
    {
        let sent = next.events.iter().filter_map(|event| match event {
            Event::Paged(page) => Some(SentPage {
                page: page.clone(),
                at: due_at + minutes(1),
                taken_by: ["log".parse().unwrap()].into(),
            }),
            _ => None,
        });
        reports.push(Report::FromMemory(sent.collect()));
    }
    reports.into_iter().map(Command::Report).collect()
}
