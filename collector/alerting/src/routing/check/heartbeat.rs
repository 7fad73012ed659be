//! Checks of `heartbeat`: where it goes, and how often.

use agent_model::Millis;
use agent_yaml::{At, Place};

use super::super::{HeartbeatSettings, SecretText, raw};
use super::{Check, chat};

/// What holds where the file says nothing: watchers outside usually wait for a few of these.
const INTERVAL_MS: Millis = 60_000;

/// More often is a load on others and tells nothing.
const INTERVAL_MIN_MS: Millis = 10_000;

pub(super) fn ready(check: &mut Check<'_>, given: &At<raw::Heartbeat>) -> HeartbeatSettings {
    let At { value: raw, place } = given;
    let interval_ms = raw.interval.as_ref().map_or(INTERVAL_MS, |at| at.value.as_millis());
    if interval_ms < INTERVAL_MIN_MS {
        let at = raw.interval.as_ref().map_or(place, |at| &at.place);
        check.problem(at, "`interval` of the heartbeat is at least 10s");
    }
    HeartbeatSettings {
        url: url(check, raw, place),
        interval_ms,
        http: chat::options(check, raw.http_config.as_ref()),
    }
}

fn url(check: &mut Check<'_>, raw: &raw::Heartbeat, place: &Place) -> SecretText {
    match (&raw.url, &raw.url_file) {
        (Some(url), None) => {
            check.is_http(url);
            SecretText::Value(url.value.clone())
        }
        (None, Some(file)) => check.file(file),
        _ => {
            check.problem(place, "the heartbeat needs one of `url` and `url_file`");
            SecretText::Value(String::new())
        }
    }
}
