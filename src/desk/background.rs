//! Where a request comes from: what the desk knows of its officer, its authority and its targets, and
//! what of that calls for more care. It is looked up while the request waits to be stored; what cannot
//! be found out keeps nobody waiting.

use std::time::Duration;

use futures_util::future::join;
use tokio::time::timeout;

use super::{Desk, Error, Index, Store};
use crate::core::risk::Background;
use crate::core::time::millis;
use crate::core::{CaseId, Intake};

/// How long the looks may take: a connection for reads that has fallen silent is noticed only later. A Redis
/// that is busy for less would let the request wait to be stored just as long.
const TAKES_MAX: Duration = Duration::from_secs(1);

impl<S: Store> Desk<S> {
    /// Notes on a request what is known of where it comes from.
    pub(super) async fn note_background(&self, id: CaseId, intake: &mut Intake) {
        let targets = &intake.facts.fingerprints;
        // Found now, duplicates cost the case no change of their own later. What is not looked
        // at, or not found for a read that fails, the follower of the stream finds.
        let looks = join(self.alike_at_first_sight(id, targets), self.look_up(intake));
        let problem = match timeout(TAKES_MAX, looks).await {
            Ok((related, looked_up)) => {
                intake.likely_duplicates = related.unwrap_or_default();
                match looked_up {
                    Ok(background) => {
                        intake.risks = background.risks(&self.live().risk);
                        return;
                    }
                    Err(error) => error.to_string(),
                }
            }
            Err(_) => format!("no answer within {TAKES_MAX:?}"),
        };
        tracing::warn!(problem, "a request was taken in without a look at where it comes from");
    }

    async fn look_up(&self, intake: &Intake) -> Result<Background, Error> {
        let now = self.now().await?;
        let since = now.as_millis().saturating_sub(millis(self.live().risk.window));
        let mut counted = vec![(Index::Authority(intake.authority.clone()), since)];
        if let Some(officer) = intake.facts.officer {
            counted.extend([(Index::Officer(officer), since), (Index::Officer(officer), 0)]);
        }
        let (counts, loaded) =
            join(self.store.count(&counted), self.store.standing(&intake.authority)).await;
        let (counts, loaded) = (counts?, loaded?);
        Ok(Background {
            authority_requests: counts.first().copied().unwrap_or(0),
            officer_requests: counts.get(1).copied(),
            is_officer_known: counts.get(2).is_some_and(|ever| *ever > 0),
            is_usual_hour: self.registry().is_usual_hour(&intake.authority, now),
            is_suspended: loaded.standing.suspension.is_some(),
        })
    }
}
