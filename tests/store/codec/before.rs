//! What the version before wrote, which kept neither what was promised nor what calls for care: the
//! same bytes without the fields that have come since.

use std::collections::BTreeSet;

use prost::bytes::Buf as _;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use urgence::core::outcome::Ended;
use urgence::core::{Case, Change, Event, Facts, Promised, Told};
use urgence::store::{decode_case, decode_told, encode_case, encode_change};

use super::{cases, events};

/// The message without these fields of its own.
fn without(message: &[u8], dropped: &[u32]) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut rest = message;
    while rest.has_remaining() {
        let field = rest;
        let (tag, wire) = decode_key(&mut rest).unwrap();
        skip_field(wire, tag, &mut rest, DecodeContext::default()).unwrap();
        if !dropped.contains(&tag) {
            kept.extend_from_slice(&field[..field.len() - rest.len()]);
        }
    }
    kept
}

/// The message with one message in it replaced.
fn within(message: &[u8], place: u32, change: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut changed = Vec::new();
    let mut rest = message;
    while rest.has_remaining() {
        let field = rest;
        let (tag, wire) = decode_key(&mut rest).unwrap();
        if tag == place && wire == WireType::LengthDelimited {
            let length = usize::try_from(decode_varint(&mut rest).unwrap()).unwrap();
            let inner = change(&rest[..length]);
            rest.advance(length);
            prost::encoding::encode_key(tag, wire, &mut changed);
            prost::encoding::encode_varint(inner.len() as u64, &mut changed);
            changed.extend(inner);
        } else {
            skip_field(wire, tag, &mut rest, DecodeContext::default()).unwrap();
            changed.extend_from_slice(&field[..field.len() - rest.len()]);
        }
    }
    changed
}

#[test]
fn a_case_of_the_version_before_is_read_as_what_it_meant() {
    let case = cases::full();
    let bytes = encode_case(&case);
    let old = without(&bytes, &[32, 33, 34]);
    let old = within(&old, 14, |facts| without(facts, &[7, 8]));
    let old = within(&old, 10, |response| without(response, &[5]));
    let old = within(&old, 24, |ended| without(ended, &[5]));
    assert!(old.len() < bytes.len() - 80, "the fields were there");
    let read = decode_case(case.id, case.version, &old).unwrap();
    let clock = case.first_response_clock();
    let promised = Promised { target_at: clock.target_at, limit_at: clock.limit_at };
    let counted = u32::try_from(case.facts.fingerprints.len()).unwrap();
    let facts = Facts { targets: counted, officer: None, ..case.facts.clone() };
    let mut first_response = case.first_response.clone();
    first_response.as_mut().unwrap().digest = None;
    // It showed what was said for as long as it kept it.
    let ended = case.ended.map(|ended| Ended { shown_until: ended.purge_at, ..ended });
    assert_ne!(ended, case.ended);
    let risks = BTreeSet::new();
    let wanted = Case { promised, risks, facts, first_response, ended, ..case.clone() };
    assert_eq!(read, wanted);
    // From now on it is kept.
    assert_eq!(decode_case(case.id, case.version, &encode_case(&read)).unwrap(), read);
}

#[test]
fn a_change_of_the_version_before_says_not_who_did_it() {
    let change = events::change(vec![Event::Purged]);
    let old = without(&encode_change(&change), &[8, 9, 10, 11]);
    let wanted = Change { actor: None, from: None, to: None, digest: None, ..change };
    assert_eq!(decode_told(&old).unwrap(), Told::Change(wanted.clone()));
    assert_eq!(encode_change(&wanted), old, "the very bytes that it wrote");
}
