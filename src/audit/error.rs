//! Why a replica's log cannot be gone on with.

use std::io;

use super::verify::Fault;

/// The log cannot be gone on with.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A file cannot be read or written.
    #[error("{operation} in {directory}: {source}")]
    File {
        /// What was tried.
        operation: &'static str,
        /// The directory of the log.
        directory: String,
        /// Why it failed.
        source: io::Error,
    },
    /// Another process writes the log.
    #[error("another process writes the log in {directory}; give each its own --audit-dir")]
    Taken {
        /// The directory of the log.
        directory: String,
    },
    /// The files are not what they were when they were signed.
    #[error("the log in {directory} is not what was signed: {fault}")]
    Broken {
        /// The directory of the log.
        directory: String,
        /// The first thing that is wrong.
        fault: Fault,
    },
}
