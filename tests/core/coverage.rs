//! The names of all that may be done, refused and told, so that a test can say that it has met every
//! one. The lists are complete: a match that leaves one out does not compile.

use urgence::core::{Deed, Event, Refusal, Report, Sorting};

macro_rules! names {
    ($list:ident, $name:ident, $type:ident: $($variant:ident)+) => {
        pub const $list: &[&str] = &[$(stringify!($variant)),+];

        pub fn $name(value: &$type) -> &'static str {
            match value {
                $($type::$variant { .. } => stringify!($variant),)+
            }
        }
    };
}

names!(DEEDS, deed_name, Deed:
    Claim Renew Release HandOver Respond SendUpdate AskForInformation Reclassify
    RecordVerification RecordConflict LinkDuplicate ProposeOutcome ApproveOutcome
    ConfirmWithdrawal DeclineWithdrawal PauseClock ResumeClock SettleClock AcknowledgePage
    ProvideInformation
    Withdraw RequestPreservation ConfirmDelivery SetLegalHold
);

names!(SORTINGS, sorting_name, Sorting: LikelyDuplicates JoinIncident LeaveIncident SuspendAuthority
    Risk);

names!(REPORTS, report_name, Report: Answered Unreached FromMemory);

names!(REFUSALS, refusal_name, Refusal:
    CaseNotFound RequestIdReused ClaimedByAnother CaseEnded EpochOver AlreadyAnswered NotAnswered
    DisclosureNotApproved NotVerified AuthoritySuspended AuthorityNotValid ValidationFailed
    WithdrawalWaits CallbackNumberTooNew RecipientKeyTooNew
    SecondPersonNeeded LegalReviewerNeeded ConflictStands
    ConflictNotRecorded CategoryNotRequested CategoryDecided ProposalReplaced RecipientKeyUnknown
    CallbackNumberUnknown DuplicateNotLinked OriginalIsDuplicate NothingAsked PauseUnfounded
    ClockNotRunning ClockNotPaused ClockNotPausable
    ClockNotSettled AlreadyExtended WithdrawalNotRequested DisclosureNotFound PageNotFound
    NothingToChange
);

names!(EVENTS, event_name, Event:
    Accepted RungFired RungQuieted Paged PagedFromMemory PageAnswered PagesClosed Claimed
    ClaimRenewed ClaimReleased ClaimLost Responded ClockStarted ClockStopped ClockPaused ClockResumed
    ClockExtended ClockRaised ClockSettled HandedOver
    Updated Asked InformationProvided Reclassified LoweringProposed Verified ConflictRecorded
    LikelyDuplicatesFound RisksSeen AuthoritySuspended DuplicateLinked OutcomeProposed OutcomeApproved Disclosed
    DeliveryConfirmed WithdrawalRequested WithdrawalDeclined Ended PreservationRequested PageAcknowledged
    LegalHoldSet IncidentJoined IncidentLeft Purged
);
