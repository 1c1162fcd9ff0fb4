//! The policy that keeps the public promise when no file says otherwise.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Promise, Rules};
use crate::core::clock::ClockKind;
use crate::core::ladder::{Ladder, Rung};
use crate::core::nature::{Band, Nature};
use crate::core::outcome::RetentionClass;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

impl Rules {
    /// The default: 20 and 30 minutes for emergencies, working hours' pace for the rest.
    pub(super) fn built_in() -> Self {
        Self {
            bands: bands(),
            emergency: first_response(),
            routine: routine_first_response(),
            emergency_completion: promise(
                HOUR,
                3,
                4,
                vec![
                    Rung::ordinary(HOUR * 2, &["desk"]),
                    Rung::always(HOUR * 3, &["shift-lead"]),
                    Rung::always(HOUR * 4, &["duty-manager", "head-of-desk"]),
                ],
                (HOUR, "duty-manager"),
            ),
            routine_completion: promise(
                DAY,
                7,
                10,
                vec![
                    Rung::ordinary(DAY * 5, &["desk"]),
                    Rung::always(DAY * 7, &["desk"]),
                    Rung::always(DAY * 10, &["shift-lead"]),
                ],
                (DAY, "shift-lead"),
            ),
            clocks: clocks(),
            // The figures are those that providers publish and that the Regulation names; what
            // binds a provider is for its jurists to put into the policy.
            extensions: BTreeMap::from([
                (ClockKind::Preservation, DAY * 90),
                (ClockKind::EEvidencePreservation, DAY * 30),
            ]),
            retention: BTreeMap::from([
                (RetentionClass::Disclosed, DAY * 365),
                (RetentionClass::NotDisclosed, DAY * 90),
                (RetentionClass::Fraud, DAY * 730),
            ]),
            lease: MINUTE * 5,
        }
    }
}

/// A promise in whole units.
fn promise(
    unit: Duration,
    target: u32,
    limit: u32,
    rungs: Vec<Rung>,
    (repeat_every, repeat_contact): (Duration, &str),
) -> Promise {
    let repeat_contacts = Rung::contacts(&[repeat_contact]);
    Promise {
        target: unit * target,
        limit: unit * limit,
        ladder: Ladder { rungs, repeat_every, repeat_contacts },
    }
}

fn clocks() -> BTreeMap<ClockKind, Promise> {
    // The target and the limit of a term or a legal duty: a warning in time, and the end.
    let term = |unit: Duration, target: u32, limit: u32, warned: &str, ended: &str| {
        let rungs = vec![
            Rung::always(unit * target, &[warned]),
            Rung::always(unit * limit, &[warned, ended]),
        ];
        promise(unit, target, limit, rungs, (DAY, ended))
    };
    let progress = promise(
        MINUTE,
        50,
        60,
        vec![
            Rung::always(MINUTE * 50, &["desk"]),
            Rung::always(MINUTE * 60, &["desk", "shift-lead"]),
        ],
        (MINUTE * 15, "shift-lead"),
    );
    let emergency_order = promise(
        HOUR,
        6,
        8,
        vec![
            Rung::ordinary(HOUR * 4, &["desk"]),
            Rung::always(HOUR * 6, &["legal-on-call"]),
            Rung::always(HOUR * 8, &["legal-on-call", "head-of-desk"]),
        ],
        (HOUR, "head-of-desk"),
    );
    BTreeMap::from([
        (ClockKind::Question, term(HOUR, 12, 24, "desk", "shift-lead")),
        (ClockKind::Progress, progress),
        (ClockKind::EEvidenceEmergency, emergency_order),
        (ClockKind::EEvidence, term(DAY, 8, 10, "legal-on-call", "head-of-desk")),
        (ClockKind::Preservation, term(DAY, 83, 90, "desk", "legal-on-call")),
        (ClockKind::EEvidencePreservation, term(DAY, 53, 60, "desk", "legal-on-call")),
        (ClockKind::ExPostValidation, term(HOUR, 36, 48, "desk", "legal-on-call")),
        (ClockKind::NonDisclosure, term(DAY, 23, 30, "legal-on-call", "desk")),
        (ClockKind::UserNotice, term(DAY, 14, 30, "legal-on-call", "head-of-desk")),
        (ClockKind::DeliveryConfirmation, term(HOUR, 12, 24, "desk", "shift-lead")),
    ])
}

fn bands() -> BTreeMap<Nature, Band> {
    let bands = Nature::ALL.iter().copied().map(|nature| {
        let number = match nature {
            // A life may be lost before the next rung: these go before everything.
            Nature::TerrorismInProgress | Nature::Kidnapping => 0,
            Nature::TerrorismImminent
            | Nature::ThreatToLife
            | Nature::SeriousInjury
            | Nature::MissingChild
            | Nature::MissingVulnerableAdult
            | Nature::SuicideRisk
            | Nature::ChildSexualAbuseOngoing
            | Nature::BombThreat
            | Nature::SchoolThreat => 1,
            Nature::CriticalInfrastructure => 2,
            Nature::Routine => 3,
        };
        (nature, Band::new(number).expect("0 to 3 are bands"))
    });
    bands.collect()
}

fn first_response() -> Promise {
    Promise {
        target: MINUTE * 20,
        limit: MINUTE * 30,
        ladder: Ladder {
            rungs: vec![
                Rung::ordinary(Duration::ZERO, &["desk"]),
                Rung::ordinary(MINUTE * 3, &["desk", "shift-lead"]),
                Rung::ordinary(MINUTE * 7, &["desk", "shift-lead"]),
                Rung::ordinary(MINUTE * 12, &["duty-manager"]),
                Rung::always(MINUTE * 17, &["legal-on-call"]),
                Rung::always(MINUTE * 20, &["head-of-desk"]),
                Rung::always(MINUTE * 25, &["executive"]),
                Rung::always(MINUTE * 28, &["executive"]),
                Rung::always(MINUTE * 30, &["all"]),
            ],
            repeat_every: MINUTE * 3,
            repeat_contacts: Rung::contacts(&["all"]),
        },
    }
}

fn routine_first_response() -> Promise {
    Promise {
        target: HOUR * 24,
        limit: HOUR * 72,
        ladder: Ladder {
            rungs: vec![
                Rung::ordinary(HOUR * 12, &["desk"]),
                Rung::always(HOUR * 24, &["shift-lead"]),
                Rung::always(HOUR * 72, &["duty-manager"]),
            ],
            repeat_every: HOUR * 24,
            repeat_contacts: Rung::contacts(&["duty-manager"]),
        },
    }
}
