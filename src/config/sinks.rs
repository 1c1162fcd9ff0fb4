//! What is configured of the ways to reach people: data, and secrets that are never shown.

use secrecy::{SecretSlice, SecretString};

use crate::core::CaseId;
use crate::outbound::Address;

/// A sink as a policy file defines it.
#[derive(Clone, Debug)]
pub enum SinkSettings {
    /// A service of PagerDuty.
    PagerDuty {
        /// The address of the Events API.
        address: Address,
        /// The key of the service's integration.
        routing_key: SecretString,
    },
    /// An Alertmanager.
    Alertmanager {
        /// Its address, without the path of the API.
        address: Address,
        /// What it knows us by, where it asks.
        bearer_token: Option<SecretString>,
    },
    /// A receiver of signed webhooks.
    Webhook {
        /// Its address.
        address: Address,
        /// The keys that sign: one, or two while one replaces the other.
        secrets: Vec<SecretSlice<u8>>,
    },
}

impl SinkSettings {
    /// The word for a service of PagerDuty.
    pub const PAGER_DUTY: &str = "pagerduty";
    /// The word for an Alertmanager.
    pub const ALERTMANAGER: &str = "alertmanager";
    /// The word for a receiver of signed webhooks.
    pub const WEBHOOK: &str = "webhook";

    /// Its kind, as policy files name it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::PagerDuty { .. } => Self::PAGER_DUTY,
            Self::Alertmanager { .. } => Self::ALERTMANAGER,
            Self::Webhook { .. } => Self::WEBHOOK,
        }
    }
}

/// Where people see more of a case than a page says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    template: Option<String>,
}

impl Links {
    /// What stands for the case in a template.
    pub const PLACE: &str = "{case}";

    /// Links made from `template`, by the case's id in the place of [`Links::PLACE`].
    #[must_use]
    pub const fn new(template: String) -> Self {
        Self { template: Some(template) }
    }

    /// What links are made from; `None` where there are none.
    #[must_use]
    pub fn template(&self) -> Option<&str> {
        self.template.as_deref()
    }

    /// The link to `case`, if there are links.
    #[must_use]
    pub fn to(&self, case: CaseId) -> Option<String> {
        self.template.as_ref().map(|template| template.replace(Self::PLACE, &case.to_string()))
    }
}
