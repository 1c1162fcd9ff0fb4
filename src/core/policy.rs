//! What is promised for a case, and who is paged while the promise is open.
//!
//! A case carries the id of the policy it was accepted under and is decided by that policy for its
//! whole life, so an edit never moves a running clock.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::ladder::{Ladder, Rung};
use super::names::ContactName;
use super::nature::{Band, Class, Nature};
use super::time::millis;

/// The content address of a policy: two policies with the same id promise the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyId(pub [u8; 16]);

impl fmt::Display for PolicyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PolicyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What is promised to one class of requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    /// The desk's own objective for the first response.
    pub target: Duration,
    /// The public promise; passing it is a breach, for ever.
    pub limit: Duration,
    /// Who is paged until the first response is recorded.
    pub ladder: Ladder,
}

/// The rules of a policy, before it has an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The band of each nature.
    pub bands: BTreeMap<Nature, Band>,
    /// The promise to emergencies.
    pub emergency: Promise,
    /// The promise to everything else.
    pub routine: Promise,
    /// How long a claim lasts without an act on the case.
    pub lease: Duration,
}

/// A valid policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    id: PolicyId,
    rules: Rules,
}

/// One mistake in a policy: where it is and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The path of the faulty entry, such as `promises.emergency.ladder[2]`.
    pub path: String,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl Policy {
    /// Checks `rules` and gives them their identity.
    ///
    /// # Errors
    /// Every mistake at once, never only the first.
    pub fn new(rules: Rules) -> Result<Self, Vec<Mistake>> {
        let mistakes = rules.mistakes();
        if mistakes.is_empty() {
            Ok(Self { id: rules.content_address(), rules })
        } else {
            Err(mistakes)
        }
    }

    /// The policy that keeps the public promise, used when no file says otherwise.
    #[must_use]
    pub fn built_in() -> Self {
        Self::new(Rules::built_in()).expect("the built-in policy is tested to be valid")
    }

    /// The policy's content address.
    #[must_use]
    pub const fn id(&self) -> PolicyId {
        self.id
    }

    /// What the policy says.
    #[must_use]
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The band of a new case of this nature.
    #[must_use]
    pub fn band(&self, nature: Nature) -> Band {
        self.rules.band(nature)
    }

    /// What is promised to this class.
    #[must_use]
    pub const fn promise(&self, class: Class) -> &Promise {
        match class {
            Class::Emergency => &self.rules.emergency,
            Class::Routine => &self.rules.routine,
        }
    }

    /// How long a claim lasts without an act on the case.
    #[must_use]
    pub const fn lease(&self) -> Duration {
        self.rules.lease
    }
}

impl Rules {
    /// A nature that the table leaves out is a mistake, so in a valid policy this never guesses.
    fn band(&self, nature: Nature) -> Band {
        self.bands.get(&nature).copied().unwrap_or(Band::MOST_URGENT)
    }

    fn mistakes(&self) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        let mut mistake = |path: String, problem: &str| {
            mistakes.push(Mistake { path, problem: problem.to_owned() });
        };
        let routine_band = self.band(Nature::Routine);
        for nature in Nature::ALL.iter().copied() {
            if !self.bands.contains_key(&nature) {
                mistake(format!("bands.{}", nature.word()), "needs a band from 0 to 7");
            } else if nature.class() == Class::Emergency && self.band(nature) >= routine_band {
                let problem = "an emergency must be in a lower band than routine; lower this one";
                mistake(format!("bands.{}", nature.word()), problem);
            }
        }
        if self.lease < Duration::from_secs(1) || self.lease > Duration::from_hours(24) {
            mistake("lease".to_owned(), "must be from 1 second to 24 hours");
        }
        for (class, promise) in
            [(Class::Emergency, &self.emergency), (Class::Routine, &self.routine)]
        {
            let path = format!("promises.{}", class.word());
            if promise.target.is_zero() || promise.target >= promise.limit {
                mistake(format!("{path}.target"), "must be above zero and before the limit");
            }
            let needed = if class == Class::Emergency { Some(Duration::ZERO) } else { None };
            for offset in [promise.target, promise.limit].into_iter().chain(needed) {
                let rung = promise.ladder.rungs.iter().find(|rung| rung.offset == offset);
                if rung.is_none_or(|rung| rung.is_quieted_by_claim && !offset.is_zero()) {
                    let problem = format!(
                        "needs a rung at {offset:?} that fires whether or not the case is claimed"
                    );
                    mistake(format!("{path}.ladder"), &problem);
                }
            }
            for (place, problem) in promise.ladder.mistakes() {
                mistake(format!("{path}.{place}"), problem);
            }
        }
        mistakes
    }

    /// Hashes every rule, each with its length or in a fixed width, so that no two policies that
    /// differ share an id.
    fn content_address(&self) -> PolicyId {
        fn names(hasher: &mut Sha256, names: &BTreeSet<ContactName>) {
            hasher.update((names.len() as u64).to_be_bytes());
            for name in names {
                hasher.update((name.as_str().len() as u64).to_be_bytes());
                hasher.update(name.as_str());
            }
        }
        fn duration(hasher: &mut Sha256, duration: Duration) {
            hasher.update(millis(duration).to_be_bytes());
        }
        let mut hasher = Sha256::new();
        hasher.update(b"urgence policy 1");
        for (nature, band) in &self.bands {
            hasher.update((nature.word().len() as u64).to_be_bytes());
            hasher.update(nature.word());
            hasher.update([band.number()]);
        }
        duration(&mut hasher, self.lease);
        for promise in [&self.emergency, &self.routine] {
            duration(&mut hasher, promise.target);
            duration(&mut hasher, promise.limit);
            hasher.update((promise.ladder.rungs.len() as u64).to_be_bytes());
            for Rung { offset, contacts, is_quieted_by_claim } in &promise.ladder.rungs {
                duration(&mut hasher, *offset);
                hasher.update([u8::from(*is_quieted_by_claim)]);
                names(&mut hasher, contacts);
            }
            duration(&mut hasher, promise.ladder.repeat_every);
            names(&mut hasher, &promise.ladder.repeat_contacts);
        }
        let mut id = [0; 16];
        id.copy_from_slice(&hasher.finalize()[..16]);
        PolicyId(id)
    }

    /// The default: 20 and 30 minutes for emergencies, working hours' pace for the rest.
    fn built_in() -> Self {
        const MINUTE: Duration = Duration::from_mins(1);
        const HOUR: Duration = Duration::from_hours(1);
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
        let emergency = Promise {
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
        };
        let routine = Promise {
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
        };
        Self { bands: bands.collect(), emergency, routine, lease: MINUTE * 5 }
    }
}
