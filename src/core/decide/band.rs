//! How urgent a case is, read off what is owed: nothing else raises or lowers it.
//!
//! An emergency to which an answer is owed stands where its nature puts it, and in the first band once
//! its target has passed. When it is answered, the promise that police were given is kept, and what is
//! left of the work waits behind everybody who has no answer yet, though before all that is routine.
//! Otherwise the work on the first requests of a surge makes every later one wait for its first answer.

use super::Transition;
use crate::core::nature::{Band, Class};

impl Transition<'_> {
    pub(super) fn band(&self) -> Band {
        let nature = self.case.nature;
        match (nature.class(), self.case.response_clock()) {
            (Class::Routine, _) => self.policy.band(nature),
            // The rung of the target has passed.
            (Class::Emergency, Some(clock)) if clock.next_due_at > clock.target_at => {
                Band::MOST_URGENT
            }
            (Class::Emergency, Some(_)) => self.policy.band(nature),
            (Class::Emergency, None) => self.policy.follow_up_band(),
        }
    }
}
