//! Cases, acts and instants for the tests.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use urgence::core::intake::{
    Choice, DataScope, Emergency, Justification, Requester, Submission, Target, TargetType,
};
use urgence::core::{
    Act, Authority, Case, ClockKind, Command, DataCategory, Decision, Deed, Disposition, Epoch,
    Event, Finding, Fingerprint, FirstResponseKind, Intake, Manifest, Nature, Next, PageKey,
    PageRecord, Policy, Proposed, Refusal, Report, RequestDigest, Role, SinkAnswer, Stance,
    Standing, Timestamp, decide,
};

/// When the test's first case is accepted.
pub const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// The shortest time there is.
pub const MS: Duration = Duration::from_millis(1);

pub const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

pub const fn hours(count: u64) -> Duration {
    minutes(count * 60)
}

pub const fn days(count: u64) -> Duration {
    hours(count * 24)
}

pub fn at(minute: u64) -> Timestamp {
    START + minutes(minute)
}

/// The last instant before `instant`.
pub fn just_before(instant: Timestamp) -> Timestamp {
    Timestamp::from_millis(instant.as_millis() - 1)
}

/// The answer that most cases get first.
pub const IN_PROGRESS: FirstResponseKind =
    FirstResponseKind::InProgress { expected_within: hours(1) };

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

/// Asks for exactly these categories.
pub fn ask_for(submission: &mut Submission, categories: &[DataCategory]) {
    submission.data.categories = categories.iter().copied().map(Choice::Known).collect();
    let justify = |category| Justification { category, reason: "It is needed.".to_owned() };
    submission.data.justifications =
        submission.data.categories.iter().copied().map(justify).collect();
}

/// A stand-in for the desk's keyed digest.
pub fn fingerprint(text: &str) -> Fingerprint {
    let digest = RequestDigest::of("fingerprint", text.as_bytes());
    Fingerprint(digest.0[..16].try_into().unwrap())
}

pub fn intake(request_id: &str, nature: Nature) -> Intake {
    intake_with(request_id, nature, |_| {})
}

pub fn intake_with(request_id: &str, nature: Nature, edit: impl FnOnce(&mut Submission)) -> Intake {
    let digest = RequestDigest::of("Submit", request_id.as_bytes());
    let mut submission = submission("fr-pnij", request_id, nature);
    edit(&mut submission);
    Intake::parse(&submission, digest, fingerprint).unwrap()
}

/// An act of `by`. Lea is a jurist, the portal is the authority's, everybody else a responder.
pub fn act(by: &str, request_id: &str) -> Act {
    let roles: &[Role] = match by {
        "lea" => &[Role::Responder, Role::LegalReviewer],
        "portal" => &[Role::Portal],
        _ => &[Role::Responder],
    };
    let digest = RequestDigest::of("test", request_id.as_bytes());
    let roles = BTreeSet::from_iter(roles.iter().copied());
    Act::new(by.parse().unwrap(), roles, request_id.parse().unwrap(), digest)
}

/// The approval of this proposal for an authority that was never suspended.
pub fn approve(number: u32) -> Deed {
    Deed::ApproveOutcome(number, Standing::default())
}

/// An entry of the registry, with one number and one key.
pub fn authority(id: &str) -> Authority {
    Authority {
        id: id.parse().unwrap(),
        agency: "Police".to_owned(),
        unit: String::new(),
        country: "FR".parse().unwrap(),
        callback_numbers: [("switchboard".parse().unwrap(), "+33199000002".to_owned())].into(),
        recipient_keys: [("evidence-2026".parse().unwrap(), [7; 32])].into(),
        natures: Nature::ALL.iter().copied().collect(),
        channels: BTreeSet::new(),
        valid_from: None,
        valid_until: None,
        rate: None,
    }
}

/// That `authority` was called back and confirmed the request.
pub fn called_back(authority_id: &str) -> Finding {
    let number = authority(authority_id).callback_number(&"switchboard".parse().unwrap());
    Finding::CallbackConfirmed(number.unwrap())
}

/// What would go out to the key of `authority`.
pub fn manifest(authority_id: &str) -> Manifest {
    let key = authority(authority_id).recipient_key(&"evidence-2026".parse().unwrap());
    Manifest { items: 2, bytes: 2_048, digest: [9; 32], recipient_key: key.unwrap() }
}

/// An outcome by categories, with a manifest if some of them go out.
pub fn by_category(dispositions: &[(DataCategory, Disposition)]) -> Proposed {
    let goes_out = dispositions.iter().any(|(_, what)| *what == Disposition::Disclosed);
    Proposed::Categories {
        dispositions: dispositions.iter().copied().collect(),
        manifest: goes_out.then(|| manifest("fr-pnij")),
    }
}

/// A call to a number on which nothing may rest before minute 10.
pub fn too_new_number() -> Finding {
    let number = authority("fr-pnij").callback_number(&"switchboard".parse().unwrap());
    Finding::CallbackConfirmed(number.unwrap().usable_from(at(10)))
}

/// The same of what would be sealed to a key.
pub fn too_new_key() -> Proposed {
    let Manifest { items, bytes, digest, recipient_key } = manifest("fr-pnij");
    let recipient_key = recipient_key.usable_from(at(10));
    Proposed::Categories {
        dispositions: [(DataCategory::Subscriber, Disposition::Disclosed)].into(),
        manifest: Some(Manifest { items, bytes, digest, recipient_key }),
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

/// One case from its acceptance at [`START`] on, and one act after the other.
#[derive(Clone)]
pub struct Story {
    pub case: Case,
    acts: u32,
}

impl Story {
    pub fn of(nature: Nature) -> Self {
        Self::with(nature, |_| {})
    }

    pub fn with(nature: Nature, edit: impl FnOnce(&mut Submission)) -> Self {
        let command = Command::Accept(intake_with("r-1", nature, edit));
        Self { case: next(decide(None, &command, START, policy())).case, acts: 0 }
    }

    /// A case of `nature` that Ana has held since `minute`.
    pub fn held(nature: Nature, minute: u64) -> Self {
        let mut story = Self::of(nature);
        story.act("ana", at(minute), Deed::Claim);
        story
    }

    /// A case of `nature` that Ana has held since minute 1 and answered at minute 5.
    pub fn answered(nature: Nature, kind: FirstResponseKind) -> Self {
        let mut story = Self::held(nature, 1);
        story.act("ana", at(5), Deed::Respond(1, kind));
        story
    }

    /// An act of Ana's, who claims the case at that instant, so that she holds it.
    #[track_caller]
    /// A conflict of law stands over what was asked for: a reason to pause.
    pub fn with_conflict(mut self) -> Self {
        let category = *self.case.facts.categories.first().unwrap();
        let stands = Deed::RecordConflict(category, "US".parse().ok(), Stance::Stands);
        self.act("lea", self.case.last_event_at, stands);
        self
    }

    pub fn work(&mut self, now: Timestamp, deed: impl FnOnce(Epoch) -> Deed) -> Vec<Event> {
        let mut events = self.act("ana", now, Deed::Claim);
        events.extend(self.act("ana", now, deed(self.epoch())));
        events
    }

    /// Gives Ana's case back.
    pub fn release(&mut self, now: Timestamp) -> Vec<Event> {
        self.act("ana", now, Deed::Release(self.epoch()))
    }

    /// The target and the limit of a clock that was started, in minutes since acceptance.
    #[track_caller]
    pub fn promised(&self, kind: ClockKind) -> (u64, u64) {
        let clock = self.case.clock(kind).expect("it was started");
        let minute = |instant: Timestamp| instant.since(START).as_secs() / 60;
        (minute(clock.target_at), minute(clock.limit_at))
    }

    /// The epoch of the latest claim.
    pub fn epoch(&self) -> u64 {
        self.case.claim_epoch
    }

    fn command(&self, by: &str, deed: Deed) -> Command {
        Command::Act(act(by, &format!("act-{}", self.acts + 1)), deed)
    }

    /// An act that must be allowed: what happened. Done again it changes nothing, and its id is
    /// good for nothing else.
    #[track_caller]
    pub fn act(&mut self, by: &str, now: Timestamp, deed: Deed) -> Vec<Event> {
        let command = self.command(by, deed);
        let next = apply(&self.case, &command, now);
        assert_eq!(next.case.version, self.case.version + 1);
        self.case = next.case;
        self.acts += 1;
        if self.case.purged_at.is_none() {
            let again = decide(Some(&self.case), &command, now + days(9), policy());
            assert_eq!(again, Decision::AlreadyTrue);
            let other = decide(Some(&self.case), &reused(&command), now, policy());
            assert_eq!(other, Decision::Refused(Refusal::RequestIdReused));
        }
        next.events
    }

    /// An act that must be refused: why.
    #[track_caller]
    pub fn refusal(&self, by: &str, now: Timestamp, deed: Deed) -> Refusal {
        match decide(Some(&self.case), &self.command(by, deed), now, policy()) {
            Decision::Refused(refusal) => refusal,
            other => panic!("expected a refusal, got {other:?}"),
        }
    }

    /// What is due at `now`; nothing where nothing is.
    pub fn wake(&mut self, now: Timestamp) -> Vec<Event> {
        self.command_of_nobody(&Command::Wake, now)
    }

    /// What became of pages: what comes of it; nothing where it was known.
    pub fn report(&mut self, now: Timestamp, report: Report) -> Vec<Event> {
        self.command_of_nobody(&Command::Report(report), now)
    }

    /// A sink takes every page that is open.
    pub fn deliver(&mut self, now: Timestamp) {
        for key in self.open() {
            self.report(now, Report::Answered(key, "log".parse().unwrap(), SinkAnswer::Taken));
        }
    }

    /// The pages that are open, the oldest first.
    pub fn open(&self) -> Vec<PageKey> {
        let open = self.case.pages.iter().filter(|record| record.is_open());
        open.map(|record| record.page.key).collect()
    }

    /// The record of a page that went out.
    #[track_caller]
    pub fn record(&self, key: PageKey) -> &PageRecord {
        self.case.page(key).expect("it went out")
    }

    /// The key of a page of this clock of the case.
    pub fn key(&self, clock: ClockKind, cycle: u32, minute: u64) -> PageKey {
        PageKey { case: self.case.id, clock, cycle, offset: minutes(minute) }
    }

    /// A command that is no person's act.
    pub fn command_of_nobody(&mut self, command: &Command, now: Timestamp) -> Vec<Event> {
        match decide(Some(&self.case), command, now, policy()) {
            Decision::Next(next) => {
                self.case = next.case;
                next.events
            }
            Decision::AlreadyTrue => Vec::new(),
            Decision::Refused(refusal) => panic!("expected a transition, got {refusal:?}"),
        }
    }
}

/// The same act with other content.
pub fn reused(command: &Command) -> Command {
    let mut other = command.clone();
    if let Command::Act(act, _) = &mut other {
        act.digest.0[0] ^= 1;
    }
    other
}

/// The offsets in minutes of what fired and what kept quiet, runs of repeats written out.
pub fn rungs(events: &[Event]) -> (Vec<u64>, Vec<u64>) {
    rungs_if(events, |_| true)
}

/// The same of one clock.
pub fn rungs_of(kind: ClockKind, events: &[Event]) -> (Vec<u64>, Vec<u64>) {
    rungs_if(events, |clock| clock == kind)
}

fn rungs_if(events: &[Event], is_wanted: impl Fn(ClockKind) -> bool) -> (Vec<u64>, Vec<u64>) {
    let (mut fired, mut quieted) = (Vec::new(), Vec::new());
    for event in events {
        let (list, record) = match event {
            Event::RungFired(record) => (&mut fired, record),
            Event::RungQuieted(record) => (&mut quieted, record),
            _ => continue,
        };
        if !is_wanted(record.clock) {
            continue;
        }
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
