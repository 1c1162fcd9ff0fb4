//! One picture of a night: what came, who waited, what was kept, and who was woken.

mod layout;
mod panels;

use super::options::Scenario;
use super::report::{Report, Who};
use super::wording::{grouped, headline, length, percent, promised, responders, time_of_day};
use crate::core::Class;
use crate::svg::{Anchor, Area};
use crate::wording::wait;
use layout::{Chart, LEFT, RIGHT, WIDTH, colour};

/// Text sizes and weights; the fonts are whatever the reader's system has.
const STYLE: &str = "\
text{font-family:system-ui,-apple-system,'Segoe UI','DejaVu Sans','Liberation Sans',sans-serif;\
fill:#1f2933}\
.headline{font-size:27px;font-weight:700}\
.under{font-size:14px;fill:#52606d}\
.figure{font-size:25px;font-weight:700}\
.caption{font-size:12.5px;fill:#52606d}\
.title{font-size:16px;font-weight:700}\
.legend{font-size:12.5px}\
.tick{font-size:12px;fill:#52606d}\
.axis{font-size:12px;fill:#52606d}\
.shift{font-size:11.5px;fill:#7b8794}\
.value{font-size:12px;font-weight:700}";

impl Report {
    /// The night as a picture: an SVG document that needs nothing else.
    #[must_use]
    pub fn svg(&self) -> String {
        let mut chart = Chart::new(self);
        chart.head();
        chart.arrivals();
        chart.waiting();
        chart.shares();
        chart.answered();
        chart.pages_and_rungs();
        let title = format!("{}: {} hours", headline(self.options.scenario), self.options.hours);
        let waits = self.waits(Who::Emergencies);
        let description = format!(
            "{} emergencies; {} answered within the target, {} within the limit.",
            grouped(waits.requests),
            percent(waits.target_share()),
            percent(waits.limit_share())
        );
        chart.picture.finish(chart.y, STYLE, &title, &description)
    }
}

impl Chart<'_> {
    /// The headline, what was simulated, and the few figures to take away.
    fn head(&mut self) {
        let report = self.report;
        let options = &report.options;
        let headline = format!(
            "{}: {} hours from {}",
            headline(options.scenario),
            options.hours,
            time_of_day(report.begins_at)
        );
        self.picture.text((LEFT, 50.0), "headline", Anchor::Start, &headline);
        let lane = match (options.scenario, options.has_incident_lane) {
            (Scenario::QuietDay, _) => "",
            (Scenario::Attack, true) => " · incident lane",
            (Scenario::Attack, false) => " · one lane for all",
        };
        let under = format!(
            "Responders: {} · {} min to a first response, {} min more to the outcome{lane} · seed {}",
            responders(options),
            options.handling_minutes,
            options.collecting_minutes,
            options.seed
        );
        self.picture.text((LEFT, 76.0), "under", Anchor::Start, &under);
        let tiles = self.tiles();
        let gap = 14.0;
        let width = (WIDTH - LEFT - RIGHT + gap) / tiles.len() as f64 - gap;
        let mut x = LEFT;
        for (figure, caption) in tiles {
            let area = Area { x, y: 98.0, width, height: 74.0 };
            self.picture.rounded(area, colour::TILE, 6.0);
            self.picture.text((x + 14.0, 134.0), "figure", Anchor::Start, &figure);
            self.picture.text((x + 14.0, 158.0), "caption", Anchor::Start, &caption);
            x += width + gap;
        }
        self.y = 204.0;
    }

    fn tiles(&self) -> Vec<(String, String)> {
        let report = self.report;
        let waits = report.waits(Who::Emergencies);
        let promise = promised(&report.options, Class::Emergency);
        let answered = |within| format!("within {}", length(within));
        let mut tiles = vec![
            (grouped(waits.requests), "emergencies".to_owned()),
            (percent(waits.target_share()), answered(promise.target)),
            (percent(waits.limit_share()), answered(promise.limit)),
            (grouped(report.promises_broken()), "promises broken".to_owned()),
            (wait(waits.median), "half answered in".to_owned()),
            (wait(waits.max), "longest wait".to_owned()),
        ];
        if report.options.scenario == Scenario::Attack {
            let objective = report.options.objective;
            let shares = report.incident();
            let share =
                super::report::share(shares.ended_within_objective, shares.judged_by_objective);
            let caption = format!("outcome within {}", length(objective.answered_within));
            tiles.push((percent(share), caption));
        }
        tiles
    }
}
