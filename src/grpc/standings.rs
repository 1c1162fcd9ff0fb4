//! Suspending and reinstating authorities, and looking back at what was disclosed.

use std::time::Duration;

use prost_types::Timestamp as Moment;
use tonic::Status;

use super::convert::words::suspension_reason;
use super::convert::{self, name, timestamp};
use super::desk_service::chosen;
use super::identity::Callers;
use super::serve::{Edge, act, check_required, valid};
use super::{status, watching, wire};
use crate::core::intake::{Checks, Code};
use crate::core::standing::StandingCommand;
use crate::core::time::millis;
use crate::core::{AuthorityId, AuthorityStanding, Timestamp, What};
use crate::desk::{Desk, DisclosureFound, Store};

/// How far a suspension looks back where nobody says.
const LOOK_BACK: Duration = Duration::from_hours(30 * 24);
/// How many cases a suspension looks at before it leaves the rest to `ListDisclosures`.
const LOOK_BACK_CASES: usize = 200;

pub(super) async fn suspend_authority<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::SuspendAuthorityRequest,
) -> Result<wire::SuspendAuthorityResponse, Status> {
    let mut checks = Checks::default();
    let request_id = checks.name("request_id", &message.request_id);
    let desk = edge.desk(&mut checks, &message.desk);
    let authority = checks.name::<AuthorityId>("authority", &message.authority);
    let reason = chosen(&mut checks, "reason", suspension_reason::read(message.reason));
    let since = since(&mut checks, message.since.as_ref());
    let parts = desk.zip(request_id).zip(authority.zip(reason));
    let ((desk, request_id), (authority, reason)) = valid(checks, parts)?;
    let act = act(caller.at(&desk), "SuspendAuthority", request_id, &message);
    let suspend = StandingCommand::Suspend(reason);
    let (standing, replayed) =
        desk.act_on_standing(&authority, &act, suspend).await.map_err(status::error)?;
    let now_ms = desk.now_estimate().map_or(0, Timestamp::as_millis);
    let since =
        since.unwrap_or_else(|| Timestamp::from_millis(now_ms.saturating_sub(millis(LOOK_BACK))));
    let (found, next) = desk
        .disclosures(Some(&authority), since, None, LOOK_BACK_CASES)
        .await
        .map_err(status::error)?;
    let scope = scope(&desk, Some(&authority), since);
    Ok(wire::SuspendAuthorityResponse {
        standing: Some(write_standing(&standing)),
        disclosures: found.iter().map(|found| record(&desk, found)).collect(),
        next_page_token: edge.tokens.page(&scope, next)?,
        replayed,
    })
}

pub(super) async fn reinstate_authority<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::ReinstateAuthorityRequest,
) -> Result<wire::ReinstateAuthorityResponse, Status> {
    let mut checks = Checks::default();
    let request_id = checks.name("request_id", &message.request_id);
    let desk = edge.desk(&mut checks, &message.desk);
    let authority = checks.name::<AuthorityId>("authority", &message.authority);
    let ((desk, request_id), authority) = valid(checks, desk.zip(request_id).zip(authority))?;
    let act = act(caller.at(&desk), "ReinstateAuthority", request_id, &message);
    let reinstated = desk.act_on_standing(&authority, &act, StandingCommand::Reinstate).await;
    let (standing, replayed) = reinstated.map_err(status::error)?;
    let standing = Some(write_standing(&standing));
    Ok(wire::ReinstateAuthorityResponse { standing, replayed })
}

pub(super) async fn list_disclosures<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::ListDisclosuresRequest,
) -> Result<wire::ListDisclosuresResponse, Status> {
    let mut checks = Checks::default();
    let desk = edge.desk(&mut checks, &message.desk);
    let authority = if message.authority.is_empty() {
        Some(None)
    } else {
        checks.name::<AuthorityId>("authority", &message.authority).map(Some)
    };
    if message.since.is_none() {
        check_required(&mut checks, "since");
    }
    let since = since(&mut checks, message.since.as_ref());
    let page_size = watching::page_size(&mut checks, message.page_size);
    let parts = desk.zip(authority).zip(since.zip(page_size));
    let ((desk, authority), (since, page_size)) = valid(checks, parts)?;
    let scope = scope(&desk, authority.as_ref(), since);
    let after = edge.tokens.open_page(&scope, &message.page_token)?;
    if after.is_none() {
        let what = What::DisclosuresListed { authority: authority.clone() };
        desk.tell(Some(caller.at(&desk).actor()), what).await.map_err(status::error)?;
    }
    let (found, next) = desk
        .disclosures(authority.as_ref(), since, after, page_size)
        .await
        .map_err(status::error)?;
    Ok(wire::ListDisclosuresResponse {
        disclosures: found.iter().map(|found| record(&desk, found)).collect(),
        next_page_token: edge.tokens.page(&scope, next)?,
    })
}

fn since(checks: &mut Checks, sent: Option<&Moment>) -> Option<Timestamp> {
    let sent = sent?;
    let millis = u64::try_from(sent.seconds).ok().and_then(|seconds| seconds.checked_mul(1_000));
    if millis.is_none() {
        checks.violation("since", Code::OutOfRange, "send a time after 1970");
    }
    millis.map(Timestamp::from_millis)
}

fn scope<S: Store>(desk: &Desk<S>, of: Option<&AuthorityId>, since: Timestamp) -> String {
    let of = of.map_or("", AuthorityId::as_str);
    format!("disclosures/{}/{of}/{}", desk.name(), since.as_millis())
}

fn record<S: Store>(desk: &Desk<S>, found: &DisclosureFound) -> wire::DisclosureRecord {
    wire::DisclosureRecord {
        case: name(desk.name(), found.case),
        authority: found.authority.to_string(),
        disclosure: Some(convert::disclosure(&found.disclosure)),
    }
}

/// How an authority stands, as it is shown.
pub(super) fn write_standing(standing: &AuthorityStanding) -> wire::AuthorityStanding {
    let suspension = standing.suspension.as_ref();
    let reason = suspension.map(|found| suspension_reason::write(found.reason).into());
    wire::AuthorityStanding {
        authority: standing.authority.to_string(),
        version: standing.version,
        is_suspended: suspension.is_some(),
        suspended_by: suspension.map(|found| found.by.to_string()).unwrap_or_default(),
        suspended_at: suspension.map(|found| timestamp(found.at)),
        reason: reason.unwrap_or_default(),
    }
}
