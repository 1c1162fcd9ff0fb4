//! How cases end: proposed by one person, approved by another.

use std::collections::BTreeMap;

use prost::Message as _;
use sha2::{Digest as _, Sha256};
use tonic::Status;

use super::judgements::registered;
use super::{MESSAGE_CHARS, answer, chosen, epoch};
use crate::core::intake::{Checks, Choice, Code, check_optional_text, check_sha256, check_text};
use crate::core::memory::Recall;
use crate::core::{
    CaseId, DataCategory, Deed, Disposition, Ending, KeyId, Manifest, Outcome, Proposed, Refusal,
    RequestDigest, ShownTo,
};
use crate::desk::{Error, Store};
use crate::grpc::convert::Reader;
use crate::grpc::convert::words::{data_category, outcome, redirect_target, refusal_reason};
use crate::grpc::entries::{entry, latest_proposal, open};
use crate::grpc::identity::Callers;
use crate::grpc::serve::{Edge, Head, check_required, valid};
use crate::grpc::status;
use crate::grpc::wire::{self, case_entry::Said};

const ITEMS_MAX: usize = 100;
const ITEM_NAME_CHARS: usize = 200;

/// A proposal as it was sent, before its key was looked up.
enum Sent {
    Categories(BTreeMap<DataCategory, Disposition>, Option<KeyId>),
    Whole(Ending),
}

pub(super) async fn propose_outcome<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::ProposeOutcomeRequest,
) -> Result<wire::ProposeOutcomeResponse, Status> {
    let mut checks = Checks::default();
    let head = edge.head(&mut checks, &caller, &message);
    let epoch = epoch(&mut checks, message.epoch);
    check_text(&mut checks, "message", &message.message, MESSAGE_CHARS);
    check_optional_text(&mut checks, "justification", &message.justification, MESSAGE_CHARS);
    let sent = match (&message.ending, message.dispositions.as_slice()) {
        (Some(ending), []) => {
            if message.manifest.is_some() {
                let fix = "a case that is ended as a whole sends nothing; leave the manifest out";
                checks.violation("manifest", Code::Contradiction, fix);
            }
            read_ending(&edge, &mut checks, ending).map(Sent::Whole)
        }
        (None, [_, ..]) => read_categories(&mut checks, &message),
        (Some(_), [_, ..]) => {
            let fix = "decide categories, or end the case as a whole, not both";
            checks.violation("ending", Code::Contradiction, fix);
            None
        }
        (None, []) => {
            check_required(&mut checks, "dispositions");
            None
        }
    };
    let ((head, epoch), sent) = valid(checks, head.zip(epoch).zip(sent))?;
    let manifest = message.manifest.clone().unwrap_or_default();
    let proposed = match sent {
        Sent::Whole(ending) => {
            if let Ending::Duplicate(of) = ending {
                must_be_original(&head, of).await?;
            }
            Proposed::Whole(ending)
        }
        Sent::Categories(dispositions, key) => {
            let manifest = match key {
                Some(key) => summary(&head, &key, &manifest.items).await?,
                None => None,
            };
            Proposed::Categories { dispositions, manifest }
        }
    };
    let desk = head.desk.clone();
    let said = Said::Proposal(wire::ProposalEntry {
        message: message.message,
        justification: message.justification,
        items: manifest.items,
        recipient_key_id: manifest.recipient_key_id,
    });
    let done = head.perform(Deed::ProposeOutcome(epoch, proposed), Some(said)).await?;
    let (case, replayed) = answer(desk.name(), &done);
    Ok(wire::ProposeOutcomeResponse { case, replayed })
}

fn read_categories(checks: &mut Checks, message: &wire::ProposeOutcomeRequest) -> Option<Sent> {
    let mut dispositions = BTreeMap::new();
    for (index, sent) in message.dispositions.iter().enumerate().take(DataCategory::ALL.len() + 1) {
        let field = |name: &str| format!("dispositions[{index}].{name}");
        let category = data_category::read(sent.category);
        let category = chosen(checks, &field("category"), category);
        let disposition = read_disposition(checks, &field, sent);
        if let Some((category, disposition)) = category.zip(disposition)
            && dispositions.insert(category, disposition).is_some()
        {
            checks.violation(field("category"), Code::Contradiction, "decide each category once");
        }
    }
    let is_disclosed = dispositions.values().any(|what| *what == Disposition::Disclosed);
    if is_disclosed && message.justification.trim().is_empty() {
        check_required(checks, "justification");
    }
    let key = match &message.manifest {
        Some(manifest) if is_disclosed => {
            check_items(checks, &dispositions, &manifest.items);
            Some(checks.name::<KeyId>("manifest.recipient_key_id", &manifest.recipient_key_id)?)
        }
        None if is_disclosed => {
            check_required(checks, "manifest");
            return None;
        }
        Some(_) => {
            let fix = "send a manifest only where a category is disclosed";
            checks.violation("manifest", Code::Contradiction, fix);
            return None;
        }
        None => None,
    };
    Some(Sent::Categories(dispositions, key))
}

fn read_disposition(
    checks: &mut Checks,
    field: &impl Fn(&str) -> String,
    sent: &wire::Disposition,
) -> Option<Disposition> {
    match wire::DispositionKind::try_from(sent.kind) {
        Ok(wire::DispositionKind::Disclosed) => Some(Disposition::Disclosed),
        Ok(wire::DispositionKind::NotHeld) => Some(Disposition::NotHeld),
        Ok(wire::DispositionKind::Refused) => {
            let reason = refusal_reason::read(sent.refusal_reason);
            chosen(checks, &field("refusal_reason"), reason).map(Disposition::Refused)
        }
        Ok(wire::DispositionKind::Redirected) => {
            let target = redirect_target::read(sent.redirect_target);
            chosen(checks, &field("redirect_target"), target).map(Disposition::Redirected)
        }
        Ok(wire::DispositionKind::Unspecified) => chosen(checks, &field("kind"), Choice::Missing),
        Err(_) => chosen(checks, &field("kind"), Choice::Unknown),
    }
}

fn check_items(
    checks: &mut Checks,
    dispositions: &BTreeMap<DataCategory, Disposition>,
    items: &[wire::ManifestItem],
) {
    if items.is_empty() {
        check_required(checks, "manifest.items");
    }
    if items.len() > ITEMS_MAX {
        checks.violation("manifest.items", Code::TooMany, format!("send at most {ITEMS_MAX}"));
    }
    for (index, item) in items.iter().enumerate().take(ITEMS_MAX) {
        let field = |name: &str| format!("manifest.items[{index}].{name}");
        check_text(checks, &field("name"), &item.name, ITEM_NAME_CHARS);
        let category = data_category::read(item.category);
        let category = chosen(checks, &field("category"), category);
        if category
            .is_some_and(|category| dispositions.get(&category) != Some(&Disposition::Disclosed))
        {
            let fix = "list items only of categories that this proposal discloses";
            checks.violation(field("category"), Code::Contradiction, fix);
        }
        if item.size_bytes == 0 {
            check_required(checks, &field("size_bytes"));
        }
        check_sha256(checks, &field("sha256"), &item.sha256);
    }
    for (category, disposition) in dispositions {
        let has_item =
            items.iter().any(|item| data_category::read(item.category).known() == Some(*category));
        if *disposition == Disposition::Disclosed && !has_item && !items.is_empty() {
            let fix = format!("list the items of the category {}", category.word());
            checks.violation("manifest.items", Code::Required, fix);
        }
    }
}

/// What a case remembers of a manifest, sealed to a key that the registry holds. `None` only for a
/// proposal that it remembers.
async fn summary<S: Store>(
    head: &Head<S>,
    key: &KeyId,
    items: &[wire::ManifestItem],
) -> Result<Option<Manifest>, Status> {
    let unknown = Refusal::RecipientKeyUnknown;
    let recipient_key = registered(head, unknown, |of| head.desk.recipient_key(of, key)).await?;
    let mut digest = Sha256::new();
    items.iter().for_each(|item| digest.update(digest_of(item)));
    Ok(recipient_key.map(|recipient_key| Manifest {
        items: u32::try_from(items.len()).unwrap_or(u32::MAX),
        bytes: items.iter().fold(0, |sum: u64, item| sum.saturating_add(item.size_bytes)),
        digest: digest.finalize().into(),
        recipient_key,
    }))
}

/// The digest of an item, whose form was checked.
fn digest_of(item: &wire::ManifestItem) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(item.sha256.get(at..at + 2)?, 16).ok();
    (0..item.sha256.len()).step_by(2).filter_map(byte).collect()
}

fn read_ending<S: Store>(
    edge: &Edge<S>,
    checks: &mut Checks,
    sent: &wire::Ending,
) -> Option<Ending> {
    match chosen(checks, "ending.outcome", outcome::read(sent.outcome))? {
        Outcome::NoSuchAccount => Some(Ending::NoSuchAccount),
        Outcome::ExpiredNoReply => Some(Ending::ExpiredNoReply),
        Outcome::FraudConfirmed => Some(Ending::FraudConfirmed),
        Outcome::Transferred => Some(Ending::Transferred),
        Outcome::Rejected => {
            let reason = refusal_reason::read(sent.refusal_reason);
            chosen(checks, "ending.refusal_reason", reason).map(Ending::Rejected)
        }
        Outcome::Redirected => {
            let target = redirect_target::read(sent.redirect_target);
            chosen(checks, "ending.redirect_target", target).map(Ending::Redirected)
        }
        Outcome::Duplicate => {
            let of: Option<CaseId> =
                edge.case(checks, "ending.duplicate_of", &sent.duplicate_of).map(|(_, id)| id);
            of.map(Ending::Duplicate)
        }
        Outcome::DisclosedFull
        | Outcome::DisclosedPartial
        | Outcome::NoDataFound
        | Outcome::Withdrawn => {
            let fix = "decide the categories instead, or confirm the withdrawal";
            checks.violation("ending.outcome", Code::OutOfRange, fix);
            None
        }
    }
}

/// Refuses a case that was ended as a duplicate itself as what another is a duplicate of: two that are each
/// other's would leave nobody answered.
async fn must_be_original<S: Store>(head: &Head<S>, of: CaseId) -> Result<(), Status> {
    let desk = &head.desk;
    let is_duplicate = match desk.get(of).await {
        Ok(original) => original.ended.is_some_and(|end| end.outcome == Outcome::Duplicate),
        // What is not there is not linked either, which is what is told.
        Err(Error::Refused(Refusal::CaseNotFound)) => false,
        Err(error) => return Err(status::error(error)),
    };
    let case = desk.get(head.id).await.map_err(status::error)?;
    if is_duplicate && case.memory.recall(&head.act) == Recall::New {
        return Err(status::error(Refusal::OriginalIsDuplicate.into()));
    }
    Ok(())
}

pub(super) async fn approve_outcome<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::ApproveOutcomeRequest,
) -> Result<wire::ApproveOutcomeResponse, Status> {
    let mut checks = Checks::default();
    let head = edge.head(&mut checks, &caller, &message);
    if message.proposal == 0 {
        check_required(&mut checks, "proposal");
    }
    let mut head = valid(checks, head)?;
    let desk = head.desk.clone();
    let case = desk.get(head.id).await.map_err(status::error)?;
    let is_waiting = case.proposal.as_ref().is_some_and(|waits| waits.number == message.proposal);
    if !is_waiting && case.memory.recall(&head.act) == Recall::New {
        let ended = case.has_ended();
        let refusal = if ended { Refusal::CaseEnded } else { Refusal::ProposalReplaced };
        return Err(status::error(refusal.into()));
    }
    // What the authority is told is what was proposed. It waited before its words are read; if another
    // has replaced it meanwhile, this one cannot be approved any more.
    let by = head.act.actor();
    let contents = desk.read(&case, by, ShownTo::Desk).await.map_err(status::error)?;
    let entries = open(head.id, &contents, Reader::Desk)?.entries;
    let proposal = latest_proposal(&entries).cloned().unwrap_or_default();
    if let Ok(key) = proposal.recipient_key_id.parse::<KeyId>() {
        // A key may have been taken out of the registry since it was proposed.
        let unknown = Refusal::RecipientKeyUnknown;
        registered(&head, unknown, |of| head.desk.recipient_key(of, &key)).await?;
    }
    // While this proposal waits, nothing else goes out.
    let goes_out =
        case.proposal.as_ref().is_some_and(|waits| !waits.proposed.disclosed().is_empty());
    if let Some(Proposed::Whole(Ending::Duplicate(of))) =
        case.proposal.as_ref().map(|it| &it.proposed)
    {
        must_be_original(&head, *of).await?;
    }
    let told = wire::OutcomeEntry {
        number: if goes_out { case.next_disclosure() } else { 0 },
        message: proposal.message,
        items: proposal.items,
        recipient_key_id: proposal.recipient_key_id,
    };
    // The record vouches for what the authority is told, as it does for a first response.
    head.act.content = Some(RequestDigest::of("ApproveOutcome", &told.encode_to_vec()));
    let said = entry(&desk, &head.act, Said::Outcome(told));
    let approved = desk.approve_outcome(head.id, &head.act, message.proposal, said).await;
    let done = approved.map_err(status::error)?;
    let (case, replayed) = answer(desk.name(), &done);
    Ok(wire::ApproveOutcomeResponse { case, replayed })
}

pub(super) async fn confirm_withdrawal<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::ConfirmWithdrawalRequest,
) -> Result<wire::ConfirmWithdrawalResponse, Status> {
    let mut checks = Checks::default();
    let head = edge.head(&mut checks, &caller, &message);
    let epoch = epoch(&mut checks, message.epoch);
    let (head, epoch) = valid(checks, head.zip(epoch))?;
    let desk = head.desk.clone();
    let deed = if message.is_declined {
        Deed::DeclineWithdrawal(epoch)
    } else {
        Deed::ConfirmWithdrawal(epoch)
    };
    let done = head.perform(deed, None).await?;
    let (case, replayed) = answer(desk.name(), &done);
    Ok(wire::ConfirmWithdrawalResponse { case, replayed })
}
