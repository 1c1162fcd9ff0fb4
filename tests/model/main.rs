//! The functional core between two replicas, a store that compares and sets, timers, people and a bad
//! network: every interleaving there is, within bounds.
//!
//! The bounds of all scenarios are those of `desk.rs`: two decisions in hand at once, each at most a
//! tick old when it is committed; those of each are its ticks and how often each person acts. How often
//! messages are lost or repeated, replicas stop and timers fire is not bounded. The clock of the store
//! never goes back.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::pedantic,
    clippy::print_stdout,
    reason = "a test's modules are read by each other only, and a panic is how it fails"
)]

mod always;
mod answers;
mod claims;
mod clocks;
mod deadlines;
mod desk;
mod disclosure;
mod ledger;
mod policy;
mod submit;
mod suspension;
mod wish;
mod world;

use stateright::{Checker, HasDiscoveries, Model};

use crate::desk::{Desk, Scenario};

/// Walks every world that the scenario can reach, and fails unless each rule holds in all of them
/// and each thing that should be possible is found.
fn check(name: &str, scenario: &'static Scenario) {
    // Only a failure ends the search early; without one, done means that there is nothing left.
    let checker = Desk(scenario).checker().threads(1).finish_when(HasDiscoveries::AnyFailures);
    let checker = checker.spawn_bfs().join();
    let worlds = checker.unique_state_count();
    println!(
        "{name}: {worlds} worlds, {} steps deep, {} steps taken",
        checker.max_depth(),
        checker.state_count(),
    );
    checker.assert_properties();
    assert!(checker.is_done(), "{name}: something was left out");
    assert!(worlds >= scenario.worlds_min, "{name}: {worlds} worlds are fewer than there were");
}
