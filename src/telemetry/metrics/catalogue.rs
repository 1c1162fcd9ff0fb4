//! Every metric: its name, unit, labels and what it says; all of them stand at zero from the start,
//! since a series that appears with its first event cannot be alerted on before it.

use ::metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use super::{ADMITTED, SUBMITTED, band_label, connections, paging, sealing};
use crate::core::{
    Band, Class, ClockKind, Mark, Outcome, PageCause, Punctuality, Risk, Verification,
};

pub(super) const ACCEPTED: &str = "urgence_requests_accepted_total";
pub(super) const SUBMITS: &str = "urgence_submits_total";
pub(super) const ADMISSIONS: &str = "urgence_admissions_total";
pub(super) const ACCEPT_SECONDS: &str = "urgence_accept_seconds";
pub(super) const FIRST_RESPONSE_SECONDS: &str = "urgence_first_response_seconds";
pub(super) const FIRST_RESPONSES: &str = "urgence_first_responses_total";
pub(super) const BREACHES: &str = "urgence_breaches_total";
pub(super) const RUNGS: &str = "urgence_rungs_total";
pub(super) const RUNG_LATENESS_SECONDS: &str = "urgence_rung_lateness_seconds";
pub(super) const PAGES: &str = "urgence_pages_total";
pub(super) const PAGES_DELIVERED: &str = "urgence_pages_delivered_total";
pub(super) const CLAIM_SECONDS: &str = "urgence_time_to_claim_seconds";
pub(super) const CLAIMS: &str = "urgence_claims_total";
pub(super) const CLAIMS_LOST: &str = "urgence_claims_lost_total";
pub(super) const READY: &str = "urgence_queue_cases";
pub(super) const UNANSWERED: &str = "urgence_unanswered_cases";
pub(super) const OVERDUE: &str = "urgence_overdue_cases";
pub(super) const OLDEST_SECONDS: &str = "urgence_oldest_unanswered_seconds";
pub(super) const WAKES_OVERDUE: &str = "urgence_overdue_wakes";
pub(super) const NEXT_WAKE_SECONDS: &str = "urgence_next_wake_seconds";
pub(super) const TICK_AGE_SECONDS: &str = "urgence_timer_tick_age_seconds";
pub(super) const TICK_SECONDS: &str = "urgence_timer_tick_seconds";
pub(super) const FAILED_WAKES: &str = "urgence_failed_wakes";
pub(super) const EVENTS: &str = "urgence_events";
pub(super) const EVENTS_TRIMMED: &str = "urgence_events_trimmed_total";
pub(super) const EVENTS_PARKED: &str = "urgence_events_parked";
pub(super) const OUTBOX_AGE_SECONDS: &str = "urgence_outbox_age_seconds";
pub(super) const CLOCK_OFFSET_SECONDS: &str = "urgence_clock_offset_seconds";
pub(super) const CLOCK_JUMPS: &str = "urgence_clock_jumps_total";
pub(super) const COMMIT_SECONDS: &str = "urgence_commit_seconds";
pub(super) const COMMIT_BATCH: &str = "urgence_commit_batch_writes";
pub(super) const COMMIT_RETRIES: &str = "urgence_commit_retries_total";
pub(super) const REDIS_UP: &str = "urgence_redis_up";
pub(super) const REDIS_DURABLE: &str = "urgence_redis_durable";
pub(super) const REDIS_MEMORY: &str = "urgence_redis_memory_bytes";
pub(super) const REDIS_MEMORY_MAX: &str = "urgence_redis_memory_max_bytes";
pub(super) const RPCS: &str = "urgence_rpcs_total";
pub(super) const RPC_SECONDS: &str = "urgence_rpc_seconds";
pub(super) const WATCHES: &str = "urgence_watches";
pub(super) const FIGURES_AGE_SECONDS: &str = "urgence_figures_age_seconds";
pub(super) const CLOCK_MARKS: &str = "urgence_clock_marks_total";
pub(super) const OUTCOMES: &str = "urgence_outcomes_total";
pub(super) const OUTCOME_SECONDS: &str = "urgence_outcome_seconds";
pub(super) const REPLIES: &str = "urgence_replies_total";
pub(super) const VERIFICATIONS: &str = "urgence_verifications_total";
pub(super) const DISCLOSURES: &str = "urgence_disclosures_total";
pub(super) const QUESTIONS: &str = "urgence_questions_total";
pub(super) const RISKS: &str = "urgence_risks_total";
pub(super) const LIKELY_DUPLICATES: &str = "urgence_likely_duplicates_total";
pub(super) const PURGED: &str = "urgence_purged_total";
pub(super) const LANE: &str = "urgence_lane_cases";
pub(super) const OPEN_INCIDENTS: &str = "urgence_open_incidents";
pub(super) const INCIDENT_OVERDUE: &str = "urgence_incident_overdue_cases";
pub(super) const SPANS_DROPPED: &str = "urgence_spans_dropped_total";
pub(super) const BUILD: &str = "urgence_build_info";

pub(super) const PAGE_STAGE_SECONDS: &str = "urgence_page_stage_seconds";
pub(super) const PAGE_ATTEMPTS: &str = "urgence_page_attempts_total";
pub(super) const PAGE_DELIVERIES: &str = "urgence_page_deliveries_total";
pub(super) const PAGES_DROPPED: &str = "urgence_pages_dropped_total";
pub(super) const PAGES_UNREACHED: &str = "urgence_pages_unreached_total";
pub(super) const SINK_FAILING: &str = "urgence_sink_failing";
pub(super) const PAGER_IN_FLIGHT: &str = "urgence_pager_in_flight";
pub(super) const PAGES_FROM_MEMORY: &str = "urgence_pages_from_memory_total";
pub(super) const SHADOW_CASES: &str = "urgence_shadow_cases";
pub(super) const SHADOW_UNRECORDED: &str = "urgence_shadow_unrecorded";
pub(super) const AUDITOR_AGE_SECONDS: &str = "urgence_auditor_age_seconds";
pub(super) const AUDITOR_REPAIRS: &str = "urgence_auditor_repairs_total";
pub(super) const AUDITOR_VIOLATIONS: &str = "urgence_auditor_violations";
pub(super) const UNSERVED_DESKS: &str = "urgence_unserved_desks";
pub(super) const AUDIT_HISTORY_LOST: &str = "urgence_audit_history_lost";
pub(super) const AUDIT_LOG_AGE_SECONDS: &str = "urgence_audit_log_age_seconds";
pub(super) const AUDIT_LOG_ENTRIES: &str = "urgence_audit_log_entries";
pub(super) const AUDIT_LOG_SIGNED: &str = "urgence_audit_log_signed_entries";
pub(super) const HEARTBEATS: &str = "urgence_heartbeats_total";
pub(super) const HEARTBEAT_CONFIGURED: &str = "urgence_heartbeat_configured";
pub(super) const SYNTHETIC_CASES: &str = "urgence_synthetic_cases_total";
pub(super) const SYNTHETIC_AGE_SECONDS: &str = "urgence_synthetic_age_seconds";
pub(super) const CERTIFICATE_END: &str = "urgence_certificate_end_timestamp_seconds";
pub(super) const REVOCATION_LIST_DUE: &str = "urgence_revocation_list_due_timestamp_seconds";
pub(super) const CERTIFICATE_RELOADS: &str = "urgence_certificate_reloads_total";
pub(super) const HANDSHAKES: &str = "urgence_handshakes_total";
pub(super) const CONNECTIONS: &str = "urgence_open_connections";
pub(super) const CONNECTIONS_REFUSED: &str = "urgence_connections_refused_total";
pub(super) const CONNECTIONS_CUT: &str = "urgence_connections_cut_total";

/// The built-in promises, 1200 s and 1800 s, are edges, so that the share within each is exact.
pub(super) const WAIT_EDGES: &[f64] = &[
    1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_080.0, 1_200.0, 1_320.0, 1_500.0,
    1_680.0, 1_800.0, 2_100.0, 2_700.0, 3_600.0, 7_200.0, 14_400.0, 28_800.0, 86_400.0, 259_200.0,
];
pub(super) const LATENESS_EDGES: &[f64] =
    &[0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 600.0];
/// From a rung's instant to each stage of its page: a sink takes it in milliseconds, people in minutes.
pub(super) const STAGE_EDGES: &[f64] = &[
    0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0,
    1_200.0, 1_800.0, 3_600.0,
];
pub(super) const LATENCY_EDGES: &[f64] =
    &[0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];
pub(super) const BATCH_EDGES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

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
        (OUTCOME_SECONDS, WAIT_EDGES),
        (PAGE_STAGE_SECONDS, STAGE_EDGES),
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
    describe_outcomes();
    describe_machinery();
    describe_paging();
    connections::describe();
    zero();
    sealing::describe();
    sealing::zero();
    paging::zero();
    connections::zero();
    Ok(handle)
}

fn describe_cases() {
    describe_counter!(ACCEPTED, Unit::Count, "Requests that became cases, by band");
    describe_counter!(SUBMITS, Unit::Count, "Calls of Submit, by what became of them");
    describe_counter!(
        ADMISSIONS,
        Unit::Count,
        "Requests, by class and how they stood to the budget of their authority and to the store"
    );
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

fn describe_outcomes() {
    describe_counter!(CLOCK_MARKS, Unit::Count, "Targets and limits that passed, by clock");
    describe_counter!(OUTCOMES, Unit::Count, "Cases that ended, by outcome");
    describe_histogram!(OUTCOME_SECONDS, Unit::Seconds, "From acceptance to the end of a case");
    describe_counter!(REPLIES, Unit::Count, "Answers to what authorities replied, by punctuality");
    describe_counter!(VERIFICATIONS, Unit::Count, "Checks recorded, by what they established");
    describe_counter!(DISCLOSURES, Unit::Count, "Disclosures approved");
    describe_counter!(QUESTIONS, Unit::Count, "Questions asked after the first response");
    describe_counter!(RISKS, Unit::Count, "What called for more care in verifying, by what it was");
    describe_counter!(LIKELY_DUPLICATES, Unit::Count, "Cases found to share a target");
    describe_counter!(PURGED, Unit::Count, "Cases of which a tombstone is left");
    describe_gauge!(LANE, Unit::Count, "Cases waiting to be claimed, by lane; max");
    describe_gauge!(OPEN_INCIDENTS, Unit::Count, "Open incidents; max");
    describe_gauge!(
        INCIDENT_OVERDUE,
        Unit::Count,
        "Cases of open incidents that have not ended though the objective is over; max"
    );
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
    describe_counter!(SPANS_DROPPED, Unit::Count, "Spans that did not reach the collector");
    describe_gauge!(BUILD, Unit::Count, "Always 1; the version is the label");
    metrics_process::Collector::default().describe();
}

fn describe_paging() {
    describe_histogram!(
        PAGE_STAGE_SECONDS,
        Unit::Seconds,
        "From a rung's instant until its page was queued, accepted by a sink, acknowledged, claimed"
    );
    describe_counter!(
        PAGE_ATTEMPTS,
        Unit::Count,
        "Attempts to hand a page on, by sink and outcome"
    );
    describe_counter!(PAGE_DELIVERIES, Unit::Count, "What became of pages at each sink in the end");
    describe_counter!(PAGES_DROPPED, Unit::Count, "Pages no longer wanted when their turn came");
    describe_counter!(PAGES_UNREACHED, Unit::Count, "Pages that no sink took");
    describe_gauge!(SINK_FAILING, Unit::Count, "1 while the latest attempt at the sink failed");
    describe_gauge!(PAGER_IN_FLIGHT, Unit::Count, "Changes whose pages are on their way");
    describe_counter!(PAGES_FROM_MEMORY, Unit::Count, "Pages sent without the store");
    describe_gauge!(SHADOW_CASES, Unit::Count, "Cases whose next deadlines are held in memory");
    describe_gauge!(
        SHADOW_UNRECORDED,
        Unit::Count,
        "Pages sent without the store, not yet recorded"
    );
    describe_gauge!(AUDITOR_AGE_SECONDS, Unit::Seconds, "Since the auditor last saw every case");
    describe_gauge!(AUDIT_HISTORY_LOST, Unit::Count, "1 once the audit log has stopped");
    describe_gauge!(AUDIT_LOG_AGE_SECONDS, Unit::Seconds, "Since the log held all there is");
    describe_gauge!(AUDIT_LOG_ENTRIES, Unit::Count, "Entries of the audit log");
    describe_gauge!(AUDIT_LOG_SIGNED, Unit::Count, "Those of them that are signed");
    describe_counter!(AUDITOR_REPAIRS, Unit::Count, "What the auditor put right, by kind");
    describe_gauge!(
        AUDITOR_VIOLATIONS,
        Unit::Count,
        "What the auditor found wrong in its latest pass, by kind"
    );
    describe_gauge!(
        UNSERVED_DESKS,
        Unit::Count,
        "Desks in Redis with cases that wake, none of which this process serves"
    );
    describe_counter!(HEARTBEATS, Unit::Count, "Heartbeats: sent, withheld, failed");
    describe_gauge!(HEARTBEAT_CONFIGURED, Unit::Count, "Whether a heartbeat address is set");
    describe_counter!(SYNTHETIC_CASES, Unit::Count, "Synthetic cases: passed, failed");
    describe_gauge!(SYNTHETIC_AGE_SECONDS, Unit::Seconds, "Since a synthetic case last passed");
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
    }
    for kind in ClockKind::ALL {
        for mark in Mark::ALL {
            let labels = [("clock", kind.word()), ("threshold", mark.word())];
            counter!(CLOCK_MARKS, &labels).absolute(0);
        }
    }
    for outcome in Outcome::ALL {
        counter!(OUTCOMES, "outcome" => outcome.word()).absolute(0);
    }
    for punctuality in Punctuality::ALL {
        counter!(REPLIES, "punctuality" => punctuality.word()).absolute(0);
    }
    for verification in Verification::ALL {
        counter!(VERIFICATIONS, "result" => verification.word()).absolute(0);
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
    Risk::ALL.iter().for_each(|risk| counter!(RISKS, "risk" => risk.word()).absolute(0));
    ADMITTED.iter().for_each(|labels| super::admissions(*labels).absolute(0));
    SUBMITTED.iter().for_each(|(_, result)| counter!(SUBMITS, "result" => *result).absolute(0));
    for name in [
        PAGES_DELIVERED,
        CLAIMS,
        CLAIMS_LOST,
        EVENTS_TRIMMED,
        CLOCK_JUMPS,
        COMMIT_RETRIES,
        DISCLOSURES,
        QUESTIONS,
        LIKELY_DUPLICATES,
        PURGED,
        SPANS_DROPPED,
    ] {
        counter!(name).absolute(0);
    }
    for name in [CLOCK_OFFSET_SECONDS, REDIS_UP, REDIS_MEMORY, REDIS_MEMORY_MAX, WATCHES] {
        gauge!(name).set(0.0);
    }
    for name in [
        ACCEPT_SECONDS,
        OUTCOME_SECONDS,
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
