//! The share of open files that connections may have. A flood of them must not take what the links to Redis,
//! the audit log and a page under way need.

use crate::transport::Limits;

/// What the program needs beside its ports and its desks.
const OWN: u64 = 128;
/// What one desk needs: its links to Redis, its segments and their proofs.
const PER_DESK: u64 = 24;
/// The ports whose connections share what is left.
const PORTS: u64 = 2;

/// Raises the limit of open files to what these caps need, as far as the system allows, and lowers the caps
/// to what they then may have.
pub(super) fn leave_room(caps: &Limits, desks: usize) -> Limits {
    let own = OWN + PER_DESK * desks as u64;
    let wanted = own + PORTS * caps.descriptors_max();
    let open_files_max = rlimit::increase_nofile_limit(wanted).unwrap_or_else(|error| {
        tracing::warn!(%error, "the limit of open files is not known");
        wanted
    });
    if open_files_max >= wanted {
        return caps.clone();
    }
    let fitting = caps.within(open_files_max.saturating_sub(own) / PORTS);
    tracing::error!(
        open_files_max,
        wanted,
        connections_max = fitting.connections_max,
        "the limit of open files is too low for --connections-max: fewer are let in"
    );
    fitting
}
