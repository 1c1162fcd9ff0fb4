//! The sink that is always there: one structured log line per page.

use crate::core::time::millis;
use crate::pager::notice::{About, Notice, Phase};

/// Writes each page to the log.
#[derive(Clone, Copy, Debug, Default)]
pub struct Log;

impl Log {
    /// Writes the line.
    pub fn write(self, notice: &Notice, phase: Phase) {
        let contacts = notice.contacts_in_a_row();
        match (phase, &notice.about) {
            (Phase::Fire, About::Rung { key, band, limit_at, cause, .. }) => tracing::event!(
                target: "page",
                tracing::Level::WARN,
                page.key = %key,
                case.id = %key.case,
                page.clock = key.clock.word(),
                page.offset_ms = millis(key.offset),
                page.contacts = contacts,
                page.cause = cause.word(),
                case.band = band.number(),
                clock.limit_ms = limit_at.as_millis(),
                page.is_store_unreachable = notice.is_store_unreachable.then_some(true),
                "page"
            ),
            (Phase::Fire, About::Test { key }) => tracing::event!(
                target: "page",
                tracing::Level::WARN,
                page.key = key,
                page.contacts = contacts,
                "test page"
            ),
            (Phase::Resolve, About::Rung { .. } | About::Test { .. }) => tracing::event!(
                target: "page",
                tracing::Level::INFO,
                page.key = notice.key(),
                page.contacts = contacts,
                "page resolved"
            ),
        }
    }
}
