//! What becomes of what is sealed.

use ::metrics::{Unit, counter, describe_counter};

pub(super) const RESEALED: &str = "urgence_resealed_cases_total";
pub(super) const DATA_KEYS_DESTROYED: &str = "urgence_data_keys_destroyed_total";
pub(super) const LOG_REWRITES: &str = "urgence_log_rewrites_total";
pub(super) const SEAL_FAILURES: &str = "urgence_seal_failures_total";

/// What could not be done.
#[derive(Clone, Copy, Debug)]
pub enum SealFailure {
    /// Sealing what was said: it was not stored.
    Seal,
    /// Opening what was sealed.
    Open,
    /// Sealing an ended case anew; it is tried again.
    Reseal,
    /// Destroying a key; it is tried again.
    Destroy,
    /// Having Redis write its log anew; it is tried again.
    Rewrite,
    /// Reading the file of the keys, or making the keys of this month and the next ahead; it is tried
    /// again. Nothing is lost yet.
    Keys,
}

const FAILURES: [(SealFailure, &str); 6] = [
    (SealFailure::Seal, "seal"),
    (SealFailure::Open, "open"),
    (SealFailure::Reseal, "reseal"),
    (SealFailure::Destroy, "destroy"),
    (SealFailure::Rewrite, "rewrite"),
    (SealFailure::Keys, "keys"),
];

pub(super) fn describe() {
    describe_counter!(RESEALED, Unit::Count, "Ended cases that were sealed anew");
    describe_counter!(DATA_KEYS_DESTROYED, Unit::Count, "Data keys that were destroyed");
    describe_counter!(LOG_REWRITES, Unit::Count, "How often Redis was asked to write its log anew");
    describe_counter!(SEAL_FAILURES, Unit::Count, "What could not be sealed, opened or destroyed");
}

pub(super) fn zero() {
    for name in [RESEALED, DATA_KEYS_DESTROYED, LOG_REWRITES] {
        counter!(name).increment(0);
    }
    for (_, word) in FAILURES {
        counter!(SEAL_FAILURES, "operation" => word).increment(0);
    }
}

/// Records ended cases that were sealed anew.
pub fn resealed(count: u64) {
    counter!(RESEALED).increment(count);
}

/// Records a data key that was destroyed.
pub fn data_key_destroyed() {
    counter!(DATA_KEYS_DESTROYED).increment(1);
}

/// Records that Redis was asked to write its log anew.
pub fn log_rewritten() {
    counter!(LOG_REWRITES).increment(1);
}

/// Records what could not be done.
pub fn seal_failed(failure: SealFailure) {
    let word = FAILURES[failure as usize].1;
    counter!(SEAL_FAILURES, "operation" => word).increment(1);
}
