//! Every sequence of six commands at the instants where something changes. States that differ
//! only in what they remember are walked once.

use std::collections::HashSet;
use std::time::Duration;

use urgence::core::projection::{project, wake_at};
use urgence::core::{
    Case, Command, Decision, Event, FirstResponseKind, Memory, Nature, Refusal, Timestamp, decide,
};

use crate::make::{accept, act, policy};

const COMMANDS: u32 = 6;

#[derive(Clone)]
struct Walked {
    case: Case,
    now: Timestamp,
}

/// What may be asked at a step. Each step has request ids of its own.
fn commands(case: &Case, step: u32) -> Vec<Command> {
    let kind = FirstResponseKind::InProgress { expected_within: Duration::from_secs(60) };
    let epoch = case.claim_epoch;
    let act = |by: &str, verb: &str| act(by, &format!("{verb}-{step}"));
    vec![
        Command::Wake,
        Command::Claim(act("ana", "claim")),
        Command::Claim(act("bo", "claim")),
        Command::Renew(act("ana", "renew"), epoch),
        Command::Release(act("ana", "release"), epoch),
        Command::Release(act("bo", "release"), epoch.saturating_sub(1)),
        Command::Respond(act("ana", "respond"), epoch, kind),
        Command::Respond(act("bo", "respond"), 1, FirstResponseKind::NoData),
    ]
}

/// This instant, the last before something falls due, that of it, and one long after an outage.
fn instants(case: &Case, now: Timestamp) -> Vec<Timestamp> {
    let mut instants = vec![now];
    if let Some(wake_at) = wake_at(case) {
        instants.push(Timestamp::from_millis(wake_at.as_millis() - 1).max(now));
        instants.push(wake_at);
        instants.push(wake_at + Duration::from_secs(16 * 60));
    }
    instants.dedup();
    instants
}

#[test]
fn every_walk_keeps_the_invariants() {
    let mut reached = 0_u64;
    let mut refusals = HashSet::new();
    let mut events = HashSet::new();
    for nature in [Nature::MissingChild, Nature::Routine] {
        let first = accept("r-1", nature, crate::make::START).case;
        let mut frontier = vec![Walked { now: first.last_event_at, case: first }];
        for step in 1..=COMMANDS {
            let mut seen = HashSet::new();
            let mut next_frontier = Vec::new();
            for Walked { case, now } in &frontier {
                for now in instants(case, *now) {
                    for command in commands(case, step) {
                        reached += 1;
                        match decide(Some(case), &command, now, policy()) {
                            Decision::Next(next) => {
                                check(case, &command, now, &next.case, &next.events);
                                events.extend(next.events.iter().map(std::mem::discriminant));
                                if seen.insert(shape(&next.case)) {
                                    next_frontier.push(Walked { case: next.case, now });
                                }
                            }
                            Decision::AlreadyTrue => {
                                assert!(matches!(command, Command::Wake));
                                assert!(wake_at(case).is_none_or(|at| at > now));
                            }
                            Decision::Refused(refusal) => _ = refusals.insert(refusal.to_string()),
                        }
                    }
                }
            }
            frontier = next_frontier;
        }
    }
    // The walk has been everywhere it claims to have been.
    assert!(reached > 100_000, "only {reached} decisions");
    let met = [
        Refusal::ClaimedByAnother,
        Refusal::CaseEnded,
        Refusal::EpochOver,
        Refusal::AlreadyAnswered,
    ];
    assert!(met.iter().all(|refusal| refusals.contains(&refusal.to_string())), "{refusals:?}");
    assert_eq!(events.len(), 8, "every event but Accepted");
}

/// The case without its memory and version, which no rule but recall reads.
fn shape(case: &Case) -> String {
    let plain = Case { memory: Memory::default(), version: 0, ..case.clone() };
    format!("{plain:?}")
}

fn check(before: &Case, command: &Command, now: Timestamp, after: &Case, events: &[Event]) {
    let policy = policy();
    assert_eq!(after.version, before.version + 1);
    assert!(after.last_event_at >= before.last_event_at);
    assert!(!events.is_empty());
    // An unanswered case has a wake, and it lies ahead.
    if after.is_unanswered() {
        assert!(wake_at(after).is_some_and(|at| at > now), "{after:?}");
    } else {
        assert_eq!(wake_at(after), after.claim.as_ref().map(|claim| claim.expires_at));
    }
    // The clock is law.
    assert_eq!(after.clock.started_at, before.clock.started_at);
    assert_eq!(after.clock.limit_at, before.clock.limit_at);
    assert_eq!(after.clock.target_at, before.clock.target_at);
    assert!(after.band <= before.band && after.claim_epoch >= before.claim_epoch);
    assert!(before.is_unanswered() || !after.is_unanswered());
    assert!(before.is_unanswered() || after.first_response == before.first_response);
    // Rungs pass in order, each once, none early.
    let mut number = before.clock.next_rung;
    for event in events {
        let (Event::RungFired(record) | Event::RungQuieted(record)) = event else { continue };
        let ladder = &policy.promise(before.nature.class()).ladder;
        let last = number + record.count - 1;
        assert_eq!(ladder.rung(last).offset, record.offset);
        assert_eq!(record.due_at, before.clock.started_at + record.offset);
        assert!(record.due_at <= now);
        number = last + 1;
    }
    assert_eq!(after.clock.next_rung, number);
    // One page at most, and it reaches somebody.
    let pages: Vec<_> = events
        .iter()
        .filter_map(|event| if let Event::Paged(page) = event { Some(page) } else { None })
        .collect();
    assert!(pages.len() <= 1 && pages.iter().all(|page| !page.contacts.is_empty()));
    let has_fired = events.iter().any(|event| matches!(event, Event::RungFired(_)));
    assert!(!has_fired || pages.len() == 1, "a rung that fires pages");
    // In the queue exactly while it waits for somebody.
    assert_eq!(project(after).ready.is_some(), after.is_unanswered() && after.claim.is_none());
    // Asked again, nothing happens.
    let again = if let Command::Wake = command { &Command::Wake } else { command };
    assert_eq!(decide(Some(after), again, now, policy), Decision::AlreadyTrue);
    assert_eq!(decide(Some(after), &Command::Wake, now, policy), Decision::AlreadyTrue);
}
