//! Whatever Redis holds, it is read or refused; nothing is read that would not be written alike.

use std::sync::Arc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use redis::Connection;
use urgence::core::incident::{
    Incident, IncidentCommand, IncidentDecision, JoinRule, decide_incident,
};
use urgence::core::{
    Case, Command, Decision, Fingerprint, IncidentName, Nature, Page, Policy, Report, SentPage,
    SinkAnswer, Timestamp, Told, decide,
};
use urgence::store::{
    Outcome, RedisStore, Store, StoreError, decode_case, decode_told, encode_case, encode_change,
};

use super::{START, cases, events};
use crate::support::make::act;
use crate::{commit_of, now, open, options, start_redis};

pub(super) type Bends = Vec<(prop::sample::Index, u8)>;

pub(super) fn bends() -> impl Strategy<Value = Bends> {
    vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)
}

/// The bytes with some of them changed.
pub(super) fn bend(bytes: &[u8], bends: &Bends) -> Vec<u8> {
    let mut bent = bytes.to_vec();
    for (index, byte) in bends {
        bent[index.index(bytes.len())] = *byte;
    }
    bent
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    /// The same of a change, with every event in it that there is.
    #[test]
    fn a_bent_change_is_read_or_refused(bends in bends(), index: prop::sample::Index) {
        let events = events::every_event();
        let change = events::change(vec![index.get(&events).clone()]);
        match decode_told(&bend(&encode_change(&change), &bends)) {
            Ok(Told::Change(read)) => {
                prop_assert_eq!(decode_told(&encode_change(&read)).unwrap(), Told::Change(read));
            }
            Ok(Told::Notice(read)) => prop_assert!(false, "a notice takes its own format: {read:?}"),
            Err(_) => {}
        }
    }

    /// A stored case with bytes changed is read or refused; what is read is written back alike, and a
    /// wake, and what became of its pages, can be decided on it.
    #[test]
    fn a_bent_case_is_read_or_refused(bends in bends(), is_open: bool, now_ms: u64) {
        let full = cases::full();
        let ended = if is_open { None } else { full.ended };
        let case = Case { purged_at: None, ended, ..full };
        if let Ok(read) = decode_case(case.id, 1, &bend(&encode_case(&case), &bends)) {
            prop_assert_eq!(decode_case(case.id, 1, &encode_case(&read)).unwrap(), read.clone());
            let now = Timestamp::from_millis(now_ms);
            for command in commands(&case.pages[0].page, &read) {
                let decision = decide(Some(&read), &command, now, &Policy::built_in());
                prop_assert!(!matches!(decision, Decision::Refused(_)), "never refused");
            }
        }
    }
}

/// The commands that a bent case must withstand: what is due, and what is told of its pages.
fn commands(sent: &Page, case: &Case) -> Vec<Command> {
    let sink = || "on-call".parse().unwrap();
    let reports = case.pages.iter().flat_map(|record| {
        let key = record.page.key;
        let page = sent.clone();
        let sent = SentPage { page, at: record.queued_at, taken_by: [sink()].into() };
        [
            Report::Answered(key, sink(), SinkAnswer::Taken),
            Report::Unreached(key, record.widened),
            Report::FromMemory(vec![sent]),
        ]
    });
    [Command::Wake].into_iter().chain(reports.map(Command::Report)).collect()
}

fn name() -> IncidentName {
    "paris".parse().unwrap()
}

/// An incident with everything set.
fn incident() -> Incident {
    let rule = JoinRule {
        tag: Some(Fingerprint([7; 16])),
        natures: [Nature::Kidnapping, Nature::BombThreat].into(),
        countries: ["FR", "BE"].map(|code| code.parse().unwrap()).into(),
    };
    let mut incident = None;
    for command in [IncidentCommand::Open(name(), rule), IncidentCommand::Close] {
        let act = act("sup", &format!("{command:?}").len().to_string());
        match decide_incident(incident.as_ref(), &act, &command, START) {
            IncidentDecision::Next(next) => incident = Some(*next),
            other => panic!("{command:?} came to {other:?}"),
        }
    }
    incident.unwrap()
}

/// One that was opened later and that nobody tampers with.
fn other() -> Incident {
    let opened_at = START + Duration::from_mins(1);
    Incident { name: "lyon".parse().unwrap(), version: 1, opened_at, ..incident() }
}

/// A Redis in which somebody changes the bytes of an incident.
struct Tampered {
    store: Arc<RedisStore>,
    redis: Connection,
}

impl Tampered {
    const KEY: &str = "{urgence:main}:incident:paris";

    fn state(&mut self) -> Vec<u8> {
        redis::cmd("HGET").arg(Self::KEY).arg("state").query(&mut self.redis).unwrap()
    }

    /// What is read of these bytes; what can be read is written as its next version and read again.
    async fn read(&mut self, bytes: &[u8]) -> Option<Incident> {
        let mut set = redis::cmd("HSET");
        set.arg(Self::KEY).arg("version").arg(1).arg("state").arg(bytes);
        let () = set.query(&mut self.redis).unwrap();
        // What cannot be read is left out of the list, and hides nothing else there.
        let listed = self.store.incidents().await.unwrap();
        let read = match self.store.incident(&name()).await {
            Ok(loaded) => loaded.incident.unwrap(),
            Err(StoreError::Unreadable { .. }) => {
                assert_eq!(listed, [other()]);
                return None;
            }
            Err(error) => panic!("neither read nor refused: {error}"),
        };
        assert!(listed.len() == 2 && listed.contains(&other()) && listed.contains(&read));
        let next = Incident { version: 2, ..read.clone() };
        let observed_at = now(self.store.as_ref()).await;
        let commit = commit_of(&next, None, observed_at);
        assert_eq!(self.store.commit_incident(commit).await.unwrap(), Outcome::Written);
        let again = self.store.incident(&name()).await.unwrap().incident;
        assert_eq!(again, Some(next));
        Some(read)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_an_incident_holds_it_is_read_or_refused() {
    let server = start_redis();
    let store = open(&options(&[server.url()])).await;
    let redis = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let mut tampered = Tampered { store, redis };
    let first = Incident { version: 1, ..incident() };
    for incident in [first.clone(), other()] {
        let observed_at = now(tampered.store.as_ref()).await;
        let commit = commit_of(&incident, None, observed_at);
        assert_eq!(tampered.store.commit_incident(commit).await.unwrap(), Outcome::Written);
    }
    let bytes = tampered.state();
    assert_eq!(bytes[..2], [0x08, 1], "the format comes first");
    assert_eq!(tampered.read(&bytes).await, Some(first));
    for format in [0, 2, 127] {
        let newer = [&[0x08, format], &bytes[2..]].concat();
        assert_eq!(tampered.read(&newer).await, None);
    }
    // As the strategies of proptest, each at one time and place.
    let mut runner = TestRunner::deterministic();
    let (mut read, mut refused) = (0, 0);
    for _ in 0..600 {
        let bends = bends().new_tree(&mut runner).unwrap().current();
        let any = vec(any::<u8>(), 0..200).new_tree(&mut runner).unwrap().current();
        for bytes in [bend(&bytes, &bends), any] {
            match tampered.read(&bytes).await {
                Some(_) => read += 1,
                None => refused += 1,
            }
        }
    }
    assert!(read > 50 && refused > 500, "{read} read, {refused} refused");
}
