//! What calls for more care as a request comes in. It raises the care, and delays nothing.

use std::collections::BTreeSet;

use urgence::core::projection::project;
use urgence::core::risk::{Background, RiskLimits};
use urgence::core::{Case, Command, Decision, Deed, Event, Intake, Nature, Risk, decide};

use crate::make::{IN_PROGRESS, START, act, at, intake, next, policy};

/// Where nothing is unusual about a request.
const PLAIN: Background = Background {
    officer_requests: Some(0),
    is_officer_known: true,
    authority_requests: 0,
    is_usual_hour: true,
    is_suspended: false,
};

const LIMITS: RiskLimits = RiskLimits {
    window: std::time::Duration::from_hours(24),
    officer_requests: 4,
    authority_requests: 6,
    target_authorities: 3,
};

fn seen(background: Background) -> Vec<Risk> {
    background.risks(&LIMITS).into_iter().collect()
}

#[test]
fn every_limit_counts_this_request_too() {
    assert_eq!(seen(PLAIN), []);
    for (before, is_many) in [(0, false), (2, false), (3, true), (4, true), (u64::MAX / 2, true)] {
        let background = Background { officer_requests: Some(before), ..PLAIN };
        let wanted: &[Risk] = if is_many { &[Risk::OfficerVelocity] } else { &[] };
        assert_eq!(seen(background), wanted, "{before} of the officer before");
    }
    for (before, is_many) in [(0, false), (4, false), (5, true), (6, true)] {
        let background = Background { authority_requests: before, ..PLAIN };
        let wanted: &[Risk] = if is_many { &[Risk::AuthorityVelocity] } else { &[] };
        assert_eq!(seen(background), wanted, "{before} of the authority before");
    }
    for (others, is_many) in [(0, false), (1, false), (2, true), (3, true)] {
        let wanted = is_many.then_some(Risk::TargetAcrossAuthorities);
        assert_eq!(LIMITS.across(others), wanted, "{others} others");
    }
    // One authority alone is never several, whatever the limit says.
    let lowest = RiskLimits { target_authorities: 1, ..RiskLimits::default() };
    assert_eq!(lowest.across(0), None);
}

#[test]
fn what_is_simply_so_is_seen_by_itself() {
    let cases = [
        (Background { is_officer_known: false, ..PLAIN }, vec![Risk::NewOfficer]),
        (Background { is_usual_hour: false, ..PLAIN }, vec![Risk::UnusualHour]),
        (Background { is_suspended: true, ..PLAIN }, vec![Risk::AuthoritySuspended]),
        // Nobody is named, so nobody is new or busy.
        (Background { officer_requests: None, is_officer_known: false, ..PLAIN }, vec![]),
    ];
    for (background, wanted) in cases {
        assert_eq!(seen(background), wanted, "{background:?}");
    }
    let everything = Background {
        officer_requests: Some(9),
        is_officer_known: false,
        authority_requests: 9,
        is_usual_hour: false,
        is_suspended: true,
    };
    let found_later = [Risk::TargetAcrossAuthorities];
    let at_once = Risk::ALL.iter().filter(|risk| !found_later.contains(risk));
    assert_eq!(seen(everything), at_once.copied().collect::<Vec<_>>());
}

#[test]
fn an_officer_is_known_by_badge_or_mail_within_the_authority() {
    let officer = |badge: &str, mail: &str, authority: &str| {
        let mut submission = crate::make::submission(authority, "r-1", Nature::MissingChild);
        submission.requester.badge_number = badge.to_owned();
        submission.requester.official_email = mail.to_owned();
        let digest = urgence::core::RequestDigest::of("Submit", b"r-1");
        Intake::parse(&submission, digest, crate::make::fingerprint)
            .map(|intake| intake.facts.officer)
    };
    let of = |badge, mail| officer(badge, mail, "fr-pnij").unwrap().unwrap();
    let first = of("A-17", "ann@police.example");
    assert_eq!(first, of(" a-17 ", "other@police.example"), "by the badge alone");
    assert_ne!(first, of("A-18", "ann@police.example"));
    assert_ne!(Some(first), officer("A-17", "ann@police.example", "de-bka").unwrap());
    let by_mail = of("", "Ann@Police.example");
    assert_eq!(by_mail, of("", "ann@police.example"));
    assert_ne!(by_mail, first);
}

fn accept(risks: BTreeSet<Risk>) -> (Case, Vec<Event>) {
    let intake = Intake { risks, ..intake("r-1", Nature::MissingChild) };
    let accepted = next(decide(None, &Command::Accept(intake), START, policy()));
    (accepted.case, accepted.events)
}

/// The case without what was seen of its sender.
fn without_risks(case: &Case) -> Case {
    Case { risks: BTreeSet::new(), ..case.clone() }
}

#[test]
fn a_risky_case_is_dealt_with_like_its_twin() {
    let all: BTreeSet<Risk> = Risk::ALL.iter().copied().collect();
    let (mut plain, told) = accept(BTreeSet::new());
    let (mut risky, mut told_of_risks) = accept(all.clone());
    let seen = Event::RisksSeen { risks: all.clone() };
    assert!(!told.iter().any(|event| matches!(event, Event::RisksSeen { .. })));
    assert_eq!(told_of_risks.iter().filter(|event| **event == seen).count(), 1);
    told_of_risks.retain(|event| *event != seen);
    assert_eq!(told_of_risks, told, "the same clocks, rungs and pages");
    let acts = [
        (3, None),
        (4, Some(Deed::Claim)),
        (6, Some(Deed::Respond(1, IN_PROGRESS))),
        (7, Some(Deed::Release(1))),
        (40, None),
        (70, None),
        (200, None),
    ];
    for (number, (minute, deed)) in acts.into_iter().enumerate() {
        assert_eq!(project(&plain), project(&risky), "at minute {minute}");
        assert_eq!(without_risks(&risky), plain);
        let command =
            deed.map_or(Command::Wake, |deed| Command::Act(act("ana", &number.to_string()), deed));
        let decide_on = |case: &Case| decide(Some(case), &command, at(minute), policy());
        match (decide_on(&plain), decide_on(&risky)) {
            (Decision::Next(one), Decision::Next(other)) => {
                assert_eq!(one.events, other.events, "at minute {minute}");
                assert_eq!(other.case.risks, all);
                (plain, risky) = (one.case, other.case);
            }
            (one, other) => assert_eq!(one, other),
        }
    }
    assert!(plain.version > 5, "they lived");
}
