//! SIGHUP: the files are read again. What is right holds for what comes from now on, what is wrong
//! changes nothing, and what was promised stays promised.

use std::process::Command;
use std::time::Duration;

use tonic::{Code, Response};
use urgence::grpc::wire;
use wire::{DataCategory, Verification};

use crate::calls::Shown as _;
use crate::calls::{
    ANA, AUDITOR, AUTHORITIES, BO, Caller, FRENCH, Stage, assert_error, assert_forbidden,
    between_ms, held, policy, verified,
};
use crate::messages::{Named, asking, disclosed, of_authority, seconds};
use crate::service::Service;
use crate::support::wait::eventually;

const PATIENCE: Duration = Duration::from_secs(20);

/// Tells the service that its files have changed (SIGHUP).
pub fn hang_up(service: &Service) {
    let status = Command::new("kill").args(["-HUP", &service.pid().to_string()]).status();
    assert!(status.unwrap().success());
}

/// How many lines of the log hold all of these.
pub fn logged(service: &Service, parts: &[&str]) -> usize {
    let holds = |line: &String| parts.iter().all(|part| line.contains(part));
    service.log().into_iter().filter(holds).count()
}

/// Lets the service read these files, and waits until it says what came of it.
async fn reload(stage: &Stage, policy: &str, authorities: &str, said: &[&str]) {
    let before = logged(&stage.service, said);
    stage.directory.file("policy.toml", policy);
    stage.directory.file("authorities.toml", authorities);
    hang_up(&stage.service);
    let what = format!("the log says {said:?}");
    eventually(&what, PATIENCE, async || logged(&stage.service, said) > before).await;
}

async fn policy_of(caller: &Caller) -> wire::GetPolicyResponse {
    let get = wire::GetPolicyRequest::default();
    caller.desk().get_policy(caller.by(get)).await.unwrap().into_inner()
}

const RELOADED: &[&str] = &["\"message\":\"reloaded\"", "\"desk\":\"main\""];
const REFUSED: &[&str] = &["nothing was reloaded"];

/// The registry with the lines of one authority left out.
fn without(authority: &str) -> String {
    let of_it = format!("[authorities.{authority}");
    let tables = AUTHORITIES.split("\n\n").filter(|table| !table.trim().starts_with(&of_it));
    tables.collect::<Vec<_>>().join("\n\n")
}

#[tokio::test]
async fn new_cases_are_promised_what_the_new_policy_says_and_open_ones_keep_theirs() {
    let stage = Stage::open();
    let (ana, portal) = (stage.caller(ANA), stage.caller(FRENCH));
    let old = policy_of(&ana).await;
    let open = portal.submits(asking(&[DataCategory::Subscriber])).await;
    let before = ana.sees_settled(&open).await;
    let longer = policy("[data.subscriber]\nheld = true\n")
        .replace("lease = \"5m\"", "lease = \"10m\"")
        .replacen("limit = \"30m\"", "limit = \"29m\"", 1)
        .replacen("at = \"30m\"", "at = \"29m\"", 1);
    reload(&stage, &longer, AUTHORITIES, RELOADED).await;

    let new = policy_of(&ana).await;
    assert!(new.policy != old.policy && new.lease == Some(seconds(600)));
    assert_eq!(logged(&stage.service, &["\"message\":\"reloaded\"", &new.policy]), 1);
    assert!(ana.sees(&open).await == before, "what was promised has not moved");
    let fresh = portal.submits(asking(&[DataCategory::Subscriber])).await;
    for (name, policy, limit_ms, lease_ms) in
        [(&open, &old.policy, 1_800_000, 300_000), (&fresh, &new.policy, 1_740_000, 600_000)]
    {
        ana.claims(name).await;
        let case = ana.sees(name).await.case.unwrap();
        assert_eq!(&case.policy, policy);
        assert_eq!(between_ms(&case.accepted_at, &case.clocks[0].limit_at), limit_ms);
        let claim = case.claim.unwrap();
        assert_eq!(between_ms(&claim.granted_at, &claim.expires_at), lease_ms);
    }
    let list = portal.by(wire::ListDataCategoriesRequest::default());
    let holdings = portal.intake().list_data_categories(list).await.unwrap().into_inner().holdings;
    assert_eq!(holdings.len(), 1, "what is no promise holds at once");
    // A replica that starts now finds the old promise in Redis.
    let replica = stage.replica();
    let seen = Caller::of(&replica, ANA).sees(&open).await.case.unwrap();
    assert_eq!((seen.policy, policy_of(&Caller::of(&replica, ANA)).await), (old.policy, new));
    let held = Caller::of(&replica, ANA).claims(&open).await;
    let claim = Caller::of(&replica, ANA).sees(&held.name).await.case.unwrap().claim.unwrap();
    assert!(between_ms(&claim.granted_at, &claim.expires_at) <= 330_000);
}

#[tokio::test]
async fn who_is_struck_off_the_registry_asks_no_more_and_keeps_what_was_accepted() {
    let stage = Stage::open();
    let (portal, auditor) = (stage.caller("portal; roles=portal"), stage.caller(AUDITOR));
    let british = || of_authority(asking(&[DataCategory::Subscriber]), "gb-missing", "GB");
    let accepted = british();
    let name = portal.submits(accepted.clone()).await;
    let spanish = of_authority(asking(&[DataCategory::Subscriber]), "es-cnp", "ES");
    let unknown = portal.intake().submit(portal.by(spanish.clone())).await;
    assert_error(unknown, Code::NotFound, "AUTHORITY_UNKNOWN");

    let spain = "[authorities.es-cnp]\nagency = \"CNP\"\ncountry = \"ES\"\nnatures = [\"all\"]\n";
    let changed = format!("{}\n\n{spain}", without("gb-missing"));
    reload(&stage, &policy(""), &changed, RELOADED).await;
    let status = auditor.oversight().get_status(auditor.by(wire::GetStatusRequest {})).await;
    assert_eq!(status.unwrap().into_inner().desks[0].authorities, Some(3));
    portal.submits(spanish).await;
    let refused = portal.intake().submit(portal.by(british())).await;
    assert_error(refused, Code::NotFound, "AUTHORITY_UNKNOWN");
    let again =
        portal.intake().submit(portal.by(accepted)).await.map(Response::into_inner).unwrap();
    assert!(again.replayed && again.case.unwrap().name == name);
    assert!(portal.is_shown(&name).await.request.is_some());
    portal.does(Named(name).inform()).await;
}

#[tokio::test]
async fn a_repeat_finds_what_was_done_whatever_the_registry_says_since() {
    let stage = Stage::open();
    let (ana, bo) = (stage.caller(ANA), stage.caller(BO));
    let mine = held(&stage, &ana).await;
    let verify = mine.case().verify(Verification::CallbackConfirmed);
    let propose = mine.propose(&[disclosed(DataCategory::Subscriber)]);
    ana.does(verify.clone()).await;
    let case = ana.does(propose.clone()).await;
    let theirs = verified(&stage, &ana).await;
    ana.does(theirs.propose(&[disclosed(DataCategory::Subscriber)])).await;
    let approve = theirs.case().approve(1);
    let approved = bo.does(approve.clone()).await;
    let stripped = AUTHORITIES.replace("switchboard =", "other =").replace("evidence =", "other =");
    reload(&stage, &policy(""), &stripped, RELOADED).await;

    let anew = ana.tries(mine.case().verify(Verification::CallbackConfirmed)).await;
    assert_forbidden(anew, "CALLBACK_NUMBER_UNKNOWN");
    let anew = ana.tries(mine.propose(&[disclosed(DataCategory::Subscriber)])).await;
    assert_forbidden(anew, "RECIPIENT_KEY_UNKNOWN");
    // What was proposed before does not go out to a key that is no longer held.
    assert_forbidden(bo.tries(mine.case().approve(1)).await, "RECIPIENT_KEY_UNKNOWN");
    let repeated = ana.tries(verify.clone()).await.unwrap();
    assert!(repeated.replayed && repeated.case.without_pages() == case.clone().without_pages());
    let repeated = ana.tries(propose.clone()).await.unwrap();
    assert!(repeated.replayed && repeated.case.without_pages() == case.clone().without_pages());
    let repeated = bo.tries(approve).await.unwrap();
    assert!(repeated.replayed && repeated.case.without_pages() == approved.without_pages());
    let note = "Other".to_owned();
    let reused = ana.tries(wire::RecordVerificationRequest { note, ..verify }).await;
    assert_error(reused, Code::AlreadyExists, "REQUEST_ID_REUSED");
    let message = "Other".to_owned();
    let reused = ana.tries(wire::ProposeOutcomeRequest { message, ..propose }).await;
    assert_error(reused, Code::AlreadyExists, "REQUEST_ID_REUSED");
}

#[tokio::test]
async fn a_file_with_mistakes_changes_nothing_and_the_log_says_where() {
    let stage = Stage::open();
    let (ana, portal) = (stage.caller(ANA), stage.caller(FRENCH));
    let before = policy_of(&ana).await;
    let line_of = |text: &str, part: &str| {
        1 + text.lines().position(|line| line.starts_with(part)).expect("the line is there")
    };
    let wrong = policy("")
        .replace("lease = \"5m\"", "lease = \"a while\"")
        .replace("\n[bands]", "\n[band]");
    let wrong_registry = AUTHORITIES.replace("\"+33199000000\"", "\"0199000000\"");
    let at = [
        format!("policy.toml:{}: lease: ", line_of(&wrong, "lease =")),
        format!("policy.toml:{}: band: ", line_of(&wrong, "[band]")),
        format!(
            "authorities.toml:{}: authorities.fr-pnij.callback_numbers.switchboard: ",
            line_of(&wrong_registry, "switchboard =")
        ),
    ];
    // Every mistake of both files in one line; the good one of two files changes nothing either.
    let said: Vec<&str> = REFUSED.iter().copied().chain(at.iter().map(String::as_str)).collect();
    reload(&stage, &wrong, &wrong_registry, &said).await;
    reload(&stage, &wrong, &without("gb-missing"), REFUSED).await;
    assert_eq!(policy_of(&ana).await, before);
    let british = of_authority(asking(&[DataCategory::Subscriber]), "gb-missing", "GB");
    stage.caller("portal; roles=portal").submits(british).await;
    let name = portal.submits(asking(&[DataCategory::Subscriber])).await;
    assert_eq!(ana.sees(&name).await.case.unwrap().policy, before.policy);
    // A file that is gone is a mistake too, and the next good one is read.
    std::fs::remove_file(stage.directory.0.join("policy.toml")).unwrap();
    let count = logged(&stage.service, REFUSED);
    hang_up(&stage.service);
    eventually("it is told", PATIENCE, async || logged(&stage.service, REFUSED) > count).await;
    let longer = policy("").replace("lease = \"5m\"", "lease = \"6m\"");
    reload(&stage, &longer, AUTHORITIES, RELOADED).await;
    assert_eq!(policy_of(&ana).await.lease, Some(seconds(360)));
}

#[tokio::test]
async fn a_contact_that_an_open_case_still_pages_cannot_be_dropped() {
    let contacts = |names: &[&str]| {
        let lines = names.iter().map(|name| format!("{name} = [\"log\"]\n"));
        format!("[contacts]\n{}", lines.collect::<String>())
    };
    let usual = ["all", "desk", "duty-manager", "head-of-desk", "legal-on-call", "shift-lead"];
    let with_executive = policy(&contacts(&[&usual[..], &["executive"]].concat()));
    let without = policy(&contacts(&usual)).replace("\"executive\"", "\"head-of-desk\"");
    let stage = Stage::with_policy(&with_executive);
    let ana = stage.caller(ANA);
    let before = policy_of(&ana).await;
    let mine = held(&stage, &ana).await;
    let said = ["this desk was not reloaded", "still page these contacts: executive"];
    reload(&stage, &without, AUTHORITIES, &said).await;
    assert_eq!(policy_of(&ana).await, before);
    // Once the case has ended nobody is paged for it any more, though it is kept for long.
    ana.does(mine.no_data()).await;
    reload(&stage, &without, AUTHORITIES, RELOADED).await;
    assert_ne!(policy_of(&ana).await.policy, before.policy);
}

/// Nobody is woken for it, but its clock will go on.
#[tokio::test]
async fn a_case_that_stands_still_still_pages_later() {
    let contacts = |names: &str| {
        let lines = names.split(' ').map(|name| format!("{name} = [\"log\"]\n"));
        format!("[contacts]\n{}", lines.collect::<String>())
    };
    let usual = "all desk duty-manager head-of-desk legal-on-call shift-lead";
    let with_executive = policy(&contacts(&format!("{usual} executive")));
    let without = policy(&contacts(usual)).replace("\"executive\"", "\"head-of-desk\"");
    let stage = Stage::with_policy(&with_executive);
    let ana = stage.caller(ANA);
    let mine = held(&stage, &ana).await;
    ana.does(mine.case().conflict(DataCategory::Subscriber)).await;
    ana.does(mine.pause(wire::ClockKind::Completion)).await;
    ana.does(mine.need_information()).await;
    ana.does(mine.release()).await;
    let said = ["this desk was not reloaded", "still page these contacts: executive"];
    reload(&stage, &without, AUTHORITIES, &said).await;
}
