//! What a registry lists holds for what is done with a case too, not only for who may call.

use std::time::Duration;

use tonic::Code;

use super::suspended::{approve, called_back, disclosing};
use super::{ANA, BO, PORTAL_FR, Trusted};
use crate::calls::{assert_error, assert_fields};
use crate::messages::{Held, fresh};
use crate::service::{claim_next, urgent};
use crate::support::wait::eventually;

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_case_is_handed_to_a_colleague_and_to_nobody_else() {
    let trusted = Trusted::open();
    let (mut portal, mut ana) = (trusted.portal(PORTAL_FR).await, trusted.desk(ANA).await);
    portal.submit(urgent("r-1")).await.unwrap();
    let case = ana.claim_next(claim_next("c-1", 5)).await.unwrap().into_inner().case.unwrap();
    let held = Held { name: case.name, epoch: case.claim.unwrap().epoch };
    // A name that is wrongly written, an auditor and a portal work on no case.
    for nobody in ["boo", "uma", "urgence.test/portal/fr-pnij"] {
        assert_fields(ana.hand_over(held.hand_over(nobody)).await, &["to: UNKNOWN_VALUE"]);
    }
    let case = ana.hand_over(held.hand_over("bo")).await.unwrap().into_inner().case.unwrap();
    assert_eq!(case.claim.unwrap().responder, "bo");
}

#[tokio::test]
async fn nothing_is_disclosed_to_an_authority_whose_entry_has_run_out() {
    let trusted = Trusted::open();
    let mut portal = trusted.portal(PORTAL_FR).await;
    let (mut ana, mut bo) = (trusted.desk(ANA).await, trusted.desk(BO).await);
    let name = portal.submit(urgent("r-1")).await.unwrap().into_inner().case.unwrap().name;
    let case = ana.claim_next(claim_next("c-1", 5)).await.unwrap().into_inner().case.unwrap();
    let epoch = case.claim.unwrap().epoch;
    ana.record_verification(called_back("v-1", &name)).await.unwrap();
    ana.propose_outcome(disclosing(&name, epoch)).await.unwrap();
    let registry = include_str!("../../../deploy/authorities.toml");
    let over = registry.replacen(
        "country = \"FR\"\n",
        "country = \"FR\"\nvalid_until = \"2020-01-01\"\n",
        1,
    );
    assert_ne!(over, registry);
    trusted.registry(&over);
    // The reload is seen by its effect: a new request is no longer taken in.
    eventually("the registry is in force", PATIENCE, async || {
        portal.submit(urgent(&fresh())).await.is_err()
    })
    .await;
    let refused = bo.approve_outcome(approve("a-1", &name, 1)).await;
    assert_error(refused, Code::FailedPrecondition, "AUTHORITY_NOT_VALID");
    // Renewed, it goes out.
    trusted.registry(registry);
    eventually("the registry is as it was", PATIENCE, async || {
        portal.submit(urgent(&fresh())).await.is_ok()
    })
    .await;
    bo.approve_outcome(approve("a-2", &name, 1)).await.unwrap();
}
