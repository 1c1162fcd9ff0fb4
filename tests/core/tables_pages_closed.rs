//! Pages that are over: every way in which a clock stops closes its pages, and only its own; and what a
//! case remembers of them is bounded.

use urgence::core::projection::{project, wake_at};
use urgence::core::{
    ClockKind, Command, Deed, Event, FirstResponseKind, Intake, Nature, PageCause, PageKey,
    PageRecord, PauseReason, Report, SentPage, Settlement, SinkAnswer, Sorting, decide,
};

use crate::make::{
    IN_PROGRESS, START, Story, approve, at, called_back, days, hours, just_before, minutes, next,
    page, policy, rungs,
};

const FIRST: ClockKind = ClockKind::FirstResponse;
const COMPLETION: ClockKind = ClockKind::Completion;
const PROGRESS: ClockKind = ClockKind::Progress;
const DAY: u64 = 24 * 60;

fn kinds(keys: &[PageKey]) -> Vec<ClockKind> {
    let mut kinds: Vec<_> = keys.iter().map(|key| key.clock).collect();
    kinds.dedup();
    kinds
}

/// A case that nobody has answered for two hours: pages of two of its clocks are open. A minute's pause
/// keeps their rungs apart.
fn neglected() -> Story {
    let mut story = Story::of(Nature::MissingChild).with_conflict();
    let reason = PauseReason::ConflictReview;
    story.work(at(1), |epoch| Deed::PauseClock(epoch, COMPLETION, reason));
    story.act("ana", at(2), Deed::ResumeClock(1, COMPLETION));
    story.release(at(2));
    for minute in [3, 7, 120, 121] {
        story.wake(at(minute));
    }
    assert_eq!(kinds(&story.open()), [FIRST, COMPLETION]);
    story
}

fn closes(events: &[Event]) -> Vec<ClockKind> {
    let closed = events.iter().filter_map(|event| match event {
        Event::PagesClosed { clock } => Some(*clock),
        _ => None,
    });
    closed.collect()
}

#[test]
fn an_answer_closes_the_pages_of_its_clock_and_no_other() {
    let mut story = neglected();
    let first: Vec<_> = story.open().into_iter().filter(|key| key.clock == FIRST).collect();
    let events = story.work(at(122), |epoch| Deed::Respond(epoch, IN_PROGRESS));
    assert_eq!(closes(&events), [FIRST]);
    assert_eq!(kinds(&story.open()), [COMPLETION]);
    for key in first {
        assert_eq!(story.record(key).closed_at, Some(at(122)));
    }
    // The next word closes what was paged because it was missing.
    story.wake(at(122 + 50));
    assert_eq!(kinds(&story.open()), [COMPLETION, PROGRESS]);
    let events = story.work(at(175), |epoch| Deed::SendUpdate(epoch, None));
    assert_eq!(closes(&events), [PROGRESS]);
    assert_eq!(kinds(&story.open()), [COMPLETION]);
    assert_eq!(story.record(story.key(PROGRESS, 0, 50)).closed_at, Some(at(175)));
    // Begun anew it pages anew, under a key of its own.
    story.wake(at(175 + 50));
    assert!(story.record(story.key(PROGRESS, 1, 50)).is_open());
}

#[test]
fn the_end_of_a_case_closes_all_that_ends_with_it() {
    let ends: [fn(&mut Story) -> Vec<Event>; 2] = [
        |story| story.work(at(122), |epoch| Deed::Respond(epoch, FirstResponseKind::NoData)),
        |story| {
            story.act("portal", at(122), Deed::Withdraw);
            story.work(at(122), Deed::ConfirmWithdrawal)
        },
    ];
    for end in ends {
        let mut story = neglected();
        let events = end(&mut story);
        assert_eq!(closes(&events), [FIRST, COMPLETION]);
        assert_eq!(story.open(), []);
        assert!(story.case.pages.iter().all(|record| record.closed_at == Some(at(122))));
    }
}

#[test]
fn a_settled_clock_closes_its_pages() {
    let kind = ClockKind::ExPostValidation;
    let mut story = Story::with(Nature::MissingChild, |s| s.is_without_validation = true);
    story.act("bo", at(1), Deed::RecordVerification(called_back("fr-pnij")));
    let subscriber = urgence::core::DataCategory::Subscriber;
    let disclosed = urgence::core::Disposition::Disclosed;
    let proposed = crate::make::by_category(&[(subscriber, disclosed)]);
    story.work(at(1), |epoch| Deed::ProposeOutcome(epoch, proposed));
    story.act("bo", at(1), approve(1));
    story.wake(START + hours(36));
    assert_eq!(story.open().iter().filter(|key| key.clock == kind).count(), 1);
    let others = story.open().len() - 1;
    story.act("lea", START + hours(37), Deed::SettleClock(kind, Settlement::Kept));
    assert!(story.open().iter().all(|key| key.clock != kind) && story.open().len() == others);
}

#[test]
fn a_term_that_is_over_closes_what_it_paged_for_and_its_end_is_told_until_somebody_has_seen_it() {
    let kind = ClockKind::Preservation;
    for is_late in [false, true] {
        let mut story = Story::of(Nature::MissingChild);
        story.act("portal", START, Deed::RequestPreservation);
        story.act("lea", START, Deed::SetLegalHold(true));
        story.work(at(1), |epoch| Deed::Respond(epoch, FirstResponseKind::NoData));
        let [target, limit] = [83, 90].map(|day| story.key(kind, 0, day * DAY));
        if !is_late {
            story.wake(START + days(83));
            assert_eq!(story.open(), [target]);
        }
        let events = story.wake(START + days(90));
        let sent = events.iter().find_map(|event| match event {
            Event::Paged(page) => Some((page.key, page.cause)),
            _ => None,
        });
        // Seen late, whoever should have heard of the target hears of the end.
        let cause = if is_late { PageCause::CatchUp } else { PageCause::Due };
        assert_eq!(sent, Some((limit, cause)));
        assert!(story.case.clock(kind).unwrap().is_stopped());
        assert_eq!(story.open(), [limit]);
        assert_eq!(story.case.page(target).is_some(), !is_late);
        let events = story.act("bo", START + days(90) + hours(1), Deed::AcknowledgePage(limit));
        assert_eq!(closes(&events), [kind]);
        assert_eq!(story.open(), []);
    }
}

#[test]
fn what_falls_due_with_the_act_that_ends_it_is_not_told() {
    for minute in [3, 20, 33] {
        let mut story = Story::of(Nature::MissingChild);
        story.wake(just_before(at(minute)));
        story.act("ana", just_before(at(minute)), Deed::Claim);
        story.act("ana", just_before(at(minute)), Deed::Release(1));
        let events = story.act("ana", at(minute), Deed::Respond(1, IN_PROGRESS));
        assert_eq!(rungs(&events), (vec![minute], vec![]), "it passed");
        assert_eq!(page(&events), None, "and what it was about is over");
        assert_eq!(story.open(), []);
    }
}

#[test]
fn of_a_case_that_falls_back_the_pages_of_both_cycles_are_open_until_its_clock_stops() {
    let mut story = Story::held(Nature::MissingChild, 1);
    story.wake(at(6));
    let [old, new] = [story.key(FIRST, 0, 0), story.key(FIRST, 1, 3)];
    assert_eq!(story.open(), [old, new]);
    story.work(at(7), |epoch| Deed::Respond(epoch, IN_PROGRESS));
    assert_eq!(story.open(), []);
}

#[test]
fn a_sink_that_takes_what_is_over_is_told_to_close_it() {
    let mut story = Story::held(Nature::MissingChild, 1);
    let key = story.key(FIRST, 0, 0);
    story.act("ana", at(2), Deed::Respond(1, IN_PROGRESS));
    let sink: urgence::core::SinkName = "log".parse().unwrap();
    for (answer, is_held) in [(SinkAnswer::Taken, true), (SinkAnswer::Resolved, false)] {
        let events = story.report(at(3), Report::Answered(key, sink.clone(), answer));
        let told = Event::PageAnswered { key, sink: sink.clone(), answer };
        assert_eq!(events[0], told);
        assert_eq!(closes(&events), Vec::from_iter(is_held.then_some(FIRST)));
        assert_eq!(story.record(key).is_held_by(&sink), is_held);
        assert_eq!(story.record(key).closed_at, Some(at(2)), "it stays closed since then");
    }
}

#[test]
fn a_year_of_repeats_keeps_a_bounded_record() {
    let mut story = Story::of(Nature::Routine);
    let until = START + days(365);
    let mut wakes = 0;
    while let Some(now) = wake_at(&story.case).filter(|now| *now < until) {
        let Some(Event::Paged(sent)) =
            story.wake(now).pop().filter(|it| matches!(it, Event::Paged(_)))
        else {
            // The 33rd open page closes the oldest.
            panic!("a page comes last");
        };
        wakes += 1;
        let open = story.open();
        assert!(open.len() <= PageRecord::OPEN_MAX && open.contains(&sent.key));
        assert!(story.case.pages.len() <= PageRecord::KEPT_MAX);
        let newest: Vec<_> = story.case.pages.iter().rev().take(open.len()).rev().collect();
        assert!(newest.iter().all(|record| record.is_open()), "the oldest are closed first");
    }
    assert!(wakes > 360, "{wakes}");
    assert_eq!(story.open().len(), PageRecord::OPEN_MAX);
    assert_eq!(story.case.pages.len(), PageRecord::KEPT_MAX);
}

#[test]
fn what_is_open_or_held_somewhere_is_forgotten_last() {
    let mut story = Story::answered(Nature::Routine, IN_PROGRESS);
    story.wake(START + days(5));
    let open = story.key(COMPLETION, 0, 5 * DAY);
    assert!(story.record(open).is_open());
    let mut held = Vec::new();
    let mut now = START + days(5);
    for round in 0..80 {
        story.work(now, |epoch| Deed::SendUpdate(epoch, None));
        story.release(now);
        now = now + minutes(50);
        story.wake(now);
        let newest = *story.open().last().unwrap();
        assert_eq!(newest.clock, PROGRESS);
        if round < 10 {
            story.report(now, Report::Answered(newest, "log".parse().unwrap(), SinkAnswer::Taken));
            held.push(newest);
        }
        now = now + minutes(5);
    }
    assert_eq!(story.case.pages.len(), PageRecord::KEPT_MAX);
    assert!(story.case.page(open).is_some_and(PageRecord::is_open), "it is open");
    assert!(held.iter().all(|key| story.case.page(*key).is_some()), "and these at a sink");
}

#[test]
fn a_tombstone_has_no_pages_and_what_was_sent_for_it_is_closed() {
    let mut story = Story::of(Nature::MissingChild);
    story.deliver(at(0));
    let record = story.case.pages[0].clone();
    let key = record.page.key;
    story.work(at(1), |epoch| Deed::Respond(epoch, FirstResponseKind::NoData));
    let purge_at = wake_at(&story.case).unwrap();
    assert_eq!(story.wake(purge_at), [Event::Purged]);
    assert!(story.case.pages.is_empty());
    let sink: urgence::core::SinkName = "log".parse().unwrap();
    let now = purge_at + hours(1);
    for answer in SinkAnswer::ALL.iter().copied() {
        assert_eq!(story.report(now, Report::Answered(key, sink.clone(), answer)), []);
    }
    assert_eq!(story.report(now, Report::Unreached(key, 0)), []);
    assert!(story.case.pages.is_empty());
    let sent = SentPage { page: record.page, at: now, taken_by: [sink.clone()].into() };
    let events = story.report(now, Report::FromMemory(vec![sent.clone()]));
    assert_eq!(closes(&events), [FIRST]);
    assert!(story.open().is_empty() && story.record(key).is_held_by(&sink));
    assert_eq!(story.report(now, Report::FromMemory(vec![sent])), []);
}

#[test]
fn a_term_that_ends_with_what_was_said_tells_nobody() {
    let mut story = Story::of(Nature::MissingChild);
    story.act("portal", START, Deed::RequestPreservation);
    story.work(at(1), |epoch| Deed::Respond(epoch, FirstResponseKind::NoData));
    let events = story.wake(START + days(1_000));
    assert!(events.contains(&Event::Purged));
    assert_eq!(page(&events), None);
    assert!(story.case.pages.is_empty());
}

fn synthetic() -> Story {
    let mut story = Story::of(Nature::MissingChild);
    let accept = Command::Accept(Intake::synthetic(7));
    story.case = next(decide(None, &accept, START, policy())).case;
    story
}

#[test]
fn a_synthetic_case_waits_apart_is_sorted_with_none_and_soon_gone() {
    let mut story = synthetic();
    assert!(story.case.is_synthetic() && !Story::of(Nature::MissingChild).case.is_synthetic());
    let projected = project(&story.case);
    assert_eq!((projected.ready, projected.unanswered), (None, None));
    assert!(projected.synthetic.is_some() && projected.wake_at.is_some());
    assert!(project(&Story::of(Nature::MissingChild).case).synthetic.is_none());
    for sorting in [
        Sorting::JoinIncident("paris".parse().unwrap()),
        crate::likely_duplicates::found(&["de-bka"]),
    ] {
        assert_eq!(story.command_of_nobody(&Command::Sort(sorting), START), []);
    }
    // Its rungs and pages are like those of any other.
    assert_eq!(story.open(), [story.key(FIRST, 0, 0)]);
    story.act("ana", at(1), Deed::Claim);
    assert_eq!(project(&story.case).synthetic, None);
    story.act("ana", at(2), Deed::Respond(1, FirstResponseKind::NoData));
    assert_eq!(wake_at(&story.case), Some(at(62)), "an hour");
    assert_eq!(story.wake(at(62)), [Event::Purged]);
    // Another of its number is the same request, another number is another.
    let case = |number| Intake::synthetic(number).case_id();
    assert!(case(7) == story.case.id && case(8) != story.case.id);
}
