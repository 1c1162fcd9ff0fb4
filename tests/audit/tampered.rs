//! What was done to the files of a log is found, and named.

use std::collections::BTreeSet;

use urgence::audit::entry::{Line, hex};
use urgence::audit::{Checkpoint, Place, SEAL_EVERY, UNSIGNED_MAX, Verified};
use urgence::sign::NoteSigner;

use crate::{Directory, Replica, SEGMENT_LEN, START, accept, files, keys, log_of, store, verified};

type Files = Vec<(String, Vec<u8>)>;

/// The lines of a segment behind its first, each with its end.
fn lines(bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

fn segments(files: &Files) -> Vec<usize> {
    (0..files.len()).filter(|index| files[*index].0.ends_with(".log")).collect()
}

/// The place that verification names once `change` was done to the lines of the first segment.
fn named(files: &Files, change: impl Fn(&mut Vec<Vec<u8>>)) -> Place {
    let mut changed = files.clone();
    let mut of_segment = lines(&changed[0].1);
    change(&mut of_segment);
    changed[0].1 = of_segment.concat();
    verified(&changed).unwrap_err().place
}

#[tokio::test]
async fn a_log_is_as_it_was_signed() {
    let directory = log_of(300).await;
    let files = files(&directory.0);
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    let segment = |first: u64| format!("{first:020}.log");
    assert_eq!(
        names,
        [
            segment(0).as_str(),
            segment(SEGMENT_LEN).as_str(),
            segment(2 * SEGMENT_LEN).as_str(),
            "checkpoints",
            "public-key"
        ]
    );
    assert_eq!(
        verified(&files),
        Ok(Verified { first: 0, size: 300, signed: 256, missing: vec![] })
    );
}

#[tokio::test]
async fn every_flipped_byte_of_every_file_is_found() {
    // Few entries, signed since nothing has followed them.
    let directory = Directory::new();
    let store = store().await;
    accept(&store, 0, 4).await;
    store.set_now(START + UNSIGNED_MAX * 2);
    Replica::new(&store, &directory.0).catch_up().await;
    let right = files(&directory.0);
    assert_eq!(verified(&right).unwrap().signed, 4);
    assert_eq!(right.len(), 3);
    for file in 0..right.len() {
        let mut flipped = right.clone();
        for position in 0..right[file].1.len() {
            // A letter of the other case, a neighbour, and what is no text.
            let bit = [0x20, 1, 0x80][position % 3];
            flipped[file].1[position] ^= bit;
            assert!(verified(&flipped).is_err(), "{} byte {position} bit {bit}", right[file].0);
            flipped[file].1[position] ^= bit;
        }
        assert!(verified(&flipped).is_ok());
    }
}

/// Of each entry the first byte, the last, and some between; the fault names exactly this entry.
#[tokio::test]
async fn a_flipped_byte_is_found_in_its_entry() {
    let directory = log_of(2 * SEGMENT_LEN).await;
    let right = files(&directory.0);
    for file in segments(&right) {
        let first: u64 = right[file].0[..20].parse().unwrap();
        let mut at = lines(&right[file].1)[0].len();
        for (index, line) in (first..).zip(&lines(&right[file].1)[1..]) {
            let offsets = [0, 63, 64, 70, line.len() / 2, line.len() - 2];
            {
                let offset = offsets[at % offsets.len()];
                let mut flipped = right.clone();
                flipped[file].1[at + offset] ^= 1;
                let fault = verified(&flipped).unwrap_err();
                assert_eq!((fault.place, &fault.file), (Place::Entry(index), &right[file].0));
            }
            at += line.len();
        }
    }
}

#[tokio::test]
async fn a_dropped_swapped_or_doubled_entry_is_named() {
    let directory = log_of(SEGMENT_LEN).await;
    let right = files(&directory.0);
    for index in (0..SEGMENT_LEN).step_by(7).chain([SEGMENT_LEN - 1]) {
        let line = usize::try_from(index).unwrap() + 1;
        let is_last = index == SEGMENT_LEN - 1;
        let dropped = named(&right, |lines| _ = lines.remove(line));
        let expected = if is_last { Place::Entries(index, index) } else { Place::Entry(index) };
        assert_eq!(dropped, expected);
        assert_eq!(
            named(&right, |lines| lines.insert(line, lines[line].clone())),
            Place::Entry(index + 1)
        );
        if !is_last {
            assert_eq!(named(&right, |lines| lines.swap(line, line + 1)), Place::Entry(index));
        }
        let cut = named(&right, |lines| {
            lines.truncate(line + 1);
            lines[line].pop();
        });
        assert_eq!(cut, Place::Entry(index));
        let truncated = named(&right, |lines| lines.truncate(line));
        let expected =
            if index == 0 { Place::File } else { Place::Entries(index, SEGMENT_LEN - 1) };
        assert_eq!(truncated, expected);
    }
}

#[tokio::test]
async fn an_entry_changed_with_its_hash_is_found_by_the_checkpoint_that_covers_it() {
    let directory = log_of(SEGMENT_LEN).await;
    let right = files(&directory.0);
    for index in (0..SEGMENT_LEN).step_by(9).chain([SEGMENT_LEN - 1]) {
        let place = named(&right, |lines| {
            let line = &mut lines[usize::try_from(index).unwrap() + 1];
            let (parsed, entry) = Line::parse(&line[..line.len() - 1], index).unwrap();
            let json = parsed.json.replace(&entry.desk, "mail");
            let forged = Line { json, stored: parsed.stored };
            *line = forged.render().into_bytes();
            assert!(line.starts_with(hex(&forged.leaf()).as_bytes()));
        });
        let first = index / SEAL_EVERY * SEAL_EVERY;
        assert_eq!(place, Place::Entries(first, first + SEAL_EVERY - 1), "entry {index}");
    }
}

#[tokio::test]
async fn a_missing_file_is_named() {
    let directory = log_of(4 * SEGMENT_LEN).await;
    let right = files(&directory.0);
    for (number, file) in (0..).zip(segments(&right)) {
        let mut without = right.clone();
        without.remove(file);
        let first = number * SEGMENT_LEN;
        let Place::Entries(from, to) = verified(&without).unwrap_err().place else {
            panic!("{:?}", verified(&without));
        };
        assert_eq!(from, first);
        assert!(to >= first + SEAL_EVERY - 1);
    }
    let none: Files = right.iter().filter(|(name, _)| !name.ends_with(".log")).cloned().collect();
    let place = verified(&none).unwrap_err().place;
    assert_eq!(place, Place::Entries(0, 4 * SEGMENT_LEN - 1));
    let unsigned: Files = right.iter().filter(|(name, _)| name != "checkpoints").cloned().collect();
    assert_eq!(verified(&unsigned).unwrap_err().place, Place::Checkpoint(SEAL_EVERY));
}

#[tokio::test]
async fn what_was_done_to_the_checkpoints_is_named() {
    let directory = log_of(4 * SEAL_EVERY).await;
    let right = files(&directory.0);
    let at = right.iter().position(|(name, _)| name == "checkpoints").unwrap();
    let notes: Vec<Vec<u8>> = lines(&right[at].1).chunks(5).map(<[Vec<u8>]>::concat).collect();
    assert_eq!(notes.len(), 4);
    let place = |notes: Vec<Vec<u8>>| {
        let mut changed = right.clone();
        changed[at].1 = notes.concat();
        verified(&changed).unwrap_err().place
    };
    let mut dropped = notes.clone();
    dropped.remove(1);
    assert_eq!(place(dropped), Place::Checkpoint(2 * SEAL_EVERY));
    let mut last = notes.clone();
    last.pop();
    assert_eq!(place(last), Place::Checkpoint(4 * SEAL_EVERY));
    let mut swapped = notes.clone();
    swapped.swap(0, 1);
    assert_eq!(place(swapped), Place::Note(1));
    let mut doubled = notes.clone();
    doubled.insert(1, notes[0].clone());
    assert_eq!(place(doubled), Place::Note(1));
    let mut cut = notes.clone();
    cut[3].truncate(40);
    assert_eq!(place(cut), Place::Note(3));
}

#[tokio::test]
async fn another_log_s_checkpoint_holds_for_no_entry_of_this_one() {
    let (one, other) = (log_of(SEAL_EVERY).await, log_of(SEAL_EVERY + 1).await);
    let (right, mut mixed) = (files(&one.0), files(&other.0));
    // Both begin alike, so the same checkpoint holds for both.
    assert_eq!(right[1], mixed[1]);
    assert!(verified(&mixed).is_ok());
    let mut sizes = BTreeSet::new();
    mixed[1].1 = String::from_utf8(mixed[1].1.clone()).unwrap().replace("\n64\n", "\n65\n").into();
    sizes.insert(verified(&mixed).unwrap_err().to_string());
    let told = sizes.first().unwrap();
    assert!(told.contains("does not fit the text"), "{told}");
}

/// Nothing signs the word in a segment's first line, so a gap must be told under every name.
#[tokio::test]
async fn a_segment_that_was_taken_out_with_its_checkpoints_is_a_gap() {
    let directory = log_of(4 * SEGMENT_LEN).await;
    let right = files(&directory.0);
    let notes_at = right.iter().position(|(name, _)| name == "checkpoints").unwrap();
    let notes: Vec<Vec<u8>> =
        lines(&right[notes_at].1).chunks(5).map(<[Vec<u8>]>::concat).collect();
    for (taken, word) in [(0, "begins"), (0, "rejoins"), (1, "rejoins"), (2, "rejoins")] {
        let mut hidden = right.clone();
        let kept = |index: usize| index / 2 != taken;
        hidden[notes_at].1 = (0..notes.len())
            .filter(|index| kept(*index))
            .flat_map(|at| notes[at].clone())
            .collect();
        let next = lines(&hidden[taken + 1].1);
        let header = String::from_utf8(next[0].clone()).unwrap().replace("continues", word);
        hidden[taken + 1].1 = [header.into_bytes(), next[1..].concat()].concat();
        hidden.remove(taken);
        let found = verified(&hidden).unwrap();
        let first = taken as u64 * SEGMENT_LEN;
        let hole = first..first + SEGMENT_LEN;
        assert_eq!(found.missing, std::iter::once(hole).collect::<Vec<_>>(), "{word}");
        assert_eq!(found.signed, 4 * SEGMENT_LEN);
    }
}

#[tokio::test]
async fn a_file_that_is_none_of_a_log_or_bears_another_s_name_is_named() {
    let directory = log_of(2 * SEGMENT_LEN).await;
    let right = files(&directory.0);
    let mut more = right.clone();
    more.push(("notes.txt".to_owned(), Vec::new()));
    let fault = verified(&more).unwrap_err();
    assert_eq!((fault.file.as_str(), fault.place), ("notes.txt", Place::File));
    let mut renamed = right.clone();
    renamed[1].0 = format!("{:020}.log", SEGMENT_LEN + 1);
    let fault = verified(&renamed).unwrap_err();
    assert_eq!((fault.file, fault.place), (renamed[1].0.clone(), Place::Header));
}

#[tokio::test]
async fn entries_that_stand_not_in_the_order_of_the_stream_are_named() {
    let directory = log_of(SEGMENT_LEN).await;
    let place = named(&files(&directory.0), |lines| {
        let parsed = |lines: &Vec<Vec<u8>>, index: usize| {
            let line = &lines[index + 1];
            Line::parse(&line[..line.len() - 1], index as u64).unwrap()
        };
        let ((ninth, entry), (_, tenth)) = (parsed(lines, 9), parsed(lines, 10));
        // Its hash is right, and it says that it stands where the next one does.
        let json = ninth.json.replace(&entry.cursor, &tenth.cursor);
        lines[10] = Line { json, stored: ninth.stored }.render().into_bytes();
    });
    assert_eq!(place, Place::Entry(10));
}

#[tokio::test]
async fn a_checkpoint_of_somebody_unknown_is_named_also_before_others() {
    let directory = log_of(2 * SEAL_EVERY).await;
    let mut signed = files(&directory.0);
    let at = signed.iter().position(|(name, _)| name == "checkpoints").unwrap();
    let notes: Vec<Vec<u8>> = lines(&signed[at].1).chunks(5).map(<[Vec<u8>]>::concat).collect();
    let first = Checkpoint::open(std::str::from_utf8(&notes[0]).unwrap(), &keys()).unwrap();
    let stranger = NoteSigner::new("urgence/main", &[8; 32]).unwrap();
    signed[at].1 = [first.sign(&stranger).into_bytes(), notes[1].clone()].concat();
    let fault = verified(&signed).unwrap_err();
    assert_eq!((fault.file.as_str(), fault.place), ("checkpoints", Place::Note(0)));
}
