//! The picture is a sound document whose labels can be read.

use std::time::Duration;

use urgence::core::Policy;
use urgence::core::policy::Rules;
use urgence::simulate::{Options, Responders, Scenario, run};

use crate::night;

/// One element as it stands in the document, with its attributes.
struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
}

impl Element {
    fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn number(&self, name: &str) -> f64 {
        self.get(name).unwrap_or_else(|| panic!("{} has no {name}", self.name)).parse().unwrap()
    }
}

/// Reads the document; panics if its tags do not balance or an attribute is not quoted.
fn elements(document: &str) -> Vec<Element> {
    let mut rest = document.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>").unwrap();
    let mut elements: Vec<Element> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    while let Some(begin) = rest.find('<') {
        let text = &rest[..begin];
        assert!(!text.contains('>') && !has_bare_ampersand(text), "text is escaped: {text}");
        match open.last() {
            Some(index) => elements[*index].text.push_str(text),
            None => assert!(text.trim().is_empty(), "text outside of the document: {text}"),
        }
        let end = begin + rest[begin..].find('>').unwrap();
        let tag = &rest[begin + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            let index = open.pop().unwrap_or_else(|| panic!("</{name}> closes nothing"));
            assert_eq!(elements[index].name, name, "closed in another order than opened");
            continue;
        }
        let is_alone = tag.ends_with('/');
        elements.push(element(tag.trim_end_matches('/')));
        if !is_alone {
            open.push(elements.len() - 1);
        }
        assert!(elements[0].name == "svg");
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "everything that was opened is closed");
    elements
}

fn element(tag: &str) -> Element {
    let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
    let mut attributes = Vec::new();
    while !rest.trim().is_empty() {
        let (key, after) = rest.trim_start().split_once("=\"").unwrap();
        let (value, after) = after.split_once('"').unwrap();
        assert!(key.chars().all(|char| char.is_alphanumeric() || char == '-'), "{key}");
        assert!(!value.contains('<') && !has_bare_ampersand(value));
        attributes.push((key.to_owned(), value.to_owned()));
        rest = after;
    }
    Element { name: name.to_owned(), attributes, text: String::new() }
}

fn has_bare_ampersand(text: &str) -> bool {
    let known = ["amp;", "lt;", "gt;", "quot;"];
    text.split('&').skip(1).any(|after| !known.iter().any(|known| after.starts_with(known)))
}

/// Nights that stretch the picture: nothing, little, much, long, short, and names of one's own.
fn nights() -> Vec<Options> {
    let quiet = night(Scenario::QuietDay, 1, 2);
    let attack = night(Scenario::Attack, 1, 12);
    let rules = Policy::built_in().rules().clone();
    let mut emergency = rules.emergency.clone();
    emergency.ladder.rungs[1].contacts = ["the-whole-desk-of-the-night".parse().unwrap()].into();
    emergency.ladder.rungs[1].offset = Duration::from_secs(100);
    let policy = Policy::new(Rules { emergency, ..rules }).unwrap();
    vec![
        Options { arrivals_per_hour: 0.0, ..quiet.clone() },
        Options { hours: 1, ..quiet.clone() },
        Options { hours: 336, arrivals_per_hour: 0.5, ..quiet.clone() },
        Options { responders: Responders { day: 100, evening: 0, night: 0 }, ..attack.clone() },
        Options {
            has_incident_lane: false,
            hours: 12,
            responders: Responders::each(3),
            ..attack.clone()
        },
        Options { policy, ..quiet.clone() },
        quiet,
        attack,
    ]
}

#[test]
fn the_picture_is_a_sound_document_that_needs_nothing_else() {
    for options in nights() {
        let document = run(&options).svg();
        for forbidden in ["NaN", "inf", "<script", "href", "url(", "@import", "@font-face"] {
            assert!(!document.contains(forbidden), "{forbidden}");
        }
        let outside = document.replace("http://www.w3.org/2000/svg", "");
        assert!(!outside.contains("http"), "it fetches something");
        let elements = elements(&document);
        let (width, height) = (elements[0].number("width"), elements[0].number("height"));
        for element in &elements {
            for (key, limit) in [("x", width), ("y", height), ("x1", width), ("x2", width)] {
                if element.get(key).is_some() {
                    let value = element.number(key);
                    assert!((0.0..=limit).contains(&value), "{} at {key}={value}", element.name);
                }
            }
            for key in ["width", "height"] {
                assert!(element.get(key).is_none() || element.number(key) > 0.0);
            }
            let points = element.get("points").unwrap_or_default();
            for point in points.split_whitespace() {
                let (x, y) = point.split_once(',').unwrap();
                assert!((0.0..=width).contains(&x.parse().unwrap()), "{point}");
                assert!((0.0..=height).contains(&y.parse().unwrap()), "{point}");
            }
        }
        let texts = elements.iter().filter(|element| element.name == "text");
        assert!(texts.count() > 40, "axes, legends and titles are there");
    }
}

/// A text and the rectangle that it takes up, drawn a little too wide.
struct Label {
    text: String,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

fn label(element: &Element) -> Label {
    let size = match element.get("class").unwrap() {
        "headline" => 27.0,
        "figure" => 25.0,
        "title" => 16.0,
        "under" => 14.0,
        _ => 12.5,
    };
    let bold = if matches!(element.get("class"), Some("headline" | "figure" | "title")) {
        0.66
    } else {
        0.58
    };
    let width = size * bold * element.text.chars().count() as f64;
    let (x, y) = (element.number("x"), element.number("y"));
    let left = match element.get("text-anchor").unwrap() {
        "start" => x,
        "middle" => x - width / 2.0,
        "end" => x - width,
        other => panic!("{other} is no anchor"),
    };
    let (top, bottom) = (y - size * 0.75, y + size * 0.2);
    Label { text: element.text.clone(), left, right: left + width, top, bottom }
}

#[test]
fn no_label_lies_on_another_or_beyond_the_edge() {
    for options in nights() {
        let elements = elements(&run(&options).svg());
        let width = elements[0].number("width");
        let texts = elements.iter().filter(|element| element.name == "text");
        let labels: Vec<Label> =
            texts.filter(|element| element.get("transform").is_none()).map(label).collect();
        for (index, one) in labels.iter().enumerate() {
            assert!(one.left >= 0.0 && one.right <= width, "`{}` is cut off", one.text);
            for other in &labels[index + 1..] {
                let is_apart = one.right <= other.left
                    || other.right <= one.left
                    || one.bottom <= other.top
                    || other.bottom <= one.top;
                assert!(is_apart, "`{}` lies on `{}`", one.text, other.text);
            }
        }
    }
}
