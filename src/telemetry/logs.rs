//! Logs, for people or for machines, without anything that was said in a case.

use std::io::IsTerminal as _;

pub use tracing_subscriber::EnvFilter;

use crate::core::words;

words! {
    /// How log lines look.
    pub enum LogFormat {
        /// Human lines on a terminal, JSON elsewhere.
        Auto = "auto",
        /// For people.
        Human = "human",
        /// One JSON object per line.
        Json = "json",
    }
}

/// Pages are logged under a target of their own, which no filter silences.
const PAGE_DIRECTIVE: &str = "page=info";

/// Starts logging to standard error, and has panics logged like any other failure.
pub fn install(format: LogFormat, filter: EnvFilter) {
    let page_lines = PAGE_DIRECTIVE.parse().expect("a constant that is a directive");
    let filter = filter.add_directive(page_lines);
    let is_json = match format {
        LogFormat::Auto => !std::io::stderr().is_terminal(),
        LogFormat::Human => false,
        LogFormat::Json => true,
    };
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if is_json {
        lines.json().flatten_event(true).init();
    } else {
        lines.init();
    }
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(location, panic.message = message, "panic");
    }));
}
