//! `commit.lua`, typed: its two flag variants, its arguments and its answers.

use std::time::Duration;

use redis::{Cmd, Script, Value};

use super::keys::Keys;
use super::places::{self, IndexPlace};
use super::{Commit, IncidentCommit, Outcome, StandingCommit, codec};
use crate::core::time::millis;
use crate::core::{Case, DeskName, Notice, Timestamp};
use crate::seal::{Class, Month, Salt};

/// The commit script, found by its hash, so that replicas of different versions get along.
pub(super) struct CommitScript {
    /// Refused by a Redis at its memory limit: for accepting.
    deny_oom: Variant,
    /// Carried out all the same: for waking and answering what was accepted.
    allow_oom: Variant,
    /// The keys of the deployment's other desks, of which none may have a case that is new here.
    siblings: Vec<Keys>,
}

struct Variant {
    source: String,
    hash: String,
}

impl Variant {
    fn new(first_line: &str) -> Self {
        let source = format!("{first_line}\n{}", include_str!("commit.lua"));
        let hash = Script::new(&source).get_hash().to_owned();
        Self { source, hash }
    }
}

/// How long ago a case may have been read that is written again as it is; its version speaks for it.
const REPAIR_AGE_MAX: Duration = Duration::from_mins(1);

/// A field of a case or an incident that holds what was said, as it is kept.
pub(super) struct Field {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

/// A case as it was read, to be written again.
pub(super) struct Again {
    pub(super) case: Case,
    pub(super) observed_at: Timestamp,
    pub(super) places: Vec<IndexPlace>,
    pub(super) fields: Vec<Field>,
}

/// An answer of the script.
pub(super) struct Answer {
    pub(super) outcome: Outcome,
    pub(super) now: Timestamp,
}

impl CommitScript {
    pub(super) fn new(siblings: &[DeskName]) -> Self {
        Self {
            deny_oom: Variant::new("#!lua"),
            allow_oom: Variant::new("#!lua flags=allow-oom"),
            siblings: siblings.iter().map(Keys::new).collect(),
        }
    }

    /// The commands that make Redis know both variants.
    pub(super) fn load(&self) -> redis::Pipeline {
        let mut load = redis::pipe();
        for variant in [&self.deny_oom, &self.allow_oom] {
            load.cmd("SCRIPT").arg("LOAD").arg(&variant.source).ignore();
        }
        load
    }

    /// The call that writes `commit`.
    pub(super) fn call(
        &self,
        keys: &Keys,
        commit: &Commit,
        said: Option<&Field>,
        salt: Salt,
    ) -> Cmd {
        let case = &commit.next.case;
        let is_accept = case.version == 1;
        let script = if is_accept { &self.deny_oom } else { &self.allow_oom };
        let indexes = places::touched(keys, commit);
        let policy = is_accept.then(|| (keys.policy(case.policy), codec::POLICY_VERSION));
        let standing =
            commit.next.rests_on.map(|version| (keys.standing(&case.authority), version));
        // Synthetic cases have the same ids at all desks, and each desk has its own.
        let siblings = self.siblings.iter().filter(|_| is_accept && !case.is_synthetic());
        let siblings = siblings.map(|sibling| (sibling.case(case.id), 0));
        let depends: Vec<(String, u64)> = siblings.chain(policy).chain(standing).collect();

        let mut call = redis::cmd("EVALSHA");
        call.arg(&script.hash).arg(3 + indexes.len() + depends.len());
        call.arg(keys.case(case.id)).arg(keys.events());
        call.arg(keys.note(commit.note.map_or([0; 16], |note| note.key)));
        indexes.iter().for_each(|(key, _)| _ = call.arg(key));
        depends.iter().for_each(|(key, _)| _ = call.arg(key));

        call.arg(case.version - 1);
        call.arg(commit.observed_at.as_millis()).arg(millis(commit.age_max));
        call.arg(indexes.len()).arg(case.id.compact());
        call.arg(codec::keep_change(&commit.next.change(), commit.trace.as_ref(), salt));
        call.arg(if commit.note.is_some() { case.id.compact() } else { "" });
        call.arg(commit.note.map_or(0, |note| millis(note.kept_for)));
        call.arg(if case.purged_at.is_some() { "replace" } else { "" });
        for (_, score) in &indexes {
            call.arg(score.map_or_else(String::new, |score| score.to_string()));
        }
        depends.iter().for_each(|(_, version)| _ = call.arg(*version));
        call.arg("version").arg(case.version).arg("state").arg(codec::encode_case(case));
        said.iter().for_each(|said| _ = call.arg(&said.name).arg(&said.bytes));
        call
    }

    /// The call that writes a case again, as it is and at the same version, with these index entries
    /// and these of its fields. It tells nobody, since nothing has happened to the case.
    pub(super) fn call_again(&self, keys: &Keys, again: &Again) -> Cmd {
        let Again { case, observed_at, places, fields } = again;
        let mut call = redis::cmd("EVALSHA");
        call.arg(&self.allow_oom.hash).arg(3 + places.len());
        call.arg(keys.case(case.id)).arg(keys.events()).arg(keys.note([0; 16]));
        places.iter().for_each(|(key, _)| _ = call.arg(key));
        call.arg(case.version).arg(observed_at.as_millis()).arg(millis(REPAIR_AGE_MAX));
        call.arg(places.len()).arg(case.id.compact()).arg("").arg("").arg(0).arg("");
        for (_, score) in places {
            call.arg(score.map_or_else(String::new, |score| score.to_string()));
        }
        call.arg("version").arg(case.version).arg("state").arg(codec::encode_case(case));
        fields.iter().for_each(|field| _ = call.arg(&field.name).arg(&field.bytes));
        call
    }

    /// The call that tells a notice, which changes no value. A Redis at its memory limit takes it too:
    /// without it nothing that was said may be read.
    pub(super) fn tell(keys: &Keys, notice: &Notice, salt: Salt) -> Cmd {
        const TELL: &str = "#!lua flags=allow-oom
return redis.call('XADD', KEYS[1], '*', 'change', ARGV[1])";
        let mut call = redis::cmd("EVAL");
        call.arg(TELL).arg(1).arg(keys.events()).arg(codec::keep_notice(notice, salt));
        call
    }

    /// The call that writes how an authority stands.
    pub(super) fn call_standing(&self, keys: &Keys, commit: &StandingCommit, salt: Salt) -> Cmd {
        let standing = &commit.standing;
        let mut call = redis::cmd("EVALSHA");
        call.arg(&self.allow_oom.hash).arg(4);
        call.arg(keys.standing(&standing.authority)).arg(keys.events()).arg(keys.note([0; 16]));
        call.arg(keys.suspended());
        call.arg(standing.version - 1);
        call.arg(commit.observed_at.as_millis()).arg(millis(commit.age_max));
        call.arg(1).arg(standing.authority.as_str());
        call.arg(codec::keep_notice(&commit.notice, salt));
        call.arg("").arg(0).arg("");
        let since = standing.suspension.as_ref().map(|suspension| suspension.at.as_millis());
        call.arg(since.map_or_else(String::new, |since| since.to_string()));
        call.arg("version").arg(standing.version);
        call.arg("state").arg(codec::encode_standing(standing));
        call
    }

    /// The call that writes an incident.
    pub(super) fn call_incident(
        &self,
        keys: &Keys,
        commit: &IncidentCommit,
        facts: Option<&Field>,
        salt: Salt,
    ) -> Cmd {
        let incident = &commit.incident;
        let mut indexes = vec![keys.incidents()];
        let month = Month::of(incident.opened_at);
        indexes.extend(facts.iter().map(|_| keys.sealed(month, Class::Incident)));
        let mut call = redis::cmd("EVALSHA");
        call.arg(&self.allow_oom.hash).arg(3 + indexes.len());
        call.arg(keys.incident(&incident.name)).arg(keys.events()).arg(keys.note([0; 16]));
        indexes.iter().for_each(|key| _ = call.arg(key));
        call.arg(incident.version - 1);
        call.arg(commit.observed_at.as_millis()).arg(millis(commit.age_max));
        call.arg(indexes.len()).arg(incident.name.as_str());
        call.arg(codec::keep_notice(&commit.notice, salt)).arg("").arg(0).arg("");
        indexes.iter().for_each(|_| _ = call.arg(incident.opened_at.as_millis()));
        call.arg("version").arg(incident.version);
        call.arg("state").arg(codec::encode_incident(incident));
        facts.iter().for_each(|facts| _ = call.arg(&facts.name).arg(&facts.bytes));
        call
    }

    /// Reads an answer; `None` when it is none that the script gives.
    pub(super) fn read(value: Value) -> Option<Answer> {
        let (word, now_ms, detail): (String, u64, String) = redis::from_redis_value(value).ok()?;
        let now = Timestamp::from_millis(now_ms);
        let outcome = match word.as_str() {
            "written" => Outcome::Written,
            "conflict" => Outcome::Conflict,
            "untimely" => Outcome::Untimely(now),
            // Another standing of the authority than was decided on: load, decide and commit again.
            "dependency" if detail.contains(":standing:") => Outcome::Conflict,
            "dependency" if detail.contains("}:case:") => Outcome::Elsewhere,
            "dependency" => Outcome::PolicyMissing,
            "noted" => Outcome::Noted(detail.parse().ok()?),
            _ => return None,
        };
        Some(Answer { outcome, now })
    }
}
