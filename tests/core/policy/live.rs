//! The live part of a policy file: contacts, and what else holds now.

use std::collections::BTreeSet;
use std::time::Duration;

use urgence::core::DataCategory;
use urgence::core::incident::Objective;
use urgence::core::policy::live::{Contacts, Holding, Live};

use super::{DEFAULT, DEMO, hours, parse, parse_with};

/// The demonstration with a live part.
fn with(live: &str) -> String {
    format!("{DEMO}\n{live}")
}

const EVERYBODY: &str = r#"
[contacts]
all = ["log", "siren"]
desk = ["log"]
duty-manager = ["log"]
executive = ["siren"]
head-of-desk = ["log"]
legal-on-call = ["log"]
shift-lead = ["log"]
deputy = ["log"]
"#;

#[test]
fn without_contacts_everybody_goes_to_the_log() {
    let live = parse(DEMO).unwrap().live;
    assert_eq!(live, Live::default());
    for contact in ["desk", "whoever-else"] {
        let contact = contact.parse().unwrap();
        assert!(live.contacts.reach(&contact));
        assert_eq!(live.contacts.sinks(&contact), BTreeSet::from(["log".parse().unwrap()]));
    }
}

#[test]
fn with_contacts_each_goes_where_the_file_says() {
    let live = parse_with(&with(EVERYBODY), &["siren"]).unwrap().live;
    let sinks = |contact: &str| {
        let sinks = live.contacts.sinks(&contact.parse().unwrap());
        sinks.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(sinks("all"), "log siren");
    assert_eq!(sinks("executive"), "siren");
    assert_eq!(sinks("deputy"), "log", "a contact that no rung names may be listed");
    assert_eq!(sinks("whoever-else"), "");
    assert!(!live.contacts.reach(&"whoever-else".parse().unwrap()));
}

#[test]
fn a_sink_that_the_program_has_not_is_refused() {
    let text = with(EVERYBODY);
    let mistakes = parse(&text).unwrap_err();
    let paths: Vec<&str> = mistakes.iter().map(|mistake| &*mistake.path).collect();
    assert_eq!(paths, ["contacts.all[1]", "contacts.executive[0]"]);
    let line = |start: &str| 1 + text.lines().position(|line| line.starts_with(start)).unwrap();
    assert_eq!(mistakes[0].line, line("all ="));
    assert_eq!(mistakes[1].line, line("executive ="));
}

#[test]
fn a_contact_that_nobody_could_reach_is_refused_whoever_pages_it() {
    let paths = |text: &str| {
        let mistakes = parse_with(text, &["siren"]).unwrap_err();
        mistakes.into_iter().map(|mistake| (mistake.path, mistake.problem)).collect::<Vec<_>>()
    };
    // Paged by a ladder of the file.
    let found = paths(&with(&EVERYBODY.replace("all = [\"log\", \"siren\"]\n", "")));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, "contacts.all");
    assert!(found[0].1.contains("promises.emergency"), "{found:?}");
    // Paged by a ladder that the file leaves to the built-in policy.
    let old = include_str!("old_style.toml").replace("legal-on-call", "lawyer");
    let found = paths(&format!("{old}\n{}", EVERYBODY.replace("legal-on-call", "lawyer")));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, "contacts.legal-on-call");
    assert!(found[0].1.contains("clocks."), "{found:?}");
    // Listed, and going nowhere.
    let found = paths(&with(&EVERYBODY.replace("deputy = [\"log\"]", "deputy = []")));
    assert_eq!(found, [("contacts.deputy".to_owned(), "reaches nobody; name a sink".to_owned())]);
}

#[test]
fn all_else_that_holds_now_is_read() {
    let live = parse(&with(
        r#"
[duplicates]
window = "2d"
[incidents]
answered_within = "6h"
share_within = "45m"
[routing]
countries = ["FR", "BE"]
[data.subscriber]
held = true
kept_for = "365d"
description = "name and address given at registration"
[data.traffic]
held = true
[data.live_location]
held = false
[transparency]
min_cell = 30
"#,
    ));
    let live = live.unwrap().live;
    assert_eq!(live.contacts, Contacts::AllToLog);
    assert_eq!(live.min_cell, 30);
    assert_eq!(live.duplicates_within, hours(48));
    let objective =
        Objective { answered_within: hours(6), share_within: Duration::from_secs(45 * 60) };
    assert_eq!(live.objective, objective);
    let countries: Vec<&str> = live.countries.iter().map(|country| country.as_str()).collect();
    assert_eq!(countries, ["BE", "FR"]);
    let holding = |is_held, kept_for, description: &str| Holding {
        is_held,
        kept_for,
        description: description.to_owned(),
    };
    let holdings: Vec<_> = live.holdings.into_iter().collect();
    assert_eq!(
        holdings,
        [
            (
                DataCategory::Subscriber,
                holding(true, Some(hours(365 * 24)), "name and address given at registration"),
            ),
            (DataCategory::Traffic, holding(true, None, "")),
            (DataCategory::LiveLocation, holding(false, None, "")),
        ]
    );
}

#[test]
fn a_section_that_says_a_part_leaves_the_rest_as_usual() {
    let live = parse(&with("[incidents]\nanswered_within = \"8h\"\n[routing]\n")).unwrap().live;
    assert_eq!(live.objective, Objective { answered_within: hours(8), ..Objective::default() });
    assert_eq!(Live { objective: Objective::default(), ..live }, Live::default());
    // The share that is usual is judged by the objective that is said.
    let mistakes = parse(&with("[incidents]\nanswered_within = \"1h\"\n")).unwrap_err();
    assert_eq!(mistakes.len(), 1);
    assert_eq!(mistakes[0].path, "incidents.share_within");
    let line = 1 + with("").lines().count();
    assert_eq!(mistakes[0].line, line, "that of the section");
}

#[test]
fn the_live_part_is_no_part_of_what_was_promised() {
    let plain = parse(DEMO).unwrap();
    let live = [
        EVERYBODY,
        "[duplicates]\nwindow = \"1h\"",
        "[incidents]\nshare_within = \"1h\"",
        "[routing]\ncountries = [\"FR\"]",
        "[data.content]\nheld = true",
        "[transparency]\nmin_cell = 11",
        "[admission]\nroutine = { per_minute = 600 }",
    ];
    for live in live {
        let file = parse_with(&with(live), &["siren"]).unwrap();
        assert_ne!(file.live, plain.live, "{live}");
        assert_eq!(file.policy, plain.policy, "{live}");
    }
    // The other way round, what is promised is no part of the live part.
    let slower = parse(&DEMO.replace("lease = \"5s\"", "lease = \"6s\"")).unwrap();
    assert_eq!(slower.live, plain.live);
    assert_ne!(slower.policy.id(), plain.policy.id());
}

#[test]
fn the_default_file_reaches_whom_the_default_reaches() {
    let file = parse(DEFAULT).unwrap();
    let usual = Live::default();
    for contact in file.policy.contacts() {
        assert_eq!(file.live.contacts.sinks(contact), usual.contacts.sinks(contact));
    }
    assert_eq!(file.live.contacts.listed().count(), file.policy.contacts().len());
    assert_eq!(Live { contacts: Contacts::AllToLog, ..file.live }, usual);
}
