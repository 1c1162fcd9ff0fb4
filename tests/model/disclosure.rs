//! Two responders and a legal reviewer, who propose, check, object and approve in any order.
//!
//! Bound: one instant, as nothing of this depends on time; ana, who has claimed the case, acts twice,
//! bo once, and lea, the reviewer, twice.

use urgence::core::{Conflict, DataCategory, FirstResponseKind, Refusal, Role, Stance};

use crate::desk::Scenario;
use crate::wish::Wish;
use crate::world::{Actor, Answer, World};

static DISCLOSURE: Scenario = Scenario {
    is_accepted: true,
    already: &[(0, Wish::Claim)],
    actors: &[
        Actor {
            name: "ana",
            roles: &[Role::Responder],
            wishes: &[
                Wish::Propose(DataCategory::Subscriber),
                Wish::Propose(DataCategory::Content),
                Wish::CallBack,
                Wish::Approve(1),
            ],
            acts_max: 3,
        },
        Actor {
            name: "bo",
            roles: &[Role::Responder],
            wishes: &[
                Wish::Approve(1),
                Wish::FailCheck,
                Wish::Conflict(DataCategory::Subscriber, Stance::Stands),
            ],
            acts_max: 1,
        },
        Actor {
            name: "lea",
            roles: &[Role::LegalReviewer],
            wishes: &[
                Wish::Approve(1),
                Wish::CallBack,
                Wish::Conflict(DataCategory::Subscriber, Stance::Lifted),
            ],
            acts_max: 2,
        },
    ],
    until: 0,
    sometimes: &[
        ("a disclosure is approved", |_, world| discloses(world, DataCategory::Subscriber)),
        ("a legal reviewer approves content", |_, world| discloses(world, DataCategory::Content)),
        ("a disclosure is the first response", |_, world| {
            let response = world.case().and_then(|case| case.first_response.as_ref());
            response.is_some_and(|response| response.kind == FirstResponseKind::PartOfData)
        }),
        ("nobody has called back", |_, world| is_refused(world, Refusal::NotVerified)),
        ("one person is not two", |_, world| is_refused(world, Refusal::SecondPersonNeeded)),
        ("content needs a jurist", |_, world| is_refused(world, Refusal::LegalReviewerNeeded)),
        ("a conflict of law stands", |_, world| is_refused(world, Refusal::ConflictStands)),
        ("what a jurist finds no conflict over goes out", |_, world| {
            let is_lifted = |conflict: &Conflict| conflict.stance == Stance::Lifted;
            let conflicts = world.case().map(|case| &case.conflicts);
            conflicts.is_some_and(|conflicts| conflicts.values().any(is_lifted))
                && discloses(world, DataCategory::Subscriber)
        }),
        ("the proposal was replaced", |_, world| is_refused(world, Refusal::ProposalReplaced)),
    ],
};

fn discloses(world: &World, category: DataCategory) -> bool {
    let disclosures = world.case().map(|case| case.disclosures.as_slice()).unwrap_or_default();
    disclosures.iter().any(|disclosure| disclosure.categories.contains(&category))
}

fn is_refused(world: &World, refusal: Refusal) -> bool {
    world.people.iter().any(|person| person.has_heard(Answer::Refused(refusal)))
}

#[test]
fn nothing_is_disclosed_unverified() {
    crate::check("disclosure", &DISCLOSURE);
}
