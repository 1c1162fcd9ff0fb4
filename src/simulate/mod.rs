//! Plan a night before it comes: the same `decide` that serves, under a virtual clock.
//!
//! Requests, people and portals are made up, from a seed; every rule is the core's. A night is a
//! queue of happenings: requests come, cases wake when they said they must, people look up from
//! their work, shifts relieve each other. The clock jumps from one to the next.

mod agenda;
mod arrivals;
mod chance;
mod chart;
mod desk;
mod night;
mod options;
mod portal;
mod report;
mod search;
mod shift;
mod staff;
mod tally;
mod text;
mod wording;

pub use options::{BadOption, BadResponders, Options, Responders, Scenario};
pub use report::{CaseFigures, HourFigures, IncidentShares, Report, Sample, Waits, Who};
pub use search::{Goal, Staffing, Trial, search};
pub use shift::Shift;
pub use tally::{Pages, Passed, Tally};

/// Lets one night go by.
///
/// # Panics
/// If [`Options::check`] refuses the options.
#[must_use]
pub fn run(options: &Options) -> Report {
    options.check().expect("the options were checked");
    night::Night::new(options).run()
}
