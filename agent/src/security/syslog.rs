//! The header of a syslog line: time, host, program, process id; RFC 3164 as rsyslog and syslogd write it to files, or
//! an ISO 8601 time in its place (rsyslog's `RSYSLOG_FileFormat`, the default of newer Debian).
//! Promises: pure; `now` and the zone are arguments. A line without such a header is `None`, and the caller keeps it.

use agent_model::Millis;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SyslogLine<'a> {
    pub(super) time_ms: Millis,
    pub(super) host: &'a str,
    pub(super) program: &'a str,
    pub(super) process_id: Option<&'a str>,
    pub(super) message: &'a str,
}

/// How far a line may lie in the future before its missing year is taken to be the year before.
const FUTURE_MS_MAX: Millis = 24 * 3_600_000;
/// Years tried for a date without a year: February 29 may lie eight years back (1896, 1904; 2096, 2104).
const YEARS_TRIED: i16 = 9;

impl<'a> SyslogLine<'a> {
    /// `now` gives the year that RFC 3164 leaves out; `zone` is that of the program that wrote the file.
    pub(super) fn parse(line: &'a str, now: Millis, zone: &TimeZone) -> Option<Self> {
        let (time_ms, rest) = iso_time(line, zone).or_else(|| rfc3164_time(line, now, zone))?;
        let (host, rest) = rest.split_once(' ')?;
        let (tag, message) = split_tag(rest.trim_start_matches(' '))?;
        let (program, process_id) = match tag.strip_suffix(']').and_then(|tag| tag.split_once('['))
        {
            Some((program, id)) => (program, Some(id)),
            None => (tag, None),
        };
        let plain = |text: &str| !text.is_empty() && !text.contains(char::is_whitespace);
        (plain(host) && plain(program)).then_some(Self {
            time_ms,
            host,
            program,
            process_id,
            message,
        })
    }
}

/// `sshd[1]: message`: the tag ends at the first colon that a space or the end follows.
fn split_tag(rest: &str) -> Option<(&str, &str)> {
    match rest.split_once(": ") {
        Some((tag, message)) => Some((tag, message)),
        None => rest.strip_suffix(':').map(|tag| (tag, "")),
    }
}

/// `2026-11-21T21:47:31.123456+07:00 rest`; without an offset the zone's applies.
fn iso_time<'a>(line: &'a str, zone: &TimeZone) -> Option<(Millis, &'a str)> {
    let (time, rest) = line.split_once(' ')?;
    if !time.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    if let Ok(timestamp) = time.parse::<Timestamp>() {
        return Some((timestamp.as_millisecond(), rest));
    }
    let local: DateTime = time.parse().ok()?;
    Some((millis(local, zone)?, rest))
}

/// `Nov 21 21:47:31 rest`, `Nov  1 …`.
fn rfc3164_time<'a>(line: &'a str, now: Millis, zone: &TimeZone) -> Option<(Millis, &'a str)> {
    let (time, rest) = line.split_at_checked(15)?;
    let rest = rest.strip_prefix(' ')?;
    let (month, rest_of_time) = time.split_at_checked(3)?;
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = i8::try_from(MONTHS.iter().position(|name| *name == month)? + 1).ok()?;
    let (day, clock) = rest_of_time.trim_start_matches(' ').split_once(' ')?;
    let day: i8 = day.parse().ok()?;
    let mut parts = clock.split(':').map(|part| part.parse::<i8>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let this_year = Timestamp::from_millisecond(now).ok()?.to_zoned(zone.clone()).year();
    // The latest year that does not put the line into the future: on January 1 a line of December 31 is last year's.
    (0..YEARS_TRIED).find_map(|back| {
        let local =
            DateTime::new(this_year + 1 - back, month, day, hour, minute, second, 0).ok()?;
        let time_ms = millis(local, zone)?;
        (time_ms <= now + FUTURE_MS_MAX).then_some((time_ms, rest))
    })
}

fn millis(local: DateTime, zone: &TimeZone) -> Option<Millis> {
    Some(local.to_zoned(zone.clone()).ok()?.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21T15:00:00Z, which is 22:00 in Việt Nam.
    const NOW: Millis = 1_795_273_200_000;

    fn vietnam() -> TimeZone {
        TimeZone::fixed(jiff::tz::offset(7))
    }

    fn time_of(line: &str, now: Millis) -> String {
        let line = SyslogLine::parse(line, now, &vietnam()).unwrap();
        Timestamp::from_millisecond(line.time_ms).unwrap().to_string()
    }

    #[test]
    fn both_headers_are_read_in_the_zone_of_the_host() {
        let line = "Nov 21 21:47:31 dc1-srv01 sshd[123]: Connection closed: bye";
        let parsed = SyslogLine::parse(line, NOW, &vietnam()).unwrap();
        assert_eq!((parsed.host, parsed.program), ("dc1-srv01", "sshd"));
        assert_eq!((parsed.process_id, parsed.message), (Some("123"), "Connection closed: bye"));
        assert_eq!(time_of(line, NOW), "2026-11-21T14:47:31Z");
        let iso = "2026-11-21T21:47:31.123456+07:00 dc1-srv01 sudo:    alice : TTY=pts/0";
        assert_eq!(time_of(iso, NOW), "2026-11-21T14:47:31.123Z");
        assert_eq!(
            SyslogLine::parse(iso, NOW, &vietnam()).unwrap().message,
            "   alice : TTY=pts/0"
        );
        assert_eq!(time_of("2026-11-21T21:47:31 h su: x", NOW), "2026-11-21T14:47:31Z");
    }

    #[test]
    fn the_missing_year_is_the_latest_that_is_not_in_the_future() {
        let new_year = 1_798_741_800_000; // 2026-12-31T18:30Z: 01:30 on January 1, 2027 in Việt Nam
        assert_eq!(time_of("Dec 31 23:59:59 h su: x", new_year), "2026-12-31T16:59:59Z");
        assert_eq!(time_of("Jan  1 01:29:00 h su: x", new_year), "2026-12-31T18:29:00Z");
        // A clock that runs some minutes ahead over New Year is not a year late.
        assert_eq!(time_of("Jan  1 00:05:00 h su: x", 1_798_736_100_000), "2026-12-31T17:05:00Z");
        assert_eq!(time_of("Nov 23 00:00:00 h su: x", NOW), "2025-11-22T17:00:00Z");
        assert_eq!(time_of("Feb 29 00:00:00 h su: x", NOW), "2024-02-28T17:00:00Z");
    }

    #[test]
    fn what_is_no_header_is_left_to_the_caller() {
        for line in [
            "",
            "x",
            "Nov 21 21:47:31",
            "Nov 41 21:47:31 h su: x",
            "Nov 21 21:47:31 h",
            "Nov 21 21:47:31 h -- MARK --",
            "Máy chủ đã khởi động lại rồi",
            "2026-99-21T00:00:00Z h su: x",
        ] {
            assert_eq!(SyslogLine::parse(line, NOW, &vietnam()), None, "{line:?}");
        }
    }
}
