//! Two portals of one authority that use the same request id, until the case is a tombstone.
//!
//! Bound: two acts of each portal, with one tick while both submit, and with two while ana, who has
//! claimed the case, answers and it is purged.

use urgence::core::{FirstResponseKind, Refusal, Role};

use crate::desk::Scenario;
use crate::wish::{Request, Wish};
use crate::world::{Actor, Answer, World};

const PORTAL_1: Actor = Actor {
    name: "portal-1",
    roles: &[Role::Portal],
    wishes: &[Wish::Submit(Request::First), Wish::Submit(Request::Second)],
    acts_max: 2,
};
const PORTAL_2: Actor = Actor {
    name: "portal-2",
    roles: &[Role::Portal],
    wishes: &[Wish::Submit(Request::First), Wish::Submit(Request::FirstWithOtherContent)],
    acts_max: 2,
};
const ANA: Actor = Actor {
    name: "ana",
    roles: &[Role::Responder],
    wishes: &[Wish::Respond(FirstResponseKind::NoData)],
    acts_max: 2,
};

static SUBMIT: Scenario = Scenario {
    accepted: None,
    already: &[],
    actors: &[PORTAL_1, PORTAL_2],
    until: 1,
    standing_changes_max: 0,
    worlds_min: 11_900,
    sometimes: &[
        ("two requests are two cases", |_, world| world.cases.len() == 2),
        ("two replicas accept one request at once", |_, world| {
            world.in_hand.iter().any(|task| task.next.case.version == 1 && !world.is_current(task))
        }),
        ("a request is sent again and found", |_, world| {
            is_told(world, Answer::Replayed, Request::First)
        }),
        ("either content may be first, and the other is refused", |_, world| {
            is_told(world, REUSED, Request::FirstWithOtherContent)
        }),
        ("and the other way round", |_, world| is_told(world, REUSED, Request::First)),
    ],
};

static TOMBSTONE: Scenario = Scenario {
    accepted: Some(Request::First),
    already: &[(2, Wish::Claim)],
    actors: &[PORTAL_1, PORTAL_2, ANA],
    until: 2,
    standing_changes_max: 0,
    worlds_min: 160_000,
    sometimes: &[
        ("a purged request is sent again and found", |_, world| {
            is_purged(world) && is_told(world, Answer::Replayed, Request::First)
        }),
        ("other content under its name is still refused", |_, world| {
            is_purged(world) && is_told(world, REUSED, Request::FirstWithOtherContent)
        }),
    ],
};

const REUSED: Answer = Answer::Refused(Refusal::RequestIdReused);

fn is_purged(world: &World) -> bool {
    let first = world.cases.get(&Request::First.intake().case_id());
    first.is_some_and(|filed| filed.case().purged_at.is_some())
}

/// Whether a portal was last told this, of this request.
fn is_told(world: &World, answer: Answer, request: Request) -> bool {
    let mut people = world.people.iter().filter(|person| person.has_heard(answer));
    people.any(|person| person.sent.last().is_some_and(|sent| sent.wish == Wish::Submit(request)))
}

#[test]
fn accepted_means_there_once() {
    crate::check("submit", &SUBMIT);
}

#[test]
fn a_request_id_is_taken_for_ever() {
    crate::check("tombstone", &TOMBSTONE);
}
