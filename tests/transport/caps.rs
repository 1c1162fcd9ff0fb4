//! How many connections there may be.

use std::time::Duration;

use tokio::time::timeout;
use urgence::transport::Limits;

use crate::authority::{ANA, BO, Wish};
use crate::client::until_closed;
use crate::stage::{PATIENCE, Stage};
use crate::support::wait::eventually;

#[tokio::test]
async fn one_identity_cannot_take_all_connections() {
    let limits = Limits { connections_per_identity_max: 2, ..Limits::default() };
    let stage = Stage::with(limits, false).await;
    let first = stage.ana().greeted(stage.address).await.unwrap();
    // Another certificate of the same name is the same one.
    let mut second = stage.ana().greeted(stage.address).await.unwrap();
    assert!(stage.ana().greeted(stage.address).await.is_err());
    stage.client(&Wish::client(BO)).greeted(stage.address).await.unwrap();
    assert!(timeout(Duration::from_millis(200), until_closed(&mut second)).await.is_err());
    drop(first);
    eventually("its place is free", PATIENCE, async || {
        stage.ana().greeted(stage.address).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn one_address_cannot_take_all_connections() {
    let limits = Limits { connections_per_address_max: 2, ..Limits::default() };
    let stage = Stage::with(limits, false).await;
    let near = stage.ana();
    let first = near.greeted(stage.address).await.unwrap();
    let _second = near.greeted(stage.address).await.unwrap();
    assert!(near.greeted(stage.address).await.is_err());
    near.clone().from([127, 0, 0, 2]).greeted(stage.address).await.unwrap();
    drop(first);
    eventually("its place is free", PATIENCE, async || near.greeted(stage.address).await.is_ok())
        .await;
}

#[tokio::test]
async fn there_is_a_cap_in_all() {
    let limits = Limits { connections_max: 2, ..Limits::default() };
    let stage = Stage::with(limits, false).await;
    let near = stage.client(&Wish::client(ANA));
    let far = stage.client(&Wish::client(BO)).from([127, 0, 0, 2]);
    let first = near.greeted(stage.address).await.unwrap();
    let _second = far.greeted(stage.address).await.unwrap();
    assert!(near.greeted(stage.address).await.is_err());
    assert!(far.greeted(stage.address).await.is_err());
    drop(first);
    eventually("its place is free", PATIENCE, async || far.greeted(stage.address).await.is_ok())
        .await;
}

#[test]
fn caps_fit_into_what_there_is() {
    let limits = Limits { connections_max: 1_000, handshakes_max: 100, ..Limits::default() };
    let within = |descriptors| {
        let fitting = limits.within(descriptors);
        (fitting.connections_max, fitting.handshakes_max)
    };
    assert_eq!(within(limits.descriptors_max()), (1_000, 100));
    assert_eq!(within(800), (700, 100));
    assert_eq!(within(80), (60, 20));
    assert_eq!(within(0), (1, 1), "the promise holds on, whatever the system gives");
}
