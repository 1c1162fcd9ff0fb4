//! The closed lists of the contract and those of the core: one table for both directions.

use crate::core::intake::{Choice, DocumentKind, Imminence, TargetType};
use crate::core::transparency::DataClass;
use crate::core::{
    ClockKind, DataCategory, Instrument, Mark, Nature, Outcome, PageCause, PauseReason, Protection,
    Punctuality, RedirectTarget, RefusalReason, Risk, Settlement, SinkAnswer, Stance, State,
    SuspensionReason, Verification,
};
use crate::grpc::wire;

/// Declares how the values of a list are written and read. The names are the same on both sides.
macro_rules! wired {
    ($name:ident, $core:ident, $wire:ident, [$($value:ident),+ $(,)?]) => {
        pub(in crate::grpc) mod $name {
            use super::{Choice, $core, wire};

            #[allow(dead_code, reason = "some lists are only ever read")]
            pub(in crate::grpc) const fn write(value: $core) -> wire::$wire {
                match value { $($core::$value => wire::$wire::$value,)+ }
            }

            #[allow(dead_code, reason = "some lists are only ever written")]
            pub(in crate::grpc) fn read(number: i32) -> Choice<$core> {
                match wire::$wire::try_from(number) {
                    Ok(wire::$wire::Unspecified) => Choice::Missing,
                    $(Ok(wire::$wire::$value) => Choice::Known($core::$value),)+
                    Err(_) => Choice::Unknown,
                }
            }
        }
    };
}

wired!(
    nature,
    Nature,
    Nature,
    [
        TerrorismInProgress,
        TerrorismImminent,
        ThreatToLife,
        SeriousInjury,
        Kidnapping,
        MissingChild,
        MissingVulnerableAdult,
        SuicideRisk,
        ChildSexualAbuseOngoing,
        BombThreat,
        SchoolThreat,
        CriticalInfrastructure,
        Routine,
    ]
);
wired!(
    risk,
    Risk,
    Risk,
    [
        OfficerVelocity,
        AuthorityVelocity,
        TargetAcrossAuthorities,
        NewOfficer,
        UnusualHour,
        AuthoritySuspended,
    ]
);
wired!(
    suspension_reason,
    SuspensionReason,
    SuspensionReason,
    [Compromised, Fraud, AskedByAuthority, Anomaly, Other]
);
wired!(imminence, Imminence, Imminence, [Now, Hours, Days, Unknown]);
wired!(
    target_type,
    TargetType,
    TargetType,
    [
        Email,
        Phone,
        Username,
        AccountId,
        Url,
        IpAddress,
        Imei,
        Imsi,
        DeviceSerial,
        PaymentId,
        OrderId,
        Other,
    ]
);
wired!(
    data_category,
    DataCategory,
    DataCategory,
    [Subscriber, UserIdentification, Traffic, Content, LiveLocation]
);
wired!(document_kind, DocumentKind, DocumentKind, [Letterhead, Order, Translation, Other]);
wired!(
    instrument,
    Instrument,
    Instrument,
    [
        EmergencyRequest,
        CourtOrder,
        ProductionOrder,
        EmergencyProductionOrder,
        PreservationOrder,
        MutualLegalAssistance,
        NationalOrder,
    ]
);
wired!(protection, Protection, Protection, [Press, PrivilegedProfession]);
wired!(
    state,
    State,
    CaseState,
    [
        Received,
        AwaitingInformation,
        AwaitingVerification,
        Collecting,
        ReleasePending,
        Delivered,
        Closed,
        NoData,
        Rejected,
        Redirected,
        Withdrawn,
        Duplicate,
        Expired,
        Fraud,
        Transferred,
    ]
);
wired!(
    clock_kind,
    ClockKind,
    ClockKind,
    [
        FirstResponse,
        Reply,
        Question,
        Progress,
        Completion,
        EEvidenceEmergency,
        EEvidence,
        Preservation,
        EEvidencePreservation,
        ExPostValidation,
        NonDisclosure,
        UserNotice,
        DeliveryConfirmation,
    ]
);
wired!(
    pause_reason,
    PauseReason,
    PauseReason,
    [AwaitingInformation, ConflictReview, NotifiedAuthorityReview, Clarification]
);
wired!(settlement, Settlement, Settlement, [Kept, Waived, Failed]);
wired!(mark, Mark, RungMark, [Target, Limit]);
wired!(page_cause, PageCause, PageCause, [Due, CatchUp, ClaimLost, ClaimReleased, Unreached]);
wired!(sink_answer, SinkAnswer, SinkAnswer, [Taken, Failed, Unsure, Resolved]);
wired!(punctuality, Punctuality, Punctuality, [WithinTarget, WithinLimit, Breached]);
wired!(
    verification,
    Verification,
    Verification,
    [Unverified, ChannelVerified, AgencyVerified, CallbackConfirmed, Failed, SuspectedFraud,]
);
wired!(stance, Stance, ConflictStance, [Stands, Lifted]);
wired!(
    outcome,
    Outcome,
    Outcome,
    [
        DisclosedFull,
        DisclosedPartial,
        NoDataFound,
        NoSuchAccount,
        Rejected,
        Redirected,
        Withdrawn,
        Duplicate,
        ExpiredNoReply,
        FraudConfirmed,
        Transferred,
    ]
);
wired!(
    refusal_reason,
    RefusalReason,
    RefusalReason,
    [
        NotAnEmergency,
        AuthorityNotCompetent,
        RequesterNotVerified,
        ChannelNotAgreed,
        Incomplete,
        ManifestErrors,
        InsufficientInformation,
        WrongIdentifier,
        Overbroad,
        LegalBasisMissing,
        DataNotHeld,
        ServiceNotCovered,
        DeFactoImpossibility,
        ImmunityOrPrivilege,
        PressFreedom,
        ConflictOfLaw,
        FundamentalRights,
        PubliclyAvailable,
        EnterpriseCustomerRedirect,
        AlreadyRequested,
    ]
);
wired!(
    redirect_target,
    RedirectTarget,
    RedirectTarget,
    [
        NationalSinglePointOfContact,
        MutualLegalAssistanceAuthority,
        DecentralisedItSystem,
        OtherProviderEntity,
        EnterpriseCustomer,
        BudapestPointOfContact,
    ]
);
wired!(data_class, DataClass, DataClass, [Content, NonContent, NoneAsked]);
