//! What goes out: after a call-back, by two people, with a jurist where it takes one, and never over a
//! conflict that stands.

use urgence::core::intake::Choice;
use urgence::core::{
    Band, ClockKind, DataCategory, Deed, Disposition, Ended, Event, Finding, FirstResponseKind,
    Manifest, Nature, Outcome, Proposed, Protection, Punctuality, RedirectTarget, Refusal,
    RefusalReason, Stance, State, Verification,
};

use crate::make::{
    IN_PROGRESS, Story, approve, ask_for, at, by_category, called_back, days, hours, manifest,
    minutes,
};

const SUBSCRIBER: DataCategory = DataCategory::Subscriber;
const CONTENT: DataCategory = DataCategory::Content;
const TRAFFIC: DataCategory = DataCategory::Traffic;
const DISCLOSED: Disposition = Disposition::Disclosed;

/// A case about `categories` that Ana holds and whose authority was called back.
fn verified(categories: &[DataCategory]) -> Story {
    let mut story = Story::with(Nature::MissingChild, |s| ask_for(s, categories));
    story.act("ana", at(1), Deed::Claim);
    story.act("bo", at(1), Deed::RecordVerification(called_back("fr-pnij")));
    story
}

fn propose(dispositions: &[(DataCategory, Disposition)]) -> Deed {
    Deed::ProposeOutcome(1, by_category(dispositions))
}

#[test]
fn two_people_disclose_what_was_asked_for() {
    let mut story = verified(&[SUBSCRIBER]);
    story.act("ana", at(2), Deed::Respond(1, IN_PROGRESS));
    let events = story.act("ana", at(3), propose(&[(SUBSCRIBER, DISCLOSED)]));
    let (by, number) = ("ana".parse().unwrap(), 1);
    let disclosed = [SUBSCRIBER].into();
    assert_eq!(events, [Event::OutcomeProposed { by, number, disclosed }]);
    assert_eq!(story.case.state(), State::ReleasePending);
    assert_eq!(story.case.state_shown(), State::Collecting, "after the call-back");
    assert!(story.case.disclosures.is_empty());
    let events = story.act("bo", at(4), approve(1));
    let manifest = manifest("fr-pnij");
    let clock = ClockKind::DeliveryConfirmation;
    let started = |clock, target_at, limit_at| Event::ClockStarted { clock, target_at, limit_at };
    let stopped = |clock| Event::ClockStopped { clock, punctuality: Punctuality::WithinTarget };
    assert_eq!(
        events,
        [
            Event::OutcomeApproved {
                by: "bo".parse().unwrap(),
                proposed_by: "ana".parse().unwrap(),
                number,
            },
            Event::Disclosed {
                number,
                categories: [SUBSCRIBER].into(),
                items: manifest.items,
                bytes: manifest.bytes,
                recipient_key: manifest.recipient_key.id().clone(),
            },
            started(clock, at(4) + hours(12), at(4) + hours(24)),
            started(ClockKind::UserNotice, at(4) + days(14), at(4) + days(30)),
            stopped(ClockKind::Progress),
            stopped(ClockKind::Completion),
            Event::Ended {
                by: "bo".parse().unwrap(),
                outcome: Outcome::DisclosedFull,
                took: minutes(4),
            },
        ]
    );
    let case = &story.case;
    assert_eq!((case.state(), case.state_shown()), (State::Delivered, State::Delivered));
    let disclosure = &case.disclosures[0];
    assert_eq!(disclosure.proposed_by.as_str(), "ana");
    assert_eq!(disclosure.approved_by.as_str(), "bo");
    assert_eq!((disclosure.number, disclosure.at), (1, at(4)));
    assert_eq!((disclosure.digest, disclosure.confirmed_at), (manifest.digest, None));
    assert_eq!((&case.claim, &case.proposal), (&None, &None));
    let outcome = Outcome::DisclosedFull;
    let purge_at = at(4) + days(365);
    let shown_until = purge_at;
    assert_eq!(
        case.ended,
        Some(Ended { outcome, refusal: None, at: at(4), purge_at, shown_until })
    );
}

#[test]
fn nothing_goes_out_before_the_call_back() {
    let mut story = Story::held(Nature::MissingChild, 1);
    story.act("ana", at(2), propose(&[(SUBSCRIBER, DISCLOSED)]));
    for finding in [
        None,
        Some(Finding::ChannelVerified),
        Some(Finding::AgencyVerified),
        Some(Finding::Failed),
        Some(Finding::SuspectedFraud),
    ] {
        if let Some(finding) = finding {
            story.act("lea", at(2), Deed::RecordVerification(finding));
        }
        let refusal = story.refusal("bo", at(3), approve(1));
        assert_eq!(refusal, Refusal::NotVerified, "{:?}", story.case.verification);
    }
    let foreign = Deed::RecordVerification(called_back("de-bka"));
    assert_eq!(story.refusal("lea", at(3), foreign), Refusal::CallbackNumberUnknown);
    story.act("lea", at(3), Deed::RecordVerification(called_back("fr-pnij")));
    assert_eq!(story.case.verification, Verification::CallbackConfirmed);
    story.act("bo", at(3), approve(1));
}

#[test]
fn what_discloses_nothing_needs_no_call_back_but_two_people() {
    let mut story = Story::held(Nature::MissingChild, 1);
    let refused = Disposition::Refused(RefusalReason::Overbroad);
    story.act("ana", at(2), propose(&[(SUBSCRIBER, refused)]));
    assert_eq!(story.refusal("ana", at(3), approve(1)), Refusal::SecondPersonNeeded);
    story.act("bo", at(3), approve(1));
    assert_eq!(story.case.state(), State::Rejected);
}

#[test]
fn nobody_approves_what_they_have_proposed() {
    let mut story = verified(&[SUBSCRIBER]);
    story.act("ana", at(2), propose(&[(SUBSCRIBER, DISCLOSED)]));
    assert_eq!(story.refusal("ana", at(3), approve(1)), Refusal::SecondPersonNeeded);
    // Nor after she has passed the case on.
    story.act("ana", at(3), Deed::HandOver(1, "bo".parse().unwrap()));
    assert_eq!(story.refusal("ana", at(3), approve(1)), Refusal::SecondPersonNeeded);
    story.act("bo", at(3), approve(1));
}

#[test]
fn content_and_protected_targets_take_a_jurist_among_the_two() {
    let protect = |story: &mut Story| {
        story.act("bo", at(2), Deed::Reclassify(None, Some(Protection::Press)));
    };
    let is_enough = |mut story: Story, category, by: &str, approver: &str| {
        if by != "ana" {
            story.act("ana", at(2), Deed::HandOver(1, by.parse().unwrap()));
        }
        let epoch = story.epoch();
        let proposed = by_category(&[(category, DISCLOSED)]);
        story.act(by, at(2), Deed::ProposeOutcome(epoch, proposed));
        let mut approved = story.clone();
        if [by, approver].contains(&"lea") {
            approved.act(approver, at(3), approve(1));
            assert_eq!(approved.case.disclosures.len(), 1);
        } else {
            let refusal = story.refusal(approver, at(3), approve(1));
            assert_eq!(refusal, Refusal::LegalReviewerNeeded);
        }
    };
    for (by, approver) in [("ana", "bo"), ("ana", "lea"), ("lea", "ana"), ("bo", "ana")] {
        is_enough(verified(&[CONTENT]), CONTENT, by, approver);
        let mut press = verified(&[SUBSCRIBER]);
        protect(&mut press);
        is_enough(press, SUBSCRIBER, by, approver);
    }
    // A protection that the sender told counts like one that a colleague noted, and one that is
    // noted while the proposal waits like any other.
    let mut told = Story::with(Nature::MissingChild, |s| {
        s.targets[0].protection = Choice::Known(Protection::PrivilegedProfession);
    });
    told.act("ana", at(1), Deed::Claim);
    told.act("bo", at(1), Deed::RecordVerification(called_back("fr-pnij")));
    is_enough(told, SUBSCRIBER, "ana", "bo");
    let mut late = verified(&[SUBSCRIBER]);
    late.act("ana", at(2), propose(&[(SUBSCRIBER, DISCLOSED)]));
    protect(&mut late);
    let refusal = late.refusal("bo", at(3), approve(1));
    assert_eq!(refusal, Refusal::LegalReviewerNeeded);
    // What holds no content needs none, also when content was asked for.
    let mut other = verified(&[CONTENT, SUBSCRIBER]);
    other.act("ana", at(2), propose(&[(SUBSCRIBER, DISCLOSED)]));
    other.act("bo", at(3), approve(1));
}

#[test]
fn a_conflict_that_stands_holds_up_its_category_and_no_other() {
    let mut story = verified(&[SUBSCRIBER, TRAFFIC]);
    let stands = Deed::RecordConflict(TRAFFIC, "US".parse().ok(), Stance::Stands);
    story.act("bo", at(2), stands.clone());
    let both = propose(&[(SUBSCRIBER, DISCLOSED), (TRAFFIC, DISCLOSED)]);
    assert_eq!(story.refusal("ana", at(2), both.clone()), Refusal::ConflictStands);
    let redirected = Disposition::Redirected(RedirectTarget::MutualLegalAssistanceAuthority);
    let mut split = story.clone();
    split.act("ana", at(2), propose(&[(SUBSCRIBER, DISCLOSED), (TRAFFIC, redirected)]));
    split.act("bo", at(3), approve(1));
    assert_eq!(split.case.ended.unwrap().outcome, Outcome::DisclosedPartial);
    assert_eq!(split.case.disclosures[0].categories, [SUBSCRIBER].into());
    assert_eq!(split.case.dispositions[&TRAFFIC], redirected);
    // Lifted by a jurist, it goes out; recorded again while the proposal waits, it does not.
    story.act("lea", at(2), Deed::RecordConflict(TRAFFIC, "US".parse().ok(), Stance::Lifted));
    story.act("ana", at(3), both);
    let mut approved = story.clone();
    approved.act("bo", at(3), approve(1));
    assert_eq!(approved.case.ended.unwrap().outcome, Outcome::DisclosedFull);
    story.act("bo", at(3), stands);
    assert_eq!(story.refusal("bo", at(3), approve(1)), Refusal::ConflictStands);
}

#[test]
fn data_is_sealed_to_a_key_of_its_authority_only() {
    let story = verified(&[SUBSCRIBER]);
    let sealed_to = |manifest: Option<Manifest>, disposition| {
        let dispositions = [(SUBSCRIBER, disposition)].into();
        Deed::ProposeOutcome(1, Proposed::Categories { dispositions, manifest })
    };
    let foreign = sealed_to(Some(manifest("de-bka")), DISCLOSED);
    assert_eq!(story.refusal("ana", at(2), foreign), Refusal::RecipientKeyUnknown);
    // A manifest goes with a disclosure and a disclosure with a manifest.
    let nowhere = sealed_to(None, DISCLOSED);
    assert_eq!(story.refusal("ana", at(2), nowhere), Refusal::RecipientKeyUnknown);
    let nothing = sealed_to(Some(manifest("fr-pnij")), Disposition::NotHeld);
    assert_eq!(story.refusal("ana", at(2), nothing), Refusal::NothingToChange);
    let empty = Deed::ProposeOutcome(1, by_category(&[]));
    assert_eq!(story.refusal("ana", at(2), empty), Refusal::NothingToChange);
}

#[test]
fn approving_a_disclosure_on_an_unanswered_case_is_its_first_response() {
    let mut story = verified(&[SUBSCRIBER, TRAFFIC]);
    story.act("ana", at(2), propose(&[(SUBSCRIBER, DISCLOSED)]));
    assert_eq!(story.case.state(), State::Received, "a proposal is no answer");
    let events = story.act("bo", at(21), approve(1));
    let responded = Event::Responded {
        by: "bo".parse().unwrap(),
        kind: FirstResponseKind::PartOfData,
        waited: minutes(21),
        band: Band::MOST_URGENT,
        punctuality: Punctuality::WithinLimit,
        is_claim_lost: false,
    };
    assert!(events.contains(&responded), "{events:?}");
    assert_eq!(story.case.state(), State::Collecting);
    assert_eq!(story.promised(ClockKind::Progress), (71, 81));
    assert_eq!(story.case.undecided(), [TRAFFIC].into());
    // The rest follows as a disclosure of its own.
    story.act("ana", at(22), Deed::Claim);
    let again = Deed::ProposeOutcome(story.epoch(), by_category(&[(SUBSCRIBER, DISCLOSED)]));
    assert_eq!(story.refusal("ana", at(22), again), Refusal::CategoryDecided);
    let proposed = by_category(&[(TRAFFIC, DISCLOSED)]);
    story.act("ana", at(22), Deed::ProposeOutcome(story.epoch(), proposed));
    let events = story.act("bo", at(23), approve(2));
    assert!(!events.iter().any(|event| matches!(event, Event::Responded { .. })));
    assert_eq!(story.case.ended.unwrap().outcome, Outcome::DisclosedFull);
    assert_eq!(story.case.disclosures.len(), 2);
    let all = FirstResponseKind::AllData;
    let mut at_once = verified(&[SUBSCRIBER]);
    at_once.act("ana", at(2), propose(&[(SUBSCRIBER, DISCLOSED)]));
    at_once.act("bo", at(3), approve(1));
    assert_eq!(at_once.case.first_response.unwrap().kind, all);
}

#[test]
fn a_part_that_went_out_answers_a_reply_and_begins_the_hour_anew() {
    let mut story = verified(&[SUBSCRIBER, TRAFFIC]);
    story.act("ana", at(2), Deed::Respond(1, FirstResponseKind::NeedInformation));
    // Decided while the authority is asked, the desk owes no word about the rest.
    let mut asked = story.clone();
    asked.act("ana", at(3), propose(&[(SUBSCRIBER, DISCLOSED)]));
    asked.act("bo", at(3), approve(1));
    assert!(!asked.case.runs(ClockKind::Progress));
    assert_eq!(asked.case.state(), State::AwaitingInformation);
    story.act("portal", at(3), Deed::ProvideInformation);
    story.act("ana", at(4), propose(&[(SUBSCRIBER, DISCLOSED)]));
    assert!(story.case.runs(ClockKind::Reply));
    story.act("bo", at(5), approve(1));
    assert!(!story.case.runs(ClockKind::Reply));
    assert_eq!(story.promised(ClockKind::Progress), (55, 65));
}
