//! The edge: wire messages, services, identity, status. Nothing else knows gRPC.

mod allowances;
pub mod client;
pub mod codec;
mod connection;
mod convert;
mod deadline;
mod desk_service;
mod desks;
mod entries;
mod guard;
mod identity;
mod intake_service;
mod oversight_service;
mod records;
mod refusals;
mod serve;
mod server;
mod standings;
mod status;
mod submission;
mod tokens;
mod watching;

pub use convert::submission_of;
pub use desks::Desks;
pub use server::{
    GrpcServer, HealthReporter, MESSAGE_BYTES_MAX, ServerError, set_serving, set_stopped,
};

/// An error of a library and what caused it.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        said = format!("{said}: {cause}");
        source = cause.source();
    }
    said
}

/// The contract's messages and services, as compiled from `proto/`.
pub mod wire {
    #![allow(
        clippy::all,
        clippy::pedantic,
        unused_qualifications,
        reason = "generated code follows its generator's taste"
    )]

    include!(concat!(env!("OUT_DIR"), "/urgence.v1.rs"));

    /// The contract as a serialized `FileDescriptorSet`, for reflection.
    pub const FILE_DESCRIPTOR_SET: &[u8] =
        include_bytes!(concat!(env!("OUT_DIR"), "/urgence.binpb"));

    // What was said is never printed.
    include!(concat!(env!("OUT_DIR"), "/redacted.rs"));
}
