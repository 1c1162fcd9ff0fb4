//! How a field is checked and how a violation reads.

use std::str::FromStr;

use super::submission::{Choice, Moment};
use crate::core::names::BadName;

/// What kind of mistake a violation is. The words are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// It is missing.
    Required,
    /// It has too many characters.
    TooLong,
    /// The list has too many entries.
    TooMany,
    /// It does not follow the form it must have.
    BadFormat,
    /// It is not one of the known values.
    UnknownValue,
    /// It is too small or too large.
    OutOfRange,
    /// It contradicts another field.
    Contradiction,
    /// It holds a control character.
    ControlCharacter,
}

impl Code {
    /// The code's word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Required => "REQUIRED",
            Self::TooLong => "TOO_LONG",
            Self::TooMany => "TOO_MANY",
            Self::BadFormat => "BAD_FORMAT",
            Self::UnknownValue => "UNKNOWN_VALUE",
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::Contradiction => "CONTRADICTION",
            Self::ControlCharacter => "CONTROL_CHARACTER",
        }
    }
}

/// One thing wrong with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The path of the field, such as `request.targets[2].value`.
    pub field: String,
    /// What kind of mistake it is.
    pub code: Code,
    /// What would be right. It never repeats what was sent.
    pub how_to_fix: String,
}

/// Collects violations, so that all are reported at once.
#[derive(Debug, Default)]
pub struct Checks {
    violations: Vec<Violation>,
}

impl Checks {
    /// The verdict.
    ///
    /// # Errors
    /// Every violation found.
    pub fn finish(self) -> Result<(), Vec<Violation>> {
        if self.violations.is_empty() { Ok(()) } else { Err(self.violations) }
    }

    /// Reports a violation.
    pub fn violation(
        &mut self,
        field: impl Into<String>,
        code: Code,
        how_to_fix: impl Into<String>,
    ) {
        self.violations.push(Violation {
            field: field.into(),
            code,
            how_to_fix: how_to_fix.into(),
        });
    }

    /// A name that must be there and follow the rule of its kind.
    pub fn name<T: FromStr<Err = BadName>>(&mut self, field: &str, text: &str) -> Option<T> {
        match text.parse() {
            Ok(name) => Some(name),
            Err(_) if text.is_empty() => {
                self.required(field);
                None
            }
            Err(rule) => {
                self.violation(field, Code::BadFormat, format!("send {rule}"));
                None
            }
        }
    }

    pub(super) fn required(&mut self, field: &str) {
        self.violation(field, Code::Required, "this field is required; fill it in");
    }

    /// Reports a text that is longer than `chars_max` or holds control characters.
    pub(super) fn optional_text(&mut self, field: &str, text: &str, chars_max: usize) {
        // Bytes bound characters from above: most texts need no counting.
        if text.len() > chars_max && text.chars().count() > chars_max {
            let fix = format!("shorten it to {chars_max} characters");
            self.violation(field, Code::TooLong, fix);
        }
        if text.chars().any(|char| char.is_control() && !matches!(char, '\t' | '\n' | '\r')) {
            let fix = "remove control characters; tab and line breaks are fine";
            self.violation(field, Code::ControlCharacter, fix);
        }
    }

    pub(super) fn required_text(&mut self, field: &str, text: &str, chars_max: usize) {
        if text.trim().is_empty() {
            self.required(field);
        }
        self.optional_text(field, text, chars_max);
    }

    /// Reports a text that is there and not of the form that `is_good` knows.
    pub(super) fn optional_format(
        &mut self,
        field: &str,
        text: &str,
        is_good: fn(&str) -> bool,
        how_to_fix: &str,
    ) {
        if !text.is_empty() && !is_good(text) {
            self.violation(field, Code::BadFormat, how_to_fix);
        }
    }

    pub(super) fn required_format(
        &mut self,
        field: &str,
        text: &str,
        is_good: fn(&str) -> bool,
        how_to_fix: &str,
    ) {
        if text.is_empty() {
            self.required(field);
        }
        self.optional_format(field, text, is_good, how_to_fix);
    }

    pub(super) fn optional_choice<T: Copy>(&mut self, field: &str, choice: Choice<T>) -> Option<T> {
        match choice {
            Choice::Known(value) => Some(value),
            Choice::Missing => None,
            Choice::Unknown => {
                let fix = "use one of the values that this service's reflection lists";
                self.violation(field, Code::UnknownValue, fix);
                None
            }
        }
    }

    pub(super) fn required_choice<T: Copy>(&mut self, field: &str, choice: Choice<T>) -> Option<T> {
        if matches!(choice, Choice::Missing) {
            self.required(field);
        }
        self.optional_choice(field, choice)
    }

    /// Reports an instant outside the years 1 to 9999, as Protobuf defines a Timestamp.
    pub(super) fn optional_moment(&mut self, field: &str, moment: Option<Moment>) {
        const SECONDS_MIN: i64 = -62_135_596_800;
        const SECONDS_MAX: i64 = 253_402_300_799;
        let is_good = moment.is_none_or(|moment| {
            (SECONDS_MIN..=SECONDS_MAX).contains(&moment.seconds)
                && (0..1_000_000_000).contains(&moment.nanos)
        });
        if !is_good {
            let fix = "send an instant of the years 1 to 9999, such as 2026-03-14T09:26:53Z";
            self.violation(field, Code::OutOfRange, fix);
        }
    }

    pub(super) fn required_moment(&mut self, field: &str, moment: Option<Moment>) {
        if moment.is_none() {
            self.required(field);
        }
        self.optional_moment(field, moment);
    }

    /// Reports a list that is longer than `entries_max`; returns the part that is worth checking.
    pub(super) fn bounded<'a, T>(
        &mut self,
        field: &str,
        list: &'a [T],
        entries_max: usize,
    ) -> &'a [T] {
        if list.len() > entries_max {
            let fix = format!("send at most {entries_max}; split the request");
            self.violation(field, Code::TooMany, fix);
        }
        &list[..list.len().min(entries_max)]
    }
}
