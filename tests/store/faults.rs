//! A desk and its timer on a faulty network: an answer may be lost, a case never, and no rung fires
//! twice. Each test asserts that its fault really happened.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use urgence::core::incident::JoinRule;
use urgence::core::standing::StandingCommand;
use urgence::core::{Actor, CaseId, Deed, Event, FirstResponseKind, Intake, Nature, Policy, State};
use urgence::core::{ShownTo, SuspensionReason, Told, What};
use urgence::desk::{Desk, DeskSettings, Done, Error, IncidentDeed};
use urgence::store::{Facts, Index, RedisStore, Said, Store, StoreError};
use urgence::timer::Timer;

use crate::support::make::{act, intake, ms, policy};
use crate::support::proxy::{Fault, Proxy};
use crate::support::redis::TestRedis;
use crate::support::wait::{eventually, eventually_some};
use crate::{PATIENCE, all_changes, open, options, start_redis};

/// What every commit begins with. The supervisor's ROLE does not hold it and always passes.
const COMMIT: &[u8] = b"EVALSHA";

/// The rungs of [`rules`] within the life of a test.
const OFFSETS: [Duration; 4] = [ms(0), ms(20), ms(80), ms(120)];

fn rules() -> Policy {
    policy(ms(80), Duration::from_mins(1), Duration::from_hours(1))
}

/// A desk whose every byte to and from Redis goes through the proxy.
struct Room {
    redis: TestRedis,
    proxy: Proxy,
    store: Arc<RedisStore>,
    desk: Arc<Desk<RedisStore>>,
    timer: Timer<RedisStore>,
}

impl Room {
    async fn start() -> Self {
        Self::with_faults_at(COMMIT).await
    }

    /// One whose faults meet what holds `pattern`.
    async fn with_faults_at(pattern: &'static [u8]) -> Self {
        let redis = start_redis();
        let proxy = Proxy::start(redis.port(), pattern).await;
        let store = open(&options(&[proxy.url()])).await;
        // Kept before, so that the commit which meets the fault is the one that accepts.
        store.keep_policy(&rules()).await.unwrap();
        let settings = DeskSettings::plain("main".parse().unwrap(), rules());
        let (desk, _line, _tail) = Desk::new(settings, Arc::clone(&store));
        let timer = Timer::new(Arc::clone(&desk));
        Self { redis, proxy, store, desk, timer }
    }

    async fn submit(&self, intake: &Intake) -> Result<Done, Error> {
        self.desk.submit(intake.clone(), b"the request".to_vec()).await
    }

    /// Does as every client does: the same again until there is an answer.
    async fn submit_until_answered(&self, intake: &Intake) -> Done {
        let again = async || self.submit(intake).await.ok();
        eventually_some("the request is answered", PATIENCE, again).await
    }

    /// The version in Redis, asked past the proxy; empty when there is none.
    fn version(&self, id: CaseId) -> String {
        self.redis.command(&["HGET", &key(id), "version"])
    }

    /// Has the timer look until every rung of these cases has fired; how many looks went wrong.
    async fn wake_until_all_fired(&self, ids: &[CaseId]) -> usize {
        let mut went_wrong = 0;
        eventually("every rung fires", PATIENCE, async || {
            let pass = self.timer.pass().await;
            went_wrong += usize::from(pass.is_err() || pass.is_ok_and(|pass| pass.retried > 0));
            let loaded = self.store.load(ids).await;
            loaded.is_ok_and(|loaded| {
                loaded.cases.into_iter().all(|case| {
                    case.unwrap().is_some_and(|case| {
                        case.first_response_clock().next_rung as usize == OFFSETS.len()
                    })
                })
            })
        })
        .await;
        went_wrong
    }

    /// Exactly these cases exist, each was accepted once, and each rung is in the stream once.
    async fn check_each_happened_once(&self, ids: &[CaseId]) {
        // A link that nobody used since a fault has perhaps not noticed it yet.
        eventually("every link is up", PATIENCE, async || {
            self.store.kept().await.is_ok() && self.store.load(&[]).await.is_ok()
        })
        .await;
        let mut listed: Vec<_> = self.store.list(&Index::All, None, 1_000).await.unwrap();
        listed.sort_unstable_by_key(|position| position.id);
        let mut wanted = ids.to_vec();
        wanted.sort_unstable();
        assert_eq!(listed.iter().map(|position| position.id).collect::<Vec<_>>(), wanted);

        let mut accepted: BTreeMap<CaseId, usize> = BTreeMap::new();
        let mut rungs: BTreeMap<(CaseId, u32, Duration), usize> = BTreeMap::new();
        for entry in all_changes(self.store.as_ref()).await {
            let told = entry.told.unwrap();
            let Some(change) = told.change().cloned() else { continue };
            for event in change.events {
                match event {
                    Event::Accepted { .. } => *accepted.entry(change.case).or_default() += 1,
                    Event::RungFired(rung) => {
                        assert_eq!(rung.count, 1, "no rung of these is a run of repeats");
                        let name = (change.case, rung.cycle, rung.offset);
                        *rungs.entry(name).or_default() += 1;
                    }
                    _ => {}
                }
            }
        }
        assert_eq!(accepted, wanted.iter().map(|id| (*id, 1)).collect());
        let each = wanted.iter().flat_map(|id| OFFSETS.map(|offset| ((*id, 0, offset), 1)));
        assert_eq!(rungs, each.collect());
    }
}

fn key(id: CaseId) -> String {
    format!("{{urgence:main}}:case:{}", id.compact())
}

fn request(number: usize) -> Intake {
    intake("fr-pnij", &format!("request-{number}"), Nature::MissingChild)
}

/// What one fault means for a request that meets it.
struct Expected {
    is_answered: bool,
    version: &'static str,
    is_replayed_after: bool,
}

async fn an_accept_meets(fault: Fault, expected: Expected) {
    let room = Room::start().await;
    let intake = request(1);
    let id = intake.case_id();
    room.proxy.arm(fault, 1);
    let first = room.submit(&intake).await;
    assert_eq!(room.proxy.bitten(), 1, "{first:?}");
    assert_eq!(room.version(id), expected.version);
    match first {
        Ok(done) => assert!(expected.is_answered && !done.is_replayed, "{done:?}"),
        Err(Error::Store(StoreError::Failed { operation: "commit", .. })) => {
            assert!(!expected.is_answered);
        }
        Err(other) => panic!("not the error of a write whose outcome is unknown: {other}"),
    }
    let done = room.submit_until_answered(&intake).await;
    assert_eq!((done.case.id, done.is_replayed), (id, expected.is_replayed_after));
    let again = room.submit_until_answered(&intake).await;
    assert_eq!((again.case, again.is_replayed), (done.case, true));
    room.wake_until_all_fired(&[id]).await;
    room.check_each_happened_once(&[id]).await;
    assert_eq!(room.proxy.bitten(), 1, "the fault happened to nothing else");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_accept_whose_answer_is_cut_off_is_found_again() {
    let expected = Expected { is_answered: false, version: "1", is_replayed_after: true };
    an_accept_meets(Fault::CutAfterApply, expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_accept_that_never_arrived_is_made_by_the_next_try() {
    let expected = Expected { is_answered: false, version: "", is_replayed_after: false };
    an_accept_meets(Fault::CutBefore, expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_accept_on_a_silent_connection_is_found_again_on_a_new_one() {
    let expected = Expected { is_answered: false, version: "1", is_replayed_after: true };
    an_accept_meets(Fault::Hang, expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_accept_whose_answer_drips_in_is_answered() {
    let expected = Expected { is_answered: true, version: "1", is_replayed_after: true };
    an_accept_meets(Fault::Drip, expected).await;
}

/// Where a request comes from is looked up while it waits to be stored, and keeps it from nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_taken_in_though_where_it_comes_from_is_not_answered() {
    let room = Room::with_faults_at(b"ZCOUNT").await;
    room.proxy.arm(Fault::CutBefore, 1);
    let done = room.submit(&request(1)).await.unwrap();
    assert_eq!(room.proxy.bitten(), 1);
    assert_eq!((done.is_replayed, done.case.risks), (false, [].into()));
}

async fn a_wake_meets(fault: Fault, goes_wrong: bool) {
    let room = Room::start().await;
    let ids = [request(1).case_id(), request(2).case_id()];
    for number in [1, 2] {
        assert!(!room.submit(&request(number)).await.unwrap().is_replayed);
    }
    room.proxy.arm(fault, 1);
    let went_wrong = room.wake_until_all_fired(&ids).await;
    assert_eq!(room.proxy.bitten(), 1);
    assert_eq!(went_wrong > 0, goes_wrong, "{went_wrong} looks of the timer went wrong");
    room.check_each_happened_once(&ids).await;
    // Looking once more finds nothing that was left behind.
    let look = async || room.timer.pass().await.ok();
    let pass = eventually_some("the timer looks", PATIENCE, look).await;
    assert_eq!((pass.woken, pass.failed), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wake_whose_answer_is_cut_off_fires_its_rung_once() {
    a_wake_meets(Fault::CutAfterApply, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wake_that_never_arrived_fires_its_rung_at_the_next_look() {
    a_wake_meets(Fault::CutBefore, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wake_on_a_silent_connection_fires_its_rung_once() {
    a_wake_meets(Fault::Hang, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wake_whose_answer_drips_in_fires_its_rung_once() {
    a_wake_meets(Fault::Drip, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_of_accepts_cut_off_again_and_again_makes_each_case_once() {
    const ROUNDS: usize = 3;
    const REQUESTS: usize = 20;
    let room = Room::start().await;
    for round in 0..ROUNDS {
        room.proxy.arm(Fault::CutAfterApply, 1);
        // A new connection's Redis is looked at before anything is promised on it.
        let is_promising = async || room.store.not_durable().is_none();
        eventually("new cases are accepted", PATIENCE, is_promising).await;
        let numbers = round * REQUESTS..(round + 1) * REQUESTS;
        let mut submitting = JoinSet::new();
        for number in numbers.clone() {
            // Two clients for each request, as when a portal's own retry overtakes it.
            for _ in 0..2 {
                let desk = Arc::clone(&room.desk);
                submitting.spawn(async move { desk.submit(request(number), Vec::new()).await });
            }
        }
        let firsts = submitting.join_all().await;
        assert!(firsts.iter().any(Result::is_err), "the cut hit nobody");
        assert_eq!(room.proxy.bitten(), round + 1);
        for number in numbers {
            room.submit_until_answered(&request(number)).await;
        }
    }
    room.proxy.arm(Fault::CutAfterApply, 1);
    let ids: Vec<_> = (0..ROUNDS * REQUESTS).map(|number| request(number).case_id()).collect();
    assert!(room.wake_until_all_fired(&ids).await > 0);
    assert_eq!(room.proxy.bitten(), ROUNDS + 1);
    room.check_each_happened_once(&ids).await;
}

/// What was said is opened to nobody of whom the record does not know first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_cannot_be_told_opens_nothing() {
    let room = Room::with_faults_at(b"XADD").await;
    let case = room.submit(&request(1)).await.unwrap().case;
    let read = async || {
        let by = Actor { subject: "ana".parse().unwrap(), identity: None };
        room.desk.read(&case, by, ShownTo::Desk).await
    };
    let told = async || {
        let entries = all_changes(room.store.as_ref()).await;
        let told = entries.into_iter().filter_map(|entry| match entry.told.unwrap() {
            Told::Notice(notice) => Some(notice.what),
            Told::Change(_) => None,
        });
        told.filter(|what| matches!(what, What::Read { case: id, .. } if *id == case.id)).count()
    };
    room.proxy.arm(Fault::CutBefore, 1);
    let refused = read().await.map(drop);
    let is_untold = matches!(refused, Err(Error::Store(StoreError::Failed { .. })));
    assert!(is_untold, "{refused:?}");
    assert_eq!((room.proxy.bitten(), told().await), (1, 0));
    let opened = eventually_some("it is opened", PATIENCE, async || read().await.ok()).await;
    assert_eq!(&*opened.request.unwrap(), b"the request");
    assert_eq!(told().await, 1);
}

fn scripts_known(redis: &TestRedis) -> String {
    redis.info("number_of_cached_scripts").unwrap()
}

fn forget_scripts(redis: &TestRedis) {
    assert_ne!(scripts_known(redis), "0", "it knew the scripts before");
    redis.command(&["SCRIPT", "FLUSH"]);
    assert_eq!(scripts_known(redis), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_forgot_the_scripts_is_told_them_again() {
    let room = Room::start().await;
    let ids: Vec<_> = (1..=3).map(|number| request(number).case_id()).collect();
    forget_scripts(&room.redis);
    assert!(!room.submit(&request(1)).await.unwrap().is_replayed);
    forget_scripts(&room.redis);
    assert!(room.submit(&request(1)).await.unwrap().is_replayed);

    // Forgotten, told again, and the answer to the second try lost.
    room.redis.command(&["SCRIPT", "FLUSH"]);
    room.proxy.arm(Fault::CutAfterApply, 1);
    let first = room.submit(&request(2)).await;
    assert!(matches!(first, Err(Error::Store(StoreError::Failed { .. }))), "{first:?}");
    assert_eq!((room.proxy.bitten(), room.version(ids[1])), (1, "1".to_owned()));
    assert!(room.submit_until_answered(&request(2)).await.is_replayed);

    // The new connection's Redis is looked at before anything is promised on it.
    assert!(!room.submit_until_answered(&request(3)).await.is_replayed);
    forget_scripts(&room.redis);
    assert_eq!(room.wake_until_all_fired(&ids).await, 0);
    assert_eq!(scripts_known(&room.redis), "2");
    room.check_each_happened_once(&ids).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_survives_the_death_of_redis() {
    const REQUESTS: usize = 30;
    let mut room = Room::start().await;
    let mut accepted = Vec::new();
    for number in 0..REQUESTS / 2 {
        accepted.push(room.submit(&request(number)).await.unwrap().case);
    }
    room.redis.kill();
    let refused = room.submit(&request(REQUESTS)).await;
    assert!(matches!(refused, Err(Error::Store(_))), "{refused:?}");
    room.redis.restart();
    let mut replayed = 0;
    for number in 0..REQUESTS {
        let done = room.submit_until_answered(&request(number)).await;
        replayed += usize::from(done.is_replayed);
        if let Some(case) = accepted.get(number) {
            assert_eq!(done.case, *case);
        }
    }
    assert_eq!(replayed, REQUESTS / 2);
    let ids: Vec<_> = (0..REQUESTS).map(|number| request(number).case_id()).collect();
    room.wake_until_all_fired(&ids).await;
    room.check_each_happened_once(&ids).await;
}

/// Leaves Redis no memory for anything new.
fn fill(redis: &TestRedis) {
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]);
    let refused = redis.try_command(&["SET", "something", "new"]).unwrap_err();
    assert!(refused.contains("OOM"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_redis_refuses_what_is_new_and_nothing_else() {
    let room = Room::start().await;
    let done = room.submit(&request(1)).await.unwrap();
    fill(&room.redis);
    let refused = room.submit(&request(2)).await;
    assert!(matches!(refused, Err(Error::Store(StoreError::Full { .. }))), "{refused:?}");
    assert_eq!(room.version(request(2).case_id()), "");
    // What was accepted is woken, claimed and answered as ever.
    assert_eq!(room.wake_until_all_fired(&[done.case.id]).await, 0);
    let (desk, id) = (&room.desk, done.case.id);
    let claimed = desk.act(id, act("ann", "c"), Deed::Claim, Said::Nothing).await.unwrap();
    let answer = Deed::Respond(claimed.case.claim_epoch, FirstResponseKind::NoData);
    let said = Said::Response(b"none".into());
    let answered = desk.act(id, act("ann", "a"), answer, said).await.unwrap();
    assert_eq!(answered.case.state(), State::NoData);
    // An attack does not wait for an administrator.
    let facts = Some(Facts(b"what is known".into()));
    let open = IncidentDeed::Open(JoinRule::default(), facts.clone());
    let (paris, by) = ("paris".parse().unwrap(), act("sup", "open"));
    let opened = desk.act_on_incident(&paris, &by, &open).await.unwrap();
    let told = room.store.incident_facts(&paris).await.unwrap();
    assert_eq!((opened.is_replayed, told), (false, facts));
    // What is read is recorded first, and what is suspended is stopped.
    desk.tell(None, What::TransparencyExported).await.unwrap();
    let suspend = StandingCommand::Suspend(SuspensionReason::Fraud);
    let of = done.case.authority.clone();
    desk.act_on_standing(&of, &act("sup", "suspend"), suspend).await.unwrap();
    room.check_each_happened_once(&[done.case.id]).await;

    room.redis.command(&["CONFIG", "SET", "maxmemory", "0"]);
    assert!(!room.submit(&request(2)).await.unwrap().is_replayed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_is_found_again_in_a_full_redis() {
    let room = Room::start().await;
    let done = room.submit(&request(1)).await.unwrap();
    fill(&room.redis);
    // The answer may have been lost on the way to the portal, which must not be left in doubt.
    let again = room.submit(&request(1)).await;
    assert!(again.as_ref().is_ok_and(|again| again.is_replayed), "{again:?}");
    assert_eq!(again.unwrap().case, done.case);
}
