//! What is asked of Redis without changing anything.

use std::time::{Duration, Instant};

use redis::{FromRedisValue, Pipeline, RedisResult};

use super::keys::Keys;
use super::link::Link;
use super::sealing::{SaidIn, Sealer};
use super::{Contents, Due, Figures, Index, Loaded, Position, StoreError, Unreadable, codec};
use crate::clock::{ServerClock, monotonic_now};
use crate::core::projection::Place;
use crate::core::{Band, Case, CaseId, Lane, Timestamp};
use crate::seal::Owner;
use crate::telemetry::metrics;

/// What TIME answers: seconds and microseconds.
pub(super) type Time = (u64, u64);

/// How many heads of a band are read to find the oldest.
pub(super) const OLDEST_LOOKED_AT: usize = 4;
/// A wake that is this late was not merely waiting for the next look at the clock.
const WAKE_OVERDUE_AFTER: Duration = Duration::from_secs(2);

/// Takes in what an answer says of Redis's clock; a jump is believed, counted and reported.
pub(super) fn observe(clock: &ServerClock, server: Timestamp, asked: Instant) {
    if let Some(jump) = clock.observe(server, asked) {
        metrics::clock_jumped();
        tracing::warn!(clock.jump_ms = jump.by_ms, "Redis's clock jumped; it is believed");
    }
}

pub(super) fn timestamp((seconds, micros): Time) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000 + micros / 1_000)
}

/// Sends a pipeline over a link.
pub(super) async fn ask<T: FromRedisValue>(
    link: &Link,
    operation: &'static str,
    pipeline: &Pipeline,
) -> Result<T, StoreError> {
    let live = link.live(operation)?;
    let mut connection = live.connection.clone();
    let answer: RedisResult<T> = pipeline.query_async(&mut connection).await;
    answer.map_err(|error| link.failed(operation, &live, &error))
}

pub(super) async fn load(
    link: &Link,
    keys: &Keys,
    clock: &ServerClock,
    ids: &[CaseId],
) -> Result<Loaded, StoreError> {
    let mut pipeline = Pipeline::with_capacity(ids.len() + 1);
    // TIME comes first: the cases are at least as new as `now`.
    pipeline.cmd("TIME");
    for id in ids {
        pipeline.cmd("HMGET").arg(keys.case(*id)).arg("version").arg("state");
    }
    let asked = monotonic_now();
    let mut answers: Vec<redis::Value> = ask(link, "load", &pipeline).await?;
    let values = answers.split_off(1);
    let time = answers.pop().and_then(|time| redis::from_redis_value::<Time>(time).ok());
    let now = timestamp(time.ok_or_else(|| unexpected("load"))?);
    observe(clock, now, asked);
    let cases = ids.iter().zip(values).map(|(id, value)| read_value(*id, value)).collect();
    Ok(Loaded { now, cases })
}

fn read_value(id: CaseId, value: redis::Value) -> Result<Option<Case>, Unreadable> {
    let (version, state) = redis::from_redis_value(value)
        .map_err(|_| unreadable_case("its version is not a number"))?;
    read_case(id, version, state)
}

fn unreadable_case(problem: &str) -> Unreadable {
    Unreadable { what: "case", problem: problem.to_owned() }
}

/// A case from its two fields.
pub(super) fn read_case(
    id: CaseId,
    version: Option<u64>,
    state: Option<Vec<u8>>,
) -> Result<Option<Case>, Unreadable> {
    match (version, state) {
        (None, None) => Ok(None),
        (Some(version), Some(state)) => codec::decode_case(id, version, &state).map(Some),
        (Some(_), None) | (None, Some(_)) => {
            Err(unreadable_case("its version or state is missing"))
        }
    }
}

pub(super) async fn contents(
    link: &Link,
    keys: &Keys,
    sealer: &Sealer,
    id: CaseId,
) -> Result<Contents, StoreError> {
    const OPERATION: &str = "read contents";
    let mut pipeline = Pipeline::new();
    pipeline.cmd("HGETALL").arg(keys.case(id));
    let (fields,): (Vec<(String, Vec<u8>)>,) = ask(link, OPERATION, &pipeline).await?;
    let mut contents = Contents::default();
    for (field, bytes) in fields {
        // The version, the state, and what a newer version keeps beside them.
        let Some(place) = SaidIn::field(&field) else { continue };
        let content = sealer.open(OPERATION, Owner::Case(id), &field, bytes).await?;
        match place {
            SaidIn::Request => contents.request = Some(content),
            SaidIn::Response => contents.response = Some(content),
            SaidIn::Message(version) => _ = contents.messages.insert(version, content),
        }
    }
    Ok(contents)
}

pub(super) async fn due(
    link: &Link,
    keys: &Keys,
    clock: &ServerClock,
    skip: usize,
    count: usize,
) -> Result<Due, StoreError> {
    let mut pipeline = Pipeline::new();
    // One more than asked for shows when the next wake is.
    pipeline.cmd("TIME");
    pipeline.cmd("ZRANGE").arg(keys.wake()).arg(skip).arg(skip + count).arg("WITHSCORES");
    let asked = monotonic_now();
    let (time, wakes): (Time, Vec<(String, u64)>) = ask(link, "find due cases", &pipeline).await?;
    let now = timestamp(time);
    observe(clock, now, asked);
    let mut ids = Vec::new();
    let mut nameless = 0;
    let mut next_at = None;
    for (index, (id, wake_ms)) in wakes.into_iter().enumerate() {
        let wake_at = Timestamp::from_millis(wake_ms);
        if index == count || wake_at > now {
            next_at = Some(wake_at);
            break;
        }
        match id.parse() {
            Ok(id) => ids.push(id),
            Err(_) => nameless += 1,
        }
    }
    Ok(Due { now, ids, nameless, next_at })
}

/// A part of an index. Equal scores are ordered by id, in the direction of the index.
pub(super) async fn list(
    link: &Link,
    keys: &Keys,
    index: &Index,
    after: Option<Position>,
    count: usize,
) -> Result<Vec<Position>, StoreError> {
    const OPERATION: &str = "list";
    let is_latest_first = index.is_latest_first();
    let (command, far_end) =
        if is_latest_first { ("ZREVRANGEBYSCORE", "-inf") } else { ("ZRANGEBYSCORE", "+inf") };
    let key = keys.index(index);
    let mut positions = Vec::new();
    let mut start = if is_latest_first { "+inf".to_owned() } else { "-inf".to_owned() };
    // An entry that is no case id is somebody else's; it must not hide the cases behind it.
    let read = |entries: Vec<(String, u64)>| -> Vec<Position> {
        let position = |(id, score): (String, u64)| Some(Position { score, id: id.parse().ok()? });
        entries.into_iter().filter_map(position).collect()
    };
    if let Some(after) = after {
        // The rest of the same score, then what lies strictly beyond it.
        let mut pipeline = Pipeline::new();
        pipeline.cmd(command).arg(&key).arg(after.score).arg(after.score).arg("WITHSCORES");
        let (equals,): (Vec<(String, u64)>,) = ask(link, OPERATION, &pipeline).await?;
        positions = read(equals);
        positions.retain(|position| {
            if is_latest_first { position.id < after.id } else { position.id > after.id }
        });
        positions.truncate(count);
        start = format!("({}", after.score);
    }
    if positions.len() < count {
        let mut pipeline = Pipeline::new();
        pipeline.cmd(command).arg(&key).arg(start).arg(far_end).arg("WITHSCORES");
        pipeline.arg("LIMIT").arg(0).arg(count - positions.len());
        let (beyond,): (Vec<(String, u64)>,) = ask(link, OPERATION, &pipeline).await?;
        positions.extend(read(beyond));
    }
    Ok(positions)
}

/// The part of [`Figures`] that the indexes and the server tell; the outbox adds its own.
pub(super) async fn figures(
    link: &Link,
    keys: &Keys,
    clock: &ServerClock,
) -> Result<(Timestamp, Figures), StoreError> {
    const OPERATION: &str = "read figures";
    let mut pipeline = Pipeline::new();
    pipeline.cmd("TIME");
    pipeline.cmd("ZRANGE").arg(keys.wake()).arg(0).arg(0).arg("WITHSCORES");
    pipeline.cmd("INFO").arg("memory");
    let asked = monotonic_now();
    type Head = (Time, Vec<(String, u64)>, String);
    let (time, head, info): Head = ask(link, OPERATION, &pipeline).await?;
    let now = timestamp(time);
    observe(clock, now, asked);

    let mut pipeline = Pipeline::new();
    for band in Band::all() {
        let (from, to) = Place::bounds(band);
        let below = |score: u64| format!("({score}");
        let passed = Place::new(band, now).score();
        pipeline.cmd("ZCOUNT").arg(keys.ready(Lane::Ordinary)).arg(from).arg(below(to));
        pipeline.cmd("ZCOUNT").arg(keys.ready(Lane::Incident)).arg(from).arg(below(to));
        pipeline.cmd("ZCOUNT").arg(keys.unanswered()).arg(from).arg(below(to));
        pipeline.cmd("ZCOUNT").arg(keys.unanswered()).arg(from).arg(passed);
        pipeline.cmd("ZRANGEBYSCORE").arg(keys.unanswered()).arg(from).arg(below(to));
        pipeline.arg("LIMIT").arg(0).arg(OLDEST_LOOKED_AT);
    }
    let late_ms = now.as_millis().saturating_sub(crate::core::time::millis(WAKE_OVERDUE_AFTER));
    pipeline.cmd("ZCOUNT").arg(keys.wake()).arg("-inf").arg(format!("({late_ms}"));
    let mut answers: Vec<redis::Value> = ask(link, OPERATION, &pipeline).await?;
    let wakes_overdue = answers.pop().unwrap_or(redis::Value::Nil);
    let mut figures = Figures {
        wakes_overdue: redis::from_redis_value(wakes_overdue).map_err(|_| unexpected(OPERATION))?,
        next_wake_in: head.first().map(|(_, at)| Timestamp::from_millis(*at).since(now)),
        memory_bytes: (info_number(&info, "used_memory"), info_number(&info, "maxmemory")),
        ..Figures::default()
    };
    let mut answers = answers.into_iter();
    while let (Some(ready), Some(incident), Some(unanswered), Some(overdue), Some(first)) =
        (answers.next(), answers.next(), answers.next(), answers.next(), answers.next())
    {
        let number = |value| -> Result<u64, StoreError> {
            redis::from_redis_value(value).map_err(|_| unexpected(OPERATION))
        };
        let incident = number(incident)?;
        figures.ready.push(number(ready)? + incident);
        figures.ready_incident += incident;
        figures.unanswered.push(number(unanswered)?);
        figures.overdue.push(number(overdue)?);
        let first: Vec<String> =
            redis::from_redis_value(first).map_err(|_| unexpected(OPERATION))?;
        // Inside a band the earliest limit is the longest wait, as all have the same promise. One
        // that cannot be read must not hide the next.
        let ids: Vec<CaseId> = first.iter().filter_map(|id| id.parse().ok()).collect();
        let cases = load(link, keys, clock, &ids).await?.cases;
        let waits = cases.into_iter().filter_map(|case| Some(case.ok()??.owed_for(now)));
        figures.oldest_unanswered.push(waits.max().unwrap_or_default());
    }
    Ok((now, figures))
}

fn info_number(info: &str, name: &str) -> u64 {
    let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

pub(super) fn unexpected(operation: &'static str) -> StoreError {
    let problem = "an answer of a form that cannot be".to_owned();
    StoreError::Failed { operation, problem }
}
