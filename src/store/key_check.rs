//! With which key the fingerprints of a desk are made, as far as one that has the key can tell.

use redis::Pipeline;

use super::StoreError;
use super::keys::{Keys, hex};
use super::link::Link;
use super::reads::ask;
use crate::core::Fingerprint;

/// What is kept, which is the argument where nothing was. Allowed at the memory limit: it is a few bytes
/// once, and what a full Redis has must go on being answered.
const AGREE: &str = "#!lua flags=allow-oom
return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'GET') or ARGV[1]";

pub(super) async fn agree(
    link: &Link,
    keys: &Keys,
    check: Fingerprint,
) -> Result<bool, StoreError> {
    let check = hex(&check.0);
    let mut pipeline = Pipeline::new();
    pipeline.cmd("EVAL").arg(AGREE).arg(1).arg(keys.fingerprint_key()).arg(&check);
    let (kept,): (String,) = ask(link, "compare the key of the fingerprints", &pipeline).await?;
    Ok(kept == check)
}
