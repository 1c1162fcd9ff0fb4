//! The way in: who is let in, who is not, and that nobody can keep the others out.

#![allow(
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    clippy::pedantic,
    reason = "a test's modules are read by each other only, and a panic is how it fails"
)]

#[path = "../service/service.rs"]
mod service;
#[path = "../support"]
mod support {
    pub(crate) mod redis;
    pub(crate) mod wait;
}

mod abuse;
mod authority;
mod caps;
mod certificates;
mod client;
mod dev_certs;
mod frames;
mod program;
mod reload;
mod stage;
