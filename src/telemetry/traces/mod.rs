//! Traces: the spans of a call, of what it commits and of the pages that follow, sent to an OTLP
//! collector where one is named.
//!
//! Every span is made here, so that this page shows all that a trace can tell of a case: its id, and
//! nothing that was said in it or who said it. Log lines are no part of a trace.

mod export;
mod parent;

use tracing::Span;
use tracing::field::{Empty, display};

use crate::core::{CaseId, Page};

pub(super) use export::layer;
pub use export::{Exporter, ExporterError, Exporting, OtlpEndpoint};
pub use parent::TraceParent;

/// The target of all spans that are exported; log lines never show these, a trace shows no others.
pub(super) const TARGET: &str = "urgence::trace";

/// The span of a call of `path`, such as `/urgence.v1.IntakeService/Submit`, which must be one of the
/// server's own methods. It goes on from `parent`, which the caller sent and which may be anything.
#[must_use]
pub fn rpc(path: &str, parent: Option<&str>) -> Span {
    let name = path.trim_start_matches('/');
    let (service, method) = name.rsplit_once('/').unwrap_or(("", name));
    let span = tracing::info_span!(
        target: TARGET,
        parent: None,
        "rpc",
        otel.name = name,
        otel.kind = "server",
        rpc.system = "grpc",
        rpc.service = service,
        rpc.method = method,
        rpc.grpc.status_code = Empty,
        case.id = Empty,
    );
    if let Some(parent) = parent.and_then(TraceParent::parse) {
        parent.continue_in(&span);
    }
    span
}

/// Notes the code with which a call was answered.
pub fn answered(rpc: &Span, code: i32) {
    rpc.record("rpc.grpc.status_code", code);
}

/// Notes in the current call which case it is about, once that is known.
pub fn about(id: CaseId) {
    Span::current().record("case.id", display(id));
}

/// The span of a wake, which is the beginning of a trace.
#[must_use]
pub fn wake(id: CaseId) -> Span {
    tracing::info_span!(target: TARGET, parent: None, "wake", case.id = %id)
}

/// The span of one write, in whatever wants it.
#[must_use]
pub fn commit(id: CaseId) -> Span {
    tracing::info_span!(target: TARGET, "commit", case.id = %id, outcome = Empty)
}

/// Notes what became of a write, in a word of a closed list.
pub fn committed(commit: &Span, outcome: &'static str) {
    commit.record("outcome", outcome);
}

/// The span of handing a page to a sink of this kind. It goes on from the commit that wanted the page.
#[must_use]
pub fn page(parent: Option<&TraceParent>, page: &Page, sink: &'static str) -> Span {
    let span = tracing::info_span!(
        target: TARGET,
        parent: None,
        "page",
        case.id = %page.key.case,
        page.key = %page.key,
        page.clock = page.key.clock.word(),
        sink,
    );
    if let Some(parent) = parent {
        parent.continue_in(&span);
    }
    span
}
