//! The core's values as wire messages, for the desk and, with less in them, for the portal.

use std::time::Duration;

use prost_types::{Duration as WireDuration, Timestamp as WireTimestamp};

use super::submission;
use super::wire;
use crate::core::case::Punctuality;
use crate::core::intake::Submission;
use crate::core::time::millis;
use crate::core::{
    Case, CaseId, Change, Clock, ClockKind, DeskName, Event, FirstResponse, FirstResponseKind,
    Mark, Nature, Page, PageCause, RedirectTarget, RefusalReason, RungRecord, State, Timestamp,
};

/// The request of a Submit as the core reads it.
#[must_use]
pub fn submission_of(message: &wire::SubmitRequest) -> Submission {
    let request = message.request.clone().unwrap_or_default();
    submission::submission(&message.request_id, &request)
}

/// Declares how values of the core are written. The names are the same on both sides.
macro_rules! wired {
    ($write:ident, $core:ident, $wire:ident, [$($value:ident),+ $(,)?]) => {
        pub(super) const fn $write(value: $core) -> wire::$wire {
            match value { $($core::$value => wire::$wire::$value,)+ }
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
    state,
    State,
    CaseState,
    [Received, AwaitingInformation, Collecting, NoData, Rejected, Redirected,]
);
wired!(clock_kind, ClockKind, ClockKind, [FirstResponse]);
wired!(mark, Mark, RungMark, [Target, Limit]);
wired!(page_cause, PageCause, PageCause, [Due, CatchUp, ClaimLost, ClaimReleased]);
wired!(punctuality, Punctuality, Punctuality, [WithinTarget, WithinLimit, Breached]);
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

pub(super) fn timestamp(at: Timestamp) -> WireTimestamp {
    let millis = at.as_millis();
    WireTimestamp {
        seconds: i64::try_from(millis / 1_000).unwrap_or(i64::MAX),
        nanos: i32::try_from(millis % 1_000).expect("below a thousand") * 1_000_000,
    }
}

pub(super) fn duration(duration: Duration) -> WireDuration {
    let millis = millis(duration);
    WireDuration {
        seconds: i64::try_from(millis / 1_000).unwrap_or(i64::MAX),
        nanos: i32::try_from(millis % 1_000).expect("below a thousand") * 1_000_000,
    }
}

pub(super) fn name(desk: &DeskName, id: CaseId) -> String {
    format!("desks/{desk}/cases/{id}")
}

/// A case's id from its full name at this desk, or from the last part alone.
pub(super) fn parse_name(desk: &DeskName, name: &str) -> Option<CaseId> {
    let id = match name.rsplit_once('/') {
        None => name,
        Some((parent, id)) => {
            let is_ours = parent
                .strip_prefix("desks/")
                .and_then(|rest| rest.strip_suffix("/cases"))
                .is_some_and(|named| named == desk.as_str());
            if !is_ours {
                return None;
            }
            id
        }
    };
    id.parse().ok()
}

/// Whether the desk or the portal reads it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    Desk,
    Portal,
}

pub(super) fn case(desk: &DeskName, case: &Case) -> wire::Case {
    wire::Case {
        name: name(desk, case.id),
        version: case.version,
        authority: case.authority.to_string(),
        nature: nature(case.nature).into(),
        band: case.band.number().into(),
        state: state(case.state()).into(),
        accepted_at: Some(timestamp(case.accepted_at)),
        clocks: vec![clock(case, &case.clock)],
        first_response: first_response(case, Reader::Desk),
        claim: case.claim.as_ref().map(|claim| wire::Claim {
            responder: claim.by.to_string(),
            epoch: claim.epoch,
            granted_at: Some(timestamp(claim.granted_at)),
            expires_at: Some(timestamp(claim.expires_at)),
        }),
        policy: case.policy.to_string(),
    }
}

pub(super) fn case_status(desk: &DeskName, case: &Case) -> wire::CaseStatus {
    wire::CaseStatus {
        name: name(desk, case.id),
        authority: case.authority.to_string(),
        nature: nature(case.nature).into(),
        state: state(case.state()).into(),
        accepted_at: Some(timestamp(case.accepted_at)),
        clocks: vec![clock(case, &case.clock)],
        first_response: first_response(case, Reader::Portal),
        request_digest: case.request_digest.0.to_vec(),
    }
}

fn clock(case: &Case, clock: &Clock) -> wire::Clock {
    wire::Clock {
        kind: clock_kind(clock.kind).into(),
        started_at: Some(timestamp(clock.started_at)),
        target_at: Some(timestamp(clock.target_at)),
        limit_at: Some(timestamp(clock.limit_at)),
        stopped_at: case.first_response.as_ref().map(|response| timestamp(response.at)),
    }
}

fn first_response(case: &Case, reader: Reader) -> Option<wire::FirstResponse> {
    let FirstResponse { kind, at, by, is_claim_lost } = case.first_response.as_ref()?;
    let is_desk = reader == Reader::Desk;
    let mut response = wire::FirstResponse {
        kind: response_kind(*kind).into(),
        at: Some(timestamp(*at)),
        responder: if is_desk { by.to_string() } else { String::new() },
        waited: Some(duration(case.waited(*at))),
        punctuality: punctuality(case.punctuality(*at)).into(),
        is_claim_lost: is_desk && *is_claim_lost,
        ..wire::FirstResponse::default()
    };
    match kind {
        FirstResponseKind::Refused(reason) => {
            response.refusal_reason = refusal_reason(*reason).into();
        }
        FirstResponseKind::Redirected(target) => {
            response.redirect_target = redirect_target(*target).into();
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

const fn response_kind(kind: FirstResponseKind) -> wire::FirstResponseKind {
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

/// The change as its reader may see it; `None` when there is nothing in it for them.
pub(super) fn change(desk: &DeskName, change: &Change, reader: Reader) -> Option<wire::CaseChange> {
    let events: Vec<_> =
        change.events.iter().filter_map(|happened| event(happened, reader)).collect();
    (!events.is_empty()).then(|| wire::CaseChange {
        name: name(desk, change.case),
        version: if reader == Reader::Desk { change.version } else { 0 },
        at: Some(timestamp(change.at)),
        events,
    })
}

fn event(event: &Event, reader: Reader) -> Option<wire::CaseEvent> {
    use wire::case_event::Event as Wire;
    let is_desk = reader == Reader::Desk;
    let event = match event {
        Event::Accepted { nature: of, band, target_at, limit_at } => {
            Wire::Accepted(wire::Accepted {
                nature: nature(*of).into(),
                band: is_desk.then(|| band.number().into()),
                target_at: Some(timestamp(*target_at)),
                limit_at: Some(timestamp(*limit_at)),
            })
        }
        Event::Responded { by, kind, waited, punctuality: to_promise, is_claim_lost, .. } => {
            Wire::Responded(wire::Responded {
                responder: if is_desk { by.to_string() } else { String::new() },
                kind: response_kind(*kind).into(),
                waited: Some(duration(*waited)),
                punctuality: punctuality(*to_promise).into(),
                is_claim_lost: is_desk && *is_claim_lost,
            })
        }
        // How the desk works is the desk's own.
        Event::RungFired(_)
        | Event::RungQuieted(_)
        | Event::Paged(_)
        | Event::Claimed { .. }
        | Event::ClaimRenewed { .. }
        | Event::ClaimReleased { .. }
        | Event::ClaimLost { .. }
            if !is_desk =>
        {
            return None;
        }
        Event::RungFired(record) => Wire::RungFired(rung(record)),
        Event::RungQuieted(record) => Wire::RungQuieted(rung(record)),
        Event::Paged(committed) => Wire::Paged(page(committed)),
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
    };
    Some(wire::CaseEvent { event: Some(event) })
}

fn rung(record: &RungRecord) -> wire::Rung {
    wire::Rung {
        clock: clock_kind(record.clock).into(),
        cycle: record.cycle,
        offset: Some(duration(record.offset)),
        due_at: Some(timestamp(record.due_at)),
        lateness: Some(duration(record.lateness)),
        is_late: record.is_late(),
        count: record.count,
        spacing: (record.count > 1).then(|| duration(record.spacing)),
        mark: record.mark.map_or(wire::RungMark::Unspecified, mark).into(),
    }
}

fn page(committed: &Page) -> wire::Page {
    wire::Page {
        key: committed.key.to_string(),
        contacts: committed.contacts.iter().map(ToString::to_string).collect(),
        band: committed.band.number().into(),
        due_at: Some(timestamp(committed.due_at)),
        limit_at: Some(timestamp(committed.limit_at)),
        cause: page_cause(committed.cause).into(),
    }
}
