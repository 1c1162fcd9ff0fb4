//! How an authority stands, and what it takes from a disclosure: nothing goes out to one that is
//! suspended, and what was verified before counts no more.

use urgence::core::standing::{StandingCommand, StandingDecision, StandingRefusal, Suspension};
use urgence::core::{
    Act, AuthorityStanding, Command, DataCategory, Decision, Deed, Disposition, Ending, Event,
    Finding, FirstResponseKind, Intake, Nature, Outcome, Proposed, Refusal, RequestDigest, Sorting,
    Standing, SuspensionReason, Timestamp, Verification, What, decide,
};

use crate::make::{
    IN_PROGRESS, MS, START, Story, act, ask_for, at, authority, by_category, called_back,
    just_before, manifest, next, policy,
};

const SUSPEND: StandingCommand = StandingCommand::Suspend(SuspensionReason::Fraud);
const SUBSCRIBER: DataCategory = DataCategory::Subscriber;

fn never_suspended() -> AuthorityStanding {
    AuthorityStanding::new("fr-pnij".parse().unwrap())
}

#[track_caller]
fn becomes(
    standing: &AuthorityStanding,
    act: &Act,
    command: StandingCommand,
    now: Timestamp,
) -> (AuthorityStanding, What) {
    match standing.decide(act, command, now) {
        StandingDecision::Next(next, what) => (*next, what),
        other => panic!("expected another standing, got {other:?}"),
    }
}

#[test]
fn a_suspension_and_its_end_each_make_a_version() {
    let never = never_suspended();
    assert_eq!(never.standing(), Standing::default());
    let authority = never.authority.clone();
    for reason in SuspensionReason::ALL.iter().copied() {
        let suspend = StandingCommand::Suspend(reason);
        let (suspended, what) = becomes(&never, &act("sup", "s"), suspend, at(1));
        assert_eq!(
            what,
            What::AuthoritySuspended { authority: authority.clone(), version: 1, reason }
        );
        let suspension = Suspension { by: "sup".parse().unwrap(), at: at(1), reason };
        assert_eq!(suspended.suspension, Some(suspension));
        assert_eq!(
            suspended.standing(),
            Standing { version: 1, is_suspended: true, ..Standing::default() }
        );
        let (back, what) = becomes(&suspended, &act("sup", "r"), StandingCommand::Reinstate, at(2));
        assert_eq!(what, What::AuthorityReinstated { authority: authority.clone(), version: 2 });
        assert_eq!(
            back.standing(),
            Standing { version: 2, is_suspended: false, ..Standing::default() }
        );
        assert_eq!((back.suspension.clone(), &back.authority), (None, &authority));
        let (again, _) = becomes(&back, &act("sup", "t"), suspend, at(3));
        assert_eq!(
            again.standing(),
            Standing { version: 3, is_suspended: true, ..Standing::default() }
        );
    }
}

#[test]
fn what_is_so_already_changes_nothing() {
    let never = never_suspended();
    let (suspended, _) = becomes(&never, &act("sup", "s"), SUSPEND, at(1));
    assert_eq!(suspended.decide(&act("sup", "s"), SUSPEND, at(2)), StandingDecision::AlreadyTrue);
    // Somebody else's who saw the same danger, also for another reason: it is recorded, and no more.
    let other = StandingCommand::Suspend(SuspensionReason::Compromised);
    let mut standing = suspended.clone();
    for (by, request_id, command) in [("sup", "s2", SUSPEND), ("dov", "s", other)] {
        let (next, what) = becomes(&standing, &act(by, request_id), command, at(2));
        assert_eq!((next.version, &next.suspension), (standing.version + 1, &suspended.suspension));
        assert_eq!(what.word(), "authority_suspended");
        standing = next;
    }
    // Each act is remembered past its end, so a late repeat suspends nobody anew.
    let (back, _) = becomes(&standing, &act("sup", "r"), StandingCommand::Reinstate, at(2));
    for (by, request_id, command) in [
        ("sup", "s", SUSPEND),
        ("sup", "s2", SUSPEND),
        ("dov", "s", other),
        ("sup", "r", StandingCommand::Reinstate),
    ] {
        let late = back.decide(&act(by, request_id), command, at(9));
        assert_eq!(late, StandingDecision::AlreadyTrue, "{by} {request_id}");
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let never = never_suspended();
    let refused = |standing: &AuthorityStanding, act: &Act, command| match standing.decide(
        act,
        command,
        at(5),
    ) {
        StandingDecision::Refused(refusal) => refusal,
        other => panic!("expected a refusal, got {other:?}"),
    };
    let reinstate = StandingCommand::Reinstate;
    assert_eq!(refused(&never, &act("sup", "r"), reinstate), StandingRefusal::NotSuspended);
    let (suspended, _) = becomes(&never, &act("sup", "s"), SUSPEND, at(1));
    let mut reused = act("sup", "s");
    reused.digest = RequestDigest::of("test", b"other");
    for command in [SUSPEND, reinstate] {
        assert_eq!(refused(&suspended, &reused, command), StandingRefusal::RequestIdReused);
    }
    let (back, _) = becomes(&suspended, &act("sup", "r"), reinstate, at(2));
    assert_eq!(refused(&back, &act("sup", "r2"), reinstate), StandingRefusal::NotSuspended);
}

/// A case whose authority was called back, and whose data a first person would give out.
fn proposed(proposed: Proposed) -> Story {
    let mut story = Story::with(Nature::MissingChild, |s| ask_for(s, &[SUBSCRIBER]));
    story.act("ana", at(1), Deed::Claim);
    story.act("bo", at(1), Deed::RecordVerification(called_back("fr-pnij")));
    story.act("ana", at(2), Deed::ProposeOutcome(1, proposed));
    story
}

fn on(version: u64, is_suspended: bool) -> Deed {
    Deed::ApproveOutcome(1, Standing { version, is_suspended, ..Standing::default() })
}

#[track_caller]
fn rests_on(story: &Story, deed: Deed) -> Option<u64> {
    let command = Command::Act(act("bo", "approval"), deed);
    next(decide(Some(&story.case), &command, at(3), policy())).rests_on
}

#[test]
fn nothing_goes_out_to_a_suspended_authority() {
    let disclosed = proposed(by_category(&[(SUBSCRIBER, Disposition::Disclosed)]));
    for version in [1, 3] {
        let refusal = disclosed.refusal("bo", at(3), on(version, true));
        assert_eq!(refusal, Refusal::AuthoritySuspended);
    }
    // A key that was exchanged since the disclosure was proposed cools off like any other.
    let exchanged = Standing { is_key_too_new: true, ..Standing::default() };
    let refusal = disclosed.refusal("bo", at(3), Deed::ApproveOutcome(1, exchanged));
    assert_eq!(refusal, Refusal::RecipientKeyTooNew);
    // What goes out is written on the very standing that it was decided on.
    for version in [0, 2, 7] {
        assert_eq!(rests_on(&disclosed, on(version, false)), Some(version));
    }
}

#[test]
fn an_answer_without_data_waits_for_no_standing() {
    let nothing = [
        by_category(&[(SUBSCRIBER, Disposition::NotHeld)]),
        Proposed::Whole(Ending::NoSuchAccount),
        Proposed::Whole(Ending::FraudConfirmed),
    ];
    for outcome in nothing {
        let story = proposed(outcome);
        for standing in [on(0, false), on(1, true), on(2, false)] {
            assert_eq!(rests_on(&story, standing), None);
        }
    }
    // The other acts rest on nothing either, and an answer is given in time.
    let mut story = Story::held(Nature::MissingChild, 1);
    story.command_of_nobody(&Command::Sort(Sorting::SuspendAuthority), at(1));
    assert_eq!(rests_on(&story, Deed::RecordVerification(Finding::Failed)), None);
    story.act("ana", at(2), Deed::Respond(1, IN_PROGRESS));
    assert!(story.case.first_response.is_some());
}

#[test]
fn what_was_verified_before_a_suspension_counts_no_more() {
    let suspend = Command::Sort(Sorting::SuspendAuthority);
    for verification in Verification::ALL.iter().copied() {
        let mut story = Story::held(Nature::MissingChild, 1);
        story.case.verification = verification;
        let before = story.case.clone();
        let events = story.command_of_nobody(&suspend, at(2));
        let fell_back = matches!(
            verification,
            Verification::ChannelVerified
                | Verification::AgencyVerified
                | Verification::CallbackConfirmed
        );
        let wanted = if fell_back { vec![Event::AuthoritySuspended] } else { vec![] };
        assert_eq!(events, wanted, "{verification:?}");
        let left = if fell_back { Verification::Unverified } else { verification };
        assert_eq!(story.case.verification, left);
        // Nothing else about the case changes, and sorting it again changes nothing.
        assert_eq!((&story.case.clocks, story.case.band), (&before.clocks, before.band));
        assert_eq!((&story.case.claim, &story.case.pages), (&before.claim, &before.pages));
        assert_eq!(story.command_of_nobody(&suspend, at(2)), []);
    }
    // It is verified anew by another call.
    let mut story = proposed(by_category(&[(SUBSCRIBER, Disposition::Disclosed)]));
    story.command_of_nobody(&suspend, at(2));
    assert_eq!(story.refusal("bo", at(3), on(2, false)), Refusal::NotVerified);
    story.act("bo", at(3), Deed::RecordVerification(called_back("fr-pnij")));
    story.act("bo", at(4), on(2, false));
    assert_eq!(story.case.ended.unwrap().outcome, Outcome::DisclosedFull);
}

#[test]
fn what_has_ended_and_what_is_made_up_is_left_as_it_is() {
    let suspend = Command::Sort(Sorting::SuspendAuthority);
    let mut ended = Story::held(Nature::MissingChild, 1);
    ended.act("bo", at(1), Deed::RecordVerification(called_back("fr-pnij")));
    ended.act("ana", at(2), Deed::Respond(1, FirstResponseKind::NoData));
    assert_eq!(ended.command_of_nobody(&suspend, at(3)), []);
    assert_eq!(ended.case.verification, Verification::CallbackConfirmed);
    let accepted = Command::Accept(Intake::synthetic(7));
    let mut made_up = next(decide(None, &accepted, START, policy())).case;
    assert!(made_up.is_synthetic());
    made_up.verification = Verification::CallbackConfirmed;
    let sorted = decide(Some(&made_up), &suspend, START, policy());
    assert_eq!(sorted, Decision::AlreadyTrue);
}

#[test]
fn a_new_number_and_a_new_key_are_good_from_their_instant_on() {
    let (usable_from, early) = (at(60), just_before(at(60)));
    let number = authority("fr-pnij").callback_number(&"switchboard".parse().unwrap()).unwrap();
    let called = || {
        Deed::RecordVerification(Finding::CallbackConfirmed(
            number.clone().usable_from(usable_from),
        ))
    };
    let mut story = Story::held(Nature::MissingChild, 1);
    for now in [at(2), early] {
        assert_eq!(story.refusal("bo", now, called()), Refusal::CallbackNumberTooNew);
    }
    story.act("bo", usable_from, called());
    assert_eq!(story.case.verification, Verification::CallbackConfirmed);
    // A number of somebody else's is that, however old it is.
    let foreign = Deed::RecordVerification(called_back("de-bka"));
    assert_eq!(story.refusal("bo", early, foreign), Refusal::CallbackNumberUnknown);

    let sealed = || {
        let mut manifest = manifest("fr-pnij");
        manifest.recipient_key = manifest.recipient_key.usable_from(usable_from);
        let dispositions = [(SUBSCRIBER, Disposition::Disclosed)].into();
        Deed::ProposeOutcome(1, Proposed::Categories { dispositions, manifest: Some(manifest) })
    };
    let mut story = Story::with(Nature::MissingChild, |s| ask_for(s, &[SUBSCRIBER]));
    story.act("ana", at(59), Deed::Claim);
    story.act("bo", at(59), Deed::RecordVerification(called_back("fr-pnij")));
    for now in [at(59), early] {
        assert_eq!(story.refusal("ana", now, sealed()), Refusal::RecipientKeyTooNew);
    }
    story.act("ana", usable_from, sealed());
    story.act("bo", usable_from + MS, on(0, false));
    assert_eq!(story.case.disclosures.len(), 1);
}
