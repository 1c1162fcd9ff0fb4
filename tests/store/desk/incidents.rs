//! An incident's cases wait in a lane of their own while it is open, whichever process opened it.

use urgence::core::incident::{
    FACTS_CHARS_MAX, IncidentCommand, IncidentDecision, IncidentRefusal, JoinRule, decide_incident,
};
use urgence::core::{
    Act, CaseId, Deed, Event, FirstResponseKind, IncidentName, Lane, Nature, RequestDigest,
};
use urgence::desk::{Error, Facts, IncidentDeed, IncidentDone, Sort, Sorter};
use urgence::store::{Index, Outcome, Store};

use super::{
    EMERGENCY, HOUR, Replica, START, changes, fingerprint, list, memory, on_redis, plain, tagged,
};
use crate::support::make::{act, intake, ms};
use crate::support::proxy::{Fault, Proxy};
use crate::support::wait::eventually;
use crate::{PATIENCE, commit_of, load, open, options};

fn paris() -> IncidentName {
    "paris".parse().unwrap()
}

/// An act of the supervisor; its content goes by its name.
fn by_supervisor(request_id: &str) -> Act {
    act("sup", request_id)
}

impl<S: Store> Replica<S> {
    /// Opens an incident for every case whose sender names it.
    async fn open(&self, name: &str) -> Result<IncidentDone, Error> {
        let rule = JoinRule { tag: Some(fingerprint(name)), ..JoinRule::default() };
        self.open_with(name, rule).await
    }

    async fn open_with(&self, name: &str, rule: JoinRule) -> Result<IncidentDone, Error> {
        let name: IncidentName = name.parse().unwrap();
        let act = by_supervisor(&format!("open-{name}"));
        let facts = Some(Facts(b"what is known".into()));
        self.desk.act_on_incident(&name, &act, &IncidentDeed::Open(rule, facts)).await
    }

    async fn close(&self, name: &str) -> Result<IncidentDone, Error> {
        let act = by_supervisor(&format!("close-{name}"));
        let name = name.parse().unwrap();
        self.desk.act_on_incident(&name, &act, &IncidentDeed::Close).await
    }
}

/// What waits in a lane, in the order of the ids.
async fn lane(store: &impl Store, lane: Lane) -> Vec<CaseId> {
    sorted(list(store, &Index::Ready(lane)).await)
}

fn sorted(cases: impl Into<Vec<CaseId>>) -> Vec<CaseId> {
    let mut cases = cases.into();
    cases.sort_unstable();
    cases
}

/// How often cases joined an incident, and left one.
async fn moves(store: &impl Store) -> (usize, usize) {
    let events: Vec<Event> =
        changes(store).await.into_iter().flat_map(|change| change.events).collect();
    let count = |is_it: fn(&Event) -> bool| events.iter().filter(|event| is_it(event)).count();
    let joined = |event: &Event| matches!(event, Event::IncidentJoined { .. });
    (count(joined), count(|event| matches!(event, Event::IncidentLeft { .. })))
}

/// Opening moves what waits and what is held; closing brings it back. Of a store of either kind.
async fn lanes_follow_the_incident(store: std::sync::Arc<impl Store>) {
    let replica = Replica::start(plain(), &store);
    let held = replica.submit(tagged("held", EMERGENCY, "paris")).await.id;
    assert_eq!(replica.claim_next("held").await, Some(held));
    let waits = replica.submit(tagged("waits", EMERGENCY, "paris")).await.id;
    let other = replica.submit(tagged("other", EMERGENCY, "lyon")).await.id;
    let untagged = replica.submit(intake("fr-pnij", "untagged", EMERGENCY)).await.id;
    assert_eq!(lane(store.as_ref(), Lane::Incident).await, []);

    let opened = replica.open("paris").await.unwrap();
    assert!(!opened.is_replayed);
    assert_eq!((opened.status.figures.cases, opened.status.figures.unanswered), (2, 2));
    let told = async || store.incident_facts(&paris()).await.unwrap();
    assert_eq!(told().await, Some(Facts(b"what is known".into())));
    assert_eq!(lane(store.as_ref(), Lane::Incident).await, [waits]);
    assert_eq!(lane(store.as_ref(), Lane::Ordinary).await, sorted([other, untagged]));
    // What somebody holds returns to the lane in which it belongs by now.
    let case = load(store.as_ref(), held).await.unwrap();
    assert_eq!(case.incident, Some(paris()));
    replica.act(held, "release", Deed::Release(1)).await;
    assert_eq!(lane(store.as_ref(), Lane::Incident).await, sorted([held, waits]));
    // What comes from now on belongs from the first.
    let new = replica.submit(tagged("new", EMERGENCY, "paris")).await;
    assert_eq!((new.version, &new.incident), (1, &Some(paris())));
    assert_eq!(lane(store.as_ref(), Lane::Incident).await, sorted([held, waits, new.id]));
    assert_eq!(replica.desk.incident(&paris()).await.unwrap().figures.cases, 3);
    // Sorting again moves nothing.
    replica.desk.sort_lanes(Sort::Waiting).await.unwrap();
    assert_eq!(moves(store.as_ref()).await, (3, 0));

    let again = replica.claim_next("again").await.unwrap();
    let closed = replica.close("paris").await.unwrap();
    assert!(!closed.is_replayed && closed.status.incident.closed_at.is_some());
    assert_eq!(told().await, Some(Facts(b"what is known".into())), "they stay told");
    assert_eq!(closed.status.figures.cases, 3, "they are still its cases");
    assert_eq!(lane(store.as_ref(), Lane::Incident).await, []);
    assert_eq!(lane(store.as_ref(), Lane::Ordinary).await.len(), 4);
    assert_eq!(load(store.as_ref(), again).await.unwrap().incident, None);
    assert_eq!(moves(store.as_ref()).await, (3, 3));
    assert_eq!(list(store.as_ref(), &Index::Incident(paris())).await.len(), 3);
    let shown = replica.desk.incidents_shown().await.unwrap();
    assert_eq!(shown.len(), 1, "its figures are its result");
    assert!(shown[0].incident.closed_at.is_some() && shown[0].figures == closed.status.figures);
    let late = replica.submit(tagged("late", EMERGENCY, "paris")).await;
    assert_eq!(late.incident, None);
}

#[tokio::test]
async fn opening_moves_waiting_cases_and_closing_brings_them_back() {
    lanes_follow_the_incident(memory()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opening_moves_waiting_cases_and_closing_brings_them_back_on_redis() {
    let (_redis, store) = on_redis().await;
    lanes_follow_the_incident(store).await;
}

#[tokio::test]
async fn an_act_on_an_incident_is_done_once() {
    let store = memory();
    let replica = Replica::start(plain(), &store);
    replica.submit(tagged("1", EMERGENCY, "paris")).await;
    let first = replica.open("paris").await.unwrap();
    let again = replica.open("paris").await.unwrap();
    assert!(again.is_replayed && again.status.incident == first.status.incident);
    let refused = async |name: &str, act: &Act, deed: IncidentDeed| match replica
        .desk
        .act_on_incident(&name.parse().unwrap(), act, &deed)
        .await
    {
        Err(Error::Incident(refusal)) => refusal,
        other => panic!("not refused by a rule: {other:?}"),
    };
    let open = || IncidentDeed::Open(JoinRule::default(), None);
    let (other, close) = (by_supervisor("other"), IncidentDeed::Close);
    assert_eq!(refused("paris", &other, open()).await, IncidentRefusal::NameTaken);
    assert_eq!(refused("lyon", &other, close.clone()).await, IncidentRefusal::NotFound);
    let mut reused = by_supervisor("open-paris");
    reused.digest = RequestDigest::of("Act", b"something else");
    assert_eq!(refused("paris", &reused, open()).await, IncidentRefusal::RequestIdReused);
    assert!(!replica.close("paris").await.unwrap().is_replayed);
    assert!(replica.close("paris").await.unwrap().is_replayed);
    assert_eq!(refused("paris", &other, close).await, IncidentRefusal::Closed);
    assert_eq!(moves(store.as_ref()).await, (1, 1));
    let missing = replica.desk.incident(&"lyon".parse().unwrap()).await;
    assert!(matches!(missing, Err(Error::Incident(IncidentRefusal::NotFound))), "{missing:?}");
}

/// Two people who write at once lose nothing of each other's words, and nobody adds for ever.
#[tokio::test]
async fn facts_are_added_one_after_another() {
    let store = memory();
    let (one, two) = (Replica::start(plain(), &store), Replica::start(plain(), &store));
    let add = async |replica: &Replica<_>, request_id: &str, words: &str| {
        let deed = IncidentDeed::AddFacts(Facts(words.as_bytes().into()));
        replica.desk.act_on_incident(&paris(), &by_supervisor(request_id), &deed).await
    };
    let told = async || {
        let facts = store.incident_facts(&paris()).await.unwrap().unwrap();
        String::from_utf8(facts.0.to_vec()).unwrap()
    };
    let missing = add(&one, "early", "nothing").await;
    assert!(matches!(missing, Err(Error::Incident(IncidentRefusal::NotFound))), "{missing:?}");
    one.open("paris").await.unwrap();
    let (first, second) = tokio::join!(add(&one, "1", "Two scenes."), add(&two, "2", "Three."));
    let versions = [first, second].map(|done| done.unwrap().status.incident.version);
    assert_eq!(versions.iter().max(), Some(&3));
    let both = told().await;
    assert!(both.starts_with("what is known\n\n"), "{both}");
    assert!(both.contains("\n\nTwo scenes.") && both.contains("\n\nThree."), "{both}");
    let again = add(&two, "2", "Three.").await.unwrap();
    assert!(again.is_replayed && told().await == both);
    let long = "é".repeat(FACTS_CHARS_MAX - both.chars().count() - 2);
    let too_long = add(&one, "3", &format!("{long}é")).await;
    assert!(matches!(too_long, Err(Error::Incident(IncidentRefusal::FactsTooLong))));
    add(&one, "4", &long).await.unwrap();
    assert_eq!(told().await.chars().count(), FACTS_CHARS_MAX);
    one.close("paris").await.unwrap();
    let late = add(&one, "5", "late").await;
    assert!(matches!(late, Err(Error::Incident(IncidentRefusal::Closed))), "{late:?}");
    assert!(add(&one, "4", &long).await.unwrap().is_replayed);
}

/// What neither waits nor is held when the incident is opened belongs to it all the same.
#[tokio::test]
async fn what_was_asked_or_has_ended_joins_at_the_opening() {
    let store = memory();
    let replica = Replica::start(plain(), &store);
    let old = replica.submit(tagged("old", EMERGENCY, "paris")).await.id;
    replica.act(old, "c", Deed::Claim).await;
    replica.act(old, "a", Deed::Respond(1, FirstResponseKind::NoData)).await;
    store.set_now(START + ms(1));
    let asked = replica.submit(tagged("asked", EMERGENCY, "paris")).await.id;
    replica.act(asked, "c", Deed::Claim).await;
    replica.act(asked, "a", Deed::Respond(1, FirstResponseKind::NeedInformation)).await;
    replica.act(asked, "r", Deed::Release(1)).await;
    let ended = replica.submit(tagged("ended", EMERGENCY, "paris")).await.id;
    replica.act(ended, "c", Deed::Claim).await;
    replica.act(ended, "a", Deed::Respond(1, FirstResponseKind::NoData)).await;
    let waits = replica.submit(tagged("waits", EMERGENCY, "paris")).await.id;
    // A day after the second of them, and more than one after the first.
    store.set_now(START + ms(1) + HOUR * 24);
    let opened = replica.open("paris").await.unwrap().status.figures;
    assert_eq!((opened.cases, opened.ended, opened.unanswered), (3, 1, 1));
    assert_eq!((opened.overdue, opened.overdue_share), (2, 2));
    assert_eq!(lane(store.as_ref(), Lane::Incident).await, [waits]);
    assert_eq!(load(store.as_ref(), old).await.unwrap().incident, None);
    replica.act(asked, "p", Deed::ProvideInformation).await;
    assert_eq!(lane(store.as_ref(), Lane::Incident).await, sorted([waits, asked]));
}

/// One pass moves a case from the incident that is closed, or no longer about it, to the other.
#[tokio::test]
async fn a_case_of_two_incidents_goes_over_to_the_other_at_once() {
    let store = memory();
    let replica = Replica::start(plain(), &store);
    replica.open("paris").await.unwrap();
    let case = replica.submit(tagged("1", EMERGENCY, "paris")).await.id;
    let rule = JoinRule { natures: [EMERGENCY].into(), ..JoinRule::default() };
    replica.open_with("children", rule).await.unwrap();
    let incident = async || load(store.as_ref(), case).await.unwrap().incident;
    assert_eq!(incident().await, Some(paris()));
    replica.close("paris").await.unwrap();
    assert_eq!(incident().await, "children".parse().ok());
    assert_eq!(lane(store.as_ref(), Lane::Incident).await, [case]);
    replica.act(case, "n", Deed::Reclassify(Some(Nature::TerrorismInProgress), None)).await;
    replica.desk.sort_lanes(Sort::Waiting).await.unwrap();
    assert_eq!((incident().await, lane(store.as_ref(), Lane::Ordinary).await), (None, vec![case]));
}

/// A key of the facts that is lost takes nothing with it but the facts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_key_of_the_facts_all_else_goes_on() {
    let (redis, store) = on_redis().await;
    let replica = Replica::start(plain(), &store);
    replica.open("paris").await.unwrap();
    let case = replica.submit(tagged("1", EMERGENCY, "paris")).await;
    let shown = replica.desk.facts_shown(&case).await.unwrap();
    assert_eq!(shown, Some(Facts(b"what is known".into())));
    let lost = ["HSET", "{urgence:main}:incident:paris", "facts", "\u{2}sealed by nobody"];
    redis.command(&lost);
    assert!(store.incident_facts(&paris()).await.is_err());
    assert_eq!(replica.desk.facts_shown(&case).await.unwrap(), None);
    assert_eq!(replica.desk.incidents_shown().await.unwrap().len(), 1);
    assert!(replica.close("paris").await.unwrap().status.incident.closed_at.is_some());
}

#[tokio::test]
async fn claims_alternate_while_both_lanes_hold_emergencies() {
    let store = memory();
    let replica = Replica::start(plain(), &store);
    replica.open("paris").await.unwrap();
    let mut wanted = Vec::new();
    // All of the incident's came first, and would go first by their limits alone.
    for number in 0..4 {
        store.set_now(START + ms(number));
        let tagged = tagged(&format!("p{number}"), EMERGENCY, "paris");
        wanted.push(replica.submit(tagged).await.id);
    }
    let mut others = Vec::new();
    for number in 4..6 {
        store.set_now(START + ms(number));
        let intake = intake("fr-pnij", &format!("o{number}"), EMERGENCY);
        others.push(replica.submit(intake).await.id);
    }
    let mut handed_out = Vec::new();
    for number in 0..6 {
        handed_out.push(replica.claim_next(&format!("n{number}")).await.unwrap());
    }
    // Turn and turn about, and the rest of the longer lane when the other is empty.
    let [a, b, c, d] = wanted.try_into().unwrap();
    assert_eq!(handed_out, [others[0], a, others[1], b, c, d]);
    assert_eq!(replica.claim_next("none").await, None);
}

#[tokio::test]
async fn an_emergency_goes_before_routine_in_whichever_lane() {
    let store = memory();
    let replica = Replica::start(plain(), &store);
    let rule = JoinRule { natures: [Nature::Routine].into(), ..JoinRule::default() };
    replica.open_with("strike", rule).await.unwrap();
    let mut routine = Vec::new();
    for number in 0..2 {
        let intake = intake("fr-pnij", &format!("r{number}"), Nature::Routine);
        routine.push(replica.submit(intake).await.id);
        store.set_now(START + ms(number + 1));
    }
    let mut emergencies = Vec::new();
    for number in 0..2 {
        let intake = intake("fr-pnij", &format!("e{number}"), EMERGENCY);
        emergencies.push(replica.submit(intake).await.id);
        store.set_now(START + ms(number + 10));
    }
    assert_eq!(lane(store.as_ref(), Lane::Incident).await, sorted(routine.clone()));
    let mut handed_out = Vec::new();
    for number in 0..4 {
        handed_out.push(replica.claim_next(&format!("n{number}")).await.unwrap());
    }
    assert_eq!(handed_out, [emergencies, routine].concat());
}

#[tokio::test]
async fn another_replica_learns_of_it_by_sorting() {
    let store = memory();
    let first = Replica::start(plain(), &store);
    let second = Replica::start(plain(), &store);
    first.open("paris").await.unwrap();
    // The second has not heard of it, and takes the case in as any other.
    let early = second.submit(tagged("early", EMERGENCY, "paris")).await;
    assert_eq!(early.incident, None);
    assert_eq!(lane(store.as_ref(), Lane::Ordinary).await, [early.id]);
    second.desk.sort_lanes(Sort::Waiting).await.unwrap();
    assert_eq!(lane(store.as_ref(), Lane::Incident).await, [early.id]);
    let later = second.submit(tagged("later", EMERGENCY, "paris")).await;
    assert_eq!((later.version, later.incident), (1, Some(paris())));
    // And so it learns that it is over.
    first.close("paris").await.unwrap();
    let late = second.submit(tagged("late", EMERGENCY, "paris")).await;
    assert_eq!(late.incident, Some(paris()));
    second.desk.sort_lanes(Sort::Waiting).await.unwrap();
    assert_eq!(lane(store.as_ref(), Lane::Incident).await, []);
    assert_eq!(lane(store.as_ref(), Lane::Ordinary).await.len(), 3);
    assert_eq!(second.submit(tagged("last", EMERGENCY, "paris")).await.incident, None);
}

#[tokio::test]
async fn the_sorter_of_another_replica_learns_of_it_by_itself() {
    let store = memory();
    let first = Replica::start(plain(), &store);
    let second = Replica::start(plain(), &store);
    let sorter = tokio::spawn(Sorter::new(second.desk.clone()).run());
    let is_in = async |of: Lane, case: CaseId| lane(store.as_ref(), of).await.contains(&case);
    // Its first look finds nothing; a later one finds the incident.
    tokio::task::yield_now().await;
    first.open("paris").await.unwrap();
    let case = second.submit(tagged("1", EMERGENCY, "paris")).await;
    assert_eq!(case.incident, None);
    let is_sorted = async || is_in(Lane::Incident, case.id).await;
    eventually("it is sorted into the lane", PATIENCE, is_sorted).await;
    // A third replica never hears of it, and what it takes in is sorted all the same.
    let third = Replica::start(plain(), &store);
    let blind = third.submit(tagged("2", EMERGENCY, "paris")).await;
    assert_eq!(blind.incident, None);
    let is_sorted = async || is_in(Lane::Incident, blind.id).await;
    eventually("also what came by another way", PATIENCE, is_sorted).await;
    // One that was asked something is in no lane; it comes back to the one where it belongs.
    second.act(case.id, "c", Deed::Claim).await;
    second.act(case.id, "a", Deed::Respond(1, FirstResponseKind::NeedInformation)).await;
    second.act(case.id, "r", Deed::Release(1)).await;
    assert_eq!(lane(store.as_ref(), Lane::Incident).await, [blind.id]);
    second.act(case.id, "p", Deed::ProvideInformation).await;
    assert_eq!(lane(store.as_ref(), Lane::Incident).await, sorted([blind.id, case.id]));
    // A process that closes an incident and dies leaves the rest to the others.
    close_and_die(store.as_ref()).await;
    assert_eq!(lane(store.as_ref(), Lane::Incident).await.len(), 2);
    let is_sorted = async || lane(store.as_ref(), Lane::Ordinary).await.len() == 2;
    eventually("they are sorted back", PATIENCE, is_sorted).await;
    assert_eq!(lane(store.as_ref(), Lane::Incident).await, []);
    sorter.abort();
}

/// It was opened here and closed elsewhere between two looks, which then find what they found before.
#[tokio::test]
async fn what_was_opened_here_and_closed_elsewhere_is_forgotten() {
    let store = memory();
    let (first, second) = (Replica::start(plain(), &store), Replica::start(plain(), &store));
    let sorter = tokio::spawn(Sorter::new(first.desk.clone()).run());
    // Its first look, which finds none, is over.
    tokio::task::yield_now().await;
    first.open("paris").await.unwrap();
    second.close("paris").await.unwrap();
    let mut number = 0;
    eventually("new cases belong to none", PATIENCE, async || {
        number += 1;
        let case = first.submit(tagged(&number.to_string(), EMERGENCY, "paris")).await;
        case.incident.is_none()
    })
    .await;
    sorter.abort();
}

/// While its authority owes an answer a case is in no lane, and nothing is there to be moved when the
/// incident is closed.
#[tokio::test]
async fn what_was_asked_in_an_incident_comes_back_to_the_ordinary_lane() {
    let store = memory();
    let replica = Replica::start(plain(), &store);
    let sorter = tokio::spawn(Sorter::new(replica.desk.clone()).run());
    // Its first look, which sorts everything whatever it finds, is over.
    tokio::task::yield_now().await;
    replica.open("paris").await.unwrap();
    let case = replica.submit(tagged("1", EMERGENCY, "paris")).await.id;
    replica.act(case, "c", Deed::Claim).await;
    replica.act(case, "a", Deed::Respond(1, FirstResponseKind::NeedInformation)).await;
    replica.act(case, "r", Deed::Release(1)).await;
    replica.close("paris").await.unwrap();
    replica.act(case, "p", Deed::ProvideInformation).await;
    let is_back = async || lane(store.as_ref(), Lane::Ordinary).await == [case];
    eventually("it waits where it belongs", PATIENCE, is_back).await;
    assert_eq!(lane(store.as_ref(), Lane::Incident).await, []);
    sorter.abort();
}

/// Somebody closed the incident and died before sorting; the write of the one who sorts in their place
/// is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sort_that_failed_is_tried_again() {
    let (redis, store) = on_redis().await;
    let first = Replica::start(plain(), &store);
    let proxy = Proxy::start(redis.port(), b"EVALSHA").await;
    let second = Replica::start(plain(), &open(&options(&[proxy.url()])).await);
    let sorter = tokio::spawn(Sorter::new(second.desk.clone()).run());
    first.open("paris").await.unwrap();
    let case = first.submit(tagged("1", EMERGENCY, "paris")).await.id;
    assert_eq!(lane(store.as_ref(), Lane::Incident).await, [case]);
    eventually("the other has heard of it", PATIENCE, async || {
        let number = changes(store.as_ref()).await.len();
        let heard = second.submit(tagged(&format!("s{number}"), EMERGENCY, "paris")).await;
        heard.incident.is_some()
    })
    .await;
    // And has written all that it has to.
    let is_empty = async || lane(store.as_ref(), Lane::Ordinary).await.is_empty();
    eventually("all are in the lane", PATIENCE, is_empty).await;
    let waiting = list(store.as_ref(), &Index::All).await;
    proxy.arm(Fault::CutBefore, 1);
    close_and_die(store.as_ref()).await;
    eventually("the fault happens", PATIENCE, async || proxy.bitten() == 1).await;
    let are_back = async || lane(store.as_ref(), Lane::Ordinary).await == sorted(waiting.clone());
    eventually("they are sorted all the same", PATIENCE, are_back).await;
    assert_eq!(lane(store.as_ref(), Lane::Incident).await, []);
    sorter.abort();
}

/// Closes the incident as a process does that dies before it has sorted anything.
async fn close_and_die(store: &impl Store) {
    let loaded = store.incident(&paris()).await.unwrap();
    let act = by_supervisor("close");
    let closed =
        decide_incident(loaded.incident.as_ref(), &act, &IncidentCommand::Close, loaded.now);
    let IncidentDecision::Next(incident) = closed else { panic!("it was open: {closed:?}") };
    let commit = commit_of(&incident, None, loaded.now);
    assert_eq!(store.commit_incident(commit).await.unwrap(), Outcome::Written);
}
