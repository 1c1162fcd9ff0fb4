//! Looking at the cases themselves: all there are, and whether the indexes agree with them.

use redis::{Pipeline, Value};

use super::keys::Keys;
use super::link::Link;
use super::reads::{ask, unexpected};
use super::{Inspected, Inspection, Loaded, ScanCursor, StoreError, places};
use crate::core::{Case, CaseId};

pub(super) async fn scan(
    link: &Link,
    keys: &Keys,
    from: ScanCursor,
    count: usize,
) -> Result<(Vec<CaseId>, Option<ScanCursor>), StoreError> {
    let (found, next) = scan_names(link, &keys.case_prefix(), from, count).await?;
    Ok((found.iter().filter_map(|name| name.parse().ok()).collect(), next))
}

/// A part of the keys that begin with `prefix`: what follows it.
pub(super) async fn scan_names(
    link: &Link,
    prefix: &str,
    from: ScanCursor,
    count: usize,
) -> Result<(Vec<String>, Option<ScanCursor>), StoreError> {
    let mut pipeline = Pipeline::new();
    pipeline.cmd("SCAN").arg(from.0).arg("MATCH").arg(format!("{prefix}*")).arg("COUNT").arg(count);
    let ((next, found),): ((u64, Vec<String>),) = ask(link, "scan the cases", &pipeline).await?;
    let names =
        found.iter().filter_map(|key| key.strip_prefix(prefix).map(str::to_owned)).collect();
    Ok((names, (next != 0).then_some(ScanCursor(next))))
}

/// Compares cases that were loaded with the indexes. Version and scores are read at one instant, so
/// that scores are only held against the version that wrote them.
pub(super) async fn compare(
    link: &Link,
    keys: &Keys,
    loaded: Loaded,
) -> Result<Inspected, StoreError> {
    const OPERATION: &str = "compare a case with the indexes";
    let mut pipeline = Pipeline::new();
    pipeline.atomic();
    for case in loaded.cases.iter().flatten().flatten() {
        pipeline.cmd("HGET").arg(keys.case(case.id)).arg("version");
        for (key, _) in places::all(keys, case) {
            pipeline.cmd("ZSCORE").arg(key).arg(case.id.compact());
        }
    }
    let mut answers = if pipeline.is_empty() {
        Vec::new().into_iter()
    } else {
        ask::<Vec<Value>>(link, OPERATION, &pipeline).await?.into_iter()
    };
    let mut next = || -> Result<Option<u64>, StoreError> {
        let answer = answers.next().ok_or_else(|| unexpected(OPERATION))?;
        redis::from_redis_value(answer).map_err(|_| unexpected(OPERATION))
    };
    let mut inspect = |case: Case| -> Result<Inspection, StoreError> {
        let is_same = next()? == Some(case.version);
        let mut is_indexed = true;
        for (_, score) in places::all(keys, &case) {
            is_indexed &= next()? == score;
        }
        Ok(Inspection { is_indexed: is_indexed || !is_same, case })
    };
    let mut cases = Vec::with_capacity(loaded.cases.len());
    for case in loaded.cases {
        cases.push(match case {
            Ok(Some(case)) => Ok(Some(inspect(case)?)),
            Ok(None) => Ok(None),
            Err(unreadable) => Err(unreadable),
        });
    }
    Ok(Inspected { now: loaded.now, cases })
}
