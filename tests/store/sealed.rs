//! What is said is stored only as what nobody can read without its key, and the key can be destroyed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use redis::Commands as _;
use urgence::core::incident::{IncidentCommand, IncidentDecision, JoinRule, decide_incident};
use urgence::core::{Act, Case, Command, Deed, FirstResponseKind, Nature, Policy, Timestamp};
use urgence::seal::{Class, KeyEncryptionKeys, KeyRing, Label, Month};
use urgence::store::{
    Commit, Facts, History, Outcome, RedisOptions, RedisStore, Said, Store, StoreError, Tended,
};

use crate::support::make::{accepted, act, before, decided, does, intake};
use crate::support::redis::TestRedis;
use crate::support::wait::eventually;
use crate::{PATIENCE, commit, forgotten, load, now, open, options, start_redis};

const CANARY: &[u8] = b"a canary sings in the mine";
const DAY: Duration = Duration::from_hours(24);

/// A directory of its own, removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("urgk-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}

struct Room {
    redis: TestRedis,
    store: Arc<RedisStore>,
    ring: Arc<KeyRing>,
}

/// With keys of its own, which are destroyed as soon as they may be.
async fn room() -> Room {
    let redis = start_redis();
    let ring = Arc::new(KeyRing::in_memory().unwrap().with_grace(Duration::ZERO));
    let store = open_with(&redis, "main", &ring).await;
    Room { redis, store, ring }
}

async fn open_with(redis: &TestRedis, desk: &str, ring: &Arc<KeyRing>) -> Arc<RedisStore> {
    let (desk, ring) = (desk.parse().unwrap(), Arc::clone(ring));
    open(&RedisOptions { desk, ring, ..options(&[redis.url()]) }).await
}

impl Room {
    fn connection(&self) -> redis::Connection {
        redis::Client::open(self.redis.url()).unwrap().get_connection().unwrap()
    }

    fn field(&self, case: &Case, field: &str) -> Vec<u8> {
        self.connection().hget(key(case), field).unwrap()
    }

    fn set(&self, case: &Case, field: &str, bytes: &[u8]) {
        () = self.connection().hset(key(case), field, bytes).unwrap();
    }

    fn holds_in_files(&self, bytes: &[u8]) -> bool {
        files(self.redis.directory()).iter().any(|file| holds(file, bytes))
    }

    fn classes(&self) -> Vec<Class> {
        let mut classes: Vec<_> = self.ring.keys().iter().map(|key| key.label.class).collect();
        classes.sort_unstable();
        classes
    }

    /// A case that was accepted at `at`, with something said in each way.
    async fn told(&self, request: &str, at: Timestamp) -> Case {
        told(&*self.store, request, at).await
    }
}

fn key(case: &Case) -> String {
    format!("{{urgence:main}}:case:{}", case.id.compact())
}

/// The bytes of every file below.
fn files(directory: &Path) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if let Ok(bytes) = std::fs::read(&path) {
            found.push(bytes);
        }
    }
    found
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

async fn say(
    store: &impl Store,
    from: &Case,
    command: &Command,
    at: Timestamp,
    said: Said,
) -> Case {
    let next = decided(Some(from), command, at, &Policy::built_in());
    let forgotten = forgotten(from, &next.case);
    let commit = Commit { said, forgotten, ..commit(&next, now(store).await) };
    assert_eq!(store.commit(commit).await.unwrap(), Outcome::Written);
    next.case
}

async fn told(store: &impl Store, request: &str, at: Timestamp) -> Case {
    store.keep_policy(&Policy::built_in()).await.unwrap();
    let intake = intake("fr-pnij", request, Nature::ThreatToLife);
    let next = accepted(&intake, at, &Policy::built_in());
    let said = Said::Request([b"request: ", CANARY].concat().into());
    let commit = Commit { said, ..commit(&next, now(store).await) };
    assert_eq!(store.commit(commit).await.unwrap(), Outcome::Written);
    let claim = does("ann", "c", Deed::Claim);
    let case = say(store, &next.case, &claim, at, Said::Nothing).await;
    let kind = FirstResponseKind::InProgress { expected_within: DAY };
    let answer = does("ann", "a", Deed::Respond(1, kind));
    let said = Said::Response([b"response: ", CANARY].concat().into());
    let case = say(store, &case, &answer, at, said).await;
    let withdraw = does("portal", "w", Deed::Withdraw);
    say(store, &case, &withdraw, at, Said::Message([b"message: ", CANARY].concat().into())).await
}

async fn end(store: &impl Store, case: &Case) -> Case {
    let end = does("ann", "e", Deed::ConfirmWithdrawal(1));
    let case = say(store, case, &end, case.last_event_at, Said::Nothing).await;
    assert!(case.has_ended());
    case
}

async fn purge(store: &impl Store, case: &Case) -> Case {
    let at = case.ended.as_ref().unwrap().purge_at;
    let case = say(store, case, &Command::Wake, at, Said::Nothing).await;
    assert!(case.purged_at.is_some());
    case
}

async fn assert_all_is_there(store: &impl Store, case: &Case) {
    let contents = store.contents(case.id).await.unwrap();
    assert_eq!(*contents.request.unwrap(), [b"request: ", CANARY].concat());
    assert_eq!(*contents.response.unwrap(), [b"response: ", CANARY].concat());
    let messages: Vec<_> = contents.messages.values().map(|said| said.to_vec()).collect();
    assert_eq!(messages, [[b"message: ", CANARY].concat()]);
}

/// What stands against reading what was said, in words.
async fn problem(store: &impl Store, case: &Case) -> String {
    match store.contents(case.id).await {
        Err(StoreError::Unreadable { source, .. }) => source.problem,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it opens"),
    }
}

#[tokio::test]
async fn redis_holds_nothing_that_can_be_read() {
    let room = room().await;
    let case = room.told("1", now(&*room.store).await).await;
    assert_all_is_there(&*room.store, &case).await;
    // The search finds what is there.
    () = room.connection().set("control", b"what is there is found".as_slice()).unwrap();
    assert!(room.holds_in_files(b"what is there is found"));
    assert!(room.holds_in_files(&room.field(&case, "request")));
    assert!(!room.holds_in_files(CANARY), "in the clear on the disk");
    for field in ["request", "response", "said:4"] {
        let stored = room.field(&case, field);
        assert!(stored[0] == 2 && !holds(&stored, CANARY));
    }
    let again = room.told("2", now(&*room.store).await).await;
    assert_ne!(room.field(&case, "request"), room.field(&again, "request"), "no two are alike");
}

#[tokio::test]
async fn a_ciphertext_opens_nowhere_but_where_it_was_put() {
    let room = room().await;
    let at = now(&*room.store).await;
    let (case, other) = (room.told("1", at).await, room.told("2", at).await);
    let (request, response) = (room.field(&case, "request"), room.field(&case, "response"));
    room.set(&case, "request", &response);
    let told = problem(&*room.store, &case).await;
    let id = room.ring.keys()[0].id.to_string();
    assert!(told.contains(&id) && told.contains("does not open"), "{told}");
    room.set(&case, "request", &request);
    assert_all_is_there(&*room.store, &case).await;

    room.set(&other, "request", &request);
    assert!(problem(&*room.store, &other).await.contains("does not open"));
    let message = room.field(&case, "said:4");
    room.set(&case, "said:5", &message);
    assert!(problem(&*room.store, &case).await.contains("does not open"), "another message's");

    // The same case at another desk, with the same keys.
    let desk = open_with(&room.redis, "other", &room.ring).await;
    let name = key(&case).replace("urgence:main", "urgence:other");
    room.redis.command(&["COPY", &key(&case), &name]);
    assert!(problem(&*desk, &case).await.contains("does not open"));
    for (bytes, said) in [(vec![2], "short"), (vec![2; 60], "not known"), (vec![9], "unknown way")]
    {
        room.set(&other, "request", &bytes);
        assert!(problem(&*room.store, &other).await.contains(said), "{bytes:?}");
    }
}

#[tokio::test]
async fn what_was_kept_in_the_clear_is_read_and_sealed_when_its_case_ends() {
    let room = room().await;
    let case = room.told("1", now(&*room.store).await).await;
    room.set(&case, "request", &[&[1], b"request: ".as_slice(), CANARY].concat());
    assert_all_is_there(&*room.store, &case).await;
    let case = end(&*room.store, &case).await;
    assert_eq!(room.store.tend_seals(History::Whole).await.unwrap().resealed, 1);
    assert_eq!(room.field(&case, "request")[0], 2);
    assert_all_is_there(&*room.store, &case).await;
}

#[tokio::test]
async fn an_ended_case_is_sealed_as_such_and_is_what_it_was() {
    let room = room().await;
    let open = room.told("open", now(&*room.store).await).await;
    let case = room.told("1", now(&*room.store).await).await;
    assert_eq!(room.classes(), [Class::Open]);
    let case = end(&*room.store, &case).await;
    let stored = ["request", "response", "said:4"].map(|field| room.field(&case, field));
    let events = room.redis.command(&["XLEN", "{urgence:main}:events"]);
    let tended = room.store.tend_seals(History::Whole).await.unwrap();
    assert_eq!(tended, Tended { resealed: 1, ..Tended::default() });
    assert_eq!(room.store.tend_seals(History::Whole).await.unwrap(), Tended::default(), "once");
    let ended = Class::Ended(urgence::core::RetentionClass::NotDisclosed);
    let wanted = [Class::Open, Class::Open, ended, Class::Incident, Class::Incident];
    assert_eq!(room.classes(), wanted, "three are made ahead");
    for (before, field) in stored.iter().zip(["request", "response", "said:4"]) {
        assert_ne!(before[1..9], room.field(&case, field)[1..9], "{field}: another key");
    }
    assert_all_is_there(&*room.store, &case).await;
    assert_eq!(load(&*room.store, case.id).await.unwrap(), case);
    assert_eq!(room.redis.command(&["XLEN", "{urgence:main}:events"]), events, "no event");
    let month = Month::of(case.accepted_at);
    let index = |class: &str| {
        room.redis.command(&[
            "ZRANGE",
            &format!("{{urgence:main}}:sealed:{month}:{class}"),
            "0",
            "-1",
        ])
    };
    assert_eq!(index("open"), open.id.compact());
    assert_eq!(index("not_disclosed"), case.id.compact());
    // What is said after the end is sealed as such at once.
    let hold = does("lea", "hold", Deed::SetLegalHold(true));
    let case =
        say(&*room.store, &case, &hold, case.last_event_at, Said::Message(CANARY.into())).await;
    let said = room.field(&case, &format!("said:{}", case.version));
    assert_eq!(said[1..9], room.field(&case, "request")[1..9]);
}

/// Two replicas, one of which ends the case between the other's read and write, are told apart by the
/// version; here the case changes, and nothing of it is lost.
#[tokio::test]
async fn sealing_anew_never_takes_a_later_word_away() {
    let room = room().await;
    let case = room.told("1", now(&*room.store).await).await;
    let mut case = end(&*room.store, &case).await;
    for number in 0..20 {
        let is_held = number % 2 == 0;
        let hold = does("lea", &format!("hold-{number}"), Deed::SetLegalHold(is_held));
        let said = Said::Message(CANARY.into());
        let (tended, said) = tokio::join!(
            room.store.tend_seals(History::Whole),
            say(&*room.store, &case, &hold, case.last_event_at, said)
        );
        tended.unwrap();
        case = said;
    }
    room.store.tend_seals(History::Whole).await.unwrap();
    assert_eq!(room.store.contents(case.id).await.unwrap().messages.len(), 21);
    assert_eq!(load(&*room.store, case.id).await.unwrap(), case);
}

#[tokio::test]
async fn the_keys_of_what_was_purged_are_destroyed_and_the_log_is_written_anew() {
    let room = room().await;
    let long_ago = before(now(&*room.store).await, DAY * 40);
    let case = room.told("1", long_ago).await;
    let sealed = room.field(&case, "request");
    let case = end(&*room.store, &case).await;
    let ended = Tended { resealed: 1, retired: 1, ..Tended::default() };
    assert_eq!(
        room.store.tend_seals(History::Whole).await.unwrap(),
        ended,
        "nothing is open any more"
    );
    let resealed = room.field(&case, "request");
    let month = Month::of(long_ago);
    let open = Label { desk: "main".parse().unwrap(), month, class: Class::Open };
    let gone = Tended { destroyed: vec![open], is_log_rewritten: true, ..Tended::default() };
    assert_eq!(room.store.tend_seals(History::Whole).await.unwrap(), gone);
    assert_eq!(
        room.store.tend_seals(History::Whole).await.unwrap(),
        Tended::default(),
        "it is still needed"
    );
    assert_all_is_there(&*room.store, &case).await;

    assert!(room.holds_in_files(&resealed));
    let case = purge(&*room.store, &case).await;
    assert_eq!(
        room.store.tend_seals(History::Whole).await.unwrap(),
        Tended { retired: 1, ..Tended::default() }
    );
    // One rewrite may still be under way, and is asked for again.
    eventually("the key is destroyed and the log is asked for", PATIENCE, async || {
        room.store.tend_seals(History::Whole).await.unwrap().is_log_rewritten
    })
    .await;
    assert!(room.ring.keys().iter().all(|key| key.label.month > month), "but those made ahead");
    eventually("the log holds no more what was purged", PATIENCE, async || {
        !room.holds_in_files(&resealed) && !room.holds_in_files(&sealed)
    })
    .await;
    // A copy from before says nothing.
    for copy in [&sealed, &resealed] {
        room.set(&case, "request", copy);
        assert!(problem(&*room.store, &case).await.contains("was destroyed"));
    }
}

#[tokio::test]
async fn a_key_stays_while_anything_might_need_it() {
    let room = room().await;
    let at = now(&*room.store).await;
    let long_ago = before(at, DAY * 40);
    // Of this month, and of an open case.
    let young = room.told("young", at).await;
    let old = room.told("old", long_ago).await;
    assert_eq!(room.store.tend_seals(History::Whole).await.unwrap(), Tended::default());
    purge(&*room.store, &end(&*room.store, &young).await).await;
    assert_eq!(
        room.store.tend_seals(History::Whole).await.unwrap(),
        Tended::default(),
        "its month is not over"
    );

    // An index that has lost its entry is found out before it is too late.
    room.redis.command(&["DEL", &format!("{{urgence:main}}:sealed:{}:open", Month::of(long_ago))]);
    assert_eq!(
        room.store.tend_seals(History::Whole).await.unwrap(),
        Tended { retired: 1, ..Tended::default() }
    );
    assert_eq!(room.store.tend_seals(History::Whole).await.unwrap(), Tended::default());
    assert_all_is_there(&*room.store, &old).await;
    // A key about to be destroyed seals nothing more.
    let update = does("ann", "u", Deed::SendUpdate(1, None));
    let old = say(&*room.store, &old, &update, long_ago, Said::Message(CANARY.into())).await;
    let said = room.field(&old, &format!("said:{}", old.version));
    assert_ne!(said[1..9], room.field(&old, "request")[1..9]);

    // A Redis that has lost everything has no say.
    room.redis.command(&["FLUSHALL"]);
    for _ in 0..3 {
        assert_eq!(room.store.tend_seals(History::Whole).await.unwrap(), Tended::default());
    }
}

#[tokio::test]
async fn a_key_of_ended_cases_stays_until_none_of_its_month_is_open() {
    let room = room().await;
    let long_ago = before(now(&*room.store).await, DAY * 40);
    let open = room.told("open", long_ago).await;
    let other = room.told("other", long_ago).await;
    let other = end(&*room.store, &other).await;
    let resealed = Tended { resealed: 1, ..Tended::default() };
    assert_eq!(room.store.tend_seals(History::Whole).await.unwrap(), resealed);
    purge(&*room.store, &other).await;
    for _ in 0..3 {
        let tended = room.store.tend_seals(History::Whole).await.unwrap();
        assert_eq!(tended, Tended::default(), "the open one will end under it");
    }
    purge(&*room.store, &end(&*room.store, &open).await).await;
    let over = Tended { retired: 2, ..Tended::default() };
    assert_eq!(room.store.tend_seals(History::Whole).await.unwrap(), over, "now nothing will");
}

/// What the keys have sealed may be in what is missing.
#[tokio::test]
async fn no_key_ends_while_the_history_is_doubtful() {
    let room = room().await;
    let case = room.told("1", before(now(&*room.store).await, DAY * 40)).await;
    purge(&*room.store, &end(&*room.store, &case).await).await;
    for _ in 0..3 {
        let tended = room.store.tend_seals(History::Doubtful).await.unwrap();
        assert_eq!(tended, Tended::default());
    }
    let tended = room.store.tend_seals(History::Whole).await.unwrap();
    assert_eq!(tended, Tended { retired: 1, ..Tended::default() });
}

#[tokio::test]
async fn a_retired_key_is_destroyed_only_after_the_grace() {
    let redis = start_redis();
    let ring = Arc::new(KeyRing::in_memory().unwrap());
    let store = open_with(&redis, "main", &ring).await;
    let case = told(&*store, "1", before(now(&*store).await, DAY * 40)).await;
    purge(&*store, &end(&*store, &case).await).await;
    assert_eq!(
        store.tend_seals(History::Whole).await.unwrap(),
        Tended { retired: 1, ..Tended::default() }
    );
    for _ in 0..3 {
        assert_eq!(store.tend_seals(History::Whole).await.unwrap(), Tended::default());
    }
    assert_eq!(ring.keys().len(), 5, "four were made ahead");
}

#[tokio::test]
async fn replicas_share_the_file_and_without_it_nothing_is_stored() {
    let directory = Directory::new("replicas");
    let (file, wrapper) = (directory.0.join("keys"), directory.0.join("wrapper"));
    let ring =
        || Arc::new(KeyRing::open(&file, KeyEncryptionKeys::OwnFile(wrapper.clone())).unwrap());
    let redis = start_redis();
    let (one, other) =
        (open_with(&redis, "main", &ring()).await, open_with(&redis, "main", &ring()).await);
    // The other has not read the file since this key was made.
    let case = told(&*one, "1", now(&*one).await).await;
    assert_all_is_there(&*other, &case).await;
    let second = told(&*other, "2", now(&*other).await).await;
    assert_all_is_there(&*one, &second).await;
    assert_eq!(ring().keys().len(), 1, "they use the same key");

    // Nothing is written beside a file in a directory that is none.
    let nowhere = directory.0.join("wrapper").join("keys");
    let ring = KeyRing::open(&nowhere, KeyEncryptionKeys::OwnFile(wrapper.clone()));
    assert!(ring.is_err(), "a file in a file");
    let nowhere = directory.0.join("missing").join("keys");
    let ring = Arc::new(KeyRing::open(&nowhere, KeyEncryptionKeys::OwnFile(wrapper)).unwrap());
    let store = open_with(&redis, "main", &ring).await;
    let at = now(&*store).await;
    let intake = intake("fr-pnij", "3", Nature::ThreatToLife);
    let next = accepted(&intake, at, &Policy::built_in());
    let commit = Commit { said: Said::Request(CANARY.into()), ..commit(&next, at) };
    let refused = store.commit(commit).await;
    assert!(matches!(refused, Err(StoreError::NotSealed { .. })), "{refused:?}");
    assert_eq!(redis.command(&["EXISTS", &key(&next.case)]), "0", "nothing is stored");
}

#[tokio::test]
async fn the_facts_of_an_incident_are_sealed() {
    let room = room().await;
    let name = "paris".parse().unwrap();
    let observed_at = now(&*room.store).await;
    let open = IncidentCommand::Open("paris".parse().unwrap(), JoinRule::default());
    let by: Act = act("sup", "open");
    let IncidentDecision::Next(incident) = decide_incident(None, &by, &open, observed_at) else {
        panic!("it opens")
    };
    let facts = Some(Facts(CANARY.into()));
    let commit = crate::commit_of(&incident, facts.clone(), observed_at);
    assert_eq!(room.store.commit_incident(commit).await.unwrap(), Outcome::Written);
    assert_eq!(room.store.incident_facts(&name).await.unwrap(), facts);
    let stored: Vec<u8> = room.connection().hget("{urgence:main}:incident:paris", "facts").unwrap();
    assert!(stored[0] == 2 && !holds(&stored, CANARY) && !room.holds_in_files(CANARY));
    assert_eq!(room.classes(), [Class::Incident]);
    () = room.connection().hset("{urgence:main}:incident:nice", "facts", stored).unwrap();
    let copied = room.store.incident_facts(&"nice".parse().unwrap()).await;
    assert!(matches!(copied, Err(StoreError::Unreadable { .. })), "another incident's");
}

#[tokio::test]
async fn the_keys_of_this_month_and_the_next_are_made_ahead() {
    let room = room().await;
    assert_eq!(room.store.tend_seals(History::Whole).await.unwrap(), Tended::default());
    let month = Month::of(now(&*room.store).await);
    let mut made: Vec<_> = room.ring.keys().into_iter().map(|key| key.label).collect();
    made.sort_unstable();
    let label = |month, class| Label { desk: "main".parse().unwrap(), month, class };
    let wanted = [month, month.next()]
        .map(|month| [Class::Open, Class::Incident].map(|class| label(month, class)));
    assert_eq!(made, wanted.as_flattened());
    room.store.tend_seals(History::Whole).await.unwrap();
    assert_eq!(room.ring.keys().len(), 4, "once");
}
