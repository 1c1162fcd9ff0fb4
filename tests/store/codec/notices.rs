//! Every notice there is, with every word that it may hold, and how authorities stand.

use std::collections::BTreeSet;

use proptest::prelude::*;
use urgence::core::{
    Actor, CaseId, Notice, PolicyId, ShownTo, SuspensionReason, Timestamp, Told, What,
};
use urgence::store::{decode_told, encode_change, encode_notice};

use super::bent::{bend, bends};
use super::{START, case_id, events};

/// One notice of every kind and word, no two alike. A new kind does not compile until it is here.
fn every_what() -> Vec<What> {
    let authority = || "be-fccu".parse().unwrap();
    let incident = || "paris-2026-11-13".parse().unwrap();
    let case: CaseId = case_id(3);
    let kinds = |what: &What| match what {
        What::Read { .. }
        | What::Refused { .. }
        | What::AuthoritySuspended { .. }
        | What::AuthorityReinstated { .. }
        | What::IncidentOpened { .. }
        | What::IncidentTold { .. }
        | What::IncidentClosed { .. }
        | What::PolicyReplaced { .. }
        | What::RegistryReplaced { .. }
        | What::DisclosuresListed { .. }
        | What::TransparencyExported
        | What::KeyDestroyed { .. } => what.word(),
    };
    let refused = |count| What::Refused {
        method: "Submit".to_owned(),
        reason: "PERMISSION_DENIED".to_owned(),
        count,
    };
    let mut all = vec![
        refused(7),
        refused(u64::MAX),
        What::AuthorityReinstated { authority: authority(), version: 8 },
        What::IncidentOpened { incident: incident() },
        What::IncidentTold { incident: incident() },
        What::IncidentClosed { incident: incident() },
        What::PolicyReplaced { policy: PolicyId([9; 16]) },
        What::RegistryReplaced { registry: Some([10; 16]) },
        What::RegistryReplaced { registry: Some([0; 16]) },
        What::RegistryReplaced { registry: None },
        What::DisclosuresListed { authority: Some(authority()) },
        What::DisclosuresListed { authority: None },
        What::TransparencyExported,
        What::KeyDestroyed { label: "2026-11 short".to_owned() },
    ];
    let shown = ShownTo::ALL.iter().copied();
    all.extend(shown.map(|shown_to| What::Read { case, authority: authority(), shown_to }));
    let reasons = SuspensionReason::ALL.iter().copied();
    all.extend(reasons.map(|reason| What::AuthoritySuspended {
        authority: authority(),
        version: 11,
        reason,
    }));
    assert_eq!(all.iter().map(kinds).collect::<BTreeSet<_>>().len(), 12, "one of every kind");
    all
}

fn notice(what: What) -> Notice {
    Notice { at: Timestamp::from_millis(START.as_millis() + 96), by: Some(events::actor()), what }
}

#[test]
fn every_notice_comes_back_as_it_was_written() {
    let mut stored = BTreeSet::new();
    let all = every_what();
    for what in &all {
        let full = notice(what.clone());
        let loopback = full.by.clone().map(|by| Actor { identity: None, ..by });
        for by in [full.by.clone(), loopback, None] {
            let notice = Notice { by, ..full.clone() };
            let bytes = encode_notice(&notice);
            assert_eq!(bytes[..2], [0x08, 2], "a reader of format 1 does not take it for a change");
            assert_eq!(decode_told(&bytes).unwrap(), Told::Notice(notice));
            stored.insert(bytes);
        }
    }
    assert_eq!(stored.len(), all.len() * 3, "nothing that tells them apart is lost");
}

#[test]
fn a_notice_of_a_newer_version_is_told_apart() {
    let bytes = encode_notice(&notice(What::TransparencyExported));
    for format in [0, 3, 127] {
        let newer = [&[0x08, format], &bytes[2..]].concat();
        let problem = decode_told(&newer).unwrap_err().to_string();
        assert!(problem.contains(&format!("format {format}")), "{problem}");
    }
    // A change that says it is a notice, and a notice that says it is a change, are neither.
    let change = encode_change(&events::change(events::every_event()));
    assert!(decode_told(&[&[0x08, 2], &change[2..]].concat()).is_err());
    assert!(decode_told(&[&[0x08, 1], &bytes[2..]].concat()).is_err());
    // A kind that this version does not know.
    let at = bytes.windows(12).position(|part| part == b"transparency").unwrap();
    let mut other = bytes.clone();
    other[at] = b'T';
    let problem = decode_told(&other).unwrap_err().to_string();
    assert!(problem.contains("does not know"), "{problem}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    /// A stored notice with bytes changed is read or refused; what is read is written back alike.
    #[test]
    fn a_bent_notice_is_read_or_refused(bends in bends(), index: prop::sample::Index) {
        let all = every_what();
        let notice = notice(index.get(&all).clone());
        match decode_told(&bend(&encode_notice(&notice), &bends)) {
            Ok(Told::Notice(read)) => {
                prop_assert_eq!(decode_told(&encode_notice(&read)).unwrap(), Told::Notice(read));
            }
            Ok(Told::Change(read)) => prop_assert!(false, "a notice has no case: {read:?}"),
            Err(_) => {}
        }
    }
}
