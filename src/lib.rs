//! `urgence`: the queue and the clock of a provider's 24/7 law-enforcement response desk.

pub mod app;
pub mod audit;
pub mod auditor;
pub mod cli;
pub mod clock;
pub mod config;
pub mod core;
pub mod desk;
pub mod fingerprint;
pub mod grpc;
pub mod http;
pub mod key_file;
pub mod outbound;
pub mod pager;
pub mod redis_server;
pub mod registry;
pub mod seal;
pub mod sign;
pub mod simulate;
pub mod store;
mod svg;
pub mod telemetry;
pub mod timer;
pub mod transparency;
pub mod transport;
mod wording;
