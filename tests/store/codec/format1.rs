//! What the version before wrote: a case then had the first-response clock alone, and its answer said
//! everything else. The files hold what that version really wrote; nobody writes such bytes any more.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use urgence::core::intake::DataCategory;
use urgence::core::projection::{project, ready};
use urgence::core::{
    Band, Case, CaseId, Change, Claim, Class, Clock, ClockKind, ClockState, Command, Deed, Ended,
    Event, Facts, FirstResponse, FirstResponseKind, Instrument, Lane, Memory, Nature, Outcome,
    Page, PageCause, PageKey, Policy, PolicyId, Promised, Punctuality, RedirectTarget,
    RefusalReason, RequestDigest, RungRecord, State, Timestamp, Verification,
};
use urgence::desk::{Desk, DeskSettings};
use urgence::store::{Index, Said, Store, decode_case, decode_told, encode_case, encode_change};

use super::START;
use crate::support::make::{act, before, decided, does};
use crate::{every_change, now, open, options, start_redis};

const MINUTE: Duration = Duration::from_mins(1);
const IN_PROGRESS: FirstResponseKind =
    FirstResponseKind::InProgress { expected_within: Duration::from_hours(1) };

/// The bytes of a file.
fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.trim().as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn accepted_bytes() -> Vec<u8> {
    bytes(include_str!("../format1/accepted.hex"))
}

fn in_progress_bytes() -> Vec<u8> {
    bytes(include_str!("../format1/in-progress.hex"))
}

fn id() -> CaseId {
    CaseId::derive(&"fr-pnij".parse().unwrap(), &"r-1".parse().unwrap())
}

fn read(version: u64, bytes: &[u8]) -> Case {
    decode_case(id(), version, bytes).unwrap()
}

fn hex<const N: usize>(digits: &str) -> [u8; N] {
    bytes(digits).try_into().unwrap()
}

/// The case that every file is about, as it was accepted.
fn accepted() -> Case {
    let clock = Clock {
        kind: ClockKind::FirstResponse,
        class: Class::Emergency,
        started_at: START,
        target_at: START + MINUTE * 20,
        limit_at: START + MINUTE * 30,
        shifted_by: Duration::ZERO,
        climbed_since: START,
        cycle: 0,
        next_rung: 1,
        next_due_at: START + MINUTE * 3,
        state: ClockState::Running,
        is_extended: false,
        settlement: None,
    };
    let digest = "dd619b6c09797f85a754288f9fa2cdf5d2ae71967ec80fedc492f661530019ac";
    Case {
        id: id(),
        version: 1,
        authority: "fr-pnij".parse().unwrap(),
        nature: Nature::MissingChild,
        band: Band::new(1).unwrap(),
        // It may have asked for anything, from anywhere, about anybody.
        facts: Facts {
            country: "ZZ".parse().unwrap(),
            instrument: Instrument::EmergencyRequest,
            categories: DataCategory::ALL.iter().copied().collect(),
            protections: [].into(),
            fingerprints: [].into(),
            targets: 0,
            officer: None,
            incident_tag: None,
        },
        policy: PolicyId(hex("2ac10f6eacc632e4bfc8eea88d76bfcb")),
        request_digest: RequestDigest(hex(digest)),
        accepted_at: START,
        last_event_at: START,
        promised: Promised { target_at: START + MINUTE * 20, limit_at: START + MINUTE * 30 },
        risks: [].into(),
        clocks: [(ClockKind::FirstResponse, clock)].into(),
        first_response: None,
        claim: None,
        claim_epoch: 0,
        asked_at: None,
        withdrawal_at: None,
        verification: Verification::Unverified,
        conflicts: BTreeMap::new(),
        lowering: None,
        proposal: None,
        proposals: 0,
        dispositions: BTreeMap::new(),
        disclosures: Vec::new(),
        ended: None,
        likely_duplicates: [].into(),
        linked: BTreeMap::new(),
        incident: None,
        legal_hold: None,
        pages: Vec::new(),
        purged_at: None,
        memory: Memory::default(),
    }
}

/// The same with another state of its one clock.
fn clock_is(state: ClockState, case: &Case) -> BTreeMap<ClockKind, Clock> {
    let clock = Clock { state, ..case.first_response_clock().clone() };
    [(ClockKind::FirstResponse, clock)].into()
}

#[test]
fn an_accepted_case_is_read() {
    assert_eq!(read(1, &accepted_bytes()), accepted());
    let routine = read(1, &bytes(include_str!("../format1/routine.hex")));
    let clock = routine.first_response_clock().clone();
    assert_eq!((routine.nature, clock.class), (Nature::Routine, Class::Routine));
    assert_eq!(clock.target_at, START + Duration::from_hours(24));
    assert_eq!(clock.limit_at, START + Duration::from_hours(72));
    assert_eq!((clock.next_rung, clock.next_due_at), (0, START + Duration::from_hours(12)));
}

#[test]
fn a_claimed_case_is_read() {
    let claimed = read(2, &bytes(include_str!("../format1/claimed.hex")));
    let claim = Claim {
        by: "ana".parse().unwrap(),
        epoch: 1,
        granted_at: START + MINUTE,
        expires_at: START + MINUTE * 6,
        has_quieted: false,
    };
    assert_eq!(claimed.memory.iter().count(), 1);
    let wanted = Case {
        version: 2,
        last_event_at: claim.granted_at,
        claim: Some(claim),
        claim_epoch: 1,
        memory: claimed.memory.clone(),
        ..accepted()
    };
    assert_eq!(claimed, wanted);
}

#[test]
fn an_answered_case_is_read_as_answered() {
    let case = read(3, &in_progress_bytes());
    let at = START + MINUTE * 2;
    let by = "ana".parse().unwrap();
    let response = FirstResponse { kind: IN_PROGRESS, at, by, is_claim_lost: false, digest: None };
    assert_eq!(case.first_response, Some(response));
    // The answer alone said that the clock had stopped.
    assert_eq!(case.clocks, clock_is(ClockState::Stopped { at }, &accepted()));
    assert!(!case.is_unanswered() && case.ended.is_none() && case.asked_at.is_none());
    assert_eq!((case.state(), case.claim_epoch), (State::Collecting, 1));
    let claim = case.claim.as_ref().unwrap();
    assert_eq!((claim.by.as_str(), claim.epoch), ("ana", 1));
    assert_eq!(claim.expires_at, at + MINUTE * 5);
    assert_eq!(project(&case).wake_at, Some(claim.expires_at));
    assert_eq!(case.memory.iter().count(), 2);
}

#[test]
fn a_case_without_data_is_read_as_ended() {
    let case = read(3, &bytes(include_str!("../format1/no-data.hex")));
    let at = START + MINUTE * 2;
    let purge_at = at + Duration::from_hours(365 * 24);
    let (outcome, shown_until) = (Outcome::NoDataFound, purge_at);
    let ended = Ended { outcome, refusal: None, at, purge_at, shown_until };
    assert_eq!((case.ended, case.state()), (Some(ended), State::NoData));
    assert_eq!(case.clocks, clock_is(ClockState::Stopped { at }, &accepted()));
    assert_eq!((case.claim.as_ref(), case.claim_epoch), (None, 1));
    // It waits for nothing but the end of its retention, and then leaves a tombstone.
    assert_eq!((ready(&case), project(&case).wake_at), (None, Some(purge_at)));
    let next = decided(Some(&case), &Command::Wake, purge_at, &Policy::built_in());
    assert_eq!(next.events, [Event::Purged]);
}

/// A case as the version before wrote it, of which no more is said than is needed to change it.
#[derive(Clone, PartialEq, Message)]
struct OldCase {
    #[prost(uint32, tag = "1")]
    format: u32,
    #[prost(string, tag = "2")]
    authority: String,
    #[prost(string, tag = "3")]
    nature: String,
    #[prost(uint32, tag = "4")]
    band: u32,
    #[prost(bytes, tag = "5")]
    policy: Vec<u8>,
    #[prost(bytes, tag = "6")]
    request_digest: Vec<u8>,
    #[prost(uint64, tag = "7")]
    accepted_ms: u64,
    #[prost(uint64, tag = "8")]
    last_event_ms: u64,
    #[prost(message, optional, tag = "9")]
    clock: Option<OldClock>,
    #[prost(message, optional, tag = "10")]
    first_response: Option<OldResponse>,
    #[prost(bytes, tag = "11")]
    claim: Vec<u8>,
    #[prost(uint64, tag = "12")]
    claim_epoch: u64,
    #[prost(bytes, tag = "13")]
    memory: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct OldClock {
    #[prost(string, tag = "1")]
    kind: String,
    #[prost(uint64, tag = "2")]
    started_ms: u64,
    #[prost(uint64, tag = "3")]
    target_ms: u64,
    #[prost(uint64, tag = "4")]
    limit_ms: u64,
    #[prost(uint32, tag = "5")]
    cycle: u32,
    #[prost(uint32, tag = "6")]
    next_rung: u32,
    #[prost(uint64, tag = "7")]
    next_due_ms: u64,
}

#[derive(Clone, PartialEq, Message)]
struct OldResponse {
    #[prost(message, optional, tag = "1")]
    kind: Option<OldKind>,
    #[prost(uint64, tag = "2")]
    at_ms: u64,
    #[prost(string, tag = "3")]
    by: String,
    #[prost(bool, tag = "4")]
    is_claim_lost: bool,
}

#[derive(Clone, PartialEq, Message)]
struct OldKind {
    #[prost(string, tag = "1")]
    word: String,
    #[prost(string, tag = "2")]
    detail: String,
    #[prost(uint64, tag = "3")]
    expected_within_ms: u64,
}

/// The answered case of the file, with another answer.
fn answered(word: &str, detail: &str) -> Case {
    let mut old = OldCase::decode(in_progress_bytes().as_slice()).unwrap();
    assert_eq!(old.encode_to_vec(), in_progress_bytes(), "these are the fields it had");
    let (word, detail) = (word.to_owned(), detail.to_owned());
    let kind = OldKind { word, detail, expected_within_ms: 0 };
    old.first_response.as_mut().unwrap().kind = Some(kind);
    // A final answer was the end of the claim.
    if old.first_response.as_ref().unwrap().kind.as_ref().unwrap().word != "need_information" {
        old.claim.clear();
    }
    read(3, &old.encode_to_vec())
}

#[test]
fn every_other_answer_is_read_as_what_it_meant() {
    let at = START + MINUTE * 2;
    let asked = answered("need_information", "");
    assert_eq!(asked.first_response.as_ref().unwrap().kind, FirstResponseKind::NeedInformation);
    assert_eq!((asked.asked_at, asked.ended), (Some(at), None));
    assert_eq!(asked.state(), State::AwaitingInformation);
    for reason in RefusalReason::ALL {
        let ended = answered("refused", reason.word()).ended.unwrap();
        assert_eq!((ended.outcome, ended.refusal), (Outcome::Rejected, Some(*reason)));
    }
    for target in RedirectTarget::ALL {
        let case = answered("redirected", target.word());
        let ended = case.ended.unwrap();
        assert_eq!((ended.outcome, ended.refusal, ended.at), (Outcome::Redirected, None, at));
        assert!(case.clocks.values().all(Clock::is_stopped) && case.claim.is_none());
    }
}

/// The change of a case that these bytes are.
#[track_caller]
fn changed(bytes: &[u8]) -> Change {
    decode_told(bytes).unwrap().change().unwrap().clone()
}

#[test]
fn changes_are_read() {
    let change = changed(&bytes(include_str!("../format1/accepted-change.hex")));
    let offset = Duration::ZERO;
    let case = accepted();
    let (clock, band) = (ClockKind::FirstResponse, case.band);
    let rung = RungRecord {
        clock,
        cycle: 0,
        offset,
        due_at: START,
        count: 1,
        spacing: Duration::ZERO,
        lateness: Duration::ZERO,
        mark: None,
        band,
    };
    let (target_at, limit_at) = (START + MINUTE * 20, START + MINUTE * 30);
    let page = Page {
        key: PageKey { case: id(), clock, cycle: 0, offset },
        contacts: ["desk".parse().unwrap()].into(),
        band,
        due_at: START,
        limit_at,
        cause: PageCause::Due,
        // It was not said then; so nothing keeps such a page quiet.
        is_quieted_by_claim: false,
    };
    let told = Event::Accepted { nature: case.nature, band, target_at, limit_at };
    assert_eq!(change.events, [told, Event::RungFired(rung), Event::Paged(page)]);
    assert_eq!((change.case, change.version, change.at), (id(), 1, START));
    assert_eq!(change.authority, case.authority);

    let change = changed(&bytes(include_str!("../format1/in-progress-change.hex")));
    let responded = Event::Responded {
        by: "ana".parse().unwrap(),
        kind: IN_PROGRESS,
        waited: MINUTE * 2,
        band,
        punctuality: Punctuality::WithinTarget,
        is_claim_lost: false,
    };
    assert_eq!((change.version, change.events), (3, vec![responded]));
    assert_eq!(change.at, START + MINUTE * 2);
}

/// Decides on the case and stores what comes of it, which must be of this version's format.
#[track_caller]
fn go_on(case: &Case, command: &Command, at: Timestamp) -> (Case, Vec<Event>) {
    let next = decided(Some(case), command, at, &Policy::built_in());
    let bytes = encode_case(&next.case);
    assert_eq!(bytes[..2], [0x08, 2]);
    assert_eq!(decode_case(case.id, next.case.version, &bytes).unwrap(), next.case);
    assert_eq!(changed(&encode_change(&next.change())), next.change());
    (next.case, next.events)
}

#[test]
fn a_case_of_the_version_before_goes_on() {
    let case = read(1, &accepted_bytes());
    let (case, events) = go_on(&case, &Command::Wake, START + MINUTE * 3);
    assert!(
        matches!(&events[..], [Event::RungFired(rung), Event::Paged(_)] if rung.offset == MINUTE * 3)
    );
    let (case, _) = go_on(&case, &does("ann", "c", Deed::Claim), START + MINUTE * 4);
    let answer = does("ann", "a", Deed::Respond(1, IN_PROGRESS));
    let (case, events) = go_on(&case, &answer, START + MINUTE * 5);
    // What was paged for it in this version is over; of what was paged before, nothing is known.
    let clock = ClockKind::FirstResponse;
    assert_eq!(events[0], Event::PagesClosed { clock });
    assert!(matches!(&events[1], Event::Responded { waited, .. } if *waited == MINUTE * 5));
    assert!(case.runs(ClockKind::Progress) && !case.is_unanswered());
    let (case, _) = go_on(&case, &does("ann", "r", Deed::Release(1)), START + MINUTE * 6);
    let (lane, place) = ready(&case).unwrap();
    let progress = case.clock(ClockKind::Progress).unwrap().limit_at;
    assert_eq!((lane, place.score() & ((1 << 42) - 1)), (Lane::Ordinary, progress.as_millis()));

    // One that was answered before comes back when its lease ends, and then has its next promise.
    let case = read(3, &in_progress_bytes());
    let lease_end = case.claim.as_ref().unwrap().expires_at;
    let (case, events) = go_on(&case, &Command::Wake, lease_end);
    assert!(matches!(&events[..], [Event::ClaimLost { epoch: 1, .. }]), "{events:?}");
    assert!(ready(&case).is_some());
    let (case, _) = go_on(&case, &does("bob", "c", Deed::Claim), lease_end);
    let (case, _) = go_on(&case, &does("bob", "u", Deed::SendUpdate(2, None)), lease_end);
    assert!(case.runs(ClockKind::Progress));
    // What it did before, it still remembers.
    assert_eq!(case.memory.iter().count(), 4);

    // One that was asked something goes on with the answer.
    let asked = answered("need_information", "");
    let (case, _) =
        go_on(&asked, &does("portal", "p", Deed::ProvideInformation), START + MINUTE * 4);
    assert!(case.runs(ClockKind::Reply) && project(&case).unanswered.is_some());
}

/// A kept policy, as the version before wrote it: with nothing but the first response.
#[derive(Clone, PartialEq, Message)]
struct OldPolicy {
    #[prost(uint32, tag = "1")]
    format: u32,
    #[prost(map = "string, uint32", tag = "2")]
    bands: HashMap<String, u32>,
    #[prost(bytes, tag = "3")]
    emergency: Vec<u8>,
    #[prost(bytes, tag = "4")]
    routine: Vec<u8>,
    #[prost(uint64, tag = "5")]
    lease_ms: u64,
}

/// Everything that the version before had in Redis for a case that it accepted at `at`, under the
/// policy that was then built in.
fn write_as_before(redis: &mut redis::Connection, at: Timestamp) {
    let key = |name: &str| format!("{{urgence:main}}:{name}");
    let policy = key(&format!("policy:{}", Policy::built_in().id()));
    let state: Vec<u8> = redis::cmd("HGET").arg(policy).arg("state").query(redis).unwrap();
    let policy = OldPolicy { format: 1, ..OldPolicy::decode(state.as_slice()).unwrap() };
    let mut old = OldCase::decode(accepted_bytes().as_slice()).unwrap();
    let passed_ms = START.as_millis() - at.as_millis();
    (old.accepted_ms, old.last_event_ms) = (at.as_millis(), at.as_millis());
    let clock = old.clock.as_mut().unwrap();
    for instant in
        [&mut clock.started_ms, &mut clock.target_ms, &mut clock.limit_ms, &mut clock.next_due_ms]
    {
        *instant -= passed_ms;
    }
    let (limit_ms, wake_ms) = (clock.limit_ms, clock.next_due_ms);
    let mut pipeline = redis::pipe();
    for (name, state) in [
        (format!("policy:{}", accepted().policy), policy.encode_to_vec()),
        (format!("case:{}", id().compact()), old.encode_to_vec()),
    ] {
        pipeline.cmd("HSET").arg(key(&name)).arg("version").arg(1).arg("state").arg(state);
    }
    let place = (1_u64 << 42) + limit_ms;
    for (index, score) in [
        ("ready", place),
        ("unanswered", place),
        ("wake", wake_ms),
        ("cases", at.as_millis()),
        ("authority:fr-pnij", at.as_millis()),
    ] {
        pipeline.cmd("ZADD").arg(key(index)).arg(score).arg(id().compact());
    }
    let change = bytes(include_str!("../format1/accepted-change.hex"));
    pipeline.cmd("XADD").arg(key("events")).arg("*").arg("change").arg(change);
    let _: redis::Value = pipeline.query(redis).unwrap();
}

/// The bytes of the case in Redis.
fn stored(redis: &mut redis::Connection) -> Vec<u8> {
    let key = format!("{{urgence:main}}:case:{}", id().compact());
    redis::cmd("HGET").arg(key).arg("state").query(redis).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_desk_takes_over_what_the_version_before_left() {
    let server = start_redis();
    let store = open(&options(&[server.url()])).await;
    store.keep_policy(&Policy::built_in()).await.unwrap();
    let mut redis = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let accepted_at = before(now(store.as_ref()).await, MINUTE * 4);
    write_as_before(&mut redis, accepted_at);
    assert_eq!(stored(&mut redis)[..2], [0x08, 1]);

    let settings = DeskSettings::plain("main".parse().unwrap(), Policy::built_in());
    let (desk, line, _tail) = Desk::new(settings, Arc::clone(&store));
    let line = tokio::spawn(line.run());
    assert_eq!(desk.get(id()).await.unwrap().accepted_at, accepted_at);
    let served = desk.wake(store.due(0, 10).await.unwrap().ids).await.unwrap();
    assert!(served.failed.is_empty() && served.idle.is_empty(), "{served:?}");
    assert_eq!(stored(&mut redis)[..2], [0x08, 2]);
    let claimed = desk.claim_next(act("ann", "next"), MINUTE).await.unwrap().unwrap().case;
    assert_eq!((claimed.id, claimed.version), (id(), 3));
    let said = Said::Response(b"we are looking".into());
    let answered =
        desk.act(id(), act("ann", "a"), Deed::Respond(1, IN_PROGRESS), said).await.unwrap().case;
    let progress = answered.clock(ClockKind::Progress).unwrap();
    assert_eq!(progress.limit_at, progress.started_at + MINUTE * 60, "the rest is the built-in's");
    desk.act(id(), act("ann", "r"), Deed::Release(1), Said::Nothing).await.unwrap();
    let ready = store.list(&Index::Ready(Lane::Ordinary), None, 10).await.unwrap();
    assert_eq!(ready.len(), 1, "answered and still open, it waits by its next promise");
    assert!(store.contents(id()).await.unwrap().response.is_some());
    let changes = every_change(store.as_ref()).await;
    assert_eq!(changes.iter().map(|change| change.version).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    line.abort();
}
