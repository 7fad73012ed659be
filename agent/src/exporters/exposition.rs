//! Prometheus' text exposition format 0.0.4 and OpenMetrics 1.0 text, a line at a time
//! (prometheus.io/docs/instrumenting/exposition_formats, the OpenMetrics specification).
//! Promises: takes what Prometheus takes, refuses a body as a whole with the line that is wrong; a sample costs no
//! allocation, its labels are read only when somebody asks. Leaves to others: limits, and what a series is called.

use std::borrow::Cow;

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    OpenMetrics,
}

/// The NaN that Prometheus stores for every NaN of an exporter (prometheus, model/value/value.go), so that none is
/// taken for the stale marker.
const NORMAL_NAN: f64 = f64::from_bits(0x7ff8_0000_0000_0001);

/// What a line says.
#[derive(Debug, PartialEq)]
pub(super) enum Line<'a> {
    /// A comment, `HELP`, `TYPE` or nothing.
    Other,
    /// `# EOF` of OpenMetrics.
    End,
    Sample(Sample<'a>),
}

/// Name and labels as they are written, and what was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample<'a> {
    pub(super) series: &'a str,
    pub(super) value: f64,
    /// Whether the exporter gave a time of its own.
    pub(super) timed: bool,
}

/// Why a line is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum LineError {
    #[error("a sample has no metric name")]
    Name,
    #[error("the labels are not `{{name=\"value\",…}}`")]
    Labels,
    #[error("a label stands twice")]
    Twice,
    #[error("the value is no number")]
    Value,
    #[error("the time is no number")]
    Time,
    #[error("something follows behind the sample")]
    Surplus,
    #[error("the type of a metric is none of the format's")]
    Type,
}

const TYPES: [&str; 9] = [
    "counter",
    "gauge",
    "histogram",
    "summary",
    "untyped",
    "unknown",
    "info",
    "stateset",
    "gaugehistogram",
];

/// Reads one line without its line feed. `expected` is how the series is probably written: the same as in the scrape
/// before, which spares looking for its end.
pub(super) fn line<'a>(
    format: Format,
    text: &'a str,
    expected: &str,
) -> Result<Line<'a>, LineError> {
    let rest = text.trim_start_matches(BLANK);
    if rest.is_empty() {
        return Ok(Line::Other);
    }
    if let Some(comment) = rest.strip_prefix('#') {
        return self::comment(format, text, comment);
    }
    let end = match rest.strip_prefix(expected) {
        // A name alone may be the beginning of a longer one, or have labels behind a blank.
        Some(behind) if !expected.is_empty() && ends_series(expected, behind) => expected.len(),
        _ => series_end(rest)?,
    };
    let (series, measured) = rest.split_at(end);
    sample(format, series, measured).map(Line::Sample)
}

const BLANK: [char; 2] = [' ', '\t'];

fn comment<'a>(format: Format, text: &str, comment: &str) -> Result<Line<'a>, LineError> {
    if format == Format::OpenMetrics && text == "# EOF" {
        return Ok(Line::End);
    }
    if let Some(("TYPE", rest)) = word(comment)
        && let Some((_, rest)) = family(rest)
    {
        let known = word(rest).is_some_and(|(kind, _)| TYPES.contains(&kind));
        return if known { Ok(Line::Other) } else { Err(LineError::Type) };
    }
    Ok(Line::Other)
}

/// The name of a family, which may be quoted, and what stands behind it.
pub(super) fn family(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let text = text.trim_start_matches(BLANK);
    if text.starts_with('"') {
        return quoted(text).ok();
    }
    word(text).map(|(name, rest)| (name.into(), rest))
}

/// The next word, and what stands behind it.
pub(super) fn word(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start_matches(BLANK);
    let end = text.find(BLANK).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

fn ends_series(expected: &str, behind: &str) -> bool {
    expected.ends_with('}')
        || (behind.starts_with(BLANK) && !behind.trim_start_matches(BLANK).starts_with('{'))
}

/// Where name and labels end; how the labels are written inside is looked at by [`labels`].
fn series_end(text: &str) -> Result<usize, LineError> {
    let name = name_length(text, is_name_part);
    let behind = &text[name..];
    let blanks = behind.len() - behind.trim_start_matches(BLANK).len();
    if !behind[blanks..].starts_with('{') {
        let separated = blanks > 0;
        return if name > 0 && separated { Ok(name) } else { Err(LineError::Name) };
    }
    let open = name + blanks + 1;
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text[open..].bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'}' if !quoted => return Ok(open + at + 1),
            _ => {}
        }
    }
    Err(LineError::Labels)
}

fn sample<'a>(format: Format, series: &'a str, measured: &str) -> Result<Sample<'a>, LineError> {
    let measured = match format {
        // An exemplar follows behind ` # `; it is not kept.
        Format::OpenMetrics => measured.split_once(" # ").map_or(measured, |(before, _)| before),
        Format::Text => measured,
    };
    let mut words = measured.split(BLANK).filter(|word| !word.is_empty());
    let value = words.next().and_then(number).ok_or(LineError::Value)?;
    let time = words.next();
    let is_time = |text: &str| match format {
        Format::Text => text.parse::<i64>().is_ok(),
        Format::OpenMetrics => number(text).is_some_and(f64::is_finite),
    };
    if time.is_some_and(|text| !is_time(text)) {
        return Err(LineError::Time);
    }
    if words.next().is_some() {
        return Err(LineError::Surplus);
    }
    Ok(Sample { series, value, timed: time.is_some() })
}

/// A number as Go's `strconv.ParseFloat` takes it, but without its hexadecimal and underscore forms, as in Prometheus.
fn number(text: &str) -> Option<f64> {
    let value: f64 = text.parse().ok()?;
    if value.is_nan() {
        return text.eq_ignore_ascii_case("nan").then_some(NORMAL_NAN);
    }
    // Too large for a number is an error, not infinity.
    let digits = text.bytes().any(|byte| byte.is_ascii_digit());
    (value.is_finite() || !digits).then_some(value)
}

/// A label's name and value; the metric's name stands under `__name__`.
pub(super) type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The labels of a series as it is written, with its name, in their order. Names in quotes may hold any character, and
/// a name without a value in front is the metric's, as in Prometheus 3.
pub(super) fn labels(series: &str) -> Result<Vec<Pair<'_>>, LineError> {
    let name = name_length(series, is_name_part);
    let mut pairs: Vec<Pair> = Vec::new();
    if name > 0 {
        pairs.push(("__name__".into(), series[..name].into()));
    }
    let rest = series[name..].trim_matches(BLANK);
    if !rest.is_empty() {
        let inner = rest.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        read_pairs(inner.ok_or(LineError::Labels)?, &mut pairs)?;
    }
    if !pairs.iter().any(|(name, value)| name == "__name__" && !value.is_empty()) {
        return Err(LineError::Name);
    }
    for (at, (name, _)) in pairs.iter().enumerate() {
        if pairs[..at].iter().any(|(other, _)| other == name) {
            return Err(LineError::Twice);
        }
    }
    Ok(pairs)
}

fn read_pairs<'a>(inner: &'a str, pairs: &mut Vec<Pair<'a>>) -> Result<(), LineError> {
    let mut rest = inner.trim_start_matches(BLANK);
    while !rest.is_empty() {
        let (name, behind) = if rest.starts_with('"') {
            quoted(rest)?
        } else {
            let length = name_length(rest, is_label_part);
            (Cow::Borrowed(&rest[..length]), &rest[length..])
        };
        if name.is_empty() {
            return Err(LineError::Labels);
        }
        let behind = behind.trim_start_matches(BLANK);
        let behind = match behind.strip_prefix('=') {
            Some(value) => {
                let (value, behind) = quoted(value.trim_start_matches(BLANK))?;
                pairs.push((name, value));
                behind
            }
            // Only a quoted name stands alone, in front, and instead of one before the brace.
            None if rest.starts_with('"') && pairs.is_empty() => {
                pairs.push(("__name__".into(), name));
                behind
            }
            None => return Err(LineError::Labels),
        };
        let behind = behind.trim_start_matches(BLANK);
        rest = match behind.strip_prefix(',') {
            Some(next) => next.trim_start_matches(BLANK),
            None if behind.is_empty() => behind,
            None => return Err(LineError::Labels),
        };
    }
    Ok(())
}

/// The text in quotes at the beginning, and what follows it.
fn quoted(text: &str) -> Result<(Cow<'_, str>, &str), LineError> {
    let inner = text.strip_prefix('"').ok_or(LineError::Labels)?;
    let mut escaped = false;
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Ok((unescape(&inner[..at]), &inner[at + 1..])),
            _ => {}
        }
    }
    Err(LineError::Labels)
}

/// `\\`, `\"` and `\n`; another backslash stands for itself, as in Prometheus.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            out.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => out.push('\n'),
            Some(escaped @ ('\\' | '"')) => out.push(escaped),
            other => {
                out.push('\\');
                out.extend(other);
            }
        }
    }
    Cow::Owned(out)
}

fn name_length(text: &str, is_part: fn(u8) -> bool) -> usize {
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return 0;
    }
    text.bytes().position(|byte| !is_part(byte)).unwrap_or(text.len())
}

fn is_label_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_name_part(byte: u8) -> bool {
    is_label_part(byte) || byte == b':'
}

#[cfg(test)]
mod tests;
