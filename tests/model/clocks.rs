//! Two responders who pause, resume, raise and lower a routine request, and a portal that asks to have
//! its data kept for longer: where each clock ends up.
//!
//! Bound: two ticks, so that a pause lasts and the promise of an emergency passes; two more acts of ana,
//! who has claimed the case and recorded the conflict for which a clock may stand still, and one of bo.
//! For the term, one tick, one more act of the portal and one of ana.

use urgence::core::{
    Case, Class, ClockKind, ClockState, DataCategory, FirstResponseKind, Nature, Refusal, Role,
    Stance,
};

use crate::desk::Scenario;
use crate::wish::{IN_PROGRESS, Request, Wish};
use crate::world::{Actor, Answer};

const RAISE: Wish = Wish::Reclassify(Nature::MissingChild);
const LOWER: Wish = Wish::Reclassify(Nature::Routine);

static CLOCKS: Scenario = Scenario {
    accepted: Some(Request::Routine),
    already: &[(0, Wish::Claim), (0, Wish::Conflict(DataCategory::Subscriber, Stance::Stands))],
    actors: &[
        Actor {
            name: "ana",
            roles: &[Role::Responder],
            wishes: &[
                Wish::Pause(ClockKind::FirstResponse),
                Wish::Pause(ClockKind::Completion),
                Wish::Resume(ClockKind::Completion),
                RAISE,
                LOWER,
            ],
            acts_max: 4,
        },
        Actor { name: "bo", roles: &[Role::Responder], wishes: &[RAISE, LOWER], acts_max: 1 },
    ],
    until: 2,
    standing_changes_max: 0,
    worlds_min: 49_000,
    sometimes: &[
        ("what an authority waits for never stands still", |_, world| {
            let refused = Answer::Refused(Refusal::ClockNotPausable);
            world.people.iter().any(|person| person.has_heard(refused))
        }),
        ("a clock stands still", |_, world| world.case().is_some_and(stands_still)),
        ("a clock goes on, later by its pause", |_, world| {
            world.case().is_some_and(|case| {
                let clock = case.clock(ClockKind::Completion);
                clock.is_some_and(|clock| clock.is_running() && !clock.shifted_by.is_zero())
            })
        }),
        ("a clock is raised while it stands still", |_, world| {
            let raised = world.case().filter(|case| case.nature.class() == Class::Emergency);
            raised.is_some_and(stands_still)
        }),
        ("a case that was raised is late at once", |_, world| {
            world.case().is_some_and(|case| {
                let clock = case.first_response_clock();
                case.nature.class() == Class::Emergency && clock.next_due_at > clock.limit_at
            })
        }),
        ("a case that two people lowered keeps its deadlines", |_, world| {
            world.case().is_some_and(|case| {
                let class = case.first_response_clock().class;
                (case.nature.class(), class) == (Class::Routine, Class::Emergency)
            })
        }),
        ("one person is not two", |_, world| {
            let refused = Answer::Refused(Refusal::SecondPersonNeeded);
            world.people.iter().any(|person| person.has_heard(refused))
        }),
    ],
};

static TERM: Scenario = Scenario {
    accepted: Some(Request::First),
    already: &[(0, Wish::Claim), (1, Wish::RequestPreservation)],
    actors: &[
        Actor {
            name: "ana",
            roles: &[Role::Responder],
            wishes: &[Wish::Respond(IN_PROGRESS), Wish::Respond(FirstResponseKind::NoData)],
            acts_max: 2,
        },
        Actor {
            name: "fr-pnij",
            roles: &[Role::Portal],
            wishes: &[Wish::RequestPreservation],
            acts_max: 2,
        },
    ],
    until: 1,
    standing_changes_max: 0,
    worlds_min: 780,
    sometimes: &[
        ("a term is extended", |_, world| {
            let term = world.case().and_then(|case| case.clock(ClockKind::Preservation));
            term.is_some_and(|clock| clock.is_extended)
        }),
        ("a term outlives its case", |_, world| {
            world.case().is_some_and(|case| case.has_ended() && case.runs(ClockKind::Preservation))
        }),
    ],
};

fn stands_still(case: &Case) -> bool {
    let clock = case.clock(ClockKind::Completion);
    clock.is_some_and(|clock| matches!(clock.state, ClockState::Paused { .. }))
}

#[test]
fn no_deadline_moves_but_as_far_as_is_told() {
    crate::check("clocks", &CLOCKS);
}

#[test]
fn a_term_is_extended_once() {
    crate::check("term", &TERM);
}
