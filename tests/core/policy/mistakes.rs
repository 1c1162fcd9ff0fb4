//! Every mistake at once, each with its line.

use proptest::prelude::*;
use urgence::config::{Located, parse_registry};

use super::{DEFAULT, DEMO, expected, found, parse};

const EVERY_KIND: &str = include_str!("mistakes.toml");
const NO_TOML: &str = include_str!("no_toml.toml");

#[test]
fn every_kind_of_mistake_is_reported_at_once_with_its_line() {
    let expected = expected(EVERY_KIND);
    assert!(expected.len() > 50, "the marks are read");
    assert_eq!(found(parse(EVERY_KIND)), expected);
}

#[test]
fn what_is_no_toml_hides_nothing_behind_it() {
    let expected = expected(NO_TOML);
    assert!(expected.len() > 12, "the marks are read");
    assert_eq!(found(parse(NO_TOML)), expected);
}

/// The mistakes of the demonstration with `old` replaced by `new`.
#[track_caller]
fn edited(old: &str, new: &str) -> Vec<Located> {
    assert!(DEMO.contains(old), "the demonstration has no {old}");
    parse(&DEMO.replacen(old, new, 1)).expect_err("it should be refused")
}

/// The line of the demonstration that begins with `start`.
fn demo_line(start: &str) -> usize {
    1 + DEMO.lines().position(|line| line.starts_with(start)).unwrap()
}

#[test]
fn a_mistake_is_reported_alone_if_it_is_alone() {
    let cases = [
        ("lease = \"5s\"", "lease = \"soon\"", "lease", "lease ="),
        ("lease = \"5s\"", "# none", "lease", "# This"),
        ("kidnapping = 0", "kidnapping = 9", "bands.kidnapping", "kidnapping ="),
        ("kidnapping = 0", "", "bands.kidnapping", "[bands]"),
        ("routine = 3", "", "bands.routine", "[bands]"),
        ("routine = 3", "routine = -3", "bands.routine", "routine ="),
        ("target = \"20s\"", "target = 20", "promises.emergency.target", "target ="),
        ("target = \"20s\"", "", "promises.emergency.target", "[promises.emergency]"),
        ("limit = \"30s\"", "limit = \"soon\"", "promises.emergency.limit", "limit ="),
        ("limit = \"72m\"", "limit = \"soon\"", "promises.routine.limit", "limit = \"72m\""),
        ("limit = \"72m\"", "", "promises.routine.limit", "[promises.routine]"),
        ("[clocks.progress]", "[clocks.progres]", "clocks.progres", "[clocks.progress]"),
        ("[promises.routine]", "[promises.other]", "", ""),
    ];
    for (old, new, path, line) in cases {
        let found = edited(old, new);
        if path.is_empty() {
            // A header that is misspelt is two mistakes: one is there, the other is not.
            let paths: Vec<&str> = found.iter().map(|mistake| &*mistake.path).collect();
            assert_eq!(paths, ["promises.routine", "promises.other"]);
            continue;
        }
        assert_eq!(found.len(), 1, "{old} -> {new}: {found:?}");
        assert_eq!(found[0].path, path);
        let line = if line.starts_with("# This") { 1 } else { demo_line(line) };
        assert_eq!(found[0].line, line, "{found:?}");
    }
}

/// A rule is judged by what the file says. Where that cannot be read, only what is wrong in any case is.
#[test]
fn what_cannot_be_read_is_not_judged() {
    const SLOW: (&str, &str) =
        ("target = \"20s\"\nlimit = \"30s\"", "target = \"20s\"\nlimit = \"80h\"");
    const SLOW_RUNG: (&str, &str) =
        ("at = \"30s\", pages = [\"all\"]", "at = \"80h\", pages = [\"all\"]");
    // What is edited in the demonstration, and the paths that are reported then.
    type Case = (&'static [(&'static str, &'static str)], &'static [&'static str]);
    let cases: &[Case] = &[
        // A band in the place of one that cannot be read is not compared.
        (
            &[("kidnapping = 0", "kidnapping = 9"), ("\nroutine = 3", "\nroutine = 0")],
            &["bands.kidnapping"],
        ),
        // Whether there is a rung at the target cannot be said while one has no instant or no kind.
        (&[("at = \"20s\"", "at = \"20 s.\"")], &["promises.emergency.ladder[5].at"]),
        (
            &[("at = \"20s\",", "at = \"20s\", quieted_by_claim = 0,")],
            &["promises.emergency.ladder[5].quieted_by_claim"],
        ),
        (
            &[("{ at = \"20s\", pages = [\"head-of-desk\"] }", "\"20s\"")],
            &["promises.emergency.ladder[5]"],
        ),
        // That there is none at the limit can be said without the target, and is said once.
        (
            &[("target = \"20s\"", "target = 20"), ("{ at = \"30s\", pages = [\"all\"] },", "")],
            &["promises.emergency.target", "promises.emergency.ladder"],
        ),
        // A limit in the place of one that cannot be read is not compared with the other class's.
        (&[SLOW, SLOW_RUNG, ("limit = \"72m\"", "limit = 72")], &["promises.routine.limit"]),
        (
            &[SLOW, SLOW_RUNG, ("[promises.routine]", "[clocks.preservation]\nextension = \"1d\"")],
            &["promises.routine"],
        ),
        // A share is not judged by an objective that cannot be read.
        (
            &[("[bands]", "[incidents]\nanswered_within = 9\nshare_within = \"8h\"\n[bands]")],
            &["incidents.answered_within"],
        ),
    ];
    for (edits, wanted) in cases {
        let mut text = DEMO.to_owned();
        for (old, new) in *edits {
            assert!(text.contains(old), "the demonstration has no {old}");
            text = text.replacen(old, new, 1);
        }
        let found = parse(&text).expect_err("it should be refused");
        let mut paths: Vec<&str> = found.iter().map(|mistake| &*mistake.path).collect();
        // With routine in band 0, every other emergency is out of order.
        paths.retain(|path| !path.starts_with("bands.") || wanted.contains(path));
        assert_eq!(paths, *wanted, "{found:?}");
    }
}

#[test]
fn a_ladder_that_would_fall_silent_is_refused() {
    let all_at_limit = "{ at = \"30s\", pages = [\"all\"] },";
    let head_at_target = "{ at = \"20s\", pages = [\"head-of-desk\"] }";
    let quiet = "{ at = \"20s\", pages = [\"head-of-desk\"], quieted_by_claim = true }";
    let rung = demo_line("    { at = \"7s\"");
    let cases = [
        (all_at_limit, "", "promises.emergency.ladder", demo_line("ladder = [")),
        (head_at_target, quiet, "promises.emergency.ladder", demo_line("ladder = [")),
        (
            "at = \"25s\", pages = [\"executive\"]",
            "at = \"25s\", pages = [\"executive\"], quieted_by_claim = true",
            "promises.emergency.ladder[6]",
            demo_line("    { at = \"25s\""),
        ),
        (
            "{ at = \"72m\", pages = [\"duty-manager\"] }",
            "{ at = \"72m\", pages = [\"duty-manager\"] },\n{ at = \"73m\", pages = [\"desk\"], quieted_by_claim = true }",
            "promises.routine.ladder[3]",
            1 + demo_line("    { at = \"72m\""),
        ),
        (
            "repeat_every = \"3s\"",
            "repeat_every = \"0s\"",
            "promises.emergency.repeat_every",
            demo_line("repeat_every"),
        ),
        (
            "repeat_pages = [\"all\"]",
            "repeat_pages = []",
            "promises.emergency.repeat_pages",
            demo_line("repeat_pages"),
        ),
        ("at = \"3s\"", "at = \"8s\"", "promises.emergency.ladder[2]", rung),
        (
            "at = \"7s\", pages = [\"desk\", \"shift-lead\"]",
            "at = \"7s\", pages = []",
            "promises.emergency.ladder[2]",
            rung,
        ),
    ];
    for (old, new, path, line) in cases {
        let found = edited(old, new);
        assert_eq!(found.len(), 1, "{old} -> {new}: {found:?}");
        assert_eq!((found[0].path.as_str(), found[0].line), (path, line));
    }
    let found = edited("\nroutine = 3", "\nroutine = 1");
    assert!(found.iter().all(|mistake| mistake.path.starts_with("bands.")), "{found:?}");
}

#[test]
fn what_is_no_toml_is_told_with_its_line() {
    let found = edited("kidnapping = 0", "kidnapping = = 0");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].line, found[0].path.as_str()), (demo_line("kidnapping"), ""));
    let found = edited("lease", "surprise = 1\nlease");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].line, found[0].path.as_str()), (demo_line("lease"), "surprise"));
    // A string that is never closed ends with its line, and a list that is never closed where the
    // next entry begins.
    let found = edited("lease = \"5s\"", "lease = \"5s");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].line, demo_line("lease"));
    let found = edited("]\nrepeat_every = \"3s\"", "repeat_every = \"3s\"");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].problem.contains(&format!("line {}", demo_line("ladder = ["))), "{found:?}");
    // Text that is no TOML at all is not searched for promises.
    assert!(parse("<html>\n<body>502 Bad Gateway</body>\n</html>\n").is_err());
    assert!(parse("a = \"\"\"\nb = 1\n").is_err());
    let garbage = "a = =\n".repeat(500);
    let found = parse(&garbage).unwrap_err();
    assert_eq!(found.len(), 51, "{found:?}");
    assert!(found.last().unwrap().problem.contains("not looked at"), "{found:?}");
}

/// A part that does not parse may have held what seems to be missing.
#[test]
fn nobody_misses_what_stood_in_a_part_that_is_no_toml() {
    let contacts = "[contacts]\nall = [\"log\"]\ndesk = [\"log\"]\nduty-manager = [\"log\"]\n\
                    executive = [\"log\"]\nhead-of-desk = [\"log\"]\nlegal-on-call = [\"log\"]\n\
                    shift-lead = [\"log\"]\n\n";
    let text = DEMO.replacen("[bands]", &format!("{contacts}[bands]"), 1);
    assert!(parse(&text).is_ok());
    let cases = [
        ("lease = ", "lease "),
        ("[promises.routine]", "[promises.routine"),
        ("[promises.routine]", "promises.routine]"),
        ("kidnapping = 0", "kidnapping 0"),
        ("target = \"20s\"", "target \"20s\""),
        ("ladder = [", "ladder = "),
        ("executive = [", "executive ["),
        ("[completion.emergency]\n", "[completion.emergency\n"),
    ];
    for (old, new) in cases {
        let found = parse(&text.replacen(old, new, 1)).expect_err("it should be refused");
        assert!(found.iter().all(|mistake| mistake.path.is_empty()), "{new}: {found:?}");
    }
    // Whom the built-in promise pages in the place of one that does not parse is not asked for.
    let without = text.replacen("duty-manager = [\"log\"]\n", "", 1);
    let without = without.replace("pages = [\"duty-manager\"]", "pages = [\"desk\"]");
    let without = without.replace("pages = [\"duty-manager\", ", "pages = [");
    assert!(parse(&without).is_ok());
    let found = parse(&without.replacen("[completion.emergency]\n", "[completion.emergency\n", 1));
    let found = found.expect_err("it should be refused");
    assert!(found.iter().all(|mistake| mistake.path.is_empty()), "{found:?}");
}

#[test]
fn no_emergency_is_promised_later_than_the_rest() {
    let text =
        DEMO.replacen("limit = \"30s\"", "limit = \"80m\"", 1).replacen("\"30s\"", "\"80m\"", 1);
    let found = parse(&text).expect_err("it should be refused");
    assert_eq!((found.len(), &*found[0].path), (1, "promises.emergency.limit"), "{found:?}");
    let text = DEMO.replacen("limit = \"4m\"", "limit = \"5h\"", 1).replacen("\"4m\"", "\"5h\"", 1);
    let found = parse(&text).expect_err("it should be refused");
    assert_eq!((found.len(), &*found[0].path), (1, "completion.emergency.limit"), "{found:?}");
    // Nothing is said of it where the other limit cannot be read.
    let text = text.replacen("limit = \"4h\"", "limit = 4", 1).replacen("\"2h 48m\"", "\"4h\"", 1);
    let found = parse(&text).expect_err("it should be refused");
    assert!(found.iter().all(|mistake| mistake.path != "completion.emergency.limit"), "{found:?}");
}

#[test]
fn a_line_ending_of_another_system_is_one_too() {
    let text = EVERY_KIND.replace('\n', "\r\n");
    assert_eq!(found(parse(&text)), expected(EVERY_KIND));
}

#[test]
fn an_odd_key_is_shown_as_it_must_be_written() {
    let found = edited("lease =", "\"a.b\\n\" = 1\nlease =");
    assert_eq!(found[0].path, "\"a.b\\n\"");
    assert_eq!(found[0].line, demo_line("lease ="));
}

proptest! {
    /// Whatever is done to a file, it is read to its end, and what is refused is refused for a reason
    /// that stands on one of its lines.
    #[test]
    fn any_text_is_valid_or_has_mistakes_on_its_lines(
        at in 0..DEFAULT.len(),
        cut in 0_usize..200,
        put in "[\\[\\]{}=\"'#,.a-z0-9 \n]{0,8}",
    ) {
        let end = (at + cut).min(DEFAULT.len());
        let text = [&DEFAULT[..at], &put, &DEFAULT[end..]].concat();
        let lines = text.lines().count() + 1;
        let is_toml = text.parse::<toml::Table>().is_ok();
        match parse(&text) {
            Ok(_) => prop_assert!(is_toml),
            Err(mistakes) => {
                prop_assert!(!mistakes.is_empty());
                for mistake in &mistakes {
                    prop_assert!((1..=lines).contains(&mistake.line), "{mistake:?}");
                }
                let is_blamed = mistakes.iter().any(|mistake| mistake.path.is_empty());
                prop_assert!(!(is_toml && is_blamed), "it is TOML: {mistakes:?}");
            }
        }
        prop_assert!(parse_registry(&text).is_err());
    }
}
