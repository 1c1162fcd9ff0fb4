//! What people at the desk find out about a case. It may come from any colleague.

use tonic::Status;

use super::{PAGE_CHARS, answer, chosen, optional};
use crate::core::intake::{Checks, Code, check_country, check_optional_text, check_text};
use crate::core::memory::Recall;
use crate::core::{AuthorityId, Country, Deed, Finding, PhoneId, Refusal, Stance, Verification};
use crate::desk::Store;
use crate::grpc::convert::words::{data_category, nature, protection, stance, verification};
use crate::grpc::identity::Callers;
use crate::grpc::serve::{Edge, Head, check_required, valid};
use crate::grpc::status;
use crate::grpc::wire::{self, case_entry::Said};

pub(super) async fn reclassify<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::ReclassifyRequest,
) -> Result<wire::ReclassifyResponse, Status> {
    let mut checks = Checks::default();
    let head = edge.head(&mut checks, &caller, &message);
    let nature = optional(&mut checks, "nature", nature::read(message.nature));
    let protection = optional(&mut checks, "protection", protection::read(message.protection));
    if message.nature == 0 && message.protection == 0 {
        let fix = "send the nature it should have, or a protection, or both";
        checks.violation("nature", Code::Required, fix);
    }
    check_text(&mut checks, "reason", &message.reason, PAGE_CHARS);
    let head = valid(checks, head)?;
    let desk = head.desk.clone();
    let said = Said::Reclassification(wire::ReclassificationEntry {
        nature: message.nature,
        protection: message.protection,
        reason: message.reason,
    });
    let done = head.perform(Deed::Reclassify(nature, protection), Some(said)).await?;
    let (case, replayed) = answer(desk.name(), &done);
    Ok(wire::ReclassifyResponse { case, replayed })
}

pub(super) async fn record_verification<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::RecordVerificationRequest,
) -> Result<wire::RecordVerificationResponse, Status> {
    let mut checks = Checks::default();
    let head = edge.head(&mut checks, &caller, &message);
    let found = chosen(&mut checks, "finding", verification::read(message.finding));
    if found == Some(Verification::Unverified) {
        let fix = "say what the check found; a case is unverified before any";
        checks.violation("finding", Code::OutOfRange, fix);
    }
    let phone = match found {
        Some(Verification::CallbackConfirmed) => {
            checks.name::<PhoneId>("callback_phone_id", &message.callback_phone_id)
        }
        _ => None,
    };
    check_optional_text(&mut checks, "note", &message.note, PAGE_CHARS);
    let (head, found) = valid(checks, head.zip(found))?;
    let finding = match found {
        Verification::Unverified | Verification::ChannelVerified => Finding::ChannelVerified,
        Verification::AgencyVerified => Finding::AgencyVerified,
        Verification::Failed => Finding::Failed,
        Verification::SuspectedFraud => Finding::SuspectedFraud,
        Verification::CallbackConfirmed => {
            let registered = registered(&head, Refusal::CallbackNumberUnknown, |authority| {
                phone.as_ref().and_then(|phone| head.desk.callback_number(authority, phone))
            });
            // Of an act that is remembered nothing is decided anew.
            registered.await?.map_or(Finding::Failed, Finding::CallbackConfirmed)
        }
    };
    let desk = head.desk.clone();
    let said = Said::Verification(wire::VerificationEntry {
        finding: message.finding,
        callback_phone_id: message.callback_phone_id,
        note: message.note,
    });
    let done = head.perform(Deed::RecordVerification(finding), Some(said)).await?;
    let (case, replayed) = answer(desk.name(), &done);
    Ok(wire::RecordVerificationResponse { case, replayed })
}

/// What the registry holds for the authority of the case, or else the refusal. `None` only for an act
/// that the case remembers: a repeat finds what was done, whatever the registry has held since.
pub(super) async fn registered<S: Store, T>(
    head: &Head<S>,
    refusal: Refusal,
    find: impl FnOnce(&AuthorityId) -> Option<T>,
) -> Result<Option<T>, Status> {
    let case = head.desk.get(head.id).await.map_err(status::error)?;
    let found = find(&case.authority);
    if found.is_none() && case.memory.recall(&head.act) == Recall::New {
        return Err(status::refused_by_registry(refusal));
    }
    Ok(found)
}

pub(super) async fn record_conflict<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::RecordConflictRequest,
) -> Result<wire::RecordConflictResponse, Status> {
    let mut checks = Checks::default();
    let head = edge.head(&mut checks, &caller, &message);
    let category = chosen(&mut checks, "category", data_category::read(message.category));
    let stance = chosen(&mut checks, "stance", stance::read(message.stance));
    let country = check_conflict(&mut checks, stance, message.conflict.as_ref());
    if stance == Some(Stance::Lifted) {
        // Whoever lets data go out over another country's law says why.
        check_text(&mut checks, "decision", &message.decision, PAGE_CHARS);
    } else {
        check_optional_text(&mut checks, "decision", &message.decision, PAGE_CHARS);
    }
    let ((head, category), stance) = valid(checks, head.zip(category).zip(stance))?;
    let desk = head.desk.clone();
    let said = Said::Conflict(wire::ConflictEntry {
        category: message.category,
        stance: message.stance,
        conflict: message.conflict,
        decision: message.decision,
    });
    let done = head.perform(Deed::RecordConflict(category, country, stance), Some(said)).await?;
    let (case, replayed) = answer(desk.name(), &done);
    Ok(wire::RecordConflictResponse { case, replayed })
}

/// Checks the law that stands against it, and gives the country whose law it is. Lifting a conflict needs
/// no more than the country, and that only where there are several.
fn check_conflict(
    checks: &mut Checks,
    stance: Option<Stance>,
    sent: Option<&wire::ConflictOfLaw>,
) -> Option<Country> {
    let field = |name: &str| format!("conflict.{name}");
    let empty = wire::ConflictOfLaw::default();
    let law = sent.unwrap_or(&empty);
    for (name, text, chars_max) in [
        ("why_applicable", &law.why_applicable, PAGE_CHARS),
        ("link_to_third_country", &law.link_to_third_country, PAGE_CHARS),
        ("consequences", &law.consequences, PAGE_CHARS),
        ("storage_location", &law.storage_location, 500),
        ("controller_entity", &law.controller_entity, 500),
    ] {
        check_optional_text(checks, &field(name), text, chars_max);
    }
    for (name, texts, chars_max) in
        [("provisions", &law.provisions, 200), ("alternatives", &law.alternatives, 500)]
    {
        if texts.len() > 20 {
            checks.violation(field(name), Code::TooMany, "send at most 20");
        }
        for (index, text) in texts.iter().enumerate().take(20) {
            check_text(checks, &field(&format!("{name}[{index}]")), text, chars_max);
        }
    }
    if stance == Some(Stance::Lifted) {
        if law.third_country.is_empty() {
            return None;
        }
        return check_country(checks, &field("third_country"), &law.third_country);
    }
    check_text(checks, &field("law_title"), &law.law_title, 500);
    check_text(checks, &field("nature_of_conflict"), &law.nature_of_conflict, PAGE_CHARS);
    if law.provisions.is_empty() {
        check_required(checks, &field("provisions"));
    }
    check_country(checks, &field("third_country"), &law.third_country)
}

pub(super) async fn link_duplicate<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::LinkDuplicateRequest,
) -> Result<wire::LinkDuplicateResponse, Status> {
    let mut checks = Checks::default();
    let head = edge.head(&mut checks, &caller, &message);
    let other = edge.case(&mut checks, "other", &message.other);
    check_optional_text(&mut checks, "reason", &message.reason, PAGE_CHARS);
    if let (Some(head), Some((desk, _))) = (&head, &other)
        && head.desk.name() != desk.name()
    {
        checks.violation("other", Code::Contradiction, "link cases of the same desk");
    }
    let (head, (desk, other)) = valid(checks, head.zip(other))?;
    let authority = desk.get(other).await.map_err(status::error)?.authority;
    let said = Said::Link(wire::LinkEntry { case: message.other, reason: message.reason });
    let done = head.perform(Deed::LinkDuplicate(other, authority), Some(said)).await?;
    let (case, replayed) = answer(desk.name(), &done);
    Ok(wire::LinkDuplicateResponse { case, replayed })
}
