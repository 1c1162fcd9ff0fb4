//! What each sink sends, to the letter.

use std::collections::BTreeSet;
use std::time::Duration;

use secrecy::{SecretSlice, SecretString};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use urgence::config::Links;
use urgence::core::{Band, ClockKind, ContactName, DeskName, Page, PageCause, PageKey, Timestamp};
use urgence::outbound::{Address, Post};
use urgence::pager::notice::{Notice, Phase};
use urgence::pager::sink::{Alertmanager, PagerDuty, Webhook};
use urgence::telemetry::traces::TraceParent;

use super::{BEARER_TOKEN, ROUTING_KEY};

const CASE: &str = "D2F7-P14C-VS7E-HD6N";
const KEY: &str = "D2F7-P14C-VS7E-HD6N/first-response/0/1200000";
const LINK: &str = "https://desk.example/cases/D2F7-P14C-VS7E-HD6N?from=page";
const SUMMARY: &str =
    "first response: band 1, case D2F7-P14C-VS7E-HD6N, rung 20 min, limit 21:30:00Z";
/// 2015-11-13 21:00:00 UTC, when the case was accepted.
const ACCEPTED: Timestamp = Timestamp::from_millis(1_447_448_400_000);
const NEW: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWX";
const OLD: &[u8] = b"abcdefghijklmnopqrstuvwxyz012345";

fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

fn desk() -> DeskName {
    "main".parse().unwrap()
}

fn contacts(names: &[&str]) -> BTreeSet<ContactName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn page() -> Page {
    Page {
        key: PageKey {
            case: CASE.parse().unwrap(),
            clock: ClockKind::FirstResponse,
            cycle: 0,
            offset: minutes(20),
        },
        contacts: contacts(&["head-of-desk", "somebody-elsewhere"]),
        band: Band::new(1).unwrap(),
        due_at: ACCEPTED + minutes(20),
        limit_at: ACCEPTED + minutes(30),
        cause: PageCause::Due,
        is_quieted_by_claim: false,
    }
}

fn notice() -> Notice {
    let links = Links::new("https://desk.example/cases/{case}?from=page".to_owned());
    Notice::of(desk(), &page(), contacts(&["head-of-desk"]), &links, false)
}

fn test_notice() -> Notice {
    Notice::test(desk(), "desk".parse().unwrap(), "test/desk/1447448400000".to_owned())
}

fn now() -> Timestamp {
    ACCEPTED + minutes(21)
}

fn address(text: &str) -> Address {
    text.parse::<url::Url>().unwrap().into()
}

fn json(post: &Post) -> Value {
    serde_json::from_slice(&post.body).unwrap()
}

fn details() -> Value {
    json!({
        "key": KEY,
        "desk": "main",
        "contacts": ["head-of-desk"],
        "is_store_unreachable": false,
        "is_test": false,
        "link": LINK,
        "case": CASE,
        "clock": "first-response",
        "cycle": 0,
        "offset_ms": 1_200_000,
        "band": 1,
        "due_at": "2015-11-13T21:20:00.000Z",
        "limit_at": "2015-11-13T21:30:00.000Z",
        "cause": "due",
    })
}

#[test]
fn people_are_told_in_one_line() {
    assert_eq!(notice().summary(), SUMMARY);
    let unsure = Notice { is_store_unreachable: true, ..notice() };
    assert_eq!(unsure.summary(), format!("{SUMMARY} (store unreachable, may be answered)"));
    assert_eq!(test_notice().summary(), "test page of the desk main: please acknowledge it");
    let told = |offset: Duration, limit: Duration, clock| {
        let key = PageKey { offset, clock, ..page().key };
        let (due_at, limit_at) = (ACCEPTED + offset, ACCEPTED + limit);
        let page = Page { key, due_at, limit_at, ..page() };
        let none = Links::default();
        Notice::of(desk(), &page, contacts(&[]), &none, false).summary()
    };
    let start = told(Duration::ZERO, minutes(30), ClockKind::FirstResponse);
    assert!(start.ends_with("rung 0 min, limit 21:30:00Z"), "{start}");
    // A limit on another day is told with it.
    let later = told(minutes(90), minutes(60 * 24), ClockKind::EEvidenceEmergency);
    assert!(later.starts_with("e evidence emergency: "), "{later}");
    assert!(later.ends_with("rung 1 h 30 min, limit 2015-11-14 21:00:00Z"), "{later}");
    let longest = told(minutes(60 * 24 * 33 + 1), minutes(60 * 24 * 60), ClockKind::NonDisclosure);
    assert!(longest.contains("rung 33 d 1 min, "), "{longest}");
}

#[test]
fn pager_duty_gets_an_event_of_its_api() {
    let url = "https://events.pagerduty.com/v2/enqueue";
    let sink = PagerDuty::new(address(url), SecretString::from(ROUTING_KEY));
    let post = sink.render(&notice(), Phase::Fire);
    assert_eq!(post.address.as_str(), url);
    assert_eq!(post.headers, [("content-type", "application/json".to_owned())]);
    let fired = json!({
        "routing_key": ROUTING_KEY,
        "event_action": "trigger",
        "dedup_key": KEY,
        "client": "urgence",
        "client_url": LINK,
        "links": [{ "href": LINK, "text": "the case at the desk" }],
        "payload": {
            "summary": SUMMARY,
            "source": "urgence/desks/main",
            "severity": "error",
            "timestamp": "2015-11-13T21:20:00.000Z",
            "component": "first-response",
            "group": "main",
            "class": "page",
            "custom_details": details(),
        },
    });
    assert_eq!(json(&post), fired);
    let resolved =
        json!({ "routing_key": ROUTING_KEY, "event_action": "resolve", "dedup_key": KEY });
    assert_eq!(json(&sink.render(&notice(), Phase::Resolve)), resolved);
    // Nothing below `error`, which a service may take for something that can wait.
    let severity = |band: Band| {
        let page = Page { band, ..page() };
        let none = Links::default();
        let notice = Notice::of(desk(), &page, contacts(&["desk"]), &none, false);
        let event = json(&sink.render(&notice, Phase::Fire));
        assert_eq!((event.get("links"), event.get("client_url")), (None, None));
        event["payload"]["severity"].as_str().unwrap().to_owned()
    };
    let severities: Vec<String> = Band::all().map(severity).collect();
    assert_eq!(severities[0], "critical");
    assert!(severities[1..].iter().all(|severity| severity == "error"));
    let test = json(&sink.render(&test_notice(), Phase::Fire));
    assert_eq!(test["dedup_key"], "test/desk/1447448400000");
    assert_eq!(test["payload"]["severity"], "critical");
    assert_eq!(test["payload"]["custom_details"]["is_test"], true);
}

#[test]
fn what_the_receivers_of_keys_allow_is_not_exceeded() {
    let longest = ClockKind::ALL.iter().max_by_key(|clock| clock.word().len()).unwrap();
    let key = PageKey { clock: *longest, cycle: u32::MAX, offset: Duration::MAX, ..page().key };
    assert!(key.to_string().len() <= 255);
    assert!(ClockKind::ALL.iter().all(|clock| !clock.word().contains('.')));
}

#[test]
fn alertmanager_gets_an_alert_of_its_api() {
    let token = SecretString::from(BEARER_TOKEN);
    let url = "https://alerts.example/am/";
    let sink = Alertmanager::new(address(url), Some(token));
    let post = sink.render(&notice(), Phase::Fire, now());
    assert_eq!(post.address.as_str(), "https://alerts.example/am/api/v2/alerts");
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("authorization", format!("Bearer {BEARER_TOKEN}")),
    ];
    assert_eq!(post.headers, headers);
    let alert = |ends_at: &str| {
        json!([{
            "labels": {
                "alertname": "UrgencePage",
                "severity": "critical",
                "page": KEY,
                "desk": "main",
                "case": CASE,
                "clock": "first-response",
            },
            "annotations": {
                "summary": SUMMARY,
                "contacts": "head-of-desk",
                "band": "1",
                "limit_at": "2015-11-13T21:30:00.000Z",
                "cause": "due",
            },
            "startsAt": "2015-11-13T21:20:00.000Z",
            "endsAt": ends_at,
            "generatorURL": LINK,
        }])
    };
    assert_eq!(json(&post), alert("2015-11-14T21:21:00.000Z"));
    assert_eq!(
        json(&sink.render(&notice(), Phase::Resolve, now())),
        alert("2015-11-13T21:21:00.000Z")
    );
    let open = Alertmanager::new(address("http://localhost:9093"), None);
    let post = open.render(&test_notice(), Phase::Fire, now());
    assert_eq!(post.address.as_str(), "http://localhost:9093/api/v2/alerts");
    assert_eq!(post.headers.len(), 1);
    let test = &json(&post)[0];
    assert_eq!((&test["labels"]["clock"], &test["labels"]["case"]), (&json!("test"), &Value::Null));
    assert_eq!(test["startsAt"], "2015-11-13T21:21:00.000Z");
}

#[test]
fn an_alert_is_resolved_under_the_labels_that_it_fired_under() {
    let sink = Alertmanager::new(address("http://localhost:9093"), None);
    let fired = json(&sink.render(&notice(), Phase::Fire, now()));
    // All that may have changed until then has.
    let later = Page {
        band: Band::MOST_URGENT,
        due_at: ACCEPTED + minutes(22),
        limit_at: ACCEPTED + minutes(40),
        cause: PageCause::ClaimLost,
        ..page()
    };
    let links = Links::default();
    let resolved = Notice::of(desk(), &later, contacts(&["executive"]), &links, true);
    for at in [now() + minutes(5), ACCEPTED] {
        let resolved = json(&sink.render(&resolved, Phase::Resolve, at));
        assert_eq!(resolved[0]["labels"], fired[0]["labels"]);
        assert_ne!(resolved[0]["annotations"], fired[0]["annotations"]);
        // An alert that begins after its end is refused.
        let instant = |name: &str| resolved[0][name].as_str().unwrap().to_owned();
        assert!(instant("startsAt") <= instant("endsAt"));
    }
    let test = |phase, at| json(&sink.render(&test_notice(), phase, at))[0]["labels"].clone();
    assert_eq!(test(Phase::Fire, now()), test(Phase::Resolve, now() + minutes(5)));
}

fn webhook(secrets: &[&[u8]]) -> Webhook {
    let secrets = secrets.iter().map(|secret| SecretSlice::from(secret.to_vec())).collect();
    Webhook::new(address("https://pages.example/urgence?tenant=1"), secrets)
}

fn header(post: &Post, wanted: &str) -> String {
    let found: Vec<_> = post.headers.iter().filter(|(name, _)| *name == wanted).collect();
    assert_eq!(found.len(), 1, "{wanted}");
    found[0].1.clone()
}

#[test]
fn a_webhook_is_a_cloud_event() {
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let traced = Notice { traceparent: TraceParent::parse(traceparent), ..notice() };
    let post = webhook(&[NEW]).render(&traced, Phase::Fire, now());
    assert_eq!(post.address.as_str(), "https://pages.example/urgence?tenant=1");
    assert_eq!(header(&post, "content-type"), "application/cloudevents+json");
    let id = KEY;
    let mut data = details();
    data["summary"] = SUMMARY.into();
    let mut event = json!({
        "specversion": "1.0",
        "id": id,
        "source": "/urgence/desks/main",
        "type": "urgence.page.fired.v1",
        "subject": format!("desks/main/cases/{CASE}"),
        "time": "2015-11-13T21:20:00.000Z",
        "datacontenttype": "application/json",
        "traceparent": traceparent,
        "data": data,
    });
    assert_eq!(json(&post), event);
    assert_eq!(header(&post, "webhook-id"), id);
    assert_eq!(header(&post, "webhook-timestamp"), "1447449660");
    let resolved = webhook(&[NEW]).render(&notice(), Phase::Resolve, now());
    event.as_object_mut().unwrap().remove("traceparent");
    event["id"] = format!("{id}/resolved").into();
    event["type"] = "urgence.page.resolved.v1".into();
    event["time"] = "2015-11-13T21:21:00.000Z".into();
    assert_eq!(json(&resolved), event);
    let test = webhook(&[NEW]).render(&test_notice(), Phase::Fire, now());
    assert_eq!(json(&test)["subject"], "desks/main");
    assert_eq!(json(&test)["data"]["is_test"], true);
}

#[test]
fn a_repeat_of_a_webhook_has_its_id_and_nothing_else_has() {
    let sink = webhook(&[NEW]);
    let id = |notice: &Notice, phase, at| {
        let id = header(&sink.render(notice, phase, at), "webhook-id");
        assert!(!id.contains('.'), "{id}");
        id
    };
    let fired = id(&notice(), Phase::Fire, now());
    assert_eq!(id(&notice(), Phase::Fire, now() + minutes(1)), fired);
    let resolved = id(&notice(), Phase::Resolve, now());
    assert_eq!(id(&notice(), Phase::Resolve, now() + minutes(1)), resolved);
    // From memory or by another replica it is the same page.
    let links = Links::default();
    let twin = Notice::of(desk(), &page(), contacts(&["desk"]), &links, true);
    assert_eq!(id(&twin, Phase::Fire, now() + minutes(2)), fired);
    // The same rung again, as when the claim was lost: another page, in another cycle.
    let of_page = page();
    let key = PageKey { cycle: 1, ..of_page.key };
    let again = Page { key, cause: PageCause::ClaimLost, ..of_page };
    let again = Notice::of(desk(), &again, contacts(&["desk"]), &links, false);
    let ids = [fired, resolved, id(&again, Phase::Fire, now()), id(&again, Phase::Resolve, now())];
    assert_eq!(BTreeSet::from(ids).len(), 4);
}

/// HMAC-SHA-256 as RFC 2104 writes it, for keys of up to 64 bytes.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let padded = |byte: u8| block.map(|of_key| of_key ^ byte);
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().to_vec()
}

#[test]
fn a_webhook_is_signed_by_each_key() {
    use base64::Engine as _;
    // RFC 4231, test case 2.
    let known = hmac(b"Jefe", b"what do ya want for nothing?");
    assert_eq!(known[..4], [0x5b, 0xdc, 0xc1, 0x46]);
    let signature = |post: &Post, key: &[u8]| {
        let (id, at) = (header(post, "webhook-id"), header(post, "webhook-timestamp"));
        let signed = [format!("{id}.{at}.").as_bytes(), &post.body].concat();
        let code = base64::engine::general_purpose::STANDARD.encode(hmac(key, &signed));
        format!("v1,{code}")
    };
    let alone = webhook(&[NEW]).render(&notice(), Phase::Fire, now());
    assert_eq!(header(&alone, "webhook-signature"), signature(&alone, NEW));
    let both = webhook(&[NEW, OLD]).render(&notice(), Phase::Fire, now());
    let wanted = format!("{} {}", signature(&both, NEW), signature(&both, OLD));
    assert_eq!(header(&both, "webhook-signature"), wanted);
    // Another attempt is signed for its own time.
    let later = webhook(&[NEW]).render(&notice(), Phase::Fire, now() + minutes(1));
    assert_eq!(header(&later, "webhook-signature"), signature(&later, NEW));
    assert_ne!(header(&later, "webhook-signature"), header(&alone, "webhook-signature"));
}
