//! A policy so small that every interleaving can be walked: a tick stands for whatever lies between
//! two instants at which something changes, and every promise is a few ticks long.

use std::sync::LazyLock;
use std::time::Duration;

use urgence::core::clock::ClockKind;
use urgence::core::ladder::{Ladder, Rung};
use urgence::core::policy::{CLOCKS, Promise, Rules};
use urgence::core::{Policy, RetentionClass, Timestamp};

/// The time between two neighbouring instants.
pub const TICK: Duration = Duration::from_mins(1);

/// The instant `tick` ticks after the first.
pub fn at(tick: u8) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000) + TICK * u32::from(tick)
}

/// The one policy of all models, made once.
pub fn policy() -> &'static Policy {
    static POLICY: LazyLock<Policy> =
        LazyLock::new(|| Policy::new(rules()).expect("these rules follow the rules for rules"));
    &POLICY
}

fn rules() -> Rules {
    let built_in = Policy::built_in().rules().clone();
    Rules {
        emergency: Promise {
            target: TICK,
            limit: TICK * 2,
            ladder: ladder(vec![
                Rung::ordinary(Duration::ZERO, &["desk"]),
                Rung::ordinary(TICK / 2, &["desk", "shift-lead"]),
                Rung::always(TICK, &["head-of-desk"]),
                Rung::always(TICK * 2, &["all"]),
            ]),
        },
        routine: promise(TICK * 3, TICK * 4),
        emergency_completion: beyond(),
        // Of two promises a raise takes the earlier deadline, whichever it comes from.
        routine_completion: promise(TICK * 40, TICK * 70),
        clocks: CLOCKS.into_iter().map(|kind: ClockKind| (kind, beyond())).collect(),
        retention: RetentionClass::ALL.iter().map(|class| (*class, TICK)).collect(),
        lease: TICK * 2,
        ..built_in
    }
}

/// A promise beyond the last instant of every model.
fn beyond() -> Promise {
    promise(TICK * 50, TICK * 60)
}

fn promise(target: Duration, limit: Duration) -> Promise {
    let rungs = vec![Rung::always(target, &["desk"]), Rung::always(limit, &["desk"])];
    Promise { target, limit, ladder: ladder(rungs) }
}

fn ladder(rungs: Vec<Rung>) -> Ladder {
    let all = "all".parse().expect("a word that follows the rule");
    Ladder { rungs, repeat_every: TICK / 2, repeat_contacts: [all].into() }
}
