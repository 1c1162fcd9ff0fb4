//! What a person may wish to do, and the command that it becomes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Duration;

use urgence::core::authority::Authority;
use urgence::core::intake::{
    Choice, DataScope, Emergency, Justification, Requester, Submission, Target, TargetType,
};
use urgence::core::{
    Act, CaseId, Command, DataCategory, Deed, Disposition, Epoch, Finding, Fingerprint,
    FirstResponseKind, Intake, Manifest, Nature, Proposed, RequestDigest, Stance, Standing,
};

use crate::world::Actor;

/// The requests that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// The one that every model is about.
    First,
    /// Another, under the same name.
    FirstWithOtherContent,
    /// Another, under a name of its own.
    Second,
}

/// What a person may wish to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wish {
    /// Send this request.
    Submit(Request),
    /// Say more about it.
    ProvideInformation,
    /// Take it back.
    Withdraw,
    /// Take the case.
    Claim,
    /// Keep it for longer.
    Renew,
    /// Give it back.
    Release,
    /// Pass it on to somebody.
    HandOver(&'static str),
    /// Give the first response.
    Respond(FirstResponseKind),
    /// Ask the authority something.
    Ask,
    /// Say how the work goes.
    Update,
    /// Confirm that the request is taken back.
    ConfirmWithdrawal,
    /// Record that a registered number was called and the officer was confirmed.
    CallBack,
    /// Record that a check failed.
    FailCheck,
    /// Record that another country's law stands against this category, or that it does not.
    Conflict(DataCategory, Stance),
    /// Propose that this category goes out.
    Propose(DataCategory),
    /// Approve the proposal of this number.
    Approve(u32),
}

/// The work has begun.
pub const IN_PROGRESS: FirstResponseKind =
    FirstResponseKind::InProgress { expected_within: Duration::from_mins(60) };

impl Wish {
    /// Whether it can only be said by somebody who was once told an epoch.
    pub const fn takes_epoch(self) -> bool {
        match self {
            Self::Renew
            | Self::Release
            | Self::HandOver(_)
            | Self::Respond(_)
            | Self::Ask
            | Self::Update
            | Self::ConfirmWithdrawal
            | Self::Propose(_) => true,
            Self::Submit(..)
            | Self::ProvideInformation
            | Self::Withdraw
            | Self::Claim
            | Self::CallBack
            | Self::FailCheck
            | Self::Conflict(..)
            | Self::Approve(_) => false,
        }
    }

    /// The case that it is about.
    pub fn case_id(self) -> CaseId {
        match self {
            Self::Submit(request) => request.intake().case_id(),
            _ => Request::First.intake().case_id(),
        }
    }

    /// The command, as `actor` says it under this epoch, the `number`-th that they say anything.
    pub fn command(self, actor: &Actor, epoch: Epoch, number: usize) -> Command {
        let deed = match self {
            Self::Submit(request) => return Command::Accept(request.intake().clone()),
            Self::ProvideInformation => Deed::ProvideInformation,
            Self::Withdraw => Deed::Withdraw,
            Self::Claim => Deed::Claim,
            Self::Renew => Deed::Renew(epoch),
            Self::Release => Deed::Release(epoch),
            Self::HandOver(to) => Deed::HandOver(epoch, name(to)),
            Self::Respond(kind) => Deed::Respond(epoch, kind),
            Self::Ask => Deed::AskForInformation(epoch),
            Self::Update => Deed::SendUpdate(epoch, None),
            Self::ConfirmWithdrawal => Deed::ConfirmWithdrawal(epoch),
            Self::CallBack => {
                let number = authority().callback_number(&name("switchboard"));
                let number = number.expect("the registry holds this number");
                Deed::RecordVerification(Finding::CallbackConfirmed(number))
            }
            Self::FailCheck => Deed::RecordVerification(Finding::Failed),
            Self::Conflict(category, stance) => {
                Deed::RecordConflict(category, Some(name("US")), stance)
            }
            Self::Propose(category) => Deed::ProposeOutcome(epoch, disclosing(category)),
            Self::Approve(number) => Deed::ApproveOutcome(number, Standing::default()),
        };
        let roles = actor.roles.iter().copied().collect();
        // Nobody uses a number twice, so that any digest will do.
        let digest = RequestDigest([0; 32]);
        Command::Act(Act::new(name(actor.name), roles, name(&number.to_string()), digest), deed)
    }
}

/// Any of the domain's names.
pub fn name<N: std::str::FromStr>(text: &str) -> N {
    text.parse().ok().expect("names in code follow the rule")
}

/// A proposal that one item of this category goes out.
fn disclosing(category: DataCategory) -> Proposed {
    let key = authority().recipient_key(&name("key"));
    let manifest = Manifest {
        items: 1,
        bytes: 1,
        digest: [0; 32],
        recipient_key: key.expect("the registry holds this key"),
    };
    Proposed::Categories {
        dispositions: BTreeMap::from([(category, Disposition::Disclosed)]),
        manifest: Some(manifest),
    }
}

fn authority() -> &'static Authority {
    static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| Authority {
        id: name("fr-pnij"),
        agency: "Police".to_owned(),
        unit: String::new(),
        country: name("FR"),
        callback_numbers: BTreeMap::from([(name("switchboard"), "+33199000001".to_owned())]),
        recipient_keys: BTreeMap::from([(name("key"), [7; 32])]),
        natures: BTreeSet::from([Nature::MissingChild]),
        channels: BTreeSet::new(),
        valid_from: None,
        valid_until: None,
        rate: None,
    });
    &AUTHORITY
}

impl Request {
    /// The request, checked like any other.
    pub fn intake(self) -> &'static Intake {
        static INTAKES: LazyLock<[Intake; 3]> =
            LazyLock::new(|| [intake("r-1", "x"), intake("r-1", "y"), intake("r-2", "x")]);
        &INTAKES[self as usize]
    }
}

fn intake(request_id: &str, content: &str) -> Intake {
    let categories = [DataCategory::Subscriber, DataCategory::Content].map(Choice::Known);
    let justify = |category| Justification { category, reason: "It tells where.".to_owned() };
    let submission = Submission {
        request_id: request_id.to_owned(),
        requester: Requester {
            authority: authority().id.to_string(),
            country: "FR".to_owned(),
            officer_name: "Duty officer".to_owned(),
            official_email: "duty@police.example".to_owned(),
            desk_phone: "+33199000001".to_owned(),
            case_number: "2026/1".to_owned(),
            ..Requester::default()
        },
        emergency: Emergency {
            nature: Choice::Known(Nature::MissingChild),
            description: content.to_owned(),
            why_data_prevents_harm: "It tells where they are.".to_owned(),
            ..Emergency::default()
        },
        targets: vec![Target {
            kind: Choice::Known(TargetType::AccountId),
            value: "1029384756".to_owned(),
            ..Target::default()
        }],
        data: DataScope {
            categories: categories.to_vec(),
            justifications: categories.map(justify).to_vec(),
            ..DataScope::default()
        },
        legal_basis: "Code".to_owned(),
        ..Submission::default()
    };
    let digest = RequestDigest::of("Submit", content.as_bytes());
    Intake::parse(&submission, digest, |_| Fingerprint([0; 16])).expect("a good request")
}
