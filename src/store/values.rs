//! The values beside the cases: incidents, how authorities stand, and what the registry has held for how
//! long.

use std::fmt;
use std::time::Duration;

use redis::Pipeline;

use super::keys::Keys;
use super::link::Link;
use super::reads::{Time, ask, observe, timestamp};
use super::sealing::{FACTS, Sealer};
use super::{Content, Index, StoreError, codec};
use crate::clock::{ServerClock, monotonic_now};
use crate::core::{AuthorityId, AuthorityStanding, Incident, IncidentName, Notice, Timestamp};
use crate::seal::Owner;

/// An incident as it was at one instant.
#[derive(Debug)]
pub struct LoadedIncident {
    /// The instant.
    pub now: Timestamp,
    /// The incident; `None` where there is none of the name.
    pub incident: Option<Incident>,
}

/// The facts told of an incident. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Facts(pub Content);

impl fmt::Debug for Facts {
    /// Content is never printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Facts")
    }
}

/// How an authority stood at one instant.
#[derive(Debug)]
pub struct LoadedStanding {
    /// The instant.
    pub now: Timestamp,
    /// How it stood.
    pub standing: AuthorityStanding,
}

/// How an authority will stand.
#[derive(Clone, Debug)]
pub struct StandingCommit {
    /// How it will stand.
    pub standing: AuthorityStanding,
    /// What is told of it.
    pub notice: Notice,
    /// The store's time as it was seen when that was decided.
    pub observed_at: Timestamp,
    /// How old that may be.
    pub age_max: Duration,
}

/// What is remembered of something in the registry: a digest of whose it is, its id and its content.
pub type SeenItem = [u8; 16];

/// An incident to be written.
#[derive(Clone, Debug)]
pub struct IncidentCommit {
    /// The incident as it will be.
    pub incident: Incident,
    /// The facts told of it, where they are new.
    pub facts: Option<Facts>,
    /// What is told of it.
    pub notice: Notice,
    /// The store's time as it was seen when that was decided.
    pub observed_at: Timestamp,
    /// How old that may be.
    pub age_max: Duration,
}

pub(super) async fn incident(
    link: &Link,
    keys: &Keys,
    clock: &ServerClock,
    name: &IncidentName,
) -> Result<LoadedIncident, StoreError> {
    const OPERATION: &str = "load an incident";
    let mut pipeline = Pipeline::new();
    pipeline.cmd("TIME");
    pipeline.cmd("HMGET").arg(keys.incident(name)).arg("version").arg("state");
    let asked = monotonic_now();
    let (time, (version, state)): (Time, ValueFields) = ask(link, OPERATION, &pipeline).await?;
    let now = timestamp(time);
    observe(clock, now, asked);
    let unreadable = |source| StoreError::Unreadable { operation: OPERATION, source };
    let incident = version.zip(state).map(|(version, state)| {
        codec::decode_incident(name.clone(), version, &state).map_err(unreadable)
    });
    Ok(LoadedIncident { now, incident: incident.transpose()? })
}

pub(super) async fn incident_facts(
    link: &Link,
    keys: &Keys,
    sealer: &Sealer,
    name: &IncidentName,
) -> Result<Option<Facts>, StoreError> {
    const OPERATION: &str = "read the facts of an incident";
    let mut pipeline = Pipeline::new();
    pipeline.cmd("HGET").arg(keys.incident(name)).arg(FACTS);
    let (facts,): (Option<Vec<u8>>,) = ask(link, OPERATION, &pipeline).await?;
    let Some(facts) = facts else { return Ok(None) };
    sealer.open(OPERATION, Owner::Incident(name), FACTS, facts).await.map(Facts).map(Some)
}

pub(super) async fn incidents(link: &Link, keys: &Keys) -> Result<Vec<Incident>, StoreError> {
    const OPERATION: &str = "list incidents";
    let mut pipeline = Pipeline::new();
    pipeline.cmd("ZREVRANGE").arg(keys.incidents()).arg(0).arg(-1);
    let (names,): (Vec<String>,) = ask(link, OPERATION, &pipeline).await?;
    let names: Vec<IncidentName> = names.iter().filter_map(|name| name.parse().ok()).collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut pipeline = Pipeline::new();
    for name in &names {
        pipeline.cmd("HMGET").arg(keys.incident(name)).arg("version").arg("state");
    }
    let values: Vec<ValueFields> = ask(link, OPERATION, &pipeline).await?;
    let decoded = names.into_iter().zip(values).filter_map(|(name, (version, state))| {
        let (version, state) = version.zip(state)?;
        match codec::decode_incident(name.clone(), version, &state) {
            Ok(incident) => Some(incident),
            // The others must be seen all the same.
            Err(error) => {
                tracing::error!(incident = %name, %error, "left out of the incidents");
                None
            }
        }
    });
    Ok(decoded.collect())
}

pub(super) async fn standing(
    link: &Link,
    keys: &Keys,
    clock: &ServerClock,
    authority: &AuthorityId,
) -> Result<LoadedStanding, StoreError> {
    const OPERATION: &str = "load a standing";
    let mut pipeline = Pipeline::new();
    pipeline.cmd("TIME");
    pipeline.cmd("HMGET").arg(keys.standing(authority)).arg("version").arg("state");
    let asked = monotonic_now();
    let (time, (version, state)): (Time, ValueFields) = ask(link, OPERATION, &pipeline).await?;
    let now = timestamp(time);
    observe(clock, now, asked);
    let standing = match version.zip(state) {
        None => AuthorityStanding::new(authority.clone()),
        Some((version, state)) => codec::decode_standing(authority.clone(), version, &state)
            .map_err(|source| StoreError::Unreadable { operation: OPERATION, source })?,
    };
    Ok(LoadedStanding { now, standing })
}

type ValueFields = (Option<u64>, Option<Vec<u8>>);

pub(super) async fn suspended(
    link: &Link,
    keys: &Keys,
) -> Result<Vec<AuthorityStanding>, StoreError> {
    const OPERATION: &str = "list suspended authorities";
    let mut pipeline = Pipeline::new();
    pipeline.cmd("ZRANGE").arg(keys.suspended()).arg(0).arg(-1);
    let (names,): (Vec<String>,) = ask(link, OPERATION, &pipeline).await?;
    let names: Vec<AuthorityId> = names.iter().filter_map(|name| name.parse().ok()).collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut pipeline = Pipeline::new();
    for name in &names {
        pipeline.cmd("HMGET").arg(keys.standing(name)).arg("version").arg("state");
    }
    let values: Vec<ValueFields> = ask(link, OPERATION, &pipeline).await?;
    let mut suspended = Vec::with_capacity(names.len());
    for (name, (version, state)) in names.into_iter().zip(values) {
        let Some((version, state)) = version.zip(state) else { continue };
        let standing = codec::decode_standing(name, version, &state)
            .map_err(|source| StoreError::Unreadable { operation: OPERATION, source })?;
        // One that was reinstated between the two reads is none any more.
        suspended.extend(standing.suspension.is_some().then_some(standing));
    }
    Ok(suspended)
}

pub(super) async fn count(
    link: &Link,
    keys: &Keys,
    counted: &[(Index, u64)],
) -> Result<Vec<u64>, StoreError> {
    if counted.is_empty() {
        return Ok(Vec::new());
    }
    let mut pipeline = Pipeline::new();
    for (index, from) in counted {
        pipeline.cmd("ZCOUNT").arg(keys.index(index)).arg(*from).arg("+inf");
    }
    ask(link, "count cases", &pipeline).await
}

/// Notes each item with this server's time, or 0 where none was noted before, unless it is noted.
const FIRST_SEEN: &str = "#!lua flags=allow-oom
local time = redis.call('TIME')
local first = 0
if redis.call('EXISTS', KEYS[1]) == 1 then
  first = time[1] * 1000 + math.floor(time[2] / 1000)
end
local seen = {}
for i, item in ipairs(ARGV) do
  redis.call('HSETNX', KEYS[1], item, first)
  seen[i] = tonumber(redis.call('HGET', KEYS[1], item))
end
return seen";

pub(super) async fn first_seen(
    link: &Link,
    keys: &Keys,
    items: &[SeenItem],
) -> Result<Vec<Timestamp>, StoreError> {
    let mut pipeline = Pipeline::new();
    pipeline.cmd("EVAL").arg(FIRST_SEEN).arg(1).arg(keys.first_seen());
    items.iter().for_each(|item| _ = pipeline.arg(item.as_slice()));
    let (seen,): (Vec<u64>,) = ask(link, "look up the registry's items", &pipeline).await?;
    Ok(seen.into_iter().map(Timestamp::from_millis).collect())
}
