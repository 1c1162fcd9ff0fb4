//! What calls for more care in verifying a request. It raises the care, and never delays an answer: no
//! clock, place or first response reads it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::words::words;

words! {
    /// What was seen as a request came in.
    pub enum Risk {
        /// The officer has sent more requests lately than officers do.
        OfficerVelocity = "officer_velocity",
        /// The authority has sent more requests lately than it does.
        AuthorityVelocity = "authority_velocity",
        /// Several authorities ask about one target.
        TargetAcrossAuthorities = "target_across_authorities",
        /// Nobody has seen this officer before.
        NewOfficer = "new_officer",
        /// The request came at an hour at which the authority does not work.
        UnusualHour = "unusual_hour",
        /// The authority is suspended.
        AuthoritySuspended = "authority_suspended",
    }
}

/// From how many on something is unusual. Part of the live policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RiskLimits {
    /// How far back requests are counted.
    pub window: Duration,
    /// Requests of one officer within the window, this one included, from which on they are many.
    pub officer_requests: u64,
    /// Requests of one authority within the window, from which on they are many.
    pub authority_requests: u64,
    /// Authorities that ask about one target, from which on they are several.
    pub target_authorities: u64,
}

impl Default for RiskLimits {
    fn default() -> Self {
        Self {
            window: Duration::from_hours(24),
            officer_requests: 10,
            authority_requests: 100,
            target_authorities: 2,
        }
    }
}

/// What is known of where a request comes from, as it comes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Background {
    /// Requests of the officer within the window before this one; `None` where it names nobody.
    pub officer_requests: Option<u64>,
    /// Whether the officer was ever seen before.
    pub is_officer_known: bool,
    /// Requests of the authority within the window before this one.
    pub authority_requests: u64,
    /// Whether the authority works at this hour, as far as the registry says.
    pub is_usual_hour: bool,
    /// Whether the authority is suspended.
    pub is_suspended: bool,
}

impl RiskLimits {
    /// What it calls for that so many other authorities asked about a target of the case. It is found by
    /// comparing cases, after the request was taken in.
    #[must_use]
    pub const fn across(&self, other_authorities: u64) -> Option<Risk> {
        let is_several = other_authorities > 0 && other_authorities + 1 >= self.target_authorities;
        if is_several { Some(Risk::TargetAcrossAuthorities) } else { None }
    }
}

impl Background {
    /// What calls for more care.
    #[must_use]
    pub fn risks(&self, limits: &RiskLimits) -> BTreeSet<Risk> {
        let officer_requests = self.officer_requests.map(|before| before + 1);
        let seen = [
            (Risk::OfficerVelocity, officer_requests >= Some(limits.officer_requests.max(1))),
            (Risk::AuthorityVelocity, self.authority_requests + 1 >= limits.authority_requests),
            (Risk::NewOfficer, self.officer_requests.is_some() && !self.is_officer_known),
            (Risk::UnusualHour, !self.is_usual_hour),
            (Risk::AuthoritySuspended, self.is_suspended),
        ];
        seen.into_iter().filter(|(_, is_seen)| *is_seen).map(|(risk, _)| risk).collect()
    }
}
