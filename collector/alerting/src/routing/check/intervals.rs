//! Checks of time intervals: every range can be read, every place on earth is known.

use std::collections::BTreeSet;
use std::sync::Arc;

use agent_yaml::{At, Text};
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::super::intervals::{Range, Span, TimeInterval};
use super::super::raw;
use super::Check;

pub(super) fn ready(check: &mut Check<'_>, file: &raw::File) -> Vec<TimeInterval> {
    let mut seen = BTreeSet::new();
    let mut intervals = Vec::new();
    let holidays: Arc<[Date]> = holidays(check, file).into();
    for named in file.time_intervals.iter().chain(&file.mute_time_intervals) {
        if !seen.insert(&named.name.value) {
            let message = format!("time interval {:?} is there twice", named.name.value);
            check.problem(&named.name.place, message);
        }
        intervals.push(TimeInterval {
            name: Arc::from(named.name.value.as_str()),
            spans: named.time_intervals.iter().map(|raw| span(check, raw, &holidays)).collect(),
        });
    }
    intervals
}

fn span(check: &mut Check<'_>, raw: &raw::Span, holidays: &Arc<[Date]>) -> Span {
    let mut times = Vec::new();
    for given in &raw.times {
        match Range::of_times(&given.value.start_time.0, &given.value.end_time.0) {
            Ok(range) => times.push(range),
            Err(message) => check.problem(&given.place, message),
        }
    }
    Span {
        times,
        weekdays: ranges(check, &raw.weekdays, Range::of_weekdays),
        days_of_month: ranges(check, &raw.days_of_month, Range::of_days),
        months: ranges(check, &raw.months, Range::of_months),
        years: ranges(check, &raw.years, Range::of_years),
        holidays: raw.holidays.map(|on_them| (on_them, Arc::clone(holidays))),
        zone: raw.location.as_ref().map_or(TimeZone::UTC, |location| zone(check, location)),
    }
}

fn holidays(check: &mut Check<'_>, file: &raw::File) -> Vec<Date> {
    let mut dates = Vec::new();
    for given in &file.holidays {
        let text = &given.date.value.0;
        match text.parse() {
            Ok(date) => dates.push(date),
            Err(_) => {
                let what = if given.name.is_empty() { "a holiday" } else { &given.name };
                let message =
                    format!("{text:?} is no date of {what}; write for example 2027-01-01");
                check.problem(&given.date.place, message);
            }
        }
    }
    dates
}

fn ranges(
    check: &mut Check<'_>,
    given: &[At<Text>],
    read: fn(&str) -> Result<Range, String>,
) -> Vec<Range> {
    let mut ranges = Vec::new();
    for text in given {
        match read(&text.value.0) {
            Ok(range) => ranges.push(range),
            Err(message) => check.problem(&text.place, message),
        }
    }
    ranges
}

pub(super) fn zone(check: &mut Check<'_>, location: &At<String>) -> TimeZone {
    if location.value == "Local" {
        return TimeZone::system();
    }
    TimeZone::get(&location.value).unwrap_or_else(|error| {
        let message = format!("there is no time zone {:?}: {error}", location.value);
        check.problem(&location.place, message);
        TimeZone::UTC
    })
}
