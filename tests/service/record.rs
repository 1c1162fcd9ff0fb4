//! What Redis holds in fact, read past the program.

use std::collections::BTreeMap;
use std::time::Duration;

use urgence::core::{CaseId, Change, Event};
use urgence::store::decode_told;

use crate::support::redis::TestRedis;

/// Every change of a case in the events stream of the desk `main`, in order.
pub fn changes(redis: &TestRedis) -> Vec<Change> {
    let client = redis::Client::open(redis.url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    let mut read = redis::cmd("XRANGE");
    read.arg("{urgence:main}:events").arg("-").arg("+");
    let range: redis::streams::StreamRangeReply = read.query(&mut connection).unwrap();
    let decode = |entry: redis::streams::StreamId| {
        decode_told(&entry.get::<Vec<u8>>("change").unwrap()).unwrap()
    };
    let changes = range.ids.into_iter().map(decode).filter_map(|told| told.change().cloned());
    changes.collect()
}

/// One rung as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    pub offset: Duration,
    pub has_fired: bool,
    pub lateness: Duration,
    pub is_late: bool,
}

/// Every rung of every case, runs of repeats written out, in the order of the record.
pub fn rungs(changes: &[Change]) -> BTreeMap<CaseId, Vec<Recorded>> {
    let mut rungs: BTreeMap<CaseId, Vec<Recorded>> = BTreeMap::new();
    for change in changes {
        let recorded = rungs.entry(change.case).or_default();
        for event in &change.events {
            let (rung, has_fired) = match event {
                Event::RungFired(rung) => (rung, true),
                Event::RungQuieted(rung) => (rung, false),
                _ => continue,
            };
            for index in 0..rung.count {
                recorded.push(Recorded {
                    offset: rung.offset - rung.spacing * (rung.count - 1 - index),
                    has_fired,
                    lateness: rung.lateness_of(index),
                    is_late: rung.lateness_of(index) > urgence::core::RungRecord::LATE_AFTER,
                });
            }
        }
    }
    rungs
}

/// Asserts that the rungs of `recorded` are those of the fast ladder, each once, without a gap, and
/// reach at least to `until`.
#[track_caller]
pub fn assert_complete(recorded: &[Recorded], until: Duration) {
    let ladder = [0, 1, 2, 4].into_iter().chain(5..).map(Duration::from_secs);
    let offsets: Vec<Duration> = recorded.iter().map(|rung| rung.offset).collect();
    let wanted: Vec<Duration> = ladder.take(offsets.len()).collect();
    assert_eq!(offsets, wanted, "each rung once, in order");
    assert!(offsets.last().is_some_and(|last| *last >= until), "only up to {:?}", offsets.last());
}
