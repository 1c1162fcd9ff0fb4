//! The panels of the picture.

use super::layout::{Chart, LEFT, LETTER, RIGHT, WIDTH, colour, count_ticks};
use crate::core::Class;
use crate::simulate::options::Scenario;
use crate::simulate::report::{Sample, Who};
use crate::simulate::wording::{grouped, length, promised, who};
use crate::svg::{Anchor, Area};

/// How many letters of a contact's name are shown.
const NAME_MAX: usize = 30;

/// How much of its room a bar takes, so that neighbours stay apart.
const BAR: f64 = 0.86;

impl Chart<'_> {
    /// What came, hour by hour.
    pub(super) fn arrivals(&mut self) {
        let hours = self.report.hours();
        let most = hours.iter().map(|hour| hour.waits.requests).max().unwrap_or_default();
        let (ticks, top) = count_ticks(most, 4);
        let legend = self.lanes_legend();
        let names = ("Emergencies that came", "cases per hour");
        let area = self.hours_panel(names, &legend, 110.0, &ticks);
        let room = area.width / f64::from(self.report.options.hours);
        for hour in hours {
            let x = self.x_of(area, hour.begins_at);
            let parts = [(hour.ordinary, colour::ORDINARY), (hour.incident, colour::INCIDENT)];
            self.column(area, (x, room), &parts, top);
        }
    }

    /// The depth of the queue, by lane.
    pub(super) fn waiting(&mut self) {
        let samples = &self.report.samples;
        let depth = |sample: &Sample| sample.ordinary + sample.incident;
        let (ticks, top) = count_ticks(samples.iter().map(depth).max().unwrap_or_default(), 5);
        let legend = self.waiting_legend();
        let names = ("Queue: emergencies that wait for an answer, nobody at work on them", "cases");
        let area = self.hours_panel(names, &legend, 200.0, &ticks);
        self.band(area, top, |_| 0, |sample| sample.ordinary, colour::ORDINARY);
        self.band(area, top, |sample| sample.ordinary, depth, colour::INCIDENT);
    }

    /// The shares within the promise, by the hour in which the requests came.
    pub(super) fn shares(&mut self) {
        let promise = promised(&self.report.options, Class::Emergency);
        let (target, limit) = (length(promise.target), length(promise.limit));
        let legend = [
            (colour::IN_TARGET, format!("within {target}")),
            (colour::IN_LIMIT, format!("within {limit}")),
            (colour::BREACHED, "later, or never".to_owned()),
        ];
        let ticks: Vec<(f64, String)> =
            [0, 25, 50, 75, 100].map(|part| (f64::from(part) / 100.0, part.to_string())).into();
        let names =
            ("First responses, by the hour of the request (gaps: none came)", "% of emergencies");
        let area = self.hours_panel(names, &legend, 150.0, &ticks);
        let room = area.width / f64::from(self.report.options.hours);
        for hour in self.report.hours() {
            let x = self.x_of(area, hour.begins_at);
            let waits = hour.waits;
            let parts = [
                (waits.within_target, colour::IN_TARGET),
                (waits.within_limit - waits.within_target, colour::IN_LIMIT),
                (waits.breached, colour::BREACHED),
            ];
            self.column(area, (x, room), &parts, waits.limit_judged);
        }
    }

    /// The work that the first responses promise.
    pub(super) fn answered(&mut self) {
        let most = self.report.samples.iter().map(|sample| sample.answered).max();
        let (ticks, top) = count_ticks(most.unwrap_or_default(), 4);
        let names = ("Answered, and the outcome still to come", "cases");
        let area = self.hours_panel(names, &[], 110.0, &ticks);
        self.band(area, top, |_| 0, |sample| sample.answered, colour::ANSWERED);
    }

    /// Who was paged, and how far up the ladders went.
    pub(super) fn pages_and_rungs(&mut self) {
        let top = self.y;
        let half = (WIDTH - LEFT - RIGHT) / 2.0 - 30.0;
        let pages_end = self.pages(Area { x: LEFT, y: top, width: half, height: 0.0 });
        let right = WIDTH - RIGHT - half;
        let height = (pages_end - top - 46.0).max(150.0);
        self.rungs(Area { x: right, y: top + 46.0, width: half, height });
        self.y = pages_end.max(top + 46.0 + height) + 62.0;
    }

    /// Pages by contact, one bar below the other. Returns where they end.
    fn pages(&mut self, room: Area) -> f64 {
        let mut contacts: Vec<_> = self.report.tally.pages.iter().collect();
        contacts.sort_by_key(|(_, pages)| std::cmp::Reverse(pages.waiting + pages.other));
        self.picture.text((room.x, room.y + 14.0), "title", Anchor::Start, "Pages, by contact");
        let legend = [
            (colour::BREACHED, "somebody waits".to_owned()),
            (colour::ANSWERED, "other clocks".to_owned()),
        ];
        self.legend(&legend, room.right(), room.y + 14.0);
        let most = contacts.first().map_or(0, |(_, pages)| pages.waiting + pages.other);
        let (ticks, top) = count_ticks(most, 4);
        let row = 26.0;
        let names = contacts.iter().map(|(contact, _)| shortened(contact.as_str()));
        let names: Vec<String> = names.collect();
        let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or_default();
        // The margin has room for a dozen letters.
        let indent = (LETTER * longest as f64 - LEFT + 20.0).max(0.0);
        let area = Area {
            x: room.x + indent,
            y: room.y + 46.0,
            // The figure behind the longest bar needs room too.
            width: room.width - indent - 40.0,
            height: (row * contacts.len() as f64).max(row),
        };
        for (share, label) in ticks {
            let x = area.x + area.width * share;
            self.picture.line((x, area.y), (x, area.bottom()), colour::GRID);
            self.picture.text((x, area.bottom() + 19.0), "tick", Anchor::Middle, &label);
        }
        for (index, ((_, pages), name)) in contacts.into_iter().zip(names).enumerate() {
            let y = area.y + row * index as f64 + 4.0;
            let width = |count: u32| area.width * f64::from(count) / f64::from(top);
            let bar = Area { x: area.x, y, width: width(pages.waiting), height: row - 8.0 };
            self.picture.rectangle(bar, colour::BREACHED);
            let rest = Area { x: bar.right(), width: width(pages.other), ..bar };
            self.picture.rectangle(rest, colour::ANSWERED);
            self.picture.text((area.x - 9.0, y + 13.0), "tick", Anchor::End, &name);
            let total = grouped(pages.waiting + pages.other);
            self.picture.text((rest.right() + 6.0, y + 13.0), "value", Anchor::Start, &total);
        }
        self.picture.line((area.x, area.y), (area.x, area.bottom()), colour::AXIS);
        let middle = (f64::midpoint(area.x, area.right()), area.bottom() + 37.0);
        self.picture.text(middle, "axis", Anchor::Middle, "pages");
        area.bottom()
    }

    /// How often each rung of the emergencies' ladder fired.
    fn rungs(&mut self, area: Area) {
        let title = "Rungs fired on emergencies' first-response clocks";
        self.picture.text((area.x, area.y - 32.0), "title", Anchor::Start, title);
        let promise = promised(&self.report.options, Class::Emergency);
        let (target, limit) = (length(promise.target), length(promise.limit));
        let rungs = self.report.rungs();
        let most = rungs.iter().map(|(_, count)| *count).max().unwrap_or_default();
        let (ticks, top) = count_ticks(most, 5);
        self.value_axis(area, "rungs", &ticks);
        let room = area.width / rungs.len() as f64;
        let mut fill = colour::IN_TARGET;
        for (index, (name, count)) in rungs.into_iter().enumerate() {
            if name == target {
                fill = colour::IN_LIMIT;
            } else if name == limit {
                fill = colour::BREACHED;
            }
            let x = area.x + room * index as f64;
            self.column(area, (x, room), &[(count, fill)], top);
            let middle = x + room / 2.0;
            let y = area.bottom() - area.height * f64::from(count) / f64::from(top);
            self.picture.text((middle, y - 5.0), "value", Anchor::Middle, &grouped(count));
            self.picture.text((middle, area.bottom() + 19.0), "tick", Anchor::Middle, &name);
        }
        self.picture.line((area.x, area.bottom()), (area.right(), area.bottom()), colour::AXIS);
        let middle = (f64::midpoint(area.x, area.right()), area.bottom() + 37.0);
        let axis = "time since the request came (yellow from the target, red from the limit on)";
        self.picture.text(middle, "axis", Anchor::Middle, axis);
    }

    /// One column of stacked parts, of `room` from `x` on, as high as `top` stands for.
    fn column(&mut self, area: Area, (x, room): (f64, f64), parts: &[(u32, &str)], top: u32) {
        let mut bottom = area.bottom();
        for (count, fill) in parts {
            let height = area.height * f64::from(*count) / f64::from(top.max(1));
            let x = x + room * (1.0 - BAR) / 2.0;
            self.picture.rectangle(Area { x, y: bottom - height, width: room * BAR, height }, fill);
            bottom -= height;
        }
    }

    /// The area between two figures of the samples; each holds until the next.
    fn band(
        &mut self,
        area: Area,
        top: u32,
        lower: impl Fn(&Sample) -> u32,
        upper: impl Fn(&Sample) -> u32,
        fill: &str,
    ) {
        let y_of = |count: u32| area.bottom() - area.height * f64::from(count) / f64::from(top);
        let outline = |figure: &dyn Fn(&Sample) -> u32| {
            let mut points: Vec<(f64, f64)> = Vec::new();
            for sample in &self.report.samples {
                let (x, y) = (self.x_of(area, sample.at), y_of(figure(sample)));
                match points.last() {
                    Some((_, before)) if (*before - y).abs() < f64::EPSILON => {}
                    Some((_, before)) => points.extend([(x, *before), (x, y)]),
                    None => points.push((x, y)),
                }
            }
            let end = points.last().map(|(_, y)| (area.right(), *y));
            points.extend(end);
            points
        };
        if self.report.samples.iter().all(|sample| upper(sample) == lower(sample)) {
            return;
        }
        let mut points = outline(&upper);
        points.extend(outline(&lower).into_iter().rev());
        self.picture.polygon(&points, fill);
    }

    fn lanes_legend(&self) -> Vec<(&'static str, String)> {
        match self.report.options.scenario {
            Scenario::QuietDay => Vec::new(),
            Scenario::Attack => vec![
                (colour::ORDINARY, who(Who::Ordinary).to_owned()),
                (colour::INCIDENT, who(Who::Incident).to_owned()),
            ],
        }
    }

    fn waiting_legend(&self) -> Vec<(&'static str, String)> {
        if self.report.options.has_incident_lane && !self.lanes_legend().is_empty() {
            vec![
                (colour::ORDINARY, "ordinary lane".to_owned()),
                (colour::INCIDENT, "incident lane".to_owned()),
            ]
        } else {
            Vec::new()
        }
    }
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= NAME_MAX {
        return name.to_owned();
    }
    name.chars().take(NAME_MAX - 1).chain(['…']).collect()
}
