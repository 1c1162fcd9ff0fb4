//! Counting all cases there are for a transparency report.

use super::{Desk, Error};
use crate::core::transparency::{Census, Period, Report};
use crate::store::{ScanCursor, Store};

/// How many cases are looked at in one go.
const STEP: usize = 256;

/// What came of counting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// What may be made public.
    pub report: Report,
    /// How many stored cases could not be read, so that it is not known whether they belong to it.
    pub unreadable: u32,
}

impl<S: Store> Desk<S> {
    /// Counts the requests of a period, of which fewer than `min_cell` are too few to be told. It reads
    /// every case once, and keeps of each that it counts its id and its place.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn transparency(&self, period: Period, min_cell: u32) -> Result<Counted, Error> {
        let mut census: Option<Census> = None;
        let mut unreadable = 0;
        let mut from = Some(ScanCursor::default());
        while let Some(cursor) = from {
            let (ids, next) = self.store.scan(cursor, STEP).await?;
            let loaded = self.store.load(&ids).await?;
            let census = census.get_or_insert_with(|| Census::new(period, loaded.now));
            for (id, case) in ids.iter().zip(loaded.cases) {
                match case {
                    Ok(case) => case.iter().for_each(|case| census.count(case)),
                    Err(error) => {
                        unreadable += 1;
                        tracing::error!(case.id = %id, %error, "left out of a transparency report");
                    }
                }
            }
            from = next;
        }
        let census = census.expect("the first step has made it");
        Ok(Counted { report: census.publish(min_cell), unreadable })
    }
}
