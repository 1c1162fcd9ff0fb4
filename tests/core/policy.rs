//! The built-in policy, the files that are delivered, and what is no policy; and the registry, which
//! is read in the same way.

mod callers;
mod live;
mod mistakes;
mod registry;
mod text;

use std::path::Path;
use std::time::Duration;

use urgence::config::policy_text::show;
use urgence::config::{Located, PolicyFile, parse_policy};
use urgence::core::policy::live::Live;
use urgence::core::policy::{Promise, Rules};
use urgence::core::{Class, ClockKind, Nature, Policy, RetentionClass};

const DEMO: &str = include_str!("../../deploy/policy/demo.toml");
const DEFAULT: &str = include_str!("../../deploy/policy/default.toml");
/// As files were before there was more to promise than a first response.
const OLD_STYLE: &str = include_str!("policy/old_style.toml");

fn parse(text: &str) -> Result<PolicyFile, Vec<Located>> {
    parse_with(text, &[])
}

/// With `sinks` besides the log, defined below what the text says.
fn parse_with(text: &str, sinks: &[&str]) -> Result<PolicyFile, Vec<Located>> {
    let define = |name| {
        format!("\n[sinks.{name}]\nkind = \"alertmanager\"\nurl = \"http://127.0.0.1:9093\"\n")
    };
    let defined: String = sinks.iter().map(define).collect();
    parse_policy(&[text, &defined].concat(), Path::new("policy.toml"))
}

/// What the marks `#!` of a file say is wrong with it, sorted.
fn expected(text: &str) -> Vec<String> {
    let mut expected = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.starts_with('#')) {
        let marks = line.split(" #! ").skip(1);
        expected.extend(marks.map(|mistake| format!("{}: {mistake}", index + 1)));
    }
    expected.sort();
    expected
}

/// The mistakes that were found, in the words of the marks: what exactly is no TOML is the parser's to
/// say.
#[track_caller]
fn found<T: std::fmt::Debug>(outcome: Result<T, Vec<Located>>) -> Vec<String> {
    let mistakes = outcome.expect_err("it should be refused");
    assert!(mistakes.is_sorted_by_key(|mistake| mistake.line), "{mistakes:?}");
    let in_words = |mistake: &Located| match &*mistake.path {
        "" => format!("{}: is no TOML", mistake.line),
        _ => mistake.to_string(),
    };
    let mut found: Vec<String> = mistakes.iter().map(in_words).collect();
    found.sort();
    found
}

const fn hours(count: u64) -> Duration {
    Duration::from_secs(count * 3600)
}

#[test]
fn the_built_in_policy_keeps_the_public_promise() {
    let policy = Policy::built_in();
    let promise = policy.promise(Class::Emergency);
    let ladder: Vec<String> = promise
        .ladder
        .rungs
        .iter()
        .map(|rung| {
            let names: Vec<_> = rung.contacts.iter().map(|name| name.as_str()).collect();
            let kind = if rung.is_quieted_by_claim { "ordinary" } else { "always" };
            format!("{} {} {}", rung.offset.as_secs() / 60, kind, names.join("+"))
        })
        .collect();
    assert_eq!(
        ladder,
        [
            "0 ordinary desk",
            "3 ordinary desk+shift-lead",
            "7 ordinary desk+shift-lead",
            "12 ordinary duty-manager",
            "17 always legal-on-call",
            "20 always head-of-desk",
            "25 always executive",
            "28 always executive",
            "30 always all",
        ]
    );
    assert_eq!(promise.target, Duration::from_secs(20 * 60));
    assert_eq!(promise.limit, Duration::from_secs(30 * 60));
    assert_eq!(promise.ladder.repeat_every, Duration::from_secs(3 * 60));
    assert_eq!(policy.lease(), Duration::from_secs(5 * 60));
    for nature in Nature::ALL {
        let is_emergency = *nature != Nature::Routine;
        assert_eq!(nature.class() == Class::Emergency, is_emergency);
        assert_eq!(policy.band(*nature) < policy.band(Nature::Routine), is_emergency);
    }
}

#[test]
fn the_default_file_is_the_built_in_policy() {
    let file = parse(DEFAULT).unwrap();
    assert_eq!(file.policy.rules(), Policy::built_in().rules());
    assert_eq!(file.policy.id(), Policy::built_in().id());
    let contacts = file.live.contacts.clone();
    assert_eq!(file.live, Live { contacts, ..Live::default() });
    // It is written out in full: it has every section that is shown of it, if only as an example.
    for heading in show(&file).lines().filter(|line| line.starts_with('[')) {
        let section = &heading[..heading.find(']').unwrap()];
        assert!(
            DEFAULT.contains(&format!("\n{section}"))
                || DEFAULT.contains(&format!("\n# {section}")),
            "{section}"
        );
    }
}

#[test]
fn the_demonstration_is_the_built_in_policy_in_seconds() {
    let demo = parse(DEMO).unwrap().policy;
    let in_seconds = |duration: Duration| duration / 60;
    let faster = |promise: &mut Promise| {
        promise.target = in_seconds(promise.target);
        promise.limit = in_seconds(promise.limit);
        promise.ladder.repeat_every = in_seconds(promise.ladder.repeat_every);
        promise.ladder.rungs.iter_mut().for_each(|rung| rung.offset = in_seconds(rung.offset));
    };
    let mut wanted = Policy::built_in().rules().clone();
    let promises = [
        &mut wanted.emergency,
        &mut wanted.routine,
        &mut wanted.emergency_completion,
        &mut wanted.routine_completion,
    ];
    promises.into_iter().for_each(faster);
    for kind in [ClockKind::Progress, ClockKind::EEvidenceEmergency] {
        faster(wanted.clocks.get_mut(&kind).unwrap());
    }
    wanted.lease = in_seconds(wanted.lease);
    assert_eq!(*demo.rules(), wanted);
    assert_ne!(demo.id(), Policy::built_in().id());
}

#[test]
fn a_file_of_the_old_style_promises_the_same_and_the_rest_as_usual() {
    for section in ["completion", "clocks", "retention", "contacts", "data"] {
        assert!(!OLD_STYLE.contains(section), "it is not of the old style");
    }
    let old = parse(OLD_STYLE).unwrap().policy;
    let demo = parse(DEMO).unwrap().policy;
    let Rules { bands, emergency, routine, lease, .. } = demo.rules().clone();
    let wanted = Rules { bands, emergency, routine, lease, ..Policy::built_in().rules().clone() };
    assert_eq!(*old.rules(), wanted);
}

#[test]
fn what_a_file_says_of_a_newer_section_holds() {
    let text = format!(
        r#"{OLD_STYLE}
[completion.routine]
target = "8d"
limit = "9d"
ladder = [
    {{ at = "8d", pages = ["archivist"] }},
    {{ at = "9d", pages = ["desk"] }},
]
repeat_every = "12h"
repeat_pages = ["desk"]

[clocks.preservation]
target = "20d"
limit = "30d"
extension = "45d"
ladder = [
    {{ at = "20d", pages = ["desk"] }},
    {{ at = "30d", pages = ["desk"] }},
]
repeat_every = "1d"
repeat_pages = ["desk"]

[retention]
not_disclosed = "30d"
"#
    );
    let policy = parse(&text).unwrap().policy;
    let usual = parse(OLD_STYLE).unwrap().policy;
    let days = |count: u64| hours(24 * count);
    let completion = policy.clock(ClockKind::Completion, Class::Routine);
    assert_eq!((completion.target, completion.limit), (days(8), days(9)));
    assert!(policy.contacts().iter().any(|contact| contact.as_str() == "archivist"));
    let preservation = policy.clock(ClockKind::Preservation, Class::Routine);
    assert_eq!((preservation.target, preservation.limit), (days(20), days(30)));
    assert_eq!(policy.extension(ClockKind::Preservation), Some(days(45)));
    assert_eq!(policy.retention(RetentionClass::NotDisclosed), days(30));
    // All else is as it is without these sections.
    let mut rules = policy.rules().clone();
    let before = usual.rules();
    rules.routine_completion = before.routine_completion.clone();
    rules.clocks.insert(ClockKind::Preservation, before.clocks[&ClockKind::Preservation].clone());
    rules.extensions = before.extensions.clone();
    rules.retention = before.retention.clone();
    assert_eq!(rules, *before);
}

#[test]
fn every_difference_makes_another_policy() {
    let changes: [fn(&mut Rules); 10] = [
        |rules| rules.lease += Duration::from_secs(1),
        |rules| rules.routine.limit += Duration::from_secs(1),
        |rules| rules.emergency.ladder.rungs[3].is_quieted_by_claim = false,
        |rules| _ = rules.emergency.ladder.rungs[1].contacts.pop_last(),
        |rules| rules.emergency.ladder.repeat_every += Duration::from_secs(1),
        |rules| rules.emergency_completion.ladder.rungs[0].offset += Duration::from_secs(1),
        |rules| rules.routine_completion.ladder.repeat_every += Duration::from_secs(1),
        |rules| {
            let progress = rules.clocks.get_mut(&ClockKind::Progress).unwrap();
            progress.ladder.repeat_every += Duration::from_secs(1);
        },
        |rules| {
            *rules.extensions.get_mut(&ClockKind::Preservation).unwrap() += Duration::from_secs(1);
        },
        |rules| {
            *rules.retention.get_mut(&RetentionClass::Fraud).unwrap() += Duration::from_secs(1);
        },
    ];
    let mut ids = vec![Policy::built_in().id()];
    for change in changes {
        let mut rules = Policy::built_in().rules().clone();
        change(&mut rules);
        // The limit's rung must move with the limit.
        if let Some(rung) = rules.routine.ladder.rungs.last_mut() {
            rung.offset = rules.routine.limit;
        }
        let id = Policy::new(rules).unwrap().id();
        assert!(!ids.contains(&id));
        ids.push(id);
    }
}
