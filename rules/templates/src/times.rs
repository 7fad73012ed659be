//! Times and durations. The engine has no values for them, so they are the texts as which Go prints them, and the methods
//! read them: `2006-01-02 15:04:05.999999999 -0700 MST` and `1h2m3.5s`.

use gotmpl::{TemplateError, Value};
use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

use crate::fields::wrong;
use crate::{humanize, layout};

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

const TIME_METHODS: [&str; 21] = [
    "Format",
    "Unix",
    "UnixMilli",
    "UnixNano",
    "UTC",
    "String",
    "Year",
    "Month",
    "Day",
    "Hour",
    "Minute",
    "Second",
    "Weekday",
    "YearDay",
    "IsZero",
    "Sub",
    "Add",
    "Before",
    "After",
    "Equal",
    "Local",
];

const DURATION_METHODS: [&str; 7] =
    ["Seconds", "Minutes", "Hours", "Milliseconds", "Nanoseconds", "String", "Abs"];

impl Moment {
    pub(crate) fn utc(at: Timestamp) -> Self {
        Self { at, offset: Offset::UTC, zone: "UTC".to_owned() }
    }

    pub(crate) fn civil(&self) -> DateTime {
        self.offset.to_datetime(self.at)
    }

    pub(crate) fn shown(&self) -> Value {
        text(layout::format(self, PRINTED))
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
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
    Moment::utc(at).shown()
}

/// What a time or a duration answers to the name of one of its methods.
pub(crate) fn method(
    receiver: &Value,
    name: &str,
    given: &[Value],
) -> Option<Result<Value, TemplateError>> {
    let Value::String(written) = receiver else { return None };
    if TIME_METHODS.contains(&name)
        && let Some(moment) = Moment::read(written)
    {
        return Some(of_time(&moment, name, given));
    }
    if DURATION_METHODS.contains(&name)
        && let Some(duration) = read_duration(written)
    {
        return Some(of_duration(duration, name, given));
    }
    None
}

fn of_time(moment: &Moment, name: &str, given: &[Value]) -> Result<Value, TemplateError> {
    let other = || given.first().and_then(Value::as_str).and_then(Moment::read);
    let wants = |what: &str| wrong(format!("{name} takes {what}"));
    let at = moment.civil();
    let utc = || Moment::utc(moment.at).shown();
    Ok(match (name, given) {
        ("Format", [Value::String(wanted)]) => text(layout::format(moment, wanted)),
        ("Format", _) => return Err(wants("a layout")),
        ("Sub" | "Before" | "After" | "Equal", [_]) => {
            let other = other().ok_or_else(|| wants("a time"))?;
            match name {
                "Sub" => duration(moment.at.duration_since(other.at)),
                "Before" => Value::Bool(moment.at < other.at),
                "After" => Value::Bool(moment.at > other.at),
                _ => Value::Bool(moment.at == other.at),
            }
        }
        ("Add", [Value::String(added)]) => {
            let added = read_duration(added).ok_or_else(|| wants("a duration"))?;
            let at = moment.at.checked_add(added).map_err(|error| wrong(error.to_string()))?;
            Moment { at, ..moment.clone() }.shown()
        }
        ("Sub" | "Before" | "After" | "Equal" | "Add", _) => return Err(wants("one argument")),
        (_, [_, ..]) => return Err(wants("no argument")),
        ("Unix", _) => Value::Int(moment.at.as_second()),
        ("UnixMilli", _) => Value::Int(moment.at.as_millisecond()),
        ("UnixNano", _) => Value::Int(i64::try_from(moment.at.as_nanosecond()).unwrap_or(i64::MAX)),
        ("UTC" | "Local", _) => utc(),
        ("Year", _) => Value::Int(at.year().into()),
        ("Month", _) => text(layout::format(moment, "January")),
        ("Day", _) => Value::Int(at.day().into()),
        ("Hour", _) => Value::Int(at.hour().into()),
        ("Minute", _) => Value::Int(at.minute().into()),
        ("Second", _) => Value::Int(at.second().into()),
        ("Weekday", _) => text(layout::format(moment, "Monday")),
        ("YearDay", _) => Value::Int(at.day_of_year().into()),
        // Go's zero is the year 1.
        ("IsZero", _) => Value::Bool(moment.at.as_second() == -62_135_596_800),
        _ => moment.shown(),
    })
}

fn of_duration(of: SignedDuration, name: &str, given: &[Value]) -> Result<Value, TemplateError> {
    if !given.is_empty() {
        return Err(wrong(format!("{name} takes no argument")));
    }
    let whole = |number: i128| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    Ok(match name {
        "Seconds" => Value::Float(of.as_secs_f64()),
        "Minutes" => Value::Float(of.as_secs_f64() / 60.0),
        "Hours" => Value::Float(of.as_secs_f64() / 3_600.0),
        "Milliseconds" => whole(of.as_millis()),
        "Nanoseconds" => whole(of.as_nanos()),
        "Abs" => duration(of.abs()),
        _ => duration(of),
    })
}

fn duration(of: SignedDuration) -> Value {
    text(humanize::go_duration(of.as_secs_f64()))
}

/// Go's durations: numbers with units, one behind the other; `0s` is none, a bare number neither.
pub(crate) fn read_duration(written: &str) -> Option<SignedDuration> {
    const UNITS: [(&str, f64); 7] = [
        ("ns", 1e-9),
        ("us", 1e-6),
        ("µs", 1e-6),
        ("ms", 1e-3),
        ("s", 1.0),
        ("m", 60.0),
        ("h", 3_600.0),
    ];
    let (negative, mut rest) =
        written.strip_prefix('-').map_or((false, written), |rest| (true, rest));
    let mut seconds = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let number: f64 = rest[..digits].parse().ok()?;
        let unit = &rest[digits..];
        let length = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == &unit[..length])?;
        seconds += number * factor;
        rest = &unit[length..];
    }
    SignedDuration::try_from_secs_f64(if negative { -seconds } else { seconds }).ok()
}

fn text(text: String) -> Value {
    Value::String(text.into())
}
