//! Cases, acts and instants for the tests.

use std::sync::LazyLock;
use std::time::Duration;

use urgence::core::intake::{
    Choice, DataCategory, DataScope, Emergency, Requester, Submission, Target, TargetType,
};
use urgence::core::{
    Act, Case, Command, Decision, Event, Intake, Nature, Next, Policy, RequestDigest, Timestamp,
    decide,
};

/// When the test's first case is accepted.
pub const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

pub const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

pub fn at(minute: u64) -> Timestamp {
    START + minutes(minute)
}

/// The built-in policy, made once.
pub fn policy() -> &'static Policy {
    static POLICY: LazyLock<Policy> = LazyLock::new(Policy::built_in);
    &POLICY
}

/// The smallest request that is valid.
pub fn submission(authority: &str, request_id: &str, nature: Nature) -> Submission {
    Submission {
        request_id: request_id.to_owned(),
        requester: Requester {
            authority: authority.to_owned(),
            country: "FR".to_owned(),
            officer_name: "Duty officer".to_owned(),
            official_email: "duty@police.example".to_owned(),
            desk_phone: "+33199000001".to_owned(),
            case_number: "2026/1".to_owned(),
            ..Requester::default()
        },
        emergency: Emergency {
            nature: Choice::Known(nature),
            description: "What has happened.".to_owned(),
            why_data_prevents_harm: "It tells where they are.".to_owned(),
            ..Emergency::default()
        },
        targets: vec![Target {
            kind: Choice::Known(TargetType::AccountId),
            value: "1029384756".to_owned(),
            ..Target::default()
        }],
        data: DataScope {
            categories: vec![Choice::Known(DataCategory::Subscriber)],
            ..DataScope::default()
        },
        legal_basis: "Code".to_owned(),
        ..Submission::default()
    }
}

pub fn intake(request_id: &str, nature: Nature) -> Intake {
    let digest = RequestDigest::of("Submit", request_id.as_bytes());
    Intake::parse(&submission("fr-pnij", request_id, nature), digest).unwrap()
}

pub fn act(by: &str, request_id: &str) -> Act {
    Act {
        by: by.parse().unwrap(),
        request_id: request_id.parse().unwrap(),
        digest: RequestDigest::of("test", request_id.as_bytes()),
    }
}

/// A fresh case of `nature`, accepted at [`START`].
pub fn accepted(nature: Nature) -> Case {
    accept("r-1", nature, START).case
}

pub fn accept(request_id: &str, nature: Nature, now: Timestamp) -> Next {
    let command = Command::Accept(intake(request_id, nature));
    next(decide(None, &command, now, policy()))
}

#[track_caller]
pub fn next(decision: Decision) -> Next {
    match decision {
        Decision::Next(next) => *next,
        other => panic!("expected a transition, got {other:?}"),
    }
}

/// Does `command` to `case` under the built-in policy; it must be allowed.
#[track_caller]
pub fn apply(case: &Case, command: &Command, now: Timestamp) -> Next {
    next(decide(Some(case), command, now, policy()))
}

/// The offsets in minutes of what fired and what kept quiet, runs of repeats written out.
pub fn rungs(events: &[Event]) -> (Vec<u64>, Vec<u64>) {
    let (mut fired, mut quieted) = (Vec::new(), Vec::new());
    for event in events {
        let (list, record) = match event {
            Event::RungFired(record) => (&mut fired, record),
            Event::RungQuieted(record) => (&mut quieted, record),
            _ => continue,
        };
        for behind in (0..record.count).rev() {
            list.push((record.offset - record.spacing * behind).as_secs() / 60);
        }
    }
    (fired, quieted)
}

/// The one page in these events: its offset in minutes, cycle, and contacts.
#[track_caller]
pub fn page(events: &[Event]) -> Option<(u64, u32, Vec<String>)> {
    let mut pages = events.iter().filter_map(|event| match event {
        Event::Paged(page) => Some(page),
        _ => None,
    });
    let page = pages.next()?;
    assert!(pages.next().is_none(), "more than one page in one change");
    let contacts = page.contacts.iter().map(ToString::to_string).collect();
    Some((page.key.offset.as_secs() / 60, page.key.cycle, contacts))
}
