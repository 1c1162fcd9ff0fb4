//! The events stream: every change in order, its readers, and its trimming.

use std::collections::HashMap;
use std::time::Duration;

use redis::streams::{StreamAutoClaimReply, StreamId, StreamRangeReply, StreamReadReply};
use redis::{ErrorKind, Pipeline, RedisResult, Value};

use super::audit_edge;
use super::keys::Keys;
use super::link::Link;
use super::reads::{ask, unexpected};
use super::{Cursor, Entry, Kept, StoreError, Unreadable};
use crate::core::Timestamp;
use crate::core::time::millis;

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.millis, self.sequence)
    }
}

impl std::str::FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (millis, sequence) = text.split_once('-').ok_or(())?;
        let number = |text: &str| text.parse().map_err(|_| ());
        Ok(Self { millis: number(millis)?, sequence: number(sequence)? })
    }
}

fn entries(ids: Vec<StreamId>, operation: &'static str) -> Result<Vec<Entry>, StoreError> {
    ids.into_iter()
        .map(|entry| {
            let cursor = entry.id.parse().map_err(|()| unexpected(operation))?;
            let stored = entry.get::<Vec<u8>>("change");
            let stored = stored.as_deref().ok_or_else(|| Unreadable {
                what: "change",
                problem: "the entry has no field change".to_owned(),
            });
            Ok(Entry::read(cursor, stored))
        })
        .collect()
}

pub(super) async fn changes(
    link: &Link,
    keys: &Keys,
    after: Cursor,
    count: usize,
) -> Result<Vec<Entry>, StoreError> {
    const OPERATION: &str = "read changes";
    let mut pipeline = Pipeline::new();
    pipeline.cmd("XRANGE").arg(keys.events()).arg(format!("({after}")).arg("+");
    pipeline.arg("COUNT").arg(count);
    let (range,): (StreamRangeReply,) = ask(link, OPERATION, &pipeline).await?;
    entries(range.ids, OPERATION)
}

pub(super) async fn kept(link: &Link, keys: &Keys) -> Result<Kept, StoreError> {
    let info = stream_info(link, keys).await?;
    Ok(Kept { since: info.trimmed_to, latest: info.latest })
}

#[derive(Default)]
struct StreamInfo {
    length: u64,
    latest: Cursor,
    trimmed_to: Cursor,
    first: Option<Cursor>,
}

/// What XINFO tells of the stream. Before the first change there is none.
async fn stream_info(link: &Link, keys: &Keys) -> Result<StreamInfo, StoreError> {
    const OPERATION: &str = "inspect the events stream";
    let live = link.live(OPERATION)?;
    let mut connection = live.connection.clone();
    let answer: RedisResult<HashMap<String, Value>> =
        redis::cmd("XINFO").arg("STREAM").arg(keys.events()).query_async(&mut connection).await;
    let fields = match answer {
        Ok(fields) => fields,
        Err(error) if is_missing(&error) => return Ok(StreamInfo::default()),
        Err(error) => return Err(link.failed(OPERATION, &live, &error)),
    };
    let field = |name: &str| fields.get(name).cloned().ok_or_else(|| unexpected(OPERATION));
    let number = |name: &str| {
        redis::from_redis_value::<u64>(field(name)?).map_err(|_| unexpected(OPERATION))
    };
    let cursor = |value: Value| {
        let text: String = redis::from_redis_value(value).map_err(|_| unexpected(OPERATION))?;
        text.parse::<Cursor>().map_err(|()| unexpected(OPERATION))
    };
    let length = number("length")?;
    let latest = cursor(field("last-generated-id")?)?;
    let first = match field("first-entry")? {
        Value::Array(mut entry) if !entry.is_empty() => Some(cursor(entry.swap_remove(0))?),
        _ => None,
    };
    let has_lost_nothing = number("entries-added")? == length;
    let trimmed_to = match first {
        _ if has_lost_nothing => Cursor::default(),
        Some(first) => first.before(),
        None => latest,
    };
    Ok(StreamInfo { length, latest, trimmed_to, first })
}

fn is_missing(error: &redis::RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(_))
        && error.detail().is_some_and(|detail| detail.contains("no such key"))
}

pub(super) async fn receive(
    link: &Link,
    keys: &Keys,
    group: &str,
    consumer: &str,
    count: usize,
) -> Result<Vec<Entry>, StoreError> {
    const OPERATION: &str = "receive changes";
    let live = link.live(OPERATION)?;
    let mut connection = live.connection.clone();
    let mut read = redis::cmd("XREADGROUP");
    read.arg("GROUP").arg(group).arg(consumer).arg("COUNT").arg(count);
    read.arg("STREAMS").arg(keys.events()).arg(">");
    let mut answer: RedisResult<Option<StreamReadReply>> = read.query_async(&mut connection).await;
    if answer.as_ref().is_err_and(|error| error.code() == Some("NOGROUP")) {
        create_group(link, keys, group).await?;
        answer = read.query_async(&mut connection).await;
    }
    let reply = answer.map_err(|error| link.failed(OPERATION, &live, &error))?;
    let ids = reply.into_iter().flat_map(|reply| reply.keys).flat_map(|key| key.ids).collect();
    entries(ids, OPERATION)
}

/// Makes the group, starting with the oldest change kept; that another made it first is as good.
async fn create_group(link: &Link, keys: &Keys, group: &str) -> Result<(), StoreError> {
    const OPERATION: &str = "create a reader group";
    let live = link.live(OPERATION)?;
    let mut connection = live.connection.clone();
    let mut create = redis::cmd("XGROUP");
    create.arg("CREATE").arg(keys.events()).arg(group).arg("0").arg("MKSTREAM");
    let created: RedisResult<()> = create.query_async(&mut connection).await;
    match created {
        Err(error) if error.code() != Some("BUSYGROUP") => {
            Err(link.failed(OPERATION, &live, &error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

pub(super) async fn take_over(
    link: &Link,
    keys: &Keys,
    group: &str,
    consumer: &str,
    idle: Duration,
    count: usize,
) -> Result<Vec<Entry>, StoreError> {
    const OPERATION: &str = "take over changes";
    let mut taken = Vec::new();
    let mut from = "0-0".to_owned();
    loop {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("XAUTOCLAIM").arg(keys.events()).arg(group).arg(consumer).arg(millis(idle));
        pipeline.arg(from).arg("COUNT").arg(count - taken.len());
        let (reply,): (StreamAutoClaimReply,) = ask(link, OPERATION, &pipeline).await?;
        taken.extend(entries(reply.claimed, OPERATION)?);
        // It looks at a part only, in front of which there may be much that others still work on.
        from = reply.next_stream_id;
        if from == "0-0" || taken.len() >= count {
            return Ok(taken);
        }
    }
}

/// Claiming a change for the same consumer again counts it as taken just now; JUSTID leaves the count
/// of its deliveries alone.
pub(super) async fn hold(
    link: &Link,
    keys: &Keys,
    group: &str,
    consumer: &str,
    cursors: &[Cursor],
) -> Result<(), StoreError> {
    if cursors.is_empty() {
        return Ok(());
    }
    let mut pipeline = Pipeline::new();
    pipeline.cmd("XCLAIM").arg(keys.events()).arg(group).arg(consumer).arg(0);
    cursors.iter().for_each(|cursor| _ = pipeline.arg(cursor.to_string()));
    pipeline.arg("JUSTID").ignore();
    ask(link, "hold changes", &pipeline).await
}

pub(super) async fn acknowledge(
    link: &Link,
    keys: &Keys,
    group: &str,
    cursors: &[Cursor],
) -> Result<(), StoreError> {
    if cursors.is_empty() {
        return Ok(());
    }
    let mut pipeline = Pipeline::new();
    pipeline.cmd("XACK").arg(keys.events()).arg(group);
    cursors.iter().for_each(|cursor| _ = pipeline.arg(cursor.to_string()));
    let _: (u64,) = ask(link, "acknowledge changes", &pipeline).await?;
    Ok(())
}

pub(super) async fn park(link: &Link, keys: &Keys, cursor: Cursor) -> Result<(), StoreError> {
    const OPERATION: &str = "park a change";
    let mut pipeline = Pipeline::new();
    pipeline.cmd("XRANGE").arg(keys.events()).arg(cursor.to_string()).arg(cursor.to_string());
    let (range,): (StreamRangeReply,) = ask(link, OPERATION, &pipeline).await?;
    for entry in range.ids {
        let bytes = entry.get::<Vec<u8>>("change").unwrap_or_default();
        let mut pipeline = Pipeline::new();
        pipeline.cmd("XADD").arg(keys.parked()).arg("*");
        pipeline.arg("cursor").arg(&entry.id).arg("change").arg(bytes);
        let _: (String,) = ask(link, OPERATION, &pipeline).await?;
    }
    Ok(())
}

/// The oldest change that some group has not dealt with, or just beyond the latest.
async fn slowest(link: &Link, keys: &Keys, latest: Cursor) -> Result<Cursor, StoreError> {
    const OPERATION: &str = "inspect reader groups";
    let beyond = |cursor: Cursor| Cursor { sequence: cursor.sequence + 1, ..cursor };
    let mut pipeline = Pipeline::new();
    pipeline.cmd("XINFO").arg("GROUPS").arg(keys.events());
    type Groups = redis::streams::StreamInfoGroupsReply;
    let (groups,): (Groups,) = ask(link, OPERATION, &pipeline).await?;
    let mut slowest = beyond(latest);
    for group in groups.groups {
        let delivered: Cursor =
            group.last_delivered_id.parse().map_err(|()| unexpected(OPERATION))?;
        slowest = slowest.min(beyond(delivered));
        if group.pending > 0 {
            let mut pipeline = Pipeline::new();
            pipeline.cmd("XPENDING").arg(keys.events()).arg(&group.name);
            type Pending = redis::streams::StreamPendingReply;
            let (pending,): (Pending,) = ask(link, OPERATION, &pipeline).await?;
            if let redis::streams::StreamPendingReply::Data(data) = pending {
                slowest = slowest.min(data.start_id.parse().map_err(|()| unexpected(OPERATION))?);
            }
        }
    }
    Ok(slowest)
}

pub(super) async fn trim(link: &Link, keys: &Keys, before: Timestamp) -> Result<u64, StoreError> {
    let info = stream_info(link, keys).await?;
    if info.first.is_none_or(|first| first.millis >= before.as_millis()) {
        return Ok(0);
    }
    let age_edge = Cursor { millis: before.as_millis(), sequence: 0 };
    let mut keep_from = slowest(link, keys, info.latest).await?.min(age_edge);
    if let Some(edge) = audit_edge::read(link, keys).await? {
        keep_from = keep_from.min(edge.cursor);
    }
    let mut pipeline = Pipeline::new();
    pipeline.cmd("XTRIM").arg(keys.events()).arg("MINID").arg(keep_from.to_string());
    let (trimmed,): (u64,) = ask(link, "trim the events stream", &pipeline).await?;
    Ok(trimmed)
}

/// The stream's length, the age of its oldest undealt change, and how many were put aside.
pub(super) async fn figures(
    link: &Link,
    keys: &Keys,
    now: Timestamp,
) -> Result<(u64, Duration, u64), StoreError> {
    let info = stream_info(link, keys).await?;
    let mut pipeline = Pipeline::new();
    pipeline.cmd("XLEN").arg(keys.parked());
    let (parked,): (u64,) = ask(link, "count parked changes", &pipeline).await?;
    if info.length == 0 {
        return Ok((0, Duration::ZERO, parked));
    }
    let waiting = slowest(link, keys, info.latest).await?;
    let age = if waiting > info.latest {
        Duration::ZERO
    } else {
        // The first change not dealt with may lie beyond the last one that was.
        let oldest = changes(link, keys, waiting.before(), 1).await?;
        oldest
            .first()
            .map_or(Duration::ZERO, |entry| now.since(Timestamp::from_millis(entry.cursor.millis)))
    };
    Ok((info.length, age, parked))
}
