//! What a person may wish to do, and the command that it becomes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Duration;

use urgence::core::authority::Authority;
use urgence::core::intake::{
    Choice, DataScope, Emergency, Justification, Requester, Submission, Target, TargetType,
};
use urgence::core::{
    Act, ClockKind, Command, DataCategory, Deed, Disposition, Epoch, Finding, Fingerprint,
    FirstResponseKind, Intake, Manifest, Nature, PauseReason, Proposed, Protection, RequestDigest,
    Stance, Standing,
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
    /// One without a life in danger.
    Routine,
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
    /// Note that its target is protected.
    Protect,
    /// Say that it is of another nature.
    Reclassify(Nature),
    /// Let a clock stand still, for as long as the conflict of law is looked at.
    Pause(ClockKind),
    /// Let it go on.
    Resume(ClockKind),
    /// Ask that the data be kept from deletion, or kept for longer.
    RequestPreservation,
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
            | Self::Pause(_)
            | Self::Resume(_)
            | Self::Propose(_) => true,
            Self::Submit(..)
            | Self::ProvideInformation
            | Self::Withdraw
            | Self::Claim
            | Self::CallBack
            | Self::FailCheck
            | Self::Conflict(..)
            | Self::Approve(_)
            | Self::Protect
            | Self::Reclassify(_)
            | Self::RequestPreservation => false,
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
            // How the authority stands is seen when it is decided.
            Self::Approve(number) => Deed::ApproveOutcome(number, Standing::default()),
            Self::Protect => Deed::Reclassify(None, Some(Protection::Press)),
            Self::Reclassify(nature) => Deed::Reclassify(Some(nature), None),
            Self::Pause(kind) => Deed::PauseClock(epoch, kind, PauseReason::ConflictReview),
            Self::Resume(kind) => Deed::ResumeClock(epoch, kind),
            Self::RequestPreservation => Deed::RequestPreservation,
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
        natures: BTreeSet::from([Nature::MissingChild, Nature::Routine]),
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
        static INTAKES: LazyLock<[Intake; 4]> = LazyLock::new(|| {
            let child = Nature::MissingChild;
            let of = [("r-1", "x", child), ("r-1", "y", child), ("r-2", "x", child)];
            let [first, other, second] = of.map(intake);
            [first, other, second, intake(("r-3", "x", Nature::Routine))]
        });
        &INTAKES[self as usize]
    }
}

fn intake((request_id, content, nature): (&str, &str, Nature)) -> Intake {
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
            nature: Choice::Known(nature),
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
