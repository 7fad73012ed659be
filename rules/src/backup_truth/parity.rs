//! Whether the copies elsewhere are those of the data's own site: by content where the tool names it, else by time.

use std::collections::HashSet;

use agent_model::Millis;

use super::place::PlaceTruth;

/// So many copies in a row that a place did not get mean that nothing arrives there any more.
const MISSED_COPIES_MIN: usize = 3;

/// What the copies at a place are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyState {
    /// The newest, or within the lag that the policy allows.
    Current,
    /// Older than the newest by so much.
    Behind { by_ms: Millis },
    /// Behind, and none of the last copies has arrived.
    Stopped { by_ms: Millis },
    /// Copies that are not of this data.
    Different,
    /// There is no copy.
    Missing,
    /// A copy did not pass a check.
    Damaged,
    /// Nobody could look lately.
    Unseen,
}

impl CopyState {
    pub fn name(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Behind { .. } => "behind",
            Self::Stopped { .. } => "stopped",
            Self::Different => "different",
            Self::Missing => "missing",
            Self::Damaged => "damaged",
            Self::Unseen => "unseen",
        }
    }

    /// Whether what was seen there is this data and whole, as far as anybody knows.
    pub(super) fn holds_the_data(self) -> bool {
        !matches!(self, Self::Different | Self::Missing | Self::Damaged)
    }

    /// How much older it is than the newest; `None` where that says nothing.
    pub fn behind_ms(self) -> Option<Millis> {
        match self {
            Self::Current => Some(0),
            Self::Behind { by_ms } | Self::Stopped { by_ms } => Some(by_ms),
            _ => None,
        }
    }
}

/// Compares each place with the copies at the data's own site, or with the newest of all when that site has none.
pub(super) fn compare(places: &mut [PlaceTruth], home: Option<&str>, lag_ms: Millis) {
    let sound = |place: &&PlaceTruth| place.state == CopyState::Current;
    let at_home = |place: &&PlaceTruth| home.is_some() && place.site.as_deref() == home;
    let newest = |place: &&PlaceTruth| place.consistent_ms();
    let reference = places.iter().filter(sound).filter(at_home).max_by_key(newest);
    let reference = reference.or_else(|| places.iter().filter(sound).max_by_key(newest)).cloned();
    let Some(reference) = reference else { return };
    for place in places.iter_mut().filter(|place| place.state == CopyState::Current) {
        if place.location != reference.location {
            // What is fetched once a week is not late before.
            let lag_ms = place.max_age_ms.map_or(lag_ms, |age_ms| age_ms.max(lag_ms));
            place.state = state(&reference, place, lag_ms);
        }
    }
}

fn state(reference: &PlaceTruth, place: &PlaceTruth, lag_ms: Millis) -> CopyState {
    let (Some(newest_ms), Some(here_ms)) = (reference.consistent_ms(), place.consistent_ms())
    else {
        return CopyState::Current;
    };
    let by_ms = match by_content(reference, place) {
        Matched::Newest => return CopyState::Current,
        Matched::Older { consistent_ms, missed } => {
            let by_ms = newest_ms.saturating_sub(consistent_ms.unwrap_or(here_ms));
            if by_ms > lag_ms && missed >= MISSED_COPIES_MIN {
                return CopyState::Stopped { by_ms };
            }
            by_ms
        }
        Matched::None { oldest_ms } if oldest_ms.is_none_or(|oldest_ms| here_ms >= oldest_ms) => {
            return CopyState::Different;
        }
        // Its newest is older than all that is listed here, or contents cannot be compared.
        Matched::None { .. } => return CopyState::Stopped { by_ms: newest_ms - here_ms },
        Matched::Incomparable => newest_ms.saturating_sub(here_ms),
    };
    if by_ms > lag_ms { CopyState::Behind { by_ms } } else { CopyState::Current }
}

enum Matched {
    Newest,
    Older { consistent_ms: Option<Millis>, missed: usize },
    None { oldest_ms: Option<Millis> },
    Incomparable,
}

/// The newest content that both have. Only names that say the same thing at both places are compared.
fn by_content(reference: &PlaceTruth, place: &PlaceTruth) -> Matched {
    let (here, there) = (named(reference), named(place));
    match (&here, &there) {
        (Named::System(one), Named::System(other)) if one != other => {
            return Matched::None { oldest_ms: None };
        }
        (Named::Nothing, _) | (_, Named::Nothing) => return Matched::Incomparable,
        _ if here != there => return Matched::Incomparable,
        _ => {}
    }
    let entries = &reference.recent;
    let there: HashSet<&str> = place.recent.iter().map(|entry| entry.content_id.as_str()).collect();
    match entries.iter().position(|entry| there.contains(entry.content_id.as_str())) {
        Some(0) => Matched::Newest,
        Some(missed) => Matched::Older { consistent_ms: entries[missed].consistent_ms, missed },
        // The same database system, backed up to each place by itself.
        None if matches!(here, Named::System(_)) => Matched::Incomparable,
        None => Matched::None { oldest_ms: entries.last().and_then(|last| last.consistent_ms) },
    }
}

/// What the names of contents at a place say.
#[derive(PartialEq, Eq)]
enum Named<'a> {
    /// The content itself: a hash (`sha256:…`), or a name that a tool gave.
    Content(&'a str),
    /// The database system it is of, by PostgreSQL's identifier, and what of it: `7300…:…`.
    System(&'a str),
    /// A size, a position that moves on, or a backup of the place's own: nothing that another place has.
    Nothing,
}

fn named(place: &PlaceTruth) -> Named<'_> {
    let Some(newest) = place.recent.first() else { return Named::Nothing };
    match newest.content_id.split_once(':') {
        Some((system, _)) if system.bytes().all(|byte| byte.is_ascii_digit()) => {
            Named::System(system)
        }
        _ if !place.copied || newest.content_id.is_empty() => Named::Nothing,
        Some(("size" | "gtid", _)) => Named::Nothing,
        Some((kind, _)) => Named::Content(kind),
        None => Named::Content(&place.tool),
    }
}
