//! Every replica derives the same log, whenever it begins and however it was ended.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use urgence::audit::entry::Line;
use urgence::audit::{RecordError, SEAL_EVERY, Verified};
use urgence::core::{Nature, Timestamp};
use urgence::store::{Cursor, Store};

use crate::support::make::{accepted, intake};
use crate::{
    Directory, Replica, SEGMENT_LEN, START, accept, files, log_of, policy, store, verified,
};

/// The name and bytes of the newest segment.
fn newest(directory: &Path) -> (std::path::PathBuf, Vec<u8>) {
    let mut segments = files(directory).into_iter().filter(|(name, _)| name.ends_with(".log"));
    let (name, bytes) = segments.next_back().unwrap();
    (directory.join(name), bytes)
}

#[tokio::test]
async fn three_replicas_have_the_same_tree() {
    let directories = [Directory::new(), Directory::new(), Directory::new()];
    let store = store().await;
    let [first, second, third] = &directories;
    let (mut one, mut two) = (Replica::new(&store, &first.0), Replica::new(&store, &second.0));
    // They read in parts of other sizes.
    for round in 0..10 {
        accept(&store, round * 37, 37).await;
        one.catch_up().await;
        if round % 3 == 0 {
            two.catch_up().await;
        }
        if round == 5 {
            // Ended without a word, and started again from its files.
            drop(one);
            one = Replica::new(&store, &first.0);
        }
    }
    two.catch_up().await;
    // One that has no files begins at the edge, not at the beginning.
    let mut three = Replica::new(&store, &third.0);
    three.catch_up().await;
    accept(&store, 370, 30).await;
    for replica in [&mut one, &mut two, &mut three] {
        replica.catch_up().await;
        assert_eq!(replica.record.size(), 400);
    }
    assert_eq!(one.record.root(), two.record.root());
    assert_eq!(one.record.root(), three.record.root());
    assert_eq!(files(&first.0), files(&second.0));
    let all = Verified { first: 0, size: 400, signed: 384, missing: vec![] };
    assert_eq!(verified(&files(&second.0)), Ok(all));
    let since_edge =
        Verified { first: 320, size: 400, signed: 384, missing: std::iter::once(0..320).collect() };
    assert_eq!(verified(&files(&third.0)), Ok(since_edge));
    assert_eq!(three.record.verify().unwrap().first, 320);
}

/// Whatever a kill leaves of the last line, of a new segment or of a checkpoint, the next start derives
/// what was to be there.
#[tokio::test]
async fn a_log_that_was_cut_off_anywhere_goes_on() {
    let (cut, whole) = (Directory::new(), log_of(SEAL_EVERY + 2).await);
    let store = store().await;
    accept(&store, 0, SEAL_EVERY + 2).await;
    Replica::new(&store, &cut.0).catch_up().await;
    let right = files(&whole.0);
    let (segment, bytes) = newest(&cut.0);
    let notes = fs::read(cut.0.join("checkpoints")).unwrap();
    // A checkpoint is written once its entries are on disk, so these are never cut.
    let signed = bytes.split_inclusive(|byte| *byte == b'\n').take(1 + 64).map(<[u8]>::len).sum();
    let lengths = (signed..bytes.len()).step_by(61).map(|len| (len, notes.len()));
    let of_notes = (0..notes.len()).step_by(11).map(|len| (bytes.len(), len));
    for (of_segment, of_checkpoints) in lengths.chain(of_notes) {
        fs::write(&segment, &bytes[..of_segment]).unwrap();
        fs::write(cut.0.join("checkpoints"), &notes[..of_checkpoints]).unwrap();
        Replica::new(&store, &cut.0).catch_up().await;
        assert!(files(&cut.0) == right, "cut at {of_segment} and {of_checkpoints}");
    }
    // Before anything was signed, anything may be cut.
    for len in (0..bytes.len()).step_by(1_999) {
        fs::write(&segment, &bytes[..len]).unwrap();
        fs::remove_file(cut.0.join("checkpoints")).unwrap();
        let mut again = Replica::new(&store, &cut.0);
        if again.follower.catch_up().await.is_ok() && again.record.size() == SEAL_EVERY + 2 {
            let found = verified(&files(&cut.0));
            assert!(found.is_ok(), "cut at {len}: {found:?}");
        }
        fs::write(cut.0.join("checkpoints"), &notes).unwrap();
        if !segment.exists() {
            for (name, _) in files(&cut.0).iter().filter(|(name, _)| name.ends_with(".log")) {
                fs::remove_file(cut.0.join(name)).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn a_quiet_log_is_signed_all_the_same() {
    let directory = Directory::new();
    let store = store().await;
    accept(&store, 0, 5).await;
    let mut replica = Replica::new(&store, &directory.0);
    assert!(!replica.record.is_whole(), "nobody has looked yet");
    replica.catch_up().await;
    assert!(replica.record.is_whole());
    assert_eq!(replica.record.signed(), 0);
    store.set_now(START + Duration::from_millis(4) + urgence::audit::UNSIGNED_MAX);
    replica.catch_up().await;
    replica.catch_up().await;
    assert_eq!(replica.record.signed(), 5);
    accept(&store, 5, SEAL_EVERY - 5).await;
    replica.catch_up().await;
    let found = verified(&files(&directory.0)).unwrap();
    assert_eq!(found, Verified { first: 0, size: SEAL_EVERY, signed: SEAL_EVERY, missing: vec![] });
}

/// What goes on happening keeps nobody from a proof of what happened before.
#[tokio::test]
async fn an_entry_is_signed_in_time_also_where_others_follow() {
    let directory = Directory::new();
    let store = store().await;
    let mut replica = Replica::new(&store, &directory.0);
    let mut signed = Vec::new();
    for at_ms in [0, 20_000, 40_000, 60_000, 80_000] {
        accept(&store, at_ms, 1).await;
        replica.catch_up().await;
        signed.push(replica.record.signed());
    }
    // The first is due after a minute, though another came with it; then a minute begins anew.
    assert_eq!(signed, [0, 0, 0, 4, 4]);
}

#[tokio::test]
async fn the_stream_is_never_trimmed_beyond_what_redis_knows_to_be_in_the_log() {
    let directory = Directory::new();
    let store = store().await;
    accept(&store, 0, SEAL_EVERY + 10).await;
    let mut replica = Replica::new(&store, &directory.0);
    replica.catch_up().await;
    let all_older = Timestamp::from_millis(START.as_millis() + 1_000_000);
    let trimmed = store.trim(all_older).await.unwrap();
    assert_eq!(trimmed, SEAL_EVERY - 1);
    // A new replica finds the last entry of the edge, and what follows it.
    let fresh = Directory::new();
    let mut new = Replica::new(&store, &fresh.0);
    new.catch_up().await;
    assert_eq!(new.record.root(), replica.record.root());
    replica.catch_up().await;
}

#[tokio::test]
async fn a_replica_that_was_away_for_long_goes_on_at_the_edge_and_says_what_it_lacks() {
    let (here, away) = (Directory::new(), Directory::new());
    let store = store().await;
    accept(&store, 0, 100).await;
    let mut one = Replica::new(&store, &here.0);
    one.catch_up().await;
    Replica::new(&store, &away.0).catch_up().await;
    accept(&store, 100, 200).await;
    one.catch_up().await;
    store.trim(Timestamp::from_millis(START.as_millis() + 1_000_000)).await.unwrap();
    accept(&store, 300, 100).await;
    one.catch_up().await;
    let mut back = Replica::new(&store, &away.0);
    back.catch_up().await;
    assert_eq!((back.record.size(), back.record.root()), (400, one.record.root()));
    let found = verified(&files(&away.0)).unwrap();
    assert_eq!(
        found,
        Verified { first: 64, size: 400, signed: 384, missing: vec![0..64, 100..384] }
    );
    // What lies in the gap, another replica has.
    assert_eq!(back.record.entries(98, 10).unwrap().len(), 2);
    let elsewhere = back.record.entries(150, 10).unwrap_err();
    assert!(elsewhere.to_string().contains("384"), "{elsewhere}");
    assert_eq!(one.record.entries(150, 10).unwrap().len(), 10);
    let at = START + Duration::from_millis(200);
    let in_gap =
        accepted(&intake("authority-2", "200", Nature::ThreatToLife), at, &policy()).case.id;
    let elsewhere = back.record.prove_accepted(in_gap, at).unwrap_err();
    assert!(matches!(elsewhere, RecordError::Elsewhere(384)), "{elsewhere}");
    assert!(one.record.prove_accepted(in_gap, at).is_ok());
    // And it starts again from such files.
    drop(back);
    let mut again = Replica::new(&store, &away.0);
    again.catch_up().await;
    assert_eq!(again.record.root(), one.record.root());
}

/// The edge that a replica begins at stands for entries that are elsewhere. However long ago the last of
/// them was, it is not signed here: the next start would take them for lost.
#[tokio::test]
async fn a_replica_signs_nothing_that_its_files_do_not_hold() {
    let (here, fresh) = (Directory::new(), Directory::new());
    let store = store().await;
    accept(&store, 0, 70).await;
    let mut one = Replica::new(&store, &here.0);
    one.catch_up().await;
    store.set_now(START + Duration::from_mins(3));
    one.catch_up().await;
    assert_eq!(one.record.signed(), 70);
    for _ in 0..3 {
        let mut begun = Replica::new(&store, &fresh.0);
        for _ in 0..3 {
            begun.catch_up().await;
        }
        assert_eq!((begun.record.size(), begun.record.signed()), (70, 0));
        assert!(!fresh.0.join("checkpoints").exists(), "it has nothing to sign");
    }
    accept(&store, 200_000, 1).await;
    let mut begun = Replica::new(&store, &fresh.0);
    begun.catch_up().await;
    store.set_now(START + Duration::from_mins(9));
    begun.catch_up().await;
    assert_eq!((begun.record.size(), begun.record.signed()), (71, 71));
    drop(begun);
    Replica::new(&store, &fresh.0).catch_up().await;
}

/// What was signed is known from Redis too, also where the files have lost their checkpoints.
#[tokio::test]
async fn what_was_signed_is_not_signed_otherwise() {
    let directory = Directory::new();
    let store = store().await;
    accept(&store, 0, SEAL_EVERY + 6).await;
    Replica::new(&store, &directory.0).catch_up().await;
    let (segment, bytes) = newest(&directory.0);
    // Somebody rewrites an entry, with its hash, and takes the checkpoints away.
    let text = String::from_utf8(bytes).unwrap();
    let forged: String = (0..)
        .zip(text.split_inclusive('\n'))
        .map(|(number, line)| {
            // The header comes first.
            let Some(index) = u64::checked_sub(number, 1).filter(|index| *index == 5) else {
                return line.to_owned();
            };
            let (parsed, entry) = Line::parse(line.trim_end().as_bytes(), index).unwrap();
            let json = parsed.json.replace(&entry.desk, "mail");
            Line { json, stored: parsed.stored }.render()
        })
        .collect();
    assert_ne!(forged, text);
    fs::write(&segment, forged).unwrap();
    fs::remove_file(directory.0.join("checkpoints")).unwrap();
    let mut replica = Replica::new(&store, &directory.0);
    let told = replica.follower.catch_up().await.unwrap_err();
    assert!(told.contains("another log of 64 entries than was signed"), "{told}");
    assert!(!directory.0.join("checkpoints").exists(), "nothing of it is signed");
}

#[tokio::test]
async fn a_log_that_is_not_open_answers_nothing() {
    let directory = Directory::new();
    let replica = Replica::new(&store().await, &directory.0);
    assert!(matches!(replica.record.verify(), Err(RecordError::Closed)));
    assert!(matches!(replica.record.entries(0, 10), Err(RecordError::Closed)));
}

#[tokio::test]
async fn entries_are_read_across_segments() {
    let directory = Directory::new();
    let store = store().await;
    accept(&store, 0, 2 * SEGMENT_LEN + 5).await;
    let mut replica = Replica::new(&store, &directory.0);
    replica.catch_up().await;
    let read = replica.record.entries(SEGMENT_LEN - 2, 1_000).unwrap();
    let indexes: Vec<u64> = read.iter().map(|shown| shown.entry.index).collect();
    assert_eq!(indexes, (SEGMENT_LEN - 2..2 * SEGMENT_LEN + 5).collect::<Vec<_>>());
    let stored = store.changes(Cursor::default(), 1_000).await.unwrap();
    assert!(
        stored
            .iter()
            .skip(126)
            .map(|entry| &entry.stored)
            .eq(read.iter().map(|shown| &shown.stored))
    );
    assert_eq!(replica.record.entries(9_999, 5).unwrap(), []);
}

#[tokio::test]
async fn two_processes_never_write_the_same_files() {
    let directory = Directory::new();
    let store = store().await;
    accept(&store, 0, 5).await;
    let mut one = Replica::new(&store, &directory.0);
    one.catch_up().await;
    let told = Replica::new(&store, &directory.0).follower.catch_up().await.unwrap_err();
    assert!(told.contains("another process"), "{told}");
    drop(one);
    Replica::new(&store, &directory.0).catch_up().await;
}

/// What this version cannot read is an entry like any other: a replica that can derives the same.
#[tokio::test]
async fn what_nobody_understands_is_an_entry_too() {
    let line = |stored: &[u8]| {
        let cursor = Cursor { millis: 5, sequence: 1 };
        Line::new(3, &"main".parse().unwrap(), cursor, stored)
    };
    let garbage = line(b"\xff\xff not a message");
    assert!(garbage.json.contains("\"index\":3,\"desk\":\"main\",\"cursor\":\"5-1\""));
    assert!(!garbage.json.contains("case"), "{}", garbage.json);
    // Format 9, case "A", and a field that this version has never heard of.
    let later = line(b"\x08\x09\x12\x01A\xfa\x07\x02hi");
    assert!(later.json.ends_with("\"case\":\"A\"}"), "{}", later.json);
    assert_ne!(garbage.leaf(), later.leaf());
    let text = later.render();
    let parsed = Line::parse(text.trim_end().as_bytes(), 3).unwrap();
    assert_eq!(parsed.0, later);
}

#[tokio::test]
async fn a_log_that_was_changed_on_disk_is_not_gone_on_with() {
    let directory = Directory::new();
    let store = store().await;
    accept(&store, 0, 100).await;
    Replica::new(&store, &directory.0).catch_up().await;
    let (segment, bytes) = newest(&directory.0);
    let mut flipped = bytes.clone();
    flipped[1_000] ^= 1;
    fs::write(&segment, &flipped).unwrap();
    accept(&store, 100, 100).await;
    let mut replica = Replica::new(&store, &directory.0);
    let told = replica.follower.catch_up().await.unwrap_err();
    assert!(told.contains("entry "), "{told}");
    assert_eq!(replica.record.problems().len(), 1);
    assert_eq!(fs::read(&segment).unwrap(), flipped);
    // A tail that is no line is dropped, and nothing else.
    fs::write(&segment, &bytes).unwrap();
    OpenOptions::new().append(true).open(&segment).unwrap().write_all(b"half a li").unwrap();
    Replica::new(&store, &directory.0).catch_up().await;
    assert_eq!(verified(&files(&directory.0)).unwrap().size, 200);
}
