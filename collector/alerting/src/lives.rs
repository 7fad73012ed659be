//! The lives of alerts, from firing to resolved, as the history tells them: searched, told one by one with all that happened,
//! and tallied by rule, service or any label. Answers which rules are noisiest and how long people take.
//! Promises: what is tallied is read page by page, so a year takes no more memory than a day.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use agent_model::{Labels, Matcher, Millis};

use crate::notification::OutboxState;
use crate::silence::Silence;
use crate::store::HistoryEntry;
use crate::{Alerting, AlertingError};

/// Lives in one answer; older ones are asked for behind the last.
pub const LIVES_MAX: usize = 1_000;

/// Values of a label in one tally: the noisiest. How many are beyond is told.
pub const TALLIES_MAX: usize = 1_000;

/// Changes, and notifications, told of one life: an alert that goes on for two months is repeated so often.
pub const LIFE_LINES_MAX: usize = 500;

/// One time that an alert fired.
#[derive(Clone, Debug, PartialEq)]
pub struct Life {
    pub fingerprint: u64,
    pub labels: Labels,
    /// Since when its condition held: from there to `fired_ms` it was pending.
    pub active_since_ms: Millis,
    pub fired_ms: Millis,
    /// When somebody first did something about it: took, assigned, commented.
    pub handled_ms: Option<Millis>,
    pub acknowledged_ms: Option<Millis>,
    pub resolved_ms: Option<Millis>,
    /// A receiver took a notification that it fires: it called somebody.
    pub was_told: bool,
}

/// What names a life, and its place in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LifeKey {
    pub fingerprint: u64,
    pub fired_ms: Millis,
}

/// Which lives are meant: those that began between two times and whose labels match.
#[derive(Clone, Debug, Default)]
pub struct LivesAsked {
    pub from_ms: Millis,
    pub to_ms: Millis,
    pub matchers: Vec<Matcher>,
}

/// Lives that began in a span of time, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lives {
    pub lives: Vec<Life>,
    /// There are older ones.
    pub more: bool,
}

/// One life with what happened in it, each list oldest first.
#[derive(Clone, Debug, PartialEq)]
pub struct LifeStory {
    pub life: Life,
    pub changes: Vec<HistoryEntry>,
    pub tellings: Vec<Telling>,
    /// Those that were active while it went on.
    pub silences: Vec<Silence>,
    /// More than [`LIFE_LINES_MAX`] happened: the last of it is missing.
    pub cut: bool,
}

/// One notification that told of an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telling {
    pub notification: String,
    pub receiver: String,
    pub integration: String,
    /// It told that the alert is over.
    pub is_end: bool,
    pub state: OutboxState,
    pub created_ms: Millis,
    pub finished_ms: Option<Millis>,
    pub attempts: u32,
    pub last_error: String,
}

/// What some lives come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub fired: u64,
    /// Those that called somebody.
    pub told: u64,
    /// Those that were gone within a few minutes without anybody having done anything.
    pub fleeting: u64,
    pub acknowledged: u64,
    pub resolved: u64,
    acknowledge_ms: Millis,
    resolve_ms: Millis,
}

/// The lives of each value of a label, the noisiest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tallies {
    /// By value; empty for those without the label.
    pub values: Vec<(String, Tally)>,
    /// Values beyond [`TALLIES_MAX`].
    pub left_out: usize,
    pub all: Tally,
}

impl Life {
    pub fn key(&self) -> LifeKey {
        LifeKey { fingerprint: self.fingerprint, fired_ms: self.fired_ms }
    }
}

impl LivesAsked {
    fn span(&self) -> (Millis, Millis) {
        (self.from_ms, self.to_ms)
    }

    fn wants(&self, life: &Life) -> bool {
        self.matchers.iter().all(|one| one.matches_labels(&life.labels))
    }
}

impl Tally {
    pub(crate) fn add(&mut self, life: &Life, fleeting_ms: Millis) {
        self.fired += 1;
        self.told += u64::from(life.was_told);
        if let Some(at_ms) = life.acknowledged_ms {
            self.acknowledged += 1;
            self.acknowledge_ms += (at_ms - life.fired_ms).max(0);
        }
        if let Some(at_ms) = life.resolved_ms {
            self.resolved += 1;
            self.resolve_ms += (at_ms - life.fired_ms).max(0);
            let alone = life.handled_ms.is_none() && at_ms - life.fired_ms <= fleeting_ms;
            self.fleeting += u64::from(alone);
        }
    }

    /// Mean time to acknowledge, of those that somebody took.
    pub fn mean_to_acknowledge_ms(&self) -> Option<Millis> {
        mean(self.acknowledge_ms, self.acknowledged)
    }

    /// Mean time to resolve, of those that have ended.
    pub fn mean_to_resolve_ms(&self) -> Option<Millis> {
        mean(self.resolve_ms, self.resolved)
    }
}

fn mean(sum_ms: Millis, count: u64) -> Option<Millis> {
    let count = i64::try_from(count).ok().filter(|count| *count > 0)?;
    Some(sum_ms / count)
}

impl Alerting {
    /// At most `limit` lives, beginning behind `after`.
    pub async fn lives(
        &self,
        asked: &LivesAsked,
        after: Option<LifeKey>,
        limit: usize,
    ) -> Result<Lives, AlertingError> {
        let limit = limit.min(LIVES_MAX);
        let mut found = Lives::default();
        let take = |life: Life| {
            if !asked.wants(&life) {
                return ControlFlow::Continue(());
            }
            if found.lives.len() == limit {
                found.more = true;
                return ControlFlow::Break(());
            }
            found.lives.push(life);
            ControlFlow::Continue(())
        };
        self.inner.store.each_life(asked.span(), after, take).await?;
        Ok(found)
    }

    /// Lives tallied by the values of each of some labels.
    pub async fn tallies(
        &self,
        asked: &LivesAsked,
        labels: &[&str],
        now_ms: Millis,
    ) -> Result<Vec<Tallies>, AlertingError> {
        let fleeting_ms = self.look(now_ms, |state| state.routing.budget.fleeting_ms).await?;
        let mut all = Tally::default();
        let mut by = vec![BTreeMap::<String, Tally>::new(); labels.len()];
        let add = |life: Life| {
            if asked.wants(&life) {
                all.add(&life, fleeting_ms);
                for (label, values) in labels.iter().zip(&mut by) {
                    let value = life.labels.get(label).unwrap_or_default();
                    match values.get_mut(value) {
                        Some(tally) => tally.add(&life, fleeting_ms),
                        None => {
                            values.entry(value.to_owned()).or_default().add(&life, fleeting_ms);
                        }
                    }
                }
            }
            ControlFlow::Continue(())
        };
        self.inner.store.each_life(asked.span(), None, add).await?;
        let sorted = |values: BTreeMap<String, Tally>| {
            let mut values: Vec<_> = values.into_iter().collect();
            values.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.fired));
            let left_out = values.len().saturating_sub(TALLIES_MAX);
            values.truncate(TALLIES_MAX);
            Tallies { values, left_out, all }
        };
        Ok(by.into_iter().map(sorted).collect())
    }

    /// One life with all that happened in it; what was told of its end belongs to it until the alert fires again.
    pub async fn life(
        &self,
        key: LifeKey,
        now_ms: Millis,
    ) -> Result<Option<LifeStory>, AlertingError> {
        let store = &self.inner.store;
        let Some(life) = store.life(key).await? else { return Ok(None) };
        let next_ms = store.fired_after(key).await?.unwrap_or(Millis::MAX);
        let span = (life.fired_ms, next_ms);
        let (mut changes, mut tellings) =
            store.happened(life.fingerprint, span, LIFE_LINES_MAX + 1).await?;
        let while_it_went_on = (life.fired_ms, life.resolved_ms.unwrap_or(now_ms));
        let mut silences = store.silences_between(while_it_went_on).await?;
        silences.retain(|silence| silence.matches(&life.labels));
        let longest = changes.len().max(tellings.len()).max(silences.len());
        changes.truncate(LIFE_LINES_MAX);
        tellings.truncate(LIFE_LINES_MAX);
        silences.truncate(LIFE_LINES_MAX);
        Ok(Some(LifeStory { life, changes, tellings, silences, cut: longest > LIFE_LINES_MAX }))
    }
}
