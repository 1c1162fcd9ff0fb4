//! The record that both sides can check: the desk's stream of events as a log that every replica derives
//! alike, whose tree (RFC 6962) is signed at fixed sizes, with proofs and receipts that are checked
//! offline with a public key alone.
//!
//! - The log is a fold over the stream, so nobody writes it and nobody can be asked to leave a line out;
//!   each replica has its own files outside Redis. `entry` says what is hashed and why.
//! - A replica without files starts at the edge that Redis keeps. The stream is never trimmed beyond it.
//! - A stream that is shorter than the log, or another one, stops the log: what was signed is never
//!   signed otherwise, and files are only appended to.

mod checkpoint;
mod edge_state;
pub mod entry;
mod error;
mod follower;
mod hashes;
mod log;
mod proof;
mod receipt;
mod record;
mod segment;
pub mod tree;
mod verify;

use std::time::Duration;

pub use checkpoint::Checkpoint;
pub use entry::Entry;
pub use error::LogError;
pub use follower::{Follower, Halt};
pub use log::{Log, LogSettings};
pub use proof::Proof;
pub use receipt::{FirstResponse, Receipt, Unproven, check_first_response, check_receipt};
pub use record::{NotYet, Record, RecordError, ShownEntry};
pub use verify::{Fault, Place, Verified, verify};

/// Every replica signs the log at each multiple of so many entries.
pub const SEAL_EVERY: u64 = 64;
/// How many entries a segment holds: a few megabytes.
pub const SEGMENT_LEN: u64 = 8_192;
/// No entry waits longer: the log is signed as it is then, so that a proof is there in about a minute.
pub const UNSIGNED_MAX: Duration = Duration::from_mins(1);
