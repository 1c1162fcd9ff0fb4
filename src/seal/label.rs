//! What one data key is for.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::core::{Case, DeskName, Incident, RetentionClass, Timestamp};

/// A month of the civil calendar in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month(Date);

impl Month {
    /// The month of an instant.
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        let millis = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
        let at = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
        Self(at.to_zoned(TimeZone::UTC).date().first_of_month())
    }

    /// The month after it.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.last_of_month().tomorrow().unwrap_or(self.0))
    }

    /// Its first instant.
    #[must_use]
    pub fn start(self) -> Timestamp {
        let start = TimeZone::UTC.to_timestamp(self.0.at(0, 0, 0, 0));
        let millis = start.map_or(0, jiff::Timestamp::as_millisecond);
        Timestamp::from_millis(u64::try_from(millis).unwrap_or(0))
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0.year(), self.0.month())
    }
}

impl FromStr for Month {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (year, month) = text.split_once('-').ok_or(())?;
        let (year, month) = (year.parse().map_err(|_| ())?, month.parse().map_err(|_| ())?);
        Date::new(year, month, 1).map(Self).map_err(|_| ())
    }
}

/// How long what is sealed is kept, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// The case has not ended.
    Open,
    /// It has; how tells how long it is kept.
    Ended(RetentionClass),
    /// The facts told of an incident.
    Incident,
}

impl Class {
    /// Every class there is.
    pub const ALL: [Self; 5] = [
        Self::Open,
        Self::Ended(RetentionClass::Disclosed),
        Self::Ended(RetentionClass::NotDisclosed),
        Self::Ended(RetentionClass::Fraud),
        Self::Incident,
    ];

    /// The class of what is said in the case as it is.
    #[must_use]
    pub fn of(case: &Case) -> Self {
        let ended = case.ended.as_ref();
        ended.map_or(Self::Open, |ended| Self::Ended(case.retention_class(ended.outcome)))
    }

    /// Its word; never renamed.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Ended(class) => class.word(),
            Self::Incident => "incident",
        }
    }

    /// The class that `word` names.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.word() == word)
    }
}

/// What one data key is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label {
    /// Whose content it seals. Each desk destroys its own keys, whichever process serves it.
    pub desk: DeskName,
    /// When that arrived.
    pub month: Month,
    /// How long it is kept.
    pub class: Class,
}

impl Label {
    /// The label of what is said in the case as it is.
    #[must_use]
    pub fn of_case(desk: &DeskName, case: &Case) -> Self {
        Self { desk: desk.clone(), month: Month::of(case.accepted_at), class: Class::of(case) }
    }

    /// The label of what is told of the incident.
    #[must_use]
    pub fn of_incident(desk: &DeskName, incident: &Incident) -> Self {
        let month = Month::of(incident.opened_at);
        Self { desk: desk.clone(), month, class: Class::Incident }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.desk, self.month, self.class.word())
    }
}
