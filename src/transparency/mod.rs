//! A transparency report as a file: a table for machines, a record for programs, a page for people.
//! They say the same, and nothing that the report does not.

mod csv;
mod html;
mod json;
mod plots;
mod words;

use std::str::FromStr;

use crate::core::transparency::Report;

/// What a report is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One line for each row and one for the total, as RFC 4180 says.
    Csv,
    /// One JSON object.
    Json,
    /// One page that needs nothing else.
    Html,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "csv" => Ok(Self::Csv),
            "json" => Ok(Self::Json),
            "html" => Ok(Self::Html),
            _ => Err("use one of csv, json, html".to_owned()),
        }
    }
}

/// The report of a desk as a file.
#[must_use]
pub fn written(desk: &str, report: &Report, format: Format) -> String {
    match format {
        Format::Csv => csv::written(report),
        Format::Json => json::written(desk, report),
        Format::Html => html::written(desk, report),
    }
}
