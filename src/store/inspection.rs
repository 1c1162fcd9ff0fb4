//! Looking at the cases themselves: all there are, and whether the indexes agree with them.

use redis::{Pipeline, Value};

use super::keys::Keys;
use super::link::Link;
use super::reads::{ask, unexpected};
use super::{Inspected, Inspection, Loaded, ScanCursor, StoreError, places};
use crate::core::synthetic::SYNTHETIC_AUTHORITY;
use crate::core::{Case, CaseId, DeskName};

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
    let (found, next) = scan_keys(link, &format!("{prefix}*"), from, count).await?;
    let names =
        found.iter().filter_map(|key| key.strip_prefix(prefix).map(str::to_owned)).collect();
    Ok((names, next))
}

/// A part of the keys that match `pattern`.
async fn scan_keys(
    link: &Link,
    pattern: &str,
    from: ScanCursor,
    count: usize,
) -> Result<(Vec<String>, Option<ScanCursor>), StoreError> {
    let mut pipeline = Pipeline::new();
    pipeline.cmd("SCAN").arg(from.0).arg("MATCH").arg(pattern).arg("COUNT").arg(count);
    let ((next, found),): ((u64, Vec<String>),) = ask(link, "scan the keys", &pipeline).await?;
    Ok((found, (next != 0).then_some(ScanCursor(next))))
}

/// A part of the desks that are not `served` and of which cases still wake, but for synthetic ones, which nobody
/// waits for.
pub(super) async fn unserved_desks(
    link: &Link,
    served: &[DeskName],
    from: ScanCursor,
    count: usize,
) -> Result<(Vec<DeskName>, Option<ScanCursor>), StoreError> {
    let (found, next) = scan_keys(link, &Keys::wake_of_any(), from, count).await?;
    let desks = found.iter().filter_map(|key| Keys::desk_of(key));
    let mut desks: Vec<DeskName> = desks.filter(|desk| !served.contains(desk)).collect();
    if desks.is_empty() {
        return Ok((desks, next));
    }
    let synthetic = SYNTHETIC_AUTHORITY.parse().expect("a word that follows the rule");
    let mut pipeline = Pipeline::new();
    for keys in desks.iter().map(Keys::new) {
        let (wake, synthetic) = (keys.wake(), keys.authority(&synthetic));
        pipeline.cmd("ZCARD").arg(&wake);
        pipeline.cmd("ZINTERCARD").arg(2).arg(&wake).arg(&synthetic);
    }
    let counts: Vec<u64> = ask(link, "look for cases of other desks", &pipeline).await?;
    let mut counts = counts.chunks_exact(2);
    desks.retain(|_| counts.next().is_some_and(|counts| counts[0] > counts[1]));
    Ok((desks, next))
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
