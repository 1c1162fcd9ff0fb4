//! What one authority's flood of emergencies costs the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tonic::transport::Channel;
use urgence::clock::monotonic_now;
use urgence::core::Policy;
use urgence::core::policy::live::Live;
use urgence::desk::DeskSettings;
use urgence::grpc::wire::intake_service_client::IntakeServiceClient;

use crate::run::{Run, verdict_line};
use crate::support::wait::pace;
use crate::{ample, connected, desk, redis, request, serve};

type Portal = IntakeServiceClient<Channel>;

/// Each of them stays within its own budget, which its first requests may spend at once.
const CALM_AUTHORITIES: usize = 10;
const CALM_EACH: usize = 50;
const CALM_EVERY: Duration = Duration::from_millis(20);
/// Fifty times the sixty a minute of the built-in budget.
const FLOOD_EVERY: Duration = Duration::from_millis(20);
/// As many as a portal's connection carries, and all of them at once.
const FLOOD_IN_FLIGHT: usize = 100;

/// How long other authorities' emergencies take: alone, beside one that sends fifty times its rate, and
/// beside one that sends as fast as it is answered.
pub(crate) async fn fairness() -> Vec<String> {
    println!("\n## Emergencies of ten authorities beside the flood of another, usual budgets");
    let redis = redis();
    let settings = DeskSettings { live: Live::default(), ..ample(&Policy::built_in()) };
    let mut running = desk(&redis, settings).await;
    let address = serve(&mut running).await;
    let (portal, flooding) = (connected(address).await, connected(address).await);
    let alone = calm("alone", &portal).await;
    alone.show("others alone");
    let paced = Flood::paced(&flooding);
    let beside = calm("paced", &portal).await;
    beside.show("others beside 50 times its rate");
    println!("{:<34} {:>9} taken in of the flood", "", paced.end().await);
    let hard = Flood::as_fast_as_answered(&flooding);
    let pressed = calm("hard", &portal).await;
    pressed.show("others beside all that it can send");
    println!("{:<34} {:>9} taken in of the flood", "", hard.end().await);
    let ratio = |run: &Run, percent| {
        run.percentile(percent).as_secs_f64() / alone.percentile(percent).as_secs_f64()
    };
    println!(
        "{:<34} p50 {:.2}, p99 {:.2}; all that it can send: p50 {:.2}, p99 {:.2}",
        "of what they take alone",
        ratio(&beside, 50.0),
        ratio(&beside, 99.0),
        ratio(&pressed, 50.0),
        ratio(&pressed, 99.0),
    );
    let verdict = |what: &str, found: f64, most: f64| {
        verdict_line(what, found, found <= most, &format!("<= {most}"))
    };
    vec![
        verdict("others' p50 beside 50 times one's rate, of alone", ratio(&beside, 50.0), 2.0),
        verdict("others' p99 beside 50 times one's rate, of alone", ratio(&beside, 99.0), 3.0),
    ]
}

async fn submit(portal: &Portal, authority: &str, request_id: String) {
    let mut message = request(request_id);
    let said = message.request.as_mut().unwrap();
    authority.clone_into(&mut said.requester.as_mut().unwrap().authority);
    portal.clone().submit(message).await.unwrap();
}

/// Emergencies at a steady pace, of each authority in turn.
async fn calm(run: &str, portal: &Portal) -> Run {
    let mut ticks = pace(CALM_EVERY);
    let started = monotonic_now();
    let mut calls = JoinSet::new();
    for index in 0..CALM_AUTHORITIES * CALM_EACH {
        ticks.tick().await;
        let (portal, request_id) = (portal.clone(), format!("{run}-{index}"));
        // Names of their own in each run: what one has spent is no other's.
        let authority = format!("calm-{run}-{}", index % CALM_AUTHORITIES);
        calls.spawn(async move {
            let begun = monotonic_now();
            submit(&portal, &authority, request_id).await;
            begun.elapsed()
        });
    }
    let latencies = calls.join_all().await;
    Run { latencies, took: started.elapsed() }
}

/// One authority that sends too much.
struct Flood {
    is_over: Arc<AtomicBool>,
    taken_in: Arc<AtomicUsize>,
    senders: JoinSet<()>,
}

impl Flood {
    fn start() -> Self {
        let (is_over, taken_in) = Default::default();
        Self { is_over, taken_in, senders: JoinSet::new() }
    }

    fn paced(portal: &Portal) -> Self {
        let mut flood = Self::start();
        let (portal, is_over) = (portal.clone(), Arc::clone(&flood.is_over));
        let taken_in = Arc::clone(&flood.taken_in);
        flood.senders.spawn(async move {
            let mut ticks = pace(FLOOD_EVERY);
            let mut calls = JoinSet::new();
            for index in 0.. {
                ticks.tick().await;
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                let (portal, taken_in) = (portal.clone(), Arc::clone(&taken_in));
                calls.spawn(async move {
                    submit(&portal, "flood", format!("paced-flood-{index}")).await;
                    taken_in.fetch_add(1, Ordering::Relaxed);
                });
            }
            calls.join_all().await;
        });
        flood
    }

    fn as_fast_as_answered(portal: &Portal) -> Self {
        let mut flood = Self::start();
        for sender in 0..FLOOD_IN_FLIGHT {
            let (portal, is_over) = (portal.clone(), Arc::clone(&flood.is_over));
            let taken_in = Arc::clone(&flood.taken_in);
            flood.senders.spawn(async move {
                for index in 0.. {
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    submit(&portal, "flood", format!("hard-{sender}-{index}")).await;
                    taken_in.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        flood
    }

    /// Ends it, and says how many were taken in.
    async fn end(self) -> usize {
        self.is_over.store(true, Ordering::Relaxed);
        self.senders.join_all().await;
        self.taken_in.load(Ordering::Relaxed)
    }
}
