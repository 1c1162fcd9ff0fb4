//! `urgence simulate`: a night before it comes, and how many people it takes.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::EXIT_USAGE;
use crate::config::{parse_policy, policy_text};
use crate::core::Policy;
use crate::simulate::{self, Goal, Options, Responders, Scenario};

/// What kind of night to let go by.
#[derive(Args)]
pub(super) struct SimulateArguments {
    /// The same seed meets the same requests, whoever deals with them.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// quiet-day or attack.
    #[arg(long, default_value = Scenario::QuietDay.word(), value_parser = scenario)]
    scenario: Scenario,
    /// How long it lasts; 24 for a quiet day and 72 after an attack, if not given.
    #[arg(long)]
    hours: Option<u32>,
    /// How many people answer by day, in the evening and at night, from 7, 15 and 23 o'clock, such
    /// as 2,2,1; one number is for all three.
    #[arg(long)]
    responders: Option<Responders>,
    /// How many requests come in an hour, on the average of a day.
    #[arg(long)]
    arrivals_per_hour: Option<f64>,
    /// How many times as many come at the beginning of an attack.
    #[arg(long)]
    surge_factor: Option<f64>,
    /// Minutes from a claim to the first response, on average.
    #[arg(long)]
    handling_minutes: Option<f64>,
    /// Minutes from there to the outcome, on average.
    #[arg(long)]
    collecting_minutes: Option<f64>,
    /// Open no incident: all cases wait in one lane.
    #[arg(long)]
    one_lane: bool,
    /// The policy file; the built-in policy, if not given.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Draw the night into this file.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Find the fewest people that keep the promise, and show the night with them.
    #[arg(long, conflicts_with = "responders")]
    search: bool,
}

fn scenario(word: &str) -> Result<Scenario, String> {
    let words: Vec<&str> = Scenario::ALL.iter().map(|scenario| scenario.word()).collect();
    Scenario::from_word(word).ok_or_else(|| format!("use one of {}", words.join(", ")))
}

pub(super) fn run(arguments: &SimulateArguments) -> ExitCode {
    match answer(arguments) {
        Ok(text) => {
            // A reader that has gone away, such as `head`, is no failure of ours.
            _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(problem) => {
            _ = writeln!(std::io::stderr(), "{}", problem.trim_end());
            ExitCode::from(EXIT_USAGE)
        }
    }
}

/// What is printed, or what the operator has to change.
fn answer(arguments: &SimulateArguments) -> Result<String, String> {
    let mut options = options(arguments)?;
    options.check().map_err(|bad| bad.to_string())?;
    let mut text = String::new();
    if arguments.search {
        let staffing = simulate::search(&options, &Goal::default());
        text = format!("{staffing}\n");
        match staffing.found {
            Some(found) => options.responders = found,
            None => return Ok(text),
        }
    }
    let report = simulate::run(&options);
    if let Some(file) = &arguments.svg {
        std::fs::write(file, report.svg())
            .map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(text + &report.to_string())
}

fn options(arguments: &SimulateArguments) -> Result<Options, String> {
    let usual = Options::new(arguments.scenario);
    Ok(Options {
        seed: arguments.seed,
        hours: arguments.hours.unwrap_or(usual.hours),
        responders: arguments.responders.unwrap_or(usual.responders),
        arrivals_per_hour: arguments.arrivals_per_hour.unwrap_or(usual.arrivals_per_hour),
        surge_factor: arguments.surge_factor.unwrap_or(usual.surge_factor),
        handling_minutes: arguments.handling_minutes.unwrap_or(usual.handling_minutes),
        collecting_minutes: arguments.collecting_minutes.unwrap_or(usual.collecting_minutes),
        has_incident_lane: !arguments.one_lane,
        policy: arguments.policy.as_deref().map_or(Ok(usual.policy), policy)?,
        scenario: arguments.scenario,
    })
}

fn policy(file: &Path) -> Result<Policy, String> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| format!("{name}: {error}"))?;
    let parsed = parse_policy(&text, file);
    parsed.map(|file| file.policy).map_err(|mistakes| policy_text::mistakes(&name, &mistakes))
}
