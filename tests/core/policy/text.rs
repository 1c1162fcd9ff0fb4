//! A policy as people read it, the verdict on a file, and durations.

use std::time::Duration;

use urgence::config::PolicyFile;
use urgence::config::policy_text::{mistakes, show, verdict};
use urgence::core::Policy;
use urgence::core::policy::live::Live;
use urgence::core::risk::RiskLimits;

use super::{DEFAULT, DEMO, parse, parse_with};

/// The part of `text` from the line `head` up to the next empty line.
#[track_caller]
fn section(text: &str, head: &str) -> String {
    let lines = text.lines().skip_while(|line| !line.starts_with(head));
    let section: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
    assert!(!section.is_empty(), "no {head} in\n{text}");
    section.join("\n")
}

#[test]
fn the_built_in_policy_is_shown_with_every_time() {
    let text = show(&PolicyFile::built_in());
    assert_eq!(
        section(&text, "[promises.emergency]"),
        "\
[promises.emergency] first response, and reply, to emergencies
  target 20m, limit 30m
  rung  offset  mm:ss  fires     mark    pages
  0     0s      00:00  ordinary          desk
  1     3m      03:00  ordinary          desk, shift-lead
  2     7m      07:00  ordinary          desk, shift-lead
  3     12m     12:00  ordinary          duty-manager
  4     17m     17:00  always            legal-on-call
  5     20m     20:00  always    target  head-of-desk
  6     25m     25:00  always            executive
  7     28m     28:00  always            executive
  8     30m     30:00  always    limit   all
  9     33m     33:00  always    repeat  all
  10    36m     36:00  always    repeat  all
  11    39m     39:00  always    repeat  all
  and so on, every 3m"
    );
    assert_eq!(
        section(&text, "[clocks.progress]"),
        "\
[clocks.progress] from one word about the work to the next
  target 50m, limit 1h
  rung  offset  h:mm  fires   mark    pages
  0     50m     0:50  always  target  desk
  1     1h      1:00  always  limit   desk, shift-lead
  2     1h 15m  1:15  always  repeat  shift-lead
  3     1h 30m  1:30  always  repeat  shift-lead
  4     1h 45m  1:45  always  repeat  shift-lead
  and so on, every 15m"
    );
    assert_eq!(
        section(&text, "[clocks.preservation]"),
        "\
[clocks.preservation] data kept from deletion on request
  target 83d, limit 90d
  rung  offset  h:mm     fires   mark    pages
  0     83d     1992:00  always  target  desk
  1     90d     2160:00  always  limit   desk, legal-on-call
  and ends
  extended once, by 90d"
    );
    assert!(section(&text, "[bands]").contains("\n  0  terrorism_in_progress, kidnapping\n"));
    assert!(section(&text, "[retention]").contains("\n  not_disclosed  90d\n"));
    assert!(section(&text, "[contacts]").contains("\n  head-of-desk   log\n"));
    for line in [
        format!("policy {}", Policy::built_in().id()),
        "lease 5m".to_owned(),
        "[duplicates] window 1d".to_owned(),
        "[incidents] answered_within 4h, share_within 1h 30m".to_owned(),
        "[routing] countries: none named".to_owned(),
        "[pages] link none".to_owned(),
    ] {
        assert!(text.lines().any(|shown| shown == line), "no {line} in\n{text}");
    }
    for (path, _) in Policy::built_in().rules().promises() {
        assert!(text.contains(&format!("\n[{path}] ")), "{path} is not shown");
    }
}

#[test]
fn what_the_live_part_says_is_shown() {
    let text = [
        DEFAULT.replace("\nshift-lead =", "\nzoe = [\"log\", \"siren\"]\nshift-lead =").as_str(),
        "[data.traffic]\nheld = true\nkept_for = \"36h\"\ndescription = \"who with whom\"\n",
        "[data.content]\nheld = false\n",
    ]
    .concat();
    let mut text = text.replace("countries = []", "countries = [\"FR\", \"BE\"]");
    for (old, new) in [
        ("window = \"24h\"\nofficer_requests = 10", "window = \"2h\"\nofficer_requests = 3"),
        ("authority_requests = 100", "authority_requests = 5"),
        ("target_authorities = 2", "target_authorities = 7"),
        ("# [pages]\n# link", "[pages]\nlink"),
    ] {
        assert!(text.contains(old), "{old}");
        text = text.replace(old, new);
    }
    let file = parse_with(&text, &["siren"]).unwrap();
    let shown = show(&file);
    assert!(
        section(&shown, "[contacts]").contains("\n  zoe            log, siren (alertmanager)"),
        "{shown}"
    );
    assert!(shown.contains("[routing] countries: BE, FR\n"), "{shown}");
    let wanted = RiskLimits {
        window: Duration::from_hours(2),
        officer_requests: 3,
        authority_requests: 5,
        target_authorities: 7,
    };
    assert_eq!(file.live.risk, wanted);
    let risk =
        "\n[risk] window 2h, officer_requests 3, authority_requests 5, target_authorities 7\n";
    assert!(shown.contains(risk), "{shown}");
    assert!(shown.contains("\n[pages] link https://desk.example/cases/{case}\n"), "{shown}");
    let data = section(&shown, "[data]");
    assert!(data.contains("\n  traffic  held for 1d 12h  who with whom"), "{data}");
    assert!(data.contains("\n  content  not held"), "{data}");
    // A contact that is not reached is shown to be in the dark.
    let contacts = urgence::core::policy::live::Contacts::Listed([].into());
    let nobody = PolicyFile { live: Live { contacts, ..file.live }, ..file };
    let shown = show(&nobody);
    assert!(section(&shown, "[contacts]").contains("\n  desk           nowhere"), "{shown}");
}

#[test]
fn the_instants_of_a_short_ladder_are_told_apart() {
    let demo = parse(DEMO).unwrap();
    let text = show(&demo);
    let ladder = section(&text, "[promises.emergency]");
    assert!(ladder.contains("  5     20s     00:20  always    target  head-of-desk\n"), "{ladder}");
    // The last repeat that is shown comes after an hour.
    let slow = parse(&DEMO.replacen("repeat_every = \"3s\"", "repeat_every = \"19m 50s\"", 1));
    let slow = slow.unwrap();
    let text = show(&slow);
    let ladder = section(&text, "[promises.emergency]");
    assert!(ladder.contains("  11    1h       1:00:00  always    repeat  all\n"), "{ladder}");
    let odd = DEMO.replace("\"72m\"", "\"72m 30s\"");
    let odd = parse(&odd).unwrap();
    let text = show(&odd);
    let ladder = section(&text, "[promises.routine]");
    assert!(ladder.contains("1h 12m 30s  1:12:30  always    limit"), "{ladder}");
}

#[test]
fn the_verdict_is_a_line_or_every_mistake() {
    let read = parse(DEMO);
    let id = read.as_ref().unwrap().policy.id();
    assert_eq!(verdict("demo.toml", &read), format!("demo.toml: ok, content address {id}\n"));
    let read = parse("lease = \"soon\"\n[bands\n");
    let text = verdict("my.toml", &read);
    assert_eq!(mistakes("my.toml", &read.unwrap_err()), text);
    assert_eq!(
        text,
        "\
my.toml:1: promises: is missing
my.toml:1: lease: write a duration such as 90s, 5m, 1h 30m or 10d
my.toml:2: unclosed table, expected `]`
"
    );
}

/// The lease of a file that says it is `text`.
fn lease(text: &str) -> Result<Duration, String> {
    let file = DEMO.replacen("lease = \"5s\"", &format!("lease = \"{text}\""), 1);
    parse(&file).map(|file| file.policy.lease()).map_err(|mistakes| {
        assert_eq!((mistakes.len(), &*mistakes[0].path), (1, "lease"), "{mistakes:?}");
        mistakes[0].problem.clone()
    })
}

#[test]
fn durations_are_read_as_people_write_them() {
    let good = [
        ("90s", 90_000),
        ("5m", 300_000),
        ("1h 30m", 5_400_000),
        ("1h30m", 5_400_000),
        ("1.5h", 5_400_000),
        ("PT5M", 300_000),
        ("1d", 86_400_000),
        ("0d 12h", 43_200_000),
        ("1500ms", 1_500),
        ("1500700us", 1_500),
        ("2 hours, 5 minutes", 7_500_000),
    ];
    for (text, ms) in good {
        assert_eq!(lease(text), Ok(Duration::from_millis(ms)), "{text}");
    }
    let bad = [
        ("", "write a duration"),
        ("5", "write a duration"),
        ("5 parsecs", "write a duration"),
        ("99999999999999999999d", "write a duration"),
        ("-5m", "must not be negative"),
        ("-1d", "must not be negative"),
        ("1mo", "months and years"),
        ("1y", "months and years"),
        ("2d", "must be from 1 second to 24 hours"),
        ("0s", "must be from 1 second to 24 hours"),
    ];
    for (text, problem) in bad {
        let said = lease(text).unwrap_err();
        assert!(said.contains(problem), "{text}: {said}");
    }
}

#[test]
fn days_have_24_hours_and_weeks_seven_days() {
    let kept = |text: &str| {
        let file = parse(&DEFAULT.replace("\"730d\"", &format!("\"{text}\""))).unwrap();
        let rules = file.policy.rules();
        rules.retention[&urgence::core::RetentionClass::Fraud].as_secs()
    };
    assert_eq!(kept("365d"), 365 * 86_400);
    assert_eq!(kept("10d 12h"), 10 * 86_400 + 43_200);
    assert_eq!(kept("2w"), 14 * 86_400);
    assert_eq!(kept("7300d"), 7_300 * 86_400);
}

#[test]
fn a_duration_that_is_shown_can_be_written_so() {
    for ms in
        [1_u64, 999, 1_000, 61_001, 3_600_000, 5_400_000, 86_400_000, 93_784_005, 31_536_000_000]
    {
        let file = parse(&DEMO.replacen(
            "repeat_every = \"24m\"",
            &format!("repeat_every = \"{}ms\"", ms + 1_000),
            1,
        ))
        .unwrap();
        let shown = show(&file);
        let ladder = section(&shown, "[promises.routine]");
        let every =
            ladder.lines().last().unwrap().trim().strip_prefix("and so on, every ").unwrap();
        let again =
            DEMO.replacen("repeat_every = \"24m\"", &format!("repeat_every = \"{every}\""), 1);
        assert_eq!(parse(&again).unwrap().policy, file.policy, "{every}");
    }
}
