//! The use cases: load, decide, commit, and again when somebody else was first.

mod admission;
mod background;
mod claim_next;
mod cooling;
mod duplicates;
mod error;
mod hints;
mod incidents;
mod inspection;
mod near;
mod policies;
mod settings;
mod standing;
mod status;
mod transact;
mod transparency;
mod upkeep;
mod wake;
mod watch;

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use governor::clock::MonotonicClock;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::core::policy::live::Live;
use crate::core::{
    Act, Actor, Case, CaseId, Command, Deed, DeskName, Fingerprint, Incident, IncidentName, Intake,
    Policy, PolicyId, Refusal, Report, RequestDigest, ShownTo, Timestamp, What,
};
pub use crate::registry::NotEntitled;
use crate::registry::Registry;
/// The parts of a store that those above the desk speak of.
pub use crate::store::{
    Content, Contents, Cursor, Due, Facts, Index, Inspection, Position, Said, ScanCursor, Store,
    StoreError,
};

use admission::Passage;
pub use admission::Turn;
pub use claim_next::{ClaimLine, WAIT_MAX};
pub use duplicates::Duplicates;
pub use error::Error;
use hints::Hints;
pub use incidents::{IncidentDeed, IncidentDone, IncidentStatus, Sort, Sorter};
pub use near::Follower;
use policies::Policies;
pub use settings::DeskSettings;
pub use standing::DisclosureFound;
pub use status::Status;
use transact::{Extras, Tried};
pub use transparency::Counted;
pub use upkeep::Upkeep;
pub use wake::Served;
pub use watch::{Followed, Tail, Watch, WatchScope};

/// One desk's use cases over a store.
pub struct Desk<S> {
    name: DeskName,
    store: Arc<S>,
    policies: Policies,
    live: ArcSwap<Live>,
    registry: ArcSwap<Registry>,
    /// From when on what the registry holds may be relied on.
    usable: ArcSwap<cooling::Usable>,
    settled: Mutex<settings::Settled>,
    fingerprints: crate::fingerprint::FingerprintKey,
    /// The open incidents, as this process last saw them.
    open_incidents: ArcSwap<Vec<Incident>>,
    /// The incidents whose facts were found not to open, which was logged.
    facts_lost: Mutex<BTreeSet<IncidentName>>,
    admission: admission::Admission,
    hints: Hints,
    near: near::Near,
    line: mpsc::Sender<claim_next::Waiter>,
    /// The number of the next call that waits for a case.
    tickets: AtomicU64,
    tail: watch::TailReceiver,
}

/// What came of an act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The case as it is now.
    pub case: Case,
    /// Whether this very act had been done before.
    pub is_replayed: bool,
}

impl<S: Store> Desk<S> {
    /// A desk, the line of those who wait for a case, and the reader of its changes. The latter two
    /// must be run as long as the desk is used.
    pub fn new(settings: DeskSettings, store: Arc<S>) -> (Arc<Self>, ClaimLine<S>, Tail<S>) {
        let (line, waiters) = mpsc::channel(claim_next::LINE_MAX);
        let (tail_sender, tail) = watch::channel();
        let DeskSettings { name, policy, live, registry, fingerprints } = settings;
        let desk = Arc::new(Self {
            name,
            store,
            policies: Policies::new(policy),
            admission: admission::Admission::new(live.admission, registry.rates(), MonotonicClock),
            live: ArcSwap::from_pointee(live),
            registry: ArcSwap::from_pointee(registry),
            usable: ArcSwap::default(),
            settled: Mutex::default(),
            fingerprints,
            open_incidents: ArcSwap::default(),
            facts_lost: Mutex::default(),
            hints: Hints::default(),
            near: near::Near::default(),
            line,
            tickets: AtomicU64::new(0),
            tail,
        });
        let claim_line = ClaimLine::new(Arc::clone(&desk), waiters);
        let tail = Tail::new(Arc::clone(&desk), tail_sender);
        (desk, claim_line, tail)
    }

    /// The desk's name.
    pub const fn name(&self) -> &DeskName {
        &self.name
    }

    /// The policy that new cases are accepted under.
    pub fn policy(&self) -> Arc<Policy> {
        self.policies.current()
    }

    /// A policy that a case was accepted under, or that is in force.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn kept_policy(&self, id: PolicyId) -> Result<Option<Arc<Policy>>, Error> {
        Ok(self.policies.kept(id, self.store.as_ref()).await?)
    }

    /// The part of the policy that is never frozen into a case.
    pub fn live(&self) -> Arc<Live> {
        self.live.load_full()
    }

    /// Who may ask, and what is known of them.
    pub fn registry(&self) -> Arc<Registry> {
        self.registry.load_full()
    }

    /// The keyed fingerprint of a target or a tag.
    pub fn fingerprint(&self, input: &str) -> Fingerprint {
        self.fingerprints.of(input)
    }

    /// A key of the deployment for this purpose, the same for all its desks and replicas.
    pub fn derived_key(&self, purpose: &str) -> [u8; 32] {
        self.fingerprints.derive(purpose)
    }

    /// The store's time now, or a little less.
    pub fn now_estimate(&self) -> Option<Timestamp> {
        self.store.now_estimate()
    }

    /// The store's time now, asked for where it has not answered yet.
    pub(super) async fn now(&self) -> Result<Timestamp, Error> {
        match self.now_estimate() {
            Some(now) => Ok(now),
            None => Ok(self.store.load(&[]).await?.now),
        }
    }

    /// When what was said was gone for the authority, if it is by now.
    pub fn gone_for_authority(&self, case: &Case) -> Option<Timestamp> {
        case.gone_for_authority(self.now_estimate().unwrap_or(case.last_event_at))
    }

    /// Takes a request in. When this returns, the case is durable.
    ///
    /// # Errors
    /// As [`Desk::take_in`].
    pub async fn submit(&self, intake: Intake, request: Vec<u8>) -> Result<Done, Error> {
        let turn = self.admit(intake).await;
        // Boxed, as it is large and every call carries it.
        Box::pin(self.take_in(turn, request)).await
    }

    /// Finds out whether a request may be asked, and waits until it is its turn. Whoever drops this has
    /// left the line.
    pub async fn admit(&self, mut intake: Intake) -> Turn {
        let (verdict, turn) = match self.entitle(&mut intake).await {
            Ok(()) => self.stand_in_line(&intake).await,
            Err(error) => (Err(error), None),
        };
        Turn { intake, verdict, _place: turn }
    }

    async fn stand_in_line(
        &self,
        intake: &Intake,
    ) -> (Result<(), Error>, Option<OwnedSemaphorePermit>) {
        let verdict = match self.admission.passage(intake, self.store.is_pressed()) {
            Passage::Free => return (Ok(()), None),
            Passage::InLine => Ok(()),
            Passage::Refused(error) => Err(error),
        };
        (verdict, Some(self.admission.turn(&intake.authority, intake.nature.class()).await))
    }

    /// Takes in what may be asked, and finds what was accepted before. When this returns, the case is
    /// durable.
    ///
    /// # Errors
    /// The registry does not let this authority ask this, another request was made under the same
    /// id, or the case is not known to be stored.
    pub async fn take_in(&self, turn: Turn, request: Vec<u8>) -> Result<Done, Error> {
        let Turn { intake, verdict, _place } = turn;
        match verdict {
            Ok(()) => self.keep(intake, request).await,
            Err(error) => self.admitted_before(intake.case_id(), &intake, error).await,
        }
    }

    /// Finds the case that was made here of a request which was sent elsewhere this time; `None` if there
    /// is none. It is as durable as when it was made.
    ///
    /// # Errors
    /// Another request was made under the same id, or the case is not known to be stored.
    pub async fn repeat(&self, intake: &Intake) -> Result<Option<Done>, Error> {
        let id = intake.case_id();
        // Looked at first, as what was sent elsewhere is never accepted here.
        if self.load(id).await?.1.is_none() {
            return Ok(None);
        }
        let command = Command::Accept(intake.clone());
        self.transact(id, &command, &Extras::default()).await.map(Some)
    }

    async fn keep(&self, mut intake: Intake, request: Vec<u8>) -> Result<Done, Error> {
        let id = intake.case_id();
        self.note_background(id, &mut intake).await;
        let extras = Extras { said: Said::Request(request.into()), note: None };
        self.accept(id, &Command::Accept(intake), &extras).await
    }

    /// What was accepted stays so, whatever the registry says since: a repeat finds its case.
    async fn admitted_before(
        &self,
        id: CaseId,
        intake: &Intake,
        error: Error,
    ) -> Result<Done, Error> {
        match self.load(id).await? {
            (_, Some(case)) if case.request_digest == intake.digest => {
                self.accept(id, &Command::Accept(intake.clone()), &Extras::default()).await
            }
            _ => Err(error),
        }
    }

    /// Looks the authority up, and which open incident the request belongs to.
    async fn entitle(&self, intake: &mut Intake) -> Result<(), Error> {
        let registry = self.registry();
        if intake.authority.is_synthetic() {
            return Err(NotEntitled::NotListed.into());
        }
        let now = self.now().await?;
        registry.may_ask(&intake.authority, intake.nature, now)?;
        if let Some(authority) = registry.authority(&intake.authority) {
            intake.facts.country = authority.country.clone();
        }
        let incidents = self.open_incidents.load();
        let covering =
            incidents.iter().find(|incident| incident.rule.covers(intake.nature, &intake.facts));
        intake.incident = covering.map(|incident| incident.name.clone());
        Ok(())
    }

    /// Does a person's act to a case, with what was said in it.
    ///
    /// # Errors
    /// The case does not allow it, or it is not known to be stored.
    pub async fn act(
        &self,
        id: CaseId,
        mut act: Act,
        deed: Deed,
        said: Said,
    ) -> Result<Done, Error> {
        if let Said::Response(bytes) = &said {
            act.content = Some(RequestDigest::of("Respond", bytes));
        }
        self.transact(id, &Command::Act(act, deed), &Extras { said, note: None }).await
    }

    /// Records what became of pages; the case since.
    ///
    /// # Errors
    /// There is no such case, or it is not known to be stored.
    pub async fn report(&self, id: CaseId, report: Report) -> Result<Case, Error> {
        let done = self.transact(id, &Command::Report(report), &Extras::default()).await?;
        Ok(done.case)
    }

    /// Like [`Desk::report`], of a case that was just loaded, at `now`: most often it is still so, which
    /// saves a look.
    ///
    /// # Errors
    /// As [`Desk::report`].
    pub async fn report_seen(
        &self,
        case: Case,
        now: Timestamp,
        report: Report,
    ) -> Result<Case, Error> {
        let (id, command) = (case.id, Command::Report(report));
        match self.attempt(Some(case), now, &command, &Extras::default()).await? {
            Tried::Done(done) => Ok(done.case),
            Tried::Again | Tried::Noted(_) => {
                let done = self.transact(id, &command, &Extras::default()).await?;
                Ok(done.case)
            }
        }
    }

    /// One case.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub async fn get(&self, id: CaseId) -> Result<Case, Error> {
        let (_, case) = self.load(id).await?;
        case.ok_or(Error::Refused(Refusal::CaseNotFound))
    }

    /// Opens what was said in a case, to be shown to somebody. The record knows of it first: what
    /// cannot be told is not opened.
    ///
    /// # Errors
    /// It cannot be told or read.
    pub async fn read(&self, case: &Case, by: Actor, shown_to: ShownTo) -> Result<Contents, Error> {
        let (id, authority) = (case.id, case.authority.clone());
        self.tell(Some(by), What::Read { case: id, authority, shown_to }).await?;
        Ok(self.store.contents(id).await?)
    }

    /// Up to `count` cases of an index, and where to go on if there may be more. A case that has left
    /// the index meanwhile is shown as it is now.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn list(
        &self,
        index: &Index,
        after: Option<Position>,
        count: usize,
    ) -> Result<(Vec<Case>, Option<Position>), Error> {
        let positions = self.store.list(index, after, count).await?;
        // The index says where it ends, not the cases: some of them may be left out below.
        let next = if positions.len() < count { None } else { positions.last().copied() };
        let ids: Vec<CaseId> = positions.iter().map(|position| position.id).collect();
        let loaded = self.store.load(&ids).await?;
        let mut cases = Vec::with_capacity(positions.len());
        for (position, case) in positions.into_iter().zip(loaded.cases) {
            match case {
                Ok(case) => cases.extend(case),
                // The others must be seen all the same; this one shows in the log and as a metric.
                Err(error) => tracing::error!(case.id = %position.id, %error, "left out of a list"),
            }
        }
        Ok((cases, next))
    }

    /// Every case of an index, page by page.
    async fn all(&self, index: &Index) -> Result<Vec<Case>, Error> {
        self.all_from(index, 0).await
    }

    /// Every case of an index, page by page, as far as it is read in falling order from the score `from`
    /// on; a few before it may come as well.
    async fn all_from(&self, index: &Index, from: u64) -> Result<Vec<Case>, Error> {
        const READ_MAX: usize = 256;
        let mut cases = Vec::new();
        let mut after = None;
        loop {
            let (page, next) = self.list(index, after, READ_MAX).await?;
            cases.extend(page);
            match next {
                Some(next) if next.score >= from => after = Some(next),
                Some(_) | None => return Ok(cases),
            }
        }
    }
}
