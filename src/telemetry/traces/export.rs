//! The way of spans to the collector. Nobody waits for it: a span that finds the queue full is dropped
//! and counted, and a collector that is down, slow or silent costs the queue and nothing more.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    Sampler, SdkTracerProvider, Span, SpanData, SpanExporter as _, SpanProcessor,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use super::TARGET;
use crate::telemetry::metrics;

/// Spans that wait to be sent, at about a kilobyte each.
const QUEUE_MAX: usize = 8_192;
const BATCH_MAX: usize = 512;
/// How long a span waits for others to go with it.
const BATCH_AFTER: Duration = Duration::from_millis(500);
/// How long the collector may take for a batch.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a stop waits for what has not been sent.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Where an OTLP collector listens for gRPC: `http://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtlpEndpoint(String);

impl FromStr for OtlpEndpoint {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const RULE: &str = "an address such as http://127.0.0.1:4317; for TLS, or to add credentials, \
                            let a collector on this machine pass the traces on";
        let address = text.strip_prefix("http://").ok_or(RULE)?;
        let address = address.strip_suffix('/').unwrap_or(address);
        let (host, port) = address.rsplit_once(':').ok_or(RULE)?;
        let is_host = !host.is_empty()
            && host.chars().all(|char| char.is_ascii_alphanumeric() || ".-_[]:".contains(char));
        if !is_host || port.parse::<u16>().is_err() {
            return Err(RULE);
        }
        Ok(Self(format!("http://{address}")))
    }
}

/// What takes the spans, and what sends them once it is started.
pub(in crate::telemetry) fn layer<S>(
    endpoint: &OtlpEndpoint,
) -> (impl Layer<S> + Send + Sync + 'static, Exporter)
where
    S: tracing::Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
{
    let (queue, spans) = mpsc::channel(QUEUE_MAX);
    let provider = SdkTracerProvider::builder()
        .with_resource(resource())
        // Callers decide for their own traces, and everything that begins here is sent.
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)))
        .with_span_processor(Queue(queue))
        .build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("urgence"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_target(false)
        .with_context_activation(false)
        .with_filter(
            filter_fn(|metadata| metadata.is_span() && metadata.target() == TARGET)
                .with_max_level_hint(LevelFilter::INFO),
        );
    (layer, Exporter { endpoint: endpoint.clone(), spans })
}

/// What all spans have in common. Made from nothing: the library's own would add what it finds in the
/// environment.
fn resource() -> Resource {
    let service = KeyValue::new("service.name", "urgence");
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    Resource::builder_empty().with_attributes([service, version]).build()
}

/// The near end of the queue. It never waits.
struct Queue(mpsc::Sender<SpanData>);

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Queue")
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.0.try_send(span).is_err() {
            metrics::spans_dropped(1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// The library cannot make an exporter of what it was given.
#[derive(Debug, thiserror::Error)]
#[error("traces cannot be exported: {problem}")]
pub struct ExporterError {
    problem: String,
}

/// The far end of the queue, which keeps spans until it is started.
pub struct Exporter {
    endpoint: OtlpEndpoint,
    spans: mpsc::Receiver<SpanData>,
}

impl Exporter {
    /// Begins to send, on the current runtime. A collector that is not there yet is no error.
    ///
    /// # Errors
    /// The endpoint is no address, or a variable of the environment that begins with `OTEL_` is wrong.
    pub fn start(self) -> Result<Exporting, ExporterError> {
        let built = opentelemetry_otlp::SpanExporter::builder()
            .with_tonic()
            .with_endpoint(self.endpoint.0)
            .with_timeout(EXPORT_TIMEOUT)
            .build();
        let mut exporter = built.map_err(|error| ExporterError { problem: error.to_string() })?;
        exporter.set_resource(&resource());
        let stop = CancellationToken::new();
        let sender = Sender { exporter, spans: self.spans, batch: Vec::new(), is_failing: false };
        let sending = tokio::spawn(sender.run(stop.clone()));
        Ok(Exporting { stop, sending })
    }
}

/// Spans are being sent.
pub struct Exporting {
    stop: CancellationToken,
    sending: JoinHandle<()>,
}

impl Exporting {
    /// Sends what is left, for at most two seconds.
    pub async fn stop(self) {
        self.stop.cancel();
        // If it has panicked, that has been logged.
        _ = self.sending.await;
    }
}

struct Sender {
    exporter: opentelemetry_otlp::SpanExporter,
    spans: mpsc::Receiver<SpanData>,
    batch: Vec<SpanData>,
    is_failing: bool,
}

impl Sender {
    async fn run(mut self, stop: CancellationToken) {
        let given_up = async {
            stop.cancelled().await;
            sleep(FLUSH_TIMEOUT).await;
        };
        tokio::select! {
            () = self.send_all(&stop) => {}
            () = given_up => tracing::warn!("not all traces were exported before the stop"),
        }
    }

    /// Sends until `stop`, and then what is left.
    async fn send_all(&mut self, stop: &CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => self.collect_waiting(),
                () = self.collect() => {}
            }
            if self.batch.is_empty() {
                return;
            }
            self.send().await;
        }
    }

    /// Collects a batch: a full one, or what comes within a moment of its first. May be dropped at any
    /// time; what was collected stays.
    async fn collect(&mut self) {
        self.spans.recv_many(&mut self.batch, BATCH_MAX).await;
        let others = async {
            while self.batch.len() < BATCH_MAX {
                let room = BATCH_MAX - self.batch.len();
                if self.spans.recv_many(&mut self.batch, room).await == 0 {
                    return;
                }
            }
        };
        // It is sent as it is when the moment has passed.
        _ = timeout(BATCH_AFTER, others).await;
    }

    fn collect_waiting(&mut self) {
        while self.batch.len() < BATCH_MAX
            && let Ok(span) = self.spans.try_recv()
        {
            self.batch.push(span);
        }
    }

    async fn send(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        let count = batch.len();
        let problem = match timeout(EXPORT_TIMEOUT, self.exporter.export(batch)).await {
            Ok(Ok(())) => {
                if std::mem::take(&mut self.is_failing) {
                    tracing::info!("traces are exported again");
                }
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", EXPORT_TIMEOUT.as_secs()),
        };
        metrics::spans_dropped(count);
        if !std::mem::replace(&mut self.is_failing, true) {
            tracing::warn!(
                problem,
                "traces cannot be exported and are dropped; nothing else is held up"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{Tracer as _, TracerProvider as _};
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tokio::sync::mpsc;

    use super::{OtlpEndpoint, Queue};

    #[test]
    fn what_finds_the_queue_full_is_dropped_without_a_wait() {
        let (queue, mut spans) = mpsc::channel(2);
        let provider = SdkTracerProvider::builder().with_span_processor(Queue(queue)).build();
        let tracer = provider.tracer("test");
        for name in ["first", "second", "third"] {
            drop(tracer.start(name));
        }
        assert_eq!(spans.len(), 2);
        assert!(spans.try_recv().is_ok_and(|span| span.name == "first"));
        drop(tracer.start("fourth"));
        assert_eq!(spans.len(), 2);
    }

    #[test]
    fn an_endpoint_is_a_plain_address() {
        for right in ["http://127.0.0.1:4317", "http://[::1]:4317", "http://otel-collector:4317/"] {
            assert!(right.parse::<OtlpEndpoint>().is_ok(), "{right}");
        }
        for wrong in [
            "",
            "127.0.0.1:4317",
            "https://collector:4317",
            "http://collector",
            "http://:4317",
            "http://user:word@collector:4317",
            "http://collector:4317/v1/traces",
            "http://collector:4317?token=1",
        ] {
            assert!(wrong.parse::<OtlpEndpoint>().is_err(), "{wrong}");
        }
    }
}
