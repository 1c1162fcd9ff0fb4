//! Two responders and the lease on one unanswered case, from ana's first claim on.
//!
//! Bound: three ticks, so that a lease that begins at once ends, a second one begins and the limit
//! passes; two more acts of ana, two of bo.

use urgence::core::{ClockKind, Refusal, Role};

use crate::desk::Scenario;
use crate::wish::{IN_PROGRESS, Request, Wish};
use crate::world::{Actor, Answer, Task};

static CLAIMS: Scenario = Scenario {
    accepted: Some(Request::First),
    already: &[(0, Wish::Claim)],
    actors: &[
        Actor {
            name: "ana",
            roles: &[Role::Responder],
            wishes: &[Wish::Claim, Wish::Renew, Wish::Release, Wish::HandOver("bo")],
            acts_max: 3,
        },
        Actor {
            name: "bo",
            roles: &[Role::Responder],
            wishes: &[Wish::Claim, Wish::Respond(IN_PROGRESS)],
            acts_max: 2,
        },
    ],
    until: 3,
    standing_changes_max: 0,
    worlds_min: 480_000,
    sometimes: &[
        ("a first response is given", |_, world| {
            world.case().is_some_and(|case| case.first_response.is_some())
        }),
        ("an answer comes after its claim was lost", |_, world| {
            let response = world.case().and_then(|case| case.first_response.clone());
            response.is_some_and(|response| response.is_claim_lost)
        }),
        ("a lost claim is followed by another", |_, world| {
            let has_holder = world.case().is_some_and(|case| case.claim.is_some());
            has_holder && world.cases.values().any(|filed| filed.ledger.was_claim_lost)
        }),
        ("a stale epoch is refused", |_, world| {
            let refused = Answer::Refused(Refusal::EpochOver);
            world.people.iter().any(|person| person.has_heard(refused))
        }),
        ("the limit is breached", |_, world| {
            world.case().is_some_and(|case| {
                let clock = case.first_response_clock();
                clock.is_running() && clock.next_due_at > clock.limit_at
            })
        }),
        ("a commit meets a conflict", |_, world| {
            world.in_hand.iter().any(|task| !world.is_current(task))
        }),
        ("a decision becomes too old to be committed", |_, world| {
            let is_current = |task: &&Task| world.is_current(task);
            world.in_hand.iter().filter(is_current).any(|task| world.is_too_old(task))
        }),
        ("an answer is lost and the retry replayed", |_, world| {
            world.people.iter().any(|person| person.has_heard(Answer::Replayed))
        }),
        ("work in progress is promised", |_, world| {
            world.case().is_some_and(|case| case.runs(ClockKind::Progress))
        }),
    ],
};

#[test]
fn claims_are_fenced() {
    crate::check("claims", &CLAIMS);
}
