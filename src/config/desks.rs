//! The desks of this deployment: one from flags, or several from a file, each with its own policy and
//! registry.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::document::{Notes, Source, Table};
use super::{ConfigError, Links, Located, PolicyFile, SinkSettings, parse_policy, parse_registry};
use crate::core::policy::live::Live;
use crate::core::{Country, DeskName, Policy, SinkName};
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

const KEYS: [&str; 3] = ["name", "policy", "authorities"];

/// One file and everything that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    let (desks, wrong) = parse(path)?;
    if wrong.is_empty() { Ok(desks) } else { Err(ConfigError::Mistakes(wrong)) }
}

/// The configuration of all desks that a file names; the mistakes of all files at once.
pub(super) fn load_listed(path: &Path) -> Result<Vec<DeskConfiguration>, ConfigError> {
    let (desks, wrong) = parse(path)?;
    load(desks, wrong)
}

/// The desks that a file names, as far as they can be read, and what is wrong with it.
fn parse(path: &Path) -> Result<(Vec<DeskFiles>, Vec<FileMistakes>), ConfigError> {
    let text = read(path)?;
    let source = Source::new(&text);
    let document = source.document();
    let mut notes = Notes::new(&source, &document);
    let root = Table::root(&document);
    root.only(&mut notes, "key", &["desk"]);
    let wanted = "a list of desks: [[desk]] name = \"main\"";
    let entries = root.require(&mut notes, "desk");
    let entries = entries.and_then(|entries| entries.list(&mut notes, wanted));
    if entries.as_ref().is_some_and(Vec::is_empty) {
        notes.mistake("desk", "name at least one desk: [[desk]] name = \"main\"");
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut desks: Vec<DeskFiles> = Vec::new();
    for entry in entries.into_iter().flatten() {
        let Some(table) = entry.table(&mut notes) else { continue };
        table.only(&mut notes, "key", &KEYS);
        let name = table.require(&mut notes, "name");
        let name: Option<DeskName> = name.and_then(|name| name.name(&mut notes));
        if let Some(name) =
            name.as_ref().filter(|name| desks.iter().any(|desk| desk.name == **name))
        {
            notes.mistake(table.below("name"), format!("the desk {name} is named twice"));
        }
        let mut file = |key| {
            let file = table.get(key)?.text(&mut notes, "the name of a file in quotes")?;
            Some(folder.join(file))
        };
        let (policy, authorities) = (file("policy"), file("authorities"));
        // In place of a name that cannot be read, so that the files of this desk are looked at too.
        let name = name.unwrap_or_else(|| "main".parse().expect("a name that follows the rule"));
        desks.push(DeskFiles { name, policy, authorities });
    }
    let wrong = if notes.is_empty() { Vec::new() } else { vec![mistaken(path, notes.finish())] };
    Ok((desks, wrong))
}

fn mistaken(path: &Path, mistakes: Vec<Located>) -> FileMistakes {
    FileMistakes { path: path.display().to_string(), mistakes }
}

/// Reads one policy file.
pub(super) fn read_policy(path: &Path) -> Result<PolicyFile, ConfigError> {
    parse_policy(&read(path)?, path).map_err(|mistakes| {
        let path = path.display().to_string();
        ConfigError::Mistakes(vec![FileMistakes { path, mistakes }])
    })
}

/// Reads the files of all desks; the mistakes of all of them at once, besides what is `wrong` already.
pub(super) fn load(
    desks: Vec<DeskFiles>,
    mut wrong: Vec<FileMistakes>,
) -> Result<Vec<DeskConfiguration>, ConfigError> {
    let mut loaded = Vec::new();
    let mut taken = BTreeMap::new();
    for DeskFiles { name, policy, authorities } in desks {
        let file = match &policy {
            None => Some(PolicyFile::built_in()),
            Some(path) => parsed(path, &mut wrong, |text| {
                let file = parse_policy(text, path)?;
                take_countries(&name, text, &file.live, &mut taken)?;
                Ok(file)
            }),
        };
        let registry = match &authorities {
            None => Some(Registry::Unlisted),
            Some(path) => parsed(path, &mut wrong, parse_registry),
        };
        if let Some((PolicyFile { policy, live, sinks, links }, registry)) = file.zip(registry) {
            loaded.push(DeskConfiguration { name, policy, live, sinks, links, registry });
        }
    }
    if wrong.is_empty() { Ok(loaded) } else { Err(ConfigError::Mistakes(wrong)) }
}

/// What a file says; what is wrong with it is noted, once for each file.
fn parsed<T>(
    path: &Path,
    wrong: &mut Vec<FileMistakes>,
    parse: impl FnOnce(&str) -> Result<T, Vec<Located>>,
) -> Option<T> {
    let unreadable = |error: std::io::Error| {
        vec![Located { line: 1, path: String::new(), problem: format!("cannot be read: {error}") }]
    };
    let outcome = std::fs::read_to_string(path).map_err(unreadable).and_then(|text| parse(&text));
    outcome
        .map_err(|mistakes| {
            let told = mistaken(path, mistakes);
            if !wrong.contains(&told) {
                wrong.push(told);
            }
        })
        .ok()
}

/// Notes whose requests this desk takes: a country has one desk.
fn take_countries(
    desk: &DeskName,
    text: &str,
    live: &Live,
    taken: &mut BTreeMap<Country, DeskName>,
) -> Result<(), Vec<Located>> {
    let source = Source::new(text);
    let document = source.document();
    let mut notes = Notes::new(&source, &document);
    for country in &live.countries {
        let by = taken.entry(country.clone()).or_insert_with(|| desk.clone());
        if by != desk {
            let problem =
                format!("{country} is taken by the desk {by}, and a country has one desk");
            notes.mistake("routing.countries", problem);
        }
    }
    if notes.is_empty() { Ok(()) } else { Err(notes.finish()) }
}
