//! What comes of comparing cases with each other and with incidents. Telling it twice changes
//! nothing, so whoever finds it out may be stopped half way and begin again.

use super::{Decision, Sorting, Transition};
use crate::core::event::Event;
use crate::core::verification::Verification;

pub(super) fn decide(mut transition: Transition<'_>, sorting: &Sorting) -> Decision {
    if transition.case.purged_at.is_none() && !transition.case.is_synthetic() {
        transition.sort(sorting);
    }
    transition.finish()
}

impl Transition<'_> {
    fn sort(&mut self, sorting: &Sorting) {
        let case = &mut self.case;
        match sorting {
            Sorting::LikelyDuplicates(found) => {
                let cases = case.unnamed(found);
                if !cases.is_empty() {
                    case.likely_duplicates.extend(&cases);
                    self.events.push(Event::LikelyDuplicatesFound { cases });
                }
            }
            Sorting::JoinIncident(incident) => {
                if case.incident.is_none() {
                    case.incident = Some(incident.clone());
                    self.events.push(Event::IncidentJoined { incident: incident.clone() });
                }
            }
            Sorting::Risk(risk) => {
                if case.risks.insert(*risk) {
                    self.events.push(Event::RisksSeen { risks: [*risk].into() });
                }
            }
            Sorting::SuspendAuthority => {
                let must_begin_anew = case.ended.is_none()
                    && (Verification::ChannelVerified..=Verification::CallbackConfirmed)
                        .contains(&case.verification);
                if must_begin_anew {
                    case.verification = Verification::Unverified;
                    self.events.push(Event::AuthoritySuspended);
                }
            }
            Sorting::LeaveIncident(incident) => {
                if case.incident.as_ref() == Some(incident) {
                    case.incident = None;
                    self.events.push(Event::IncidentLeft { incident: incident.clone() });
                }
            }
        }
    }
}
