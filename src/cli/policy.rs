//! `urgence policy`: checking a policy file before it is put in force, and reading one.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::EXIT_USAGE;
use crate::config::{PolicyFile, parse_policy, policy_text};

/// What to do with a policy file.
#[derive(Subcommand)]
pub(super) enum PolicyCommand {
    /// Tell every mistake in a policy file with its line, or that there is none.
    Check {
        /// The file.
        file: PathBuf,
    },
    /// Show what a policy promises: each ladder as a table with times.
    Show {
        /// The file; without one, the built-in policy.
        file: Option<PathBuf>,
    },
}

pub(super) fn run(command: &PolicyCommand) -> ExitCode {
    let (text, code) = match command {
        PolicyCommand::Check { file } => match std::fs::read_to_string(file) {
            Ok(text) => {
                let outcome = parse_policy(&text, file);
                let code = if outcome.is_ok() { 0 } else { EXIT_USAGE };
                (policy_text::verdict(&file.display().to_string(), &outcome), code)
            }
            Err(error) => (format!("{}: {error}\n", file.display()), EXIT_USAGE),
        },
        PolicyCommand::Show { file: None } => (policy_text::show(&PolicyFile::built_in()), 0),
        PolicyCommand::Show { file: Some(file) } => match std::fs::read_to_string(file) {
            Ok(text) => match parse_policy(&text, file) {
                Ok(file) => (policy_text::show(&file), 0),
                Err(mistakes) => {
                    (policy_text::mistakes(&file.display().to_string(), &mistakes), EXIT_USAGE)
                }
            },
            Err(error) => (format!("{}: {error}\n", file.display()), EXIT_USAGE),
        },
    };
    // A reader that has gone away, such as `head`, is no failure of ours.
    _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::from(code)
}
