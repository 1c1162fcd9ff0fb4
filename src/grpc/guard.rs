//! What lets the author of a call that goes on for long go on: a watch, or a wait for a case, outlives
//! the certificate and the entry of the registry that it began with.

use std::time::Duration;

use tonic::Status;

use super::identity::{Presented, is_allowed};
use super::serve::Edge;
use super::status;
use crate::core::AuthorityId;
use crate::desk::{Desk, Store};
use crate::registry::rules::Rule;

/// How soon whoever has left the registry is noticed where nothing is told meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks again whether the author of a call may go on.
pub(super) struct Guard {
    author: Option<(Presented, &'static Rule)>,
    /// Whose cases are told of, where the author must speak for them.
    authority: Option<AuthorityId>,
}

impl Guard {
    /// The guard of a call that `edge` answers.
    pub(super) fn of<S: Store>(edge: &Edge<S>, authority: Option<AuthorityId>) -> Self {
        Self { author: edge.author.clone(), authority }
    }

    /// Returns why, once the author may not go on.
    pub(super) async fn lost<S: Store>(&self, desk: &Desk<S>) -> Status {
        loop {
            if let Err(refused) = self.check(desk) {
                return refused;
            }
            let over = async {
                match &self.author {
                    Some((presented, _)) => presented.over().await,
                    None => std::future::pending().await,
                }
            };
            _ = tokio::time::timeout(LOOK_EVERY, over).await;
        }
    }

    /// Whether the author may go on.
    pub(super) fn check<S: Store>(&self, desk: &Desk<S>) -> Result<(), Status> {
        let Some((presented, rule)) = &self.author else { return Ok(()) };
        presented.must_hold()?;
        let caller = presented.at(desk).ok_or_else(status::caller_unknown)?;
        if !is_allowed(&caller, rule) {
            return Err(status::role_missing(rule));
        }
        match &self.authority {
            Some(authority) if !caller.speaks_for(authority) => Err(status::case_not_found()),
            Some(_) | None => Ok(()),
        }
    }
}
