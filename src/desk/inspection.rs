//! Looking at all cases there are, and putting right what the indexes say of them.

use super::{Desk, Error, Extras};
use crate::core::{Case, CaseId, Command, Intake, Lane};
use crate::store::{Index, Inspected, Outcome, ScanCursor, Store, StoreError};

/// How many entries at the head of an index are looked up.
const HEADS_MAX: usize = 256;

impl<S: Store> Desk<S> {
    /// A part of all cases, with what the indexes say of them, and where to go on.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn inspect(
        &self,
        from: ScanCursor,
        count: usize,
    ) -> Result<(Inspected, Option<ScanCursor>), StoreError> {
        let (ids, next) = self.store.scan(from, count).await?;
        Ok((self.store.inspect(&ids).await?, next))
    }

    /// Gives a case the places in the indexes that it should have; `false` when it has been written
    /// meanwhile, which gave it them.
    ///
    /// # Errors
    /// It is not known to be written.
    pub async fn repair(&self, case: &Case) -> Result<bool, StoreError> {
        let Some(now) = self.now_estimate() else { return Ok(false) };
        let outcome = self.store.repair(case, now).await?;
        self.hints.committed(case, &[]);
        Ok(outcome == Outcome::Written)
    }

    /// Entries at the heads of the indexes behind which there is no case.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn orphans(&self) -> Result<Vec<CaseId>, StoreError> {
        let lanes = Lane::ALL.iter().map(|lane| Index::Ready(*lane));
        let mut orphans = Vec::new();
        for index in lanes.chain([Index::Unanswered, Index::Claimed, Index::Wake]) {
            let positions = self.store.list(&index, None, HEADS_MAX).await?;
            let ids: Vec<CaseId> = positions.into_iter().map(|position| position.id).collect();
            let cases = self.store.load(&ids).await?.cases;
            let found = ids.into_iter().zip(cases);
            orphans.extend(found.filter(|(_, case)| matches!(case, Ok(None))).map(|(id, _)| id));
        }
        Ok(orphans)
    }

    /// Takes in the synthetic request of this number; as all replicas make the same of it, one does.
    ///
    /// # Errors
    /// The case is not known to be stored.
    pub async fn submit_synthetic(&self, number: u64) -> Result<Case, Error> {
        let intake = Intake::synthetic(number);
        let id = intake.case_id();
        let done = self.accept(id, &Command::Accept(intake), &Extras::default()).await?;
        Ok(done.case)
    }
}
