//! What may be asked of a case.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{
    Refusal, Transition, acknowledge_page, approve_outcome, ask_for_information, claim,
    confirm_delivery, confirm_withdrawal, decline_withdrawal, hand_over, link_duplicate,
    pause_clock, propose_outcome, provide_information, reclassify, record_conflict,
    record_verification, release, renew, request_preservation, respond, resume_clock, send_update,
    set_legal_hold, settle_clock, withdraw,
};
use crate::core::answer::FirstResponseKind;
use crate::core::case_id::CaseId;
use crate::core::clock::{ClockKind, PauseReason};
use crate::core::conflict::Stance;
use crate::core::data::{DataCategory, Protection};
use crate::core::event::Settlement;
use crate::core::intake::Intake;
use crate::core::memory::Act;
use crate::core::names::{AuthorityId, Country, IncidentName, SinkName, Subject};
use crate::core::nature::Nature;
use crate::core::outcome::Proposed;
use crate::core::page::{PageKey, SentPage, SinkAnswer};
use crate::core::risk::Risk;
use crate::core::standing::Standing;
use crate::core::verification::Finding;

/// What somebody, or the clock, asks of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Take this request in.
    Accept(Intake),
    /// A person's act.
    Act(Act, Deed),
    /// What the desk finds out by comparing cases.
    Sort(Sorting),
    /// What became of its pages.
    Report(Report),
    /// Do what is due. Sent by the timer; early, late or repeated, it does no harm.
    Wake,
}

/// The fencing epoch under which a caller acts.
pub type Epoch = u64;

/// What a person does to a case. Those that speak to the authority, or move a clock, take the epoch of
/// the caller's claim; judgements and acknowledgements may come from any colleague.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Lease the case to the caller.
    Claim,
    /// Extend the caller's lease.
    Renew(Epoch),
    /// End the caller's lease and put the case back in its place.
    Release(Epoch),
    /// Pass the caller's lease on to a colleague.
    HandOver(Epoch, Subject),
    /// Record the first response.
    Respond(Epoch, FirstResponseKind),
    /// Say how the work goes, and how soon the answer is expected.
    SendUpdate(Epoch, Option<Duration>),
    /// Ask the authority something.
    AskForInformation(Epoch),
    /// Change the nature, or note a protection.
    Reclassify(Option<Nature>, Option<Protection>),
    /// Record what a check found.
    RecordVerification(Finding),
    /// Record, or lift, the conflict of a third country's law over a category; the country may be left
    /// out where the only one is lifted.
    RecordConflict(DataCategory, Option<Country>, Stance),
    /// Note that this case, of that authority, is about the same matter.
    LinkDuplicate(CaseId, AuthorityId),
    /// Propose an outcome.
    ProposeOutcome(Epoch, Proposed),
    /// Approve the proposal of this number, as the authority stands.
    ApproveOutcome(u32, Standing),
    /// Confirm that the request is taken back.
    ConfirmWithdrawal(Epoch),
    /// Note that the authority did not take the request back, whoever said so.
    DeclineWithdrawal(Epoch),
    /// Let a clock stand still.
    PauseClock(Epoch, ClockKind, PauseReason),
    /// Let it go on.
    ResumeClock(Epoch, ClockKind),
    /// Settle a clock that nothing else settles.
    SettleClock(ClockKind, Settlement),
    /// Say that a page was seen.
    AcknowledgePage(PageKey),
    /// The authority tells the desk something.
    ProvideInformation,
    /// The authority takes the request back.
    Withdraw,
    /// The authority asks that the data be kept from deletion.
    RequestPreservation,
    /// The authority has the disclosure of this number.
    ConfirmDelivery(u32),
    /// Forbid, or allow again, that the case is purged.
    SetLegalHold(bool),
}

/// What comes of comparing cases: no person's act, and true as often as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sorting {
    /// These cases have a target in common with it; whose they are says which of them it names.
    LikelyDuplicates(BTreeMap<CaseId, AuthorityId>),
    /// It belongs to this open incident.
    JoinIncident(IncidentName),
    /// The incident that it belongs to is closed.
    LeaveIncident(IncidentName),
    /// Its authority is suspended.
    SuspendAuthority,
    /// Something else about it calls for more care in verifying.
    Risk(Risk),
}

/// What became of pages. Telling it twice changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// A sink has answered for good.
    Answered(PageKey, SinkName, SinkAnswer),
    /// No sink of the page took it. With how often it had been widened when that was found.
    Unreached(PageKey, u32),
    /// These went out while the store could not be reached.
    FromMemory(Vec<SentPage>),
}

impl Deed {
    /// Whether the authority does it, and not the desk.
    #[must_use]
    pub const fn is_of_authority(&self) -> bool {
        matches!(
            self,
            Self::ProvideInformation
                | Self::Withdraw
                | Self::RequestPreservation
                | Self::ConfirmDelivery(_)
        )
    }

    pub(super) fn apply(&self, on: &mut Transition<'_>, act: &Act) -> Result<(), Refusal> {
        let by = &act.by;
        match self {
            Self::Claim => claim::apply(on, by),
            Self::Renew(epoch) => renew::apply(on, by, *epoch),
            Self::Release(epoch) => release::apply(on, by, *epoch),
            Self::HandOver(epoch, to) => hand_over::apply(on, by, *epoch, to),
            Self::Respond(epoch, kind) => respond::apply(on, act, *epoch, *kind),
            Self::SendUpdate(epoch, expected_within) => {
                send_update::apply(on, by, *epoch, *expected_within)
            }
            Self::AskForInformation(epoch) => ask_for_information::apply(on, by, *epoch),
            Self::Reclassify(nature, protection) => reclassify::apply(on, by, *nature, *protection),
            Self::RecordVerification(finding) => record_verification::apply(on, by, finding),
            Self::RecordConflict(category, country, stance) => {
                record_conflict::apply(on, act, *category, country.as_ref(), *stance)
            }
            Self::LinkDuplicate(case, authority) => link_duplicate::apply(on, by, *case, authority),
            Self::ProposeOutcome(epoch, proposed) => {
                propose_outcome::apply(on, act, *epoch, proposed)
            }
            Self::ApproveOutcome(number, standing) => {
                approve_outcome::apply(on, act, *number, *standing)
            }
            Self::ConfirmWithdrawal(epoch) => confirm_withdrawal::apply(on, by, *epoch),
            Self::DeclineWithdrawal(epoch) => decline_withdrawal::apply(on, by, *epoch),
            Self::PauseClock(epoch, kind, reason) => {
                pause_clock::apply(on, by, *epoch, *kind, *reason)
            }
            Self::ResumeClock(epoch, kind) => resume_clock::apply(on, by, *epoch, *kind),
            Self::SettleClock(kind, settlement) => settle_clock::apply(on, act, *kind, *settlement),
            Self::AcknowledgePage(key) => acknowledge_page::apply(on, by, *key),
            Self::ProvideInformation => provide_information::apply(on, by),
            Self::Withdraw => withdraw::apply(on, by),
            Self::RequestPreservation => request_preservation::apply(on, by),
            Self::ConfirmDelivery(number) => confirm_delivery::apply(on, by, *number),
            Self::SetLegalHold(is_held) => set_legal_hold::apply(on, by, *is_held),
        }
    }
}
