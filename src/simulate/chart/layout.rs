//! Where things stand in the picture: panels one below the other over the same hours, with their
//! axes, shifts and legends.

use std::time::Duration;

use crate::core::Timestamp;
use crate::simulate::report::Report;
use crate::simulate::shift::{Shift, day_of, next_change};
use crate::simulate::wording::{grouped, time_of_day};
use crate::svg::{Anchor, Area, Picture};

pub(super) const WIDTH: f64 = 1_200.0;
pub(super) const LEFT: f64 = 84.0;
pub(super) const RIGHT: f64 = 36.0;

/// About as wide as the widest of the usual fonts makes a small letter.
pub(super) const LETTER: f64 = 7.2;

/// Colours that stay apart for colour-blind readers and in grey.
pub(super) mod colour {
    pub(in super::super) const TILE: &str = "#f2f5f8";
    pub(in super::super) const NIGHT: &str = "#edf0f5";
    pub(in super::super) const EVENING: &str = "#f7f8fa";
    pub(in super::super) const GRID: &str = "#dde3ea";
    pub(in super::super) const AXIS: &str = "#7b8794";
    pub(in super::super) const ORDINARY: &str = "#2b6cb0";
    pub(in super::super) const INCIDENT: &str = "#e58a1f";
    pub(in super::super) const IN_TARGET: &str = "#3b9a78";
    pub(in super::super) const IN_LIMIT: &str = "#f0c352";
    pub(in super::super) const BREACHED: &str = "#c2402c";
    pub(in super::super) const ANSWERED: &str = "#8d7fb8";
}

/// What a colour of a panel means.
pub(super) type Key = (&'static str, String);

/// The picture while it is drawn, from above to below.
pub(super) struct Chart<'a> {
    pub(super) report: &'a Report,
    pub(super) picture: Picture,
    /// What is drawn next begins here.
    pub(super) y: f64,
}

impl<'a> Chart<'a> {
    pub(super) fn new(report: &'a Report) -> Self {
        Self { report, picture: Picture::new(WIDTH), y: 0.0 }
    }

    /// A panel over the hours of the night: title, legend, shifts and both axes. Returns the area
    /// to draw in.
    pub(super) fn hours_panel(
        &mut self,
        (title, unit): (&str, &str),
        legend: &[Key],
        height: f64,
        ticks: &[(f64, String)],
    ) -> Area {
        let area = Area { x: LEFT, y: self.y + 46.0, width: WIDTH - LEFT - RIGHT, height };
        self.picture.text((LEFT, self.y + 14.0), "title", Anchor::Start, title);
        self.legend(legend, WIDTH - RIGHT, self.y + 14.0);
        self.shifts(area);
        self.value_axis(area, unit, ticks);
        self.time_axis(area);
        self.y = area.bottom() + 80.0;
        area
    }

    /// Where an instant stands in a panel over the hours.
    pub(super) fn x_of(&self, area: Area, at: Timestamp) -> f64 {
        let lasts = self.report.ends_at.since(self.report.begins_at);
        let elapsed = at.since(self.report.begins_at);
        area.x + area.width * (elapsed.as_secs_f64() / lasts.as_secs_f64())
    }

    /// A legend that ends at `right`.
    pub(super) fn legend(&mut self, legend: &[Key], right: f64, baseline: f64) {
        let widths = legend.iter().map(|(_, label)| 42.0 + LETTER * label.chars().count() as f64);
        let widths: Vec<f64> = widths.collect();
        let mut x = right - widths.iter().sum::<f64>() + 24.0;
        for ((fill, label), width) in legend.iter().zip(widths) {
            let swatch = Area { x, y: baseline - 10.0, width: 12.0, height: 12.0 };
            self.picture.rounded(swatch, fill, 2.0);
            self.picture.text((x + 18.0, baseline), "legend", Anchor::Start, label);
            x += width;
        }
    }

    fn shifts(&mut self, area: Area) {
        let mut begins_at = self.report.begins_at;
        while begins_at < self.report.ends_at {
            let ends_at = next_change(begins_at).min(self.report.ends_at);
            let shift = Shift::at(begins_at);
            let (x, right) = (self.x_of(area, begins_at), self.x_of(area, ends_at));
            let fill = match shift {
                Shift::Day => None,
                Shift::Evening => Some(colour::EVENING),
                Shift::Night => Some(colour::NIGHT),
            };
            if let Some(fill) = fill {
                self.picture.rectangle(Area { x, width: right - x, ..area }, fill);
            }
            let label = format!("{} · {}", shift.word(), self.report.options.responders.of(shift));
            // A sliver of a shift has no room for its name.
            if right - x >= 74.0 {
                let at = (f64::midpoint(x, right), area.y - 6.0);
                self.picture.text(at, "shift", Anchor::Middle, &label);
            }
            begins_at = ends_at;
        }
    }

    /// The axis on the left, with its grid. A tick is where it stands, from 0 at the bottom to 1 at
    /// the top, and what it says.
    pub(super) fn value_axis(&mut self, area: Area, unit: &str, ticks: &[(f64, String)]) {
        for (share, label) in ticks {
            let y = area.bottom() - area.height * share;
            self.picture.line((area.x, y), (area.right(), y), colour::GRID);
            self.picture.text((area.x - 9.0, y + 4.0), "tick", Anchor::End, label);
        }
        let middle = (area.x - 58.0, area.y + area.height / 2.0);
        self.picture.upright(middle, "axis", unit);
    }

    fn time_axis(&mut self, area: Area) {
        let bottom = area.bottom();
        self.picture.line((area.x, bottom), (area.right(), bottom), colour::AXIS);
        let hours = self.report.options.hours;
        // At most so many labels fit; each step divides a day or is whole days.
        let step = [1, 2, 3, 4, 6, 12, 24, 48].into_iter().find(|step| hours / step <= 16);
        let step = step.unwrap_or(96);
        let mut day = 0;
        for hour in (0..=hours).step_by(step as usize) {
            let at = self.report.begins_at + Duration::from_hours(u64::from(hour));
            let x = self.x_of(area, at);
            self.picture.line((x, bottom), (x, bottom + 5.0), colour::AXIS);
            let time = time_of_day(at);
            self.picture.text((x, bottom + 19.0), "tick", Anchor::Middle, &time);
            let day_before = std::mem::replace(&mut day, day_of(self.report.begins_at, at));
            if day != day_before {
                let label = format!("day {day}");
                self.picture.text((x, bottom + 34.0), "shift", Anchor::Middle, &label);
            }
        }
        let middle = (f64::midpoint(area.x, area.right()), bottom + 50.0);
        self.picture.text(middle, "axis", Anchor::Middle, "time of day");
    }
}

/// Ticks for counts from 0 up to at least `most`, at round numbers, and what the top stands for.
pub(super) fn count_ticks(most: u32, ticks_max: u32) -> (Vec<(f64, String)>, u32) {
    let most = most.max(1);
    let mut steps = (0..9).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_u32.pow(power)));
    let step = steps.find(|step| most.div_ceil(*step) <= ticks_max).unwrap_or(most);
    let count = most.div_ceil(step);
    let tick = |number: u32| (f64::from(number) / f64::from(count), grouped(number * step));
    ((0..=count).map(tick).collect(), count * step)
}
