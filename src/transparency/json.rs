//! The report as one JSON object. What is `null` was not told.

use serde_json::{Map, Value, json};

use super::words::{instant, place};
use crate::core::transparency::{Report, Shown};

pub(super) fn written(desk: &str, report: &Report) -> String {
    let rows = report.rows.iter().map(|row| {
        let [country, nature, legal_basis, outcome, data_class] = place(&row.scope);
        let mut row = figures(&row.shown);
        let place = [
            ("country", country),
            ("nature", nature),
            ("legal_basis", legal_basis),
            ("outcome", outcome),
            ("data_class", data_class),
        ];
        row.extend(place.map(|(name, word)| (name.to_owned(), word.into())));
        Value::Object(row)
    });
    let report = json!({
        "desk": desk,
        "from": instant(report.period.from),
        "to": instant(report.period.to),
        "as_of": instant(report.as_of),
        "min_cell": report.min_cell,
        "rows": rows.collect::<Vec<_>>(),
        "total": report.total.as_ref().map(figures),
    });
    format!("{report:#}\n")
}

fn figures(shown: &Shown) -> Map<String, Value> {
    let refusals: Map<String, Value> = shown
        .refusals
        .iter()
        .map(|(reason, count)| (reason.word().to_owned(), (*count).into()))
        .collect();
    let figures = json!({
        "requests": shown.requests,
        "targets": shown.targets,
        "disclosures": shown.disclosures,
        "fraud_rejected": shown.frauds,
        "refusals": refusals,
        "promise": shown.kept.map(|kept| json!({
            "judged": kept.judged,
            "within_target": kept.within_target,
            "within_limit": kept.within_limit,
        })),
        "first_response": shown.waits.map(|waits| json!({
            "answered": waits.answered,
            "median_seconds": waits.median.as_secs(),
            "p95_seconds": waits.p95.as_secs(),
        })),
    });
    match figures {
        Value::Object(figures) => figures,
        _ => unreachable!("it is written as an object"),
    }
}
