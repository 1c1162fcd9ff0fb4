//! The functional core: tables, an exhaustive walk, and properties against an oracle.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::pedantic,
    reason = "a test's modules are read by each other only, and a panic is how it fails"
)]

mod coverage;
mod fingerprints;
mod intake;
mod likely_duplicates;
mod make;
mod oracle;
mod policy;
mod properties;
mod tables;
mod tables_accept;
mod tables_answers;
mod tables_claims;
mod tables_clocks;
mod tables_disclosure;
mod tables_duties;
mod tables_incidents;
mod tables_outcome;
mod tables_pages;
mod tables_pages_closed;
mod tables_pages_sent;
mod tables_pauses;
mod tables_portal;
mod tables_reclassify;
mod tables_record;
mod tables_retention;
mod tables_risks;
mod tables_standing;
mod tables_verification;
mod transparency;
mod walk;
mod walk_everything;
mod walk_pages;
mod walk_record;
mod walk_rules;
mod walk_themes;
