//! How many requests one authority may send before it has to wait or, of emergencies, stand in line.

use std::num::NonZeroU32;

use super::Mistake;

/// What one authority may send of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// How many requests a minute, on and on.
    pub per_minute: NonZeroU32,
    /// How many at once.
    pub burst: NonZeroU32,
}

/// What one authority may send. It holds on each replica by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budgets {
    /// Beyond this, a routine request is told when to come again.
    pub routine: Budget,
    /// Beyond this, an emergency waits for those of the same authority that are being stored. It is never
    /// refused.
    pub emergency: Budget,
}

impl Budget {
    /// The most that may be said, a minute or at once.
    pub const MOST: u32 = 1_000_000;

    const fn new(per_minute: u32, burst: u32) -> Self {
        match (NonZeroU32::new(per_minute), NonZeroU32::new(burst)) {
            (Some(per_minute), Some(burst)) => Self { per_minute, burst },
            _ => panic!("a budget in code is above zero"),
        }
    }

    /// Each of its numbers by its key.
    #[must_use]
    pub const fn numbers(&self) -> [(&'static str, u32); 2] {
        [("per_minute", self.per_minute.get()), ("burst", self.burst.get())]
    }
}

impl Budgets {
    /// Far more than anybody sends: for tests of something else, and for simulation.
    pub const AMPLE: Self = Self {
        routine: Budget::new(Budget::MOST, Budget::MOST),
        emergency: Budget::new(Budget::MOST, Budget::MOST),
    };
}

impl Default for Budgets {
    fn default() -> Self {
        Self { routine: Budget::new(60, 30), emergency: Budget::new(60, 60) }
    }
}

impl Budgets {
    /// Everything wrong with it, by its path in a policy file.
    pub(super) fn mistakes(&self) -> impl Iterator<Item = Mistake> {
        let classes = [("routine", self.routine), ("emergency", self.emergency)];
        classes.into_iter().flat_map(|(class, budget)| {
            let is_wrong = |(_, number): &(&str, u32)| *number > Budget::MOST;
            budget.numbers().into_iter().filter(is_wrong).map(move |(key, _)| Mistake {
                path: format!("admission.{class}.{key}"),
                problem: format!("must be from 1 to {}", Budget::MOST),
            })
        })
    }
}
