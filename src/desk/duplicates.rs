//! Finding requests about the same target, also of different authorities, by keyed fingerprint.
//!
//! It follows the events stream as a reader of its own, so that no request is missed when a process
//! dies between taking it in and comparing it. Flagging a case twice changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use tokio::time::sleep;

use super::{Desk, Error, Extras, Index, Store};
use crate::clock::monotonic_now;
use crate::core::{
    AuthorityId, Case, CaseId, Change, Command, Event, Fingerprint, Refusal, Risk, Sorting,
    Timestamp,
};
use crate::store::StoreError;

const GROUP: &str = "duplicates";
const CONSUMER: &str = "replica";
const READ_MAX: usize = 64;
const LOOK_EVERY: Duration = Duration::from_millis(250);
const TAKE_OVER_EVERY: Duration = Duration::from_secs(5);
const LEFT_AFTER: Duration = Duration::from_secs(30);
/// How many cases with the same target are looked at; more of them are an incident.
const LOOKED_AT_MAX: usize = Case::LIKELY_DUPLICATES_MAX;
/// A request may name 100 targets; looking for the first of them finds whoever asks the same.
const TARGETS_LOOKED_AT_MAX: usize = 10;

/// The loop that finds them.
pub struct Duplicates<S> {
    desk: Arc<Desk<S>>,
}

impl<S: Store> Duplicates<S> {
    /// The finder of a desk.
    pub const fn new(desk: Arc<Desk<S>>) -> Self {
        Self { desk }
    }

    /// Looks, for ever.
    pub async fn run(self) {
        let mut looked_behind: Option<Instant> = None;
        let mut is_failing = false;
        loop {
            let is_time = looked_behind.is_none_or(|at| at.elapsed() >= TAKE_OVER_EVERY);
            if is_time {
                looked_behind = Some(monotonic_now());
            }
            match self.pass(is_time).await {
                Ok(0) => sleep(LOOK_EVERY).await,
                Ok(_) => is_failing = false,
                Err(error) => {
                    if !std::mem::replace(&mut is_failing, true) {
                        tracing::error!(%error, "likely duplicates cannot be looked for; trying on");
                    }
                    sleep(LOOK_EVERY).await;
                }
            }
        }
    }

    /// Compares what is new, or also what others left behind; how many changes there were.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub async fn pass(&self, also_left_behind: bool) -> Result<usize, Error> {
        let store = &self.desk.store;
        let mut entries = store.receive(GROUP, CONSUMER, READ_MAX).await?;
        if also_left_behind {
            entries.extend(store.take_over(GROUP, CONSUMER, LEFT_AFTER, READ_MAX).await?);
        }
        let mut failed = None;
        let mut dealt_with = Vec::with_capacity(entries.len());
        for entry in &entries {
            // What cannot be read holds no request that this version has taken in; the pager puts
            // it aside and raises the alarm.
            if let Some(change) = entry.change()
                && is_accepted(change)
            {
                match self.compare(change.case).await {
                    Ok(()) => {}
                    // One case that cannot be read or written must not hold up all that follow.
                    Err(
                        error @ (Error::Store(StoreError::Unreadable { .. })
                        | Error::Refused(_)
                        | Error::Contended),
                    ) => {
                        tracing::error!(case.id = %change.case, %error, "not compared with others");
                    }
                    Err(error) => {
                        failed = Some(error);
                        continue;
                    }
                }
            }
            dealt_with.push(entry.cursor);
        }
        store.acknowledge(GROUP, &dealt_with).await?;
        failed.map_or(Ok(entries.len()), Err)
    }

    async fn compare(&self, id: CaseId) -> Result<(), Error> {
        let case = self.desk.get(id).await?;
        let targets = &case.facts.fingerprints;
        let others = self.desk.with_same_target(id, targets, Some(case.accepted_at)).await?;
        let ids: Vec<CaseId> = others.iter().copied().collect();
        let related: Vec<Case> =
            self.desk.store.load(&ids).await?.cases.into_iter().flatten().flatten().collect();
        let mut asked_by: BTreeMap<Fingerprint, BTreeSet<&AuthorityId>> = BTreeMap::new();
        for one in std::iter::once(&case).chain(&related) {
            for target in &one.facts.fingerprints {
                asked_by.entry(*target).or_default().insert(&one.authority);
            }
        }
        // Of one and the same target: two authorities with a third in common are nobody's concern.
        let limits = &self.desk.live().risk;
        let risk = |one: &Case| {
            let targets = one.facts.fingerprints.iter().filter_map(|target| asked_by.get(target));
            let others = targets.map(|authorities| authorities.len() as u64 - 1).max();
            limits.across(others.unwrap_or(0))
        };
        for other in &related {
            self.flag(other, &BTreeSet::from([id])).await?;
            self.warn(other, risk(other)).await?;
        }
        self.flag(&case, &others).await?;
        self.warn(&case, risk(&case)).await
    }

    /// Notes what calls for more care in verifying a case, unless it is noted.
    async fn warn(&self, case: &Case, risk: Option<Risk>) -> Result<(), Error> {
        let Some(risk) = risk.filter(|risk| !case.risks.contains(risk)) else { return Ok(()) };
        self.sort(case.id, Sorting::Risk(risk)).await
    }

    async fn sort(&self, id: CaseId, sorting: Sorting) -> Result<(), Error> {
        match self.desk.transact(id, &Command::Sort(sorting), &Extras::default()).await {
            Ok(_) | Err(Error::Refused(Refusal::CaseNotFound)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Flags a case, if that would tell anything new.
    async fn flag(&self, case: &Case, others: &BTreeSet<CaseId>) -> Result<(), Error> {
        let is_full = case.likely_duplicates.len() >= Case::LIKELY_DUPLICATES_MAX;
        if is_full || others.is_subset(&case.likely_duplicates) {
            return Ok(());
        }
        self.sort(case.id, Sorting::LikelyDuplicates(others.clone())).await
    }
}

fn is_accepted(change: &Change) -> bool {
    change.events.iter().any(|event| matches!(event, Event::Accepted { .. }))
}

impl<S: Store> Desk<S> {
    /// The other cases that name one of these targets, accepted about when the case was: at
    /// `accepted_at`, or now.
    pub(super) async fn with_same_target(
        &self,
        id: CaseId,
        targets: &BTreeSet<Fingerprint>,
        accepted_at: Option<Timestamp>,
    ) -> Result<BTreeSet<CaseId>, StoreError> {
        let window = self.live().duplicates_within;
        let Some(at) = accepted_at.or_else(|| self.now_estimate()) else {
            return Ok(BTreeSet::new());
        };
        let looked_at: Vec<Index> = targets
            .iter()
            .take(TARGETS_LOOKED_AT_MAX)
            .map(|target| Index::Target(*target))
            .collect();
        let lists = looked_at.iter().map(|index| self.store.list(index, None, LOOKED_AT_MAX + 1));
        let mut found = BTreeSet::new();
        for positions in try_join_all(lists).await? {
            for position in positions {
                let other = Timestamp::from_millis(position.score);
                let apart = at.since(other).max(other.since(at));
                if position.id != id && apart <= window && found.len() < LOOKED_AT_MAX {
                    found.insert(position.id);
                }
            }
        }
        Ok(found)
    }
}
