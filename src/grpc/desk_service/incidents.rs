//! Opening incidents, adding to their facts, and closing them.

use tonic::Status;

use super::MESSAGE_CHARS;
use crate::core::incident::JoinRule;
use crate::core::intake::{
    Checks, Code, check_country, check_optional_text, check_text, incident_tag_input,
};
use crate::core::{Country, IncidentName, Nature};
use crate::desk::{Desk, Facts, IncidentDeed, IncidentStatus, Store};
use crate::grpc::convert::words::nature;
use crate::grpc::convert::{duration, timestamp};
use crate::grpc::identity::Callers;
use crate::grpc::serve::{Edge, act, valid};
use crate::grpc::{status, wire};

pub(super) async fn open_incident<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::OpenIncidentRequest,
) -> Result<wire::OpenIncidentResponse, Status> {
    let mut checks = Checks::default();
    let request_id = checks.name("request_id", &message.request_id);
    let desk = edge.desk(&mut checks, &message.desk);
    let name = checks.name::<IncidentName>("incident", &message.incident);
    check_optional_text(&mut checks, "tag", &message.tag, 200);
    check_optional_text(&mut checks, "facts", &message.facts, MESSAGE_CHARS);
    let tag = incident_tag_input(&message.tag);
    if tag.is_none() && message.natures.is_empty() {
        let fix = "send the incident_reference that cases join by, or the natures that do";
        checks.violation("tag", Code::Required, fix);
    }
    if message.natures.is_empty() && !message.countries.is_empty() {
        let fix = "send natures as well, or no countries; those who gave the tag join from all";
        checks.violation("countries", Code::Contradiction, fix);
    }
    let natures = read_natures(&mut checks, &message.natures);
    let countries = read_countries(&mut checks, &message.countries);
    let ((request_id, desk), name) = valid(checks, request_id.zip(desk).zip(name))?;
    let act = act(caller.at(&desk), "OpenIncident", request_id, &message);
    let rule = JoinRule {
        tag: tag.map(|input| desk.fingerprint(&input)),
        natures: natures.into_iter().collect(),
        countries: countries.into_iter().collect(),
    };
    let told = (!message.facts.is_empty()).then(|| facts(&message.facts));
    let deed = IncidentDeed::Open(rule, told);
    let done = desk.act_on_incident(&name, &act, &deed).await.map_err(status::error)?;
    let replayed = done.is_replayed;
    // Their own words; who reads those of others is recorded where a case is read.
    let incident = wire::Incident { facts: message.facts, ..incident(&desk, done.status) };
    Ok(wire::OpenIncidentResponse { incident: Some(incident), replayed })
}

pub(super) async fn add_incident_facts<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::AddIncidentFactsRequest,
) -> Result<wire::AddIncidentFactsResponse, Status> {
    let mut checks = Checks::default();
    let request_id = checks.name("request_id", &message.request_id);
    let desk = edge.desk(&mut checks, &message.desk);
    let name = checks.name::<IncidentName>("incident", &message.incident);
    check_text(&mut checks, "facts", &message.facts, MESSAGE_CHARS);
    let ((request_id, desk), name) = valid(checks, request_id.zip(desk).zip(name))?;
    let act = act(caller.at(&desk), "AddIncidentFacts", request_id, &message);
    let deed = IncidentDeed::AddFacts(facts(&message.facts));
    let done = desk.act_on_incident(&name, &act, &deed).await.map_err(status::error)?;
    let replayed = done.is_replayed;
    Ok(wire::AddIncidentFactsResponse { incident: Some(incident(&desk, done.status)), replayed })
}

fn facts(text: &str) -> Facts {
    Facts(text.as_bytes().into())
}

fn read_natures(checks: &mut Checks, sent: &[i32]) -> Vec<Nature> {
    if sent.len() > Nature::ALL.len() {
        checks.violation("natures", Code::TooMany, "send each nature once");
    }
    let mut natures = Vec::new();
    for (index, number) in sent.iter().enumerate().take(Nature::ALL.len()) {
        natures.extend(super::chosen(checks, &format!("natures[{index}]"), nature::read(*number)));
    }
    natures
}

fn read_countries(checks: &mut Checks, sent: &[String]) -> Vec<Country> {
    const COUNTRIES_MAX: usize = 300;
    if sent.len() > COUNTRIES_MAX {
        checks.violation("countries", Code::TooMany, "send each country once");
    }
    let mut countries = Vec::new();
    for (index, code) in sent.iter().enumerate().take(COUNTRIES_MAX) {
        countries.extend(check_country(checks, &format!("countries[{index}]"), code));
    }
    countries
}

pub(super) async fn close_incident<S: Store>(
    edge: Edge<S>,
    caller: Callers,
    message: wire::CloseIncidentRequest,
) -> Result<wire::CloseIncidentResponse, Status> {
    let mut checks = Checks::default();
    let request_id = checks.name("request_id", &message.request_id);
    let desk = edge.desk(&mut checks, &message.desk);
    let name = checks.name::<IncidentName>("incident", &message.incident);
    let ((request_id, desk), name) = valid(checks, request_id.zip(desk).zip(name))?;
    let act = act(caller.at(&desk), "CloseIncident", request_id, &message);
    let done = desk.act_on_incident(&name, &act, &IncidentDeed::Close).await;
    let done = done.map_err(status::error)?;
    let replayed = done.is_replayed;
    Ok(wire::CloseIncidentResponse { incident: Some(incident(&desk, done.status)), replayed })
}

/// An incident and how it stands, without the facts told of it.
pub(in crate::grpc) fn incident<S: Store>(
    desk: &Desk<S>,
    status: IncidentStatus,
) -> wire::Incident {
    let IncidentStatus { incident, figures } = status;
    let objective = desk.live().objective;
    wire::Incident {
        name: incident.name.to_string(),
        version: incident.version,
        has_tag: incident.rule.tag.is_some(),
        natures: incident.rule.natures.iter().map(|word| nature::write(*word).into()).collect(),
        countries: incident.rule.countries.iter().map(ToString::to_string).collect(),
        opened_by: incident.opened_by.to_string(),
        opened_at: Some(timestamp(incident.opened_at)),
        closed_at: incident.closed_at.map(timestamp),
        facts: String::new(),
        figures: Some(wire::IncidentFigures {
            cases: figures.cases,
            unanswered: figures.unanswered,
            ended: figures.ended,
            ended_within_objective: figures.ended_within_objective,
            ended_within_share: figures.ended_within_share,
            objective: Some(duration(objective.answered_within)),
            share: Some(duration(objective.share_within)),
            overdue: figures.overdue,
            overdue_share: figures.overdue_share,
        }),
    }
}
