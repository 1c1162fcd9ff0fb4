//! The plots of the page. They are drawn from the rows as they are told, so they tell nothing more.

use std::collections::BTreeMap;

use super::words::{percent, place, plain};
use crate::core::transparency::{Kept, Row};
use crate::svg::{Anchor, Area, Picture};

const WIDTH: f64 = 720.0;
const LABELS: f64 = 220.0;
/// Room for a number of requests at the end of the longest bar.
const NUMBERS: f64 = 70.0;
const STEP: f64 = 26.0;
/// More bars than these are no longer looked at; the table has the rest.
const BARS_MAX: usize = 12;

/// Colours that stay apart for colour-blind readers and in grey.
const BAR: &str = "#2b6cb0";
const IN_TARGET: &str = "#3b9a78";
const IN_LIMIT: &str = "#f0c352";
const BROKEN: &str = "#c2402c";

/// Requests by one column of the place, the most first.
pub(super) fn bars(rows: &[Row], column: usize, what: &str) -> String {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for row in rows {
        *counts.entry(place(&row.scope)[column]).or_default() += row.shown.requests;
    }
    let mut counts: Vec<(&str, u64)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let beyond: u64 = counts.iter().skip(BARS_MAX).map(|(_, count)| count).sum();
    counts.truncate(BARS_MAX);
    if beyond > 0 {
        counts.push(("all others", beyond));
    }
    let most = counts.iter().map(|(_, count)| *count).max().unwrap_or(1).max(1);
    let mut picture = Picture::new(WIDTH);
    let mut y = 4.0;
    for (word, count) in &counts {
        let width = (WIDTH - LABELS - NUMBERS) * (*count as f64 / most as f64);
        let baseline = y + 14.0;
        picture.text((LABELS - 8.0, baseline), "label", Anchor::End, &plain(word));
        picture.rectangle(Area { x: LABELS, y, width, height: STEP - 7.0 }, BAR);
        let end = (LABELS + width + 6.0, baseline);
        picture.text(end, "label", Anchor::Start, &count.to_string());
        y += STEP;
    }
    let said: Vec<String> =
        counts.iter().map(|(word, count)| format!("{} {count}", plain(word))).collect();
    picture.part(y, &format!("Requests by {what}: {}", said.join(", ")))
}

/// How the requests that can be judged stand to the promise, as one bar of the whole width.
pub(super) fn promise(kept: &Kept) -> String {
    let parts = [
        ("within the target", kept.within_target, IN_TARGET),
        ("within the limit", kept.within_limit - kept.within_target, IN_LIMIT),
        ("later, or never", kept.judged - kept.within_limit, BROKEN),
    ];
    let mut picture = Picture::new(WIDTH);
    let mut x = 0.0;
    let mut y = 54.0;
    let mut said = Vec::new();
    for (label, count, fill) in parts {
        let width = WIDTH * (count as f64 / kept.judged.max(1) as f64);
        picture.rectangle(Area { x, y: 4.0, width, height: 30.0 }, fill);
        x += width;
        let text = format!("{label}: {count} ({})", percent(count, kept.judged));
        picture.rectangle(Area { x: 0.0, y: y - 11.0, width: 12.0, height: 12.0 }, fill);
        picture.text((20.0, y), "label", Anchor::Start, &text);
        said.push(text);
        y += 20.0;
    }
    picture.part(y - 8.0, &format!("First responses: {}", said.join(", ")))
}
