//! The text of a TOML file, with what is no TOML taken out.
//!
//! A parser that stops at the first syntax error hides every mistake behind it. Here an entry that
//! does not parse is reported and blanked, and the rest is read as if it had never stood there. Lines
//! keep their numbers.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use super::Located;

/// So many entries that do not parse are no policy; the rest is not looked at.
const FAULTY_ENTRIES_MAX: usize = 50;

/// A text that parses, and what had to be taken out of it.
pub(in crate::config) struct Source {
    text: String,
    /// Where each line starts.
    starts: Vec<usize>,
    taken_out: String,
    is_given_up: bool,
    mistakes: Vec<Located>,
}

impl Source {
    /// Takes out of `text` every entry that is no TOML.
    pub(in crate::config) fn new(text: &str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1));
        let mut source = Self {
            text: text.to_owned(),
            starts: starts.collect(),
            taken_out: String::new(),
            is_given_up: false,
            mistakes: Vec::new(),
        };
        for _ in 0..FAULTY_ENTRIES_MAX {
            if !source.take_out_first_fault() {
                return source;
            }
        }
        let line = source.mistakes.iter().map(|mistake| mistake.line).max().unwrap_or(1);
        let problem = "so much is no TOML that the rest was not looked at".to_owned();
        source.mistakes.push(Located { line, path: String::new(), problem });
        source.take_out_all();
        source
    }

    /// The document, by entries.
    pub(in crate::config) fn document(&self) -> DeTable<'_> {
        DeTable::parse_recoverable(&self.text).0.into_inner()
    }

    /// Whether something of this name was taken out, so that nobody can say that it is missing.
    pub(in crate::config) fn may_have_held(&self, name: &str) -> bool {
        let is_of_name = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-');
        let mut words = self.taken_out.split(|char| !is_of_name(char));
        self.is_given_up || words.any(|word| word == name)
    }

    /// What was no TOML.
    pub(in crate::config) fn mistakes(&self) -> &[Located] {
        &self.mistakes
    }

    /// The line, counted from 1, of the byte at `offset`.
    pub(in crate::config) fn line(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }

    /// Reports the first entry that does not parse, and blanks it; `false` when all do. Within the entry
    /// only the first error is sure to be one; the others mostly follow from it.
    fn take_out_first_fault(&mut self) -> bool {
        let (_, errors) = DeTable::parse_recoverable(&self.text);
        let offset = |error: &&Error| error.span().map_or(0, |span| span.start);
        let Some(first) = errors.iter().min_by_key(offset) else { return false };
        let line = self.line(offset(&first));
        let entry = self.faulty_entry(line);
        let begun = if entry.start < line {
            format!(" (in the entry begun on line {})", entry.start)
        } else {
            String::new()
        };
        let problem = format!("{}{begun}", first.message());
        self.mistakes.push(Located { line, path: String::new(), problem });
        let faulty = self.bytes(entry);
        if self.text[faulty.clone()].trim().is_empty() {
            // Nothing is left there to blame: what remains cannot be read in parts.
            self.take_out_all();
            return false;
        }
        self.take_out(faulty);
        true
    }

    /// The lines of the entry to blame for an error on line `at`.
    fn faulty_entry(&self, at: usize) -> Range<usize> {
        let before = &self.text[..self.bytes(at..at + 1).start];
        let (document, errors) = DeTable::parse_recoverable(before);
        let begun = if errors.is_empty() {
            at
        } else {
            // Something before it was never finished: the last that was begun.
            last_key(document.get_ref()).map_or(at, |offset| self.line(offset)).min(at)
        };
        let lines: Vec<&str> = self.text.lines().collect();
        let ends_it = |line: &str| {
            // Without its header, nobody knows what the entries below it belong to.
            is_header(line) || (begins_entry(line) && !is_header(lines[begun - 1]))
        };
        let from = if begun < at { at } else { at + 1 };
        let end = (from..=lines.len()).find(|number| ends_it(lines[number - 1]));
        begun..end.unwrap_or(lines.len() + 1)
    }

    fn take_out_all(&mut self) {
        self.take_out(0..self.text.len());
        self.is_given_up = true;
    }

    fn take_out(&mut self, bytes: Range<usize>) {
        let faulty = self.text[bytes.clone()].to_owned();
        self.taken_out.push_str(&faulty);
        self.taken_out.push('\n');
        // Bytes are blanked one by one, so that all offsets and lines stay.
        let blank: String =
            faulty.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect();
        self.text.replace_range(bytes, &blank);
    }

    /// The bytes of these lines, counted from 1.
    fn bytes(&self, lines: Range<usize>) -> Range<usize> {
        let start = |number: usize| self.starts.get(number - 1).copied().unwrap_or(self.text.len());
        start(lines.start)..start(lines.end)
    }
}

/// Whether an entry seems to begin on this line: `[table]` or `key = …`.
fn begins_entry(line: &str) -> bool {
    is_header(line) || line.split_once('=').is_some_and(|(key, _)| is_key(key))
}

/// Whether this line seems to be meant as a header, be it without one of its brackets.
fn is_header(line: &str) -> bool {
    let line = line.split('#').next().unwrap_or_default().trim();
    line.starts_with('[') || line.strip_suffix(']').is_some_and(is_key)
}

fn is_key(text: &str) -> bool {
    let is_of_key =
        |char: char| char.is_alphanumeric() || matches!(char, '_' | '-' | '.' | '"' | '\'' | ' ');
    !text.trim().is_empty() && text.chars().all(is_of_key)
}

/// Where the last entry begins.
fn last_key(table: &DeTable<'_>) -> Option<usize> {
    let of_entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let within = value.get_ref().as_table().and_then(last_key);
        within.into_iter().chain([key.span().start]).max()
    };
    table.iter().filter_map(of_entry).max()
}
