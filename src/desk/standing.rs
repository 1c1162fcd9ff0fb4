//! Suspending an authority, and what must not happen while it is: nothing that was decided before may go
//! out after, on any replica.

use super::transact::{AGE_MAX, ATTEMPTS_MAX, Extras, Tried};
use super::{Desk, Done, Error, Index, Position, Store};
use crate::core::standing::{StandingCommand, StandingDecision, StandingRefusal};
use crate::core::{
    Act, Actor, AuthorityId, AuthorityStanding, CaseId, Command, Deed, Disclosure, Notice, Sorting,
    Standing, Timestamp, What,
};
use crate::store::{Outcome, Said, StandingCommit, Versioned};
use crate::telemetry::metrics;

impl<S: Store> Desk<S> {
    /// Suspends or reinstates an authority. When this returns it is durable, and holds on all replicas:
    /// a disclosure is written only on the standing that it was decided on.
    ///
    /// # Errors
    /// The rules do not allow it, or it is not known to be stored.
    pub async fn act_on_standing(
        &self,
        authority: &AuthorityId,
        act: &Act,
        command: StandingCommand,
    ) -> Result<(AuthorityStanding, bool), Error> {
        // What was verified before a suspension must not count after it. So this is done once more before
        // disclosures may go on: whoever suspended the authority may have died half way.
        let is_reinstated = command == StandingCommand::Reinstate
            && self.standing(authority).await?.suspension.is_some();
        if is_reinstated {
            self.begin_verification_anew(authority).await?;
        }
        let (standing, is_replayed) = self.commit_standing(authority, act, command).await?;
        if standing.suspension.is_some() {
            self.begin_verification_anew(authority).await?;
        }
        Ok((standing, is_replayed))
    }

    async fn commit_standing(
        &self,
        authority: &AuthorityId,
        act: &Act,
        command: StandingCommand,
    ) -> Result<(AuthorityStanding, bool), Error> {
        for _ in 0..ATTEMPTS_MAX {
            let loaded = self.store.standing(authority).await?;
            if loaded.standing.version == 0 && !self.is_known(authority).await? {
                return Err(Error::Standing(StandingRefusal::NotFound));
            }
            let (next, what) = match loaded.standing.decide(act, command, loaded.now) {
                StandingDecision::AlreadyTrue => {
                    // What is told as done must be as durable as when it was done.
                    let value = Versioned::Standing(authority.clone());
                    if !self.store.fence(&value, loaded.standing.version).await? {
                        continue;
                    }
                    return Ok((loaded.standing, true));
                }
                StandingDecision::Refused(refusal) => return Err(Error::Standing(refusal)),
                StandingDecision::Next(next, what) => (*next, what),
            };
            let notice = Notice { at: loaded.now, by: Some(act.actor()), what };
            let commit = StandingCommit {
                standing: next.clone(),
                notice,
                observed_at: loaded.now,
                age_max: AGE_MAX,
            };
            match self.store.commit_standing(commit).await? {
                Outcome::Written => {
                    self.hints.changed.notify_one();
                    tracing::warn!(
                        is_suspended = next.suspension.is_some(),
                        "the standing of an authority has changed; GetStatus and the record say whose"
                    );
                    let was_suspended = loaded.standing.suspension.is_some();
                    return Ok((next.clone(), was_suspended == next.suspension.is_some()));
                }
                Outcome::Conflict | Outcome::Untimely(_) => metrics::commit_retried(),
                // It depends on nothing and leaves no note.
                Outcome::PolicyMissing | Outcome::Noted(_) | Outcome::Elsewhere => {
                    return Err(Error::Contended);
                }
            }
        }
        Err(Error::Contended)
    }

    /// Whether the registry holds it, or it has asked something before.
    async fn is_known(&self, authority: &AuthorityId) -> Result<bool, Error> {
        if self.registry().authority(authority).is_some() {
            return Ok(true);
        }
        let asked = self.store.list(&Index::Authority(authority.clone()), None, 1).await?;
        Ok(!asked.is_empty())
    }

    /// What was verified of the open cases of a suspended authority counts no more. That nothing goes
    /// out does not rest on it: a process that dies half way leaves cases that only look better.
    async fn begin_verification_anew(&self, authority: &AuthorityId) -> Result<(), Error> {
        for case in self.all(&Index::Authority(authority.clone())).await? {
            if !case.has_ended() {
                let suspended = Command::Sort(Sorting::SuspendAuthority);
                self.transact(case.id, &suspended, &Extras::default()).await?;
            }
        }
        Ok(())
    }

    /// Approves the proposal of this number, as the authority stands at that very moment.
    ///
    /// # Errors
    /// The case or the standing of its authority does not allow it, or it is not known to be stored.
    pub async fn approve_outcome(
        &self,
        id: CaseId,
        act: &Act,
        number: u32,
        said: Said,
    ) -> Result<Done, Error> {
        let extras = Extras { said, note: None };
        for _ in 0..ATTEMPTS_MAX {
            let (now, case) = self.load(id).await?;
            let standing = match &case {
                Some(case) => Standing {
                    is_key_too_new: self.is_key_too_new(case, now),
                    is_not_valid: self.is_not_valid(&case.authority, now),
                    ..self.store.standing(&case.authority).await?.standing.standing()
                },
                None => Standing::default(),
            };
            let command = Command::Act(act.clone(), Deed::ApproveOutcome(number, standing));
            if let Tried::Done(done) = self.attempt(case, now, &command, &extras).await? {
                return Ok(*done);
            }
            metrics::commit_retried();
        }
        Err(Error::Contended)
    }

    /// Whether the registry holds the authority, and its entry is not valid at `now`.
    fn is_not_valid(&self, authority: &AuthorityId, now: Timestamp) -> bool {
        let registry = self.registry();
        registry.authority(authority).is_some_and(|entry| !entry.is_valid(now))
    }

    /// How an authority stands.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn standing(&self, authority: &AuthorityId) -> Result<AuthorityStanding, Error> {
        Ok(self.store.standing(authority).await?.standing)
    }

    /// Tells the record of something that changes no case. When this returns, it is durable.
    ///
    /// # Errors
    /// It is not known to be stored.
    pub async fn tell(&self, by: Option<Actor>, what: What) -> Result<(), Error> {
        let at = self.now().await?;
        self.store.tell(Notice { at, by, what }).await?;
        self.hints.changed.notify_one();
        Ok(())
    }
}

/// One disclosure, and to whom it went.
#[derive(Clone, Debug)]
pub struct DisclosureFound {
    /// The case.
    pub case: CaseId,
    /// The authority.
    pub authority: AuthorityId,
    /// What went out.
    pub disclosure: Disclosure,
}

impl<S: Store> Desk<S> {
    /// What was disclosed since `since`, found by looking at up to `count` cases, and where to go on.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn disclosures(
        &self,
        authority: Option<&AuthorityId>,
        since: Timestamp,
        after: Option<Position>,
        count: usize,
    ) -> Result<(Vec<DisclosureFound>, Option<Position>), Error> {
        let index = authority.map_or(Index::All, |authority| Index::Authority(authority.clone()));
        let (cases, next) = self.list(&index, after, count).await?;
        let found = cases.into_iter().flat_map(|case| {
            let (id, authority) = (case.id, case.authority);
            let recent = case.disclosures.into_iter().filter(move |found| found.at >= since);
            recent.map(move |disclosure| DisclosureFound {
                case: id,
                authority: authority.clone(),
                disclosure,
            })
        });
        Ok((found.collect(), next))
    }
}
