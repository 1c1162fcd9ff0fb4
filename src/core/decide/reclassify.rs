//! Reclassify: the nature was another than the sender said. Raising takes the earlier deadline;
//! lowering keeps the old one, and out of the emergency bands takes two people.

use super::{Refusal, Transition};
use crate::core::case::Lowering;
use crate::core::data::Protection;
use crate::core::event::Event;
use crate::core::names::Subject;
use crate::core::nature::{Class, Nature};

pub(super) fn apply(
    transition: &mut Transition<'_>,
    by: &Subject,
    nature: Option<Nature>,
    protection: Option<Protection>,
) -> Result<(), Refusal> {
    transition.must_be_open()?;
    // A protection can be noted by anybody and taken away by nobody.
    let protection =
        protection.filter(|protection| transition.case.facts.protections.insert(*protection));
    let nature = nature.filter(|nature| *nature != transition.case.nature);
    if nature.is_none() && protection.is_none() {
        return Err(Refusal::NothingToChange);
    }
    let mut proposed_by = None;
    let before = transition.case.nature;
    let mut is_raised = false;
    if let Some(nature) = nature {
        let was = transition.case.nature.class();
        match (was, nature.class()) {
            (Class::Emergency, Class::Routine) => match transition.case.lowering.take() {
                Some(lowering) if lowering.nature == nature && lowering.by != *by => {
                    proposed_by = Some(lowering.by);
                    transition.change_nature(nature);
                }
                Some(lowering) if lowering.nature == nature => {
                    return Err(Refusal::SecondPersonNeeded);
                }
                Some(_) | None => {
                    transition.case.lowering = Some(Lowering { nature, by: by.clone() });
                    transition.events.push(Event::LoweringProposed { by: by.clone(), nature });
                    if protection.is_none() {
                        return Ok(());
                    }
                }
            },
            (Class::Routine, Class::Emergency) => {
                transition.change_nature(nature);
                is_raised = true;
            }
            (Class::Emergency, Class::Emergency) | (Class::Routine, Class::Routine) => {
                transition.change_nature(nature);
            }
        }
    }
    // The authority is told the nature, and never what was noted of its target: two events.
    let (nature, band) = (transition.case.nature, transition.case.band);
    let noted = protection.map(|protection| (None, Some(protection)));
    let changed = (nature != before).then_some((proposed_by, None));
    for (proposed_by, protection) in changed.into_iter().chain(noted) {
        let by = by.clone();
        let event = Event::Reclassified { by, proposed_by, nature, band, protection };
        transition.events.push(event);
    }
    if is_raised {
        transition.raise_clocks();
    }
    Ok(())
}

impl Transition<'_> {
    fn change_nature(&mut self, nature: Nature) {
        self.case.nature = nature;
        self.case.lowering = None;
        self.case.band = self.band();
    }

    fn raise_clocks(&mut self) {
        let (now, policy) = (self.now, self.policy);
        for clock in self.case.clocks.values_mut().filter(|clock| !clock.is_stopped()) {
            let promise = policy.clock(clock.kind, Class::Emergency);
            if promise != policy.clock(clock.kind, clock.class) {
                clock.raise(Class::Emergency, promise, now);
                let (clock, target_at, limit_at) = (clock.kind, clock.target_at, clock.limit_at);
                self.events.push(Event::ClockRaised { clock, target_at, limit_at });
            }
        }
    }
}
