//! The report as one page: it needs no other file, runs nothing, prints well, and reads aloud.

use std::fmt::Write as _;

use super::plots::{bars, promise};
use super::words::{instant, percent, period, place, plain};
use crate::core::transparency::{Report, Shown};
use crate::svg::escaped;
use crate::wording::wait;

const STYLE: &str = "\
body{font:16px/1.45 system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif;color:#1f2933;\
max-width:72rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.7rem;margin-bottom:.2rem}h2{font-size:1.2rem;margin-top:2rem}\
.under,figcaption,.note{color:#52606d}\
dl{display:flex;flex-wrap:wrap;gap:.6rem 2rem}dt{color:#52606d}dd{margin:0;font-size:1.4rem;font-weight:700}\
figure{margin:0 0 1.5rem;max-width:45rem}svg{width:100%;height:auto}\
svg text{font-size:13px;fill:#1f2933}\
.table{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem;width:100%}\
caption{text-align:left;color:#52606d;padding-bottom:.4rem}\
th,td{padding:.3rem .5rem;border-bottom:1px solid #dde3ea;text-align:left;vertical-align:top}\
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}\
tfoot th,tfoot td{border-top:2px solid #52606d;font-weight:700}\
@media print{body{margin:0;max-width:none;font-size:11pt}.table{overflow:visible}table{font-size:7.5pt}\
thead{display:table-header-group}tr,figure{break-inside:avoid}}";

const PLACE: [&str; 5] = ["Country", "Nature", "Legal basis", "Outcome", "Data asked for"];
const FIGURES: [&str; 8] =
    ["Requests", "Targets", "Disclosures", "Frauds", "Median", "95 %", "In target", "In limit"];
/// What stands where nothing is told.
const GAP: &str = "<abbr title=\"not told\">·</abbr>";

pub(super) fn written(desk: &str, report: &Report) -> String {
    let title = format!("Requests from authorities, {}", period(report.period));
    let (title, desk) = (escaped(&title), escaped(desk));
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>{title}</h1>\n<p class=\"under\">Desk {desk}, counted at {}. Fewer than {} requests are \
         too few to be told: such rows are put together with their likes.</p>\n",
        instant(report.as_of),
        report.min_cell
    );
    match &report.total {
        None => page.push_str("<p>All requests of this period are too few to be told.</p>\n"),
        Some(total) => told(&mut page, report, total),
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn told(page: &mut String, report: &Report, total: &Shown) {
    tiles(page, total);
    page.push_str("<h2>The promise of a first response</h2>\n");
    match &total.kept {
        Some(kept) => figure(
            page,
            &promise(kept),
            "Of the requests that were answered, or whose limit has passed without an answer.",
        ),
        None => page.push_str("<p>Too few requests can be judged.</p>\n"),
    }
    if !report.rows.is_empty() {
        page.push_str("<h2>Requests</h2>\n");
        for (column, what) in [(0, "country"), (1, "nature"), (3, "outcome")] {
            let caption = format!("Requests by {what}.");
            figure(page, &bars(&report.rows, column, what), &caption);
        }
        table(page, report, total);
    }
    page.push_str(
        "<p class=\"note\">Waits are in hours, minutes and seconds. A dot stands for what is not told; \
         of disclosures, frauds and reasons, the last line has what the others tell: there may be more.</p>\n",
    );
}

fn tiles(page: &mut String, total: &Shown) {
    let shown =
        |count: Option<u64>| count.map_or_else(|| GAP.to_owned(), |count| count.to_string());
    let waits = total.waits.as_ref();
    let tiles = [
        ("requests", total.requests.to_string()),
        ("targets", total.targets.to_string()),
        ("disclosures, at least", shown(total.disclosures)),
        ("median first response", waits.map_or_else(|| GAP.to_owned(), |waits| wait(waits.median))),
        ("95 % answered after", waits.map_or_else(|| GAP.to_owned(), |waits| wait(waits.p95))),
    ];
    page.push_str("<dl>\n");
    for (name, figure) in tiles {
        line(page, format_args!("<div><dt>{name}</dt><dd>{figure}</dd></div>"));
    }
    page.push_str("</dl>\n");
}

fn figure(page: &mut String, plot: &str, caption: &str) {
    line(page, format_args!("<figure>\n{plot}<figcaption>{caption}</figcaption>\n</figure>"));
}

fn table(page: &mut String, report: &Report, total: &Shown) {
    page.push_str("<div class=\"table\">\n<table>\n<caption>Every request is in exactly one row.</caption>\n<thead>\n<tr>");
    let places = PLACE.map(|name| format!("<th scope=\"col\">{name}</th>")).concat();
    let figures = FIGURES.map(|name| format!("<th scope=\"col\" class=\"n\">{name}</th>")).concat();
    line(
        page,
        format_args!("{places}{figures}<th scope=\"col\">Refused for</th></tr>\n</thead>\n<tbody>"),
    );
    for row in &report.rows {
        let [country, rest @ ..] = place(&row.scope);
        let rest: String = rest.map(|word| format!("<td>{}</td>", escaped(&plain(word)))).concat();
        let head = format!("<th scope=\"row\">{}</th>{rest}", escaped(country));
        line(page, format_args!("<tr>{head}{}</tr>", cells(&row.shown)));
    }
    let head = "<th scope=\"row\" colspan=\"5\">All</th>";
    line(page, format_args!("</tbody>\n<tfoot>\n<tr>{head}{}</tr>\n</tfoot>", cells(total)));
    page.push_str("</table>\n</div>\n");
}

fn cells(shown: &Shown) -> String {
    let count = |count: Option<u64>| count.map(|count| count.to_string());
    let kept = shown.kept.as_ref();
    let waits = shown.waits.as_ref();
    let figures = [
        count(Some(shown.requests)),
        count(Some(shown.targets)),
        count(shown.disclosures),
        count(shown.frauds),
        waits.map(|waits| wait(waits.median)),
        waits.map(|waits| wait(waits.p95)),
        kept.map(|kept| percent(kept.within_target, kept.judged)),
        kept.map(|kept| percent(kept.within_limit, kept.judged)),
    ];
    let figures =
        figures.map(|text| format!("<td class=\"n\">{}</td>", text.as_deref().unwrap_or(GAP)));
    let reasons = shown.refusals.iter();
    let reasons: Vec<String> =
        reasons.map(|(reason, count)| format!("{} {count}", plain(reason.word()))).collect();
    format!("{}<td>{}</td>", figures.concat(), reasons.join(", "))
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(page, "{text}").expect("a text takes whatever is written to it");
}
