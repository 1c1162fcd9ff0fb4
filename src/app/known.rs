//! What the process knows of itself: for the metrics, the probes and the heartbeat.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::parts::RunningDesk;
use crate::audit::Record;
use crate::auditor::Findings;
use crate::clock;
use crate::core::DeskName;
use crate::desk::Desk;
use crate::http::Insight;
use crate::store::{RedisStore, Store as _};
use crate::telemetry::metrics::{DeskMoment, Moment};
use crate::timer::Beats;
use crate::transport::Peer;

/// A timer that looks once a second and has seen nothing for so long is in trouble.
const TICK_OVERDUE_AFTER: Duration = Duration::from_secs(10);
/// A timer that has not even tried for so long is stuck for good.
const STUCK_AFTER: Duration = Duration::from_mins(1);

/// What the process knows of itself.
pub(super) struct Known {
    desks: Vec<KnownDesk>,
    stop: CancellationToken,
    /// After how long without a look at every case something is wrong.
    audit_age_max: Duration,
    has_synthetic: bool,
}

/// What it knows of one desk.
#[derive(Clone)]
pub(super) struct KnownDesk {
    pub(super) name: DeskName,
    pub(super) desk: Arc<Desk<RedisStore>>,
    pub(super) store: Arc<RedisStore>,
    pub(super) beats: Arc<Beats>,
    pub(super) figures_read_at: Arc<Mutex<Instant>>,
    pub(super) findings: Arc<Findings>,
    pub(super) record: Arc<Record>,
}

impl Known {
    pub(super) fn new(
        desks: &[RunningDesk],
        stop: CancellationToken,
        audit_age_max: Duration,
        has_synthetic: bool,
    ) -> Self {
        let desks = desks.iter().map(|desk| desk.known.clone()).collect();
        Self { desks, stop, audit_age_max, has_synthetic }
    }

    /// Everything that somebody outside should hear of: what keeps this replica from serving, what the
    /// auditor has found, and what is wrong with the audit log, which keeps nobody from being answered.
    pub(super) fn all_problems(&self) -> Vec<String> {
        let found = self.desks.iter().flat_map(|known| known.findings.problems(self.audit_age_max));
        let logs = self.desks.iter().flat_map(|known| known.record.problems());
        self.problems().into_iter().chain(found).chain(logs).collect()
    }
}

impl Insight for Known {
    fn moment(&self) -> Moment {
        let moment = |known: &KnownDesk| {
            let read_at = *known.figures_read_at.lock().unwrap_or_else(PoisonError::into_inner);
            DeskMoment {
                desk: known.name.clone(),
                tick_age: known.beats.since_success(),
                figures_age: read_at.elapsed(),
                audit_age: known.findings.audit_age(),
                // Where none are sent, none is missed.
                synthetic_age: if self.has_synthetic {
                    known.findings.synthetic_age()
                } else {
                    Duration::ZERO
                },
                log_age: known.record.age(),
            }
        };
        let first = self.desks.first();
        Moment {
            desks: self.desks.iter().map(moment).collect(),
            redis_now: first.and_then(|known| known.store.now_estimate()),
            wall_now: clock::wall_now(),
            is_redis_up: self.desks.iter().all(|known| known.store.is_up()),
        }
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.stop.is_cancelled() {
            problems.push("process: it is stopping".to_owned());
        }
        for known in &self.desks {
            for problem in known.store.health().problems {
                // All desks share one Redis, which need not be told of once for each.
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
            }
            let tick_age = known.beats.since_success();
            if tick_age > TICK_OVERDUE_AFTER {
                problems.push(format!(
                    "timer: that of the desk {} last saw all that was due {} s ago; look for its \
                     errors in the log",
                    known.name,
                    tick_age.as_secs()
                ));
            }
        }
        problems
    }

    fn dead(&self) -> Option<String> {
        self.desks.iter().find_map(|known| {
            let silent_for = known.beats.since_attempt();
            (silent_for > STUCK_AFTER).then(|| {
                let name = &known.name;
                format!("the timer of the desk {name} has not moved for {} s", silent_for.as_secs())
            })
        })
    }

    fn is_portal(&self, peer: &Peer) -> bool {
        self.desks.iter().any(|known| known.desk.registry().is_channel(&peer.identity.uri))
    }
}
