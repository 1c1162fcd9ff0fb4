//! The functional core: tables, an exhaustive walk, and properties against an oracle.

#![allow(unreachable_pub, reason = "the modules of a test are read by each other only")]

mod intake;
mod make;
mod policy;
mod properties;
mod tables;
mod walk;
