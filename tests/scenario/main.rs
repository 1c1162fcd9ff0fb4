//! Whole stories, told through the contract: the real services over the memory twin, whose clock
//! moves when the story says so. Between two instants the timer does what fell due.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::pedantic,
    reason = "a test's modules are read by each other only, and a panic is how it fails"
)]

mod fraud;
mod purged;
mod stage;
mod surge;
mod terrorism;
