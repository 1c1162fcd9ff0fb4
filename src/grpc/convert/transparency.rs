//! A transparency report as it travels, written by the service and read by its own client.

use std::collections::BTreeMap;
use std::time::Duration;

use super::words::{data_class, instrument, nature, outcome, refusal_reason};
use super::{duration, timestamp};
use crate::core::Timestamp;
use crate::core::transparency::{Cell, Kept, Period, Report, Row, Scope, Shown, Waits};
use crate::grpc::wire;

/// The answer of a desk that could not read `unreadable` cases.
pub(in crate::grpc) fn write(
    desk: &str,
    report: Report,
    unreadable: u32,
) -> wire::ExportTransparencyResponse {
    let Report { period, as_of, min_cell, rows, total } = report;
    wire::ExportTransparencyResponse {
        desk: desk.to_owned(),
        from: Some(timestamp(period.from)),
        to: Some(timestamp(period.to)),
        as_of: Some(timestamp(as_of)),
        min_cell,
        rows: rows.into_iter().map(row).collect(),
        total: total.map(figures),
        unreadable,
    }
}

fn row(row: Row) -> wire::TransparencyRow {
    let (country, nature, cell) = match row.scope {
        Scope::Cell(cell) => (Some(cell.country.clone()), Some(cell.nature), Some(cell)),
        Scope::Nature(country, nature) => (Some(country), Some(nature), None),
        Scope::Country(country) => (Some(country), None, None),
        Scope::Several => (None, None, None),
    };
    wire::TransparencyRow {
        country: country.map(|country| country.to_string()).unwrap_or_default(),
        nature: nature.map(nature::write).unwrap_or_default().into(),
        cell: cell.map(|cell| wire::TransparencyCell {
            instrument: instrument::write(cell.instrument).into(),
            outcome: cell.outcome.map(outcome::write).unwrap_or_default().into(),
            data_class: data_class::write(cell.data).into(),
        }),
        figures: Some(figures(row.shown)),
    }
}

fn figures(shown: Shown) -> wire::TransparencyFigures {
    let refusals = shown.refusals.into_iter().map(|(reason, requests)| {
        wire::TransparencyRefusals { reason: refusal_reason::write(reason).into(), requests }
    });
    wire::TransparencyFigures {
        requests: shown.requests,
        targets: shown.targets,
        disclosures: shown.disclosures,
        fraud_rejected: shown.frauds,
        refusals: refusals.collect(),
        promise: shown.kept.map(|kept| wire::TransparencyPromise {
            judged: kept.judged,
            within_target: kept.within_target,
            within_limit: kept.within_limit,
        }),
        first_response: shown.waits.map(|waits| wire::TransparencyWaits {
            answered: waits.answered,
            median: Some(duration(waits.median)),
            p95: Some(duration(waits.p95)),
        }),
    }
}

/// An instant that was sent; `None` where there was none, or one before 1970.
pub(in crate::grpc) fn instant(sent: Option<&prost_types::Timestamp>) -> Option<Timestamp> {
    let sent = sent?;
    let seconds = u64::try_from(sent.seconds).ok()?;
    let nanos = u64::try_from(sent.nanos).ok()?;
    Some(Timestamp::from_millis(seconds.checked_mul(1_000)? + nanos / 1_000_000))
}

/// The report in an answer; `None` where it is not understood, such as one of a later version.
pub(in crate::grpc) fn read(answer: &wire::ExportTransparencyResponse) -> Option<Report> {
    Some(Report {
        period: Period { from: instant(answer.from.as_ref())?, to: instant(answer.to.as_ref())? },
        as_of: instant(answer.as_of.as_ref())?,
        min_cell: answer.min_cell,
        rows: answer.rows.iter().map(read_row).collect::<Option<_>>()?,
        total: match &answer.total {
            Some(total) => Some(read_figures(total)?),
            None => None,
        },
    })
}

fn read_row(row: &wire::TransparencyRow) -> Option<Row> {
    let country = if row.country.is_empty() { None } else { Some(row.country.parse().ok()?) };
    let nature = match row.nature {
        0 => None,
        number => Some(nature::read(number).known()?),
    };
    let scope = match (country, nature, &row.cell) {
        (Some(country), Some(nature), Some(cell)) => Scope::Cell(Cell {
            country,
            nature,
            instrument: instrument::read(cell.instrument).known()?,
            outcome: match cell.outcome {
                0 => None,
                number => Some(outcome::read(number).known()?),
            },
            data: data_class::read(cell.data_class).known()?,
        }),
        (Some(country), Some(nature), None) => Scope::Nature(country, nature),
        (Some(country), None, None) => Scope::Country(country),
        (None, None, None) => Scope::Several,
        _ => return None,
    };
    Some(Row { scope, shown: read_figures(row.figures.as_ref()?)? })
}

fn read_figures(figures: &wire::TransparencyFigures) -> Option<Shown> {
    let refusals = figures
        .refusals
        .iter()
        .map(|refusals| Some((refusal_reason::read(refusals.reason).known()?, refusals.requests)));
    let kept = figures.promise.as_ref().map(|promise| Kept {
        judged: promise.judged,
        within_target: promise.within_target,
        within_limit: promise.within_limit,
    });
    if kept.is_some_and(|kept| {
        kept.within_target > kept.within_limit || kept.within_limit > kept.judged
    }) {
        return None;
    }
    let waits = match &figures.first_response {
        None => None,
        Some(waits) => Some(Waits {
            answered: waits.answered,
            median: seconds(waits.median.as_ref())?,
            p95: seconds(waits.p95.as_ref())?,
        }),
    };
    Some(Shown {
        requests: figures.requests,
        targets: figures.targets,
        disclosures: figures.disclosures,
        frauds: figures.fraud_rejected,
        refusals: refusals.collect::<Option<BTreeMap<_, _>>>()?,
        kept,
        waits,
    })
}

fn seconds(sent: Option<&prost_types::Duration>) -> Option<Duration> {
    Some(Duration::from_secs(u64::try_from(sent?.seconds).ok()?))
}
