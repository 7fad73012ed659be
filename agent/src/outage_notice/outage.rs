//! What is known of an outage of all collectors, and which ways have told of it.
//! Promises: each way tells each outage and its end once, also over restarts of the agent; what could not be told is told later.
//! Leaves to others: telling.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::files;

/// By which the host's people are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    Syslog,
    Mail,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Nothing was taken for so long.
    Begins(Duration),
    /// Reports are taken again.
    Ends,
}

/// What is known of the collectors together; by a clock that never steps.
pub(super) struct Outage {
    /// When a collector took a report last, as the collectors say it.
    taken_ms: i64,
    taken_at: Instant,
    /// Ways that told of the outage and not yet of its end.
    told: BTreeSet<Way>,
    /// A report was taken since they told.
    is_over: bool,
    /// When a way last failed.
    failed: BTreeMap<Way, Instant>,
}

impl Way {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Syslog => "syslog",
            Self::Mail => "mail",
        }
    }
}

impl Outage {
    pub(super) fn new(taken_ms: i64, now: Instant, told: BTreeSet<Way>) -> Self {
        Self { taken_ms, taken_at: now, told, is_over: false, failed: BTreeMap::new() }
    }

    /// What is to be told now, and how. A way that failed is tried again after the same time.
    pub(super) fn look(
        &mut self,
        newest_ms: i64,
        now: Instant,
        after: Duration,
        ways: &[Way],
    ) -> Vec<(Way, Event)> {
        if newest_ms != self.taken_ms {
            self.taken_ms = newest_ms;
            self.taken_at = now;
            if !std::mem::replace(&mut self.is_over, true) {
                // The end is another matter.
                self.failed.clear();
            }
        }
        let lasts = now.duration_since(self.taken_at);
        self.is_over &= lasts < after;
        let event = |way: &Way| match (self.told.contains(way), self.is_over) {
            (true, true) => Some(Event::Ends),
            (false, _) if lasts >= after => Some(Event::Begins(lasts)),
            _ => None,
        };
        let rests = |way: &Way| {
            self.failed.get(way).is_some_and(|failed| now.duration_since(*failed) < after)
        };
        let ready = ways.iter().filter(|way| !rests(way));
        ready.filter_map(|way| Some((*way, event(way)?))).collect()
    }

    pub(super) fn note(&mut self, way: Way, event: Event, done: bool, now: Instant) {
        if !done {
            self.failed.insert(way, now);
            return;
        }
        self.failed.remove(&way);
        match event {
            Event::Begins(_) => self.told.insert(way),
            Event::Ends => self.told.remove(&way),
        };
    }

    pub(super) fn told(&self) -> &BTreeSet<Way> {
        &self.told
    }
}

/// Where it is kept which ways have told: one name a line.
pub(super) fn file(state: &Path) -> PathBuf {
    state.join("outage_told")
}

/// Nothing where there is no file. A file that cannot be read costs a notice that comes twice.
pub(super) fn load(file: &Path) -> BTreeSet<Way> {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| {
        if error.kind() != std::io::ErrorKind::NotFound {
            tracing::error!(%error, file = %file.display(), "it is not known whether people were told of an outage");
        }
        String::new()
    });
    let named = |name: &str| [Way::Syslog, Way::Mail].into_iter().find(|way| way.name() == name);
    text.lines().filter_map(named).collect()
}

pub(super) fn save(file: &Path, told: &BTreeSet<Way>) {
    let text: String = told.iter().map(|way| format!("{}\n", way.name())).collect();
    if let Err(error) = files::replace(file, text.as_bytes(), 0o600) {
        tracing::error!(%error, file = %file.display(), "a restart may tell people of this outage again");
    }
}
