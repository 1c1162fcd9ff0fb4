//! Desks that nobody serves: taken out of the configuration while cases of theirs still wake, or never put
//! in. Their cases have no timer, so somebody must be told.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::core::DeskName;
use crate::store::{RedisStore, ScanCursor, StoreError};
use crate::telemetry::metrics;

/// How many keys are looked at in one go, and how long the pause between two goes is, as the auditor's are.
const STEP: usize = 1_000;
const STEP_PAUSE: Duration = Duration::from_millis(20);
/// How soon a look that failed is repeated.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Looks, for ever, by the store of any desk that is served.
pub(super) async fn look(store: Arc<RedisStore>, every: Duration) {
    let mut told = BTreeSet::new();
    let mut is_failing = false;
    loop {
        match pass(&store).await {
            Ok(desks) => {
                is_failing = false;
                metrics::unserved_desks(desks.len());
                if !desks.is_empty() && desks != told {
                    let names: Vec<&str> = desks.iter().map(DeskName::as_str).collect();
                    tracing::error!(
                        desks = names.join(", "),
                        "cases of these desks have no timer here; configure the desks again"
                    );
                }
                told = desks;
                sleep(every).await;
            }
            Err(error) => {
                // At a start Redis is not connected yet.
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::warn!(%error, "desks that nobody serves cannot be looked for; trying on");
                }
                sleep(RETRY_AFTER).await;
            }
        }
    }
}

async fn pass(store: &RedisStore) -> Result<BTreeSet<DeskName>, StoreError> {
    let mut desks = BTreeSet::new();
    let mut from = Some(ScanCursor::default());
    while let Some(cursor) = from {
        let (found, next) = store.unserved_desks(cursor, STEP).await?;
        desks.extend(found);
        from = next;
        if from.is_some() {
            sleep(STEP_PAUSE).await;
        }
    }
    Ok(desks)
}
