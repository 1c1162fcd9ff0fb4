//! That people are reached, and that whatever keeps them from it is seen: the pager, the shadow of the
//! timer, the follower of deadlines and the auditor, over a store that can be cut off.

mod audit;
mod delivery;
mod linked;
mod outages;
mod pager;
mod schedule;
mod synthetic;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretSlice;
use tokio::sync::mpsc::UnboundedSender;
use urgence::config::{Links, SinkSettings};
use urgence::core::policy::live::{Contacts, Live};
use urgence::core::{
    Case, CaseId, Change, Deed, Event, FirstResponseKind, Nature, Page, PageRecord, Policy,
    SinkAnswer, SinkName, Timestamp,
};
use urgence::desk::{Desk, DeskSettings, Follower};
use urgence::outbound::{Address, Outbound};
use urgence::pager::{Courier, Pager, Ways};
use urgence::store::{MemoryStore, Said, Store};
use urgence::timer::{MemoryCourier, Taken, Timer};

use crate::all_changes;
use crate::support::make::{act, intake, policy};
use crate::support::receiver::{Answer, Receiver};
use linked::Linked;

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const MINUTE: Duration = Duration::from_mins(1);
const SECOND: Duration = Duration::from_secs(1);
/// After how long what another replica has taken counts as left.
const LEFT_AFTER: Duration = Duration::from_secs(30);
/// A millisecond less than that.
const NOT_LEFT_YET: Duration = Duration::from_millis(29_999);
const OK: Answer = Answer::With(200, &[]);
const REFUSED: Answer = Answer::With(400, &[]);

/// Rungs at 0 (desk), 1 (desk, shift-lead), 4 (head-of-desk: the target) and 6 minutes (all: the
/// limit), then every 3 (all). A lease lasts 3 minutes.
fn rules() -> Policy {
    policy(MINUTE * 4, MINUTE * 3, MINUTE * 3)
}

/// One process at a desk: several may share a store, each with a link of its own.
struct Replica<S> {
    desk: Arc<Desk<S>>,
    store: Arc<S>,
    courier: Arc<Courier<S>>,
    timer: Timer<S>,
}

impl<S: Store> Replica<S> {
    fn start(store: &Arc<S>, rules: Policy, reached: Contacts, ways: Ways) -> Self {
        let live = Live { contacts: reached, ..Live::default() };
        let settings = DeskSettings { live, ..DeskSettings::plain("main".parse().unwrap(), rules) };
        let (desk, _line, _tail) = Desk::new(settings, Arc::clone(store));
        let courier = Arc::new(Courier::new(Arc::clone(&desk), ways));
        let timer = Timer::new(Arc::clone(&desk));
        Self { desk, store: Arc::clone(store), courier, timer }
    }

    /// Another reader of the outbox, as a replica is that has just come up.
    fn pager(&self) -> Pager<S> {
        Pager::new(Arc::clone(&self.desk), Arc::clone(&self.store), Arc::clone(&self.courier))
    }

    /// Takes all that there is to page to its sinks; how many changes that were.
    async fn page(&self) -> usize {
        let (mut pager, mut taken) = (self.pager(), 0);
        loop {
            let more = pager.pass().await.unwrap();
            if more == 0 {
                return taken;
            }
            taken += more;
        }
    }

    fn follower(&self) -> Follower<S> {
        Follower::new(Arc::clone(&self.desk))
    }

    async fn submit(&self, request_id: &str) -> Case {
        let intake = intake("fr-pnij", request_id, Nature::MissingChild);
        self.desk.submit(intake, b"the request".to_vec()).await.unwrap().case
    }

    async fn act(&self, id: CaseId, request_id: &str, deed: Deed) -> Case {
        let act = act("ann", request_id);
        self.desk.act(id, act, deed, Said::Nothing).await.unwrap().case
    }

    /// Answers the case, which stops its clocks.
    async fn answer(&self, id: CaseId) -> Case {
        let epoch = self.act(id, "claim", Deed::Claim).await.claim_epoch;
        self.act(id, "answer", Deed::Respond(epoch, FirstResponseKind::NoData)).await
    }

    async fn get(&self, id: CaseId) -> Case {
        self.desk.get(id).await.unwrap()
    }

    async fn changes(&self) -> Vec<Change> {
        let entries = all_changes(self.store.as_ref()).await;
        entries.into_iter().map(|entry| entry.change().unwrap().clone()).collect()
    }

    async fn events(&self) -> Vec<Event> {
        self.changes().await.into_iter().flat_map(|change| change.events).collect()
    }

    /// What the timer does: it records what was paged without the store, and wakes what is due.
    async fn tick(&self) -> usize {
        self.timer.pass().await.unwrap().woken
    }
}

impl<S: Store> Replica<S> {
    /// With one way for each of these receivers, named as the contacts that it reaches.
    fn reaching(store: &Arc<S>, receivers: &[(&str, &Receiver, &[&str])]) -> Self {
        let sinks: Vec<_> = receivers.iter().map(|(name, at, _)| (*name, *at)).collect();
        let reached: Vec<_> = receivers.iter().map(|(name, _, of)| (*name, *of)).collect();
        Self::start(store, rules(), contacts(&reached), ways(&sinks, SECOND * 5))
    }
}

/// A store in memory and a link to it.
fn memory() -> (Arc<MemoryStore>, Arc<Linked>) {
    let memory = Arc::new(MemoryStore::new(START));
    let linked = Linked::to(&memory);
    (memory, linked)
}

/// Who is reached by which sink, by the sinks.
fn contacts(reached: &[(&str, &[&str])]) -> Contacts {
    let names = ["desk", "shift-lead", "head-of-desk", "all"];
    let sinks = |contact: &str| -> BTreeSet<SinkName> {
        let ways = reached.iter().filter(|(_, contacts)| contacts.contains(&contact));
        ways.map(|(sink, _)| sink.parse().unwrap()).collect()
    };
    Contacts::Listed(names.map(|name| (name.parse().unwrap(), sinks(name))).into())
}

/// A webhook at each of these receivers.
fn ways(receivers: &[(&str, &Receiver)], timeout: Duration) -> Ways {
    let sink = |(name, receiver): &(&str, &Receiver)| {
        let address = Address::from(url::Url::parse(&receiver.url("/hook")).unwrap());
        let secrets = vec![SecretSlice::from(vec![7; 32])];
        (name.parse().unwrap(), SinkSettings::Webhook { address, secrets })
    };
    let outbound = Outbound::with_timeout(timeout).unwrap();
    Ways::new(outbound, receivers.iter().map(sink).collect(), Links::default())
}

/// The names under which a receiver was told something, in order: those of pages, and with
/// `/resolved` behind it those of pages that are over.
fn keys(receiver: &Receiver) -> Vec<String> {
    receiver.got().iter().map(|request| request.headers["webhook-id"].clone()).collect()
}

/// The name of the page of the rung at `offset`, in the first cycle of the first response.
fn key(id: CaseId, offset: Duration) -> String {
    format!("{id}/first-response/0/{}", offset.as_millis())
}

/// The record of the page of the rung at `offset`.
fn record(case: &Case, offset: Duration) -> &PageRecord {
    let key = key(case.id, offset).parse().unwrap();
    case.page(key).unwrap_or_else(|| panic!("no page of {offset:?}: {:?}", case.pages))
}

/// What the sink has said of a page.
fn said(record: &PageRecord, sink: &str) -> Option<SinkAnswer> {
    record.answers.get(&sink.parse().unwrap()).map(|(answer, _)| *answer)
}

/// The courier as the shadow sees it.
struct Hands<S>(Arc<Courier<S>>);

impl<S: Store> MemoryCourier for Hands<S> {
    fn send(&self, page: Page, is_synthetic: bool, taken: &UnboundedSender<Taken>) {
        self.0.send_from_memory(&page, is_synthetic, taken);
    }
}
