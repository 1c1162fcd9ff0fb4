//! A kept policy: what cases were accepted under.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use prost::Message as _;

use super::{check_format, field, unreadable};
use crate::core::ladder::{Ladder, Rung};
use crate::core::policy::{Promise, Rules};
use crate::core::time::millis;
use crate::core::{Band, ClockKind, Nature, Policy, PolicyId, RetentionClass};
use crate::store::Unreadable;

/// Format 2 has all clocks; format 1 had the first response alone, and the built-in's others apply.
const FORMAT: u32 = 2;
const WHAT: &str = "policy";

#[derive(Clone, PartialEq, prost::Message)]
struct StoredPolicy {
    #[prost(uint32, tag = "1")]
    format: u32,
    #[prost(map = "string, uint32", tag = "2")]
    bands: HashMap<String, u32>,
    #[prost(message, optional, tag = "3")]
    emergency: Option<StoredPromise>,
    #[prost(message, optional, tag = "4")]
    routine: Option<StoredPromise>,
    #[prost(uint64, tag = "5")]
    lease_ms: u64,
    #[prost(message, optional, tag = "6")]
    emergency_completion: Option<StoredPromise>,
    #[prost(message, optional, tag = "7")]
    routine_completion: Option<StoredPromise>,
    #[prost(map = "string, message", tag = "8")]
    clocks: HashMap<String, StoredPromise>,
    #[prost(map = "string, uint64", tag = "9")]
    extensions_ms: HashMap<String, u64>,
    #[prost(map = "string, uint64", tag = "10")]
    retention_ms: HashMap<String, u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StoredPromise {
    #[prost(uint64, tag = "1")]
    target_ms: u64,
    #[prost(uint64, tag = "2")]
    limit_ms: u64,
    #[prost(message, repeated, tag = "3")]
    rungs: Vec<StoredRung>,
    #[prost(uint64, tag = "4")]
    repeat_every_ms: u64,
    #[prost(string, repeated, tag = "5")]
    repeat_contacts: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StoredRung {
    #[prost(uint64, tag = "1")]
    offset_ms: u64,
    #[prost(string, repeated, tag = "2")]
    contacts: Vec<String>,
    #[prost(bool, tag = "3")]
    is_quieted_by_claim: bool,
}

/// The bytes of a policy.
pub(in crate::store) fn encode_policy(policy: &Policy) -> Vec<u8> {
    let rules = policy.rules();
    StoredPolicy {
        format: FORMAT,
        bands: rules
            .bands
            .iter()
            .map(|(nature, band)| (nature.word().to_owned(), band.number().into()))
            .collect(),
        emergency: Some(encode_promise(&rules.emergency)),
        routine: Some(encode_promise(&rules.routine)),
        lease_ms: millis(rules.lease),
        emergency_completion: Some(encode_promise(&rules.emergency_completion)),
        routine_completion: Some(encode_promise(&rules.routine_completion)),
        clocks: rules
            .clocks
            .iter()
            .map(|(kind, promise)| (kind.word().to_owned(), encode_promise(promise)))
            .collect(),
        extensions_ms: durations(&rules.extensions, ClockKind::word),
        retention_ms: durations(&rules.retention, RetentionClass::word),
    }
    .encode_to_vec()
}

fn durations<K: Copy>(
    durations: &BTreeMap<K, Duration>,
    word: fn(K) -> &'static str,
) -> HashMap<String, u64> {
    durations.iter().map(|(key, duration)| (word(*key).to_owned(), millis(*duration))).collect()
}

fn encode_promise(promise: &Promise) -> StoredPromise {
    let rung = |rung: &Rung| StoredRung {
        offset_ms: millis(rung.offset),
        contacts: rung.contacts.iter().map(ToString::to_string).collect(),
        is_quieted_by_claim: rung.is_quieted_by_claim,
    };
    StoredPromise {
        target_ms: millis(promise.target),
        limit_ms: millis(promise.limit),
        rungs: promise.ladder.rungs.iter().map(rung).collect(),
        repeat_every_ms: millis(promise.ladder.repeat_every),
        repeat_contacts: promise.ladder.repeat_contacts.iter().map(ToString::to_string).collect(),
    }
}

/// Reads the policy that is kept under `id`.
pub(in crate::store) fn decode_policy(id: PolicyId, bytes: &[u8]) -> Result<Policy, Unreadable> {
    let stored = StoredPolicy::decode(bytes).map_err(|_| unreadable(WHAT, "not a message"))?;
    check_format(WHAT, stored.format, FORMAT)?;
    Policy::kept(id, decode_rules(stored)?).map_err(|mistakes| {
        let paths: Vec<_> = mistakes.into_iter().map(|mistake| mistake.path).collect();
        unreadable(WHAT, format!("it is not valid at {}", paths.join(", ")))
    })
}

fn decode_rules(stored: StoredPolicy) -> Result<Rules, Unreadable> {
    let mut bands = BTreeMap::new();
    for (word, number) in stored.bands {
        let nature = field(WHAT, "bands", Nature::from_word(&word))?;
        let band = u8::try_from(number).ok().and_then(Band::new);
        bands.insert(nature, field(WHAT, "bands", band)?);
    }
    let mut rules = Policy::built_in().rules().clone();
    rules.bands = bands;
    rules.emergency = decode_promise(field(WHAT, "emergency", stored.emergency)?)?;
    rules.routine = decode_promise(field(WHAT, "routine", stored.routine)?)?;
    rules.lease = Duration::from_millis(stored.lease_ms);
    if stored.format == 1 {
        return Ok(rules);
    }
    let completion = field(WHAT, "emergency_completion", stored.emergency_completion)?;
    rules.emergency_completion = decode_promise(completion)?;
    let completion = field(WHAT, "routine_completion", stored.routine_completion)?;
    rules.routine_completion = decode_promise(completion)?;
    // A clock that this policy did not know yet is the built-in's.
    for (word, promise) in stored.clocks {
        let kind = field(WHAT, "clocks", ClockKind::from_word(&word))?;
        rules.clocks.insert(kind, decode_promise(promise)?);
    }
    rules.extensions.clear();
    for (word, millis) in stored.extensions_ms {
        let kind = field(WHAT, "extensions", ClockKind::from_word(&word))?;
        rules.extensions.insert(kind, Duration::from_millis(millis));
    }
    rules.retention.clear();
    for (word, millis) in stored.retention_ms {
        let class = field(WHAT, "retention", RetentionClass::from_word(&word))?;
        rules.retention.insert(class, Duration::from_millis(millis));
    }
    Ok(rules)
}

fn decode_promise(stored: StoredPromise) -> Result<Promise, Unreadable> {
    let contacts = |names: Vec<String>| {
        let parsed = names.iter().map(|name| name.parse()).collect::<Result<_, _>>();
        field(WHAT, "contacts", parsed.ok())
    };
    let rung = |stored: StoredRung| {
        Ok(Rung {
            offset: Duration::from_millis(stored.offset_ms),
            contacts: contacts(stored.contacts)?,
            is_quieted_by_claim: stored.is_quieted_by_claim,
        })
    };
    Ok(Promise {
        target: Duration::from_millis(stored.target_ms),
        limit: Duration::from_millis(stored.limit_ms),
        ladder: Ladder {
            rungs: stored.rungs.into_iter().map(rung).collect::<Result<_, _>>()?,
            repeat_every: Duration::from_millis(stored.repeat_every_ms),
            repeat_contacts: contacts(stored.repeat_contacts)?,
        },
    })
}
