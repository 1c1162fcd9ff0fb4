//! Two responders and a legal reviewer, who propose, check, object and approve in any order.
//!
//! Bound: one instant, as nothing of this depends on time; ana, who has claimed the case, acts twice,
//! bo once, and lea, the reviewer, twice.

use urgence::core::{Conflict, DataCategory, FirstResponseKind, Refusal, Role, Stance};

use crate::desk::Scenario;
use crate::wish::{Request, Wish};
use crate::world::{Actor, Answer, World};

static DISCLOSURE: Scenario = Scenario {
    accepted: Some(Request::First),
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
                Wish::Protect,
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
    standing_changes_max: 0,
    worlds_min: 280_000,
    sometimes: &[
        ("a disclosure is approved", |_, world| discloses(world, DataCategory::Subscriber)),
        ("a legal reviewer approves content", |_, world| discloses(world, DataCategory::Content)),
        ("a disclosure is the first response", |_, world| {
            let response = world.case().and_then(|case| case.first_response.as_ref());
            response.is_some_and(|response| response.kind == FirstResponseKind::PartOfData)
        }),
        ("nobody has called back", |_, world| is_refused(world, Refusal::NotVerified)),
        ("a protected target needs a jurist", |_, world| {
            is_refused(world, Refusal::LegalReviewerNeeded)
                && world.case().is_some_and(|case| !case.facts.protections.is_empty())
        }),
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

/// The same where the case changes hands.
///
/// Bound: one instant; two more acts each of ana, who has claimed the case and called back, and of bo.
static HOLDERS: Scenario = Scenario {
    accepted: Some(Request::First),
    already: &[(0, Wish::Claim), (0, Wish::CallBack)],
    actors: &[
        Actor {
            name: "ana",
            roles: &[Role::Responder],
            wishes: &[
                Wish::HandOver("bo"),
                Wish::Release,
                Wish::Respond(FirstResponseKind::AllData),
                Wish::Respond(FirstResponseKind::PartOfData),
                Wish::Propose(DataCategory::Subscriber),
                Wish::Approve(1),
            ],
            acts_max: 4,
        },
        Actor {
            name: "bo",
            roles: &[Role::Responder],
            wishes: &[Wish::Claim, Wish::Propose(DataCategory::Subscriber), Wish::Approve(1)],
            acts_max: 2,
        },
    ],
    until: 0,
    standing_changes_max: 0,
    worlds_min: 9_000,
    sometimes: &[
        ("no answer of one person hands out data", |_, world| {
            is_refused(world, Refusal::DisclosureNotApproved)
        }),
        ("whoever holds the case no more proposes nothing", |_, world| {
            is_refused(world, Refusal::EpochOver)
        }),
        ("what the first holder proposed goes out", |_, world| is_proposed_by(world, "ana")),
        ("what the second holder proposed goes out", |_, world| is_proposed_by(world, "bo")),
    ],
};

fn is_proposed_by(world: &World, name: &str) -> bool {
    let disclosures = world.case().map(|case| case.disclosures.as_slice()).unwrap_or_default();
    disclosures.iter().any(|disclosure| disclosure.proposed_by.as_str() == name)
}

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

#[test]
fn nothing_is_disclosed_by_whoever_lost_the_case() {
    crate::check("holders", &HOLDERS);
}
