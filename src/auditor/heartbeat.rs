//! The heartbeat: as long as all is well somebody outside hears so, and pages people when they do not.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::outbound::{Address, Attempt, Outbound, Post};
use crate::telemetry::metrics::{self, Heartbeat as Outcome};

/// Whoever tells somebody outside that all is well.
#[derive(Debug)]
pub struct Heartbeat {
    outbound: Outbound,
    address: Address,
    every: Duration,
}

impl Heartbeat {
    /// Heartbeats to this address.
    #[must_use]
    pub fn new(outbound: Outbound, address: Address, every: Duration) -> Self {
        metrics::heartbeat_configured();
        Self { outbound, address, every }
    }

    /// Beats for ever, and only while there are no `problems`.
    pub async fn run(self, problems: impl Fn() -> Vec<String>) {
        let mut beats = interval(self.every);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first comes at once, when the first pass of the auditor has not ended yet.
        beats.tick().await;
        let mut was = Outcome::Sent;
        loop {
            beats.tick().await;
            let problems = problems();
            let outcome = if problems.is_empty() { self.beat().await } else { Outcome::Withheld };
            metrics::heartbeat(outcome);
            if outcome != was {
                match outcome {
                    Outcome::Sent => tracing::info!("heartbeats go out again"),
                    Outcome::Failed => tracing::error!("the heartbeat's address does not take it"),
                    Outcome::Withheld => {
                        let problems = problems.join("; ");
                        tracing::error!(problems, "the heartbeat is withheld");
                    }
                }
            }
            was = outcome;
        }
    }

    async fn beat(&self) -> Outcome {
        let post = Post { address: self.address.clone(), headers: Vec::new(), body: Vec::new() };
        match self.outbound.post(&post).await {
            Attempt::Taken => Outcome::Sent,
            Attempt::Throttled { .. }
            | Attempt::Refused { .. }
            | Attempt::Failed { .. }
            | Attempt::TimedOut => Outcome::Failed,
        }
    }
}
