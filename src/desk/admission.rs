//! Who may send how much, so that no authority crowds another out. It is decided here, where it is known
//! what a request is about, and on Submit alone.
//!
//! A routine request beyond its authority's budget, or while the store is under pressure, is told when to
//! come again. An emergency is never refused for load: beyond its budget it stands in a line of its own
//! authority, of which so few are stored at a time that the store's queue has room for everybody else's.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use governor::clock::{Clock, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Error;
use crate::core::authority::Rate;
use crate::core::policy::admission::{Budget, Budgets};
use crate::core::{AuthorityId, Class, Intake};
use crate::telemetry::metrics::{self, Admitted};

/// How many requests beyond their budget are dealt with at once for one authority. All of them together
/// are a small part of what the store's queue holds.
const ABREAST: usize = 16;
/// How many authorities are told apart. A registry has fewer; without one, names are made up for free,
/// and those beyond share one budget.
const AUTHORITIES_MAX: usize = 10_000;
/// When to come again to a store under pressure: it may be over by then.
const PRESSED_FOR: Duration = Duration::from_secs(5);

type Limiter<C> = RateLimiter<
    AuthorityId,
    DashMapStateStore<AuthorityId>,
    C,
    NoOpMiddleware<<C as Clock>::Instant>,
>;

/// The budgets in force, and what is spent of them.
struct InForce<C: Clock> {
    budgets: Budgets,
    rates: BTreeMap<AuthorityId, Rate>,
    routine: Limiter<C>,
    emergency: Limiter<C>,
    /// Of those that have a rate of their own.
    own: HashMap<(AuthorityId, Class), Own<C>>,
}

type Own<C> = RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// What each authority has spent, and the lines of those who have spent it all.
pub(super) struct Admission<C: Clock = MonotonicClock> {
    clock: C,
    in_force: ArcSwap<InForce<C>>,
    lines: Mutex<HashMap<(AuthorityId, Class), Arc<Semaphore>>>,
    is_memory_short: AtomicBool,
}

/// A request whose turn it is.
pub struct Turn {
    pub(super) intake: Intake,
    /// Why it is refused, unless it was accepted before.
    pub(super) verdict: Result<(), Error>,
    /// Ends when this is dropped.
    pub(super) _place: Option<OwnedSemaphorePermit>,
}

/// How a request goes on.
#[derive(Debug)]
pub(super) enum Passage {
    /// At once.
    Free,
    /// In the line of its authority.
    InLine,
    /// It is refused, unless it was accepted before; which is looked up in the line.
    Refused(Error),
}

impl<C: Clock + Clone> Admission<C> {
    /// Nothing is spent yet.
    pub(super) fn new(budgets: Budgets, rates: BTreeMap<AuthorityId, Rate>, clock: C) -> Self {
        Self {
            in_force: ArcSwap::from_pointee(InForce::new(budgets, rates, &clock)),
            clock,
            lines: Mutex::default(),
            is_memory_short: AtomicBool::new(false),
        }
    }

    /// Puts other budgets in force, of which nothing is spent. The same ones stay as they are.
    pub(super) fn replace(&self, budgets: Budgets, rates: BTreeMap<AuthorityId, Rate>) {
        let in_force = self.in_force.load();
        if in_force.budgets != budgets || in_force.rates != rates {
            self.in_force.store(Arc::new(InForce::new(budgets, rates, &self.clock)));
        }
    }

    /// Whether the store's memory is nearly full.
    pub(super) fn set_memory_short(&self, is_short: bool) {
        self.is_memory_short.store(is_short, Ordering::Relaxed);
    }

    /// Spends one request of the authority's budget, while the store `is_pressed` or not.
    pub(super) fn passage(&self, intake: &Intake, is_pressed: bool) -> Passage {
        let in_force = self.in_force.load();
        let authority = &intake.authority;
        let (passage, admitted) = match intake.nature.class() {
            Class::Emergency => match self.spend(&in_force, authority, Class::Emergency) {
                Ok(()) => (Passage::Free, Admitted::EmergencyWithin),
                Err(_) => (Passage::InLine, Admitted::EmergencyInLine),
            },
            Class::Routine if is_pressed || self.is_memory_short.load(Ordering::Relaxed) => {
                let error = Error::StoreBusy { retry_after: PRESSED_FOR };
                (Passage::Refused(error), Admitted::RoutineStoreBusy)
            }
            Class::Routine => match self.spend(&in_force, authority, Class::Routine) {
                Ok(()) => (Passage::Free, Admitted::RoutineWithin),
                Err(retry_after) => {
                    let error = Error::BudgetSpent { retry_after };
                    (Passage::Refused(error), Admitted::RoutineOverBudget)
                }
            },
        };
        metrics::admitted(admitted);
        passage
    }

    /// Spends one request, or says when there is one to spend.
    fn spend(
        &self,
        in_force: &InForce<C>,
        authority: &AuthorityId,
        class: Class,
    ) -> Result<(), Duration> {
        let limiter = match class {
            Class::Emergency => &in_force.emergency,
            Class::Routine => &in_force.routine,
        };
        let spent = if let Some(own) = in_force.own.get(&(authority.clone(), class)) {
            own.check()
        } else if limiter.len() < AUTHORITIES_MAX {
            limiter.check_key(authority)
        } else {
            limiter.check_key(&"all-others".parse().expect("a word that follows the rule"))
        };
        spent.map_err(|until| until.wait_time_from(self.clock.now()))
    }

    /// Waits for its turn among those of the same authority and class. The turn ends when what is returned
    /// is dropped.
    pub(super) async fn turn(&self, authority: &AuthorityId, class: Class) -> OwnedSemaphorePermit {
        let line = {
            let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            let line = lines.entry((authority.clone(), class));
            Arc::clone(line.or_insert_with(|| Arc::new(Semaphore::new(ABREAST))))
        };
        line.acquire_owned().await.expect("it is never closed")
    }

    /// Forgets the authorities that have sent nothing for a while.
    pub(super) fn forget_idle(&self) {
        let in_force = self.in_force.load();
        for limiter in [&in_force.routine, &in_force.emergency] {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.retain(|_, line| Arc::strong_count(line) > 1);
    }
}

impl<C: Clock + Clone> InForce<C> {
    fn new(budgets: Budgets, rates: BTreeMap<AuthorityId, Rate>, clock: &C) -> Self {
        let of = |authority: &AuthorityId, class, per_minute: u32| {
            let per_minute = NonZeroU32::new(per_minute)?;
            // Half a minute's worth may come at once.
            let burst = NonZeroU32::new(per_minute.get().div_ceil(2))?;
            let quota = Quota::per_minute(per_minute).allow_burst(burst);
            Some(((authority.clone(), class), RateLimiter::direct_with_clock(quota, clock.clone())))
        };
        let own = rates.iter().flat_map(|(authority, rate)| {
            let emergency = of(authority, Class::Emergency, rate.emergency_per_minute);
            [emergency, of(authority, Class::Routine, rate.routine_per_minute)]
        });
        let own = own.flatten().collect();
        let limiter = |budget: Budget| {
            let quota = Quota::per_minute(budget.per_minute).allow_burst(budget.burst);
            RateLimiter::dashmap_with_clock(quota, clock.clone())
        };
        let (routine, emergency) = (limiter(budgets.routine), limiter(budgets.emergency));
        Self { budgets, rates, routine, emergency, own }
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;
    use crate::core::Nature;

    fn admission() -> (Admission<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (Admission::new(Budgets::default(), BTreeMap::new(), clock.clone()), clock)
    }

    fn request(authority: &str, nature: Nature) -> Intake {
        let authority = authority.parse().unwrap();
        Intake { authority, nature, ..Intake::synthetic(1) }
    }

    #[test]
    fn a_rate_of_the_registry_counts_instead_of_the_policy() {
        let clock = FakeRelativeClock::default();
        let rate = Rate { emergency_per_minute: 4, routine_per_minute: 2 };
        let rates = BTreeMap::from([("fr-pnij".parse().unwrap(), rate)]);
        let admission = Admission::new(Budgets::default(), rates, clock.clone());
        let routine = request("fr-pnij", Nature::Routine);
        assert!(matches!(admission.passage(&routine, false), Passage::Free));
        assert_eq!(retry_after(admission.passage(&routine, false)), Duration::from_secs(30));
        let urgent = request("fr-pnij", Nature::Kidnapping);
        for _ in 0..2 {
            assert!(matches!(admission.passage(&urgent, false), Passage::Free));
        }
        assert!(matches!(admission.passage(&urgent, false), Passage::InLine));
        let other = request("de-bka", Nature::Routine);
        for _ in 0..30 {
            assert!(matches!(admission.passage(&other, false), Passage::Free));
        }
        admission.replace(Budgets::default(), BTreeMap::new());
        assert!(matches!(admission.passage(&routine, false), Passage::Free));
    }

    fn retry_after(passage: Passage) -> Duration {
        match passage {
            Passage::Refused(Error::BudgetSpent { retry_after }) => retry_after,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn routine_beyond_its_budget_comes_again_when_it_is_told_to() {
        let (admission, clock) = admission();
        let routine = request("fr-pnij", Nature::Routine);
        for _ in 0..30 {
            assert!(matches!(admission.passage(&routine, false), Passage::Free));
        }
        for _ in 0..100 {
            let wait = retry_after(admission.passage(&routine, false));
            assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1), "{wait:?}");
            clock.advance(wait.checked_sub(Duration::from_nanos(1)).unwrap());
            retry_after(admission.passage(&routine, false));
            clock.advance(Duration::from_nanos(1));
            assert!(matches!(admission.passage(&routine, false), Passage::Free));
        }
        // Another's budget is its own, and so is that of the other class.
        let other = request("de-bka", Nature::Routine);
        assert!(matches!(admission.passage(&other, false), Passage::Free));
        let urgent = request("fr-pnij", Nature::Kidnapping);
        assert!(matches!(admission.passage(&urgent, false), Passage::Free));
    }

    #[test]
    fn an_emergency_is_never_refused() {
        let (admission, _) = admission();
        admission.set_memory_short(true);
        let urgent = request("fr-pnij", Nature::Kidnapping);
        let passages: Vec<Passage> = (0..3_000).map(|_| admission.passage(&urgent, true)).collect();
        let count = |is: fn(&Passage) -> bool| passages.iter().filter(|one| is(one)).count();
        assert_eq!(count(|passage| matches!(passage, Passage::Free)), 60);
        assert_eq!(count(|passage| matches!(passage, Passage::InLine)), 2_940);
    }

    #[test]
    fn routine_gives_way_to_pressure() {
        let (admission, _) = admission();
        let routine = request("fr-pnij", Nature::Routine);
        let is_busy = |passage| matches!(passage, Passage::Refused(Error::StoreBusy { .. }));
        assert!(is_busy(admission.passage(&routine, true)));
        admission.set_memory_short(true);
        assert!(is_busy(admission.passage(&routine, false)));
        admission.set_memory_short(false);
        assert!(matches!(admission.passage(&routine, false), Passage::Free));
    }

    #[test]
    fn who_sends_nothing_is_forgotten_and_names_made_up_share_one_budget() {
        let (admission, clock) = admission();
        for number in 0..AUTHORITIES_MAX {
            admission.passage(&request(&format!("made-up-{number}"), Nature::Routine), false);
        }
        for _ in 0..30 {
            admission.passage(&request("one-more", Nature::Routine), false);
        }
        retry_after(admission.passage(&request("and-another", Nature::Routine), false));
        assert!(admission.in_force.load().routine.len() <= AUTHORITIES_MAX + 1);
        clock.advance(Duration::from_mins(1));
        admission.forget_idle();
        assert_eq!(admission.in_force.load().routine.len(), 0);
    }

    #[tokio::test]
    async fn a_line_is_of_one_authority_and_is_forgotten_when_it_is_empty() {
        let (admission, _) = admission();
        let french: AuthorityId = "fr-pnij".parse().unwrap();
        let mut turns = Vec::new();
        for _ in 0..ABREAST {
            turns.push(admission.turn(&french, Class::Emergency).await);
        }
        let waiting = admission.turn(&french, Class::Emergency);
        tokio::pin!(waiting);
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop(admission.turn(&"de-bka".parse().unwrap(), Class::Emergency).await);
        // What only waits to be refused keeps no emergency waiting.
        drop(admission.turn(&french, Class::Routine).await);
        turns.pop();
        drop(waiting.await);
        admission.forget_idle();
        assert_eq!(admission.lines.lock().unwrap().len(), 1);
        turns.clear();
        admission.forget_idle();
        assert_eq!(admission.lines.lock().unwrap().len(), 0);
    }
}
