//! Names as Prometheus 3 makes them of OTLP's by default (`UnderscoreEscapingWithSuffixes`; opentelemetry.io/docs/specs/otel/
//! compatibility/prometheus_and_openmetrics): a metric's words with its unit and `_total` or `_ratio` behind them.

use std::borrow::Cow;

/// What of a metric's kind stands in its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Gauge,
    Counter,
    Other,
}

/// UCUM's names of units and Prometheus'.
const UNITS: [(&str, &str); 25] = [
    ("d", "days"),
    ("h", "hours"),
    ("min", "minutes"),
    ("s", "seconds"),
    ("ms", "milliseconds"),
    ("us", "microseconds"),
    ("ns", "nanoseconds"),
    ("By", "bytes"),
    ("KiBy", "kibibytes"),
    ("MiBy", "mebibytes"),
    ("GiBy", "gibibytes"),
    // So is it written by every Prometheus 3 so far.
    ("TiBy", "tibibytes"),
    ("KBy", "kilobytes"),
    ("MBy", "megabytes"),
    ("GBy", "gigabytes"),
    ("TBy", "terabytes"),
    ("m", "meters"),
    ("V", "volts"),
    ("A", "amperes"),
    ("J", "joules"),
    ("W", "watts"),
    ("g", "grams"),
    ("Cel", "celsius"),
    ("Hz", "hertz"),
    ("%", "percent"),
];

/// Units behind a stroke, in the singular.
const PER_UNITS: [(&str, &str); 7] = [
    ("s", "second"),
    ("m", "minute"),
    ("h", "hour"),
    ("d", "day"),
    ("w", "week"),
    ("mo", "month"),
    ("y", "year"),
];

/// The name of a metric; none when nothing of it can be written.
pub(crate) fn metric(name: &str, unit: &str, kind: Kind) -> Option<String> {
    let mut words: Vec<Cow<'_, str>> = name
        .split(|letter| !is_letter(letter))
        .filter(|word| !word.is_empty())
        .map(Cow::from)
        .collect();
    let (main, per) = match unit.split_once('/') {
        Some((main, per)) => (main, per),
        None => (unit, ""),
    };
    let main = if main.trim() == "1" { String::new() } else { cleaned(translated(main, &UNITS)) };
    let per = cleaned(translated(per, &PER_UNITS));
    let per = per.trim_end_matches('_');
    let per = if per.is_empty() { String::new() } else { format!("per_{per}") };
    let main = if per.is_empty() { main.as_str() } else { main.trim_end_matches('_') };
    for suffix in [main, per.as_str()] {
        if !suffix.is_empty() && !words.iter().any(|word| word == suffix) {
            words.push(Cow::from(suffix.to_owned()));
        }
    }
    let last = match kind {
        Kind::Counter => Some("total"),
        // Only of gauges: many count things with the unit 1.
        Kind::Gauge if unit == "1" => Some("ratio"),
        Kind::Gauge | Kind::Other => None,
    };
    if let Some(last) = last {
        words.retain(|word| word != last);
        words.push(Cow::from(last));
    }
    let name = words.join("_");
    let first = name.bytes().next()?;
    Some(if first.is_ascii_digit() { format!("_{name}") } else { name })
}

/// A unit in words, as Prometheus 3 tells it beside a metric: `seconds`, `bytes_per_second`.
pub(crate) fn unit(unit: &str) -> String {
    let (main, per) = unit.split_once('/').unwrap_or((unit, ""));
    let (main, per) = (translated(main, &UNITS), translated(per, &PER_UNITS));
    match (main, per) {
        (main, "") => main.to_owned(),
        ("", per) => format!("per_{per}"),
        (main, per) => format!("{main}_per_{per}"),
    }
}

/// The name of a label; none when nothing of it can be written.
pub(crate) fn label(name: &str) -> Option<Cow<'_, str>> {
    let first = name.bytes().next()?;
    if first.is_ascii_alphabetic()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    {
        return Some(Cow::Borrowed(name));
    }
    let letter = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
    let label: String = name.chars().map(letter).collect();
    if label.bytes().all(|byte| byte == b'_') {
        return None;
    }
    Some(Cow::Owned(if first.is_ascii_digit() {
        format!("key_{label}")
    } else if label.starts_with('_') && !label.starts_with("__") {
        format!("key{label}")
    } else {
        label
    }))
}

fn is_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == ':'
}

/// A unit as it stands in a name; what is in braces is a remark and no unit.
fn translated<'a>(unit: &'a str, names: &[(&str, &'static str)]) -> &'a str {
    let unit = unit.trim();
    if unit.contains(['{', '}']) {
        return "";
    }
    names.iter().find(|(ucum, _)| *ucum == unit).map_or(unit, |(_, name)| name)
}

/// Letters and single underscores, none in front.
fn cleaned(unit: &str) -> String {
    let mut out = String::new();
    for letter in unit.chars().map(|letter| if is_letter(letter) { letter } else { '_' }) {
        if letter != '_' || !(out.is_empty() || out.ends_with('_')) {
            out.push(letter);
        }
    }
    out
}
