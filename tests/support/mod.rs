//! What the test binaries share: a real Redis, a faulty network in front of it, builders, patience.
#![allow(dead_code, reason = "each test binary includes all of this and uses a part")]

pub(crate) mod make;
pub(crate) mod prometheus;
pub(crate) mod proxy;
pub(crate) mod receiver;
pub(crate) mod redis;
pub(crate) mod wait;
