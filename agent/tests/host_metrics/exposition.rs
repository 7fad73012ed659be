//! Reads Prometheus' text format back.

use std::collections::{BTreeMap, BTreeSet};

use agent_model::Labels;

/// Series and values of a text; labels with empty values count as absent, as they do in Prometheus.
pub(crate) fn parse(text: &str) -> BTreeMap<Labels, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| parse_line(line).unwrap_or_else(|| panic!("not a sample: {line}"))).collect()
}

/// The type that the text gives each metric.
pub(crate) fn types(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect()
}

/// Metric name and label names of each series: `node_load1`, `node_cpu_seconds_total cpu mode`.
pub(crate) fn shapes<'a>(series: impl IntoIterator<Item = &'a Labels>) -> BTreeSet<String> {
    let shape = |labels: &Labels| {
        let others = labels.iter().filter(|label| label.name.as_ref() != Labels::NAME);
        others.fold(labels.metric_name().to_owned(), |shape, label| shape + " " + &label.name)
    };
    series.into_iter().map(shape).collect()
}

fn parse_line(line: &str) -> Option<(Labels, f64)> {
    let (series, value) = line.rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let Some((name, mut rest)) = series.split_once('{') else {
        return Some((Labels::metric(series, [("", ""); 0]), value));
    };
    let mut pairs = Vec::new();
    while rest != "}" {
        let (label, after) = rest.split_once("=\"")?;
        let (text, after) = unquote(after)?;
        pairs.push((label.to_owned(), text));
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    Some((Labels::metric(name, pairs), value))
}

/// The text up to the closing quote, and what follows it.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((text, &quoted[at + 1..])),
            '\\' => match letters.next()?.1 {
                'n' => text.push('\n'),
                other => text.push(other),
            },
            other => text.push(other),
        }
    }
    None
}
