//! An authority that goes over to another desk of the deployment, which alone knows it from then on.

use std::time::Duration;

use tonic::{Code, Request, Response};
use urgence::grpc::wire;

use super::{PORTAL_DE, Trusted, hang_up};
use crate::calls::{assert_error, policy};
use crate::desks::{DESKS, berlin, desk_of, french, to};
use crate::messages::of_authority;
use crate::reload::logged;
use crate::support::wait::eventually;

const PATIENCE: Duration = Duration::from_secs(20);

const REGISTRY: &str = include_str!("../../../deploy/authorities.toml");

/// The registry without the German authority.
fn without_german() -> String {
    let tables = REGISTRY.split("\n\n");
    let others = tables.filter(|table| !table.contains("[authorities.de-bka"));
    others.collect::<Vec<_>>().join("\n\n")
}

#[tokio::test]
async fn what_was_accepted_before_is_found_where_its_portal_is_not_known_any_more() {
    let desks = DESKS.replace("paris/", "").replace("authorities.toml", "paris.toml");
    let (first, second) = desks.split_at(desks.rfind("paris.toml").unwrap());
    let desks = format!("{first}{}", second.replace("paris.toml", "authorities.toml"));
    let trusted = Trusted::with_files(&[
        ("desks.toml", &desks),
        ("policy.toml", &policy("")),
        ("berlin.toml", &berlin("\"DE\"")),
        ("paris.toml", &without_german()),
        ("authorities.toml", REGISTRY),
    ]);
    let mut portal = trusted.portal(PORTAL_DE).await;
    let message = of_authority(french(), "de-bka", "DE");
    let accepted = portal.submit(message.clone()).await.map(Response::into_inner).unwrap();
    let case = accepted.case.unwrap();
    assert_eq!(desk_of(&case.name), "berlin");

    trusted.directory.file("authorities.toml", &without_german());
    trusted.directory.file("paris.toml", REGISTRY);
    hang_up(&trusted.service);
    eventually("both registries are read", PATIENCE, async || {
        logged(&trusted.service, &["\"message\":\"reloaded\""]) == 2
    })
    .await;
    // It is its own case; what else it may do there, that desk says.
    let again = portal.submit(message.clone()).await.map(Response::into_inner).unwrap();
    assert!(again.replayed && again.case.unwrap().name == case.name);
    assert_eq!(again.receipt, accepted.receipt);
    let get = wire::IntakeServiceGetRequest { name: case.name.clone() };
    assert_error(portal.get(Request::new(get)).await, Code::InvalidArgument, "INVALID_FIELDS");
    let mut changed = message.clone();
    changed.request.as_mut().unwrap().targets[0].value = "somebody else".to_owned();
    assert_error(portal.submit(changed).await, Code::AlreadyExists, "REQUEST_ID_REUSED");
    let named = portal.submit(to("berlin", message)).await;
    assert_error(named, Code::InvalidArgument, "INVALID_FIELDS");
    let fresh = of_authority(french(), "de-bka", "DE");
    let fresh = portal.submit(fresh).await.map(Response::into_inner).unwrap();
    assert_eq!(desk_of(&fresh.case.unwrap().name), "paris");
}
