//! Waiting for something to become true. No test waits in any other way, so that none depends on
//! how fast a machine happens to be.

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

/// How often a condition is looked at: soon enough to cost no time, rarely enough to cost no work.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Returns once `condition` holds; panics, saying `what` did not happen, when it does not `within`.
pub(crate) async fn eventually(
    what: &str,
    within: Duration,
    mut condition: impl AsyncFnMut() -> bool,
) {
    let looking = async {
        let mut looks = pace(LOOK_EVERY);
        loop {
            looks.tick().await;
            if condition().await {
                return;
            }
        }
    };
    assert!(timeout(within, looking).await.is_ok(), "did not happen within {within:?}: {what}");
}

/// Like [`eventually`], for a value that is there at last.
pub(crate) async fn eventually_some<T>(
    what: &str,
    within: Duration,
    mut find: impl AsyncFnMut() -> Option<T>,
) -> T {
    let mut found = None;
    eventually(what, within, async || {
        found = find().await;
        found.is_some()
    })
    .await;
    found.expect("eventually returns only once the value was found")
}

/// Regular ticks, the first at once. A tick that comes late does not make the next ones hurry.
pub(crate) fn pace(every: Duration) -> Interval {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
