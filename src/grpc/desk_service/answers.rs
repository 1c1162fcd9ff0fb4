//! What the desk says to the authority while the case is open.

use std::time::Duration;

use prost::Message as _;
use tonic::Status;

use super::{MESSAGE_CHARS, answer, chosen, duration, epoch};
use crate::core::intake::{Checks, Code, check_contact, check_text};
use crate::core::{Deed, FirstResponseKind};
use crate::desk::{Said, Store};
use crate::grpc::convert::{
    self,
    words::{redirect_target, refusal_reason},
};
use crate::grpc::identity::Callers;
use crate::grpc::serve::{Edge, check_required, valid};
use crate::grpc::wire::{self, case_entry, respond_request::Answer};
use crate::grpc::{status, submission};

/// Longer estimates are no answer to an emergency.
const EXPECTED_WITHIN_MAX: Duration = Duration::from_hours(30 * 24);
const QUESTIONS_MAX: usize = 20;
const QUESTION_CHARS: usize = 2_000;

pub(super) async fn respond<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::RespondRequest,
) -> Result<wire::RespondResponse, Status> {
    let mut checks = Checks::default();
    let head = edge.head(&mut checks, &caller, &message);
    let epoch = epoch(&mut checks, message.epoch);
    check_text(&mut checks, "message", &message.message, MESSAGE_CHARS);
    let said = read_answer(&mut checks, message);
    let ((head, epoch), (kind, content)) = valid(checks, head.zip(epoch).zip(said))?;
    let deed = Deed::Respond(epoch, kind);
    let said = Said::Response(content.encode_to_vec().into());
    let desk = head.desk;
    let done = desk.act(head.id, head.act, deed, said).await.map_err(status::error)?;
    let (case, replayed) = answer(desk.name(), &done);
    let first_response_record = edge.records.first_response(desk.name(), &done.case);
    Ok(wire::RespondResponse { case, replayed, first_response_record })
}

/// What a first response says, and its texts.
fn read_answer(
    checks: &mut Checks,
    message: wire::RespondRequest,
) -> Option<(FirstResponseKind, wire::ResponseContent)> {
    let mut content =
        wire::ResponseContent { message: message.message, ..wire::ResponseContent::default() };
    let kind = match message.answer {
        None => {
            check_required(checks, "answer");
            None
        }
        Some(Answer::AllData(_)) => Some(FirstResponseKind::AllData),
        Some(Answer::PartOfData(_)) => Some(FirstResponseKind::PartOfData),
        Some(Answer::NoData(_)) => Some(FirstResponseKind::NoData),
        Some(Answer::Refused(answer)) => {
            let reason = chosen(checks, "refused.reason", refusal_reason::read(answer.reason));
            reason.map(FirstResponseKind::Refused)
        }
        Some(Answer::Redirected(answer)) => {
            check_text(checks, "redirected.details", &answer.details, 2_000);
            content.redirect_details = answer.details;
            let target = redirect_target::read(answer.target);
            chosen(checks, "redirected.target", target).map(FirstResponseKind::Redirected)
        }
        Some(Answer::NeedInformation(answer)) => {
            check_questions(checks, "need_information.questions", &answer.questions);
            content.questions = answer.questions;
            Some(FirstResponseKind::NeedInformation)
        }
        Some(Answer::InProgress(answer)) => {
            let field = "in_progress.expected_within";
            let sent = answer.expected_within.as_ref();
            let expected_within = duration(checks, field, sent, EXPECTED_WITHIN_MAX);
            if sent.is_none_or(|sent| sent.seconds == 0 && sent.nanos == 0) {
                check_required(checks, field);
            }
            let contact = answer.contact.unwrap_or_default();
            check_contact(checks, "in_progress.contact", &submission::contact(&contact));
            content.contact = Some(contact);
            Some(FirstResponseKind::InProgress { expected_within })
        }
    };
    Some((kind?, content))
}

fn check_questions(checks: &mut Checks, field: &str, questions: &[String]) {
    if questions.is_empty() {
        check_required(checks, field);
    }
    if questions.len() > QUESTIONS_MAX {
        checks.violation(field, Code::TooMany, format!("ask at most {QUESTIONS_MAX} questions"));
    }
    for (index, question) in questions.iter().enumerate().take(QUESTIONS_MAX) {
        check_text(checks, &format!("{field}[{index}]"), question, QUESTION_CHARS);
    }
}

pub(super) async fn send_update<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::SendUpdateRequest,
) -> Result<wire::SendUpdateResponse, Status> {
    let mut checks = Checks::default();
    let head = edge.head(&mut checks, &caller, &message);
    let epoch = epoch(&mut checks, message.epoch);
    check_text(&mut checks, "message", &message.message, MESSAGE_CHARS);
    let sent = message.expected_within.as_ref();
    let within = duration(&mut checks, "expected_within", sent, EXPECTED_WITHIN_MAX);
    let expected_within = Some(within).filter(|within| !within.is_zero());
    let (head, epoch) = valid(checks, head.zip(epoch))?;
    let desk = head.desk.clone();
    let expected_at = desk.now_estimate().zip(expected_within).map(|(now, within)| now + within);
    let said = case_entry::Said::Update(wire::UpdateEntry {
        message: message.message,
        expected_at: expected_at.map(convert::timestamp),
    });
    let done = head.perform(Deed::SendUpdate(epoch, expected_within), Some(said)).await?;
    let (case, replayed) = answer(desk.name(), &done);
    Ok(wire::SendUpdateResponse { case, replayed })
}

pub(super) async fn ask_for_information<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::AskForInformationRequest,
) -> Result<wire::AskForInformationResponse, Status> {
    let mut checks = Checks::default();
    let head = edge.head(&mut checks, &caller, &message);
    let epoch = epoch(&mut checks, message.epoch);
    check_text(&mut checks, "message", &message.message, MESSAGE_CHARS);
    check_questions(&mut checks, "questions", &message.questions);
    let (head, epoch) = valid(checks, head.zip(epoch))?;
    let desk = head.desk.clone();
    let wire::AskForInformationRequest { message, questions, .. } = message;
    let said = case_entry::Said::Questions(wire::QuestionsEntry { message, questions });
    let done = head.perform(Deed::AskForInformation(epoch), Some(said)).await?;
    let (case, replayed) = answer(desk.name(), &done);
    Ok(wire::AskForInformationResponse { case, replayed })
}
