//! Which series an expression asks for. Prometheus judges the expression itself; this only finds the
//! names in it, and would rather take a word too many for one.

/// A name with what is asked of its labels.
#[derive(Debug, PartialEq)]
pub struct Selector {
    pub name: String,
    pub matchers: Vec<Matcher>,
}

#[derive(Debug, PartialEq)]
pub struct Matcher {
    pub label: String,
    pub operator: String,
    pub value: String,
}

/// Words that are followed by a list of labels.
const BEFORE_LABELS: &[&str] = &["by", "without", "on", "ignoring", "group_left", "group_right"];
const WORDS: &[&str] = &["and", "or", "unless", "bool", "offset", "inf", "nan"];
/// These may be followed by `by`; every other word before a parenthesis is a function.
const AGGREGATIONS: &[&str] =
    &["sum", "min", "max", "avg", "count", "group", "topk", "bottomk", "quantile", "stddev"];

/// All selectors in an expression, in order.
pub fn selectors(expression: &str) -> Vec<Selector> {
    let mut found: Vec<Selector> = Vec::new();
    let mut rest = expression.trim_start();
    // Whether a brace here would belong to the latest name.
    let mut follows_name = false;
    while let Some(first) = rest.chars().next() {
        let mut is_name = false;
        let used = if first == '"' || first == '\'' {
            1 + rest[1..].find(first).expect("a string has an end") + 1
        } else if first == '[' {
            rest.find(']').expect("a range has an end") + 1
        } else if first == '{' {
            let (matchers, used) = matchers(rest);
            assert!(follows_name, "a selector without a name: {expression}");
            found.last_mut().unwrap().matchers = matchers;
            used
        } else if first == '$' {
            1 + word_length(&rest[1..])
        } else if first.is_ascii_digit() {
            rest.find(|char: char| !char.is_ascii_alphanumeric() && char != '.')
                .unwrap_or(rest.len())
        } else if first.is_alphabetic() || first == '_' || first == ':' {
            let word = &rest[..word_length(rest)];
            let after = rest[word.len()..].trim_start();
            if BEFORE_LABELS.contains(&word) && after.starts_with('(') {
                rest.find(')').expect("a list has an end") + 1
            } else {
                is_name = !WORDS.contains(&word)
                    && !AGGREGATIONS.contains(&word)
                    && !after.starts_with('(');
                if is_name {
                    found.push(Selector { name: word.to_owned(), matchers: Vec::new() });
                }
                word.len()
            }
        } else {
            first.len_utf8()
        };
        follows_name = is_name;
        rest = rest[used..].trim_start();
    }
    found
}

fn word_length(text: &str) -> usize {
    let is_part = |char: char| char.is_ascii_alphanumeric() || char == '_' || char == ':';
    text.find(|char| !is_part(char)).unwrap_or(text.len())
}

/// The matchers of `{…}` at the begin of `text`, and how long it is.
fn matchers(text: &str) -> (Vec<Matcher>, usize) {
    let mut found = Vec::new();
    let mut at = 1;
    loop {
        let rest = text[at..].trim_start_matches([',', ' ', '\n']);
        at = text.len() - rest.len();
        if rest.starts_with('}') {
            return (found, at + 1);
        }
        let label = &rest[..word_length(rest)];
        let quote = rest.find(['"', '\'']).expect("a matcher has a value");
        let operator = rest[label.len()..quote].trim();
        let value = &rest[quote + 1..];
        let end = value.find(&rest[quote..=quote]).expect("a value has an end");
        found.push(Matcher {
            label: label.to_owned(),
            operator: operator.to_owned(),
            value: value[..end].to_owned(),
        });
        at += quote + 1 + end + 1;
    }
}

#[test]
fn names_are_found_where_they_are() {
    let names = |expression| -> Vec<String> {
        selectors(expression).into_iter().map(|selector| selector.name).collect()
    };
    assert_eq!(
        names(
            "sum without (a) (increase(b_total{c=\"d\",e=~\"f|g\"}[10m] offset 5m)) > 0 or h and on (i) j:k"
        ),
        ["b_total", "h", "j:k"]
    );
    assert_eq!(names("max by (a) (abs(b)) + on (c) group_left () d / 1e3"), ["b", "d"]);
    assert_eq!(names("a{b=\"}\"} > bool 0.5 * time()"), ["a"]);
    assert_eq!(names("rate(a[$__rate_interval]) / $b"), ["a"]);
    let selector = selectors("a { b = \"c\", d!~'e' }").remove(0);
    let operators: Vec<_> = selector.matchers.iter().map(|it| it.operator.as_str()).collect();
    assert_eq!(operators, ["=", "!~"]);
    assert_eq!(selector.matchers[1].value, "e");
}
