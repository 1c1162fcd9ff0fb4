//! How a case ends, by what was decided of it.

use urgence::core::outcome::RetentionClass;
use urgence::core::{
    CaseId, ClockKind, DataCategory, Deed, Disposition, Ending, Event, FirstResponseKind, Nature,
    Outcome, Proposed, RedirectTarget, Refusal, RefusalReason, Stance, State,
};

use crate::make::{IN_PROGRESS, Story, approve, ask_for, at, by_category, called_back, days};

const SUBSCRIBER: DataCategory = DataCategory::Subscriber;
const TRAFFIC: DataCategory = DataCategory::Traffic;
const DISCLOSED: Disposition = Disposition::Disclosed;
const NOT_HELD: Disposition = Disposition::NotHeld;
const REFUSED: Disposition = Disposition::Refused(RefusalReason::Overbroad);
const REDIRECTED: Disposition = Disposition::Redirected(RedirectTarget::EnterpriseCustomer);

/// A case about two categories that Ana holds, verified.
fn held() -> Story {
    let mut story = Story::with(Nature::MissingChild, |s| ask_for(s, &[SUBSCRIBER, TRAFFIC]));
    story.act("ana", at(1), Deed::Claim);
    story.act("bo", at(1), Deed::RecordVerification(called_back("fr-pnij")));
    story
}

fn other_case(authority: &str) -> CaseId {
    CaseId::derive(&authority.parse().unwrap(), &"another".parse().unwrap())
}

fn whole(ending: Ending) -> Deed {
    Deed::ProposeOutcome(1, Proposed::Whole(ending))
}

#[test]
fn what_becomes_of_each_category_makes_the_outcome_and_the_first_response() {
    let refused = FirstResponseKind::Refused(RefusalReason::Overbroad);
    let redirected = FirstResponseKind::Redirected(RedirectTarget::EnterpriseCustomer);
    let part = FirstResponseKind::PartOfData;
    for (subscriber, traffic, outcome, first_response) in [
        (DISCLOSED, DISCLOSED, Outcome::DisclosedFull, FirstResponseKind::AllData),
        (DISCLOSED, NOT_HELD, Outcome::DisclosedPartial, part),
        (DISCLOSED, REFUSED, Outcome::DisclosedPartial, part),
        (REDIRECTED, DISCLOSED, Outcome::DisclosedPartial, part),
        (NOT_HELD, NOT_HELD, Outcome::NoDataFound, FirstResponseKind::NoData),
        (NOT_HELD, REFUSED, Outcome::Rejected, refused),
        (REFUSED, REDIRECTED, Outcome::Redirected, redirected),
        (REDIRECTED, NOT_HELD, Outcome::Redirected, redirected),
    ] {
        let mut story = held();
        let proposed = by_category(&[(SUBSCRIBER, subscriber), (TRAFFIC, traffic)]);
        story.act("ana", at(2), Deed::ProposeOutcome(1, proposed));
        story.act("bo", at(3), approve(1));
        let ended = story.case.ended.unwrap();
        assert_eq!(ended.outcome, outcome, "{subscriber:?} {traffic:?}");
        let response = story.case.first_response.as_ref().unwrap();
        assert_eq!((response.kind, response.by.as_str()), (first_response, "bo"));
        let is_refused = [subscriber, traffic].contains(&REFUSED);
        assert_eq!(ended.refusal, is_refused.then_some(RefusalReason::Overbroad));
        // Decided one after the other, the outcome is the same.
        let mut story = held();
        story.act("ana", at(2), Deed::Respond(1, IN_PROGRESS));
        for (number, decided) in [(SUBSCRIBER, subscriber), (TRAFFIC, traffic)].iter().enumerate() {
            let proposed = by_category(&[*decided]);
            story.act("ana", at(2), Deed::ProposeOutcome(1, proposed));
            assert!(!story.case.has_ended());
            story.act("bo", at(3), approve(u32::try_from(number).unwrap() + 1));
        }
        assert_eq!(story.case.ended.unwrap().outcome, outcome);
    }
}

#[test]
fn a_case_ends_as_a_whole_by_two_people() {
    let reason = RefusalReason::NotAnEmergency;
    let target = RedirectTarget::BudapestPointOfContact;
    let unverified = RefusalReason::RequesterNotVerified;
    let refused = FirstResponseKind::Refused;
    let elsewhere = FirstResponseKind::Redirected(RedirectTarget::OtherProviderEntity);
    let duplicate = Ending::Duplicate(other_case("fr-pnij"));
    let no_data = FirstResponseKind::NoData;
    for (ending, outcome, said, state, kept_days) in [
        (Ending::NoSuchAccount, Outcome::NoSuchAccount, no_data, State::NoData, 90),
        (Ending::Rejected(reason), Outcome::Rejected, refused(reason), State::Rejected, 90),
        (
            Ending::Redirected(target),
            Outcome::Redirected,
            FirstResponseKind::Redirected(target),
            State::Redirected,
            90,
        ),
        (
            duplicate,
            Outcome::Duplicate,
            refused(RefusalReason::AlreadyRequested),
            State::Duplicate,
            90,
        ),
        (Ending::FraudConfirmed, Outcome::FraudConfirmed, refused(unverified), State::Fraud, 730),
        (Ending::Transferred, Outcome::Transferred, elsewhere, State::Transferred, 90),
    ] {
        let mut story = held();
        let authority = "fr-pnij".parse().unwrap();
        story.act("bo", at(1), Deed::LinkDuplicate(other_case("fr-pnij"), authority));
        story.act("ana", at(2), whole(ending));
        let refusal = story.refusal("ana", at(3), approve(1));
        assert_eq!(refusal, Refusal::SecondPersonNeeded);
        let mut answered = story.clone();
        story.act("bo", at(3), approve(1));
        assert_eq!((story.case.state(), story.case.ended.unwrap().outcome), (state, outcome));
        assert_eq!(story.case.ended.unwrap().purge_at, at(3) + days(kept_days));
        assert_eq!(story.case.first_response.as_ref().unwrap().kind, said);
        // A case that was answered before keeps its answer.
        answered.act("ana", at(2), Deed::Respond(1, IN_PROGRESS));
        answered.act("bo", at(3), approve(1));
        assert_eq!(answered.case.first_response.unwrap().kind, IN_PROGRESS);
        assert_eq!(answered.case.ended.unwrap().outcome, outcome);
    }
}

#[test]
fn an_ended_case_has_nothing_left_that_runs_or_waits() {
    let mut story = held();
    story.act("ana", at(2), Deed::Respond(1, FirstResponseKind::NeedInformation));
    story.act("portal", at(2), Deed::ProvideInformation);
    story.act("ana", at(2), Deed::Reclassify(Some(Nature::Routine), None));
    story.act("ana", at(3), whole(Ending::NoSuchAccount));
    let events = story.act("bo", at(3), approve(1));
    for clock in [ClockKind::Reply, ClockKind::Completion] {
        let punctuality = urgence::core::Punctuality::WithinTarget;
        assert!(events.contains(&Event::ClockStopped { clock, punctuality }));
    }
    let case = &story.case;
    assert!(case.clocks.values().all(urgence::core::Clock::is_stopped));
    assert!(case.claim.is_none() && case.asked_at.is_none() && case.lowering.is_none());
    for deed in [whole(Ending::NoSuchAccount), approve(1)] {
        assert_eq!(story.refusal("ana", at(4), deed), Refusal::CaseEnded);
    }
}

#[test]
fn a_proposal_is_made_by_the_holder_and_approved_by_its_number() {
    let mut story = held();
    for (by, epoch) in [("bo", 1), ("ana", 0), ("ana", 2)] {
        let deed = Deed::ProposeOutcome(epoch, Proposed::Whole(Ending::NoSuchAccount));
        assert_eq!(story.refusal(by, at(2), deed), Refusal::EpochOver);
    }
    assert_eq!(story.refusal("bo", at(2), approve(0)), Refusal::ProposalReplaced);
    assert_eq!(story.refusal("bo", at(2), approve(1)), Refusal::ProposalReplaced);
    story.act("ana", at(2), whole(Ending::NoSuchAccount));
    story.act("ana", at(2), whole(Ending::Transferred));
    for number in [1, 3] {
        let refusal = story.refusal("bo", at(2), approve(number));
        assert_eq!(refusal, Refusal::ProposalReplaced);
    }
    // It waits for its second person also when the claim is over.
    story.wake(at(7));
    let events = story.act("bo", at(8), approve(2));
    let (by, proposed_by) = ("bo".parse().unwrap(), "ana".parse().unwrap());
    assert_eq!(events[0], Event::OutcomeApproved { by, proposed_by, number: 2 });
    assert_eq!(story.case.ended.unwrap().outcome, Outcome::Transferred);
}

#[test]
fn only_open_categories_of_the_request_are_decided() {
    let mut story = held();
    story.act("ana", at(2), Deed::Respond(1, IN_PROGRESS));
    let propose = |decided| Deed::ProposeOutcome(1, by_category(&[decided]));
    let content = propose((DataCategory::Content, NOT_HELD));
    assert_eq!(story.refusal("ana", at(2), content), Refusal::CategoryNotRequested);
    let conflict = Disposition::Refused(RefusalReason::ConflictOfLaw);
    let of_law = propose((TRAFFIC, conflict));
    assert_eq!(story.refusal("ana", at(2), of_law.clone()), Refusal::ConflictNotRecorded);
    let record = |stance| Deed::RecordConflict(TRAFFIC, "US".parse().ok(), stance);
    story.act("bo", at(2), record(Stance::Stands));
    story.act("ana", at(2), of_law.clone());
    // Lifted while the proposal waits, it is no reason any more.
    let mut lifted = story.clone();
    lifted.act("lea", at(2), record(Stance::Lifted));
    let refusal = lifted.refusal("bo", at(2), approve(1));
    assert_eq!(refusal, Refusal::ConflictNotRecorded);
    assert_eq!(lifted.refusal("ana", at(2), of_law), Refusal::ConflictNotRecorded);
    story.act("bo", at(3), approve(1));
    let again = propose((TRAFFIC, NOT_HELD));
    assert_eq!(story.refusal("ana", at(3), again), Refusal::CategoryDecided);
}

#[test]
fn a_duplicate_is_of_a_linked_case_of_the_same_authority() {
    let mut story = held();
    let (own, foreign) = (other_case("fr-pnij"), other_case("de-bka"));
    let link = |case, authority: &str| Deed::LinkDuplicate(case, authority.parse().unwrap());
    let refusal = story.refusal("ana", at(2), whole(Ending::Duplicate(own)));
    assert_eq!(refusal, Refusal::DuplicateNotLinked);
    let events = story.act("bo", at(2), link(foreign, "de-bka"));
    let by = "bo".parse().unwrap();
    assert_eq!(events, [Event::DuplicateLinked { by, case: foreign }]);
    let refusal = story.refusal("ana", at(2), whole(Ending::Duplicate(foreign)));
    assert_eq!(refusal, Refusal::DuplicateNotLinked, "each authority is answered by itself");
    story.act("bo", at(2), link(own, "fr-pnij"));
    for deed in [link(own, "fr-pnij"), link(story.case.id, "fr-pnij")] {
        assert_eq!(story.refusal("bo", at(2), deed), Refusal::NothingToChange);
    }
    let of_it_pol = |number: usize| {
        CaseId::derive(&"it-pol".parse().unwrap(), &number.to_string().parse().unwrap())
    };
    let mut crowded = story.clone();
    for number in crowded.case.linked.len()..64 {
        crowded.act("bo", at(2), link(of_it_pol(number), "it-pol"));
    }
    let one_more = link(of_it_pol(64), "it-pol");
    assert_eq!(crowded.refusal("bo", at(2), one_more), Refusal::NothingToChange);
    story.act("ana", at(2), whole(Ending::Duplicate(own)));
    story.act("bo", at(3), approve(1));
    assert_eq!(story.case.state(), State::Duplicate);
    assert_eq!(story.refusal("bo", at(3), link(of_it_pol(0), "it-pol")), Refusal::CaseEnded);
}

#[test]
fn where_a_part_went_out_it_is_kept_as_long_as_all_of_it_would_be() {
    for end in [
        |story: &mut Story| {
            story.act("ana", at(4), whole(Ending::Transferred));
            story.act("bo", at(4), approve(2));
        },
        |story: &mut Story| {
            story.act("portal", at(4), Deed::Withdraw);
            story.act("ana", at(4), Deed::ConfirmWithdrawal(1));
        },
    ] {
        let mut story = held();
        let proposed = by_category(&[(SUBSCRIBER, DISCLOSED)]);
        story.act("ana", at(2), Deed::ProposeOutcome(1, proposed));
        story.act("bo", at(3), approve(1));
        end(&mut story);
        assert_eq!(story.case.ended.unwrap().purge_at, at(4) + days(365));
        assert_eq!(story.case.ended.unwrap().outcome, Outcome::DisclosedPartial);
        assert_eq!(story.case.state(), State::Delivered);
    }
    assert_eq!(Outcome::Withdrawn.retention_class(), RetentionClass::NotDisclosed);
}

#[test]
fn what_goes_out_before_an_answer_answers_and_what_is_only_refused_does_not() {
    let mut story = held();
    for part in [NOT_HELD, REFUSED, REDIRECTED] {
        let proposed = by_category(&[(TRAFFIC, part)]);
        let refusal = story.refusal("ana", at(2), Deed::ProposeOutcome(1, proposed));
        assert_eq!(refusal, Refusal::NotAnswered, "the other category has no answer yet");
    }
    story.act("ana", at(2), Deed::Respond(1, IN_PROGRESS));
    story.act("ana", at(3), Deed::ProposeOutcome(1, by_category(&[(TRAFFIC, REFUSED)])));
    story.act("bo", at(3), approve(1));
    assert_eq!(story.case.first_response.as_ref().unwrap().kind, IN_PROGRESS);
    assert!(!story.case.has_ended());
}

#[test]
fn only_a_question_that_is_open_can_expire() {
    let expired = |epoch| Deed::ProposeOutcome(epoch, Proposed::Whole(Ending::ExpiredNoReply));
    let fresh = held();
    assert_eq!(fresh.refusal("ana", at(2), expired(1)), Refusal::NothingAsked);
    let mut asked = held();
    asked.act("ana", at(2), Deed::Respond(1, FirstResponseKind::NeedInformation));
    asked.act("ana", at(3), expired(1));
    let mut answered = asked.clone();
    asked.act("bo", at(4), approve(1));
    assert_eq!(asked.case.ended.unwrap().outcome, Outcome::ExpiredNoReply);
    assert_eq!((asked.case.state(), asked.case.ended.unwrap().refusal), (State::Expired, None));
    // An answer that comes while it waits keeps it from being approved.
    answered.act("portal", at(4), Deed::ProvideInformation);
    assert_eq!(answered.refusal("bo", at(4), approve(1)), Refusal::NothingAsked);
}

#[test]
fn a_refusal_for_a_conflict_of_law_names_one_that_is_recorded() {
    let refused = FirstResponseKind::Refused(RefusalReason::ConflictOfLaw);
    let mut story = held();
    let refusal = story.refusal("ana", at(2), Deed::Respond(1, refused));
    assert_eq!(refusal, Refusal::ConflictNotRecorded);
    let stands = Deed::RecordConflict(TRAFFIC, "US".parse().ok(), Stance::Stands);
    story.act("bo", at(2), stands);
    story.act("ana", at(2), Deed::Respond(1, refused));
    assert_eq!(story.case.state(), State::Rejected);
}
