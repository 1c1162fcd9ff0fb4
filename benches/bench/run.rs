//! Pieces of work, and how long they took.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use urgence::clock::monotonic_now;

/// Latencies of one run.
pub(crate) struct Run {
    pub(crate) latencies: Vec<Duration>,
    pub(crate) took: Duration,
}

impl Run {
    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }

    pub(crate) fn percentile(&self, percent: f64) -> Duration {
        percentile(&self.latencies, percent)
    }

    pub(crate) fn show(&self, name: &str) {
        println!(
            "{name:<34} {:>9.0}/s   p50 {:>8.2} ms   p99 {:>8.2} ms   max {:>8.2} ms",
            self.rate(),
            ms(self.percentile(50.0)),
            ms(self.percentile(99.0)),
            ms(self.percentile(100.0)),
        );
    }
}

pub(crate) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

pub(crate) fn percentile(values: &[Duration], percent: f64) -> Duration {
    let mut sorted = values.to_vec();
    sorted.sort();
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// Does `total` pieces of work, `in_flight` of them at a time.
pub(crate) async fn drive<F>(
    in_flight: usize,
    total: usize,
    work: impl Fn(usize) -> F + Send + Sync + 'static,
) -> Run
where
    F: Future<Output = ()> + Send,
{
    let work = Arc::new(work);
    let next = Arc::new(AtomicUsize::new(0));
    let started = monotonic_now();
    let mut workers = JoinSet::new();
    for _ in 0..in_flight {
        let (work, next) = (Arc::clone(&work), Arc::clone(&next));
        workers.spawn(async move {
            let mut latencies = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= total {
                    return latencies;
                }
                let begun = monotonic_now();
                work(index).await;
                latencies.push(begun.elapsed());
            }
        });
    }
    let mut latencies = Vec::new();
    while let Some(worker) = workers.join_next().await {
        latencies.extend(worker.unwrap());
    }
    Run { latencies, took: started.elapsed() }
}

pub(crate) fn verdict_line(what: &str, found: f64, is_met: bool, wanted: &str) -> String {
    format!("{} {what}: {found:.2} (wanted {wanted})", if is_met { "met   " } else { "MISSED" })
}
