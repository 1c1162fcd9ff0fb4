//! Replicas, fail-over and settings: what the store promises is what Redis really keeps.

use std::sync::Arc;
use std::time::Duration;

use urgence::audit::{Follower, LogSettings, Record};
use urgence::core::incident::{IncidentCommand, IncidentDecision, JoinRule, decide_incident};
use urgence::core::standing::StandingCommand;
use urgence::core::{
    CaseId, Deed, FirstResponseKind, Intake, Nature, Policy, SuspensionReason, Timestamp,
};
use urgence::desk::{Desk, DeskSettings, Done, Error, IncidentDeed};
use urgence::sign::NoteSigner;
use urgence::store::{
    AcceptedLoss, Cursor, Facts, IncidentCommit, Outcome, RedisOptions, RedisStore, Said, Store,
    StoreError, Versioned,
};

use crate::support::make::{accepted, act, intake};
use crate::support::redis::{Options, TestRedis};
use crate::support::wait::{eventually, eventually_some};
use crate::{PATIENCE, commit, commit_of, load, now, open, options, start_redis};

/// How long a replica has to acknowledge.
const REPLICAS_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the store may take to find the new primary: it looks at the role every second.
const FAIL_OVER: Duration = PATIENCE;
/// The settings are looked at every ten seconds.
const SETTINGS_SEEN: Duration = Duration::from_secs(15);

fn request(number: usize) -> Intake {
    intake("fr-pnij", &format!("request-{number}"), Nature::MissingChild)
}

async fn replica_of(primary: &TestRedis) -> TestRedis {
    let replica = TestRedis::start_with(Options::default().on_tmpfs().replica_of(primary));
    eventually("the replica follows", PATIENCE, async || {
        replica.is_following() && primary.has_replica()
    })
    .await;
    replica
}

/// A store that needs one replica.
async fn open_replicated(primary: &TestRedis) -> Arc<RedisStore> {
    let options = RedisOptions {
        replicas_needed: 1,
        replicas_timeout: REPLICAS_TIMEOUT,
        ..options(&[primary.url()])
    };
    open(&options).await
}

fn desk(store: &Arc<RedisStore>) -> Arc<Desk<RedisStore>> {
    let settings = DeskSettings::plain("main".parse().unwrap(), Policy::built_in());
    Desk::new(settings, Arc::clone(store)).0
}

async fn submit(desk: &Desk<RedisStore>, number: usize) -> Result<Done, Error> {
    desk.submit(request(number), b"the request".to_vec()).await
}

fn version(redis: &TestRedis, id: CaseId) -> String {
    redis.command(&["HGET", &format!("{{urgence:main}}:case:{}", id.compact()), "version"])
}

const fn is_not_replicated<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::NotReplicated { acknowledged: 0, needed: 1, .. }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn written_means_that_a_replica_has_it() {
    let primary = start_redis();
    let store = open_replicated(&primary).await;
    store.keep_policy(&Policy::built_in()).await.unwrap();
    let new = |number| request(number);
    // Nobody replicates yet.
    let at = now(store.as_ref()).await;
    let alone = accepted(&new(0), at, &Policy::built_in());
    let outcome = store.commit(commit(&alone, at)).await;
    assert!(is_not_replicated(&outcome), "{outcome:?}");
    let id = alone.case.id;
    assert!(is_not_replicated(&store.fence(&Versioned::Case(id), 1).await));
    // Nor may the audit log sign what a failover would lose.
    let told = store.changes(Cursor::default(), 10).await.unwrap();
    let latest = told.last().unwrap().cursor;
    assert!(is_not_replicated(&store.settled(latest).await));
    let directory = std::env::temp_dir().join(format!("urgence-fence-{}", std::process::id()));
    let record = Arc::new(Record::new(LogSettings {
        directory: directory.clone(),
        desk: "main".parse().unwrap(),
        signer: Arc::new(NoteSigner::new("urgence/main", &[7; 32]).unwrap()),
        verifiers: Vec::new(),
        segment_len: 128,
    }));
    let mut log = Follower::new(Arc::clone(&store), Arc::clone(&record));
    assert!(log.catch_up().await.is_err());
    assert_eq!((record.size(), record.halted()), (0, None), "it waits, and nothing is lost");
    assert_eq!(load(store.as_ref(), id).await, Some(alone.case));

    let replica = replica_of(&primary).await;
    assert!(store.fence(&Versioned::Case(id), 1).await.unwrap());
    assert!(store.settled(latest).await.unwrap());
    log.catch_up().await.unwrap();
    assert_eq!(record.size(), 1);
    std::fs::remove_dir_all(directory).unwrap();
    for number in 1..=20 {
        let at = now(store.as_ref()).await;
        let next = accepted(&new(number), at, &Policy::built_in());
        assert_eq!(store.commit(commit(&next, at)).await.unwrap(), Outcome::Written);
        // Not soon, but already.
        assert_eq!(version(&replica, next.case.id), "1");
    }
}

/// What is read anew holds whether or not a replica is there to have it told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_is_whole_while_the_replica_is_away() {
    let primary = start_redis();
    let store = open_replicated(&primary).await;
    let desk = desk(&store);
    let mut rules = Policy::built_in().rules().clone();
    rules.lease = Duration::from_secs(77);
    let other = Policy::new(rules).unwrap();
    let (live, registry) = ((*desk.live()).clone(), (*desk.registry()).clone());
    desk.replace(other.clone(), live, registry).await.unwrap();
    assert_eq!(desk.policy().id(), other.id());
    assert!(desk.settle_settings().await.is_err(), "it is not told yet");
    let _replica = replica_of(&primary).await;
    desk.settle_settings().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_wrote_nothing_needs_no_replica() {
    let primary = start_redis();
    let store = open_replicated(&primary).await;
    let at = now(store.as_ref()).await;
    let next = accepted(&request(1), at, &Policy::built_in());
    // "Not replicated" says that it is written; a caller must be able to rely on that.
    let missing = store.commit(commit(&next, at)).await;
    assert!(matches!(missing, Ok(Outcome::PolicyMissing)), "{missing:?}");
    let untimely = store.commit(commit(&next, at + Duration::from_mins(1))).await;
    assert!(matches!(untimely, Ok(Outcome::Untimely(_))), "{untimely:?}");
    assert_eq!(load(store.as_ref(), next.case.id).await, None);
}

/// An incident as it was opened.
fn opened(name: &str, at: Timestamp) -> IncidentCommit {
    let open = IncidentCommand::Open(name.parse().unwrap(), JoinRule::default());
    match decide_incident(None, &act("sup", "open"), &open, at) {
        IncidentDecision::Next(incident) => {
            commit_of(&incident, Some(Facts(b"what is known".into())), at)
        }
        other => panic!("it was to be opened; it came to {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incident_is_written_when_a_replica_has_it() {
    let primary = start_redis();
    let store = open_replicated(&primary).await;
    let at = now(store.as_ref()).await;
    let alone = store.commit_incident(opened("paris", at)).await;
    assert!(is_not_replicated(&alone), "{alone:?}");
    assert!(store.incident(&"paris".parse().unwrap()).await.unwrap().incident.is_some());
    // What wrote nothing needs no replica.
    let again = store.commit_incident(opened("paris", at)).await;
    assert!(matches!(again, Ok(Outcome::Conflict)), "{again:?}");
    let ahead = store.commit_incident(opened("lyon", at + Duration::from_mins(1))).await;
    assert!(matches!(ahead, Ok(Outcome::Untimely(_))), "{ahead:?}");

    let replica = replica_of(&primary).await;
    let lyon = opened("lyon", now(store.as_ref()).await);
    assert_eq!(store.commit_incident(lyon).await.unwrap(), Outcome::Written);
    assert_eq!(replica.command(&["HGET", "{urgence:main}:incident:lyon", "version"]), "1");
}

/// What only the primary has is not told as done to whoever asks again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_of_what_is_not_replicated_is_not_done() {
    let primary = start_redis();
    let store = open_replicated(&primary).await;
    let desk = desk(&store);
    let (paris, fr) = ("paris".parse().unwrap(), "fr-pnij".parse().unwrap());
    let incident = async |request_id: &str, deed: &IncidentDeed| {
        let done = desk.act_on_incident(&paris, &act("sup", request_id), deed).await;
        done.map(|done| done.is_replayed)
    };
    let standing = async |request_id: &str, command: StandingCommand| {
        let done = desk.act_on_standing(&fr, &act("sup", request_id), command).await;
        done.map(|done| done.1)
    };
    let (open, close) = (IncidentDeed::Open(JoinRule::default(), None), IncidentDeed::Close);
    let (suspend, reinstate) =
        (StandingCommand::Suspend(SuspensionReason::Fraud), StandingCommand::Reinstate);
    let is_refused = |done: Result<bool, Error>| {
        assert!(matches!(done, Err(Error::Store(StoreError::NotReplicated { .. }))), "{done:?}");
    };
    // A case that has ended, so that the authority is known and nothing else has to be written.
    submit(&desk, 1).await.unwrap_err();
    for (request_id, deed) in
        [("c", Deed::Claim), ("a", Deed::Respond(1, FirstResponseKind::NoData))]
    {
        let act = act("ann", request_id);
        desk.act(request(1).case_id(), act, deed, Said::Nothing).await.unwrap_err();
    }
    for _ in ["first", "again"] {
        is_refused(incident("open", &open).await);
        is_refused(standing("suspend", suspend).await);
    }
    for _ in ["first", "again"] {
        is_refused(incident("close", &close).await);
        is_refused(standing("reinstate", reinstate).await);
    }
    let _replica = replica_of(&primary).await;
    for (request_id, deed) in [("open", open), ("close", close)] {
        assert!(incident(request_id, &deed).await.unwrap());
    }
    for (request_id, command) in [("suspend", suspend), ("reinstate", reinstate)] {
        assert!(standing(request_id, command).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_promised_while_the_replica_is_silent() {
    let primary = start_redis();
    let replica = replica_of(&primary).await;
    let store = open_replicated(&primary).await;
    let desk = desk(&store);
    assert!(!submit(&desk, 1).await.unwrap().is_replayed);

    replica.stop();
    let started = urgence::clock::monotonic_now();
    let silent = submit(&desk, 2).await;
    let took = started.elapsed();
    assert!(matches!(silent, Err(Error::Store(StoreError::NotReplicated { .. }))), "{silent:?}");
    assert!((REPLICAS_TIMEOUT..PATIENCE).contains(&took), "answered after {took:?}");
    let id = request(2).case_id();
    assert_eq!(version(&primary, id), "1", "it is written all the same");
    assert!(is_not_replicated(&store.fence(&Versioned::Case(id), 1).await));
    // What is not replicated is not promised to whoever asks again, either.
    for number in [1, 2] {
        let again = submit(&desk, number).await;
        assert!(matches!(again, Err(Error::Store(StoreError::NotReplicated { .. }))), "{again:?}");
    }

    replica.cont();
    let again = async || submit(&desk, 2).await.ok();
    let done = eventually_some("the retry is answered", PATIENCE, again).await;
    assert!(done.is_replayed && done.case.id == id && done.case.version == 1, "{done:?}");
    assert_eq!(version(&replica, id), "1");
    assert!(store.fence(&Versioned::Case(id), 1).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_fail_over_the_new_primary_is_written_to() {
    let old = start_redis();
    let new = replica_of(&old).await;
    let store = open(&options(&[old.tcp_url(), new.tcp_url()])).await;
    let desk = desk(&store);
    submit(&desk, 1).await.unwrap();
    let first = request(1).case_id();
    eventually("the replica has it", PATIENCE, async || version(&new, first) == "1").await;

    new.command(&["REPLICAOF", "NO", "ONE"]);
    old.command(&["REPLICAOF", "127.0.0.1", &new.port().to_string()]);
    let again = async || submit(&desk, 2).await.ok();
    eventually_some("the new primary accepts", FAIL_OVER, again).await;
    assert_eq!(version(&new, request(2).case_id()), "1");
    // Every link has moved, not only the one that writes.
    eventually("every link has left the old primary and is up", FAIL_OVER, async || {
        let clients = old.command(&["CLIENT", "LIST", "TYPE", "NORMAL"]);
        let of_the_store = clients.lines().filter(|line| line.contains(" addr=127.0.0.1:"));
        of_the_store.count() == 0
            && store.load(&[]).await.is_ok()
            && store.due(0, 1).await.is_ok()
            && store.kept().await.is_ok()
    })
    .await;
    assert_eq!(load(store.as_ref(), first).await.unwrap().version, 1);
    assert!(store.due(0, 10).await.unwrap().next_at.is_some());
    assert_eq!(crate::all_changes(store.as_ref()).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_death_of_the_primary_the_promoted_replica_is_written_to() {
    let mut old = start_redis();
    let new = replica_of(&old).await;
    let store = open(&options(&[old.tcp_url(), new.tcp_url()])).await;
    let desk = desk(&store);
    submit(&desk, 1).await.unwrap();
    let first = request(1).case_id();
    eventually("the replica has it", PATIENCE, async || version(&new, first) == "1").await;

    old.kill();
    eventually("the loss is noticed", FAIL_OVER, async || !store.is_up()).await;
    // A replica is no primary, however much alive it is.
    let refused = submit(&desk, 2).await;
    let unreachable = matches!(refused, Err(Error::Store(StoreError::Unreachable { .. })));
    assert!(unreachable, "{refused:?}");
    eventually("it says why", FAIL_OVER, async || {
        store.health().problems.iter().any(|problem| problem.contains("not a primary"))
    })
    .await;
    new.command(&["REPLICAOF", "NO", "ONE"]);
    let again = async || submit(&desk, 2).await.ok();
    let done = eventually_some("the new primary accepts", FAIL_OVER, again).await;
    assert_eq!(version(&new, done.case.id), "1");
    assert!(submit(&desk, 1).await.unwrap().is_replayed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_keeps_less_than_promised_gets_nothing_new() {
    let redis = start_redis();
    let store = open(&options(&[redis.url()])).await;
    let desk = desk(&store);
    assert_eq!(store.not_durable(), None);
    assert_eq!(store.health().problems, Vec::<String>::new());
    submit(&desk, 1).await.unwrap();

    redis.command(&["CONFIG", "SET", "appendfsync", "everysec"]);
    eventually("the setting is seen", SETTINGS_SEEN, async || store.not_durable().is_some()).await;
    let durability = store.durability().unwrap();
    let lost: Vec<_> = durability.findings.iter().filter(|finding| !finding.is_kept).collect();
    assert_eq!(lost.len(), 1, "{lost:?}");
    assert_eq!((lost[0].setting, lost[0].is_accepted), ("appendfsync", false));
    assert!(lost[0].explanation.contains("everysec"), "{lost:?}");
    let refused = submit(&desk, 2).await;
    assert!(matches!(refused, Err(Error::NotDurable { .. })), "{refused:?}");
    assert_eq!(version(&redis, request(2).case_id()), "");

    // Whoever has accepted this very loss is served.
    let accepted_losses = vec![AcceptedLoss::OneSecond];
    let lenient = open(&RedisOptions { accepted_losses, ..options(&[redis.url()]) }).await;
    assert_eq!(lenient.not_durable(), None);
    let finding = lenient.durability().unwrap();
    let finding = finding.findings.iter().find(|finding| finding.setting == "appendfsync").unwrap();
    assert!(!finding.is_kept && finding.is_accepted, "{finding:?}");
    submit(&self::desk(&lenient), 2).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_is_found_again_whatever_the_settings_are_now() {
    let redis = start_redis();
    let store = open(&options(&[redis.url()])).await;
    let done = submit(&desk(&store), 1).await.unwrap();
    redis.command(&["CONFIG", "SET", "appendfsync", "everysec"]);
    let store = open(&options(&[redis.url()])).await;
    let refused = submit(&desk(&store), 2).await;
    assert!(matches!(refused, Err(Error::NotDurable { .. })), "{refused:?}");
    // It was fsynced when it was accepted; a portal that asks again must not be left in doubt.
    let again = submit(&desk(&store), 1).await;
    assert!(again.as_ref().is_ok_and(|again| again.is_replayed), "{again:?}");
    assert_eq!(again.unwrap().case, done.case);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_is_answered_by_a_full_redis_with_replicas() {
    let primary = start_redis();
    let _replica = replica_of(&primary).await;
    let store = open_replicated(&primary).await;
    let desk = desk(&store);
    let id = submit(&desk, 1).await.unwrap().case.id;
    let act = async |name: &str, deed| desk.act(id, act("ann", name), deed, Said::Nothing).await;
    assert!(!act("c", Deed::Claim).await.unwrap().is_replayed);
    primary.command(&["CONFIG", "SET", "maxmemory", "1"]);
    // An act still commits, so its repeat, which writes nothing of the case, must be answered too.
    assert!(!act("r", Deed::Renew(1)).await.unwrap().is_replayed);
    let again = act("r", Deed::Renew(1)).await;
    assert!(again.as_ref().is_ok_and(|again| again.is_replayed), "{again:?}");
}
