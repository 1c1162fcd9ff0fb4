//! What the desk looks at.

use std::collections::BTreeSet;

use tonic::Status;

use super::chosen;
use crate::core::intake::{Checks, Choice, Code};
use crate::core::policy::Promise;
use crate::core::{Class, ClockKind, ContactName, Lane, Nature, RetentionClass, ShownTo};
use crate::desk::{Followed, Index, Store, WatchScope};
use crate::grpc::convert::words::{clock_kind, nature};
use crate::grpc::convert::{self, Reader, duration};
use crate::grpc::entries::open;
use crate::grpc::identity::Callers;
use crate::grpc::serve::{Edge, valid};
use crate::grpc::watching::{self, Stream};
use crate::grpc::{status, wire};
use crate::telemetry::traces;

pub(super) async fn get<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::DeskServiceGetRequest,
) -> Result<wire::DeskServiceGetResponse, Status> {
    let mut checks = Checks::default();
    let case = edge.case(&mut checks, "name", &message.name);
    let (desk, id) = valid(checks, case)?;
    traces::about(id);
    let case = desk.get(id).await.map_err(status::error)?;
    let by = caller.at(&desk).actor();
    let contents = desk.read(&case, by, ShownTo::Desk).await.map_err(status::error)?;
    let opened = open(id, &contents, Reader::Desk)?;
    let facts = desk.facts_shown(&case).await.map_err(status::error)?;
    Ok(wire::DeskServiceGetResponse {
        case: Some(convert::case(desk.name(), &case)),
        request: opened.request,
        response: opened.response,
        entries: opened.entries,
        incident_facts: facts
            .map(|facts| String::from_utf8_lossy(&facts.0).into_owned())
            .unwrap_or_default(),
    })
}

pub(super) async fn list<S: Store>(
    edge: Edge<S>,
    _caller: Callers,
    message: wire::DeskServiceListRequest,
) -> Result<wire::DeskServiceListResponse, Status> {
    let mut checks = Checks::default();
    let index = match wire::CaseFilter::try_from(message.filter) {
        Ok(wire::CaseFilter::Unspecified | wire::CaseFilter::Queue) => {
            Some(Index::Ready(Lane::Ordinary))
        }
        Ok(wire::CaseFilter::IncidentQueue) => Some(Index::Ready(Lane::Incident)),
        Ok(wire::CaseFilter::Unanswered) => Some(Index::Unanswered),
        Ok(wire::CaseFilter::Claimed) => Some(Index::Claimed),
        Ok(wire::CaseFilter::All) => Some(Index::All),
        Err(_) => chosen(&mut checks, "filter", Choice::<()>::Unknown).map(|()| Index::All),
    };
    let page_size = watching::page_size(&mut checks, message.page_size);
    let desk = edge.desk(&mut checks, &message.desk);
    let ((index, page_size), desk) = valid(checks, index.zip(page_size).zip(desk))?;
    let scope = format!("list/{}/desk/{index:?}", desk.name());
    let after = edge.tokens.open_page(&scope, &message.page_token)?;
    let (cases, next) = desk.list(&index, after, page_size).await.map_err(status::error)?;
    Ok(wire::DeskServiceListResponse {
        cases: cases.iter().map(|case| convert::case(desk.name(), case)).collect(),
        next_page_token: edge.tokens.page(&scope, next)?,
    })
}

pub(super) async fn watch<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::DeskServiceWatchRequest,
) -> Result<Stream<wire::DeskServiceWatchResponse>, Status> {
    let mut checks = Checks::default();
    let scope = if message.name.is_empty() {
        edge.desk(&mut checks, &message.desk).map(|desk| (desk, WatchScope::Desk))
    } else {
        let case = edge.case(&mut checks, "name", &message.name);
        case.map(|(desk, id)| {
            traces::about(id);
            (desk, WatchScope::Case(id))
        })
    };
    let (desk, scope) = valid(checks, scope)?;
    let token_scope = match &scope {
        WatchScope::Case(id) => {
            desk.get(*id).await.map_err(status::error)?;
            format!("watch/{}/desk/{}", desk.name(), id.compact())
        }
        WatchScope::Authority(_) | WatchScope::Desk => format!("watch/{}/desk", desk.name()),
    };
    let resume = edge.tokens.open_resume(&token_scope, &message.resume_token)?;
    let room = edge.allowances.watch(&caller.at(&desk).subject)?;
    let watch = desk.watch(scope, resume).await.map_err(status::error)?;
    let name = desk.name().clone();
    Ok(watching::stream(&edge, desk, watch, token_scope, None, room, move |told, resume_token| {
        use wire::desk_service_watch_response::Message;
        let message = match told {
            watching::Told::Heartbeat(heartbeat) => Message::Heartbeat(heartbeat),
            watching::Told::Followed(Followed::Snapshot(case)) => {
                Message::Snapshot(convert::case(&name, &case))
            }
            watching::Told::Followed(Followed::SnapshotEnd(cases)) => {
                Message::SnapshotEnd(wire::SnapshotEnd { cases })
            }
            watching::Told::Followed(Followed::Change(change)) => {
                Message::Change(convert::change(&name, &change, Reader::Desk)?)
            }
        };
        Some(wire::DeskServiceWatchResponse { message: Some(message), resume_token })
    }))
}

pub(super) async fn get_policy<S: Store>(
    edge: Edge<S>,
    _caller: Callers,
    message: wire::GetPolicyRequest,
) -> Result<wire::GetPolicyResponse, Status> {
    let mut checks = Checks::default();
    let desk = edge.desk(&mut checks, &message.desk);
    let policy = match (&desk, &*message.policy) {
        (None, _) => None,
        (Some(desk), "") => Some(desk.policy()),
        (Some(desk), id) => match id.parse() {
            Ok(id) => desk.kept_policy(id).await.map_err(status::error)?,
            Err(_) => None,
        },
    };
    if desk.is_some() && policy.is_none() {
        let fix = "send the policy that a case of this desk names, or nothing";
        checks.violation("policy", Code::UnknownValue, fix);
    }
    let policy = valid(checks, policy)?;
    let mut promises = Vec::new();
    for class in Class::ALL {
        for kind in ClockKind::ALL {
            let extension = policy.extension(*kind).map(duration);
            let promise = promise(*kind, *class, policy.clock(*kind, *class));
            promises.push(wire::Promise { extension, ..promise });
        }
    }
    let band = |of: &Nature| wire::NatureBand {
        nature: nature::write(*of).into(),
        band: policy.band(*of).number().into(),
    };
    let kept_for = |class| Some(duration(policy.retention(class)));
    Ok(wire::GetPolicyResponse {
        policy: policy.id().to_string(),
        lease: Some(duration(policy.lease())),
        promises,
        bands: Nature::ALL.iter().map(band).collect(),
        retention: Some(wire::Retention {
            disclosed: kept_for(RetentionClass::Disclosed),
            not_disclosed: kept_for(RetentionClass::NotDisclosed),
            fraud: kept_for(RetentionClass::Fraud),
        }),
    })
}

fn promise(kind: ClockKind, class: Class, promise: &Promise) -> wire::Promise {
    let names = |contacts: &BTreeSet<ContactName>| -> Vec<String> {
        contacts.iter().map(ToString::to_string).collect()
    };
    wire::Promise {
        clock: clock_kind::write(kind).into(),
        is_emergency: class == Class::Emergency,
        target: Some(duration(promise.target)),
        limit: Some(duration(promise.limit)),
        rungs: promise
            .ladder
            .rungs
            .iter()
            .map(|rung| wire::LadderRung {
                offset: Some(duration(rung.offset)),
                contacts: names(&rung.contacts),
                is_quieted_by_claim: rung.is_quieted_by_claim,
            })
            .collect(),
        repeat_every: Some(duration(promise.ladder.repeat_every)),
        repeat_contacts: names(&promise.ladder.repeat_contacts),
        extension: None,
    }
}
