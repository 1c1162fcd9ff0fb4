//! What must hold in every world, whatever happens.

use crate::desk::Desk;
use crate::ledger::Rule;
use crate::wish::Wish;
use crate::world::{Answer, Person, World};

/// Whether something is so in a world.
pub type Condition = fn(&Desk, &World) -> bool;

/// The rules: those that the observer judges each commit by, and those that show in a world.
pub static ALWAYS: &[(&str, Condition)] = &[
    ("each commit follows on the last and leaves nothing due", |_, world| {
        !world.broken.contains(&Rule::InOrder)
    }),
    ("one holder in the record, under ever higher epochs", |_, world| {
        !world.broken.contains(&Rule::OneHolder)
    }),
    ("two people never both hold a case, as far as told", |_, world| {
        world.people.iter().filter(|person| person.holds_until.is_some()).count() < 2
    }),
    ("a stale epoch changes nothing but answers", |_, world| {
        !world.broken.contains(&Rule::StaleEpoch)
    }),
    ("nothing goes out without a call-back and two people", |_, world| {
        !world.broken.contains(&Rule::Disclosure)
    }),
    ("no first-response deadline moves and no answer is lost", |_, world| {
        !world.broken.contains(&Rule::FirstResponse)
    }),
    ("a request id makes one case", |_, world| !world.broken.contains(&Rule::AcceptedOnce)),
    ("a rung of a cycle is recorded once, and not early", |_, world| {
        !world.broken.contains(&Rule::RungOnce)
    }),
    ("whoever is owed an answer has a wake in time", |_, world| {
        world.cases.values().all(|filed| !filed.is_silent)
    }),
    ("what a portal was told is accepted is there as it was sent", |_, world| {
        world.people.iter().all(|person| is_kept(world, person))
    }),
];

fn is_kept(world: &World, portal: &Person) -> bool {
    portal.sent.iter().all(|sent| match (sent.wish, sent.answer) {
        (Wish::Submit(request), Some(Answer::Done | Answer::Replayed)) => {
            let intake = request.intake();
            let filed = world.cases.get(&intake.case_id());
            filed.is_some_and(|filed| filed.case.request_digest == intake.digest)
        }
        _ => true,
    })
}
