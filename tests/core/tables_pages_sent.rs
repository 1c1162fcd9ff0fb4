//! Pages that took another way: to the contacts of a later rung, when nobody was reached, and without
//! the store, when it could not be.

use std::time::Duration;

use urgence::core::projection::wake_at;
use urgence::core::{
    Case, ClockKind, Command, Deed, Event, FirstResponseKind, Nature, Page, PageCause, PageRecord,
    PauseReason, Report, RungRecord, SentPage, SinkAnswer, SinkName, Timestamp, decide,
};

use crate::make::{IN_PROGRESS, START, Story, at, hours, next, page, policy, rungs};

const FIRST: ClockKind = ClockKind::FirstResponse;
const COMPLETION: ClockKind = ClockKind::Completion;
const LATE: Duration = Duration::from_secs(5);

fn log() -> SinkName {
    "log".parse().unwrap()
}

/// The page of a change.
#[track_caller]
fn paged(events: &[Event]) -> Page {
    let page = events.iter().find_map(|event| match event {
        Event::Paged(page) => Some(page.clone()),
        _ => None,
    });
    page.expect("a page went out")
}

fn fired(events: &[Event]) -> Vec<&RungRecord> {
    let fired = events.iter().filter_map(|event| match event {
        Event::RungFired(record) => Some(record),
        _ => None,
    });
    fired.collect()
}

/// What a replica sends that knows of the case only this, and sees every wake until `until` five
/// seconds late.
fn sent(case: &Case, until: Timestamp) -> Vec<SentPage> {
    let mut case = case.clone();
    let mut sent = Vec::new();
    while let Some(due_at) = wake_at(&case).filter(|due_at| *due_at <= until) {
        let next = next(decide(Some(&case), &Command::Wake, due_at, policy()));
        sent.extend(next.events.iter().filter_map(|event| match event {
            Event::Paged(page) => {
                let at = due_at + LATE;
                Some(SentPage { page: page.clone(), at, taken_by: [log()].into() })
            }
            _ => None,
        }));
        case = next.case;
    }
    sent
}

#[test]
fn a_page_that_nobody_has_goes_on_to_the_contacts_of_the_next_rungs() {
    let mut story = Story::of(Nature::MissingChild);
    let key = story.key(FIRST, 0, 0);
    let ladder = policy().clock(FIRST, story.case.nature.class()).ladder.clone();
    let rungs = u32::try_from(ladder.rungs.len()).unwrap();
    for widened in 0..rungs {
        let now = START + Duration::from_secs(u64::from(widened) + 1);
        assert_eq!(story.report(now, Report::Unreached(key, widened + 1)), [], "not so far yet");
        let before = story.case.clone();
        let events = story.report(now, Report::Unreached(key, widened));
        let page = paged(&events);
        assert_eq!(events.len(), 1);
        assert_eq!((page.key, page.cause), (key, PageCause::Unreached));
        assert_eq!(page.contacts, *ladder.rung(widened + 1).contacts);
        assert_eq!(story.record(key).widened, widened + 1);
        assert_eq!(story.record(key).queued_at, START, "it is the same page");
        assert_eq!(story.case.pages.len(), 1);
        assert_eq!(story.case.clocks, before.clocks, "no rung has passed by it");
        assert_eq!(story.report(now, Report::Unreached(key, widened)), [], "told twice");
    }
    // The repeat names whom every repeat names; there is nobody new behind it.
    assert_eq!(story.record(key).page.contacts, ladder.repeat_contacts);
    assert_eq!(story.report(at(1), Report::Unreached(key, rungs)), []);
}

#[test]
fn what_nobody_has_goes_on_from_its_own_rung() {
    let ladder = policy().clock(FIRST, Nature::MissingChild.class()).ladder.clone();
    for (minute, number) in [(3, Some(2)), (25, Some(7)), (30, Some(9)), (33, None), (36, None)] {
        let mut story = Story::of(Nature::MissingChild);
        while let Some(now) = wake_at(&story.case).filter(|now| *now <= at(minute)) {
            story.wake(now);
        }
        let key = story.key(FIRST, 0, minute);
        let events = story.report(at(minute), Report::Unreached(key, 0));
        let contacts = (!events.is_empty()).then(|| paged(&events).contacts);
        assert_eq!(contacts, number.map(|number| ladder.rung(number).contacts.clone()), "{minute}");
    }
}

#[test]
fn what_is_over_or_not_wanted_or_never_went_out_goes_nowhere() {
    let story = Story::of(Nature::MissingChild);
    let key = story.key(FIRST, 0, 0);
    let mut claimed = story.clone();
    claimed.act("ana", at(1), Deed::Claim);
    assert_eq!(claimed.report(at(1), Report::Unreached(key, 0)), [], "somebody has the case");
    let mut answered = claimed.clone();
    answered.act("ana", at(1), Deed::Respond(1, IN_PROGRESS));
    answered.release(at(1));
    assert_eq!(answered.report(at(1), Report::Unreached(key, 0)), [], "it is over");
    for unknown in
        [story.key(FIRST, 0, 3), story.key(FIRST, 1, 0), story.key(ClockKind::Reply, 0, 0)]
    {
        assert_eq!(story.clone().report(at(1), Report::Unreached(unknown, 0)), []);
    }
    // With a rung that falls due, one page tells both.
    let mut story = story;
    let page = paged(&story.report(at(7), Report::Unreached(key, 0)));
    assert_eq!((page.key, page.cause), (story.key(FIRST, 0, 7), PageCause::CatchUp));
    assert_eq!(story.record(key).widened, 1);
}

#[test]
fn what_was_sent_without_the_store_is_recorded_with_its_own_time_and_not_sent_again() {
    let mut story = Story::of(Nature::MissingChild);
    let memory = sent(&story.case, at(7));
    assert_eq!(memory.len(), 2);
    let report = Report::FromMemory(memory.clone());
    let events = story.report(at(13), report.clone());
    assert_eq!(rungs(&events), (vec![3, 7, 12], vec![]));
    let lateness: Vec<_> = fired(&events).iter().map(|record| record.lateness).collect();
    assert_eq!(lateness, [LATE, LATE, Duration::from_secs(60)]);
    let new = paged(&events);
    assert_eq!((new.key, new.cause), (story.key(FIRST, 0, 12), PageCause::Due));
    for sent in &memory {
        let (page, at, key) = (sent.page.clone(), sent.at, sent.page.key);
        assert!(events.contains(&Event::PagedFromMemory { page: page.clone(), at }));
        let told = Event::PageAnswered { key, sink: log(), answer: SinkAnswer::Taken };
        assert!(events.contains(&told));
        let record = story.record(key);
        assert_eq!((&record.page, record.queued_at), (&page, at));
        assert!(record.is_open() && record.is_held_by(&log()));
    }
    assert_eq!(story.case.pages.len(), 4);
    let before = story.case.clone();
    assert_eq!(story.report(at(13), report), [], "told twice");
    assert_eq!(story.case, before);
}

/// Two hours after the acceptance a repeat of the one clock and a rung of the other fall due at once:
/// one page stood for both.
#[test]
fn a_page_for_two_clocks_that_was_sent_without_the_store_stands_for_both() {
    let mut story = Story::of(Nature::MissingChild);
    story.wake(at(117));
    let memory = sent(&story.case, at(120));
    assert_eq!((memory.len(), memory[0].page.cause), (1, PageCause::CatchUp));
    let events = story.report(at(120) + 2 * LATE, Report::FromMemory(memory.clone()));
    assert!(!events.iter().any(|event| matches!(event, Event::Paged(_))), "{events:?}");
    let fired: Vec<_> = fired(&events).iter().map(|it| (it.clock, it.lateness)).collect();
    assert_eq!(fired, [(FIRST, LATE), (COMPLETION, LATE)]);
    let record = story.record(memory[0].page.key);
    assert_eq!((record.queued_at, record.taken_at), (memory[0].at, Some(memory[0].at)));
}

/// The page for a claim that ran out names the latest rung too, and is another page all the same.
#[test]
fn a_page_that_was_sent_without_the_store_stands_for_no_claim_that_was_lost() {
    let mut story = Story::of(Nature::MissingChild);
    story.wake(at(117));
    let memory = sent(&story.case, at(120));
    story.act("ana", at(117), Deed::Claim);
    let events = story.report(at(122) + LATE, Report::FromMemory(memory));
    let lost = paged(&events);
    assert_eq!((lost.key, lost.cause), (story.key(FIRST, 1, 120), PageCause::ClaimLost));
}

#[test]
fn what_was_not_sent_is_told_by_one_page() {
    let mut story = Story::of(Nature::MissingChild);
    let memory: Vec<_> = sent(&story.case, at(7)).into_iter().skip(1).collect();
    let events = story.report(at(13), Report::FromMemory(memory));
    assert_eq!(rungs(&events), (vec![3, 7, 12], vec![]));
    let page = paged(&events);
    assert_eq!((page.key, page.cause), (story.key(FIRST, 0, 12), PageCause::CatchUp));
    let ladder = &policy().clock(FIRST, story.case.nature.class()).ladder;
    assert_eq!(page.contacts, ladder.rung(1).contacts | ladder.rung(3).contacts);
    assert!(story.case.page(story.key(FIRST, 0, 3)).is_none());
}

#[test]
fn repeats_that_were_sent_without_the_store_are_recorded_one_by_one() {
    let mut story = Story::of(Nature::MissingChild);
    story.wake(at(30));
    let memory = sent(&story.case, at(36));
    assert_eq!(memory.len(), 2);
    let events = story.report(at(43), Report::FromMemory(memory));
    let run: Vec<_> = fired(&events).iter().map(|it| (it.due_at, it.count, it.lateness)).collect();
    assert_eq!(run[..2], [(at(33), 1, LATE), (at(36), 1, LATE)]);
    // The rest was seen by nobody: one run.
    assert_eq!(run[2..], [(at(42), 2, Duration::from_secs(60))]);
    assert_eq!(paged(&events).key, story.key(FIRST, 0, 42));
}

/// What a case that has gone on without the replica notes of what it sent.
#[track_caller]
fn in_vain(story: &mut Story, memory: &[SentPage], now: Timestamp) {
    let is_known = story.case.page(memory[0].page.key).is_some();
    assert!(!is_known);
    let (clocks, claim) = (story.case.clocks.clone(), story.case.claim.clone());
    let events = story.report(now, Report::FromMemory(memory.to_vec()));
    assert_eq!(page(&events), None, "{events:?}");
    for sent in memory {
        let record = story.record(sent.page.key);
        assert_eq!((record.queued_at, record.closed_at), (sent.at, Some(now)));
        assert!(record.is_held_by(&log()), "somebody must close it there");
        let clock = sent.page.key.clock;
        assert!(events.contains(&Event::PagesClosed { clock }));
    }
    assert_eq!((&story.case.clocks, &story.case.claim), (&clocks, &claim));
    assert_eq!(story.report(now, Report::FromMemory(memory.to_vec())), [], "told twice");
}

#[test]
fn what_was_sent_in_vain_is_recorded_and_closed_at_once() {
    let fresh = Story::of(Nature::MissingChild);
    let memory = sent(&fresh.case, at(3));
    let mut answered = fresh.clone();
    answered.work(at(1), |epoch| Deed::Respond(epoch, IN_PROGRESS));
    in_vain(&mut answered, &memory, at(4));
    let mut claimed = fresh.clone();
    claimed.act("ana", at(1), Deed::Claim);
    claimed.wake(at(3));
    in_vain(&mut claimed, &memory, at(4));
    // A cycle that there is not: the replica believed the claim to be lost.
    let mut held = fresh.clone();
    held.act("ana", at(1), Deed::Claim);
    let memory = sent(&held.case, at(6));
    assert_eq!(memory.iter().map(|sent| sent.page.key.cycle).collect::<Vec<_>>(), [1]);
    held.act("ana", at(5), Deed::Renew(1));
    in_vain(&mut held, &memory, at(6) + LATE);
}

#[test]
fn a_rung_that_was_told_in_vain_is_told_when_it_comes() {
    // The replica did not know that the clock stood still.
    let mut story = Story::answered(Nature::MissingChild, IN_PROGRESS).with_conflict();
    story.release(at(6));
    let believed = story.case.clone();
    let reason = PauseReason::ConflictReview;
    let pause = |epoch| Deed::PauseClock(epoch, COMPLETION, reason);
    story.work(at(50), pause);
    let memory: Vec<_> = sent(&believed, at(120))
        .into_iter()
        .filter(|sent| sent.page.key == story.key(COMPLETION, 0, 120))
        .collect();
    assert_eq!(memory.len(), 1);
    story.work(at(100), |epoch| Deed::SendUpdate(epoch, None));
    story.work(at(121), |epoch| Deed::SendUpdate(epoch, None));
    in_vain(&mut story, &memory, at(122));
    story.work(at(130), |epoch| Deed::ResumeClock(epoch, COMPLETION));
    story.work(at(170), |epoch| Deed::SendUpdate(epoch, None));
    story.release(at(170));
    // Told once more just then, it is not taken for what is due now.
    let mut told = story.clone();
    let events = told.report(at(200), Report::FromMemory(memory.clone()));
    assert_eq!(paged(&events).key, memory[0].page.key);
    let events = story.wake(at(200));
    let page = paged(&events);
    assert_eq!(page.key, memory[0].page.key);
    assert_eq!(told.record(page.key), story.record(page.key));
    let record = story.record(page.key);
    assert!(story.case.wants(record) && !record.is_held() && record.queued_at == at(200));
}

#[test]
fn what_the_store_had_sent_itself_gets_the_takers_only() {
    let mut story = Story::of(Nature::MissingChild);
    let mut memory = sent(&story.case, at(3));
    memory[0].taken_by.insert("hook".parse().unwrap());
    story.wake(at(3));
    let key = story.key(FIRST, 0, 3);
    story.report(at(3), Report::Answered(key, log(), SinkAnswer::Taken));
    let events = story.report(at(4), Report::FromMemory(memory));
    let sink = "hook".parse().unwrap();
    assert_eq!(events, [Event::PageAnswered { key, sink, answer: SinkAnswer::Taken }]);
    assert_eq!(story.record(key).queued_at, at(3));
    assert_eq!(story.record(key).taken_at, Some(at(3)));
    assert!(story.record(key).is_open());
}

#[test]
fn what_was_closed_at_a_sink_and_sent_there_again_is_open_there() {
    let mut story = Story::of(Nature::MissingChild);
    let memory = sent(&story.case, at(3));
    story.wake(at(3));
    let key = story.key(FIRST, 0, 3);
    let answered = |answer| Report::Answered(key, log(), answer);
    story.report(at(3), answered(SinkAnswer::Taken));
    story.act("ana", at(3), Deed::Claim);
    story.act("ana", at(3), Deed::Respond(1, IN_PROGRESS));
    story.report(at(3) + Duration::from_secs(1), answered(SinkAnswer::Resolved));
    // It was sent once more when it had been closed already.
    let report = Report::FromMemory(memory);
    let events = story.report(at(4), report.clone());
    let told = Event::PageAnswered { key, sink: log(), answer: SinkAnswer::Taken };
    assert_eq!(events, [told, Event::PagesClosed { clock: FIRST }]);
    assert_eq!(story.report(at(4), report.clone()), []);
    assert_eq!(story.report(at(5), answered(SinkAnswer::Resolved)).len(), 1);
    assert_eq!(story.report(at(6), report), [], "it was closed after that");
    assert!(!story.record(key).is_held());
}

#[test]
fn nothing_sent_is_nothing_to_record() {
    let mut story = Story::of(Nature::MissingChild);
    assert_eq!(story.report(at(1), Report::FromMemory(Vec::new())), []);
    let events = story.report(START + hours(1), Report::FromMemory(Vec::new()));
    assert_eq!(fired(&events).last().unwrap().count, 10, "and what is due is due");
}

#[test]
fn what_was_told_in_vain_is_the_newest_when_it_comes_whatever_else_is_open() {
    let mut story = Story::answered(Nature::MissingChild, FirstResponseKind::NeedInformation);
    story.release(at(6));
    // The replica did not know what time it was: it sent for the outcome, two hours early.
    let key = story.key(COMPLETION, 0, 120);
    let mut memory = sent(&story.case, at(120));
    memory.retain(|sent| sent.page.key == key);
    assert_eq!(memory.len(), 1);
    story.report(at(6), Report::FromMemory(memory));
    assert!(!story.record(key).is_open());
    // Then nobody gives the reply, and more pages are open than are kept open.
    story.act("portal", at(7), Deed::ProvideInformation);
    for minute in 8..120 {
        story.wake(at(minute));
    }
    assert_eq!(story.open().len(), PageRecord::OPEN_MAX);
    let events = story.wake(at(120));
    assert_eq!(paged(&events).key, key);
    assert!(story.case.wants(story.record(key)), "it goes out");
}
