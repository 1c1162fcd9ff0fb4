//! Callers by name, and what all acts on a case have in common, so that a test says only what its own
//! act is about.

use std::fmt::Debug;

use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use urgence::grpc::wire;
use urgence::grpc::wire::desk_service_client::DeskServiceClient;
use urgence::grpc::wire::intake_service_client::IntakeServiceClient;
use urgence::grpc::wire::oversight_service_client::OversightServiceClient;

use crate::messages::{Held, asking, disclosed, fresh};
use crate::service::{Directory, Service, by};
use crate::support::redis::{Options, TestRedis};
use crate::support::wait::eventually_some;

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

pub const ANA: &str = "ana; roles=responder";
pub const BO: &str = "bo; roles=responder";
pub const JURIST: &str = "jo; roles=legal-reviewer";
pub const LEAD: &str = "lea; roles=supervisor";
pub const AUDITOR: &str = "ada; roles=auditor";
pub const FRENCH: &str = "portal-fr; roles=portal; authorities=fr-pnij";
pub const GERMAN: &str = "portal-de; roles=portal; authorities=de-bka";

/// The authorities that may ask: the French about everything, the British about missing people.
pub const AUTHORITIES: &str = r#"
[authorities.fr-pnij]
agency = "Plateforme nationale"
unit = "Permanence"
country = "FR"
natures = ["all"]

[authorities.fr-pnij.callback_numbers]
switchboard = "+33199000000"

[authorities.fr-pnij.recipient_keys]
evidence = "3120eedc3db478751217a55d8e4180a9046b91ce7eb3c4a89f45e05a6260b9e7"

[authorities.de-bka]
agency = "Bundeskriminalamt"
country = "DE"
natures = ["all"]

[authorities.de-bka.callback_numbers]
lagezentrum = "+496990009001"

[authorities.gb-missing]
agency = "National Crime Agency"
country = "GB"
natures = ["missing_child"]
"#;

/// A case that there is not.
pub const NO_CASE: &str = "D2F7-P14C-VS7E-HD6N";

/// The built-in policy with `sections` in place of its own, from the outcome's promises on.
pub fn policy(sections: &str) -> String {
    let built_in = include_str!("../../deploy/policy/default.toml");
    let promises = built_in.find("[completion.emergency]").unwrap();
    format!("{}\n{sections}", &built_in[..promises])
}

/// A section that promises something in seconds: one rung at the target, one at the limit, then one
/// every second.
pub fn promise(section: &str, target: &str, limit: &str) -> String {
    format!(
        r#"
[{section}]
target = "{target}"
limit = "{limit}"
ladder = [{{ at = "{target}", pages = ["desk"] }}, {{ at = "{limit}", pages = ["shift-lead"] }}]
repeat_every = "1s"
repeat_pages = ["shift-lead"]
"#
    )
}

/// A service with a registry, on a Redis of its own.
pub struct Stage {
    pub service: Service,
    pub redis: TestRedis,
    pub directory: Directory,
}

impl Stage {
    /// With the built-in policy.
    pub fn open() -> Self {
        Self::with("")
    }

    /// With these sections in the policy.
    pub fn with(sections: &str) -> Self {
        Self::with_policy(&policy(sections))
    }

    /// With this policy.
    pub fn with_policy(policy: &str) -> Self {
        let directory = Directory::new();
        let redis = TestRedis::start_with(Options::default().on_tmpfs());
        directory.file("policy.toml", policy);
        directory.file("authorities.toml", AUTHORITIES);
        let service = serve(&redis, &directory);
        Self { service, redis, directory }
    }

    /// Another replica, with the files as they are.
    pub fn replica(&self) -> Service {
        serve(&self.redis, &self.directory)
    }

    pub fn caller(&self, who: &'static str) -> Caller {
        Caller::of(&self.service, who)
    }
}

fn serve(redis: &TestRedis, directory: &Directory) -> Service {
    let file = |name: &str| format!("{}/{name}", directory.path());
    let (policy, authorities) = (file("policy.toml"), file("authorities.toml"));
    let files = ["--policy", &policy, "--authorities", &authorities];
    Service::on(redis, &[files.as_slice(), &["--data-dir", directory.path()]].concat())
}

/// Somebody who calls.
#[derive(Clone)]
pub struct Caller {
    channel: Channel,
    who: &'static str,
}

/// What came of an act.
pub struct Done<C> {
    pub case: C,
    pub replayed: bool,
}

impl Caller {
    pub fn of(service: &Service, who: &'static str) -> Self {
        let endpoint = Channel::from_shared(format!("http://{}", service.grpc)).unwrap();
        Self { channel: endpoint.connect_lazy(), who }
    }

    pub fn desk(&self) -> DeskServiceClient<Channel> {
        DeskServiceClient::new(self.channel.clone())
    }

    pub fn intake(&self) -> IntakeServiceClient<Channel> {
        IntakeServiceClient::new(self.channel.clone())
    }

    pub fn oversight(&self) -> OversightServiceClient<Channel> {
        OversightServiceClient::new(self.channel.clone())
    }

    /// The message in their name.
    pub fn by<T>(&self, message: T) -> tonic::Request<T> {
        by(self.who, message)
    }

    /// Does it, or is refused.
    pub async fn tries<A: Act>(&self, act: A) -> Result<Done<A::Case>, Status> {
        act.send(self).await
    }

    /// Does it, for the first time: the case as it is then.
    pub async fn does<A: Act>(&self, act: A) -> A::Case {
        let kind = std::any::type_name::<A>();
        let done = self.tries(act).await.unwrap_or_else(|status| panic!("{kind}: {status:?}"));
        assert!(!done.replayed, "{kind} was done before");
        done.case
    }

    /// Does it and shows that it is done once: `Get` shows the case that was returned, a repeat
    /// returns it again, and the same request id with what `alter` makes of it is refused.
    pub async fn does_once<A: Act>(&self, act: A, alter: impl FnOnce(&mut A)) -> A::Case {
        let kind = std::any::type_name::<A>();
        let case = self.does(act.clone()).await;
        let (shown, done) = (A::Case::get(self, act.name()).await, case.clone().without_pages());
        assert_eq!(shown.without_pages(), done, "{kind}: what Get shows");
        let repeated = self.tries(act.clone()).await.unwrap();
        assert!(repeated.replayed, "{kind} was done twice");
        assert_eq!(repeated.case.without_pages(), done, "{kind}: the case after a repeat");
        let mut other = act;
        alter(&mut other);
        assert_error(self.tries(other).await, Code::AlreadyExists, "REQUEST_ID_REUSED");
        case
    }

    /// Sends a request; the name of its case.
    pub async fn submits(&self, message: wire::SubmitRequest) -> String {
        let submitted = self.intake().submit(self.by(message)).await.unwrap().into_inner();
        assert!(!submitted.replayed);
        submitted.case.unwrap().name
    }

    /// Claims the case.
    pub async fn claims(&self, name: &str) -> Held {
        let claim = wire::ClaimRequest { request_id: fresh(), name: name.to_owned() };
        let case = self.does(claim).await;
        Held { name: case.name, epoch: case.claim.unwrap().epoch }
    }

    /// The case as the desk sees it, with its texts.
    pub async fn sees(&self, name: &str) -> wire::DeskServiceGetResponse {
        let get = wire::DeskServiceGetRequest { name: name.to_owned() };
        self.desk().get(self.by(get)).await.unwrap().into_inner()
    }

    /// The case once the pager has recorded all that it does for it.
    pub async fn sees_settled(&self, name: &str) -> wire::DeskServiceGetResponse {
        let is_settled = |record: &wire::PageRecord| {
            let is_held = record.sinks.iter().any(|sink| sink.answer() == wire::SinkAnswer::Taken);
            record.taken_at.is_some() && (record.closed_at.is_none() || !is_held)
        };
        eventually_some("the pages are settled", PATIENCE, async || {
            let seen = self.sees(name).await;
            seen.case.as_ref().unwrap().pages.iter().all(is_settled).then_some(seen)
        })
        .await
    }

    /// The case as its authority sees it, with its texts.
    pub async fn is_shown(&self, name: &str) -> wire::IntakeServiceGetResponse {
        let get = wire::IntakeServiceGetRequest { name: name.to_owned() };
        self.intake().get(self.by(get)).await.unwrap().into_inner()
    }
}

/// A new case of the French that `responder` holds.
pub async fn held(stage: &Stage, responder: &Caller) -> Held {
    let name = stage.caller(FRENCH).submits(asking(&[wire::DataCategory::Subscriber])).await;
    responder.claims(&name).await
}

/// The same, with its first response: work has begun.
pub async fn in_progress(stage: &Stage, responder: &Caller) -> Held {
    let case = held(stage, responder).await;
    responder.does(case.in_progress()).await;
    case
}

/// The same, with its first response: no data, which ends it.
pub async fn ended(stage: &Stage, responder: &Caller) -> Held {
    let case = held(stage, responder).await;
    responder.does(case.no_data()).await;
    case
}

/// The same, whose authority was called back.
pub async fn verified(stage: &Stage, responder: &Caller) -> Held {
    let case = held(stage, responder).await;
    responder.does(case.case().verify(wire::Verification::CallbackConfirmed)).await;
    case
}

/// The same, with its data on the way to the authority, which ended it.
pub async fn delivered(stage: &Stage, responder: &Caller) -> Held {
    let case = verified(stage, responder).await;
    responder.does(case.propose(&[disclosed(wire::DataCategory::Subscriber)])).await;
    stage.caller(BO).does(case.case().approve(1)).await;
    case
}

/// A case as somebody sees it.
pub trait Shown: Clone + PartialEq + Debug + Sized {
    /// What Get shows.
    async fn get(caller: &Caller, name: &str) -> Self;

    /// The case without what the pager records of it meanwhile, whenever it is done.
    fn without_pages(self) -> Self;
}

impl Shown for wire::Case {
    async fn get(caller: &Caller, name: &str) -> Self {
        caller.sees(name).await.case.unwrap()
    }

    fn without_pages(self) -> Self {
        Self { version: 0, pages: Vec::new(), ..self }
    }
}

impl Shown for wire::CaseStatus {
    async fn get(caller: &Caller, name: &str) -> Self {
        caller.is_shown(name).await.case.unwrap()
    }

    fn without_pages(self) -> Self {
        self
    }
}

/// A message that changes a case.
pub trait Act: Clone + Default {
    type Case: Shown;
    async fn send(self, caller: &Caller) -> Result<Done<Self::Case>, Status>;
    fn name(&self) -> &str;
}

macro_rules! acts {
    ($client:ident, $case:ident: $($method:ident($message:ident)),+ $(,)?) => {$(
        impl Act for wire::$message {
            type Case = wire::$case;

            async fn send(self, caller: &Caller) -> Result<Done<wire::$case>, Status> {
                let done = caller.$client().$method(caller.by(self)).await?.into_inner();
                Ok(Done { case: done.case.unwrap(), replayed: done.replayed })
            }

            fn name(&self) -> &str {
                &self.name
            }
        }
    )+};
}

acts!(desk, Case:
    claim(ClaimRequest),
    renew_claim(RenewClaimRequest),
    release_claim(ReleaseClaimRequest),
    hand_over(HandOverRequest),
    respond(RespondRequest),
    send_update(SendUpdateRequest),
    ask_for_information(AskForInformationRequest),
    reclassify(ReclassifyRequest),
    record_verification(RecordVerificationRequest),
    record_conflict(RecordConflictRequest),
    link_duplicate(LinkDuplicateRequest),
    propose_outcome(ProposeOutcomeRequest),
    approve_outcome(ApproveOutcomeRequest),
    confirm_withdrawal(ConfirmWithdrawalRequest),
    pause_clock(PauseClockRequest),
    resume_clock(ResumeClockRequest),
    settle_clock(SettleClockRequest),
    acknowledge_page(AcknowledgePageRequest),
);
acts!(intake, CaseStatus:
    provide_information(ProvideInformationRequest),
    withdraw(WithdrawRequest),
    request_preservation(RequestPreservationRequest),
    confirm_delivery(ConfirmDeliveryRequest),
);
acts!(oversight, Case: set_legal_hold(SetLegalHoldRequest));

/// The name of the case that a Submit returned.
pub fn name_of(case: Option<&wire::CaseStatus>) -> String {
    case.unwrap().name.clone()
}

/// Asserts the code and the reason of an error, and that it has exactly one reason.
#[track_caller]
pub fn assert_error<T>(answer: Result<T, Status>, code: Code, reason: &str) -> Status {
    let status = answer.err().unwrap_or_else(|| panic!("it was done; expected {reason}"));
    assert_eq!(status.code(), code, "{status:?}");
    let info = status.get_details_error_info().expect("every error has an ErrorInfo");
    assert_eq!((info.reason.as_str(), info.domain.as_str()), (reason, "urgence.v1"));
    status
}

/// Asserts that the state of the case forbids it, for this reason.
#[track_caller]
pub fn assert_forbidden<T>(answer: Result<T, Status>, reason: &str) {
    assert_error(answer, Code::FailedPrecondition, reason);
}

/// Asserts that exactly these fields are wrong, and how: `field: CODE`.
#[track_caller]
pub fn assert_fields<T>(answer: Result<T, Status>, wanted: &[&str]) {
    let status = assert_error(answer, Code::InvalidArgument, "INVALID_FIELDS");
    let fields = status.get_details_bad_request().unwrap().field_violations;
    let told: Vec<_> =
        fields.iter().map(|told| format!("{}: {}", told.field, told.reason)).collect();
    assert_eq!(told, wanted);
    assert!(fields.iter().all(|told| told.description.starts_with(&told.reason)));
}

/// The clock of this kind, if it was ever started.
pub fn find_clock(clocks: &[wire::Clock], kind: wire::ClockKind) -> Option<&wire::Clock> {
    clocks.iter().find(|clock| clock.kind() == kind)
}

/// The clock of this kind.
#[track_caller]
pub fn clock(clocks: &[wire::Clock], kind: wire::ClockKind) -> &wire::Clock {
    find_clock(clocks, kind).unwrap_or_else(|| panic!("no clock {kind:?}"))
}

/// The clocks that run.
pub fn running(clocks: &[wire::Clock]) -> Vec<wire::ClockKind> {
    clocks.iter().filter(|clock| clock.stopped_at.is_none()).map(wire::Clock::kind).collect()
}

/// An instant in milliseconds.
#[track_caller]
pub fn ms(at: &Option<prost_types::Timestamp>) -> i64 {
    let at = at.as_ref().expect("an instant");
    at.seconds * 1_000 + i64::from(at.nanos) / 1_000_000
}

/// The time between two instants in milliseconds.
#[track_caller]
pub fn between_ms(
    from: &Option<prost_types::Timestamp>,
    to: &Option<prost_types::Timestamp>,
) -> i64 {
    ms(to) - ms(from)
}
