//! `Retry-After` (RFC 9110, 10.2.3): seconds, or a date. A date is read by the clock of who wrote it, the answer's `Date`, so
//! that a receiver whose clock is wrong is still waited for as long as it means.

use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

/// How long the receiver asks us to wait; `None` when it does not say, or says it so that nobody can tell.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::trim);
    let asked = text(RETRY_AFTER)?;
    if let Ok(seconds) = asked.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let seconds = |text: &str| {
        let parsed = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text);
        parsed.ok().map(jiff::Timestamp::as_second)
    };
    let wait = seconds(asked)?.saturating_sub(seconds(text(DATE)?)?);
    Some(Duration::from_secs(u64::try_from(wait).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_read_and_rubbish_is_nothing() {
        let asked = |date: &str, retry: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, retry.parse().unwrap());
            if !date.is_empty() {
                headers.insert(DATE, date.parse().unwrap());
            }
            retry_after(&headers).map(|wait| wait.as_secs())
        };
        let now = "Sun, 22 Nov 2026 19:00:00 GMT";
        assert_eq!(asked("", "120"), Some(120));
        assert_eq!(asked(now, "Sun, 22 Nov 2026 19:02:00 GMT"), Some(120));
        assert_eq!(asked(now, "Sun, 22 Nov 2026 18:00:00 GMT"), Some(0));
        assert_eq!(asked("", "Sun, 22 Nov 2026 19:02:00 GMT"), None);
        assert_eq!((asked(now, "soon"), asked(now, "-5")), (None, None));
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
