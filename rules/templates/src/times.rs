//! Times, durations, months and weekdays with Go's methods. The engine has no values for them, so they are made values: the
//! text as which Go prints them and, but for times, the number that they are there.
//!
//! Absent on purpose: `ISOWeek`, `Date`, `Clock`, `Zone`, `MarshalText` and the like, which give two values (Go's templates
//! refuse them too); `In`, `Location` and `ZoneBounds`, which are about time zones as values (`tz` is there for them);
//! `AppendFormat`, `GoString`. A `Local` time is UTC. A duration of zero and Sunday are true in `if`, unlike Go's.

use gotmpl::{TemplateError, Value};
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use crate::fields::wrong;
use crate::{humanize, layout, record, rendering};

/// A moment somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) at: Timestamp,
    pub(crate) offset: Offset,
    /// `UTC`, `+07`.
    pub(crate) zone: String,
}

/// As Go prints a time.
const PRINTED: &str = "2006-01-02 15:04:05.999999999 -0700 MST";

const TIME: &str = "time.Time";
const DURATION: &str = "time.Duration";
const MONTH: &str = "time.Month";
const WEEKDAY: &str = "time.Weekday";

/// Go's zero is the year 1.
const ZERO_SECONDS: i64 = -62_135_596_800;

impl Moment {
    pub(crate) fn utc(at: Timestamp) -> Self {
        Self { at, offset: Offset::UTC, zone: "UTC".to_owned() }
    }

    pub(crate) fn civil(&self) -> DateTime {
        self.offset.to_datetime(self.at)
    }

    pub(crate) fn value(&self) -> Value {
        record::made(TIME, layout::format(self, PRINTED), None)
    }

    /// The moment that a value is, if it is one.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        (record::kind(value)? == TIME).then(|| Self::read(record::text(value)?))?
    }

    fn read(text: &str) -> Option<Self> {
        let mut words = text.splitn(4, ' ');
        let (date, clock, offset) = (words.next()?, words.next()?, words.next()?);
        let zone = words.next()?.to_owned();
        let numbers = format!("{date} {clock} {offset}");
        let read = jiff::fmt::strtime::parse("%Y-%m-%d %H:%M:%S%.f %z", numbers).ok()?;
        Some(Self { at: read.to_timestamp().ok()?, offset: read.offset()?, zone })
    }
}

/// A time in UTC.
pub fn time(at: Timestamp) -> Value {
    Moment::utc(at).value()
}

/// The moment that a value is, if it is a time.
pub fn timestamp_of(value: &Value) -> Option<Timestamp> {
    Moment::of(value).map(|moment| moment.at)
}

/// A length of time.
pub fn duration(of: SignedDuration) -> Value {
    let text = humanize::go_duration(of.as_secs_f64());
    record::made(DURATION, text, Some(i64::try_from(of.as_nanos()).unwrap_or(i64::MAX)))
}

/// The length of time that a value is: a duration, or whole nanoseconds.
pub(crate) fn duration_of(value: &Value) -> Option<SignedDuration> {
    match value {
        Value::Int(nanoseconds) => Some(SignedDuration::from_nanos(*nanoseconds)),
        _ if record::kind(value)? == DURATION => {
            record::number(value).map(SignedDuration::from_nanos)
        }
        _ => None,
    }
}

/// Whether a value is a duration, and no bare number.
pub(crate) fn is_duration(value: &Value) -> bool {
    record::kind(value) == Some(DURATION)
}

/// `date LAYOUT TIME`.
pub fn date(given: &[Value]) -> Result<Value, TemplateError> {
    match given {
        [Value::String(layout), at] => {
            let moment = Moment::of(at).ok_or_else(|| wrong("date takes a layout and a time"))?;
            Ok(text(layout::format(&moment, layout)))
        }
        _ => Err(wrong("date takes a layout and a time")),
    }
}

/// `tz NAME TIME`: the same moment somewhere else.
pub fn tz(given: &[Value]) -> Result<Value, TemplateError> {
    let wants = || wrong("tz takes the name of a time zone and a time");
    let [Value::String(name), at] = given else { return Err(wants()) };
    let moment = Moment::of(at).ok_or_else(wants)?;
    let zone = TimeZone::get(name).map_err(|error| wrong(error.to_string()))?;
    let info = zone.to_offset_info(moment.at);
    let zone = info.abbreviation().to_owned();
    Ok(Moment { at: moment.at, offset: info.offset(), zone }.value())
}

/// `since TIME`, as of the moment of the rendering.
pub fn since(given: &[Value]) -> Result<Value, TemplateError> {
    let [at] = given else { return Err(wrong("since takes a time")) };
    let at = timestamp_of(at).ok_or_else(|| wrong("since takes a time"))?;
    Ok(duration(rendering::now().duration_since(at)))
}

/// What a time or a duration answers to the name of one of its methods.
pub(crate) fn method(
    receiver: &Value,
    name: &str,
    given: &[Value],
) -> Option<Result<Value, TemplateError>> {
    match record::kind(receiver)? {
        TIME => Some(of_time(&Moment::of(receiver)?, name, given)),
        DURATION => Some(of_duration(duration_of(receiver)?, name, given)),
        kind @ (MONTH | WEEKDAY) => {
            let shown = record::text(receiver)?;
            Some(match (name, given) {
                ("String", []) => Ok(Value::String(shown.clone())),
                _ => Err(unknown(name, kind)),
            })
        }
        _ => None,
    }
}

fn unknown(name: &str, kind: &str) -> TemplateError {
    wrong(format!("can't evaluate field {name} in type {kind}, or not with these arguments"))
}

fn of_time(moment: &Moment, name: &str, given: &[Value]) -> Result<Value, TemplateError> {
    match given {
        [] => time_alone(moment, name),
        [one] => time_with(moment, name, one),
        [Value::Int(years), Value::Int(months), Value::Int(days)] if name == "AddDate" => {
            let date = moment.civil();
            // As Go: month and day may overflow into the next.
            let months = i64::from(date.year()) * 12 + i64::from(date.month()) - 1
                + years.saturating_mul(12).saturating_add(*months);
            let days = days.saturating_add(i64::from(date.day()) - 1);
            let first = i16::try_from(months.div_euclid(12))
                .ok()
                .zip(i8::try_from(months.rem_euclid(12) + 1).ok());
            let first = first.and_then(|(year, month)| jiff::civil::Date::new(year, month, 1).ok());
            let span = jiff::Span::new().try_days(days).ok();
            let date = first.zip(span).and_then(|(first, span)| first.checked_add(span).ok());
            let at = date.and_then(|day| {
                moment.offset.to_timestamp(day.to_datetime(moment.civil().time())).ok()
            });
            let at = at.ok_or_else(|| wrong("AddDate leads beyond the calendar"))?;
            Ok(Moment { at, ..moment.clone() }.value())
        }
        _ => Err(unknown(name, TIME)),
    }
}

fn time_alone(moment: &Moment, name: &str) -> Result<Value, TemplateError> {
    let at = moment.civil();
    let nanoseconds = moment.at.as_nanosecond();
    Ok(match name {
        "Unix" => Value::Int(moment.at.as_second()),
        "UnixMilli" => Value::Int(moment.at.as_millisecond()),
        "UnixMicro" => Value::Int(moment.at.as_microsecond()),
        "UnixNano" => Value::Int(i64::try_from(nanoseconds).unwrap_or(i64::MAX)),
        "UTC" | "Local" => Moment::utc(moment.at).value(),
        "Year" => Value::Int(at.year().into()),
        "Month" => record::made(MONTH, layout::format(moment, "January"), Some(at.month().into())),
        "Day" => Value::Int(at.day().into()),
        "Hour" => Value::Int(at.hour().into()),
        "Minute" => Value::Int(at.minute().into()),
        "Second" => Value::Int(at.second().into()),
        "Nanosecond" => Value::Int(at.subsec_nanosecond().into()),
        "Weekday" => {
            let day = at.weekday().to_sunday_zero_offset();
            record::made(WEEKDAY, layout::format(moment, "Monday"), Some(day.into()))
        }
        "YearDay" => Value::Int(at.day_of_year().into()),
        "IsZero" => {
            Value::Bool(moment.at.as_second() == ZERO_SECONDS && at.subsec_nanosecond() == 0)
        }
        "IsDST" => Value::Bool(false),
        "String" => text(layout::format(moment, PRINTED)),
        _ => return Err(unknown(name, TIME)),
    })
}

fn time_with(moment: &Moment, name: &str, given: &Value) -> Result<Value, TemplateError> {
    let other = || Moment::of(given).ok_or_else(|| wrong(format!("{name} takes a time")));
    let length = || duration_of(given).ok_or_else(|| wrong(format!("{name} takes a duration")));
    let moved = |at: Result<Timestamp, jiff::Error>| {
        let at = at.map_err(|error| wrong(error.to_string()))?;
        Ok(Moment { at, ..moment.clone() }.value())
    };
    match name {
        "Format" => match given {
            Value::String(wanted) => Ok(text(layout::format(moment, wanted))),
            _ => Err(wrong("Format takes a layout")),
        },
        "Sub" => Ok(duration(moment.at.duration_since(other()?.at))),
        "Before" => Ok(Value::Bool(moment.at < other()?.at)),
        "After" => Ok(Value::Bool(moment.at > other()?.at)),
        "Equal" => Ok(Value::Bool(moment.at == other()?.at)),
        "Compare" => Ok(Value::Int(match moment.at.cmp(&other()?.at) {
            std::cmp::Ordering::Less => -1,
            std::cmp::Ordering::Equal => 0,
            std::cmp::Ordering::Greater => 1,
        })),
        "Add" => moved(moment.at.checked_add(length()?)),
        "Truncate" | "Round" => {
            // Go counts from its zero time.
            let zero = i128::from(ZERO_SECONDS) * 1_000_000_000;
            let since = moment.at.as_nanosecond() - zero;
            let kept = rounded(since, length()?.as_nanos(), name == "Round");
            moved(Timestamp::from_nanosecond(kept + zero))
        }
        _ => Err(unknown(name, TIME)),
    }
}

/// To a multiple of a length, downwards or to the nearest, halves up.
fn rounded(nanoseconds: i128, to: i128, nearest: bool) -> i128 {
    if to <= 0 {
        return nanoseconds;
    }
    let kept = nanoseconds - nanoseconds % to;
    let rest = nanoseconds - kept;
    match nearest && rest.abs() * 2 >= to {
        true if rest < 0 => kept - to,
        true => kept + to,
        false => kept,
    }
}

fn of_duration(of: SignedDuration, name: &str, given: &[Value]) -> Result<Value, TemplateError> {
    let whole = |number: i128| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    Ok(match (name, given) {
        ("Seconds", []) => Value::Float(of.as_secs_f64()),
        ("Minutes", []) => Value::Float(of.as_secs_f64() / 60.0),
        ("Hours", []) => Value::Float(of.as_secs_f64() / 3_600.0),
        ("Milliseconds", []) => whole(of.as_millis()),
        ("Microseconds", []) => whole(of.as_micros()),
        ("Nanoseconds", []) => whole(of.as_nanos()),
        ("Abs", []) => duration(of.abs()),
        ("String", []) => text(humanize::go_duration(of.as_secs_f64())),
        ("Truncate" | "Round", [to]) => {
            let to = duration_of(to).ok_or_else(|| wrong(format!("{name} takes a duration")))?;
            let kept = rounded(of.as_nanos(), to.as_nanos(), name == "Round");
            duration(SignedDuration::from_nanos(i64::try_from(kept).unwrap_or(i64::MAX)))
        }
        _ => return Err(unknown(name, DURATION)),
    })
}

fn text(text: String) -> Value {
    Value::String(text.into())
}
