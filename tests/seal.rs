//! Sealing: what a ciphertext is bound to, and how the file of the keys is read, changed and shared.
#![allow(clippy::unwrap_used, clippy::pedantic, reason = "a panic is how a test fails")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use urgence::core::{CaseId, DeskName, IncidentName, RetentionClass, Timestamp};
use urgence::seal::{
    Binding, Class, Content, KeyEncryptionKeys, KeyRing, Label, Month, Owner, SealError,
};

const NOW: Timestamp = Timestamp::from_millis(1_793_000_000_000);
const TEXT: &[u8] = b"The child was last seen at the station.";

/// A directory of its own, removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("urgseal-{}-{count}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// The keys in it, under a key-encryption key that is made for them.
    fn ring(&self) -> KeyRing {
        self.open(KeyEncryptionKeys::OwnFile(self.path("wrapper"))).unwrap()
    }

    fn open(&self, wrapped_by: KeyEncryptionKeys) -> Result<KeyRing, SealError> {
        KeyRing::open(&self.path("keys"), wrapped_by)
    }

    /// `urgence keys` on them.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_urgence"));
        command.arg("keys").args(arguments);
        command.arg("--data-keys").arg(self.path("keys"));
        command.arg("--key-encryption-key").arg(self.path("wrapper"));
        command
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        _ = fs::set_permissions(&self.0, fs::Permissions::from_mode(0o700));
        _ = fs::remove_dir_all(&self.0);
    }
}

fn desk(name: &str) -> DeskName {
    name.parse().unwrap()
}

fn label() -> Label {
    Label { desk: desk("main"), month: Month::of(NOW), class: Class::Open }
}

fn case(number: u32) -> CaseId {
    CaseId::derive(&"fr-pnij".parse().unwrap(), &format!("r-{number}").parse().unwrap())
}

/// A ring in memory with a key for [`label`].
fn ring() -> KeyRing {
    let ring = KeyRing::in_memory().unwrap();
    ring.ensure(&label(), NOW).unwrap();
    ring
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn what_is_sealed_opens_where_it_was_put_and_nowhere_else() {
    let ring = ring();
    let (main, other) = (desk("main"), desk("other"));
    // A name that reads the same as the case's.
    let incident: IncidentName = "flood".parse().unwrap();
    let namesake: IncidentName = case(1).compact().to_lowercase().parse().unwrap();
    let place = Binding { desk: &main, owner: Owner::Case(case(1)), field: "request" };
    let sealed = ring.seal(&label(), &place, TEXT).unwrap().bytes;
    assert_eq!(*ring.unseal(&place, &sealed).unwrap(), *TEXT);
    for elsewhere in [
        Binding { desk: &other, ..place },
        Binding { owner: Owner::Case(case(2)), ..place },
        Binding { owner: Owner::Incident(&incident), ..place },
        Binding { owner: Owner::Incident(&namesake), ..place },
        Binding { field: "response", ..place },
        Binding { field: "reques", ..place },
        Binding { field: "", ..place },
    ] {
        let opened = ring.unseal(&elsewhere, &sealed);
        assert!(matches!(opened, Err(SealError::DoesNotOpen(_))), "{elsewhere:?}");
    }
    // Parts that run into each other do not make the same place.
    let message = Binding { field: "said:1", ..place };
    let sealed = ring.seal(&label(), &message, TEXT).unwrap().bytes;
    assert!(ring.unseal(&Binding { field: "said:12", ..place }, &sealed).is_err());
}

#[test]
fn every_flipped_bit_and_every_cut_is_found() {
    let ring = ring();
    let main = desk("main");
    let place = Binding { desk: &main, owner: Owner::Case(case(1)), field: "request" };
    for text in [TEXT, b""] {
        let sealed = ring.seal(&label(), &place, text).unwrap().bytes;
        assert_eq!(sealed.len(), 8 + 24 + text.len() + 16);
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut bent = sealed.clone();
                bent[at] ^= 1 << bit;
                assert!(ring.unseal(&place, &bent).is_err(), "bit {bit} of byte {at}");
            }
            assert!(ring.unseal(&place, &sealed[..at]).is_err(), "the first {at} bytes");
        }
        assert!(ring.unseal(&place, &[sealed.as_slice(), &[0]].concat()).is_err());
        let again = ring.seal(&label(), &place, text).unwrap().bytes;
        assert_ne!(sealed[8..], again[8..], "no two are alike");
    }
}

#[test]
fn another_key_opens_nothing_and_each_label_has_its_own() {
    let main = desk("main");
    let place = Binding { desk: &main, owner: Owner::Case(case(1)), field: "request" };
    let [ring, other] = [(); 2].map(|()| ring());
    let sealed = ring.seal(&label(), &place, TEXT).unwrap().bytes;
    assert!(matches!(other.unseal(&place, &sealed), Err(SealError::UnknownKey(_))));
    // Its own id in front of it does not help.
    let id = &other.seal(&label(), &place, TEXT).unwrap().bytes[..8];
    let opened = other.unseal(&place, &[id, &sealed[8..]].concat());
    assert!(matches!(opened, Err(SealError::DoesNotOpen(_))));
    let mut ids = BTreeSet::new();
    for class in Class::ALL {
        for month in [Month::of(NOW), Month::of(NOW).next()] {
            let label = Label { desk: main.clone(), month, class };
            let missing = ring.seal(&label, &place, TEXT);
            assert!(matches!(missing, Err(SealError::NoKey(_))) || label == self::label());
            ring.ensure(&label, NOW).unwrap();
            ids.insert(ring.seal(&label, &place, TEXT).unwrap().key);
        }
    }
    assert_eq!(ids.len(), 10);
}

#[test]
fn months_are_those_of_the_calendar_in_utc() {
    for (millis, month, next) in [
        (0, "1970-01", "1970-02"),
        (1_793_491_199_999, "2026-10", "2026-11"),
        (1_793_491_200_000, "2026-11", "2026-12"),
        (1_709_164_800_000, "2024-02", "2024-03"),
        (1_798_761_599_999, "2026-12", "2027-01"),
    ] {
        let found = Month::of(Timestamp::from_millis(millis));
        assert_eq!((found.to_string(), found.next().to_string()), (month.into(), next.into()));
        assert_eq!(month.parse(), Ok(found));
        assert!(found.start().as_millis() <= millis && millis < found.next().start().as_millis());
        assert_eq!(Month::of(found.start()), found);
    }
    assert!("2026-13".parse::<Month>().is_err() && "2026".parse::<Month>().is_err());
    assert_eq!(Month::of(Timestamp::from_millis(u64::MAX)).to_string(), "9999-12");
}

#[test]
fn nothing_secret_is_ever_printed() {
    let directory = Directory::new();
    let ring = directory.ring();
    ring.ensure(&label(), NOW).unwrap();
    assert_eq!(format!("{ring:?} {:?}", Content::from(TEXT)), "KeyRing Content");
    let secret = fs::read_to_string(directory.path("wrapper")).unwrap();
    let command = KeyEncryptionKeys::command(format!("echo {}", secret.trim()));
    assert_eq!(format!("{command:?}"), "the command");
    let held = fs::read_to_string(directory.path("keys")).unwrap();
    assert!(!held.contains(secret.trim()));
    let list = said(&directory.command(&["list"]).output().unwrap());
    let key = &ring.keys()[0];
    assert!(list.contains(&key.id.to_string()) && list.contains(&key.label.to_string()), "{list}");
    let stored: serde_json::Value = serde_json::from_str(&held).unwrap();
    assert!(!list.contains(stored["keys"][0]["wrapped"].as_str().unwrap()));
    for name in ["keys", "wrapper"] {
        let mode = fs::metadata(directory.path(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn the_file_is_read_again_and_a_bad_one_changes_nothing() {
    let directory = Directory::new();
    let (one, other) = (directory.ring(), directory.ring());
    one.ensure(&label(), NOW).unwrap();
    other.ensure(&label(), NOW).unwrap();
    assert_eq!(one.keys(), other.keys(), "the second finds what the first has made");
    let good = fs::read_to_string(directory.path("keys")).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&good).unwrap();
    let wrapped = json["keys"][0]["wrapped"].as_str().unwrap().to_owned();
    let last = if wrapped.ends_with('0') { "1" } else { "0" };
    json["keys"][0]["wrapped"] = format!("{}{last}", &wrapped[..wrapped.len() - 1]).into();
    let mut moved: serde_json::Value = serde_json::from_str(&good).unwrap();
    moved["keys"][0]["class"] = "fraud".into();
    let bad = [
        String::new(),
        good[..good.len() / 2].to_owned(),
        good.replace("\"format\": 1", "\"format\": 2"),
        good.replace("\"month\": \"20", "\"month\": \"x0"),
        json.to_string(),
        moved.to_string(),
    ];
    for (index, text) in bad.iter().enumerate() {
        directory.file("keys", text);
        // One that has the keys already does not unwrap them again.
        if index < 4 {
            assert!(matches!(one.refresh(), Err(SealError::BadKeyFile { .. })), "{index}");
            assert!(one.ensure(&label(), NOW).is_err());
        }
        assert_eq!(one.keys().len(), 1);
        let opened = directory.open(KeyEncryptionKeys::OwnFile(directory.path("wrapper")));
        assert!(matches!(opened, Err(SealError::BadKeyFile { .. })), "{index}");
        directory.file("keys", &good);
        one.refresh().unwrap();
    }
    fs::remove_file(directory.path("keys")).unwrap();
    assert!(one.refresh().is_err() && one.keys().len() == 1, "a missing file takes no key away");
}

#[test]
fn a_file_that_cannot_be_written_makes_no_key_and_loses_none() {
    let directory = Directory::new();
    let ring = directory.ring();
    ring.ensure(&label(), NOW).unwrap();
    // Root may write anywhere; a directory in the place of the new file stops everybody.
    fs::create_dir(directory.path("keys.new")).unwrap();
    let next = Label { month: Month::of(NOW).next(), ..label() };
    let refused = ring.ensure(&next, NOW);
    assert!(matches!(refused, Err(SealError::File { .. })), "{refused:?}");
    assert!(ring.retire(ring.keys()[0].id, NOW).is_err());
    assert!(ring.destroy(ring.keys()[0].id, NOW).is_err());
    assert_eq!(directory.ring().keys(), ring.keys());
    ring.ensure(&label(), NOW).unwrap();
    fs::remove_dir(directory.path("keys.new")).unwrap();
    ring.ensure(&next, NOW).unwrap();
    assert_eq!(directory.ring().keys().len(), 2);
}

#[test]
fn what_a_link_leads_to_is_what_changes() {
    let (shared, directory) = (Directory::new(), Directory::new());
    shared.file("keys", r#"{"format":1,"keys":[]}"#);
    std::os::unix::fs::symlink(shared.path("keys"), directory.path("keys")).unwrap();
    directory.ring().ensure(&label(), NOW).unwrap();
    let linked = fs::symlink_metadata(directory.path("keys")).unwrap();
    assert!(linked.file_type().is_symlink(), "it is a link still");
    assert_eq!(files(&shared.0), ["keys", "keys.lock"], "the lock lies beside what all share");
    assert_eq!(directory.ring().keys().len(), 1);
}

#[test]
fn a_retired_key_opens_and_seals_nothing_and_a_destroyed_one_is_gone() {
    let directory = Directory::new();
    let (ring, other) = (directory.ring(), directory.ring());
    let main = desk("main");
    let place = Binding { desk: &main, owner: Owner::Case(case(1)), field: "request" };
    ring.ensure(&label(), NOW).unwrap();
    let sealed = ring.seal(&label(), &place, TEXT).unwrap();
    ring.retire(sealed.key, NOW).unwrap();
    other.refresh().unwrap();
    for ring in [&ring, &other] {
        assert!(matches!(ring.seal(&label(), &place, TEXT), Err(SealError::NoKey(_))));
        assert_eq!(*ring.unseal(&place, &sealed.bytes).unwrap(), *TEXT);
        assert_eq!(ring.keys()[0].retired_at, Some(NOW));
    }
    ring.ensure(&label(), NOW).unwrap();
    assert_ne!(ring.seal(&label(), &place, TEXT).unwrap().key, sealed.key);
    ring.destroy(sealed.key, NOW).unwrap();
    other.refresh().unwrap();
    for ring in [&ring, &other] {
        let opened = ring.unseal(&place, &sealed.bytes);
        assert!(matches!(opened, Err(SealError::UnknownKey(id)) if id == sealed.key));
    }
    let held = fs::read_to_string(directory.path("keys")).unwrap();
    assert!(!held.contains(&sealed.key.to_string()));
}

#[test]
fn key_encryption_keys_are_rotated_while_replicas_run() {
    let directory = Directory::new();
    let main = desk("main");
    let place = Binding { desk: &main, owner: Owner::Case(case(1)), field: "request" };
    let running = directory.ring();
    running.ensure(&label(), NOW).unwrap();
    let sealed = running.seal(&label(), &place, TEXT).unwrap();
    let old = fs::read_to_string(directory.path("wrapper")).unwrap();
    let new = directory.file("new-wrapper", &"5A".repeat(32));
    // Every replica is told of the new one first.
    directory.file("wrapper", &format!("{old}{}\n", "5a".repeat(32)));
    running.reload().unwrap();
    let new_path = new.to_str().unwrap();
    let rotate = ["rotate", "--months", "3", "--new-key-encryption-key", new_path];
    let done = directory.command(&rotate).output().unwrap();
    assert!(done.status.success(), "{}", said(&done));
    assert!(said(&done).starts_with("1 data keys were wrapped anew\n"), "{}", said(&done));
    running.refresh().unwrap();
    assert!(running.keys().len() >= 15 && *running.unseal(&place, &sealed.bytes).unwrap() == *TEXT);
    // New keys are wrapped by the new one, also by a replica whose first is the old one.
    let far = Label {
        class: Class::Ended(RetentionClass::Fraud),
        month: "2031-01".parse().unwrap(),
        ..label()
    };
    running.ensure(&far, NOW).unwrap();
    // Then the old one goes.
    let only_new = directory.open(KeyEncryptionKeys::File(new)).unwrap();
    assert_eq!(only_new.keys(), running.keys());
    assert_eq!(*only_new.unseal(&place, &sealed.bytes).unwrap(), *TEXT);
    // Whoever has but the old one knows no key, and makes none that the others cannot read.
    let late = directory.open(KeyEncryptionKeys::File(directory.file("old", &old))).unwrap();
    assert!(late.keys().is_empty());
    let refused = late.ensure(&label(), NOW);
    assert!(matches!(refused, Err(SealError::UnknownKeyEncryptionKey(_))), "{refused:?}");
    let refused = late.wrap_anew(&KeyEncryptionKeys::File(directory.path("old")));
    assert!(matches!(refused, Err(SealError::UnknownKeyEncryptionKey(_))), "{refused:?}");
    assert_eq!(
        directory.open(KeyEncryptionKeys::File(directory.path("new-wrapper"))).unwrap().keys(),
        only_new.keys()
    );
}

#[test]
fn key_encryption_keys_come_from_files_and_commands() {
    let directory = Directory::new();
    directory.ring().ensure(&label(), NOW).unwrap();
    let hex = fs::read_to_string(directory.path("wrapper")).unwrap();
    let shown = |line: &str| KeyEncryptionKeys::command(line);
    let cat = format!("cat '{}'", directory.path("wrapper").display());
    let noisy = format!("echo secret >&2; {cat}");
    for line in [&cat, &noisy] {
        assert_eq!(directory.open(shown(line)).unwrap().keys().len(), 1);
    }
    let raw: Vec<u8> =
        (0..32).map(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).unwrap()).collect();
    fs::write(directory.path("raw"), &raw).unwrap();
    assert_eq!(
        directory.open(KeyEncryptionKeys::File(directory.path("raw"))).unwrap().keys().len(),
        1
    );
    for (line, problem) in [
        ("echo canary", "hexadecimal"),
        ("true", "hexadecimal"),
        (&*format!("{cat}; exit 3"), "failed"),
        (&*format!("{cat} | cut -c 2-"), "hexadecimal"),
        ("/nowhere/canary", "failed"),
    ] {
        let error = directory.open(shown(line)).unwrap_err().to_string();
        assert!(error.contains(problem) && !error.contains("canary"), "{line}: {error}");
    }
    let endless = KeyEncryptionKeys::Command {
        line: "exec sleep 600".to_owned(),
        timeout: Duration::from_millis(50),
    };
    let error = directory.open(endless).unwrap_err().to_string();
    assert!(error.contains("in time"), "{error}");
    let missing = directory.open(KeyEncryptionKeys::File(directory.path("missing")));
    assert!(matches!(missing, Err(SealError::File { .. })), "one that was named is not made");
}

/// Many processes and threads that need the same keys at once make one of each.
#[test]
fn all_who_come_at_once_make_one_key() {
    let directory = Directory::new();
    let month = Month::of(urgence::clock::wall_now());
    let racing: Vec<_> = (0..6)
        .map(|_| {
            let mut command = directory.command(&["rotate", "--months", "1"]);
            // Made by whoever is first, too.
            directory.ring();
            command.stdout(std::process::Stdio::null()).spawn().unwrap()
        })
        .collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| directory.ring().ensure(&Label { month, ..label() }, NOW).unwrap());
        }
    });
    for mut process in racing {
        assert!(process.wait().unwrap().success());
    }
    let labels: Vec<Label> = directory.ring().keys().into_iter().map(|key| key.label).collect();
    let distinct: BTreeSet<Label> = labels.iter().cloned().collect();
    assert_eq!((labels.len(), distinct.len()), (5, 5), "{labels:?}");
    let left: Vec<_> = files(&directory.0);
    assert_eq!(left, ["keys", "keys.lock", "wrapper"]);
}

fn files(path: &Path) -> Vec<String> {
    let names = fs::read_dir(path).unwrap().flatten();
    let mut names: Vec<_> = names.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn a_rewrite_owed_to_a_destroyed_key_outlives_the_process() {
    let directory = Directory::new();
    let (ring, main) = (directory.ring(), desk("main"));
    let next = Label { month: Month::of(NOW).next(), ..label() };
    assert_eq!(ring.make(&[label(), next], NOW).unwrap(), 2);
    assert_eq!(ring.rewrite_owed_since(&main), None);
    let keys = ring.keys();
    ring.destroy(keys[0].id, NOW).unwrap();
    drop(ring);
    let (one, other) = (directory.ring(), directory.ring());
    assert_eq!(one.rewrite_owed_since(&main), Some(NOW));
    assert_eq!(one.rewrite_owed_since(&desk("other")), None, "each desk has its own Redis");
    // In the same millisecond; what `one` is about to settle does not make up for it.
    other.destroy(keys[1].id, NOW).unwrap();
    one.settle_rewrite(&main, NOW).unwrap();
    let since = one.rewrite_owed_since(&main).expect("it is still owed");
    one.settle_rewrite(&main, since).unwrap();
    assert_eq!(directory.ring().rewrite_owed_since(&main), None);
}
