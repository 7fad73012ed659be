//! Parts of a date, from seconds since the epoch, in UTC.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::number::whole;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DatePart {
    Minute,
    Hour,
    DayOfWeek,
    DayOfMonth,
    DayOfYear,
    DaysInMonth,
    Month,
    Year,
}

impl DatePart {
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "minute" => Self::Minute,
            "hour" => Self::Hour,
            "day_of_week" => Self::DayOfWeek,
            "day_of_month" => Self::DayOfMonth,
            "day_of_year" => Self::DayOfYear,
            "days_in_month" => Self::DaysInMonth,
            "month" => Self::Month,
            "year" => Self::Year,
            _ => return None,
        })
    }

    /// NaN for a time that has no date in years -9999 to 9999.
    pub(super) fn of(self, seconds: f64) -> f64 {
        let date = whole(seconds).and_then(|seconds| Timestamp::from_second(seconds).ok());
        date.map_or(f64::NAN, |date| self.of_date(TimeZone::UTC.to_datetime(date)))
    }

    fn of_date(self, date: DateTime) -> f64 {
        match self {
            Self::Minute => f64::from(date.minute()),
            Self::Hour => f64::from(date.hour()),
            Self::DayOfWeek => f64::from(date.weekday().to_sunday_zero_offset()),
            Self::DayOfMonth => f64::from(date.day()),
            Self::DayOfYear => f64::from(date.day_of_year()),
            Self::DaysInMonth => f64::from(date.days_in_month()),
            Self::Month => f64::from(date.month()),
            Self::Year => f64::from(date.year()),
        }
    }
}
