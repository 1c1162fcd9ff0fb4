//! The one function that records each metric. Label values come from closed lists only. Gauges that
//! are read from Redis show the same on every replica: aggregate them with `max`, counters with `sum`.

mod catalogue;
mod connections;
mod paging;
mod sealing;

use std::collections::BTreeSet;
use std::time::Duration;

use ::metrics::{counter, gauge, histogram};

use super::Figures;
use crate::core::{
    Band, Case, Change, ClockKind, DeskName, Event, Lane, Risk, RungRecord, Timestamp,
};
use catalogue::{
    ACCEPT_SECONDS, ACCEPTED, ADMISSIONS, BREACHES, CLAIM_SECONDS, CLAIMS, CLAIMS_LOST,
    CLOCK_JUMPS, CLOCK_MARKS, CLOCK_OFFSET_SECONDS, COMMIT_BATCH, COMMIT_RETRIES, COMMIT_SECONDS,
    DISCLOSURES, EVENTS, EVENTS_PARKED, EVENTS_TRIMMED, FAILED_WAKES, FIGURES_AGE_SECONDS,
    FIRST_RESPONSE_SECONDS, FIRST_RESPONSES, INCIDENT_OVERDUE, LANE, LIKELY_DUPLICATES,
    NEXT_WAKE_SECONDS, OLDEST_SECONDS, OPEN_INCIDENTS, OUTBOX_AGE_SECONDS, OUTCOME_SECONDS,
    OUTCOMES, OVERDUE, PAGES, PURGED, QUESTIONS, READY, REDIS_DURABLE, REDIS_MEMORY,
    REDIS_MEMORY_MAX, REDIS_UP, REPLIES, RISKS, RPC_SECONDS, RPCS, RUNG_LATENESS_SECONDS, RUNGS,
    SPANS_DROPPED, SUBMITS, TICK_AGE_SECONDS, TICK_SECONDS, UNANSWERED, VERIFICATIONS,
    WAKES_OVERDUE, WATCHES,
};

pub use catalogue::install;
pub use connections::{
    Cap, Certificate, Cut, Handshake, Port, certificate_ends, certificates_reloaded,
    connection_cut, connection_refused, handshake, open_connections, revocation_list_due,
};
pub use paging::{
    Heartbeat, Repair, Stage, Violation, audit_history, audit_log, heartbeat, heartbeat_configured,
    page_attempted, page_dropped, page_from_memory, page_unreached, pager_in_flight, repaired,
    shadow, sinks_known, synthetic, unserved_desks, violations,
};
pub use sealing::{SealFailure, data_key_destroyed, log_rewritten, resealed, seal_failed};

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

/// How a request stood to its authority's budget and to the store.
#[derive(Clone, Copy, Debug)]
pub enum Admitted {
    /// An emergency within its budget.
    EmergencyWithin,
    /// An emergency beyond it, which stands in the line of its authority.
    EmergencyInLine,
    /// A routine request within its budget.
    RoutineWithin,
    /// A routine request beyond it.
    RoutineOverBudget,
    /// A routine request that gives way to pressure on the store.
    RoutineStoreBusy,
}

const ADMITTED: [(&str, &str); 5] = [
    ("emergency", "within"),
    ("emergency", "in_line"),
    ("routine", "within"),
    ("routine", "over_budget"),
    ("routine", "store_busy"),
];

/// Records how a request stood to its authority's budget. Whose it was is not told.
pub fn admitted(admitted: Admitted) {
    admissions(ADMITTED[admitted as usize]).increment(1);
}

fn admissions((class, result): (&'static str, &'static str)) -> ::metrics::Counter {
    counter!(ADMISSIONS, "class" => class, "result" => result)
}

/// Sets the series of a desk to zero. Desks are named by the configuration, so they are few.
pub fn desk_known(desk: &DeskName) {
    figures(desk, &Figures::default());
    gauge!(FAILED_WAKES, "desk" => desk.to_string()).set(0.0);
    gauge!(OPEN_INCIDENTS, "desk" => desk.to_string()).set(0.0);
    gauge!(INCIDENT_OVERDUE, "desk" => desk.to_string()).set(0.0);
    gauge!(TICK_AGE_SECONDS, "desk" => desk.to_string()).set(0.0);
    gauge!(FIGURES_AGE_SECONDS, "desk" => desk.to_string()).set(0.0);
    paging::desk_known(desk);
}

const fn band_label(band: Band) -> &'static str {
    const LABELS: [&str; 8] = ["0", "1", "2", "3", "4", "5", "6", "7"];
    LABELS[band.number() as usize]
}

fn risks_seen(risks: &BTreeSet<Risk>) {
    for risk in risks {
        counter!(RISKS, "risk" => risk.word()).increment(1);
    }
}

/// Records a committed change. Whoever committed it calls this, once.
pub fn changed(case: &Case, change: &Change) {
    // What the service does to test itself is no work of the desk.
    if case.is_synthetic() {
        return;
    }
    for event in &change.events {
        paging::changed(case, event, change.at);
        happened(case, event);
    }
}

fn happened(case: &Case, event: &Event) {
    match event {
        Event::Accepted { band, .. } => {
            counter!(ACCEPTED, "band" => band_label(*band)).increment(1);
        }
        Event::RungFired(rung) => passed(case, rung, "fired"),
        Event::RungQuieted(rung) => passed(case, rung, "quieted"),
        Event::Claimed { waited, is_unanswered, .. } => {
            counter!(CLAIMS).increment(1);
            if *is_unanswered {
                histogram!(CLAIM_SECONDS).record(waited.as_secs_f64());
            }
        }
        Event::ClaimRenewed { .. } | Event::ClaimReleased { .. } => {}
        Event::ClaimLost { .. } => counter!(CLAIMS_LOST).increment(1),
        Event::ClockStopped { clock: ClockKind::Reply, punctuality } => {
            counter!(REPLIES, "punctuality" => punctuality.word()).increment(1);
        }
        Event::Asked { .. } => counter!(QUESTIONS).increment(1),
        Event::Verified { verification, .. } => {
            counter!(VERIFICATIONS, "result" => verification.word()).increment(1);
        }
        Event::RisksSeen { risks } => risks_seen(risks),
        Event::LikelyDuplicatesFound { .. } => counter!(LIKELY_DUPLICATES).increment(1),
        Event::Disclosed { .. } => counter!(DISCLOSURES).increment(1),
        Event::Ended { outcome, took, .. } => {
            counter!(OUTCOMES, "outcome" => outcome.word()).increment(1);
            histogram!(OUTCOME_SECONDS).record(took.as_secs_f64());
        }
        Event::Purged => counter!(PURGED).increment(1),
        // What each of these does shows in another series, or is for the record alone.
        Event::Paged(_)
        | Event::PagedFromMemory { .. }
        | Event::PageAnswered { .. }
        | Event::PagesClosed { .. }
        | Event::ClockStarted { .. }
        | Event::ClockStopped { .. }
        | Event::ClockPaused { .. }
        | Event::ClockResumed { .. }
        | Event::ClockExtended { .. }
        | Event::ClockRaised { .. }
        | Event::ClockSettled { .. }
        | Event::HandedOver { .. }
        | Event::Updated { .. }
        | Event::InformationProvided { .. }
        | Event::Reclassified { .. }
        | Event::LoweringProposed { .. }
        | Event::ConflictRecorded { .. }
        | Event::AuthoritySuspended
        | Event::DuplicateLinked { .. }
        | Event::OutcomeProposed { .. }
        | Event::OutcomeApproved { .. }
        | Event::DeliveryConfirmed { .. }
        | Event::WithdrawalRequested { .. }
        | Event::WithdrawalDeclined { .. }
        | Event::PreservationRequested { .. }
        | Event::PageAcknowledged { .. }
        | Event::LegalHoldSet { .. }
        | Event::IncidentJoined { .. }
        | Event::IncidentLeft { .. } => {}
        Event::Responded { waited, band, punctuality, .. } => {
            let band = band_label(*band);
            histogram!(FIRST_RESPONSE_SECONDS, "band" => band).record(waited.as_secs_f64());
            let labels = [("band", band), ("punctuality", punctuality.word())];
            counter!(FIRST_RESPONSES, &labels).increment(1);
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
        let labels = [("clock", rung.clock.word()), ("threshold", mark.word())];
        counter!(CLOCK_MARKS, &labels).increment(1);
        if rung.clock == ClockKind::FirstResponse {
            let labels = [("class", case.nature.class().word()), ("threshold", mark.word())];
            counter!(BREACHES, &labels).increment(1);
        }
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

/// Records spans that the collector does not get.
pub fn spans_dropped(count: usize) {
    counter!(SPANS_DROPPED).increment(count as u64);
}

/// Records a pass of the timer, and how many due cases it could not serve.
pub fn ticked(desk: &DeskName, took: Duration, failed: usize) {
    histogram!(TICK_SECONDS).record(took.as_secs_f64());
    gauge!(FAILED_WAKES, "desk" => desk.to_string()).set(failed as f64);
}

/// Shows how many incidents are open.
pub fn open_incidents(desk: &DeskName, count: usize) {
    gauge!(OPEN_INCIDENTS, "desk" => desk.to_string()).set(count as f64);
}

/// Shows how many cases of open incidents have not ended though the objective is over.
pub fn incident_overdue(desk: &DeskName, count: u32) {
    gauge!(INCIDENT_OVERDUE, "desk" => desk.to_string()).set(f64::from(count));
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

/// Shows what Redis told of a desk.
pub fn figures(desk: &DeskName, figures: &Figures) {
    let desk = desk.to_string();
    for (index, band) in Band::all().enumerate() {
        let labels = [("desk", desk.clone()), ("band", band_label(band).to_owned())];
        let number = |list: &[u64]| list.get(index).copied().unwrap_or(0) as f64;
        gauge!(READY, &labels).set(number(&figures.ready));
        gauge!(UNANSWERED, &labels).set(number(&figures.unanswered));
        gauge!(OVERDUE, &labels).set(number(&figures.overdue));
        let oldest = figures.oldest_unanswered.get(index).copied().unwrap_or_default();
        gauge!(OLDEST_SECONDS, &labels).set(oldest.as_secs_f64());
    }
    let in_incident = figures.ready_incident;
    let ordinary = figures.ready.iter().sum::<u64>().saturating_sub(in_incident);
    for (lane, count) in [(Lane::Ordinary, ordinary), (Lane::Incident, in_incident)] {
        gauge!(LANE, "desk" => desk.clone(), "lane" => lane.word()).set(count as f64);
    }
    let next_wake = figures.next_wake_in.unwrap_or_default();
    for (name, value) in [
        (WAKES_OVERDUE, figures.wakes_overdue as f64),
        (NEXT_WAKE_SECONDS, next_wake.as_secs_f64()),
        (EVENTS, figures.events as f64),
        (EVENTS_PARKED, figures.parked as f64),
        (OUTBOX_AGE_SECONDS, figures.outbox_age.as_secs_f64()),
    ] {
        gauge!(name, "desk" => desk.clone()).set(value);
    }
    gauge!(REDIS_MEMORY).set(figures.memory_bytes.0 as f64);
    gauge!(REDIS_MEMORY_MAX).set(figures.memory_bytes.1 as f64);
}

/// What only the moment of a scrape can tell of one desk.
#[derive(Clone, Debug)]
pub struct DeskMoment {
    /// Which desk.
    pub desk: DeskName,
    /// Since its timer last saw all that was due.
    pub tick_age: Duration,
    /// Since its gauges were last read from Redis.
    pub figures_age: Duration,
    /// Since its auditor last saw every case.
    pub audit_age: Duration,
    /// Since a synthetic case last came through.
    pub synthetic_age: Duration,
    /// Since its audit log last held all there is.
    pub log_age: Duration,
}

/// What only the moment of a scrape can tell.
#[derive(Clone, Debug)]
pub struct Moment {
    /// Each desk.
    pub desks: Vec<DeskMoment>,
    /// Redis's time, as far as it is known.
    pub redis_now: Option<Timestamp>,
    /// This machine's time.
    pub wall_now: Timestamp,
    /// Whether a connection to the primary is up.
    pub is_redis_up: bool,
}

/// Shows what only the moment of a scrape can tell.
pub fn scraped(moment: &Moment) {
    for DeskMoment { desk, tick_age, figures_age, audit_age, synthetic_age, log_age } in
        &moment.desks
    {
        paging::watched(desk, *audit_age, *synthetic_age, *log_age);
        let desk = desk.to_string();
        gauge!(TICK_AGE_SECONDS, "desk" => desk.clone()).set(tick_age.as_secs_f64());
        gauge!(FIGURES_AGE_SECONDS, "desk" => desk).set(figures_age.as_secs_f64());
    }
    gauge!(REDIS_UP).set(f64::from(u8::from(moment.is_redis_up)));
    if let Some(redis_now) = moment.redis_now {
        let offset_ms = redis_now.as_millis() as f64 - moment.wall_now.as_millis() as f64;
        gauge!(CLOCK_OFFSET_SECONDS).set(offset_ms / 1_000.0);
    }
    metrics_process::Collector::default().collect();
}
