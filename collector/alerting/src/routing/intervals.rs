//! Time intervals: when a route's receivers are told nothing, or only then something.
//! Follows Alertmanager (alertmanager, timeinterval/timeinterval.go): every kind of range that is given must hold, one of
//! each kind suffices; a start of the day is within and its end is not, all other ranges include both ends.

use std::sync::Arc;

use agent_model::Millis;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// Minutes of a day, the end of it included as a time: `24:00`.
const DAY_MINUTES: i32 = 24 * 60;

const WEEKDAYS: [&str; 7] =
    ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Intervals under one name; it holds while one of them does.
#[derive(Clone, Debug)]
pub(crate) struct TimeInterval {
    pub(crate) name: Arc<str>,
    pub(crate) spans: Vec<Span>,
}

#[derive(Clone, Debug)]
pub(crate) struct Span {
    /// Minutes of the day, without the last.
    pub(crate) times: Vec<Range>,
    /// From Sunday, 0.
    pub(crate) weekdays: Vec<Range>,
    /// Negative ones count from the end of the month.
    pub(crate) days_of_month: Vec<Range>,
    pub(crate) months: Vec<Range>,
    pub(crate) years: Vec<Range>,
    /// Only on these days, or on none of them.
    pub(crate) holidays: Option<(bool, Arc<[Date]>)>,
    pub(crate) zone: TimeZone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    from: i32,
    to: i32,
}

impl TimeInterval {
    pub(crate) fn holds(&self, now_ms: Millis) -> bool {
        let Ok(now) = Timestamp::from_millisecond(now_ms) else { return false };
        self.spans.iter().any(|span| span.holds(now.to_zoned(span.zone.clone()).datetime()))
    }
}

impl Span {
    fn holds(&self, at: DateTime) -> bool {
        let minute = i32::from(at.hour()) * 60 + i32::from(at.minute());
        let last = i32::from(at.days_in_month());
        let day = i32::from(at.day());
        let any = |ranges: &[Range], holds: &dyn Fn(&Range) -> bool| {
            ranges.is_empty() || ranges.iter().any(holds)
        };
        let within = |value: i32| move |range: &Range| (range.from..=range.to).contains(&value);
        any(&self.times, &|range| (range.from..range.to).contains(&minute))
            && any(&self.weekdays, &within(i32::from(at.weekday().to_sunday_zero_offset())))
            && any(&self.days_of_month, &|range| range.in_month(day, last))
            && any(&self.months, &within(i32::from(at.month())))
            && any(&self.years, &within(i32::from(at.year())))
            && self
                .holidays
                .as_ref()
                .is_none_or(|(on_them, days)| days.contains(&at.date()) == *on_them)
    }
}

impl Range {
    /// Days that a month does not have are passed over.
    fn in_month(&self, day: i32, last: i32) -> bool {
        let day_of = |written: i32| if written < 0 { last + written + 1 } else { written };
        let (from, to) = (day_of(self.from), day_of(self.to));
        from <= last && (from.max(1)..=to.min(last)).contains(&day)
    }

    pub(super) fn of_times(start: &str, end: &str) -> Result<Self, String> {
        let range = Self { from: minute(start)?, to: minute(end)? };
        if range.from >= range.to {
            return Err(format!("start time {start:?} must lie before end time {end:?}"));
        }
        Ok(range)
    }

    pub(super) fn of_weekdays(text: &str) -> Result<Self, String> {
        let day = |text: &str| {
            named(&WEEKDAYS, text).ok_or_else(|| format!("{text:?} is no day of the week"))
        };
        Self::read(text, day)
    }

    pub(super) fn of_months(text: &str) -> Result<Self, String> {
        // A number that no month has is taken, as Alertmanager does: `1:13` means every month.
        let month = |text: &str| {
            let number = text.parse().ok();
            let named = || named(&MONTHS, text).map(|at| at + 1);
            number.or_else(named).ok_or_else(|| format!("{text:?} is no month"))
        };
        Self::read(text, month)
    }

    pub(super) fn of_years(text: &str) -> Result<Self, String> {
        Self::read(text, |text| text.parse().map_err(|_| format!("{text:?} is no year")))
    }

    pub(super) fn of_days(text: &str) -> Result<Self, String> {
        let day = |text: &str| {
            let day: Option<i32> = text.parse().ok();
            let known = day.filter(|day| *day != 0 && (-31..=31).contains(day));
            known.ok_or_else(|| {
                format!("{text:?} is no day of a month: 1 to 31, or -31 to -1 from its end")
            })
        };
        let (from, to) = ends(text, day)?;
        if from < 0 && to > 0 {
            return Err(format!("{text:?} must end with a negative day, as it begins with one"));
        }
        // In the longest month the order can be told.
        let day_of = |written: i32| if written < 0 { 31 + written + 1 } else { written };
        if day_of(from) > day_of(to) {
            return Err(format!("{text:?} ends before it begins"));
        }
        Ok(Self { from, to })
    }

    fn read(text: &str, value: impl Fn(&str) -> Result<i32, String>) -> Result<Self, String> {
        let (from, to) = ends(text, value)?;
        if from > to {
            return Err(format!("{text:?} ends before it begins"));
        }
        Ok(Self { from, to })
    }
}

/// `first:last`, or one for both.
fn ends(text: &str, value: impl Fn(&str) -> Result<i32, String>) -> Result<(i32, i32), String> {
    let text = text.trim().to_ascii_lowercase();
    match text.split_once(':') {
        Some((from, to)) => Ok((value(from.trim())?, value(to.trim())?)),
        None => value(&text).map(|both| (both, both)),
    }
}

fn named(names: &[&str], text: &str) -> Option<i32> {
    names.iter().position(|name| *name == text).and_then(|at| i32::try_from(at).ok())
}

fn minute(text: &str) -> Result<i32, String> {
    let wrong = || format!("{text:?} is no time of the day; write for example \"07:30\"");
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    let two_digits = |part: &str| {
        let is_two = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<i32>().ok().filter(|_| is_two)
    };
    let (hour, minute) = two_digits(hour).zip(two_digits(minute)).ok_or_else(wrong)?;
    let at = hour * 60 + minute;
    if minute < 60 && at <= DAY_MINUTES { Ok(at) } else { Err(wrong()) }
}
