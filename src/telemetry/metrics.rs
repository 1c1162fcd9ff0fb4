//! Every metric: its name, unit and labels, and the one function that records it.
//!
//! Label values come from closed lists only, and every series stands at zero from the start, since
//! a series that appears with its first event cannot be alerted on before it. Gauges that are read
//! from Redis show the same on every replica: aggregate them with `max`, counters with `sum`.

use std::time::Duration;

use ::metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use super::Figures;
use crate::core::case::Punctuality;
use crate::core::{Band, Case, Change, Class, Event, Mark, PageCause, RungRecord, Timestamp};

const ACCEPTED: &str = "urgence_requests_accepted_total";
const SUBMITS: &str = "urgence_submits_total";
const ACCEPT_SECONDS: &str = "urgence_accept_seconds";
const FIRST_RESPONSE_SECONDS: &str = "urgence_first_response_seconds";
const FIRST_RESPONSES: &str = "urgence_first_responses_total";
const BREACHES: &str = "urgence_breaches_total";
const RUNGS: &str = "urgence_rungs_total";
const RUNG_LATENESS_SECONDS: &str = "urgence_rung_lateness_seconds";
const PAGES: &str = "urgence_pages_total";
const PAGES_DELIVERED: &str = "urgence_pages_delivered_total";
const CLAIM_SECONDS: &str = "urgence_time_to_claim_seconds";
const CLAIMS: &str = "urgence_claims_total";
const CLAIMS_LOST: &str = "urgence_claims_lost_total";
const READY: &str = "urgence_queue_cases";
const UNANSWERED: &str = "urgence_unanswered_cases";
const OVERDUE: &str = "urgence_overdue_cases";
const OLDEST_SECONDS: &str = "urgence_oldest_unanswered_seconds";
const WAKES_OVERDUE: &str = "urgence_overdue_wakes";
const NEXT_WAKE_SECONDS: &str = "urgence_next_wake_seconds";
const TICK_AGE_SECONDS: &str = "urgence_timer_tick_age_seconds";
const TICK_SECONDS: &str = "urgence_timer_tick_seconds";
const FAILED_WAKES: &str = "urgence_failed_wakes";
const EVENTS: &str = "urgence_events";
const EVENTS_TRIMMED: &str = "urgence_events_trimmed_total";
const EVENTS_PARKED: &str = "urgence_events_parked";
const OUTBOX_AGE_SECONDS: &str = "urgence_outbox_age_seconds";
const CLOCK_OFFSET_SECONDS: &str = "urgence_clock_offset_seconds";
const CLOCK_JUMPS: &str = "urgence_clock_jumps_total";
const COMMIT_SECONDS: &str = "urgence_commit_seconds";
const COMMIT_BATCH: &str = "urgence_commit_batch_writes";
const COMMIT_RETRIES: &str = "urgence_commit_retries_total";
const REDIS_UP: &str = "urgence_redis_up";
const REDIS_DURABLE: &str = "urgence_redis_durable";
const REDIS_MEMORY: &str = "urgence_redis_memory_bytes";
const REDIS_MEMORY_MAX: &str = "urgence_redis_memory_max_bytes";
const RPCS: &str = "urgence_rpcs_total";
const RPC_SECONDS: &str = "urgence_rpc_seconds";
const WATCHES: &str = "urgence_watches";
const FIGURES_AGE_SECONDS: &str = "urgence_figures_age_seconds";
const BUILD: &str = "urgence_build_info";

/// The built-in promises, 1200 s and 1800 s, are edges, so that the share within each is exact.
const WAIT_EDGES: &[f64] = &[
    1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_080.0, 1_200.0, 1_320.0, 1_500.0,
    1_680.0, 1_800.0, 2_100.0, 2_700.0, 3_600.0, 7_200.0, 14_400.0, 28_800.0, 86_400.0, 259_200.0,
];
const LATENESS_EDGES: &[f64] =
    &[0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 600.0];
const LATENCY_EDGES: &[f64] =
    &[0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];
const BATCH_EDGES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// What became of a Submit.
#[derive(Clone, Copy, Debug)]
pub enum Submitted {
    /// A case was made.
    Accepted,
    /// It had been made before.
    Replayed,
    /// The request was at fault.
    Refused,
    /// It could not be stored, or not be known to be.
    Failed,
}

const SUBMITTED: [(Submitted, &str); 4] = [
    (Submitted::Accepted, "accepted"),
    (Submitted::Replayed, "replayed"),
    (Submitted::Refused, "refused"),
    (Submitted::Failed, "failed"),
];

/// Installs the recorder, describes every metric and sets every series to zero. Call it once,
/// before anything records; then have [`PrometheusHandle::run_upkeep`] run every few seconds.
///
/// # Errors
/// Another recorder is installed.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let mut builder = PrometheusBuilder::new();
    for (name, edges) in [
        (FIRST_RESPONSE_SECONDS, WAIT_EDGES),
        (CLAIM_SECONDS, WAIT_EDGES),
        (RUNG_LATENESS_SECONDS, LATENESS_EDGES),
        (ACCEPT_SECONDS, LATENCY_EDGES),
        (COMMIT_SECONDS, LATENCY_EDGES),
        (TICK_SECONDS, LATENCY_EDGES),
        (RPC_SECONDS, LATENCY_EDGES),
        (COMMIT_BATCH, BATCH_EDGES),
    ] {
        builder = builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), edges)?;
    }
    let handle = builder.install_recorder()?;
    describe_cases();
    describe_machinery();
    zero();
    Ok(handle)
}

fn describe_cases() {
    describe_counter!(ACCEPTED, Unit::Count, "Requests that became cases, by band");
    describe_counter!(SUBMITS, Unit::Count, "Calls of Submit, by what became of them");
    describe_histogram!(ACCEPT_SECONDS, Unit::Seconds, "From a valid request to a durable case");
    describe_histogram!(
        FIRST_RESPONSE_SECONDS,
        Unit::Seconds,
        "From acceptance to first response, by band; what is still unanswered is not in it"
    );
    describe_counter!(FIRST_RESPONSES, Unit::Count, "First responses, by band and punctuality");
    describe_counter!(
        BREACHES,
        Unit::Count,
        "Targets and limits that passed unanswered, counted when they passed"
    );
    describe_counter!(RUNGS, Unit::Count, "Rungs passed: fired or quieted, on time or late");
    describe_histogram!(RUNG_LATENESS_SECONDS, Unit::Seconds, "How late rungs were recorded");
    describe_counter!(PAGES, Unit::Count, "Pages committed, by cause");
    describe_counter!(PAGES_DELIVERED, Unit::Count, "Pages that the pager has handed on");
    describe_histogram!(CLAIM_SECONDS, Unit::Seconds, "From acceptance to each claim");
    describe_counter!(CLAIMS, Unit::Count, "Claims granted");
    describe_counter!(CLAIMS_LOST, Unit::Count, "Claims that ran out");
    describe_gauge!(READY, Unit::Count, "Cases waiting to be claimed, by band; max over replicas");
    describe_gauge!(UNANSWERED, Unit::Count, "Cases without a first response, by band; max");
    describe_gauge!(OVERDUE, Unit::Count, "Unanswered cases past their limit, by band; max");
    describe_gauge!(OLDEST_SECONDS, Unit::Seconds, "The longest unanswered wait, by band; max");
}

fn describe_machinery() {
    describe_gauge!(
        WAKES_OVERDUE,
        Unit::Count,
        "Wakes that a healthy timer would have served; max"
    );
    describe_gauge!(NEXT_WAKE_SECONDS, Unit::Seconds, "Until the next wake; 0 without one");
    describe_gauge!(TICK_AGE_SECONDS, Unit::Seconds, "Since the timer last saw all that was due");
    describe_histogram!(TICK_SECONDS, Unit::Seconds, "How long a pass of the timer took");
    describe_gauge!(FAILED_WAKES, Unit::Count, "Due cases that the timer could not serve");
    describe_gauge!(EVENTS, Unit::Count, "Changes in the events stream; max");
    describe_counter!(EVENTS_TRIMMED, Unit::Count, "Changes trimmed from the events stream");
    describe_gauge!(EVENTS_PARKED, Unit::Count, "Changes that a reader did not understand; max");
    describe_gauge!(OUTBOX_AGE_SECONDS, Unit::Seconds, "Age of the oldest change not dealt with");
    describe_gauge!(CLOCK_OFFSET_SECONDS, Unit::Seconds, "Redis's clock less this machine's");
    describe_counter!(CLOCK_JUMPS, Unit::Count, "Jumps of Redis's clock");
    describe_histogram!(COMMIT_SECONDS, Unit::Seconds, "How long a batch of writes took");
    describe_histogram!(COMMIT_BATCH, Unit::Count, "Writes in a batch");
    describe_counter!(COMMIT_RETRIES, Unit::Count, "Decisions made again for another's write");
    describe_gauge!(REDIS_UP, Unit::Count, "Whether a connection to the Redis primary is up");
    describe_gauge!(
        REDIS_DURABLE,
        Unit::Count,
        "Whether Redis keeps what was promised, by setting"
    );
    describe_gauge!(REDIS_MEMORY, Unit::Bytes, "Memory that Redis uses");
    describe_gauge!(REDIS_MEMORY_MAX, Unit::Bytes, "Memory that Redis may use; 0 without a bound");
    describe_counter!(RPCS, Unit::Count, "Calls answered, by method and code");
    describe_histogram!(RPC_SECONDS, Unit::Seconds, "How long calls took, by method");
    describe_gauge!(WATCHES, Unit::Count, "Open watches");
    describe_gauge!(FIGURES_AGE_SECONDS, Unit::Seconds, "Age of the gauges read from Redis");
    describe_gauge!(BUILD, Unit::Count, "Always 1; the version is the label");
    metrics_process::Collector::default().describe();
}

fn zero() {
    for band in Band::all() {
        let band = band_label(band);
        counter!(ACCEPTED, "band" => band).absolute(0);
        _ = histogram!(FIRST_RESPONSE_SECONDS, "band" => band);
        for punctuality in Punctuality::ALL {
            let labels = [("band", band), ("punctuality", punctuality.word())];
            counter!(FIRST_RESPONSES, &labels).absolute(0);
        }
        for name in [READY, UNANSWERED, OVERDUE, OLDEST_SECONDS] {
            gauge!(name, "band" => band).set(0.0);
        }
    }
    for class in Class::ALL {
        for mark in Mark::ALL {
            let labels = [("class", class.word()), ("threshold", mark.word())];
            counter!(BREACHES, &labels).absolute(0);
        }
    }
    for (result, timing) in
        [("fired", "on_time"), ("fired", "late"), ("quieted", "on_time"), ("quieted", "late")]
    {
        counter!(RUNGS, "result" => result, "timing" => timing).absolute(0);
    }
    PageCause::ALL.iter().for_each(|cause| counter!(PAGES, "cause" => cause.word()).absolute(0));
    SUBMITTED.iter().for_each(|(_, result)| counter!(SUBMITS, "result" => *result).absolute(0));
    for name in [PAGES_DELIVERED, CLAIMS, CLAIMS_LOST, EVENTS_TRIMMED, CLOCK_JUMPS, COMMIT_RETRIES]
    {
        counter!(name).absolute(0);
    }
    for name in [
        WAKES_OVERDUE,
        NEXT_WAKE_SECONDS,
        TICK_AGE_SECONDS,
        FAILED_WAKES,
        EVENTS,
        EVENTS_PARKED,
        OUTBOX_AGE_SECONDS,
        CLOCK_OFFSET_SECONDS,
        REDIS_UP,
        REDIS_MEMORY,
        REDIS_MEMORY_MAX,
        WATCHES,
        FIGURES_AGE_SECONDS,
    ] {
        gauge!(name).set(0.0);
    }
    for name in [
        ACCEPT_SECONDS,
        RUNG_LATENESS_SECONDS,
        CLAIM_SECONDS,
        TICK_SECONDS,
        COMMIT_SECONDS,
        COMMIT_BATCH,
    ] {
        _ = histogram!(name);
    }
    gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

const fn band_label(band: Band) -> &'static str {
    const LABELS: [&str; 8] = ["0", "1", "2", "3", "4", "5", "6", "7"];
    LABELS[band.number() as usize]
}

/// Records a committed change. Whoever committed it calls this, once.
pub fn changed(case: &Case, change: &Change) {
    for event in &change.events {
        match event {
            Event::Accepted { band, .. } => {
                counter!(ACCEPTED, "band" => band_label(*band)).increment(1);
            }
            Event::RungFired(rung) => passed(case, rung, "fired"),
            Event::RungQuieted(rung) => passed(case, rung, "quieted"),
            Event::Paged(page) => counter!(PAGES, "cause" => page.cause.word()).increment(1),
            Event::Claimed { waited, is_unanswered, .. } => {
                counter!(CLAIMS).increment(1);
                if *is_unanswered {
                    histogram!(CLAIM_SECONDS).record(waited.as_secs_f64());
                }
            }
            Event::ClaimRenewed { .. } | Event::ClaimReleased { .. } => {}
            Event::ClaimLost { .. } => counter!(CLAIMS_LOST).increment(1),
            Event::Responded { waited, band, punctuality, .. } => {
                let band = band_label(*band);
                histogram!(FIRST_RESPONSE_SECONDS, "band" => band).record(waited.as_secs_f64());
                let labels = [("band", band), ("punctuality", punctuality.word())];
                counter!(FIRST_RESPONSES, &labels).increment(1);
            }
        }
    }
}

fn passed(case: &Case, rung: &RungRecord, result: &'static str) {
    /// A run of more repeats than this is not recorded one by one: the counter has them all.
    const LATENESS_RECORDED_MAX: u32 = 1_000;
    let timing = if rung.is_late() { "late" } else { "on_time" };
    counter!(RUNGS, "result" => result, "timing" => timing).increment(rung.count.into());
    for index in rung.count.saturating_sub(LATENESS_RECORDED_MAX)..rung.count {
        histogram!(RUNG_LATENESS_SECONDS).record(rung.lateness_of(index).as_secs_f64());
    }
    if let Some(mark) = rung.mark {
        let labels = [("class", case.nature.class().word()), ("threshold", mark.word())];
        counter!(BREACHES, &labels).increment(1);
    }
}

/// Records what became of a Submit and how long it took.
pub fn submitted(result: Submitted, took: Duration) {
    let word = SUBMITTED[result as usize].1;
    counter!(SUBMITS, "result" => word).increment(1);
    if matches!(result, Submitted::Accepted) {
        histogram!(ACCEPT_SECONDS).record(took.as_secs_f64());
    }
}

/// Records a page that a sink has taken.
pub fn page_delivered() {
    counter!(PAGES_DELIVERED).increment(1);
}

/// Records a pass of the timer, and how many due cases it could not serve.
pub fn ticked(took: Duration, failed: usize) {
    histogram!(TICK_SECONDS).record(took.as_secs_f64());
    gauge!(FAILED_WAKES).set(failed as f64);
}

/// Records the size of a batch of writes.
pub fn commit_batch(writes: usize) {
    histogram!(COMMIT_BATCH).record(writes as f64);
}

/// Records how long a batch of writes took.
pub fn commit_took(took: Duration) {
    histogram!(COMMIT_SECONDS).record(took.as_secs_f64());
}

/// Records that a decision had to be made again.
pub fn commit_retried() {
    counter!(COMMIT_RETRIES).increment(1);
}

/// Records a jump of Redis's clock.
pub fn clock_jumped() {
    counter!(CLOCK_JUMPS).increment(1);
}

/// Records whether Redis keeps what one setting promises.
pub fn redis_durable(setting: &'static str, is_kept: bool) {
    gauge!(REDIS_DURABLE, "setting" => setting).set(f64::from(u8::from(is_kept)));
}

/// Records how many changes were trimmed.
pub fn events_trimmed(count: u64) {
    counter!(EVENTS_TRIMMED).increment(count);
}

/// Records an answered call.
pub fn rpc(method: &'static str, code: &'static str, took: Duration) {
    counter!(RPCS, "method" => method, "code" => code).increment(1);
    histogram!(RPC_SECONDS, "method" => method).record(took.as_secs_f64());
}

/// Sets the series of a method to zero, for each code that it may answer.
pub fn rpc_known(method: &'static str, codes: &[&'static str]) {
    for code in codes.iter().copied() {
        counter!(RPCS, "method" => method, "code" => code).absolute(0);
    }
    _ = histogram!(RPC_SECONDS, "method" => method);
}

/// Counts a watch that was opened (`1.0`) or has ended (`-1.0`).
pub fn watches(change: f64) {
    gauge!(WATCHES).increment(change);
}

/// Shows what Redis told.
pub fn figures(figures: &Figures) {
    for (index, band) in Band::all().enumerate() {
        let band = band_label(band);
        let number = |list: &[u64]| list.get(index).copied().unwrap_or(0) as f64;
        gauge!(READY, "band" => band).set(number(&figures.ready));
        gauge!(UNANSWERED, "band" => band).set(number(&figures.unanswered));
        gauge!(OVERDUE, "band" => band).set(number(&figures.overdue));
        let oldest = figures.oldest_unanswered.get(index).copied().unwrap_or_default();
        gauge!(OLDEST_SECONDS, "band" => band).set(oldest.as_secs_f64());
    }
    gauge!(WAKES_OVERDUE).set(figures.wakes_overdue as f64);
    gauge!(NEXT_WAKE_SECONDS).set(figures.next_wake_in.unwrap_or_default().as_secs_f64());
    gauge!(EVENTS).set(figures.events as f64);
    gauge!(EVENTS_PARKED).set(figures.parked as f64);
    gauge!(OUTBOX_AGE_SECONDS).set(figures.outbox_age.as_secs_f64());
    gauge!(REDIS_MEMORY).set(figures.memory_bytes.0 as f64);
    gauge!(REDIS_MEMORY_MAX).set(figures.memory_bytes.1 as f64);
}

/// What only the moment of a scrape can tell.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Since the timer last saw all that was due.
    pub tick_age: Duration,
    /// Since the gauges were last read from Redis.
    pub figures_age: Duration,
    /// Redis's time, as far as it is known.
    pub redis_now: Option<Timestamp>,
    /// This machine's time.
    pub wall_now: Timestamp,
    /// Whether a connection to the primary is up.
    pub is_redis_up: bool,
}

/// Shows what only the moment of a scrape can tell.
pub fn scraped(moment: &Moment) {
    gauge!(TICK_AGE_SECONDS).set(moment.tick_age.as_secs_f64());
    gauge!(FIGURES_AGE_SECONDS).set(moment.figures_age.as_secs_f64());
    gauge!(REDIS_UP).set(f64::from(u8::from(moment.is_redis_up)));
    if let Some(redis_now) = moment.redis_now {
        let offset_ms = redis_now.as_millis() as f64 - moment.wall_now.as_millis() as f64;
        gauge!(CLOCK_OFFSET_SECONDS).set(offset_ms / 1_000.0);
    }
    metrics_process::Collector::default().collect();
}
