//! `urgence page`: whether the sinks of a contact take a page, before a night when it matters.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use futures_util::future::join_all;

use super::EXIT_USAGE;
use crate::clock::wall_now;
use crate::config::DeskChoice;
use crate::core::{ContactName, SinkName, Timestamp};
use crate::outbound::{Attempt, Outbound};
use crate::pager::notice::{Notice, Phase};
use crate::pager::sink::{Sink, Sinks};
use crate::telemetry::logs::{self, EnvFilter, LogFormat};

/// What to do with a test page.
#[derive(Subcommand)]
pub(super) enum PageCommand {
    /// Send a test page to every sink of a contact, once, and tell what came of it. It stays open, so
    /// that a person can acknowledge it.
    Test(TestArguments),
    /// Resolve a test page at every sink of the contact.
    Resolve(ResolveArguments),
}

#[derive(Args)]
pub(super) struct TestArguments {
    /// The contact's name in the policy.
    #[arg(value_parser = contact_name)]
    contact: ContactName,
    #[command(flatten)]
    desk: DeskChoice,
}

#[derive(Args)]
pub(super) struct ResolveArguments {
    /// The contact's name in the policy.
    #[arg(value_parser = contact_name)]
    contact: ContactName,
    /// The page's key, as the test told it.
    key: String,
    #[command(flatten)]
    desk: DeskChoice,
}

fn contact_name(text: &str) -> Result<ContactName, String> {
    text.parse().map_err(|rule: crate::core::names::BadName| rule.to_string())
}

pub(super) fn run(command: &PageCommand) -> ExitCode {
    let now = wall_now();
    let told = match command {
        PageCommand::Test(TestArguments { contact, desk }) => {
            let key = format!("{}{}", keys_of(contact), now.as_millis());
            tell(desk, contact, &key, Phase::Fire, now)
        }
        PageCommand::Resolve(ResolveArguments { contact, key, desk }) => {
            if is_key_of(key, contact) {
                tell(desk, contact, key, Phase::Resolve, now)
            } else {
                Err(format!(
                    "{key} is no test page of {contact}; its key begins with {}",
                    keys_of(contact)
                ))
            }
        }
    };
    match told {
        Ok((text, is_taken_by_all)) => {
            // A reader that has gone away, such as `head`, is no failure of ours.
            _ = std::io::stdout().write_all(text.as_bytes());
            if is_taken_by_all { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(problem) => {
            _ = writeln!(std::io::stderr(), "{}", problem.trim_end());
            ExitCode::from(EXIT_USAGE)
        }
    }
}

/// What the keys of a contact's test pages begin with.
fn keys_of(contact: &ContactName) -> String {
    format!("test/{contact}/")
}

fn is_key_of(key: &str, contact: &ContactName) -> bool {
    let number = key.strip_prefix(&keys_of(contact));
    number.is_some_and(|number| number.parse::<u64>().is_ok())
}

/// Tells all sinks of the contact at once: one line for each, and whether all of them took it.
fn tell(
    desk: &DeskChoice,
    contact: &ContactName,
    key: &str,
    phase: Phase,
    now: Timestamp,
) -> Result<(String, bool), String> {
    let file = desk.read().map_err(|error| error.to_string())?;
    let mut known = file.policy.contacts();
    known.extend(file.live.contacts.listed());
    if !known.contains(contact) {
        let known: Vec<&str> = known.into_iter().map(ContactName::as_str).collect();
        return Err(format!("{contact} is no known contact; known: {}", known.join(", ")));
    }
    let names = file.live.contacts.sinks(contact);
    // What the log's own sink takes is seen where the others' answers are.
    logs::install(LogFormat::Auto, EnvFilter::new("info"), None);
    let outbound = Outbound::new().map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let sinks = Sinks::new(file.sinks);
    let asked: Vec<(&SinkName, &Sink)> =
        sinks.iter().filter(|(name, _)| names.contains(name)).collect();
    let notice = Notice::test(desk.desk.clone(), contact.clone(), key.to_owned());
    let attempts = runtime.block_on(join_all(
        asked.iter().map(|(_, sink)| sink.attempt(&outbound, &notice, phase, now)),
    ));
    let is_taken_by_all = attempts.iter().all(|attempt| *attempt == Attempt::Taken);
    let mut text = String::new();
    for ((name, sink), attempt) in asked.iter().zip(&attempts) {
        _ = writeln!(text, "{name} ({}): {attempt}", sink.kind());
    }
    if phase == Phase::Fire {
        _ = writeln!(text, "open as {key}, until: urgence page resolve {contact} {key}");
    }
    Ok((text, is_taken_by_all))
}
