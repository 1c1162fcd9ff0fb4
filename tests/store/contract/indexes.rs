//! The part of the contract that is about the indexes: each case is in those that its projection
//! names, at its place, and in no other.

use urgence::core::projection::{Place, project};
use urgence::core::{
    Case, ClockKind, Command, Deed, Fingerprint, FirstResponseKind, Intake, Lane, Nature, Sorting,
    Timestamp,
};
use urgence::store::{Index, Position, Store};

use super::{
    Backend, EMERGENCY, MINUTE, SOMEBODY, SOMEBODY_ELSE, accept, accept_this, indexes, list, score,
    write,
};
use crate::now;
use crate::support::make::{authority, before, does, fingerprint, intake, ms};

const IN_PROGRESS: FirstResponseKind = FirstResponseKind::InProgress { expected_within: MINUTE };

pub(super) async fn due_cases_come_the_most_overdue_first(backend: &impl Backend) {
    let store = backend.store();
    let at = now(store).await;
    let mut ids = Vec::new();
    // The next rung of each comes a minute after it was accepted.
    for (request, ago) in [("a", MINUTE * 2), ("b", MINUTE * 3), ("c", MINUTE), ("d", ms(0))] {
        ids.push(accept(store, "fr-pnij", request, EMERGENCY, before(at, ago)).await);
    }
    let [a, b, c, d] = ids.try_into().unwrap();
    let wake = |case: &Case| Some(case.accepted_at + MINUTE);
    let all = [b.id, a.id, c.id];
    for (skip, count, wanted, next) in [
        (0, 10, &all[..], wake(&d)),
        (0, 3, &all[..], wake(&d)),
        (0, 2, &all[..2], wake(&c)),
        (1, 1, &all[1..2], wake(&c)),
        (2, 5, &all[2..], wake(&d)),
        (3, 5, &[], wake(&d)),
        (4, 5, &[], None),
    ] {
        let due = store.due(skip, count).await.unwrap();
        assert_eq!((&due.ids[..], due.next_at), (wanted, next), "skip {skip}, count {count}");
        assert!(due.now >= at && due.nameless == 0);
    }
    // A wake moves with the case, and lies far ahead once an answer has ended it.
    let woken = write(store, &b, &Command::Wake, at).await;
    assert_eq!(store.due(0, 10).await.unwrap().ids, [a.id, c.id]);
    let case = write(store, &a, &does("ann", "c", Deed::Claim), at).await;
    let answer = does("ann", "a", Deed::Respond(1, FirstResponseKind::NoData));
    let ended = write(store, &case, &answer, at).await;
    let due = store.due(0, 10).await.unwrap();
    let next_at = woken.first_response_clock().next_due_at;
    assert_eq!((due.ids, due.next_at), (vec![c.id], Some(next_at)));
    let beyond_b_c_and_d = store.due(3, 10).await.unwrap();
    let purge_at = ended.ended.unwrap().purge_at;
    assert_eq!((beyond_b_c_and_d.ids, beyond_b_c_and_d.next_at), (vec![], Some(purge_at)));
    // What was not due becomes so by time alone.
    let soon = accept(store, "fr-pnij", "e", EMERGENCY, before(at, ms(59_970))).await;
    backend.pass(ms(30)).await;
    assert_eq!(store.due(0, 10).await.unwrap().ids, [c.id, soon.id]);
}

/// A request with these targets, in an incident or not.
fn request(who: &str, number: u32, targets: &[&str], is_in_incident: bool) -> Intake {
    let nature = if number.is_multiple_of(4) { Nature::Routine } else { EMERGENCY };
    let mut request = intake(who, &number.to_string(), nature);
    request.facts.fingerprints = targets.iter().map(|target| fingerprint(target)).collect();
    request.incident = is_in_incident.then(|| "paris".parse().unwrap());
    request
}

/// Sixteen cases of three instants, so that each index has ties, which the id orders; every fifth is
/// held by somebody.
async fn many(store: &impl Store, at: Timestamp) -> Vec<Case> {
    let mut cases = Vec::new();
    for number in 0..16u32 {
        let who = if number % 2 == 0 { "fr-pnij" } else { "be-fccu" };
        let targets: &[&str] = match number % 3 {
            0 => &[SOMEBODY],
            1 => &[SOMEBODY, SOMEBODY_ELSE],
            _ => &[SOMEBODY_ELSE],
        };
        let request = request(who, number, targets, number % 3 != 1);
        let accepted_at = before(at, MINUTE * (number / 2 % 3) / 4);
        let mut case = accept_this(store, &request, accepted_at).await;
        if number % 5 == 0 {
            case = write(store, &case, &does("ann", "c", Deed::Claim), accepted_at).await;
        }
        cases.push(case);
    }
    cases
}

/// What an index must hold, read off the cases themselves.
fn wanted(index: &Index, cases: &[Case]) -> Vec<Position> {
    let place = |case: &Case, at: Timestamp| Place::new(case.band, at).score();
    let score = |case: &Case| -> Option<u64> {
        let accepted = Some(case.accepted_at.as_millis());
        let limit = place(case, case.first_response_clock().limit_at);
        let lane = if case.incident.is_some() { Lane::Incident } else { Lane::Ordinary };
        match index {
            Index::Ready(of) => (case.claim.is_none() && lane == *of).then_some(limit),
            // No case of these tests is synthetic; those have a test of their own.
            Index::Synthetic => None,
            Index::Unanswered => Some(limit),
            Index::Claimed => case.claim.as_ref().map(|claim| claim.expires_at.as_millis()),
            Index::Target(target) => accepted.filter(|_| case.facts.fingerprints.contains(target)),
            Index::Incident(name) => accepted.filter(|_| case.incident.as_ref() == Some(name)),
            Index::Wake => project(case).wake_at.map(Timestamp::as_millis),
            Index::All => accepted,
            Index::Authority(who) => accepted.filter(|_| case.authority == *who),
            Index::Officer(who) => accepted.filter(|_| case.facts.officer == Some(*who)),
        }
    };
    let positions =
        cases.iter().filter_map(|case| Some(Position { score: score(case)?, id: case.id }));
    let mut positions: Vec<_> = positions.collect();
    positions.sort_unstable();
    let is_latest_first = matches!(
        index,
        Index::All
            | Index::Authority(_)
            | Index::Officer(_)
            | Index::Target(_)
            | Index::Incident(_)
    );
    if is_latest_first {
        positions.reverse();
    }
    positions
}

pub(super) async fn every_index_pages_in_its_order(backend: &impl Backend) {
    let store = backend.store();
    let cases = many(store, now(store).await).await;
    for index in indexes() {
        let wanted = wanted(&index, &cases);
        assert!(wanted.len() >= 4, "{index:?} is almost empty, so this shows nothing");
        for count in 1..=17 {
            let mut found: Vec<Position> = Vec::new();
            loop {
                let page = store.list(&index, found.last().copied(), count).await.unwrap();
                assert!(page.len() <= count);
                if page.is_empty() {
                    break;
                }
                found.extend(page);
            }
            assert_eq!(found, wanted, "{index:?} by {count}");
        }
    }
    // The page after a case that has left the index goes on where it stood.
    let held = &cases[5];
    let limit_at = held.first_response_clock().limit_at;
    let left = Position { score: Place::new(held.band, limit_at).score(), id: held.id };
    let index = Index::Ready(Lane::Incident);
    let rest = store.list(&index, Some(left), 100).await.unwrap();
    let waiting = wanted(&index, &cases).into_iter();
    let wanted: Vec<_> = waiting.filter(|position| *position > left).collect();
    assert!(!wanted.is_empty() && held.claim.is_some() && held.incident.is_some());
    assert_eq!(rest, wanted);
    // An index of nobody is empty, not an error.
    let nobody = Index::Target(Fingerprint([0; 16]));
    for index in [nobody, Index::Authority(authority("no-such")), incident("no-such")] {
        assert_eq!(list(store, &index).await, []);
    }
}

fn incident(name: &str) -> Index {
    Index::Incident(name.parse().unwrap())
}

/// Where a case stands: among the ordinary that wait, those of incidents, the unanswered, the claimed.
async fn standing(store: &impl Store, case: &Case) -> [Option<u64>; 4] {
    let [ordinary, incident] = [Lane::Ordinary, Lane::Incident].map(Index::Ready);
    let wake = score(store, &Index::Wake, case.id).await;
    assert_eq!(wake, project(case).wake_at.map(Timestamp::as_millis), "{:?}", case.state());
    let mut found = [None; 4];
    for (slot, index) in
        found.iter_mut().zip([ordinary, incident, Index::Unanswered, Index::Claimed])
    {
        *slot = score(store, &index, case.id).await;
    }
    found
}

pub(super) async fn a_case_is_in_every_index_that_it_belongs_in(backend: &impl Backend) {
    let store = backend.store();
    let at = now(store).await;
    let place = |case: &Case, at: Timestamp| Some(Place::new(case.band, at).score());
    let step = async |case: &Case, by: &str, deed: Deed| {
        let command = does(by, &case.version.to_string(), deed);
        write(store, case, &command, at).await
    };
    let sort = async |case: &Case, sorting| write(store, case, &Command::Sort(sorting), at).await;
    let paris = || "paris".parse().unwrap();

    let case = accept(store, "fr-pnij", "1", EMERGENCY, at).await;
    let first = place(&case, at + MINUTE * 6);
    assert_eq!(standing(store, &case).await, [first, None, first, None]);
    let case = step(&case, "ann", Deed::Claim).await;
    let lease_end = Some((at + MINUTE * 5).as_millis());
    assert_eq!(standing(store, &case).await, [None, None, first, lease_end]);
    // A claim keeps it from both lanes, and its end is where it was last moved to.
    let case = sort(&case, Sorting::JoinIncident(paris())).await;
    assert_eq!(standing(store, &case).await, [None, None, first, lease_end]);
    let renew = does("ann", "renew", Deed::Renew(1));
    let case = write(store, &case, &renew, at + MINUTE).await;
    let later = Some((at + MINUTE * 6).as_millis());
    assert_eq!(standing(store, &case).await, [None, None, first, later]);
    let case = step(&case, "ann", Deed::Release(1)).await;
    assert_eq!(standing(store, &case).await, [None, first, first, None]);

    // Answered and still open, it waits by the next promise, a word within the hour, and behind all
    // to whom an answer is owed.
    let case = step(&case, "ann", Deed::Claim).await;
    let case = step(&case, "ann", Deed::Respond(2, IN_PROGRESS)).await;
    assert_eq!(standing(store, &case).await[..3], [None, None, None]);
    let case = step(&case, "ann", Deed::Release(2)).await;
    let progress_at = case.clock(ClockKind::Progress).unwrap().limit_at;
    let progress = Some(Place::answered(case.band, progress_at).score());
    assert_ne!(progress, first);
    assert_eq!(standing(store, &case).await, [None, progress, None, None]);
    let case = sort(&case, Sorting::LeaveIncident(paris())).await;
    assert_eq!(standing(store, &case).await, [progress, None, None, None]);

    // While the authority owes an answer there is nothing to claim; then it waits at its old place.
    let case = step(&case, "ann", Deed::Claim).await;
    let case = step(&case, "ann", Deed::AskForInformation(3)).await;
    let case = step(&case, "ann", Deed::Release(3)).await;
    assert!(case.asked_at.is_some());
    assert_eq!(standing(store, &case).await, [None, None, None, None]);
    let case = step(&case, "portal", Deed::ProvideInformation).await;
    let reply = place(&case, case.clock(ClockKind::Reply).unwrap().limit_at);
    assert_ne!(reply, first, "that clock has started anew");
    assert_eq!(standing(store, &case).await, [first, None, reply, None]);

    let case = step(&case, "portal", Deed::Withdraw).await;
    let case = step(&case, "ann", Deed::Claim).await;
    let case = step(&case, "ann", Deed::ConfirmWithdrawal(4)).await;
    assert!(case.has_ended());
    assert_eq!(standing(store, &case).await, [None, None, None, None]);
}

pub(super) async fn an_incident_names_the_cases_that_ever_belonged_to_it(backend: &impl Backend) {
    let store = backend.store();
    let at = now(store).await;
    let case = accept(store, "fr-pnij", "1", EMERGENCY, at).await;
    let own = accept_this(store, &request("be-fccu", 1, &[SOMEBODY], true), at).await;
    assert_eq!(list(store, &incident("paris")).await, [own.id]);
    let join = |name: &str| Command::Sort(Sorting::JoinIncident(name.parse().unwrap()));
    let leave = |name: &str| Command::Sort(Sorting::LeaveIncident(name.parse().unwrap()));
    let case = write(store, &case, &join("lyon"), at).await;
    assert_eq!(list(store, &incident("lyon")).await, [case.id]);
    let case = write(store, &case, &leave("lyon"), at).await;
    let case = write(store, &case, &join("paris"), at).await;
    // It is counted with both, and waits in the lane of the one.
    assert_eq!(list(store, &incident("lyon")).await, [case.id]);
    let mut both = [case.id, own.id];
    both.sort_unstable_by(|one, other| other.cmp(one));
    assert_eq!(list(store, &incident("paris")).await, both);
    assert_eq!(list(store, &Index::Ready(Lane::Incident)).await.len(), 2);
}
