//! What an accept costs, in time and in Redis's memory.

use urgence::core::Policy;

use crate::bare::bare;
use crate::run::{drive, verdict_line};
use crate::support::redis::TestRedis;
use crate::{NARRATIVE_BYTES, ample, desk, portal, redis, request};

const IN_FLIGHT: [usize; 4] = [1, 16, 64, 256];

/// Durable accepts through gRPC beside the bare script.
pub(crate) async fn accepts() -> String {
    println!("\n## Durable accepts through gRPC, and the bare commit script on the same Redis");
    let redis = redis();
    let policy = Policy::built_in();
    let mut running = desk(&redis, ample(&policy)).await;
    let portal = portal(&mut running).await;
    portal.clone().submit(request("warm".to_owned())).await.unwrap();
    let mut verdict = String::new();
    for in_flight in IN_FLIGHT {
        let total = if in_flight == 1 { 4_000 } else { 24_000 };
        let ceiling = bare(&redis, in_flight, total, &policy).await;
        let portal = portal.clone();
        let run = drive(in_flight, total, move |index| {
            let mut portal = portal.clone();
            async move {
                let message = request(format!("grpc-{in_flight}-{index}"));
                portal.submit(message).await.unwrap();
            }
        })
        .await;
        ceiling.show(&format!("bare script, {in_flight} in flight"));
        run.show(&format!("Submit, {in_flight} in flight"));
        let ratio = run.rate() / ceiling.rate();
        println!("{:<34} {ratio:>9.2}", "ratio");
        if in_flight == 64 {
            verdict = verdict_line(
                "accepts at 64 in flight, of the bare rate",
                ratio,
                ratio >= 0.5,
                ">= 0.5",
            );
        }
    }
    verdict
}

/// Redis bytes per open case, its events counted.
pub(crate) async fn memory() -> String {
    println!(
        "\n## Redis bytes per open case, {NARRATIVE_BYTES}-byte narrative, indexes and events counted"
    );
    const CASES: usize = 20_000;
    let redis = redis();
    let mut running = desk(&redis, ample(&Policy::built_in())).await;
    let portal = portal(&mut running).await;
    portal.clone().submit(request("warm".to_owned())).await.unwrap();
    let used =
        |redis: &TestRedis| redis.info("used_memory_dataset").unwrap().parse::<f64>().unwrap();
    let before = used(&redis);
    drive(64, CASES, move |index| {
        let mut portal = portal.clone();
        async move { drop(portal.submit(request(format!("m-{index}"))).await.unwrap()) }
    })
    .await;
    let bytes = (used(&redis) - before) / CASES as f64;
    println!("{bytes:.0} bytes per case");
    verdict_line("bytes per open case", bytes, bytes <= 2_048.0, "<= 2048")
}
