//! Which requests come, when, and what there is to find out about each: all of it drawn before the
//! first is answered, so that two desks can be compared on the same night.

use std::collections::{BTreeMap, BTreeSet};
use std::f64::consts::TAU;
use std::time::Duration;

use super::chance::Chance;
use super::options::{Options, Scenario};
use super::shift::{beginning, hour_of_day};
use crate::core::{
    DataCategory, Disposition, FirstResponseKind, Nature, RedirectTarget, RefusalReason, Timestamp,
};

/// After this long, a surge has fallen to 1/e of what it began with.
const SURGE_EBBS_IN_HOURS: f64 = 8.0;
/// The busiest hour of a day, and by how much it is busier than the average.
const BUSIEST_HOUR: f64 = 17.0;
const RHYTHM: f64 = 0.6;

/// Streams of chance that no request has the number of.
const ORDINARY_TIMES: u64 = u64::MAX;
const SURGE_TIMES: u64 = u64::MAX - 1;
const SURGE_REQUESTS: u64 = 1 << 40;

/// One request that will come in.
pub(super) struct Arrival {
    pub(super) at: Timestamp,
    pub(super) nature: Nature,
    pub(super) is_of_incident: bool,
    pub(super) truth: Truth,
}

/// What nobody knows of a request before it is looked into.
pub(super) struct Truth {
    pub(super) authority: &'static str,
    pub(super) categories: BTreeSet<DataCategory>,
    /// What the first response says.
    pub(super) first_response: FirstResponseKind,
    /// The work from the claim to the first response, and again to the answer of a reply.
    pub(super) answering: Duration,
    /// The work from there to the outcome.
    pub(super) collecting: Duration,
    /// What becomes of each category.
    pub(super) dispositions: BTreeMap<DataCategory, Disposition>,
    /// How long the authority takes to answer a question.
    pub(super) informing: Duration,
    /// How long it takes to confirm what it got.
    pub(super) confirming: Duration,
    /// How long the jurist on call takes to look at a proposal.
    pub(super) calling_in: Duration,
    /// Whether it comes from whom it says.
    pub(super) is_genuine: bool,
}

/// Every request of the night, in the order in which they come.
pub(super) fn arrivals(options: &Options) -> Vec<Arrival> {
    let begins_at = beginning(options.scenario);
    let ordinary_rate = |hours: f64| {
        let hour = hour_of_day(begins_at) + hours;
        options.arrivals_per_hour * (1.0 + RHYTHM * ((hour - BUSIEST_HOUR) / 24.0 * TAU).cos())
    };
    let ordinary_max = options.arrivals_per_hour * (1.0 + RHYTHM);
    let ordinary = times(options, ORDINARY_TIMES, ordinary_max, ordinary_rate);
    let surge_max = match options.scenario {
        Scenario::QuietDay => 0.0,
        Scenario::Attack => options.arrivals_per_hour * (options.surge_factor - 1.0),
    };
    let surge_rate = |hours: f64| surge_max * (-hours / SURGE_EBBS_IN_HOURS).exp();
    let surge = times(options, SURGE_TIMES, surge_max, surge_rate);
    let request = |(number, at), is_surge| {
        let stream = if is_surge { SURGE_REQUESTS } else { 0 };
        request(options, at, &mut Chance::about(options.seed, stream + number), is_surge)
    };
    let mut arrivals: Vec<Arrival> = (0_u64..).zip(ordinary).map(|of| request(of, false)).collect();
    arrivals.extend((0_u64..).zip(surge).map(|of| request(of, true)));
    arrivals.sort_by_key(|arrival| arrival.at);
    arrivals
}

/// The instants of a Poisson process whose rate changes: as many as at its highest rate, thinned
/// out to the rate of each instant (Lewis and Shedler, 1979).
fn times(
    options: &Options,
    stream: u64,
    max_per_hour: f64,
    rate_per_hour: impl Fn(f64) -> f64,
) -> Vec<Timestamp> {
    if max_per_hour <= 0.0 {
        return Vec::new();
    }
    let mut chance = Chance::about(options.seed, stream);
    let between = Duration::from_hours(1).div_f64(max_per_hour);
    let mut elapsed = Duration::ZERO;
    let mut times = Vec::new();
    loop {
        elapsed += chance.exponential(between);
        if elapsed >= options.lasts() {
            return times;
        }
        if chance.unit() * max_per_hour < rate_per_hour(elapsed.as_secs_f64() / 3_600.0) {
            times.push(beginning(options.scenario) + elapsed);
        }
    }
}

fn request(options: &Options, at: Timestamp, chance: &mut Chance, is_surge: bool) -> Arrival {
    // Some of those whom the news has alarmed ask about something else.
    let is_of_incident = is_surge && chance.is_one_of_a_hundred_in(90);
    let nature = chance.pick(if is_of_incident { OF_INCIDENT } else { ORDINARY });
    let categories = categories(chance);
    let dispositions =
        categories.iter().map(|category| (*category, chance.pick(DISPOSITIONS))).collect();
    let (handling, collecting) = (options.handling(), options.collecting());
    // Somebody who is not through by then is told to say that the work is in progress.
    let longest = handling.mul_f64(2.5);
    let truth = Truth {
        authority: chance.pick(AUTHORITIES),
        categories,
        first_response: chance.pick(FIRST_RESPONSES),
        answering: chance.log_normal(handling, longest),
        collecting: chance.log_normal(collecting, collecting * 6),
        dispositions,
        informing: chance.exponential(Duration::from_mins(40)),
        confirming: chance.exponential(Duration::from_mins(30)),
        calling_in: chance.exponential(Duration::from_mins(10)) + Duration::from_mins(5),
        // Drawn last, so that more fraud does not make it another night.
        is_genuine: chance.unit() * 100.0 >= options.failed_verification_percent,
    };
    Arrival { at, nature, is_of_incident, truth }
}

fn categories(chance: &mut Chance) -> BTreeSet<DataCategory> {
    let further = [
        (55, DataCategory::UserIdentification),
        (30, DataCategory::Traffic),
        (20, DataCategory::LiveLocation),
        (15, DataCategory::Content),
    ];
    let further =
        further.into_iter().filter(|(percent, _)| chance.is_one_of_a_hundred_in(*percent));
    further.map(|(_, category)| category).chain([DataCategory::Subscriber]).collect()
}

/// What is asked about when nothing special has happened.
const ORDINARY: &[(u8, Nature)] = &[
    (30, Nature::ThreatToLife),
    (20, Nature::SuicideRisk),
    (14, Nature::MissingChild),
    (6, Nature::MissingVulnerableAdult),
    (4, Nature::Kidnapping),
    (3, Nature::BombThreat),
    (3, Nature::SchoolThreat),
    (20, Nature::Routine),
];

/// What is asked about the attack.
const OF_INCIDENT: &[(u8, Nature)] = &[
    (70, Nature::TerrorismInProgress),
    (20, Nature::TerrorismImminent),
    (10, Nature::ThreatToLife),
];

const AUTHORITIES: &[(u8, &str)] =
    &[(50, "fr-police"), (20, "de-police"), (15, "es-police"), (10, "it-police"), (5, "be-police")];

/// Most first responses say that the work has begun; the others are what desks report most.
const FIRST_RESPONSES: &[(u8, FirstResponseKind)] = &[
    (70, FirstResponseKind::InProgress { expected_within: Duration::from_hours(1) }),
    (10, FirstResponseKind::NeedInformation),
    (8, FirstResponseKind::NoData),
    (4, FirstResponseKind::Refused(RefusalReason::InsufficientInformation)),
    (4, FirstResponseKind::Refused(RefusalReason::WrongIdentifier)),
    (2, FirstResponseKind::Refused(RefusalReason::NotAnEmergency)),
    (2, FirstResponseKind::Redirected(RedirectTarget::OtherProviderEntity)),
];

const DISPOSITIONS: &[(u8, Disposition)] = &[
    (84, Disposition::Disclosed),
    (12, Disposition::NotHeld),
    (4, Disposition::Refused(RefusalReason::Overbroad)),
];
