//! A day of receipt, UTC: the name of an index directory and the unit of retention.

use std::fmt;
use std::str::FromStr;

use agent_model::Millis;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

pub(crate) const DAY_MS: Millis = 86_400_000;

/// Days since 1970-01-01; shown as `2026-11-21`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Day(pub i64);

impl Day {
    pub fn of(received_ms: Millis) -> Self {
        Self(received_ms.div_euclid(DAY_MS))
    }

    /// The first millisecond of the day.
    pub fn start_ms(self) -> Millis {
        self.0.saturating_mul(DAY_MS)
    }

    /// The first millisecond after the day.
    pub fn end_ms(self) -> Millis {
        self.start_ms().saturating_add(DAY_MS)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_millisecond(self.start_ms()) {
            Ok(start) => write!(formatter, "{}", start.to_zoned(TimeZone::UTC).date()),
            // Beyond the calendar only a broken clock gets; the number still names the day.
            Err(_) => write!(formatter, "day{}", self.0),
        }
    }
}

impl FromStr for Day {
    type Err = jiff::Error;
    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        let date: Date = text.parse()?;
        let start = date.to_zoned(TimeZone::UTC)?.timestamp();
        Ok(Self::of(start.as_millisecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_reads_back_from_its_name() {
        for (received_ms, name) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (1_795_305_600_000, "2026-11-22"),
            (1_795_305_599_999, "2026-11-21"),
        ] {
            assert_eq!(Day::of(received_ms).to_string(), name);
            assert_eq!(name.parse::<Day>().unwrap(), Day::of(received_ms));
        }
        assert!("2026-13-01".parse::<Day>().is_err());
        assert!("2026-11-21.damaged-1".parse::<Day>().is_err());
        assert_eq!(Day(i64::MAX).to_string(), format!("day{}", i64::MAX));
    }
}
