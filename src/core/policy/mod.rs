//! What is promised for a case, and who is paged while the promise is open.
//!
//! A case carries the id of the policy it was accepted under and is decided by that policy for its
//! whole life, so an edit never moves a running clock.

pub mod admission;
mod built_in;
pub mod live;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::core::clock::ClockKind;
use crate::core::ladder::{Ladder, Rung};
use crate::core::names::ContactName;
use crate::core::nature::{Band, Class, Nature};
use crate::core::outcome::RetentionClass;
use crate::core::time::millis;

/// The content address of a policy: two policies with the same id promise the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyId(pub [u8; 16]);

impl fmt::Display for PolicyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for PolicyId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const RULE: &str = "32 lower-case hexadecimal digits";
        let is_digit = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
        if text.len() != 32 || !text.as_bytes().iter().all(is_digit) {
            return Err(RULE);
        }
        let id = u128::from_str_radix(text, 16).map_err(|_| RULE)?;
        Ok(Self(id.to_be_bytes()))
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
    /// The first response that emergencies are promised.
    pub emergency: Promise,
    /// The first response that everything else is promised.
    pub routine: Promise,
    /// The outcome that emergencies are promised.
    pub emergency_completion: Promise,
    /// The outcome that everything else is promised.
    pub routine_completion: Promise,
    /// The promise of every clock that is the same for both classes.
    pub clocks: BTreeMap<ClockKind, Promise>,
    /// By how much the clocks that can be extended are, once.
    pub extensions: BTreeMap<ClockKind, Duration>,
    /// How long what was said in an ended case is kept.
    pub retention: BTreeMap<RetentionClass, Duration>,
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
        let mut mistakes = rules.mistakes();
        mistakes.extend(rules.silent_rungs());
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

    /// A policy that was checked when it was kept, under the id it was kept under. What was allowed then and
    /// is not any more holds for the cases that were accepted under it.
    ///
    /// # Errors
    /// Every mistake at once: no version would have kept it.
    pub fn kept(id: PolicyId, rules: Rules) -> Result<Self, Vec<Mistake>> {
        let mistakes = rules.mistakes();
        if mistakes.is_empty() { Ok(Self { id, rules }) } else { Err(mistakes) }
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

    /// Where an emergency waits once it is answered: the last band before routine.
    #[must_use]
    pub fn follow_up_band(&self) -> Band {
        let routine = self.rules.band(Nature::Routine).number();
        Band::new(routine.saturating_sub(1)).unwrap_or(Band::MOST_URGENT)
    }

    /// The first response that is promised to this class.
    #[must_use]
    pub const fn promise(&self, class: Class) -> &Promise {
        match class {
            Class::Emergency => &self.rules.emergency,
            Class::Routine => &self.rules.routine,
        }
    }

    /// What a clock of this kind promises to this class.
    #[must_use]
    pub fn clock(&self, kind: ClockKind, class: Class) -> &Promise {
        match (kind, class) {
            (ClockKind::FirstResponse | ClockKind::Reply, class) => self.promise(class),
            (ClockKind::Completion, Class::Emergency) => &self.rules.emergency_completion,
            (ClockKind::Completion, Class::Routine) => &self.rules.routine_completion,
            (kind, _) => self.rules.clocks.get(&kind).expect("a valid policy has every clock"),
        }
    }

    /// By how much a clock of this kind may be extended, if it may.
    #[must_use]
    pub fn extension(&self, kind: ClockKind) -> Option<Duration> {
        self.rules.extensions.get(&kind).copied()
    }

    /// How long what was said is kept once the case has ended.
    #[must_use]
    pub fn retention(&self, class: RetentionClass) -> Duration {
        *self.rules.retention.get(&class).expect("a valid policy has every retention class")
    }

    /// How long a claim lasts without an act on the case.
    #[must_use]
    pub const fn lease(&self) -> Duration {
        self.rules.lease
    }

    /// Everybody whom some rung pages.
    #[must_use]
    pub fn contacts(&self) -> BTreeSet<&ContactName> {
        let ladders = self.rules.promises().map(|(_, promise)| &promise.ladder);
        ladders
            .flat_map(|ladder| {
                let of_rungs = ladder.rungs.iter().flat_map(|rung| &rung.contacts);
                of_rungs.chain(&ladder.repeat_contacts)
            })
            .collect()
    }
}

/// The clocks whose promise is the same for both classes.
pub const CLOCKS: [ClockKind; 10] = [
    ClockKind::Question,
    ClockKind::Progress,
    ClockKind::EEvidenceEmergency,
    ClockKind::EEvidence,
    ClockKind::Preservation,
    ClockKind::EEvidencePreservation,
    ClockKind::ExPostValidation,
    ClockKind::NonDisclosure,
    ClockKind::UserNotice,
    ClockKind::DeliveryConfirmation,
];
/// The clocks that can be extended.
pub const EXTENDABLE: [ClockKind; 2] = [ClockKind::Preservation, ClockKind::EEvidencePreservation];

impl Promise {
    /// What is wrong with the promise at `path`; it must have a rung at `needed` too.
    fn mistakes(&self, path: &str, needed: Option<Duration>, mistakes: &mut Vec<Mistake>) {
        let mut mistake = |path: String, problem: &str| {
            mistakes.push(Mistake { path, problem: problem.to_owned() });
        };
        if self.target.is_zero() || self.target >= self.limit {
            mistake(format!("{path}.target"), "must be above zero and before the limit");
        }
        for offset in [self.target, self.limit].into_iter().chain(needed) {
            let rung = self.ladder.rungs.iter().find(|rung| rung.offset == offset);
            if rung.is_none_or(|rung| rung.is_quieted_by_claim && !offset.is_zero()) {
                let problem = format!(
                    "needs a rung at {offset:?} that fires whether or not the case is claimed"
                );
                mistake(format!("{path}.ladder"), &problem);
            }
        }
        for (place, problem) in self.ladder.mistakes() {
            mistake(format!("{path}.{place}"), problem);
        }
    }
}

impl Rules {
    /// Every promise with its path in a policy file.
    pub fn promises(&self) -> impl Iterator<Item = (String, &Promise)> {
        let by_class = [
            ("promises.emergency", &self.emergency),
            ("promises.routine", &self.routine),
            ("completion.emergency", &self.emergency_completion),
            ("completion.routine", &self.routine_completion),
        ];
        let by_class = by_class.into_iter().map(|(path, promise)| (path.to_owned(), promise));
        let others = self.clocks.iter();
        by_class.chain(others.map(|(kind, promise)| (format!("clocks.{}", kind.word()), promise)))
    }

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
        for kind in CLOCKS {
            if !self.clocks.contains_key(&kind) {
                mistake(format!("clocks.{}", kind.word()), "is missing");
            }
        }
        for kind in EXTENDABLE {
            if self.extensions.get(&kind).is_none_or(Duration::is_zero) {
                mistake(format!("clocks.{}.extension", kind.word()), "must be above zero");
            }
        }
        for class in RetentionClass::ALL {
            if self.retention.get(class).is_none_or(Duration::is_zero) {
                mistake(format!("retention.{}", class.word()), "must be above zero");
            }
        }
        let both_classes = [
            ("promises", &self.emergency, &self.routine),
            ("completion", &self.emergency_completion, &self.routine_completion),
        ];
        for (section, emergency, routine) in both_classes {
            if emergency.limit > routine.limit {
                let problem = "an emergency must be promised no later answer than routine";
                mistake(format!("{section}.emergency.limit"), problem);
            }
        }
        for (path, promise) in self.promises() {
            // An emergency that is accepted pages somebody at once.
            let needed = (path == "promises.emergency").then_some(Duration::ZERO);
            promise.mistakes(&path, needed, &mut mistakes);
        }
        mistakes
    }

    /// The rungs that a claim would silence once the target has passed. Where none fires at the target or the
    /// limit, that is a mistake of its own.
    fn silent_rungs(&self) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        for (path, Promise { target, limit, ladder }) in self.promises() {
            for (index, rung) in ladder.rungs.iter().enumerate() {
                if rung.is_quieted_by_claim && rung.offset > *target && rung.offset != *limit {
                    let problem = "comes after the target, so no claim may quiet it";
                    let path = format!("{path}.ladder[{index}]");
                    mistakes.push(Mistake { path, problem: problem.to_owned() });
                }
            }
        }
        mistakes
    }

    /// Hashes every rule, each with its length or in a fixed width, so that no two policies that
    /// differ share an id.
    fn content_address(&self) -> PolicyId {
        fn text(hasher: &mut Sha256, text: &str) {
            hasher.update((text.len() as u64).to_be_bytes());
            hasher.update(text);
        }
        fn names(hasher: &mut Sha256, names: &BTreeSet<ContactName>) {
            hasher.update((names.len() as u64).to_be_bytes());
            for name in names {
                text(hasher, name.as_str());
            }
        }
        fn duration(hasher: &mut Sha256, duration: Duration) {
            hasher.update(millis(duration).to_be_bytes());
        }
        let mut hasher = Sha256::new();
        hasher.update(b"urgence policy 2");
        for (nature, band) in &self.bands {
            text(&mut hasher, nature.word());
            hasher.update([band.number()]);
        }
        duration(&mut hasher, self.lease);
        for (path, promise) in self.promises() {
            text(&mut hasher, &path);
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
        for (kind, extension) in &self.extensions {
            text(&mut hasher, kind.word());
            duration(&mut hasher, *extension);
        }
        for (class, kept_for) in &self.retention {
            text(&mut hasher, class.word());
            duration(&mut hasher, *kept_for);
        }
        let mut id = [0; 16];
        id.copy_from_slice(&hasher.finalize()[..16]);
        PolicyId(id)
    }
}
