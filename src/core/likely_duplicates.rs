//! Which cases with a target in common a case names. There are few places, and what the others at the
//! desk most need to know is who else asks: an authority that asks often must not fill them all.

use std::collections::{BTreeMap, BTreeSet};

use super::case::Case;
use super::case_id::CaseId;
use super::names::AuthorityId;

impl Case {
    /// How many likely duplicates a case names, of whatever authorities; with more of them it belongs to
    /// an incident.
    pub const LIKELY_DUPLICATES_MAX: usize = 16;
    /// How many it names with those that come in beyond, each as the first of its authority.
    pub const LIKELY_DUPLICATES_IN_ALL_MAX: usize = 32;

    /// Which of the cases that were found to share a target it has yet to name. What it names it goes
    /// on naming, so that telling it again adds nothing: every other authority comes in with one case
    /// first, and what is left of the places goes to others before its own authority.
    #[must_use]
    pub fn unnamed(&self, found: &BTreeMap<CaseId, AuthorityId>) -> BTreeSet<CaseId> {
        let named = &self.likely_duplicates;
        let (known, new): (Vec<_>, Vec<_>) =
            found.iter().filter(|(id, _)| **id != self.id).partition(|(id, _)| named.contains(*id));
        let mut authorities: BTreeSet<&AuthorityId> =
            known.into_iter().map(|(_, authority)| authority).chain([&self.authority]).collect();
        let (firsts, mut others): (Vec<_>, Vec<_>) =
            new.into_iter().partition(|(_, authority)| authorities.insert(authority));
        others.sort_by_key(|(_, authority)| **authority == self.authority);
        let room = |max: usize, taken: usize| max.saturating_sub(named.len() + taken);
        let room_for_firsts = room(Self::LIKELY_DUPLICATES_IN_ALL_MAX, 0);
        let mut cases: BTreeSet<CaseId> =
            firsts.into_iter().take(room_for_firsts).map(|(id, _)| *id).collect();
        let room_for_others = room(Self::LIKELY_DUPLICATES_MAX, cases.len());
        cases.extend(others.into_iter().take(room_for_others).map(|(id, _)| *id));
        cases
    }
}
