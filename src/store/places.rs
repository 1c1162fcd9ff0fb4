//! Where a case stands in each index of Redis: what a commit writes, and what the auditor compares.

use super::Commit;
use super::keys::Keys;
use crate::core::projection::{self, Place};
use crate::core::{Case, Fingerprint, Lane, Timestamp};
use crate::seal::{Class, Month};

/// An index by its key, and the case's score in it; `None` keeps the case out of it.
pub(super) type IndexPlace = (String, Option<u64>);

/// Every index that the transition touches.
pub(super) fn touched(keys: &Keys, commit: &Commit) -> Vec<IndexPlace> {
    let case = &commit.next.case;
    // When a case was accepted never changes, so that is written once.
    let mut places = if case.version == 1 { all(keys, case) } else { changing(keys, case) };
    places.extend(resealing(keys, case));
    // A tombstone names no officer any more, but the index still has the case; it ages out of every
    // window, and tells nothing without the key of the fingerprints.
    places.extend(commit.forgotten.iter().map(|target| (keys.target(*target), None)));
    places
}

/// Every index that the case has a place in, or might have.
pub(super) fn all(keys: &Keys, case: &Case) -> Vec<IndexPlace> {
    let accepted_ms = Some(case.accepted_at.as_millis());
    let mut places = changing(keys, case);
    if !case.has_ended() {
        places.extend(sealed(keys, case));
    }
    if !case.is_synthetic() {
        places.push((keys.cases(), accepted_ms));
    }
    places.push((keys.authority(&case.authority), accepted_ms));
    places.extend(case.facts.officer.map(|officer| (keys.officer(officer), accepted_ms)));
    places.extend(targets(case).map(|target| (keys.target(target), accepted_ms)));
    places
}

fn changing(keys: &Keys, case: &Case) -> Vec<IndexPlace> {
    let projected = projection::project(case);
    let place = |place: Option<Place>| place.map(Place::score);
    let in_lane = |lane: Lane| {
        let place = projected.ready.filter(|(found, _)| *found == lane);
        place.map(|(_, place)| place.score())
    };
    let mut places = vec![
        (keys.ready(Lane::Ordinary), in_lane(Lane::Ordinary)),
        (keys.ready(Lane::Incident), in_lane(Lane::Incident)),
        (keys.wake(), projected.wake_at.map(Timestamp::as_millis)),
        (keys.unanswered(), place(projected.unanswered)),
        (keys.claimed(), projected.claimed.map(Timestamp::as_millis)),
    ];
    if case.is_synthetic() {
        places.push((keys.synthetic(), place(projected.synthetic)));
    }
    if case.has_ended() {
        places.extend(sealed(keys, case));
    }
    if let Some(incident) = &case.incident {
        places.push((keys.incident_cases(incident), Some(case.accepted_at.as_millis())));
    }
    places
}

/// Where what is said in the case is sealed now. Of an ended case it is not known without looking at
/// what was said whether some of it is still sealed as of an open one; that index is therefore not
/// compared, and whoever would destroy a key looks at what was said.
fn sealed(keys: &Keys, case: &Case) -> Option<IndexPlace> {
    let key = keys.sealed(Month::of(case.accepted_at), Class::of(case));
    case.purged_at.is_none().then(|| (key, Some(case.accepted_at.as_millis())))
}

/// What has to be sealed anew since the case has ended, and what no longer is since it was purged.
fn resealing(keys: &Keys, case: &Case) -> Vec<IndexPlace> {
    let month = Month::of(case.accepted_at);
    if case.purged_at.is_some() {
        let mut nowhere = vec![(keys.resealing(), None)];
        let classes = Class::ALL.into_iter().filter(|class| *class != Class::Incident);
        nowhere.extend(classes.map(|class| (keys.sealed(month, class), None)));
        return nowhere;
    }
    let accepted_ms = Some(case.accepted_at.as_millis());
    case.ended.iter().map(|_| (keys.resealing(), accepted_ms)).collect()
}

/// Every index that the case has a place in once all of it is sealed anew.
pub(super) fn resealed(keys: &Keys, case: &Case) -> Vec<IndexPlace> {
    let mut places = all(keys, case);
    places.push((keys.resealing(), None));
    places.push((keys.sealed(Month::of(case.accepted_at), Class::Open), None));
    places
}

fn targets(case: &Case) -> impl Iterator<Item = Fingerprint> {
    case.facts.fingerprints.iter().copied()
}
