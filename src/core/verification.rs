//! Whether the request comes from whom it says. No first response waits for it; no data leaves
//! without it.

use super::authority::CallbackNumber;
use super::words::words;

words! {
    /// What has been established. Each step includes those before it, down to the call-back.
    pub enum Verification {
        /// Nothing yet.
        Unverified = "unverified",
        /// The request came through the agreed channel.
        ChannelVerified = "channel_verified",
        /// The agency exists and is competent.
        AgencyVerified = "agency_verified",
        /// Somebody called a number of the registry, and the officer and the case number were confirmed.
        CallbackConfirmed = "callback_confirmed",
        /// A check failed.
        Failed = "failed",
        /// Somebody seems to pretend to be this authority. The authority is never shown this.
        SuspectedFraud = "suspected_fraud",
    }
}

impl Verification {
    /// What is established when this is found after `before`. Finding again what was surpassed takes
    /// nothing away; a check that fails does, and a check that holds afterwards begins anew.
    #[must_use]
    pub fn after(self, before: Self) -> Self {
        let is_good = |verification: Self| verification <= Self::CallbackConfirmed;
        if is_good(self) && is_good(before) { self.max(before) } else { self }
    }
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The request came through the agreed channel.
    ChannelVerified,
    /// The agency exists and is competent.
    AgencyVerified,
    /// The officer and the case number were confirmed on this number of the registry.
    CallbackConfirmed(CallbackNumber),
    /// A check failed.
    Failed,
    /// Somebody seems to pretend to be this authority.
    SuspectedFraud,
}

impl Finding {
    /// What is established by it.
    #[must_use]
    pub const fn verification(&self) -> Verification {
        match self {
            Self::ChannelVerified => Verification::ChannelVerified,
            Self::AgencyVerified => Verification::AgencyVerified,
            Self::CallbackConfirmed(_) => Verification::CallbackConfirmed,
            Self::Failed => Verification::Failed,
            Self::SuspectedFraud => Verification::SuspectedFraud,
        }
    }
}
