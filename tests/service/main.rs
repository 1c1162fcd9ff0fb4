//! The whole program, as its users meet it: the real binary, a real Redis, real gRPC.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::pedantic,
    reason = "a test's modules are read by each other only, and a panic is how it fails"
)]

#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod foreign;
mod load;
mod outages;
mod record;
mod rpc;
mod seen;
mod service;
mod stop;
