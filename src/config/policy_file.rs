//! The policy file: TOML with durations as people write them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::duration;
use crate::core::ladder::{Ladder, Rung};
use crate::core::policy::{Mistake, Promise, Rules};
use crate::core::time::millis;
use crate::core::{Band, Nature, Policy};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    lease: String,
    bands: BTreeMap<String, u8>,
    promises: PromisesFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PromisesFile {
    emergency: PromiseFile,
    routine: PromiseFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PromiseFile {
    target: String,
    limit: String,
    ladder: Vec<RungFile>,
    repeat_every: String,
    repeat_pages: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RungFile {
    at: String,
    pages: Vec<String>,
    #[serde(default)]
    quieted_by_claim: bool,
}

/// Reads a policy.
///
/// # Errors
/// Every mistake that can be told at once: one, if the text is no TOML of this form; otherwise all.
pub fn parse_policy(text: &str) -> Result<Policy, Vec<Mistake>> {
    let file: PolicyFile = toml::from_str(text).map_err(|error| {
        let line = 1 + error.span().map_or(0, |span| text[..span.start].matches('\n').count());
        vec![Mistake { path: format!("line {line}"), problem: error.message().to_owned() }]
    })?;
    let mut reader = Reader { mistakes: Vec::new() };
    let rules = Rules {
        bands: reader.bands(file.bands),
        emergency: reader.promise("promises.emergency", file.promises.emergency),
        routine: reader.promise("promises.routine", file.promises.routine),
        lease: reader.duration("lease", &file.lease),
    };
    match Policy::new(rules) {
        Ok(policy) if reader.mistakes.is_empty() => Ok(policy),
        Ok(_) => Err(reader.mistakes),
        Err(mistakes) => {
            reader.mistakes.extend(mistakes);
            Err(reader.mistakes)
        }
    }
}

/// Reads what it can and remembers every mistake.
struct Reader {
    mistakes: Vec<Mistake>,
}

impl Reader {
    fn mistake(&mut self, path: impl Into<String>, problem: impl Into<String>) {
        self.mistakes.push(Mistake { path: path.into(), problem: problem.into() });
    }

    fn duration(&mut self, path: &str, text: &str) -> Duration {
        match duration(text) {
            // Stored in whole milliseconds, so read in whole milliseconds.
            Ok(duration) => Duration::from_millis(millis(duration)),
            Err(problem) => {
                self.mistake(path, problem);
                Duration::ZERO
            }
        }
    }

    fn bands(&mut self, words: BTreeMap<String, u8>) -> BTreeMap<Nature, Band> {
        let mut bands = BTreeMap::new();
        for (word, number) in words {
            match (Nature::from_word(&word), Band::new(number)) {
                (Some(nature), Some(band)) => _ = bands.insert(nature, band),
                (None, _) => self.mistake(format!("bands.{word}"), "is no known nature"),
                (Some(_), None) => self.mistake(format!("bands.{word}"), "must be from 0 to 7"),
            }
        }
        bands
    }

    fn promise(&mut self, path: &str, file: PromiseFile) -> Promise {
        let mut rungs = Vec::new();
        for (index, rung) in file.ladder.into_iter().enumerate() {
            let path = format!("{path}.ladder[{index}]");
            rungs.push(Rung {
                offset: self.duration(&path, &rung.at),
                contacts: self.contacts(&path, &rung.pages),
                is_quieted_by_claim: rung.quieted_by_claim,
            });
        }
        Promise {
            target: self.duration(&format!("{path}.target"), &file.target),
            limit: self.duration(&format!("{path}.limit"), &file.limit),
            ladder: Ladder {
                rungs,
                repeat_every: self.duration(&format!("{path}.repeat_every"), &file.repeat_every),
                repeat_contacts: self.contacts(&format!("{path}.repeat_pages"), &file.repeat_pages),
            },
        }
    }

    fn contacts<C: FromIterator<crate::core::ContactName>>(
        &mut self,
        path: &str,
        names: &[String],
    ) -> C {
        let mut contacts = Vec::new();
        for name in names {
            match name.parse() {
                Ok(contact) => contacts.push(contact),
                Err(rule) => self.mistake(path, format!("a contact's name has {rule}")),
            }
        }
        contacts.into_iter().collect()
    }
}
