//! What watches the service: alert rules, runbook and dashboard, held to each other, to the metrics of
//! the real program, and to a real Prometheus and Alertmanager.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::pedantic,
    reason = "a test's modules are read by each other only, and a panic is how it fails"
)]

#[path = "../support/mod.rs"]
mod support;

#[allow(dead_code, reason = "shared with the tests of the service; a part is used here")]
#[path = "../service/service.rs"]
mod service;

mod catalogue;
mod dashboard;
mod delivered;
mod files;
mod promql;
mod rules;
mod runbook;
