//! What will happen, in the order in which it will: the virtual clock jumps from one to the next.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::core::{CaseId, Timestamp};

/// Something that will happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Happening {
    /// The request of this number comes in.
    Arrival(usize),
    /// The desk sees that many requests are about one event.
    IncidentSeen,
    /// The case said that it must be looked at now.
    Wake(CaseId),
    /// A responder looks up from what they were doing, if it is still that turn of theirs.
    LookUp(usize, u64),
    /// One shift relieves the other.
    ShiftChange,
    /// The authority answers what it was asked.
    Information(CaseId),
    /// The authority confirms that it has the disclosure of this number.
    Delivery(CaseId, u32),
    /// The jurist on call looks at the proposal of this number.
    OnCall(CaseId, u32),
}

/// The agenda of a night. What falls on one instant happens in the order in which it was noted.
#[derive(Default)]
pub(super) struct Agenda {
    noted: u64,
    ahead: BinaryHeap<Reverse<(Timestamp, u64, Happening)>>,
}

impl Agenda {
    pub(super) fn note(&mut self, at: Timestamp, happening: Happening) {
        self.noted += 1;
        self.ahead.push(Reverse((at, self.noted, happening)));
    }

    /// What happens next, if it happens before `end`.
    pub(super) fn next_before(&mut self, end: Timestamp) -> Option<(Timestamp, Happening)> {
        let Reverse((at, _, happening)) = self.ahead.pop()?;
        (at < end).then_some((at, happening))
    }
}
