//! Several desks in one deployment: each has its own queue, policy and registry, and a name of one
//! never reaches another.

use std::sync::Barrier;
use std::time::Duration;

use tonic::{Code, Response};
use urgence::fingerprint::FingerprintKey;
use urgence::grpc::wire;
use wire::{DataCategory, Nature};

use crate::calls::{
    ANA, AUTHORITIES, Act, BO, Caller, FRENCH, GERMAN, LEAD, assert_error, assert_fields,
    assert_forbidden, policy,
};
use crate::messages::{Held, Named, asking, fresh, of_authority, seconds};
use crate::reload::{hang_up, logged};
use crate::service::{Directory, Service, claim_next, run};
use crate::support::redis::{Options, TestRedis};
use crate::support::wait::eventually;

const PATIENCE: Duration = Duration::from_secs(20);

pub const DESKS: &str = r#"
[[desk]]
name = "paris"
policy = "paris/policy.toml"
authorities = "authorities.toml"

[[desk]]
name = "berlin"
policy = "berlin.toml"
authorities = "authorities.toml"
"#;

/// Two desks on one Redis, with their files in a folder of their own.
pub struct Both {
    pub service: Service,
    pub redis: TestRedis,
    pub directory: Directory,
}

pub fn berlin(countries: &str) -> String {
    let sections =
        format!("[routing]\ncountries = [{countries}]\n[data.subscriber]\nheld = true\n");
    let usual = policy(&sections);
    usual.replace("lease = \"5m\"", "lease = \"10m\"")
}

impl Both {
    pub fn open() -> Self {
        let directory = Directory::new();
        std::fs::create_dir(directory.0.join("paris")).unwrap();
        directory.file("paris/policy.toml", &policy(""));
        directory.file("berlin.toml", &berlin("\"DE\""));
        directory.file("authorities.toml", AUTHORITIES);
        let desks = directory.file("desks.toml", DESKS);
        let redis = TestRedis::start_with(Options::default().on_tmpfs());
        let service = Service::on(&redis, &["--desks", &desks, "--data-dir", directory.path()]);
        Self { service, redis, directory }
    }

    pub fn caller(&self, who: &'static str) -> Caller {
        Caller::of(&self.service, who)
    }
}

pub fn french() -> wire::SubmitRequest {
    asking(&[DataCategory::Subscriber])
}

pub fn german() -> wire::SubmitRequest {
    of_authority(french(), "de-bka", "DE")
}

pub fn to(desk: &str, message: wire::SubmitRequest) -> wire::SubmitRequest {
    wire::SubmitRequest { desk: desk.to_owned(), ..message }
}

/// Which desk a case is of.
pub fn desk_of(name: &str) -> &str {
    name.split('/').nth(1).unwrap()
}

async fn queue(caller: &Caller, desk: &str) -> Vec<String> {
    let list = wire::DeskServiceListRequest { desk: desk.to_owned(), ..Default::default() };
    let listed = caller.desk().list(caller.by(list)).await.unwrap().into_inner().cases;
    listed.into_iter().map(|case| case.name).collect()
}

async fn policy_of(caller: &Caller, desk: &str) -> wire::GetPolicyResponse {
    let get = wire::GetPolicyRequest { desk: desk.to_owned(), ..Default::default() };
    caller.desk().get_policy(caller.by(get)).await.unwrap().into_inner()
}

#[tokio::test]
async fn a_request_goes_to_the_desk_of_its_country_or_to_the_one_it_names() {
    let both = Both::open();
    let (portal, ana) = (both.caller("portal; roles=portal"), both.caller(ANA));
    for (message, desk) in [
        (french(), "paris"),
        (german(), "berlin"),
        (to("berlin", french()), "berlin"),
        (to("desks/paris", german()), "paris"),
    ] {
        let name = portal.submits(message.clone()).await;
        assert_eq!(desk_of(&name), desk);
        let case = ana.sees(&name).await.case.unwrap();
        assert_eq!(case.policy, policy_of(&ana, desk).await.policy);
        // One request is one case, whichever desk the repeat names.
        for elsewhere in ["", "paris", "berlin"] {
            let again = portal.by(to(elsewhere, message.clone()));
            let again = portal.intake().submit(again).await.unwrap().into_inner();
            assert!(again.replayed && again.case.unwrap().name == name, "{desk} {elsewhere}");
        }
    }
    let nowhere = portal.intake().submit(portal.by(to("night", french()))).await;
    assert_fields(nowhere, &["desk: UNKNOWN_VALUE"]);
    assert_ne!(policy_of(&ana, "paris").await.policy, policy_of(&ana, "berlin").await.policy);
    assert_eq!(policy_of(&ana, "").await, policy_of(&ana, "paris").await, "the first is meant");
    assert_eq!(policy_of(&ana, "berlin").await.lease, Some(seconds(600)));
}

#[tokio::test]
async fn a_name_of_one_desk_is_not_found_through_another() {
    let both = Both::open();
    let (portal, ana) = (both.caller("portal; roles=portal"), both.caller(ANA));
    let here = portal.submits(french()).await;
    let there = portal.submits(german()).await;
    let id = there.rsplit('/').next().unwrap();
    for elsewhere in [id.to_owned(), format!("desks/paris/cases/{id}")] {
        let get = wire::DeskServiceGetRequest { name: elsewhere.clone() };
        let got = ana.desk().get(ana.by(get)).await;
        assert_error(got, Code::NotFound, "CASE_NOT_FOUND");
        let get = wire::IntakeServiceGetRequest { name: elsewhere.clone() };
        let got = portal.intake().get(portal.by(get)).await;
        assert_error(got, Code::NotFound, "CASE_NOT_FOUND");
        let watch = wire::DeskServiceWatchRequest { name: elsewhere.clone(), ..Default::default() };
        let watched = ana.desk().watch(ana.by(watch)).await;
        assert_error(watched, Code::NotFound, "CASE_NOT_FOUND");
        let case = Held { name: elsewhere, epoch: 1 };
        not_found(&ana, case.case().reclassify(Nature::Kidnapping)).await;
        not_found(&ana, case.update()).await;
        not_found(&portal, case.case().inform()).await;
        not_found(&both.caller(LEAD), case.case().legal_hold(true)).await;
    }
    let nowhere = wire::DeskServiceGetRequest { name: format!("desks/night/cases/{id}") };
    assert_fields(ana.desk().get(ana.by(nowhere)).await, &["name: BAD_FORMAT"]);
    // A case of the first desk may go by its last part; cases are linked within a desk.
    ana.sees(here.rsplit('/').next().unwrap()).await;
    let link = Named(here).link(&there);
    assert_fields(ana.tries(link).await, &["other: CONTRADICTION"]);
    ana.claims(&there).await;
}

async fn not_found<A: Act>(caller: &Caller, act: A) {
    assert_error(caller.tries(act).await, Code::NotFound, "CASE_NOT_FOUND");
}

#[tokio::test]
async fn claims_lists_and_incidents_are_apart() {
    let both = Both::open();
    let (ana, bo, lead) = (both.caller(ANA), both.caller(BO), both.caller(LEAD));
    let here = both.caller(FRENCH).submits(french()).await;
    let there = both.caller(GERMAN).submits(german()).await;
    let also_there = both.caller(GERMAN).submits(german()).await;
    assert_eq!(queue(&ana, "paris").await, std::slice::from_ref(&here));
    assert_eq!(queue(&ana, "berlin").await, [there.clone(), also_there.clone()]);
    let list = wire::DeskServiceListRequest { desk: "night".to_owned(), ..Default::default() };
    assert_fields(ana.desk().list(ana.by(list)).await, &["desk: UNKNOWN_VALUE"]);
    let page = |desk: &str, page_token: String| {
        let (desk, page_size) = (desk.to_owned(), 1);
        ana.by(wire::DeskServiceListRequest { desk, page_size, page_token, ..Default::default() })
    };
    let first = ana.desk().list(page("berlin", String::new())).await.unwrap().into_inner();
    let misused = ana.desk().list(page("paris", first.next_page_token)).await;
    assert_error(misused, Code::InvalidArgument, "BAD_TOKEN");
    let portal = both.caller(GERMAN);
    let of_authority = async |desk: &str| {
        let (authority, desk) = ("de-bka".to_owned(), desk.to_owned());
        let list = wire::IntakeServiceListRequest { authority, desk, ..Default::default() };
        portal.intake().list(portal.by(list)).await.unwrap().into_inner().cases.len()
    };
    assert_eq!((of_authority("berlin").await, of_authority("paris").await), (2, 0));

    // An incident of one desk is none of the other.
    let open = |request_id: &str, desk: &str| wire::OpenIncidentRequest {
        request_id: request_id.to_owned(),
        desk: desk.to_owned(),
        incident: "flood".to_owned(),
        natures: vec![Nature::MissingChild.into()],
        ..Default::default()
    };
    ana.desk().open_incident(ana.by(open("i-1", "berlin"))).await.unwrap();
    let incident = async |name: &str| ana.sees(name).await.case.unwrap().incident;
    assert_eq!((incident(&there).await, incident(&here).await), ("flood".into(), String::new()));
    let close = wire::CloseIncidentRequest {
        request_id: fresh(),
        desk: "paris".to_owned(),
        incident: "flood".to_owned(),
    };
    let closed = ana.desk().close_incident(ana.by(close)).await;
    assert_error(closed, Code::NotFound, "INCIDENT_NOT_FOUND");
    ana.desk().open_incident(ana.by(open("i-2", "paris"))).await.unwrap();

    let status = lead.oversight().get_status(lead.by(wire::GetStatusRequest {})).await.unwrap();
    let status = status.into_inner().desks;
    let figures =
        status.iter().map(|desk| (&*desk.desk, desk.bands[0].waiting, desk.incidents.len()));
    assert_eq!(figures.collect::<Vec<_>>(), [("paris", 1, 1), ("berlin", 2, 1)]);
    let countries: Vec<_> = status.iter().map(|desk| desk.countries.concat()).collect();
    assert_eq!(countries, ["", "DE"]);

    let next = async |desk: &str| {
        let next = wire::ClaimNextRequest { desk: desk.to_owned(), ..claim_next(&fresh(), 0) };
        let claimed = bo.desk().claim_next(bo.by(next)).await.unwrap().into_inner().case;
        claimed.map(|case| case.name)
    };
    assert_eq!(next("").await.as_ref(), Some(&here));
    assert_eq!(next("paris").await, None);
    assert_eq!((next("berlin").await, next("berlin").await), (Some(there), Some(also_there)));
    assert_eq!(next("berlin").await, None);
    for (desk, count) in [("paris", 1), ("berlin", 2)] {
        assert_eq!(
            both.redis.command(&["ZCARD", &format!("{{urgence:{desk}}}:cases")]),
            count.to_string()
        );
        let waiting = format!("urgence_queue_cases{{desk=\"{desk}\",band=\"1\"}}");
        eventually("its own gauge", PATIENCE, async || both.service.metric(&waiting).await == 0.0)
            .await;
    }
}

#[tokio::test]
async fn a_watch_tells_of_its_own_desk() {
    use wire::desk_service_watch_response::Message;
    let both = Both::open();
    let ana = both.caller(ANA);
    let watch = wire::DeskServiceWatchRequest { desk: "berlin".to_owned(), ..Default::default() };
    let mut watched = ana.desk().watch(ana.by(watch.clone())).await.unwrap().into_inner();
    let end = watched.message().await.unwrap().unwrap();
    let token = end.resume_token;
    assert!(matches!(end.message, Some(Message::SnapshotEnd(end)) if end.cases == 0));
    both.caller(FRENCH).submits(french()).await;
    let there = both.caller(GERMAN).submits(german()).await;
    let told = watched.message().await.unwrap().unwrap().message;
    assert!(matches!(told, Some(Message::Change(change)) if change.name == there));
    let elsewhere = wire::DeskServiceWatchRequest { resume_token: token, ..Default::default() };
    let misused = ana.desk().watch(ana.by(elsewhere)).await;
    assert_error(misused, Code::InvalidArgument, "BAD_TOKEN");
    let nowhere = wire::DeskServiceWatchRequest { desk: "night".to_owned(), ..watch };
    assert_fields(ana.desk().watch(ana.by(nowhere)).await, &["desk: UNKNOWN_VALUE"]);
}

#[tokio::test]
async fn each_desk_has_its_own_registry_and_reads_its_own_files_again() {
    let both = Both::open();
    let (portal, ana) = (both.caller("portal; roles=portal"), both.caller(ANA));
    let accepted = german();
    let there = portal.submits(accepted.clone()).await;
    let before = policy_of(&ana, "paris").await;
    // A mistake in the file of one desk changes none.
    let file = |name: &str, text: &str| both.directory.file(name, text);
    file("paris/policy.toml", &policy("").replace("lease = \"5m\"", "lease = \"7m\""));
    file("berlin.toml", "lease = \"10m\"");
    hang_up(&both.service);
    eventually("the mistake is told", PATIENCE, async || {
        logged(&both.service, &["nothing was reloaded", "berlin.toml:1: "]) == 1
    })
    .await;
    assert_eq!(policy_of(&ana, "paris").await, before);

    // Berlin takes Austria instead, and has a registry of its own. One desk is no longer there.
    let austria = "[authorities.at-bk]\nagency = \"BK\"\ncountry = \"AT\"\nnatures = [\"all\"]\n";
    file("austria.toml", austria);
    file("berlin.toml", &berlin("\"AT\""));
    let own = DESKS.replace(
        "policy = \"berlin.toml\"\nauthorities = \"authorities.toml\"",
        "policy = \"berlin.toml\"\nauthorities = \"austria.toml\"",
    );
    file("desks.toml", &own);
    hang_up(&both.service);
    eventually("both are reloaded", PATIENCE, async || {
        logged(&both.service, &["\"message\":\"reloaded\""]) == 2
    })
    .await;
    assert_eq!(policy_of(&ana, "paris").await.lease, Some(seconds(420)));
    let austrian = of_authority(french(), "at-bk", "AT");
    assert_eq!(desk_of(&portal.submits(austrian).await), "berlin");
    assert_eq!(desk_of(&portal.submits(german()).await), "paris");
    let unknown = portal.intake().submit(portal.by(to("berlin", german()))).await;
    assert_error(unknown, Code::NotFound, "AUTHORITY_UNKNOWN");
    // What was accepted before it was sent elsewhere is found where it is, and goes on there.
    let again =
        portal.intake().submit(portal.by(accepted)).await.map(Response::into_inner).unwrap();
    assert!(again.replayed && again.case.unwrap().name == there);
    let held = ana.claims(&there).await;
    let called = ana.tries(held.case().verify(wire::Verification::CallbackConfirmed)).await;
    assert_forbidden(called, "CALLBACK_NUMBER_UNKNOWN");
    ana.does(held.no_data()).await;

    let without = &DESKS[..DESKS.rfind("[[desk]]").unwrap()];
    file("desks.toml", &format!("{without}\n[[desk]]\nname = \"lyon\"\n"));
    hang_up(&both.service);
    eventually(
        "a desk that is left out goes on, and a new one is not served",
        PATIENCE,
        async || {
            logged(&both.service, &["no longer configured", "\"desk\":\"berlin\""]) == 1
                && logged(&both.service, &["after a restart", "\"desk\":\"lyon\""]) == 1
        },
    )
    .await;
    ana.sees(&there).await;
}

#[test]
fn wrong_files_are_told_with_their_lines_and_the_exit_code_for_usage() {
    let directory = Directory::new();
    std::fs::create_dir(directory.0.join("paris")).unwrap();
    directory.file("paris/policy.toml", &policy("[routing]\ncountries = [\"France\"]\n"));
    directory.file("berlin.toml", &berlin("\"DE\"").replace("lease = \"10m\"", "lease = \"0s\""));
    directory.file("authorities.toml", "[authorities.fr-pnij]\nagency = \"A\"\ncountry = \"FR\"\n");
    let usage = |desks: &str| {
        let desks = directory.file("desks.toml", desks);
        let nowhere = ["--redis-url", "unix:///nowhere", "--data-dir", directory.path()];
        let (status, said) = run(&[["--desks", &desks].as_slice(), &nowhere].concat());
        assert_eq!(status.code(), Some(64), "{said}");
        said
    };
    let said = usage(DESKS);
    for mistake in [
        "paris/policy.toml:",
        ": routing.countries[0]: ",
        "berlin.toml:",
        ": lease: ",
        "authorities.toml:1: authorities.fr-pnij.natures: ",
    ] {
        assert!(said.contains(mistake), "{mistake} is not in {said}");
    }
    // All at once, each with its line, and none twice.
    let said = usage(
        "surprise = 1\n[[desk]]\nname = \"a\"\n[[desk]]\nname = \"a\"\npolicy = \"missing.toml\"\n[[desk]]\n\
         name = \"Main\"\npolicy = \"berlin.toml\"\n[[desk]]\nname = 1\npolicy = \"missing.toml\"\n",
    );
    for mistake in [
        "desks.toml:1: surprise: is no known key",
        "desks.toml:5: desk[1].name: the desk a is named twice",
        "desks.toml:8: desk[2].name: must be 1 to 32 lower-case letters",
        "desks.toml:11: desk[3].name: must be a text",
        "missing.toml:1: cannot be read: ",
        "berlin.toml:1",
    ] {
        assert_eq!(said.matches(mistake).count(), 1, "{mistake} in {said}");
    }
    directory.file("vienna.toml", &berlin("\"AT\", \"DE\""));
    directory.file("berlin.toml", &berlin("\"DE\""));
    let said = usage(
        "[[desk]]\nname = \"a\"\npolicy = \"berlin.toml\"\n[[desk]]\nname = \"b\"\npolicy = \"vienna.toml\"\n",
    );
    let line = 1 + berlin("").lines().position(|line| line.starts_with("countries")).unwrap();
    let wanted = format!("vienna.toml:{line}: routing.countries: DE is taken by the desk a");
    assert_eq!((said.matches(&wanted).count(), said.matches(".toml:").count()), (1, 1), "{said}");
    for (desks, wanted) in [
        ("", "desk"),
        ("desk = []", "at least one desk"),
        ("[[desk]]\nname = \"a\"\n[[desk]]\nname = \"a\"\n", "named twice"),
        ("[[desk]]\nname = \"Main\"\n", "lower-case letters"),
        ("[[desk]]\nname = \"a\"\ncolour = \"red\"\n", "desks.toml:3: "),
        ("[[desk]]\nname = \"a\"\npolicy = \"missing.toml\"\n", "missing.toml"),
    ] {
        let said = usage(desks);
        assert!(said.contains(wanted), "{wanted} is not in {said}");
    }
}

/// Replicas of one deployment that start for the first time do so together.
#[test]
fn those_who_make_a_fingerprint_key_at_once_agree_on_one() {
    let directory = Directory::new();
    for round in 0..200 {
        let path = directory.0.join(format!("{round}.key"));
        let start = Barrier::new(8);
        let make = || {
            start.wait();
            FingerprintKey::load_or_create(&path).map(|key| key.of("somebody"))
        };
        let made = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        let first = made[0].as_ref().expect("a key is made or found");
        assert!(made.iter().all(|made| made.as_ref().is_ok_and(|made| made == first)), "{made:?}");
    }
    assert_eq!(std::fs::read_dir(&directory.0).unwrap().count(), 200, "nothing else is left");
}
