//! The sink that is always there: one structured log line per page.

use super::{Sink, SinkError};
use crate::core::Page;
use crate::core::time::millis;

/// Writes each page to the log.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogSink;

impl Sink for LogSink {
    async fn deliver(&self, page: &Page) -> Result<(), SinkError> {
        let contacts: Vec<&str> =
            page.contacts.iter().map(super::super::core::names::ContactName::as_str).collect();
        tracing::event!(
            target: "page",
            tracing::Level::WARN,
            page.key = %page.key,
            case.id = %page.key.case,
            page.clock = page.key.clock.word(),
            page.offset_ms = millis(page.key.offset),
            page.contacts = contacts.join(","),
            page.cause = page.cause.word(),
            case.band = page.band.number(),
            clock.limit_ms = page.limit_at.as_millis(),
            "page"
        );
        Ok(())
    }
}
