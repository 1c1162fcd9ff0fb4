//! From an event to what is stored of it.

use std::collections::BTreeSet;

use super::{Kind, StoredEvent};
use crate::core::time::millis;
use crate::core::{ClockKind, DataCategory, Event, Mark, Page, Protection, RungRecord, Subject};
use crate::store::codec::answer::StoredKind;

/// An event of which nothing but the kind is said yet.
fn empty(kind: Kind) -> StoredEvent {
    StoredEvent { kind: kind.into(), ..StoredEvent::default() }
}

/// An event that somebody did.
fn done(kind: Kind, by: &Subject) -> StoredEvent {
    StoredEvent { by: by.to_string(), ..empty(kind) }
}

fn words(categories: &BTreeSet<DataCategory>) -> Vec<String> {
    categories.iter().map(|category| category.word().to_owned()).collect()
}

/// The event to store. Three functions share the work, each with the kinds that are listed here.
pub(in crate::store::codec) fn encode_event(event: &Event) -> StoredEvent {
    match event {
        Event::Accepted { .. }
        | Event::RungFired(_)
        | Event::RungQuieted(_)
        | Event::Paged(_)
        | Event::PagedFromMemory { .. }
        | Event::Claimed { .. }
        | Event::ClaimRenewed { .. }
        | Event::ClaimReleased { .. }
        | Event::ClaimLost { .. }
        | Event::HandedOver { .. }
        | Event::Responded { .. } => encode_first(event),
        Event::ClockStarted { .. }
        | Event::ClockStopped { .. }
        | Event::ClockPaused { .. }
        | Event::ClockResumed { .. }
        | Event::ClockExtended { .. }
        | Event::ClockRaised { .. }
        | Event::ClockSettled { .. }
        | Event::PreservationRequested { .. }
        | Event::PageAcknowledged { .. }
        | Event::PageAnswered { .. }
        | Event::PagesClosed { .. }
        | Event::LikelyDuplicatesFound { .. }
        | Event::RisksSeen { .. }
        | Event::AuthoritySuspended
        | Event::DuplicateLinked { .. }
        | Event::IncidentJoined { .. }
        | Event::IncidentLeft { .. }
        | Event::LegalHoldSet { .. }
        | Event::Purged => encode_kept(event),
        Event::Updated { .. }
        | Event::Asked { .. }
        | Event::InformationProvided { .. }
        | Event::Reclassified { .. }
        | Event::LoweringProposed { .. }
        | Event::Verified { .. }
        | Event::ConflictRecorded { .. }
        | Event::OutcomeProposed { .. }
        | Event::OutcomeApproved { .. }
        | Event::Disclosed { .. }
        | Event::DeliveryConfirmed { .. }
        | Event::WithdrawalRequested { .. }
        | Event::WithdrawalDeclined { .. }
        | Event::Ended { .. } => encode_worked(event),
    }
}

/// What happens around the first response.
fn encode_first(event: &Event) -> StoredEvent {
    match event {
        Event::Accepted { nature, band, target_at, limit_at } => StoredEvent {
            nature: nature.word().to_owned(),
            band: band.number().into(),
            target_ms: target_at.as_millis(),
            limit_ms: limit_at.as_millis(),
            ..empty(Kind::Accepted)
        },
        Event::RungFired(rung) => encode_rung(rung, empty(Kind::RungFired)),
        Event::RungQuieted(rung) => encode_rung(rung, empty(Kind::RungQuieted)),
        Event::Paged(page) => encode_page(page, empty(Kind::Paged)),
        Event::PagedFromMemory { page, at } => StoredEvent {
            sent_ms: at.as_millis(),
            ..encode_page(page, empty(Kind::PagedFromMemory))
        },
        Event::Claimed { by, epoch, expires_at, waited, is_unanswered } => StoredEvent {
            epoch: *epoch,
            expires_ms: expires_at.as_millis(),
            waited_ms: millis(*waited),
            is_unanswered: *is_unanswered,
            ..done(Kind::Claimed, by)
        },
        Event::ClaimRenewed { epoch, expires_at } => StoredEvent {
            epoch: *epoch,
            expires_ms: expires_at.as_millis(),
            ..empty(Kind::ClaimRenewed)
        },
        Event::ClaimReleased { epoch } => {
            StoredEvent { epoch: *epoch, ..empty(Kind::ClaimReleased) }
        }
        Event::ClaimLost { epoch, expired_at } => StoredEvent {
            epoch: *epoch,
            expires_ms: expired_at.as_millis(),
            ..empty(Kind::ClaimLost)
        },
        Event::HandedOver { by, to, epoch, expires_at } => StoredEvent {
            other: to.to_string(),
            epoch: *epoch,
            expires_ms: expires_at.as_millis(),
            ..done(Kind::HandedOver, by)
        },
        Event::Responded { by, kind, waited, band, punctuality, is_claim_lost } => StoredEvent {
            response: Some(StoredKind::encode(*kind)),
            waited_ms: millis(*waited),
            band: band.number().into(),
            punctuality: punctuality.word().to_owned(),
            is_claim_lost: *is_claim_lost,
            ..done(Kind::Responded, by)
        },
        // Never sent here; a reader would put it aside and raise the alarm.
        _ => empty(Kind::Unspecified),
    }
}

/// What happens to clocks, and what the desk keeps about the case.
fn encode_kept(event: &Event) -> StoredEvent {
    let clock = |clock: &ClockKind| clock.word().to_owned();
    match event {
        Event::ClockStarted { clock: kind, target_at, limit_at } => StoredEvent {
            clock: clock(kind),
            target_ms: target_at.as_millis(),
            limit_ms: limit_at.as_millis(),
            ..empty(Kind::ClockStarted)
        },
        Event::ClockRaised { clock: kind, target_at, limit_at } => StoredEvent {
            clock: clock(kind),
            target_ms: target_at.as_millis(),
            limit_ms: limit_at.as_millis(),
            ..empty(Kind::ClockRaised)
        },
        Event::ClockStopped { clock: kind, punctuality } => StoredEvent {
            clock: clock(kind),
            punctuality: punctuality.word().to_owned(),
            ..empty(Kind::ClockStopped)
        },
        Event::ClockPaused { by, clock: kind, reason } => StoredEvent {
            clock: clock(kind),
            word: reason.word().to_owned(),
            ..done(Kind::ClockPaused, by)
        },
        Event::ClockResumed { by, clock: kind, paused_for } => StoredEvent {
            clock: clock(kind),
            duration_ms: Some(millis(*paused_for)),
            ..done(Kind::ClockResumed, by)
        },
        Event::ClockExtended { clock: kind, limit_at } => StoredEvent {
            clock: clock(kind),
            limit_ms: limit_at.as_millis(),
            ..empty(Kind::ClockExtended)
        },
        Event::ClockSettled { by, clock: kind, settlement } => StoredEvent {
            clock: clock(kind),
            word: settlement.word().to_owned(),
            ..done(Kind::ClockSettled, by)
        },
        Event::PreservationRequested { by } => done(Kind::PreservationRequested, by),
        Event::PageAcknowledged { by, key } => {
            StoredEvent { page_key: key.to_string(), ..done(Kind::PageAcknowledged, by) }
        }
        Event::PageAnswered { key, sink, answer } => StoredEvent {
            page_key: key.to_string(),
            name: sink.to_string(),
            word: answer.word().to_owned(),
            ..empty(Kind::PageAnswered)
        },
        Event::PagesClosed { clock: kind } => {
            StoredEvent { clock: clock(kind), ..empty(Kind::PagesClosed) }
        }
        Event::LikelyDuplicatesFound { .. }
        | Event::RisksSeen { .. }
        | Event::AuthoritySuspended
        | Event::DuplicateLinked { .. }
        | Event::IncidentJoined { .. }
        | Event::IncidentLeft { .. } => encode_found(event),
        Event::LegalHoldSet { by, is_held } => {
            StoredEvent { is_so: *is_held, ..done(Kind::LegalHoldSet, by) }
        }
        Event::Purged => empty(Kind::Purged),
        // Never sent here; a reader would put it aside and raise the alarm.
        _ => empty(Kind::Unspecified),
    }
}

/// What was found out about the case by comparing it with others, and with what is known of its sender.
fn encode_found(event: &Event) -> StoredEvent {
    match event {
        Event::LikelyDuplicatesFound { cases } => StoredEvent {
            cases: cases.iter().map(|id| id.compact().to_owned()).collect(),
            ..empty(Kind::LikelyDuplicatesFound)
        },
        Event::RisksSeen { risks } => StoredEvent {
            categories: risks.iter().map(|risk| risk.word().to_owned()).collect(),
            ..empty(Kind::RisksSeen)
        },
        Event::AuthoritySuspended => empty(Kind::AuthoritySuspended),
        Event::DuplicateLinked { by, case } => StoredEvent {
            cases: vec![case.compact().to_owned()],
            ..done(Kind::DuplicateLinked, by)
        },
        Event::IncidentJoined { incident } => {
            StoredEvent { name: incident.to_string(), ..empty(Kind::IncidentJoined) }
        }
        Event::IncidentLeft { incident } => {
            StoredEvent { name: incident.to_string(), ..empty(Kind::IncidentLeft) }
        }
        // Never sent here; a reader would put it aside and raise the alarm.
        _ => empty(Kind::Unspecified),
    }
}

/// What people do between the first response and the end.
fn encode_worked(event: &Event) -> StoredEvent {
    match event {
        Event::Updated { by, expected_within } => {
            StoredEvent { duration_ms: expected_within.map(millis), ..done(Kind::Updated, by) }
        }
        Event::Asked { by } => done(Kind::Asked, by),
        Event::InformationProvided { by, was_asked } => {
            StoredEvent { is_so: *was_asked, ..done(Kind::InformationProvided, by) }
        }
        Event::Reclassified { by, proposed_by, nature, band, protection } => StoredEvent {
            other: proposed_by.as_ref().map(ToString::to_string).unwrap_or_default(),
            nature: nature.word().to_owned(),
            band: band.number().into(),
            protection: protection.map_or("", Protection::word).to_owned(),
            ..done(Kind::Reclassified, by)
        },
        Event::LoweringProposed { by, nature } => {
            StoredEvent { nature: nature.word().to_owned(), ..done(Kind::LoweringProposed, by) }
        }
        Event::Verified { by, verification, phone } => StoredEvent {
            word: verification.word().to_owned(),
            name: phone.as_ref().map(ToString::to_string).unwrap_or_default(),
            ..done(Kind::Verified, by)
        },
        Event::ConflictRecorded { by, category, stance } => StoredEvent {
            categories: vec![category.word().to_owned()],
            word: stance.word().to_owned(),
            ..done(Kind::ConflictRecorded, by)
        },
        Event::OutcomeProposed { by, number, disclosed } => StoredEvent {
            number: *number,
            categories: words(disclosed),
            ..done(Kind::OutcomeProposed, by)
        },
        Event::OutcomeApproved { by, proposed_by, number } => StoredEvent {
            number: *number,
            other: proposed_by.to_string(),
            ..done(Kind::OutcomeApproved, by)
        },
        Event::Disclosed { number, categories, items, bytes, recipient_key } => StoredEvent {
            number: *number,
            categories: words(categories),
            items: *items,
            bytes: *bytes,
            name: recipient_key.to_string(),
            ..empty(Kind::Disclosed)
        },
        Event::DeliveryConfirmed { by, number } => {
            StoredEvent { number: *number, ..done(Kind::DeliveryConfirmed, by) }
        }
        Event::WithdrawalRequested { by } => done(Kind::WithdrawalRequested, by),
        Event::WithdrawalDeclined { by } => done(Kind::WithdrawalDeclined, by),
        Event::Ended { by, outcome, took } => StoredEvent {
            word: outcome.word().to_owned(),
            duration_ms: Some(millis(*took)),
            ..done(Kind::Ended, by)
        },
        // Never sent here; a reader would put it aside and raise the alarm.
        _ => empty(Kind::Unspecified),
    }
}

fn encode_page(page: &Page, empty: StoredEvent) -> StoredEvent {
    StoredEvent {
        clock: page.key.clock.word().to_owned(),
        cycle: page.key.cycle,
        offset_ms: millis(page.key.offset),
        contacts: page.contacts.iter().map(ToString::to_string).collect(),
        band: page.band.number().into(),
        due_ms: page.due_at.as_millis(),
        limit_ms: page.limit_at.as_millis(),
        cause: page.cause.word().to_owned(),
        is_so: page.is_quieted_by_claim,
        ..empty
    }
}

fn encode_rung(rung: &RungRecord, empty: StoredEvent) -> StoredEvent {
    StoredEvent {
        clock: rung.clock.word().to_owned(),
        cycle: rung.cycle,
        offset_ms: millis(rung.offset),
        due_ms: rung.due_at.as_millis(),
        count: rung.count,
        spacing_ms: millis(rung.spacing),
        lateness_ms: millis(rung.lateness),
        mark: rung.mark.map_or("", Mark::word).to_owned(),
        band: rung.band.number().into(),
        ..empty
    }
}
