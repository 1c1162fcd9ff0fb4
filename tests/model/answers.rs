//! A responder who has claimed the case, and a portal: questions, replies and a withdrawal, until
//! nothing is left but a tombstone.
//!
//! Bound: two ticks, so that a reply that is owed at once passes its limit; two acts of each.

use urgence::core::{ClockKind, FirstResponseKind, Outcome, Role};

use crate::desk::Scenario;
use crate::wish::{Request, Wish};
use crate::world::Actor;

static ANSWERS: Scenario = Scenario {
    accepted: Some(Request::First),
    already: &[(0, Wish::Claim)],
    actors: &[
        Actor {
            name: "ana",
            roles: &[Role::Responder],
            wishes: &[
                Wish::Respond(FirstResponseKind::NeedInformation),
                Wish::Update,
                Wish::Ask,
                Wish::ConfirmWithdrawal,
            ],
            acts_max: 3,
        },
        Actor {
            name: "fr-pnij",
            roles: &[Role::Portal],
            wishes: &[Wish::ProvideInformation, Wish::Withdraw],
            acts_max: 2,
        },
    ],
    until: 2,
    standing_changes_max: 0,
    worlds_min: 200_000,
    sometimes: &[
        ("a question is answered and the reply owed", |_, world| {
            world.case().is_some_and(|case| case.runs(ClockKind::Reply))
        }),
        ("a reply is given", |_, world| {
            let reply = world.case().and_then(|case| case.clock(ClockKind::Reply));
            reply.is_some_and(|clock| clock.is_stopped())
        }),
        ("a reply is owed beyond its limit", |_, world| {
            let reply = world.case().and_then(|case| case.clock(ClockKind::Reply));
            reply.is_some_and(|clock| clock.is_running() && clock.next_due_at > clock.limit_at)
        }),
        ("a withdrawal is asked for and the clock goes on", |_, world| {
            world.case().is_some_and(|case| case.withdrawal_at.is_some() && case.is_unanswered())
        }),
        ("a withdrawal is confirmed", |_, world| {
            let ended = world.case().and_then(|case| case.ended);
            ended.is_some_and(|ended| ended.outcome == Outcome::Withdrawn)
        }),
        ("what was said is purged", |_, world| {
            world.case().is_some_and(|case| case.purged_at.is_some())
        }),
    ],
};

#[test]
fn a_question_never_buys_silence() {
    crate::check("answers", &ANSWERS);
}
