//! What is recorded of pages, of the sinks they go to, and of those who watch that they go out.

use std::time::Duration;

use ::metrics::{counter, gauge, histogram};

use super::catalogue::{
    AUDIT_HISTORY_LOST, AUDIT_LOG_AGE_SECONDS, AUDIT_LOG_ENTRIES, AUDIT_LOG_SIGNED,
    AUDITOR_AGE_SECONDS, AUDITOR_REPAIRS, AUDITOR_VIOLATIONS, HEARTBEAT_CONFIGURED, HEARTBEATS,
    PAGE_ATTEMPTS, PAGE_DELIVERIES, PAGE_STAGE_SECONDS, PAGER_IN_FLIGHT, PAGES_DELIVERED,
    PAGES_DROPPED, PAGES_FROM_MEMORY, PAGES_UNREACHED, SHADOW_CASES, SHADOW_UNRECORDED,
    SINK_FAILING, SYNTHETIC_AGE_SECONDS, SYNTHETIC_CASES, UNSERVED_DESKS,
};
use crate::core::{
    Case, DeskName, Event, Page, PageCause, PageRecord, SinkAnswer, SinkName, Timestamp, words,
};

words! {
    /// How far a page has come.
    pub enum Stage {
        /// It is in the outbox.
        Queued = "queued",
        /// A sink has it.
        Accepted = "accepted",
        /// A person has seen it.
        Acknowledged = "acknowledged",
        /// Somebody works on the case.
        Claimed = "claimed",
    }
}

words! {
    /// What the auditor finds wrong.
    pub enum Violation {
        /// The indexes say something else than the case.
        Index = "index",
        /// A rung has not fired long after its instant.
        Overdue = "overdue",
        /// A page has been queued for long and no sink has it.
        Undelivered = "undelivered",
        /// A stored case cannot be read.
        Unreadable = "unreadable",
        /// An index names a case that there is not.
        Orphan = "orphan",
        /// The latest synthetic case has not come through.
        Synthetic = "synthetic",
    }
}

words! {
    /// What the auditor can put right.
    pub enum Repair {
        /// The indexes of a case.
        Index = "index",
        /// A rung that had not fired.
        Overdue = "overdue",
    }
}

words! {
    /// What became of a heartbeat.
    pub enum Heartbeat {
        /// Somebody outside has it.
        Sent = "sent",
        /// Something is wrong, so that nobody must hear that all is well.
        Withheld = "withheld",
        /// The address did not take it.
        Failed = "failed",
    }
}

pub(super) fn zero() {
    for stage in Stage::ALL {
        _ = histogram!(PAGE_STAGE_SECONDS, "stage" => stage.word());
    }
    for name in [PAGES_DROPPED, PAGES_UNREACHED, PAGES_FROM_MEMORY] {
        counter!(name).absolute(0);
    }
    for repair in Repair::ALL {
        counter!(AUDITOR_REPAIRS, "kind" => repair.word()).absolute(0);
    }
    for heartbeat in Heartbeat::ALL {
        counter!(HEARTBEATS, "result" => heartbeat.word()).absolute(0);
    }
    for result in ["passed", "failed"] {
        counter!(SYNTHETIC_CASES, "result" => result).absolute(0);
    }
    gauge!(HEARTBEAT_CONFIGURED).set(0.0);
    gauge!(UNSERVED_DESKS).set(0.0);
}

/// Sets the series of a desk to zero.
pub(super) fn desk_known(desk: &DeskName) {
    for name in [
        PAGER_IN_FLIGHT,
        SHADOW_CASES,
        SHADOW_UNRECORDED,
        AUDIT_HISTORY_LOST,
        AUDIT_LOG_AGE_SECONDS,
        AUDIT_LOG_ENTRIES,
        AUDIT_LOG_SIGNED,
        AUDITOR_AGE_SECONDS,
        SYNTHETIC_AGE_SECONDS,
    ] {
        gauge!(name, "desk" => desk.to_string()).set(0.0);
    }
    for violation in Violation::ALL {
        violations(desk, *violation, 0);
    }
}

/// Sets the series of the configured sinks to zero. `outcomes` are those an attempt may have.
pub fn sinks_known<'a>(sinks: impl IntoIterator<Item = &'a SinkName>, outcomes: &[&'static str]) {
    for sink in sinks {
        for outcome in outcomes {
            let labels = [("sink", sink.to_string()), ("outcome", (*outcome).to_owned())];
            counter!(PAGE_ATTEMPTS, &labels).absolute(0);
        }
        for answer in SinkAnswer::ALL {
            let labels = [("sink", sink.to_string()), ("result", answer.word().to_owned())];
            counter!(PAGE_DELIVERIES, &labels).absolute(0);
        }
        gauge!(SINK_FAILING, "sink" => sink.to_string()).set(0.0);
    }
}

/// Records what a committed change did to the pages of a case.
pub(super) fn changed(case: &Case, event: &Event, at: Timestamp) {
    match event {
        Event::Paged(page) => queued(page, at),
        Event::PagedFromMemory { page, at } => queued(page, *at),
        Event::PageAnswered { key, sink, answer } => {
            let labels = [("sink", sink.to_string()), ("result", answer.word().to_owned())];
            counter!(PAGE_DELIVERIES, &labels).increment(1);
            let record = case.page(*key).filter(|_| *answer == SinkAnswer::Taken);
            let taken_at = record.and_then(|record| Some(record.answers.get(sink)?.1));
            if let Some((record, taken_at)) = record.zip(taken_at)
                && record.taken_at == Some(taken_at)
            {
                counter!(PAGES_DELIVERED).increment(1);
                reached(Stage::Accepted, &record.page, taken_at);
            }
        }
        Event::PageAcknowledged { key, .. } => {
            let is_first = |record: &&PageRecord| {
                record.acknowledged.as_ref().is_some_and(|seen| seen.at == at)
            };
            if let Some(record) = case.page(*key).filter(is_first) {
                reached(Stage::Acknowledged, &record.page, at);
            }
        }
        Event::Claimed { .. } => {
            let claimed = case.pages.iter().filter(|record| record.claimed_at == Some(at));
            claimed.for_each(|record| reached(Stage::Claimed, &record.page, at));
        }
        _ => {}
    }
}

fn queued(page: &Page, at: Timestamp) {
    counter!(super::PAGES, "cause" => page.cause.word()).increment(1);
    reached(Stage::Queued, page, at);
}

/// Of a page that goes out once more, the instant of its rung says nothing.
fn reached(stage: Stage, page: &Page, at: Timestamp) {
    let is_by_the_ladder = match page.cause {
        PageCause::Due | PageCause::CatchUp => true,
        PageCause::ClaimLost | PageCause::ClaimReleased | PageCause::Unreached => false,
    };
    if !is_by_the_ladder {
        return;
    }
    let took = at.since(page.due_at);
    histogram!(PAGE_STAGE_SECONDS, "stage" => stage.word()).record(took.as_secs_f64());
}

/// Records one attempt to hand a page to a sink, and whether the sink is failing since.
pub fn page_attempted(sink: &SinkName, outcome: &'static str, is_taken: bool) {
    let labels = [("sink", sink.to_string()), ("outcome", outcome.to_owned())];
    counter!(PAGE_ATTEMPTS, &labels).increment(1);
    gauge!(SINK_FAILING, "sink" => sink.to_string()).set(f64::from(u8::from(!is_taken)));
}

/// Records a page that was sent without the store.
pub fn page_from_memory() {
    counter!(PAGES_FROM_MEMORY).increment(1);
}

/// Records a page that was no longer wanted when its turn came.
pub fn page_dropped() {
    counter!(PAGES_DROPPED).increment(1);
}

/// Records a page that no sink took.
pub fn page_unreached() {
    counter!(PAGES_UNREACHED).increment(1);
}

/// Shows how many changes have pages on their way.
pub fn pager_in_flight(desk: &DeskName, count: usize) {
    gauge!(PAGER_IN_FLIGHT, "desk" => desk.to_string()).set(count as f64);
}

/// Shows how many cases are held in memory, and how many pages sent from there are not recorded.
pub fn shadow(desk: &DeskName, cases: usize, unrecorded: usize) {
    gauge!(SHADOW_CASES, "desk" => desk.to_string()).set(cases as f64);
    gauge!(SHADOW_UNRECORDED, "desk" => desk.to_string()).set(unrecorded as f64);
}

/// Records what the auditor put right.
pub fn repaired(repair: Repair) {
    counter!(AUDITOR_REPAIRS, "kind" => repair.word()).increment(1);
}

/// Shows how often the auditor found this in its latest pass.
pub fn violations(desk: &DeskName, violation: Violation, count: usize) {
    let labels = [("desk", desk.to_string()), ("kind", violation.word().to_owned())];
    gauge!(AUDITOR_VIOLATIONS, &labels).set(count as f64);
}

/// Shows since when the auditor has not seen every case, and no synthetic case has come through.
pub(super) fn watched(
    desk: &DeskName,
    audit_age: Duration,
    synthetic_age: Duration,
    log_age: Duration,
) {
    gauge!(AUDIT_LOG_AGE_SECONDS, "desk" => desk.to_string()).set(log_age.as_secs_f64());
    gauge!(AUDITOR_AGE_SECONDS, "desk" => desk.to_string()).set(audit_age.as_secs_f64());
    gauge!(SYNTHETIC_AGE_SECONDS, "desk" => desk.to_string()).set(synthetic_age.as_secs_f64());
}

/// Shows how far the audit log has come.
pub fn audit_log(desk: &DeskName, entries: u64, signed: u64) {
    gauge!(AUDIT_LOG_ENTRIES, "desk" => desk.to_string()).set(entries as f64);
    gauge!(AUDIT_LOG_SIGNED, "desk" => desk.to_string()).set(signed as f64);
}

/// Shows whether the audit log has stopped.
pub fn audit_history(desk: &DeskName, is_lost: bool) {
    gauge!(AUDIT_HISTORY_LOST, "desk" => desk.to_string()).set(f64::from(u8::from(is_lost)));
}

/// Records how many desks have cases that wake and are not served here.
pub fn unserved_desks(count: usize) {
    gauge!(UNSERVED_DESKS).set(count as f64);
}

/// Shows that there is an address for heartbeats.
pub fn heartbeat_configured() {
    gauge!(HEARTBEAT_CONFIGURED).set(1.0);
}

/// Records what became of a heartbeat.
pub fn heartbeat(result: Heartbeat) {
    counter!(HEARTBEATS, "result" => result.word()).increment(1);
}

/// Records whether a synthetic case came through.
pub fn synthetic(has_passed: bool) {
    let result = if has_passed { "passed" } else { "failed" };
    counter!(SYNTHETIC_CASES, "result" => result).increment(1);
}
