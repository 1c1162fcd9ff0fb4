//! House rules that the compiler and clippy cannot state: who may name whom, and how long a file is.
#![allow(clippy::unwrap_used, clippy::pedantic, reason = "a panic is how a test fails")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Which rooms a room may name. Rows are listed bottom up: a room never names a later one.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("clock", &["core"]),
    ("key_file", &[]),
    ("sign", &[]),
    ("telemetry", &["core"]),
    ("fingerprint", &["core", "key_file"]),
    ("registry", &["core"]),
    ("svg", &[]),
    ("wording", &[]),
    ("simulate", &["core", "svg", "wording"]),
    ("transparency", &["core", "svg", "wording"]),
    ("seal", &["core"]),
    ("store", &["core", "clock", "telemetry", "seal"]),
    ("outbound", &[]),
    ("transport", &["core", "clock", "telemetry"]),
    (
        "config",
        &[
            "core",
            "key_file",
            "sign",
            "outbound",
            "fingerprint",
            "registry",
            "seal",
            "store",
            "telemetry",
            "transport",
        ],
    ),
    ("redis_server", &[]),
    ("desk", &["core", "clock", "telemetry", "fingerprint", "registry", "store"]),
    ("timer", &["core", "clock", "telemetry", "desk"]),
    ("pager", &["core", "clock", "telemetry", "store", "config", "outbound", "desk"]),
    ("audit", &["core", "clock", "telemetry", "sign", "store", "desk"]),
    ("auditor", &["core", "clock", "telemetry", "outbound", "desk"]),
    ("grpc", &["core", "clock", "telemetry", "registry", "seal", "transport", "desk", "audit"]),
    ("http", &["telemetry", "transport"]),
    (
        "app",
        &[
            "core",
            "clock",
            "telemetry",
            "fingerprint",
            "seal",
            "store",
            "outbound",
            "transport",
            "config",
            "redis_server",
            "desk",
            "timer",
            "pager",
            "audit",
            "auditor",
            "sign",
            "grpc",
            "http",
        ],
    ),
    (
        "cli",
        &[
            "core",
            "clock",
            "sign",
            "telemetry",
            "seal",
            "simulate",
            "transparency",
            "config",
            "outbound",
            "pager",
            "audit",
            "grpc",
            "app",
        ],
    ),
    ("main", &["cli"]),
    ("lib", &[]),
];

/// A text, and the only rooms (or files) under `src` that may hold it.
const CONFINED: &[(&str, &[&str])] = &[
    ("redis::", &["store"]),
    ("opentelemetry", &["telemetry"]),
    ("tracing_opentelemetry", &["telemetry"]),
    ("tonic", &["grpc"]),
    ("axum", &["http"]),
    ("reqwest", &["outbound.rs"]),
    ("rustls", &["transport", "outbound.rs"]),
    ("tokio_rustls", &["transport"]),
    ("x509_parser", &["transport"]),
    ("rcgen", &["cli/dev_certs.rs"]),
    ("rlimit", &["app/descriptors.rs"]),
    ("TcpListener", &["transport", "app/mod.rs", "http"]),
    ("TcpStream", &["transport"]),
    ("prost", &["grpc", "store/codec"]),
    ("Instant::now", &["clock.rs"]),
    ("SystemTime", &["clock.rs"]),
    ("std::env", &["config"]),
    ("counter!(", &["telemetry"]),
    ("gauge!(", &["telemetry"]),
    ("histogram!(", &["telemetry"]),
    ("toml::", &["config"]),
    ("tokio::process", &["redis_server"]),
    ("chacha20poly1305", &["seal"]),
    (
        "async ",
        &[
            "app",
            "audit/follower.rs",
            "auditor",
            "cli",
            "desk",
            "grpc",
            "http",
            "outbound.rs",
            "pager",
            "redis_server",
            "store",
            "telemetry/traces",
            "timer",
            "transport",
        ],
    ),
];

/// Each of these words in a comment or a name would be a promise to do it some other day.
const LEFT_OVERS: &[&str] = &["TODO", "FIXME", "XXX", "HACK"];

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

struct Source {
    /// Its path under `src`.
    path: String,
    room: String,
    /// Without its test module, which may do as it likes.
    text: String,
    lines: usize,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    for file in files(&root, "rs") {
        let text = std::fs::read_to_string(&file).unwrap();
        let relative = file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        let room = relative.split(['/', '.']).next().unwrap().to_owned();
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned();
        sources.push(Source { path: relative, room, text: code, lines: text.lines().count() });
    }
    assert!(sources.len() > 50, "the sources are somewhere else");
    sources
}

fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[track_caller]
fn assert_none(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn rooms_name_only_what_lies_below() {
    let mut faults = Vec::new();
    for source in sources() {
        let row = MAY_NAME.iter().find(|(room, _)| *room == source.room);
        let Some((_, allowed)) = row else {
            faults.push(format!("{}: the room `{}` has no row", source.path, source.room));
            continue;
        };
        for (number, line) in source.text.lines().enumerate() {
            let code = line.split("//").next().unwrap();
            let named = code.split("crate::").chain(code.split("urgence::")).skip(1);
            for named in named.map(first_word).filter(|word| !word.is_empty()) {
                let is_room = MAY_NAME.iter().any(|(room, _)| *room == named);
                if is_room && named != source.room && !allowed.contains(&named) {
                    faults.push(format!("{}:{}: names `{named}`", source.path, number + 1));
                }
            }
        }
    }
    assert_none(faults);
}

fn first_word(text: &str) -> &str {
    text.split(|char: char| !char.is_alphanumeric() && char != '_').next().unwrap()
}

#[test]
fn no_row_names_a_later_one() {
    for (index, (room, allowed)) in MAY_NAME.iter().enumerate() {
        for named in *allowed {
            let at = MAY_NAME.iter().position(|(room, _)| room == named).unwrap();
            assert!(at < index, "`{room}` may name `{named}`, which lies above it");
        }
    }
}

#[test]
fn each_thing_stays_in_its_room() {
    let mut faults = Vec::new();
    for source in sources() {
        for (text, homes) in CONFINED {
            let is_home = homes.iter().any(|home| source.path.starts_with(home));
            let code = source.text.lines().map(|line| line.split("//").next().unwrap());
            let names_it = |line: &str| {
                line.match_indices(text).any(|(at, _)| {
                    // `redis::` must not be found in `my_redis::`.
                    !line[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_')
                })
            };
            if !is_home && code.clone().any(names_it) {
                faults.push(format!("{}: `{text}` belongs in {homes:?}", source.path));
            }
        }
    }
    assert_none(faults);
}

#[test]
fn files_and_functions_are_short() {
    let mut faults = Vec::new();
    for source in sources() {
        if source.lines > FILE_LINES_MAX {
            faults.push(format!("{}: {} lines", source.path, source.lines));
        }
        let mut begun: Option<(usize, usize)> = None;
        for (number, line) in source.text.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let words = line.trim_start();
            if begun.is_none()
                && (words.starts_with("fn ") || words.contains(" fn "))
                && !words.starts_with("//")
            {
                begun = Some((number, indent));
            }
            if let Some((start, depth)) = begun
                && indent == depth
                && (words == "}" || words.ends_with(';'))
            {
                if number - start > FUNCTION_LINES_MAX {
                    faults.push(format!("{}:{}: {} lines", source.path, start + 1, number - start));
                }
                begun = None;
            }
        }
    }
    assert_none(faults);
}

#[test]
fn nothing_is_left_for_another_day() {
    let mut faults = Vec::new();
    for source in sources() {
        for word in LEFT_OVERS {
            if source.text.contains(word) {
                faults.push(format!("{}: {word}", source.path));
            }
        }
        if source.text.contains(".unwrap()") {
            faults.push(format!("{}: unwrap outside tests", source.path));
        }
    }
    assert_none(faults);
}

/// Text between quotes that follows `prefix`, in all sources.
fn quoted(prefix: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for source in sources() {
        for part in source.text.split(prefix).skip(1) {
            words.insert(part.split('"').next().unwrap().to_owned());
        }
    }
    words
}

#[test]
fn every_reason_of_an_error_is_in_the_contract_and_is_sent() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let proto = std::fs::read_to_string(root.join("proto/urgence/v1/error.proto")).unwrap();
    let status = std::fs::read_to_string(root.join("src/grpc/status.rs")).unwrap();
    let reasons: Vec<&str> = proto
        .lines()
        .filter_map(|line| line.trim().strip_prefix("ERROR_REASON_")?.split(' ').next())
        .filter(|reason| *reason != "UNSPECIFIED")
        .collect();
    assert!(reasons.len() > 15);
    for reason in &reasons {
        assert!(status.contains(&format!("\"{reason}\"")), "{reason} is never sent");
    }
    let is_reason = |word: &&str| {
        word.contains('_') && word.chars().all(|c| c.is_ascii_uppercase() || c == '_')
    };
    let codes = status.split("const CONTRACT_CODES").next().unwrap();
    for word in codes.split('"').filter(is_reason) {
        assert!(reasons.contains(&word), "{word} is not in error.proto");
    }
}

#[test]
fn every_metric_is_described_zeroed_and_in_the_manual() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manual = std::fs::read_to_string(root.join("docs/operations.md")).unwrap();
    let metrics: String = files(&root.join("src/telemetry/metrics"), "rs")
        .iter()
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    let names = quoted("= \"urgence_");
    assert!(names.len() > 30);
    for name in names {
        assert!(
            manual.contains(&format!("`urgence_{name}`")),
            "urgence_{name} is not in the manual"
        );
    }
    for line in metrics.lines().filter(|line| line.contains("const ") && line.contains("urgence_"))
    {
        let constant = line.trim_start_matches("pub(super) const ").split(':').next().unwrap();
        let uses = metrics.matches(&format!("{constant},")).count()
            + metrics.matches(&format!("{constant})")).count();
        assert!(
            metrics.contains(&format!("!({constant}, Unit"))
                || metrics.contains(&format!("        {constant},\n        Unit")),
            "{constant} is not described"
        );
        assert!(uses >= 2, "{constant} is described and never recorded");
    }
}

#[test]
fn every_setting_is_in_the_manual() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manual = std::fs::read_to_string(root.join("docs/operations.md")).unwrap();
    let settings = quoted("env = \"");
    assert!(settings.len() > 10);
    for setting in settings {
        assert!(manual.contains(&setting), "{setting} is not in the manual");
    }
}

#[test]
fn the_script_names_its_keys_and_arguments() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let scripts = files(&root, "lua");
    assert!(!scripts.is_empty());
    for script in scripts {
        let text = std::fs::read_to_string(&script).unwrap();
        let head: String = text.lines().take_while(|line| line.starts_with("--")).collect();
        for word in ["KEYS[1]", "ARGV[1]", "Returns"] {
            assert!(head.contains(word), "{}: its head does not name {word}", script.display());
        }
    }
}

#[test]
fn every_test_that_the_threat_model_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let model = std::fs::read_to_string(root.join("docs/security.md")).unwrap();
    let read = |folder: &str| -> String {
        let sources = files(&root.join(folder), "rs");
        sources.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect()
    };
    let tests = read("tests") + &read("src");
    let mut named = 0;
    let mut faults = Vec::new();
    for words in model.split('`').skip(1).step_by(2) {
        let Some((_, path)) = words.split_once(' ') else { continue };
        let is_path = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        };
        let Some((_, name)) = path.rsplit_once("::") else { continue };
        if path.split("::").all(is_path) {
            named += 1;
            if !tests.contains(&format!("fn {name}(")) {
                faults.push(format!("docs/security.md names `{words}`, and there is none"));
            }
        }
    }
    assert!(named > 40, "only {named} tests are named");
    assert_none(faults);
}
