//! Times as the clock on the wall shows them: in Vietnam's zone, or in the one that `TZ` names. Always with the distance from
//! UTC, so that nobody has to know which.

use anyhow::Context;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};
use serde_json::Value;

fn zone() -> TimeZone {
    let is_set = std::env::var_os("TZ").is_some_and(|zone| !zone.is_empty());
    // Vietnam has one time zone and no summer time.
    if is_set { TimeZone::system() } else { TimeZone::fixed(Offset::constant(7)) }
}

/// A time in Unix milliseconds, to the second; `-` for none.
pub(crate) fn time(value: &Value) -> String {
    shown(value, "%Y-%m-%d %H:%M:%S %:z")
}

/// The same to the minute, for what is planned.
pub(crate) fn minute(value: &Value) -> String {
    shown(value, "%Y-%m-%d %H:%M %:z")
}

fn shown(value: &Value, format: &str) -> String {
    let at = value.as_i64().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    at.map_or_else(|| "-".to_owned(), |at| at.to_zoned(zone()).strftime(format).to_string())
}

/// Reads what a person types, in Unix milliseconds.
pub(crate) fn moment(text: &str) -> anyhow::Result<i64> {
    moment_in(zone(), text)
}

fn moment_in(zone: TimeZone, text: &str) -> anyhow::Result<i64> {
    let read = || -> Result<Zoned, jiff::Error> {
        let at = DateTime::strptime("%Y-%m-%d %H:%M", text.trim());
        at.or_else(|_| DateTime::strptime("%Y-%m-%dT%H:%M", text.trim()))?.to_zoned(zone)
    };
    let at = read().with_context(|| {
        format!("{text:?} is no time; write for example \"2026-11-30 08:00\", as the clock on the wall shows it")
    })?;
    Ok(at.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_meant_as_the_clock_on_the_wall_shows_it() {
        let read = |text: &str| moment_in(TimeZone::fixed(Offset::constant(7)), text);
        assert_eq!(read("1970-01-01 07:00").unwrap(), 0);
        assert_eq!(read(" 1970-01-01T08:30 ").unwrap(), 90 * 60_000);
        for wrong in ["", "tomorrow", "2026-02-30 08:00", "2026-11-30 25:00", "2026-11-30"] {
            let error = read(wrong).unwrap_err().to_string();
            assert!(error.contains("write for example"), "{wrong}: {error}");
        }
    }
}
