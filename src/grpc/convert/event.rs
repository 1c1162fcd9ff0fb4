//! What happened to a case, as the desk sees it and, with less in it, as its authority does.

use super::case::{categories, response_kind};
use super::words::{
    clock_kind, data_category, mark, nature, outcome, page_cause, pause_reason, protection,
    punctuality, risk, settlement, sink_answer, stance, state, verification,
};
use super::{Reader, duration, name, timestamp};
use crate::core::{Change, DeskName, Event, Page, RungRecord, State, Subject};
use crate::grpc::wire;
use wire::case_event::Event as Wire;

/// The change as its reader may see it; `None` when there is nothing in it for them.
pub(in crate::grpc) fn change(
    desk: &DeskName,
    change: &Change,
    reader: Reader,
) -> Option<wire::CaseChange> {
    let is_sent = |state| matches!(state, State::Delivered | State::Closed);
    let has_disclosed = change.shown.is_some_and(|(_, to)| is_sent(to));
    let written = change.events.iter().filter_map(|happened| match reader {
        Reader::Desk => for_desk(desk, happened),
        Reader::Portal => for_authority(happened, has_disclosed),
    });
    let events: Vec<_> = written.map(|event| wire::CaseEvent { event: Some(event) }).collect();
    let stands = match reader {
        Reader::Desk => change.to,
        Reader::Portal => change.shown.map(|(_, to)| to),
    };
    // Where it stands is told also where what has moved it is the desk's own.
    let has_moved = change.shown.is_some_and(|(from, to)| from != to);
    (!events.is_empty() || has_moved).then(|| wire::CaseChange {
        state: stands.map_or(0, |stands| state::write(stands).into()),
        name: name(desk, change.case),
        version: if reader == Reader::Desk { change.version } else { 0 },
        at: Some(timestamp(change.at)),
        events,
    })
}

/// What an authority is told. How the desk works, what it suspects and who works there is the desk's
/// own; what it is told is what the desk is, without the names.
fn for_authority(event: &Event, has_disclosed: bool) -> Option<Wire> {
    match event {
        Event::ClockStarted { clock, .. }
        | Event::ClockStopped { clock, .. }
        | Event::ClockPaused { clock, .. }
        | Event::ClockResumed { clock, .. }
        | Event::ClockRaised { clock, .. }
        | Event::ClockExtended { clock, .. } => {
            let shown = clock.is_shown_to_authority();
            shown.then(|| clocked(event).map(without_names)).flatten()
        }
        Event::Accepted { .. }
        | Event::Responded { .. }
        | Event::Updated { .. }
        | Event::Asked { .. }
        | Event::InformationProvided { .. }
        | Event::Disclosed { .. }
        | Event::DeliveryConfirmed { .. }
        | Event::WithdrawalRequested { .. }
        | Event::WithdrawalDeclined { .. }
        | Event::PreservationRequested { .. }
        => basics(event).map(without_names),
        Event::Ended { by, outcome, took } => {
            let (by, outcome) = (by.clone(), outcome.shown(has_disclosed));
            basics(&Event::Ended { by, outcome, took: *took }).map(without_names)
        }
        Event::Reclassified { nature: of, protection: None, .. } => {
            let nature = nature::write(*of).into();
            Some(Wire::Reclassified(wire::Reclassified { nature, ..Default::default() }))
        }
        Event::RungFired(_)
        | Event::RungQuieted(_)
        | Event::Paged(_)
        | Event::PagedFromMemory { .. }
        | Event::PageAnswered { .. }
        | Event::PagesClosed { .. }
        | Event::Claimed { .. }
        | Event::ClaimRenewed { .. }
        | Event::ClaimReleased { .. }
        | Event::ClaimLost { .. }
        | Event::HandedOver { .. }
        | Event::ClockSettled { .. }
        | Event::Reclassified { .. }
        | Event::LoweringProposed { .. }
        | Event::Verified { .. }
        | Event::ConflictRecorded { .. }
        | Event::LikelyDuplicatesFound { .. }
        | Event::RisksSeen { .. }
        | Event::AuthoritySuspended
        | Event::DuplicateLinked { .. }
        | Event::OutcomeProposed { .. }
        | Event::OutcomeApproved { .. }
        | Event::PageAcknowledged { .. }
        | Event::LegalHoldSet { .. }
        // For the authority what was said is gone at an instant of its own.
        | Event::Purged
        | Event::IncidentJoined { .. }
        | Event::IncidentLeft { .. } => None,
    }
}

/// The event without who it was at the desk, and without the desk's own marks.
fn without_names(event: Wire) -> Wire {
    let by = String::new();
    match event {
        Wire::Accepted(event) => Wire::Accepted(wire::Accepted { band: None, ..event }),
        Wire::Responded(event) => {
            Wire::Responded(wire::Responded { responder: by, is_claim_lost: false, ..event })
        }
        Wire::ClockPaused(event) => Wire::ClockPaused(wire::ClockPaused { by, ..event }),
        Wire::ClockResumed(event) => Wire::ClockResumed(wire::ClockResumed { by, ..event }),
        Wire::Updated(event) => Wire::Updated(wire::Updated { by, ..event }),
        Wire::Asked(_) => Wire::Asked(wire::Asked { by }),
        Wire::WithdrawalDeclined(_) => Wire::WithdrawalDeclined(wire::WithdrawalDeclined { by }),
        Wire::Ended(event) => Wire::Ended(wire::CaseEnded { by, ..event }),
        other => other,
    }
}

/// Everything, for the desk. Each of the three knows its events; a test shows that together they know
/// all.
fn for_desk(desk: &DeskName, event: &Event) -> Option<Wire> {
    watched(event).or_else(|| judged(desk, event)).or_else(|| basics(event))
}

/// What ladders and claims do.
fn watched(event: &Event) -> Option<Wire> {
    Some(match event {
        Event::RungFired(record) => Wire::RungFired(rung(record)),
        Event::RungQuieted(record) => Wire::RungQuieted(rung(record)),
        Event::Paged(committed) => Wire::Paged(page(committed)),
        Event::PagedFromMemory { page: sent, at } => {
            let (page, sent_at) = (Some(page(sent)), Some(timestamp(*at)));
            Wire::PagedFromMemory(wire::PagedFromMemory { page, sent_at })
        }
        Event::PageAnswered { key, sink, answer } => Wire::PageAnswered(wire::PageAnswered {
            key: key.to_string(),
            sink: sink.to_string(),
            answer: sink_answer::write(*answer).into(),
        }),
        Event::PagesClosed { clock } => {
            let clock = clock_kind::write(*clock).into();
            Wire::PagesClosed(wire::PagesClosed { clock })
        }
        Event::Claimed { by, epoch, expires_at, waited, .. } => Wire::Claimed(wire::Claimed {
            responder: by.to_string(),
            epoch: *epoch,
            expires_at: Some(timestamp(*expires_at)),
            waited: Some(duration(*waited)),
        }),
        Event::ClaimRenewed { epoch, expires_at } => Wire::ClaimRenewed(wire::ClaimRenewed {
            epoch: *epoch,
            expires_at: Some(timestamp(*expires_at)),
        }),
        Event::ClaimReleased { epoch } => {
            Wire::ClaimReleased(wire::ClaimReleased { epoch: *epoch })
        }
        Event::ClaimLost { epoch, expired_at } => Wire::ClaimLost(wire::ClaimLost {
            epoch: *epoch,
            expired_at: Some(timestamp(*expired_at)),
        }),
        Event::HandedOver { by, to, epoch, expires_at } => Wire::HandedOver(wire::HandedOver {
            by: by.to_string(),
            to: to.to_string(),
            epoch: *epoch,
            expires_at: Some(timestamp(*expires_at)),
        }),
        Event::PageAcknowledged { by, key } => {
            let (by, key) = (by.to_string(), key.to_string());
            Wire::PageAcknowledged(wire::PageAcknowledged { by, key })
        }
        _ => return None,
    })
}

/// What people at the desk find and decide.
fn judged(desk: &DeskName, event: &Event) -> Option<Wire> {
    let text = |by: &Subject| by.to_string();
    Some(match event {
        Event::Reclassified { by, proposed_by, nature: of, band, protection: noted } => {
            Wire::Reclassified(wire::Reclassified {
                by: text(by),
                proposed_by: proposed_by.as_ref().map(text).unwrap_or_default(),
                nature: nature::write(*of).into(),
                band: Some(band.number().into()),
                protection: noted.map_or(0, |noted| protection::write(noted).into()),
            })
        }
        Event::LoweringProposed { by, nature: to } => {
            let nature = nature::write(*to).into();
            Wire::LoweringProposed(wire::LoweringProposed { by: text(by), nature })
        }
        Event::Verified { by, verification: found, phone } => Wire::Verified(wire::Verified {
            by: text(by),
            verification: verification::write(*found).into(),
            callback_phone_id: phone.as_ref().map(ToString::to_string).unwrap_or_default(),
        }),
        Event::ConflictRecorded { by, category, stance: how } => {
            Wire::ConflictRecorded(wire::ConflictRecorded {
                by: text(by),
                category: data_category::write(*category).into(),
                stance: stance::write(*how).into(),
            })
        }
        Event::LikelyDuplicatesFound { cases } => {
            let cases = cases.iter().map(|id| name(desk, *id)).collect();
            Wire::LikelyDuplicatesFound(wire::LikelyDuplicatesFound { cases })
        }
        Event::RisksSeen { risks: seen } => {
            let risks = seen.iter().map(|seen| risk::write(*seen).into()).collect();
            Wire::RisksSeen(wire::RisksSeen { risks })
        }
        Event::AuthoritySuspended => Wire::AuthoritySuspended(wire::AuthoritySuspended {}),
        Event::DuplicateLinked { by, case } => {
            let case = name(desk, *case);
            Wire::DuplicateLinked(wire::DuplicateLinked { by: text(by), case })
        }
        Event::OutcomeProposed { by, number, disclosed } => {
            let disclosed = categories(disclosed);
            let number = *number;
            Wire::OutcomeProposed(wire::OutcomeProposed { by: text(by), number, disclosed })
        }
        Event::OutcomeApproved { by, proposed_by, number } => {
            let (by, proposed_by) = (text(by), text(proposed_by));
            Wire::OutcomeApproved(wire::OutcomeApproved { by, proposed_by, number: *number })
        }
        Event::ClockSettled { by, clock, settlement: how } => {
            Wire::ClockSettled(wire::ClockSettled {
                by: text(by),
                clock: clock_kind::write(*clock).into(),
                settlement: settlement::write(*how).into(),
            })
        }
        Event::LegalHoldSet { by, is_held } => {
            Wire::LegalHoldSet(wire::LegalHoldSet { by: text(by), is_held: *is_held })
        }
        Event::IncidentJoined { incident } => {
            Wire::IncidentJoined(wire::IncidentJoined { incident: incident.to_string() })
        }
        Event::IncidentLeft { incident } => {
            Wire::IncidentLeft(wire::IncidentLeft { incident: incident.to_string() })
        }
        _ => return None,
    })
}

/// What the authority has a part in.
fn basics(event: &Event) -> Option<Wire> {
    let text = |by: &Subject| by.to_string();
    Some(match event {
        Event::Accepted { nature: of, band, target_at, limit_at } => {
            Wire::Accepted(wire::Accepted {
                nature: nature::write(*of).into(),
                band: Some(band.number().into()),
                target_at: Some(timestamp(*target_at)),
                limit_at: Some(timestamp(*limit_at)),
            })
        }
        Event::Responded { by, kind, waited, punctuality: how, is_claim_lost, .. } => {
            Wire::Responded(wire::Responded {
                responder: text(by),
                kind: response_kind(*kind).into(),
                waited: Some(duration(*waited)),
                punctuality: punctuality::write(*how).into(),
                is_claim_lost: *is_claim_lost,
            })
        }
        Event::Updated { by, expected_within } => Wire::Updated(wire::Updated {
            by: text(by),
            expected_within: expected_within.map(duration),
        }),
        Event::Asked { by } => Wire::Asked(wire::Asked { by: text(by) }),
        Event::InformationProvided { by, was_asked } => {
            let was_asked = *was_asked;
            Wire::InformationProvided(wire::InformationProvided { by: text(by), was_asked })
        }
        Event::Disclosed { number, categories: which, items, bytes, recipient_key } => {
            Wire::Disclosed(wire::Disclosed {
                number: *number,
                categories: categories(which),
                items: *items,
                bytes: *bytes,
                recipient_key_id: recipient_key.to_string(),
            })
        }
        Event::DeliveryConfirmed { by, number } => {
            Wire::DeliveryConfirmed(wire::DeliveryConfirmed { by: text(by), number: *number })
        }
        Event::WithdrawalRequested { by } => {
            Wire::WithdrawalRequested(wire::WithdrawalRequested { by: text(by) })
        }
        Event::WithdrawalDeclined { by } => {
            Wire::WithdrawalDeclined(wire::WithdrawalDeclined { by: text(by) })
        }
        Event::PreservationRequested { by } => {
            Wire::PreservationRequested(wire::PreservationRequested { by: text(by) })
        }
        Event::Ended { by, outcome: how, took } => Wire::Ended(wire::CaseEnded {
            by: text(by),
            outcome: outcome::write(*how).into(),
            took: Some(duration(*took)),
        }),
        Event::Purged => Wire::Purged(wire::CasePurged {}),
        other => return clocked(other),
    })
}

/// What happens to clocks.
fn clocked(event: &Event) -> Option<Wire> {
    Some(match event {
        Event::ClockStarted { clock, target_at, limit_at } => {
            Wire::ClockStarted(wire::ClockStarted {
                clock: clock_kind::write(*clock).into(),
                target_at: Some(timestamp(*target_at)),
                limit_at: Some(timestamp(*limit_at)),
            })
        }
        Event::ClockRaised { clock, target_at, limit_at } => Wire::ClockRaised(wire::ClockRaised {
            clock: clock_kind::write(*clock).into(),
            target_at: Some(timestamp(*target_at)),
            limit_at: Some(timestamp(*limit_at)),
        }),
        Event::ClockStopped { clock, punctuality: how } => Wire::ClockStopped(wire::ClockStopped {
            clock: clock_kind::write(*clock).into(),
            punctuality: punctuality::write(*how).into(),
        }),
        Event::ClockPaused { by, clock, reason } => Wire::ClockPaused(wire::ClockPaused {
            by: by.to_string(),
            clock: clock_kind::write(*clock).into(),
            reason: pause_reason::write(*reason).into(),
        }),
        Event::ClockResumed { by, clock, paused_for } => Wire::ClockResumed(wire::ClockResumed {
            by: by.to_string(),
            clock: clock_kind::write(*clock).into(),
            paused_for: Some(duration(*paused_for)),
        }),
        Event::ClockExtended { clock, limit_at } => Wire::ClockExtended(wire::ClockExtended {
            clock: clock_kind::write(*clock).into(),
            limit_at: Some(timestamp(*limit_at)),
        }),
        _ => return None,
    })
}

fn rung(record: &RungRecord) -> wire::Rung {
    wire::Rung {
        clock: clock_kind::write(record.clock).into(),
        cycle: record.cycle,
        offset: Some(duration(record.offset)),
        due_at: Some(timestamp(record.due_at)),
        lateness: Some(duration(record.lateness)),
        is_late: record.is_late(),
        count: record.count,
        spacing: (record.count > 1).then(|| duration(record.spacing)),
        mark: record.mark.map_or(wire::RungMark::Unspecified, mark::write).into(),
    }
}

pub(super) fn page(committed: &Page) -> wire::Page {
    wire::Page {
        key: committed.key.to_string(),
        contacts: committed.contacts.iter().map(ToString::to_string).collect(),
        band: committed.band.number().into(),
        due_at: Some(timestamp(committed.due_at)),
        limit_at: Some(timestamp(committed.limit_at)),
        cause: page_cause::write(committed.cause).into(),
    }
}
