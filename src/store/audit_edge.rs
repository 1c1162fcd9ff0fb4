//! How far the audit log has come, kept with what it is derived from.

use redis::Pipeline;

use super::keys::Keys;
use super::link::Link;
use super::reads::{ask, unexpected};
use super::{AuditEdge, StoreError};

/// Keeps an edge that is further than the kept one. Allowed at the memory limit: it takes the place of
/// the one before, and what the log holds can then be trimmed.
const KEEP: &str = "#!lua flags=allow-oom
if tonumber(redis.call('HGET', KEYS[1], 'version') or '0') >= tonumber(ARGV[1]) then
  return 0
end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'cursor', ARGV[2], 'state', ARGV[3])
return 1";

type Fields = (Option<u64>, Option<String>, Option<String>);

pub(super) async fn read(link: &Link, keys: &Keys) -> Result<Option<AuditEdge>, StoreError> {
    const OPERATION: &str = "read the edge of the audit log";
    let mut pipeline = Pipeline::new();
    pipeline.cmd("HMGET").arg(keys.audit_edge()).arg("version").arg("cursor").arg("state");
    let (fields,): (Fields,) = ask(link, OPERATION, &pipeline).await?;
    match fields {
        (None, None, None) => Ok(None),
        (Some(version @ 1..), Some(cursor), Some(state)) => {
            let cursor = cursor.parse().map_err(|()| unexpected(OPERATION))?;
            Ok(Some(AuditEdge { size: version - 1, cursor, state }))
        }
        _ => Err(unexpected(OPERATION)),
    }
}

pub(super) async fn keep(link: &Link, keys: &Keys, edge: &AuditEdge) -> Result<bool, StoreError> {
    let mut pipeline = Pipeline::new();
    pipeline.cmd("EVAL").arg(KEEP).arg(1).arg(keys.audit_edge());
    // The version of an empty log's edge is 1, as that of whatever is stored first.
    pipeline.arg(edge.size + 1).arg(edge.cursor.to_string()).arg(&edge.state);
    let (is_kept,): (bool,) = ask(link, "keep the edge of the audit log", &pipeline).await?;
    Ok(is_kept)
}
