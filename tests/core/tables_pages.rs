//! The record of a page: when it was queued, what its sinks say, who has seen it, who took the case up.

use std::collections::BTreeMap;
use std::time::Duration;

use urgence::core::{
    ClockKind, Command, Decision, Deed, Event, Nature, PageCause, PageKey, PageRecord, Report,
    SinkAnswer, Timestamp, decide,
};

use crate::make::{START, Story, at, page, policy, rungs};

const FIRST: ClockKind = ClockKind::FirstResponse;

fn seconds(count: u64) -> Timestamp {
    START + Duration::from_secs(count)
}

fn answered(key: PageKey, sink: &str, answer: SinkAnswer) -> Report {
    Report::Answered(key, sink.parse().unwrap(), answer)
}

#[test]
fn each_page_has_one_record_and_the_time_at_which_it_was_queued() {
    let mut story = Story::of(Nature::MissingChild);
    story.wake(at(3));
    let events = story.wake(at(8));
    let Some(Event::Paged(sent)) = events.last() else { panic!("{events:?}") };
    let keys: Vec<_> = story.case.pages.iter().map(|record| record.page.key).collect();
    assert_eq!(keys, [0, 3, 7].map(|minute| story.key(FIRST, 0, minute)), "the oldest first");
    let times: Vec<_> = story.case.pages.iter().map(|it| (it.page.due_at, it.queued_at)).collect();
    assert_eq!(times, [(at(0), at(0)), (at(3), at(3)), (at(7), at(8))]);
    assert_eq!(*story.record(sent.key), PageRecord::new(sent.clone(), at(8)));
}

#[test]
fn a_page_that_stands_for_several_is_the_newest_and_tells_them_all() {
    let mut story = Story::of(Nature::MissingChild);
    let events = story.wake(at(12));
    assert_eq!(rungs(&events), (vec![3, 7, 12], vec![]));
    let record = story.record(story.key(FIRST, 0, 12));
    assert_eq!((record.page.cause, record.page.is_quieted_by_claim), (PageCause::CatchUp, true));
    let ladder = &policy().clock(FIRST, story.case.nature.class()).ladder;
    let named = (1..4).flat_map(|number| ladder.rung(number).contacts.clone()).collect();
    assert_eq!(record.page.contacts, named);
    assert_eq!(story.case.pages.len(), 2, "what was not sent has no record");
    // Only if a claim may keep all of them back may it keep the one.
    let mut story = Story::of(Nature::MissingChild);
    story.wake(at(17));
    assert!(!story.record(story.key(FIRST, 0, 17)).page.is_quieted_by_claim);
}

#[test]
fn what_a_sink_has_closed_it_does_not_open_and_what_it_has_it_does_not_lose() {
    let all = SinkAnswer::ALL;
    let strength = |answer| match answer {
        SinkAnswer::Failed => 0,
        SinkAnswer::Unsure => 1,
        SinkAnswer::Taken => 2,
        SinkAnswer::Resolved => 3,
    };
    let sequences = all.iter().flat_map(|one| all.iter().map(move |two| (*one, *two)));
    for (one, two, three) in
        sequences.flat_map(|(one, two)| all.iter().map(move |it| (one, two, *it)))
    {
        let mut story = Story::of(Nature::MissingChild);
        let key = story.key(FIRST, 0, 0);
        let mut expected = BTreeMap::new();
        let mut taken_at = None;
        for (second, answer) in (1..).zip([one, two, three]) {
            let now = seconds(second);
            let before = expected.get("log").map(|(answer, _)| strength(*answer));
            let is_new = before.is_none_or(|before| strength(answer) > before);
            let events = story.report(now, answered(key, "log", answer));
            let sink = "log".parse().unwrap();
            let told = Event::PageAnswered { key, sink, answer };
            assert_eq!(events, Vec::from_iter(is_new.then_some(told)), "{one:?} {two:?} {three:?}");
            if is_new {
                expected.insert("log", (answer, now));
                taken_at = taken_at.or((answer == SinkAnswer::Taken).then_some(now));
            }
            let again = Command::Report(answered(key, "log", answer));
            let again = decide(Some(&story.case), &again, now, policy());
            assert_eq!(again, Decision::AlreadyTrue);
        }
        let record = story.record(key);
        let answers: BTreeMap<_, _> =
            record.answers.iter().map(|(sink, answer)| (sink.as_str(), *answer)).collect();
        assert_eq!((answers, record.taken_at), (expected.clone(), taken_at));
        let may_hold = matches!(expected["log"].0, SinkAnswer::Taken | SinkAnswer::Unsure);
        assert_eq!(record.is_held(), may_hold);
        assert!(record.is_open(), "what a sink does ends nothing");
    }
}

#[test]
fn each_sink_answers_for_itself_and_the_first_counts() {
    let mut story = Story::of(Nature::MissingChild);
    let key = story.key(FIRST, 0, 0);
    for (second, sink, answer) in [
        (1, "hook", SinkAnswer::Failed),
        (2, "log", SinkAnswer::Taken),
        (3, "hook", SinkAnswer::Taken),
        (4, "log", SinkAnswer::Resolved),
    ] {
        let before = story.case.clone();
        assert_eq!(story.report(seconds(second), answered(key, sink, answer)).len(), 1);
        let after = &story.case;
        assert_eq!((&after.clocks, after.band), (&before.clocks, before.band));
    }
    let record = story.record(key);
    assert_eq!(record.taken_at, Some(seconds(2)));
    assert_eq!(record.holders().map(|sink| sink.as_str()).collect::<Vec<_>>(), ["hook"]);
    // Of a page that this case never sent nothing is noted.
    for unknown in
        [story.key(FIRST, 0, 3), story.key(FIRST, 1, 0), story.key(ClockKind::Reply, 0, 0)]
    {
        let before = story.case.clone();
        assert_eq!(story.report(seconds(5), answered(unknown, "log", SinkAnswer::Taken)), []);
        assert_eq!(story.case, before);
    }
}

#[test]
fn a_report_finds_what_is_due() {
    let mut story = Story::of(Nature::MissingChild);
    let key = story.key(FIRST, 0, 0);
    let events = story.report(at(3), answered(key, "log", SinkAnswer::Taken));
    assert_eq!(rungs(&events), (vec![3], vec![]));
    assert_eq!(page(&events).map(|(minute, ..)| minute), Some(3));
    assert!(story.record(key).is_held());
}

#[test]
fn whoever_saw_a_page_first_is_kept_and_everybody_is_told() {
    let mut story = Story::of(Nature::MissingChild);
    let key = story.key(FIRST, 0, 0);
    let clocks = story.case.clocks.clone();
    assert!(story.case.latest_acknowledged().is_none());
    for (minute, by) in [(1, "bo"), (2, "ana")] {
        let events = story.act(by, at(minute), Deed::AcknowledgePage(key));
        assert_eq!(events, [Event::PageAcknowledged { by: by.parse().unwrap(), key }]);
    }
    let (seen, acknowledged) = story.case.latest_acknowledged().unwrap();
    assert_eq!((seen, acknowledged.by.as_str(), acknowledged.at), (key, "bo", at(1)));
    assert_eq!(story.case.clocks, clocks, "it stops no clock");
    assert!(story.record(key).is_open() && story.case.wants(story.record(key)));
    // The page of what falls due with this very act is in nobody's hands yet.
    let refusal = story.refusal("ana", at(3), Deed::AcknowledgePage(story.key(FIRST, 0, 3)));
    assert_eq!(refusal, urgence::core::Refusal::PageNotFound);
}

#[test]
fn the_first_claim_after_a_page_is_noted_on_it() {
    let mut story = Story::of(Nature::MissingChild);
    let [first, later] = [story.key(FIRST, 0, 0), story.key(FIRST, 0, 17)];
    story.act("ana", at(1), Deed::Claim);
    assert_eq!(story.record(first).claimed_at, Some(at(1)));
    story.act("ana", at(2), Deed::Claim);
    for minute in [6, 10, 14] {
        story.act("ana", at(minute), Deed::Renew(1));
    }
    story.wake(at(17));
    assert_eq!(story.record(later).claimed_at, None, "nobody has taken it up since");
    story.release(at(18));
    story.act("bo", at(19), Deed::Claim);
    let claimed_at = |key| story.record(key).claimed_at;
    assert_eq!((claimed_at(first), claimed_at(later)), (Some(at(1)), Some(at(19))));
}

#[test]
fn a_page_is_wanted_while_it_is_open_and_no_claim_keeps_it_back() {
    let mut story = Story::of(Nature::MissingChild);
    let [ordinary, target] = [story.key(FIRST, 0, 0), story.key(FIRST, 0, 20)];
    let wants = |story: &Story, key| story.case.wants(story.record(key));
    assert!(wants(&story, ordinary));
    story.act("ana", at(1), Deed::Claim);
    assert!(!wants(&story, ordinary), "somebody has the case");
    let mut given_back = story.clone();
    given_back.release(at(2));
    assert!(wants(&given_back, ordinary));
    for minute in [5, 9, 13, 17] {
        story.act("ana", at(minute), Deed::Renew(1));
    }
    story.wake(at(20));
    assert!(wants(&story, target), "the target is told, claimed or not");
    story.act("ana", at(21), Deed::Respond(1, crate::make::IN_PROGRESS));
    story.release(at(21));
    assert!(!wants(&story, target) && !wants(&story, ordinary), "it is over");
}

/// What giving back tells of a case that was claimed at `claimed`, if its first page got this answer.
fn given_back(answer: Option<SinkAnswer>, claimed: Timestamp, released: Timestamp) -> Vec<Event> {
    let mut story = Story::of(Nature::MissingChild);
    let key = story.key(FIRST, 0, 0);
    if let Some(answer) = answer {
        story.report(seconds(1), answered(key, "log", answer));
    }
    story.act("ana", claimed, Deed::Claim);
    // What is said of it later changes nothing: the claim has kept it from going out.
    story.report(claimed, answered(key, "log", SinkAnswer::Taken));
    story.release(released)
}

#[test]
fn a_claim_before_any_sink_has_the_page_keeps_it_back_until_the_case_is_given_back() {
    for answer in [None, Some(SinkAnswer::Failed), Some(SinkAnswer::Resolved)] {
        let events = given_back(answer, at(1), at(2));
        assert_eq!(page(&events), Some((0, 1, vec!["desk".to_owned()])), "{answer:?}");
    }
    assert_eq!(page(&given_back(Some(SinkAnswer::Taken), at(1), at(2))), None);
    // The page that falls due with the claim itself is in nobody's hands either.
    let events = given_back(Some(SinkAnswer::Taken), at(3), at(4));
    assert_eq!(page(&events).map(|(minute, cycle, _)| (minute, cycle)), Some((3, 1)));
    // And the one that nothing keeps back goes out all the same.
    assert_eq!(page(&given_back(Some(SinkAnswer::Taken), at(17), at(18))), None);
}
