//! Logs, for people or for machines, without anything that was said in a case.

use std::io::IsTerminal as _;

use tracing::level_filters::LevelFilter;
pub use tracing_subscriber::EnvFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::traces::{self, Exporter, OtlpEndpoint};
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

/// Starts logging to standard error, and has panics logged like any other failure. With a collector,
/// spans are kept for it until the exporter that is returned is started.
pub fn install(
    format: LogFormat,
    filter: EnvFilter,
    collector: Option<&OtlpEndpoint>,
) -> Option<Exporter> {
    let page_lines = PAGE_DIRECTIVE.parse().expect("a constant that is a directive");
    let is_json = match format {
        LogFormat::Auto => !std::io::stderr().is_terminal(),
        LogFormat::Human => false,
        LogFormat::Json => true,
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = if is_json { lines.json().flatten_event(true).boxed() } else { lines.boxed() };
    // A line is the same with traces and without.
    let no_traces = filter_fn(|metadata| metadata.target() != traces::TARGET)
        .with_max_level_hint(LevelFilter::TRACE);
    let lines = lines.with_filter(filter.add_directive(page_lines).and(no_traces));
    let (spans, exporter) = collector.map(traces::layer).unzip();
    tracing_subscriber::registry().with(lines).with(spans).init();
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(location, panic.message = message, "panic");
    }));
    exporter
}
