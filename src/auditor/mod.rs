//! The auditor: apart from the timer, it looks at the cases themselves, not at what the indexes say.
//!
//! What it finds out of place it puts right, and counts; what it cannot put right it reports. Somebody
//! outside hears every minute that nothing was found, and hears nothing otherwise.

mod findings;
mod heartbeat;
mod synthetic;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::core::projection::next_due;
use crate::core::time::millis;
use crate::core::{Case, Timestamp};
use crate::desk::{Desk, Error, Inspection, ScanCursor, Store};
use crate::telemetry::metrics::{self, Repair, Violation};

pub use findings::Findings;
pub use heartbeat::Heartbeat;
pub use synthetic::Synthetic;

/// How many cases are looked at in one go, and how long the pause between two goes is: a desk that keeps
/// many old cases must not be slowed down by being watched.
const STEP: usize = 256;
const STEP_PAUSE: Duration = Duration::from_millis(20);
/// A rung that has not fired for so long is nobody's any more.
const OVERDUE_AFTER: Duration = Duration::from_secs(10);
/// A page that nobody has for so long: sinks that never answer were given up before, and a later rung's
/// contacts told.
const UNDELIVERED_AFTER: Duration = Duration::from_mins(3);

/// Whoever must see each case in each pass.
pub trait Visitor: Send + Sync + 'static {
    /// Sees a case as the store has it at `now`.
    fn visit(&self, case: &Case, now: Timestamp);
}

/// The auditor of a desk.
pub struct Auditor<S> {
    desk: Arc<Desk<S>>,
    every: Duration,
    findings: Arc<Findings>,
}

/// How often each thing was found.
type Counts = BTreeMap<Violation, usize>;

impl<S: Store> Auditor<S> {
    /// An auditor that pauses for `every` between two passes.
    pub fn new(desk: Arc<Desk<S>>, every: Duration, findings: Arc<Findings>) -> Self {
        Self { desk, every, findings }
    }

    /// Looks, for ever.
    pub async fn run(self, visitor: impl Visitor) {
        let mut is_failing = false;
        loop {
            match self.pass(&visitor).await {
                Ok(_) => is_failing = false,
                Err(error) if !std::mem::replace(&mut is_failing, true) => {
                    tracing::error!(%error, "the auditor cannot look at the cases; it keeps trying");
                }
                Err(_) => {}
            }
            sleep(self.every).await;
        }
    }

    /// Looks at every case once, and puts right what it can; how often each thing was found.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub async fn pass(&self, visitor: &impl Visitor) -> Result<Counts, Error> {
        let mut counts = Counts::new();
        let mut from = Some(ScanCursor::default());
        while let Some(cursor) = from {
            let (inspected, next) = self.desk.inspect(cursor, STEP).await?;
            let now = inspected.now;
            for found in inspected.cases {
                match found {
                    Ok(Some(inspection)) => {
                        visitor.visit(&inspection.case, now);
                        self.judge(inspection, now, &mut counts).await?;
                    }
                    Ok(None) => {}
                    Err(error) => {
                        count(&mut counts, Violation::Unreadable);
                        tracing::error!(%error, "a stored case cannot be read, so nobody will be paged for it");
                    }
                }
            }
            from = next;
            if from.is_some() {
                sleep(STEP_PAUSE).await;
            }
        }
        for id in self.desk.orphans().await? {
            count(&mut counts, Violation::Orphan);
            tracing::error!(case.id = %id, "an index names it, but there is no such case");
        }
        self.findings.seen(self.desk.name(), &counts);
        Ok(counts)
    }

    async fn judge(
        &self,
        inspection: Inspection,
        now: Timestamp,
        counts: &mut Counts,
    ) -> Result<(), Error> {
        let Inspection { case, is_indexed } = inspection;
        if !is_indexed && self.desk.repair(&case).await? {
            count(counts, Violation::Index);
            metrics::repaired(Repair::Index);
            tracing::error!(case.id = %case.id, "the indexes were out of step with it; put right");
        }
        if is_overdue(&case, now) {
            let served = self.desk.wake(vec![case.id]).await?;
            // What the timer has fired meanwhile was merely late.
            if served.idle.is_empty() {
                count(counts, Violation::Overdue);
                let is_woken = served.failed.is_empty();
                if is_woken {
                    metrics::repaired(Repair::Overdue);
                }
                tracing::error!(case.id = %case.id, is_woken, "nobody had woken it in time");
            }
        }
        if is_undelivered(&case, now) {
            count(counts, Violation::Undelivered);
            tracing::error!(case.id = %case.id, "a page of it has been queued for long, and no sink has it");
        }
        Ok(())
    }
}

fn count(counts: &mut Counts, violation: Violation) {
    *counts.entry(violation).or_default() += 1;
}

fn before(now: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_millis(now.as_millis().saturating_sub(millis(by)))
}

fn is_overdue(case: &Case, now: Timestamp) -> bool {
    next_due(case).is_some_and(|(at, _)| at < before(now, OVERDUE_AFTER))
}

fn is_undelivered(case: &Case, now: Timestamp) -> bool {
    // What somebody has had since stands for what a claim kept back before.
    let told = case.pages.iter().filter(|record| record.taken_at.is_some());
    let told_at = told.map(|record| record.queued_at).max();
    case.pages.iter().any(|record| {
        record.taken_at.is_none()
            && told_at.is_none_or(|told_at| told_at < record.queued_at)
            && record.queued_at < before(now, UNDELIVERED_AFTER)
            && case.wants(record)
    })
}
