//! A TOML file read whole: every entry with its line, every mistake at once.
//!
//! Serde would stop at the first mistake and forget where the values stood, so the files of this room
//! are walked by hand: a value that cannot be read is reported and left out, and the walk goes on.

mod source;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use toml::de::{DeTable, DeValue};

pub(super) use source::Source;

use crate::core::intake::is_country;
use crate::core::names::{BadName, Country};
use crate::core::policy::Mistake;

/// One mistake in a file: on which line, at which entry, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The line, counted from 1: of the entry, or of what it should stand in.
    pub line: usize,
    /// The path of the entry, such as `promises.emergency.ladder[2].at`; empty where the text is no
    /// TOML.
    pub path: String,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, path, problem } = self;
        if path.is_empty() {
            write!(f, "{line}: {problem}")
        } else {
            write!(f, "{line}: {path}: {problem}")
        }
    }
}

/// What was found wrong with a file so far.
pub(super) struct Notes<'s> {
    source: &'s Source,
    /// The line of every entry, by its path.
    lines: BTreeMap<String, usize>,
    mistakes: Vec<Located>,
}

impl<'s> Notes<'s> {
    /// Begins with what was no TOML.
    pub(super) fn new(source: &'s Source, document: &DeTable<'_>) -> Self {
        let mut lines = BTreeMap::new();
        index(source, document, "", &mut lines);
        Self { source, lines, mistakes: source.mistakes().to_vec() }
    }

    /// Something is wrong at `path`. Where there is no such entry, the line is that of the nearest
    /// table or list around it.
    pub(super) fn mistake(&mut self, path: impl Into<String>, problem: impl Into<String>) {
        let path = path.into();
        let line = self.line(&path);
        self.mistakes.push(Located { line, path, problem: problem.into() });
    }

    /// A rule of the core is broken.
    pub(super) fn broken_rule(&mut self, Mistake { path, problem }: Mistake) {
        self.mistake(path, problem);
    }

    /// `path`, whose last name is `name`, is missing, unless it stood in a part that is no TOML.
    pub(super) fn missing(&mut self, path: &str, name: &str, problem: &str) {
        if !self.source.may_have_held(name) {
            self.mistake(path, problem);
        }
    }

    /// Whether something of this name stood in a part that is no TOML.
    pub(super) fn may_have_held(&self, name: &str) -> bool {
        self.source.may_have_held(name)
    }

    /// Whether nothing is wrong so far.
    pub(super) const fn is_empty(&self) -> bool {
        self.mistakes.is_empty()
    }

    /// Every mistake, in the order of the lines.
    pub(super) fn finish(mut self) -> Vec<Located> {
        self.mistakes.sort_by_key(|mistake| mistake.line);
        self.mistakes
    }

    fn line(&self, path: &str) -> usize {
        let mut around = path;
        loop {
            if let Some(line) = self.lines.get(around) {
                return *line;
            }
            let Some(end) = around.rfind(['.', '[']) else { return 1 };
            around = &around[..end];
        }
    }
}

fn index(source: &Source, table: &DeTable<'_>, path: &str, lines: &mut BTreeMap<String, usize>) {
    for (key, value) in table {
        let path = below(path, key.get_ref());
        index_value(source, value.get_ref(), &path, lines);
        lines.insert(path, source.line(key.span().start));
    }
}

fn index_value(
    source: &Source,
    value: &DeValue<'_>,
    path: &str,
    lines: &mut BTreeMap<String, usize>,
) {
    match value {
        DeValue::Table(table) => index(source, table, path, lines),
        DeValue::Array(list) => {
            for (number, element) in list.iter().enumerate() {
                let path = format!("{path}[{number}]");
                index_value(source, element.get_ref(), &path, lines);
                lines.insert(path, source.line(element.span().start));
            }
        }
        _ => {}
    }
}

/// The path of `key` in the table at `path`; a key that TOML would quote is quoted.
fn below(path: &str, key: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let key = if !key.is_empty() && key.bytes().all(is_bare) {
        key.to_owned()
    } else {
        format!("{key:?}")
    };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// A table of the file.
pub(super) struct Table<'d> {
    /// Its path; empty for the whole file.
    pub(super) path: String,
    entries: &'d DeTable<'d>,
}

/// A value of the file.
pub(super) struct Entry<'d> {
    /// Its path.
    pub(super) path: String,
    value: &'d DeValue<'d>,
}

impl<'d> Table<'d> {
    /// The whole file.
    pub(super) const fn root(document: &'d DeTable<'d>) -> Self {
        Self { path: String::new(), entries: document }
    }

    /// The path of `key` in it, whether or not it is there.
    pub(super) fn below(&self, key: &str) -> String {
        below(&self.path, key)
    }

    /// The entry `key`, if it is there.
    pub(super) fn get(&self, key: &str) -> Option<Entry<'d>> {
        let value = self.entries.get(key)?;
        Some(Entry { path: self.below(key), value: value.get_ref() })
    }

    /// The entry `key`, which must be there.
    pub(super) fn require(&self, notes: &mut Notes<'_>, key: &str) -> Option<Entry<'d>> {
        let entry = self.get(key);
        if entry.is_none() {
            notes.missing(&self.below(key), key, "is missing");
        }
        entry
    }

    /// The table `key`, if there is such an entry; it must be a table.
    pub(super) fn table(&self, notes: &mut Notes<'_>, key: &str) -> Option<Self> {
        self.get(key)?.table(notes)
    }

    /// Every entry with its key.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'d str, Entry<'d>)> {
        let path = self.path.clone();
        self.entries.iter().map(move |(key, value)| {
            let key: &str = key.get_ref();
            (key, Entry { path: below(&path, key), value: value.get_ref() })
        })
    }

    /// Reports every key that is none of `known`, each of which is `what`.
    pub(super) fn only(&self, notes: &mut Notes<'_>, what: &str, known: &[&str]) {
        for (_, entry) in self.entries().filter(|(key, _)| !known.contains(key)) {
            notes.mistake(entry.path, format!("is no known {what}; known: {}", known.join(", ")));
        }
    }
}

impl<'d> Entry<'d> {
    /// Its text.
    pub(super) fn text(&self, notes: &mut Notes<'_>, wanted: &str) -> Option<&'d str> {
        self.value.as_str().or_else(|| self.wrong_kind(notes, wanted))
    }

    /// Whether it is true.
    pub(super) fn truth(&self, notes: &mut Notes<'_>) -> Option<bool> {
        self.value.as_bool().or_else(|| self.wrong_kind(notes, "true or false"))
    }

    /// A small whole number; what does not fit is the largest there is.
    pub(super) fn number(&self, notes: &mut Notes<'_>, wanted: &str) -> Option<u8> {
        let Some(number) = self.value.as_integer() else { return self.wrong_kind(notes, wanted) };
        Some(u8::from_str_radix(number.as_str(), number.radix()).unwrap_or(u8::MAX))
    }

    /// A count; what does not fit is the largest there is, and what is below zero is zero.
    pub(super) fn count(&self, notes: &mut Notes<'_>, wanted: &str) -> Option<u32> {
        let Some(number) = self.value.as_integer() else { return self.wrong_kind(notes, wanted) };
        if number.as_str().starts_with('-') {
            return Some(0);
        }
        Some(u32::from_str_radix(number.as_str(), number.radix()).unwrap_or(u32::MAX))
    }

    /// Its elements.
    pub(super) fn list(&self, notes: &mut Notes<'_>, wanted: &str) -> Option<Vec<Self>> {
        let Some(list) = self.value.as_array() else { return self.wrong_kind(notes, wanted) };
        let element = |(number, element): (usize, &'d toml::Spanned<DeValue<'d>>)| Self {
            path: format!("{}[{number}]", self.path),
            value: element.get_ref(),
        };
        Some(list.iter().enumerate().map(element).collect())
    }

    /// It as a table.
    pub(super) fn table(self, notes: &mut Notes<'_>) -> Option<Table<'d>> {
        let Some(entries) = self.value.as_table() else {
            return self.wrong_kind(notes, "a table");
        };
        Some(Table { path: self.path, entries })
    }

    /// Its text, which must be a single line of printable text.
    pub(super) fn line_of_text(&self, notes: &mut Notes<'_>, chars_max: usize) -> Option<&'d str> {
        let text = self.text(notes, "a text in quotes")?;
        let is_good = text.chars().count() <= chars_max && !text.chars().any(char::is_control);
        if !is_good {
            notes
                .mistake(&self.path, format!("must be one line of at most {chars_max} characters"));
        }
        is_good.then_some(text)
    }

    /// Its text as a name of the domain.
    pub(super) fn name<T: FromStr<Err = BadName>>(&self, notes: &mut Notes<'_>) -> Option<T> {
        let text = self.text(notes, "a text in quotes")?;
        text.parse().map_err(|rule| notes.mistake(&self.path, format!("must be {rule}"))).ok()
    }

    /// It as a country that ISO 3166-1 knows.
    pub(super) fn country(&self, notes: &mut Notes<'_>) -> Option<Country> {
        let country: Country = self.name(notes)?;
        if !is_country(country.as_str()) {
            notes.mistake(&self.path, "must be an assigned code of ISO 3166-1, such as FR");
            return None;
        }
        Some(country)
    }

    /// It as a table, if it is one; nothing is reported.
    pub(super) fn into_table(self) -> Option<Table<'d>> {
        let Self { path, value } = self;
        value.as_table().map(|entries| Table { path, entries })
    }

    fn wrong_kind<T>(&self, notes: &mut Notes<'_>, wanted: &str) -> Option<T> {
        let kind = match self.value {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        notes.mistake(&self.path, format!("must be {wanted}, not {kind}"));
        None
    }
}
