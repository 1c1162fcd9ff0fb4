//! Until when an authority sees what was said.
//!
//! How long the desk keeps it is the desk's own: a fraud, a legal hold or a duty to somebody else would
//! show by it. So the authority sees what was said go when it would have gone for an honest case that
//! nobody holds, whatever is kept beyond that.

use super::case::Case;
use super::clock::ClockState;
use super::time::Timestamp;

impl Case {
    /// When what was said is gone for the authority: once the end that it was told of, and the clocks
    /// that it is shown, no longer need it. `None` while one of them does.
    #[must_use]
    pub fn gone_for_authority_at(&self) -> Option<Timestamp> {
        let ended = self.ended.as_ref()?;
        let mut shown = self.clocks.values().filter(|clock| clock.kind.is_shown_to_authority());
        shown.try_fold(ended.shown_until, |latest, clock| match clock.state {
            ClockState::Stopped { at } => Some(latest.max(at)),
            ClockState::Running | ClockState::Paused { .. } => None,
        })
    }

    /// The same if it has come by `now`, which is never before the case's latest event.
    #[must_use]
    pub fn gone_for_authority(&self, now: Timestamp) -> Option<Timestamp> {
        self.gone_for_authority_at().filter(|at| *at <= now.max(self.last_event_at))
    }
}
