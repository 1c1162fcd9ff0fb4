//! The synthetic case: once in a while a request of our own goes through the queue, the outbox, a claim
//! and a response, as a real one would.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::findings::Findings;
use crate::core::memory::RequestDigest;
use crate::core::time::millis;
use crate::core::{Act, Case, CaseId, Deed, FirstResponseKind};
use crate::desk::{Desk, Error, Index, Said, Store};

/// How long the whole way may take.
const WALK_MAX: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often it is looked whether the next one is due.
const DUE_EVERY: Duration = Duration::from_secs(1);
/// How soon the same one is tried again that has not come through.
const AGAIN_AFTER: Duration = Duration::from_secs(10);
/// Who works on it.
const WALKER: &str = "synthetic";

/// Whoever sends synthetic cases on their way.
pub struct Synthetic<S> {
    desk: Arc<Desk<S>>,
    every: Duration,
    findings: Arc<Findings>,
}

impl<S: Store> Synthetic<S> {
    /// One case every `every`, counted from the epoch, so that all replicas agree on which it is.
    pub fn new(desk: Arc<Desk<S>>, every: Duration, findings: Arc<Findings>) -> Self {
        Self { desk, every, findings }
    }

    /// Sends them, for ever. Replicas share one case; each sees for itself that it comes through.
    pub async fn run(self) {
        let mut latest = None;
        loop {
            let number =
                self.desk.now_estimate().map(|now| now.as_millis() / millis(self.every).max(1));
            if let Some(number) = number.filter(|number| latest != Some(*number)) {
                let outcome = match timeout(WALK_MAX, self.walk(number)).await {
                    Ok(outcome) => outcome.map_err(|error| error.to_string()),
                    Err(_) => Err("it has not come through in time".to_owned()),
                };
                if let Err(problem) = &outcome {
                    tracing::error!(
                        problem,
                        "a synthetic case has not come through; real ones may not either"
                    );
                }
                let has_passed = outcome.is_ok();
                self.findings.walked(self.desk.name(), outcome);
                if has_passed {
                    latest = Some(number);
                } else {
                    sleep(AGAIN_AFTER).await;
                }
            }
            sleep(DUE_EVERY).await;
        }
    }

    /// Takes the case of this number from its request to the closing of its pages.
    ///
    /// # Errors
    /// A step fails.
    pub async fn walk(&self, number: u64) -> Result<(), Error> {
        let id = self.desk.submit_synthetic(number).await?.id;
        self.until(id, |case| case.pages.iter().all(|record| record.taken_at.is_some())).await?;
        // Handed out by the place in its lane, as people are handed theirs.
        loop {
            let (heads, _) = self.desk.list(&Index::Synthetic, None, 1).await?;
            let Some(head) = heads.into_iter().next() else { break };
            match self.answer(&head).await {
                // Another replica was faster.
                Ok(()) | Err(Error::Refused(_)) => sleep(LOOK_EVERY).await,
                Err(error) => return Err(error),
            }
        }
        let is_through = |case: &Case| {
            case.has_ended() && case.pages.iter().all(|record| record.holders().next().is_none())
        };
        self.until(id, is_through).await
    }

    async fn answer(&self, case: &Case) -> Result<(), Error> {
        let claim = format!("claim-{}", case.claim_epoch);
        let epoch = self.act(case.id, &claim, Deed::Claim).await?.claim_epoch;
        let response = Deed::Respond(epoch, FirstResponseKind::NoData);
        self.act(case.id, &format!("respond-{epoch}"), response).await?;
        Ok(())
    }

    /// The act of every replica is one and the same.
    async fn act(&self, id: CaseId, word: &str, deed: Deed) -> Result<Case, Error> {
        const WELL_FORMED: &str = "words in code follow the rule";
        let walker = WALKER.parse().expect(WELL_FORMED);
        let request_id = word.parse().expect(WELL_FORMED);
        let act = Act::new(walker, BTreeSet::new(), request_id, RequestDigest::of(word, &[]));
        Ok(self.desk.act(id, act, deed, Said::Nothing).await?.case)
    }

    /// Waits until the case is so. Whoever calls has a limit to how long.
    async fn until(&self, id: CaseId, is_so: impl Fn(&Case) -> bool) -> Result<(), Error> {
        while !is_so(&self.desk.get(id).await?) {
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }
}
