//! Where a trace goes on: the `traceparent` of W3C Trace Context, and nothing else of it. What callers
//! send beside it (`tracestate`, `baggage`) is free text, so it is never read.

use std::fmt;

use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// A place in a trace: `00-<trace, 32 hex digits>-<span, 16>-<flags, 2>`, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceParent(String);

impl TraceParent {
    /// Reads what a caller or the store says; `None` when it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace, span, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_hex = |part: &str, digits: usize| {
            part.len() == digits
                && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let is_id = |part: &str, digits: usize| {
            is_hex(part, digits) && part.bytes().any(|byte| byte != b'0')
        };
        let is_whole = parts.next().is_none() && version == "00" && is_hex(flags, 2);
        (is_whole && is_id(trace, 32) && is_id(span, 16)).then(|| Self(text.to_owned()))
    }

    /// The place of `span`; `None` where nothing is exported.
    #[must_use]
    pub fn of(span: &Span) -> Option<Self> {
        let context = span.context();
        let context = context.span().span_context().clone();
        context.is_valid().then(|| {
            let (trace, span) = (context.trace_id(), context.span_id());
            Self(format!("00-{trace}-{span}-{:02x}", context.trace_flags()))
        })
    }

    /// As it is sent and stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Has `span`, which must not have begun to work, go on here.
    pub fn continue_in(&self, span: &Span) {
        let mut parts = self.0.split('-').skip(1);
        let mut part = || parts.next().unwrap_or_default();
        // Both are hexadecimal digits of the right number, or this could not have been made.
        let trace = TraceId::from_hex(part()).unwrap_or(TraceId::INVALID);
        let parent = SpanId::from_hex(part()).unwrap_or(SpanId::INVALID);
        let flags = TraceFlags::new(u8::from_str_radix(part(), 16).unwrap_or_default());
        let context = SpanContext::new(trace, parent, flags, true, TraceState::NONE);
        // Refused where nothing is exported.
        _ = span.set_parent(opentelemetry::Context::new().with_remote_span_context(context));
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use super::TraceParent;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

    #[test]
    fn only_what_is_a_traceparent_is_one() {
        for flags in ["00", "01", "ff"] {
            let text = format!("00-{TRACE}-b7ad6b7169203331-{flags}");
            assert_eq!(TraceParent::parse(&text).unwrap().as_str(), text);
        }
        for wrong in [
            String::new(),
            "00".to_owned(),
            format!("00-{TRACE}-b7ad6b7169203331"),
            format!("00-{TRACE}-b7ad6b7169203331-01-more"),
            format!("01-{TRACE}-b7ad6b7169203331-01"),
            format!("00-{}-b7ad6b7169203331-01", TRACE.to_uppercase()),
            format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{}-b7ad6b7169203331-01", &TRACE[1..]),
            format!("00-{TRACE}-b7ad6b716920333g-01"),
            format!("00-{TRACE}-b7ad6b7169203331-1"),
            format!(" 00-{TRACE}-b7ad6b7169203331-01"),
            format!("00-{TRACE}-b7ad6b716920333\u{e9}-01"),
        ] {
            assert_eq!(TraceParent::parse(&wrong), None, "{wrong}");
        }
    }
}
