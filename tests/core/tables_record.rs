//! What a case and its record keep: what was promised, who did what, and what a purge leaves.

use std::time::Duration;

use urgence::core::{
    Actor, Case, CertificateFingerprint, ClockKind, Command, Deed, Event, Finding,
    FirstResponseKind, Identity, Intake, Nature, Promised, Report, RequestDigest, Risk, SinkAnswer,
    Sorting, State, decide,
};

use crate::make::{IN_PROGRESS, START, Story, act, at, days, intake, next, policy};

fn certified() -> Identity {
    Identity {
        uri: "spiffe://urgence.test/portal/fr-pnij".parse().unwrap(),
        certificate: CertificateFingerprint([5; 32]),
    }
}

#[test]
fn a_new_case_is_recorded_with_its_sender_and_its_request() {
    let by = Actor { subject: "portal".parse().unwrap(), identity: Some(certified()) };
    for sender in [Some(by), None] {
        let intake = Intake { by: sender.clone(), ..intake("r-1", Nature::MissingChild) };
        let digest = intake.digest;
        let accepted = next(decide(None, &Command::Accept(intake), START, policy()));
        let change = accepted.change();
        assert_eq!((change.actor, change.digest), (sender, Some(digest)));
        assert_eq!((change.from, change.to), (None, Some(State::Received)));
        assert_eq!(accepted.rests_on, None);
    }
}

#[test]
fn an_act_is_recorded_with_its_certificate_and_the_answer_with_what_was_said() {
    let story = Story::held(Nature::MissingChild, 1);
    let said = RequestDigest::of("Respond", b"we are looking");
    let mut respond = act("ana", "answer");
    respond.identity = Some(certified());
    respond.content = Some(said);
    let command = Command::Act(respond.clone(), Deed::Respond(1, IN_PROGRESS));
    let answered = next(decide(Some(&story.case), &command, at(2), policy()));
    let change = answered.change();
    assert_eq!(change.actor, Some(respond.actor()));
    assert_eq!(change.actor.unwrap().identity, Some(certified()));
    assert_eq!((change.from, change.to), (Some(State::Received), Some(State::Collecting)));
    assert_eq!(change.digest, Some(said));
    assert_eq!(answered.case.first_response.as_ref().unwrap().digest, Some(said));
    // No other act is vouched for, whatever was said with it.
    let mut release = act("ana", "release");
    release.content = Some(said);
    let command = Command::Act(release, Deed::Release(1));
    let released = next(decide(Some(&answered.case), &command, at(3), policy()));
    assert_eq!(released.change().digest, None);
    assert_eq!(released.case.first_response.unwrap().digest, Some(said), "it stays");
}

#[test]
fn what_nobody_did_has_no_actor() {
    let mut story = Story::of(Nature::MissingChild);
    let key = story.key(ClockKind::FirstResponse, 0, 0);
    let log = "log".parse().unwrap();
    let commands = [
        Command::Wake,
        Command::Sort(Sorting::JoinIncident("paris".parse().unwrap())),
        Command::Report(Report::Answered(key, log, SinkAnswer::Taken)),
    ];
    for (minute, command) in (4..).zip(commands) {
        let done = next(decide(Some(&story.case), &command, at(minute), policy()));
        let change = done.change();
        assert_eq!((change.actor, change.digest), (None, None), "{command:?}");
        assert_eq!((change.from, change.to), (Some(State::Received), Some(State::Received)));
        story.case = done.case;
    }
}

#[test]
fn what_was_promised_never_moves() {
    let mut story = Story::of(Nature::Routine);
    let clock = story.case.first_response_clock();
    let promised = Promised { target_at: clock.target_at, limit_at: clock.limit_at };
    assert_eq!(story.case.promised, promised);
    assert_eq!(promised.limit_at, START + Duration::from_hours(72));
    story.act("ana", at(1), Deed::Reclassify(Some(Nature::Kidnapping), None));
    let raised = story.case.first_response_clock();
    assert!(raised.limit_at < promised.limit_at, "the clock was brought forward");
    assert_eq!(story.case.promised, promised, "and the receipt still says what it said");
    story.act("ana", at(2), Deed::Claim);
    story.act("ana", at(3), Deed::Respond(1, FirstResponseKind::NeedInformation));
    story.act("portal", at(4), Deed::ProvideInformation);
    assert_eq!(story.case.promised, promised);
}

#[test]
fn a_purge_forgets_the_officer_and_the_risks_and_keeps_how_many_were_meant() {
    let mut intake = intake("r-1", Nature::MissingChild);
    intake.risks = [Risk::NewOfficer, Risk::UnusualHour].into();
    let facts = intake.facts.clone();
    assert!(facts.officer.is_some() && facts.targets > 0 && !facts.fingerprints.is_empty());
    let mut story = Story::of(Nature::MissingChild);
    story.case = next(decide(None, &Command::Accept(intake), START, policy())).case;
    story.act("ana", at(1), Deed::Claim);
    story.act("ana", at(1), Deed::RecordVerification(Finding::Failed));
    story.act("ana", at(2), Deed::Respond(1, FirstResponseKind::NoData));
    let before = story.case.clone();
    assert_eq!((before.facts.officer, before.risks.len()), (facts.officer, 2));
    assert_eq!(story.wake(at(2) + days(90)), [Event::Purged]);
    assert_eq!((story.case.facts.officer, story.case.risks.len()), (None, 0));
    assert_eq!(story.case.facts.targets, facts.targets);
    assert_eq!(story.case.promised, before.promised);
    let digest = |case: &Case| case.first_response.as_ref().unwrap().digest;
    assert_eq!(digest(&story.case), digest(&before), "what vouches for the answer stays");
}
