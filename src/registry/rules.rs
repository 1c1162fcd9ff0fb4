//! Who may call what: one table, in which a method that is not there may be called by nobody.

use crate::core::Role;

/// Who may call a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody whose connection was let in: it tells nothing of anybody.
    Anybody,
    /// Whoever the registry knows, in whatever role.
    Known,
    /// Whoever has one of these roles, at the desk that the call is for.
    Roles(&'static [Role]),
}

/// The rule of a method.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The path that it is called by.
    pub path: &'static str,
    /// What it is called in metrics: its own name, with the service's where two have the same.
    pub label: &'static str,
    /// Who may call it.
    pub access: Access,
}

const PORTAL: Access = Access::Roles(&[Role::Portal]);
/// Everybody who may work at a desk.
const DESK: Access = Access::Roles(&[Role::Responder, Role::LegalReviewer, Role::Supervisor]);
const SUPERVISOR: Access = Access::Roles(&[Role::Supervisor]);
const OVERSIGHT: Access = Access::Roles(&[Role::Supervisor, Role::Auditor]);

macro_rules! rules {
    ($($service:literal { $($method:literal $(as $label:literal)? => $access:expr),+ $(,)? })+) => {
        /// Every rule there is.
        pub const RULES: &[Rule] = &[$($(Rule {
            path: concat!("/", $service, "/", $method),
            label: rules!(@label $method $($label)?),
            access: $access,
        },)+)+];
    };
    (@label $method:literal) => { $method };
    (@label $method:literal $label:literal) => { $label };
}

rules! {
    "urgence.v1.IntakeService" {
        "Submit" => PORTAL,
        "Get" as "IntakeService.Get" => PORTAL,
        "List" as "IntakeService.List" => PORTAL,
        "Watch" as "IntakeService.Watch" => PORTAL,
        "ProvideInformation" => PORTAL,
        "Withdraw" => PORTAL,
        "RequestPreservation" => PORTAL,
        "ConfirmDelivery" => PORTAL,
        "GetReceiptProof" => PORTAL,
        "ListDataCategories" => PORTAL,
    }
    "urgence.v1.DeskService" {
        "ClaimNext" => DESK,
        "Claim" => DESK,
        "RenewClaim" => DESK,
        "ReleaseClaim" => DESK,
        "HandOver" => DESK,
        "Get" as "DeskService.Get" => DESK,
        "List" as "DeskService.List" => DESK,
        "Watch" as "DeskService.Watch" => DESK,
        "Respond" => DESK,
        "SendUpdate" => DESK,
        "AskForInformation" => DESK,
        "Reclassify" => DESK,
        "RecordVerification" => DESK,
        "RecordConflict" => DESK,
        "LinkDuplicate" => DESK,
        "ProposeOutcome" => DESK,
        "ApproveOutcome" => DESK,
        "ConfirmWithdrawal" => DESK,
        "PauseClock" => DESK,
        "ResumeClock" => DESK,
        "SettleClock" => DESK,
        "OpenIncident" => DESK,
        "AddIncidentFacts" => DESK,
        "CloseIncident" => DESK,
        "AcknowledgePage" => DESK,
        "GetPolicy" => DESK,
    }
    "urgence.v1.OversightService" {
        "GetStatus" => OVERSIGHT,
        "SuspendAuthority" => SUPERVISOR,
        "ReinstateAuthority" => SUPERVISOR,
        "ListDisclosures" => OVERSIGHT,
        "SetLegalHold" => SUPERVISOR,
        "ListAuditEntries" => OVERSIGHT,
        "VerifyAudit" => OVERSIGHT,
        "ExportTransparency" => OVERSIGHT,
    }
    "grpc.health.v1.Health" {
        "Check" as "Health.Check" => Access::Anybody,
        "Watch" as "Health.Watch" => Access::Anybody,
    }
    "grpc.reflection.v1.ServerReflection" {
        "ServerReflectionInfo" as "Reflection.V1" => Access::Known,
    }
    "grpc.reflection.v1alpha.ServerReflection" {
        "ServerReflectionInfo" as "Reflection.V1Alpha" => Access::Known,
    }
}

/// The rule of the method with this label; `None` for one that nobody may call.
#[must_use]
pub fn labelled(label: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.label == label)
}

/// The rule of the method that is called by `path`; `None` for one that nobody may call.
#[must_use]
pub fn rule(path: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.path == path)
}
