//! The walk's widest themes: every deed, also with arguments that never should do, three steps deep.

use urgence::core::{
    Case, ClockKind, Command, DataCategory, Deed, Disposition, Ending, Finding, FirstResponseKind,
    Manifest, Nature, PageKey, PauseReason, Proposed, Protection, RefusalReason, Risk, Settlement,
    Sorting, Stance, Standing,
};

use crate::make::{
    IN_PROGRESS, Story, approve, ask_for, at, by_category, called_back, intake, manifest, minutes,
};
use crate::walk::Instants;
use crate::walk_themes::{COMPLETION, CONTENT, SUBSCRIBER, Step, Theme, other_case, reports};

pub fn three_steps_deep() -> Vec<Theme> {
    let mut worked_on = Story::with(Nature::MissingChild, |s| {
        ask_for(s, &[SUBSCRIBER, CONTENT]);
        s.is_without_validation = true;
    });
    worked_on.act("bo", at(1), Deed::RecordVerification(called_back("fr-pnij")));
    worked_on.work(at(2), |epoch| Deed::Respond(epoch, IN_PROGRESS));
    vec![
        Theme {
            name: "everything, from the start",
            starts: vec![Story::of(Nature::MissingChild).case],
            instants: Instants::Due,
            commands: everything,
        },
        Theme {
            name: "everything, when it is worked on",
            starts: vec![worked_on.case],
            instants: Instants::Due,
            commands: everything,
        },
    ]
}

/// Every deed, with arguments that will do and with such as never should.
fn everything(case: &Case, step: u32) -> Vec<Command> {
    let mut commands = Step(step).all(vec![]);
    let step = Step(step);
    let deeds = [of_responders(case), of_colleagues(case), of_the_authority(case)].concat();
    for (number, (by, deed)) in deeds.into_iter().enumerate() {
        commands.push(step.act(by, number, deed));
    }
    let paris = || "paris".parse().unwrap();
    let mut reused = intake("r-1", Nature::MissingChild);
    reused.digest.0[0] ^= 1;
    commands.extend([
        Command::Sort(crate::likely_duplicates::found(&["de-bka"])),
        Command::Sort(Sorting::JoinIncident(paris())),
        Command::Sort(Sorting::LeaveIncident(paris())),
        Command::Sort(Sorting::SuspendAuthority),
        Command::Sort(Sorting::Risk(Risk::TargetAcrossAuthorities)),
        Command::Accept(reused),
    ]);
    if let Some(record) = case.pages.last() {
        commands.extend(reports(case, record.page.key));
    }
    commands
}

type Deeds = Vec<(&'static str, Deed)>;

fn of_responders(case: &Case) -> Deeds {
    let epoch = case.claim_epoch;
    let reason = PauseReason::Clarification;
    let propose = |proposed| Deed::ProposeOutcome(epoch, proposed);
    let sealed_to = |manifest: Manifest| Proposed::Categories {
        dispositions: [(SUBSCRIBER, Disposition::Disclosed)].into(),
        manifest: Some(manifest),
    };
    let conflict_of_law = Disposition::Refused(RefusalReason::ConflictOfLaw);
    vec![
        ("ana", Deed::Claim),
        ("bo", Deed::Claim),
        ("ana", Deed::Renew(epoch)),
        ("ana", Deed::Release(epoch)),
        ("ana", Deed::HandOver(epoch, "bo".parse().unwrap())),
        ("ana", Deed::Respond(epoch, IN_PROGRESS)),
        ("ana", Deed::Respond(epoch, FirstResponseKind::NeedInformation)),
        ("ana", Deed::Respond(epoch, FirstResponseKind::AllData)),
        ("ana", Deed::SendUpdate(epoch, None)),
        ("ana", Deed::AskForInformation(epoch)),
        ("ana", Deed::ConfirmWithdrawal(epoch)),
        ("ana", Deed::DeclineWithdrawal(epoch)),
        ("ana", Deed::Respond(epoch, FirstResponseKind::Refused(RefusalReason::ConflictOfLaw))),
        ("ana", Deed::Respond(epoch, FirstResponseKind::PartOfData)),
        ("ana", Deed::PauseClock(epoch, COMPLETION, PauseReason::AwaitingInformation)),
        ("ana", Deed::PauseClock(epoch, COMPLETION, PauseReason::ConflictReview)),
        ("ana", Deed::PauseClock(epoch, COMPLETION, reason)),
        ("ana", Deed::PauseClock(epoch, ClockKind::FirstResponse, reason)),
        ("ana", Deed::ResumeClock(epoch, COMPLETION)),
        ("ana", propose(sealed_to(manifest("fr-pnij")))),
        ("ana", propose(sealed_to(manifest("de-bka")))),
        ("ana", propose(by_category(&[(CONTENT, Disposition::Disclosed)]))),
        ("ana", propose(by_category(&[(CONTENT, conflict_of_law)]))),
        ("ana", propose(by_category(&[(DataCategory::Traffic, Disposition::NotHeld)]))),
        ("ana", propose(Proposed::Whole(Ending::FraudConfirmed))),
        ("ana", propose(Proposed::Whole(Ending::ExpiredNoReply))),
        ("ana", propose(Proposed::Whole(Ending::Rejected(RefusalReason::Overbroad)))),
        ("ana", propose(Proposed::Whole(Ending::Duplicate(other_case("fr-pnij"))))),
    ]
}

fn of_colleagues(case: &Case) -> Deeds {
    let number = case.proposals;
    let clock = ClockKind::FirstResponse;
    let key = |minute| PageKey { case: case.id, clock, cycle: 0, offset: minutes(minute) };
    let conflict = |stance| Deed::RecordConflict(CONTENT, "US".parse().ok(), stance);
    let settle = |kind| Deed::SettleClock(kind, Settlement::Failed);
    vec![
        ("bo", Deed::Reclassify(Some(Nature::Routine), None)),
        ("ana", Deed::Reclassify(Some(Nature::Kidnapping), Some(Protection::Press))),
        ("bo", Deed::RecordVerification(called_back("fr-pnij"))),
        ("bo", Deed::RecordVerification(called_back("de-bka"))),
        ("bo", Deed::RecordVerification(Finding::SuspectedFraud)),
        ("bo", Deed::RecordVerification(Finding::Failed)),
        ("bo", Deed::LinkDuplicate(other_case("de-bka"), "de-bka".parse().unwrap())),
        ("bo", conflict(Stance::Stands)),
        ("bo", conflict(Stance::Lifted)),
        ("lea", conflict(Stance::Lifted)),
        ("bo", Deed::LinkDuplicate(other_case("fr-pnij"), "fr-pnij".parse().unwrap())),
        ("ana", approve(number)),
        ("bo", approve(number)),
        ("lea", approve(number)),
        (
            "bo",
            Deed::ApproveOutcome(number, Standing { is_not_valid: true, ..Standing::default() }),
        ),
        ("bo", settle(ClockKind::ExPostValidation)),
        ("bo", settle(ClockKind::Progress)),
        ("bo", settle(ClockKind::DeliveryConfirmation)),
        ("bo", Deed::AcknowledgePage(key(0))),
        ("bo", Deed::AcknowledgePage(key(1))),
        ("lea", Deed::SetLegalHold(true)),
        ("lea", Deed::SetLegalHold(false)),
    ]
}

fn of_the_authority(case: &Case) -> Deeds {
    vec![
        ("portal", Deed::ProvideInformation),
        ("portal", Deed::Withdraw),
        ("portal", Deed::RequestPreservation),
        ("portal", Deed::ConfirmDelivery(case.proposals)),
    ]
}
