//! The whole program, as its users meet it: the real binary, a real Redis, real gRPC.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::pedantic,
    reason = "a test's modules are read by each other only, and a panic is how it fails"
)]

#[path = "../support/mod.rs"]
mod support;

mod admission;
mod audit_log;
#[allow(dead_code, reason = "the tests of the transport need more of it")]
#[path = "../transport/authority.rs"]
mod authority;
mod bad_input;
mod calls;
mod canaries;
mod claims_and_answers;
mod clocks;
mod desks;
mod every_method;
mod fingerprint_key;
mod foreign;
mod incidents;
mod judgements;
mod load;
mod manual;
mod messages;
mod one_desk;
mod outages;
mod outcomes;
mod oversight;
mod pages;
mod portal;
mod raw;
mod record;
mod reload;
mod rpc;
mod seen;
mod service;
mod stop;
mod traces;
mod transparency;
mod trust;
mod unseen;
mod unserved;
mod watching;
