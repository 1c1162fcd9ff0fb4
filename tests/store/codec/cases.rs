//! Cases with every field set, in every way that a field can be.

use std::collections::BTreeMap;
use std::time::Duration;

use urgence::core::case::Lowering;
use urgence::core::memory::Remembered;
use urgence::core::page::Acknowledged;
use urgence::core::{
    Band, Case, Claim, Class, Clock, ClockKind, ClockState, Conflict, Country, DataCategory,
    Disclosure, Disposition, Ended, Ending, Facts, Fingerprint, FirstResponse, FirstResponseKind,
    Instrument, Manifest, Memory, Nature, Outcome, Page, PageCause, PageKey, PageRecord,
    PauseReason, PolicyId, Promised, Proposal, Proposed, Protection, RedirectTarget, RefusalReason,
    RequestDigest, Risk, Settlement, SinkAnswer, Stance, Timestamp, Verification,
};
use urgence::store::{decode_case, encode_case};

use super::{START, case_id};
use crate::support::make::{manifest, ms};

const fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(START.as_millis() + millis)
}

fn name<N: std::str::FromStr>(text: &str) -> N {
    text.parse().ok().unwrap()
}

/// A case in which every field holds something, and no two the same. Nothing here is left to a
/// default: a new field does not compile until it has an example.
pub(super) fn full() -> Case {
    Case {
        id: case_id(0),
        version: 41,
        authority: name("be-fccu"),
        nature: Nature::SchoolThreat,
        band: Band::new(6).unwrap(),
        facts: facts(),
        policy: PolicyId([42; 16]),
        request_digest: RequestDigest([43; 32]),
        accepted_at: at(44),
        last_event_at: at(45),
        promised: Promised { target_at: at(92), limit_at: at(93) },
        risks: Risk::ALL.iter().copied().collect(),
        clocks: clocks(),
        first_response: Some(FirstResponse {
            kind: FirstResponseKind::InProgress { expected_within: ms(46) },
            at: at(47),
            by: name("ann"),
            is_claim_lost: true,
            digest: Some(RequestDigest([91; 32])),
        }),
        claim: Some(Claim {
            by: name("bob"),
            epoch: 48,
            granted_at: at(49),
            expires_at: at(50),
            has_quieted: true,
        }),
        claim_epoch: 51,
        asked_at: Some(at(52)),
        withdrawal_at: Some(at(53)),
        verification: Verification::AgencyVerified,
        conflicts: conflicts(),
        lowering: Some(Lowering { nature: Nature::Routine, by: name("cem") }),
        proposal: Some(proposal(Proposed::Categories {
            dispositions: dispositions(),
            manifest: Some(manifest("be-fccu")),
        })),
        proposals: 54,
        dispositions: dispositions(),
        disclosures: vec![disclosure(55, Some(at(56))), disclosure(57, None)],
        ended: Some(ended(Outcome::DisclosedPartial, Some(RefusalReason::Overbroad))),
        likely_duplicates: (1..4).map(case_id).collect(),
        linked: [(case_id(4), true), (case_id(5), false)].into(),
        incident: Some(name("paris-2026-11-13")),
        legal_hold: Some(name("lea")),
        pages: vec![page_record(), untold(page(0, PageCause::Due))],
        purged_at: Some(at(61)),
        memory: (0..70)
            .map(|byte| Remembered { key: [byte; 16], digest: [byte + 100; 16] })
            .collect(),
    }
}

/// A page about the case, and by its number about no other rung.
fn page(number: u32, cause: PageCause) -> Page {
    let offset = ms(u64::from(number) + 59);
    let key = PageKey { case: case_id(0), clock: ClockKind::Reply, cycle: number + 58, offset };
    Page {
        key,
        contacts: ["desk", "shift-lead"].map(name).into(),
        band: Band::new(3).unwrap(),
        due_at: at(80),
        limit_at: at(81),
        cause,
        is_quieted_by_claim: true,
    }
}

/// The record of a page to which everything has happened that can.
fn page_record() -> PageRecord {
    let answers = SinkAnswer::ALL.iter().zip(82..);
    let answers = answers
        .map(|(answer, millis)| (name(&answer.word().replace('_', "-")), (*answer, at(millis))));
    PageRecord {
        page: page(1, PageCause::Unreached),
        queued_at: at(85),
        answers: answers.collect(),
        taken_at: Some(at(86)),
        acknowledged: Some(Acknowledged { by: name("dia"), at: at(60) }),
        claimed_at: Some(at(87)),
        closed_at: Some(at(88)),
        widened: 89,
    }
}

/// The record of a page to which nothing has happened yet.
fn untold(page: Page) -> PageRecord {
    PageRecord::new(page, at(90))
}

fn facts() -> Facts {
    Facts {
        country: name("BE"),
        instrument: Instrument::MutualLegalAssistance,
        categories: [DataCategory::Content, DataCategory::LiveLocation].into(),
        protections: [Protection::Press, Protection::PrivilegedProfession].into(),
        fingerprints: [Fingerprint([62; 16]), Fingerprint([63; 16])].into(),
        targets: 94,
        officer: Some(Fingerprint([95; 16])),
        incident_tag: Some(Fingerprint([64; 16])),
    }
}

/// A clock of every kind, and among them one of every state and class.
fn clocks() -> BTreeMap<ClockKind, Clock> {
    let paused = |reason| ClockState::Paused { since: at(65), reason };
    let mut states: Vec<_> = PauseReason::ALL.iter().copied().map(paused).collect();
    states.extend([ClockState::Running, ClockState::Stopped { at: at(66) }]);
    let kinds = ClockKind::ALL.iter().copied().zip(states.into_iter().cycle()).enumerate();
    let clocks = kinds.map(|(index, (kind, state))| {
        let number = u32::try_from(index).unwrap() * 10;
        let millis = u64::from(number) + 1_000;
        let clock = Clock {
            kind,
            class: Class::ALL[index % 2],
            started_at: at(millis),
            target_at: at(millis + 1),
            limit_at: at(millis + 2),
            shifted_by: ms(millis + 3),
            climbed_since: at(millis + 4 * u64::from(index % 3 > 0)),
            cycle: number + 5,
            next_rung: number + 6,
            next_due_at: at(millis + 7),
            state,
            is_extended: index % 2 == 0,
            settlement: Settlement::ALL.get(index % 4).copied(),
        };
        (kind, clock)
    });
    clocks.collect()
}

fn conflicts() -> BTreeMap<(DataCategory, Country), Conflict> {
    let conflict = |stance, lifted_by| Conflict {
        stance,
        recorded_by: name("bob"),
        recorded_at: at(67),
        lifted_by,
    };
    BTreeMap::from([
        ((DataCategory::Content, name("US")), conflict(Stance::Lifted, Some(name("lea")))),
        ((DataCategory::Traffic, name("CH")), conflict(Stance::Stands, None)),
    ])
}

fn dispositions() -> BTreeMap<DataCategory, Disposition> {
    BTreeMap::from([
        (DataCategory::Subscriber, Disposition::Disclosed),
        (DataCategory::UserIdentification, Disposition::NotHeld),
        (DataCategory::Traffic, Disposition::Refused(RefusalReason::PressFreedom)),
        (DataCategory::Content, Disposition::Redirected(RedirectTarget::EnterpriseCustomer)),
    ])
}

fn proposal(proposed: Proposed) -> Proposal {
    Proposal { number: 68, by: name("ann"), is_by_legal_reviewer: true, at: at(69), proposed }
}

fn disclosure(number: u32, confirmed_at: Option<Timestamp>) -> Disclosure {
    Disclosure {
        number,
        at: at(70),
        proposed_by: name("ann"),
        approved_by: name("bob"),
        categories: [DataCategory::Subscriber, DataCategory::Traffic].into(),
        items: 71,
        bytes: u64::from(u32::MAX) + 72,
        digest: [73; 32],
        recipient_key: name("evidence-2026"),
        confirmed_at,
    }
}

fn ended(outcome: Outcome, refusal: Option<RefusalReason>) -> Ended {
    let shown_until = at(75) + Duration::from_hours(24 * 200);
    let purge_at = at(75) + Duration::from_hours(24 * 400);
    Ended { outcome, refusal, at: at(74), purge_at, shown_until }
}

/// A case of which as little is known as can be.
fn empty() -> Case {
    let full = full();
    let clock = full.clocks[&ClockKind::FirstResponse].clone();
    let facts = Facts {
        categories: [].into(),
        protections: [].into(),
        fingerprints: [].into(),
        incident_tag: None,
        ..full.facts
    };
    Case {
        band: Band::MOST_URGENT,
        facts,
        clocks: [(ClockKind::FirstResponse, clock)].into(),
        first_response: None,
        claim: None,
        claim_epoch: 0,
        asked_at: None,
        withdrawal_at: None,
        conflicts: BTreeMap::new(),
        lowering: None,
        proposal: None,
        proposals: 0,
        dispositions: BTreeMap::new(),
        disclosures: Vec::new(),
        ended: None,
        likely_duplicates: [].into(),
        linked: BTreeMap::new(),
        incident: None,
        legal_hold: None,
        pages: Vec::new(),
        purged_at: None,
        memory: Memory::default(),
        ..full
    }
}

#[track_caller]
fn check(case: &Case) {
    assert_eq!(decode_case(case.id, case.version, &encode_case(case)).unwrap(), *case);
}

#[test]
fn a_case_with_every_field_set_comes_back_as_it_was_written() {
    let case = full();
    check(&case);
    assert_eq!(case.clocks.len(), ClockKind::ALL.len());
    // Its id and version are beside it, and its pages are about itself; everything else is in the bytes.
    let other = decode_case(case_id(9), 77, &encode_case(&case)).unwrap();
    let mut pages = case.pages.clone();
    pages.iter_mut().for_each(|record| record.page.key.case = case_id(9));
    assert_eq!(other, Case { id: case_id(9), version: 77, pages, ..case });
}

#[test]
fn a_case_with_nothing_set_comes_back_as_it_was_written() {
    check(&empty());
}

/// What may be missing is missing alone, so that no field rests on another.
#[test]
fn each_field_comes_back_whatever_the_others_hold() {
    let edits: Vec<fn(&mut Case)> = vec![
        |case| case.facts.categories.clear(),
        |case| case.facts.protections.clear(),
        |case| case.facts.fingerprints.clear(),
        |case| case.facts.incident_tag = None,
        |case| case.first_response = None,
        |case| case.claim = None,
        |case| case.claim.as_mut().unwrap().has_quieted = false,
        |case| case.asked_at = None,
        |case| case.withdrawal_at = None,
        |case| case.conflicts.clear(),
        |case| case.lowering = None,
        |case| case.proposal = None,
        |case| case.proposal.as_mut().unwrap().is_by_legal_reviewer = false,
        |case| case.dispositions.clear(),
        |case| case.disclosures.clear(),
        |case| case.ended = None,
        |case| case.likely_duplicates.clear(),
        |case| case.linked.clear(),
        |case| case.incident = None,
        |case| case.legal_hold = None,
        |case| case.pages.clear(),
        |case| case.pages.truncate(1),
        |case| case.pages.reverse(),
        |case| case.pages[0].page.contacts.clear(),
        |case| case.pages[0].page.is_quieted_by_claim = false,
        |case| case.pages[0].answers.clear(),
        |case| case.pages[0].taken_at = None,
        |case| case.pages[0].acknowledged = None,
        |case| case.pages[0].claimed_at = None,
        |case| case.pages[0].closed_at = None,
        |case| case.pages[0].widened = 0,
        |case| case.purged_at = None,
        |case| case.memory = Memory::default(),
    ];
    let mut stored = std::collections::BTreeSet::from([encode_case(&full())]);
    for edit in &edits {
        let mut case = full();
        edit(&mut case);
        check(&case);
        stored.insert(encode_case(&case));
    }
    assert_eq!(stored.len(), edits.len() + 1, "an edit that changes nothing shows nothing");
}

#[test]
fn every_word_that_a_case_may_hold_comes_back() {
    for nature in Nature::ALL {
        check(&Case { nature: *nature, ..full() });
        check(&Case { lowering: Some(Lowering { nature: *nature, by: name("a") }), ..full() });
    }
    for verification in Verification::ALL {
        check(&Case { verification: *verification, ..full() });
    }
    for instrument in Instrument::ALL {
        check(&Case { facts: Facts { instrument: *instrument, ..facts() }, ..full() });
    }
    for outcome in Outcome::ALL {
        check(&Case { ended: Some(ended(*outcome, None)), ..full() });
    }
    for reason in RefusalReason::ALL {
        check(&Case { ended: Some(ended(Outcome::Rejected, Some(*reason))), ..full() });
    }
    for band in Band::all() {
        check(&Case { band, ..full() });
    }
    for cause in PageCause::ALL {
        check(&Case { pages: vec![untold(page(7, *cause))], ..full() });
    }
    for answer in SinkAnswer::ALL {
        let answers = BTreeMap::from([(name("log"), (*answer, at(91)))]);
        check(&Case { pages: vec![PageRecord { answers, ..page_record() }], ..full() });
    }
    for clock in ClockKind::ALL {
        let mut record = page_record();
        record.page.key.clock = *clock;
        check(&Case { pages: vec![record], ..full() });
    }
    for byte in [0, 255] {
        let digest = RequestDigest([byte; 32]);
        check(&Case { policy: PolicyId([byte; 16]), request_digest: digest, ..full() });
    }
}

#[test]
fn every_answer_and_proposal_comes_back() {
    let reasons = RefusalReason::ALL.iter().copied();
    let targets = RedirectTarget::ALL.iter().copied();
    let mut kinds = vec![
        FirstResponseKind::AllData,
        FirstResponseKind::PartOfData,
        FirstResponseKind::NoData,
        FirstResponseKind::NeedInformation,
    ];
    kinds.extend(reasons.clone().map(FirstResponseKind::Refused));
    kinds.extend(targets.clone().map(FirstResponseKind::Redirected));
    for kind in kinds {
        let (at, by) = (at(1), name("ann"));
        let response = FirstResponse { kind, at, by, is_claim_lost: false, digest: None };
        check(&Case { first_response: Some(response), ..full() });
    }
    let mut endings = vec![
        Ending::NoSuchAccount,
        Ending::Duplicate(case_id(4)),
        Ending::ExpiredNoReply,
        Ending::FraudConfirmed,
        Ending::Transferred,
    ];
    endings.extend(reasons.clone().map(Ending::Rejected));
    endings.extend(targets.clone().map(Ending::Redirected));
    for ending in endings {
        check(&Case { proposal: Some(proposal(Proposed::Whole(ending))), ..full() });
    }
    let refused = reasons.map(Disposition::Refused);
    for disposition in refused.chain(targets.map(Disposition::Redirected)) {
        for category in DataCategory::ALL {
            let dispositions = BTreeMap::from([(*category, disposition)]);
            let proposed =
                Proposed::Categories { dispositions: dispositions.clone(), manifest: None };
            check(&Case { dispositions, proposal: Some(proposal(proposed)), ..full() });
        }
    }
    let empty = Manifest { items: 0, bytes: 0, digest: [0; 32], ..manifest("be-fccu") };
    let dispositions = BTreeMap::from([(DataCategory::Content, Disposition::Disclosed)]);
    let proposed = Proposed::Categories { dispositions, manifest: Some(empty) };
    check(&Case { proposal: Some(proposal(proposed)), ..full() });
}

#[test]
fn as_many_acts_as_are_remembered_come_back() {
    let act = |number: usize| {
        let mut act = Remembered { key: [0; 16], digest: [1; 16] };
        act.key[..8].copy_from_slice(&number.to_be_bytes());
        act
    };
    let memory: Memory = (0..Memory::ACTS_MAX).map(act).collect();
    check(&Case { memory, ..full() });
}

#[test]
fn as_many_pages_as_are_kept_come_back_in_their_order() {
    let record = |number| PageRecord { page: page(number, PageCause::Due), ..page_record() };
    let most = u32::try_from(PageRecord::KEPT_MAX).unwrap();
    check(&Case { pages: (0..most).rev().map(record).collect(), ..full() });
}

#[test]
fn a_case_of_a_newer_version_is_told_apart_and_left_alone() {
    let bytes = encode_case(&full());
    assert_eq!(bytes[..2], [0x08, 2], "the format comes first");
    for format in [0, 3, 127] {
        let mut newer = bytes.clone();
        newer[1] = format;
        let problem = decode_case(case_id(0), 1, &newer).unwrap_err().to_string();
        assert!(problem.contains(&format!("format {format} is not one of 1 to 2")), "{problem}");
    }
    // A word that only a newer version knows is named by its field, and not repeated.
    let position = bytes.windows(5).position(|word| word == b"paris").unwrap();
    let mut unknown = bytes;
    unknown[position] = b'P';
    let problem = decode_case(case_id(0), 1, &unknown).unwrap_err().to_string();
    assert!(problem.contains("incident") && !problem.contains("Paris"), "{problem}");
}
