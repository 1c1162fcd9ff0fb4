//! The report as comma-separated values (RFC 4180). An empty field was not told, or there is none.

use super::words::place;
use crate::core::RefusalReason;
use crate::core::transparency::{Report, Shown};

const PLACE: [&str; 5] = ["country", "nature", "legal_basis", "outcome", "data_class"];
const FIGURES: [&str; 10] = [
    "requests",
    "targets",
    "disclosures",
    "fraud_rejected",
    "judged",
    "within_target",
    "within_limit",
    "answered",
    "median_seconds",
    "p95_seconds",
];
const TOTAL: &str = "total";

pub(super) fn written(report: &Report) -> String {
    let reasons = RefusalReason::ALL.iter().map(|reason| format!("refused_{}", reason.word()));
    let figures = PLACE.iter().chain(&FIGURES).map(|name| (*name).to_owned());
    let head = line(figures.chain(reasons));
    let rows = report.rows.iter().map(|row| fields(place(&row.scope), &row.shown));
    let total = report.total.iter().map(|total| fields([TOTAL; 5], total));
    std::iter::once(head).chain(rows).chain(total).collect()
}

fn fields(place: [&str; 5], shown: &Shown) -> String {
    let kept = shown.kept.as_ref();
    let waits = shown.waits.as_ref();
    let figures = [
        Some(shown.requests),
        Some(shown.targets),
        shown.disclosures,
        shown.frauds,
        kept.map(|kept| kept.judged),
        kept.map(|kept| kept.within_target),
        kept.map(|kept| kept.within_limit),
        waits.map(|waits| waits.answered),
        waits.map(|waits| waits.median.as_secs()),
        waits.map(|waits| waits.p95.as_secs()),
    ];
    let reasons = RefusalReason::ALL.iter().map(|reason| shown.refusals.get(reason).copied());
    let counts = figures.into_iter().chain(reasons);
    let counts = counts.map(|count| count.map(|count| count.to_string()).unwrap_or_default());
    line(place.map(str::to_owned).into_iter().chain(counts))
}

fn line(fields: impl Iterator<Item = String>) -> String {
    let fields: Vec<String> = fields.map(|text| field(&text)).collect();
    format!("{}\r\n", fields.join(","))
}

/// A field. One that a spreadsheet would take for a formula is made a text.
fn field(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    if text.contains(['"', ',', '\r', '\n']) {
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    } else {
        format!("{guard}{text}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_no_formula_and_ends_where_it_should() {
        for (text, written) in [
            ("FR", "FR"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("say \"so\"", "\"say \"\"so\"\"\""),
            ("=1+1", "'=1+1"),
            ("@x,y", "\"'@x,y\""),
            ("-1", "'-1"),
            ("a\nb", "\"a\nb\""),
        ] {
            assert_eq!(field(text), written);
        }
    }
}
