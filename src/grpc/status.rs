//! The only place that turns a failure into a status: a code for machines that retry, a reason for
//! machines that branch, and words for people.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

use crate::core::incident::IncidentRefusal;
use crate::core::standing::StandingRefusal;
use crate::core::time::millis;
use crate::core::{CaseId, Refusal, Violation};
use crate::desk::{Error, NotEntitled, StoreError};
use crate::registry::rules::{Access, Rule};

/// The `domain` of every `google.rpc.ErrorInfo`.
pub(super) const ERROR_DOMAIN: &str = "urgence.v1";

/// How many bytes of violations one status carries. Many clients refuse more than 8 KiB of
/// trailers, and the details travel in base64.
const VIOLATION_BYTES_MAX: usize = 4_096;

fn status(code: Code, reason: &'static str, message: impl Into<String>) -> Status {
    with(code, reason, message, ErrorDetails::new())
}

fn with(
    code: Code,
    reason: &'static str,
    message: impl Into<String>,
    mut details: ErrorDetails,
) -> Status {
    details.set_error_info(reason, ERROR_DOMAIN, [] as [(String, String); 0]);
    Status::with_error_details(code, message, details)
}

/// Something that may be sent again after so long, in whole milliseconds, begun ones counted whole.
fn later(reason: &'static str, message: impl Into<String>, retry_after: Duration) -> Status {
    let mut details = ErrorDetails::new();
    let whole = Duration::from_millis(millis(retry_after) + 1);
    details.set_retry_info(Some(whole));
    with(Code::ResourceExhausted, reason, message, details)
}

/// No checkpoint covers it yet.
pub(super) fn proof_not_ready(message: String, retry_after: Duration) -> Status {
    let mut details = ErrorDetails::new();
    details.set_retry_info(Some(retry_after));
    with(Code::Unavailable, "PROOF_NOT_READY", message, details)
}

/// The record of this server does not have it.
pub(super) fn no_record(message: impl Into<String>) -> Status {
    status(Code::Unavailable, "RECORD_UNAVAILABLE", message)
}

/// Every violation at once; what does not fit is counted.
pub(super) fn invalid_fields(violations: Vec<Violation>) -> Status {
    let count = violations.len();
    let mut details = ErrorDetails::new();
    let mut bytes = 0;
    for (index, violation) in violations.into_iter().enumerate() {
        bytes += violation.field.len() + violation.how_to_fix.len() + violation.code.word().len();
        if bytes > VIOLATION_BYTES_MAX {
            let rest = format!("mend these first; {} more fields are wrong", count - index);
            details.add_bad_request_violation("", rest);
            break;
        }
        let word = violation.code.word();
        let mut described = FieldViolation::new(violation.field, violation.how_to_fix);
        described.description = format!("{word}: {}", described.description);
        word.clone_into(&mut described.reason);
        let mut violations = details
            .bad_request()
            .map_or_else(Vec::new, |bad_request| bad_request.field_violations.clone());
        violations.push(described);
        details.set_bad_request(violations);
    }
    let message = format!("{count} fields are wrong; see the field violations");
    with(Code::InvalidArgument, "INVALID_FIELDS", message, details)
}

pub(super) fn bad_token() -> Status {
    let message = "this token is not one of ours, or belongs to another list; start without it";
    status(Code::InvalidArgument, "BAD_TOKEN", message)
}

pub(super) fn bad_caller() -> Status {
    let message = "urgence-caller reads like: ana; roles=responder,supervisor; authorities=fr-pnij";
    status(Code::InvalidArgument, "BAD_CALLER", message)
}

pub(super) fn watch_aged() -> Status {
    let message =
        "a watch goes on for so long and no longer; watch again with the latest resume_token";
    status(Code::Unavailable, "WATCH_AGED", message)
}

pub(super) fn certificate_missing() -> Status {
    let message = "this connection presented no certificate; connect with one";
    status(Code::Unauthenticated, "CERTIFICATE_MISSING", message)
}

pub(super) fn certificate_over() -> Status {
    let message =
        "your certificate holds no longer: it has ended or was revoked; connect with a new one";
    status(Code::Unauthenticated, "CERTIFICATE_OVER", message)
}

pub(super) fn caller_unknown() -> Status {
    let message =
        "the registry does not know the identity of your certificate; have the provider enter it";
    status(Code::PermissionDenied, "CALLER_UNKNOWN", message)
}

pub(super) fn method_not_allowed() -> Status {
    let message = "no rule lets anybody call this method; compare with the server's reflection";
    status(Code::PermissionDenied, "METHOD_NOT_ALLOWED", message)
}

pub(super) fn role_missing(rule: &Rule) -> Status {
    let roles = match rule.access {
        Access::Anybody | Access::Known => &[],
        Access::Roles(roles) => roles,
    };
    let words: Vec<&str> = roles.iter().map(|role| role.word()).collect();
    let message = format!("this method takes the role {}", words.join(" or "));
    status(Code::PermissionDenied, "ROLE_MISSING", message)
}

pub(super) fn case_not_found() -> Status {
    error(Error::Refused(Refusal::CaseNotFound))
}

pub(super) fn stopping() -> Status {
    error(Error::Stopping)
}

pub(super) fn malformed_message() -> Status {
    let message = "the message is not one of this method; compare with the server's reflection";
    status(Code::InvalidArgument, "MALFORMED_MESSAGE", message)
}

pub(super) fn message_too_large() -> Status {
    let message = "the message is larger than 256 KiB; send less";
    status(Code::InvalidArgument, "MESSAGE_TOO_LARGE", message)
}

pub(super) fn caller_too_fast(retry_after: Duration) -> Status {
    let message = "you call more often than you may; send this again a little later";
    later("CALLER_TOO_FAST", message, retry_after)
}

pub(super) fn too_many_watches(most: usize) -> Status {
    let message =
        format!("you have {most} watches open, which is the most there may be; close one");
    status(Code::ResourceExhausted, "TOO_MANY_WATCHES", message)
}

pub(super) fn deadline_exceeded() -> Status {
    let message = "your deadline came first and the outcome is unknown; send the same message again \
                   with the same request_id and more time";
    status(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", message)
}

/// A fault of this program.
pub(super) fn fault() -> Status {
    let message = "a fault of ours, and the outcome is unknown; it has been logged. Send the same \
                   message again with the same request_id";
    status(Code::Internal, "FAULT", message)
}

/// A key or a number that the registry does not hold for the authority of the case.
pub(super) fn refused_by_registry(refusal: Refusal) -> Status {
    error(Error::Refused(refusal))
}

/// Stored content that this version cannot read.
pub(super) fn unreadable_content(id: CaseId) -> Status {
    let (code, reason) = (Code::Internal, "STORED_CASE_UNREADABLE");
    tracing::error!(reason, case.id = %id, "stored content is not a message of ours");
    status(code, reason, "the stored case cannot be read; the operator has been told")
}

/// A failed use case. What is the operator's is logged here, once; the authority and the desk are
/// told what to do, not how the house is built.
#[expect(clippy::needless_pass_by_value, reason = "it is made for `map_err`")]
pub(super) fn error(error: Error) -> Status {
    let (code, reason) = classify(&error);
    match &error {
        Error::Refused(refusal) => status(code, reason, refusal.to_string()),
        Error::Incident(_)
        | Error::Standing(_)
        | Error::NotEntitled(_)
        | Error::ContactsInUse { .. }
        | Error::TooOld
        | Error::Superseded
        | Error::Stopping => status(code, reason, error.to_string()),
        Error::BudgetSpent { retry_after } | Error::StoreBusy { retry_after } => {
            later(reason, error.to_string(), *retry_after)
        }
        Error::Store(_) | Error::NotDurable { .. } | Error::Contended | Error::Elsewhere => {
            tracing::error!(reason, %error, "a call failed");
            let message = match code {
                Code::Internal => "the stored case cannot be read; the operator has been told",
                _ => {
                    "not stored, or not known to be; send the same message again with the same \
                      request_id"
                }
            };
            status(code, reason, message)
        }
    }
}

/// The code and the reason of a refusal: not found, used before, over, or else the case's state.
const fn refused(refusal: Refusal) -> (Code, &'static str) {
    let reason = match refusal {
        Refusal::CaseNotFound => return (Code::NotFound, "CASE_NOT_FOUND"),
        Refusal::RequestIdReused => return (Code::AlreadyExists, "REQUEST_ID_REUSED"),
        Refusal::EpochOver => return (Code::Aborted, "EPOCH_OVER"),
        Refusal::ClaimedByAnother => "CLAIMED_BY_ANOTHER",
        Refusal::CaseEnded => "CASE_ENDED",
        Refusal::AlreadyAnswered => "ALREADY_ANSWERED",
        Refusal::NotAnswered => "NOT_ANSWERED",
        Refusal::DisclosureNotApproved => "DISCLOSURE_NOT_APPROVED",
        Refusal::NotVerified => "NOT_VERIFIED",
        Refusal::AuthoritySuspended => "AUTHORITY_SUSPENDED",
        Refusal::AuthorityNotValid => "AUTHORITY_NOT_VALID",
        Refusal::ValidationFailed => "VALIDATION_FAILED",
        Refusal::WithdrawalWaits => "WITHDRAWAL_WAITS",
        Refusal::CallbackNumberTooNew => "CALLBACK_NUMBER_TOO_NEW",
        Refusal::RecipientKeyTooNew => "RECIPIENT_KEY_TOO_NEW",
        Refusal::SecondPersonNeeded => "SECOND_PERSON_NEEDED",
        Refusal::LegalReviewerNeeded => "LEGAL_REVIEWER_NEEDED",
        Refusal::ConflictStands => "CONFLICT_STANDS",
        Refusal::ConflictNotRecorded => "CONFLICT_NOT_RECORDED",
        Refusal::CategoryNotRequested => "CATEGORY_NOT_REQUESTED",
        Refusal::CategoryDecided => "CATEGORY_DECIDED",
        Refusal::ProposalReplaced => "PROPOSAL_REPLACED",
        Refusal::RecipientKeyUnknown => "RECIPIENT_KEY_UNKNOWN",
        Refusal::CallbackNumberUnknown => "CALLBACK_NUMBER_UNKNOWN",
        Refusal::DuplicateNotLinked => "DUPLICATE_NOT_LINKED",
        Refusal::OriginalIsDuplicate => "ORIGINAL_IS_DUPLICATE",
        Refusal::NothingAsked => "NOTHING_ASKED",
        Refusal::ClockNotRunning => "CLOCK_NOT_RUNNING",
        Refusal::ClockNotPaused => "CLOCK_NOT_PAUSED",
        Refusal::ClockNotPausable => "CLOCK_NOT_PAUSABLE",
        Refusal::PauseUnfounded => "PAUSE_UNFOUNDED",
        Refusal::ClockNotSettled => "CLOCK_NOT_SETTLED",
        Refusal::AlreadyExtended => "ALREADY_EXTENDED",
        Refusal::WithdrawalNotRequested => "WITHDRAWAL_NOT_REQUESTED",
        Refusal::DisclosureNotFound => "DISCLOSURE_NOT_FOUND",
        Refusal::PageNotFound => "PAGE_NOT_FOUND",
        Refusal::NothingToChange => "NOTHING_TO_CHANGE",
    };
    (Code::FailedPrecondition, reason)
}

fn classify(error: &Error) -> (Code, &'static str) {
    match error {
        Error::Refused(refusal) => refused(*refusal),
        Error::Incident(refusal) => match refusal {
            IncidentRefusal::NotFound => (Code::NotFound, "INCIDENT_NOT_FOUND"),
            IncidentRefusal::NameTaken => (Code::FailedPrecondition, "INCIDENT_NAME_TAKEN"),
            IncidentRefusal::RequestIdReused => (Code::AlreadyExists, "REQUEST_ID_REUSED"),
            IncidentRefusal::Closed => (Code::FailedPrecondition, "INCIDENT_CLOSED"),
            IncidentRefusal::FactsTooLong => (Code::FailedPrecondition, "INCIDENT_FACTS_TOO_LONG"),
        },
        Error::Standing(refusal) => match refusal {
            StandingRefusal::NotFound => (Code::NotFound, "AUTHORITY_UNKNOWN"),
            StandingRefusal::RequestIdReused => (Code::AlreadyExists, "REQUEST_ID_REUSED"),
            StandingRefusal::NotSuspended => (Code::FailedPrecondition, "AUTHORITY_NOT_SUSPENDED"),
        },
        Error::NotEntitled(NotEntitled::NotListed) => (Code::NotFound, "AUTHORITY_UNKNOWN"),
        Error::NotEntitled(NotEntitled::NotValid) => {
            (Code::PermissionDenied, "AUTHORITY_NOT_VALID")
        }
        Error::NotEntitled(NotEntitled::OtherNatures) => {
            (Code::PermissionDenied, "NATURE_NOT_ALLOWED")
        }
        Error::ContactsInUse { .. } => (Code::FailedPrecondition, "CONTACTS_IN_USE"),
        Error::Store(error) => match error {
            StoreError::Unreachable { .. }
            | StoreError::Failed { .. }
            | StoreError::NotSealed { .. } => (Code::Unavailable, "STORE_UNAVAILABLE"),
            StoreError::Full { .. } => (Code::Unavailable, "STORE_FULL"),
            StoreError::NotReplicated { .. } => (Code::Unavailable, "NOT_REPLICATED"),
            StoreError::Unreadable { .. } => (Code::Internal, "STORED_CASE_UNREADABLE"),
        },
        Error::NotDurable { .. } => (Code::Unavailable, "NOT_DURABLE"),
        Error::BudgetSpent { .. } => (Code::ResourceExhausted, "AUTHORITY_BUDGET_SPENT"),
        Error::StoreBusy { .. } => (Code::ResourceExhausted, "STORE_BUSY"),
        Error::Contended | Error::Elsewhere => (Code::Unavailable, "CONTENDED"),
        Error::TooOld => (Code::OutOfRange, "RESUME_TOKEN_TOO_OLD"),
        Error::Superseded => (Code::Unavailable, "SUPERSEDED"),
        Error::Stopping => (Code::Unavailable, "STOPPING"),
    }
}

/// The names of the codes that the contract knows.
pub(super) const CONTRACT_CODES: [&str; 13] = [
    "OK",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "UNAUTHENTICATED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNAVAILABLE",
    "INTERNAL",
];

/// A code's name, for metrics.
pub(super) const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use tonic_types::StatusExt as _;

    use super::*;

    /// What the manual says of a reason, from its first word on.
    fn manual(reason: &str) -> String {
        let text = include_str!("../../proto/urgence/v1/error.proto");
        let before = text.split(&format!("  ERROR_REASON_{reason} = ")).next().unwrap();
        let comment = before.rsplit(";\n").next().unwrap();
        comment.trim_start().trim_start_matches("// ").to_owned()
    }

    #[test]
    fn each_reason_comes_with_the_code_that_the_manual_gives_it() {
        let retry_after = Duration::from_secs(1);
        let statuses = [
            bad_token(),
            bad_caller(),
            watch_aged(),
            certificate_over(),
            caller_unknown(),
            method_not_allowed(),
            malformed_message(),
            message_too_large(),
            caller_too_fast(retry_after),
            too_many_watches(1),
            deadline_exceeded(),
            fault(),
            proof_not_ready(String::new(), retry_after),
            no_record(""),
            case_not_found(),
            error(Error::NotEntitled(NotEntitled::NotValid)),
            error(Error::NotDurable { problem: String::new() }),
            error(Error::BudgetSpent { retry_after }),
            error(Error::StoreBusy { retry_after }),
            error(Error::Contended),
            error(Error::TooOld),
            error(Error::Superseded),
            error(Error::Stopping),
            error(Error::Refused(Refusal::CallbackNumberTooNew)),
            error(Error::Refused(Refusal::RecipientKeyTooNew)),
            error(Error::Refused(Refusal::RequestIdReused)),
            error(Error::Refused(Refusal::EpochOver)),
        ];
        for status in statuses {
            let reason = status.get_details_error_info().unwrap().reason;
            let (code, said) = (code_name(status.code()), manual(&reason));
            assert!(said.starts_with(code), "{reason}: {code}, and the manual says {said}");
            assert_eq!(
                status.get_details_retry_info().is_some(),
                said.contains("google.rpc.RetryInfo"),
                "{reason}: {said}"
            );
        }
    }
}
