//! What may be asked for and under which instrument: the words that reports are made of.

use super::words::words;

words! {
    /// A category of data, as Regulation (EU) 2023/1543 divides it, and live location.
    pub enum DataCategory {
        /// Who the subscriber is.
        Subscriber = "subscriber",
        /// IP addresses and ports, for the sole purpose of identifying a user.
        UserIdentification = "user_identification",
        /// Who communicated with whom, when and from where.
        Traffic = "traffic",
        /// What was said or stored.
        Content = "content",
        /// Where a device is now.
        LiveLocation = "live_location",
    }
}

words! {
    /// The legal instrument that a request rests on.
    pub enum Instrument {
        /// None yet: the emergency itself.
        EmergencyRequest = "emergency_request",
        /// A court's order.
        CourtOrder = "court_order",
        /// A European production order.
        ProductionOrder = "e_evidence_production_order",
        /// A European production order in an emergency.
        EmergencyProductionOrder = "e_evidence_emergency_production_order",
        /// A European preservation order.
        PreservationOrder = "e_evidence_preservation_order",
        /// A request for mutual legal assistance.
        MutualLegalAssistance = "mutual_legal_assistance",
        /// An order of national law.
        NationalOrder = "national_order",
    }
}

impl Instrument {
    /// Whether the issuing authority, not the provider, tells the person concerned.
    #[must_use]
    pub const fn is_notified_by_issuer(self) -> bool {
        match self {
            Self::ProductionOrder | Self::EmergencyProductionOrder | Self::PreservationOrder => {
                true
            }
            Self::EmergencyRequest
            | Self::CourtOrder
            | Self::MutualLegalAssistance
            | Self::NationalOrder => false,
        }
    }
}

words! {
    /// Who a target is, where that protects them: a jurist must be among those who approve.
    pub enum Protection {
        /// The press, whose sources are protected.
        Press = "press",
        /// A profession bound to secrecy, such as lawyers, doctors and clergy.
        PrivilegedProfession = "privileged_profession",
    }
}
