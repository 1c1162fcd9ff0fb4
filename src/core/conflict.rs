//! A conflict of law over one category of data. What does not conflict goes out all the same.

use super::names::Subject;
use super::time::Timestamp;
use super::words::words;

words! {
    /// Whether a conflict forbids that the category goes out.
    pub enum Stance {
        /// It stands: the category cannot be disclosed.
        Stands = "stands",
        /// A second person, a jurist, has found that it does not.
        Lifted = "lifted",
    }
}

/// A recorded conflict with the law of one country. The law and the reasons are in the sealed record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Whether it stands.
    pub stance: Stance,
    /// Who recorded it first.
    pub recorded_by: Subject,
    /// When that was.
    pub recorded_at: Timestamp,
    /// Who lifted it.
    pub lifted_by: Option<Subject>,
}
