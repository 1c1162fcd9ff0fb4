//! Every event there is, with every word that it may hold.

use std::collections::BTreeSet;

use urgence::core::{
    Actor, Band, CertificateFingerprint, Change, ClockKind, DataCategory, Event, FirstResponseKind,
    Identity, Mark, Nature, Outcome, Page, PageCause, PageKey, PauseReason, Protection,
    Punctuality, RedirectTarget, RefusalReason, RequestDigest, Risk, RungRecord, Settlement,
    SinkAnswer, Stance, State, Subject, Timestamp, Told, Verification,
};
use urgence::store::{decode_told, encode_change};

use super::{START, case_id};
use crate::coverage::{EVENTS, event_name};
use crate::support::make::ms;

fn ann() -> Subject {
    "ann@desk.example".parse().unwrap()
}

fn bob() -> Subject {
    "bob".parse().unwrap()
}

const fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(START.as_millis() + millis)
}

/// Somebody with everything that is known of them.
pub(super) fn actor() -> Actor {
    let uri = "spiffe://urgence.test/people/ann".parse().unwrap();
    let certificate = CertificateFingerprint([97; 32]);
    Actor { subject: ann(), identity: Some(Identity { uri, certificate }) }
}

pub(super) fn change(events: Vec<Event>) -> Change {
    Change {
        case: case_id(0),
        authority: "be-fccu".parse().unwrap(),
        version: 7,
        at: at(99),
        actor: Some(actor()),
        from: Some(State::Collecting),
        to: Some(State::Closed),
        shown: Some((State::AwaitingVerification, State::Delivered)),
        digest: Some(RequestDigest([98; 32])),
        events,
    }
}

/// Events in which no two fields hold the same, so that none can stand in for another. The first of
/// each list has everything in it, the others what may be missing and every word of a list.
pub(super) fn every_event() -> Vec<Event> {
    let of_clocks = ClockKind::ALL.iter().copied().flat_map(of_clock);
    let lists = [
        around_the_first_response(),
        of_clocks.collect(),
        of_judgements(),
        of_outcomes(),
        of_what_is_kept(),
    ];
    lists.into_iter().flatten().collect()
}

fn around_the_first_response() -> Vec<Event> {
    let natures = Nature::ALL.iter().zip(Band::all().chain(Band::all()));
    let accepted = natures.map(|(nature, band)| Event::Accepted {
        nature: *nature,
        band,
        target_at: at(1),
        limit_at: at(2),
    });
    let mut kinds = vec![
        FirstResponseKind::AllData,
        FirstResponseKind::PartOfData,
        FirstResponseKind::NoData,
        FirstResponseKind::NeedInformation,
        FirstResponseKind::InProgress { expected_within: ms(77) },
        FirstResponseKind::InProgress { expected_within: ms(0) },
    ];
    kinds.extend(RefusalReason::ALL.iter().copied().map(FirstResponseKind::Refused));
    kinds.extend(RedirectTarget::ALL.iter().copied().map(FirstResponseKind::Redirected));
    let all =
        kinds.into_iter().zip(Punctuality::ALL.iter().cycle()).zip([true, false].iter().cycle());
    let responded = all.map(|((kind, punctuality), is_claim_lost)| Event::Responded {
        by: ann(),
        kind,
        waited: ms(3),
        band: Band::LEAST_URGENT,
        punctuality: *punctuality,
        is_claim_lost: *is_claim_lost,
    });
    let claimed = |is_unanswered| Event::Claimed {
        by: ann(),
        epoch: 4,
        expires_at: at(5),
        waited: ms(6),
        is_unanswered,
    };
    let claims = [
        claimed(true),
        claimed(false),
        Event::ClaimRenewed { epoch: 7, expires_at: at(8) },
        Event::ClaimReleased { epoch: 9 },
        Event::ClaimLost { epoch: 10, expired_at: at(11) },
        Event::HandedOver { by: ann(), to: bob(), epoch: 12, expires_at: at(13) },
    ];
    accepted.chain(responded).chain(claims).collect()
}

/// What a clock of this kind may tell.
fn of_clock(clock: ClockKind) -> Vec<Event> {
    let rung = |mark| RungRecord {
        clock,
        cycle: 14,
        offset: ms(15),
        due_at: at(16),
        count: 17,
        spacing: ms(18),
        lateness: ms(19),
        mark,
        band: Band::new(3).unwrap(),
    };
    let page = |cause, contacts: &[&str]| Page {
        key: PageKey { case: case_id(0), clock, cycle: 20, offset: ms(21) },
        contacts: contacts.iter().map(|name| name.parse().unwrap()).collect(),
        band: Band::new(5).unwrap(),
        due_at: at(22),
        limit_at: at(23),
        cause,
        is_quieted_by_claim: false,
    };
    let mut events = vec![
        Event::RungFired(rung(None)),
        Event::RungQuieted(rung(None)),
        Event::ClockStarted { clock, target_at: at(24), limit_at: at(25) },
        Event::ClockResumed { by: ann(), clock, paused_for: ms(26) },
        Event::ClockResumed { by: ann(), clock, paused_for: ms(0) },
        Event::ClockExtended { clock, limit_at: at(27) },
        Event::ClockRaised { clock, target_at: at(30), limit_at: at(31) },
        Event::Paged(page(PageCause::Due, &[])),
        Event::PagesClosed { clock },
    ];
    // The page of another case was seen here: nothing but the key says so.
    let key = PageKey { case: case_id(1), clock, cycle: 28, offset: ms(29) };
    events.push(Event::PageAcknowledged { by: ann(), key });
    for cause in PageCause::ALL {
        let page = page(*cause, &["desk", "shift-lead"]);
        let quiet = Page { is_quieted_by_claim: true, ..page.clone() };
        for page in [page, quiet] {
            events.push(Event::Paged(page.clone()));
            events.push(Event::PagedFromMemory { page, at: at(38) });
        }
    }
    let answered =
        |answer: &_| Event::PageAnswered { key, sink: "on-call".parse().unwrap(), answer: *answer };
    events.extend(SinkAnswer::ALL.iter().map(answered));
    events.extend(Mark::ALL.iter().map(|mark| Event::RungFired(rung(Some(*mark)))));
    events.extend(Mark::ALL.iter().map(|mark| Event::RungQuieted(rung(Some(*mark)))));
    let stopped = |punctuality: &_| Event::ClockStopped { clock, punctuality: *punctuality };
    events.extend(Punctuality::ALL.iter().map(stopped));
    let paused = |reason: &_| Event::ClockPaused { by: ann(), clock, reason: *reason };
    events.extend(PauseReason::ALL.iter().map(paused));
    let settled =
        |settlement: &_| Event::ClockSettled { by: bob(), clock, settlement: *settlement };
    events.extend(Settlement::ALL.iter().map(settled));
    events
}

fn of_judgements() -> Vec<Event> {
    let protections = Protection::ALL.iter().copied().map(Some).chain([None]);
    let reclassified = protections.map(|protection| Event::Reclassified {
        by: ann(),
        proposed_by: protection.map(|_| bob()),
        nature: Nature::Kidnapping,
        band: Band::new(6).unwrap(),
        protection,
    });
    let phone = |verification| {
        (verification == Verification::CallbackConfirmed).then(|| "switchboard".parse().unwrap())
    };
    let verified = Verification::ALL.iter().copied().map(|verification| Event::Verified {
        by: ann(),
        verification,
        phone: phone(verification),
    });
    let conflicts = DataCategory::ALL.iter().zip(Stance::ALL.iter().cycle());
    let conflicts = conflicts.map(|(category, stance)| Event::ConflictRecorded {
        by: ann(),
        category: *category,
        stance: *stance,
    });
    let words = [
        Event::LoweringProposed { by: ann(), nature: Nature::Routine },
        Event::Updated { by: ann(), expected_within: Some(ms(30)) },
        Event::Updated { by: ann(), expected_within: Some(ms(0)) },
        Event::Updated { by: ann(), expected_within: None },
        Event::Asked { by: bob() },
        Event::InformationProvided { by: ann(), was_asked: true },
        Event::InformationProvided { by: ann(), was_asked: false },
        Event::WithdrawalRequested { by: bob() },
        Event::WithdrawalDeclined { by: bob() },
        Event::PreservationRequested { by: ann() },
    ];
    reclassified.chain(verified).chain(conflicts).chain(words).collect()
}

fn of_outcomes() -> Vec<Event> {
    let some = BTreeSet::from([DataCategory::Traffic, DataCategory::Subscriber]);
    let all: BTreeSet<_> = DataCategory::ALL.iter().copied().collect();
    let none = BTreeSet::new();
    let mut events = vec![
        Event::OutcomeApproved { by: ann(), proposed_by: bob(), number: 31 },
        Event::DeliveryConfirmed { by: bob(), number: 32 },
    ];
    for categories in [some, all, none] {
        let disclosed = categories.clone();
        events.push(Event::OutcomeProposed { by: ann(), number: 33, disclosed });
        events.push(Event::Disclosed {
            number: 34,
            categories,
            items: 35,
            bytes: u64::from(u32::MAX) + 36,
            recipient_key: "evidence-2026".parse().unwrap(),
        });
    }
    let ended = |outcome: &_| Event::Ended { by: ann(), outcome: *outcome, took: ms(37) };
    events.extend(Outcome::ALL.iter().map(ended));
    events
}

fn of_what_is_kept() -> Vec<Event> {
    let risks = Risk::ALL.iter().map(|risk| Event::RisksSeen { risks: [*risk].into() });
    let mut events: Vec<Event> = risks.collect();
    events.extend([
        Event::LikelyDuplicatesFound { cases: (1..4).map(case_id).collect() },
        Event::LikelyDuplicatesFound { cases: BTreeSet::new() },
        Event::RisksSeen { risks: BTreeSet::new() },
        Event::AuthoritySuspended,
        Event::DuplicateLinked { by: ann(), case: case_id(4) },
        Event::IncidentJoined { incident: "paris-2026-11-13".parse().unwrap() },
        Event::IncidentLeft { incident: "lyon".parse().unwrap() },
        Event::LegalHoldSet { by: ann(), is_held: true },
        Event::LegalHoldSet { by: ann(), is_held: false },
        Event::Purged,
    ]);
    events
}

#[test]
fn every_event_comes_back_as_it_was_written() {
    let events = every_event();
    let met: BTreeSet<_> = events.iter().map(event_name).collect();
    assert_eq!(met, EVENTS.iter().copied().collect(), "an event without an example");
    for event in &events {
        let change = change(vec![event.clone()]);
        assert_eq!(decode_told(&encode_change(&change)).unwrap(), Told::Change(change));
    }
    // No two examples are stored alike, so nothing that tells them apart is lost.
    let stored = events.iter().map(|event| encode_change(&change(vec![event.clone()])));
    let different: BTreeSet<_> = stored.collect();
    let twice: BTreeSet<_> = events.iter().map(|event| format!("{event:?}")).collect();
    assert_eq!(different.len(), twice.len());
    assert!(different.len() > 300, "{}", different.len());
    // And all of them in one change, in their order.
    let all = change(events);
    assert_eq!(decode_told(&encode_change(&all)).unwrap(), Told::Change(all));
}

#[test]
fn a_change_of_a_newer_version_is_told_apart() {
    // Nothing is stored behind its event.
    let bare = Change {
        actor: None,
        from: None,
        to: None,
        shown: None,
        digest: None,
        ..change(vec![Event::Purged])
    };
    let bytes = encode_change(&bare);
    assert_eq!(bytes[..2], [0x08, 1], "the format comes first");
    for format in [0, 3, 127] {
        let mut newer = bytes.clone();
        newer[1] = format;
        let problem = decode_told(&newer).unwrap_err().to_string();
        assert!(problem.contains(&format!("format {format}")), "{problem}");
    }
    // The last byte is the kind of the one event. Every kind that there is is known, and no other.
    let kinds = u8::try_from(EVENTS.len()).unwrap();
    let mut other = bytes;
    assert!((1..=kinds).contains(other.last().unwrap()));
    for kind in 0..=127 {
        *other.last_mut().unwrap() = kind;
        let read = decode_told(&other);
        let is_unknown = read.is_err_and(|problem| problem.to_string().contains("unknown event"));
        assert_eq!(is_unknown, !(1..=kinds).contains(&kind), "{kind}");
    }
}
