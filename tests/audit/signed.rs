//! Keys and signed notes, in the form that other tools read.

use urgence::sign::{NoteError, NoteSigner, NoteVerifier, open_note};

use crate::{keys, signer};

const TEXT: &str = "one line\nanother\n";

#[test]
fn a_note_is_read_back_and_always_the_same() {
    let note = signer().sign(TEXT);
    assert_eq!(note, signer().sign(TEXT));
    assert_eq!(open_note(&note, &keys()), Ok(TEXT));
    let lines: Vec<&str> = note.lines().collect();
    assert_eq!(lines[2], "");
    assert!(lines[3].starts_with("\u{2014} urgence/main "), "{note}");
}

/// The example of the specification: its key reads, and is written back the same.
#[test]
fn a_key_is_written_as_the_specification_writes_it() {
    const EXAMPLE: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const NOTE: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\n\
        \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    let key: NoteVerifier = EXAMPLE.parse().unwrap();
    assert_eq!((key.name(), key.to_string().as_str()), ("PeterNeumann", EXAMPLE));
    assert!(open_note(NOTE, &[key]).is_ok());
}

#[test]
fn every_other_form_of_a_key_is_refused() {
    let right = signer().verifier().to_string();
    assert!(right.parse::<NoteVerifier>().is_ok());
    for index in 0..right.len() {
        let mut bytes = right.clone().into_bytes();
        bytes[index] ^= 1;
        let Ok(flipped) = String::from_utf8(bytes) else { continue };
        assert!(flipped.parse::<NoteVerifier>().is_err(), "{flipped}");
    }
    for name in ["", "a b", "a+b", "a\nb"] {
        assert!(NoteSigner::new(name, &[1; 32]).is_err(), "{name:?}");
    }
}

#[test]
fn no_byte_of_a_note_can_be_another() {
    let note = signer().sign(TEXT);
    for index in 0..note.len() {
        let mut bytes = note.clone().into_bytes();
        bytes[index] ^= 1;
        let Ok(flipped) = String::from_utf8(bytes) else { continue };
        assert!(open_note(&flipped, &keys()).is_err(), "byte {index}: {flipped}");
    }
}

#[test]
fn a_stranger_s_signature_proves_nothing_and_harms_nothing() {
    let stranger = NoteSigner::new("urgence/main", &[8; 32]).unwrap();
    let strange = stranger.sign(TEXT);
    assert_eq!(open_note(&strange, &keys()), Err(NoteError::Unsigned));
    let both = signer().sign(TEXT) + strange.lines().last().unwrap() + "\n";
    assert_eq!(open_note(&both, &keys()), Ok(TEXT));
    // One that is known must fit, whoever else has signed.
    let other = signer().sign("something else\n");
    let forged = stranger.sign(TEXT) + other.lines().last().unwrap() + "\n";
    let all = [keys(), vec![stranger.verifier().clone()]].concat();
    assert_eq!(open_note(&forged, &all), Err(NoteError::Forged("urgence/main".to_owned())));
}
