//! Numbers for people, digit for digit as Prometheus writes them (util/strutil and template/template.go).

use jiff::Timestamp;

const LARGE: [&str; 8] = ["k", "M", "G", "T", "P", "E", "Z", "Y"];
const SMALL: [&str; 8] = ["m", "u", "n", "p", "f", "a", "z", "y"];
const BINARY: [&str; 8] = ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"];

/// Four significant digits, as Go's `%.4g`.
fn four(value: f64) -> String {
    if !value.is_finite() {
        let sign = if value < 0.0 { "-" } else { "+" };
        return if value.is_nan() { "NaN".to_owned() } else { format!("{sign}Inf") };
    }
    let exact = format!("{value:.3e}");
    let (digits, exponent) = exact.split_once('e').unwrap_or((&exact, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..4).contains(&exponent) {
        let places = usize::try_from(3 - exponent).unwrap_or(0);
        return trimmed(&format!("{value:.places$}")).to_owned();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trimmed(digits), exponent.unsigned_abs())
}

/// Without zeros at the end of a fraction.
fn trimmed(number: &str) -> &str {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number }
}

fn divided(mut value: f64, by: f64, prefixes: &[&'static str]) -> (f64, &'static str) {
    let mut prefix = "";
    for next in prefixes {
        if value.abs() < by {
            break;
        }
        prefix = next;
        value /= by;
    }
    (value, prefix)
}

fn multiplied(mut value: f64) -> (f64, &'static str) {
    let mut prefix = "";
    for next in SMALL {
        if value.abs() >= 1.0 {
            break;
        }
        prefix = next;
        value *= 1000.0;
    }
    (value, prefix)
}

/// `1234567` is `1.235M`.
pub fn humanize(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return four(value);
    }
    let (value, prefix) =
        if value.abs() >= 1.0 { divided(value, 1000.0, &LARGE) } else { multiplied(value) };
    format!("{}{prefix}", four(value))
}

/// `1048576` is `1Mi`.
pub fn humanize1024(value: f64) -> String {
    if value.abs() <= 1.0 || !value.is_finite() {
        return four(value);
    }
    let (value, prefix) = divided(value, 1024.0, &BINARY);
    format!("{}{prefix}", four(value))
}

/// Seconds: `90061` is `1d 1h 1m 1s`, `0.0012` is `1.2ms`.
pub fn duration(value: f64) -> String {
    if !value.is_finite() {
        return four(value);
    }
    if value.abs() < 1.0 {
        if value == 0.0 {
            return "0s".to_owned();
        }
        let (value, prefix) = multiplied(value);
        return format!("{}{prefix}s", four(value));
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let whole = value.abs().trunc();
    let part = |length: f64, modulus: f64| (whole / length).floor() % modulus;
    let (seconds, minutes, hours) = (part(1.0, 60.0), part(60.0, 60.0), part(3_600.0, 24.0));
    let days = (whole / 86_400.0).floor();
    if days > 0.0 {
        format!("{sign}{days}d {hours}h {minutes}m {seconds}s")
    } else if hours > 0.0 {
        format!("{sign}{hours}h {minutes}m {seconds}s")
    } else if minutes > 0.0 {
        format!("{sign}{minutes}m {seconds}s")
    } else {
        format!("{sign}{}s", four(value.abs()))
    }
}

/// Seconds as Go writes a duration: `90.5` is `1m30.5s`, `0.0012` is `1.2ms`.
pub fn go_duration(value: f64) -> String {
    let short = |value: f64, unit: &str| format!("{value}{unit}");
    let sign = if value < 0.0 { "-" } else { "" };
    let seconds = value.abs();
    if seconds == 0.0 || !value.is_finite() {
        return "0s".to_owned();
    }
    let shown = match seconds {
        s if s < 1e-6 => short((s * 1e9).round(), "ns"),
        s if s < 1e-3 => short((s * 1e9).round() / 1e3, "µs"),
        s if s < 1.0 => short((s * 1e9).round() / 1e6, "ms"),
        s => {
            let whole = s.trunc();
            let (hours, minutes) = ((whole / 3_600.0).floor(), (whole / 60.0).floor() % 60.0);
            let rest = short(whole % 60.0 + ((s - whole) * 1e9).round() / 1e9, "s");
            match (hours > 0.0, minutes > 0.0) {
                (true, _) => format!("{hours}h{minutes}m{rest}"),
                (false, true) => format!("{minutes}m{rest}"),
                (false, false) => rest,
            }
        }
    };
    format!("{sign}{shown}")
}

/// `0.1234` is `12.34%`.
pub fn percentage(value: f64) -> String {
    format!("{}%", four(value * 100.0))
}

/// Seconds since the epoch: `1435065584.128` is `2015-06-23 13:19:44.128 +0000 UTC`.
pub fn timestamp(value: f64) -> String {
    let millis = (value * 1000.0).trunc();
    let date = rounded(millis).and_then(|millis| Timestamp::from_millisecond(millis).ok());
    match date {
        Some(date) => date.strftime("%Y-%m-%d %H:%M:%S%.f +0000 UTC").to_string(),
        None => four(value),
    }
}

#[allow(clippy::cast_possible_truncation, reason = "the bounds are checked before the cast")]
fn rounded(millis: f64) -> Option<i64> {
    const FAR: f64 = 1e15;
    (millis.abs() < FAR).then_some(millis as i64)
}
