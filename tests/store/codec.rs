//! What is stored is what was meant: every field of every value comes back as it was written, what an
//! older version wrote is read as what it meant, and what cannot be read is told apart.

mod before;
mod bent;
mod cases;
mod events;
mod format1;
mod notices;
mod policies;

use urgence::core::{CaseId, Timestamp};

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// Another case, by its number.
fn case_id(number: u32) -> CaseId {
    CaseId::derive(&"be-fccu".parse().unwrap(), &format!("other-{number}").parse().unwrap())
}
