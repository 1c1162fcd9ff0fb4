//! Builders of what tests put in: valid, minimal, and made the way the product makes them.

use std::collections::BTreeMap;
use std::time::Duration;

use urgence::core::intake::{
    Choice, DataScope, Emergency, Requester, Submission, Target, TargetType,
};
use urgence::core::ladder::{Ladder, Rung};
use urgence::core::policy::{Promise, Rules};
use urgence::core::{
    Act, Authority, AuthorityId, Band, Case, Command, DataCategory, Decision, Deed, Disposition,
    Finding, Fingerprint, Intake, Manifest, Nature, Next, Policy, Proposed, RequestDigest, Role,
    Timestamp, decide,
};

/// Milliseconds, as tests mostly count them.
pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The instant `by` before `at`.
pub(crate) fn before(at: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_millis(at.as_millis() - urgence::core::time::millis(by))
}

/// A request with nothing in it but what every request must have.
pub(crate) fn submission(authority: &str, request_id: &str, nature: Nature) -> Submission {
    let requester = Requester {
        authority: authority.to_owned(),
        country: "FR".to_owned(),
        officer_name: "A. Martin".to_owned(),
        official_email: "a.martin@police.example".to_owned(),
        desk_phone: "+33123456789".to_owned(),
        case_number: "2026/417".to_owned(),
        ..Requester::default()
    };
    let emergency = Emergency {
        nature: Choice::Known(nature),
        description: "A child has been missing since this morning.".to_owned(),
        why_data_prevents_harm: "It says where the child is.".to_owned(),
        ..Emergency::default()
    };
    let target = Target {
        kind: Choice::Known(TargetType::Username),
        value: "somebody".to_owned(),
        ..Target::default()
    };
    let categories = vec![Choice::Known(DataCategory::Subscriber)];
    Submission {
        request_id: request_id.to_owned(),
        requester,
        emergency,
        targets: vec![target],
        data: DataScope { categories, ..DataScope::default() },
        legal_basis: "Article 60-1 of the code of criminal procedure".to_owned(),
        ..Submission::default()
    }
}

/// The request as it was taken in. The digest stands for its content: the same names, the same one.
pub(crate) fn intake(authority: &str, request_id: &str, nature: Nature) -> Intake {
    let message = format!("{authority} {request_id} {}", nature.word());
    let digest = RequestDigest::of("Submit", message.as_bytes());
    Intake::parse(&submission(authority, request_id, nature), digest, fingerprint)
        .unwrap_or_else(|violations| panic!("the builder is wrong: {violations:?}"))
}

/// A fingerprint that needs no key.
pub(crate) fn fingerprint(input: &str) -> Fingerprint {
    let mut half = [0; 16];
    half.copy_from_slice(&RequestDigest::of("target", input.as_bytes()).0[..16]);
    Fingerprint(half)
}

/// A name of an authority.
pub(crate) fn authority(name: &str) -> AuthorityId {
    name.parse().expect("names in tests follow the rule")
}

/// An act of `by`. The digest stands for its content: the same `request_id`, the same one.
pub(crate) fn act(by: &str, request_id: &str) -> Act {
    let name = "names in tests follow the rule";
    let digest = RequestDigest::of("Act", request_id.as_bytes());
    let (by, request_id) = (by.parse().expect(name), request_id.parse().expect(name));
    Act::new(by, [Role::Responder].into(), request_id, digest)
}

/// A deed of `by`, as a command.
pub(crate) fn does(by: &str, request_id: &str, deed: Deed) -> Command {
    Command::Act(act(by, request_id), deed)
}

/// An entry of the registry for every nature, with one number and one key.
pub(crate) fn entry(id: &str) -> Authority {
    let name = "names in tests follow the rule";
    Authority {
        id: authority(id),
        agency: "Police".to_owned(),
        unit: String::new(),
        country: "FR".parse().expect(name),
        callback_numbers: [("switchboard".parse().expect(name), "+33199000002".to_owned())].into(),
        recipient_keys: [("evidence-2026".parse().expect(name), [7; 32])].into(),
        natures: Nature::ALL.iter().copied().collect(),
        channels: [].into(),
        valid_from: None,
        valid_until: None,
        rate: None,
    }
}

/// That this authority was called back and confirmed the request.
pub(crate) fn called_back(id: &str) -> Finding {
    let number = "switchboard".parse().expect("names in tests follow the rule");
    Finding::CallbackConfirmed(entry(id).callback_number(&number).expect("every entry has it"))
}

/// What would go out to the key of this authority.
pub(crate) fn manifest(id: &str) -> Manifest {
    let key = "evidence-2026".parse().expect("names in tests follow the rule");
    let recipient_key = entry(id).recipient_key(&key).expect("every entry has it");
    Manifest { items: 2, bytes: 2_048, digest: [9; 32], recipient_key }
}

/// An outcome by categories for a case of this authority, with a manifest if some of them go out.
pub(crate) fn by_category(id: &str, dispositions: &[(DataCategory, Disposition)]) -> Proposed {
    let goes_out = dispositions.iter().any(|(_, what)| *what == Disposition::Disclosed);
    Proposed::Categories {
        dispositions: dispositions.iter().copied().collect(),
        manifest: goes_out.then(|| manifest(id)),
    }
}

/// What `command` makes of `case`, which must allow it.
pub(crate) fn decided(
    case: Option<&Case>,
    command: &Command,
    now: Timestamp,
    policy: &Policy,
) -> Next {
    match decide(case, command, now, policy) {
        Decision::Next(next) => *next,
        other => panic!("{command:?} was to change the case; it came to {other:?}"),
    }
}

/// A new case.
pub(crate) fn accepted(intake: &Intake, now: Timestamp, policy: &Policy) -> Next {
    decided(None, &Command::Accept(intake.clone()), now, policy)
}

/// A policy whose clocks run out while a test looks on: ordinary rungs at 0 and a quarter of the
/// target, the target and the limit themselves, then a repeat every `repeat_every`.
pub(crate) fn policy(target: Duration, lease: Duration, repeat_every: Duration) -> Policy {
    let number = |nature: Nature| u8::from(nature == Nature::Routine) + 1;
    let bands: BTreeMap<Nature, Band> = Nature::ALL
        .iter()
        .map(|nature| (*nature, Band::new(number(*nature)).expect("1 and 2 are bands")))
        .collect();
    let promise = promise(target, repeat_every);
    let built_in = Policy::built_in().rules().clone();
    let rules = Rules { bands, emergency: promise.clone(), routine: promise, lease, ..built_in };
    Policy::new(rules).unwrap_or_else(|mistakes| panic!("the builder is wrong: {mistakes:?}"))
}

/// A promise whose limit is one and a half times its target, with the rungs that [`policy`] names.
pub(crate) fn promise(target: Duration, repeat_every: Duration) -> Promise {
    let limit = target * 3 / 2;
    Promise {
        target,
        limit,
        ladder: Ladder {
            rungs: vec![
                Rung::ordinary(Duration::ZERO, &["desk"]),
                Rung::ordinary(target / 4, &["desk", "shift-lead"]),
                Rung::always(target, &["head-of-desk"]),
                Rung::always(limit, &["all"]),
            ],
            repeat_every,
            repeat_contacts: ["all".parse().expect("a name")].into(),
        },
    }
}
