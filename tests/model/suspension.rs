//! A disclosure that only waits for its second reader, and supervisors who suspend the authority and
//! reinstate it at any time: also between a decision and its commit.
//!
//! Bound: one tick; two acts of bo, who approves, and three changes of the authority's standing. What was
//! verified before a suspension is left as it is, so that nothing but the standing is in the way.

use urgence::core::{DataCategory, Refusal, Role};

use crate::desk::Scenario;
use crate::wish::{Request, Wish};
use crate::world::{Actor, Answer};

static SUSPENSION: Scenario = Scenario {
    accepted: Some(Request::First),
    already: &[(0, Wish::Claim), (0, Wish::CallBack), (0, Wish::Propose(DataCategory::Subscriber))],
    actors: &[
        Actor { name: "ana", roles: &[Role::Responder], wishes: &[], acts_max: 3 },
        Actor { name: "bo", roles: &[Role::Responder], wishes: &[Wish::Approve(1)], acts_max: 2 },
    ],
    until: 1,
    standing_changes_max: 3,
    worlds_min: 820,
    sometimes: &[
        ("a suspension is in the way", |_, world| {
            let refused = Answer::Refused(Refusal::AuthoritySuspended);
            world.people.iter().any(|person| person.has_heard(refused))
        }),
        ("a disclosure loses the race against a suspension", |_, world| {
            world.in_hand.iter().any(|task| {
                task.next.rests_on.is_some()
                    && world.standing.suspension.is_some()
                    && world.is_of_latest(task)
                    && !world.is_current(task)
            })
        }),
        ("it goes out when the authority is reinstated", |_, world| {
            let is_out = world.case().is_some_and(|case| !case.disclosures.is_empty());
            is_out && world.standing.version == 2
        }),
    ],
};

#[test]
fn nothing_goes_out_to_a_suspended_authority() {
    crate::check("suspension", &SUSPENSION);
}
