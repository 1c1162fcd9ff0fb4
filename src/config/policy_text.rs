//! A policy as people read it, and the verdict on a policy file.

use std::collections::BTreeMap;
use std::time::Duration;

use super::durations::written;
use super::{Links, Located, PolicyFile, SinkSettings};
use crate::core::clock::{ClockKind, Mark};
use crate::core::incident::Objective;
use crate::core::ladder::RungAt;
use crate::core::nature::{Band, Nature};
use crate::core::policy::live::Live;
use crate::core::policy::{Promise, Rules};
use crate::core::risk::RiskLimits;
use crate::core::time::millis;
use crate::core::{ContactName, Country, Policy, SinkName};

/// How many repeats of a ladder are written out.
const REPEATS_SHOWN: u32 = 3;
const HEAD: [&str; 6] = ["rung", "offset", "", "fires", "mark", "pages"];

/// The verdict on the policy file `file`: one line with the content address, or one for each mistake, as
/// editors and terminals follow it: `FILE:LINE: path: problem`.
#[must_use]
pub fn verdict(file: &str, outcome: &Result<PolicyFile, Vec<Located>>) -> String {
    match outcome {
        Ok(read) => format!("{file}: ok, content address {}\n", read.policy.id()),
        Err(mistakes) => self::mistakes(file, mistakes),
    }
}

/// One line for each mistake in `file`: `FILE:LINE: path: problem`.
#[must_use]
pub fn mistakes(file: &str, mistakes: &[Located]) -> String {
    mistakes.iter().map(|mistake| format!("{file}:{mistake}\n")).collect()
}

/// All that a policy says, each part under the name that it has in a policy file.
#[must_use]
pub fn show(file: &PolicyFile) -> String {
    let PolicyFile { policy, live, sinks, links } = file;
    let rules = policy.rules();
    let mut parts = vec![
        format!("policy {}\n", policy.id()),
        format!("lease {}\n", written(policy.lease())),
        bands(rules),
    ];
    parts.extend(rules.promises().map(|(path, promise)| {
        let is_its = |kind: &&ClockKind| path == format!("clocks.{}", kind.word());
        let kind = rules.clocks.keys().find(is_its).copied();
        let extension =
            kind.and_then(|kind| policy.extension(kind)).map_or_else(String::new, |extension| {
                format!("  extended once, by {}\n", written(extension))
            });
        let ladder = table(promise, kind.is_some_and(ClockKind::is_term));
        format!("{}{ladder}{extension}", heading(&path, kind))
    }));
    let retention = rules.retention.iter();
    let retention = retention.map(|(class, kept)| [class.word().to_owned(), written(*kept)]);
    let retention = columns(retention);
    parts.push(format!(
        "[retention] how long what was said is kept once a case has ended\n{retention}"
    ));
    parts.extend(live_parts(policy, live, sinks, links));
    parts.join("\n")
}

fn bands(rules: &Rules) -> String {
    let row = |band: Band| {
        let of_band = |nature: &&Nature| rules.bands.get(nature) == Some(&band);
        let natures = Nature::ALL.iter().filter(of_band).map(|nature| nature.word());
        let natures = or_if_none(natures, "");
        (!natures.is_empty()).then(|| [band.number().to_string(), natures])
    };
    let rows = columns(Band::all().filter_map(row));
    format!("[bands] the most urgent first\n{rows}")
}

fn heading(path: &str, kind: Option<ClockKind>) -> String {
    let meaning = match kind {
        None => match path {
            "promises.emergency" => "first response, and reply, to emergencies",
            "promises.routine" => "first response, and reply, to everything else",
            "completion.emergency" => "the outcome of emergencies",
            _ => "the outcome of everything else",
        },
        Some(ClockKind::FirstResponse | ClockKind::Reply) => "a person's answer",
        Some(ClockKind::Completion) => "the outcome",
        Some(ClockKind::Question) => "from a question to the authority's answer",
        Some(ClockKind::Progress) => "from one word about the work to the next",
        Some(ClockKind::EEvidenceEmergency) => "an e-Evidence order in an emergency",
        Some(ClockKind::EEvidence) => "an e-Evidence order",
        Some(ClockKind::Preservation) => "data kept from deletion on request",
        Some(ClockKind::EEvidencePreservation) => "data kept from deletion by e-Evidence order",
        Some(ClockKind::ExPostValidation) => "validation of an order that was issued without",
        Some(ClockKind::NonDisclosure) => "until the person concerned may be told",
        Some(ClockKind::UserNotice) => "until the person concerned must have been told",
        Some(ClockKind::DeliveryConfirmation) => "until what was sent should be confirmed",
    };
    format!("[{path}] {meaning}\n")
}

/// A promise and its ladder, the first repeats included; a term has none, as it ends at its limit.
fn table(promise: &Promise, is_term: bool) -> String {
    let ladder = &promise.ladder;
    let rungs = u32::try_from(ladder.rungs.len()).unwrap_or(u32::MAX - REPEATS_SHOWN);
    let shown = if is_term { rungs } else { rungs + REPEATS_SHOWN };
    let all: Vec<RungAt<'_>> = (0..shown).map(|number| ladder.rung(number)).collect();
    let form = Form::of(&all);
    let mut head = HEAD.map(str::to_owned);
    form.name().clone_into(&mut head[2]);
    let rows = all.iter().enumerate().map(|(number, rung)| {
        let mark = match rung.offset {
            offset if offset == promise.limit => Mark::Limit.word(),
            offset if offset == promise.target => Mark::Target.word(),
            _ if rung.is_repeat => "repeat",
            _ => "",
        };
        let fires = if rung.is_quieted_by_claim { "ordinary" } else { "always" };
        [
            number.to_string(),
            written(rung.offset),
            form.write(rung.offset),
            fires.to_owned(),
            mark.to_owned(),
            or_if_none(rung.contacts.iter().map(ContactName::as_str), ""),
        ]
    });
    let rows = columns(std::iter::once(head).chain(rows));
    let (target, limit) = (written(promise.target), written(promise.limit));
    let then = if is_term {
        "and ends".to_owned()
    } else {
        format!("and so on, every {}", written(ladder.repeat_every))
    };
    format!("  target {target}, limit {limit}\n{rows}  {then}\n")
}

/// How the instants of a ladder are written.
#[derive(Clone, Copy)]
enum Form {
    MinutesSeconds,
    HoursMinutes,
    HoursMinutesSeconds,
}

impl Form {
    /// The shortest that tells them apart.
    fn of(rungs: &[RungAt<'_>]) -> Self {
        let mut offsets = rungs.iter().map(|rung| rung.offset);
        if offsets.clone().all(|offset| offset < Duration::from_hours(1)) {
            Self::MinutesSeconds
        } else if offsets.all(|offset| millis(offset).is_multiple_of(60_000)) {
            Self::HoursMinutes
        } else {
            Self::HoursMinutesSeconds
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::MinutesSeconds => "mm:ss",
            Self::HoursMinutes => "h:mm",
            Self::HoursMinutesSeconds => "h:mm:ss",
        }
    }

    fn write(self, offset: Duration) -> String {
        let seconds = offset.as_secs();
        let (minutes, second) = (seconds / 60, seconds % 60);
        let (hours, minute) = (minutes / 60, minutes % 60);
        match self {
            Self::MinutesSeconds => format!("{minutes:02}:{second:02}"),
            Self::HoursMinutes => format!("{hours}:{minute:02}"),
            Self::HoursMinutesSeconds => format!("{hours}:{minute:02}:{second:02}"),
        }
    }
}

fn live_parts(
    policy: &Policy,
    live: &Live,
    settings: &BTreeMap<SinkName, SinkSettings>,
    links: &Links,
) -> [String; 9] {
    // Whole, so that nothing that a file may say is left out.
    let Live {
        contacts: reached,
        duplicates_within,
        risk,
        objective: Objective { answered_within, share_within },
        countries,
        holdings,
        min_cell,
        admission,
    } = live;
    let RiskLimits { window, officer_requests, authority_requests, target_authorities } = risk;
    let with_kind = |sink: &SinkName| match settings.get(sink) {
        Some(settings) => format!("{sink} ({})", settings.kind()),
        None => sink.to_string(),
    };
    let mut contacts = policy.contacts();
    contacts.extend(reached.listed());
    let contacts = columns(contacts.into_iter().map(|contact| {
        let sinks = reached.sinks(contact);
        let sinks: Vec<String> = sinks.iter().map(with_kind).collect();
        [contact.to_string(), or_if_none(sinks.iter().map(String::as_str), "nowhere")]
    }));
    let (answered, share) = (written(*answered_within), written(*share_within));
    let countries = or_if_none(countries.iter().map(Country::as_str), "none named");
    let holdings = columns(holdings.iter().map(|(category, holding)| {
        let kept = match (holding.is_held, holding.kept_for) {
            (false, _) => "not held".to_owned(),
            (true, None) => "held".to_owned(),
            (true, Some(kept_for)) => format!("held for {}", written(kept_for)),
        };
        [category.word().to_owned(), kept, holding.description.clone()]
    }));
    let classes = [("routine", admission.routine), ("emergency", admission.emergency)];
    let admission = columns(classes.map(|(class, budget)| {
        let [per_minute, burst] = budget.numbers().map(|(key, number)| format!("{key} {number}"));
        [class.to_owned(), per_minute, burst]
    }));
    let holdings = if holdings.is_empty() { "  nothing told\n".to_owned() } else { holdings };
    [
        format!("[contacts] where each is reached\n{contacts}"),
        format!("[pages] link {}\n", links.template().unwrap_or("none")),
        format!("[duplicates] window {}\n", written(*duplicates_within)),
        format!(
            "[risk] window {}, officer_requests {officer_requests}, authority_requests \
             {authority_requests}, target_authorities {target_authorities}\n",
            written(*window)
        ),
        format!("[incidents] answered_within {answered}, share_within {share}\n"),
        format!("[routing] countries: {countries}\n"),
        format!("[data] what the provider holds\n{holdings}"),
        format!("[transparency] min_cell {min_cell}\n"),
        format!("[admission] how many requests one authority may send\n{admission}"),
    ]
}

/// The names in a row, or `none` if there are none.
fn or_if_none<'a>(names: impl Iterator<Item = &'a str>, none: &str) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() { none.to_owned() } else { names.join(", ") }
}

/// Rows as lines, indented, each column as wide as its widest cell.
fn columns<const COUNT: usize>(rows: impl IntoIterator<Item = [String; COUNT]>) -> String {
    let rows: Vec<[String; COUNT]> = rows.into_iter().collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; COUNT] = std::array::from_fn(|column| width(column).unwrap_or(0));
    let line = |row: &[String; COUNT]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("  {cell:width$}"));
        format!("{}\n", cells.collect::<String>().trim_end())
    };
    rows.iter().map(line).collect()
}
