//! The desks of this deployment: one from flags, or several from a file, each with its own policy and
//! registry.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{ConfigError, Links, Located, PolicyFile, SinkSettings, parse_policy, parse_registry};
use crate::core::policy::live::Live;
use crate::core::{DeskName, Policy, SinkName};
use crate::registry::Registry;

/// A desk as it is configured.
#[derive(Clone, Debug)]
pub struct DeskConfiguration {
    /// Its name.
    pub name: DeskName,
    /// What is promised.
    pub policy: Policy,
    /// What holds for the whole desk, now.
    pub live: Live,
    /// How the sinks reach people, besides the log.
    pub sinks: BTreeMap<SinkName, SinkSettings>,
    /// Where people see more than a page says.
    pub links: Links,
    /// Who may ask, and what is known of them.
    pub registry: Registry,
}

/// Where a desk's policy and registry are read from.
#[derive(Clone, Debug)]
pub(super) struct DeskFiles {
    pub(super) name: DeskName,
    pub(super) policy: Option<PathBuf>,
    pub(super) authorities: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DesksFile {
    desk: Vec<DeskEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeskEntry {
    name: String,
    policy: Option<PathBuf>,
    authorities: Option<PathBuf>,
}

/// One file and everything that is wrong with it.
#[derive(Clone, Debug)]
pub struct FileMistakes {
    /// The file.
    pub path: String,
    /// What is wrong, in the order of the lines.
    pub mistakes: Vec<Located>,
}

impl std::fmt::Display for FileMistakes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.mistakes.iter().try_for_each(|mistake| writeln!(f, "  {}:{mistake}", self.path))
    }
}

pub(super) fn read(path: &Path) -> Result<String, ConfigError> {
    let shown = path.display().to_string();
    std::fs::read_to_string(path).map_err(|source| ConfigError::File { path: shown, source })
}

/// The desks that a file names. Its paths are relative to it.
pub(super) fn list(path: &Path) -> Result<Vec<DeskFiles>, ConfigError> {
    let text = read(path)?;
    let wrong = |line: usize, problem: String| {
        let mistake = Located { line, path: "desk".to_owned(), problem };
        let path = path.display().to_string();
        ConfigError::Mistakes(vec![FileMistakes { path, mistakes: vec![mistake] }])
    };
    let file: DesksFile = toml::from_str(&text).map_err(|error| {
        let line = 1 + error.span().map_or(0, |span| text[..span.start].matches('\n').count());
        wrong(line, error.message().to_owned())
    })?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let beside = |file: Option<PathBuf>| file.map(|file| folder.join(file));
    let mut desks: Vec<DeskFiles> = Vec::new();
    for entry in file.desk {
        let name: DeskName =
            entry.name.parse().map_err(|rule| wrong(1, format!("a desk's name has {rule}")))?;
        if desks.iter().any(|desk| desk.name == name) {
            return Err(wrong(1, format!("the desk {name} is named twice")));
        }
        let (policy, authorities) = (beside(entry.policy), beside(entry.authorities));
        desks.push(DeskFiles { name, policy, authorities });
    }
    if desks.is_empty() {
        return Err(wrong(1, "name at least one desk: [[desk]] name = \"main\"".to_owned()));
    }
    Ok(desks)
}

/// Reads one policy file.
pub(super) fn read_policy(path: &Path) -> Result<PolicyFile, ConfigError> {
    parse_policy(&read(path)?, path).map_err(|mistakes| {
        let path = path.display().to_string();
        ConfigError::Mistakes(vec![FileMistakes { path, mistakes }])
    })
}

/// Reads the files of all desks; the mistakes of all of them at once.
pub(super) fn load(desks: Vec<DeskFiles>) -> Result<Vec<DeskConfiguration>, ConfigError> {
    let mut wrong = Vec::new();
    let mut loaded = Vec::new();
    for DeskFiles { name, policy, authorities } in desks {
        let mut note = |path: &Path, mistakes: Vec<Located>| {
            wrong.push(FileMistakes { path: path.display().to_string(), mistakes });
        };
        let file = match &policy {
            None => Some(PolicyFile::built_in()),
            Some(path) => {
                let parsed = parse_policy(&read(path)?, path);
                parsed.map_err(|mistakes| note(path, mistakes)).ok()
            }
        };
        let registry = match &authorities {
            None => Some(Registry::Unlisted),
            Some(path) => {
                let parsed = parse_registry(&read(path)?);
                parsed.map_err(|mistakes| note(path, mistakes)).ok()
            }
        };
        if let Some((PolicyFile { policy, live, sinks, links }, registry)) = file.zip(registry) {
            loaded.push(DeskConfiguration { name, policy, live, sinks, links, registry });
        }
    }
    if wrong.is_empty() { Ok(loaded) } else { Err(ConfigError::Mistakes(wrong)) }
}
