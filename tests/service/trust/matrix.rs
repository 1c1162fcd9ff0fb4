//! Every method by every role, and every method of a portal by whose case it is.

use std::collections::BTreeMap;

use prost::Message as _;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;
use urgence::core::Role;
use urgence::grpc::wire;
use urgence::registry::rules::{Access, RULES, rule};

use super::{ANA, LEA, PORTAL_DE, PORTAL_FR, SAM, STRANGER, Trusted, UMA};
use crate::calls::{NO_CASE, assert_error};
use crate::raw::Raw;
use crate::service::{request, urgent};

/// What comes first of a call, whether it answers once or goes on.
async fn call(channel: &Channel, path: &str, message: Vec<u8>) -> Result<(), Status> {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let path = PathAndQuery::try_from(path).unwrap();
    let mut answer = client.server_streaming(Request::new(message), path, Raw).await?.into_inner();
    answer.message().await.map(drop)
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

/// Every method of every service that the program describes.
fn described() -> Vec<String> {
    let sets = [
        wire::FILE_DESCRIPTOR_SET,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ];
    let mut methods = Vec::new();
    for set in sets {
        let set = prost_types::FileDescriptorSet::decode(set).unwrap();
        for file in &set.file {
            for service in &file.service {
                for method in &service.method {
                    methods.push(format!(
                        "/{}.{}/{}",
                        file.package(),
                        service.name(),
                        method.name()
                    ));
                }
            }
        }
    }
    methods
}

#[test]
fn every_method_has_a_rule_and_every_rule_a_method() {
    let described = described();
    assert!(described.len() > 45, "{described:?}");
    for method in &described {
        assert!(rule(method).is_some(), "{method} has no rule");
    }
    for rule in RULES {
        assert!(described.iter().any(|method| method == rule.path), "{} is no method", rule.path);
    }
    let labels: std::collections::BTreeSet<_> = RULES.iter().map(|rule| rule.label).collect();
    assert_eq!(labels.len(), RULES.len(), "a label means one method");
}

#[tokio::test]
async fn every_method_is_called_by_its_roles_and_nobody_else() {
    let trusted = Trusted::open();
    let own = trusted.portal(PORTAL_FR).await.submit(urgent("r-1")).await.unwrap().into_inner();
    let name = own.case.unwrap().name;
    let callers = [
        (PORTAL_FR, Some(Role::Portal)),
        (PORTAL_DE, Some(Role::Portal)),
        (ANA, Some(Role::Responder)),
        (LEA, Some(Role::LegalReviewer)),
        (SAM, Some(Role::Supervisor)),
        (UMA, Some(Role::Auditor)),
        (STRANGER, None),
    ];
    let mut met: BTreeMap<&str, u32> = BTreeMap::new();
    for (identity, role) in callers {
        let channel = trusted.caller(identity).await;
        for rule in RULES.iter().filter(|rule| rule.path.starts_with("/urgence.")) {
            let Access::Roles(roles) = rule.access else { panic!("{} is open", rule.path) };
            // Neither an empty message nor one with a case lets anybody in, or out.
            for message in [Vec::new(), named(&name)] {
                let answer = call(&channel, rule.path, message).await;
                let refused = answer.as_ref().err().map(reason).unwrap_or_default();
                if refused == "MALFORMED_MESSAGE" {
                    // Its second field is something else; it is read before anybody is asked who they are.
                    continue;
                }
                let wanted = match role {
                    None => "CALLER_UNKNOWN",
                    Some(role) if roles.contains(&role) => "",
                    Some(_) => "ROLE_MISSING",
                };
                let told = if matches!(&*refused, "CALLER_UNKNOWN" | "ROLE_MISSING") {
                    assert_eq!(answer.unwrap_err().code(), Code::PermissionDenied);
                    refused.as_str()
                } else {
                    ""
                };
                assert_eq!(told, wanted, "{} by {identity}", rule.path);
                *met.entry(wanted).or_default() += 1;
            }
        }
    }
    assert!(met.len() == 3 && met.values().all(|count| *count > 50), "{met:?}");
}

/// A message whose second field, or first, is the case's name: as in every act, and in Get.
fn named(name: &str) -> Vec<u8> {
    let act = wire::WithdrawRequest { name: name.to_owned(), ..Default::default() };
    act.encode_to_vec()
}

#[tokio::test]
async fn what_is_not_ones_own_is_not_there() {
    let trusted = Trusted::open();
    let mut french = trusted.portal(PORTAL_FR).await;
    let mut german = trusted.portal(PORTAL_DE).await;
    let submitted = french.submit(urgent("r-1")).await.unwrap().into_inner();
    let own = submitted.case.unwrap().name;
    // Who the message says it is from counts for nothing.
    let in_their_name = request("r-2", wire::Nature::Kidnapping);
    assert_error(german.submit(in_their_name).await, Code::NotFound, "CASE_NOT_FOUND");
    let get = |name: &str| wire::IntakeServiceGetRequest { name: name.to_owned() };
    assert!(french.get(get(&own)).await.is_ok());
    for name in [&own, NO_CASE] {
        let id = format!("of-{name}");
        let name = name.to_owned();
        let told = [
            german.get(get(&name)).await.err(),
            german
                .provide_information(wire::ProvideInformationRequest {
                    request_id: id.clone(),
                    name: name.clone(),
                    message: "more".to_owned(),
                })
                .await
                .err(),
            german
                .withdraw(wire::WithdrawRequest {
                    request_id: id.clone(),
                    name: name.clone(),
                    ..Default::default()
                })
                .await
                .err(),
            german
                .request_preservation(wire::RequestPreservationRequest {
                    request_id: id.clone(),
                    name: name.clone(),
                    ..Default::default()
                })
                .await
                .err(),
            german
                .confirm_delivery(wire::ConfirmDeliveryRequest {
                    request_id: id.clone(),
                    name: name.clone(),
                    disclosure: 1,
                    ..Default::default()
                })
                .await
                .err(),
            german
                .watch(wire::IntakeServiceWatchRequest {
                    scope: Some(wire::intake_service_watch_request::Scope::Name(name.clone())),
                    ..Default::default()
                })
                .await
                .err(),
            german.get_receipt_proof(wire::GetReceiptProofRequest { name }).await.err(),
        ];
        for (number, status) in told.into_iter().enumerate() {
            let status = status.unwrap_or_else(|| panic!("call {number} found it"));
            assert_eq!((status.code(), &*reason(&status)), (Code::NotFound, "CASE_NOT_FOUND"));
            // Neither the words nor the details tell one from the other.
            assert_eq!(status.message(), "there is no such case", "call {number}");
        }
    }
    let authority = "fr-pnij".to_owned();
    let list =
        wire::IntakeServiceListRequest { authority: authority.clone(), ..Default::default() };
    assert_error(german.list(list).await, Code::NotFound, "CASE_NOT_FOUND");
    let scope = Some(wire::intake_service_watch_request::Scope::Authority(authority));
    let watch = wire::IntakeServiceWatchRequest { scope, ..Default::default() };
    assert_error(german.watch(watch).await.map(|_| ()), Code::NotFound, "CASE_NOT_FOUND");
}

#[tokio::test]
async fn a_header_makes_nobody_somebody_else() {
    let trusted = Trusted::open();
    let mut oversight = trusted.oversight(PORTAL_FR).await;
    let mut asked = Request::new(wire::GetStatusRequest {});
    asked.metadata_mut().insert("urgence-caller", "sam; roles=supervisor".parse().unwrap());
    for name in ["x-forwarded-client-cert", "x-spiffe-id", "x-ssl-client-s-dn"] {
        asked.metadata_mut().insert(name, SAM.parse().unwrap());
    }
    assert_error(oversight.get_status(asked).await, Code::PermissionDenied, "ROLE_MISSING");
    let mut nobody = trusted.oversight(STRANGER).await;
    let mut asked = Request::new(wire::GetStatusRequest {});
    asked.metadata_mut().insert("urgence-caller", "sam; roles=supervisor".parse().unwrap());
    assert_error(nobody.get_status(asked).await, Code::PermissionDenied, "CALLER_UNKNOWN");
    assert!(trusted.oversight(SAM).await.get_status(wire::GetStatusRequest {}).await.is_ok());
}

#[tokio::test]
async fn reflection_takes_somebody_known_and_health_nobody() {
    let trusted = Trusted::open();
    let stranger = trusted.caller(STRANGER).await;
    assert!(call(&stranger, "/grpc.health.v1.Health/Check", Vec::new()).await.is_ok());
    for version in ["v1", "v1alpha"] {
        let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        // list_services: ""
        let list = || vec![0x3a, 0x00];
        let refused = call(&stranger, &path, list()).await.unwrap_err();
        assert_eq!(
            (refused.code(), &*reason(&refused)),
            (Code::PermissionDenied, "CALLER_UNKNOWN")
        );
        assert!(call(&trusted.caller(UMA).await, &path, list()).await.is_ok());
    }
    let sam = trusted.caller(SAM).await;
    for path in ["/urgence.v1.OversightService/DropEverything", "/other.Service/Method"] {
        let refused = call(&sam, path, Vec::new()).await.unwrap_err();
        let told = (refused.code(), reason(&refused));
        assert_eq!(told, (Code::PermissionDenied, "METHOD_NOT_ALLOWED".to_owned()), "{path}");
    }
}
