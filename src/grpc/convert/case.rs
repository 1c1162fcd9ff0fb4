//! A case as the desk sees it and, with less in it, as its authority does.

use super::event::page;
use super::words::{
    clock_kind, data_category, instrument, nature, outcome, pause_reason, protection, punctuality,
    redirect_target, refusal_reason, risk, settlement, sink_answer, stance, state, verification,
};
use super::{Reader, duration, name, timestamp};
use crate::core::{
    Case, Clock, ClockKind, ClockState, Conflict, Country, DataCategory, DeskName, Disclosure,
    Disposition, Ended, Ending, FirstResponse, FirstResponseKind, Manifest, Outcome, PageRecord,
    Proposal, Proposed, SinkAnswer, SinkName, Timestamp,
};
use crate::desk::{Desk, Store};
use crate::grpc::wire;

pub(in crate::grpc) fn case(desk: &DeskName, case: &Case) -> wire::Case {
    let name_of = |id: &crate::core::CaseId| name(desk, *id);
    wire::Case {
        name: name(desk, case.id),
        version: case.version,
        authority: case.authority.to_string(),
        nature: nature::write(case.nature).into(),
        band: case.band.number().into(),
        state: state::write(case.state()).into(),
        accepted_at: Some(timestamp(case.accepted_at)),
        clocks: case.clocks.values().map(|of| clock(of, Reader::Desk)).collect(),
        first_response: first_response(case, Reader::Desk),
        claim: case.claim.as_ref().map(|claim| wire::Claim {
            responder: claim.by.to_string(),
            epoch: claim.epoch,
            granted_at: Some(timestamp(claim.granted_at)),
            expires_at: Some(timestamp(claim.expires_at)),
        }),
        policy: case.policy.to_string(),
        country: case.facts.country.to_string(),
        instrument: instrument::write(case.facts.instrument).into(),
        categories: categories(&case.facts.categories),
        protections: case
            .facts
            .protections
            .iter()
            .map(|word| protection::write(*word).into())
            .collect(),
        verification: verification::write(case.verification).into(),
        conflicts: case.conflicts.iter().map(conflict).collect(),
        lowering: case.lowering.as_ref().map(|lowering| wire::Lowering {
            nature: nature::write(lowering.nature).into(),
            proposed_by: lowering.by.to_string(),
        }),
        proposal: case.proposal.as_ref().map(|waiting| proposal(desk, waiting)),
        dispositions: case.dispositions.iter().map(disposition).collect(),
        disclosures: disclosures(case, Reader::Desk),
        ended: case.ended.as_ref().map(|end| ended(end, end.outcome, Reader::Desk)),
        asked_at: case.asked_at.map(timestamp),
        withdrawal_requested_at: case.withdrawal_at.map(timestamp),
        risks: case.risks.iter().map(|seen| risk::write(*seen).into()).collect(),
        likely_duplicates: case.likely_duplicates.iter().map(name_of).collect(),
        linked_cases: case.linked.keys().map(name_of).collect(),
        incident: case.incident.as_ref().map(ToString::to_string).unwrap_or_default(),
        legal_hold_by: case.legal_hold.as_ref().map(ToString::to_string).unwrap_or_default(),
        acknowledgement: case.latest_acknowledged().map(|(key, seen)| wire::Acknowledgement {
            key: key.to_string(),
            by: seen.by.to_string(),
            at: Some(timestamp(seen.at)),
        }),
        purged_at: case.purged_at.map(timestamp),
        pages: case.pages.iter().map(page_record).collect(),
    }
}

fn page_record(record: &PageRecord) -> wire::PageRecord {
    let acknowledged = record.acknowledged.as_ref();
    let sink = |(sink, (answer, at)): (&SinkName, &(SinkAnswer, Timestamp))| wire::SinkRecord {
        sink: sink.to_string(),
        answer: sink_answer::write(*answer).into(),
        at: Some(timestamp(*at)),
    };
    wire::PageRecord {
        page: Some(page(&record.page)),
        queued_at: Some(timestamp(record.queued_at)),
        taken_at: record.taken_at.map(timestamp),
        acknowledged_at: acknowledged.map(|seen| timestamp(seen.at)),
        acknowledged_by: acknowledged.map(|seen| seen.by.to_string()).unwrap_or_default(),
        claimed_at: record.claimed_at.map(timestamp),
        closed_at: record.closed_at.map(timestamp),
        sinks: record.answers.iter().map(sink).collect(),
        widened: record.widened,
    }
}

/// The case as its authority sees it now.
pub(in crate::grpc) fn case_status<S: Store>(desk: &Desk<S>, case: &Case) -> wire::CaseStatus {
    let gone_at = desk.gone_for_authority(case);
    let desk = desk.name();
    let shown = case.clocks.values().filter(|clock| clock.kind.is_shown_to_authority());
    wire::CaseStatus {
        name: name(desk, case.id),
        authority: case.authority.to_string(),
        nature: nature::write(case.nature).into(),
        state: state::write(case.state_shown()).into(),
        accepted_at: Some(timestamp(case.accepted_at)),
        clocks: shown.map(|of| clock(of, Reader::Portal)).collect(),
        first_response: first_response(case, Reader::Portal),
        request_digest: case.request_digest.0.to_vec(),
        asked_at: case.asked_at.map(timestamp),
        withdrawal_requested_at: case.withdrawal_at.map(timestamp),
        dispositions: case.dispositions.iter().map(disposition).collect(),
        disclosures: disclosures(case, Reader::Portal),
        ended: case.ended.as_ref().map(|end| {
            let shown = end.outcome.shown(!case.disclosures.is_empty());
            ended(end, shown, Reader::Portal)
        }),
        purged_at: gone_at.map(timestamp),
    }
}

pub(super) fn categories<'a>(categories: impl IntoIterator<Item = &'a DataCategory>) -> Vec<i32> {
    categories.into_iter().map(|category| data_category::write(*category).into()).collect()
}

fn clock(clock: &Clock, reader: Reader) -> wire::Clock {
    // How a validation was settled is the issuer's to know; the others are between the desk and itself.
    let is_told = reader == Reader::Desk || clock.kind == ClockKind::ExPostValidation;
    let settled = clock.settlement.filter(|_| is_told);
    let mut written = wire::Clock {
        kind: clock_kind::write(clock.kind).into(),
        started_at: Some(timestamp(clock.started_at)),
        target_at: Some(timestamp(clock.target_at)),
        limit_at: Some(timestamp(clock.limit_at)),
        is_extended: clock.is_extended,
        is_overdue: clock.is_overdue(),
        settlement: settled.map_or(0, |how| settlement::write(how).into()),
        ..wire::Clock::default()
    };
    match clock.state {
        ClockState::Running => {}
        ClockState::Paused { since, reason } => {
            written.paused_since = Some(timestamp(since));
            written.pause_reason = pause_reason::write(reason).into();
        }
        ClockState::Stopped { at } => written.stopped_at = Some(timestamp(at)),
    }
    written
}

fn first_response(case: &Case, reader: Reader) -> Option<wire::FirstResponse> {
    let FirstResponse { kind, at, by, is_claim_lost, digest: _ } = case.first_response.as_ref()?;
    let is_desk = reader == Reader::Desk;
    let mut response = wire::FirstResponse {
        kind: response_kind(*kind).into(),
        at: Some(timestamp(*at)),
        responder: if is_desk { by.to_string() } else { String::new() },
        waited: Some(duration(case.waited(*at))),
        punctuality: punctuality::write(case.punctuality(*at)).into(),
        is_claim_lost: is_desk && *is_claim_lost,
        ..wire::FirstResponse::default()
    };
    match kind {
        FirstResponseKind::Refused(reason) => {
            response.refusal_reason = refusal_reason::write(*reason).into();
        }
        FirstResponseKind::Redirected(target) => {
            response.redirect_target = redirect_target::write(*target).into();
        }
        FirstResponseKind::InProgress { expected_within } => {
            response.expected_at = Some(timestamp(*at + *expected_within));
        }
        FirstResponseKind::AllData
        | FirstResponseKind::PartOfData
        | FirstResponseKind::NoData
        | FirstResponseKind::NeedInformation => {}
    }
    Some(response)
}

pub(super) const fn response_kind(kind: FirstResponseKind) -> wire::FirstResponseKind {
    match kind {
        FirstResponseKind::AllData => wire::FirstResponseKind::AllData,
        FirstResponseKind::PartOfData => wire::FirstResponseKind::PartOfData,
        FirstResponseKind::NoData => wire::FirstResponseKind::NoData,
        FirstResponseKind::Refused(_) => wire::FirstResponseKind::Refused,
        FirstResponseKind::Redirected(_) => wire::FirstResponseKind::Redirected,
        FirstResponseKind::NeedInformation => wire::FirstResponseKind::NeedInformation,
        FirstResponseKind::InProgress { .. } => wire::FirstResponseKind::InProgress,
    }
}

fn conflict(
    ((category, country), conflict): (&(DataCategory, Country), &Conflict),
) -> wire::Conflict {
    wire::Conflict {
        category: data_category::write(*category).into(),
        third_country: country.to_string(),
        stance: stance::write(conflict.stance).into(),
        recorded_by: conflict.recorded_by.to_string(),
        recorded_at: Some(timestamp(conflict.recorded_at)),
        lifted_by: conflict.lifted_by.as_ref().map(ToString::to_string).unwrap_or_default(),
    }
}

fn disposition((category, disposition): (&DataCategory, &Disposition)) -> wire::Disposition {
    let mut written = wire::Disposition {
        category: data_category::write(*category).into(),
        ..wire::Disposition::default()
    };
    let kind = match disposition {
        Disposition::Disclosed => wire::DispositionKind::Disclosed,
        Disposition::NotHeld => wire::DispositionKind::NotHeld,
        Disposition::Refused(reason) => {
            written.refusal_reason = refusal_reason::write(*reason).into();
            wire::DispositionKind::Refused
        }
        Disposition::Redirected(target) => {
            written.redirect_target = redirect_target::write(*target).into();
            wire::DispositionKind::Redirected
        }
    };
    written.kind = kind.into();
    written
}

fn proposal(desk: &DeskName, waiting: &Proposal) -> wire::Proposal {
    let (dispositions, manifest, ending) = match &waiting.proposed {
        Proposed::Categories { dispositions, manifest } => {
            (dispositions.iter().map(disposition).collect(), manifest.as_ref(), None)
        }
        Proposed::Whole(ending) => (Vec::new(), None, Some(*ending)),
    };
    wire::Proposal {
        number: waiting.number,
        proposed_by: waiting.by.to_string(),
        at: Some(timestamp(waiting.at)),
        dispositions,
        manifest: manifest.map(manifest_summary),
        ending: ending.map(|ending| wire::Ending {
            outcome: outcome::write(ending.outcome()).into(),
            refusal_reason: match ending {
                Ending::Rejected(reason) => refusal_reason::write(reason).into(),
                _ => 0,
            },
            redirect_target: match ending {
                Ending::Redirected(target) => redirect_target::write(target).into(),
                _ => 0,
            },
            duplicate_of: match ending {
                Ending::Duplicate(of) => name(desk, of),
                _ => String::new(),
            },
        }),
    }
}

fn manifest_summary(manifest: &Manifest) -> wire::ManifestSummary {
    wire::ManifestSummary {
        items: manifest.items,
        bytes: manifest.bytes,
        digest: manifest.digest.to_vec(),
        recipient_key_id: manifest.recipient_key.id().to_string(),
    }
}

fn disclosures(case: &Case, reader: Reader) -> Vec<wire::Disclosure> {
    let write = |found: &Disclosure| match reader {
        Reader::Desk => disclosure(found),
        Reader::Portal => wire::Disclosure {
            proposed_by: String::new(),
            approved_by: String::new(),
            ..disclosure(found)
        },
    };
    case.disclosures.iter().map(write).collect()
}

/// A disclosure as the desk sees it.
pub(in crate::grpc) fn disclosure(disclosure: &Disclosure) -> wire::Disclosure {
    wire::Disclosure {
        number: disclosure.number,
        at: Some(timestamp(disclosure.at)),
        proposed_by: disclosure.proposed_by.to_string(),
        approved_by: disclosure.approved_by.to_string(),
        categories: categories(&disclosure.categories),
        manifest: Some(wire::ManifestSummary {
            items: disclosure.items,
            bytes: disclosure.bytes,
            digest: disclosure.digest.to_vec(),
            recipient_key_id: disclosure.recipient_key.to_string(),
        }),
        confirmed_at: disclosure.confirmed_at.map(timestamp),
    }
}

/// An end as its reader may see it, with the outcome that they are told of.
fn ended(end: &Ended, shown: Outcome, reader: Reader) -> wire::Ended {
    wire::Ended {
        outcome: outcome::write(shown).into(),
        refusal_reason: end.refusal.map_or(0, |reason| refusal_reason::write(reason).into()),
        at: Some(timestamp(end.at)),
        purge_at: (reader == Reader::Desk).then(|| timestamp(end.purge_at)),
    }
}
