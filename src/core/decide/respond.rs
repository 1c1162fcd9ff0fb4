//! Respond: a person's first substantive answer stops the first-response clock.

use super::{Epoch, Refusal, Transition};
use crate::core::answer::{FirstResponse, FirstResponseKind};
use crate::core::clock::ClockKind;
use crate::core::event::Event;
use crate::core::memory::Act;
use crate::core::names::Subject;
use crate::core::outcome::Outcome;

pub(super) fn apply(
    transition: &mut Transition<'_>,
    act: &Act,
    epoch: Epoch,
    kind: FirstResponseKind,
) -> Result<(), Refusal> {
    let by = &act.by;
    if transition.case.first_response.is_some() {
        return Err(Refusal::AlreadyAnswered);
    }
    transition.must_be_open()?;
    if kind.discloses() {
        return Err(Refusal::DisclosureNotApproved);
    }
    if let FirstResponseKind::Refused(reason) = kind {
        transition.must_be_founded(reason)?;
    }
    // A first response is a fact: the authority has it, whatever became of the claim since. Only an
    // epoch that was never granted shows that the caller did not work on this case.
    if epoch == 0 || epoch > transition.case.claim_epoch {
        return Err(Refusal::EpochOver);
    }
    let is_claim_lost = !transition.is_held(by, epoch);
    transition.digest = act.content;
    transition.answer(by, kind, is_claim_lost);
    match kind {
        FirstResponseKind::InProgress { .. } => {
            transition.start_clock(ClockKind::Progress, transition.now);
        }
        FirstResponseKind::NeedInformation => transition.wait_for_authority(),
        FirstResponseKind::NoData => transition.end(by, Outcome::NoDataFound, None),
        FirstResponseKind::Refused(reason) => {
            transition.end(by, Outcome::Rejected, Some(reason));
        }
        FirstResponseKind::Redirected(_) => transition.end(by, Outcome::Redirected, None),
        FirstResponseKind::AllData | FirstResponseKind::PartOfData => {
            return Err(Refusal::DisclosureNotApproved);
        }
    }
    Ok(())
}

impl Transition<'_> {
    /// Records the answer and stops the first-response clock.
    pub(super) fn answer(&mut self, by: &Subject, kind: FirstResponseKind, is_claim_lost: bool) {
        let now = self.now;
        let response =
            FirstResponse { kind, at: now, by: by.clone(), is_claim_lost, digest: self.digest };
        self.case.first_response = Some(response);
        self.stop_clock(ClockKind::FirstResponse, now);
        self.events.push(Event::Responded {
            by: by.clone(),
            kind,
            waited: self.case.waited(now),
            band: self.case.band,
            punctuality: self.case.punctuality(now),
            is_claim_lost,
        });
    }
}
