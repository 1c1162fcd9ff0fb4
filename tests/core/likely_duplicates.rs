//! Which cases with a target in common a case names.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use urgence::core::{AuthorityId, Case, CaseId, Command, Event, Nature, Sorting};

use crate::make::{Story, at};

type Found = BTreeMap<CaseId, AuthorityId>;

const OWN: &str = "fr-pnij";
const MAX: usize = Case::LIKELY_DUPLICATES_MAX;
const IN_ALL_MAX: usize = Case::LIKELY_DUPLICATES_IN_ALL_MAX;

/// The case of an authority with this number.
fn case(authority: &str, number: usize) -> (CaseId, AuthorityId) {
    let authority: AuthorityId = authority.parse().unwrap();
    (CaseId::derive(&authority, &format!("other-{number}").parse().unwrap()), authority)
}

fn cases(authority: &str, count: usize) -> Found {
    (0..count).map(|number| case(authority, number)).collect()
}

/// Telling of one case of each of these authorities.
pub fn found(authorities: &[&str]) -> Sorting {
    Sorting::LikelyDuplicates(authorities.iter().map(|authority| case(authority, 0)).collect())
}

/// What the case names anew of what is found.
fn tell(story: &mut Story, found: &Found) -> BTreeSet<CaseId> {
    let command = Command::Sort(Sorting::LikelyDuplicates(found.clone()));
    let before = story.case.likely_duplicates.clone();
    let events = story.command_of_nobody(&command, at(1));
    let new: BTreeSet<CaseId> = story.case.likely_duplicates.difference(&before).copied().collect();
    assert!(story.case.likely_duplicates.is_superset(&before), "nothing is taken back");
    let told = (!new.is_empty()).then(|| Event::LikelyDuplicatesFound { cases: new.clone() });
    assert_eq!(events, Vec::from_iter(told));
    new
}

/// How many of them are of this authority.
fn of(authority: &str, named: &BTreeSet<CaseId>) -> usize {
    cases(authority, 100).keys().filter(|id| named.contains(id)).count()
}

fn story() -> Story {
    let mut story = Story::of(Nature::MissingChild);
    assert_eq!(story.case.authority.as_str(), OWN);
    // What is due by then is told before.
    story.command_of_nobody(&Command::Wake, at(1));
    story
}

#[test]
fn likely_duplicates_are_told_once_and_are_never_many() {
    let mut story = story();
    let three = cases("de-bka", 3);
    assert_eq!(tell(&mut story, &three), three.keys().copied().collect());
    assert_eq!(tell(&mut story, &three), [].into());
    // Nobody is their own duplicate.
    let itself = [(story.case.id, story.case.authority.clone())].into();
    assert_eq!(tell(&mut story, &itself), [].into());
    assert_eq!(tell(&mut story, &cases("de-bka", 40)).len(), MAX - 3);
    assert_eq!(tell(&mut story, &cases("de-bka", 80)), [].into());
    let version = story.case.version;
    assert_eq!(tell(&mut story, &Found::new()), [].into());
    assert_eq!(story.case.version, version);
}

#[test]
fn another_authority_comes_in_where_one_has_filled_the_places() {
    for crowd in [OWN, "de-bka"] {
        let mut story = story();
        tell(&mut story, &cases(crowd, 40));
        assert_eq!(story.case.likely_duplicates.len(), MAX);
        // One of each, however many they send; it is found beside the crowd.
        for (number, other) in ["be-fccu", "nl-politie"].into_iter().enumerate() {
            let mut both = cases(crowd, 40);
            both.extend(cases(other, 5));
            assert_eq!(of(other, &tell(&mut story, &both)), 1, "{other} beside {crowd}");
            assert_eq!(tell(&mut story, &both), [].into());
            assert_eq!(story.case.likely_duplicates.len(), MAX + number + 1);
        }
    }
}

#[test]
fn few_places_are_for_those_of_other_authorities_first() {
    let mut story = story();
    let mut all = cases(OWN, 40);
    all.extend([cases("de-bka", 4), cases("be-fccu", 1)].into_iter().flatten());
    let named = tell(&mut story, &all);
    let shares = [OWN, "de-bka", "be-fccu"].map(|authority| of(authority, &named));
    assert_eq!(shares, [MAX - 5, 4, 1]);
    // Where a crowd of another authority would fill them, every other still has one.
    let mut story = self::story();
    let mut all = cases("de-bka", 40);
    all.extend([cases("be-fccu", 3), cases(OWN, 3)].into_iter().flatten());
    let named = tell(&mut story, &all);
    assert!(of("be-fccu", &named) >= 1 && of(OWN, &named) == 0, "{named:?}");
    assert_eq!(named.len(), MAX);
}

#[test]
fn not_even_an_authority_each_makes_them_more_than_the_places() {
    let mut story = story();
    let all: Found = (0..100).map(|number| case(&format!("de-{number}"), 0)).collect();
    assert_eq!(tell(&mut story, &all).len(), IN_ALL_MAX);
    assert_eq!(tell(&mut story, &all), [].into());
}

proptest! {
    /// In whatever parts it is told, by whomever and however often.
    #[test]
    fn telling_it_twice_changes_nothing(
        parts in vec(vec((0..6_usize, 0..30_usize), 0..40), 1..6),
    ) {
        let names = [OWN, "de-bka", "be-fccu", "nl-politie", "es-pn", "it-ps"];
        let mut story = story();
        for part in parts {
            let found: Found =
                part.into_iter().map(|(name, number)| case(names[name], number)).collect();
            let was_room = story.case.likely_duplicates.len() + names.len() <= IN_ALL_MAX;
            tell(&mut story, &found);
            prop_assert_eq!(tell(&mut story, &found), [].into());
            let named = &story.case.likely_duplicates;
            prop_assert!(named.len() <= IN_ALL_MAX);
            let asking: BTreeSet<&str> = found.values().map(AuthorityId::as_str).collect();
            for authority in asking.into_iter().filter(|name| was_room && *name != OWN) {
                prop_assert!(of(authority, named) > 0, "{} is not named", authority);
            }
        }
    }
}
