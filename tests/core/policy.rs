//! The built-in policy, the demonstration's, and what is no policy.

use std::time::Duration;

use urgence::config::parse_policy;
use urgence::core::policy::{Promise, Rules};
use urgence::core::{Class, Nature, Policy};

const DEMO: &str = include_str!("../../deploy/policy/demo.toml");

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
fn the_demonstration_is_the_built_in_ladder_in_seconds() {
    let demo = parse_policy(DEMO).unwrap();
    let in_seconds = |duration: Duration| Duration::from_secs(duration.as_secs() / 60);
    let faster = |mut promise: Promise| {
        promise.target = in_seconds(promise.target);
        promise.limit = in_seconds(promise.limit);
        promise.ladder.repeat_every = in_seconds(promise.ladder.repeat_every);
        promise.ladder.rungs.iter_mut().for_each(|rung| rung.offset = in_seconds(rung.offset));
        promise
    };
    let Rules { bands, emergency, routine, lease } = Policy::built_in().rules().clone();
    let wanted = Rules {
        bands,
        emergency: faster(emergency),
        routine: faster(routine),
        lease: in_seconds(lease),
    };
    assert_eq!(*demo.rules(), wanted);
    assert_ne!(demo.id(), Policy::built_in().id());
}

#[test]
fn every_difference_makes_another_policy() {
    let changes: [fn(&mut Rules); 5] = [
        |rules| rules.lease += Duration::from_secs(1),
        |rules| rules.routine.limit += Duration::from_secs(1),
        |rules| rules.emergency.ladder.rungs[3].is_quieted_by_claim = false,
        |rules| _ = rules.emergency.ladder.rungs[1].contacts.pop_last(),
        |rules| rules.emergency.ladder.repeat_every += Duration::from_secs(1),
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

#[track_caller]
fn mistakes(edit: impl Fn(&str) -> String) -> Vec<String> {
    let edited = edit(DEMO);
    assert_ne!(edited, DEMO, "the edit must change something");
    let mistakes = parse_policy(&edited).expect_err("it should be refused");
    mistakes.into_iter().map(|mistake| mistake.path).collect()
}

#[test]
fn every_mistake_is_reported_at_once_with_its_place() {
    let all = mistakes(|text| {
        text.replace("lease = \"5s\"", "lease = \"soon\"")
            .replace("kidnapping = 0", "kidnapping = 9")
            .replace("at = \"7s\", pages = [\"desk\", \"shift-lead\"]", "at = \"7s\", pages = []")
    });
    assert!(all.contains(&"lease".to_owned()), "{all:?}");
    assert!(all.contains(&"bands.kidnapping".to_owned()), "{all:?}");
    assert!(all.contains(&"promises.emergency.ladder[2]".to_owned()), "{all:?}");
}

#[test]
fn a_ladder_that_would_fall_silent_is_refused() {
    let paths = mistakes(|text| text.replace("{ at = \"30s\", pages = [\"all\"] },", ""));
    assert_eq!(paths, ["promises.emergency.ladder"]);
    let paths = mistakes(|text| text.replace("repeat_every = \"3s\"", "repeat_every = \"0s\""));
    assert_eq!(paths, ["promises.emergency.repeat_every"]);
    let paths = mistakes(|text| text.replace("repeat_pages = [\"all\"]", "repeat_pages = []"));
    assert_eq!(paths, ["promises.emergency.repeat_contacts"]);
    let paths = mistakes(|text| text.replace("at = \"3s\"", "at = \"8s\""));
    assert_eq!(paths, ["promises.emergency.ladder[2]"]);
    let paths = mistakes(|text| text.replace("routine = 3", "routine = 1"));
    assert!(paths.iter().all(|path| path.starts_with("bands.")), "{paths:?}");
    let target = "{ at = \"20s\", pages = [\"head-of-desk\"] }";
    let quiet = "{ at = \"20s\", pages = [\"head-of-desk\"], quieted_by_claim = true }";
    assert_eq!(mistakes(|text| text.replace(target, quiet)), ["promises.emergency.ladder"]);
}

#[test]
fn what_is_no_toml_of_this_form_is_told_with_its_line() {
    let paths = mistakes(|text| text.replace("kidnapping = 0", "kidnapping = = 0"));
    let line = 1 + DEMO.lines().position(|line| line == "kidnapping = 0").unwrap();
    assert_eq!(paths, [format!("line {line}")]);
    assert_eq!(mistakes(|text| format!("surprise = 1\n{text}")), ["line 1"]);
}
