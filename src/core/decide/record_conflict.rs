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
    third_country: Option<&Country>,
    stance: Stance,
) -> Result<(), Refusal> {
    transition.must_be_open()?;
    if !transition.case.facts.categories.contains(&category) {
        return Err(Refusal::CategoryNotRequested);
    }
    if transition.case.dispositions.contains_key(&category) {
        return Err(Refusal::CategoryDecided);
    }
    match stance {
        Stance::Stands => transition.oppose(act, category, third_country)?,
        Stance::Lifted => transition.lift(act, category, third_country)?,
    }
    transition.events.push(Event::ConflictRecorded { by: act.by.clone(), category, stance });
    Ok(())
}

impl Transition<'_> {
    fn oppose(
        &mut self,
        act: &Act,
        category: DataCategory,
        third_country: Option<&Country>,
    ) -> Result<(), Refusal> {
        // The edge asks for the country of a conflict that is recorded.
        let country = third_country.ok_or(Refusal::ConflictNotRecorded)?.clone();
        let recorded = Conflict {
            stance: Stance::Stands,
            recorded_by: act.by.clone(),
            recorded_at: self.now,
            lifted_by: None,
        };
        let before = self.case.conflicts.insert((category, country), recorded);
        match before.map(|conflict| conflict.stance) {
            Some(Stance::Stands) => Err(Refusal::NothingToChange),
            Some(Stance::Lifted) | None => Ok(()),
        }
    }

    /// Lifts the conflict with the law of this country or, where none is named, the only one.
    fn lift(
        &mut self,
        act: &Act,
        category: DataCategory,
        third_country: Option<&Country>,
    ) -> Result<(), Refusal> {
        let is_meant = |(over, country): &(DataCategory, Country)| {
            *over == category && third_country.is_none_or(|named| named == country)
        };
        let mut meant = self
            .case
            .conflicts
            .iter_mut()
            .filter(|(of, conflict)| is_meant(of) && conflict.stance == Stance::Stands);
        let (Some((_, conflict)), None) = (meant.next(), meant.next()) else {
            return Err(Refusal::ConflictNotRecorded);
        };
        if conflict.recorded_by == act.by {
            return Err(Refusal::SecondPersonNeeded);
        }
        if !act.has_role(Role::LegalReviewer) {
            return Err(Refusal::LegalReviewerNeeded);
        }
        conflict.stance = Stance::Lifted;
        conflict.lifted_by = Some(act.by.clone());
        Ok(())
    }
}
