//! A canary in every field that people write: none of them is ever heard outside of the answers to
//! those who may read it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use prost::Message as _;
use urgence::grpc::wire;
use urgence::grpc::wire::respond_request::Answer as First;
use wire::case_entry::Said as Kind;
use wire::{ClockKind, DataCategory, Nature, Protection, TargetType, Verification};

use crate::calls::{ANA, AUTHORITIES, BO, Caller, FRENCH, JURIST, LEAD};
use crate::messages::{Held, disclosed, fresh, item, not_held};
use crate::pages::{policy, webhook};
use crate::service::{Directory, Service};
use crate::support::receiver::{Answer, Receiver};
use crate::support::redis::{Options, TestRedis};
use crate::support::wait::eventually;
use crate::traces::Collector;

const PATIENCE: Duration = Duration::from_secs(60);

/// Everything that was planted.
#[derive(Default)]
struct Canaries {
    planted: Vec<String>,
}

impl Canaries {
    /// A text that is nowhere else.
    fn text(&mut self) -> String {
        self.keep(format!("canary-{:03}-sings", self.planted.len()))
    }

    fn email(&mut self) -> String {
        let text = self.text();
        format!("{text}@police.example")
    }

    fn url(&mut self) -> String {
        let text = self.text();
        format!("https://{text}.example/x")
    }

    fn phone(&mut self) -> String {
        self.keep(format!("+3377310{:03}", self.planted.len()))
    }

    fn digest(&mut self) -> String {
        self.keep(format!("{:03}cafe4", self.planted.len()).repeat(8))
    }

    fn texts(&mut self) -> Vec<String> {
        vec![self.text(), self.text()]
    }

    fn keep(&mut self, text: String) -> String {
        self.planted.push(text.clone());
        text
    }

    /// Those that sing in `place`.
    fn heard(&self, place: &[u8]) -> Vec<&str> {
        let place = String::from_utf8_lossy(place);
        let sings = |canary: &&String| is_in(&place, canary.as_bytes());
        self.planted.iter().filter(sings).map(String::as_str).collect()
    }

    /// A request with one in every field that takes any text. No field is left out: a new one has to
    /// be written here before this compiles.
    fn request(&mut self) -> wire::EmergencyRequest {
        let seconds = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        wire::EmergencyRequest {
            requester: Some(self.requester()),
            emergency: Some(self.emergency()),
            targets: vec![
                wire::Target {
                    r#type: TargetType::AccountId.into(),
                    value: self.text(),
                    platform_url: self.url(),
                    observed_at: vec![],
                    port: 0,
                    notes: self.text(),
                    protection: Protection::Press.into(),
                },
                wire::Target {
                    r#type: TargetType::Email.into(),
                    value: self.email(),
                    ..wire::Target::default()
                },
                wire::Target {
                    r#type: TargetType::Phone.into(),
                    value: self.phone(),
                    ..wire::Target::default()
                },
            ],
            data: Some(wire::DataScope {
                categories: vec![DataCategory::Subscriber.into(), DataCategory::Content.into()],
                subtypes: self.texts(),
                from: seconds(1_700_000_000),
                to: seconds(1_700_003_600),
                specific_items: self.texts(),
                justifications: vec![wire::Justification {
                    category: DataCategory::Content.into(),
                    reason: self.text(),
                }],
            }),
            delivery: Some(wire::Delivery {
                format: self.text(),
                recipient_key_id: self.text(),
                destination_id: self.text(),
            }),
            legal_basis: self.text(),
            instrument_reference: self.text(),
            incident_reference: self.text(),
            channel: self.text(),
            language: "fr".to_owned(),
            desired_response_at: None,
            non_disclosure: Some(wire::NonDisclosure {
                is_requested: true,
                legal_basis: self.text(),
                until: seconds(1_900_000_000),
            }),
            preservation: Some(wire::Preservation {
                is_requested: true,
                until: seconds(1_900_000_000),
            }),
            documents: vec![wire::Document {
                sha256: self.digest(),
                media_type: "application/pdf".to_owned(),
                size_bytes: 100,
                kind: wire::DocumentKind::Order.into(),
            }],
            instrument: wire::Instrument::EmergencyRequest.into(),
            is_without_validation: false,
        }
    }

    fn requester(&mut self) -> wire::Requester {
        wire::Requester {
            authority: "fr-pnij".to_owned(),
            agency_name: self.text(),
            unit: self.text(),
            country: "FR".to_owned(),
            postal_address: self.text(),
            officer_name: self.text(),
            rank: self.text(),
            badge_number: self.text(),
            official_email: self.email(),
            desk_phone: self.phone(),
            desk_phone_extension: "977".to_owned(),
            callback_phone_id: self.text(),
            supervisor_name: self.text(),
            supervisor_phone: self.phone(),
            case_number: self.text(),
            attestation: Some(wire::Attestation {
                text_version: self.text(),
                signed_at: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 0 }),
                method: self.text(),
            }),
        }
    }

    fn emergency(&mut self) -> wire::Emergency {
        wire::Emergency {
            nature: Nature::MissingChild.into(),
            description: self.text(),
            person_at_risk: Some(wire::PersonAtRisk {
                is_known: true,
                name: self.text(),
                date_of_birth: self.keep("1907-03-11".to_owned()),
                is_minor: true,
                relationship: self.text(),
            }),
            imminence: wire::Imminence::Hours.into(),
            imminent_at: None,
            danger_location: self.text(),
            danger_country: "FR".to_owned(),
            why_no_ordinary_process: self.text(),
            why_data_prevents_harm: self.text(),
        }
    }

    fn conflict(&mut self) -> wire::ConflictOfLaw {
        wire::ConflictOfLaw {
            law_title: self.text(),
            provisions: self.texts(),
            third_country: "US".to_owned(),
            nature_of_conflict: self.text(),
            why_applicable: self.text(),
            link_to_third_country: self.text(),
            consequences: self.text(),
            storage_location: self.text(),
            controller_entity: self.text(),
            alternatives: self.texts(),
        }
    }
}

/// Whether a text stands in a place, as it is or as hexadecimal digits.
fn holds(place: &[u8], text: &[u8]) -> bool {
    is_in(&String::from_utf8_lossy(place), text)
}

fn is_in(place: &str, text: &[u8]) -> bool {
    let hex: String = text.iter().map(|byte| format!("{byte:02x}")).collect();
    place.contains(std::str::from_utf8(text).unwrap()) || place.contains(&hex)
}

/// The bytes of every file below, with its name.
fn files(directory: &Path) -> Vec<u8> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        found.extend_from_slice(path.to_str().unwrap().as_bytes());
        if path.is_dir() {
            found.extend(files(&path));
        } else if let Ok(bytes) = fs::read(&path) {
            found.extend(bytes);
        }
    }
    found
}

/// Who works in this test.
struct Room {
    canaries: Canaries,
    ana: Caller,
    bo: Caller,
    jurist: Caller,
    lead: Caller,
    portal: Caller,
}

impl Room {
    async fn submits(&mut self) -> String {
        let request = Some(self.canaries.request());
        let message = wire::SubmitRequest { request_id: fresh(), request, ..Default::default() };
        self.portal.submits(message).await
    }

    /// Everything that can be said on the way to a disclosure, and after it.
    async fn discloses(&mut self, other: &str) -> String {
        let name = self.submits().await;
        let held = self.ana.claims(&name).await;
        let case = held.case();
        let said = &mut self.canaries;
        let mut first = held.in_progress();
        first.message = said.text();
        if let Some(First::InProgress(answer)) = &mut first.answer {
            let contact =
                wire::Contact { name: said.text(), phone: said.phone(), email: said.email() };
            answer.contact = Some(contact);
        }
        self.ana.does(first).await;
        let update = wire::SendUpdateRequest { message: said.text(), ..held.update() };
        self.ana.does(update).await;
        let (message, questions) = (said.text(), said.texts());
        self.ana.does(wire::AskForInformationRequest { message, questions, ..held.ask() }).await;
        let inform = wire::ProvideInformationRequest { message: said.text(), ..case.inform() };
        self.portal.does(inform).await;
        let preserve = wire::RequestPreservationRequest { reason: said.text(), ..case.preserve() };
        self.portal.does(preserve).await;
        let verify = case.verify(Verification::CallbackConfirmed);
        self.bo.does(wire::RecordVerificationRequest { note: said.text(), ..verify }).await;
        let conflict = Some(said.conflict());
        let stands = case.conflict(DataCategory::Content);
        self.ana.does(wire::RecordConflictRequest { conflict, ..stands }).await;
        let pause = held.pause(ClockKind::Completion);
        self.ana.does(wire::PauseClockRequest { note: said.text(), ..pause }).await;
        self.ana.does(held.resume(ClockKind::Completion)).await;
        let lift = case.lift(DataCategory::Content);
        self.jurist.does(wire::RecordConflictRequest { decision: said.text(), ..lift }).await;
        let link = wire::LinkDuplicateRequest { reason: said.text(), ..case.link(other) };
        self.ana.does(link).await;
        let reclassify = case.reclassify(Nature::Kidnapping);
        self.bo.does(wire::ReclassifyRequest { reason: said.text(), ..reclassify }).await;
        for is_held in [true, false] {
            let hold = case.legal_hold(is_held);
            self.lead.does(wire::SetLegalHoldRequest { reason: said.text(), ..hold }).await;
        }
        let dispositions = [disclosed(DataCategory::Subscriber), not_held(DataCategory::Content)];
        let mut propose = held.propose(&dispositions);
        (propose.message, propose.justification) = (said.text(), said.text());
        propose.manifest.as_mut().unwrap().items = vec![wire::ManifestItem {
            name: said.text(),
            sha256: said.digest(),
            ..item(DataCategory::Subscriber)
        }];
        self.ana.does(propose).await;
        self.jurist.does(case.approve(1)).await;
        let confirm =
            wire::ConfirmDeliveryRequest { note: said.text(), ..case.confirm_delivery(1) };
        self.portal.does(confirm).await;
        let settle = wire::SettleClockRequest {
            reason: said.text(),
            ..case.settle(ClockKind::NonDisclosure)
        };
        // Which duties there are is not what this test is about.
        _ = self.ana.tries(settle).await;
        name
    }

    /// The first responses that the other cases get, a handing over and a withdrawal.
    async fn answers(&mut self) -> Vec<String> {
        let mut names = Vec::new();
        for number in 0..3 {
            let name = self.submits().await;
            let held = self.ana.claims(&name).await;
            let said = &mut self.canaries;
            let answer = match number {
                0 => First::Redirected(wire::RedirectedAnswer {
                    target: wire::RedirectTarget::NationalSinglePointOfContact.into(),
                    details: said.text(),
                }),
                1 => {
                    First::NeedInformation(wire::NeedInformationAnswer { questions: said.texts() })
                }
                _ => First::NoData(wire::NoDataAnswer {}),
            };
            let respond = wire::RespondRequest { message: said.text(), ..held.respond(answer) };
            if number == 1 {
                let hand_over = wire::HandOverRequest { note: said.text(), ..held.hand_over("bo") };
                let epoch = self.ana.does(hand_over).await.claim.unwrap().epoch;
                let held = Held { epoch, ..held };
                self.bo.does(wire::RespondRequest { epoch, ..respond }).await;
                let withdraw = held.case().withdraw();
                let reason = said.text();
                self.portal.does(wire::WithdrawRequest { reason, ..withdraw }).await;
                self.bo.does(held.confirm_withdrawal()).await;
            } else {
                self.ana.does(respond).await;
            }
            names.push(name);
        }
        names
    }

    async fn tells_of_an_incident(&mut self) {
        let (tag, facts) = (self.canaries.text(), self.canaries.text());
        let open = wire::OpenIncidentRequest {
            request_id: fresh(),
            incident: "flood".to_owned(),
            tag,
            facts: facts.clone(),
            ..Default::default()
        };
        let opened = self.ana.desk().open_incident(self.ana.by(open)).await.unwrap().into_inner();
        assert_eq!(opened.incident.unwrap().facts, facts);
    }

    /// A request that is refused, whose errors say which field and never what stood in it.
    async fn is_refused(&mut self) -> Vec<u8> {
        let mut request = self.canaries.request();
        let requester = request.requester.as_mut().unwrap();
        requester.official_email = self.canaries.text();
        requester.desk_phone = self.canaries.text();
        requester.country = self.canaries.text();
        request.language = self.canaries.text();
        let request = Some(request);
        let message = wire::SubmitRequest { request_id: fresh(), request, ..Default::default() };
        let refused = self.portal.intake().submit(self.portal.by(message)).await.unwrap_err();
        format!("{refused:?} {refused}").into_bytes()
    }
}

/// Collects everything that a watch says.
async fn watch(caller: &Caller) -> std::sync::Arc<std::sync::Mutex<Vec<u8>>> {
    let heard = std::sync::Arc::<std::sync::Mutex<Vec<u8>>>::default();
    let request = caller.by(wire::DeskServiceWatchRequest::default());
    let mut stream = caller.desk().watch(request).await.unwrap().into_inner();
    let kept = std::sync::Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok(Some(message)) = stream.message().await {
            kept.lock().unwrap().extend(message.encode_to_vec());
        }
    });
    heard
}

/// Whoever prints a message by accident prints its name.
#[test]
fn what_holds_content_prints_none_of_it() {
    let mut canaries = Canaries::default();
    let request = canaries.request();
    let message = wire::SubmitRequest { request: Some(request.clone()), ..Default::default() };
    let submission = urgence::grpc::submission_of(&message);
    let mut printed = format!("{request:?} {request:#?} {submission:?} {submission:#?}");
    let wire::EmergencyRequest { requester, emergency, targets, data, .. } = request.clone();
    printed += &format!("{requester:?} {emergency:?} {targets:?} {data:?}");
    printed += &format!("{:?} {:?}", request.delivery, request.documents);
    let core = submission;
    printed +=
        &format!("{:?} {:?} {:?} {:?}", core.requester, core.emergency, core.targets, core.data);
    let (conflict, message) = (Some(canaries.conflict()), canaries.text());
    let said = [
        Kind::Conflict(wire::ConflictEntry { conflict, ..Default::default() }),
        Kind::Update(wire::UpdateEntry { message: message.clone(), ..Default::default() }),
    ];
    for said in said {
        let entry = wire::CaseEntry { said: Some(said), ..Default::default() };
        printed += &format!(
            "{entry:?} {:?}",
            wire::DeskServiceGetResponse {
                request: Some(request.clone()),
                entries: vec![entry.clone()],
                incident_facts: canaries.text(),
                ..Default::default()
            }
        );
    }
    printed +=
        &format!("{:?}", wire::SubmitRequest { request: Some(request), ..Default::default() });
    printed += &format!("{:?}", wire::SendUpdateRequest { message, ..Default::default() });
    assert_eq!(canaries.heard(printed.as_bytes()), Vec::<&str>::new(), "{printed}");
    assert!(printed.contains("EmergencyRequest") && printed.contains("CaseEntry"), "{printed}");
}

#[tokio::test]
async fn no_canary_is_heard() {
    let directory = Directory::new();
    // What Redis writes is then not hidden by being compressed.
    let plain = Options::default().on_tmpfs().setting("rdbcompression", "no");
    let redis = TestRedis::start_with(plain);
    let receiver = Receiver::start(Answer::With(200, &[])).await;
    let (collector, endpoint) = Collector::start().await;
    let ladder = [("0s", "desk"), ("10m", "desk"), ("20m", "all")];
    let path =
        policy(&directory, &ladder, &[("hook", webhook(&receiver))], "desk=[\"hook\", \"log\"]");
    let authorities = directory.file("authorities.toml", AUTHORITIES);
    let service = Service::on(
        &redis,
        &[
            &["--policy", &path, "--authorities", &authorities, "--data-dir", directory.path()],
            ["--log", "trace", "--otlp-endpoint", &endpoint].as_slice(),
        ]
        .concat(),
    );
    let caller = |who| Caller::of(&service, who);
    let mut room = Room {
        canaries: Canaries::default(),
        ana: caller(ANA),
        bo: caller(BO),
        jurist: caller(JURIST),
        lead: caller(LEAD),
        portal: caller(FRENCH),
    };
    let watched = watch(&room.ana).await;
    room.tells_of_an_incident().await;
    let names = room.answers().await;
    let name = room.discloses(&names[0]).await;
    let refused = room.is_refused().await;
    assert!(room.canaries.planted.len() > 200, "{}", room.canaries.planted.len());

    // Those who may read it can: what was said is there, and opens.
    let shown = room.ana.sees(&name).await;
    let heard = room.canaries.heard(&shown.encode_to_vec()).len();
    assert!(heard > 60, "{heard}");

    let id = name.rsplit('/').next().unwrap().to_owned();
    let compact = id.replace('-', "");
    let pages = || {
        let got = receiver.got().into_iter();
        got.flat_map(|page| {
            format!("{} {:?}", page.line, page.headers).into_bytes().into_iter().chain(page.body)
        })
        .collect::<Vec<u8>>()
    };
    let spans =
        || collector.requests().iter().flat_map(|sent| sent.encode_to_vec()).collect::<Vec<u8>>();
    eventually("pages and spans are out", PATIENCE, async || {
        holds(&pages(), id.as_bytes())
            && holds(&spans(), id.as_bytes())
            && holds(&watched.lock().unwrap(), id.as_bytes())
    })
    .await;
    redis.command(&["SAVE"]);
    let metrics = service.http("/metrics").await.1 + &service.http("/ready").await.1;
    let places = [
        ("the log", service.log().join("\n").into_bytes(), id.as_str()),
        ("metrics", metrics.into_bytes(), "urgence_claims_total"),
        ("pages", pages(), &id),
        ("spans", spans(), &id),
        ("the watch", watched.lock().unwrap().clone(), &id),
        ("keys", redis.command(&["KEYS", "*"]).into_bytes(), &compact),
        ("the refusal", refused, "official_email"),
        ("Redis's files", files(redis.directory()), &compact),
        ("the data directory", files(&directory.0), "key-encryption.key"),
    ];
    let mut heard = Vec::new();
    for (place, bytes, known) in &places {
        // The search can find: what is known to be there is found.
        assert!(holds(bytes, known.as_bytes()), "{place} does not say {known}");
        heard.extend(room.canaries.heard(bytes).into_iter().map(|canary| (place, canary)));
    }
    assert_eq!(heard, []);
    // And it finds every canary where it is in the clear.
    let request = shown.request.unwrap().encode_to_vec();
    let planted = room.canaries.heard(&request).len();
    let client = redis::Client::open(redis.url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    () = redis::cmd("SET").arg("control").arg(&request).query(&mut connection).unwrap();
    assert_eq!(room.canaries.heard(&files(redis.directory())).len(), planted);
    assert!(planted > 30, "{planted}");
}
