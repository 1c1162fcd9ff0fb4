//! One event behind many cases, and what comes of comparing cases with it.

use std::time::Duration;

use urgence::core::incident::{
    FACTS_CHARS_MAX, Head, IncidentCommand, IncidentDecision, IncidentFigures, IncidentRefusal,
    JoinRule, Objective, decide_incident, facts_shown, next_lane, sortings,
};
use urgence::core::projection::{Place, project};
use urgence::core::{
    Act, Band, Case, Command, Deed, Event, FirstResponseKind, Incident, IncidentName, Lane, Nature,
    Sorting,
};

use crate::make::{IN_PROGRESS, Story, act, at, fingerprint, minutes};

fn name(text: &str) -> IncidentName {
    text.parse().unwrap()
}

fn sort(story: &mut Story, minute: u64, sorting: Sorting) -> Vec<Event> {
    story.command_of_nobody(&Command::Sort(sorting), at(minute))
}

#[test]
fn what_is_due_is_done_also_when_there_is_nothing_to_sort() {
    let mut story = Story::of(Nature::MissingChild);
    let events = sort(&mut story, 3, Sorting::LeaveIncident(name("paris")));
    assert!(matches!(events[..], [Event::RungFired(_), Event::Paged(_)]));
}

#[test]
fn a_case_of_an_incident_waits_in_a_lane_of_its_own() {
    let mut story = Story::of(Nature::MissingChild);
    let place = Place::new(story.case.band, at(30));
    let incident = name("paris");
    let events = sort(&mut story, 1, Sorting::JoinIncident(incident.clone()));
    assert_eq!(events, [Event::IncidentJoined { incident: incident.clone() }]);
    assert_eq!(project(&story.case).ready, Some((Lane::Incident, place)));
    // It belongs to one, the first.
    for again in ["paris", "lyon"] {
        assert_eq!(sort(&mut story, 1, Sorting::JoinIncident(name(again))), []);
    }
    assert_eq!(sort(&mut story, 1, Sorting::LeaveIncident(name("lyon"))), []);
    let events = sort(&mut story, 2, Sorting::LeaveIncident(incident.clone()));
    assert_eq!(events, [Event::IncidentLeft { incident: incident.clone() }]);
    assert_eq!(project(&story.case).ready, Some((Lane::Ordinary, place)));
    assert_eq!(sort(&mut story, 2, Sorting::LeaveIncident(incident)), []);
}

#[test]
fn an_ended_case_counts_in_an_incident_and_waits_in_no_lane() {
    let mut story = Story::held(Nature::MissingChild, 1);
    let mut member = story.clone();
    sort(&mut member, 1, Sorting::JoinIncident(name("paris")));
    for story in [&mut story, &mut member] {
        story.act("ana", at(2), Deed::Respond(1, FirstResponseKind::NoData));
    }
    let events = sort(&mut story, 3, Sorting::JoinIncident(name("paris")));
    assert_eq!(events, [Event::IncidentJoined { incident: name("paris") }]);
    assert_eq!((project(&story.case).ready, &story.case.incident), (None, &Some(name("paris"))));
    assert_eq!(sort(&mut member, 3, Sorting::LeaveIncident(name("paris"))).len(), 1);
    // Which cases were likely duplicates may still be found.
    assert_eq!(sort(&mut story, 3, crate::likely_duplicates::found(&["de-bka"])).len(), 1);
}

/// An incident that was opened at this minute, for these natures and whoever names it.
fn incident(text: &str, natures: &[Nature], minute: u64) -> Incident {
    let tag = Some(fingerprint(&format!("incident {text}")));
    let natures = natures.iter().copied().collect();
    let rule = JoinRule { tag, natures, ..JoinRule::default() };
    becomes(None, &act("ana", "open"), &IncidentCommand::Open(name(text), rule), minute)
}

fn closed(incident: &Incident, minute: u64) -> Incident {
    becomes(Some(incident), &act("bo", "close"), &IncidentCommand::Close, minute)
}

#[test]
fn a_case_is_told_to_leave_and_to_join_in_the_same_pass() {
    let (child, threat) = (Nature::MissingChild, Nature::ThreatToLife);
    let paris = incident("paris", &[child], 10);
    let lyon = incident("lyon", &[child, threat], 20);
    let join = |text| Sorting::JoinIncident(name(text));
    let leave = |text| Sorting::LeaveIncident(name(text));
    let of = |nature, member: Option<&str>| Case {
        incident: member.map(name),
        ..Story::of(nature).case
    };
    let both = [lyon.clone(), paris.clone()];
    for (case, open, wanted) in [
        (of(child, None), &both[..], vec![join("lyon")]),
        (of(child, None), &both[1..], vec![join("paris")]),
        (of(threat, None), &both[1..], vec![]),
        // It stays where it is, whatever was opened since.
        (of(child, Some("paris")), &both[..], vec![]),
        (of(child, Some("paris")), &[], vec![leave("paris")]),
        // Its incident was closed, and another is about it as well.
        (of(child, Some("paris")), &both[..1], vec![leave("paris"), join("lyon")]),
        // It was reclassified away from what its incident is about.
        (of(threat, Some("paris")), &both[1..], vec![leave("paris")]),
        (of(threat, Some("paris")), &both[..], vec![leave("paris"), join("lyon")]),
    ] {
        assert_eq!(sortings(&case, open), wanted, "{case:?} {open:?}");
    }
}

#[test]
fn what_ended_before_the_incident_belongs_by_its_senders_word_alone() {
    let ended = |reference: &str| {
        let mut story =
            Story::with(Nature::MissingChild, |s| s.incident_reference = reference.to_owned());
        story.work(at(5), |epoch| Deed::Respond(epoch, FirstResponseKind::NoData));
        story
    };
    let opened_at = |minute| [incident("paris", &[Nature::MissingChild], minute)];
    let join = vec![Sorting::JoinIncident(name("paris"))];
    for (reference, minute, wanted) in [
        ("Paris", 6, join.clone()),
        ("", 6, vec![]),
        // It was open when the incident was.
        ("", 5, join.clone()),
        ("", 1, join),
    ] {
        let case = ended(reference).case;
        assert_eq!(sortings(&case, &opened_at(minute)), wanted, "{reference} {minute}");
    }
    // It keeps the one it ended in, and what was purged joins none.
    let kept = Case { incident: Some(name("lyon")), ..ended("Paris").case };
    assert_eq!(sortings(&kept, &opened_at(6)), []);
    let purged = Case { purged_at: Some(at(6)), ..ended("Paris").case };
    assert_eq!(sortings(&purged, &opened_at(6)), []);
}

#[test]
fn facts_are_shown_while_the_case_is_open_or_its_incident_is() {
    let open = incident("paris", &[Nature::MissingChild], 1);
    let over = closed(&open, 60);
    let late = closed(&incident("late", &[Nature::MissingChild], 70), 80);
    let of = |member: Option<&str>| Case {
        incident: member.map(name),
        ..Story::of(Nature::MissingChild).case
    };
    let ended = |case: Case| {
        let mut story = Story::of(Nature::MissingChild);
        story.case = case;
        story.work(at(5), |epoch| Deed::Respond(epoch, FirstResponseKind::NoData));
        story.case
    };
    let purged = |case| Case { purged_at: Some(at(6)), ..ended(case) };
    let other = Case { nature: Nature::Routine, ..of(None) };
    let after = Case { accepted_at: at(61), ..of(None) };
    let paris = name("paris");
    for (case, incidents, wanted) in [
        (of(Some("paris")), vec![open.clone()], Some(&paris)),
        // It may still be sorted into its lane, and out of it.
        (of(None), vec![open.clone()], Some(&paris)),
        (of(Some("paris")), vec![over.clone()], Some(&paris)),
        (of(None), vec![over.clone()], Some(&paris)),
        (of(Some("paris")), vec![late, over.clone()], Some(&paris)),
        (ended(of(Some("paris"))), vec![open.clone()], Some(&paris)),
        (ended(of(Some("paris"))), vec![over.clone()], None),
        (ended(of(None)), vec![open.clone()], None),
        (purged(of(Some("paris"))), vec![open.clone()], None),
        (other, vec![over.clone()], None),
        (after, vec![over], None),
        (of(Some("gone")), vec![open], None),
    ] {
        assert_eq!(facts_shown(&case, &incidents), wanted, "{case:?} {incidents:?}");
    }
}

#[test]
fn a_closed_incident_is_shown_for_thirty_days() {
    let open = incident("paris", &[], 0);
    let over = closed(&open, 60);
    let days = |count: u64| 60 + count * 24 * 60;
    for (incident, minute, is_shown) in
        [(&open, days(400), true), (&over, 60, true), (&over, days(30), true)]
    {
        assert_eq!(incident.is_shown(at(minute)), is_shown, "{minute}");
    }
    assert!(!over.is_shown(at(days(30)) + Duration::from_millis(1)));
}

#[test]
fn while_emergencies_without_an_answer_wait_in_both_lanes_they_take_turns() {
    let place = |band, minute| Place::new(Band::new(band).unwrap(), at(minute));
    let emergency = |band, minute| Some(Head { place: place(band, minute), is_owed: true });
    let routine = |minute| Some(Head { place: place(3, minute), is_owed: false });
    let answered = |minute| {
        let place = Place::answered(Band::new(2).unwrap(), at(minute));
        Some(Head { place, is_owed: false })
    };
    let (ordinary, incident) = (Lane::Ordinary, Lane::Incident);
    for (first_ordinary, first_incident, after_ordinary, after_incident) in [
        (None, None, None, None),
        (emergency(0, 1), None, Some(ordinary), Some(ordinary)),
        (None, routine(1), Some(incident), Some(incident)),
        (emergency(0, 1), emergency(1, 9), Some(incident), Some(ordinary)),
        (emergency(1, 9), emergency(0, 1), Some(incident), Some(ordinary)),
        (emergency(2, 9), routine(1), Some(ordinary), Some(ordinary)),
        (routine(1), emergency(2, 9), Some(incident), Some(incident)),
        (routine(1), routine(2), Some(ordinary), Some(ordinary)),
        (routine(2), routine(1), Some(incident), Some(incident)),
        (routine(1), routine(1), Some(ordinary), Some(ordinary)),
        // What is answered takes no turn from what is not, however late it is.
        (answered(1), emergency(2, 99), Some(incident), Some(incident)),
        (emergency(2, 99), answered(1), Some(ordinary), Some(ordinary)),
        (answered(1), routine(1), Some(ordinary), Some(ordinary)),
        (answered(2), answered(1), Some(incident), Some(incident)),
    ] {
        let next = |latest| next_lane(first_ordinary, first_incident, latest);
        assert_eq!((next(ordinary), next(incident)), (after_ordinary, after_incident));
    }
    // Over time each lane is served every other time.
    let mut latest = ordinary;
    let mut served = [0, 0];
    for _ in 0..10 {
        latest = next_lane(emergency(1, 1), emergency(1, 2), latest).unwrap();
        served[usize::from(latest == incident)] += 1;
    }
    assert_eq!(served, [5, 5]);
}

#[test]
fn an_emergency_takes_its_turn_while_an_answer_is_owed_to_it() {
    let mut replied = Story::answered(Nature::MissingChild, FirstResponseKind::NeedInformation);
    let is_owed = |story: &Story| {
        let place = Place::new(story.case.band, at(30));
        let head = Head::of(&story.case, place);
        assert_eq!(head.place, place);
        head.is_owed
    };
    assert!(is_owed(&Story::of(Nature::MissingChild)));
    assert!(!is_owed(&Story::of(Nature::Routine)));
    assert!(!is_owed(&Story::answered(Nature::MissingChild, IN_PROGRESS)));
    assert!(!is_owed(&replied), "it is the authority's turn");
    replied.act("portal", at(6), Deed::ProvideInformation);
    assert!(is_owed(&replied));
}

#[test]
fn a_case_belongs_by_the_name_its_sender_gave_or_by_its_nature_and_country() {
    let tagged = |reference: &str| {
        Story::with(Nature::MissingChild, |s| s.incident_reference = reference.to_owned()).case
    };
    let tag = Some(fingerprint("incident paris 2026"));
    let by_tag = JoinRule { tag, ..JoinRule::default() };
    for (reference, is_covered) in
        [("Paris 2026", true), (" paris\t2026 ", true), ("Paris", false), ("", false)]
    {
        let case = tagged(reference);
        assert_eq!(by_tag.covers(case.nature, &case.facts), is_covered, "{reference}");
    }
    let case = tagged("");
    let rule = |natures: &[Nature], countries: &[&str]| JoinRule {
        tag: None,
        natures: natures.iter().copied().collect(),
        countries: countries.iter().map(|country| country.parse().unwrap()).collect(),
    };
    for (rule, is_covered) in [
        (rule(&[], &[]), false),
        (rule(&[], &["FR"]), false),
        (rule(&[Nature::MissingChild], &[]), true),
        (rule(&[Nature::MissingChild], &["DE", "FR"]), true),
        (rule(&[Nature::MissingChild], &["DE"]), false),
        (rule(&[Nature::Kidnapping], &["FR"]), false),
    ] {
        assert_eq!(rule.covers(case.nature, &case.facts), is_covered, "{rule:?}");
    }
}

fn open(text: &str) -> IncidentCommand {
    IncidentCommand::Open(name(text), JoinRule::default())
}

#[track_caller]
fn becomes(
    incident: Option<&Incident>,
    act: &Act,
    command: &IncidentCommand,
    minute: u64,
) -> Incident {
    match decide_incident(incident, act, command, at(minute)) {
        IncidentDecision::Next(next) => *next,
        other => panic!("expected an incident, got {other:?}"),
    }
}

#[test]
fn an_incident_is_opened_and_closed_once() {
    let (opening, closing) = (act("ana", "open"), act("bo", "close"));
    let opened = becomes(None, &opening, &open("paris"), 1);
    assert_eq!((opened.version, opened.opened_at, opened.closed_at), (1, at(1), None));
    assert_eq!((opened.name.as_str(), opened.opened_by.as_str()), ("paris", "ana"));
    let closed = becomes(Some(&opened), &closing, &IncidentCommand::Close, 9);
    assert_eq!((closed.version, closed.closed_at), (2, Some(at(9))));
    assert_eq!(
        Incident { version: 1, closed_at: None, memory: opened.memory.clone(), ..closed.clone() },
        opened
    );
    // A clock that goes back closes nothing before it was opened.
    let early = becomes(Some(&opened), &closing, &IncidentCommand::Close, 0);
    assert_eq!(early.closed_at, Some(at(1)));

    let refused = IncidentDecision::Refused;
    let mut other = opening.clone();
    other.digest.0[0] ^= 1;
    for (incident, act, command, decision) in [
        (Some(&opened), &opening, open("paris"), IncidentDecision::AlreadyTrue),
        (Some(&closed), &opening, open("paris"), IncidentDecision::AlreadyTrue),
        (Some(&closed), &closing, IncidentCommand::Close, IncidentDecision::AlreadyTrue),
        (Some(&opened), &other, open("paris"), refused(IncidentRefusal::RequestIdReused)),
        (Some(&opened), &closing, open("paris"), refused(IncidentRefusal::NameTaken)),
        (Some(&closed), &act("lea", "1"), open("paris"), refused(IncidentRefusal::NameTaken)),
        (None, &closing, IncidentCommand::Close, refused(IncidentRefusal::NotFound)),
        (Some(&closed), &act("lea", "1"), IncidentCommand::Close, refused(IncidentRefusal::Closed)),
    ] {
        assert_eq!(decide_incident(incident, act, &command, at(10)), decision);
    }
}

#[test]
fn facts_are_added_to_an_open_incident() {
    let (opening, adding) = (act("ana", "open"), act("bo", "add"));
    let add = IncidentCommand::AddFacts;
    let opened = becomes(None, &opening, &open("paris"), 1);
    let told = becomes(Some(&opened), &adding, &add(FACTS_CHARS_MAX), 2);
    assert_eq!(Incident { version: 1, memory: opened.memory.clone(), ..told.clone() }, opened);
    assert_eq!(told.version, 2);
    let over = closed(&told, 9);
    let refused = IncidentDecision::Refused;
    let other = act("lea", "1");
    for (incident, act, command, decision) in [
        (Some(&told), &adding, add(1), IncidentDecision::AlreadyTrue),
        (Some(&over), &adding, add(1), IncidentDecision::AlreadyTrue),
        // Sent again, it would not fit; it is done all the same.
        (Some(&told), &adding, add(FACTS_CHARS_MAX + 1), IncidentDecision::AlreadyTrue),
        (Some(&told), &other, add(FACTS_CHARS_MAX + 1), refused(IncidentRefusal::FactsTooLong)),
        (Some(&over), &other, add(1), refused(IncidentRefusal::Closed)),
        (None, &other, add(1), refused(IncidentRefusal::NotFound)),
    ] {
        assert_eq!(decide_incident(incident, act, &command, at(10)), decision);
    }
    let mut reused = adding.clone();
    reused.digest.0[0] ^= 1;
    let decision = decide_incident(Some(&told), &reused, &add(1), at(10));
    assert_eq!(decision, refused(IncidentRefusal::RequestIdReused));
}

#[test]
fn an_incident_is_measured_by_its_own_objective() {
    let objective = Objective::default();
    assert_eq!(objective.answered_within, minutes(240));
    assert_eq!(objective.share_within, minutes(90));
    let ended_at = |minute| {
        let mut story = Story::of(Nature::MissingChild);
        story.work(at(minute), |epoch| Deed::Respond(epoch, FirstResponseKind::NoData));
        story
    };
    let waiting = Story::of(Nature::MissingChild);
    let answered = Story::answered(Nature::MissingChild, IN_PROGRESS);
    let mut asked = Story::answered(Nature::MissingChild, FirstResponseKind::NeedInformation);
    asked.act("portal", at(6), Deed::ProvideInformation);
    let stories = [
        ended_at(10),
        ended_at(90),
        ended_at(91),
        ended_at(240),
        ended_at(241),
        waiting,
        answered,
        asked,
    ];
    // All but the five that have ended are late once their time is over, answered or not.
    for (minute, overdue_share, overdue) in [(90, 0, 0), (91, 3, 0), (240, 3, 0), (241, 3, 3)] {
        let mut figures = IncidentFigures::default();
        stories.iter().for_each(|story| figures.count(&story.case, &objective, at(minute)));
        let wanted = IncidentFigures {
            cases: 8,
            unanswered: 2,
            ended: 5,
            ended_within_share: 2,
            ended_within_objective: 4,
            overdue_share,
            overdue,
        };
        assert_eq!(figures, wanted, "{minute}");
    }
}
