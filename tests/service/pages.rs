//! Pages on their way to people: from a rung to receivers of the test, whatever fails in between.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use urgence::clock::monotonic_now;
use urgence::core::Event;
use urgence::grpc::wire;

use crate::record::{changes, rungs};
use crate::service::{Directory, Service, claim_next, in_progress, urgent};
use crate::support::prometheus::Alertmanager;
use crate::support::receiver::{Answer, Receiver, Request};
use crate::support::redis::TestRedis;
use crate::support::wait::{eventually, pace};

const SECOND: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(60);
/// What is left of others' work after this is taken over.
const TAKE_OVER: Duration = Duration::from_secs(60);
const SECRET: &str = "whsec_QUJDREVGR0hJSktMTU5PUFFSU1RVVldY";

/// The demonstration's policy with this ladder and these sinks. Everybody is reached by `desk_sinks`.
pub fn policy(
    directory: &Directory,
    ladder: &[(&str, &str)],
    sinks: &[(&str, String)],
    reached: &str,
) -> String {
    directory.file("hook.secret", SECRET);
    let demo = include_str!("../../deploy/policy/demo.toml");
    let start = demo.find("[promises.emergency]").unwrap();
    let end = demo.find("[promises.routine]").unwrap();
    let rungs: Vec<String> = ladder
        .iter()
        .map(|(at, who)| format!("    {{ at = \"{at}\", pages = [\"{who}\"] }},"))
        .collect();
    let (target, limit) = (ladder[1].0, ladder[ladder.len() - 1].0);
    let emergency = format!(
        "[promises.emergency]\ntarget = \"{target}\"\nlimit = \"{limit}\"\nladder = [\n{}\n]\n\
         repeat_every = \"10m\"\nrepeat_pages = [\"all\"]\n\n",
        rungs.join("\n")
    );
    let names =
        ["all", "desk", "duty-manager", "executive", "head-of-desk", "legal-on-call", "shift-lead"];
    let contact = |name: &str| {
        let own = reached.split(';').find_map(|entry| entry.strip_prefix(name)?.strip_prefix('='));
        format!("{name} = {}\n", own.unwrap_or("[\"log\"]"))
    };
    let contacts_text: String = names.iter().map(|name| contact(name)).collect();
    let sinks: String =
        sinks.iter().map(|(name, body)| format!("[sinks.{name}]\n{body}\n\n")).collect();
    let text = [
        &demo[..start],
        &emergency,
        &demo[end..],
        "\n[contacts]\n",
        &contacts_text,
        "\n",
        &sinks,
        "[pages]\nlink = \"https://desk.example/cases/{case}\"\n",
    ];
    directory.file("policy.toml", &text.concat())
}

pub fn webhook(receiver: &Receiver) -> String {
    let url = receiver.url("/hook");
    format!("kind = \"webhook\"\nurl = \"{url}\"\nsecret_files = [\"hook.secret\"]")
}

/// The key of the page that a request is about.
fn key(request: &Request) -> String {
    request.json()["data"]["key"].as_str().unwrap().to_owned()
}

fn is_fired(request: &Request) -> bool {
    request.json()["type"] == "urgence.page.fired.v1"
}

/// The keys that fired here, in order, each as often as it came.
fn fired(receiver: &Receiver) -> Vec<String> {
    receiver.got().iter().filter(|request| is_fired(request)).map(key).collect()
}

/// The keys that were closed here.
fn resolved(receiver: &Receiver) -> Vec<String> {
    receiver.got().iter().filter(|request| !is_fired(request)).map(key).collect()
}

async fn case(service: &Service, name: &str) -> wire::Case {
    let get = wire::DeskServiceGetRequest { name: name.to_owned() };
    service.desk().await.get(get).await.unwrap().into_inner().case.unwrap()
}

async fn submit(service: &Service, request_id: &str) -> String {
    let submitted = service.portal().await.submit(urgent(request_id)).await.unwrap();
    submitted.into_inner().case.unwrap().name
}

/// Claims the case and answers it.
async fn answer(service: &Service, name: &str) {
    let mut desk = service.desk().await;
    let claimed = desk.claim_next(claim_next("claim", 5)).await.unwrap().into_inner().case.unwrap();
    assert_eq!(claimed.name, name);
    desk.respond(in_progress("respond", name, claimed.claim.unwrap().epoch)).await.unwrap();
}

/// What a sink has said of each page of the case, by the page's key.
fn answers(case: &wire::Case, sink: &str) -> BTreeMap<String, wire::SinkAnswer> {
    let answer = |record: &wire::PageRecord| {
        let of = record.sinks.iter().find(|found| found.sink == sink)?;
        Some((record.page.as_ref()?.key.clone(), of.answer()))
    };
    case.pages.iter().filter_map(answer).collect()
}

#[tokio::test]
async fn each_kind_of_answer() {
    let directory = Directory::new();
    let late = Arc::new(Notify::new());
    let elsewhere = Receiver::start(Answer::With(200, &[])).await;
    // Where it must not be followed to.
    let moved: &'static str = Box::leak(elsewhere.url("/elsewhere").into_boxed_str());
    let location: &'static [(&str, &str)] = Box::leak(Box::new([("location", moved)]));
    let kinds = [
        ("ok", Answer::With(200, &[])),
        ("accepted", Answer::With(202, &[])),
        ("moved", Answer::With(302, location)),
        ("bad", Answer::With(400, &[])),
        ("throttled", Answer::With(429, &[("retry-after", "6")])),
        ("broken", Answer::With(500, &[])),
        ("reset", Answer::Reset),
        ("hang", Answer::Never),
        ("late", Answer::Late(Arc::clone(&late))),
    ];
    let mut receivers = BTreeMap::new();
    for (name, answer) in kinds {
        receivers.insert(name, Receiver::start(answer).await);
    }
    let sinks: Vec<(&str, String)> =
        receivers.iter().map(|(name, receiver)| (*name, webhook(receiver))).collect();
    let names: Vec<String> = receivers.keys().map(|name| format!("\"{name}\"")).collect();
    let reached = format!("desk=[{}]", names.join(", "));
    let ladder = [("0s", "desk"), ("5m", "shift-lead"), ("10m", "executive")];
    let policy = policy(&directory, &ladder, &sinks, &reached);
    let redis = TestRedis::start();
    let service = Service::on(&redis, &["--policy", &policy]);
    let name = submit(&service, "r-1").await;
    let got = |name: &str| receivers[name].got();

    eventually("those that hang are asked again", PATIENCE, async || {
        ["hang", "late", "broken", "reset"].iter().all(|name| got(name).len() >= 3)
            && got("throttled").len() >= 2
    })
    .await;
    // One slow or dead sink has not held another up, and what is final was asked once.
    for once in ["ok", "accepted", "moved", "bad"] {
        assert_eq!(got(once).len(), 1, "{once}");
    }
    assert_eq!(elsewhere.got().len(), 0, "no redirect is followed");
    let between = |requests: &[Request], index: usize| {
        requests[index + 1].at.duration_since(requests[index].at)
    };
    assert!(between(&got("throttled"), 0) >= 6 * SECOND, "as long as it asked for");
    assert!(between(&got("broken"), 0) >= SECOND && between(&got("broken"), 1) >= 2 * SECOND);
    assert!(between(&got("hang"), 0) >= 5 * SECOND, "it has five seconds to answer");

    // What answers at last has it, and is asked no more.
    for stubborn in ["throttled", "broken", "reset", "hang", "late"] {
        receivers[stubborn].answer(Answer::With(200, &[]));
    }
    let wanted = |sink: &str| match sink {
        "moved" | "bad" => wire::SinkAnswer::Failed,
        _ => wire::SinkAnswer::Taken,
    };
    let page = format!("{}/first-response/0/0", name.strip_prefix("desks/main/cases/").unwrap());
    eventually("each sink has answered for good", PATIENCE, async || {
        let case = case(&service, &name).await;
        receivers.keys().all(|sink| answers(&case, sink).get(&page) == Some(&wanted(sink)))
    })
    .await;
    for (sink, receiver) in &receivers {
        let ids: BTreeSet<String> =
            receiver.got().iter().map(|request| request.headers["webhook-id"].clone()).collect();
        assert_eq!(ids, BTreeSet::from([page.clone()]), "{sink}: always the same id");
        assert!(fired(receiver).iter().all(|key| *key == page), "{sink}: always the same key");
    }
    for (sink, outcome, least) in [
        ("ok", "taken", 1.0),
        ("moved", "refused", 1.0),
        ("bad", "refused", 1.0),
        ("throttled", "throttled", 1.0),
        ("broken", "failed", 3.0),
        ("reset", "failed", 3.0),
        ("hang", "timed_out", 2.0),
        ("late", "timed_out", 2.0),
    ] {
        let series =
            format!("urgence_page_attempts_total{{sink=\"{sink}\",outcome=\"{outcome}\"}}");
        assert!(service.metric(&series).await >= least, "{series}");
    }
    assert_eq!(service.metric("urgence_sink_failing{sink=\"bad\"}").await, 1.0);
    assert_eq!(service.metric("urgence_sink_failing{sink=\"hang\"}").await, 0.0);
    assert_eq!(service.metric("urgence_page_stage_seconds_count{stage=\"accepted\"}").await, 1.0);

    // Nothing that was said is in a page, and it is closed wherever it is open, and nowhere else.
    let body = String::from_utf8(got("ok")[0].body.clone()).unwrap();
    for said in ["fr-pnij", "Duty officer", "1029384756", "What has happened"] {
        assert!(!body.contains(said), "{said} is in {body}");
    }
    assert!(body.contains("https://desk.example/cases/"), "{body}");
    answer(&service, &name).await;
    eventually("it is closed wherever it is open", PATIENCE, async || {
        receivers.iter().all(|(sink, receiver)| {
            let count = usize::from(wanted(sink) == wire::SinkAnswer::Taken);
            resolved(receiver).len() == count
        })
    })
    .await;
    late.notify_waiters();
}

#[tokio::test]
async fn a_page_is_told_again_when_the_service_dies_before_it_is_acknowledged() {
    let directory = Directory::new();
    let answered = Arc::new(Notify::new());
    let receiver = Receiver::start(Answer::Late(Arc::clone(&answered))).await;
    let ladder = [("0s", "desk"), ("10m", "shift-lead"), ("20m", "executive")];
    let sinks = [("hook", webhook(&receiver))];
    let policy = policy(&directory, &ladder, &sinks, "desk=[\"hook\"]");
    let redis = TestRedis::start();
    let service = Service::on(&redis, &["--policy", &policy]);
    let name = submit(&service, "r-1").await;
    eventually("the page has come", PATIENCE, async || fired(&receiver).len() == 1).await;
    // The sink has it and says so; nothing that follows can be written any more.
    redis.stop();
    answered.notify_one();
    service.kill();
    redis.cont();
    receiver.answer(Answer::With(200, &[]));

    let service = Service::on(&redis, &["--policy", &policy]);
    eventually("what was left is taken over", TAKE_OVER, async || fired(&receiver).len() >= 2)
        .await;
    let keys: BTreeSet<String> = fired(&receiver).into_iter().collect();
    assert_eq!(keys.len(), 1, "under the same key");
    eventually("it is recorded as taken", PATIENCE, async || {
        let case = case(&service, &name).await;
        case.pages.len() == 1
            && answers(&case, "hook").values().all(|answer| *answer == wire::SinkAnswer::Taken)
            && case.pages[0].taken_at.is_some()
    })
    .await;
    eventually("it is acknowledged", PATIENCE, async || {
        redis.command(&["XPENDING", "{urgence:main}:events", "pager"]).starts_with('0')
    })
    .await;
}

#[tokio::test]
async fn redis_is_stopped_for_a_minute_across_three_rungs() {
    let directory = Directory::new();
    let receiver = Receiver::start(Answer::With(200, &[])).await;
    let sinks = [("hook", webhook(&receiver))];
    let ladder = [
        ("0s", "desk"),
        ("18s", "desk"),
        ("34s", "shift-lead"),
        ("50s", "executive"),
        ("90s", "all"),
    ];
    let reached = "desk=[\"hook\"];shift-lead=[\"hook\"];executive=[\"hook\"];all=[\"hook\"]";
    let policy = policy(&directory, &ladder, &sinks, reached);
    let redis = TestRedis::start();
    let replicas = [(); 2].map(|()| Service::on(&redis, &["--policy", &policy]));
    let name = submit(&replicas[0], "r-1").await;
    let id = name.strip_prefix("desks/main/cases/").unwrap().to_owned();
    let key = |seconds: u64| format!("{id}/first-response/0/{}", seconds * 1_000);
    eventually("both know its deadlines", PATIENCE, async || {
        let mut held = 0.0;
        for replica in &replicas {
            held += replica.metric("urgence_shadow_cases{desk=\"main\"}").await;
        }
        held == 2.0 && fired(&receiver) == [key(0)]
    })
    .await;
    redis.stop();
    let stopped_at = monotonic_now();
    eventually("a minute has passed", 2 * PATIENCE, async || stopped_at.elapsed() >= PATIENCE)
        .await;
    let while_away = receiver.got();
    redis.cont();

    // On time, from memory, and marked as such: each before the next is due, once for each key.
    let accepted_at = while_away[0].at;
    for (seconds, next) in [(18, 34), (34, 50), (50, 66)] {
        let came: Vec<&Request> =
            while_away.iter().filter(|request| self::key(request) == key(seconds)).collect();
        assert!(!came.is_empty() && came.len() <= 2, "{seconds}: one of each replica at most");
        for request in came {
            let after = request.at.duration_since(accepted_at);
            let (due, end) = (Duration::from_secs(seconds), Duration::from_secs(next));
            assert!(after + SECOND > due && after < end, "{seconds}: came after {after:?}");
            assert_eq!(request.json()["data"]["is_store_unreachable"], true);
            let summary = request.json()["data"]["summary"].as_str().unwrap().to_owned();
            assert!(summary.contains("store unreachable, may be answered"), "{summary}");
        }
    }
    let ids: BTreeSet<&String> =
        while_away.iter().map(|request| &request.headers["webhook-id"]).collect();
    assert_eq!(ids.len(), 4, "once per key after deduplication");

    // Recorded afterwards, with the instant at which each was told, and told no more.
    eventually("it is recorded", PATIENCE, async || {
        let recorded = rungs(&changes(&redis));
        recorded.values().next().is_some_and(|rungs| rungs.len() >= 4)
    })
    .await;
    let recorded = rungs(&changes(&redis)).into_values().next().unwrap();
    for (rung, seconds) in recorded.iter().zip([0, 18, 34, 50]) {
        assert_eq!(rung.offset, Duration::from_secs(seconds));
        assert!(rung.lateness < 14 * SECOND, "{rung:?} was told in time");
    }
    let from_memory = changes(&redis).into_iter().flat_map(|change| change.events);
    let from_memory = from_memory.filter(|event| matches!(event, Event::PagedFromMemory { .. }));
    assert_eq!(from_memory.count(), 3);
    let case = case(&replicas[0], &name).await;
    for seconds in [0, 18, 34, 50] {
        assert_eq!(answers(&case, "hook").get(&key(seconds)), Some(&wire::SinkAnswer::Taken));
    }
    answer(&replicas[0], &name).await;
    eventually("every key is closed", PATIENCE, async || {
        let closed: BTreeSet<String> = resolved(&receiver).into_iter().collect();
        [0, 18, 34, 50].iter().all(|seconds| closed.contains(&key(*seconds)))
    })
    .await;
    let counts =
        |seconds: u64| fired(&receiver).iter().filter(|found| **found == key(seconds)).count();
    let told_while_away = |seconds: u64| {
        while_away.iter().filter(|request| self::key(request) == key(seconds)).count()
    };
    for seconds in [18, 34, 50] {
        assert_eq!(counts(seconds), told_while_away(seconds), "{seconds}: not told again");
    }
}

#[tokio::test]
async fn a_service_that_was_away_for_a_minute_pages_once_for_all() {
    let directory = Directory::new();
    let receiver = Receiver::start(Answer::With(200, &[])).await;
    let sinks = [("hook", webhook(&receiver))];
    let ladder = [
        ("0s", "desk"),
        ("5s", "desk"),
        ("10s", "shift-lead"),
        ("20s", "head-of-desk"),
        ("40s", "executive"),
        ("50s", "all"),
    ];
    let reached = "desk=[\"hook\"];shift-lead=[\"hook\"];head-of-desk=[\"hook\"];\
                   executive=[\"hook\"];all=[\"hook\"]";
    let policy = policy(&directory, &ladder, &sinks, reached);
    let redis = TestRedis::start();
    let service = Service::on(&redis, &["--policy", &policy]);
    let name = submit(&service, "r-1").await;
    eventually("the first page is recorded", PATIENCE, async || {
        case(&service, &name).await.pages[0].taken_at.is_some()
    })
    .await;
    service.kill();
    let mut seconds = pace(SECOND);
    for _ in 0..=60 {
        seconds.tick().await;
    }
    let service = Service::on(&redis, &["--policy", &policy]);
    eventually("it pages again", PATIENCE, async || fired(&receiver).len() > 1).await;
    let recorded = rungs(&changes(&redis)).into_values().next().unwrap();
    let offsets: Vec<u64> = recorded.iter().map(|rung| rung.offset.as_secs()).collect();
    assert_eq!(offsets, [0, 5, 10, 20, 40, 50]);
    assert!(recorded[1..].iter().all(|rung| rung.is_late), "{recorded:?}");
    let id = name.strip_prefix("desks/main/cases/").unwrap();
    let keys = [format!("{id}/first-response/0/0"), format!("{id}/first-response/0/50000")];
    assert_eq!(fired(&receiver), keys, "one page for all that was missed");
    let union = receiver.got()[1].json();
    assert_eq!(union["data"]["cause"], "catch_up");
    let contacts = ["all", "desk", "executive", "head-of-desk", "shift-lead"];
    assert_eq!(union["data"]["contacts"], serde_json::json!(contacts));
    drop(service);
}

#[tokio::test]
async fn when_every_sink_fails_the_next_rungs_contacts_are_told_at_once() {
    let directory = Directory::new();
    let dead = Receiver::start(Answer::With(404, &[])).await;
    let alive = Receiver::start(Answer::With(200, &[])).await;
    let sinks = [("dead", webhook(&dead)), ("alive", webhook(&alive))];
    let ladder = [("0s", "desk"), ("10m", "shift-lead"), ("20m", "executive")];
    let reached = "desk=[\"dead\"];shift-lead=[\"dead\"];executive=[\"alive\"]";
    let policy = policy(&directory, &ladder, &sinks, reached);
    let redis = TestRedis::start();
    let service = Service::on(&redis, &["--policy", &policy]);
    let name = submit(&service, "r-1").await;
    eventually("somebody is reached", PATIENCE, async || fired(&alive).len() == 1).await;
    let page = &alive.got()[0].json()["data"];
    let id = name.strip_prefix("desks/main/cases/").unwrap();
    assert_eq!(page["key"], format!("{id}/first-response/0/0"), "the rung's own key");
    assert_eq!(
        (&page["cause"], &page["contacts"]),
        (&"unreached".into(), &serde_json::json!(["executive"]))
    );
    assert_eq!(service.metric("urgence_pages_unreached_total").await, 2.0);
    eventually("it is recorded", PATIENCE, async || {
        case(&service, &name).await.pages[0].taken_at.is_some()
    })
    .await;
    assert_eq!(case(&service, &name).await.pages[0].widened, 2);
}

#[tokio::test]
async fn who_is_reached_where_is_read_again_and_holds_for_open_cases() {
    let directory = Directory::new();
    let (old, new) = (
        Receiver::start(Answer::With(200, &[])).await,
        Receiver::start(Answer::With(200, &[])).await,
    );
    let ladder = [("0s", "desk"), ("15s", "desk"), ("20m", "executive")];
    let reached = "desk=[\"hook\"]";
    let path = policy(&directory, &ladder, &[("hook", webhook(&old))], reached);
    let redis = TestRedis::start();
    let service = Service::on(&redis, &["--policy", &path]);
    let name = submit(&service, "r-1").await;
    eventually("the first page has come", PATIENCE, async || fired(&old).len() == 1).await;
    policy(&directory, &ladder, &[("hook", webhook(&new))], reached);
    crate::reload::hang_up(&service);
    eventually("the next comes to the new address", PATIENCE, async || fired(&new).len() == 1)
        .await;
    assert_eq!(fired(&old).len(), 1);
    // What the sink took is closed at it, wherever it is now.
    answer(&service, &name).await;
    eventually("both are closed at the new address", PATIENCE, async || resolved(&new).len() == 2)
        .await;
    assert_eq!(resolved(&old).len(), 0);
}

#[tokio::test]
async fn a_page_at_the_real_alertmanager_is_listed_and_gone_after_the_answer() {
    let directory = Directory::new();
    let config = include_str!("../../deploy/prometheus/alertmanager.yml");
    let alertmanager = Alertmanager::start(config).await;
    let url = alertmanager.address();
    let sinks = [("am", format!("kind = \"alertmanager\"\nurl = \"http://{url}\""))];
    let ladder = [("0s", "desk"), ("2s", "desk"), ("20m", "executive")];
    let policy = policy(&directory, &ladder, &sinks, "desk=[\"am\"]");
    let redis = TestRedis::start();
    let service = Service::on(&redis, &["--policy", &policy, "--audit-every", "500ms"]);
    let name = submit(&service, "r-1").await;
    let id = name.strip_prefix("desks/main/cases/").unwrap().to_owned();
    let listed = async || -> BTreeSet<String> {
        let alerts = alertmanager.api("alerts?active=true").await;
        let alerts = alerts.as_array().unwrap().clone();
        let ours = alerts.iter().filter(|alert| alert["labels"]["alertname"] == "UrgencePage");
        ours.map(|alert| alert["labels"]["page"].as_str().unwrap().to_owned()).collect()
    };
    let keys: BTreeSet<String> =
        [0, 2_000].iter().map(|offset| format!("{id}/first-response/0/{offset}")).collect();
    eventually("both pages are listed", PATIENCE, async || listed().await == keys).await;
    // An Alertmanager forgets when it restarts, so it is told again while it is true.
    let attempts = "urgence_page_attempts_total{sink=\"am\",outcome=\"taken\"}";
    eventually("it is reminded", PATIENCE, async || service.metric(attempts).await > 4.0).await;
    assert_eq!(listed().await, keys);
    answer(&service, &name).await;
    eventually("both are gone", PATIENCE, async || listed().await.is_empty()).await;
    eventually("and recorded as closed", PATIENCE, async || {
        let answers = answers(&case(&service, &name).await, "am");
        keys.iter().all(|key| answers.get(key) == Some(&wire::SinkAnswer::Resolved))
    })
    .await;
    assert!(listed().await.is_empty(), "no reminder has opened them again");
}
