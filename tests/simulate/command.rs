//! The command as a desk manager runs it.

use std::path::{Path, PathBuf};
use std::process::Command;

use urgence::simulate::{Goal, Options, Responders, Scenario, run, search};

use crate::night;

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs the program with these words, in this folder.
fn simulate_in(folder: &Path, words: &[&str]) -> Said {
    let command = Command::new(env!("CARGO_BIN_EXE_urgence"))
        .arg("simulate")
        .args(words)
        .current_dir(folder)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: command.status.code(), out: text(command.stdout), err: text(command.stderr) }
}

fn simulate(words: &str) -> Said {
    simulate_in(Path::new(env!("CARGO_MANIFEST_DIR")), &words.split(' ').collect::<Vec<_>>())
}

/// A folder of its own for a test, without what a run before has left there.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("simulate-{test}"));
    _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn every_flag_reaches_its_option() {
    let attack = simulate(
        "--scenario attack --seed 9 --hours 5 --responders 4,3,2 --arrivals-per-hour 2.5 --surge-factor 11 \
         --handling-minutes 7 --collecting-minutes 13 --failed-verification 40 --one-lane",
    );
    let options = Options {
        seed: 9,
        hours: 5,
        responders: Responders { day: 4, evening: 3, night: 2 },
        arrivals_per_hour: 2.5,
        surge_factor: 11.0,
        handling_minutes: 7.0,
        collecting_minutes: 13.0,
        failed_verification_percent: 40.0,
        has_incident_lane: false,
        ..Options::new(Scenario::Attack)
    };
    assert_eq!((attack.code, attack.out.as_str()), (Some(0), run(&options).to_string().as_str()));
    for line in
        ["7 min to the first response, 13 min more to the outcome", "fail for 40 in a hundred"]
    {
        assert!(attack.out.contains(line), "{}", attack.out);
    }

    let usual = simulate("--hours 2");
    let options = Options { hours: 2, ..Options::new(Scenario::QuietDay) };
    assert_eq!(usual.out, run(&options).to_string());
}

#[test]
fn the_policy_is_read_and_the_picture_written() {
    let folder = folder("picture");
    let said = simulate_in(&folder, &["--hours", "2", "--svg", "night.svg"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let picture = std::fs::read_to_string(folder.join("night.svg")).unwrap();
    assert_eq!(picture, run(&Options { hours: 2, ..Options::new(Scenario::QuietDay) }).svg());

    let said = simulate("--policy deploy/policy/demo.toml --hours 1");
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.contains("20 s / 30 s"), "{}", said.out);
    let said = simulate("--policy no-such-file.toml");
    assert_eq!(said.code, Some(64));
    assert!(said.err.contains("no-such-file.toml"), "{}", said.err);
}

#[test]
fn the_line_of_the_readme_runs() {
    let readme = include_str!("../../README.md");
    let program = "target/release/urgence simulate ";
    let line = readme.lines().find_map(|line| line.strip_prefix(program)).unwrap();
    let folder = folder("readme");
    let said = simulate_in(&folder, &line.split(' ').collect::<Vec<_>>());
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(folder.join("night.svg").exists() && said.out.starts_with("After an attack: 72 hours"));
}

#[test]
fn a_search_tells_its_goal_its_progress_and_what_it_found() {
    let words =
        "--search --hours 6 --seed 3 --seeds 2 --goal-within-target 80 --goal-within-limit 90";
    let said = simulate(&format!("{words} --goal-all-promises"));
    assert_eq!(said.code, Some(0), "{}", said.err);
    let options = Options { hours: 6, ..night(Scenario::QuietDay, 3, 2) };
    let goal = Goal {
        target_share: 0.8,
        limit_share: 0.9,
        has_other_promises: true,
        nights: 2,
        ..Goal::default()
    };
    let mut told = String::new();
    let staffing = search(&options, &goal, &mut |trial| told += &format!("{trial}\n"));
    assert_eq!(said.err, told, "each trial is told as it ends");
    let report = run(&Options { responders: staffing.found.unwrap(), ..options });
    assert_eq!(said.out, format!("{staffing}\n{report}"));
    let goal = "80.0 % of the first responses to emergencies within 20 min and 90.0 % within 30 min, and no \
                reply, update, outcome or routine request too late, in each of the 2 nights of the seeds 3 to 4";
    assert!(said.out.starts_with(goal), "{}", said.out);
}

#[test]
fn a_search_that_finds_nothing_says_so() {
    let folder = folder("nothing");
    let words = "--search --seeds 1 --hours 3 --handling-minutes 200 --svg night.svg";
    let said = simulate_in(&folder, &words.split(' ').collect::<Vec<_>>());
    assert_eq!(said.code, Some(1), "{}", said.out);
    assert!(said.out.contains("is not kept even by 64 responders"), "{}", said.out);
    let last = said.err.lines().last().unwrap();
    assert_eq!(
        last,
        "nothing keeps this goal, so there is no night to show; night.svg was not drawn"
    );
    assert!(!folder.join("night.svg").exists());
}

#[test]
fn a_flag_that_would_change_nothing_is_refused() {
    for flag in ["--surge-factor 20", "--one-lane"] {
        let said = simulate(flag);
        assert_eq!((said.code, said.out.as_str()), (Some(64), ""), "{flag}");
        assert!(said.err.contains("--scenario attack"), "{}", said.err);
    }
    let of_a_search =
        ["--seeds 5", "--goal-within-target 95", "--goal-within-limit 100", "--goal-all-promises"];
    for flag in of_a_search {
        let said = simulate(flag);
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{flag}");
        assert!(said.err.contains("--search"), "{}", said.err);
    }
    assert_eq!(simulate("--search --responders 2").code, Some(2));
    assert_eq!(simulate("--search --goal-within-limit 101").code, Some(2));
}

#[test]
fn the_help_says_every_default_and_what_flatters_the_figures() {
    let help = simulate("--help").out.split_whitespace().collect::<Vec<_>>().join(" ");
    let surge_factor = Options::new(Scenario::Attack).surge_factor;
    assert!(help.contains(&format!("[default: {surge_factor}]")), "{help}");
    let [quiet, attack] = [Scenario::QuietDay, Scenario::Attack].map(Scenario::hours);
    let hours = format!("[default: {quiet} for a quiet day, {attack} after an attack]");
    assert!(help.contains(&hours), "{help}");
    // What has no default is the help itself.
    assert_eq!(help.matches("[default: ").count(), 17, "{help}");
    assert!(help.contains("What flatters the figures"), "{help}");
}
