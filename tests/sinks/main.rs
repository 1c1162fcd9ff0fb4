//! From configuration to one HTTP attempt: what a policy file says of sinks, what each of them sends,
//! what comes of an answer, and the command that shows whether a contact is reached.
#![allow(clippy::unwrap_used, clippy::pedantic, reason = "a panic is how a test fails")]

mod attempts;
mod command;
mod configuration;
mod renderings;
#[path = "../support/mod.rs"]
mod support;
mod trust;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

const DEMO: &str = include_str!("../../deploy/policy/demo.toml");
/// Every contact of the demonstration, to be reached by the sinks that stand for `SINKS`.
const CONTACTS: &str = "
[contacts]
all = SINKS
desk = SINKS
duty-manager = SINKS
executive = SINKS
head-of-desk = SINKS
legal-on-call = SINKS
shift-lead = SINKS
";
const ROUTING_KEY: &str = "R0123456789abcdefABCDEF987654321";
const BEARER_TOKEN: &str = "token-canary-77";
/// 24 bytes from `A` on, and 32 bytes from `a` on.
const WEBHOOK_SECRET: &str = "whsec_QUJDREVGR0hJSktMTU5PUFFSU1RVVldY";
const OLD_WEBHOOK_SECRET: &str = "whsec_YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXowMTIzNDU=";

/// A folder that is gone when it is dropped.
struct Folder(PathBuf);

impl Folder {
    /// With a file for each secret.
    fn with_secrets() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("urgk-{}-{count}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        let folder = Self(path);
        folder.file("routing.key", &format!("{ROUTING_KEY}\n"));
        folder.file("bearer.token", BEARER_TOKEN);
        folder.file("new.secret", WEBHOOK_SECRET);
        folder.file("old.secret", &format!("{OLD_WEBHOOK_SECRET}\n"));
        folder
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}
