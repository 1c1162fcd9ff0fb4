//! A desk that nobody serves any more is told of while cases of it still wake.

use std::time::Duration;

use crate::desks::{Both, desk_of, german};
use crate::reload::logged;
use crate::service::Service;
use crate::support::wait::eventually;

const PATIENCE: Duration = Duration::from_secs(20);
const TOLD: &str = "cases of these desks have no timer here";

async fn counted(service: &Service, count: f64) {
    eventually("the desks are counted", PATIENCE, async || {
        service.metric("urgence_unserved_desks").await == count
    })
    .await;
}

#[tokio::test]
async fn a_desk_that_was_taken_out_is_told_of_until_it_is_served_again() {
    let Both { service, redis, directory } = Both::open();
    let portal = crate::calls::Caller::of(&service, "portal; roles=portal");
    assert_eq!(desk_of(&portal.submits(german()).await), "berlin");
    assert_eq!(logged(&service, &[TOLD]), 0, "both are served");
    drop(service);

    // Nobody waits for what is left of a desk's synthetic cases, nor for keys of somebody else.
    let add = |key: &str| redis.command(&["ZADD", key, "1", "5G1F3CCKEXNQKR7G"]);
    for key in ["{urgence:night}:wake", "{urgence:night}:authority:synthetic", "{urgence:}:wake"] {
        add(key);
    }
    let only_paris = ["--desk", "paris", "--data-dir", directory.path(), "--audit-every", "100ms"];
    let service = Service::on(&redis, &only_paris);
    counted(&service, 1.0).await;
    assert_eq!(logged(&service, &[TOLD, "\"desks\":\"berlin\""]), 1);
    // What comes later is seen as well, and each state is told once.
    add("{urgence:lyon}:wake");
    counted(&service, 2.0).await;
    assert_eq!(logged(&service, &[TOLD, "\"desks\":\"berlin, lyon\""]), 1);
    redis.command(&["DEL", "{urgence:lyon}:wake", "{urgence:berlin}:wake"]);
    counted(&service, 0.0).await;
    assert_eq!(logged(&service, &[TOLD]), 2);
}
