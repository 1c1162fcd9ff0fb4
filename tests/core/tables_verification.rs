//! Whether a request comes from whom it says, and whose law stands against it. Neither is shown to
//! whoever may be pretending.

use urgence::core::projection::project;
use urgence::core::{
    Country, DataCategory, Deed, Ending, Event, Finding, FirstResponseKind, Nature, PhoneId,
    Proposed, Refusal, RefusalReason, Stance, State, Verification,
};

use crate::make::{IN_PROGRESS, Story, approve, ask_for, at, by_category, called_back};

const UNVERIFIED: RefusalReason = RefusalReason::RequesterNotVerified;

#[test]
fn each_finding_is_recorded_and_moves_no_clock() {
    let switchboard: PhoneId = "switchboard".parse().unwrap();
    for (finding, verification, phone) in [
        (Finding::ChannelVerified, Verification::ChannelVerified, None),
        (Finding::AgencyVerified, Verification::AgencyVerified, None),
        (called_back("fr-pnij"), Verification::CallbackConfirmed, Some(switchboard)),
        (Finding::Failed, Verification::Failed, None),
        (Finding::SuspectedFraud, Verification::SuspectedFraud, None),
    ] {
        let mut story = Story::of(Nature::MissingChild);
        let before = project(&story.case);
        let events = story.act("bo", at(1), Deed::RecordVerification(finding));
        let by = "bo".parse().unwrap();
        assert_eq!(events, [Event::Verified { by, verification, phone }]);
        assert_eq!(story.case.verification, verification);
        assert_eq!(project(&story.case), before);
    }
}

#[test]
fn what_was_surpassed_takes_nothing_away_and_what_failed_does() {
    let mut story = Story::of(Nature::MissingChild);
    for (finding, verification) in [
        (Finding::AgencyVerified, Verification::AgencyVerified),
        (Finding::ChannelVerified, Verification::AgencyVerified),
        (called_back("fr-pnij"), Verification::CallbackConfirmed),
        (Finding::AgencyVerified, Verification::CallbackConfirmed),
        (Finding::SuspectedFraud, Verification::SuspectedFraud),
        (Finding::Failed, Verification::Failed),
        (Finding::ChannelVerified, Verification::ChannelVerified),
        (Finding::Failed, Verification::Failed),
        (called_back("fr-pnij"), Verification::CallbackConfirmed),
    ] {
        let events = story.act("bo", at(1), Deed::RecordVerification(finding.clone()));
        assert_eq!(story.case.verification, verification, "{finding:?}");
        assert!(matches!(
            events[..],
            [Event::Verified { verification: told, .. }] if told == verification
        ));
    }
}

#[test]
fn a_call_back_is_to_a_number_of_that_authority() {
    let story = Story::of(Nature::MissingChild);
    let foreign = Deed::RecordVerification(called_back("de-bka"));
    assert_eq!(story.refusal("bo", at(1), foreign), Refusal::CallbackNumberUnknown);
}

#[test]
fn a_fraud_may_be_found_when_the_case_has_ended() {
    let mut story = Story::held(Nature::MissingChild, 1);
    story.act("ana", at(2), Deed::Respond(1, FirstResponseKind::NoData));
    story.act("bo", at(3), Deed::RecordVerification(Finding::SuspectedFraud));
    assert_eq!((story.case.state(), story.case.state_shown()), (State::NoData, State::NoData));
}

/// Does the same to two cases, one of which is suspected; what is shown of both must be the same.
struct Twins {
    suspected: Story,
    unverified: Story,
}

impl Twins {
    fn new() -> Self {
        let story = Story::of(Nature::MissingChild);
        let mut suspected = story.clone();
        suspected.act("bo", at(1), Deed::RecordVerification(Finding::SuspectedFraud));
        // The other's desk is as busy, with something that says nothing.
        let mut unverified = story;
        unverified.act("bo", at(1), Deed::ProvideInformation);
        Self { suspected, unverified }
    }

    #[track_caller]
    fn both(&mut self, by: &str, minute: u64, deed: Deed) {
        self.each(by, minute, deed.clone(), deed);
    }

    #[track_caller]
    fn each(&mut self, by: &str, minute: u64, suspected: Deed, unverified: Deed) {
        self.suspected.act(by, at(minute), suspected);
        self.unverified.act(by, at(minute), unverified);
        let (suspected, unverified) = (&self.suspected.case, &self.unverified.case);
        assert_eq!(suspected.state_shown(), unverified.state_shown(), "minute {minute}");
        assert_eq!(suspected.first_response, unverified.first_response);
        assert_eq!(suspected.clocks, unverified.clocks, "nor do its clocks tell");
        assert_eq!(project(suspected), project(unverified));
    }

    fn shown(&self) -> State {
        self.suspected.case.state_shown()
    }
}

#[test]
fn nothing_shown_tells_a_suspected_authority_from_an_unverified_one() {
    let fraud = Deed::ProposeOutcome(1, Proposed::Whole(Ending::FraudConfirmed));
    let rejected = Deed::ProposeOutcome(1, Proposed::Whole(Ending::Rejected(UNVERIFIED)));
    let data = Deed::ProposeOutcome(
        1,
        by_category(&[(DataCategory::Subscriber, urgence::core::Disposition::Disclosed)]),
    );
    for is_answered in [true, false] {
        let mut twins = Twins::new();
        assert_eq!(twins.shown(), State::Received);
        twins.both("ana", 2, Deed::Claim);
        if is_answered {
            twins.both("ana", 3, Deed::Respond(1, IN_PROGRESS));
            assert_eq!(twins.shown(), State::AwaitingVerification);
            twins.both("ana", 4, Deed::SendUpdate(1, None));
            twins.both("ana", 4, Deed::AskForInformation(1));
            assert_eq!(twins.shown(), State::AwaitingInformation);
            twins.both("portal", 5, Deed::ProvideInformation);
            twins.both("ana", 6, data.clone());
            assert_eq!(twins.shown(), State::AwaitingVerification, "a proposal is not shown");
        }
        twins.each("ana", 6, fraud.clone(), rejected.clone());
        let number = twins.suspected.case.proposals;
        // How long what was said is kept is nobody's business but the desk's.
        twins.suspected.act("bo", at(7), approve(number));
        twins.unverified.act("bo", at(7), approve(number));
        assert_eq!(twins.suspected.case.state(), State::Fraud);
        assert_eq!(twins.unverified.case.state(), State::Rejected);
        assert_eq!(
            (twins.shown(), twins.unverified.case.state_shown()),
            (State::Rejected, State::Rejected)
        );
        let (suspected, unverified) = (&twins.suspected.case, &twins.unverified.case);
        assert_eq!(suspected.first_response, unverified.first_response);
        assert_eq!(suspected.clocks, unverified.clocks);
        assert_eq!(suspected.ended.unwrap().refusal, unverified.ended.unwrap().refusal);
        // Nor does what is refused.
        for deed in [Deed::Withdraw, Deed::ProvideInformation, Deed::ConfirmDelivery(1)] {
            let refusals = [&twins.suspected, &twins.unverified]
                .map(|story| story.refusal("portal", at(9), deed.clone()));
            assert_eq!(refusals[0], refusals[1]);
        }
    }
}

#[test]
fn until_the_call_back_every_case_that_is_worked_on_looks_the_same() {
    for finding in [Finding::ChannelVerified, Finding::AgencyVerified, Finding::Failed] {
        let mut story = Story::answered(Nature::MissingChild, IN_PROGRESS);
        story.act("bo", at(6), Deed::RecordVerification(finding));
        assert_eq!(story.case.state_shown(), State::AwaitingVerification);
        story.act("bo", at(6), Deed::RecordVerification(called_back("fr-pnij")));
        assert_eq!(story.case.state_shown(), State::Collecting);
    }
}

fn united_states() -> Country {
    "US".parse().unwrap()
}

fn conflict(category: DataCategory, stance: Stance) -> Deed {
    Deed::RecordConflict(category, "US".parse().ok(), stance)
}

#[test]
fn a_conflict_is_recorded_by_anybody_and_lifted_by_another_who_is_a_jurist() {
    let subscriber = DataCategory::Subscriber;
    let mut story = Story::of(Nature::MissingChild);
    let lift = || conflict(subscriber, Stance::Lifted);
    assert_eq!(story.refusal("lea", at(1), lift()), Refusal::ConflictNotRecorded);
    let events = story.act("bo", at(1), conflict(subscriber, Stance::Stands));
    let (by, category) = ("bo".parse().unwrap(), subscriber);
    assert_eq!(events, [Event::ConflictRecorded { by, category, stance: Stance::Stands }]);
    let recorded = story.case.conflicts[&(subscriber, united_states())].clone();
    assert_eq!(recorded.recorded_at, at(1));
    assert_eq!((recorded.stance, recorded.lifted_by), (Stance::Stands, None));
    let again = conflict(subscriber, Stance::Stands);
    assert_eq!(story.refusal("ana", at(2), again.clone()), Refusal::NothingToChange);
    assert_eq!(story.refusal("ana", at(2), lift()), Refusal::LegalReviewerNeeded);
    assert_eq!(story.refusal("bo", at(2), lift()), Refusal::SecondPersonNeeded);
    let events = story.act("lea", at(2), lift());
    let by = "lea".parse().unwrap();
    assert_eq!(events, [Event::ConflictRecorded { by, category, stance: Stance::Lifted }]);
    let lifted = story.case.conflicts[&(subscriber, united_states())].clone();
    assert_eq!((lifted.recorded_by.as_str(), lifted.recorded_at), ("bo", at(1)));
    assert_eq!(lifted.lifted_by.unwrap().as_str(), "lea");
    assert_eq!(story.refusal("lea", at(4), lift()), Refusal::ConflictNotRecorded);
    // It may turn out to stand after all, and whoever says so cannot lift it.
    story.act("lea", at(4), again);
    assert_eq!(story.refusal("lea", at(5), lift()), Refusal::SecondPersonNeeded);
}

#[test]
fn a_conflict_is_over_an_open_category_of_an_open_case() {
    let (subscriber, traffic) = (DataCategory::Subscriber, DataCategory::Traffic);
    let mut story = Story::with(Nature::MissingChild, |s| ask_for(s, &[subscriber, traffic]));
    let content = conflict(DataCategory::Content, Stance::Stands);
    assert_eq!(story.refusal("bo", at(1), content), Refusal::CategoryNotRequested);
    let decided = by_category(&[(subscriber, urgence::core::Disposition::NotHeld)]);
    story.work(at(1), |epoch| Deed::Respond(epoch, IN_PROGRESS));
    story.work(at(1), |epoch| Deed::ProposeOutcome(epoch, decided));
    story.act("bo", at(2), approve(1));
    for stance in [Stance::Stands, Stance::Lifted] {
        let refusal = story.refusal("bo", at(2), conflict(subscriber, stance));
        assert_eq!(refusal, Refusal::CategoryDecided);
    }
    story.act("bo", at(2), conflict(traffic, Stance::Stands));
    story.act("portal", at(2), Deed::Withdraw);
    story.act("ana", at(2), Deed::ConfirmWithdrawal(1));
    let refusal = story.refusal("lea", at(3), conflict(traffic, Stance::Lifted));
    assert_eq!(refusal, Refusal::CaseEnded);
}

#[test]
fn each_countrys_law_is_a_conflict_of_its_own() {
    let content = DataCategory::Content;
    let mut story = Story::with(Nature::MissingChild, |s| ask_for(s, &[content]));
    let of = |country: &str, stance| Deed::RecordConflict(content, country.parse().ok(), stance);
    story.act("bo", at(1), of("US", Stance::Stands));
    story.act("bo", at(1), of("CH", Stance::Stands));
    let unnamed = Deed::RecordConflict(content, None, Stance::Lifted);
    let refusal = story.refusal("lea", at(2), unnamed.clone());
    assert_eq!(refusal, Refusal::ConflictNotRecorded, "of two it must be said which");
    assert_eq!(story.refusal("lea", at(2), of("FR", Stance::Lifted)), Refusal::ConflictNotRecorded);
    story.act("lea", at(2), of("US", Stance::Lifted));
    assert!(story.case.conflicts_over(content), "the other law stands");
    story.act("lea", at(3), unnamed);
    assert!(!story.case.conflicts_over(content));
}
