//! What a request is about, and what urgency follows from it.

use super::words::words;

words! {
    /// The nature of a request, as its sender declares it.
    ///
    /// The public promise of 4 May 2016 names terrorism, crimes that put lives in danger and a missing
    /// child. Every nature but [`Nature::Routine`] is one of these.
    pub enum Nature {
        /// An attack is under way.
        TerrorismInProgress = "terrorism_in_progress",
        /// An attack is expected.
        TerrorismImminent = "terrorism_imminent",
        /// A person's life is threatened.
        ThreatToLife = "threat_to_life",
        /// A person is, or is about to be, seriously injured.
        SeriousInjury = "serious_injury",
        /// A person is held against their will.
        Kidnapping = "kidnapping",
        /// A child is missing.
        MissingChild = "missing_child",
        /// A person who cannot look after themselves is missing.
        MissingVulnerableAdult = "missing_vulnerable_adult",
        /// A person may be about to take their own life.
        SuicideRisk = "suicide_risk",
        /// A child is being abused now.
        ChildSexualAbuseOngoing = "child_sexual_abuse_ongoing",
        /// A bomb threat.
        BombThreat = "bomb_threat",
        /// A threat against a school.
        SchoolThreat = "school_threat",
        /// Lives depend on an infrastructure that is under attack.
        CriticalInfrastructure = "critical_infrastructure",
        /// No life is in danger; an ordinary request.
        Routine = "routine",
    }
}

words! {
    /// Which promise a nature carries.
    pub enum Class {
        /// A first response within the public 20 to 30 minutes.
        Emergency = "emergency",
        /// The slower promise of everything else.
        Routine = "routine",
    }
}

impl Nature {
    /// The promise this nature carries.
    #[must_use]
    pub const fn class(self) -> Class {
        match self {
            Self::TerrorismInProgress
            | Self::TerrorismImminent
            | Self::ThreatToLife
            | Self::SeriousInjury
            | Self::Kidnapping
            | Self::MissingChild
            | Self::MissingVulnerableAdult
            | Self::SuicideRisk
            | Self::ChildSexualAbuseOngoing
            | Self::BombThreat
            | Self::SchoolThreat
            | Self::CriticalInfrastructure => Class::Emergency,
            Self::Routine => Class::Routine,
        }
    }
}

/// Urgency class: 0 is the most urgent, [`Band::LEAST_URGENT`] the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Band(u8);

impl Band {
    /// Where the target rung lifts an unanswered emergency.
    pub const MOST_URGENT: Self = Self(0);
    /// The last band there is. Few bands keep metrics bounded and the order sayable.
    pub const LEAST_URGENT: Self = Self(7);

    /// The band with this number, 0 to 7.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if number <= Self::LEAST_URGENT.0 { Some(Self(number)) } else { None }
    }

    /// The band's number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Every band, the most urgent first.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..=Self::LEAST_URGENT.0).map(Self)
    }
}
