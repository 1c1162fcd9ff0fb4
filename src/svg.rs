//! The few shapes of SVG that charts are made of. Nothing is fetched: no fonts, no scripts.

use std::fmt::Write as _;

/// A picture in the making.
pub(crate) struct Picture {
    width: f64,
    body: String,
}

/// Where a text stands to its point.
#[derive(Clone, Copy)]
pub(crate) enum Anchor {
    /// It begins there.
    Start,
    /// Its middle is there.
    Middle,
    /// It ends there.
    End,
}

/// A rectangle.
#[derive(Clone, Copy)]
pub(crate) struct Area {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl Area {
    pub(crate) fn right(self) -> f64 {
        self.x + self.width
    }

    pub(crate) fn bottom(self) -> f64 {
        self.y + self.height
    }
}

impl Picture {
    pub(crate) const fn new(width: f64) -> Self {
        Self { width, body: String::new() }
    }

    pub(crate) fn rectangle(&mut self, area: Area, fill: &str) {
        // Nothing to see, and renderers differ about it.
        if area.width > 0.0 && area.height > 0.0 {
            self.rounded(area, fill, 0.0);
        }
    }

    pub(crate) fn rounded(&mut self, area: Area, fill: &str, radius: f64) {
        let [x, y, width, height] = [area.x, area.y, area.width, area.height].map(number);
        let radius =
            if radius > 0.0 { format!(r#" rx="{}""#, number(radius)) } else { String::new() };
        self.push(format_args!(
            r#"<rect x="{x}" y="{y}" width="{width}" height="{height}"{radius} fill="{fill}"/>"#
        ));
    }

    pub(crate) fn line(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64), stroke: &str) {
        let [x1, y1, x2, y2] = [x1, y1, x2, y2].map(number);
        self.push(format_args!(
            r#"<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{stroke}"/>"#
        ));
    }

    /// A closed area through the points.
    pub(crate) fn polygon(&mut self, points: &[(f64, f64)], fill: &str) {
        let points: Vec<String> =
            points.iter().map(|(x, y)| format!("{},{}", number(*x), number(*y))).collect();
        self.push(format_args!(r#"<polygon points="{}" fill="{fill}"/>"#, points.join(" ")));
    }

    /// A text in one of the classes of the style.
    pub(crate) fn text(&mut self, (x, y): (f64, f64), class: &str, anchor: Anchor, text: &str) {
        let [x, y] = [x, y].map(number);
        let (anchor, text) = (anchor.word(), escaped(text));
        self.push(format_args!(
            r#"<text x="{x}" y="{y}" class="{class}" text-anchor="{anchor}">{text}</text>"#
        ));
    }

    /// A text that reads from below to above, its middle at the point.
    pub(crate) fn upright(&mut self, (x, y): (f64, f64), class: &str, text: &str) {
        let ([x, y], text) = ([x, y].map(number), escaped(text));
        self.push(format_args!(
            r#"<text x="{x}" y="{y}" class="{class}" text-anchor="middle" transform="rotate(-90 {x} {y})">{text}</text>"#
        ));
    }

    /// The document, `height` high, with a title and a description for those who cannot see it.
    pub(crate) fn finish(self, height: f64, style: &str, title: &str, description: &str) -> String {
        let [width, height] = [self.width, height].map(number);
        let (title, description, body) = (escaped(title), escaped(description), self.body);
        format!(
            r##"<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" aria-labelledby="title description">
<title id="title">{title}</title>
<desc id="description">{description}</desc>
<style>{style}</style>
<rect width="{width}" height="{height}" fill="#ffffff"/>
{body}</svg>
"##
        )
    }

    /// The picture as a part of a page, `height` high, whose style is the page's. It is as wide as there
    /// is room for. `label` says it to those who cannot see it.
    pub(crate) fn part(self, height: f64, label: &str) -> String {
        let [width, height] = [self.width, height].map(number);
        let (label, body) = (escaped(label).replace('"', "&quot;"), self.body);
        format!(
            r#"<svg viewBox="0 0 {width} {height}" role="img" aria-label="{label}">
{body}</svg>
"#
        )
    }

    fn push(&mut self, shape: std::fmt::Arguments<'_>) {
        writeln!(self.body, "{shape}").expect("a text takes whatever is written to it");
    }
}

impl Anchor {
    const fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

/// A coordinate to a tenth of a unit: finer than any screen, and short.
fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Text as it stands between tags.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
