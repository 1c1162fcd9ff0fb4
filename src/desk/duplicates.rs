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
/// How many of the latest cases with one target are compared; more of them are an incident.
const COMPARED_MAX: usize = Case::LIKELY_DUPLICATES_IN_ALL_MAX;
/// How many targets are looked for, or cases loaded, in one go.
const AT_ONCE: usize = 16;
/// A request may name 100 targets. As it comes in somebody waits, and so few of them are looked for; the
/// follower of the stream looks for all.
const TARGETS_AT_FIRST_SIGHT: usize = 10;

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
        let targets: Vec<Fingerprint> = case.facts.fingerprints.iter().copied().collect();
        let found = self.desk.with_same_target(id, &targets, case.accepted_at, COMPARED_MAX);
        let ids: Vec<CaseId> = found.await?.into_iter().collect();
        let mut alike = Vec::with_capacity(ids.len() + 1);
        for some in ids.chunks(AT_ONCE) {
            alike.extend(self.desk.store.load(some).await?.cases.into_iter().flatten().flatten());
        }
        alike.push(case);
        let mut asking: BTreeMap<Fingerprint, Vec<&Case>> = BTreeMap::new();
        for target in targets {
            let asks = alike.iter().filter(|one| one.facts.fingerprints.contains(&target));
            asking.insert(target, asks.collect());
        }
        for one in &alike {
            let (found, risk) = self.seen_beside(one, &asking);
            self.flag(one, found).await?;
            self.warn(one, risk).await?;
        }
        Ok(())
    }

    /// The cases that ask about a target of this one, and what calls for more care since they do.
    fn seen_beside(
        &self,
        case: &Case,
        asking: &BTreeMap<Fingerprint, Vec<&Case>>,
    ) -> (BTreeMap<CaseId, AuthorityId>, Option<Risk>) {
        let live = self.desk.live();
        let is_beside = |other: &&&Case| {
            other.id != case.id
                && apart(other.accepted_at, case.accepted_at) <= live.duplicates_within
        };
        let (mut found, mut others) = (BTreeMap::new(), 0);
        for asks in case.facts.fingerprints.iter().filter_map(|target| asking.get(target)) {
            let beside = || asks.iter().filter(is_beside);
            found.extend(beside().map(|other| (other.id, other.authority.clone())));
            // Of one and the same target: two authorities with a third in common are nobody's concern.
            let authorities: BTreeSet<_> = beside().map(|other| &other.authority).collect();
            let is_own = |authority: &&&AuthorityId| ***authority == case.authority;
            others = others.max(authorities.len() - authorities.iter().filter(is_own).count());
        }
        (found, live.risk.across(others as u64))
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
    async fn flag(&self, case: &Case, found: BTreeMap<CaseId, AuthorityId>) -> Result<(), Error> {
        if case.unnamed(&found).is_empty() {
            return Ok(());
        }
        self.sort(case.id, Sorting::LikelyDuplicates(found)).await
    }
}

fn is_accepted(change: &Change) -> bool {
    change.events.iter().any(|event| matches!(event, Event::Accepted { .. }))
}

fn apart(one: Timestamp, other: Timestamp) -> Duration {
    one.since(other).max(other.since(one))
}

impl<S: Store> Desk<S> {
    /// Some of the recent cases that name one of these targets: as many as a case names at most, and not
    /// of every target.
    pub(super) async fn alike_at_first_sight(
        &self,
        id: CaseId,
        targets: &BTreeSet<Fingerprint>,
    ) -> Result<BTreeSet<CaseId>, StoreError> {
        const MAX: usize = Case::LIKELY_DUPLICATES_MAX;
        let Some(now) = self.now_estimate() else { return Ok(BTreeSet::new()) };
        let some: Vec<_> = targets.iter().take(TARGETS_AT_FIRST_SIGHT).copied().collect();
        let found = self.with_same_target(id, &some, now, MAX).await?;
        Ok(found.into_iter().take(MAX).collect())
    }

    /// The other cases among the latest of each of these targets that were accepted about then.
    async fn with_same_target(
        &self,
        id: CaseId,
        targets: &[Fingerprint],
        at: Timestamp,
        latest_max: usize,
    ) -> Result<BTreeSet<CaseId>, StoreError> {
        let window = self.live().duplicates_within;
        let mut found = BTreeSet::new();
        for some in targets.chunks(AT_ONCE) {
            let indexes: Vec<Index> = some.iter().copied().map(Index::Target).collect();
            // One more, since the case itself may be among them.
            let lists = indexes.iter().map(|index| self.store.list(index, None, latest_max + 1));
            for position in try_join_all(lists).await?.into_iter().flatten() {
                let accepted_at = Timestamp::from_millis(position.score);
                if position.id != id && apart(accepted_at, at) <= window {
                    found.insert(position.id);
                }
            }
        }
        Ok(found)
    }
}
