//! What has to be done for content that is sealed, long before and after it is said: making its key,
//! sealing it anew when its case has ended, and destroying the keys of what was purged.
//!
//! A key is destroyed in two steps, so that no replica seals with what another destroys: it is retired
//! in the file first, which every replica reads far more often than the time between the two.

use std::sync::atomic::{AtomicBool, Ordering};

use redis::Pipeline;

use super::codec::{self, Kept};
use super::reads::{Time, ask, observe, read_case, timestamp, unexpected};
use super::redis_store::RedisStore;
use super::script::{Again, Field};
use super::sealing::SaidIn;
use super::{
    History, Outcome, ScanCursor, Store as _, StoreError, Tended, Unreadable, inspection, places,
};
use crate::clock::monotonic_now;
use crate::core::{Case, CaseId, Timestamp};
use crate::seal::{Class, KeyId, KeyInfo, KeyRing, Label, Month, Owner};
use crate::telemetry::metrics::{self, SealFailure};

/// How many cases are looked at in one go.
const CASES_AT_ONCE: usize = 64;

/// What one look leaves to the next.
#[derive(Default)]
pub(super) struct Tending {
    /// The file of the keys could not be read or written, which was told.
    is_file_failing: AtomicBool,
}

/// Fields of a hash, by their names.
type Fields = Vec<(String, Vec<u8>)>;

/// A case as it was read with all that was said in it.
struct Whole {
    now: Timestamp,
    case: Case,
    said: Fields,
}

impl RedisStore {
    /// One look at everything.
    pub(super) async fn tend(&self, history: History) -> Result<Tended, StoreError> {
        let now = self.load(&[]).await?.now;
        if self.prepare_keys(now).await.is_err() {
            // One that can be read but not written stops nothing that needs no new key.
            self.sealer.in_file("read the data keys", KeyRing::refresh).await?;
        }
        let mut tended = Tended { resealed: self.reseal_all().await?, ..Tended::default() };
        if history == History::Doubtful {
            return Ok(tended);
        }
        for key in self.sealer.ring.keys() {
            if key.label.desk != self.sealer.desk || Month::of(now) <= key.label.month {
                continue;
            }
            match self.end_key(&key, now).await {
                Ok(None) => {}
                Ok(Some(Step::Retired)) => tended.retired += 1,
                Ok(Some(Step::Destroyed)) => tended.destroyed.push(key.label),
                Err(error) => {
                    metrics::seal_failed(SealFailure::Destroy);
                    tracing::error!(key.id = %key.id, key.label = %key.label, %error,
                        "a data key that is no longer needed could not be destroyed yet");
                }
            }
        }
        tended.is_log_rewritten = self.rewrite_log().await;
        Ok(tended)
    }

    /// Reads what other replicas have made, retired or destroyed, and makes the keys that will be needed:
    /// a file that cannot be written is found out a month before it would keep anything from being stored.
    async fn prepare_keys(&self, now: Timestamp) -> Result<(), StoreError> {
        let month = Month::of(now);
        let desk = self.sealer.desk.clone();
        let prepared = self.sealer.in_file("make the data keys ahead", move |ring| {
            ring.refresh()?;
            let label = |(month, class)| Label { desk: desk.clone(), month, class };
            let months = [month, month.next()];
            let pairs =
                months.map(|month| [Class::Open, Class::Incident].map(|class| (month, class)));
            let mut needed: Vec<Label> = pairs.into_iter().flatten().map(label).collect();
            needed.retain(|label| !ring.has_key(label));
            if needed.is_empty() { Ok(0) } else { ring.make(&needed, now) }
        });
        let prepared = prepared.await;
        let is_failing = prepared.is_err();
        let was_failing = self.tending.is_file_failing.swap(is_failing, Ordering::Relaxed);
        if let Err(error) = &prepared {
            metrics::seal_failed(SealFailure::Keys);
            if !was_failing {
                tracing::error!(%error, %month, "the file of the data keys cannot be read or written; \
                    without a key of its month nothing that is said can be stored");
            }
        } else if was_failing {
            tracing::info!("the file of the data keys can be read and written again");
        }
        prepared.map(|_| ())
    }

    /// Seals every case that has ended as such; how many.
    async fn reseal_all(&self) -> Result<u64, StoreError> {
        let (mut resealed, mut skip) = (0, 0);
        loop {
            let mut pipeline = Pipeline::new();
            let end = skip + CASES_AT_ONCE - 1;
            pipeline.cmd("ZRANGE").arg(self.keys.resealing()).arg(skip).arg(end);
            let (ids,): (Vec<String>,) =
                ask(&self.read, "find what to seal anew", &pipeline).await?;
            for id in &ids {
                let done = match id.parse() {
                    Ok(id) => self.reseal(id).await,
                    Err(_) => Ok(false),
                };
                match done {
                    Ok(true) => resealed += 1,
                    // Left where it is, and not in the way of the others.
                    Ok(false) => skip += 1,
                    Err(error) => {
                        skip += 1;
                        metrics::seal_failed(SealFailure::Reseal);
                        tracing::warn!(case.id = id, %error, "an ended case was not sealed anew");
                    }
                }
            }
            if ids.len() < CASES_AT_ONCE {
                metrics::resealed(resealed);
                return Ok(resealed);
            }
        }
    }

    /// Whether the case is sealed as one that has ended.
    async fn reseal(&self, id: CaseId) -> Result<bool, StoreError> {
        let Some(whole) = self.whole(id).await? else { return Ok(false) };
        let Whole { now, case, said } = whole;
        if !case.has_ended() || case.purged_at.is_some() {
            return Ok(false);
        }
        let label = Label::of_case(&self.sealer.desk, &case);
        let mut fields: Vec<Field> = Vec::new();
        for (field, bytes) in said {
            if key_of(&bytes).is_some_and(|key| self.sealer.ring.is_under(key, &label)) {
                continue;
            }
            let owner = Owner::Case(id);
            let content = self.sealer.open("seal a case anew", owner, &field, bytes).await?;
            fields.push(self.sealer.seal(&label, owner, &field, &content, now).await?);
        }
        let places = places::resealed(&self.keys, &case);
        let outcome = self.write_again(Again { case, observed_at: now, places, fields }).await?;
        Ok(outcome == Outcome::Written)
    }

    async fn whole(&self, id: CaseId) -> Result<Option<Whole>, StoreError> {
        const OPERATION: &str = "read a case to seal it anew";
        let mut pipeline = Pipeline::new();
        pipeline.cmd("TIME").cmd("HGETALL").arg(self.keys.case(id));
        let asked = monotonic_now();
        let (time, fields): (Time, Fields) = ask(&self.read, OPERATION, &pipeline).await?;
        let now = timestamp(time);
        observe(&self.clock, now, asked);
        let unreadable =
            |source: Unreadable| StoreError::Unreadable { operation: OPERATION, source };
        let find = |name: &str| fields.iter().find(|(field, _)| field == name);
        let version =
            find("version").and_then(|(_, text)| std::str::from_utf8(text).ok()?.parse().ok());
        let state = find("state").map(|(_, state)| state.clone());
        let case = read_case(id, version, state).map_err(unreadable)?;
        let said = fields.into_iter().filter(|(field, _)| SaidIn::field(field).is_some()).collect();
        Ok(case.map(|case| Whole { now, case, said }))
    }

    /// Takes a key of a month that is over one step nearer to its end, if nothing needs it.
    async fn end_key(&self, key: &KeyInfo, now: Timestamp) -> Result<Option<Step>, StoreError> {
        let id = key.id;
        if !self.is_over(&key.label).await? {
            return Ok(None);
        }
        let Some(retired_at) = key.retired_at else {
            self.sealer.in_file("retire a data key", move |ring| ring.retire(id, now)).await?;
            tracing::info!(key.id = %id, key.label = %key.label, "a data key seals nothing any more");
            return Ok(Some(Step::Retired));
        };
        if now.since(retired_at) < self.sealer.ring.grace() || self.is_used(key).await? {
            return Ok(None);
        }
        self.sealer.in_file("destroy a data key", move |ring| ring.destroy(id, now)).await?;
        metrics::data_key_destroyed();
        tracing::info!(key.id = %id, key.label = %key.label, "a data key was destroyed");
        Ok(Some(Step::Destroyed))
    }

    /// Whether nothing is sealed under the label any more, nor will be, as far as the index knows: an open
    /// case ends under a key of its own month. A Redis that knows of no case of that month has no say: it
    /// may be the wrong one, or an empty one.
    async fn is_over(&self, label: &Label) -> Result<bool, StoreError> {
        let known = match label.class {
            Class::Incident => self.keys.incidents(),
            Class::Open | Class::Ended(_) => self.keys.cases(),
        };
        let before = match label.class {
            Class::Ended(_) => Class::Open,
            Class::Open | Class::Incident => label.class,
        };
        let mut pipeline = Pipeline::new();
        for class in [label.class, before] {
            pipeline.cmd("ZCARD").arg(self.keys.sealed(label.month, class));
        }
        let (from, to) = (label.month.start(), label.month.next().start());
        pipeline.cmd("ZCOUNT").arg(known).arg(from.as_millis()).arg(format!("({}", to.as_millis()));
        let (sealed, to_end, known): (u64, u64, u64) =
            ask(&self.read, "look for sealed cases", &pipeline).await?;
        Ok(sealed == 0 && to_end == 0 && known > 0)
    }

    /// Whether anything that there is was sealed with the key. The index may have lost an entry; what
    /// it would cost to believe it then can never be made good.
    async fn is_used(&self, key: &KeyInfo) -> Result<bool, StoreError> {
        const OPERATION: &str = "look for what a data key has sealed";
        let mut from = ScanCursor::default();
        loop {
            let prefix = match key.label.class {
                Class::Incident => self.keys.incident_prefix(),
                Class::Open | Class::Ended(_) => self.keys.case_prefix(),
            };
            let (names, next) =
                inspection::scan_names(&self.read, &prefix, from, CASES_AT_ONCE).await?;
            let mut pipeline = Pipeline::new();
            names.iter().for_each(|name| _ = pipeline.cmd("HVALS").arg(format!("{prefix}{name}")));
            let values: Vec<Vec<Vec<u8>>> = if names.is_empty() {
                Vec::new()
            } else {
                ask(&self.read, OPERATION, &pipeline).await?
            };
            if values.len() != names.len() {
                return Err(unexpected(OPERATION));
            }
            let is_used = |values: &Vec<Vec<u8>>| values.iter().any(|v| key_of(v) == Some(key.id));
            if let Some(at) = values.iter().position(is_used) {
                let index = self.keys.sealed(key.label.month, key.label.class);
                let mut again = Pipeline::new();
                let score = key.label.month.start().as_millis();
                again.cmd("ZADD").arg(index).arg("NX").arg(score).arg(&names[at]).ignore();
                ask::<()>(&self.read, OPERATION, &again).await?;
                metrics::seal_failed(SealFailure::Destroy);
                tracing::error!(key.id = %key.id, key.label = %key.label, "an index had forgotten \
                    what a data key has sealed; the key stays");
                return Ok(true);
            }
            match next {
                Some(next) => from = next,
                None => return Ok(false),
            }
        }
    }

    /// Whether Redis was asked to write its log anew, which then holds no more what was purged.
    async fn rewrite_log(&self) -> bool {
        let desk = self.sealer.desk.clone();
        let Some(since) = self.sealer.ring.rewrite_owed_since(&desk) else { return false };
        let mut pipeline = Pipeline::new();
        pipeline.cmd("BGREWRITEAOF");
        let asked: Result<(String,), StoreError> =
            ask(&self.read, "have the log written anew", &pipeline).await;
        match asked {
            Ok(_) => {
                let settle = move |ring: &KeyRing| ring.settle_rewrite(&desk, since);
                if let Err(error) = self.sealer.in_file("settle a rewrite", settle).await {
                    metrics::seal_failed(SealFailure::Rewrite);
                    tracing::warn!(%error, "Redis will write its log anew once more");
                }
                metrics::log_rewritten();
                tracing::info!("Redis writes its log anew, without what was purged");
                true
            }
            Err(error) => {
                metrics::seal_failed(SealFailure::Rewrite);
                tracing::warn!(%error, "Redis does not write its log anew yet");
                false
            }
        }
    }
}

/// What was done with a key.
enum Step {
    Retired,
    Destroyed,
}

/// With which key it was sealed; `None` when it was not.
fn key_of(bytes: &[u8]) -> Option<KeyId> {
    match codec::decode_content(bytes.to_vec()) {
        Ok(Kept::Sealed(sealed)) => KeyRing::sealed_with(&sealed),
        Ok(Kept::Plain(_)) | Err(_) => None,
    }
}
