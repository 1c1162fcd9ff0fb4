//! One event behind many cases: they wait in a lane of their own, on every replica.

use std::time::Duration;

use tonic::{Code, Response, Status};
use urgence::grpc::wire;
use wire::{CaseFilter, DataCategory, Nature};

use crate::calls::{
    ANA, BO, Caller, FRENCH, GERMAN, LEAD, Stage, assert_error, assert_fields, assert_forbidden, ms,
};
use crate::messages::{Named, asking, fresh, of_authority, seconds};
use crate::service::claim_next;
use crate::support::wait::eventually;

const PATIENCE: Duration = Duration::from_secs(20);

/// An incident that cases join by the reference of their sender.
fn tagged(incident: &str) -> wire::OpenIncidentRequest {
    wire::OpenIncidentRequest {
        request_id: fresh(),
        incident: incident.to_owned(),
        tag: "Paris  Attack".to_owned(),
        facts: "Two scenes. The hotline is open.".to_owned(),
        ..Default::default()
    }
}

/// An incident that cases of this nature join.
fn about(incident: &str, nature: Nature) -> wire::OpenIncidentRequest {
    let natures = vec![nature.into()];
    wire::OpenIncidentRequest { tag: String::new(), natures, ..tagged(incident) }
}

fn closing(incident: &str) -> wire::CloseIncidentRequest {
    let incident = incident.to_owned();
    wire::CloseIncidentRequest { request_id: fresh(), incident, ..Default::default() }
}

fn adding(incident: &str, facts: &str) -> wire::AddIncidentFactsRequest {
    wire::AddIncidentFactsRequest {
        request_id: fresh(),
        incident: incident.to_owned(),
        facts: facts.to_owned(),
        ..Default::default()
    }
}

/// What came of it: the incident, and whether it had been done before.
type Done = Result<(wire::Incident, bool), Status>;

async fn open(caller: &Caller, message: wire::OpenIncidentRequest) -> Done {
    let opened = caller.desk().open_incident(caller.by(message)).await.map(Response::into_inner);
    opened.map(|opened| (opened.incident.unwrap(), opened.replayed))
}

async fn add(caller: &Caller, message: wire::AddIncidentFactsRequest) -> Done {
    let added = caller.desk().add_incident_facts(caller.by(message)).await;
    added.map(Response::into_inner).map(|added| (added.incident.unwrap(), added.replayed))
}

async fn close(caller: &Caller, message: wire::CloseIncidentRequest) -> Done {
    let closed = caller.desk().close_incident(caller.by(message)).await.map(Response::into_inner);
    closed.map(|closed| (closed.incident.unwrap(), closed.replayed))
}

/// A request about this nature, with this incident_reference.
fn asked(nature: Nature, reference: &str) -> wire::SubmitRequest {
    let mut message = asking(&[DataCategory::Subscriber]);
    let request = message.request.as_mut().unwrap();
    request.emergency.as_mut().unwrap().nature = nature.into();
    reference.clone_into(&mut request.incident_reference);
    message
}

async fn names(caller: &Caller, filter: CaseFilter) -> Vec<String> {
    let list = wire::DeskServiceListRequest { filter: filter.into(), ..Default::default() };
    let listed = caller.desk().list(caller.by(list)).await.unwrap().into_inner().cases;
    listed.into_iter().map(|case| case.name).collect()
}

async fn incident_of(caller: &Caller, name: &str) -> String {
    caller.sees(name).await.case.unwrap().incident
}

/// Those that GetStatus shows.
async fn incidents(caller: &Caller) -> Vec<wire::Incident> {
    let status = caller.oversight().get_status(caller.by(wire::GetStatusRequest {})).await;
    status.unwrap().into_inner().desks.remove(0).incidents
}

#[tokio::test]
async fn open_incident() {
    let stage = Stage::open();
    let (ana, portal, lead) = (stage.caller(ANA), stage.caller(FRENCH), stage.caller(LEAD));
    // Those that wait already join at once, and those that somebody holds; letter case and spaces
    // are no matter.
    let waiting = portal.submits(asked(Nature::BombThreat, "paris attack")).await;
    let worked_on = portal.submits(asked(Nature::Routine, " PARIS ATTACK ")).await;
    ana.claims(&worked_on).await;
    let other = portal.submits(asked(Nature::BombThreat, "")).await;
    let shown = portal.is_shown(&waiting).await;

    let message = tagged("paris-2026");
    let (incident, replayed) = open(&ana, message.clone()).await.unwrap();
    assert!(!replayed && incident.has_tag && incident.natures.is_empty());
    assert_eq!((&*incident.name, incident.version, &*incident.opened_by), ("paris-2026", 1, "ana"));
    assert!(incident.opened_at.is_some() && incident.closed_at.is_none());
    assert_eq!(incident.facts, message.facts);
    let figures = incident.figures.unwrap();
    assert_eq!((figures.cases, figures.unanswered, figures.ended), (2, 2, 0));
    assert_eq!((figures.objective, figures.share), (Some(seconds(14_400)), Some(seconds(5_400))));
    assert_eq!(names(&ana, CaseFilter::IncidentQueue).await, std::slice::from_ref(&waiting));
    assert_eq!(names(&ana, CaseFilter::Queue).await, std::slice::from_ref(&other));
    assert_eq!(incident_of(&ana, &worked_on).await, "paris-2026");
    let seen = ana.sees(&waiting).await;
    assert_eq!(
        (seen.incident_facts, seen.case.unwrap().incident),
        (message.facts.clone(), "paris-2026".into())
    );
    assert!(portal.is_shown(&waiting).await == shown, "no authority is told");
    // A list opens nothing that is sealed.
    let listed = wire::Incident { facts: String::new(), ..incident.clone() };
    assert_eq!(incidents(&lead).await, [listed]);

    assert_eq!(open(&ana, message.clone()).await.unwrap(), (incident.clone(), true));
    let reused = wire::OpenIncidentRequest { facts: "Three scenes.".to_owned(), ..message.clone() };
    assert_error(open(&ana, reused).await, Code::AlreadyExists, "REQUEST_ID_REUSED");
    assert_forbidden(open(&ana, tagged("paris-2026")).await, "INCIDENT_NAME_TAKEN");
    assert_forbidden(open(&stage.caller(BO), message).await, "INCIDENT_NAME_TAKEN");

    // New ones join as they come; so does what ends.
    let late = portal.submits(asked(Nature::Routine, "Paris attack")).await;
    assert_eq!(incident_of(&ana, &late).await, "paris-2026");
    let held = ana.claims(&late).await;
    ana.does(held.no_data()).await;
    let figures = incidents(&lead).await[0].figures.unwrap();
    assert_eq!((figures.cases, figures.unanswered, figures.ended), (3, 2, 1));
    assert_eq!((figures.ended_within_share, figures.ended_within_objective), (1, 1));
}

#[tokio::test]
async fn an_incident_is_told_all_its_mistakes_at_once() {
    let stage = Stage::open();
    let ana = stage.caller(ANA);
    let nothing = open(&ana, wire::OpenIncidentRequest::default()).await;
    assert_fields(nothing, &["request_id: REQUIRED", "incident: REQUIRED", "tag: REQUIRED"]);
    let bad = wire::OpenIncidentRequest {
        request_id: "with space".to_owned(),
        desk: "night".to_owned(),
        incident: "Paris".to_owned(),
        tag: "x".repeat(201),
        natures: vec![0, 99],
        countries: vec!["fr".to_owned(), "XX".to_owned()],
        facts: "x".repeat(20_001),
    };
    let wanted = [
        "request_id: BAD_FORMAT",
        "desk: UNKNOWN_VALUE",
        "incident: BAD_FORMAT",
        "tag: TOO_LONG",
        "facts: TOO_LONG",
        "natures[0]: REQUIRED",
        "natures[1]: UNKNOWN_VALUE",
        "countries[0]: BAD_FORMAT",
        "countries[1]: BAD_FORMAT",
    ];
    assert_fields(open(&ana, bad).await, &wanted);
    let mut many = about("many", Nature::BombThreat);
    many.natures = vec![Nature::BombThreat.into(); 14];
    assert_fields(open(&ana, many).await, &["natures: TOO_MANY"]);
    // Whoever gave the tag joins from everywhere, so countries would promise what is not kept.
    let countries = vec!["FR".to_owned()];
    let bad = wire::OpenIncidentRequest { countries, ..tagged("paris") };
    assert_fields(open(&ana, bad).await, &["countries: CONTRADICTION"]);
    let bad = wire::AddIncidentFactsRequest { desk: "night".to_owned(), ..Default::default() };
    let wanted =
        ["request_id: REQUIRED", "desk: UNKNOWN_VALUE", "incident: REQUIRED", "facts: REQUIRED"];
    assert_fields(add(&ana, bad).await, &wanted);
    let long = adding("paris", &"x".repeat(20_001));
    assert_fields(add(&ana, long).await, &["facts: TOO_LONG"]);
    let bad = wire::CloseIncidentRequest { desk: "night".to_owned(), ..Default::default() };
    let wanted = ["request_id: REQUIRED", "desk: UNKNOWN_VALUE", "incident: REQUIRED"];
    assert_fields(close(&ana, bad).await, &wanted);
}

#[tokio::test]
async fn add_incident_facts() {
    let stage = Stage::open();
    let (ana, bo, portal) = (stage.caller(ANA), stage.caller(BO), stage.caller(FRENCH));
    let missing = add(&ana, adding("paris", "A third scene.")).await;
    assert_error(missing, Code::NotFound, "INCIDENT_NOT_FOUND");
    let opening = tagged("paris");
    open(&ana, opening.clone()).await.unwrap();
    let case = portal.submits(asked(Nature::BombThreat, "Paris attack")).await;
    let other = portal.submits(asked(Nature::BombThreat, "")).await;
    let shown = portal.is_shown(&case).await;
    let message = adding("paris", "A third scene: Rue de Charonne.");
    let (incident, replayed) = add(&bo, message.clone()).await.unwrap();
    assert!(!replayed && incident.version == 2 && incident.figures.unwrap().cases == 1);
    assert_eq!(incident.facts, "", "reading them is an act of its own");
    let all = format!("{}\n\n{}", opening.facts, message.facts);
    assert_eq!(ana.sees(&case).await.incident_facts, all);
    assert_eq!(ana.sees(&other).await.incident_facts, "");
    assert!(portal.is_shown(&case).await == shown, "no authority is told");

    assert_eq!(add(&bo, message.clone()).await.unwrap(), (incident, true));
    assert_eq!(ana.sees(&case).await.incident_facts, all, "once");
    let reused = wire::AddIncidentFactsRequest { facts: "Other".to_owned(), ..message.clone() };
    assert_error(add(&bo, reused).await, Code::AlreadyExists, "REQUEST_ID_REUSED");
    // Whoever opened it is shown their own words again, and nobody else's.
    let (again, replayed) = open(&ana, opening.clone()).await.unwrap();
    assert_eq!((again.facts, replayed), (opening.facts, true));
    for _ in 0..4 {
        add(&bo, adding("paris", &"x".repeat(20_000))).await.unwrap();
    }
    let too_long = add(&bo, adding("paris", &"x".repeat(20_000))).await;
    assert_forbidden(too_long, "INCIDENT_FACTS_TOO_LONG");

    close(&ana, closing("paris")).await.unwrap();
    assert_forbidden(add(&bo, adding("paris", "late")).await, "INCIDENT_CLOSED");
    assert!(add(&bo, message).await.unwrap().1);
    // A case that is still worked on needs them also when the rush is over; one that ends then does not.
    assert!(ana.sees(&case).await.incident_facts.starts_with(&all));
    let held = ana.claims(&case).await;
    ana.does(held.no_data()).await;
    assert_eq!(ana.sees(&case).await.incident_facts, "");
}

#[tokio::test]
async fn close_incident() {
    let stage = Stage::open();
    let (ana, bo, portal) = (stage.caller(ANA), stage.caller(BO), stage.caller(FRENCH));
    let missing = close(&ana, closing("flood")).await;
    assert_error(missing, Code::NotFound, "INCIDENT_NOT_FOUND");
    let opening = about("flood", Nature::BombThreat);
    open(&ana, opening.clone()).await.unwrap();
    let waiting = portal.submits(asked(Nature::BombThreat, "")).await;
    let worked_on = portal.submits(asked(Nature::BombThreat, "")).await;
    bo.claims(&worked_on).await;
    assert_eq!(names(&ana, CaseFilter::IncidentQueue).await, std::slice::from_ref(&waiting));

    let message = closing("flood");
    let (incident, replayed) = close(&bo, message.clone()).await.unwrap();
    assert!(!replayed && ms(&incident.closed_at) >= ms(&incident.opened_at));
    assert_eq!((incident.version, &*incident.opened_by), (2, "ana"));
    assert_eq!(incident.facts, "", "reading them is an act of its own");
    assert_eq!(incident.figures.unwrap().cases, 2, "those that belonged to it");
    assert_eq!(names(&ana, CaseFilter::Queue).await, std::slice::from_ref(&waiting));
    assert!(names(&ana, CaseFilter::IncidentQueue).await.is_empty());
    for case in [&waiting, &worked_on] {
        assert_eq!(incident_of(&ana, case).await, "");
    }
    assert_eq!(incidents(&stage.caller(LEAD)).await, std::slice::from_ref(&incident));
    assert_eq!(close(&bo, message.clone()).await.unwrap(), (incident.clone(), true));
    let reused = wire::CloseIncidentRequest { desk: "main".to_owned(), ..message };
    assert_error(close(&bo, reused).await, Code::AlreadyExists, "REQUEST_ID_REUSED");
    let reused =
        wire::CloseIncidentRequest { request_id: opening.request_id.clone(), ..closing("flood") };
    assert_error(close(&ana, reused).await, Code::AlreadyExists, "REQUEST_ID_REUSED");
    assert_forbidden(close(&ana, closing("flood")).await, "INCIDENT_CLOSED");
    // What was opened stays opened once: the repeat finds it as it is now, and its name is taken.
    let opened = wire::Incident { facts: opening.facts.clone(), ..incident };
    assert_eq!(open(&ana, opening).await.unwrap(), (opened, true));
    let again = open(&ana, about("flood", Nature::BombThreat)).await;
    assert_forbidden(again, "INCIDENT_NAME_TAKEN");
}

#[tokio::test]
async fn a_case_that_waited_for_its_authority_does_not_stay_in_a_closed_incident() {
    let stage = Stage::open();
    let (ana, portal) = (stage.caller(ANA), stage.caller(FRENCH));
    open(&ana, about("flood", Nature::BombThreat)).await.unwrap();
    let held = ana.claims(&portal.submits(asked(Nature::BombThreat, "")).await).await;
    ana.does(held.need_information()).await;
    ana.does(held.release()).await;
    close(&ana, closing("flood")).await.unwrap();
    portal.does(held.case().inform()).await;
    eventually("it waits with all others", PATIENCE, async || {
        names(&ana, CaseFilter::Queue).await == [held.name.clone()]
    })
    .await;
    assert_eq!(incident_of(&ana, &held.name).await, "");
}

#[tokio::test]
async fn an_incident_takes_the_natures_and_countries_it_names() {
    let stage = Stage::open();
    let (ana, portal) = (stage.caller(ANA), stage.caller(FRENCH));
    let mut message = about("flood", Nature::BombThreat);
    message.countries = vec!["DE".to_owned()];
    let (incident, _) = open(&ana, message).await.unwrap();
    assert_eq!(incident.natures().collect::<Vec<_>>(), [Nature::BombThreat]);
    assert!(incident.countries == ["DE"] && !incident.has_tag);
    let german = |nature| of_authority(asked(nature, ""), "de-bka", "DE");
    let belongs = stage.caller(GERMAN).submits(german(Nature::BombThreat)).await;
    let other_nature = stage.caller(GERMAN).submits(german(Nature::Kidnapping)).await;
    let other_country = portal.submits(asked(Nature::BombThreat, "flood")).await;
    assert_eq!(incident_of(&ana, &belongs).await, "flood");
    for name in [&other_nature, &other_country] {
        assert_eq!(incident_of(&ana, name).await, "");
    }
    // A case becomes one of them when it turns out to be.
    let raised = Named(other_nature.clone()).reclassify(Nature::BombThreat);
    ana.does(raised).await;
    eventually("it joins", PATIENCE, async || incident_of(&ana, &other_nature).await == "flood")
        .await;
}

/// What an incident's objective is over for is seen by whoever watches, while it is open.
#[tokio::test]
async fn what_is_late_in_an_open_incident_is_counted() {
    let stage = Stage::with("[incidents]\nanswered_within = \"2s\"\nshare_within = \"1s\"\n");
    let (ana, lead) = (stage.caller(ANA), stage.caller(LEAD));
    let overdue =
        async || stage.service.metric("urgence_incident_overdue_cases{desk=\"main\"}").await;
    assert!(overdue().await.abs() < f64::EPSILON, "from the start");
    stage.caller(FRENCH).submits(asked(Nature::BombThreat, "Paris attack")).await;
    let opening = about("early", Nature::BombThreat);
    let (early, _) = open(&ana, opening).await.unwrap();
    let figures = early.figures.unwrap();
    assert!(figures.cases == 1 && figures.overdue <= figures.overdue_share);
    let figures = async || incidents(&lead).await.remove(0).figures.unwrap();
    let is_late = async || figures().await.overdue == 1;
    eventually("the objective is over", PATIENCE, is_late).await;
    assert_eq!(figures().await.overdue_share, 1);
    // Whatever is told or opened has it counted anew; else it is once a minute.
    add(&ana, adding("early", "More.")).await.unwrap();
    let is_counted = async || (overdue().await - 1.0).abs() < f64::EPSILON;
    eventually("it is counted", PATIENCE, is_counted).await;
    close(&ana, closing("early")).await.unwrap();
    let is_quiet = async || overdue().await.abs() < f64::EPSILON;
    eventually("a closed one alarms nobody", PATIENCE, is_quiet).await;
    assert_eq!(figures().await.overdue, 1, "and hides nothing");
}

/// The flood after an attack and everybody else's threats to life do not starve each other.
#[tokio::test]
async fn while_both_lanes_hold_emergencies_they_take_turns() {
    let stage = Stage::open();
    let (ana, portal) = (stage.caller(ANA), stage.caller(FRENCH));
    open(&ana, tagged("paris")).await.unwrap();
    for _ in 0..3 {
        portal.submits(asked(Nature::TerrorismInProgress, "paris attack")).await;
    }
    for _ in 0..3 {
        portal.submits(asked(Nature::MissingChild, "")).await;
    }
    let mut lanes = Vec::new();
    for _ in 0..6 {
        let claimed = ana.desk().claim_next(ana.by(claim_next(&fresh(), 0))).await.unwrap();
        lanes.push(!claimed.into_inner().case.unwrap().incident.is_empty());
    }
    let alternating = |first: bool| (0..6).map(|turn| (turn % 2 == 0) == first).collect::<Vec<_>>();
    assert!(lanes == alternating(true) || lanes == alternating(false), "{lanes:?}");
}

#[tokio::test]
async fn what_one_replica_opens_and_closes_the_other_soon_knows() {
    let stage = Stage::open();
    let replica = stage.replica();
    let (one, two) = (stage.caller(ANA), Caller::of(&replica, BO));
    let portal_of_two = Caller::of(&replica, FRENCH);
    open(&one, tagged("paris")).await.unwrap();
    // Redis says it at once; the other replica has heard of it when it sorts new cases by itself.
    assert_eq!(incidents(&Caller::of(&replica, LEAD)).await[0].name, "paris");
    eventually("a case taken in by the other joins at once", Duration::from_secs(5), async || {
        let name = portal_of_two.submits(asked(Nature::BombThreat, "Paris attack")).await;
        let accepted = crate::record::changes(&stage.redis);
        let accepted = accepted.iter().rfind(|change| name.ends_with(&change.case.to_string()));
        accepted.unwrap().version == 1 && incident_of(&two, &name).await == "paris"
    })
    .await;
    // Also those that came in between, and whichever replica is asked.
    eventually("all have joined", Duration::from_secs(5), async || {
        names(&one, CaseFilter::Queue).await.is_empty()
    })
    .await;
    let (closed, _) = close(&two, closing("paris")).await.unwrap();
    let figures = closed.figures.unwrap();
    assert!(figures.cases >= 1 && figures.cases == figures.unanswered);
    assert!(names(&one, CaseFilter::IncidentQueue).await.is_empty());
    let portal_of_one = stage.caller(FRENCH);
    eventually("the first has heard of the end", Duration::from_secs(5), async || {
        let name = portal_of_one.submits(asked(Nature::BombThreat, "Paris attack")).await;
        incident_of(&one, &name).await.is_empty()
    })
    .await;
    eventually("nobody is left in the lane", Duration::from_secs(5), async || {
        names(&two, CaseFilter::IncidentQueue).await.is_empty()
    })
    .await;
}
