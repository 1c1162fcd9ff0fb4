//! Record conflict: another country's law stands against one category of data. The others go out all
//! the same. One person may record it; only a jurist, and another person, may lift it.

use super::{Refusal, Transition};
use crate::core::caller::Role;
use crate::core::conflict::{Conflict, Stance};
use crate::core::data::DataCategory;
use crate::core::event::Event;
use crate::core::memory::Act;
use crate::core::names::Country;

pub(super) fn apply(
    transition: &mut Transition<'_>,
    act: &Act,
    category: DataCategory,
    third_country: &Country,
    stance: Stance,
) -> Result<(), Refusal> {
    transition.must_be_open()?;
    if !transition.case.facts.categories.contains(&category) {
        return Err(Refusal::CategoryNotRequested);
    }
    if transition.case.dispositions.contains_key(&category) {
        return Err(Refusal::CategoryDecided);
    }
    let recorded_at = transition.now;
    let existing = transition.case.conflicts.get(&category);
    let conflict = match (stance, existing) {
        (Stance::Stands, Some(conflict)) if conflict.stance == Stance::Stands => {
            return Err(Refusal::NothingToChange);
        }
        (Stance::Stands, _) => Conflict {
            third_country: third_country.clone(),
            stance,
            recorded_by: act.by.clone(),
            recorded_at,
            lifted_by: None,
        },
        (Stance::Lifted, Some(conflict)) if conflict.stance == Stance::Stands => {
            if conflict.recorded_by == act.by {
                return Err(Refusal::SecondPersonNeeded);
            }
            if !act.has_role(Role::LegalReviewer) {
                return Err(Refusal::LegalReviewerNeeded);
            }
            Conflict { stance, lifted_by: Some(act.by.clone()), ..conflict.clone() }
        }
        (Stance::Lifted, _) => return Err(Refusal::ConflictNotRecorded),
    };
    transition.case.conflicts.insert(category, conflict);
    transition.events.push(Event::ConflictRecorded { by: act.by.clone(), category, stance });
    Ok(())
}
