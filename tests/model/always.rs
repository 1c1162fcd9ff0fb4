//! What must hold in every world, whatever happens.

use std::collections::BTreeMap;

use urgence::core::Command;

use crate::desk::Desk;
use crate::ledger::Rule;
use crate::world::{Answer, Sent, World};

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
    ("nothing goes out to a suspended authority", |_, world| {
        !world.broken.contains(&Rule::Suspension)
    }),
    ("no deadline moves but as far as is told, no clock starts unasked", |_, world| {
        !world.broken.contains(&Rule::Deadlines)
    }),
    ("no answer is lost", |_, world| !world.broken.contains(&Rule::Answer)),
    ("a request id makes one case, once", |_, world| {
        !world.broken.contains(&Rule::AcceptedOnce) && is_one_case_each(world)
    }),
    ("a rung of a cycle is recorded once, and not early", |_, world| {
        !world.broken.contains(&Rule::RungOnce)
    }),
    ("an act is done once", |_, world| !world.broken.contains(&Rule::ActOnce)),
    ("whoever is owed an answer is woken for at each rung and within reach", |_, world| {
        !world.broken.contains(&Rule::Silence)
    }),
    ("what anybody was told is done is there, as it was sent", |_, world| {
        world.people.iter().flat_map(|person| &person.sent).all(|sent| is_kept(world, sent))
    }),
];

fn is_one_case_each(world: &World) -> bool {
    let mut cases = BTreeMap::new();
    let mut sent = world.people.iter().flat_map(|person| &person.sent);
    sent.all(|sent| match sent.command.as_ref() {
        Command::Accept(intake) if world.cases.contains_key(&sent.case) => {
            *cases.entry(&intake.request_id).or_insert(sent.case) == sent.case
        }
        Command::Accept(_)
        | Command::Act(..)
        | Command::Sort(_)
        | Command::Report(_)
        | Command::Wake => true,
    })
}

fn is_kept(world: &World, sent: &Sent) -> bool {
    if !matches!(sent.answer, Some(Answer::Done | Answer::Replayed)) {
        return true;
    }
    let Some(filed) = world.cases.get(&sent.case) else { return false };
    match sent.command.as_ref() {
        Command::Accept(intake) => filed.case().request_digest == intake.digest,
        Command::Act(act, _) => {
            filed.ledger.acts.contains(&(act.by.clone(), act.request_id.clone()))
        }
        Command::Sort(_) | Command::Report(_) | Command::Wake => true,
    }
}
