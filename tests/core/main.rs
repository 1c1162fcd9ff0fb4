//! The functional core: tables, an exhaustive walk, and properties against an oracle.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::pedantic,
    reason = "a test's modules are read by each other only, and a panic is how it fails"
)]

mod intake;
mod make;
mod policy;
mod properties;
mod tables;
mod walk;
