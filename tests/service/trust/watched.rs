//! A watch outlives neither the certificate nor the entry of the registry that it began with.

use tonic::{Code, Streaming};
use urgence::grpc::wire;
use wire::intake_service_watch_request::Scope;

use super::{ANA, PORTAL_DE, PORTAL_FR, Trusted};
use crate::authority::Wish;
use crate::calls::assert_error;
use crate::service::urgent;
use crate::support::wait::eventually;

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

async fn watch(
    portal: &mut super::IntakeServiceClient<super::Channel>,
) -> Streaming<wire::IntakeServiceWatchResponse> {
    let scope = Some(Scope::Authority("fr-pnij".to_owned()));
    let watch = wire::IntakeServiceWatchRequest { scope, ..Default::default() };
    let mut watch = portal.watch(watch).await.unwrap().into_inner();
    // The end of the snapshot: it is followed from here on.
    watch.message().await.unwrap().unwrap();
    watch
}

/// How a watch ends; what comes before does not matter.
async fn end(mut watch: Streaming<wire::IntakeServiceWatchResponse>) -> tonic::Status {
    loop {
        match watch.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it ended silently"),
            Err(status) => return status,
        }
    }
}

#[tokio::test]
async fn a_revoked_certificate_is_cut_off_an_open_watch() {
    let trusted = Trusted::open();
    let held = trusted.authority.certify(&Wish { serial: 41, ..Wish::client(PORTAL_FR) });
    let channel = trusted.connect(&trusted.service, &held).await.unwrap();
    let mut revoked = super::IntakeServiceClient::new(channel);
    let mut other = trusted.portal(PORTAL_FR).await;
    let (cut, mut kept) = (watch(&mut revoked).await, watch(&mut other).await);

    trusted.revoke(&[41]);
    assert_error::<()>(Err(end(cut).await), Code::Unauthenticated, "CERTIFICATE_OVER");
    // It is of no more use on that connection, nor for another.
    let list =
        || wire::IntakeServiceListRequest { authority: "fr-pnij".to_owned(), ..Default::default() };
    assert!(revoked.list(list()).await.is_err());
    eventually("it is refused in the handshake", PATIENCE, async || {
        match trusted.connect(&trusted.service, &held).await {
            Err(_) => true,
            // With TLS 1.3 the client hears of it with its first call.
            Ok(channel) => super::IntakeServiceClient::new(channel).list(list()).await.is_err(),
        }
    })
    .await;
    // Another certificate of the same portal goes on, without a pause.
    other.submit(urgent("r-1")).await.unwrap();
    assert!(kept.message().await.unwrap().is_some());
}

#[tokio::test]
async fn whoever_leaves_the_registry_is_cut_off_with_the_next_message() {
    let trusted = Trusted::open();
    let registry = include_str!("../../../deploy/authorities.toml");
    let mut french = trusted.portal(PORTAL_FR).await;
    let mut german = trusted.portal(PORTAL_DE).await;
    let cut = watch(&mut french).await;
    // The French portal's channel goes to the German one.
    let moved = registry.replace(
        "\"spiffe://urgence.test/portal/fr-pnij\"",
        "\"spiffe://urgence.test/portal/none\"",
    );
    let moved = moved.replace(
        "channels = [\"spiffe://urgence.test/portal/de-bka\"]",
        "channels = [\"spiffe://urgence.test/portal/de-bka\", \"spiffe://urgence.test/portal/fr-pnij\"]",
    );
    assert_ne!(moved, registry);
    trusted.registry(&moved);
    eventually("the French portal speaks for nobody there", PATIENCE, async || {
        let authority = "fr-pnij".to_owned();
        let list = wire::IntakeServiceListRequest { authority, ..Default::default() };
        french.list(list).await.is_err()
    })
    .await;
    // What happens now is told to nobody whom the registry does not let.
    let german_request = crate::messages::of_authority(urgent("r-2"), "de-bka", "DE");
    german.submit(german_request).await.unwrap();
    let desk = trusted.desk(ANA).await;
    drop(desk);
    assert_error::<()>(Err(end(cut).await), Code::NotFound, "CASE_NOT_FOUND");
}
