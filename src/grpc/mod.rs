//! The edge: wire messages, services, identity, status. Nothing else knows gRPC.

pub mod codec;
mod connection;
mod convert;
mod deadline;
mod desk_service;
mod desks;
mod entries;
mod identity;
mod intake_service;
mod oversight_service;
mod serve;
mod server;
mod standings;
mod status;
mod submission;
mod tokens;
mod watching;

pub use convert::submission_of;
pub use desks::Desks;
pub use server::{
    GrpcServer, HealthReporter, MESSAGE_BYTES_MAX, ServerError, set_serving, set_stopped,
};

/// The contract's messages and services, as compiled from `proto/`.
pub mod wire {
    #![allow(
        clippy::all,
        clippy::pedantic,
        unused_qualifications,
        reason = "generated code follows its generator's taste"
    )]

    include!(concat!(env!("OUT_DIR"), "/urgence.v1.rs"));

    /// The contract as a serialized `FileDescriptorSet`, for reflection.
    pub const FILE_DESCRIPTOR_SET: &[u8] =
        include_bytes!(concat!(env!("OUT_DIR"), "/urgence.binpb"));

    macro_rules! keep_content_out_of_debug {
        ($($message:ident),+ $(,)?) => {$(
            impl std::fmt::Debug for $message {
                /// What was said is never printed.
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str(concat!(stringify!($message), "(sealed)"))
                }
            }
        )+};
    }

    keep_content_out_of_debug!(
        EmergencyRequest,
        Requester,
        Emergency,
        PersonAtRisk,
        Target,
        DataScope,
        Justification,
        RespondRequest,
        RedirectedAnswer,
        NeedInformationAnswer,
        ResponseContent,
        Contact,
        CaseEntry,
        UpdateEntry,
        QuestionsEntry,
        InformationEntry,
        OutcomeEntry,
        ManifestItem,
        WithdrawalEntry,
        PreservationEntry,
        DeliveryEntry,
        HandOverEntry,
        ReclassificationEntry,
        VerificationEntry,
        ConflictEntry,
        ConflictOfLaw,
        LinkEntry,
        ProposalEntry,
        ClockEntry,
        LegalHoldEntry,
        HandOverRequest,
        SendUpdateRequest,
        AskForInformationRequest,
        ProvideInformationRequest,
        OpenIncidentRequest,
        ProposeOutcomeRequest,
        Incident,
        DeskServiceGetResponse,
        IntakeServiceGetResponse,
        RecordVerificationRequest,
        RecordConflictRequest,
        ReclassifyRequest,
        LinkDuplicateRequest,
        PauseClockRequest,
        SettleClockRequest,
        WithdrawRequest,
        RequestPreservationRequest,
        ConfirmDeliveryRequest,
        SetLegalHoldRequest,
    );
}
