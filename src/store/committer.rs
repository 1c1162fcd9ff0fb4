//! The one path of every write: what waits is sent as one pipeline, with one WAIT for all of it.
//!
//! Nothing is delayed to fill a batch. While one is on its way to disk the next one gathers, which
//! is the same group commit that Redis itself does.

use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisResult, ServerErrorKind, Value};
use tokio::sync::{mpsc, oneshot};

use super::endpoints::RESPONSE_TIMEOUT;
use super::keys::Keys;
use super::link::Link;
use super::script::{Again, CommitScript, Field};
use super::{Commit, Cursor, IncidentCommit, Outcome, StandingCommit, StoreError, Versioned};
use crate::clock::{ServerClock, monotonic_now};
use crate::core::Notice;
use crate::seal::Salt;
use crate::telemetry::metrics;

/// How many writes one pipeline carries at most, so that a batch stays far below a timeout.
const BATCH_MAX: usize = 256;
/// How many writes may wait; beyond it callers wait to be let in.
pub(super) const QUEUE_MAX: usize = 4_096;

/// Compares the version of a value that was read; where replicas count, writes something of no
/// meaning, so that WAIT speaks for what was read. Allowed at the memory limit, where it adds nothing.
const FENCE: &str = "#!lua flags=allow-oom
if tonumber(redis.call('HGET', KEYS[1], 'version') or '0') < tonumber(ARGV[1]) then
  return 0
end
if ARGV[2] ~= '0' then
  redis.call('SET', KEYS[2], 1)
end
return 1";

/// The same of what was read of the events: whether the last change of it is here.
const SETTLE: &str = "#!lua flags=allow-oom
if #redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1]) == 0 then
  return 0
end
if ARGV[2] ~= '0' then
  redis.call('SET', KEYS[2], 1)
end
return 1";

/// Where the outcome of a commit goes.
type Reply = oneshot::Sender<Result<Outcome, StoreError>>;

/// A write and where its outcome goes.
pub(super) enum Write {
    /// A transition, and what it says, sealed.
    Commit { commit: Box<Commit>, said: Option<Field>, salt: Salt, reply: Reply },
    /// The same of an incident.
    Incident { commit: Box<IncidentCommit>, facts: Option<Field>, salt: Salt, reply: Reply },
    /// How an authority stands.
    Standing { commit: Box<StandingCommit>, salt: Salt, reply: Reply },
    /// What changes no value.
    Notice { notice: Box<Notice>, salt: Salt, reply: oneshot::Sender<Result<(), StoreError>> },
    /// A case as it was read.
    Again { again: Box<Again>, reply: Reply },
    /// Whether what was read is here, and durable.
    Fence { value: Versioned, version: u64, reply: oneshot::Sender<Result<bool, StoreError>> },
    /// The same of the changes up to one.
    Settle { cursor: Cursor, reply: oneshot::Sender<Result<bool, StoreError>> },
}

/// How many replicas must acknowledge a write before it counts, and how long they have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Replication {
    pub(super) needed: u64,
    pub(super) timeout: Duration,
}

impl Replication {
    /// How long one batch may have to wait for the one before.
    pub(super) fn wait(self) -> Duration {
        if self.needed == 0 { Duration::ZERO } else { self.timeout }
    }
}

pub(super) struct Committer {
    pub(super) link: Arc<Link>,
    pub(super) keys: Keys,
    pub(super) script: Arc<CommitScript>,
    pub(super) clock: Arc<ServerClock>,
    pub(super) replication: Replication,
    pub(super) queue: mpsc::Receiver<Write>,
}

impl Committer {
    /// Writes until nobody can ask any more.
    pub(super) async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while self.queue.recv_many(&mut batch, BATCH_MAX).await > 0 {
            metrics::commit_batch(batch.len());
            self.write(&mut batch).await;
        }
    }

    async fn write(&self, batch: &mut Vec<Write>) {
        let calls: Vec<Cmd> = batch.iter().map(|write| self.call(write)).collect();
        let answers = self.send(&calls).await;
        for (write, answer) in batch.drain(..).zip(answers) {
            // A caller that has gone away no longer needs the answer; the write stands.
            match write {
                Write::Commit { reply, .. }
                | Write::Incident { reply, .. }
                | Write::Standing { reply, .. }
                | Write::Again { reply, .. } => {
                    _ = reply.send(answer.and_then(Self::read));
                }
                Write::Notice { reply, .. } => _ = reply.send(answer.map(|_| ())),
                Write::Fence { reply, .. } | Write::Settle { reply, .. } => {
                    _ = reply.send(answer.map(|value| value == Value::Int(1)));
                }
            }
        }
    }

    fn call(&self, write: &Write) -> Cmd {
        match write {
            Write::Commit { commit, said, salt, .. } => {
                self.script.call(&self.keys, commit, said.as_ref(), *salt)
            }
            Write::Standing { commit, salt, .. } => {
                self.script.call_standing(&self.keys, commit, *salt)
            }
            Write::Notice { notice, salt, .. } => CommitScript::tell(&self.keys, notice, *salt),
            Write::Incident { commit, facts, salt, .. } => {
                self.script.call_incident(&self.keys, commit, facts.as_ref(), *salt)
            }
            Write::Again { again, .. } => self.script.call_again(&self.keys, again),
            Write::Fence { value, version, .. } => {
                let mut fence = redis::cmd("EVAL");
                fence.arg(FENCE).arg(2).arg(self.keys.versioned(value)).arg(self.keys.fence());
                fence.arg(*version).arg(self.replication.needed);
                fence
            }
            Write::Settle { cursor, .. } => {
                let mut settle = redis::cmd("EVAL");
                settle.arg(SETTLE).arg(2).arg(self.keys.events()).arg(self.keys.fence());
                settle.arg(cursor.to_string()).arg(self.replication.needed);
                settle
            }
        }
    }

    /// The answer to each call, in order.
    async fn send(&self, calls: &[Cmd]) -> Vec<Result<Value, StoreError>> {
        const OPERATION: &str = "commit";
        let live = match self.link.live(OPERATION) {
            Ok(live) => live,
            Err(StoreError::Unreachable { operation, reason }) => {
                let unreachable =
                    || Err(StoreError::Unreachable { operation, reason: reason.clone() });
                return calls.iter().map(|_| unreachable()).collect();
            }
            Err(_) => unreachable!("a link is up or unreachable"),
        };
        let mut connection = live.connection.clone();
        connection.set_response_timeout(RESPONSE_TIMEOUT + self.replication.wait());
        let asked = monotonic_now();
        let mut answers = self.exchange(&mut connection, calls).await;
        // A restarted or flushed Redis has forgotten the scripts. Nothing of a call that it could
        // not find was done, so exactly these are sent again.
        let forgotten: Vec<usize> =
            (0..answers.len()).filter(|index| is_script_missing(&answers[*index])).collect();
        if !forgotten.is_empty() {
            let loaded: RedisResult<()> = self.script.load().query_async(&mut connection).await;
            if loaded.is_ok() {
                let again: Vec<Cmd> = forgotten.iter().map(|index| calls[*index].clone()).collect();
                let repeated = self.exchange(&mut connection, &again).await;
                for (index, answer) in forgotten.into_iter().zip(repeated) {
                    answers[index] = answer;
                }
            }
        }
        metrics::commit_took(asked.elapsed());
        answers
            .into_iter()
            .map(|answer| match answer {
                Ok((value, acknowledged)) => {
                    let answer = CommitScript::read(value.clone());
                    if let Some(answer) = &answer {
                        super::reads::observe(&self.clock, answer.now, asked);
                    }
                    // Only what was written needs replicas. Any other outcome of a commit is decided
                    // anew or fenced by its caller; the answer to a fence is no outcome at all.
                    if answer.is_none_or(|answer| answer.outcome == Outcome::Written) {
                        self.check_replicas(OPERATION, acknowledged)?;
                    }
                    Ok(value)
                }
                Err(error) => Err(self.link.failed(OPERATION, &live, &error)),
            })
            .collect()
    }

    /// Sends `calls` with one WAIT behind them; each answer with the replicas that have it.
    async fn exchange(
        &self,
        connection: &mut redis::aio::MultiplexedConnection,
        calls: &[Cmd],
    ) -> Vec<RedisResult<(Value, u64)>> {
        let mut pipeline = Pipeline::with_capacity(calls.len() + 1);
        calls.iter().for_each(|call| _ = pipeline.add_command(call.clone()));
        if self.replication.needed > 0 {
            let timeout_ms = crate::core::time::millis(self.replication.timeout);
            pipeline.cmd("WAIT").arg(self.replication.needed).arg(timeout_ms);
        }
        let sent: RedisResult<Vec<RedisResult<Value>>> =
            pipeline.ignore_errors().query_async(connection).await;
        let mut answers = match sent {
            Ok(answers) => answers,
            Err(error) => return calls.iter().map(|_| Err(error.clone())).collect(),
        };
        let acknowledged = if self.replication.needed > 0 {
            answers.pop().and_then(Result::ok).and_then(|value| redis::from_redis_value(value).ok())
        } else {
            None
        };
        answers
            .into_iter()
            .map(|answer| answer.map(|value| (value, acknowledged.unwrap_or(0))))
            .collect()
    }

    fn check_replicas(&self, operation: &'static str, acknowledged: u64) -> Result<(), StoreError> {
        let needed = self.replication.needed;
        if acknowledged >= needed {
            return Ok(());
        }
        Err(StoreError::NotReplicated { operation, acknowledged, needed })
    }

    fn read(value: Value) -> Result<Outcome, StoreError> {
        let answer = CommitScript::read(value).ok_or_else(|| StoreError::Failed {
            operation: "commit",
            problem: "the script gave an answer that is none of its own".to_owned(),
        })?;
        Ok(answer.outcome)
    }
}

fn is_script_missing(answer: &RedisResult<(Value, u64)>) -> bool {
    let missing = ErrorKind::Server(ServerErrorKind::NoScript);
    matches!(answer, Err(error) if RedisError::kind(error) == missing)
}
