//! Labels, samples and series as Prometheus' JSON, written straight to text: a wide answer is millions of numbers.

use std::fmt::Write;

use agent_model::{Labels, Millis, Sample, Series};
use rules_promql::Value;

/// `{"resultType":…,"result":…}` of an instant query.
pub(super) fn instant(value: &Value, at_ms: Millis) -> String {
    match value {
        Value::Scalar(sample) => result("scalar", |out| push_sample(out, *sample)),
        Value::Text(text) => result("string", |out| {
            out.push('[');
            push_seconds(out, at_ms);
            out.push(',');
            push_text(out, text);
            out.push(']');
        }),
        Value::Vector(vector) => result("vector", |out| {
            list(out, vector, |out, (labels, sample)| {
                out.push_str(r#"{"metric":"#);
                push_labels(out, labels);
                out.push_str(r#","value":"#);
                push_sample(out, *sample);
                out.push('}');
            });
        }),
        Value::Matrix(series) => matrix(series),
    }
}

/// `{"resultType":"matrix","result":…}`
pub(super) fn matrix(series: &[Series]) -> String {
    result("matrix", |out| {
        list(out, series, |out, one| {
            out.push_str(r#"{"metric":"#);
            push_labels(out, &one.labels);
            out.push_str(r#","values":"#);
            list(out, &one.samples, |out, sample| push_sample(out, *sample));
            out.push('}');
        });
    })
}

/// A list of label sets.
pub(super) fn label_sets(sets: &[Labels]) -> String {
    let mut out = String::new();
    list(&mut out, sets, push_labels);
    out
}

fn result(kind: &str, write: impl FnOnce(&mut String)) -> String {
    let mut out = format!(r#"{{"resultType":"{kind}","result":"#);
    write(&mut out);
    out.push('}');
    out
}

fn list<T>(out: &mut String, items: &[T], write: impl Fn(&mut String, &T)) {
    out.push('[');
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(']');
}

fn push_labels(out: &mut String, labels: &Labels) {
    out.push('{');
    for (place, label) in labels.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        push_text(out, &label.name);
        out.push(':');
        push_text(out, &label.value);
    }
    out.push('}');
}

fn push_text(out: &mut String, text: &str) {
    let plain = |byte: u8| byte >= 0x20 && !matches!(byte, b'"' | b'\\');
    if text.bytes().all(plain) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&serde_json::Value::from(text).to_string());
    }
}

/// A time in seconds and a value as text, for JSON knows neither NaN nor infinity.
fn push_sample(out: &mut String, sample: Sample) {
    out.push('[');
    push_seconds(out, sample.timestamp_ms);
    out.push_str(",\"");
    push_number(out, sample.value);
    out.push_str("\"]");
}

fn push_seconds(out: &mut String, ms: Millis) {
    if ms < 0 {
        out.push('-');
    }
    let (seconds, fraction) = (ms.unsigned_abs() / 1_000, ms.unsigned_abs() % 1_000);
    // Writing to a string cannot fail.
    let written = match fraction {
        0 => write!(out, "{seconds}"),
        _ => write!(out, "{seconds}.{fraction:03}"),
    };
    debug_assert!(written.is_ok());
}

/// As Go prints the shortest text that reads back as the same number.
pub(super) fn push_number(out: &mut String, value: f64) {
    let magnitude = value.abs();
    let written = match value {
        _ if value.is_nan() => write!(out, "NaN"),
        f64::INFINITY => write!(out, "+Inf"),
        f64::NEG_INFINITY => write!(out, "-Inf"),
        _ if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) => {
            let text = format!("{value:e}");
            let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            match exponent.strip_prefix('-') {
                Some(exponent) => write!(out, "{digits}e-{exponent:0>2}"),
                None => write!(out, "{digits}e+{exponent:0>2}"),
            }
        }
        _ => write!(out, "{value}"),
    };
    debug_assert!(written.is_ok());
}

/// Go's `%e` with as many digits as are needed, in which alerts show their values.
pub(super) fn scientific(value: f64) -> String {
    if !value.is_finite() {
        let mut text = String::new();
        push_number(&mut text, value);
        return text;
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    match exponent.strip_prefix('-') {
        Some(exponent) => format!("{digits}e-{exponent:0>2}"),
        None => format!("{digits}e+{exponent:0>2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_written_as_prometheus_does() {
        let shown = |value: f64| {
            let mut out = String::new();
            push_number(&mut out, value);
            out
        };
        let all = [0.1, 1.0, -0.0, 1e21, 1.5e-7, f64::NAN, f64::NEG_INFINITY, 123_456_789.125];
        let texts: Vec<String> = all.into_iter().map(shown).collect();
        let wanted = ["0.1", "1", "-0", "1e+21", "1.5e-07", "NaN", "-Inf", "123456789.125"];
        assert_eq!(texts, wanted);
        assert_eq!(scientific(1.0), "1e+00");
        assert_eq!(scientific(0.25), "2.5e-01");
        let mut out = String::new();
        for ms in [1_500, 1_000, 7, -1_050] {
            push_seconds(&mut out, ms);
            out.push(' ');
        }
        assert_eq!(out, "1.500 1 0.007 -1.050 ");
    }

    #[test]
    fn a_vector_is_valid_json_whatever_its_labels_hold() {
        let labels = Labels::metric("up", [("path", "C:\\\"x\"\n\u{1}é")]);
        let vector = Value::Vector(vec![(labels, Sample { timestamp_ms: 1, value: f64::NAN })]);
        let json: serde_json::Value = serde_json::from_str(&instant(&vector, 1)).unwrap();
        assert_eq!(json["result"][0]["metric"]["path"], "C:\\\"x\"\n\u{1}é");
        assert_eq!(json["result"][0]["value"], serde_json::json!([0.001, "NaN"]));
    }
}
