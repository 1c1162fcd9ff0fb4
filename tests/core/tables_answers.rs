//! Answers, updates and questions: what stops the clock that an authority waits on, and what starts
//! the next.

use urgence::core::projection::{Place, project};
use urgence::core::{
    Band, ClockKind, Deed, Event, FirstResponseKind, Lane, Nature, Punctuality, RedirectTarget,
    Refusal, RefusalReason, State, Subject,
};

use crate::make::{IN_PROGRESS, Story, at, hours, minutes, page, rungs, rungs_of};

const NEED_INFORMATION: FirstResponseKind = FirstResponseKind::NeedInformation;

fn ana() -> Subject {
    "ana".parse().unwrap()
}

#[test]
fn a_first_response_stops_the_clock_and_starts_that_of_the_next_word() {
    let mut story = Story::held(Nature::MissingChild, 1);
    let band = story.case.band;
    let events = story.act("ana", at(2), Deed::Respond(1, IN_PROGRESS));
    let responded = Event::Responded {
        by: ana(),
        kind: IN_PROGRESS,
        waited: minutes(2),
        band,
        punctuality: Punctuality::WithinTarget,
        is_claim_lost: false,
    };
    let (clock, target_at, limit_at) = (ClockKind::Progress, at(52), at(62));
    let closed = Event::PagesClosed { clock: ClockKind::FirstResponse };
    assert_eq!(events, [closed, responded, Event::ClockStarted { clock, target_at, limit_at }]);
    let case = &story.case;
    assert_eq!(case.state(), State::Collecting);
    assert_eq!(case.state_shown(), State::AwaitingVerification);
    assert_eq!(case.waited(at(99)), minutes(2));
    let projected = project(case);
    assert_eq!((projected.ready, projected.unanswered), (None, None));
    assert_eq!(projected.wake_at, Some(at(7)), "the lease goes on, extended by the act");
    let events = story.wake(at(500));
    assert_eq!(rungs_of(ClockKind::FirstResponse, &events), (vec![], vec![]));
    let again = Deed::Respond(1, FirstResponseKind::NoData);
    assert_eq!(story.refusal("bo", at(501), again), Refusal::AlreadyAnswered);
}

#[test]
fn each_answer_leads_to_its_state() {
    let target = RedirectTarget::NationalSinglePointOfContact;
    for (kind, state, is_end) in [
        (FirstResponseKind::NoData, State::NoData, true),
        (FirstResponseKind::Refused(RefusalReason::Overbroad), State::Rejected, true),
        (FirstResponseKind::Redirected(target), State::Redirected, true),
        (NEED_INFORMATION, State::AwaitingInformation, false),
        (IN_PROGRESS, State::Collecting, false),
    ] {
        let mut story = Story::held(Nature::MissingChild, 1);
        let events = story.act("ana", at(2), Deed::Respond(1, kind));
        let case = &story.case;
        assert_eq!((case.state(), case.has_ended()), (state, is_end));
        assert_eq!(case.claim.is_none(), is_end, "an ended case is nobody's");
        assert_eq!(case.runs(ClockKind::Completion), !is_end);
        assert_eq!(events.iter().any(|event| matches!(event, Event::Ended { .. })), is_end);
        if is_end {
            let refusal = match kind {
                FirstResponseKind::Refused(reason) => Some(reason),
                _ => None,
            };
            assert_eq!(case.ended.unwrap().refusal, refusal);
            assert_eq!(story.refusal("bo", at(3), Deed::Claim), Refusal::CaseEnded);
            let again = Deed::Respond(1, IN_PROGRESS);
            assert_eq!(story.refusal("ana", at(3), again), Refusal::AlreadyAnswered);
        }
    }
    for kind in [FirstResponseKind::AllData, FirstResponseKind::PartOfData] {
        let story = Story::held(Nature::MissingChild, 1);
        let refusal = story.refusal("ana", at(2), Deed::Respond(1, kind));
        assert_eq!(refusal, Refusal::DisclosureNotApproved);
    }
}

#[test]
fn a_first_response_is_a_fact_whatever_became_of_the_claim() {
    let mut story = Story::held(Nature::MissingChild, 1);
    story.act("bo", at(10), Deed::Claim);
    for epoch in [0, 3] {
        let refusal = story.refusal("ana", at(11), Deed::Respond(epoch, IN_PROGRESS));
        assert_eq!(refusal, Refusal::EpochOver, "never granted");
    }
    story.act("ana", at(11), Deed::Respond(1, IN_PROGRESS));
    let response = story.case.first_response.clone().unwrap();
    assert_eq!((response.is_claim_lost, response.by), (true, ana()));
    let claim = story.case.claim.unwrap();
    assert_eq!((claim.by.as_str(), claim.expires_at), ("bo", at(15)), "it is not touched");
}

#[test]
fn a_case_that_was_taken_back_unanswered_gets_no_answer() {
    let mut story = Story::held(Nature::MissingChild, 1);
    story.act("portal", at(2), Deed::Withdraw);
    story.act("ana", at(3), Deed::ConfirmWithdrawal(1));
    let refusal = story.refusal("ana", at(4), Deed::Respond(1, IN_PROGRESS));
    assert_eq!(refusal, Refusal::CaseEnded);
}

#[test]
fn an_update_says_how_the_work_goes() {
    let mut story = Story::answered(Nature::MissingChild, IN_PROGRESS);
    let events = story.act("ana", at(8), Deed::SendUpdate(1, Some(hours(1))));
    let clock = ClockKind::Progress;
    assert_eq!(
        events,
        [
            Event::Updated { by: ana(), expected_within: Some(hours(1)) },
            Event::ClockStopped { clock, punctuality: Punctuality::WithinTarget },
            Event::ClockStarted { clock, target_at: at(58), limit_at: at(68) },
        ]
    );
    assert_eq!(story.case.state(), State::Collecting);
}

#[test]
fn updates_and_questions_come_after_the_first_response_from_the_holder() {
    let deeds = |epoch| [Deed::SendUpdate(epoch, None), Deed::AskForInformation(epoch)];
    let story = Story::held(Nature::MissingChild, 1);
    for deed in deeds(1) {
        assert_eq!(story.refusal("ana", at(2), deed), Refusal::NotAnswered);
    }
    for deed in deeds(2) {
        assert_eq!(story.refusal("ana", at(2), deed), Refusal::EpochOver);
    }
    let mut answered = Story::answered(Nature::MissingChild, IN_PROGRESS);
    for deed in deeds(1) {
        assert_eq!(answered.refusal("bo", at(6), deed), Refusal::EpochOver);
    }
    for deed in deeds(1) {
        assert_eq!(answered.refusal("ana", at(10), deed), Refusal::EpochOver, "the lease is over");
    }
    answered.act("portal", at(6), Deed::Withdraw);
    answered.act("ana", at(6), Deed::ConfirmWithdrawal(1));
    for deed in deeds(1) {
        assert_eq!(answered.refusal("ana", at(7), deed), Refusal::CaseEnded);
    }
}

#[test]
fn while_the_authority_owes_an_answer_the_desk_owes_none() {
    let mut story = Story::answered(Nature::MissingChild, IN_PROGRESS);
    let events = story.act("ana", at(6), Deed::AskForInformation(1));
    let (clock, punctuality) = (ClockKind::Progress, Punctuality::WithinTarget);
    let stopped = Event::ClockStopped { clock, punctuality };
    // A clock of the question keeps the case from being forgotten.
    let (clock, target_at, limit_at) = (ClockKind::Question, at(6 + 12 * 60), at(6 + 24 * 60));
    let started = Event::ClockStarted { clock, target_at, limit_at };
    assert_eq!(events, [Event::Asked { by: ana() }, stopped, started]);
    assert_eq!(story.case.state(), State::AwaitingInformation);
    assert_eq!(story.case.state_shown(), State::AwaitingInformation);
    // An update meanwhile starts no hour.
    story.act("ana", at(7), Deed::SendUpdate(1, None));
    assert!(!story.case.runs(ClockKind::Progress));
    story.release(at(8));
    assert_eq!(project(&story.case).ready, None, "there is nothing to claim");
    let events = story.wake(at(119));
    assert_eq!(events, []);
    // The outcome is owed all the same.
    assert_eq!(rungs(&story.wake(at(120))), (vec![120], vec![]));
}

#[test]
fn a_question_that_is_answered_starts_a_clock_of_full_length_at_the_old_place() {
    for is_first_response in [true, false] {
        let mut story = Story::held(Nature::MissingChild, 1);
        if is_first_response {
            story.act("ana", at(2), Deed::Respond(1, NEED_INFORMATION));
        } else {
            story.act("ana", at(2), Deed::Respond(1, IN_PROGRESS));
            story.act("ana", at(2), Deed::AskForInformation(1));
        }
        story.release(at(3));
        let events = story.act("portal", at(100), Deed::ProvideInformation);
        let (by, was_asked) = ("portal".parse().unwrap(), true);
        assert_eq!(events[0], Event::InformationProvided { by, was_asked });
        let clock = ClockKind::Reply;
        let (target_at, limit_at) = (at(120), at(130));
        let (asked, punctuality) = (ClockKind::Question, Punctuality::WithinTarget);
        assert_eq!(events[1], Event::ClockStopped { clock: asked, punctuality });
        assert_eq!(events[2], Event::ClockStarted { clock, target_at, limit_at });
        assert_eq!(rungs(&events), (vec![0], vec![]));
        assert_eq!(page(&events), Some((0, 0, vec!["desk".to_owned()])));
        let projected = project(&story.case);
        let place = Place::new(story.case.band, at(30));
        assert_eq!(projected.ready, Some((Lane::Ordinary, place)), "its place of old");
        assert_eq!(projected.unanswered, Some(Place::new(story.case.band, at(130))));
        assert_eq!(projected.wake_at, Some(at(103)));
        assert_eq!(story.case.state(), State::Collecting);
        let fired = rungs_of(clock, &story.wake(at(133))).0;
        assert_eq!(fired, [3, 7, 12, 17, 20, 25, 28, 30, 33]);
        assert_eq!(story.case.band.number(), 0, "an authority waits again beyond its target");
    }
}

#[test]
fn an_update_answers_a_reply() {
    let mut story = Story::answered(Nature::MissingChild, NEED_INFORMATION);
    story.act("portal", at(6), Deed::ProvideInformation);
    let events = story.act("ana", at(7), Deed::SendUpdate(1, None));
    let (clock, punctuality) = (ClockKind::Reply, Punctuality::WithinTarget);
    assert!(events.contains(&Event::ClockStopped { clock, punctuality }));
    assert_eq!(story.promised(ClockKind::Progress), (57, 67));
    assert_eq!(project(&story.case).unanswered, None);
    // So does the next question.
    story.act("ana", at(8), Deed::AskForInformation(1));
    story.act("portal", at(9), Deed::ProvideInformation);
    let reply = story.case.clock(clock).unwrap();
    assert_eq!((reply.cycle, reply.started_at), (1, at(9)));
    let events = story.act("ana", at(33), Deed::Claim);
    assert!(events.iter().any(|event| matches!(event, Event::Paged(_))));
    let events = story.work(at(33), Deed::AskForInformation);
    let punctuality = Punctuality::WithinLimit;
    assert!(events.contains(&Event::ClockStopped { clock, punctuality }));
}

#[test]
fn a_claim_quiets_a_reply_like_a_first_response() {
    let mut story = Story::answered(Nature::MissingChild, NEED_INFORMATION);
    let events = story.act("portal", at(6), Deed::ProvideInformation);
    assert_eq!(rungs(&events), (vec![], vec![0]));
    // The lease ends at 10 and pages the reply's highest rung.
    let events = story.wake(at(10));
    let key = events.iter().find_map(|event| match event {
        Event::Paged(page) => Some((page.key.clock, page.key.cycle, page.key.offset)),
        _ => None,
    });
    assert_eq!(key, Some((ClockKind::Reply, 1, minutes(3))));
}

#[test]
fn what_nobody_asked_for_starts_no_clock() {
    for mut story in
        [Story::of(Nature::MissingChild), Story::answered(Nature::MissingChild, IN_PROGRESS)]
    {
        let before = story.case.clocks.clone();
        let events = story.act("portal", at(6), Deed::ProvideInformation);
        let (by, was_asked) = ("portal".parse().unwrap(), false);
        assert!(events.contains(&Event::InformationProvided { by, was_asked }));
        assert!(story.case.clock(ClockKind::Reply).is_none());
        let kinds = |clocks: &std::collections::BTreeMap<ClockKind, _>| {
            clocks.keys().copied().collect::<Vec<_>>()
        };
        assert_eq!(kinds(&story.case.clocks), kinds(&before));
    }
    let mut ended = Story::held(Nature::MissingChild, 1);
    ended.act("ana", at(2), Deed::Respond(1, FirstResponseKind::NoData));
    let refusal = ended.refusal("portal", at(3), Deed::ProvideInformation);
    assert_eq!(refusal, Refusal::CaseEnded);
}

#[test]
fn an_answered_case_waits_at_the_limit_that_comes_first() {
    let mut story = Story::answered(Nature::MissingChild, IN_PROGRESS);
    story.release(at(6));
    // Behind everybody who has no answer yet, also in its band, and before all that is routine.
    assert_eq!(story.case.band, Band::new(2).unwrap());
    let place = |minute| Some((Lane::Ordinary, Place::answered(story.case.band, at(minute))));
    assert_eq!(project(&story.case).ready, place(65));
    let band = |number| Band::new(number).unwrap();
    assert!(Place::new(band(2), at(999)) < Place::answered(band(2), at(1)));
    assert!(Place::answered(band(2), at(999)) < Place::new(band(3), at(1)));
    let mut later = story.clone();
    later.work(at(200), |epoch| Deed::SendUpdate(epoch, None));
    later.release(at(200));
    assert_eq!(project(&later.case).ready, place(240), "the outcome is due before the next word");
}
