//! `urgence keys`: the keys that what is said is sealed with. No key is ever shown.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::EXIT_USAGE;
use crate::clock::wall_now;
use crate::config::{ConfigError, KeyFiles};
use crate::core::{DeskName, Timestamp};
use crate::seal::{Class, KeyEncryptionKeys, KeyRing, Label, Month};

/// What to do with the keys.
#[derive(Subcommand)]
pub(super) enum KeysCommand {
    /// List the data keys: id, label, when made and whether about to be destroyed.
    List {
        #[command(flatten)]
        files: KeyFiles,
    },
    /// Make the data keys of this month and the coming ones, and wrap all of them anew if asked to.
    Rotate {
        #[command(flatten)]
        files: KeyFiles,
        /// For how many months there shall be keys, this one included.
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=120))]
        months: u32,
        /// The key-encryption key that takes the place of the others. Every replica must know it
        /// before: add it to theirs as a further line and send SIGHUP.
        #[arg(long)]
        new_key_encryption_key: Option<PathBuf>,
    },
}

pub(super) fn run(command: &KeysCommand) -> ExitCode {
    let told = match command {
        KeysCommand::List { files } => files.open().map(|ring| list(&ring)),
        KeysCommand::Rotate { files, months, new_key_encryption_key } => {
            rotate(files, *months, new_key_encryption_key.clone())
        }
    };
    let (text, code) = match told {
        Ok(text) => (text, ExitCode::SUCCESS),
        Err(error) => (format!("{error}\n"), ExitCode::from(EXIT_USAGE)),
    };
    // A reader that has gone away, such as `head`, is no failure of ours.
    _ = std::io::stdout().write_all(text.as_bytes());
    code
}

fn list(ring: &KeyRing) -> String {
    let mut keys = ring.keys();
    keys.sort_by(|one, other| (&one.label, one.created_at).cmp(&(&other.label, other.created_at)));
    let mut text = String::new();
    for key in keys {
        let retired =
            key.retired_at.map_or_else(String::new, |at| format!("  retired {}", day(at)));
        writeln!(
            text,
            "{}  {:<32}  made {}{retired}",
            key.id,
            key.label.to_string(),
            day(key.created_at)
        )
        .expect("a text takes everything");
    }
    text
}

fn day(at: Timestamp) -> String {
    let millis = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX).to_string()
}

fn rotate(
    files: &KeyFiles,
    months: u32,
    new_key_encryption_key: Option<PathBuf>,
) -> Result<String, ConfigError> {
    let ring = files.open()?;
    let mut text = String::new();
    if let Some(path) = new_key_encryption_key {
        let wrapped = ring.wrap_anew(&KeyEncryptionKeys::File(path))?;
        writeln!(text, "{wrapped} data keys were wrapped anew").expect("a text takes everything");
    }
    let now = wall_now();
    let made = ring.make(&labels(&files.desks()?, Month::of(now), months), now)?;
    writeln!(text, "{made} data keys were made").expect("a text takes everything");
    Ok(text)
}

/// Everything that a key may be needed for in so many months.
fn labels(desks: &[DeskName], first: Month, months: u32) -> Vec<Label> {
    let mut labels = Vec::new();
    let mut month = first;
    for _ in 0..months {
        for desk in desks {
            let label = |class| Label { desk: desk.clone(), month, class };
            labels.extend(Class::ALL.map(label));
        }
        month = month.next();
    }
    labels
}
