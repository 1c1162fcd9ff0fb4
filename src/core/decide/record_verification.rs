//! Record verification: what a check of the request's origin found. It never delays an answer, and it
//! may still be recorded when the case has ended: a fraud is often found late.

use super::{Refusal, Transition};
use crate::core::event::Event;
use crate::core::names::Subject;
use crate::core::verification::Finding;

pub(super) fn apply(
    transition: &mut Transition<'_>,
    by: &Subject,
    finding: &Finding,
) -> Result<(), Refusal> {
    let phone = match finding {
        Finding::CallbackConfirmed(number) => {
            if !number.is_of(&transition.case.authority) {
                return Err(Refusal::CallbackNumberUnknown);
            }
            if number.is_too_new(transition.now) {
                return Err(Refusal::CallbackNumberTooNew);
            }
            Some(number.id().clone())
        }
        Finding::ChannelVerified
        | Finding::AgencyVerified
        | Finding::Failed
        | Finding::SuspectedFraud => None,
    };
    let verification = finding.verification().after(transition.case.verification);
    transition.case.verification = verification;
    transition.events.push(Event::Verified { by: by.clone(), verification, phone });
    Ok(())
}
