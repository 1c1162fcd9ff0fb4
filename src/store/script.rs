//! `commit.lua`, typed: its two flag variants, its arguments and its answers.

use redis::{Cmd, Script, Value};

use super::codec;
use super::keys::Keys;
use super::{Commit, Outcome};
use crate::core::projection::{self, Place};
use crate::core::time::millis;
use crate::core::{CaseId, Timestamp};

/// The commit script, found by its hash, so that replicas of different versions get along.
pub(super) struct CommitScript {
    /// Refused by a Redis at its memory limit: for accepting.
    deny_oom: Variant,
    /// Carried out all the same: for waking and answering what was accepted.
    allow_oom: Variant,
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

/// An answer of the script.
pub(super) struct Answer {
    pub(super) outcome: Outcome,
    pub(super) now: Timestamp,
}

impl CommitScript {
    pub(super) fn new() -> Self {
        Self { deny_oom: Variant::new("#!lua"), allow_oom: Variant::new("#!lua flags=allow-oom") }
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
    pub(super) fn call(&self, keys: &Keys, commit: &Commit) -> Cmd {
        let case = &commit.next.case;
        let is_accept = case.version == 1;
        let script = if is_accept { &self.deny_oom } else { &self.allow_oom };
        let projected = projection::project(case);
        let place = |place: Option<Place>| place.map(Place::score);
        let mut indexes = vec![
            (keys.ready(), place(projected.ready)),
            (keys.wake(), projected.wake_at.map(Timestamp::as_millis)),
            (keys.unanswered(), place(projected.unanswered)),
        ];
        if is_accept {
            // When a case was accepted never changes, so these are written once.
            let accepted_ms = Some(projected.accepted_at.as_millis());
            indexes.push((keys.cases(), accepted_ms));
            indexes.push((keys.authority(&case.authority), accepted_ms));
        }
        let depends = if is_accept { vec![keys.policy(case.policy)] } else { vec![] };

        let mut call = redis::cmd("EVALSHA");
        call.arg(&script.hash).arg(3 + indexes.len() + depends.len());
        call.arg(keys.case(case.id)).arg(keys.events());
        call.arg(keys.note(commit.note.map_or([0; 16], |note| note.key)));
        indexes.iter().for_each(|(key, _)| _ = call.arg(key));
        depends.iter().for_each(|key| _ = call.arg(key));

        call.arg(case.version - 1);
        call.arg(commit.observed_at.as_millis()).arg(millis(commit.age_max));
        call.arg(indexes.len()).arg(case.id.compact());
        call.arg(codec::encode_change(&commit.next.change()));
        call.arg(if commit.note.is_some() { case.id.compact() } else { "" });
        call.arg(commit.note.map_or(0, |note| millis(note.kept_for)));
        for (_, score) in &indexes {
            call.arg(score.map_or_else(String::new, |score| score.to_string()));
        }
        depends.iter().for_each(|_| _ = call.arg(codec::POLICY_VERSION));
        call.arg("version").arg(case.version).arg("state").arg(codec::encode_case(case));
        if let Some(request) = &commit.contents.request {
            call.arg("request").arg(codec::encode_content(request));
        }
        if let Some(response) = &commit.contents.response {
            call.arg("response").arg(codec::encode_content(response));
        }
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
            "dependency" => Outcome::PolicyMissing,
            "noted" => Outcome::Noted(detail.parse::<CaseId>().ok()?),
            _ => return None,
        };
        Some(Answer { outcome, now })
    }
}
