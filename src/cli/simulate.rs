//! `urgence simulate`: a night before it comes, and how many people it takes.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::EXIT_USAGE;
use crate::config::{parse_policy, policy_text};
use crate::core::Policy;
use crate::core::incident::Objective;
use crate::simulate::{self, Goal, Options, Responders, Scenario};

/// What a reader of the figures has to know, as nothing in them shows it.
const ASSUMPTIONS: &str = "\
What flatters the figures:
  An answer takes at most 2.5 times the average: whoever is not through by then says that the work is
  in progress. The work after it takes at most 6 times the average.
  Every call-back succeeds at the first try, unless --failed-verification says otherwise. Of the requests
  that one large portal saw in a year, 30 in 100 failed a closer look.
  A responder who is alone in a shift always finds a second reader, 5 minutes and 10 more on average
  after the proposal; so does a proposal that needs a jurist. These readers are nowhere counted.
  Pages are counted and bring nobody in: nobody comes but the shifts.
  The desk sees 15 minutes after an attack that the requests are about one event, and that instant opens
  the incident.
  Of the requests on an ordinary day 20 in 100 are routine, so of 3 an hour about 2.4 are emergencies.
  One desk, no outage; people neither err nor oversleep, and need 2 minutes to brief a colleague.";

/// What kind of night to let go by.
#[derive(Args)]
#[command(after_help = ASSUMPTIONS)]
pub(super) struct SimulateArguments {
    /// The same seed meets the same requests, whoever deals with them.
    #[arg(long, default_value_t = usual().seed)]
    seed: u64,
    /// quiet-day or attack.
    #[arg(long, default_value = Scenario::QuietDay.word(), value_parser = scenario)]
    scenario: Scenario,
    /// How long it lasts [default: 24 for a quiet day, 72 after an attack].
    #[arg(long)]
    hours: Option<u32>,
    /// How many people answer by day, in the evening and at night, from 7, 15 and 23 o'clock, such
    /// as 2,2,1; one number is for all three.
    #[arg(long, default_value_t = usual().responders)]
    responders: Responders,
    /// How many requests come in an hour, on the average of a day.
    #[arg(long, default_value_t = usual().arrivals_per_hour)]
    arrivals_per_hour: f64,
    /// How many times as many come at the beginning of an attack; only with that scenario
    /// [default: 20].
    #[arg(long)]
    surge_factor: Option<f64>,
    /// Minutes from a claim to the first response, on average.
    #[arg(long, default_value_t = usual().handling_minutes)]
    handling_minutes: f64,
    /// Minutes from there to the outcome, on average.
    #[arg(long, default_value_t = usual().collecting_minutes)]
    collecting_minutes: f64,
    /// How many of a hundred requests do not come from whom they say. The work is done all the same, the
    /// call-back fails, and two people refuse the request.
    #[arg(long, value_name = "PERCENT", default_value_t = usual().failed_verification_percent)]
    failed_verification: f64,
    /// Open no incident: all cases wait in one lane; only with the scenario attack [default: an
    /// incident is opened].
    #[arg(long)]
    one_lane: bool,
    /// The policy file [default: the built-in policy].
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Draw the night into this file [default: no picture].
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Find the fewest people in each shift that keep the goal, and show the first night with them
    /// [default: one night with the given responders]. The goal is of first responses to emergencies. If
    /// nothing keeps it, the exit code is 1.
    #[arg(long, conflicts_with = "responders")]
    search: bool,
    /// In how many nights the goal must be kept: of this seed and those that follow on it.
    #[arg(long, value_name = "NIGHTS", requires = "search", default_value_t = Goal::default().nights)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000))]
    seeds: u32,
    /// The goal: how many of a hundred emergencies get their first response before the target.
    #[arg(long, value_name = "PERCENT", requires = "search", value_parser = percent)]
    #[arg(default_value_t = Goal::default().target_share * 100.0)]
    goal_within_target: f64,
    /// The goal: how many of a hundred emergencies get their first response before the limit.
    #[arg(long, value_name = "PERCENT", requires = "search", value_parser = percent)]
    #[arg(default_value_t = Goal::default().limit_share * 100.0)]
    goal_within_limit: f64,
    /// The goal: no reply, update or outcome, and no routine request, beyond its limit either
    /// [default: these are only counted].
    #[arg(long, requires = "search")]
    goal_all_promises: bool,
}

fn usual() -> Options {
    Options::new(Scenario::QuietDay)
}

fn scenario(word: &str) -> Result<Scenario, String> {
    let words: Vec<&str> = Scenario::ALL.iter().map(|scenario| scenario.word()).collect();
    Scenario::from_word(word).ok_or_else(|| format!("use one of {}", words.join(", ")))
}

fn percent(text: &str) -> Result<f64, String> {
    let percent = text.parse().ok().filter(|percent| (0.0..=100.0).contains(percent));
    percent.ok_or_else(|| "use a number from 0 to 100".to_owned())
}

pub(super) fn run(arguments: &SimulateArguments) -> ExitCode {
    let (text, problem, code) = match answer(arguments) {
        Ok((text, None)) => (text, String::new(), ExitCode::SUCCESS),
        Ok((text, Some(problem))) => (text, problem, ExitCode::FAILURE),
        Err(problem) => (String::new(), problem, ExitCode::from(EXIT_USAGE)),
    };
    // A reader that has gone away, such as `head`, is no failure of ours.
    _ = std::io::stdout().write_all(text.as_bytes());
    if !problem.is_empty() {
        _ = writeln!(std::io::stderr(), "{}", problem.trim_end());
    }
    code
}

/// What is printed and what could not be found, or what the operator has to change.
fn answer(arguments: &SimulateArguments) -> Result<(String, Option<String>), String> {
    let mut options = options(arguments)?;
    options.check().map_err(|bad| bad.to_string())?;
    let mut text = String::new();
    if arguments.search {
        let staffing = simulate::search(&options, &goal(arguments), &mut |trial| {
            _ = writeln!(std::io::stderr(), "{trial}");
        });
        text = format!("{staffing}\n");
        match staffing.found {
            Some(found) => options.responders = found,
            None => return Ok((text, Some(nothing_found(arguments)))),
        }
    }
    let report = simulate::run(&options);
    if let Some(file) = &arguments.svg {
        std::fs::write(file, report.svg())
            .map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok((text + &report.to_string(), None))
}

fn nothing_found(arguments: &SimulateArguments) -> String {
    let picture = arguments.svg.as_ref();
    let picture = picture.map(|file| format!("; {} was not drawn", file.display()));
    format!("nothing keeps this goal, so there is no night to show{}", picture.unwrap_or_default())
}

fn goal(arguments: &SimulateArguments) -> Goal {
    Goal {
        target_share: arguments.goal_within_target / 100.0,
        limit_share: arguments.goal_within_limit / 100.0,
        has_other_promises: arguments.goal_all_promises,
        nights: arguments.seeds,
        ..Goal::default()
    }
}

fn options(arguments: &SimulateArguments) -> Result<Options, String> {
    let is_attack = arguments.scenario == Scenario::Attack;
    let of_attack =
        [("--surge-factor", arguments.surge_factor.is_some()), ("--one-lane", arguments.one_lane)];
    if let Some((flag, _)) = of_attack.iter().find(|(_, is_given)| *is_given && !is_attack) {
        return Err(format!("{flag} changes nothing without --scenario attack; leave it out"));
    }
    let usual = Options::new(arguments.scenario);
    let (policy, objective) =
        arguments.policy.as_deref().map_or(Ok((usual.policy, usual.objective)), policy)?;
    Ok(Options {
        seed: arguments.seed,
        hours: arguments.hours.unwrap_or(usual.hours),
        responders: arguments.responders,
        arrivals_per_hour: arguments.arrivals_per_hour,
        surge_factor: arguments.surge_factor.unwrap_or(usual.surge_factor),
        handling_minutes: arguments.handling_minutes,
        collecting_minutes: arguments.collecting_minutes,
        failed_verification_percent: arguments.failed_verification,
        has_incident_lane: !arguments.one_lane,
        policy,
        objective,
        scenario: arguments.scenario,
    })
}

/// What the file promises, and what it wants of an incident.
fn policy(file: &Path) -> Result<(Policy, Objective), String> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| format!("{name}: {error}"))?;
    let parsed = parse_policy(&text, file);
    parsed
        .map(|file| (file.policy, file.live.objective))
        .map_err(|mistakes| policy_text::mistakes(&name, &mistakes))
}
